#!/bin/sh
# The option table, the manual page and the sample files agree on keys and defaults, and the samples are valid.
# usage: options.sh ADOSYNCD
set -eu
LC_ALL=C
export LC_ALL

[ $# -eq 1 ] || { echo "usage: $0 ADOSYNCD" >&2; exit 64; }
case $1 in /*) program=$1 ;; *) program=$PWD/$1 ;; esac
cd "$(dirname "$0")/../.."
man=conf/man/adosyncd.conf.5
main=conf/adosyncd.conf
example=conf/instances.d/contoso.conf.example
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

"$program" --options >"$tmp/options"
[ -s "$tmp/options" ] || { echo "options: $program --options prints nothing" >&2; exit 1; }

# Each list: section, key, default ("-" = none), with tabs between.
cut -f 1-3 "$tmp/options" | sort >"$tmp/table"
cut -f 1,2,5 "$tmp/options" | sed 's/\treload$/\tno/; s/\trestart$/\tyes/' | sort >"$tmp/table.restart"

awk -v restart="$tmp/page.restart" '
	function done() { if (key != "") print section "\t" key "\t" again >restart; key = "" }
	/^\.S[sh] / { done(); section = $2 == "Section" ? $3 : "" }
	/^\.El/ { done() }
	section != "" && /^\.It Cm / { done(); key = $3; again = "no"; wait = 1; next }
	wait {
		wait = 0
		def = "?"
		if (sub(/^\.Pq default: Ql /, "")) def = $0
		else if ($0 == ".Pq no default" || $0 == ".Pq required") def = "-"
		print section "\t" key "\t" def
	}
	key != "" && /^A change needs a restart\.$/ { again = "yes" }
' "$man" | sort >"$tmp/page"
sort -o "$tmp/page.restart" "$tmp/page.restart"

# A sample shows the value that a computed default has for the section it stands in.
awk -F '\t' -v OFS='\t' '{
	sub(/^NAME\./, "contoso.", $3)
	sub(/\{organization\}/, "contoso", $3)
	sub(/\{region\}/, "us", $3)
	sub(/^.*, else /, "", $3)
	print
}' "$tmp/table" >"$tmp/table.sample"

# What has no default is there with an example, whatever that is.
awk -F '\t' -v OFS='\t' '
	NR == FNR { none[$1 OFS $2] = $3 == "-"; next }
	/^[a-z]/ { split($0, w, " "); section = w[1] }
	/^\t#?map / { outer = section; section = "map" }
	/^\t#?}/ { section = outer }
	/^\t+#?[a-z_]+ = / {
		line = $0
		sub(/^\t+#?/, "", line)
		key = value = line
		sub(/ = .*/, "", key)
		sub(/^[a-z_]+ = /, "", value)
		gsub(/^"|"$/, "", value)
		print section, key, none[section OFS key] ? "-" : value
	}
' "$tmp/table" "$main" "$example" | sort >"$tmp/sample"

bad=0
compare() {
	diff "$tmp/$1" "$tmp/$2" >"$tmp/diff" && return 0
	echo "options: the option table (<) and $3 (>) differ:" >&2
	grep '^[<>]' "$tmp/diff" >&2
	bad=1
}
compare table page "$man"
compare table.restart page.restart "$man, on what needs a restart,"
compare table.sample sample "$main with $example"

# As they stand, and with everything in force.
check() {
	if ! "$program" -c "$tmp/$1/adosyncd.conf" --check >"$tmp/out" 2>&1; then
		echo "options: the sample files $2 are refused:" >&2
		cat "$tmp/out" >&2
		bad=1
	fi
}
mkdir -p "$tmp/as-is/instances.d" "$tmp/all/instances.d"
cp "$main" "$tmp/as-is/adosyncd.conf"
cp "$example" "$tmp/as-is/instances.d/contoso.conf"
in_force() { sed 's/^\(\t*\)#\([a-z_]* = \|map "\|}\)/\1\2/' "$1"; }
in_force "$main" >"$tmp/all/adosyncd.conf"
in_force "$example" >"$tmp/all/instances.d/contoso.conf"
check as-is "as they stand"
check all "with every key in force"
exit "$bad"

#!/bin/sh
# The option table, the manual page and the sample files agree on keys, defaults, ranges and words; the ranges are what is
# enforced; and the samples and the examples of the page are valid.
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

# What is allowed: ranges such as "1 to 100" and "at most 107", and single words; the rest is in words for people. Of a key
# that an instance has from the defaults it is said there.
ranges='function ranges(where, text) {
	while (match(text, /[0-9]+[a-z%]* to [0-9]+[a-z%]*|(up to|at most) [0-9]+/)) {
		print where "\t" substr(text, RSTART, RLENGTH)
		text = substr(text, RSTART + RLENGTH)
	}
}'
awk -F '\t' '!($1 == "instance" && $2 in shared); $1 == "defaults" { shared[$2] = 1 }' "$tmp/options" >"$tmp/once"
awk -F '\t' "$ranges"'{
	ranges($1 "\t" $2, $4)
	n = split($4, part, /, or |, |; /)
	for (i = 1; part[1] ~ /^[a-z]+$/ && i <= n; i++) if (part[i] ~ /^[a-z]+$/) print $1 "\t" $2 "\t" part[i]
}' "$tmp/once" | sort -u >"$tmp/table.allowed"
awk "$ranges"'
	function done() { if (key != "") ranges(section "\t" key, text); key = "" }
	NR == FNR { keys[$2] = 1; next }
	/^\.S[sh] / { done(); section = $2 == "Section" ? $3 : "" }
	/^\.El/ { done() }
	section != "" && /^\.It Cm / { done(); key = $3; text = ""; next }
	key == "" { next }
	{ text = text " " $0 }
	# words that are not other keys it speaks of
	/^\.Cm / { for (i = 2; i <= NF; i++) if ($i ~ /^[a-z_]+$/ && !($i in keys) && $i !~ /^(map|defaults)$/) print section "\t" key "\t" $i }
' "$tmp/options" "$man" | sort -u >"$tmp/page.allowed"
compare table.allowed page.allowed "$man, on what is allowed,"

# Of a range, both ends are taken, and what is beyond them is not.
letters() {
	printf "%$1s" '' | tr ' ' a
}
try() {
	case $section in
	konnect | daemon) printf '%s { %s = "%s" }\ninstance "a" { organization = "o" }\n' "$section" "$key" "$2" ;;
	*) printf 'instance "a" { %s%s = "%s" }\n' "$3" "$key" "$2" ;;
	esac >"$tmp/try.conf"
	"$program" -c "$tmp/try.conf" --check >"$tmp/out" 2>&1 && got=taken || got=refused
	[ "$1" = "$got" ] && return 0
	echo "options: $section: $key = \"$(printf %.40s "$2")\" is $got, although \"$range\" is allowed" >&2
	bad=1
}
while IFS="$(printf '\t')" read -r section key range; do
	case $range in *to* | at*) ;; *) continue ;; esac
	low=${range%% to *} high=${range##* } rest='organization = "o" '
	of=$(awk -F '\t' -v s="$section" -v k="$key" '$1 == s && $2 == k { print $4 }' "$tmp/options")
	[ "$key" != organization ] || rest=
	case $of in
	*KEY=VALUE*) continue ;;
	*"$range bytes"* | *"$range characters"*)
		first=a
		[ "${of#*path}" = "$of" ] || first=/
		try taken "$first$(letters $((high - 1)))" "$rest"
		try refused "$first$(letters "$high")" "$rest"
		continue ;;
	esac
	unit=$(echo "$high" | tr -d 0-9)
	try taken "$low" "$rest"
	try taken "$high" "$rest"
	try refused "$((${high%"$unit"} + 1))$unit" "$rest"
	number=$(echo "$low" | tr -d a-z%)
	[ "$number" = 0 ] || try refused "$((number - 1))$unit" "$rest"
done <"$tmp/table.allowed"

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

# Each display of the page's examples is a configuration of its own.
awk -v dir="$tmp" '/^\.S[sh] / { inside = $2 == "EXAMPLES" }
	inside && /^\.Bd / { n++; on = 1; next } /^\.Ed/ { on = 0 }
	inside && on { gsub(/\\e/, "\\"); gsub(/\\&/, ""); print >(dir "/example" n ".conf") }' "$man"
[ -e "$tmp/example1.conf" ] || { echo "options: $man has no example" >&2; bad=1; }
for f in "$tmp"/example*.conf; do
	"$program" -c "$f" --check >"$tmp/out" 2>&1 && continue
	echo "options: an example of $man is refused:" >&2
	sed "s|$tmp/||" "$tmp/out" >&2
	bad=1
done
exit "$bad"

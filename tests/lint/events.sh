#!/bin/sh
# The events of the log are a contract: the table in daemon/events.c, the uses in the code, the manual page, the
# journal's catalog and the list below name the same ones, with the same ids.
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/../.."
table=daemon/events.c
page=conf/man/adosyncd.8
catalog=systemd/adosyncd.catalog

contract="started stopped reloaded reload_refused
	poll_ok poll_failed poll_recovered throttled
	credential_lost credential_reminder credential_restored pat_expiring blocked unblocked
	created changed removed missing returned adopted repaired parked name_taken
	held approved released sink_lost sink_restored second_writer cache_rebuilt withdrawn"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

# compare LIST LIST WHAT: two sorted files of $tmp
compare() {
	diff "$tmp/$1" "$tmp/$2" >"$tmp/diff" && return 0
	echo "events: $3 differ:" >&2
	grep '^[<>]' "$tmp/diff" >&2
	bad=1
}

words() {
	printf '%s\n' "$@" | sort
}
# shellcheck disable=SC2086
words $contract >"$tmp/contract"

# The table: [EVENT_X] = { "x", "id" or 0 }, the constant named as the event.
sed -n 's/^\t\[EVENT_\([A-Z_]*\)\] = { "\([a-z_]*\)", "\{0,1\}\([0-9a-f]*\)"\{0,1\} },$/\1 \2 \3/p' "$table" >"$tmp/table"
cut -d ' ' -f 2 "$tmp/table" | sort >"$tmp/names"
compare contract names "the contract (<) and $table (>)"
tr '[:upper:]' '[:lower:]' <"$tmp/table" | awk '$1 != $2 { print "events: " $1 " is called " $2 }' >"$tmp/odd"
awk '$3 != 0 && length($3) != 32 { print "events: the id of " $2 " does not have 32 digits" }
	$3 != 0 && seen[$3]++ { print "events: the id of " $2 " is used twice" }' "$tmp/table" >>"$tmp/odd"
if [ -s "$tmp/odd" ]; then
	cat "$tmp/odd" >&2
	bad=1
fi

# The code: what is used is in the table, and all of it is used.
grep -ohw 'EVENT_[A-Z_]*' --exclude="${table##*/}" daemon/*.c lib/*.c | sed 's/^EVENT_//' | tr '[:upper:]' '[:lower:]' |
	grep -vxE 'none|log_[a-z]*' | sort -u >"$tmp/used"
compare contract used "the contract (<) and those that the code uses (>)"

# The manual page: tagged lists in the section on messages.
awk '/^\.Sh / { inside = $2 == "DIAGNOSTICS" } inside && /^\.It [a-z_]+$/ { print $2 }' "$page" | sort >"$tmp/page"
compare contract page "the contract (<) and $page (>)"

# and the ids, each before its event
awk '$3 != 0 { print $2, $3 }' "$tmp/table" | sort | join "$tmp/contract" - >"$tmp/with-id"
awk '/^\.S[hs] / { inside = $0 == ".Ss Message ids" } inside && /^\.It / { id = $2; getline; print $0, id }' "$page" | sort >"$tmp/page-ids"
compare with-id page-ids "the ids of $table (<) and $page (>)"

# The catalog: every id under a comment with the event's name.
awk '/^# [a-z_]+$/ { name = $2 } /^-- / { print name, $2; name = "?" }' "$catalog" | sort >"$tmp/catalog"
compare with-id catalog "the ids of $table (<) and $catalog (>)"
awk -v file="$catalog" '
	function done() {
		if (id == "") return
		for (i = 1; i <= 3; i++) if (!(need[i] in has)) print "events: " file ": " id " has no " need[i]
		if (!advice) print "events: " file ": " id " does not say what to do"
	}
	BEGIN { split("Subject: Defined-By: Documentation:", need, " ") }
	length($0) > 76 { print "events: " file ":" NR ": longer than 76 characters" }
	/^-- / { done(); id = $2; split("", has); advice = 0; head = 1; next }
	$0 == "" { head = 0 }
	head { has[$1] = 1 }
	/^What to do: ?/ { advice = 1 }
	{ line = $0; while (match(line, /@[^@ ]*@/)) {
		field = substr(line, RSTART + 1, RLENGTH - 2)
		if (field !~ /^ADOSYNC_(INSTANCE|ORGANIZATION|REPOSITORY)$/) print "events: " file ":" NR ": @" field "@ is not always there"
		line = substr(line, RSTART + RLENGTH)
	} }
	END { done() }' "$catalog" >"$tmp/odd"
if [ -s "$tmp/odd" ]; then
	cat "$tmp/odd" >&2
	bad=1
fi

# What systemd makes of it. A syntax error ends the file there, and the entries after it are not in the list.
if command -v journalctl >/dev/null && journalctl --help | grep -q -e --update-catalog; then
	mkdir -p "$tmp/root/usr/lib/systemd/catalog" "$tmp/root/var/lib/systemd/catalog"
	cp "$catalog" "$tmp/root/usr/lib/systemd/catalog/"
	journalctl --root="$tmp/root" --update-catalog >"$tmp/out" 2>&1 || { cat "$tmp/out" >&2; bad=1; }
	journalctl --root="$tmp/root" --list-catalog 2>/dev/null | cut -d ' ' -f 1 | sort >"$tmp/listed"
	cut -d ' ' -f 2 "$tmp/catalog" | sort >"$tmp/ids"
	compare ids listed "the entries of $catalog (<) and what systemd reads of them (>)"
else
	echo "skipped: events: no journalctl to read the catalog with"
fi
exit "$bad"

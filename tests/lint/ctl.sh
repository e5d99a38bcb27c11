#!/bin/sh
# adosyncctl, the daemon's control socket and the manual page agree on the commands, and the page has every member of
# an answer.
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/../.."
page=conf/man/adosyncctl.1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

# commands FILE: the names in its table of commands
commands() {
	sed -n '/^} commands\[\] = {/,/^};/p' "$1" | grep -o '{ "[a-z]*"' | tr -cd 'a-z\n' | sort
}
commands daemon/commands.c >"$tmp/daemon"
commands daemon/ctl.c >"$tmp/client"
sed -n 's/^\.It Cm \([a-z]*\).*/\1/p' "$page" | sort >"$tmp/page"
sed -n 's/^	"  \([a-z][a-z]*\) .*/\1/p' daemon/ctl.c | sort >"$tmp/usage"
[ -s "$tmp/daemon" ] || { echo "ctl: daemon/commands.c has no commands" >&2; exit 1; }
for f in client page usage; do
	diff "$tmp/daemon" "$tmp/$f" >"$tmp/diff" && continue
	echo "ctl: the daemon's commands (<) and those of the $f (>) differ:" >&2
	grep '^[<>]' "$tmp/diff" >&2
	bad=1
done

# keys of the objects that are made: json_object_set_new(o, "key", ...) and json_pack("{...}", "key", ...)
cat daemon/commands.c daemon/check.c | tr '\n' ' ' >"$tmp/code"
{
	grep -o 'json_object_set_new([a-z]*, "[a-z_]*"' "$tmp/code" | sed 's/.*"\(.*\)"/\1/'
	grep -o 'json_pack([^;]*;' "$tmp/code" | sed 's/^json_pack("[^"]*"//' | grep -o '"[a-z_]*",' | tr -d '",'
} | sort -u >"$tmp/keys"
[ -s "$tmp/keys" ] || { echo "ctl: no member of an answer was found" >&2; exit 1; }
while read -r key; do
	grep -qE "^\.(It|Ql) (.* )?$key( |$)" "$page" || { echo "ctl: $page does not have the member \"$key\"" >&2; bad=1; }
done <"$tmp/keys"
exit "$bad"

#!/bin/sh
# The README says what to do in each state, at each verdict and for each kind of hold that the code has, in the code's words.
# usage: readme.sh [ADOSYNCD]
set -eu
LC_ALL=C
export LC_ALL
program=${1:-build/adosyncd}
case $program in /*) ;; *) program=$PWD/$program ;; esac
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

# section TITLE: the rows of its tables
section() {
	awk -v title="## $1" '/^## / { inside = $0 == title } inside && /^\|/' README.md
}
section "What to do in each state" >"$tmp/states"
section "When something is held" >"$tmp/holds"

# has FILE WORD WHAT
has() {
	grep -qF -e "$2" "$1" || { echo "readme: README.md does not say what to do about $3 $2" >&2; bad=1; }
}

"$program" --states | cut -f 1 | sort -u >"$tmp/list"
[ -s "$tmp/list" ] || { echo "readme: $program --states prints nothing" >&2; exit 1; }
# Konnect's own have a table of theirs
sed -n '/^| Konnect is /,/^| what you see /p' "$tmp/states" >"$tmp/konnect"
sed '/^| Konnect is /,$d' "$tmp/states" >"$tmp/instance"
while read -r state; do
	case $state in
	konnect\ *) has "$tmp/konnect" "| \`${state#konnect }\`" "Konnect's state" ;;
	*) has "$tmp/instance" "| \`$state\`" "the state" ;;
	esac
done <"$tmp/list"

awk '/^const char \*verdict_name/ { inside = 1 } inside && /return "/ { gsub(/.*return "|";/, ""); print } inside && /^}/ { exit }' \
	lib/verdict.c >"$tmp/list"
[ "$(wc -l <"$tmp/list")" -gt 10 ] || { echo "readme: no verdicts are found in lib/verdict.c" >&2; exit 1; }
grep -vx 'ok\|?\|throttled' "$tmp/list" >"$tmp/verdicts"
while read -r verdict; do has "$tmp/states" "\`$verdict\`" "the verdict"; done <"$tmp/verdicts"

# "held: %u of %u repositories ..." is shown as "N of M repositories ..."
sed -n 's/^.*xasprintf("held: \([^.,]*\).*$/\1/p' lib/intake.c | sed 's/%u/N/; s/%u/M/; s/[[:space:]]*"$//' >"$tmp/list"
[ "$(wc -l <"$tmp/list")" -gt 4 ] || { echo "readme: no holds are found in lib/intake.c" >&2; exit 1; }
sed 's/\bM\b/N/' "$tmp/holds" >"$tmp/holds.n"
while read -r hold; do has "$tmp/holds.n" "$(printf '%s\n' "$hold" | sed 's/\bM\b/N/')" "what is held:"; done <"$tmp/list"
exit "$bad"

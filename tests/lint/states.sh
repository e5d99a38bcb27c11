#!/bin/sh
# The manual page tells when an instance leaves a state as the code has it.
# usage: states.sh [ADOSYNCD]
set -eu
LC_ALL=C
export LC_ALL
program=${1:-build/adosyncd}
case $program in /*) ;; *) program=$PWD/$program ;; esac
cd "$(dirname "$0")/../.."
page=conf/man/adosyncd.8
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

"$program" --states >"$tmp/code"
[ -s "$tmp/code" ] || { echo "states: $program --states prints nothing" >&2; exit 1; }
awk '/^\.S[sh] / { inside = $0 == ".Ss When an organization is polled again" }
	inside && /^\.It / { state = $2; entered = 0 }
	inside && /^Entered / { entered = 1 }
	inside && sub(/^Left: /, "") { print state "\t" $0; if (!entered) print state "\tdoes not say when it is entered" }' "$page" >"$tmp/page"
if ! diff "$tmp/code" "$tmp/page" >"$tmp/diff"; then
	echo "states: the code (<) and $page (>) differ:" >&2
	grep '^[<>]' "$tmp/diff" >&2
	exit 1
fi

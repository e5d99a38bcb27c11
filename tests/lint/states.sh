#!/bin/sh
# The manual page tells when an instance, and Konnect, leaves a state, and which verdicts lead to one, as the code has it.
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

# state, when it is left, verdicts in alphabetical order
"$program" --states | awk -F '\t' '{ n = split($3, v, " "); print $1 "\t" $2; for (i = 1; i <= n; i++) print $1 "\t(" v[i] ")" }' |
	sort >"$tmp/code"
[ -s "$tmp/code" ] || { echo "states: $program --states prints nothing" >&2; exit 1; }
awk '
	function done() {
		if (state != "" && !entered) print state "\tdoes not say when it is entered"
		if (left != "") print state "\t" left
		state = left = ""
	}
	/^\.S[sh] / {
		done()
		of = $0 == ".Ss When Konnect is written to again" ? "konnect " : ""
		inside = of != "" || $0 == ".Ss When an organization is polled again"
	}
	inside && /^\./ && left != "" { done() }
	inside && /^\.It / { done(); state = of $2; entered = 0; next }
	inside && /^Entered / { entered = 1 }
	inside && state != "" && of == "" && /^\.Pq / { for (i = 2; i <= NF; i++) if ($i ~ /^[a-z_]+$/) print state "\t(" $i ")" }
	inside && sub(/^Left: /, "") { left = $0; next }
	left != "" { left = left " " $0 }' "$page" | sort >"$tmp/page"
if ! diff "$tmp/code" "$tmp/page" >"$tmp/diff"; then
	echo "states: the code (<) and $page (>) differ:" >&2
	grep '^[<>]' "$tmp/diff" >&2
	exit 1
fi

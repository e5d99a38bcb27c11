#!/bin/sh
# The metrics are a contract: the table in lib/metrics.c and the manual page have the same names, types and meanings, and the
# alert rules use no other name and no state that is none.
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/../.."
code=lib/metrics.c
page=conf/man/adosyncd.8
rules=conf/prometheus/adosyncd.rules.yml
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

# name, type, meaning
tr -d '\n' <"$code" | grep -oE '\{ "(adosyncd|process)_[a-z_]+", "[a-z]+",[[:space:]]*"[^"]*"' |
	sed 's/^{ "\([^"]*\)", "\([a-z]*\)",[[:space:]]*"\(.*\)"$/\1 \2 \3/' | sort >"$tmp/code"
[ -s "$tmp/code" ] || { echo "metrics: $code has no table of metrics" >&2; exit 1; }
awk '/^\.S[hs] / { inside = $0 == ".Ss Metrics" }
	inside && /^\.It Ic / { name = $3; getline; type = $2; sub(/;$/, "", type); text = ""; next }
	name != "" { text = text (text != "" ? " " : "") $0 }
	name != "" && /\.$/ { print name, type, text; name = "" }' "$page" | sort >"$tmp/page"
if ! diff "$tmp/code" "$tmp/page" >"$tmp/diff"; then
	echo "metrics: $code (<) and $page (>) differ:" >&2
	grep '^[<>]' "$tmp/diff" >&2
	bad=1
fi

# Prometheus' own conventions: what counts up ends in _total, nothing else does
awk '($2 == "counter") != ($1 ~ /_total$/) { print "metrics: " $1 " is a " $2 }
	$NF !~ /\.$/ { print "metrics: what " $1 " means is no sentence" }' "$tmp/code" >"$tmp/odd"

cut -d ' ' -f 1 "$tmp/code" >"$tmp/names"
grep -oE '(adosyncd|process)_[a-z_]+' "$rules" | sort -u >"$tmp/used"
[ -s "$tmp/used" ] || echo "metrics: $rules uses no metric" >>"$tmp/odd"
comm -13 "$tmp/names" "$tmp/used" | sed "s|^|metrics: $rules uses what is not there: |" >>"$tmp/odd"
grep -oE 'state="[a-z]+"' "$rules" | sort -u | sed 's/state=//' | while read -r state; do
	grep -q "return $state;" lib/schedule.c lib/pace.c || echo "metrics: $rules waits for a state that is none: $state"
done >>"$tmp/odd"
if [ -s "$tmp/odd" ]; then
	cat "$tmp/odd" >&2
	bad=1
fi
exit "$bad"

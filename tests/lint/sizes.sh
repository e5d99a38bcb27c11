#!/bin/sh
# Files and functions stay small enough to read, and nothing is left for later in a comment.
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/../.."

max_file=800
max_function=100
bad=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

find . \( -name .git -o -path './build*' \) -prune -o -type f \( -name '*.[ch]' -o -name '*.py' \) -print |
	sed 's|^\./||' | sort >"$tmp/sources"
find . \( -name .git -o -path './build*' -o -name __pycache__ -o -name .pytest_cache \) -prune -o -type f -print |
	sed 's|^\./||' | sort >"$tmp/all"

while read -r f; do
	n=$(wc -l <"$f")
	[ "$n" -le "$max_file" ] || { echo "sizes: $f has $n lines, more than $max_file" >&2; bad=1; }
done <"$tmp/sources"

# A function's body stands between a { and a } in the first column.
grep '\.[ch]$' "$tmp/sources" | while read -r f; do
	awk -v file="$f" -v max="$max_function" '
		/^[A-Za-z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
		/^\{/ { start = NR; inside = 1 }
		/^\}/ && inside {
			inside = 0
			if (NR - start + 1 > max)
				print "sizes: " file ":" start ": " name "() has " NR - start + 1 " lines, more than " max
		}
	' "$f"
done >"$tmp/functions"
if [ -s "$tmp/functions" ]; then
	cat "$tmp/functions" >&2
	bad=1
fi

# written apart, or this file would find itself
while read -r f; do
	if grep -nIwE 'TO''DO|FIX''ME|XX''X' "$f" /dev/null >&2; then
		echo "sizes: $f leaves something for later; do it or file it" >&2
		bad=1
	fi
done <"$tmp/all"
exit "$bad"

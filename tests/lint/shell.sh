#!/bin/sh
# Every shell script parses, and shellcheck, where there is one, has nothing to say.
set -eu
cd "$(dirname "$0")/../.."
bad=0
scripts=$(grep -rlIE --exclude-dir=.git --exclude-dir='build*' '^#!/bin/(ba|da)?sh' .)
for f in $scripts; do
	# a mention further down is not a script
	interpreter=$(head -n 1 "$f" | sed -n 's|^#!\(/bin/[a-z]*\).*|\1|p')
	[ -n "$interpreter" ] || continue
	"$interpreter" -n "$f" || { echo "shell: $f does not parse" >&2; bad=1; }
	! command -v shellcheck >/dev/null || shellcheck -x -S warning "$f" >&2 || { echo "shell: shellcheck has found fault with $f" >&2; bad=1; }
done
exit "$bad"

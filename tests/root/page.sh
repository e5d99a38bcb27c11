#!/bin/sh
# The status page in a real browser: light and dark, on a desk and on a phone, and nothing that the browser complains of.
# With a directory four pictures for the documentation are kept there.
# usage: page.sh [DIRECTORY]
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
# shellcheck source=tests/root/common
. tests/root/common
need unshare ip
[ -x "$python" ] || skip "page.sh needs $python"
browser=
for b in chromium-headless-shell chromium chrome-headless-shell google-chrome; do
	command -v "$b" >/dev/null && browser=$b && break
done
[ -n "$browser" ] || skip "page.sh needs chromium-headless-shell, or chromium"

make --no-print-directory all >/dev/null || { verdict 1 "the programs"; exit 1; }
if [ $# -gt 0 ]; then
	pictures=$1
else
	pictures=$(mktemp -d) || exit 1
	trap 'rm -rf "$pictures"' EXIT
	trap 'exit 1' HUP INT TERM
fi
ADOSYNCD=$top/build/adosyncd unshare --net sh -c 'ip link set lo up && exec "$@"' sh "$python" tests/root/page.py "$browser" "$pictures" ${1:+all}

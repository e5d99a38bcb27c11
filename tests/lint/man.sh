#!/bin/sh
# mandoc finds no fault with the manual pages, in their style neither. Whether pages that they name are installed here is
# nothing of theirs.
set -eu
cd "$(dirname "$0")/../.."
command -v mandoc >/dev/null || { echo "skipped: man: no mandoc"; exit 0; }
found=$(mandoc -Tlint -W style conf/man/*.[1-8] 2>/dev/null | grep -v ': STYLE: referenced manual not found: ' || :)
[ -z "$found" ] || { printf '%s\n' "$found" >&2; echo "man: mandoc has found fault with a manual page" >&2; exit 1; }

#!/bin/sh
# The manual pages are free of errors and warnings.
set -eu
cd "$(dirname "$0")/../.."
command -v mandoc >/dev/null || { echo "skipped: man: no mandoc"; exit 0; }
mandoc -Tlint -W warning conf/man/*.[1-8] || { echo "man: mandoc has found fault with a manual page" >&2; exit 1; }

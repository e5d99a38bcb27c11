#!/bin/sh
# The unit is valid and stays confined: an exposure of 1.2 at most, by systemd's own measure.
set -eu
cd "$(dirname "$0")/../.."
command -v systemd-analyze >/dev/null || { echo "skipped: unit: no systemd-analyze"; exit 0; }
unit=systemd/adosyncd.service
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# verify wants to see the program
mkdir "$tmp/sbin"
printf '#!/bin/sh\n' >"$tmp/sbin/adosyncd"
chmod 0755 "$tmp/sbin/adosyncd"
sed "s|@PREFIX@|$tmp|g" "$unit" >"$tmp/adosyncd.service"

bad=0
if ! systemd-analyze verify --man=no --recursive-errors=one "$tmp/adosyncd.service" >"$tmp/out" 2>&1; then
	cat "$tmp/out" >&2
	echo "unit: systemd-analyze verify has found fault with $unit" >&2
	bad=1
fi
if ! systemd-analyze security --offline=true --no-pager --threshold=12 "$tmp/adosyncd.service" >"$tmp/out" 2>&1; then
	grep -v '^✓' "$tmp/out" >&2
	echo "unit: $unit is exposed more than 1.2" >&2
	bad=1
fi
if grep -q '@[A-Z]*@' "$tmp/adosyncd.service"; then
	echo "unit: $unit has a placeholder that make install does not fill in" >&2
	bad=1
fi
exit "$bad"

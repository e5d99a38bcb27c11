#!/bin/sh
# What the daemon serves and what conf/prometheus says, with a real Prometheus: no complaint of promtool, a scrape, and an
# alert that fires.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
# shellcheck source=tests/root/common
. tests/root/common
need promtool prometheus unshare ip
[ -x "$python" ] || skip "prometheus.sh needs $python"

check "the alert rules are valid" quietly promtool check rules conf/prometheus/adosyncd.rules.yml
check "the sample of a configuration is valid" quietly promtool check config conf/prometheus/adosyncd.yml
check "each alert fires when it should, and no other" quietly promtool test rules tests/root/prometheus/rules.test.yml \
	tests/root/prometheus/rules-day.test.yml

make --no-print-directory all >/dev/null || { verdict 1 "the programs"; exit 1; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
ADOSYNCD=$top/build/adosyncd unshare --net sh -c 'ip link set lo up && exec "$@"' sh \
	"$python" tests/root/prometheus.py "$tmp" || failed=1
exit "$failed"

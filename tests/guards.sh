#!/bin/sh
# Each guard against removing what is only out of sight is needed: without it the test that is named beside it fails.
# usage: guards.sh BUILD, where BUILD was built with -DADOSYNCD_GUARDS
set -eu

[ $# -eq 1 ] || { echo "usage: $0 BUILD" >&2; exit 64; }
build=$1
unset ADOSYNCD_GUARD_OFF
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# GUARD TEST
cat >"$tmp/guards" <<'END'
count test_listing
closed test_listing
duplicate test_intake
status test_verdict
bin test_absence
limit test_absence
day test_absence
all-gone test_absence
filter test_absence
hash test_approve
END

# The table and the sources name the same guards.
cut -d ' ' -f 1 "$tmp/guards" | sort >"$tmp/table"
cat "$(dirname "$0")"/../lib/*.c "$(dirname "$0")"/../daemon/*.c | grep -o 'GUARD("[a-z-]*")' | cut -d '"' -f 2 | sort -u >"$tmp/sources"
diff "$tmp/table" "$tmp/sources" >&2 || { echo "guards: the table (<) and the sources (>) differ" >&2; exit 1; }

# Each test once with all guards, and once without each of its own; all at the same time.
run() {
	status=0
	ADOSYNCD_GUARD_OFF=$1 "$build/tests/unit/$2" quick >"$tmp/$1.$2.out" 2>&1 || status=$?
	echo "$status" >"$tmp/$1.$2.status"
}
for t in $(cut -d ' ' -f 2 "$tmp/guards" | sort -u); do
	run none "$t" &
done
while read -r guard t; do
	run "$guard" "$t" &
done <"$tmp/guards"
wait

bad=0
for t in $(cut -d ' ' -f 2 "$tmp/guards" | sort -u); do
	if [ "$(cat "$tmp/none.$t.status")" -ne 0 ]; then
		echo "not ok - no guard off: tests/unit/$t fails"
		grep -A 3 '^not ok' "$tmp/none.$t.out" | head -20 || true
		bad=1
	fi
done
while read -r guard t; do
	# a test that does not even run shows nothing
	if [ "$(cat "$tmp/$guard.$t.status")" -eq 1 ] && grep -q '^not ok' "$tmp/$guard.$t.out"; then
		echo "ok - guard $guard: tests/unit/$t fails without it"
	else
		echo "not ok - guard $guard: tests/unit/$t does not fail without it"
		bad=1
	fi
done <"$tmp/guards"
exit "$bad"

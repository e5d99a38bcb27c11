#!/bin/sh
# What an operator sees under a real systemd: the journal with its fields and explanations, and adosyncctl, for those
# who may use it.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
# shellcheck source=tests/root/box
. tests/root/box
[ -x "$python" ] || skip "journal.sh needs $python"
box_up

# has FILE TEXT...: every text is in the file
has() {
	file=$1
	shift
	for text in "$@"; do
		grep -qF -e "$text" "$file" || { echo "# \"$text\" is not in:"; sed 's/^/#   /' "$file" | head -n 30; return 1; }
	done
}

ado PATCH /org '{"name": "contoso", "pat_state": "expired"}'
check "an expired token is noticed" wait_for 20 happened credential_lost 1

inside journalctl -u adosyncd ADOSYNC_EVENT=credential_lost -o json --no-pager >"$root/lost.json"
check "the message has its fields" "$python" -c 'import json, sys
line = json.loads(open(sys.argv[1]).read())
want = {"MESSAGE_ID": "a97db236562a4c548542ef547403e193", "PRIORITY": "4", "SYSLOG_IDENTIFIER": "adosyncd", "ADOSYNC_INSTANCE": "contoso",
        "ADOSYNC_ORGANIZATION": "contoso", "ADOSYNC_HTTP_STATUS": "401", "_SYSTEMD_UNIT": "adosyncd.service", "_TRANSPORT": "journal"}
wrong = {key: line.get(key) for key in want if line.get(key) != want[key]}
assert not wrong, wrong
assert line["MESSAGE"].startswith("contoso: ") and line["ADOSYNC_ACTIVITY_ID"], line' "$root/lost.json"
inside journalctl -u adosyncd -o json --no-pager >"$root/all.json"
check "every event is one of the contract, under its id" "$python" -c 'import json, re, sys
table = dict((name, id or None) for name, id in re.findall(r"\{ \"([a-z_]+)\", (?:\"([0-9a-f]+)\"|0) \}", open("daemon/events.c").read()))
seen = set()
for line in map(json.loads, open(sys.argv[1])):
    if line.get("_COMM") == "adosyncd" and "ADOSYNC_EVENT" in line:
        seen.add(line["ADOSYNC_EVENT"])
        assert line.get("MESSAGE_ID") == table[line["ADOSYNC_EVENT"]], line
assert {"started", "poll_ok", "created", "credential_lost"} <= seen, seen' "$root/all.json"

inside journalctl -x -u adosyncd --no-pager >"$root/explained"
check "journalctl -x explains it" has "$root/explained" "Subject: The token of organization contoso is not accepted" \
	"Defined-By: adosyncd" "Documentation: man:adosyncd(8)" "What to do:" "/etc/adosyncd/contoso.pat" "adosyncctl check contoso"
check "with no field left open" sh -c '! grep -n "@ADOSYNC\|ADOSYNC_[A-Z]" "$1"' sh "$root/explained"
inside journalctl ADOSYNC_INSTANCE=contoso -o cat --no-pager >"$root/instance"
check "journalctl ADOSYNC_INSTANCE= finds what is about it" has "$root/instance" "contoso: the integration instance is in Konnect" \
	"Web / shop is in the catalog as contoso.web.shop"
check "and nothing else" sh -c '! grep -v "^contoso: " "$1"' sh "$root/instance"

# adosyncctl: root and the group may, others may not.
inside useradd -G adosyncd alice
inside useradd bob
# ctl USER WORD...: adosyncctl as that user
ctl() {
	user=$1
	shift
	inside runuser -u "$user" -- adosyncctl "$@" >"$root/out" 2>&1
}
same "the socket belongs to the daemon and its group" "adosyncd adosyncd 660" \
	"$(inside stat -c '%U %G %a' /run/adosyncd/control.sock)"
check "root may see the status" ctl root status
check "which tells the state" has "$root/out" "contoso" "credential" "credential_expired"
check "a member of the group may too" ctl alice status contoso
check "with more about one" has "$root/out" "organization contoso" "3 listed" "credential_expired"
ctl bob status
same "another user is refused" 75 $?
check "and told who may" has "$root/out" "Permission denied" "be root, or in the socket's group"
ctl root check contoso
same "check: the token is not accepted" 1 $?
check "and what to do" has "$root/out" "credential_expired" "contoso.pat"
check "repos" ctl alice repos contoso
check "it lists them" has "$root/out" "Web / shop (contoso.web.shop)" "3 repositories"
ado PATCH /org '{"name": "contoso", "pat_state": "ok"}'
check "sync" ctl alice sync contoso
check "polls now" wait_for 10 happened credential_restored 1
check "pause" ctl alice pause contoso
check "resume" ctl alice resume contoso
check "reload" ctl alice reload
check "is in the journal" wait_for 10 happened reloaded 1
ctl alice status nobody
same "an unknown instance" 1 $?
check "--json: each line is an object, the last has ok" sh -c '"$@" | tail -n 1 | grep -q "^{\"ok\":true"' sh \
	nsenter -t "$leader" -m -u -i -n -p -C -- runuser -u alice -- adosyncctl --json repos contoso
inside systemctl stop adosyncd
ctl root status
same "without a daemon" 75 $?
check "it says so" has "$root/out" "is the daemon running?"

check "no message has a token" no_secret pat-of-contoso kpat_test
exit "$failed"

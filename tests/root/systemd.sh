#!/bin/sh
# The service under a real systemd: confined, reloaded, hanging, crashing, stopped in the middle of everything, and
# misconfigured.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
# shellcheck source=tests/root/box
. tests/root/box
box_up

# status FIELD: of the daemon's process
status() {
	inside sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"
}

# says TEXT: the line that the service manager shows
says() {
	inside systemctl status adosyncd --no-pager | grep -qF "Status: \"$1"
}

same "it runs as its own user" adosyncd "$(inside stat -c %U "/proc/$pid")"
same "its capabilities are none" 0000000000000000 "$(status CapBnd)"
same "it can gain no privilege" 1 "$(status NoNewPrivs)"
same "its system calls are filtered" 2 "$(status Seccomp)"
same "it leaves no core" 0 "$(inside sed -n 's/^Max core file size *\([^ ]*\) .*/\1/p' "/proc/$pid/limits")"
same "its state is its own" "adosyncd 700" "$(inside stat -c '%U %a' /var/lib/adosyncd)"
check "systemctl status tells how it fares" wait_for 10 says "1 instance, 0 not healthy"
same "the watchdog is on" 1min "$(show WatchdogUSec)"

# Reload: all of a good configuration, nothing of a bad one.
main=$root/etc/adosyncd/adosyncd.conf
cp "$main" "$root/good.conf"
sed -i 's/poll_interval = "1s"/poll_interval = "2s"/' "$main"
check "systemctl reload" inside systemctl reload adosyncd
check "a good configuration is taken over" wait_for 10 happened reloaded 1
echo 'nonsense {' >>"$main"
check "systemctl reload of a broken configuration" inside systemctl reload adosyncd
check "it is refused, and said so" wait_for 10 happened reload_refused 1
check "with file and line" sh -c 'case $1 in *"/etc/adosyncd/adosyncd.conf:3: "*) ;; *) echo "# $1"; exit 1 ;; esac' sh \
	"$(last reload_refused)"
sleep 3
same "the daemon runs on" "active $pid" "$(show ActiveState) $(show MainPID)"
ado POST /repo '{"org": "contoso", "project": "Web", "name": "wiki"}'
four() {
	[ "$(services)" = 4 ]
}
check "and works on" wait_for 10 four
cp "$root/good.conf" "$main"
inside systemctl reload adosyncd
check "a corrected one is taken over again" wait_for 10 happened reloaded 2
same "it was never restarted for this" "0 $pid" "$(show NRestarts) $(show MainPID)"

inside systemctl kill -s KILL adosyncd
check "it is started again after a crash" wait_for 20 restarted
pid=$(show MainPID)
sleep 2
same "and makes nothing twice" 4 "$(services)"

# A loop that stands still.
drop_in watchdog <<'END'
[Service]
WatchdogSec=2s
END
inside systemctl restart adosyncd
pid=$(show MainPID)
before=$(show NRestarts)
sleep 5
same "a live loop is left alone by a watchdog of 2 s" "$pid" "$(show MainPID)"
inside kill -STOP "$pid"
check "one that hangs is ended and started again" wait_for 30 restarted
same "once" $((before + 1)) "$(show NRestarts)"
check "systemd says why" sh -c 'printf "%s\n" "$1" | grep -q "Watchdog timeout"' sh "$(inside journalctl -u adosyncd --no-pager)"
drop_in watchdog </dev/null
inside systemctl restart adosyncd

# The stop, while a listing drips in and a write hangs.
konnect POST /fault '{"kind": "hang", "method": "POST", "times": -1}'
ado POST /repo '{"org": "contoso", "project": "Web", "name": "late"}'
check "a write hangs" wait_for 20 in_flight "$control_port"
ado POST /fault '{"kind": "drip", "bytes_per_second": 10, "times": -1}'
check "a listing drips" wait_for 20 in_flight "$ado_control"
in_time 5 "systemctl stop in the middle of both" inside systemctl stop adosyncd
same "it ends with exit status 0" "success 0" "$(show Result) $(show ExecMainStatus)"
konnect DELETE /fault
ado DELETE /fault
five() {
	[ "$(services)" = 5 ]
}
check "the next start" inside systemctl start adosyncd
check "does what was left, once" wait_for 20 five
in_time 5 "systemctl stop at rest" inside systemctl stop adosyncd

echo 'nonsense {' >>"$main"
check "a broken configuration is not started" sh -c '! "$@" 2>/dev/null' sh \
	nsenter -t "$leader" -m -u -i -n -p -C -- systemctl start adosyncd
same "it ends with exit status 78" 78 "$(show ExecMainStatus)"
sleep 6
same "and is not tried again" "failed 0" "$(show ActiveState) $(show NRestarts)"
check "no message has a token" no_secret pat-of-contoso kpat_test
exit "$failed"

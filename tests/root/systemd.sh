#!/bin/sh
# The service under a real systemd: boots a Debian in systemd-nspawn, installs into it, and starts, crashes, stops
# and misconfigures the daemon there.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
# shellcheck source=tests/root/common
. tests/root/common
need systemd-nspawn mmdebstrap nsenter tar make
[ -d /sys/fs/cgroup ] || skip "systemd.sh needs control groups"

box=adosync$$
root=
nspawn=
leader=

# the hierarchies systemd needs: two of a hybrid machine, or the one there is
groups() {
	if [ -d /sys/fs/cgroup/unified ]; then
		echo "/sys/fs/cgroup/unified/$box /sys/fs/cgroup/systemd/$box"
	else
		echo "/sys/fs/cgroup/$box"
	fi
}

cleanup() {
	trap - EXIT
	[ -z "$leader" ] || quietly inside systemctl poweroff --no-block
	if [ -n "$nspawn" ]; then
		wait_for 20 gone "$nspawn" || kill -9 "$nspawn" 2>/dev/null
		wait "$nspawn" 2>/dev/null
	fi
	for g in $(groups); do
		wait_for 5 remove_group "$g"
	done
	[ -z "$root" ] || rm -rf "$root"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# a process that ended but is not waited for yet has no program any more
gone() {
	[ ! -e "/proc/$1/exe" ]
}

# a group is busy for a moment after its last process
remove_group() {
	[ ! -d "$1" ] || find "$1" -depth -type d -exec rmdir {} +
}

inside() {
	nsenter -t "$leader" -m -u -i -n -p -C -- "$@"
}

find_leader() {
	for p in $(cat "/proc/$nspawn/task/$nspawn/children" 2>/dev/null); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" = systemd ] && leader=$p && return 0
	done
	return 1
}

booted() {
	case $(inside systemctl is-system-running 2>/dev/null) in
	running | degraded) return 0 ;;
	*) return 1 ;;
	esac
}

boot() {
	# shellcheck disable=SC2046
	mkdir $(groups) || return 1
	(
		for g in $(groups); do sh -c 'echo $PPID >"$1/cgroup.procs"' sh "$g"; done
		exec systemd-nspawn -q -D "$root" --boot --register=no --keep-unit --private-network --machine="$box" \
			--bind-ro="$top/tests/sim:/sim" --console=pipe --kill-signal=SIGRTMIN+3 </dev/null >"$work/systemd.log" 2>&1
	) &
	nspawn=$!
	wait_for 20 find_leader && find_leader && wait_for 60 booted
}

show() {
	inside systemctl show -P "$1" adosyncd
}

services() {
	inside python3 -c "$count_services"
}

mirrored() {
	[ "$(services)" = 3 ]
}

listening() {
	services
}

# whether another process than the one before has become the service
restarted() {
	[ "$(show MainPID)" != "$pid" ] && [ "$(show ActiveState)" = active ]
}

# status FIELD: of the daemon's process
status() {
	inside sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"
}

make -s all >/dev/null || { verdict 1 "make"; exit 1; }
debian systemd "systemd,systemd-sysv,dbus,python3,$libraries" || { verdict 1 "a Debian to boot"; exit 1; }
root=$(mktemp -d "$work/systemd.XXXXXX") || exit 1
chmod 0755 "$root"
tar -C "$root" -xpf "$tar" || exit 1
make -s install DESTDIR="$root" PREFIX=/usr >/dev/null || { verdict 1 "make install"; exit 1; }
world "$root/world.json"
boot || { verdict 1 "systemd boots"; tail -n 20 "$work/systemd.log"; exit 1; }

check "systemd-sysusers makes the user" inside systemd-sysusers
configure "$root/etc/adosyncd"
inside chown root:adosyncd /etc/adosyncd/contoso.pat /etc/adosyncd/konnect-token
inside chmod 0640 /etc/adosyncd/contoso.pat /etc/adosyncd/konnect-token
inside systemctl daemon-reload
inside systemd-run -q --unit=sim-ado python3 /sim/ado.py --port "$ado_port" --world /world.json
inside systemd-run -q --unit=sim-konnect python3 /sim/konnect.py --port "$konnect_port" --control-port "$control_port"
wait_for 20 listening || { verdict 1 "the simulators listen"; exit 1; }

check "systemctl start returns once the daemon is ready" inside systemctl start adosyncd
same "it is active" active "$(show ActiveState)"
pid=$(show MainPID)
same "it runs as its own user" adosyncd "$(inside stat -c %U "/proc/$pid")"
same "its capabilities are none" 0000000000000000 "$(status CapBnd)"
same "it can gain no privilege" 1 "$(status NoNewPrivs)"
same "its system calls are filtered" 2 "$(status Seccomp)"
same "it leaves no core" 0 "$(inside sed -n 's/^Max core file size *\([^ ]*\) .*/\1/p' "/proc/$pid/limits")"
same "its state is its own" "adosyncd 700" "$(inside stat -c '%U %a' /var/lib/adosyncd)"
if wait_for 20 mirrored; then
	verdict 0 "the repositories are in the catalog"
else
	verdict 1 "the repositories are in the catalog"
	inside journalctl -u adosyncd --no-pager | tail -n 20
fi
check "the journal has its lines" sh -c 'test "$1" -gt 0' sh \
	"$(inside journalctl -u adosyncd _COMM=adosyncd -o cat --no-pager | grep -c .)"
check "no line of the journal has a token" sh -c '! printf %s "$1" | grep -qE "pat-of-contoso|kpat_test"' sh \
	"$(inside journalctl -u adosyncd --no-pager)"

inside systemctl kill -s KILL adosyncd
check "it is started again after a crash" wait_for 20 restarted
pid=$(show MainPID)
sleep 2
same "and makes nothing twice" 3 "$(services)"

begin=$(date +%s%N)
check "systemctl stop" inside systemctl stop adosyncd
took=$((($(date +%s%N) - begin) / 1000000))
[ "$took" -lt 5000 ] || echo "# it took $took ms"
check "it stops in less than 5 s" [ "$took" -lt 5000 ]
same "it ends with exit status 0" "success 0" "$(show Result) $(show ExecMainStatus)"

echo 'nonsense {' >>"$root/etc/adosyncd/adosyncd.conf"
check "a broken configuration is not started" sh -c '! "$@" 2>/dev/null' sh \
	nsenter -t "$leader" -m -u -i -n -p -C -- systemctl start adosyncd
same "it ends with exit status 78" 78 "$(show ExecMainStatus)"
sleep 6
same "and is not tried again" "failed 0" "$(show ActiveState) $(show NRestarts)"
exit "$failed"

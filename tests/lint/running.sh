#!/bin/sh
# What running programs show is what the manual pages say: the files they make and their modes, the labels of the metrics and
# their values, the statuses of HTTP, the exit codes.
# usage: running.sh [BUILD]
set -eu
LC_ALL=C
export LC_ALL
build=${1:-build}
case $build in /*) ;; *) build=$PWD/$build ;; esac
cd "$(dirname "$0")/../.."
page=conf/man/adosyncd.8
tmp=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || :; rm -rf "$tmp"' EXIT
umask 022
unset STATE_DIRECTORY RUNTIME_DIRECTORY CREDENTIALS_DIRECTORY NOTIFY_SOCKET JOURNAL_STREAM
bad=0

# same WHAT: $tmp/code is what was seen, $tmp/page what the page has
same() {
	sort -u -o "$tmp/code" "$tmp/code"
	sort -u -o "$tmp/page" "$tmp/page"
	diff "$tmp/code" "$tmp/page" >"$tmp/diff" && return 0
	echo "running: $1: what there is (<) and $page (>) differ:" >&2
	grep '^[<>]' "$tmp/diff" >&2
	bad=1
}

# Nobody answers on the ports that it is to talk to. The cache is a damaged one, which is set aside.
mkdir -m 0700 "$tmp/state" "$tmp/run"
(umask 077 && echo "no database, but long enough to be looked at" >"$tmp/state/cache.db" && echo token >"$tmp/konnect-token" && echo token >"$tmp/a.pat")
config() {
	cat >"$tmp/$1.conf" <<-CONF
		konnect { url = "http://127.0.0.1:9" token_expires = "2099-01-01" }
		daemon { state_directory = "$2" control_socket = "$tmp/run/$1.sock" listen = "$3" }
		instance "a" { organization = "o" url = "http://127.0.0.1:9/o" pat_expires = "2099-01-01" }
	CONF
}
n=0
while [ -z "$pid" ]; do
	port=$((20000 + ($$ + n * 7919) % 20000))
	config control "$tmp/state" "127.0.0.1:$port"
	"$build/adosyncd" -c "$tmp/control.conf" 2>"$tmp/log" &
	pid=$!
	while kill -0 "$pid" 2>/dev/null && [ ! -S "$tmp/run/control.sock" ]; do sleep 0.05; done
	if ! kill -0 "$pid" 2>/dev/null; then
		wait "$pid" && status=0 || status=$?
		pid=
		n=$((n + 1))
		# 75: somebody has the port
		[ "$status" = 75 ] && [ "$n" -lt 20 ] || { cat "$tmp/log" >&2; echo "running: adosyncd does not start" >&2; exit 1; }
	fi
done

# Files: those of the state, and the socket; a time in a name is what the page has for it.
{
	stat -c '%n %a' "$tmp/state" "$tmp/state"/*
	stat -c '%n %a' "$tmp/run/control.sock"
} | sed "s|^$tmp/state|/var/lib/adosyncd|; s|^$tmp/run|/run/adosyncd|; s/[0-9]\{8\}T[0-9]\{6\}Z/YYYYMMDDTHHMMSSZ/; s/ \([0-9]*\)$/ 0\1/" >"$tmp/code"
awk '/^\.Sh / { inside = $2 == "FILES" }
	/^\.(It|El|Sh)/ { if (match(text, /mode 0[0-7]+/)) print path, substr(text, RSTART + 5, RLENGTH - 5); path = text = "" }
	inside && /^\.It Pa / { path = $3; next }
	path != "" { text = text " " $0 }' "$page" >"$tmp/modes"
grep -E '^/(var|run)/[^ ]*/[^ ]* |^/var/lib/adosyncd ' "$tmp/modes" >"$tmp/page"
same "files and their modes"
# and those that the unit and the package make, and where the programs look
unit() {
	sed -n "s/^$1=//p" systemd/adosyncd.service
}
{
	echo "/$(sed -n 's/^#define STATE_DIRECTORY_DEFAULT "\/\(.*\)"/\1/p' lib/config.c) $(unit StateDirectoryMode)"
	echo "/run/$(unit RuntimeDirectory) $(unit RuntimeDirectoryMode)"
	echo "/tmp/$(grep -o 'adosyncd-plan-X*' lib/cache.c) 0700"
	sed -n 's|^\tinstall -d $(root)/\(etc/[a-z]*\)/instances.d$|/\1 0755|p' debian/rules
} >"$tmp/code"
grep -E '^/(etc|tmp|run)/[^/]* |^/var/lib/[a-z]* ' "$tmp/modes" | grep -v konnect-token >"$tmp/page"
same "directories and their modes"
"$build/adosyncd" --options | awk -F '\t' '$2 == "token_file" { print "/etc/adosyncd/" $3 }
	$2 == "pat_file" { sub(/NAME/, "*", $3); print "/etc/adosyncd/" $3 }' >"$tmp/code"
{ sed -n 's/^#define CONFIG_DEFAULT "\(.*\)"/\1/p' daemon/args.c; echo '/etc/adosyncd/instances.d/*.conf'; } >>"$tmp/code"
sed -n '/^\.Sh FILES/,/^\.Sh EXIT/s/^\.It Pa \(\/etc\/adosyncd\/.*\)/\1/p' "$page" >"$tmp/page"
same "files of the configuration"
sed -n 's|^\tinstall .*$(DESTDIR)$(PREFIX)/share/doc/adosyncd/||p' Makefile >"$tmp/code"
sed -n '/^\.It Pa \/usr\/share\/doc\/adosyncd$/,/^\.E/s/^\.Pa \([^ ]*\).*/\1/p' "$page" >"$tmp/page"
same "samples"

# HTTP
cat >"$tmp/ask.py" <<'PY'
import socket, sys

def ask(text):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) as s:
        s.sendall(text.encode())
        answer = b""
        while part := s.recv(65536):
            answer += part
    head, _, body = answer.decode().partition("\r\n\r\n")
    return head.split()[1], body

for path in sys.argv[3:]:
    status, body = ask(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    print(path, status)
    if path == "/metrics":
        open(sys.argv[2], "w").write(body)
for text in ("GET /there-is-none HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\n\r\n", "nonsense\r\n\r\n", "GET / HTTP/2.0\r\n\r\n",
             "GET / HTTP/1.1\r\nX: " + "x" * 8192):
    print("-", ask(text)[0])
PY
# shellcheck disable=SC2046
/usr/bin/python3 "$tmp/ask.py" "$port" "$tmp/metrics" $(sed -n '/^\.Sh HTTP/,/^\.Ss/s/^\.It Pa //p' "$page") >"$tmp/asked"
grep '^/' "$tmp/asked" | awk '$2 != 200' >&2
! grep '^/' "$tmp/asked" | grep -qv ' 200$' || bad=1
cut -d ' ' -f 2 "$tmp/asked" >"$tmp/code"
# too long an answer, and a loop that is late, are not to be had here
sed -n '/^\.Sh HTTP/,/^\.Ss/s/^\.It \([0-9]*\)$/\1/p' "$page" | grep -vxE '500|503' >"$tmp/page"
same "statuses of HTTP"

# Metrics: family and labels; and the values of those labels that have a few
grep -v '^#' "$tmp/metrics" | sed 's/_\(sum\|count\)\({\| \)/\2/' | awk '{
	name = $0; sub(/[{ ].*/, "", name)
	labels = ""; rest = $0
	while (match(rest, /[a-z_]+="[^"]*"/)) {
		pair = substr(rest, RSTART, RLENGTH); rest = substr(rest, RSTART + RLENGTH)
		label = value = pair; sub(/=.*/, "", label); sub(/^[^"]*"/, "", value); sub(/"$/, "", value)
		labels = labels (labels != "" ? ", " : "") label
		if (label !~ /^(name|organization|version)$/) print name " = " value
	}
	print name ": " labels
}' >"$tmp/code"
awk '/^\.S[hs] / { inside = $0 == ".Ss Metrics" }
	inside && /^\.It Ic / { name = $3; getline; sub(/^\.Pq [a-z]*(; )?/, ""); print name ": " $0; next }
	inside && /^\.Dv / { for (i = 2; i <= NF; i++) if ($i ~ /^[a-zA-Z0-9_]+$/) print name " = " $i }' "$page" >"$tmp/page"
same "metrics"

# Exit codes of both programs, as far as they are to be had without a server
expect() {
	want=$1
	shift
	timeout 30 "$@" >"$tmp/out" 2>&1 && got=0 || got=$?
	[ "$want" = "$got" ] || { echo "running: $* ends with $got, not with $want:" >&2; cat "$tmp/out" >&2; bad=1; }
}
config busy "$tmp/state" ""
config port "$tmp/other" "127.0.0.1:$port"
config nowhere "$tmp/no/where" ""
config elsewhere "$tmp/other" "192.0.2.1:20001"
config far "$tmp/other" ""
echo 'instance "a" { }' >"$tmp/wrong.conf"
expect 0 "$build/adosyncctl" -s "$tmp/run/control.sock" status
expect 1 "$build/adosyncctl" -s "$tmp/run/control.sock" pause b
expect 64 "$build/adosyncctl" -s "$tmp/run/control.sock" pause
expect 75 "$build/adosyncctl" -s "$tmp/run/none.sock" status
expect 0 "$build/adosyncd" -c "$tmp/busy.conf" --check
expect 64 "$build/adosyncd" --none
expect 64 "$build/adosyncd" -c "$tmp/far.conf" --dry-run --from-file "$tmp/a.pat" b
expect 1 "$build/adosyncd" -c "$tmp/far.conf" --dry-run --from-file "$tmp/a.pat" a
expect 78 "$build/adosyncd" -c "$tmp/wrong.conf"
expect 75 "$build/adosyncd" -c "$tmp/busy.conf"
expect 75 "$build/adosyncd" -c "$tmp/port.conf"
expect 75 "$build/adosyncd" -c "$tmp/elsewhere.conf"
expect 1 "$build/adosyncd" -c "$tmp/nowhere.conf"
expect 75 "$build/adosyncd" -c "$tmp/far.conf" --once
expect 1 "$build/adosyncd" -c "$tmp/far.conf" --once --approve a=0123456789ab

kill -TERM "$pid"
wait "$pid" && status=0 || status=$?
pid=
[ "$status" = 0 ] || { echo "running: SIGTERM ends it with $status" >&2; bad=1; }
exit "$bad"

#!/bin/sh
# lib/ stays free of network, loop, service manager and daemon; each of the daemon's big libraries has one owner.
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/../.."

bad=0
# refuse PATTERN WHY FILE...: none of the files may include what the pattern matches; event.h in quotes is ours
refuse() {
	pattern=$1 why=$2
	shift 2
	found=$(grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*($pattern)" /dev/null "$@") || return 0
	printf '%s\n' "$found" >&2
	echo "layers: $why" >&2
	bad=1
}

# others OWNER...: all of lib/ and daemon/ but these
others() {
	for f in lib/*.[ch] daemon/*.[ch]; do
		case " $* " in *" $f "*) ;; *) echo "$f" ;; esac
	done
}

# no file name here has white space
# shellcheck disable=SC2046
{
	refuse '"(\.\./)*daemon/|<((curl|event2|systemd)/|event\.h)' \
		"lib/ knows no daemon, libcurl, libevent and libsystemd" lib/*.[ch]
	refuse '<(event2/|event\.h|evutil\.h)' "only daemon/loop.c may include libevent" $(others daemon/loop.c)
	refuse '<curl/' "only daemon/http*.c may include libcurl" \
		$(others daemon/http*.[ch])
	refuse '<systemd/' "only daemon/notify.c and daemon/log.c may include libsystemd" \
		$(others daemon/notify.c daemon/log.c)
}
exit "$bad"

#!/bin/sh
# The Debian package under a real systemd: lintian, install, start, upgrade, remove, purge.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
# shellcheck source=tests/root/box
. tests/root/box
need dpkg-deb lintian dh
box_tree

# what git sees of the tree
tree() {
	git status --porcelain 2>/dev/null
}

before=$(tree)
make -s deb >"$root/out" || { cat "$root/out"; verdict 1 "make deb"; exit 1; }
verdict 0 "make deb"
same "it leaves the sources as they are" "$before" "$(tree)"
version=$(sed -n 's/^VERSION := //p' Makefile)
changes=$(ls build/deb/adosyncd_"$version"_*.changes)
deb=$(ls build/deb/adosyncd_"$version"_*.deb)
# it takes its time; its word is heard at the end
lintian --allow-root --fail-on error,warning "$changes" >"$root/lintian" 2>&1 &
lintian=$!
cp "$deb" "$root/adosyncd.deb"

# another VERSION: the same files as a package of a later version
another() {
	rm -rf "$root/package"
	dpkg-deb -R "$deb" "$root/package"
	sed -i "s/^Version: .*/Version: $1/" "$root/package/DEBIAN/control"
	quietly dpkg-deb --root-owner-group -b "$root/package" "$root/adosyncd-$1.deb"
	rm -rf "$root/package"
}

# installed VERSION: that one is, as a whole
installed() {
	same "dpkg has $1" "installed $1" "$(inside dpkg-query -W -f '${db:Status-Status} ${Version}' adosyncd)"
}

# how many requests have changed something in Konnect
writes() {
	control "$control_port" GET /counts | python3 -c 'import json, sys
print(sum(n for request, n in json.load(sys.stdin)["requests"].items() if not request.startswith("GET")))'
}

# Everything there is but for what is written all the time, and the lists of users, of which sysusers keeps a copy.
listing() {
	(cd "$root" && find . \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./tmp -o -path ./sim -o -path ./var/tmp \
		-o -path ./var/log -o -path ./var/lib/dpkg -o -path ./var/lib/systemd/timers \) -prune -o -path './etc/*-' -o -print | sort)
}

another "$version+1"
another "$version+2"
box_boot
listing >"$work/$box.before"
check "it installs" quietly inside dpkg -i /adosyncd.deb
installed "$version"
same "the service is enabled" enabled "$(inside systemctl is-enabled adosyncd)"
same "without a configuration it is not started, which is no failure" "inactive no 0" \
	"$(show ActiveState) $(show ConditionResult) $(show NRestarts)"
same "its user cannot log in" /usr/sbin/nologin "$(inside getent passwd adosyncd | cut -d : -f 7)"
same "the directory of its configuration is root's" "root root 755" "$(inside stat -c '%U %G %a' /etc/adosyncd/instances.d)"
check "its manual pages are there" [ -e "$root/usr/share/man/man8/adosyncd.8.gz" ]
id=$(sed -n '/^-- /{s/^-- //p;q;}' systemd/adosyncd.catalog)
check "the journal knows its messages" sh -c 'printf "%s\n" "$1" | grep -q "^$2"' sh "$(inside journalctl --list-catalog 2>/dev/null)" "$id"

# the samples, as they are
inside cp /usr/share/doc/adosyncd/adosyncd.conf /etc/adosyncd/
inside cp /usr/share/doc/adosyncd/contoso.conf.example /etc/adosyncd/instances.d/contoso.conf
check "the samples are a configuration" quietly inside runuser -u adosyncd -- adosyncd --check
box_service
same "the service is the packaged one" /usr/sbin/adosyncd "$(inside readlink "/proc/$pid/exe")"

# An upgrade: another process, on the same state.
writer=$(cat "$root/var/lib/adosyncd/writer")
cache=$(inside stat -c '%i %W' /var/lib/adosyncd/cache.db)
files=$(cd "$root/etc/adosyncd" && find . -type f -exec cksum {} + | sort)
writes=$(writes)
check "it is upgraded" quietly inside dpkg -i "/adosyncd-$version+1.deb"
installed "$version+1"
check "the service is another process, and ready" restarted
pid=$(show MainPID)
sleep 3
same "the cache is the one it was" "$cache" "$(inside stat -c '%i %W' /var/lib/adosyncd/cache.db)"
same "so is the mark of who writes" "$writer" "$(cat "$root/var/lib/adosyncd/writer")"
same "and the configuration and the tokens" "$files" "$(cd "$root/etc/adosyncd" && find . -type f -exec cksum {} + | sort)"
same "nothing is written anew" "$writes" "$(writes)"
ado POST /repo '{"org": "contoso", "project": "Web", "name": "wiki"}'
four() {
	[ "$(services)" = 4 ]
}
check "it goes on" wait_for 10 four

inside systemctl disable -q --now adosyncd
check "it is upgraded while it is stopped and disabled" quietly inside dpkg -i "/adosyncd-$version+2.deb"
same "and stays so" "inactive disabled" "$(show ActiveState) $(inside systemctl is-enabled adosyncd)"
inside systemctl enable -q --now adosyncd

check "it is removed" quietly inside dpkg -r adosyncd
same "the service is stopped" inactive "$(show ActiveState)"
same "no process is left" 0 "$(inside pgrep -c adosyncd)"
check "configuration, tokens and cache stay" quietly \
	ls "$root/etc/adosyncd/adosyncd.conf" "$root/etc/adosyncd/contoso.pat" "$root/var/lib/adosyncd/cache.db"
check "it is purged" quietly inside dpkg -P adosyncd
listing >"$work/$box.after"
check "and leaves no file" diff "$work/$box.before" "$work/$box.after"
rm -f "$work/$box.before" "$work/$box.after"
check "the user stays" quietly inside getent passwd adosyncd
wait "$lintian" && verdict 0 "lintian has nothing to say" || { cat "$root/lintian"; verdict 1 "lintian has nothing to say"; }
same "no unit has failed" "" "$(inside systemctl --failed --plain --no-legend 2>/dev/null | grep adosyncd)"
exit "$failed"

#!/bin/sh
# README.md is what an operator types in the first hour. Its blocks are taken from it and run in their order, on a clean
# machine for which dev.azure.com and us.api.konghq.com are the simulators, behind TLS. What happens between two blocks is what
# makes an operator need the next one.
# A fence of sh is a block; one of text shows what the block before it has printed, as it is printed here.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
# shellcheck source=tests/root/box
. tests/root/box
need dpkg-deb dh awk

# What is not run, by words of it, and why. A block that is neither here nor run below is a failure, as is a line without a block.
left_out='make demo|the demo is run by make check (tests/system/test_demo.py), and make check is what CI runs beside this
git pull|there is no repository to pull from; make deb has been run above
make install PREFIX=/usr|the other tests of this directory install in this way (box_up)
podman build|podman cannot get the image of Debian without a registry; container.sh builds and runs the image with these options
make soak|each takes minutes to hours, and CI has steps of its own for them
curl -K -|the machine has no curl'

pat="pat-of-contoso"
other_pat="pat-of-fabrikam"
token=kpat_test
hash=

# the machine as it is before the first block, but for the libraries, which apt would fetch
box_tree
blocks=$root/blocks
sources=root/adosyncd
mkdir -p "$blocks" "$root/$sources/build/deb"

# NN.sh and NN.text: the blocks in their order; "title" has the heading of each
awk -v to="$blocks" '
	/^```/ && open { open = 0; close(file); next }
	/^```/ {
		open = 1
		kind = substr($0, 4)
		file = sprintf("%s/%03d.%s", to, ++n, kind)
		printf "" >file
		print n "|" kind "|" title >(to "/titles")
		next
	}
	open { print >file; next }
	/^#/ { title = $0; sub(/^#+ /, "", title) }' README.md
same "every fence of the README says sh or text" "" "$(grep '^```' README.md | sed 'n;d' | grep -vx '```sh\|```text')"
same "what is code is fenced" "" "$(awk '/^```/ { open = !open } !open && /^    /' README.md)"

at=0

# why_not FILE: the reason for which it is not run; nothing if there is none
why_not() {
	printf '%s\n' "$left_out" | while IFS='|' read -r words reason; do
		! grep -qF -e "$words" "$1" || echo "$reason"
	done
}

# next_block: sets $block to the next one that is to be run, if there is one
next_block() {
	while at=$((at + 1)); do
		block=$(printf '%s/%03d.sh' "$blocks" "$at")
		[ -e "$block" ] || [ -e "${block%.sh}.text" ] || { block=; return; }
		[ -e "$block" ] || continue
		reason=$(why_not "$block")
		[ -n "$reason" ] || return
		echo "# not run: \"$(head -n 1 "$block")\": $reason"
	done
}

# take WORDS: the next block has them; sets $what to its name in messages
take() {
	next_block
	title=$(sed -n "s/^$at|sh|//p" "$blocks/titles")
	what="README, $title: $(grep -m 1 -F -e "$1" "${block:-/dev/null}")"
	[ -n "$block" ] && grep -qF -e "$1" "$block" && return
	verdict 1 "README.md has a block with \"$1\" in its place (\"$title\" is next)"
	exit 1
}

# told STATUS: the verdict on a block that has been run, with what it printed if it is bad
told() {
	[ "$1" = 0 ] || sed 's/^/#   /' "$root/out"
	verdict "$1" "$what"
	[ "$1" = 0 ] || exit 1
}

# run WORDS [TEXT]: the next block, which has these words, as root types it in the sources; with the text on its standard input
run() {
	take "$1"
	sed "s/\bHASH\b/$hash/" "$block" >"$root/block"
	printf '%s' "${2:-}" | inside env -i HOME=/root TERM=dumb LANG=C.UTF-8 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		bash -c "cd /$sources && exec bash -e /block" >"$root/out" 2>&1
	told $?
	hash=$(sed -n 's/^.*: adosyncctl [a-z]* [a-z]* \([0-9a-f]\{12\}\)$/\1/p' "$root/out")
}

# said NAME TEXT...: the last block has printed that
said() {
	name=$1
	shift
	for text in "$@"; do
		grep -qF -e "$text" "$root/out" && continue
		echo "# \"$text\" is not in:"
		sed 's/^/#   /' "$root/out"
		verdict 1 "$name"
		return
	done
	verdict 0 "$name"
}

# without_time FILE: how long ago something was is another thing each time
without_time() {
	sed -E 's/, (just now|for [0-9a-z ]+)$//; s/[[:space:]]+$//' "$1"
}

# as_shown: the last block has printed what the README shows after it; "..." stands for any lines
as_shown() {
	shown=$(printf '%s/%03d.text' "$blocks" $((at + 1)))
	[ -e "$shown" ] || { verdict 1 "$what is followed by what it prints"; return; }
	# the order of repositories is Azure DevOps'
	without_time "$shown" | grep -vxF ... | sort >"$root/want"
	without_time "$root/out" | grep -xF -f "$root/want" | sort >"$root/got"
	check "what it prints is what the README shows" diff "$root/want" "$root/got"
}

# ask NAME KEY: of an instance, from the daemon
ask() {
	inside adosyncctl --json status "$1" | "$python" -c 'import json, sys
print(json.loads(sys.stdin.readline())["instances"][0][sys.argv[1]])' "$2" 2>/dev/null
}

is() {
	[ "$(ask "$1" "$2")" = "$3" ]
}

# becomes NAME KEY VALUE TEXT
becomes() {
	check "$4" wait_for 15 is "$1" "$2" "$3"
}

# in_step NAME: a listing has been taken over since the daemon's start, and all of it is in Konnect
in_step() {
	inside adosyncctl --json status "$1" | "$python" -c 'import json, sys
o = json.loads(sys.stdin.readline()); i = o["instances"][0]
sys.exit(not (i["state"] == "waiting" and i["pending"] == 0 and i["last_complete"] and "pushing" not in i and i["last_complete"] >= o["started"]))'
}

# catalog: the services as they are, one a line, with what a person would miss
catalog() {
	control "$control_port" GET /state | "$python" -c 'import json, sys
for s in sorted(json.load(sys.stdin)["services"], key=lambda s: s["name"]):
    print(s["id"], s["name"], s["display_name"], s.get("description"), sorted(s["labels"].items()), s["custom_fields"])'
}

# in_state STATE: how many services say so
in_state() {
	catalog | grep -c "'azure-devops-state', '$1'"
}

has_services() {
	[ "$(services)" = "$1" ]
}

# written: how many requests have changed something in Konnect
written() {
	control "$control_port" GET /counts | "$python" -c 'import json, sys
print(sum(n for request, n in json.load(sys.stdin)["requests"].items() if not request.startswith("GET")))'
}

# owned: how many services, mappings, resources and integration instances of Azure DevOps there are
owned() {
	control "$control_port" GET /state | "$python" -c 'import json, sys
o = json.load(sys.stdin)
print(len(o["services"]), len(o["mappings"]), len(o["resources"]), sum(i["integration"]["name"] == "azure-devops" for i in o["instances"]))'
}

# ids PATTERN: of the repositories of contoso whose names match
ids() {
	control "$ado_control" GET /world | "$python" -c 'import json, re, sys
for r in json.load(sys.stdin)["contoso"]["repos"]:
    if re.fullmatch(sys.argv[1], r["name"]): print(r["id"])' "$1"
}

same_as() {
	catalog >"$root/now" && cmp -s "$1" "$root/now"
}

# same_process WHAT: the service is the process that it was
same_process() {
	same "$1: no restart was needed" "0 $pid" "$(show NRestarts) $(show MainPID)"
}

# fresh: the package is there, and newer than all that it is made of
fresh() {
	deb=$(find build/deb -maxdepth 1 -name 'adosyncd_*.deb' 2>/dev/null)
	[ -n "$deb" ] && [ -z "$(find CHANGELOG.md LICENSE Makefile README.md SECURITY.md conf daemon debian lib systemd -type f -newer "$deb")" ]
}

# the two sides, each with a name and a certificate of an authority that the machine knows
servers() {
	cat >"$root/world.json" <<-'END'
		{"contoso": {"pat": "pat-of-contoso", "projects": [{"name": "Payments"}, {"name": "Web"}],
		 "repos": [{"name": "ledger", "project": "Payments"}, {"name": "tax", "project": "Payments"}, {"name": "shop", "project": "Web"},
		  {"name": "old-1", "project": "Web"}, {"name": "old-2", "project": "Web"}, {"name": "old-3", "project": "Web"},
		  {"name": "old-4", "project": "Web"}, {"name": "old-5", "project": "Web"}, {"name": "old-6", "project": "Web"}]},
		 "fabrikam": {"pat": "pat-of-fabrikam", "projects": [{"name": "Ops"}],
		 "repos": [{"name": "deploy", "project": "Ops"}, {"name": "hosts", "project": "Ops"}]}}
	END
	printf '127.0.0.2 dev.azure.com\n127.0.0.3 us.api.konghq.com\n' >>"$root/etc/hosts"
	inside sh -ec 'cd /blocks
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -days 2 -subj "/CN=README test" \
			-out /usr/local/share/ca-certificates/readme-test.crt
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -subj /CN=dev.azure.com -out tls.csr
		echo "subjectAltName = DNS:dev.azure.com, DNS:us.api.konghq.com" >tls.ext
		openssl x509 -req -in tls.csr -CA /usr/local/share/ca-certificates/readme-test.crt -CAkey ca.key -CAcreateserial -days 2 \
			-extfile tls.ext -out tls.crt
		update-ca-certificates' >"$root/out" 2>&1 || { cat "$root/out"; verdict 1 "the machine has an authority"; exit 1; }
	inside systemd-run -q --unit=sim-ado python3 /sim/ado.py --address 127.0.0.2 --port 443 --control-port "$ado_control" \
		--world /world.json --tls-cert /blocks/tls.crt --tls-key /blocks/tls.key
	inside systemd-run -q --unit=sim-konnect python3 /sim/konnect.py --address 127.0.0.3 --port 443 --control-port "$control_port" \
		--tls-cert /blocks/tls.crt --tls-key /blocks/tls.key
	wait_for 20 services || { verdict 1 "the simulators listen"; exit 1; }
}

# Run it for real.
take "make deb"
if fresh; then
	echo "# $deb is newer than what it is made of, and taken as it is"
else
	sh -e "$block" >"$root/out" 2>&1
	told $?
	deb=$(find build/deb -maxdepth 1 -name 'adosyncd_*.deb')
fi
cp "$deb" "$root/$sources/build/deb/"
box_boot
servers

run "apt-get install"
same "it is installed, and waits for a configuration" "installed inactive no" \
	"$(inside dpkg-query -W -f '${db:Status-Status}' adosyncd) $(show ActiveState) $(show ConditionResult)"
run "organization ="
run "konnect-token" "$token
"
run "contoso.pat" "$pat
"
same "the tokens are for the service alone" "root adosyncd 640 root adosyncd 640 " \
	"$(inside stat -c '%U %G %a' /etc/adosyncd/konnect-token /etc/adosyncd/contoso.pat | tr '\n' ' ')"
run "--dry-run"
said "--check says what is in force" 'url = "https://us.api.konghq.com"' 'organization = "contoso"' "https://dev.azure.com/contoso"
as_shown
same "and nothing was written" "0 0 0 0 0" "$(written) $(owned)"
run "enable --now"
same "the service runs" active "$(show ActiveState)"
pid=$(show MainPID)
check "what was planned is done" wait_for 20 has_services 9
check "all of it" wait_for 10 in_step contoso
run "journalctl -u adosyncd -n 20"
said "it is as the README says it should be" "waiting" "9 listed, 0 missing" "0 pending, 0 parked"
said "and the log says what was done" "Payments / ledger is in the catalog as contoso.payments.ledger"

run "adosyncctl pause contoso"
said "each command answers" "waiting" "Web / shop (contoso.web.shop)" "9 repositories" "polling 1 instance now" "paused until" "resumed" \
	"nothing waits" "reloaded"
check "and the end is as the beginning" wait_for 10 in_step contoso

# Rotation: each token has ended before the new one is there.
ado PATCH /org '{"name": "contoso", "pat_state": "expired"}'
quietly inside adosyncctl sync
becomes contoso state credential "an expired PAT is noticed"
pat="pat-2-of-contoso"
ado PATCH /org "{\"name\": \"contoso\", \"pat\": \"$pat\", \"pat_state\": \"ok\"}"
run "adosyncctl check contoso" "$pat
"
said "the new PAT is accepted" "9 repositories"
becomes contoso state waiting "the organization is well again"
same_process "a new PAT"
token=kpat_2
konnect POST /settings "{\"token\": \"$token\"}"
ado POST /repo '{"org": "contoso", "project": "Web", "name": "wiki"}'
quietly inside adosyncctl sync
konnect_is() {
	inside adosyncctl status | head -n 1 | grep -q " is $1"
}
check "a token that Konnect refuses is noticed" wait_for 15 konnect_is credential
run "adosyncctl sync" "$token
"
check "the new one is taken" wait_for 15 konnect_is ready
check "and what waited is sent" wait_for 15 has_services 10
same_process "Konnect's new token"

# A hold.
for id in $(ids 'old-.*'); do
	ado DELETE "/repo?org=contoso&id=$id&recycle=1"
done
quietly inside adosyncctl sync
becomes contoso held True "six deletions at once are held"
run "adosyncctl plan contoso"
as_shown
same "until somebody approves nothing is said of them" 0 "$(in_state removed)"
run "adosyncctl approve"
said "the approval is taken" "approved"
says_removed() {
	[ "$(in_state removed)" = "$1" ]
}
check "and done: six services say so" wait_for 15 says_removed 6
same "and stay" 10 "$(services)"
becomes contoso held False "nothing is held any more"

run "fabrikam.pat" "$other_pat
"
check "a second organization is in the catalog" wait_for 15 has_services 12
said "status has both" "contoso" "fabrikam"

# An upgrade, to a later version and to another build of the same.
wait_for 10 in_step fabrikam
version=$(sed -n 's/^VERSION := //p' Makefile)
dpkg-deb -R "$deb" "$root/package"
sed -i "s/^Version: .*/Version: $version+1/" "$root/package/DEBIAN/control"
rm "$root/$sources/build/deb"/*
quietly dpkg-deb --root-owner-group -b "$root/package" "$root/$sources/build/deb/adosyncd_$version+1_all.deb"
catalog >"$root/before"
before="$(written) $(inside stat -c '%i %W' /var/lib/adosyncd/cache.db) $(cat "$root/var/lib/adosyncd/writer")"
after() {
	echo "$(written) $(inside stat -c '%i %W' /var/lib/adosyncd/cache.db) $(cat "$root/var/lib/adosyncd/writer")"
}
run "--reinstall"
said "the daemon runs on" "contoso" "fabrikam" "waiting"
same "it is the new version" "$version+1" "$(inside dpkg-query -W -f '${Version}' adosyncd)"
check "in another process" restarted
pid=$(show MainPID)
at=$((at - 1))
run "--reinstall"
check "another build of the same version is installed too" restarted
pid=$(show MainPID)
quietly inside adosyncctl sync
check "the upgraded one polls" wait_for 15 in_step contoso
same "on the same cache, with nothing written anew" "$before" "$(after)"

# Backup.
catalog >"$root/before"
run "rm /var/lib/adosyncd/cache.db"
check "without its cache it reads everything again" wait_for 20 in_step contoso
wait_for 20 in_step fabrikam
same "and makes nothing twice" 12 "$(services)"
says_missing() {
	[ "$(in_state missing)" = 6 ]
}
check "what had been approved is missing again, as the README says" wait_for 15 says_missing
quietly inside adosyncctl sync
becomes contoso held True "and held"
hash=$(inside adosyncctl --json plan contoso | "$python" -c 'import json, sys; print(json.loads(sys.stdin.readline())["hash"])')
quietly inside adosyncctl approve contoso "$hash"
check "and then the catalog is the one it was" wait_for 15 same_as "$root/before"
run "tar -C /var/lib -cf"
ado POST /repo '{"org": "contoso", "project": "Web", "name": "late"}'
quietly inside adosyncctl sync
check "after the copy there is more" wait_for 15 has_services 13
wait_for 10 in_step contoso
catalog >"$root/before"
run "tar -C /var/lib -xf"
quietly inside adosyncctl sync
check "the old copy goes on" wait_for 20 in_step contoso
knows_late() {
	inside adosyncctl repos contoso | grep -q 'Web / late (contoso.web.late)$'
}
check "and finds what is newer" wait_for 15 knows_late
check "with nothing made twice" same_as "$root/before"
same "the service has not failed" "active 0" "$(show ActiveState) $(show NRestarts)"

# The way out.
run "adosyncctl withdraw fabrikam"
said "it shows what is owned" "service" "integration instance" "fabrikam.ops.deploy"
same "which changes nothing" 13 "$(services)"
run "adosyncctl withdraw fabrikam"
said "and takes it out" "withdrawn" "reloaded"
same "of this organization" "11 0" "$(services) $(catalog | grep -c "'fabrikam'")"
is_unknown() {
	! inside adosyncctl status "$1" >/dev/null 2>&1
}
check "which is configured no more, and leaves no token" is_unknown fabrikam
same "but for the one that is left" contoso.pat "$(cd "$root/etc/adosyncd" && echo *.pat)"
run "adosyncctl withdraw contoso"
run "adosyncctl withdraw contoso"
same "Konnect has nothing of ours: no service, mapping, resource or integration instance" "0 0 0 0" "$(owned)"
run "apt-get purge" "y
"
same "the machine neither" "" "$(find "$root/etc/adosyncd" "$root/var/lib/adosyncd" "$root/run/adosyncd" "$root/usr" -name '*adosyncd*' 2>/dev/null)"
same "no process is left" 0 "$(inside pgrep -c adosyncd)"

next_block
same "every block of the README was run, or has its reason here" "" "${block:+$(cat "$block")}"
same "no reason is left without a block" "" "$(printf '%s\n' "$left_out" | while IFS='|' read -r words reason; do
	grep -qF -e "$words" "$blocks"/*.sh || echo "$words"; done)"
same "nothing that was sent to Konnect was wrong" "[]" "$(control "$control_port" GET /violations)"
check "no message has a token" no_secret pat-of-contoso pat-2-of-contoso "$other_pat" kpat_test kpat_2
exit "$failed"

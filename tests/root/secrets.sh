#!/bin/sh
# Tokens under a real systemd: one that expires and is replaced while the daemon runs, in every way that files are
# replaced; and the documented drop-in with encrypted credentials.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
# shellcheck source=tests/root/box
. tests/root/box
box_up

pat="pat-of-contoso"
secrets="kpat_test $pat"
round=0
etc=$root/etc/adosyncd

# as the token's owner and mode should be
secret_mode() {
	inside chown root:adosyncd "$@"
	inside chmod 0640 "$@"
}

# expire: the token expires, and the only one that is good is $pat, which the daemon does not have
expire() {
	round=$((round + 1))
	pat="pat-$round-of-contoso"
	secrets="$secrets $pat"
	ado PATCH /org '{"name": "contoso", "pat_state": "expired"}'
	check "$1: the expired token is noticed" wait_for 20 happened credential_lost "$round"
	ado PATCH /org "{\"name\": \"contoso\", \"pat\": \"$pat\", \"pat_state\": \"ok\"}"
}

restored() {
	check "$1: it is in force within 10 s" wait_for 10 happened credential_restored "$round"
	same "$1: without a restart" "0 $pid" "$(show NRestarts) $(show MainPID)"
}

expire "a file rewritten"
check "the message names the file" sh -c 'case $1 in *"contoso.pat"*) ;; *) echo "# $1"; exit 1 ;; esac' sh "$(last credential_lost)"
check "systemctl status shows it" sh -c 'printf "%s\n" "$1" | grep -qF "1 not healthy (contoso: credential)"' sh \
	"$(inside systemctl status adosyncd --no-pager)"
echo "$pat" >"$etc/contoso.pat"
restored "a file rewritten"

expire "a file renamed over it"
(umask 077 && echo "$pat" >"$etc/contoso.pat.new")
secret_mode /etc/adosyncd/contoso.pat.new
mv "$etc/contoso.pat.new" "$etc/contoso.pat"
restored "a file renamed over it"

# as a mounted secret of Kubernetes is
mkdir "$etc/..1"
(umask 077 && echo "$pat" >"$etc/..1/contoso.pat")
secret_mode /etc/adosyncd/..1/contoso.pat
ln -s ..1 "$etc/..data"
ln -s ..data/contoso.pat "$etc/contoso.pat.link"
mv -T "$etc/contoso.pat.link" "$etc/contoso.pat"
expire "a ..data link swapped"
mkdir "$etc/..2"
(umask 077 && echo "$pat" >"$etc/..2/contoso.pat")
secret_mode /etc/adosyncd/..2/contoso.pat
ln -s ..2 "$etc/..data_tmp"
mv -T "$etc/..data_tmp" "$etc/..data"
rm -r "$etc/..1"
restored "a ..data link swapped"

# The drop-in as it is installed, with encrypted credentials alone.
# encrypt NAME: the credential from standard input
encrypt() {
	inside systemd-creds encrypt --name="$1" - "/etc/credstore.encrypted/$1"
}
checks() {
	inside adosyncctl check contoso
}
mkdir -p "$root/etc/credstore.encrypted"
echo "$pat" | encrypt contoso.pat 2>/dev/null && echo kpat_test | encrypt konnect-token 2>/dev/null || skip "systemd-creds cannot encrypt"
# a poll between would find no token
inside systemctl stop adosyncd
rm -r "$etc/contoso.pat" "$etc/..data" "$etc/..2" "$etc/konnect-token"
drop_in credentials <"$root/usr/share/doc/adosyncd/credentials.conf.example"
check "a start with credentials" inside systemctl start adosyncd
check "the token among the credentials is used" wait_for 10 checks
same "the directory beside the configuration has none" "" "$(find "$etc" -name '*.pat' -o -name '*-token')"
ado POST /repo '{"org": "contoso", "project": "Web", "name": "wiki"}'
four() {
	[ "$(services)" = 4 ]
}
check "and so is the one for Konnect" wait_for 20 four
expire "a credential"
echo "$pat" | encrypt contoso.pat 2>/dev/null
sleep 7
same "a credential: a new one is not seen while it runs" $((round - 1)) "$(how_often credential_restored)"
inside systemctl restart adosyncd
check "a credential: a restart brings it" wait_for 10 happened credential_restored "$round"

# shellcheck disable=SC2086
check "no message has a token, old or new" no_secret $secrets
exit "$failed"

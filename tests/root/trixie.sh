#!/bin/sh
# The HTTP engine with the compiler and libcurl of Debian 13: among others, that a black-holed name server stalls nothing.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
# shellcheck source=tests/root/common
. tests/root/common
[ -n "${ADOSYNCD_TRIXIE:-}" ] || skip "trixie.sh takes two minutes more; ADOSYNCD_TRIXIE=1 runs it"
need mmdebstrap unshare tar
packages=$(sed -n 's/^build="\(.*\)"$/\1/p' tests/install-deps | tr ' ' ,)
debian trixie "$packages" trixie || { verdict 1 "a Debian 13 can be made"; exit 1; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
tar -C "$root" -xpf "$tar"
git ls-files -z | tar -c --null -T - | tar -x -C "$root" --one-top-level=src

# in_debian COMMAND: in a shell there, in the sources, with no network but loopback
in_debian() {
	# shellcheck disable=SC2016
	unshare --net --mount --pid --fork sh -c 'ip link set lo up; mount -t proc proc "$1/proc"; exec chroot "$1" sh -c "cd /src && $2"' sh "$root" "$1"
}

check "it builds" quietly in_debian "make -s WERROR=-Werror all build/tests/engine/test_dns build/tests/engine/test_http"
check "a black-holed name server stalls nothing" quietly in_debian build/tests/engine/test_dns
check "the engine works" quietly in_debian build/tests/engine/test_http
[ "$failed" = 0 ]

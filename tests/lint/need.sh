#!/bin/sh
# A plain make names every Debian package that it needs and that is missing.
set -eu
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

# said WHAT PACKAGES ENVIRONMENT...: make, in that environment, does nothing but name exactly these
said() {
	what=$1 packages=$2
	shift 2
	want="adosyncd: missing packages:$packages; install them with: tests/install-deps build"
	out=$(env -u MAKEFLAGS -u MAKELEVEL CC=cc BUILD="$tmp/build" "$@" 2>&1) && { echo "need: $what: make goes on" >&2; bad=1; }
	[ "$(printf '%s\n' "$out" | head -n 1)" = "$want" ] ||
		{ printf 'need: %s: make says\n%s\ninstead of\n%s\n' "$what" "$out" "$want" >&2; bad=1; }
	[ ! -e "$tmp/build" ] || { echo "need: $what: make has begun to build" >&2; bad=1; }
}

# the libraries of tests/install-deps
libraries=$(sed -n 's/^build="\(.*\)"/\1/p' tests/install-deps | tr ' ' '\n' | grep -E '^(lib.*|zlib1g)-dev$' | grep -vx libc6-dev)
said "no library" "$(printf ' %s' $libraries)" PKG_CONFIG_LIBDIR="$tmp" make -j2
mkdir "$tmp/bin"
make=$(command -v make)
ln -s "$(command -v cc)" "$tmp/bin/cc"
said "no pkg-config" " pkg-config" PATH="$tmp/bin" "$make"
rm "$tmp/bin/cc"
said "no compiler" " gcc pkg-config" PATH="$tmp/bin" "$make"
printf '#!/bin/sh\nexit 1\n' >"$tmp/bin/cc"
chmod +x "$tmp/bin/cc"
said "no headers of libc" " libc6-dev pkg-config" PATH="$tmp/bin" "$make"
exit "$bad"

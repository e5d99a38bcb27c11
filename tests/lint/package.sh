#!/bin/sh
# The Debian package has the version that the programs say.
set -eu
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^VERSION := //p' Makefile)
package=$(sed -n '1s/^adosyncd (\(.*\)) .*/\1/p' debian/changelog)
[ "$version" = "$package" ] || { echo "package: Makefile has version $version, debian/changelog $package; make them one" >&2; exit 1; }

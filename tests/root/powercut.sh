#!/bin/sh
# The daemon in a virtual machine whose power is cut; at the end Konnect is as Azure DevOps, and nothing was done twice.
# ADOSYNCD_POWERCUTS=N cuts N times instead of 2; ADOSYNCD_SEED=N chooses the points of the run that printed it.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
# shellcheck source=tests/root/common
. tests/root/common
need qemu-system-x86_64 qemu-img busybox cpio socat mke2fs apt-get dpkg unshare ip make
[ -x "$python" ] || skip "powercut.sh needs $python"
[ "$(dpkg --print-architecture)" = amd64 ] || skip "powercut.sh has a virtual machine for amd64 only"
make -s all >/dev/null || { verdict 1 "make"; exit 1; }

# what a disk and a network need of the kernel's modules, in the order in which they depend on each other
modules="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk failover net_failover virtio_net"

# linux: sets $linux to Debian's kernel for virtual machines, unpacked and not installed; kept for the next run
linux() {
	package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: //p')
	if [ -z "$package" ]; then
		apt-get update -qq
		package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p')
	fi
	linux=$work/$package
	[ -e "$linux/boot" ] && return 0
	(cd "$tmp" && apt-get download -qq "$package" && dpkg -x "$package"_*.deb linux) >"$tmp/out" 2>&1 || { cat "$tmp/out"; return 1; }
	mkdir -p "$work" && mv "$tmp/linux" "$linux"
}

# guest DIRECTORY: what the machine boots into: the daemon, socat, their libraries, and busybox for the rest
guest() {
	mkdir -p "$1/bin" "$1/dev" "$1/disk" "$1/proc" "$1/modules"
	cp "$(command -v busybox)" "$1/bin/busybox"
	cp "${ADOSYNCD:-build/adosyncd}" "$1/bin/adosyncd"
	cp "$(command -v socat)" "$1/bin/socat"
	ldd "$1"/bin/* 2>/dev/null | grep -o '/[^ :]*\.so[^ ]*' | sort -u | xargs cp -L --parents -t "$1" || return 1
	for m in $modules; do
		find "$linux" -name "$m.ko" -exec cp {} "$1/modules" \;
	done
	# The daemon takes plain HTTP on loopback alone, and the simulators are at 10.0.2.2, at the ports that the kernel's
	# command line gives. Then it does what it reads.
	cat >"$1/init" <<-END
		#!/bin/busybox sh
		/bin/busybox --install -s /bin
		mount -t devtmpfs none /dev
		mount -t proc none /proc
		for m in $modules; do insmod /modules/\$m.ko; done
		mount -t ext4 -o data=ordered /dev/vda /disk || exit
		ip link set lo up
		ip addr add 10.0.2.15/24 dev eth0
		ip link set eth0 up
		for port in \$ADO \$KONNECT; do
			socat TCP-LISTEN:\$port,bind=127.0.0.1,backlog=64,reuseaddr,fork TCP:10.0.2.2:\$port &
		done
		until [ \$(grep -c ' 0A ' /proc/net/tcp) = 2 ]; do usleep 20000; done
		stty -echo
		echo ready
		while read -r command; do
			eval "\$command"
			echo "exit \$?"
		done
	END
	chmod 0755 "$1/init"
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
linux || skip "powercut.sh needs the package linux-image-cloud-amd64 from a Debian mirror"
guest "$tmp/root" || { verdict 1 "the virtual machine's files"; exit 1; }
(cd "$tmp/root" && find . | cpio -o -H newc --quiet) >"$tmp/initrd" || exit 1
rm -rf "$tmp/root"
mke2fs -q -t ext4 "$tmp/empty.ext4" 64M >/dev/null || exit 1
unshare --net sh -c 'ip link set lo up && exec "$@"' sh \
	"$python" tests/root/powercut.py "$linux"/boot/vmlinuz-* "$tmp/initrd" "$tmp/empty.ext4"

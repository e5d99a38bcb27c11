#!/bin/sh
# The container: the Containerfile builds, and what it makes runs as it should, confined and read-only.
# The base image is made here of Debian packages, so that no registry is needed.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
# shellcheck source=tests/root/common
. tests/root/common
need podman runc mmdebstrap unshare ip
[ -x "$python" ] || skip "container.sh needs $python"

store=$work/oci
base=localhost/adosyncd-base
image=localhost/adosyncd-test
container=adosyncd-test-$$
export CONTAINERS_CONF="$store/containers.conf" CONTAINERS_STORAGE_CONF="$store/storage.conf"

services() {
	"$python" -c "$count_services"
}

mirrored() {
	[ "$(services)" = 3 ]
}

# Everything that runs, in a network of its own.
run() {
	tmp=$1
	sims=
	trap 'podman rm -f -v -t 0 "$container" >/dev/null 2>&1; kill $sims' EXIT
	trap 'exit 1' HUP INT TERM
	ip link set lo up || exit 1
	world "$tmp/world.json"
	"$python" tests/sim/ado.py --port "$ado_port" --world "$tmp/world.json" >/dev/null &
	sims=$!
	"$python" tests/sim/konnect.py --port "$konnect_port" --control-port "$control_port" >/dev/null &
	sims="$sims $!"
	wait_for 20 services || { verdict 1 "the simulators listen"; exit 1; }
	configure "$tmp/etc"
	chown 65532:65532 "$tmp/etc/contoso.pat" "$tmp/etc/konnect-token"

	podman run -d --name "$container" --network host --read-only --cap-drop=ALL --security-opt no-new-privileges \
		-v "$tmp/etc:/etc/adosyncd:ro" "$image" >"$tmp/out" 2>&1 || cat "$tmp/out"
	pid=$(podman inspect -f '{{.State.Pid}}' "$container")
	same "it runs" true "$(podman inspect -f '{{.State.Running}}' "$container")"
	if wait_for 20 mirrored; then
		verdict 0 "the repositories are in the catalog"
	else
		verdict 1 "the repositories are in the catalog"
		podman logs "$container" 2>&1 | tail -n 20
	fi
	same "it runs as user 65532" 65532 "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")"
	same "its capabilities are none" 0000000000000000 "$(awk '/^CapEff:/ { print $2 }' "/proc/$pid/status")"
	podman logs "$container" >"$tmp/log" 2>&1
	check "its log is lines of JSON" "$python" -c 'import json, sys
lines = open(sys.argv[1]).read().splitlines()
assert lines
for line in lines: json.loads(line)' "$tmp/log"

	begin=$(date +%s%N)
	check "podman stop" quietly podman stop -t 10 "$container"
	took=$((($(date +%s%N) - begin) / 1000000))
	[ "$took" -lt 5000 ] || echo "# it took $took ms"
	check "it stops in less than 5 s" [ "$took" -lt 5000 ]
	same "it ends with exit status 0" 0 "$(podman inspect -f '{{.State.ExitCode}}' "$container")"
	check "its log has no token" sh -c '! grep -qE "pat-of-contoso|kpat_test" "$1"' sh "$tmp/log"

	check "it starts again on the state it left" quietly podman start "$container"
	sleep 3
	same "and makes nothing twice" 3 "$(services)"
	same "it is running still" true "$(podman inspect -f '{{.State.Running}}' "$container")"
	exit "$failed"
}

if [ "${1:-}" = inside ]; then
	run "$2"
fi

mkdir -p "$store"
cat >"$store/containers.conf" <<-'END'
	[containers]
	default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
	[engine]
	runtime = "runc"
	cgroup_manager = "cgroupfs"
	events_logger = "file"
	[network]
	network_backend = "netavark"
END
cat >"$store/storage.conf" <<-END
	[storage]
	driver = "overlay"
	graphroot = "$store/store"
	runroot = "$store/run"
END

tmp=$(mktemp -d) || exit 1
# podman leaves its store mounted on itself, and then make clean cannot remove it
trap 'rm -rf "$tmp"; umount "$store/store/overlay" 2>/dev/null' EXIT
trap 'exit 1' HUP INT TERM
chmod 0755 "$tmp"

debian base "" || { verdict 1 "a Debian to build on"; exit 1; }
# a base made after the last import is another one
if ! podman image exists "$base" || [ -z "$(find "$store/imported" -newer "$tar" 2>/dev/null)" ]; then
	podman import -q "$tar" "$base" >"$tmp/out" 2>&1 || { cat "$tmp/out"; verdict 1 "import of the base"; exit 1; }
	touch "$store/imported"
fi
if ! podman build --isolation chroot --layers --build-arg BASE="$base" -f conf/container/Containerfile -t "$image" . \
	>"$tmp/out" 2>&1; then
	tail -n 30 "$tmp/out"
	verdict 1 "the Containerfile builds"
	exit 1
fi
verdict 0 "the Containerfile builds"

# in SHELL: in a new container of the image
in_image() {
	podman run --rm --network none --entrypoint sh "$image" -c "$1"
}
check "it holds no compiler" in_image '! command -v cc && ! command -v make'
check "it holds the certificates of authorities" in_image 'test -s /etc/ssl/certs/ca-certificates.crt'
check "its directory of state can be written" in_image 'touch /var/lib/adosyncd/x'
check "the daemon finds its libraries" quietly podman run --rm --network none "$image" --version

unshare --net "$0" inside "$tmp"

#!/bin/sh
# The container: the Containerfile builds, and what it makes runs as it should, confined and read-only; so do the
# manifests for Kubernetes, as far as podman knows them.
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

# start ARGUMENT...: the container; sets $pid
start() {
	podman run -d --name "$container" --network host --read-only --cap-drop=ALL --security-opt no-new-privileges "$@" "$image" >"$tmp/out" 2>&1 || cat "$tmp/out"
	pid=$(podman inspect -f '{{.State.Pid}}' "$container")
}

# remove: the container, not its volume
remove() {
	podman rm -f -t 5 "$container" >/dev/null 2>&1
}

# has_logged EVENT [TEXT]
has_logged() {
	podman logs "$container" 2>&1 | grep -F "\"ADOSYNC_EVENT\":\"$1\"" | grep -qF "${2:-}"
}

# status FIELD: of the daemon's process
status() {
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"
}

arrives() {
	if wait_for 20 mirrored; then
		verdict 0 "$1"
	else
		verdict 1 "$1"
		podman logs "$2" 2>&1 | tail -n 20
	fi
}

# anew: an empty catalog
anew() {
	kill "$konnect" 2>/dev/null
	wait "$konnect" 2>/dev/null
	"$python" tests/sim/konnect.py --port "$konnect_port" --control-port "$control_port" >/dev/null &
	konnect=$!
	wait_for 20 services || { verdict 1 "the simulators listen"; exit 1; }
}

# What podman run makes of the image, as in the README.
runs() {
	# with nothing to write to but the volume; podman would mount a /tmp and a /run
	start --read-only-tmpfs=false -v "$tmp/etc:/etc/adosyncd:ro" -v "$container:/var/lib/adosyncd"
	same "it runs" true "$(podman inspect -f '{{.State.Running}}' "$container")"
	arrives "the repositories are in the catalog" "$container"
	same "it is process 1" 1 "$(status NSpid | awk '{ print $NF }')"
	same "it runs as user 65532" 65532 "$(status Uid | cut -f 1)"
	same "its capabilities are none" 0000000000000000 "$(status CapEff)"
	same "its root is read-only" ro "$(awk '$5 == "/" { print substr($6, 1, 2) }' "/proc/$pid/mountinfo")"
	same "its state is on the volume" 65532 "$(stat -c %u "$(podman volume inspect -f '{{.Mountpoint}}' "$container")/cache.db")"
	check "adosyncctl works in it" quietly podman exec "$container" adosyncctl check contoso
	quietly podman kill -s HUP "$container"
	check "SIGHUP reloads it" wait_for 10 has_logged reloaded
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

	# another container on the same volume, and the tokens as secrets of podman
	remove
	for secret in contoso.pat konnect-token; do
		quietly podman secret create "$secret" "$tmp/etc/$secret"
	done
	mkdir "$tmp/no-tokens"
	cp -r "$tmp/etc/adosyncd.conf" "$tmp/etc/instances.d" "$tmp/no-tokens/"
	start -v "$tmp/no-tokens:/etc/adosyncd:ro" -v "$container:/var/lib/adosyncd" --tmpfs /run/secrets \
		--secret contoso.pat --secret konnect-token
	checks() {
		podman exec "$container" adosyncctl check contoso
	}
	check "podman's secrets are found" wait_for 10 checks
	sleep 2
	same "on the state it left it makes nothing twice" 3 "$(services)"
	remove

	# what Kubernetes does without a defaultMode, were it beside the configuration
	chmod 0644 "$tmp/etc/contoso.pat"
	start -v "$tmp/etc:/etc/adosyncd:ro"
	check "a token beside the configuration that all may read is refused, with the way out" \
		wait_for 10 has_logged credential_lost "chmod 0640 /etc/adosyncd/contoso.pat"
	chmod 0640 "$tmp/etc/contoso.pat"
	remove
}

# manifest FILE: it as podman can run it, on standard output: its images, its configuration and its network are others.
# Probes are left out: podman asks with a curl in the container.
manifest() {
	"$python" -c 'import base64, sys, yaml
file, etc, image, base = sys.argv[1:]
def read(name): return open(f"{etc}/{name}").read()
documents = list(yaml.safe_load_all(open(file)))
for d in documents:
    if d["kind"] == "ConfigMap":
        conf = d["data"]["adosyncd.conf"]
        conf = conf.replace("region = \"us\"", "url = \"http://127.0.0.1:9082\"")
        conf = conf.replace("organization = \"contoso\"", "organization = \"contoso\"\n        poll_interval = \"1s\"\n"
                            "        url = \"http://127.0.0.1:9081/contoso\"")
        d["data"]["adosyncd.conf"] = conf
    if d["kind"] == "Deployment":
        spec = d["spec"]["template"]["spec"]
        spec["hostNetwork"] = True
        for c in spec["containers"]:
            ours = c["name"] == "adosyncd"
            c["image"] = image if ours else base
            c["imagePullPolicy"] = "Never"
            if not ours:
                c["command"] = ["/bin/sleep", "600"]
            for key in ("ports", "startupProbe", "livenessProbe"):
                c.pop(key, None)
tokens = {name: base64.b64encode(read(name).encode()).decode() for name in ("contoso.pat", "konnect-token")}
documents.insert(0, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "adosyncd-tokens"}, "data": tokens})
yaml.safe_dump_all(documents, sys.stdout)' "$1" "$tmp/etc" "$image:latest" "$base:latest"
}

# healthy: as the kubelet asks, from outside of the pod
healthy() {
	"$python" -c 'import urllib.request
urllib.request.urlopen("http://10.99.0.1:9878/healthz", timeout=5)'
}

# play NAME: the manifest of that name; sets $pid. Its volume may be there already, of which podman 4.3 will not hear.
play() {
	! podman volume exists adosyncd-state || "$python" -c 'import sys, yaml
documents = [d for d in yaml.safe_load_all(open(sys.argv[1])) if d["kind"] != "PersistentVolumeClaim"]
yaml.safe_dump_all(documents, open(sys.argv[1], "w"))' "$tmp/$1.yaml"
	pod=$(podman kube play --start=false "$tmp/$1.yaml" 2>"$tmp/out" | sed -n '/^Pod:/{n;p;}')
	[ -n "$pod" ] || { cat "$tmp/out"; verdict 1 "$1: podman kube play"; return 1; }
	# as the kubelet mounts a secret with defaultMode 0440 and an fsGroup; podman 4.3 does not even decode it
	tokens=$(podman volume inspect -f '{{.Mountpoint}}' adosyncd-tokens)
	for secret in contoso.pat konnect-token; do
		cat "$tmp/etc/$secret" >"$tokens/$secret"
		chown 0:65532 "$tokens/$secret"
		chmod 0440 "$tokens/$secret"
	done
	quietly podman pod start "$pod" 2>"$tmp/out" || cat "$tmp/out"
	daemon=$(podman ps -q --filter "pod=$pod" --filter "ancestor=$image")
	[ -n "$daemon" ] || { podman ps -a; verdict 1 "$1: podman kube play"; return 1; }
	pid=$(podman inspect -f '{{.State.Pid}}' "$daemon")
	verdict 0 "$1: podman kube play"
}

down() {
	quietly podman kube down "$tmp/$1.yaml" 2>"$tmp/out" || cat "$tmp/out"
	# or the next secret is not taken over
	quietly podman volume rm -f adosyncd-tokens adosyncd
}

# The manifests of conf/kubernetes.
plays() {
	# no address of the loopback device, on which it listens anyway
	ip address add 10.99.0.1/32 dev lo
	for kind in standalone sidecar; do
		anew
		manifest "conf/kubernetes/$kind.yaml" >"$tmp/$kind.yaml" || { verdict 1 "$kind: the manifest can be read"; continue; }
		play "$kind" || continue
		arrives "$kind: the repositories are in the catalog" "$daemon"
		same "$kind: it runs as user 65532, without capabilities, on a read-only root" "65532 0000000000000000 ro" \
			"$(status Uid | cut -f 1) $(status CapEff) $(awk '$5 == "/" { print substr($6, 1, 2) }' "/proc/$pid/mountinfo")"
		same "$kind: its memory is limited" 134217728 "$(podman inspect -f '{{.HostConfig.Memory}}' "$daemon")"
		check "$kind: adosyncctl works in it" quietly podman exec "$daemon" adosyncctl status contoso
		check "$kind: /healthz answers outside of the pod" wait_for 10 healthy
		if [ "$kind" = standalone ]; then
			# another pod, as after an update: Recreate
			writer=$(cat "/proc/$pid/root/var/lib/adosyncd/writer")
			down "$kind"
			play "$kind" || continue
			sleep 3
			same "$kind: the next pod goes on with the state" "$writer 3" \
				"$(cat "/proc/$pid/root/var/lib/adosyncd/writer") $(services)"
		fi
		down "$kind"
	done
}

# What runs, in a network of its own.
run() {
	tmp=$1
	ado='' konnect=''
	trap 'remove; podman pod rm -a -f -t 0 >/dev/null 2>&1; podman volume rm -a -f >/dev/null 2>&1
		podman secret rm -a >/dev/null 2>&1; kill $ado $konnect' EXIT
	trap 'exit 1' HUP INT TERM
	ip link set lo up || exit 1
	world "$tmp/world.json"
	"$python" tests/sim/ado.py --port "$ado_port" --world "$tmp/world.json" >/dev/null &
	ado=$!
	anew
	configure "$tmp/etc"
	chown 0:65532 "$tmp/etc/contoso.pat" "$tmp/etc/konnect-token"
	chmod 0640 "$tmp/etc/contoso.pat" "$tmp/etc/konnect-token"
	runs
	if "$python" -c 'import yaml' 2>/dev/null; then
		plays
	else
		echo "skipped: conf/kubernetes needs python3-yaml"
	fi
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

size=$(($(podman image inspect -f '{{.Size}}' "$image") / 1000000))
[ "$size" -lt 40 ] || echo "# it has $size MB"
check "the image has less than 40 MB" [ "$size" -lt 40 ]
id=$(podman create "$image")
podman export "$id" | tar -tv >"$tmp/files"
quietly podman rm "$id"
same "it has our programs and no other, no shell either" "usr/bin/adosyncctl usr/sbin/adosyncd" \
	"$(awk '/^-..x/ && $NF !~ /lib(64)?\// { print $NF }' "$tmp/files" | sort | tr '\n' ' ' | sed 's/ $//')"
same "nothing in it gains privileges" "" "$(grep '^-.\{2,5\}s' "$tmp/files")"
check "it holds the certificates of authorities" grep -q '[1-9][0-9]\{4,\} .* etc/ssl/certs/ca-certificates.crt$' "$tmp/files"
check "scanners find what it is made of" grep -q ' var/lib/dpkg/status.d/libcurl4' "$tmp/files"
check "the daemon finds its libraries" quietly podman run --rm --network none "$image" --version

unshare --net "$0" inside "$tmp"

"""One organization that is in the catalog, with the cache of the daemon and that of the floor: where most parts begin."""

import json
import os
import shutil

import listings
from rig import Daemon, wait_until

MIB = 1024
EACH_BYTES, FROM = 40, 100000
ORG = listings.organization(0)
SYNC_SECONDS = 7200


def resident_limit(base_mib, repositories):
    """MiB that may be resident: so much up to 100,000 repositories, and 40 bytes for each above."""
    return base_mib + max(0, repositories - FROM) * EACH_BYTES / 2**20


def made(rig, report, organizations, repositories):
    """The directory of such listings, and their size."""
    directory = os.path.join(rig.build, "bench", "listings", f"{organizations}x{repositories}")
    report.note(f"listings of {organizations} x {repositories}")
    size = listings.make(directory, organizations, repositories)
    # the disk is to be quiet
    os.sync()
    return directory, size


def sort_requests(path, services, mappings):
    """What was recorded of a first sync, as one file to be sent before the other."""
    with open(path, encoding="utf-8") as file, open(services, "w", encoding="utf-8") as before, \
            open(mappings, "w", encoding="utf-8") as after:
        for line in file:
            if line.startswith("POST /v1/resource-mappings "):
                after.write(line)
            elif line.startswith("POST "):
                before.write(line)


def first_sync(rig, report, at, size):
    """By a daemon that goes on, and recorded."""
    rig.reset()
    everything = rig.scratch("first.requests")
    rig.record(everything)
    daemon = Daemon(rig, at["config"])
    done = 0

    def complete():
        nonlocal done
        n = rig.counts()["mappings"] if daemon.alive() else 0
        if n // 20000 > done // 20000:
            report.note(f"first sync: {n} of {size}")
        done = n
        return n == size
    wait_until("the first sync", complete, SYNC_SECONDS, 0.2)
    daemon.settle()
    rig.record(None)
    result = {"cpu_us": daemon.cpu_us(), "peak_kib": daemon.status("VmHWM"), "counts": rig.counts(),
              "callback": daemon.metric("adosyncd_loop_callback_seconds_max")}
    daemon.stop()
    sort_requests(everything, at["services"], at["mappings"])
    os.unlink(everything)
    rig.run(*rig.floor_args(at["db"], ORG), "poll")
    return result


def restore(rig, at):
    """Puts into Konnect what the first sync did."""
    rig.reset()
    rig.run(*rig.floor_args(at["db"], ORG), f"push {at['services']} {at['mappings']}")
    counts = rig.counts()
    if counts["refused"]:
        raise SystemExit(f"bench: Konnect refused what was recorded: {counts['last_refusal']}")
    rig.forget()


def synced(rig, report, options):
    """Made once; with ADOSYNCD_BENCH_KEEP it is kept for the next time, until it is removed by hand."""
    if hasattr(rig, "synced"):
        return rig.synced
    directory, size = made(rig, report, 1, options.size)
    rig.serve(directory, "base")
    at = {"directory": directory, "size": size, "config": rig.configure("synced", [ORG], listen=True), "db": rig.path("synced", "floor.db"),
          "services": rig.path("synced", "services.requests"), "mappings": rig.path("synced", "mappings.requests")}
    kept = os.path.join(rig.build, "bench", "synced", str(options.size))
    if os.environ.get("ADOSYNCD_BENCH_KEEP") and os.path.isdir(kept):
        report.note(f"first sync: taken from {kept}")
        shutil.copytree(kept, rig.path("synced"), dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.json"))
        # or the first commit of the daemon waits for all that was copied
        os.sync()
        with open(os.path.join(kept, "first.json"), encoding="utf-8") as file:
            at["first"] = {**json.load(file), "kept": True}
        restore(rig, at)
    else:
        at["first"] = first_sync(rig, report, at, options.size)
        if os.environ.get("ADOSYNCD_BENCH_KEEP"):
            shutil.copytree(rig.path("synced"), kept, ignore=shutil.ignore_patterns("*.conf", "log", "*.sock"))
            with open(os.path.join(kept, "first.json"), "w", encoding="utf-8") as file:
                json.dump(at["first"], file)
    report.note(f"first sync: {at['first']['cpu_us'] / 1e6:.2f} s CPU, {at['first']['peak_kib'] / MIB:.1f} MiB")
    rig.synced = at
    if "kept" in at["first"]:
        report.say(f"The first sync was kept from before (ADOSYNCD_BENCH_KEEP, {kept}), what it took as well.")
        report.say()
    return at

"""The parts of the bench. Each measures, reports, and says what the design demands of it."""

import os
import shutil

import listings
from report import median, ratios, spread
from rig import Daemon, Floor

MIB = 1024
BASE_KIB, EACH_BYTES, FROM = 32 * MIB, 40, 100000
ORG = listings.organization(0)


def resident_limit(base_kib, repositories):
    """MiB that may be resident."""
    return (base_kib + max(0, repositories - FROM) * EACH_BYTES / 1024) / MIB


def made(rig, report, organizations, repositories):
    directory = os.path.join(rig.build, "bench", "listings", f"{organizations}x{repositories}")
    report.note(f"listings: {organizations} x {repositories}")
    return directory, listings.make(directory, organizations, repositories)


def ms(runs):
    return [run["cpu_us"] / 1000 for run in runs]


def mib(runs):
    return [run["peak_kib"] / MIB for run in runs]


def synced(rig, report, options):
    """The organization in the catalog, the cache of the daemon and that of the floor. Made once."""
    if not hasattr(rig, "synced"):
        directory, size = made(rig, report, 1, options.size)
        rig.reset()
        rig.serve(directory, "base")
        report.note("first sync")
        config = rig.configure("synced", [ORG])
        first = rig.once(config)
        counts = rig.counts()
        report.exactly("services after the first sync", counts["services"], options.size)
        report.exactly("mappings after the first sync", counts["mappings"], options.size)
        report.exactly("requests that Konnect refused", counts["refused"], 0)
        db = rig.path("floor.db")
        rig.run(*rig.floor_args(db, ORG), "poll")
        rig.synced = {"directory": directory, "size": size, "config": config, "db": db, "first": first, "counts": counts}
        report.note(f"first sync: {first['cpu_us'] / 1e6:.2f} s CPU, {first['peak_kib'] / MIB:.1f} MiB")
    return rig.synced


def unchanged(rig, report, options):
    """Nothing is new."""
    at = synced(rig, report, options)
    rig.serve(at["directory"], "base")
    rig.forget()
    before = len(rig.polls())
    report.note("unchanged poll, as processes")
    floor, ours = [], []
    for _ in range(options.runs):
        floor.append(rig.run(*rig.floor_args(at["db"], ORG), "poll"))
        ours.append(rig.once(at["config"]))
    rows = [("with the start of a process", *row(floor, ours))]
    report.note("unchanged poll, as processes that go on")
    running, daemon = Floor(rig, at["db"], ORG), Daemon(rig, at["config"])
    running.command("poll")
    daemon.sync()
    long_floor, long_ours = [], []
    for _ in range(options.runs):
        long_floor.append(running.command("poll"))
        long_ours.append(daemon.sync())
    running.stop()
    daemon.stop()
    rows.append(("in a process that goes on", *row(long_floor, long_ours)))
    polls = rig.polls()[before:]
    report.table(f"An unchanged poll of {options.size} repositories",
                 ("", "floor, CPU ms", "adosyncd, CPU ms", "x", "floor, peak MiB", "adosyncd, peak MiB"), rows)
    requests = len(polls) / (4 * options.runs + 2)
    report.say(f"Requests of each: {requests:g} to Azure DevOps ({polls[0][1] / 1e6:.1f} MB on the wire, {at['size']['bytes'] / 1e6:.1f} MB "
               f"inflated), {rig.requests()} to Konnect.")
    report.say()
    report.limit("unchanged poll, CPU of the floor's, in a process that goes on", median(ms(long_ours)) / median(ms(long_floor)), 1.0, "x")
    report.limit("unchanged poll, CPU of the floor's, with the start", median(ms(ours)) / median(ms(floor)), 1.0, "x")
    report.limit("unchanged poll, peak resident MiB", max(mib(ours) + mib(long_ours)), resident_limit(BASE_KIB, options.size))
    report.exactly("unchanged poll, requests to Azure DevOps", requests, 1.0)
    report.exactly("unchanged poll, requests to Konnect", rig.requests(), 0)


def row(floor, ours):
    return spread(ms(floor)), spread(ms(ours)), ratios(ms(ours), ms(floor)), spread(mib(floor)), spread(mib(ours))

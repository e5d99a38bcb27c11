"""The parts of the bench that are about one organization. Each measures, reports, and says what the design demands of it."""

import os

from report import median, ratios, spread
from rig import Daemon, Floor
from synced import MIB, ORG, resident_limit, restore, synced

RESIDENT, RESIDENT_FIRST = 32, 64   # MiB up to 100,000 repositories
# The design wants 1.3x of the floor's pushes; to read the listing and to remember what was answered is nearly all of that.
FIRST, FIRST_KNOWN, LOST_KNOWN = 1.3, 2.4, 2.0
CALLBACK_MS = 20
FEW = 3


def ms(runs):
    return [run["cpu_us"] / 1000 for run in runs]


def seconds(runs):
    return [run["cpu_us"] / 1e6 for run in runs]


def mib(runs):
    return [run["peak_kib"] / MIB for run in runs]


def row(what, floor, ours, scale=ms):
    digits = 1 if scale is ms else 2
    return (what, spread(scale(floor), digits), spread(scale(ours), digits), ratios(ms(ours), ms(floor)), spread(mib(floor)),
            spread(mib(ours)))


def head(unit):
    return "", f"floor, CPU {unit}", f"adosyncd, CPU {unit}", "x", "floor, peak MiB", "adosyncd, peak MiB"


def ratio(ours, floor):
    """Of the medians."""
    return median(ms(ours)) / median(ms(floor))


def callbacks(report, what, daemon):
    """The longest that the loop was kept, if the daemon says so."""
    longest = daemon.metric("adosyncd_loop_callback_seconds_max")
    if longest is not None:
        report.limit(f"{what}, longest callback of the loop, ms", longest * 1000, CALLBACK_MS)


class Tally:
    """What was asked of both services since it was made."""

    def __init__(self, rig):
        self.rig = rig
        self.polls = len(rig.polls())
        rig.forget()

    def azure(self):
        return len(self.rig.polls()) - self.polls

    def bytes(self):
        return sum(size for _, size in self.rig.polls()[self.polls:])

    def konnect(self):
        return self.rig.requests()

    def text(self, runs=1):
        counts = self.rig.counts()
        what = ", ".join(f"{n / runs:g} {route}" for route, n in sorted(counts["requests"].items()))
        return (f"{self.azure() / runs:g} to Azure DevOps ({self.bytes() / runs / 1e6:.1f} MB on the wire), "
                f"{self.konnect() / runs:g} to Konnect" + (f" ({what}; {counts['bytes_in'] / runs / 1e6:.1f} MB sent, "
                                                           f"{counts['bytes_out'] / runs / 1e6:.1f} MB received)" if what else ""))


def unchanged(rig, report, options):
    """Nothing is new."""
    at = synced(rig, report, options)
    rig.serve(at["directory"], "base")
    report.note("unchanged poll, with the start of a process")
    floor, ours, asked = [], [], 0
    rig.forget()
    for _ in range(options.runs):
        floor.append(rig.run(*rig.floor_args(at["db"], ORG), "poll"))
        tally = Tally(rig)
        ours.append(rig.once(at["config"]))
        asked += tally.konnect()
        report.exactly("unchanged poll, requests to Azure DevOps", tally.azure(), 1)
    rows = [row("with the start of a process", floor, ours)]
    report.note("unchanged poll, in a process that goes on")
    running, daemon = Floor(rig, at["db"], ORG), Daemon(rig, at["config"])
    running.command("poll")
    daemon.sync()
    long_floor, long_ours = [], []
    for _ in range(options.runs):
        long_floor.append(running.command("poll"))
        tally = Tally(rig)
        long_ours.append(daemon.sync())
        asked += tally.konnect()
        report.exactly("unchanged poll, requests to Azure DevOps", tally.azure(), 1)
    callbacks(report, "unchanged poll", daemon)
    running.stop()
    daemon.stop()
    rows.append(row("in a process that goes on", long_floor, long_ours))
    report.table(f"An unchanged poll of {options.size:,} repositories", head("ms"), rows)
    report.say(f"Requests: {tally.text()}; {at['size']['bytes'] / 1e6:.1f} MB inflated.")
    report.say()
    report.limit("unchanged poll in a process that goes on, CPU of the floor's", ratio(long_ours, long_floor), 1.0, "x")
    report.limit("unchanged poll with the start of a process, CPU of the floor's", ratio(ours, floor), 1.0, "x")
    report.limit("unchanged poll, peak resident MiB", max(mib(ours) + mib(long_ours)), resident_limit(RESIDENT, options.size))
    report.exactly("unchanged poll, requests to Konnect", asked, 0)


def turns(rig, at, variant, runs):
    """There and back again, so that every poll differs from the one before."""
    for number in range(runs):
        name = "base" if number % 2 else variant
        rig.serve(at["directory"], name)
        yield name


def recorded(rig, daemon, at, variant):
    """What the daemon sends for each way, as files for the floor. Leaves the base listing."""
    files = {}
    for name in turns(rig, at, variant, 2):
        files[name] = rig.path(f"{variant}-{name}.requests")
        rig.record(files[name])
        daemon.sync()
        rig.record(None)
    return files


def changed(rig, report, options):
    """1 % is another."""
    at = synced(rig, report, options)
    rig.serve(at["directory"], "base")
    report.note("1 % changed")
    running, daemon = Floor(rig, at["db"], ORG), Daemon(rig, at["config"])
    running.command("poll")
    daemon.sync()
    files = recorded(rig, daemon, at, "changed")
    for name in turns(rig, at, "changed", 2):
        running.command("poll")
        running.command(f"push {files[name]}")
    floor, floor_poll, ours, asked = [], [], [], []
    for name in turns(rig, at, "changed", options.runs // 2 * 2):
        poll = running.command("poll")
        push = running.command(f"push {files[name]}")
        floor_poll.append(poll)
        floor.append({"cpu_us": poll["cpu_us"] + push["cpu_us"], "peak_kib": max(poll["peak_kib"], push["peak_kib"])})
        tally = Tally(rig)
        ours.append(daemon.sync())
        asked.append((tally.azure(), tally.konnect(), push["sent"], push["refused"]))
    callbacks(report, "1 % changed", daemon)
    running.stop()
    daemon.stop()
    rig.serve(at["directory"], "base")
    report.table(f"1 % of {options.size:,} repositories changed, in a process that goes on", head("ms"),
                 [row("the poll and its pushes", floor, ours)])
    report.say(f"Of the floor {median(ms(floor_poll)):.1f} ms are the poll, the others the same requests as adosyncd's. "
               f"Requests: {tally.text()}.")
    report.say()
    report.limit("1 % changed, CPU of the floor's with its pushes", ratio(ours, floor), 1.2, "x")
    report.limit("1 % changed, peak resident MiB", max(mib(ours)), resident_limit(RESIDENT, options.size))
    report.exactly("1 % changed: polls, requests to Konnect, those of the floor, refused", sorted(set(asked)),
                   [(1, push["sent"], push["sent"], 0)])


def moved(rig, report, options):
    """Projects were edited, in what no document has."""
    at = synced(rig, report, options)
    rig.serve(at["directory"], "base")
    report.note("projects edited")
    running, daemon = Floor(rig, at["db"], ORG), Daemon(rig, at["config"])
    running.command("poll")
    daemon.sync()
    floor, ours = [], []
    tally = Tally(rig)
    for _ in turns(rig, at, "moved", options.runs // 2 * 2):
        floor.append(running.command("poll"))
        ours.append(daemon.sync())
    callbacks(report, "projects edited", daemon)
    running.stop()
    daemon.stop()
    rig.serve(at["directory"], "base")
    report.table(f"Projects of {floor[0]['parsed']} of {options.size:,} repositories were edited: revision and lastUpdateTime moved",
                 head("ms"), [row("in a process that goes on", floor, ours)])
    report.limit("projects edited, peak resident MiB", max(mib(ours)), resident_limit(RESIDENT, options.size))
    report.exactly("projects edited, requests to Konnect", tally.konnect(), 0)


def first(rig, report, options):
    """An empty catalog and an empty cache."""
    at = synced(rig, report, options)
    rig.serve(at["directory"], "base")
    floor, careful, ours = [], [], []
    for number in range(min(options.runs, FEW)):
        report.note(f"first sync, run {number + 1}")
        floor.append(push_floor(rig, at))
        careful.append(push_floor(rig, at, f"careful{number}"))
        rig.reset()
        tally = Tally(rig)
        ours.append(rig.once(rig.configure(f"first{number}", [ORG])))
        report.note(f"first sync: {ours[-1]['cpu_us'] / 1e6:.2f} s CPU, the floor's pushes {floor[-1]['cpu_us'] / 1e6:.2f} s")
    report.table(f"First sync of {options.size:,} repositories", head("s"),
                 [row("with the start of a process", floor, ours, seconds)])
    report.say(f"The floor only sends the same documents. One that also reads the listing and keeps the start of each answer, synced "
               f"whenever {options.in_flight} have come, takes {spread(seconds(careful), 2)} s, {ratios(ms(careful), ms(floor))} of it; "
               f"adosyncd is {ratios(ms(ours), ms(careful))} of that. Requests: {tally.text()}.")
    report.say()
    rate = tally.konnect() / median([run["wall_us"] / 1e6 for run in ours])
    report.say(f"{rate:,.0f} requests a second, on a network without delay, {options.in_flight} in flight; "
               f"cache on disk {disk(rig, f'first{number}') / 1e6:.1f} MB.")
    report.say()
    report.limit("first sync, CPU of the floor's pushes", ratio(ours, floor), FIRST, "x", FIRST_KNOWN)
    again = [] if "kept" in at["first"] else [at["first"]]
    report.limit("first sync, peak resident MiB", max(mib(ours + again)), resident_limit(RESIDENT_FIRST, options.size))
    if again and at["first"]["callback"] is not None:
        report.limit("first sync, longest callback of the loop, ms", at["first"]["callback"] * 1000, CALLBACK_MS)
    counts = rig.counts()
    report.exactly("first sync, services, mappings, refused", (counts["services"], counts["mappings"], counts["refused"]),
                   (options.size, options.size, 0))
    restore(rig, at)


def push_floor(rig, at, keep=None):
    """keep: a name for its databases, so that it reads the listing as for the first time and remembers what was answered."""
    rig.reset()
    args = rig.floor_args(rig.path(f"{keep}.db") if keep else at["db"], ORG)
    first = ["--answers", rig.path(f"{keep}.answers")] if keep else []
    run = rig.run(args[0], *first, *args[1:], *(["poll"] if keep else []), f"push {at['services']} {at['mappings']}")
    if rig.counts()["refused"]:
        raise SystemExit(f"bench: Konnect refused the floor: {rig.counts()['last_refusal']}")
    return run


def disk(rig, name):
    state = rig.path(name, "state")
    return sum(os.path.getsize(os.path.join(state, file)) for file in os.listdir(state))


def lost(rig, report, options):
    """The catalog is full, the cache is gone."""
    at = synced(rig, report, options)
    rig.serve(at["directory"], "base")
    floor, ours = [], []
    for number in range(min(options.runs, FEW)):
        report.note(f"cache lost, run {number + 1}")
        floor.append(push_floor(rig, at))
        tally = Tally(rig)
        ours.append(rig.once(rig.configure(f"lost{number}", [ORG])))
    posts = sum(n for route, n in rig.counts()["requests"].items() if route.startswith("POST"))
    report.table(f"The cache of {options.size:,} repositories is lost", head("s"),
                 [row("with the start of a process", floor, ours, seconds)])
    report.say(f"The floor is that of the first sync. Requests: {tally.text()}.")
    report.say()
    report.limit("cache lost, CPU of the floor's pushes", ratio(ours, floor), FIRST, "x", LOST_KNOWN)
    report.limit("cache lost, peak resident MiB", max(mib(ours)), resident_limit(RESIDENT_FIRST, options.size))
    report.exactly("cache lost, services created again", posts, 0)
    restore(rig, at)

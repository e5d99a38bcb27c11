"""The parts of the bench that are about how it grows: with the repositories of one organization, and with organizations."""

import time

import listings
from parts import RESIDENT, RESIDENT_FIRST, Tally, disk
from rig import Daemon, wait_until
from synced import MIB, SYNC_SECONDS, made, resident_limit, restore, synced

ORGANIZATIONS = 1000
IDLE_SECONDS = 20
IDLE_MIB = 64


def names(organizations):
    return [listings.organization(number) for number in range(organizations)]


class Steps:
    """The life of one cache, each step with a process of its own."""

    HEAD = ("repositories", "step", "CPU s", "wall s", "peak MiB", "cache MB", "to Azure DevOps", "to Konnect", "MB from Azure DevOps")

    def __init__(self, rig, report, organizations, repositories):
        self.rig, self.report = rig, report
        self.organizations, self.total = organizations, organizations * repositories
        self.label = f"{self.total:,}" + (f" in {organizations:,} organizations" if organizations > 1 else "")
        self.rows = []

    def add(self, what, run, name, base, azure, konnect, received):
        wall = f"{run['wall_us'] / 1e6:.2f}" if "wall_us" in run else "-"
        self.rows.append((self.label, what, f"{run['cpu_us'] / 1e6:.2f}", wall, f"{run['peak_kib'] / MIB:.1f}",
                          f"{disk(self.rig, name) / 1e6:.1f}", f"{azure:,}", f"{konnect:,}", f"{received / 1e6:.1f}"))
        self.report.limit(f"{self.label}, {what}, peak resident MiB", run["peak_kib"] / MIB, resident_limit(base, self.total))
        self.report.exactly(f"{self.label}, {what}, requests to Azure DevOps", azure, self.organizations)

    def step(self, what, config, name, base):
        self.report.note(f"{self.label}: {what}")
        tally = Tally(self.rig)
        run = self.rig.once(config)
        self.add(what, run, name, base, tally.azure(), tally.konnect(), tally.bytes())
        return tally.konnect()

    def later(self, directory, config, name):
        """What comes after the first sync. Leaves Konnect as the last listing has it."""
        konnect = self.step("unchanged poll", config, name, RESIDENT)
        self.report.exactly(f"{self.label}, unchanged poll, requests to Konnect", konnect, 0)
        self.rig.serve(directory, "changed")
        self.step("1 % changed", config, name, RESIDENT)
        new = f"{name}-lost"
        self.step("cache lost", self.rig.configure(new, names(self.organizations)), new, RESIDENT_FIRST)
        counts = self.rig.counts()
        self.report.exactly(f"{self.label}, services after the cache was lost, refused", (counts["services"], counts["refused"]),
                            (self.total, 0))

    def all(self, directory):
        name = f"grown-{self.organizations}-{self.total}"
        self.rig.reset()
        self.rig.serve(directory, "base")
        config = self.rig.configure(name, names(self.organizations))
        self.step("first sync", config, name, RESIDENT_FIRST)
        self.later(directory, config, name)
        return self.rows


def growth(rig, report, options):
    """1,000, 10,000 and 100,000 repositories, and 1,000,000 if that is asked for."""
    rows = []
    at = synced(rig, report, options)
    for size in (1000, 10000):
        if size < options.size:
            directory, _ = made(rig, report, 1, size)
            rows += Steps(rig, report, 1, size).all(directory)
    restore(rig, at)
    rig.serve(at["directory"], "base")
    steps = Steps(rig, report, 1, options.size)
    steps.add("first sync", at["first"], "synced", RESIDENT_FIRST, 1, sum(at["first"]["counts"]["requests"].values()), at["size"]["gzip"])
    steps.later(at["directory"], at["config"], "synced")
    rows += steps.rows
    if options.million:
        directory, _ = made(rig, report, ORGANIZATIONS, options.million // ORGANIZATIONS)
        rows += Steps(rig, report, ORGANIZATIONS, options.million // ORGANIZATIONS).all(directory)
    report.table("How it grows", Steps.HEAD, rows)
    # the cache is at another listing than Konnect was restored to
    del rig.synced


def idle(rig, report, options):
    """A thousand instances of one process, between polls."""
    each = 10
    directory, _ = made(rig, report, ORGANIZATIONS, each)
    rig.reset()
    rig.serve(directory, "base")
    report.note(f"{ORGANIZATIONS} instances, idle")
    config = rig.configure("idle", names(ORGANIZATIONS), listen=True)
    rows = []
    for what in ("after the first sync", "after a restart and a poll"):
        daemon = Daemon(rig, config)
        if not rows:
            wait_until("the first sync", lambda d=daemon: d.alive() and rig.counts()["mappings"] == ORGANIZATIONS * each, SYNC_SECONDS, 0.2)
        else:
            daemon.sync(polls=ORGANIZATIONS)
        daemon.settle(1000)
        peak = daemon.status("VmHWM") / MIB
        tally, cpu, wakeups = Tally(rig), daemon.cpu_us(), daemon.wakeups()
        time.sleep(IDLE_SECONDS)
        cpu, wakeups = (daemon.cpu_us() - cpu) / 1000, daemon.wakeups() - wakeups
        resident = daemon.status("VmRSS") / MIB
        rows.append((what, f"{resident:.1f}", f"{peak:.1f}", f"{cpu:.1f}", wakeups, tally.azure() + tally.konnect()))
        report.limit(f"{ORGANIZATIONS} instances {what}, resident MiB", resident, IDLE_MIB)
        report.limit(f"{ORGANIZATIONS} instances {what}, wake-ups a second", wakeups / IDLE_SECONDS, 1)
        daemon.stop()
    report.table(f"{ORGANIZATIONS:,} instances of {each} repositories in one process, idle for {IDLE_SECONDS} s",
                 ("", "resident MiB", "peak before MiB", "CPU ms", "wake-ups", "requests"), rows)
    del options

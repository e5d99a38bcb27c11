"""The part of the bench that is about the loop: how long one turn of it takes at the most, in all that is done in bulk."""

import contextlib
import json
import os
import sqlite3

from parts import CALLBACK_MS, RESIDENT_FIRST
from rig import Daemon, wait_until
from synced import MIB, ORG, SYNC_SECONDS, resident_limit, restore, synced

PAUSE = 0.5


def longest_ms(daemon):
    return daemon.metric("adosyncd_loop_callback_seconds_max") * 1000


class Turns:
    """Daemons at their work; each row is of one that began with it, so that no other work is in its longest turn."""

    HEAD = ("of a daemon that was started for it", "longest turn ms", "CPU s", "peak MiB")

    def __init__(self, report, size):
        self.report, self.size, self.rows = report, size, []

    def done(self, what, daemon):
        daemon.settle(1000)
        longest, peak = longest_ms(daemon), daemon.status("VmHWM") / MIB
        self.rows.append((what, f"{longest:.0f}", f"{daemon.cpu_us() / 1e6:.2f}", f"{peak:.1f}"))
        self.report.limit(f"{what}, longest callback of the loop, ms", longest, CALLBACK_MS)
        self.report.limit(f"{what}, peak resident MiB", peak, resident_limit(RESIDENT_FIRST, self.size))


def ready(daemon):
    """What was started to look at what waits has nothing else to do."""
    daemon.settle(1000)
    return daemon


def held(rig, turns, options):
    """More services than create_limit: seen, shown, and let through."""
    rig.reset()
    config = rig.configure("held", [ORG], listen=True, create_limit=10)
    listings = len(rig.polls())
    daemon = Daemon(rig, config)
    wait_until("the listing is read", lambda: daemon.alive() and len(rig.polls()) > listings)
    daemon.settle(3000)
    turns.done("first insertion, with all creations held", daemon)
    daemon.stop()
    daemon = ready(Daemon(rig, config))
    plan = json.loads(daemon.ctl("--json", "plan", ORG))
    turns.done("plan of all creations", daemon)
    turns.report.exactly("actions of that plan", len(plan["actions"]), options.size)
    daemon.stop()
    daemon = ready(Daemon(rig, config))
    daemon.ctl("approve", ORG, plan["hash"])
    wait_until("all is pushed", lambda: daemon.alive() and rig.counts()["mappings"] == options.size, SYNC_SECONDS, PAUSE)
    turns.done("approval of all creations, and their pushes", daemon)
    daemon.stop()
    return config


def reconcile_is_due(config):
    """Makes it so in the cache of a daemon that is stopped."""
    with contextlib.closing(sqlite3.connect(os.path.join(os.path.dirname(config), "state", "cache.db"))) as db:
        db.execute("UPDATE instance SET last_reconcile = 1")
        db.commit()


def reconciled(daemon, since):
    return (daemon.metric("adosyncd_last_reconcile_timestamp_seconds") or 0) > since


def turns(rig, report, options):
    """What the design names: first insertion, adoption, plan and reconcile."""
    at = synced(rig, report, options)
    rig.serve(at["directory"], "base")
    t = Turns(report, options.size)
    report.note("turns of the loop: creations held, shown and approved")
    config = held(rig, t, options)
    report.note("turns of the loop: reconcile")
    reconcile_is_due(config)
    daemon = Daemon(rig, config)
    wait_until("Konnect is compared", lambda: daemon.alive() and reconciled(daemon, 1), SYNC_SECONDS, PAUSE)
    t.done("reconcile", daemon)
    daemon.stop()
    report.note("turns of the loop: adoption")
    daemon = Daemon(rig, rig.configure("adopting", [ORG], listen=True))
    wait_until("all is adopted", lambda: daemon.alive() and reconciled(daemon, 0), SYNC_SECONDS, PAUSE)
    t.done("adoption, after the cache is lost", daemon)
    daemon.stop()
    report.table(f"The longest turn of the loop, with {options.size:,} repositories", t.HEAD, t.rows)
    restore(rig, at)

"""Kills the program at a chosen point, lets it go on, and compares Konnect with Azure DevOps.

A Life is one world that is killed over and over. What happens in it between two kills is a scenario: `act` makes the
work, `victim` is who does it. Points are requests (a simulator kills) and changes of files (crash_shim.c does)."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import oracle
import removal
from world import World, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, "..", "..", "build", "tests")
MAX_IN_FLIGHT = 4
COUNT = 8
KILLS = ("kill_before", "kill_after", "kill_within", "kill_done")
HOWS = ("before", "after", "half")


def build_shim():
    """The shim, compiled if it is older than its source."""
    source, target = os.path.join(HERE, "crash_shim.c"), os.path.join(BUILD, "crash_shim.so")
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
        os.makedirs(BUILD, exist_ok=True)
        own = f"{target}.{os.getpid()}-{threading.get_ident()}"
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o", own, source], check=True)
        os.replace(own, target)
    return target


class Life:
    """A world in which the program is killed at points, and what that cost."""

    def __init__(self, world=None):
        self.own = world is None
        self.world = world or World()
        self.shim = build_shim()
        self.pid_file = os.path.join(self.world.dir, "pid")
        self.count_file = os.path.join(self.world.dir, "count")
        self.round = 0
        self.kills = 0
        self.repeated = 0
        self.most = 0
        self.edited = {}

    def close(self):
        if self.own:
            self.world.close()

    def environment(self, at=0, how="none"):
        preload = [self.shim, os.environ.get("LD_PRELOAD", "")]
        asan = os.environ.get("ASAN_OPTIONS", "")
        return {"LD_PRELOAD": ":".join(filter(None, preload)), "CRASH_DIR": os.path.realpath(self.world.state),
                "CRASH_PID": self.pid_file, "CRASH_COUNT": self.count_file, "CRASH_AT": str(at), "CRASH_HOW": how,
                "ASAN_OPTIONS": f"{asan}:verify_asan_link_order=0" if asan else "verify_asan_link_order=0"}

    def file_calls(self):
        """How many changes of files the last program with the shim made."""
        with open(self.count_file, "rb") as file:
            return int.from_bytes(file.read(8), sys.byteorder)

    def org(self, name="contoso"):
        return self.world.ado.control("GET", "/world")[name]

    def arm(self, point):
        """Sets the trap, and returns the environment of the victim."""
        kind, at, *rest = point
        for sim in (self.world.ado, self.world.konnect):
            sim.control("DELETE", "/fault")
        if os.path.exists(self.pid_file):
            os.unlink(self.pid_file)
        if kind in KILLS:
            sim = self.world.konnect if rest[0] == "konnect" else self.world.ado
            sim.fault(kind, after=at, pid_file=self.pid_file)
            return self.environment()
        return self.environment(at, kind)

    def settle(self):
        """Waits until no request of a dead program is on its way."""
        for sim in (self.world.ado, self.world.konnect):
            sim.control("DELETE", "/fault")
            wait_until("the last request", lambda: sim.control("GET", "/counts")["in_flight"] == 0)

    def measure(self):
        """Writes to Konnect that were sent twice, since the log was cleared."""
        seen, again = set(), 0
        for request in self.world.konnect.control("GET", "/requests"):
            if request["method"] == "GET":
                continue
            key = (request["method"], request["target"], json.dumps(request["body"], sort_keys=True))
            again += key in seen
            seen.add(key)
        return again

    def agree(self, where):
        """Everything as it must be, and nothing left to do."""
        wrong = oracle.faults(self.world, self.edited)
        assert not wrong, f"{where}: {wrong}"
        state = self.world.catalog()
        pairs = [(m["service"]["id"], m["resource"]["id"]) for m in state["mappings"]]
        assert len(pairs) == len(set(pairs)), where
        assert len(state["instances"]) == 2, where
        self.world.forget_requests()
        result = self.world.once()
        assert result.code == 0, f"{where}: {result}"
        assert self.world.requests() == {}, f"{where}: {self.world.requests()}"
        assert self.world.violations() == [], where

    def survive(self, scenario, point):
        """One kill at that point, then a start that repairs it. Whether the point was reached."""
        where = f"{scenario.__name__} {point} round {self.round}"
        scenario.prepare(self)
        self.world.forget_requests()
        environment = self.arm(point)
        code = scenario.victim(self, environment)
        self.settle()
        if code != -signal.SIGKILL:
            assert code in (0, 75), f"{where}: exit {code}"
            return False
        self.kills += 1
        result = self.world.once()
        assert result.code == 0, f"{where}: {result}"
        again = self.measure() + (point[0] == "kill_before")
        assert again <= MAX_IN_FLIGHT, f"{where}: {again} requests repeated: {self.world.requests()}"
        self.repeated += again
        self.most = max(self.most, again)
        self.agree(where)
        return True

    def sizes(self, scenario):
        """How many requests and changes of files it takes when nobody is killed: {"konnect": 19, "ado": 1, "file": 80}"""
        scenario.prepare(self)
        self.world.forget_requests()
        code = scenario.victim(self, self.arm(("none", 0)), alive=True)
        assert code == 0, f"{scenario.__name__}: exit {code}"
        sizes = {"konnect": sum(self.world.requests().values()), "ado": len(self.world.polls("contoso")),
                 "file": self.file_calls()}
        self.agree(scenario.__name__)
        return sizes


def points(sizes):
    """Every point of a scenario of that size."""
    for sim in ("ado", "konnect"):
        for number in range(sizes[sim]):
            for kind in KILLS:
                yield (kind, number, sim)
    for number in range(1, sizes["file"] + 1):
        for how in HOWS:
            yield (how, number)


def once(life, environment):
    return life.world.once(env=environment).code


def daemon(life, environment, quiet):
    """The running daemon, until it is killed, or until quiet(daemon) when it is not."""
    d = life.world.start(ready=False, env=environment)
    end = time.monotonic() + 10
    while d.process.poll() is None and time.monotonic() < end:
        if quiet(d):
            break
        time.sleep(0.01)
    assert d.process.poll() is not None or quiet(d), f"not quiet: {d.log}"
    result = d.stop() if d.process.poll() is None else d.stop(0)
    life.world.daemons.remove(d)
    return result.code


class First:
    """Nothing is known, and Konnect is empty."""

    __name__ = "first sync"

    def prepare(self, life):
        world = life.world
        if os.path.exists(world.state):
            world.forget_cache()
        world.ado.control("POST", "/reset")
        world.konnect.control("POST", "/reset")
        world.repos("contoso", count=COUNT)
        world.configure("konnect", max_in_flight=MAX_IN_FLIGHT)
        world.instance("contoso", poll_interval="1h")

    def victim(self, life, environment, alive=False):
        return once(life, environment)


class FirstOfDaemon(First):
    """The same by the running daemon."""

    __name__ = "first sync of a daemon"

    def victim(self, life, environment, alive=False):
        return daemon(life, environment, lambda d: len(d.seen("created")) == COUNT + 1)


class Synced(First):
    """Everything is known, and something happens; one round after the other in the same world."""

    __name__ = "a burst of changes"

    def prepare(self, life):
        life.round += 1
        if life.round == 1:
            First.prepare(self, life)
            assert life.world.once().code == 0
        else:
            # each round removes one, and so many a day would be held
            removal.pass_a_day(life.world)
        self.act(life)

    def act(self, life):
        world, n = life.world, life.round
        repos = sorted(life.org()["repos"], key=lambda repo: repo["id"])
        world.edit_repo("contoso", repos[0]["id"], name=f"renamed {n}")
        world.edit_repo("contoso", repos[1]["id"], name=f"again-{n}", default_branch=f"refs/heads/b{n}")
        world.edit_repo("contoso", repos[2]["id"], project="Web" if n % 2 else "Payments")
        world.edit_repo("contoso", repos[3]["id"], disabled=n % 2 == 1)
        world.ado.control("PATCH", "/project", {"org": "contoso", "name": "Payments", "description": f"round {n}"})
        world.add_repo("contoso", "Payments", f"new-{n}")
        if len(repos) > COUNT:
            # out of sight, and never seen again: what is left is small enough to go on for long
            world.delete_repo("contoso", repos[-1]["id"], recycle=n % 2 == 1)


class BurstOfDaemon(Synced):
    """The same by the running daemon, which is told to poll."""

    __name__ = "a burst of changes of a daemon"

    def victim(self, life, environment, alive=False):
        # due at once
        life.world.cache("UPDATE instance SET next_poll = 0, last_poll = 0")
        return daemon(life, environment, lambda d: d.seen("created") and len(d.seen("changed")) >= 4)


class Lost(Synced):
    """The cache is lost, and something happens."""

    __name__ = "reconcile without a cache"

    def act(self, life):
        world, n = life.world, life.round
        if n % 2:
            world.forget_cache()
        else:
            for name in os.listdir(world.state):
                if name.startswith("cache.db"):
                    os.unlink(os.path.join(world.state, name))
        repos = sorted(life.org()["repos"], key=lambda repo: repo["id"])
        world.edit_repo("contoso", repos[0]["id"], name=f"renamed-{n}")
        world.edit_repo("contoso", repos[1]["id"], default_branch=f"refs/heads/b{n}")
        world.add_repo("contoso", "Payments", f"new-{n}")


class Drift(Synced):
    """Somebody edited Konnect."""

    __name__ = "reconcile with drift"

    def act(self, life):
        world, n = life.world, life.round
        world.cache("UPDATE instance SET last_reconcile = 1")
        services = sorted(world.services().values(), key=lambda service: service["labels"][oracle.REPOSITORY])
        edit = [{"id": service["id"]} for service in services]
        world.konnect.control("DELETE", f"/service?id={services[0]['id']}")
        life.edited.pop(services[0]["labels"][oracle.REPOSITORY], None)
        world.konnect.control("PATCH", "/service", edit[1] | {"labels": {"azure-devops-state": f"mine-{n}"}})
        world.konnect.control("PATCH", "/service", edit[2] | {"labels": {"azure-devops-instance": None}})
        link = {"git_repo": {"name": f"x{n}", "link": "https://x.org/"}}
        world.konnect.control("PATCH", "/service", edit[3] | {"custom_fields": link})
        world.konnect.control("PATCH", "/service", edit[4] | {"display_name": f"Mine {n}"})
        life.edited[services[4]["labels"][oracle.REPOSITORY]] = ("display_name",)
        mappings = world.catalog()["mappings"]
        mine = next(m for m in mappings if m["service"]["id"] == services[5]["id"])
        world.konnect.control("DELETE", f"/mapping?id={mine['id']}")
        world.konnect.control("PATCH", "/instance", {"id": world.konnect_instance()["id"], "labels": {"managed-by": None}})


class Reload(Synced):
    """A running daemon is given new labels and filters."""

    __name__ = "reload"

    def act(self, life):
        pass

    def victim(self, life, environment, alive=False):
        world, n = life.world, life.round
        faults = [(sim, sim.control("GET", "/fault")) for sim in (world.ado, world.konnect)]
        for sim, _ in faults:
            sim.control("DELETE", "/fault")
        d = world.start(env=environment)
        if d.process.poll() is None:
            for sim, armed in faults:
                for fault in armed:
                    sim.control("POST", "/fault", fault)
            repos = sorted(life.org()["repos"], key=lambda repo: repo["id"])
            world.add_repo("contoso", "Payments", f"new-{n}")
            if len(repos) > COUNT:
                world.delete_repo("contoso", repos[-1]["id"])
            world.instance("contoso", poll_interval="1h", labels=[f"round=r{n}"], exclude=[f"Payments/nothing-{n}"])
            try:
                d.process.send_signal(signal.SIGHUP)
            except ProcessLookupError:
                pass
        end = time.monotonic() + 10
        while d.process.poll() is None and time.monotonic() < end and (len(d.seen("changed")) < COUNT or not d.seen("created")):
            time.sleep(0.01)
        if alive:
            assert d.process.poll() is None and d.seen("created"), d.log
        result = d.stop() if d.process.poll() is None else d.stop(0)
        world.daemons.remove(d)
        return result.code


SCENARIOS = {scenario.__name__: scenario for scenario in (
    First(), FirstOfDaemon(), Synced(), BurstOfDaemon(), Lost(), Drift(), Reload())}

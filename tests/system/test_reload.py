"""The configuration is read again, by SIGHUP or by adosyncctl: all of it or nothing, whatever is under way."""

import os
import signal
import time

import pytest
from control import ctl, ctl_json, in_state, status
from world import wait_until

HOW = ["signal", "ctl"]


def running(world, *names, count=3, **keys):
    for name in names or ("contoso",):
        world.synced(name, count=count, **{"poll_interval": "1h", **keys})
    return world.start()


def reload(world, daemon, how="ctl"):
    """Reads it anew, which is to succeed."""
    n = len(daemon.seen("reloaded"))
    if how == "ctl":
        result = ctl(world, "reload")
        assert (result.code, result.out) == (0, "reloaded\n"), result
    else:
        daemon.process.send_signal(signal.SIGHUP)
    return daemon.wait("reloaded", count=n + 1)[-1]


def polls(world, name, count):
    wait_until(f"{count} polls of {name}", lambda: len(world.polls(name)) >= count)


def told(daemon, *states):
    """Those of RELOADING, READY and so on that systemd has heard, in their order."""
    return [n.split("=")[0] for n in daemon.notified if n.split("=")[0] in states]


@pytest.mark.parametrize("how", HOW)
def test_a_good_one(world, how):
    """It is in force at once, everything is polled, and systemd is told."""
    daemon = running(world, "contoso", "fabrikam")
    world.configure("defaults", labels=["team=platform"])
    event = reload(world, daemon, how)
    assert (event["level"], event["message"]) == ("notice", "reloaded: 2 instances")
    polls(world, "contoso", 1)
    polls(world, "fabrikam", 1)
    wait_until("the new label", lambda: all(s["labels"].get("team") == "platform" for s in world.services().values()))
    wait_until("READY", lambda: told(daemon, "READY", "RELOADING", "MONOTONIC_USEC") ==
               ["READY", "RELOADING", "MONOTONIC_USEC", "READY"])
    assert daemon.seen("reload_refused") == []


BROKEN = {
    "unknown key": "\nnonsense { }\n",
    "bad value": '\ninstance "x" { organization = "x"\n poll_interval = "soon" }\n',
    "syntax": "\ninstance {{{",
    "bytes": '\ninstance "\xff\xfe" { }\n',
    "bytes in a value": '\ninstance "x" { organization = "x"\n poll_interval = "\xff" }\n',
    "controls": '\ninstance "x" { organization = "x"\n api_version = "\x1b[31m" }\n',
    "long": '\ninstance "x" { organization = "' + "y" * 100000 + '" }\n',
}


@pytest.mark.parametrize("how", HOW)
def test_a_broken_one(world, how):
    """The old one stays, in every detail, and why is said to who asked and in the log."""
    daemon = running(world)
    before = status(world)
    for n, (what, text) in enumerate(BROKEN.items(), 1):
        world.write_config()
        with open(world.config_file, "a", encoding="latin-1") as file:
            file.write(text)
        if how == "ctl":
            result = ctl(world, "reload")
            assert result.code == 1 and result.out == "", (what, result)
            assert "the old one stays in force" in result.err and world.config_file in result.err
        else:
            daemon.process.send_signal(signal.SIGHUP)
        refused = daemon.wait("reload_refused", count=n)[-1]
        assert refused["level"] == "error" and world.config_file in refused["message"], what
        assert status(world) == before
    if how == "ctl":
        [answer] = ctl_json(world, "reload", code=1)
        assert answer["ok"] is False and world.config_file in answer["error"]
        n += 1
    wait_until("READY", lambda: told(daemon, "READY", "RELOADING") == ["READY"] + ["RELOADING", "READY"] * n)
    assert world.polls("contoso") == [] and daemon.seen("reloaded") == []
    world.write_config()
    reload(world, daemon, how)
    polls(world, "contoso", 1)


def test_a_file_that_is_gone(world):
    daemon = running(world)
    os.rename(world.config_file, world.config_file + ".away")
    assert ctl(world, "reload").code == 1
    assert len(daemon.wait("reload_refused")) == 1
    os.rename(world.config_file + ".away", world.config_file)
    reload(world, daemon)


def test_what_needs_a_restart_says_so(world):
    daemon = running(world)
    old = world.sections["daemon"]["control_socket"]
    world.configure("daemon", control_socket=old + "2", state_directory=world.state + "2")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait("reloaded")
    said = [e["message"] for e in daemon.events if "a change needs a restart" in e["message"]]
    assert [m.split(":")[0] for m in said] == ["state_directory", "control_socket"]
    assert world.state in said[0] and old in said[1]
    assert not os.path.exists(world.state + "2") and not os.path.exists(old + "2")
    world.configure("daemon", control_socket=old)
    assert ctl(world, "status").code == 0


def test_log_level_takes_effect(world):
    daemon = running(world)
    world.configure("daemon", log_level="warning")
    daemon.process.send_signal(signal.SIGHUP)
    wait_until("polled", lambda: len(world.polls("contoso")) == 1)
    in_state(world, "waiting")
    assert daemon.seen("reloaded") == [] and daemon.seen("poll_ok") == []
    world.configure("daemon", log_level="debug")
    reload(world, daemon)
    daemon.wait("poll_ok")


# Instances come, change and go.

def test_an_instance_is_added(world):
    daemon = running(world)
    world.repos("fabrikam")
    world.instance("fabrikam", poll_interval="1h")
    assert reload(world, daemon)["message"] == "reloaded: 2 instances"
    wait_until("services", lambda: len(world.services()) == 6)
    assert status(world, "fabrikam")["organization"] == "fabrikam"


def test_an_instance_is_removed_and_returns(world):
    """Konnect stays as it is; what was known of it is known again."""
    daemon = running(world, "contoso", "fabrikam")
    before = world.objects()
    section = world.instances.pop("fabrikam")
    world.write_config()
    reload(world, daemon)
    assert [e for e in daemon.events if "is not configured any more" in e["message"]]
    assert ctl(world, "status", "fabrikam").code == 1
    polls(world, "contoso", 1)
    world.instances["fabrikam"] = section
    world.write_config()
    reload(world, daemon)
    polls(world, "fabrikam", 1)
    assert in_state(world, "waiting", "fabrikam")["repositories"] == 3
    assert world.objects() == before and world.writes() == {}


GONE = "is not configured any more; what it owns in Konnect stays as it is"


def said(result):
    """Of which instances it was said that they are not configured any more, however often."""
    return [e["ADOSYNC_INSTANCE"] for e in result.events if e["message"] == GONE]


@pytest.mark.parametrize("how", ["reload", "restart", "once"])
def test_an_instance_that_is_removed_is_spoken_of_once(world, how):
    """Whether the daemon runs or not when it is taken out; and again when it has been configured in between."""
    for name in ("contoso", "fabrikam", "tailspin"):
        world.synced(name, poll_interval="1h")
    before = world.objects()

    def run():
        return world.once() if how == "once" else world.start().stop()

    def take_out(*names):
        daemon = world.start() if how == "reload" else None
        sections = {name: world.instances.pop(name) for name in names}
        world.write_config()
        if daemon:
            reload(world, daemon)
            reload(world, daemon)
        assert said(daemon.stop() if daemon else run()) == list(names)
        return sections

    assert said(run()) == []
    sections = take_out("contoso", "tailspin")
    assert said(run()) == []
    world.instances.update(sections)
    world.write_config()
    assert said(run()) == []
    take_out("contoso")
    assert said(run()) == []
    assert world.objects() == before and world.writes() == {}


def test_paused_stays_paused(world):
    daemon = running(world, "contoso", "fabrikam")
    ctl(world, "pause", "contoso")
    reload(world, daemon)
    polls(world, "fabrikam", 1)
    assert status(world)["state"] == "paused" and world.polls("contoso") == []


@pytest.mark.waits
def test_a_shorter_interval_begins_at_once(world):
    daemon = running(world)
    world.instance("contoso", poll_interval="1s")
    reload(world, daemon)
    polls(world, "contoso", 3)


@pytest.mark.waits
@pytest.mark.parametrize("how", HOW)
def test_while_a_poll_is_under_way(world, how):
    """It is finished under the old configuration, and another follows under the new one."""
    world.repos("contoso", count=20)
    world.instance("contoso", poll_interval="1h")
    world.ado.fault("drip", bytes_per_second=400)
    daemon = world.start()
    polls(world, "contoso", 1)
    world.instance("contoso", poll_interval="1h", include=["Payments/repo-1*"])
    reload(world, daemon, how)
    assert status(world)["state"] == "polling"
    wait_until("the next poll", lambda: len(world.polls("contoso")) == 2, 30)
    wait_until("excluded", lambda: status(world)["repositories"] == 11, 20)
    wait_until("all is pushed", lambda: status(world)["pending"] == 0 and "pushing" not in status(world))
    assert status(world)["state"] == "waiting"
    assert daemon.process.poll() is None


@pytest.mark.waits
def test_an_instance_goes_while_it_is_polled(world):
    """Often: whatever the poll was doing, it is cut, and nothing of it is left."""
    world.repos("contoso", count=100)
    world.repos("fabrikam", count=1)
    world.instance("fabrikam", poll_interval="1h")
    daemon = world.start()
    for bytes_per_second in (2000, 2000000, 20000):
        world.ado.fault("drip", org="contoso", bytes_per_second=bytes_per_second)
        seen = len(world.polls("contoso"))
        world.instance("contoso", poll_interval="1h")
        reload(world, daemon)
        polls(world, "contoso", seen + 1)
        world.instances.pop("contoso")
        world.write_config()
        reload(world, daemon)
        assert ctl(world, "status", "contoso").code == 1
    wait_until("no poll is left", lambda: world.ado.control("GET", "/counts")["in_flight"] == 0)
    world.ado.control("DELETE", "/fault")
    world.instance("contoso", poll_interval="1h")
    reload(world, daemon)
    wait_until("all is in the catalog", lambda: len(world.services()) == 101, 30)
    assert daemon.stop().code == 0


@pytest.mark.waits
@pytest.mark.parametrize("what", ["removed", "changed", "rate", "added"])
def test_while_it_pushes(world, what):
    """Writes in flight end or are found by the next: nothing twice, nothing lost."""
    world.repos("contoso", count=30)
    world.instance("contoso", poll_interval="1h")
    world.konnect.control("POST", "/settings", {"latency_ms": 60})
    daemon = world.start()
    wait_until("it pushes", lambda: len(world.services()) >= 4)
    section = world.instances["contoso"]
    if what == "removed":
        world.repos("fabrikam")
        world.instance("fabrikam", poll_interval="1h")
        world.instances.pop("contoso")
    elif what == "changed":
        world.instance("contoso", poll_interval="1h", labels=["team=platform"], description="new")
    elif what == "rate":
        world.configure("konnect", rate_per_minute=6000, max_in_flight=2)
    else:
        world.repos("fabrikam")
        world.instance("fabrikam", poll_interval="1h")
    world.write_config()
    reload(world, daemon)
    if what == "removed":
        wait_until("the other is pushed", lambda: len([n for n in world.services() if n.startswith("fabrikam")]) == 3)
        world.instances["contoso"] = section
        world.write_config()
        reload(world, daemon)
    want = 33 if what in ("removed", "added") else 30
    wait_until("all is pushed", lambda: len(world.catalog()["mappings"]) == want, 30)
    wait_until("idle", lambda: status(world)["pending"] == 0 and "pushing" not in status(world), 30)
    services = world.services()
    assert len(services) == want
    assert world.catalog()["post_counts"].keys() == services.keys()
    if what == "changed":
        wait_until("labels", lambda: all(s["labels"].get("team") == "platform" for s in world.services().values()), 20)
        assert world.konnect_instance()["description"] == "new"
    assert daemon.stop().code == 0
    world.forget_requests()
    assert world.once().code == 0
    assert world.writes() == {}


@pytest.mark.waits
def test_a_storm(world):
    """Fifty signals while it polls and pushes: the daemon is well at the end, and so is the catalog."""
    world.repos("contoso", count=20)
    world.instance("contoso", poll_interval="1s")
    world.konnect.control("POST", "/settings", {"latency_ms": 10})
    daemon = world.start()
    for n in range(50):
        world.instance("contoso", poll_interval="1s", labels=[f"turn={n}"])
        daemon.process.send_signal(signal.SIGHUP)
        if n % 10 == 0:
            assert ctl_json(world, "status", "contoso")[0]["ok"]
    wait_until("the last label", lambda: len(world.services()) == 20 and
               all(s["labels"].get("turn") == "49" for s in world.catalog()["services"]), 30)
    begin = time.monotonic()
    assert daemon.stop().code == 0
    assert time.monotonic() - begin < 5

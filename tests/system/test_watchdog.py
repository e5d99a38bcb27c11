"""What systemd hears while the daemon lives: the watchdog's food, and a sentence on how it is."""

import re
import signal
import socket
import time

import pytest
from world import wait_until

pytestmark = pytest.mark.waits
USEC = 1000000


def fed(daemon):
    return daemon.notified.count("WATCHDOG=1")


def fed_more(daemon, count, seconds=20):
    wait_until(f"{count} x WATCHDOG=1", lambda: fed(daemon) >= count, seconds)


def test_it_is_fed_at_half_the_interval(world):
    """Not much more often, idle or not."""
    world.synced(poll_interval="1s")
    begin = time.monotonic()
    daemon = world.start(env={"WATCHDOG_USEC": str(USEC)})
    fed_more(daemon, 1)
    first = time.monotonic()
    fed_more(daemon, 7)
    assert time.monotonic() - begin >= 6 * 0.5 * 0.95
    # a machine that is busy may be late, but not every time
    assert time.monotonic() - first < 3 * 6 * 0.5


def test_it_is_not_fed_unless_it_is_asked_for(world):
    world.synced(poll_interval="1s")
    daemon = world.start()
    wait_until("three polls", lambda: len(world.polls("contoso")) >= 3)
    assert fed(daemon) == 0
    daemon.stop()
    # meant for another process
    daemon = world.start(env={"WATCHDOG_USEC": str(USEC), "WATCHDOG_PID": "1"})
    seen = len(world.polls("contoso"))
    wait_until("two polls", lambda: len(world.polls("contoso")) >= seen + 2)
    assert fed(daemon) == 0


def test_a_loop_that_stands_still_does_not_feed_it(world):
    world.synced(poll_interval="1s")
    other = world.start(env={"WATCHDOG_USEC": str(USEC)})
    fed_more(other, 2)
    other.process.send_signal(signal.SIGSTOP)
    wait_until("it is stopped", lambda: state_of(other) == "T")
    # what was sent before is heard first
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as marker:
        marker.sendto(b"MARK=1", other.notify_path)
    wait_until("all is heard", lambda: "MARK=1" in other.notified)
    before = fed(other)
    time.sleep(2.5 * USEC / 1e6)
    assert fed(other) == before
    other.process.send_signal(signal.SIGCONT)
    fed_more(other, before + 3)
    assert other.stop().code == 0


def state_of(daemon):
    with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0]


def test_it_is_fed_while_the_daemon_works(world):
    """A long listing and a long first sync do not keep the loop."""
    world.ado.control("POST", "/generate", {"org": "contoso", "projects": 5, "repos": 20000, "pat": "pat-of-contoso"})
    world.instance("contoso", map_to="none")
    daemon = world.start(env={"WATCHDOG_USEC": str(USEC)})
    daemon.wait("poll_ok", seconds=60)
    taken = fed(daemon)
    assert taken >= 1
    fed_more(daemon, taken + 2)


def test_it_is_not_fed_after_a_stop(world):
    world.synced()
    daemon = world.start(env={"WATCHDOG_USEC": str(USEC)})
    fed_more(daemon, 2)
    daemon.stop()
    assert daemon.notified.index("STOPPING=1") > 0
    assert "WATCHDOG=1" not in daemon.notified[daemon.notified.index("STOPPING=1") + 1:]


def test_the_sentence_during_a_first_sync(world):
    """How far it is, in numbers that grow; and at the end that all is well."""
    world.repos("contoso", count=150)
    world.instance("contoso", poll_interval="1h")
    world.konnect.control("POST", "/settings", {"latency_ms": 200})
    daemon = world.start()

    def said():
        return [n for n in daemon.notified if n.startswith("STATUS=")]
    wait_until("all is pushed", lambda: len(world.catalog()["mappings"]) == 150, 60)
    wait_until("the last word", lambda: said()[-1] == "STATUS=1 instance, 0 not healthy")
    progress = [re.fullmatch(r"STATUS=1 instance, 0 not healthy; pushed (\d+) of 150 \((\d+)%\)", n) for n in said()]
    done = [(int(m[1]), int(m[2])) for m in progress if m]
    assert len(done) >= 3
    assert done == sorted(done) and done[-1] > done[0]
    assert all(percent == n * 100 // 150 for n, percent in done)


def test_the_sentence_names_who_is_not_well(world):
    for name in ("contoso", "fabrikam"):
        world.synced(name, poll_interval="1s")
    world.ado.fault("403_vs403463", org="fabrikam", times=-1)
    daemon = world.start()
    wait_until("STATUS", lambda: "STATUS=2 instances, 1 not healthy (fabrikam: blocked)" in daemon.notified)
    assert "pushed" not in "".join(daemon.notified)


def test_the_sentence_names_konnect(world):
    world.synced(poll_interval="1s")
    daemon = world.start()
    world.konnect.fault("401", times=-1)
    world.add_repo("contoso", "Payments", "another")
    wait_until("STATUS", lambda: any("Konnect: credential" in n for n in daemon.notified))

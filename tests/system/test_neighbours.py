"""One organization's trouble is its own: the others are polled as if it were not there, and the daemon answers."""

import itertools
import os
import statistics
import subprocess
import time

import pytest
from control import answers_quickly, ctl_json, status
from world import HERE, World, wait_until

pytestmark = pytest.mark.waits
HEALTHY = [f"healthy-{n}" for n in range(9)]
POLLS = 5
LATE = 1.5    # seconds of a machine that does other things too; a poll that waits for another's end is far later


def healthy(world):
    for name in HEALTHY:
        world.repos(name, count=2)
        world.instance(name, poll_interval="1s")
    assert world.once().code == 0
    world.forget_requests()


def gaps(world, daemon):
    """{name: [seconds between its polls]}, once there are enough."""
    times = {}

    def enough():
        assert daemon.process.poll() is None, daemon.log
        times.clear()
        for poll in world.ado.control("GET", "/requests"):
            times.setdefault(poll["org"], []).append(poll["time"])
        return all(len(times.get(name, [])) >= POLLS for name in HEALTHY)
    try:
        wait_until("polls", enough, 60)
    except AssertionError as error:
        counts = {name: len(list_) for name, list_ in times.items()}
        raise AssertionError(f"{error}: {counts}\n{daemon.log[-5000:]}") from None
    return {name: [b - a for a, b in itertools.pairwise(times[name][:POLLS])] for name in HEALTHY}


def on_schedule(with_them, without_them):
    """Each instance by itself, so that a single one that waits is seen."""
    usual = statistics.median(gap for list_ in without_them.values() for gap in list_)
    for name, list_ in with_them.items():
        assert min(list_) >= 0.95, (name, list_)
        assert statistics.median(list_) < usual + LATE, (name, list_, usual)


def measured_alone():
    """The healthy ones, without bad company."""
    world = World()
    try:
        healthy(world)
        return gaps(world, world.start())
    finally:
        world.close()


def test_bad_neighbours(world):
    """One hangs, one answers 429, one has a dead PAT, one lies, one drips: nine are polled as before."""
    usual = measured_alone()
    healthy(world)
    for name in ("hanging", "throttled", "expired", "lying", "dripping"):
        world.repos(name, count=50)
        world.instance(name, poll_interval="1s")
    world.ado.fault("hang", org="hanging", times=-1)
    world.ado.fault("429", org="throttled", times=-1, retry_after=2)
    world.ado.control("PATCH", "/org", {"name": "expired", "pat_state": "expired"})
    world.ado.fault("garbage", org="lying", times=-1)
    world.ado.fault("drip", org="dripping", times=-1, bytes_per_second=5)
    begin = time.time()
    daemon = world.start()
    on_schedule(gaps(world, daemon), usual)
    first = min(poll["time"] for poll in world.ado.control("GET", "/requests") if poll["org"] in HEALTHY)
    assert first - begin < 10    # it does not wait for the end of the one that drips, half a minute away
    states = {i["name"]: i["state"] for i in ctl_json(world, "status")[0]["instances"]}
    assert (states["hanging"], states["dripping"], states["expired"]) == ("polling", "polling", "credential")
    assert states["throttled"] in ("throttled", "polling") and states["lying"] in ("backoff", "polling")
    assert all(states[name] in ("waiting", "polling") for name in HEALTHY)
    assert len(world.polls("hanging")) == len(world.polls("dripping")) == len(world.polls("expired")) == 1
    assert not [e for e in daemon.events if e.get("ADOSYNC_INSTANCE") in HEALTHY and e["level"] == "warning"]
    answers_quickly(world)
    assert daemon.stop().code == 0


def test_a_change_goes_past_a_first_sync(world):
    """One organization pushes hundreds of repositories, slowly; another's single change does not wait for them."""
    world.synced("small", poll_interval="1s")
    world.konnect.control("POST", "/settings", {"latency_ms": 150})
    world.repos("large", count=300)
    world.instance("large", poll_interval="1h")
    world.start()
    wait_until("the large one is pushed", lambda: len(world.services()) > 10)
    world.add_repo("small", "Payments", "urgent")
    wait_until("the change", lambda: "small.payments.urgent" in world.services(), 20)
    assert len(world.services()) < 250
    assert "pushing" in status(world, "large")


def test_konnect_hangs(world):
    """Polling goes on, and what is found is pushed when Konnect is back."""
    world.synced(poll_interval="1s")
    world.konnect.fault("hang", times=-1)
    daemon = world.start()
    world.add_repo("contoso", "Payments", "another")
    wait_until("it is found", lambda: status(world)["pending"] == 1)
    seen = len(world.polls("contoso"))
    wait_until("polls go on", lambda: len(world.polls("contoso")) >= seen + 3, 20)
    answers_quickly(world)
    begin = time.monotonic()
    assert daemon.stop().code == 0
    assert time.monotonic() - begin < 5


# A name server that does not answer.

def slow_dns(world, seconds=120):
    """The environment of a daemon whose getaddrinfo() takes that long."""
    shim = os.path.join(world.dir, "slow_dns.so")
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", shim,
                    os.path.join(HERE, "..", "engine", "slow_dns.c")], check=True)
    preload = ":".join(filter(None, [shim, os.environ.get("LD_PRELOAD", "")]))
    asan = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS", ""), "verify_asan_link_order=0"]))
    return {"LD_PRELOAD": preload, "SLOW_DNS_MS": str(seconds * 1000), "ASAN_OPTIONS": asan}


def black_holes(world, count):
    for n in range(count):
        world.instance(f"hole-{n}", poll_interval="1s", pat="a-pat-for-nobody",
                       url=f"https://hole-{n}.azure-devops.example/hole-{n}")


@pytest.mark.parametrize("count", [1, 20])
def test_black_holed_dns(world, count):
    """Names that are looked up for minutes: others are polled, the control socket answers, and a stop is quick."""
    world.synced(poll_interval="1s")
    black_holes(world, count)
    daemon = world.start(env=slow_dns(world))
    wait_until("they are polled", lambda: len([i for i in ctl_json(world, "status")[0]["instances"]
                                               if i["state"] == "polling" and i["name"] != "contoso"]) == count)
    wait_until("polls of the other", lambda: len(world.polls("contoso")) >= 4, 30)
    times = [poll["time"] for poll in world.polls("contoso")]
    assert statistics.median(b - a for a, b in itertools.pairwise(times)) < 1.1 + LATE
    world.add_repo("contoso", "Payments", "another")
    wait_until("the service", lambda: "contoso.payments.another" in world.services())
    for _ in range(5):
        answers_quickly(world)
    begin = time.monotonic()
    assert daemon.stop(seconds=10).code == 0
    assert time.monotonic() - begin < 5


def test_black_holed_dns_times_out(world):
    """After 15 s it is a failed poll like any other; the thread that still looks the name up is no matter."""
    world.synced(poll_interval="1s")
    black_holes(world, 1)
    daemon = world.start(env=slow_dns(world))
    [event] = daemon.wait("poll_failed", "hole-0", seconds=40)
    assert "unreachable" in event["message"]
    assert status(world, "hole-0")["state"] in ("backoff", "polling")
    answers_quickly(world)
    begin = time.monotonic()
    assert daemon.stop(seconds=10).code == 0
    assert time.monotonic() - begin < 5


def test_black_holed_konnect(world):
    """The same for the other side."""
    world.repos("contoso")
    world.instance("contoso", poll_interval="1s")
    world.configure("konnect", url="https://konnect.example")
    daemon = world.start(env=slow_dns(world))
    wait_until("polls go on", lambda: len(world.polls("contoso")) >= 4, 30)
    answers_quickly(world)
    now = status(world)
    assert (now["repositories"], now["pending"]) == (3, 3)
    begin = time.monotonic()
    assert daemon.stop(seconds=10).code == 0
    assert time.monotonic() - begin < 5

"""The daemon's life: it starts, polls when it is due, survives, and ends in time."""

import itertools
import os
import shutil
import signal
import subprocess
import time

import pytest
from world import PAT, PROGRAM, wait_until


def polled(world, name, count):
    wait_until(f"{count} polls of {name}", lambda: len(world.polls(name)) >= count)


def test_notifies_ready_status_and_stopping(world):
    world.synced()
    daemon = world.start()
    assert daemon.notified[0] == "READY=1"
    wait_until("STATUS", lambda: [n for n in daemon.notified if n.startswith("STATUS=1 instance, 0 not healthy")])
    daemon.wait("started")
    result = daemon.stop()
    assert result.code == 0
    assert "STOPPING=1" in daemon.notified
    assert daemon.seen("stopped")


def test_no_core_dump_has_a_secret(world):
    world.synced()
    daemon = world.start()
    with open(f"/proc/{daemon.process.pid}/limits", encoding="ascii") as file:
        [line] = [line for line in file if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]


def is_sanitized():
    with open(PROGRAM, "rb") as file:
        return b"__asan_init" in file.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.skipif(is_sanitized(), reason="the leak check of the sanitizer is a debugger")
def test_a_process_of_its_user_cannot_look_into_it(world):
    """Nor at its environment, which the same user may read of any other process of his."""
    world.repos("contoso", count=1)
    world.instance("contoso")
    world.write_config()
    world.ado.fault("hang")
    program = shutil.copy(PROGRAM, world.dir)
    subprocess.run(["chown", "-R", "65534:65534", world.dir], check=True)
    nobody = {"user": 65534, "group": 65534, "extra_groups": [], "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    others = [subprocess.Popen([program, "-c", world.config_file, "--once"], env=world.environment(), **nobody),
              subprocess.Popen(["sleep", "60"], **nobody)]
    try:
        wait_until("it polls", lambda: world.polls("contoso") or others[0].poll() is not None)
        read = [subprocess.run(["cat", f"/proc/{p.pid}/environ"], check=False, **nobody).returncode == 0 for p in others]
        assert [p.poll() for p in others] == [None, None]
        assert read == [False, True]
    finally:
        for p in others:
            p.kill()
            p.wait()


@pytest.mark.waits
def test_polls_on_schedule(world):
    """The interval, at most a tenth longer, and time for the poll itself."""
    world.synced(poll_interval="1s")
    world.start()
    polled(world, "contoso", 4)
    times = [poll["time"] for poll in world.polls("contoso")]
    assert all(0.95 <= later - earlier < 2.5 for earlier, later in itertools.pairwise(times))
    assert world.requests() == {}


def test_a_change_arrives_with_the_next_poll(world):
    world.synced(poll_interval="1s")
    daemon = world.start()
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), name="renamed")
    [changed] = daemon.wait("changed")
    assert changed["ADOSYNC_REPOSITORY"] == world.repo_id("contoso", "Payments", "repo-1")
    assert '"Payments / repo-1" -> "Payments / renamed"' in changed["message"]


# SIGTERM.

def assert_stops(daemon, seconds=5):
    begin = time.monotonic()
    result = daemon.stop(seconds=seconds + 5)
    assert time.monotonic() - begin < seconds
    assert result.code == 0
    assert "STOPPING=1" in daemon.notified


def test_stops_while_idle(world):
    world.synced()
    assert_stops(world.start(), 2)


def test_stops_on_sigint(world):
    world.synced()
    assert world.start().stop(signal.SIGINT).code == 0


def test_once_is_interrupted(world):
    """What it did not do is said, and not done by halves."""
    world.repos("contoso", count=50)
    world.instance("contoso")
    world.ado.fault("drip", bytes_per_second=100)
    daemon = world.start("--once", ready=False)
    polled(world, "contoso", 1)
    result = daemon.stop(seconds=3)
    assert result.code == 75
    assert "contoso: not through" in result.out
    assert world.requests() == {}


def test_stops_while_a_listing_drips(world):
    world.repos("contoso", count=50)
    world.instance("contoso")
    world.ado.fault("drip", bytes_per_second=100)
    daemon = world.start()
    polled(world, "contoso", 1)
    assert_stops(daemon, 2)
    assert world.requests() == {}
    assert world.once().code == 0
    assert len(world.services()) == 50


def test_stops_while_azure_devops_hangs(world):
    world.repos("contoso")
    world.instance("contoso")
    world.ado.fault("hang")
    daemon = world.start()
    polled(world, "contoso", 1)
    assert_stops(daemon, 2)


@pytest.mark.waits
@pytest.mark.parametrize("path", ["/catalog-services$", "/resource-mappings$", "/integration-instances$"])
def test_stops_while_a_write_hangs(world, path):
    """And the next start finds what was done by it."""
    world.repos("contoso", count=5)
    world.instance("contoso", poll_interval="1s")
    world.konnect.fault("hang_after", method="POST", path_regex=path)
    daemon = world.start()
    wait_until("the hanging write", lambda: [f for f in world.konnect.control("GET", "/fault") if f["fired"]])
    assert_stops(daemon)
    assert world.once().code == 0
    assert len(world.services()) == len(world.catalog()["mappings"]) == 5
    assert len(world.catalog()["instances"]) == 2    # ours and the built-in one


def test_a_write_in_flight_is_given_time(world):
    """Its answer is in the cache, so that nothing is repeated."""
    world.repos("contoso", count=1)
    world.instance("contoso")
    world.konnect.fault("slow", method="POST", path_regex="/catalog-services$", seconds=1)
    daemon = world.start()
    wait_until("the write", lambda: world.services())
    assert_stops(daemon)
    assert world.once().code == 0
    assert world.catalog()["post_counts"] == {"contoso.payments.repo-0": 1}


# Credentials.

@pytest.mark.waits
def test_an_expired_pat_backs_off_alone(world):
    for name in ("contoso", "fabrikam"):
        world.repos(name)
        world.instance(name, poll_interval="1s")
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": "expired"})
    daemon = world.start()
    [lost] = daemon.wait("credential_lost", "contoso")
    assert lost["level"] == "warning"
    assert "contoso.pat" in lost["message"]
    polled(world, "fabrikam", 4)
    assert len(world.polls("contoso")) == 1
    wait_until("STATUS", lambda: any("contoso: credential" in n for n in daemon.notified))
    assert len(daemon.seen("credential_lost")) == 1
    assert len(world.services()) == 3


@pytest.mark.waits
@pytest.mark.parametrize("state, before, after", [
    ("expired", "credential_lost", "credential_restored"),
    ("revoked", "poll_failed", "poll_recovered"),    # the first refusal may be an accident
])
def test_a_new_pat_in_the_file_is_seen_without_a_signal(world, state, before, after):
    world.synced(poll_interval="1s")
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": state})
    daemon = world.start()
    daemon.wait(before)
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": "ok", "pat": "a-new-pat"})
    world.secret("contoso.pat", "a-new-pat")
    [event] = daemon.wait(after, seconds=8)
    assert event["level"] == "notice"
    assert world.requests() == {}


@pytest.mark.waits
def test_a_pat_that_appears(world):
    """A missing file is a state of its instance, not the end of the program."""
    world.repos("contoso")
    world.instance("contoso", pat=False, poll_interval="1s")
    daemon = world.start()
    [lost] = daemon.wait("credential_lost")
    assert "contoso.pat" in lost["message"]
    assert world.polls("contoso") == []
    world.secret("contoso.pat", PAT + "contoso")
    daemon.wait("credential_restored", seconds=8)
    wait_until("services", lambda: len(world.services()) == 3)


# Azure DevOps.

@pytest.mark.waits
def test_an_outage_is_said_once_and_its_end(world):
    world.synced(poll_interval="1s")
    world.ado.fault("503", times=2)
    daemon = world.start()
    [failed] = daemon.wait("poll_failed")
    assert failed["level"] == "warning" and "next try in" in failed["message"]
    daemon.wait("poll_recovered", seconds=30)
    assert [e["level"] for e in daemon.seen("poll_failed")] == ["warning", "debug"]
    assert world.requests() == {}


@pytest.mark.waits
def test_throttled(world):
    """As long as the server asks, and the other organizations do not wait."""
    for name in ("contoso", "fabrikam"):
        world.synced(name, poll_interval="1s")
    world.ado.fault("429", org="contoso", retry_after=4)
    daemon = world.start()
    daemon.wait("throttled", "contoso")
    daemon.wait("poll_recovered", "contoso")
    first, second = [poll["time"] for poll in world.polls("contoso")][:2]
    assert 3.9 < second - first < 7
    assert len(world.polls("fabrikam")) >= 3


@pytest.mark.waits
@pytest.mark.parametrize("fault", ["403_vs403463", "503_tf24668"])
def test_blocked(world, fault):
    """A quarter of an hour, and said once; the other organizations go on."""
    for name in ("contoso", "fabrikam"):
        world.synced(name, poll_interval="1s")
    world.ado.fault(fault, org="contoso", times=-1)
    daemon = world.start()
    daemon.wait("blocked", "contoso")
    polled(world, "fabrikam", 3)
    assert len(world.polls("contoso")) == 1
    assert "next try in 15min" in daemon.seen("blocked")[0]["message"]


def test_a_proxy_of_the_environment_is_not_used_to_loopback(world):
    world.repos("contoso")
    world.instance("contoso")
    nowhere = "http://127.0.0.1:1"
    assert world.once(env={"http_proxy": nowhere, "https_proxy": nowhere, "ALL_PROXY": nowhere}).code == 0


# Restarts.

@pytest.mark.waits
def test_a_restart_does_not_poll_before_it_is_due(world):
    world.synced(poll_interval="1h")
    world.repos("fabrikam")
    world.instance("fabrikam", poll_interval="1s")
    daemon = world.start()
    polled(world, "fabrikam", 3)
    assert daemon.stop().code == 0
    assert world.polls("contoso") == []


@pytest.mark.waits
def test_a_restart_remembers_a_backoff(world):
    """One that is not over, not even for a PAT that has expired."""
    world.synced(poll_interval="1s")
    world.repos("fabrikam")
    world.instance("fabrikam", poll_interval="1s")
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": "expired"})
    daemon = world.start()
    daemon.wait("credential_lost")
    daemon.stop()
    world.forget_requests()
    daemon = world.start()
    polled(world, "fabrikam", 3)
    assert world.polls("contoso") == []
    assert daemon.seen("credential_lost") == []    # it is known already


@pytest.mark.waits
def test_a_restart_sees_that_the_pat_is_a_new_one(world):
    """Whatever was left of the wait."""
    world.synced(poll_interval="1s")
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": "expired"})
    daemon = world.start()
    daemon.wait("credential_lost")
    daemon.stop()
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": "ok", "pat": "a-new-pat"})
    world.secret("contoso.pat", "a-new-pat")
    world.start().wait("credential_restored", seconds=4)


def test_a_restart_pushes_what_is_left_without_a_poll(world):
    world.repos("contoso")
    world.instance("contoso", poll_interval="1h")
    world.konnect.fault("401")
    assert world.once().code == 75
    world.forget_requests()
    daemon = world.start()
    wait_until("services", lambda: len(world.catalog()["mappings"]) == 3)
    assert daemon.stop().code == 0
    assert world.polls("contoso") == []


def test_a_remembered_time_in_the_future_counts_as_due(world):
    world.synced(poll_interval="1h")
    world.cache("UPDATE instance SET last_poll = last_poll + 1000000, next_poll = next_poll + 1000000")
    world.start()
    polled(world, "contoso", 1)

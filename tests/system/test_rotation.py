"""Secrets are replaced while the daemon runs, in every way that secrets are replaced: it notices without a signal."""

import os
import signal

import pytest
from control import ctl, in_state, status
from world import TOKEN, wait_until

pytestmark = pytest.mark.waits
NOTICED = 20    # it looks every 5 s, and by itself would not try again before a minute is over


class Secret:
    """A secret file, and the ways to replace it."""

    def __init__(self, world, name, how, value):
        self.world = world
        self.how = how
        self.path = os.path.join(world.dir, name)
        self.version = 0
        if how == "data":
            os.makedirs(os.path.join(world.dir, "mounted"), exist_ok=True)
            self.path = os.path.join(world.dir, "mounted", name)
            self.publish(value)
            os.symlink(os.path.join("..data", name), self.path)
        else:
            world.secret(name, value)

    def publish(self, value):
        """As Kubernetes does it: a new directory, and ..data becomes a link to it in one step."""
        self.version += 1
        mounted = os.path.dirname(self.path)
        fresh = f"..version-{self.version}"
        os.mkdir(os.path.join(mounted, fresh))
        self.world.secret(os.path.join("mounted", fresh, os.path.basename(self.path)), value)
        os.symlink(fresh, os.path.join(mounted, "..data_tmp"))
        os.rename(os.path.join(mounted, "..data_tmp"), os.path.join(mounted, "..data"))

    def replace(self, value):
        if self.how == "rewrite":
            self.world.secret(os.path.basename(self.path), value)
        elif self.how == "rename":
            os.rename(self.world.secret("new-secret", value), self.path)
        elif self.how == "gone-and-back":
            os.unlink(self.path)
            self.world.secret(os.path.basename(self.path), value)
        else:
            self.publish(value)

    @property
    def configured(self):
        return os.path.relpath(self.path, self.world.dir)


WAYS = ["rewrite", "rename", "data", "gone-and-back"]


def pat_state(world, state, pat=None):
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": state, **({"pat": pat} if pat else {})})


def lost(world, how="rewrite"):
    """A daemon that has lost its PAT, and the secret file."""
    secret = Secret(world, "contoso.pat", how, "the-first-pat")
    world.repos("contoso")
    pat_state(world, "ok", "the-first-pat")
    world.instance("contoso", pat=False, poll_interval="1s", pat_file=secret.configured)
    daemon = world.start()
    wait_until("services", lambda: len(world.catalog()["mappings"]) == 3)
    pat_state(world, "expired")
    daemon.wait("credential_lost")
    world.forget_requests()
    return daemon, secret


@pytest.mark.parametrize("how", WAYS)
def test_a_new_pat(world, how):
    daemon, secret = lost(world, how)
    pat_state(world, "ok", "the-second-pat")
    secret.replace("the-second-pat")
    daemon.wait("credential_restored", seconds=NOTICED)
    assert in_state(world, "waiting")["why"] is None
    assert world.requests() == {}
    assert len(daemon.seen("credential_lost")) == 1


def test_a_new_pat_that_is_no_good(world):
    """It is tried once, and the wait goes on."""
    daemon, secret = lost(world)
    secret.replace("a-wrong-pat")
    wait_until("it is tried", lambda: len(world.polls("contoso")) == 1, NOTICED)
    assert in_state(world, "credential")["verdict"].startswith("credential_")
    pat_state(world, "ok", "the-third-pat")
    secret.replace("the-third-pat")
    daemon.wait("credential_restored", seconds=NOTICED)
    assert len(daemon.seen("credential_lost")) == 1


def test_half_a_file_is_passed_over(world):
    """Empty, unreadable to the rules, gone: the right one is still noticed."""
    daemon, secret = lost(world)
    pat_state(world, "ok", "the-second-pat")
    secret.replace("")
    world.secret("contoso.pat", "the-second-pat", 0o666)
    with pytest.raises(AssertionError):
        daemon.wait("credential_restored", seconds=6)
    assert status(world)["state"] == "credential"
    os.chmod(secret.path, 0o640)
    daemon.wait("credential_restored", seconds=NOTICED)


@pytest.mark.parametrize("how", ["sync", "signal", "reload"])
def test_the_pat_was_extended(world, how):
    """Its text is the same, so somebody has to say so."""
    daemon, _ = lost(world)
    pat_state(world, "ok")
    if how == "signal":
        daemon.process.send_signal(signal.SIGHUP)
    else:
        assert ctl(world, how).code == 0
    daemon.wait("credential_restored")
    assert in_state(world, "waiting")["verdict"] == "ok"


def test_pause_and_resume_of_a_lost_one(world):
    daemon, secret = lost(world)
    ctl(world, "pause", "contoso")
    pat_state(world, "ok", "the-second-pat")
    secret.replace("the-second-pat")
    ctl(world, "resume", "contoso")
    daemon.wait("credential_restored")


@pytest.mark.parametrize("how", WAYS)
def test_a_new_token_of_konnect(world, how):
    secret = Secret(world, "konnect-token", how, TOKEN)
    world.configure("konnect", token_file=secret.configured)
    world.synced(poll_interval="1s")
    daemon = world.start()
    world.konnect.control("POST", "/settings", {"token": "kpat_the_second"})
    world.add_repo("contoso", "Payments", "another")
    [event] = daemon.wait("sink_lost")
    assert "401" in event["message"] and event["level"] == "warning"
    secret.replace("kpat_the_second")
    daemon.wait("sink_restored", seconds=NOTICED)
    wait_until("the service", lambda: "contoso.payments.another" in world.services())
    assert len(daemon.seen("sink_lost")) == 1
    assert daemon.seen("poll_failed") == []


@pytest.mark.parametrize("how", ["sync", "signal", "reload"])
def test_the_token_was_extended(world, how):
    world.synced(poll_interval="1s")
    daemon = world.start()
    world.konnect.control("POST", "/settings", {"token": "kpat_the_second"})
    world.add_repo("contoso", "Payments", "another")
    daemon.wait("sink_lost")
    world.konnect.control("POST", "/settings", {"token": TOKEN})
    if how == "signal":
        daemon.process.send_signal(signal.SIGHUP)
    else:
        assert ctl(world, how).code == 0
    daemon.wait("sink_restored")
    wait_until("the service", lambda: "contoso.payments.another" in world.services())


def test_a_pat_that_is_refused_once(world):
    """An accident of the server's: half a minute, and nobody is called."""
    world.synced(poll_interval="1s")
    world.ado.fault("status", status=401)
    daemon = world.start()
    [event] = daemon.wait("poll_failed")
    assert "next try in 30s" in event["message"]
    now = in_state(world, "backoff")
    assert 29 <= now["next_poll"] - now["since"] <= 31
    daemon.wait("poll_recovered", seconds=45)
    first, second = [poll["time"] for poll in world.polls("contoso")][:2]
    assert 29 <= second - first
    assert daemon.seen("credential_lost") == []
    assert in_state(world, "waiting")["verdict"] == "ok"


def test_a_token_that_is_refused_once(world):
    """Konnect's 401 is believed; a sync ends it."""
    world.synced(poll_interval="1s")
    world.konnect.fault("401")
    daemon = world.start()
    world.add_repo("contoso", "Payments", "another")
    daemon.wait("sink_lost")
    ctl(world, "sync")
    daemon.wait("sink_restored")
    wait_until("the service", lambda: "contoso.payments.another" in world.services())

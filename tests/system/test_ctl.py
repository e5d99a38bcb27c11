"""adosyncctl: every command as a person and as a script sees it, and what status says in each state."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import threading
import time

import pytest
from control import CTL, ctl, ctl_json, in_state, socket_path, status
from world import PAT, wait_until


def running(world, *names, count=3, **keys):
    """The daemon on organizations that are in the catalog already; it polls when it is told to."""
    for name in names or ("contoso",):
        world.synced(name, count=count, **{"poll_interval": "1h", **keys})
    return world.start()


def lines(text):
    """{first word: the rest} of what status NAME prints."""
    return {line[:15].strip(): line[15:] for line in text.splitlines() if len(line) > 15 and line[14] == " "}


def near(at, when, seconds=15):
    return at is not None and abs(at - when) <= seconds


# The command line.

@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["--nonsense"], ["status", "a", "b"], ["repos"], ["repos", "a", "b"], ["check"],
    ["check", "a", "b"], ["pause"], ["resume"], ["reload", "a"], ["pause", "a", "b"], ["-s"], ["Status"],
    ["--timeout", "0", "status"], ["--timeout", "soon", "status"], ["--timeout", "25h", "status"], ["--timeout"],
], ids=" ".join)
def test_wrong_usage(world, arguments):
    result = ctl(world, *arguments)
    assert result.code == 64, result
    assert result.out == ""
    assert "adosyncctl: " in result.err and "--help" in result.err


def test_help_and_version(world):
    result = ctl(world, "--help")
    assert result.code == 0
    words = ("status", "sync", "repos", "check", "pause", "resume", "reload", "plan", "approve", "--json")
    assert all(word in result.out for word in words)
    assert ctl(world, "-h").out == result.out
    assert re.fullmatch(r"adosyncctl \d+\.\d+\.\d+\n", ctl(world, "--version").out)


def test_a_name_that_is_not_utf8(world):
    running(world)
    for arguments in (["check", b"\xff\xfe"], ["sync", b"\xff"], ["status", b"contoso\xff"]):
        result = ctl(world, *arguments)
        assert result.code == 64, arguments
        assert result.out == "" and "UTF-8" in result.err
    assert world.polls("contoso") == []


def test_the_daemon_does_not_run(world):
    for arguments in (["status"], ["--json", "status"], ["sync"], ["reload"]):
        result = ctl(world, *arguments)
        assert result.code == 75
        assert result.out == ""
        assert socket_path(world) in result.err and "is the daemon running?" in result.err
    world.synced()
    world.start().kill()
    assert os.path.exists(socket_path(world))
    assert "is the daemon running?" in ctl(world, "status").err


def test_where_the_socket_is_looked_for(world):
    """-s, else $RUNTIME_DIRECTORY, as systemd and the daemon have it."""
    running(world)
    result = ctl(world, "status", path="", env={"RUNTIME_DIRECTORY": world.dir})
    assert result.code == 0, result
    assert ctl(world, "status", path="", env={"RUNTIME_DIRECTORY": world.dir + ":/elsewhere"}).code == 0
    result = ctl(world, "status", path="", env={"RUNTIME_DIRECTORY": world.dir + "/nowhere"})
    assert result.code == 75 and world.dir + "/nowhere/control.sock" in result.err
    assert ctl(world, "status", path="x" * 200).code == 75


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_without_permission(world):
    running(world)
    program = shutil.copy(CTL, world.dir)
    os.chmod(world.dir, 0o755)
    for group, code in ((65534, 75), (os.getegid(), 0)):
        result = ctl(world, "status", program=program, user=65534, group=group, extra_groups=[])
        assert result.code == code, result
    result = ctl(world, "status", program=program, user=65534, group=65534, extra_groups=[])
    assert "Permission denied" in result.err and "socket's group" in result.err


UNKNOWN = [["status", "x"], ["sync", "x"], ["sync", "contoso", "x"], ["repos", "x"], ["check", "x"], ["pause", "x"],
           ["resume", "x"], ["status", ""], ["sync", "Contoso"], ["check", "\x1b[31m"]]


def test_unknown_names(world):
    """Exit 1 and the name; nothing is done, not even for the known ones beside it."""
    running(world)
    for arguments in UNKNOWN:
        result = ctl(world, *arguments)
        assert result.code == 1, arguments
        assert result.out == ""
        assert result.err.startswith("adosyncctl: there is no instance") and "\x1b" not in result.err
        [answer] = ctl_json(world, *arguments, code=1)
        assert answer["ok"] is False and answer["error"].startswith("there is no instance")
    assert world.polls("contoso") == []


# status.

def test_status_of_all(world):
    running(world, "contoso", "fabrikam")
    result = ctl(world, "status")
    assert result.code == 0 and result.err == ""
    head, empty, titles, *rows = result.out.splitlines()
    assert re.fullmatch(rf"adosyncd \d+\.\d+\.\d+, up .*; Konnect {re.escape(world.konnect.url)} is ready", head)
    assert empty == ""
    assert titles.split() == ["INSTANCE", "STATE", "SINCE", "LISTED", "NEXT", "POLL", "REPOS", "PENDING/PARKED"]
    assert [row.split()[:2] for row in rows] == [["contoso", "waiting"], ["fabrikam", "waiting"]]
    assert all(row.split()[-2:] == ["3", "0/0"] for row in rows)
    assert all(re.search(r" in (59min|1h)", row) for row in rows)


def test_status_as_json(world):
    begin = int(time.time())
    running(world, "contoso", "fabrikam")
    [answer] = ctl_json(world, "status")
    assert answer["ok"] is True
    assert answer["konnect"] == {"url": world.konnect.url, "state": "ready", "why": None}
    assert near(answer["started"], begin, 60) and answer["now"] >= answer["started"]
    assert [i["name"] for i in answer["instances"]] == ["contoso", "fabrikam"]
    for instance in answer["instances"]:
        assert instance["organization"] == instance["name"]
        assert (instance["state"], instance["verdict"]) == ("waiting", "ok")
        assert (instance["why"], instance["held"]) == (None, False)
        assert [instance[n] for n in ("repositories", "missing", "pending", "parked")] == [3, 0, 0, 0]
        assert "parked_repositories" not in instance and "pushing" not in instance
        assert near(instance["last_poll"], begin, 60) and near(instance["last_complete"], begin, 60)
        assert 3540 <= instance["next_poll"] - instance["last_poll"] <= 3960 + 60
        assert begin - 60 <= instance["since"] <= answer["now"]
    assert status(world)["parked_repositories"] == []


def test_status_of_one(world):
    running(world)
    result = ctl(world, "status", "contoso")
    assert result.code == 0
    said = lines(result.out)
    assert said["instance"] == "contoso (organization contoso)"
    assert said["state"] == "waiting"
    assert all(re.search("ago|now", said[key]) for key in ("since", "last poll", "last complete"))
    assert said["next poll"].startswith("in ")
    assert said["repositories"] == "3 listed, 0 missing"
    assert said["pushes"] == "0 pending, 0 parked"
    assert "why" not in said


def test_status_shows_what_is_missing(world):
    running(world)
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), hidden=True)
    assert ctl(world, "sync").code == 0
    now = wait_until("missing", lambda: next((s for s in [status(world)] if s["missing"] == 1), None))
    assert (now["repositories"], now["state"]) == (2, "waiting")
    assert lines(ctl(world, "status", "contoso").out)["repositories"] == "2 listed, 1 missing"


@pytest.mark.waits
def test_status_during_a_first_sync(world):
    """What is pending shrinks and the percentage grows, to the end."""
    world.repos("contoso", count=300)
    world.instance("contoso", poll_interval="1h")
    world.konnect.control("POST", "/settings", {"latency_ms": 80})
    world.start()
    seen = []

    def over():
        now = status(world)
        seen.append(now)
        return len(seen) > 1 and now["last_complete"] and now["pending"] == 0 and "pushing" not in now
    wait_until("the first sync is over", over, 60)
    pushing = [s for s in seen if "pushing" in s]
    assert len(pushing) > 5
    for s in pushing:
        assert s["pushing"]["total"] == s["repositories"] == 300
        assert s["pending"] == 300 - s["pushing"]["done"]
        assert s["pushing"]["percent"] == s["pushing"]["done"] * 100 // 300
    percents = [s["pushing"]["percent"] for s in pushing]
    assert percents == sorted(percents) and len(set(percents)) > 5
    assert percents[0] < 50 < percents[-1]
    assert seen[-1]["state"] == "waiting" and len(world.services()) == 300


def test_progress_in_words(world):
    world.repos("contoso", count=5)
    world.instance("contoso")
    world.konnect.fault("hang", method="POST", path_regex="/catalog-services$", times=-1)
    world.start()
    wait_until("progress", lambda: "pushing: 0 of 5 (0%)" in ctl(world, "status").out)
    assert lines(ctl(world, "status", "contoso").out)["why"] == "pushing: 0 of 5 (0%)"
    assert lines(ctl(world, "status", "contoso").out)["pushes"] == "5 pending, 0 parked"


def test_parked_repositories(world):
    """With Konnect's own words."""
    world.repos("contoso", count=4)
    world.instance("contoso", poll_interval="1h")
    world.konnect.control("POST", "/settings", {"refuse_names": ["contoso.payments.repo-2"]})
    daemon = world.start()
    daemon.wait("parked")
    now = wait_until("idle", lambda: next((s for s in [status(world)] if "pushing" not in s and s["parked"]), None))
    assert (now["pending"], now["parked"]) == (0, 1)
    [parked] = now["parked_repositories"]
    assert (parked["project"], parked["name"], parked["pending"]) == ("Payments", "repo-2", False)
    assert parked["id"] == world.repo_id("contoso", "Payments", "repo-2")
    assert "name: is not allowed" in parked["parked"]
    said = ctl(world, "status", "contoso").out
    assert "0 pending, 1 parked" in said
    assert f"Payments / repo-2: {parked['parked']}" in said
    assert "0/1" in ctl(world, "status").out
    [line] = [line for line in ctl(world, "repos", "contoso").out.splitlines() if "repo-2" in line]
    assert line.endswith(f", parked: {parked['parked']}")


# The states.

TROUBLES = {
    "503": ("backoff", "unreachable", 5),
    "garbage": ("backoff", "malformed", 5),
    "html_signin": ("backoff", "credential_rejected", 30),
    "429": ("throttled", "throttled", 100),
    "403_vs403463": ("blocked", "policy_blocked", 900),
    "503_tf24668": ("blocked", "organization_stopped", 900),
}


@pytest.mark.parametrize("fault", TROUBLES)
def test_states_of_trouble(world, fault):
    """The state, since when, why in a sentence, and when it is tried again; what is known is kept."""
    state, verdict, wait = TROUBLES[fault]
    running(world)
    before = status(world)
    world.ado.fault(fault, times=-1, **({"retry_after": 100} if fault == "429" else {}))
    begin = int(time.time())
    assert ctl(world, "sync", "contoso").code == 0
    now = in_state(world, state)
    assert (now["verdict"], now["held"], now["repositories"]) == (verdict, False, 3)
    assert now["why"].startswith(f"the poll failed, {verdict}")
    assert near(now["since"], begin) and near(now["last_poll"], begin)
    assert now["last_complete"] == before["last_complete"]
    assert begin - 1 <= now["next_poll"] <= begin + wait + 15
    if verdict not in ("unreachable", "malformed"):    # which are jittered
        assert now["next_poll"] >= begin + wait - 1
    said = ctl(world, "status", "contoso").out
    assert lines(said)["state"] in (state, "polling") and now["why"] in said
    assert now["why"][:60] in ctl(world, "status").out


def test_state_credential(world):
    running(world)
    before = status(world)
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": "expired"})
    begin = int(time.time())
    ctl(world, "sync")
    now = in_state(world, "credential")
    assert now["verdict"] == "credential_expired" and "credential_expired (401)" in now["why"]
    assert near(now["since"], begin) and now["last_complete"] == before["last_complete"]
    assert begin + 59 <= now["next_poll"] <= begin + 75


def test_trouble_outlasts_a_restart(world):
    """In the word of its verdict, until the next poll says more, and wherever it is asked for."""
    daemon = running(world)
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": "expired"})
    ctl(world, "sync")
    in_state(world, "credential")
    daemon.stop()
    daemon = world.start()
    now = status(world)
    assert (now["verdict"], now["why"]) == ("credential_expired", "the last poll failed, credential_expired")
    assert now["why"] in ctl(world, "status").out and lines(ctl(world, "status", "contoso").out)["why"] == now["why"]
    ctl(world, "sync")
    wait_until("the poll", lambda: "credential_expired (401)" in status(world)["why"])
    daemon.stop()
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": "ok"})
    daemon = world.start()
    ctl(world, "sync")
    assert in_state(world, "waiting")["why"] is None
    daemon.stop()
    world.start()
    assert status(world)["why"] is None


def test_state_polling(world):
    """And the instance beside it is no worse for it."""
    running(world, "contoso", "fabrikam")
    world.ado.fault("hang", org="contoso")
    ctl(world, "sync", "contoso")
    wait_until("the poll", lambda: world.polls("contoso"))
    now = status(world)
    assert (now["state"], now["why"], now["repositories"]) == ("polling", None, 3)
    assert status(world, "fabrikam")["state"] == "waiting"


def test_konnect_is_lost(world):
    """Said in the head, while the instances are well."""
    world.repos("contoso")
    world.instance("contoso", poll_interval="1h")
    world.konnect.fault("401", times=-1)
    daemon = world.start()
    daemon.wait("sink_lost")
    [answer] = ctl_json(world, "status")
    assert answer["konnect"]["state"] == "credential" and "401" in answer["konnect"]["why"]
    assert answer["instances"][0]["state"] == "waiting"
    assert f"is credential: {answer['konnect']['why']}" in ctl(world, "status").out
    world.konnect.control("DELETE", "/fault")
    assert ctl(world, "sync").code == 0
    daemon.wait("sink_restored")
    wait_until("services", lambda: len(world.services()) == 3)
    assert ctl_json(world, "status")[0]["konnect"] == {"url": world.konnect.url, "state": "ready", "why": None}


def test_without_a_reader(world):
    """| head"""
    running(world, count=3)
    read, write = os.pipe()
    os.close(read)
    try:
        result = ctl(world, "repos", "contoso", stdout=write)
        assert result.code in (1, -13)
    finally:
        os.close(write)


def test_json_is_one_object_a_line(world):
    running(world)
    for command in (["status"], ["status", "contoso"], ["sync"], ["check", "contoso"], ["pause", "contoso"],
                    ["resume", "contoso"], ["reload"], ["repos", "contoso"], ["check", PAT]):
        said = ctl(world, "--json", *command).out.splitlines()
        parsed = [json.loads(line) for line in said]
        assert ["ok" in line for line in parsed] == [False] * (len(parsed) - 1) + [True], command


# A daemon that does not answer, and one that is none.

@pytest.mark.waits
def test_a_daemon_that_is_stopped(world):
    """Every command ends, says why and what to do, also when so many wait that the connection is not made."""
    daemon = running(world)
    daemon.process.send_signal(signal.SIGSTOP)
    others = []
    try:
        for arguments in (["status"], ["sync"], ["repos", "contoso"], ["check", "contoso"], ["withdraw", "contoso"],
                          ["--json", "status"], ["sync", *["a" * 500] * 2000]):
            begin = time.monotonic()
            result = ctl(world, "--timeout", "1s", *arguments)
            assert time.monotonic() - begin < 15
            assert (result.code, result.out) == (75, ""), result
            assert result.err.startswith(f"adosyncctl: {socket_path(world)}: ") and "no sign of life for 1s" in result.err
            assert "systemctl status adosyncd" in result.err
        with contextlib.suppress(BlockingIOError):
            while len(others) < 64:
                others.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
                others[-1].connect(socket_path(world))
        assert len(others) < 64
        result = ctl(world, "--timeout", "1s", "status")
        assert result.code == 75 and "no sign of life for 1s" in result.err, result
    finally:
        daemon.process.send_signal(signal.SIGCONT)
        for other in others:
            other.close()
    wait_until("it answers", lambda: ctl(world, "status").code == 0)


@pytest.mark.waits
def test_a_check_is_waited_for_while_the_daemon_lives(world):
    running(world)
    world.ado.fault("slow", seconds=4)
    begin = time.monotonic()
    result = ctl(world, "--timeout", "1s", "check", "contoso")
    assert result.code == 0, result
    assert time.monotonic() - begin > 3


class Impostor:
    """A socket whose other end says what it is told, to whatever it is asked."""

    def __init__(self, world, answer):
        self.path = os.path.join(world.dir, "impostor")
        self.answer = answer
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(self.path)
        self.socket.listen(16)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(self.answer)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()
        os.unlink(self.path)


EVIL = "a\x1b]0;x\x07\x1b[2Jb\u009b31m\rc"
HOSTILE = [
    (["status"], {"ok": True, "version": EVIL, "now": 1, "started": 0, "konnect": {"url": EVIL, "state": EVIL, "why": EVIL},
                  "instances": [{"name": EVIL, "state": EVIL, "why": EVIL, "refused": EVIL}, {"name": EVIL, "verdict": EVIL}]}),
    (["status", "a"], {"ok": True, "instances": [{"name": EVIL, "organization": EVIL, "state": EVIL, "why": EVIL, "parked_repositories": [
        {"project": EVIL, "name": EVIL, "parked": EVIL}]}]}),
    (["sync"], {"ok": True, "polling": 0, "paused": [EVIL]}),
    (["plan", "a"], {"ok": True, "instance": EVIL, "hash": EVIL, "why": EVIL, "actions": [
        {"action": EVIL, "why": EVIL, "project": EVIL, "name": EVIL, "service": EVIL}]}),
    (["withdraw", "a"], {"ok": True, "instance": EVIL, "hash": None, "actions": []}),
    (["check", "a"], {"ok": True, "text": EVIL}), (["check", "a"], {"ok": False, "error": EVIL + "\n" + EVIL}),
    (["repos", "a"], {"ok": False, "error": EVIL}), (["reload"], {"ok": True, "text": EVIL}),
]


@pytest.mark.parametrize("arguments, answer", HOSTILE, ids=lambda x: x[0] if isinstance(x, list) else "")
def test_nothing_that_is_printed_steers_a_terminal(world, arguments, answer):
    rows = [{"state": EVIL, "project": EVIL, "name": EVIL, "service": EVIL, "parked": EVIL}] if arguments[0] == "repos" else []
    with Impostor(world, b"".join(json.dumps(line).encode() + b"\n" for line in [*rows, answer])) as impostor:
        result = ctl(world, *arguments, path=impostor.path)
    assert result.code == (0 if answer["ok"] else 1), result
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", result.out + result.err), result
    assert rows == [] or "a?]0;x??[2Jb?31m c" in result.out


@pytest.mark.parametrize("answer", [b"", b"garbage\n", b'{"no":"end"}\n', b"x" * (65 << 20), b"[" * 100000 + b"\n"],
                         ids=["nothing", "no JSON", "no end", "no line", "depth"])
def test_what_is_no_daemon(world, answer):
    with Impostor(world, answer) as impostor:
        result = ctl(world, "status", path=impostor.path)
    assert result.code == 75 and impostor.path in result.err, result

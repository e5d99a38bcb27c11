"""adosyncctl sync, pause, resume, repos and check: what they do, and what they say."""

import os
import time

import crash
import pytest
from control import ctl, ctl_json, in_state, status
from world import PAT, wait_until


def running(world, *names, count=3, **keys):
    for name in names or ("contoso",):
        world.synced(name, count=count, **{"poll_interval": "1h", **keys})
    return world.start()


def polls(world, name, count):
    wait_until(f"{count} polls of {name}", lambda: len(world.polls(name)) >= count)


# sync.

def test_sync_all_and_some(world):
    running(world, "contoso", "fabrikam", "tailspin")
    result = ctl(world, "sync", "contoso")
    assert result.code == 0
    assert result.out == "polling 1 instance now; adosyncctl status shows how it goes\n"
    polls(world, "contoso", 1)
    assert ctl(world, "sync", "fabrikam", "tailspin").out.startswith("polling 2 instances now")
    polls(world, "fabrikam", 1)
    polls(world, "tailspin", 1)
    assert len(world.polls("contoso")) == 1
    [answer] = ctl_json(world, "sync")
    assert answer == {"ok": True, "polling": 3, "paused": []}
    for name in ("contoso", "fabrikam", "tailspin"):
        polls(world, name, 2)
    assert world.requests() == {}


def test_sync_answers_at_once_and_is_remembered(world):
    """While it is polled: once more afterwards, however often it was asked for."""
    daemon = running(world)
    world.ado.fault("slow", seconds=4)
    ctl(world, "sync")
    polls(world, "contoso", 1)
    for _ in range(3):
        assert ctl_json(world, "sync", "contoso") == [{"ok": True, "polling": 1, "paused": []}]
    assert len(world.polls("contoso")) == 1
    daemon.wait("poll_ok", count=2)
    assert in_state(world, "waiting")["next_poll"] > time.time() + 3000
    assert len(world.polls("contoso")) == 2


def test_sync_of_a_paused_instance_says_so(world):
    running(world, "contoso", "fabrikam")
    ctl(world, "pause", "contoso")
    assert ctl_json(world, "sync") == [{"ok": True, "polling": 1, "paused": ["contoso"]}]
    said = ctl(world, "sync").out
    assert "polling 1 instance now" in said and "contoso is paused" in said and "resume contoso" in said
    assert "polling" not in ctl(world, "sync", "contoso").out.replace("polled", "")
    polls(world, "fabrikam", 1)
    assert world.polls("contoso") == []


def test_sync_of_a_name_given_twice(world):
    running(world, "contoso", "fabrikam")
    assert ctl_json(world, "sync", "contoso", "fabrikam", "contoso") == [{"ok": True, "polling": 2, "paused": []}]
    ctl(world, "pause", "contoso")
    assert ctl_json(world, "sync", "contoso", "contoso")[0]["paused"] == ["contoso"]


def test_status_of_a_poll_under_way(world):
    """Since when it is under way; when the next comes nobody knows yet."""
    running(world)
    before = status(world)
    wait_until("the next second", lambda: time.time() >= before["since"] + 1)
    world.ado.fault("slow", seconds=2)
    begin = int(time.time())
    ctl(world, "sync")
    polling = in_state(world, "polling")
    assert polling["since"] >= begin > before["since"] and polling["next_poll"] is None
    assert "next poll      -" in ctl(world, "status", "contoso").out
    waiting = in_state(world, "waiting")
    assert waiting["since"] == before["since"] and waiting["next_poll"] >= begin + 3600


def test_sync_of_an_instance_whose_pause_waits_for_its_poll(world):
    running(world)
    world.ado.fault("slow", seconds=2)
    ctl(world, "sync")
    polls(world, "contoso", 1)
    ctl(world, "pause", "contoso")
    assert status(world)["state"] == "polling"
    assert ctl_json(world, "sync", "contoso") == [{"ok": True, "polling": 0, "paused": ["contoso"]}]
    in_state(world, "paused")
    assert len(world.polls("contoso")) == 1


# pause and resume.

def test_pause_and_resume(world):
    """Since and next poll belong to the state that is shown."""
    running(world)
    begin = int(time.time())
    result = ctl(world, "pause", "contoso")
    assert result.code == 0 and "paused" in result.out
    paused = status(world)
    assert (paused["state"], paused["next_poll"], paused["why"]) == ("paused", None, None)
    assert paused["since"] >= begin and paused["last_complete"]
    assert ctl_json(world, "pause", "contoso")[0]["ok"]
    assert status(world)["since"] == paused["since"]
    said = ctl(world, "status", "contoso").out
    assert "paused" in said and "next poll      -" in said
    wait_until("the next second", lambda: time.time() >= paused["since"] + 1)
    assert ctl(world, "resume", "contoso").out == "resumed, polling now\n"
    polls(world, "contoso", 1)
    waiting = in_state(world, "waiting")
    assert waiting["since"] > paused["since"]
    assert waiting["next_poll"] >= begin + 3600
    assert ctl(world, "resume", "contoso").code == 0    # of one that is not paused: a poll
    polls(world, "contoso", 2)


def test_pause_lets_the_poll_and_the_pushes_end(world):
    world.repos("contoso", count=5)
    world.instance("contoso", poll_interval="1s")
    world.ado.fault("slow", seconds=1)
    world.start()
    polls(world, "contoso", 1)
    assert ctl(world, "pause", "contoso").code == 0
    in_state(world, "paused")
    wait_until("services", lambda: len(world.catalog()["mappings"]) == 5)
    assert (status(world)["state"], len(world.polls("contoso"))) == ("paused", 1)


@pytest.mark.waits
def test_pause_survives_restarts_and_reloads(world):
    running(world, "contoso", "fabrikam", poll_interval="1s").stop()
    world.forget_requests()
    daemon = world.start()
    ctl(world, "pause", "contoso")
    since = status(world)["since"]
    before = len(world.polls("contoso"))
    assert ctl(world, "reload").code == 0
    for _ in range(2):
        assert daemon.stop().code == 0
        seen = len(world.polls("fabrikam"))
        daemon = world.start()
        polls(world, "fabrikam", seen + 2)
        now = status(world)
        assert (now["state"], now["since"], now["next_poll"]) == ("paused", since, None)
    assert len(world.polls("contoso")) <= before + 1    # one may have been under way
    daemon.stop()
    assert "contoso: paused" in world.once().out
    daemon = world.start()
    seen = len(world.polls("contoso"))
    ctl(world, "resume", "contoso")
    polls(world, "contoso", seen + 2)


@pytest.mark.waits
def test_pause_survives_a_kill(world):
    daemon = running(world)
    ctl(world, "pause", "contoso")
    daemon.kill()
    world.start()
    assert status(world)["state"] == "paused"


# repos.

def test_repos(world):
    running(world)
    world.add_repo("contoso", "Payments", "off", disabled=True)
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), hidden=True)
    ctl(world, "sync")
    wait_until("the new one", lambda: "contoso.payments.off" in world.services())
    wait_until("idle", lambda: not any(r.get("pending") for r in ctl_json(world, "repos", "contoso")))
    *repos, last = ctl_json(world, "repos", "contoso")
    assert last == {"ok": True, "count": 4}
    assert {r["name"]: r["state"] for r in repos} == {"repo-0": "active", "repo-1": "missing", "repo-2": "active",
                                                      "off": "disabled"}
    services = world.services()
    for r in repos:
        assert r["service"] == f"contoso.payments.{r['name']}" and r["service_id"] == services[r["service"]]["id"]
        assert (r["project"], r["pending"], r["parked"]) == ("Payments", False, None)
        assert r["id"] == world.repo_id("contoso", "Payments", r["name"])
    head, *rows, count = ctl(world, "repos", "contoso").out.splitlines()
    assert head == "STATE        PROJECT / REPOSITORY (SERVICE)" and count == "4 repositories"
    assert "missing      Payments / repo-1 (contoso.payments.repo-1)" in rows
    assert "disabled     Payments / off (contoso.payments.off)" in rows


def test_repos_of_an_instance_that_knows_none(world):
    world.repos("contoso", count=0)
    world.instance("contoso")
    world.start()
    assert ctl_json(world, "repos", "contoso") == [{"ok": True, "count": 0}]
    assert ctl(world, "repos", "contoso").out == "0 repositories\n"


def test_repos_are_printable(world):
    world.organization("contoso", [{"project": "P\x1b[31m", "name": "r\n\x7f"}])
    world.instance("contoso")
    world.start()
    wait_until("known", lambda: status(world)["repositories"] == 1)
    said = ctl(world, "repos", "contoso").out
    assert len(said.splitlines()) == 3 and "\x1b" not in said and "\x7f" not in said


def test_repos_that_are_many(world):
    """More than the socket takes at once."""
    world.ado.control("POST", "/generate", {"org": "contoso", "projects": 10, "repos": 4000, "pat": PAT + "contoso"})
    world.instance("contoso", map_to="none")
    world.start()
    wait_until("known", lambda: status(world)["repositories"] == 4000, 30)
    answer = ctl_json(world, "repos", "contoso")
    assert answer[-1] == {"ok": True, "count": 4000}
    assert len({r["id"] for r in answer[:-1]}) == 4000


# check.

FAULTS = {
    "html_signin": "credential_rejected", "redirect": "credential_rejected", "status_203": "credential_rejected",
    "html_unavailable": "unreachable", "429": "throttled", "503": "unreachable", "503_tf24668": "organization_stopped",
    "403_vs403463": "policy_blocked", "reset": "unreachable", "truncate": "unreachable", "wrong_count": "malformed",
    "garbage": "malformed", "unclosed": "malformed", "deep_nesting": "malformed",
}


def checked(world, verdict, *words):
    """The check says so, as text and as JSON. One fault is meant for each."""
    result = ctl(world, "check", "contoso")
    assert result.code == 1 and result.out == "", (verdict, result)
    assert verdict in result.err and "To do: " in result.err and "contoso.pat" in result.err, result
    [answer] = ctl_json(world, "check", "contoso", code=1)
    assert (answer["ok"], answer["instance"], answer["verdict"]) == (False, "contoso", verdict), answer
    assert all(word in answer["error"] for word in words), answer
    return answer


def test_check_of_a_good_one(world):
    daemon = running(world)
    assert ctl(world, "check", "contoso").out == "the PAT is accepted, and 3 repositories can be read\n"
    [answer] = ctl_json(world, "check", "contoso")
    assert (answer["ok"], answer["verdict"], answer["status"]) == (True, "ok", 200)
    assert len(world.polls("contoso")) == 2
    assert daemon.seen("poll_ok") == [] and world.requests() == {}


def test_check_of_every_bad_answer(world):
    """It says so, and the schedule of the instance does not care."""
    running(world)
    before = status(world)
    for fault, verdict in FAULTS.items():
        world.ado.fault(fault, times=-1)
        checked(world, verdict)
        world.ado.control("DELETE", "/fault")
    for state, verdict in (("expired", "credential_expired"), ("noscope", "scope_missing"),
                           ("revoked", "credential_rejected")):
        world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": state})
        assert checked(world, verdict)["status"] == 401
    world.ado.control("DELETE", "/org?name=contoso")
    checked(world, "organization_unknown", "renamed")
    assert status(world) == before


def test_check_of_every_bad_file(world):
    """Without a request, and without telling what is in it."""
    running(world)
    path = os.path.join(world.dir, "contoso.pat")
    for content, mode, word in (("", 0o640, "empty"), ("a b", 0o640, "white space"), ("x\u00e9", 0o640, "ASCII"),
                                ("\x01xy", 0o640, "control character"), (PAT, 0o644, "everyone may read"),
                                (PAT, 0o666, "everyone may write"), (PAT, 0o660, "group may write"),
                                ("x" * 20000, 0o600, "larger than")):
        world.secret("contoso.pat", content, mode)
        result = ctl(world, "check", "contoso")
        assert result.code == 1 and word in result.err and path in result.err, (content[:10], result)
    os.unlink(path)
    result = ctl(world, "check", "contoso")
    assert result.code == 1 and "no such file" in result.err
    os.mkdir(path)
    assert "not a regular file" in ctl(world, "check", "contoso").err
    [answer] = ctl_json(world, "check", "contoso", code=1)
    assert (answer["verdict"], answer["status"]) == ("credential_missing", 0)
    assert world.polls("contoso") == []


def test_check_reads_the_file_as_it_is_now(world):
    running(world)
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat": "a-new-pat"})
    assert ctl(world, "check", "contoso").code == 1
    world.secret("contoso.pat", "a-new-pat")
    assert ctl(world, "check", "contoso").code == 0


# withdraw.

def test_withdraw_of_a_name_that_never_was(world):
    running(world)
    for more in ([], ["0123456789ab"], [""]):
        result = ctl(world, "withdraw", "contosso", *more)
        assert result.code == 1 and result.out == "" and 'no instance "contosso"' in result.err, result
        [answer] = ctl_json(world, "withdraw", "contosso", *more, code=1)
        assert answer["ok"] is False and "contosso" in answer["error"]
    assert world.writes() == {}


def test_withdraw_of_one_that_is_not_configured_any_more(world):
    """With the cache or without it."""
    running(world, "contoso", "fabrikam").stop()
    del world.instances["contoso"]
    world.write_config()
    for lost in (False, True):
        if lost:
            os.unlink(os.path.join(world.state, "cache.db"))
        daemon = world.start()
        [shown] = ctl_json(world, "withdraw", "contoso")
        assert shown["hash"] and len(shown["actions"]) == 4
        daemon.stop()
    world.start()
    assert ctl(world, "withdraw", "contoso", shown["hash"]).code == 0
    wait_until("fabrikam alone", lambda: sorted(world.services()) == [f"fabrikam.payments.repo-{n}" for n in range(3)])


@pytest.mark.parametrize("labels", [{"managed-by": None}, {"KONGCTL-namespace": "other"}])
def test_withdraw_takes_the_pat_out_of_an_instance_that_is_somebody_s(world, labels):
    """The rest of it is theirs."""
    world.synced(count=2, share_pat=True)
    world.konnect.control("PATCH", "/instance", {"name": "contoso", "labels": labels})
    world.start()
    [shown] = ctl_json(world, "withdraw", "contoso")
    assert sorted(a["project"] for a in shown["actions"]) == ["credential", "service", "service"]
    assert ctl(world, "withdraw", "contoso", shown["hash"]).code == 0
    assert world.catalog()["credentials"] == [] and world.services() == {}
    assert world.konnect_instance()


def test_withdraw_on_a_full_disk(world):
    """What the cache does not forget is no success, and is forgotten when there is space again."""
    life, full = crash.Life(world), os.path.join(world.dir, "full")
    world.repos("contoso", count=600)
    world.instance("contoso", poll_interval="1h", map_to="none")
    assert world.once().code == 0
    world.start(env={**life.environment(0, "while"), "CRASH_WHILE": full})
    [shown] = ctl_json(world, "withdraw", "contoso")
    assert [a["project"] for a in shown["actions"]] == ["integration instance"]
    with open(full, "wb"):
        pass
    result = ctl(world, "withdraw", "contoso", shown["hash"])
    assert result.code == 1 and result.out == "", result
    assert "the cache cannot be written" in result.err and "its disk is full" in result.err, result
    assert result.err.endswith('adosyncctl withdraw contoso ""\n')
    assert status(world)["state"] == "paused"
    os.unlink(full)
    assert len(ctl_json(world, "repos", "contoso")) == 601
    assert ctl(world, "withdraw", "contoso", "").code == 0
    assert len(ctl_json(world, "repos", "contoso")) == 1


def test_withdraw_of_one_that_holds_something(world):
    """Nothing waits afterwards, and what leaves the configuration owns nothing."""
    daemon = running(world, "contoso", "fabrikam")
    world.ado.fault("empty", org="contoso", times=-1)
    ctl(world, "sync", "contoso")
    wait_until("held", lambda: status(world)["held"])
    [shown] = ctl_json(world, "withdraw", "contoso")
    assert ctl(world, "withdraw", "contoso", shown["hash"]).code == 0
    contoso = status(world)
    assert (contoso["state"], contoso["held"], contoso["why"]) == ("paused", False, None)
    assert len(daemon.seen("released")) == 1
    del world.instances["contoso"]
    world.write_config()
    assert ctl(world, "reload").code == 0
    assert "is not configured any more" in daemon.log and "stays as it is" not in daemon.log

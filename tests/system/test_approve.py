"""adosyncctl plan and approve, --once --approve: what waits is shown, and exactly that let through, once."""

import re

from control import ctl, ctl_json, status
from removal import CHANGE, hash_of, hide, ids, in_state
from world import wait_until

WRONG = "0123456789ab"

def held_daemon(world, count=10, gone=6, **keys):
    world.synced(count=count, poll_interval="1h", **keys)
    hide(world, range(gone))
    daemon = world.start()
    ctl(world, "sync")
    daemon.wait("held")
    return daemon


def plan(world):
    [answer] = ctl_json(world, "plan", "contoso")
    return answer


def test_plan_shows_what_is_held(world):
    held_daemon(world)
    answer = plan(world)
    assert answer["instance"] == "contoso"
    assert len(answer["hash"]) == 12 and int(answer["hash"], 16) >= 0
    assert "held: 6 of 10" in answer["why"]
    assert sorted(a["id"] for a in answer["actions"]) == sorted(ids(world, range(6)))
    for action in answer["actions"]:
        assert set(action) == {"action", "why", "since", "id", "project", "name", "service"}
        assert action["action"] == "remove" and "too many" in action["why"] and action["since"] > 0
        assert action["service"] == f"contoso.payments.{action['name']}"
    said = ctl(world, "plan", "contoso").out
    assert f"adosyncctl approve contoso {answer['hash']}" in said
    assert said.count("remove ") >= 6 and "held: 6 of 10" in said
    for action in answer["actions"]:
        [line] = [line for line in said.splitlines() if f"Payments / {action['name']} (" in line]
        assert re.fullmatch(rf"remove   Payments / .*\): {re.escape(action['why'])}, (just now|for \d+s)", line), line
    assert plan(world) == answer
    assert world.requests() == {}


def test_a_wrong_hash_changes_nothing(world):
    daemon = held_daemon(world)
    before = plan(world)
    for wrong in (WRONG, before["hash"][:-1], before["hash"] + "0", before["hash"].upper() + "x", "contoso", ""):
        result = ctl(world, "approve", "contoso", wrong)
        assert result.code != 0 and result.err, wrong
    # another plan has another hash, and the old one is no good any more
    hide(world, (6,))
    ctl(world, "sync")
    wait_until("another plan", lambda: len(plan(world)["actions"]) == 7)
    assert plan(world)["hash"] != before["hash"]
    assert ctl(world, "approve", "contoso", before["hash"]).code == 1
    assert daemon.seen("approved") == []
    assert world.requests() == {}


def test_approve_lets_exactly_that_through(world):
    daemon = held_daemon(world)
    [answer] = ctl_json(world, "approve", "contoso", plan(world)["hash"])
    assert answer["approved"] == 6
    daemon.wait("approved")
    wait_until("six writes", lambda: world.requests() == {CHANGE: 6})
    assert in_state(world, "removed") == list(range(6))
    assert plan(world)["hash"] is None and plan(world)["actions"] == []
    assert ctl(world, "plan", "contoso").out.startswith("nothing waits")
    ctl(world, "sync")
    daemon.wait("poll_ok", count=2)
    assert len(daemon.seen("held")) == 1
    assert status(world)["held"] is False
    # once: when they are back and gone again, they wait again
    hide(world, range(6), hidden=False)
    ctl(world, "sync")
    wait_until("back", lambda: in_state(world, "active") == list(range(10)))
    hide(world, range(6))
    ctl(world, "sync")
    daemon.wait("held", count=2)
    assert in_state(world, "active") == list(range(10))


def test_an_approval_outlasts_a_restart_and_a_konnect_that_is_away(world):
    world.synced(count=10)
    hide(world, range(6))
    assert world.once().code == 75
    code = hash_of(world.run("--dry-run").out)
    world.konnect.fault("503", times=-1)
    assert world.once("--approve", f"contoso={code}").code == 75
    world.konnect.control("DELETE", "/fault")
    assert in_state(world, "removed") == []
    world.forget_requests()
    assert world.once().code == 0
    assert in_state(world, "removed") == list(range(6))
    assert world.writes() == {CHANGE: 6}


def test_once_with_approve(world):
    world.synced(count=10)
    hide(world, range(6))
    assert world.once().code == 75
    shown = world.run("--dry-run")
    assert shown.code == 0
    assert world.once("--approve", f"contoso={WRONG}").code == 1
    assert world.requests() == {k: v for k, v in world.requests().items() if k.startswith("GET")}
    result = world.once("--approve", f"contoso={hash_of(shown.out)}")
    assert result.code == 0, result
    assert world.writes() == {CHANGE: 6}
    assert in_state(world, "removed") == list(range(6))
    assert world.once().code == 0
    hide(world, range(6), hidden=False)
    assert world.once().code == 0
    assert in_state(world, "active") == list(range(10))


def test_the_unexplained_can_be_approved_one_by_one(world):
    world.synced(count=10, poll_interval="1h")
    hide(world, (3,))
    daemon = world.start()
    ctl(world, "sync")
    daemon.wait("missing")
    assert status(world)["held"] is False
    [action] = plan(world)["actions"]
    assert (action["action"], action["name"]) == ("remove", "repo-3") and "no recycle bin" in action["why"]
    assert ctl(world, "approve", "contoso", plan(world)["hash"]).code == 0
    wait_until("removed", lambda: in_state(world, "removed") == [3])
    ctl(world, "sync")
    daemon.wait("poll_ok", count=2)
    assert in_state(world, "removed") == [3] and plan(world)["hash"] is None


def test_an_approved_exclusion(world):
    world.synced(count=10)
    world.instance("contoso", include=["Payments/repo-0"])
    assert world.once().code == 75
    result = world.once("--approve", f"contoso={hash_of(world.run('--dry-run').out)}")
    assert result.code == 0, result
    assert in_state(world, "excluded") == list(range(1, 10))
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}
    world.instance("contoso")
    assert world.once().code == 0
    assert in_state(world, "active") == list(range(10))


def test_removals_and_creations_wait_together(world):
    world.synced(count=10)
    world.configure("konnect", create_limit=2)
    hide(world, range(6))
    for n in range(3):
        world.add_repo("contoso", "Payments", f"repo-{20 + n}")
    assert world.once().code == 75
    assert world.requests() == {}
    result = world.once("--approve", f"contoso={hash_of(world.run('--dry-run').out)}")
    assert result.code == 0, result
    assert in_state(world, "removed") == list(range(6)) and len(world.services()) == 13

"""What is too much at once waits: what holds it, what goes on beside it, and what ends it."""

import pytest
from control import status
from oracle import faults
from removal import (CHANGE, bins, delete, event, hash_of, hide, ids, in_state, nothing_deleted, pass_a_day, restore, states)


# Many at once.

LIMITS = [  # known, gone, removal_limit, what it comes to, held?
    (10, 5, None, 5, False),    # never fewer than 5
    (10, 6, None, 5, True),
    (40, 8, None, 8, False),    # 20 %
    (40, 9, None, 8, True),
    (10, 3, "3", 3, False),     # a number as it stands
    (10, 4, "3", 3, True),
    (10, 1, "0", 0, True),
    (20, 10, "50%", 10, False),
    (20, 11, "50%", 10, True),
]


@pytest.mark.parametrize("proven", [False, True])
@pytest.mark.parametrize("known, gone, limit, number, held", LIMITS)
def test_removal_limit(world, known, gone, limit, number, held, proven):
    """Proven or not."""
    world.synced(count=known, **({"removal_limit": limit} if limit else {}))
    before = world.objects()
    if proven:
        delete(world, range(gone))
    else:
        hide(world, range(gone))
    result = world.once()
    if not held:
        assert result.code == 0
        assert world.requests() == {CHANGE: gone}
        assert in_state(world, "removed" if proven else "missing") == list(range(gone))
        return
    assert result.code == 75
    assert world.requests() == {} and world.objects() == before
    assert "0 missing" in result.out
    assert f"held: {gone} of {known} repositories are missing from the listing" in result.out
    assert f"more than removal_limit ({number})" in result.out
    assert "adosyncctl approve" in result.out
    assert [e["level"] for e in event(result, "held")] == ["warning"]
    assert event(result, "missing") == event(result, "removed") == []
    assert world.once().code == 75    # judged anew at every poll
    assert world.requests() == {}


def test_what_is_missing_already_does_not_count_again(world):
    world.synced(count=10)
    hide(world, range(4))
    assert world.once().code == 0
    hide(world, (4, 5))
    result = world.once()
    assert result.code == 0
    assert "6 missing" in result.out
    assert in_state(world, "missing") == list(range(6))


# Everything.

@pytest.mark.parametrize("how", ["deleted for good", "hidden", "an empty listing", "the project deleted",
                                 "another organization"])
def test_everything_is_gone(world, how):
    """Held, even if it is only three."""
    world.synced(count=3)
    before = world.objects()
    if how == "deleted for good":
        delete(world, range(3), recycle=False)
    elif how == "hidden":
        hide(world, range(3))
    elif how == "an empty listing":
        world.ado.fault("empty", times=-1)
    elif how == "the project deleted":
        world.ado.control("DELETE", "/project", {"org": "contoso", "id": world.repo_id("contoso", "Payments")})
    else:
        world.organization("void")
        world.instance("contoso", url=f"{world.ado.url}/void", pat="pat-of-void")
    for _ in range(2):
        result = world.once()
        assert result.code == 75
        assert "held: the listing has none of the 3 repositories that were known" in result.out
        assert len(event(result, "held")) == 1
    assert world.requests() == {}
    assert world.objects() == before


@pytest.mark.parametrize("count, held", [(4, False), (5, True)])
def test_fewer_than_five_may_all_be_deleted(world, count, held):
    world.synced(count=count)
    delete(world, range(count))
    result = world.once()
    assert result.code == (75 if held else 0)
    assert in_state(world, "removed") == ([] if held else list(range(count)))
    assert world.requests() == ({} if held else {CHANGE: count})


# Drip by drip.

def test_deletions_of_a_day_add_up(world):
    """Over restarts, which every run here is."""
    world.synced(count=40, removal_limit="5")
    delete(world, (0, 1, 2))
    assert world.once().code == 0
    delete(world, (3, 4))
    assert world.once().code == 0
    delete(world, (5,))
    world.forget_requests()
    for _ in range(2):
        result = world.once()
        assert result.code == 75
        assert "held: 1 repositories were deleted, more within a day than removal_limit (5)" in result.out
        assert "PAT" not in result.out, "a recycle bin proves them: no permission is at fault"
        assert event(result, "removed") == []
    assert world.requests() == {}
    # what is only out of sight is no deletion, and does not wait for it
    hide(world, (10,))
    assert world.once().code == 75
    assert world.requests() == {CHANGE: 1} and in_state(world, "missing") == [10]
    pass_a_day(world)
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {CHANGE: 1}
    assert in_state(world, "removed") == [0, 1, 2, 3, 4, 5]


def test_what_was_approved_is_no_drip(world):
    world.synced(count=40, removal_limit="5")
    delete(world, range(10))
    held = world.run("--dry-run")
    assert world.once().code == 75
    assert world.once("--approve", f"contoso={hash_of(held.out)}").code == 0
    assert in_state(world, "removed") == list(range(10))
    delete(world, range(10, 15))
    assert world.once().code == 0
    assert in_state(world, "removed") == list(range(15))


# Filters.

def test_a_filter_that_excludes_too_many(world):
    world.synced(count=10)
    world.instance("contoso", include=["Payments/repo-0", "Payments/late"])
    world.add_repo("contoso", "Payments", "late")
    before = states(world)
    for n in range(2):
        result = world.once()
        assert result.code == 75
        assert "held: the filters exclude 9 repositories that are in the catalog, more than removal_limit (" in result.out
        assert "include, exclude and include_disabled" in result.out and "PAT" not in result.out
        assert (f"{1 - n} created") in result.out
    assert {name: s for name, s in states(world).items() if name != "late"} == before
    assert world.writes() == {"POST /catalog-services": 1, "POST /resource-mappings": 1}
    plan = world.run("--dry-run").out
    assert "contoso: excluded Payments / repo-1 (service contoso.payments.repo-1): held: a filter excludes it" in plan
    assert ": missing " not in plan
    world.instance("contoso")
    result = world.once()
    assert result.code == 0
    assert nothing_deleted(world)
    assert set(states(world).values()) == {"active"}


def test_excluded_and_included_again(world):
    world.synced(count=10)
    world.instance("contoso", exclude=["Payments/repo-0", "*/repo-1"])
    result = world.once()
    assert result.code == 0
    assert world.requests() == {CHANGE: 2}
    assert in_state(world, "excluded") == [0, 1]
    assert event(result, "removed") == event(result, "missing") == []
    # it may go and come as it likes
    hide(world, (0,))
    delete(world, (1,))
    result = world.once()
    assert result.code == 0
    assert world.requests() == {CHANGE: 2} and bins(world) == []
    assert event(result, "removed") == event(result, "missing") == []
    hide(world, (0,), hidden=False)
    restore(world, (1,))
    world.instance("contoso")
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {CHANGE: 2}
    assert in_state(world, "active") == list(range(10))


def test_what_changes_while_it_is_excluded_waits_until_it_is_included_again(world):
    world.synced(count=2)
    world.instance("contoso", exclude=["*/repo-0"])
    assert world.once().code == 0
    world.konnect.control("DELETE", "/requests")
    repo = world.repo_id("contoso", "Payments", "repo-0")
    world.edit_repo("contoso", repo, default_branch="refs/heads/next")
    world.ado.control("PATCH", "/project", {"org": "contoso", "name": "Payments", "visibility": "public"})
    assert world.once().code == 0
    changed = [r["path"] for r in world.konnect.control("GET", "/requests") if r["method"] == "PATCH"]
    assert changed == [f"/v1/catalog-services/{world.services()['contoso.payments.repo-1']['id']}"]
    excluded = world.services()["contoso.payments.repo-0"]["labels"]
    assert (excluded["azure-devops-state"], excluded["azure-devops-default-branch"]) == ("excluded", "main")
    assert excluded["azure-devops-visibility"] == "private"
    world.instance("contoso", exclude=[])
    assert world.once().code == 0
    assert faults(world) == []


def test_what_is_held_before_it_was_ever_pushed_is_not_made(world):
    """It is not in the listing any more, so nothing is created for it before it is back."""
    world.synced(count=10)
    for number in range(10, 20):
        world.add_repo("contoso", "Payments", f"repo-{number}")
    world.konnect.fault("503", times=-1)
    assert world.once().code == 75
    hide(world, range(10, 20))
    assert world.once().code == 75
    world.konnect.control("DELETE", "/fault")
    result = world.once()
    assert result.code == 75 and "held: 10 of 20" in result.out
    assert len(world.services()) == len(world.catalog()["mappings"]) == 10
    hide(world, range(10, 20), hidden=False)
    assert world.once().code == 0
    assert in_state(world, "active") == list(range(20)) and faults(world) == []


@pytest.mark.parametrize("mode", ["mark", "archive", "delete"])
def test_what_is_not_listed_is_not_excluded_by_the_name_it_had(world, mode):
    """Its project may be called otherwise by now: it is missing, and all of it is kept."""
    world.synced(count=3, on_remove=mode)
    world.add_repo("contoso", "Web", "shop")
    assert world.once().code == 0
    world.edit_repo("contoso", world.repo_id("contoso", "Web", "shop"), hidden=True)
    world.instance("contoso", on_remove=mode, exclude=["Web"])
    before = world.objects()
    for _ in range(2):
        assert world.once().code == 0
    assert states(world)["shop"] == "missing"
    after = world.objects()
    assert [s["id"] for s in after["services"]] == [s["id"] for s in before["services"]]
    assert (after["mappings"], after["resources"]) == (before["mappings"], before["resources"])


def test_what_was_excluded_and_is_gone_is_missing_when_it_is_not_excluded_any_more(world):
    world.synced(count=3)
    world.instance("contoso", exclude=["*/repo-0", "*/repo-1"])
    assert world.once().code == 0
    hide(world, [0])
    delete(world, [1])
    assert world.once().code == 0
    assert in_state(world, "excluded") == [0, 1]
    world.instance("contoso")
    for _ in range(2):
        assert world.once().code == 0
    assert in_state(world, "missing") == [0] and in_state(world, "removed") == [1]


def test_excluded_repositories_do_not_count(world):
    """Neither as known nor as missing."""
    world.repos("contoso", count=10)
    world.instance("contoso", include=["Payments/repo-0"])
    assert world.once().code == 0
    hide(world, range(1, 10))
    result = world.once()
    assert result.code == 0
    assert event(result, "missing") == []


# Without a cache nothing is known that could go missing.

def test_a_lost_cache_and_a_short_listing_remove_nothing(world):
    """What is not listed enters as missing; its removal is held as any other, however long it is missing."""
    world.synced(count=20, on_remove="delete")
    hide(world, range(1, 20))
    world.forget_cache()
    result = world.once()
    assert result.code == 0 and "19 missing" in result.out
    assert in_state(world, "missing") == list(range(1, 20)) and nothing_deleted(world)
    world.instance("contoso", on_remove="delete", remove_unexplained="1h")
    world.cache("UPDATE repository SET missing_since = missing_since - 4000 WHERE missing_since > 0")
    for _ in range(2):
        result = world.once()
        assert result.code == 75 and "held: 19 repositories" in result.out, result
    assert nothing_deleted(world) and len(world.services()) == 20
    hide(world, range(1, 20), hidden=False)
    assert world.once().code == 0
    assert in_state(world, "active") == list(range(20)) and nothing_deleted(world)


# What goes on, and what ends it.

def test_a_hold_keeps_nothing_else_back(world):
    world.synced(count=10)
    hide(world, range(6))
    world.edit_repo("contoso", *ids(world, (8,)), fork=True)
    world.add_repo("contoso", "Payments", "late")
    result = world.once()
    assert result.code == 75
    assert "1 created, 1 changed" in result.out
    assert world.writes() == {CHANGE: 1, "POST /catalog-services": 1, "POST /resource-mappings": 1}
    assert len(world.services()) == 11


def test_a_hold_ends_when_they_are_back(world):
    world.synced(count=10)
    hide(world, range(6))
    assert world.once().code == 75
    hide(world, range(6), hidden=False)
    result = world.once()
    assert result.code == 0
    assert event(result, "returned") == []    # they never counted as missing
    assert world.requests() == {}
    assert "--approve" not in world.run("--dry-run").out


def test_a_hold_ends_when_fewer_are_missing(world):
    world.synced(count=10)
    hide(world, range(6))
    assert world.once().code == 75
    hide(world, (5,), hidden=False)
    assert world.once().code == 0
    assert in_state(world, "missing") == list(range(5))


def test_one_organization_that_is_held_does_not_keep_the_others(world):
    world.synced(count=3)
    world.repos("fabrikam", count=2)
    world.instance("fabrikam")
    hide(world, range(3))
    result = world.once()
    assert result.code == 75
    assert "fabrikam: ok" in result.out
    assert len(world.services()) == 5


@pytest.mark.waits
def test_the_daemon_says_a_hold_once_and_its_end(world):
    world.synced(count=10, poll_interval="1s")
    hide(world, range(6))
    daemon = world.start()
    daemon.wait("poll_ok", count=2)
    assert len(daemon.seen("held")) == 1
    assert status(world)["held"] is True
    hide(world, range(6), hidden=False)
    daemon.wait("released")
    assert status(world)["held"] is False
    assert world.requests() == {}

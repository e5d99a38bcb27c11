"""Never delete what is only out of sight: whatever a listing leaves out, nothing is removed in Konnect."""

import pytest
from world import wait_until


def event(result, name):
    return [e for e in result.events if e.get("ADOSYNC_EVENT") == name]


def ids(world, numbers):
    return [world.repo_id("contoso", "Payments", f"repo-{n}") for n in numbers]


def delete(world, numbers, recycle=True):
    for repo in ids(world, numbers):
        world.delete_repo("contoso", repo, recycle)


def hide(world, numbers):
    for repo in ids(world, numbers):
        world.edit_repo("contoso", repo, hidden=True)


@pytest.mark.parametrize("how", ["deleted", "deleted for good", "out of sight"])
def test_a_few_are_recorded_and_reported_once(world, how):
    world.synced(count=10)
    before = world.objects()
    if how == "out of sight":
        hide(world, (3, 4))
    else:
        delete(world, (3, 4), recycle=how == "deleted")
    result = world.once()
    assert result.code == 0
    assert "8 repositories" in result.out and "2 missing" in result.out
    missing = event(result, "missing")
    assert sorted(e["ADOSYNC_REPOSITORY"] for e in missing) == sorted(ids(world, (3, 4)))
    assert all(e["level"] == "warning" and "kept" in e["message"] for e in missing)
    result = world.once()
    assert result.code == 0
    assert "2 missing" in result.out
    assert event(result, "missing") == []
    assert world.requests() == {}
    assert world.objects() == before


def test_they_come_back_as_they_were(world):
    world.synced(count=10)
    delete(world, (3, 4))
    world.once()
    for repo in ids(world, (3, 4)):
        world.ado.control("POST", "/restore", {"org": "contoso", "id": repo})
    result = world.once()
    assert result.code == 0
    assert "0 missing" in result.out
    assert sorted(e["ADOSYNC_REPOSITORY"] for e in event(result, "returned")) == sorted(ids(world, (3, 4)))
    assert world.requests() == {}


def test_one_comes_back_changed(world):
    world.synced(count=10)
    hide(world, (3,))
    world.once()
    world.edit_repo("contoso", *ids(world, (3,)), hidden=False, fork=True)
    result = world.once()
    assert result.code == 0
    assert len(event(result, "returned")) == 1
    assert world.requests() == {"PATCH /catalog-services/*": 1}
    assert "0 missing" in world.once().out


def test_one_that_is_changed_and_goes_missing_is_not_confused(world):
    """What was pending for it when it went missing does not create or remove anything twice."""
    world.synced(count=10)
    world.konnect.fault("401", times=-1)
    world.edit_repo("contoso", *ids(world, (3,)), fork=True)
    assert world.once().code == 75
    hide(world, (3,))
    world.konnect.control("DELETE", "/fault")
    world.forget_requests()
    world.once()
    assert not any(route.startswith(("DELETE", "POST")) for route in world.requests())
    assert len(world.services()) == 10


def test_one_that_goes_missing_before_it_was_created_is_not_created(world):
    world.synced(count=10)
    world.add_repo("contoso", "Payments", "late")
    world.konnect.fault("401", times=-1)
    assert world.once().code == 75
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "late"), hidden=True)
    world.konnect.control("DELETE", "/fault")
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "late"), hidden=False)
    assert world.once().code == 0
    assert len(world.services()) == 11


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


@pytest.mark.parametrize("known, gone, limit, number, held", LIMITS)
def test_removal_limit(world, known, gone, limit, number, held):
    world.synced(count=known, **({"removal_limit": limit} if limit else {}))
    before = world.objects()
    hide(world, range(gone))
    result = world.once()
    assert world.requests() == {}
    assert world.objects() == before
    if not held:
        assert result.code == 0
        assert f"{gone} missing" in result.out
        return
    assert result.code == 75
    assert "0 missing" in result.out
    assert f"{gone} of {known} repositories are missing from the listing" in result.out
    assert f"more than removal_limit ({number})" in result.out
    assert [e["level"] for e in event(result, "held")] == ["warning"]
    assert event(result, "missing") == []
    assert world.once().code == 75    # judged anew at every poll


@pytest.mark.parametrize("how", ["deleted", "hidden", "an empty listing", "the project deleted",
                                 "another organization"])
def test_everything_is_gone(world, how):
    """Held, even if it is only three."""
    world.synced(count=3)
    before = world.objects()
    if how == "deleted":
        delete(world, range(3))
    elif how == "hidden":
        hide(world, range(3))
    elif how == "an empty listing":
        world.ado.fault("empty")
    elif how == "the project deleted":
        world.ado.control("DELETE", "/project", {"org": "contoso", "id": world.repo_id("contoso", "Payments")})
    else:
        world.organization("void")
        world.instance("contoso", url=f"{world.ado.url}/void", pat="pat-of-void")
    result = world.once()
    assert result.code == 75
    assert "held: the listing has none of the 3 repositories that were known" in result.out
    assert len(event(result, "held")) == 1
    assert world.requests() == {}
    assert world.objects() == before


def test_a_hold_keeps_nothing_else_back(world):
    world.synced(count=10)
    hide(world, range(6))
    world.edit_repo("contoso", *ids(world, (8,)), fork=True)
    world.add_repo("contoso", "Payments", "late")
    result = world.once()
    assert result.code == 75
    assert "1 created, 1 changed" in result.out
    assert world.writes() == {"PATCH /catalog-services/*": 1, "POST /catalog-services": 1,
                              "POST /resource-mappings": 1}
    assert len(world.services()) == 11


def test_a_hold_ends_when_they_are_back(world):
    world.synced(count=10)
    hide(world, range(6))
    assert world.once().code == 75
    for repo in ids(world, range(6)):
        world.edit_repo("contoso", repo, hidden=False)
    result = world.once()
    assert result.code == 0
    assert event(result, "returned") == []    # they never counted as missing
    assert world.requests() == {}


@pytest.mark.waits
def test_the_daemon_says_a_hold_once_and_its_end(world):
    world.synced(count=10, poll_interval="1s")
    hide(world, range(6))
    daemon = world.start()
    daemon.wait("poll_ok", count=2)
    assert len(daemon.seen("held")) == 1
    for repo in ids(world, range(6)):
        world.edit_repo("contoso", repo, hidden=False)
    daemon.wait("released")
    assert world.requests() == {}


def test_excluded_repositories_do_not_count(world):
    """Neither as known nor as missing."""
    world.repos("contoso", count=10)
    world.instance("contoso", include=["Payments/repo-0"])
    assert world.once().code == 0
    hide(world, range(1, 10))
    result = world.once()
    assert result.code == 0
    assert event(result, "missing") == []


def test_one_organization_that_is_held_does_not_keep_the_others(world):
    world.synced(count=3)
    world.repos("fabrikam", count=2)
    world.instance("fabrikam")
    hide(world, range(3))
    result = world.once()
    assert result.code == 75
    assert "fabrikam: ok" in result.out
    wait_until("both", lambda: len(world.services()) == 5)

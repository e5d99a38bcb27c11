"""Never delete what is only out of sight: what proves a deletion, what does not, and what becomes of the services."""

import pytest
from removal import CHANGE, bins, delete, event, hide, ids, in_state, nothing_deleted, restore, states

PROOF = {"deleted": "removed", "deleted for good": "missing", "out of sight": "missing"}


@pytest.mark.parametrize("how", PROOF)
def test_a_few_are_labelled_and_reported_once(world, how):
    world.synced(count=10)
    mappings = world.objects()["mappings"]
    if how == "out of sight":
        hide(world, (3, 4))
    else:
        delete(world, (3, 4), recycle=how == "deleted")
    result = world.once()
    assert result.code == 0
    missing = 2 if PROOF[how] == "missing" else 0
    assert "8 repositories" in result.out and f"{missing} missing" in result.out
    said = event(result, PROOF[how])
    assert sorted(e["ADOSYNC_REPOSITORY"] for e in said) == sorted(ids(world, (3, 4)))
    assert {e["level"] for e in said} == {"warning" if missing else "notice"}
    assert all("kept" in e["message"] for e in said)
    assert world.requests() == {CHANGE: 2}
    assert bins(world) == [world.repo_id("contoso", "Payments")]
    assert in_state(world, PROOF[how]) == [3, 4]
    assert len(world.services()) == 10 and world.objects()["mappings"] == mappings
    world.forget_requests()
    result = world.once()
    assert result.code == 0
    assert event(result, "missing") == event(result, "removed") == []
    assert world.requests() == {}
    assert len(bins(world)) == (1 if missing else 0)    # what is explained is not asked for again
    assert world.compare().code == 0
    assert world.writes() == {}


def test_no_bin_is_asked_while_nothing_is_missing(world):
    world.synced(count=3)
    world.add_repo("contoso", "Payments", "late")
    assert world.once().code == 0
    assert bins(world) == []


def test_unexplained_at_first_and_proven_later(world):
    world.synced(count=10)
    hide(world, (3,))
    assert world.once().code == 0
    hide(world, (3,), hidden=False)
    delete(world, (3,))
    world.forget_requests()
    result = world.once()
    assert result.code == 0
    assert len(event(result, "removed")) == 1 and event(result, "returned") == []
    assert world.requests() == {CHANGE: 1}
    assert in_state(world, "removed") == [3]


UNREADABLE = {
    "401": {"kind": "status", "status": 401}, "403": {"kind": "403_vs403463"}, "404": {"kind": "status", "status": 404},
    "429": {"kind": "429", "retry_after": 1}, "500": {"kind": "status", "status": 500},
    "503": {"kind": "503_tf24668"}, "400": {"kind": "status", "status": 400}, "HTML": {"kind": "html_signin"},
    "redirect": {"kind": "redirect"}, "garbage": {"kind": "garbage"}, "wrong count": {"kind": "wrong_count"},
    "cut": {"kind": "truncate"}, "not closed": {"kind": "unclosed"}, "no list": {"kind": "not_array"},
    "an odd element": {"kind": "bad_element"}, "hung up": {"kind": "reset"}}


@pytest.mark.parametrize("how", UNREADABLE)
def test_a_bin_that_cannot_be_read_proves_nothing(world, how):
    """And is no failure of the poll."""
    world.synced(count=10)
    delete(world, (3, 4))
    world.ado.fault(times=-1, path_regex="(?i)recyclebin", **UNREADABLE[how])
    result = world.once()
    assert result.code == 0
    assert len(event(result, "missing")) == 2 and event(result, "removed") == []
    assert in_state(world, "missing") == [3, 4]
    assert world.requests() == {CHANGE: 2}
    assert len(bins(world)) in ((1, 2) if how == "hung up" else (2,) if how == "400" else (1,))    # libcurl tries again
    world.ado.control("DELETE", "/fault")
    world.forget_requests()
    assert len(event(world.once(), "removed")) == 2
    assert world.requests() == {CHANGE: 2}
    assert in_state(world, "removed") == [3, 4]


def test_a_server_that_knows_only_the_preview(world):
    world.synced(count=10)
    world.ado.control("PATCH", "/org", {"name": "contoso", "bin_preview_only": True})
    delete(world, (3,))
    assert world.once().code == 0
    assert [r["target"].split("api-version=")[1] for r in world.polls("contoso") if "ecycle" in r["path"]] == ["7.1", "7.1-preview.1"]
    assert in_state(world, "removed") == [3]


def two_projects(world, **keys):
    world.organization("contoso", [{"project": p, "name": f"repo-{n}"} for p, first in (("Payments", 0), ("Web", 10))
                                   for n in range(first, first + 10)])
    world.instance("contoso", **keys)
    assert world.once().code == 0
    world.forget_requests()


def test_one_bin_for_each_project(world):
    two_projects(world)
    delete(world, (1, 2))
    assert world.once().code == 0
    assert bins(world) == [world.repo_id("contoso", "Payments")]
    world.delete_repo("contoso", world.repo_id("contoso", "Web", "repo-12"), recycle=False)
    hide(world, (3,))
    world.forget_requests()
    assert world.once().code == 0
    assert sorted(bins(world)) == sorted([world.repo_id("contoso", "Payments"), world.repo_id("contoso", "Web")])
    assert (in_state(world, "removed"), in_state(world, "missing")) == ([1, 2], [3, 12])


def test_a_bin_that_asks_to_wait_is_the_last_of_its_poll(world):
    two_projects(world)
    delete(world, (1,))
    world.delete_repo("contoso", world.repo_id("contoso", "Web", "repo-12"))
    world.ado.fault("429", path_regex="(?i)recyclebin", retry_after=7)
    assert world.once().code == 0
    assert len(bins(world)) == 1
    assert in_state(world, "missing") == [1, 12]
    world.forget_requests()
    assert world.once().code == 0
    assert len(bins(world)) == 2 and in_state(world, "removed") == [1, 12]


@pytest.mark.parametrize("label", ["../../other/_apis/x?", "", None])
def test_a_label_is_no_part_of_an_address(world, label):
    """A service that enters without its repository names a project that is none."""
    world.synced(count=3)
    [service] = [s for name, s in world.services().items() if name.endswith("repo-1")]
    world.konnect.control("PATCH", "/service", {"id": service["id"], "labels": {"azure-devops-project-id": label}})
    delete(world, (1,))
    world.forget_cache()
    for _ in range(2):
        assert world.once().code == 0
    assert bins(world) == []
    assert [r["path"] for r in world.ado.control("GET", "/requests")] == ["/contoso/_apis/git/repositories"] * 2


@pytest.mark.parametrize("how", ["deleted", "out of sight"])
def test_a_project_that_is_gone_explains_nothing(world, how):
    """Its bin is gone with it, or cannot be read."""
    two_projects(world, removal_limit="10")
    if how == "deleted":
        world.ado.control("DELETE", "/project", {"org": "contoso", "id": world.repo_id("contoso", "Payments")})
    else:
        hide(world, range(10))
        world.ado.fault("status", times=-1, path_regex="(?i)recyclebin", status=404)
    assert world.once().code == 0
    assert in_state(world, "missing") == list(range(10))
    assert world.requests() == {CHANGE: 10} and len(bins(world)) == 1


def test_they_come_back_as_they_were(world):
    world.synced(count=10)
    before = states(world)
    delete(world, (3,))
    hide(world, (4,))
    assert world.once().code == 0
    restore(world, (3,))
    hide(world, (4,), hidden=False)
    world.forget_requests()
    result = world.once()
    assert result.code == 0
    assert "0 missing" in result.out
    assert sorted(e["ADOSYNC_REPOSITORY"] for e in event(result, "returned")) == sorted(ids(world, (3, 4)))
    assert world.requests() == {CHANGE: 2} and bins(world) == []
    assert states(world) == before


def test_one_comes_back_changed(world):
    world.synced(count=10)
    hide(world, (3,))
    world.once()
    world.edit_repo("contoso", *ids(world, (3,)), hidden=False, fork=True)
    world.forget_requests()
    result = world.once()
    assert result.code == 0
    assert len(event(result, "returned")) == 1
    assert world.requests() == {CHANGE: 1}
    assert in_state(world, "active") == list(range(10))


def test_one_that_is_changed_and_goes_missing_is_not_confused(world):
    """What was pending for it when it went missing does not create or remove anything twice."""
    world.synced(count=10)
    world.konnect.fault("401", times=-1)
    world.edit_repo("contoso", *ids(world, (3,)), fork=True)
    assert world.once().code == 75
    hide(world, (3,))
    world.konnect.control("DELETE", "/fault")
    world.forget_requests()
    assert world.once().code == 0
    assert world.writes() == {CHANGE: 1}
    assert in_state(world, "missing") == [3]


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


ONE_CHANGE = {
    "renamed": ({"name": "other"}, {"GET /catalog-services/*": 1, CHANGE: 1}),
    "moved": ({"project": "Web"}, {"GET /catalog-services/*": 1, CHANGE: 1}),
    "disabled": ({"disabled": True}, {CHANGE: 1}),
    "emptied": ({"default_branch": None}, {CHANGE: 1})}


@pytest.mark.parametrize("how", ONE_CHANGE)
def test_what_is_no_removal(world, how):
    changes, requests = ONE_CHANGE[how]
    world.synced(count=3)
    world.edit_repo("contoso", *ids(world, (1,)), **changes)
    assert world.once().code == 0
    assert world.requests() == requests and bins(world) == []
    assert set(states(world).values()) <= {"active", "disabled", "empty"}
    assert len(world.services()) == 3


def test_a_project_that_is_renamed_is_no_removal(world):
    world.synced(count=3)
    world.ado.control("PATCH", "/project", {"org": "contoso", "id": world.repo_id("contoso", "Payments"), "name": "Billing"})
    assert world.once().code == 0
    assert world.writes() == {CHANGE: 3} and bins(world) == []
    assert set(states(world).values()) == {"active"}


SHARED = {"of the project": {"map_to": "project"}, "of a map": {'map "shared"': {"repositories": ["Payments/*"]}}}


@pytest.mark.parametrize("which", SHARED)
def test_of_a_shared_service_only_our_mapping_goes(world, which):
    world.synced(count=5, **SHARED[which])
    assert (len(world.services()), len(world.objects()["mappings"])) == (1, 5)
    delete(world, (3,))
    hide(world, (4,))
    assert world.once().code == 0
    assert world.requests() == {"DELETE /resource-mappings/*": 1}
    assert (len(world.services()), len(world.objects()["mappings"])) == (1, 4)
    assert world.compare().code == 0
    assert world.writes() == {}
    restore(world, (3,))
    hide(world, (4,), hidden=False)
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {"POST /resource-mappings": 1}
    assert len(world.objects()["mappings"]) == 5
    world.instance("contoso", **SHARED[which], exclude=["*/repo-0"])
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {"DELETE /resource-mappings/*": 1}
    world.instance("contoso", **SHARED[which])
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {"POST /resource-mappings": 1}


def test_what_is_missing_enters_a_new_cache_as_missing(world):
    world.synced(count=10)
    hide(world, (3,))
    delete(world, (4,))
    world.forget_cache()
    world.forget_requests()
    result = world.once()
    assert result.code == 0
    assert "2 missing" in result.out
    assert world.writes().pop(CHANGE) == 2 and nothing_deleted(world)
    assert in_state(world, "missing") == [3, 4]
    world.forget_requests()
    assert world.once().code == 0
    assert (in_state(world, "missing"), in_state(world, "removed")) == ([3], [4])
    assert world.requests() == {CHANGE: 1}


def test_a_label_that_says_missing_outlasts_the_cache(world):
    world.synced(count=10)
    hide(world, (3,))
    delete(world, (4,))
    assert world.once().code == 0
    world.forget_cache()
    assert world.once().code == 0
    assert world.once().code == 0
    assert (in_state(world, "missing"), in_state(world, "removed")) == ([3], [4])
    hide(world, (3,), hidden=False)
    restore(world, (4,))
    assert world.once().code == 0
    assert in_state(world, "active") == list(range(10))

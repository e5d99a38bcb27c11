"""on_remove = archive and delete: what goes, what is remembered of it, and how it comes back."""

import pytest
from oracle import faults
from removal import CHANGE, delete, event, hash_of, ids, in_state, restore, states

ARCHIVE = "PATCH /integration-instances/*/resources/*"
MAP = "POST /resource-mappings"
DELETE = "DELETE /catalog-services/*"


def number(world, resource):
    return next(n for n in range(99) if ids(world, [n]) == [resource["config"]["repository_id"]])


def archived(world):
    """The numbers of the repositories whose resources are archived, sorted."""
    return sorted(number(world, r) for r in world.catalog()["resources"] if r.get("archived"))


def mapped(world):
    """Sorted pairs: the service's name, the number of the repository."""
    state = world.catalog()
    names = {s["id"]: s["name"].split(".")[-1] for s in state["services"]}
    return sorted((names[m["service"]["id"]], number(world, m["resource"])) for m in state["mappings"])


def map_to_theirs(world, repo, name="theirs"):
    """Somebody maps the resource to a service of theirs, too."""
    service = world.konnect.control("POST", "/service", {"name": name})
    [resource] = [m["resource"]["id"] for m in world.catalog()["mappings"]
                  if m["resource"]["config"]["repository_id"] == ids(world, [repo])[0]]
    world.konnect.control("POST", "/mapping", {"service": service["id"], "resource": resource})


OURS = [("repo-0", 0), ("repo-1", 1), ("repo-2", 2)]


def test_archived_and_back(world):
    """2 requests and a read to go; 2 and one for each remembered mapping to return."""
    world.synced(count=3, on_remove="archive")
    map_to_theirs(world, 0)
    delete(world, [0])
    assert world.once().code == 0
    assert world.requests() == {CHANGE: 1, "GET /resource-mappings": 1, ARCHIVE: 1}
    assert archived(world) == [0] and mapped(world) == OURS[1:]
    assert world.services()["contoso.payments.repo-0"]["labels"]["azure-devops-state"] == "removed"
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}
    restore(world, [0])
    assert world.once().code == 0
    assert world.requests() == {ARCHIVE: 1, CHANGE: 1, MAP: 2}
    assert archived(world) == [] and mapped(world) == sorted(OURS + [("theirs", 0)])


def test_deleted_and_back(world):
    """The service is looked at first, and made again when its repository returns."""
    world.synced(count=3, on_remove="delete")
    map_to_theirs(world, 0)
    delete(world, [0])
    assert world.once().code == 0
    assert world.requests() == {"GET /resource-mappings": 1, ARCHIVE: 1, "GET /catalog-services/*": 1, DELETE: 1}
    assert archived(world) == [0] and mapped(world) == OURS[1:]
    world.compare()
    assert mapped(world) == OURS[1:] and archived(world) == [0]
    restore(world, [0])
    assert world.once().code == 0
    assert archived(world) == [] and mapped(world) == sorted(OURS + [("theirs", 0)])


@pytest.mark.parametrize("label", ["managed-by", "KONGCTL-namespace"])
def test_a_service_that_is_not_ours_any_more_is_not_deleted(world, label):
    world.synced(count=3, on_remove="delete")
    labels = world.services()["contoso.payments.repo-0"]["labels"] | {label: "terraform"}
    world.konnect.control("PATCH", "/service", {"name": "contoso.payments.repo-0", "labels": labels})
    delete(world, [0])
    world.once()
    assert DELETE not in world.requests()
    assert "contoso.payments.repo-0" in world.services()


@pytest.mark.parametrize("mode", ["archive", "delete"])
def test_missing_is_not_removed(world, mode):
    world.synced(count=3, on_remove=mode)
    delete(world, [0], recycle=False)
    assert world.once().code == 0
    assert world.requests() == {CHANGE: 1}
    assert in_state(world, "missing") == [0] and archived(world) == [] and mapped(world) == OURS


@pytest.mark.parametrize("mode", ["archive", "delete"])
def test_excluded_and_back(world, mode):
    world.synced(count=3, on_remove=mode)
    world.instance("contoso", on_remove=mode, exclude=["Payments/repo-1"])
    assert world.once().code == 0
    assert archived(world) == [1] and mapped(world) == [OURS[0], OURS[2]]
    assert states(world).get("repo-1") == (None if mode == "delete" else "excluded")
    world.instance("contoso", on_remove=mode)
    assert world.once().code == 0
    assert archived(world) == [] and mapped(world) == OURS


@pytest.mark.waits
@pytest.mark.parametrize("returns", [False, True])
def test_the_answer_to_archive_is_lost(world, returns):
    """It is done and nobody heard of it: what was mapped is still remembered."""
    world.synced(count=3, on_remove="archive")
    map_to_theirs(world, 0)
    delete(world, [0])
    world.konnect.fault("lost_answer", path="/resources/", method="PATCH", times=-1)
    assert world.once().code == 75
    world.konnect.control("DELETE", "/fault")
    if returns:
        restore(world, [0])
    world.compare()
    assert world.once().code == 0
    if not returns:
        assert archived(world) == [0]
        restore(world, [0])
        assert world.once().code == 0
    assert archived(world) == [] and mapped(world) == sorted(OURS + [("theirs", 0)])


@pytest.mark.parametrize("mode", ["mark", "archive"])
def test_a_service_that_somebody_deleted_is_not_made_again(world, mode):
    world.synced(count=3, on_remove=mode)
    world.konnect.control("DELETE", "/service?name=contoso.payments.repo-0")
    delete(world, [0])
    assert world.once().code == 0
    assert not {MAP, "POST /catalog-services"} & set(world.requests())
    assert mapped(world) == OURS[1:]
    world.compare()
    assert mapped(world) == OURS[1:]


@pytest.mark.parametrize("mode", ["mark", "archive"])
def test_a_resource_that_somebody_archived_is_no_reason_to_wait_for_discovery(world, mode):
    """Konnect refuses to map that one; others are mapped all the same."""
    world.synced(count=3, on_remove=mode)
    [resource] = [m["resource"]["id"] for m in world.catalog()["mappings"] if m["service"]["name"].endswith("repo-0")]
    world.konnect.control("PATCH", "/resource", {"id": resource, "archived": True})
    assert "1 parked" in world.compare().out
    assert world.cache("SELECT parked FROM repository WHERE name = 'repo-0'")[0][0].endswith("is archived")
    world.add_repo("contoso", "Payments", "repo-3")
    assert world.once().code == 0
    assert mapped(world) == OURS[1:] + [("repo-3", 3)]
    world.konnect.control("PATCH", "/resource", {"id": resource, "archived": False})
    world.compare()
    assert mapped(world) == OURS + [("repo-3", 3)]


# What is too much at once.

def all_as_before(world, before):
    for _ in range(2):
        result = world.once()
        assert result.code == 75 and len(event(result, "held")) == 1, result
        assert world.writes() == {} and world.objects() == before
        world.forget_requests()


@pytest.mark.parametrize("mode", ["mark", "archive", "delete"])
def test_azure_devops_excludes_too_many(world, mode):
    """No filter has changed: the repositories have."""
    world.synced(count=8, on_remove=mode, include_disabled=False)
    before = world.objects()
    for repo in ids(world, range(8)):
        world.edit_repo("contoso", repo, disabled=True)
    all_as_before(world, before)
    for repo in ids(world, range(8)):
        world.edit_repo("contoso", repo, disabled=False)
    assert world.once().code == 0


@pytest.mark.parametrize("mode", ["mark", "archive", "delete"])
def test_a_project_is_renamed_out_of_the_filter(world, mode):
    world.synced(count=8, on_remove=mode, include=["Payments/*"])
    before = world.objects()
    world.ado.control("PATCH", "/project", {"org": "contoso", "name": "Payments", "new_name": "Web"})
    all_as_before(world, before)
    world.due()
    all_as_before(world, before)
    world.instance("contoso", on_remove=mode, include=["Web/*"])
    assert world.once().code == 0
    assert faults(world) == []


@pytest.mark.parametrize("mode", ["mark", "archive", "delete"])
def test_a_lost_cache_and_a_filter(world, mode):
    """What it held is known again only when Konnect was read."""
    world.synced(count=8, on_remove=mode)
    world.forget_cache()
    world.instance("contoso", on_remove=mode, exclude=["Payments/*"])
    world.once()
    world.forget_requests()
    all_as_before(world, world.objects())
    assert len(in_state(world, "active")) == 8


@pytest.mark.parametrize("mode", ["archive", "delete"])
@pytest.mark.parametrize("back", ["before", "later"])
def test_what_an_earlier_cache_archived_comes_back(world, mode, back):
    """It is known from Konnect's resources then."""
    world.synced(count=8, on_remove=mode)
    delete(world, [0])
    assert world.once().code == 0
    assert [r for r in world.objects()["resources"] if r["archived"]]
    world.forget_cache()
    if back == "later":
        assert world.once().code == 0
    restore(world, [0])
    world.forget_requests()
    assert world.once().code == 0
    assert faults(world) == []
    assert not [r for r in world.objects()["resources"] if r["archived"]]
    assert world.once().code == 0


@pytest.mark.parametrize("mode", ["archive", "delete"])
@pytest.mark.parametrize("why", ["deleted", "excluded"])
def test_what_an_earlier_cache_archived_stays_so_until_it_is_back(world, mode, why):
    """Whatever else changes of its service meanwhile."""
    world.synced(count=8, on_remove=mode)
    excluded = {"exclude": ["Payments/repo-0"]} if why == "excluded" else {}
    world.instance("contoso", on_remove=mode, **excluded)
    if why == "deleted":
        delete(world, [0])
    assert world.once().code == 0
    world.forget_cache()
    for labels in ([], [], ["a=b"]):
        world.instance("contoso", on_remove=mode, labels=labels, **excluded)
        assert world.once().code == 0
        assert archived(world) == [0]
    world.instance("contoso", on_remove=mode)
    if why == "deleted":
        restore(world, [0])
    assert world.once().code == 0
    assert archived(world) == [] and faults(world) == []


@pytest.mark.parametrize("mode", ["mark", "archive", "delete"])
def test_a_filter_over_shared_services(world, mode):
    world.synced(count=8, on_remove=mode, map_to="project")
    before = world.objects()
    world.instance("contoso", on_remove=mode, map_to="project", exclude=["Payments/*"])
    all_as_before(world, before)


def test_what_was_shown_under_mark_is_not_approved_under_delete(world):
    world.synced(count=8)
    world.instance("contoso", exclude=["Payments/*"])
    world.once()
    shown = hash_of(world.run("--dry-run").out)
    world.instance("contoso", on_remove="delete", exclude=["Payments/*"])
    world.forget_requests()
    assert world.run("--once", "--approve", f"contoso={shown}").code != 0
    assert world.writes() == {}

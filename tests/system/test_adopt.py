"""What is in Konnect already is taken over: after the cache was lost, from another daemon, and in its time."""

import os
import shutil
import time

import pytest
from world import wait_until

READ = "GET /catalog-services/*"
CHANGE = "PATCH /catalog-services/*"
OWN = {"GET /integrations": 1, "GET /integration-instances": 1, "PATCH /integration-instances/*": 1}
LISTS = {"GET /integration-instances": 1, "GET /catalog-services": 1, "GET /resource-mappings": 1}
PAGES = {"GET /catalog-services": 1, "GET /resource-mappings": 1}


def seen(result, event):
    return [e for e in result.events if e.get("ADOSYNC_EVENT") == event]


def lose(world):
    """A cycle without the cache that was."""
    world.forget_cache()
    world.forget_requests()
    return world.once()


def held(world, state=None):
    """What must not change."""
    state = state or world.objects()
    return state["services"], state["mappings"]


def quiet(world):
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}


# The cache is lost.

def test_five_hundred_services_are_adopted_with_ten_lists(world):
    """And one write, that of the integration instance's label."""
    world.configure("konnect", create_limit=0, max_in_flight=16)
    world.synced(count=500)
    before = world.objects()
    result = lose(world)
    assert result.code == 0, result
    assert "500 repositories, 0 created, 0 changed, 500 adopted" in result.out
    assert world.requests() == OWN | {"GET /catalog-services": 5, "GET /resource-mappings": 5}
    after = world.objects()
    assert [after[key] for key in ("services", "mappings", "resources")] == [
        before[key] for key in ("services", "mappings", "resources")]
    [summary] = [e for e in result.events if "compared with Konnect: 500 services" in e["message"]]
    assert "500 adopted" in summary["message"]
    assert len([e for e in seen(result, "adopted") if e["level"] != "debug"]) <= 60    # not a line for each
    quiet(world)


def test_adoption_is_not_held_as_a_creation_is(world):
    world.configure("konnect", create_limit=0)
    world.synced(count=5)
    world.configure("konnect", create_limit=4)
    result = lose(world)
    assert seen(result, "held") == []
    assert result.code == 0


def test_renamed_meanwhile(world):
    """The service keeps its name; its display name is still ours."""
    world.synced()
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), name="renamed")
    assert lose(world).code == 0
    assert world.requests() == OWN | PAGES | {CHANGE: 1, READ: 1}
    service = world.services()["contoso.payments.repo-1"]
    assert service["display_name"] == "Payments / renamed"
    assert service["custom_fields"]["git_repo"]["name"] == "renamed"
    assert len(world.services()) == len(world.catalog()["mappings"]) == 3
    quiet(world)


def test_names_swapped_meanwhile(world):
    """By its GUID a service is known, not by its name."""
    world.synced(count=2)
    first, second = (world.repo_id("contoso", "Payments", f"repo-{n}") for n in range(2))
    ids = {s["labels"]["azure-devops-repository-id"]: s["id"] for s in world.services().values()}
    for repo, name in ((first, "other"), (second, "repo-0"), (first, "repo-1")):
        world.edit_repo("contoso", repo, name=name)
    assert lose(world).code == 0
    services = world.services()
    assert {s["labels"]["azure-devops-repository-id"]: s["id"] for s in services.values()} == ids
    assert services["contoso.payments.repo-0"]["display_name"] == "Payments / repo-1"
    quiet(world)


def test_a_new_repository_of_an_old_name(world):
    """The old service is kept for its own repository, which is renamed; the new one gets a name of its own."""
    world.synced(count=2)
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), name="renamed")
    world.add_repo("contoso", "Payments", "repo-1", id="11111111-2222-4333-8444-555555555555")
    assert lose(world).code == 0
    services = world.services()
    assert services["contoso.payments.repo-1"]["display_name"] == "Payments / renamed"
    assert services["contoso.payments.repo-1.11111111"]["display_name"] == "Payments / repo-1"
    assert len(services) == len(world.catalog()["mappings"]) == 3
    quiet(world)


def test_services_whose_repository_is_gone_are_entered_as_missing(world):
    """And kept, and theirs again when it is back."""
    world.synced(count=5)
    before = world.objects()
    gone = world.repo_id("contoso", "Payments", "repo-1")
    world.edit_repo("contoso", gone, hidden=True)
    result = lose(world)
    assert result.code == 0
    assert "4 repositories, 0 created, 1 changed, 4 adopted, 1 missing" in result.out
    [event] = seen(result, "missing")
    assert event["ADOSYNC_REPOSITORY"] == gone and "contoso.payments.repo-1" in event["message"]
    assert world.writes() == {"PATCH /integration-instances/*": 1, CHANGE: 1}
    assert world.services()["contoso.payments.repo-1"]["labels"]["azure-devops-state"] == "missing"
    assert world.objects()["mappings"] == before["mappings"]
    assert "1 missing" in world.once().out
    world.edit_repo("contoso", gone, hidden=False)
    world.forget_requests()
    result = world.once()
    assert result.code == 0
    assert [e["ADOSYNC_REPOSITORY"] for e in seen(result, "returned")] == [gone]
    assert world.writes() == {CHANGE: 1}
    assert "0 missing" in world.once().out
    after = world.objects()
    for state in (before, after):
        state["services"] = [{k: v for k, v in s.items() if k != "updated_at"} for s in state["services"]]
    assert held(world, after) == held(world, before)


def test_everything_is_gone_and_the_cache_is_lost(world):
    """An empty listing on an empty cache removes nothing; the services say that their repositories are missing."""
    world.synced(count=3)
    before = world.objects()
    world.ado.fault("empty", times=-1)
    lose(world)
    assert world.writes() == {"PATCH /integration-instances/*": 1, CHANGE: 3}
    world.compare()
    assert world.writes() == {}
    assert {s["labels"]["azure-devops-state"] for s in world.services().values()} == {"missing"}
    assert set(world.services()) == {s["name"] for s in before["services"]}
    assert world.objects()["mappings"] == before["mappings"]


def test_a_service_that_only_looks_like_ours(world):
    """Another instance's label, or no managed-by: somebody's, and the name is taken."""
    world.synced(count=1)
    world.konnect.control("POST", "/service", {
        "name": "contoso.payments.late", "labels": {"azure-devops-instance": "contoso"}})
    world.add_repo("contoso", "Payments", "late")
    assert lose(world).code == 0
    late = world.repo_id("contoso", "Payments", "late")
    services = world.services()
    assert services["contoso.payments.late"]["labels"] == {"azure-devops-instance": "contoso"}
    assert services[f"contoso.payments.late.{late[:8]}"]["labels"]["azure-devops-repository-id"] == late
    assert world.compare().code == 0
    assert world.writes() == {}


def test_a_copy_of_our_service_is_left_alone(world):
    """The one that we know is ours, and the second with its labels is nobody's."""
    world.synced(count=1)
    service = world.services()["contoso.payments.repo-0"]
    world.konnect.control("POST", "/service", {"name": "copy", "labels": service["labels"], "display_name": "A copy"})
    copy = world.services()["copy"]
    assert world.compare().code == 0
    assert world.writes() == {}
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-0"), name="renamed")
    assert world.once().code == 0
    assert world.services()["copy"] == copy
    assert world.services()["contoso.payments.repo-0"]["display_name"] == "Payments / renamed"


# A list that changes while it is read: 150 services are two pages.

@pytest.fixture(name="many")
def many_services(world):
    world.configure("konnect", max_in_flight=16)
    world.synced(count=150)
    return world


PAGE_2 = r"/catalog-services\?.*page%5Bnumber%5D=2"


@pytest.mark.parametrize("how", ["total", "page fails", "page is refused"])
def test_the_second_page_goes_wrong(many, how):
    before = many.objects()
    faults = {"total": {"kind": "short_list", "n": 1}, "page fails": {"kind": "garbage"},
              "page is refused": {"kind": "status", "status": 400}}
    many.konnect.fault(method="GET", path_regex=PAGE_2, **faults[how])
    result = many.compare()
    assert result.code == 0, result
    assert many.writes() == {}
    said = [e for e in result.events if e["level"] == "warning"]
    assert said, result
    if how == "total":
        assert "changed while it was read" in said[0]["message"]
    assert many.objects() == before


def test_a_service_that_slips_through_between_two_pages(many):
    """One of the first page goes while it is read, so that the second begins one too late."""
    before = many.services()
    many.konnect.control("POST", "/settings", {"totals": "absent"})
    many.konnect.fault("slow", method="GET", path_regex=r"/catalog-services\?.*page%5Bnumber%5D=1$", seconds=0.7)
    many.due()
    many.forget_requests()
    daemon = many.start("--once", ready=False)
    wait_until("the first page", lambda: [f for f in many.konnect.control("GET", "/fault") if f["fired"]])
    many.konnect.control("DELETE", "/service", {"name": "contoso.payments.repo-3"})
    assert daemon.process.wait(20) == 0
    after = many.services()
    del before["contoso.payments.repo-3"]
    after.pop("contoso.payments.repo-3", None)
    assert after == before
    assert many.requests()[READ] == 1    # it was looked at, and is there
    assert many.compare().code == 0
    assert len(many.services()) == 150


# Another daemon.

def directory(world, name):
    world.configure("daemon", state_directory=os.path.join(world.dir, name))
    world.state = os.path.join(world.dir, name)


@pytest.mark.waits
def test_a_second_daemon_takes_over_and_the_first_waits(world):
    world.synced(poll_interval="1s")
    world.configure("konnect", reconcile_interval="1s")
    first = world.start()
    directory(world, "second")
    assert world.once().code == 0
    directory(world, "state")
    [event] = first.wait("second_writer")
    assert event["level"] == "error"
    assert "another adosyncd" in event["message"] and '"writer"' in event["message"]
    world.forget_requests()
    world.add_repo("contoso", "Payments", "late")
    first.wait("poll_ok", count=len(first.seen("poll_ok")) + 3)
    assert world.writes() == {}
    assert len(first.seen("second_writer")) == 1    # said once
    assert first.stop().code == 0
    result = world.once()
    assert result.code == 75 and "another adosyncd" in result.out
    assert world.writes() == {}
    os.unlink(os.path.join(world.state, "writer"))
    world.forget_requests()
    result = world.once()
    assert result.code == 0, result
    assert world.writes() == {"PATCH /integration-instances/*": 1, "POST /catalog-services": 1,
                              "POST /resource-mappings": 1}
    directory(world, "second")
    world.due()
    result = world.once()
    assert result.code == 75
    assert "another adosyncd" in result.out
    assert len(world.services()) == 4


def test_a_copy_of_the_state_directory_is_no_second_daemon(world):
    """It has the writer's file: a machine that was moved."""
    world.synced()
    shutil.copytree(world.state, os.path.join(world.dir, "moved"))
    directory(world, "moved")
    assert world.compare().code == 0
    assert world.requests() == LISTS


# When.

def test_a_comparison_is_not_early_after_a_restart(world):
    world.synced(poll_interval="1s")
    [[before]] = world.cache("SELECT last_reconcile FROM instance")
    for _ in range(2):
        daemon = world.start()
        daemon.wait("poll_ok")
        assert daemon.stop().code == 0
    assert world.requests() == {}
    assert world.cache("SELECT last_reconcile FROM instance") == [(before,)]


def test_a_comparison_that_is_due_comes_with_the_start(world):
    """Whether the poll is due or not; a remembered time in the future counts as due."""
    world.synced()
    assert world.once().code == 0
    for at in (int(time.time()) - 7 * 3600, int(time.time()) + 24 * 3600):
        world.cache(f"UPDATE instance SET last_reconcile = {at}")
        world.forget_requests()
        daemon = world.start()
        wait_until("a comparison", lambda: any("compared with Konnect" in e["message"] for e in daemon.events))
        assert world.requests() == LISTS
        assert daemon.stop().code == 0
        [[last]] = world.cache("SELECT last_reconcile FROM instance")
        assert abs(last - time.time()) < 60


@pytest.mark.waits
def test_a_daemon_compares_by_itself(world):
    """Between polls, too."""
    world.synced(poll_interval="1h")
    world.configure("konnect", reconcile_interval="1s")
    daemon = world.start()
    wait_until("comparisons", lambda: world.requests().get("GET /resource-mappings", 0) >= 2)
    world.konnect.control("DELETE", "/service", {"name": "contoso.payments.repo-1"})
    daemon.wait("repaired")
    wait_until("it is back", lambda: len(world.services()) == 3)
    assert len(world.polls("contoso")) <= 1
    assert daemon.stop().code == 0


def test_what_was_parked_is_tried_again(world):
    world.konnect.control("POST", "/settings", {"refuse_names": ["contoso.payments.repo-1"]})
    world.synced()
    assert len(world.services()) == 2
    world.konnect.control("POST", "/settings", {"refuse_names": []})
    result = world.once()
    assert world.requests() == {} and "1 parked" in result.out
    result = world.compare()
    assert result.code == 0 and "0 parked" in result.out
    assert world.writes() == {"POST /catalog-services": 1, "POST /resource-mappings": 1}
    assert len(world.services()) == 3

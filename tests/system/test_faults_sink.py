"""Konnect at its worst, for the daemon: it recovers by itself, and says so once."""

import pytest
from world import wait_until


def prepare(world, count=3):
    world.repos("contoso", count=count)
    world.instance("contoso", poll_interval="1s")


def wait_for_services(world, count, seconds=30):
    wait_until(f"{count} services", lambda: len(world.catalog()["mappings"]) == count, seconds)
    assert len(world.services()) == count


@pytest.mark.waits
@pytest.mark.parametrize("fault", ["503", "html", "reset_before", "garbage"])
def test_recovers_by_itself_and_says_so_once(world, fault):
    prepare(world)
    world.konnect.fault(fault, path_regex="/integrations", times=2)
    daemon = world.start()
    [lost] = daemon.wait("sink_lost")
    assert lost["level"] == "warning"
    [restored] = daemon.wait("sink_restored", seconds=30)
    assert restored["level"] == "notice"
    wait_for_services(world, 3)
    assert len(daemon.seen("sink_lost")) == 1
    assert len(daemon.seen("sink_restored")) == 1
    assert daemon.stop().code == 0


@pytest.mark.waits
def test_waits_as_long_as_konnect_asks(world):
    prepare(world)
    world.konnect.fault("429", path_regex="/integrations", retry_after=3)
    daemon = world.start()
    daemon.wait("sink_lost")
    wait_for_services(world, 3)
    first, second = [r["time"] for r in world.konnect.control("GET", "/requests")][:2]
    assert 3 <= second - first < 6
    assert len(daemon.seen("sink_restored")) == 1


@pytest.mark.waits
def test_polling_goes_on_while_konnect_is_out(world):
    """And what has changed meanwhile is pushed in its last form."""
    prepare(world)
    world.konnect.control("POST", "/settings", {"token": "kpat_another"})
    daemon = world.start()
    daemon.wait("sink_lost")
    world.forget_requests()
    wait_until("polls", lambda: len(world.polls("contoso")) >= 2)
    repo = world.repo_id("contoso", "Payments", "repo-1")
    world.edit_repo("contoso", repo, name="second")
    daemon.wait("poll_ok", count=4)
    assert world.requests() == {}
    world.secret("konnect-token", "kpat_another")    # seen without a signal
    daemon.wait("sink_restored", seconds=10)
    wait_for_services(world, 3)
    assert "Payments / second" in [s["display_name"] for s in world.services().values()]
    assert len(daemon.seen("sink_lost")) == 1


@pytest.mark.waits
def test_a_change_while_the_last_one_is_on_its_way(world):
    world.synced(poll_interval="1s")
    repo, name = world.repo_id("contoso", "Payments", "repo-1"), "contoso.payments.repo-1"
    world.konnect.fault("slow", method="PATCH", seconds=3)
    daemon = world.start()
    world.edit_repo("contoso", repo, default_branch="refs/heads/first")
    daemon.wait("poll_ok", count=2)
    wait_until("the PATCH", lambda: world.konnect.control("GET", "/counts")["in_flight"] == 1)
    world.edit_repo("contoso", repo, default_branch="refs/heads/second")
    wait_until("second", lambda: world.services()[name]["labels"]["azure-devops-default-branch"] == "second")
    daemon.wait("changed", count=2)
    assert world.requests() == {"PATCH /catalog-services/*": 2}


@pytest.mark.waits
def test_a_service_that_is_deleted_in_konnect_comes_back_with_its_next_change(world):
    """Confirmed by one GET before it is created again."""
    world.synced(poll_interval="1s")
    world.konnect.control("DELETE", "/service", {"name": "contoso.payments.repo-1"})
    daemon = world.start()
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), fork=True)
    daemon.wait("created")
    assert world.requests() == {"PATCH /catalog-services/*": 1, "GET /catalog-services/*": 1,
                                "POST /catalog-services": 1, "POST /resource-mappings": 1}
    assert world.services()["contoso.payments.repo-1"]["labels"]["azure-devops-fork"] == "true"

"""Whatever happens to a repository that is still there is one change of the service it has: the same GUID, the same service,
the same mapping, and never a removal and a creation."""

import signal

import pytest
from oracle import faults
from removal import hash_of
from world import PAT, wait_until

READ, CHANGE = "GET /catalog-services/*", "PATCH /catalog-services/*"
OTHER = "22222222-2222-4333-8444-555555555555"


def repository(world, **changes):
    return world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), **changes)


def project(world, **changes):
    world.ado.control("PATCH", "/project", {"org": "contoso", "name": "Payments", **changes})


# what happens, how many services change, and whether their link does, which is read before it is written
EDITS = {
    "renamed": (lambda w: repository(w, name="renamed"), 1, True),
    "moved to another project": (lambda w: repository(w, project=OTHER), 1, True),
    "its project is renamed": (lambda w: project(w, new_name="Money"), 3, True),
    "its project is described": (lambda w: project(w, description="Words"), 3, False),
    "another default branch": (lambda w: repository(w, default_branch="refs/heads/next"), 1, False),
    "disabled": (lambda w: repository(w, disabled=True), 1, False),
    "in maintenance": (lambda w: repository(w, maintenance=True), 1, False),
    "emptied": (lambda w: repository(w, default_branch=None), 1, False),
    "excluded": (lambda w: w.instance("contoso", exclude=["*/repo-1"]), 1, False),
}
BACK = {
    "renamed": lambda w: repository(w, name="repo-1"),
    "moved to another project": lambda w: repository(w, project=w.repo_id("contoso", "Payments")),
    "its project is renamed": lambda w: w.ado.control("PATCH", "/project", {"org": "contoso", "name": "Money", "new_name": "Payments"}),
    "its project is described": lambda w: project(w, description=None),
    "another default branch": lambda w: repository(w, default_branch="refs/heads/main"),
    "disabled": lambda w: repository(w, disabled=False),
    "in maintenance": lambda w: repository(w, maintenance=False),
    "emptied": lambda w: repository(w, default_branch="refs/heads/main"),
    "excluded": lambda w: w.instance("contoso"),
}


def identities(world):
    """What a removal and a creation would change."""
    state = world.objects()
    return ([(s["id"], s["name"], s["labels"]["azure-devops-repository-id"]) for s in state["services"]],
            [m["id"] for m in state["mappings"]], [r["id"] for r in state["resources"]])


@pytest.mark.parametrize("edit", EDITS)
def test_one_change_and_one_back(world, edit):
    change, services, link = EDITS[edit]
    world.synced(count=3)
    world.ado.control("POST", "/project", {"org": "contoso", "name": "Web", "id": OTHER})
    before = identities(world)
    expected = {CHANGE: services} | ({READ: services} if link else {})
    for step in (change, BACK[edit]):
        world.forget_requests()
        step(world)
        assert world.once().code == 0
        assert world.requests() == expected
        assert identities(world) == before
        if edit != "excluded" or step is not change:
            assert faults(world) == []


def rename_organization(world, keep=True):
    """Its repositories keep their GUIDs; otherwise it is another organization."""
    repos = [{"project": "Payments", "name": f"repo-{n}"} for n in range(6)]
    if keep:
        for repo in repos:
            repo["id"] = world.repo_id("contoso", "Payments", repo["name"])
    world.organization("wingtip", repos, projects=[{"name": "Payments", "id": world.repo_id("contoso", "Payments")}] if keep else ())
    world.secret("contoso.pat", PAT + "wingtip")
    world.instance("contoso", organization="wingtip", pat=PAT + "wingtip")


def test_an_organization_that_is_renamed(world):
    world.synced(count=6)
    before = identities(world)
    rename_organization(world)
    result = world.once()
    assert result.code == 0, result
    assert world.requests() == {"GET /integration-instances": 1, "PATCH /integration-instances/*": 1, READ: 6, CHANGE: 6}
    assert identities(world) == before
    assert world.konnect_instance()["config"]["organization"] == "wingtip"
    world.cache("UPDATE instance SET last_reconcile = 1")
    world.forget_requests()
    assert world.once().code == 0
    assert not any(route.split()[0] != "GET" for route in world.requests())


def test_another_organization_is_no_rename(world):
    """Nothing is sent while its listing has none of what was known."""
    world.synced(count=6)
    before = world.objects()
    rename_organization(world, keep=False)
    for _ in range(2):
        result = world.once()
        assert result.code == 75
        assert "held: " in result.out
        assert world.requests() == {}
    assert world.objects() == before
    world.instance("contoso", organization="contoso")
    world.once()
    assert world.objects() == before


def test_a_renamed_organization_whose_repositories_are_out_of_sight_waits(world):
    """The new token sees a few of them only."""
    world.synced(count=20)
    rename_organization(world)
    result = world.once()
    assert result.code == 75 and "14 of 20 repositories are missing" in result.err
    assert world.requests() == {}


def test_after_losing_the_cache_another_name_is_refused(world):
    """Nothing tells any more that it was the same organization."""
    world.synced(count=6)
    rename_organization(world)
    world.forget_cache()
    result = world.once()
    assert result.code == 75
    assert 'is for the organization "contoso", the configuration says "wingtip"' in result.out
    assert not any(route.split()[0] != "GET" for route in world.requests())


def test_what_is_approved_of_a_renamed_organization_is_pushed_at_once(world):
    world.synced(count=20)
    rename_organization(world)
    assert world.once().code == 75
    shown = hash_of(world.run("--dry-run").out)
    assert world.once("--approve", f"contoso={shown}").code == 0
    assert world.konnect_instance()["config"]["organization"] == "wingtip"


@pytest.mark.waits
def test_a_listing_of_the_old_name_lets_nothing_follow_the_new_one(world):
    """It was under way when the configuration was read anew, and has all that was known."""
    world.synced(count=40, poll_interval="1h")
    before = world.objects()
    world.cache("UPDATE instance SET next_poll = 0")
    world.ado.fault("drip", bytes_per_second=8000)
    daemon = world.start()
    wait_until("a poll", lambda: world.polls("contoso"))
    world.instance("contoso", organization="typo", poll_interval="1h", pat=PAT + "contoso")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait("reloaded")
    daemon.wait("poll_ok")
    daemon.wait("blocked")
    assert world.writes() == {} and world.objects() == before

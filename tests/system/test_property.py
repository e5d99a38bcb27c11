"""Random worlds (property.py): whatever happens, when it is quiet again Konnect holds what the design says.

ADOSYNCD_WORLDS=N tells N stories instead of a handful, ADOSYNCD_SEED=N one of them again. How far a program got when it was
stopped depends on the machine, so a story that fails may take more than one try to fail again."""

import os
import signal

import crash
import pytest
from oracle import faults
from property import Story
from test_one_change import rename_organization
from world import wait_until

WORLDS = 5
DAMAGED = 26    # in which the cache turns out to be damaged just where a comparison with Konnect begins


def seeds():
    if os.environ.get("ADOSYNCD_SEED"):
        return [int(os.environ["ADOSYNCD_SEED"])]
    if os.environ.get("ADOSYNCD_WORLDS"):
        return range(1, int(os.environ["ADOSYNCD_WORLDS"]) + 1)
    return [*range(1, WORLDS + 1), DAMAGED]


@pytest.mark.waits
@pytest.mark.parametrize("seed", seeds())
def test_a_random_world(world, seed):
    story = Story(seed, world)
    try:
        story.tell_all()
    except Exception as error:
        told = "\n  ".join(story.told)
        raise AssertionError(f"{error}\nADOSYNCD_SEED={seed} tells it again:\n  {told}\n{story.log_end()}") from error
    finally:
        story.close()


# What random worlds and crashes have found, each by itself.

def project_renamed(world):
    """Its repositories' services have kept their names, and a new project takes the old one."""
    world.ado.control("PATCH", "/project", {"org": "contoso", "name": "Payments", "new_name": "Money"})
    assert world.once().code == 0


def test_a_name_is_not_taken_from_a_service_that_is_adopted(world):
    """After losing the cache a new repository means to have a name that one of ours has."""
    world.synced(count=2)
    project_renamed(world)
    world.forget_cache()
    world.ado.control("POST", "/project", {"org": "contoso", "name": "Payments", "id": "22222222-2222-4333-8444-555555555555"})
    world.add_repo("contoso", "Payments", "repo-0", id="11111111-2222-4333-8444-555555555555")
    assert world.once().code == 0
    assert sorted(world.services()) == ["contoso.payments.repo-0", "contoso.payments.repo-0.11111111", "contoso.payments.repo-1"]
    assert world.services()["contoso.payments.repo-0"]["display_name"] == "Money / repo-0"
    assert faults(world) == []
    assert len(world.catalog()["mappings"]) == 3


def test_the_service_of_a_missing_repository_keeps_its_display_name_when_the_cache_is_lost(world):
    """Its project's name has nothing that a label can hold."""
    world.synced(count=1)
    world.add_repo("contoso", "日本支社", "api")
    assert world.once().code == 0
    world.delete_repo("contoso", world.repo_id("contoso", "日本支社", "api"), recycle=False)
    world.forget_cache()
    for _ in range(2):
        assert world.once().code == 0
    [service] = [s for s in world.services().values() if s["labels"]["azure-devops-state"] == "missing"]
    assert service["display_name"] == "日本支社 / api"


def test_a_label_that_is_configured_no_more_goes_although_it_is_time_to_reconcile(world):
    world.synced(count=2, labels=["team=web", "tier=gold"])
    world.instance("contoso", labels=["tier=gold"])
    world.cache("UPDATE instance SET last_reconcile = 1")
    assert world.once().code == 0
    assert all("team" not in service["labels"] and service["labels"]["tier"] == "gold" for service in world.services().values())


def test_a_mapping_is_repaired_together_with_the_label_of_its_service(world):
    world.synced(count=2)
    [mapping, _] = world.catalog()["mappings"]
    world.konnect.control("DELETE", f"/mapping?id={mapping['id']}")
    world.konnect.control("PATCH", "/service", {"id": mapping["service"]["id"], "labels": {"azure-devops-instance": None}})
    world.cache("UPDATE instance SET last_reconcile = 1")
    assert world.once().code == 0
    assert faults(world) == []


@pytest.mark.parametrize("description", [False, True])
def test_what_got_there_without_an_answer_is_no_edit(world, description):
    """The next changes of the same fields are ours as well."""
    world.synced(count=1)
    life = crash.Life(world)
    repo = world.repo_id("contoso", "Payments", "repo-0")
    for number in range(3):
        if description:
            world.ado.control("PATCH", "/project", {"org": "contoso", "name": "Payments", "description": f"words {number}"})
        else:
            world.edit_repo("contoso", repo, name=f"name-{number}")
        if number < 2:
            world.konnect.fault("kill_after", method="PATCH", pid_file=life.pid_file)
            assert world.once(env=life.environment()).code == -signal.SIGKILL
            life.settle()
    world.cache("UPDATE instance SET last_reconcile = 1")
    assert world.once().code == 0
    assert faults(world) == []


WEB = "22222222-2222-4333-8444-555555555555"
KEYS = {
    "as Konnect has them": None,
    "names": ["organization", "project", "repository"],
    "project and id": ["project", "repository_id"],
    "name and id": ["name", "repository_id"],
}
MOVES = {
    "moves": lambda w, repo: w.edit_repo("contoso", repo, project=WEB),
    "is renamed": lambda w, repo: w.edit_repo("contoso", repo, name="renamed"),
    "its project is renamed": lambda w, repo: w.ado.control(
        "PATCH", "/project", {"org": "contoso", "name": "Payments", "new_name": "Money"}),
    "its organization is renamed": lambda w, repo: rename_organization(w),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("keys", KEYS)
def test_a_repository_that_moves_while_its_mapping_is_on_its_way_has_one(world, keys, move):
    """Whatever of it Konnect knows a resource by."""
    if KEYS[keys]:
        definition = {key: "string" for key in KEYS[keys]}
        world.konnect.control("POST", "/settings", {"resource_types": {"repository": {
            "display_name": "Repository", "schema": {"type": "simple", "definition": definition}}}})
    world.synced(count=5)
    world.ado.control("POST", "/project", {"org": "contoso", "name": "Web", "id": WEB})
    repo = world.add_repo("contoso", "Payments", "repo-5")["id"]
    life = crash.Life(world)
    world.konnect.fault("kill_after", method="POST", path_regex="mappings", pid_file=life.pid_file)
    assert world.once(env=life.environment()).code == -signal.SIGKILL
    life.settle()
    MOVES[move](world, repo)
    assert world.once().code == 0
    assert len(world.catalog()["mappings"]) == 6
    world.compare()
    assert world.writes() == {} and len(world.catalog()["mappings"]) == 6


def test_a_repository_that_moves_while_its_service_is_on_its_way(world):
    """What is sent next was decided before, and may get there without an answer."""
    world.konnect.control("POST", "/settings", {"resource_types": {"repository": {
        "display_name": "Repository", "schema": {"type": "simple", "definition": {"project": "string", "repository_id": "string"}}}}})
    world.synced(count=1, poll_interval="1s")
    world.cache("UPDATE instance SET next_poll = 0")
    world.ado.control("POST", "/project", {"org": "contoso", "name": "Web", "id": WEB})
    world.konnect.fault("slow", method="POST", path_regex="catalog-services", seconds=4)
    life = crash.Life(world)
    daemon = world.start(env=life.environment())
    daemon.wait("poll_ok")
    world.forget_requests()
    repo = world.add_repo("contoso", "Payments", "repo-1")["id"]
    wait_until("the service", lambda: "POST /catalog-services" in world.requests())
    world.edit_repo("contoso", repo, project=WEB)
    world.konnect.fault("kill_after", method="POST", path_regex="mappings", pid_file=life.pid_file)
    world.ado.control("DELETE", "/requests")
    wait_until("a poll", lambda: len(world.polls("contoso")) > 1)
    daemon.process.wait(10)
    life.settle()
    assert world.once().code == 0
    assert [m["resource"]["config"]["project"] for m in world.catalog()["mappings"]
            if m["resource"]["config"]["repository_id"] == repo] == ["Payments"]
    world.compare()
    assert world.writes() == {}


def test_a_new_writer_that_is_killed_before_it_takes_over_is_no_second_writer(world):
    world.synced(count=1)
    world.forget_cache()
    world.konnect.fault("401", times=-1)
    assert world.once().code == 75      # the file is there, and Konnect has not heard of it
    assert open(os.path.join(world.state, "writer"), encoding="ascii").read().endswith(" new\n")
    world.konnect.control("DELETE", "/fault")
    assert world.once().code == 0
    assert not open(os.path.join(world.state, "writer"), encoding="ascii").read().endswith(" new\n")
    world.konnect.control("PATCH", "/instance", {"id": world.konnect_instance()["id"], "labels": {"adosyncd-writer": "0" * 32}})
    world.cache("UPDATE instance SET last_reconcile = 1")
    result = world.once()
    assert result.code == 75 and "another adosyncd writes" in result.out

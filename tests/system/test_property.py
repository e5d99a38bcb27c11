"""Random worlds (property.py): whatever happens, when it is quiet again Konnect holds what the design says.

ADOSYNCD_WORLDS=N tells N stories instead of a handful, ADOSYNCD_SEED=N one of them again. How far a program got when it was
stopped depends on the machine, so a story that fails may take more than one try to fail again."""

import os
import signal

import crash
import pytest
from oracle import faults
from property import Story

WORLDS = 5


def seeds():
    if os.environ.get("ADOSYNCD_SEED"):
        return [int(os.environ["ADOSYNCD_SEED"])]
    return range(1, int(os.environ.get("ADOSYNCD_WORLDS") or WORLDS) + 1)


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


def test_a_repository_that_moves_while_its_mapping_is_on_its_way_has_one(world):
    """Its project is part of what Konnect knows a resource by."""
    world.synced(count=1)
    world.ado.control("POST", "/project", {"org": "contoso", "name": "Web", "id": "22222222-2222-4333-8444-555555555555"})
    repo = world.add_repo("contoso", "Payments", "api")["id"]
    life = crash.Life(world)
    world.konnect.fault("kill_after", method="POST", path_regex="mappings", pid_file=life.pid_file)
    assert world.once(env=life.environment()).code == -signal.SIGKILL
    life.settle()
    world.edit_repo("contoso", repo, project="22222222-2222-4333-8444-555555555555")
    assert world.once().code == 0
    assert faults(world) == []


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

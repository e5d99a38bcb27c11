"""The main job: from a listing to the catalog, and only the changes."""

import pytest
from world import PAT

READ = "GET /catalog-services/*"
CHANGE = "PATCH /catalog-services/*"
FIRST = {"GET /integrations": 1, "GET /integration-instances": 1, "POST /integration-instances": 1}


def creations(count):
    """The requests of that many new repositories."""
    return {"POST /catalog-services": count, "POST /resource-mappings": count}


def test_first_sync_then_nothing_then_one_change(world):
    world.repos("contoso", count=5)
    world.instance("contoso")
    assert world.once().code == 0
    assert world.requests() == FIRST | creations(5)
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}
    assert len(world.polls("contoso")) == 1
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), default_branch="refs/heads/trunk")
    assert world.once().code == 0
    assert world.requests() == {CHANGE: 1}


def test_everything_that_konnect_holds_for_a_repository(world):
    world.organization("contoso", [{"project": "Payments Hub", "name": "User Service"}], projects=[
        {"name": "Payments Hub", "description": "Money\nin and out", "visibility": "organization"}])
    world.instance("contoso", display_name="Contoso Ltd", description="All of it", labels=["team=platform"])
    assert world.once().code == 0
    state = world.catalog()
    ours = {"managed-by": "adosyncd", "azure-devops-instance": "contoso", "azure-devops-organization": "contoso",
            "team": "platform"}
    repo, project = world.repo_id("contoso", "Payments Hub", "User Service"), world.repo_id("contoso", "Payments Hub")
    service = {key: state["services"][0][key] for key in
               ("name", "display_name", "description", "custom_fields", "labels")}
    assert service == {
        "name": "contoso.payments-hub.user-service",
        "display_name": "Payments Hub / User Service",
        "description": "Money\nin and out",
        "custom_fields": {"git_repo": {"name": "User Service",
                                       "link": "https://dev.azure.com/contoso/Payments%20Hub/_git/User%20Service"}},
        "labels": ours | {
            "azure-devops-project": "Payments-Hub", "azure-devops-project-id": project,
            "azure-devops-repository-id": repo, "azure-devops-default-branch": "main",
            "azure-devops-state": "active", "azure-devops-visibility": "organization", "azure-devops-fork": "false"}}
    instance = world.konnect_instance()
    assert {key: instance[key] for key in ("name", "display_name", "description", "config", "labels")} == {
        "name": "contoso", "display_name": "Contoso Ltd", "description": "All of it",
        "config": {"organization": "contoso"}, "labels": ours}
    assert instance["integration"]["name"] == "azure-devops"
    [mapping] = state["mappings"]
    assert mapping["service"]["id"] == state["services"][0]["id"]
    assert mapping["resource"]["type"] == "azure_devops_repository"
    assert mapping["resource"]["integration"]["instance"]["name"] == "contoso"
    assert mapping["resource"]["config"] == {
        "organization_name": "contoso", "project_id": project, "repository_id": repo}


def test_the_pat_is_never_sent_to_konnect(world):
    world.synced()
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), name="else")
    world.once()
    assert PAT not in str(world.konnect.control("GET", "/requests"))
    assert world.catalog()["credentials"] == []


def test_a_new_repository_costs_two_requests(world):
    world.synced(count=3)
    world.add_repo("contoso", "Payments", "late")
    assert world.once().code == 0
    assert world.requests() == creations(1)
    assert "contoso.payments.late" in world.services()


# What changed, how, the requests it costs, and what must be in the service then.
CHANGES = {
    "rename": ({"name": "Renamed"}, {READ: 1, CHANGE: 1},
               {"display_name": "Payments / Renamed",
                "custom_fields": {"git_repo": {"name": "Renamed",
                                               "link": "https://dev.azure.com/contoso/Payments/_git/Renamed"}}}),
    "rename of case": ({"name": "REPO-1"}, {READ: 1, CHANGE: 1}, {"display_name": "Payments / REPO-1"}),
    "default branch": ({"default_branch": "refs/heads/release/2.x"}, {CHANGE: 1},
                       {"azure-devops-default-branch": "release-2.x"}),
    "disabled": ({"disabled": True}, {CHANGE: 1}, {"azure-devops-state": "disabled"}),
    "maintenance": ({"maintenance": True}, {CHANGE: 1}, {"azure-devops-state": "maintenance"}),
    "emptied": ({"default_branch": None}, {CHANGE: 1},
                {"azure-devops-state": "empty", "azure-devops-default-branch": None}),
    "fork": ({"fork": True}, {CHANGE: 1}, {"azure-devops-fork": "true"}),
    "moved": ({"project": "Web"}, {READ: 1, CHANGE: 1},
              {"display_name": "Web / repo-1", "azure-devops-project": "Web"}),
}


def shows(service, wanted):
    """Whether a service has these fields and labels."""
    found = service["labels"] | service
    return all(found.get(key) == value for key, value in wanted.items())


@pytest.mark.parametrize("kind", CHANGES)
def test_one_change_of_a_repository(world, kind):
    change, requests, wanted = CHANGES[kind]
    world.synced()
    before = world.services()
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), **change)
    result = world.once()
    assert result.code == 0
    assert "1 changed" in result.out
    assert world.requests() == requests
    after = world.services()
    assert shows(after["contoso.payments.repo-1"], wanted), after
    assert after.keys() == before.keys()    # the name is fixed for life
    assert after["contoso.payments.repo-0"] == before["contoso.payments.repo-0"]
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}


@pytest.mark.parametrize("change, requests, wanted", [
    ({"new_name": "Money"}, {READ: 3, CHANGE: 3}, {"azure-devops-project": "Money"}),
    ({"description": "New words"}, {CHANGE: 3}, {"description": "New words"}),
    ({"visibility": "public"}, {CHANGE: 3}, {"azure-devops-visibility": "public"}),
], ids=["rename", "description", "visibility"])
def test_a_change_of_a_project_reaches_all_its_repositories(world, change, requests, wanted):
    world.synced(count=3)
    world.ado.control("PATCH", "/project", {"org": "contoso", "name": "Payments", **change})
    assert world.once().code == 0
    assert world.requests() == requests
    assert all(shows(service, wanted) for service in world.services().values())


def test_a_description_that_is_taken_away(world):
    world.organization("contoso", [{"project": "P", "name": "a"}], projects=[{"name": "P", "description": "Words"}])
    world.instance("contoso")
    world.once()
    world.ado.control("PATCH", "/project", {"org": "contoso", "name": "P", "description": ""})
    assert world.once().code == 0
    assert world.services()["contoso.p.a"]["description"] is None


def test_two_changes_of_one_repository_between_polls_are_one_push(world):
    world.synced()
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), disabled=True, fork=True,
                    default_branch="refs/heads/x")
    assert world.once().code == 0
    assert world.requests() == {CHANGE: 1}


def test_noise_is_not_pushed(world):
    """Size, the project's revision and its lastUpdateTime, order, and keys that nobody knows."""
    world.synced()
    for number in range(3):
        world.edit_repo("contoso", world.repo_id("contoso", "Payments", f"repo-{number}"), size=51630689921 + number,
                        extra={"somethingNew": {"deep": [1, {"a": None}]}})
    world.ado.control("PATCH", "/project", {"org": "contoso", "name": "Payments", "description": ""})
    world.ado.control("PATCH", "/org", {"name": "contoso", "shuffle": True})
    result = world.once()
    assert result.code == 0
    assert world.requests() == {}
    assert "0 changed" in result.out


@pytest.mark.parametrize("fault", ["count_first", "bom", "extra_keys"])
def test_other_forms_of_a_good_listing_change_nothing(world, fault):
    world.synced()
    world.ado.fault(fault)
    assert world.once().code == 0
    assert world.requests() == {}


def test_an_organization_without_repositories(world):
    world.organization("contoso")
    world.instance("contoso")
    result = world.once()
    assert result.code == 0
    assert "0 repositories" in result.out
    assert world.requests() == FIRST


def test_two_organizations_with_the_same_names(world):
    for name in ("contoso", "fabrikam"):
        world.repos(name, count=2)
        world.instance(name)
    assert world.once().code == 0
    services = world.services()
    assert sorted(services) == ["contoso.payments.repo-0", "contoso.payments.repo-1",
                                "fabrikam.payments.repo-0", "fabrikam.payments.repo-1"]
    assert all(s["labels"]["azure-devops-organization"] == name.split(".")[0] for name, s in services.items())
    assert len(world.catalog()["mappings"]) == 4


def test_one_organization_that_fails_does_not_keep_the_others(world):
    for name in ("contoso", "fabrikam"):
        world.repos(name, count=2)
        world.instance(name)
    world.ado.fault("503", org="contoso")
    result = world.once()
    assert result.code == 75
    assert "contoso: not through" in result.out
    assert "fabrikam: ok" in result.out
    assert sorted(world.services()) == ["fabrikam.payments.repo-0", "fabrikam.payments.repo-1"]


def test_labels_that_are_configured_changed_and_taken_away(world):
    world.synced(count=2, labels=["team=platform", "tier=1"])
    world.instance("contoso", labels=["team=web"])
    assert world.once().code == 0
    assert world.requests() == {CHANGE: 2, "GET /integration-instances": 1, "PATCH /integration-instances/*": 1}
    for labels in [s["labels"] for s in world.services().values()] + [world.konnect_instance()["labels"]]:
        assert labels["team"] == "web"
        assert "tier" not in labels


def test_what_others_add_to_a_service_stays(world):
    """Labels, custom fields and a display name of somebody's survive our writes."""
    world.synced()
    name = "contoso.payments.repo-1"
    fields = world.services()[name]["custom_fields"]
    world.konnect.control("PATCH", "/service", {
        "name": name, "labels": {"owner": "me"}, "display_name": "My Own",
        "custom_fields": fields | {"dashboard": {"name": "d", "link": "https://example.org/d"}}})
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), name="else")
    assert world.once().code == 0
    service = world.services()[name]
    assert service["labels"]["owner"] == "me"
    assert service["custom_fields"]["dashboard"] == {"name": "d", "link": "https://example.org/d"}
    assert service["custom_fields"]["git_repo"]["name"] == "else"
    assert service["display_name"] == "My Own"

"""map and create: services by name, which may be anybody's, and repositories that somebody else has mapped already."""

import pytest
from test_mapping import CHANGE, CREATE, LISTS, LOOKUP, MAP, READ, UNMAP, mapped, populate, quiet
from world import wait_until

USER = {"map": {"user-service": ["Payments/user-*"]}}
BY_NAME = {"by_name": {"display_name": "Repository", "schema": {"type": "simple", "definition": {
    "organization": "string", "project": "string", "repo": "string"}}}}
TYPES = BY_NAME | {"azure_devops_repository": {"display_name": "Repository", "schema": {
    "type": "simple", "definition": {"repository_id": "string"}}}}
EXISTING = {
    "somebody's": {"labels": {"team": "x"}}, "without anything": {},
    "KONGCTL-namespace": {"labels": {"KONGCTL-namespace": "prod"}},
    "KONGCTL-protected": {"labels": {"KONGCTL-protected": "true"}},
    "another instance's": {"labels": {"managed-by": "adosyncd", "azure-devops-instance": "fabrikam"}},
}


def kept(service):
    return {key: service[key] for key in ("id", "name", "display_name", "description", "labels", "custom_fields")}


# map.

@pytest.mark.parametrize("what", EXISTING)
def test_an_existing_service_keeps_its_fields(world, what):
    """Only the mappings are ours, whoever made the service, whatever happens afterwards."""
    theirs = kept(world.konnect.control("POST", "/service", {
        "name": "user-service", "display_name": "Users", "description": "Theirs", **EXISTING[what],
        "custom_fields": {"dashboard": {"name": "Board", "link": "https://grafana.example"}}}))
    populate(world, **USER)
    assert world.once().code == 0
    assert mapped(world)["Payments/user-api"] == mapped(world)["Payments/user-web"] == "user-service"
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "user-api"), name="user-new")
    world.ado.control("PATCH", "/project", {"org": "contoso", "name": "Payments", "description": "New"})
    world.instance("contoso", labels=["team=platform"], **USER)
    for _ in range(2):
        assert world.compare().code == 0
        assert kept(world.services()["user-service"]) == theirs
    world.forget_cache()
    assert world.once().code == 0
    assert kept(world.services()["user-service"]) == theirs
    assert len(mapped(world)) == 3
    quiet(world, LISTS | {READ: 1})    # it is not in the list of ours, so it is looked at


def test_a_service_that_is_created(world):
    populate(world, **USER)
    assert world.once().code == 0
    service = world.services()["user-service"]
    assert service["display_name"] == "user-service"
    assert "azure-devops-repository-id" not in service["labels"]
    world.konnect.control("PATCH", "/service", {
        "name": "user-service", "display_name": "Users", "description": "Words"})
    assert world.compare().code == 0
    assert world.services()["user-service"]["display_name"] == "Users"
    assert world.writes() == {}


def test_the_first_map_that_matches_wins(world):
    maps = {"map": {"b-service": ["Payments/user-api"], "a-service": ["payments/USER-*", "Web"]}}
    populate(world, **maps)
    assert world.once().code == 0
    assert mapped(world) == {"Payments/user-api": "b-service", "Payments/user-web": "a-service",
                             "Web/shop": "a-service"}
    world.forget_requests()
    world.instance("contoso", map=dict(reversed(list(maps["map"].items()))))
    assert world.once().code == 0
    assert world.requests() == {UNMAP: 1, MAP: 1}
    assert mapped(world)["Payments/user-api"] == "a-service"
    quiet(world)


def test_a_map_comes_before_map_to(world):
    for mode, shop in (("project", "contoso.web"), ("none", None)):
        populate(world, map_to=mode, **USER)
        assert world.once().code == 0
        found = mapped(world)
        assert found["Payments/user-api"] == "user-service"
        if shop:
            assert found["Web/shop"] == shop


def test_one_service_for_two_instances(world):
    for name in ("contoso", "fabrikam"):
        world.repos(name, count=2)
        world.instance(name, map={"shared": ["Payments/*"]})
    assert world.once().code == 0
    assert list(world.services()) == ["shared"]
    assert set(mapped(world, "contoso").values()) == set(mapped(world, "fabrikam").values()) == {"shared"}
    assert len(world.catalog()["mappings"]) == 4
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}
    assert world.compare().code == 0
    assert world.writes() == {}
    world.forget_cache()
    assert world.once().code == 0
    assert world.writes() == {"PATCH /integration-instances/*": 2}


@pytest.mark.parametrize("first", [False, True], ids=["after", "from the start"])
@pytest.mark.parametrize("name, globs", [("contoso.web.shop", ["Payments/*"]), ("contoso.web.shop", ["*/*"]),
                                         ("contoso.payments.user-api", ["Payments/*"])])
def test_a_map_names_the_service_of_a_repository(world, first, name, globs):
    """Everything still gets through, and everything is mapped once."""
    maps = {"map": {name: globs}}
    populate(world, **(maps if first else {}))
    assert world.once().code == 0
    world.instance("contoso", **maps)
    assert world.once().code == 0
    found = mapped(world)
    assert len(found) == 3
    assert found["Payments/user-api"] == found["Payments/user-web"] == name
    quiet(world, None if first else LISTS | {READ: 1})


def test_a_map_names_the_service_of_a_project(world):
    populate(world, map_to="project")
    assert world.once().code == 0
    world.instance("contoso", map_to="project", map={"contoso.payments": ["Web/*"]})
    assert world.once().code == 0
    assert set(mapped(world).values()) == {"contoso.payments"}
    quiet(world, LISTS | {READ: 1})


def test_a_map_that_is_taken_away(world):
    """Its repositories get services of their own; the named one stays."""
    populate(world, **USER)
    assert world.once().code == 0
    world.forget_requests()
    world.instance("contoso")
    assert world.once().code == 0
    assert world.requests() == {UNMAP: 2, MAP: 2, CREATE: 2}
    assert "user-service" in world.services()
    assert mapped(world)["Payments/user-api"] == "contoso.payments.user-api"
    quiet(world)


# create.

def theirs(world, name="user-api", project="Payments"):
    """The resource of a repository is mapped to somebody's service, and the instance is there."""
    if not world.konnect_instance():
        world.konnect.control("POST", "/instance", {"name": "contoso", "config": {"organization": "contoso"}})
    service = world.konnect.control("POST", "/service", {"name": f"their-{name}", "labels": {"team": "x"}})
    return world.konnect.control("POST", "/mapping", {"service": service["id"], "resource": {
        "integration_instance": "contoso", "type": "azure_devops_repository", "config": {
            "organization_name": "contoso", "project_id": world.repo_id("contoso", project),
            "repository_id": world.repo_id("contoso", project, name)}}})


def test_unmapped_leaves_what_somebody_has_mapped(world):
    """Known from the comparison, which comes first where the instance was there."""
    mapping = theirs(world)
    populate(world)
    assert world.once().code == 0
    assert set(world.services()) == {"their-user-api", "contoso.payments.user-web", "contoso.web.shop"}
    assert mapped(world)["Payments/user-api"] == "their-user-api"
    quiet(world)
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "user-api"), name="renamed")
    assert world.compare().code == 0
    assert world.writes() == {}
    assert mapping["id"] in [m["id"] for m in world.catalog()["mappings"]]


def test_unmapped_creates_what_is_mapped_no_more(world):
    mapping = theirs(world)
    populate(world)
    assert world.once().code == 0
    world.konnect.control("DELETE", "/mapping", {"id": mapping["id"]})
    assert world.compare().code == 0
    assert mapped(world)["Payments/user-api"] == "contoso.payments.user-api"
    quiet(world)


def test_unmapped_never_removes(world):
    """Somebody maps a resource that is ours as well: both stay."""
    populate(world)
    assert world.once().code == 0
    before = world.services()
    theirs(world)
    assert world.compare().code == 0
    assert world.writes() == {}
    assert before.items() <= world.services().items()
    world.forget_cache()
    assert world.once().code == 0
    assert world.writes() == {"PATCH /integration-instances/*": 1}
    assert before.items() <= world.services().items()


def test_always_creates_all_the_same(world):
    theirs(world)
    populate(world, create="always")
    assert world.once().code == 0
    assert len(world.services()) == 4
    assert sorted(m["service"]["name"] for m in world.catalog()["mappings"] if "user-api" in m["service"]["name"]) == [
        "contoso.payments.user-api", "their-user-api"]
    quiet(world)


def test_never_creates_none_and_keeps_those_there_are(world):
    populate(world, create="never")
    assert world.once().code == 0
    assert world.services() == {} and world.catalog()["mappings"] == []
    quiet(world)
    world.instance("contoso")
    assert world.once().code == 0
    assert len(world.services()) == 3
    world.instance("contoso", create="never")
    world.add_repo("contoso", "Web", "late")
    world.edit_repo("contoso", world.repo_id("contoso", "Web", "shop"), name="renamed")
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {READ: 1, CHANGE: 1}
    assert len(world.services()) == 3
    quiet(world)
    world.forget_cache()
    assert world.once().code == 0
    assert world.writes() == {"PATCH /integration-instances/*": 1}
    world.edit_repo("contoso", world.repo_id("contoso", "Web", "shop"), name="again")
    assert world.once().code == 0
    assert world.services()["contoso.web.shop"]["display_name"] == "Web / again"


@pytest.mark.parametrize("old, new", [("unmapped", "always"), ("never", "unmapped"), ("never", "always"),
                                      ("always", "never")])
def test_create_changes(world, old, new):
    theirs(world)
    populate(world, create=old)
    assert world.once().code == 0
    before = world.services()
    world.instance("contoso", create=new)
    assert world.once().code == 0
    after = world.services()
    assert before.items() <= after.items()
    assert len(after) == {"unmapped": 3, "always": 4, "never": len(before)}[new]
    quiet(world)


# How Konnect knows a resource.

def test_a_rename_replaces_the_mapping_where_resources_have_names(world):
    world.konnect.control("POST", "/settings", {"resource_types": BY_NAME})
    populate(world)
    assert world.once().code == 0
    world.forget_requests()
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "user-api"), name="renamed")
    assert world.once().code == 0
    assert world.requests() == {READ: 1, CHANGE: 1, UNMAP: 1, MAP: 1}
    assert mapped(world)["Payments/renamed"] == "contoso.payments.user-api"
    assert len(mapped(world)) == 3
    quiet(world)
    world.forget_requests()
    world.edit_repo("contoso", world.repo_id("contoso", "Web", "shop"), default_branch="refs/heads/x")
    assert world.once().code == 0
    assert world.requests() == {CHANGE: 1}


def test_a_rename_keeps_the_mapping_where_resources_have_ids(world):
    populate(world)
    assert world.once().code == 0
    before = [(m["id"], m["resource"]) for m in world.catalog()["mappings"]]
    world.forget_requests()
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "user-api"), name="renamed", project="Web")
    assert world.once().code == 0
    assert world.requests() == {READ: 1, CHANGE: 1}
    assert [(m["id"], m["resource"]) for m in world.catalog()["mappings"]] == before
    quiet(world)


def test_a_project_is_renamed_where_resources_have_names(world):
    world.konnect.control("POST", "/settings", {"resource_types": BY_NAME})
    populate(world, map_to="project")
    assert world.once().code == 0
    world.forget_requests()
    world.ado.control("PATCH", "/project", {"org": "contoso", "name": "Payments", "new_name": "Money"})
    assert world.once().code == 0
    assert world.requests() == {CHANGE: 1, UNMAP: 2, MAP: 2}
    assert mapped(world) == {"Money/user-api": "contoso.payments", "Money/user-web": "contoso.payments",
                             "Web/shop": "contoso.web"}
    quiet(world)


def test_renamed_while_the_cache_was_lost_where_resources_have_names(world):
    """The old mapping is not known any more; the new one is made."""
    world.konnect.control("POST", "/settings", {"resource_types": BY_NAME})
    populate(world)
    assert world.once().code == 0
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "user-api"), name="renamed")
    world.forget_cache()
    assert world.once().code == 0
    names = [m["resource"]["config"]["repo"] for m in world.catalog()["mappings"]
             if m["service"]["name"] == "contoso.payments.user-api"]
    assert "renamed" in names
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}


def test_one_of_several_types(world):
    world.konnect.control("POST", "/settings", {"resource_types": TYPES})
    world.configure("konnect", resource_type="azure_devops_repository")
    populate(world)
    assert world.once().code == 0
    assert {m["resource"]["type"] for m in world.catalog()["mappings"]} == {"azure_devops_repository"}
    quiet(world)


def test_another_type_is_configured(world):
    """What is mapped already stays; what is new is of the other type."""
    world.konnect.control("POST", "/settings", {"resource_types": TYPES})
    world.configure("konnect", resource_type="azure_devops_repository")
    populate(world)
    assert world.once().code == 0
    world.configure("konnect", resource_type="by_name")
    world.compare()
    assert world.once().code == 0
    world.add_repo("contoso", "Payments", "new")
    assert world.once().code == 0
    assert [m["resource"]["type"] for m in world.catalog()["mappings"]] == ["azure_devops_repository"] * 3 + ["by_name"]


@pytest.mark.waits
def test_a_daemon_is_told_to_map_otherwise(world):
    populate(world, poll_interval="1s")
    assert world.once().code == 0
    daemon = world.start()
    daemon.wait("poll_ok")
    world.instance("contoso", poll_interval="1s", map_to="project", **USER)
    daemon.process.send_signal(1)    # SIGHUP
    daemon.wait("reloaded")
    wait_until("the other services", lambda: set(mapped(world).values()) == {"user-service", "contoso.web"})
    assert daemon.stop().code == 0
    quiet(world, None)


@pytest.mark.parametrize("kind, method, after", [("hang", "GET", 0), ("hang", "POST", 0), ("hang_after", "POST", 0),
                                                 ("hang_after", "POST", 1), ("hang_after", "DELETE", 1)])
def test_killed_while_moving_to_a_named_service(world, kind, method, after):
    world.configure("konnect", max_in_flight=1)
    populate(world)
    assert world.once().code == 0
    world.instance("contoso", **USER)
    world.konnect.fault(kind, method=method, after=after)
    world.cache("UPDATE instance SET next_poll = 1")
    daemon = world.start()
    wait_until("the request", lambda: [f for f in world.konnect.control("GET", "/fault") if f["fired"]])
    daemon.kill()
    assert world.once().code == 0
    assert mapped(world) == {"Payments/user-api": "user-service", "Payments/user-web": "user-service",
                             "Web/shop": "contoso.web.shop"}
    assert len(world.services()) == 4
    quiet(world)


def test_the_cache_is_lost_and_a_named_service_is_somebody_s(world):
    """It is known by its name in the mappings: no request for each."""
    world.konnect.control("POST", "/service", {"name": "user-service"})
    populate(world, **USER)
    assert world.once().code == 0
    world.forget_cache()
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {"GET /integrations": 1, "PATCH /integration-instances/*": 1} | LISTS | {READ: 1}

"""Names as people give them, filters, and names that somebody else has already."""

import json

import pytest


def sync(world, *repos, **keys):
    """The services of an organization with these (project, repository) names."""
    world.organization("contoso", [{"project": project, "name": name} for project, name in repos])
    world.instance("contoso", **keys)
    result = world.once()
    assert result.code == 0, result
    return world.services()


def guid8(world, project, name):
    return world.repo_id("contoso", project, name)[:8]


@pytest.mark.parametrize("project, name, slug, lossy", [
    ("Payments Hub", "User Service", "payments-hub.user-service", False),
    ("payments", "UPPER", "payments.upper", False),
    ("Two  Spaces", "a", "two-spaces.a", False),
    ("Ecommerce 3.0", "Blk.Auth", "ecommerce-3-0.blk-auth", True),
    ("Möbel und Räume", "Têst Repo", "m-bel-und-r-ume.t-st-repo", True),
    ("日本支社", "注文", "-.-", True),
    ("Operations (EU)", "under_score", "operations-eu-.under-score", True),
    ("Trade™", "résumé", "trade-.r-sum-", True),
])
def test_name_of_a_service(world, project, name, slug, lossy):
    services = sync(world, (project, name))
    expected = f"contoso.{slug}" + (f".{guid8(world, project, name)}" if lossy else "")
    assert list(services) == [expected]
    assert services[expected]["display_name"] == f"{project} / {name}"
    assert services[expected]["custom_fields"]["git_repo"]["name"] == name


def test_a_label_that_has_nothing_left_is_omitted(world):
    [service] = sync(world, ("日本支社", "注文")).values()
    assert "azure-devops-project" not in service["labels"]
    assert service["labels"]["azure-devops-project-id"] == world.repo_id("contoso", "日本支社")


@pytest.mark.parametrize("letter", ["p", "é", "字"])
def test_names_of_64_characters(world, letter):
    project, name = letter * 64, "r" + letter * 63
    [service] = sync(world, (project, name)).values()
    assert len(service["name"]) <= 120
    assert service["name"].endswith(guid8(world, project, name))
    assert service["display_name"] == f"{project} / {name}"[:120]
    assert all(len(value) <= 63 for value in service["labels"].values())


def test_names_that_collide_in_their_slug(world):
    """The first that is listed gets the plain name, the other one its GUID."""
    services = sync(world, ("Pay Hub", "User Service"), ("pay-hub", "user service"))
    assert sorted(services) == ["contoso.pay-hub.user-service",
                                f"contoso.pay-hub.user-service.{guid8(world, 'pay-hub', 'user service')}"]
    assert world.once().code == 0
    assert len(world.services()) == 2


def test_a_project_and_an_organization_that_look_like_another(world):
    """a.b + c and a + b.c must not meet."""
    services = sync(world, ("a.b", "c"), ("a", "b.c"), ("a-b", "c"))
    assert len(services) == 3


def test_an_old_name_is_used_again(world):
    """A rename keeps the service's name; a new repository of the old name gets another."""
    sync(world, ("Payments", "api"))
    old = world.repo_id("contoso", "Payments", "api")
    world.edit_repo("contoso", old, name="api-v1")
    world.add_repo("contoso", "Payments", "api", id="11111111-2222-4333-8444-555555555555")
    assert world.once().code == 0
    services = world.services()
    assert services["contoso.payments.api"]["labels"]["azure-devops-repository-id"] == old
    assert services["contoso.payments.api"]["display_name"] == "Payments / api-v1"
    assert services["contoso.payments.api.11111111"]["display_name"] == "Payments / api"


def test_two_repositories_swap_their_names(world):
    sync(world, ("P", "a"), ("P", "b"))
    for old, new in (("a", "b"), ("b", "a")):
        world.edit_repo("contoso", world.repo_id("contoso", "P", old), name=new)
    assert world.once().code == 0
    assert {name: service["display_name"] for name, service in world.services().items()} == {
        "contoso.p.a": "P / b", "contoso.p.b": "P / a"}


@pytest.mark.parametrize("log_format", ["json", "text", "journal"])
def test_names_that_only_a_legacy_collection_has(world, log_format):
    """Quotes, control characters and emoji: kept as they are in Konnect, made printable in the log."""
    world.configure("daemon", log_format=log_format)
    name = 'a"b\\c\n\x1b[31m\t\U0001f600/..'
    services = sync(world, ("Web.*#?", name))
    [service] = services.values()
    assert service["display_name"] == f"Web.*#? / {name}"
    world.edit_repo("contoso", world.repo_id("contoso", "Web.*#?", name), name=name + "\n2")
    for arguments in ("--dry-run", "--once"):
        result = world.run(arguments)
        assert result.code == 0
        for line in (result.out + result.err).splitlines():
            assert line.isprintable(), line
            assert log_format != "json" or line in result.out or json.loads(line)


def test_a_description_that_is_too_long_is_cut(world):
    world.organization("contoso", [{"project": "P", "name": "a"}],
                       projects=[{"name": "P", "description": "é\U0001f600" * 3000}])
    world.instance("contoso")
    assert world.once().code == 0
    assert world.services()["contoso.p.a"]["description"] == "é\U0001f600" * 1024


def test_two_instances_of_one_organization(world):
    """Each with its part of it, and its own services."""
    world.organization("contoso", [{"project": "P", "name": "a"}, {"project": "Q", "name": "b"}])
    world.instance("one", "contoso", include=["P"])
    world.instance("two", "contoso")
    assert world.once().code == 0
    assert sorted(world.services()) == ["one.p.a", "two.p.a", "two.q.b"]
    assert len(world.catalog()["resources"]) == 3


@pytest.mark.parametrize("keys, names", [
    ({"include": ["Web"]}, ["web.shop", "web.user-ui"]),
    ({"include": ["pay*/user-*"]}, ["payments.user-api"]),
    ({"include": ["*/user-*"], "exclude": ["Web/*"]}, ["payments.user-api"]),
    ({"exclude": ["payments"]}, ["web.shop", "web.user-ui"]),
    ({"include": ["*"], "exclude": ["*"]}, []),
    ({"include": ["none"]}, []),
])
def test_include_and_exclude(world, keys, names):
    repos = ("Payments", "user-api"), ("Payments", "ledger"), ("Web", "shop"), ("Web", "user-ui")
    services = sync(world, *repos, **keys)
    assert sorted(services) == [f"contoso.{name}" for name in names]


def test_include_disabled_no(world):
    world.organization("contoso", [{"project": "P", "name": "on"}, {"project": "P", "name": "off", "disabled": True}])
    world.instance("contoso", include_disabled=False)
    assert world.once().code == 0
    assert list(world.services()) == ["contoso.p.on"]
    world.edit_repo("contoso", world.repo_id("contoso", "P", "off"), disabled=False)
    assert world.once().code == 0
    assert sorted(world.services()) == ["contoso.p.off", "contoso.p.on"]


def test_a_filter_that_is_widened_and_narrowed_removes_nothing(world):
    sync(world, ("P", "a"), ("P", "b"), ("Q", "c"), include=["P"])
    world.instance("contoso", include=["P", "Q"])
    assert world.once().code == 0
    assert sorted(world.services()) == ["contoso.p.a", "contoso.p.b", "contoso.q.c"]
    world.forget_requests()
    world.instance("contoso", include=["Q"])
    world.once()
    assert not any(route.startswith("DELETE") for route in world.requests())
    assert sorted(world.services()) == ["contoso.p.a", "contoso.p.b", "contoso.q.c"]


@pytest.mark.parametrize("status", [409, 400])
def test_a_name_that_somebody_has_leads_to_the_next(world, status):
    world.konnect.control("POST", "/settings", {"conflict_status": status})
    world.konnect.control("POST", "/service", {"name": "contoso.p.a", "labels": {"team": "x"}})
    services = sync(world, ("P", "a"))
    assert sorted(services) == ["contoso.p.a", f"contoso.p.a.{guid8(world, 'P', 'a')}"]
    assert services["contoso.p.a"]["labels"] == {"team": "x"}
    world.forget_requests()
    world.once()
    assert world.requests() == {}


@pytest.mark.parametrize("mark", ["KONGCTL-namespace", "KONGCTL-protected"])
def test_a_service_that_another_tool_has_marked_is_not_ours(world, mark):
    """Its name is worked around, as its mapping is when services are always created."""
    sync(world, ("P", "a"))
    world.configure("defaults", create="always")
    world.konnect.control("PATCH", "/service", {"name": "contoso.p.a", "labels": {mark: "x"}})
    world.forget_cache()
    assert world.once().code == 0
    assert sorted(world.services()) == ["contoso.p.a", f"contoso.p.a.{guid8(world, 'P', 'a')}"]
    assert world.services()["contoso.p.a"]["labels"][mark] == "x"


@pytest.mark.parametrize("status", [409, 400])
def test_a_service_of_ours_is_adopted(world, status):
    """What a lost cache means: no duplicate, and only what differs is written."""
    world.synced(count=3)
    world.konnect.control("POST", "/settings", {"conflict_status": status})
    world.forget_cache()
    before = world.catalog()
    result = world.once()
    assert result.code == 0
    assert "3 adopted" in result.out
    assert world.catalog()["services"] == before["services"]
    assert len(world.catalog()["mappings"]) == 3
    assert not world.writes().keys() & {"PATCH /catalog-services/*", "DELETE /resource-mappings/*"}
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}


def test_a_service_of_ours_that_drifted_is_adopted_and_repaired(world):
    world.synced(count=1)
    name = "contoso.payments.repo-0"
    world.konnect.control("PATCH", "/service", {"name": name, "labels": {"azure-devops-state": "disabled"}})
    world.forget_cache()
    assert world.once().code == 0
    assert world.services()[name]["labels"]["azure-devops-state"] == "active"
    assert len(world.services()) == 1


def test_a_service_of_another_repository_or_instance_is_not_adopted(world):
    world.synced(count=1)
    world.configure("defaults", create="always")
    for label in ("azure-devops-repository-id", "azure-devops-instance"):
        world.konnect.control("PATCH", "/service", {"name": "contoso.payments.repo-0", "labels": {label: "x"}})
    world.forget_cache()
    assert world.once().code == 0
    assert sorted(world.services()) == ["contoso.payments.repo-0",
                                        f"contoso.payments.repo-0.{guid8(world, 'Payments', 'repo-0')}"]


def test_an_adopted_service_gets_the_mapping_that_is_missing(world):
    world.synced(count=2)
    world.konnect.control("DELETE", "/mapping?id=" + world.catalog()["mappings"][0]["id"])
    world.forget_cache()
    assert world.once().code == 0
    assert len(world.catalog()["mappings"]) == 2


def test_two_names_are_tried_and_no_more(world):
    for name in ("contoso.p.a", f"contoso.p.a.{guid8(world, 'P', 'a')}"):
        world.konnect.control("POST", "/service", {"name": name})
    world.organization("contoso", [{"project": "P", "name": "a"}])
    world.instance("contoso")
    result = world.once()
    assert result.code == 0
    assert "1 parked" in result.out
    assert f"contoso.p.a.{guid8(world, 'P', 'a')} and the plain one are both taken" in result.err
    assert world.requests()["POST /catalog-services"] == 2
    assert world.catalog()["mappings"] == []


def test_a_name_that_nobody_has_and_konnect_refuses_is_parked(world):
    """Counted in the summary, with its reason in the log; the others go on, and it is no failure."""
    world.konnect.control("POST", "/settings", {"refuse_names": ["contoso.p.bad"]})
    world.organization("contoso", [{"project": "P", "name": "bad"}, {"project": "P", "name": "good"}])
    world.instance("contoso")
    result = world.once()
    assert result.code == 0
    assert "1 created" in result.out
    assert "1 parked" in result.out
    assert list(world.services()) == ["contoso.p.good"]
    [parked] = [event for event in result.events if event.get("ADOSYNC_EVENT") == "parked"]
    assert "contoso.p.bad" in parked["message"]
    assert "is not allowed" in parked["message"]
    world.forget_requests()
    assert "1 parked" in world.once().out
    assert world.requests() == {}


def test_what_is_parked_is_tried_again_when_its_document_changes(world):
    world.konnect.fault("status", method="POST", path_regex="catalog-services", status=400, body={
        "status": 400, "title": "Bad Request", "detail": "no", "instance": "kong:trace:1", "invalid_parameters": [
            {"field": "labels", "rule": "invalid", "reason": "are not liked", "source": "body"}]})
    world.repos("contoso", count=1)
    world.instance("contoso")
    result = world.once()
    assert result.code == 0
    assert "1 parked" in result.out
    assert "labels: are not liked" in result.err
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-0"), fork=True)
    result = world.once()
    assert "1 created" in result.out
    assert "0 parked" in result.out

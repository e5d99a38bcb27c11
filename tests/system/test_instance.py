"""The integration instance in Konnect: created, adopted or refused; and which type of resource a repository is."""

import pytest

OURS = {"managed-by": "adosyncd", "azure-devops-instance": "contoso", "azure-devops-organization": "contoso"}
REPOSITORY = {"schema": {"type": "simple", "definition": {"organization": "string", "repository_id": "string"}},
              "display_name": "Repository"}


def type_with(**definition):
    return {"display_name": "A type", "schema": {"type": "simple", "definition": definition}}


@pytest.mark.parametrize("organization", ["contoso", "CONTOSO"])
def test_an_existing_instance_is_adopted_with_one_patch(world, organization):
    """It gets our labels; its names and other labels stay its owner's."""
    world.konnect.control("POST", "/instance", {
        "name": "contoso", "display_name": "Theirs", "description": "Their words", "labels": {"team": "x"},
        "config": {"organization": organization}})
    world.repos("contoso", count=1)
    world.instance("contoso")
    result = world.once()
    assert result.code == 0
    assert world.requests()["PATCH /integration-instances/*"] == 1
    assert "POST /integration-instances" not in world.requests()
    instance = world.konnect_instance()
    assert (instance["display_name"], instance["description"]) == ("Theirs", "Their words")
    assert instance["config"] == {"organization": organization}
    assert instance["labels"] == OURS | {"team": "x"}
    assert [e for e in result.events if e.get("ADOSYNC_EVENT") == "adopted"]
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}


def test_an_adopted_instance_gets_the_names_that_are_configured(world):
    world.konnect.control("POST", "/instance", {
        "name": "contoso", "display_name": "Theirs", "description": "Their words",
        "config": {"organization": "contoso"}})
    world.repos("contoso", count=1)
    world.instance("contoso", display_name="Ours")
    assert world.once().code == 0
    assert world.requests()["PATCH /integration-instances/*"] == 1
    assert world.konnect_instance()["display_name"] == "Ours"
    assert world.konnect_instance()["description"] == "Their words"


REFUSED = {
    "another organization": ({"config": {"organization": "fabrikam"}}, ["fabrikam", "contoso"]),
    "another integration": ({"integration_name": "datadog", "config": {"datadog_region": "us"}},
                            ["datadog", "azure-devops"]),
    "another tool": ({"config": {"organization": "contoso"}, "labels": {"KONGCTL-namespace": "prod"}}, ["KONGCTL"]),
}


@pytest.mark.parametrize("why", REFUSED)
def test_an_instance_of_somebody_else_is_refused(world, why):
    """Both values are shown, nothing is written, and it is said again by every run until it is mended."""
    spec, words = REFUSED[why]
    world.konnect.control("POST", "/instance", {"name": "contoso", **spec})
    before = world.objects()
    world.repos("contoso", count=2)
    world.instance("contoso")
    for _ in range(2):
        result = world.once()
        assert result.code == 75
        assert all(f'"{word}"' in result.out or word in result.out for word in words), result.out
        assert "contoso: refused" in result.out
        assert world.writes() == {}
    assert world.objects() == before
    [blocked] = [e for e in result.events if e.get("ADOSYNC_EVENT") == "blocked"]
    assert blocked["level"] == "error" and blocked["ADOSYNC_INSTANCE"] == "contoso"


def test_an_instance_that_was_refused_goes_on_once_it_is_mended(world):
    world.konnect.control("POST", "/instance", {"name": "contoso", "config": {"organization": "fabrikam"}})
    world.repos("contoso", count=2)
    world.instance("contoso")
    assert world.once().code == 75
    world.konnect.control("PATCH", "/instance", {"name": "contoso", "config": {"organization": "contoso"}})
    assert world.once().code == 0
    assert len(world.services()) == 2


def test_one_refused_instance_does_not_keep_the_others(world):
    world.konnect.control("POST", "/instance", {"name": "contoso", "config": {"organization": "else"}})
    for name in ("contoso", "fabrikam"):
        world.repos(name, count=1)
        world.instance(name)
    result = world.once()
    assert result.code == 75
    assert "fabrikam: ok" in result.out
    assert list(world.services()) == ["fabrikam.payments.repo-0"]


def test_an_instance_name_that_konnect_refuses(world):
    world.konnect.control("POST", "/settings", {"refuse_names": ["contoso"]})
    world.repos("contoso", count=1)
    world.instance("contoso")
    result = world.once()
    assert result.code == 75
    assert "is not allowed" in result.out
    assert world.services() == {}


def test_the_description_of_the_instance_changes(world):
    world.synced()
    world.instance("contoso", description="New")
    assert world.once().code == 0
    assert world.writes() == {"PATCH /integration-instances/*": 1}
    assert world.konnect_instance()["description"] == "New"


def choose(world, types, **konnect):
    world.konnect.control("POST", "/settings", {"resource_types": types})
    world.repos("contoso", count=1)
    world.configure("konnect", **konnect)
    world.instance("contoso")
    return world.once()


def config_of_mapping(world):
    [mapping] = world.catalog()["mappings"]
    return mapping["resource"]["type"], mapping["resource"]["config"]


def test_the_only_type_whose_keys_can_be_filled(world):
    result = choose(world, {"pipeline": type_with(pipeline_id="string"), "repository": REPOSITORY,
                            "board": type_with(organization="string", board="string"),
                            "numbered": type_with(repository_id="number")})
    assert result.code == 0
    assert config_of_mapping(world) == (
        "repository", {"organization": "contoso", "repository_id": world.repo_id("contoso", "Payments", "repo-0")})


def test_keys_are_recognised_by_their_letters(world):
    result = choose(world, {"r": type_with(OrganizationName="string", Project_Name="string", projectID="string",
                                           **{"repository-name": "string"})})
    assert result.code == 0
    assert config_of_mapping(world) == ("r", {
        "OrganizationName": "contoso", "Project_Name": "Payments", "repository-name": "repo-0",
        "projectID": world.repo_id("contoso", "Payments")})


def test_the_type_that_is_configured(world):
    types = {"one": REPOSITORY, "two": type_with(org="string", repo="string")}
    result = choose(world, types, resource_type="two")
    assert result.code == 0
    assert config_of_mapping(world) == ("two", {"org": "contoso", "repo": "repo-0"})


@pytest.mark.parametrize("types, keys, words", [
    ({"one": REPOSITORY, "two": REPOSITORY}, {}, ["more than one", "one, two", "resource_type"]),
    ({"pipeline": type_with(pipeline_id="string")}, {}, ['"pipeline_id"', "pipeline"]),
    ({"a": type_with(x="string"), "b": type_with(y="string")}, {}, ["none", "a, b"]),
    ({"one": REPOSITORY}, {"resource_type": "two"}, ['"two"', "one"]),
    ({"one": type_with(shoe_size="number")}, {"resource_type": "one"}, ['"shoe_size"']),
    ({}, {}, ["azure-devops", "region"]),
], ids=["several", "only one, unfillable", "all unfillable", "unknown", "configured, unfillable", "no types"])
def test_a_type_that_cannot_be_chosen_is_a_clear_error(world, types, keys, words):
    result = choose(world, types, **keys)
    assert result.code == 75
    assert all(word in result.out for word in words), result.out
    assert world.writes() == {}
    assert world.services() == {}


def test_a_resource_that_konnect_refuses_by_config_parks_the_mapping_only(world):
    """The service is made all the same, and nothing is asked again until something changes."""
    world.konnect.control("POST", "/settings", {"refuse_resource_by_config": True})
    world.repos("contoso", count=1)
    world.instance("contoso")
    result = world.once()
    assert result.code == 0
    assert "1 parked" in result.out
    assert len(world.services()) == 1
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}

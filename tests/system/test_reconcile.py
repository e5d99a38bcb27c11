"""Konnect itself is compared with the cache: what somebody changed there is repaired, or left to them."""

import pytest

READ = "GET /catalog-services/*"
CHANGE = "PATCH /catalog-services/*"
READ_MAPPING = "GET /resource-mappings/*"
LISTS = {"GET /integration-instances": 1, "GET /catalog-services": 1, "GET /resource-mappings": 1}
SERVICE = "contoso.payments.repo-1"


def seen(result, event):
    return [e for e in result.events if e.get("ADOSYNC_EVENT") == event]


def edit(world, name=SERVICE, **changes):
    return world.konnect.control("PATCH", "/service", {"name": name, **changes})


def rename(world, number=1, name="renamed"):
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", f"repo-{number}"), name=name)


def catalog_of(world):
    """What must survive every lie: services without their times, and mappings."""
    state = world.catalog()
    return ({s["id"]: {k: v for k, v in s.items() if k != "updated_at"} for s in state["services"]},
            {m["id"]: m for m in state["mappings"]})


def quiet(world):
    """Neither a poll nor a comparison finds anything to do."""
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}
    assert world.compare().code == 0
    assert world.requests() == LISTS


def test_a_comparison_that_finds_nothing_costs_three_requests(world):
    world.synced()
    assert world.compare().code == 0
    assert world.requests() == LISTS


# Deleted.

def test_a_deleted_service_is_created_again(world):
    """After exactly one look at it, and with the words how to keep it out."""
    world.synced()
    world.konnect.control("DELETE", "/service", {"name": SERVICE})
    result = world.compare()
    assert result.code == 0
    assert world.requests() == LISTS | {READ: 1, "POST /catalog-services": 1, "POST /resource-mappings": 1}
    [event] = seen(result, "repaired")
    assert event["ADOSYNC_REPOSITORY"] == world.repo_id("contoso", "Payments", "repo-1")
    assert event["level"] == "notice"
    assert SERVICE in event["message"] and 'add "Payments/repo-1" to exclude' in event["message"]
    assert world.services()[SERVICE]["display_name"] == "Payments / repo-1"
    assert len(world.catalog()["mappings"]) == 3
    quiet(world)


def test_a_deleted_service_whose_repository_is_excluded_stays_away(world):
    """What the log line says to do works."""
    world.synced()
    world.konnect.control("DELETE", "/service", {"name": SERVICE})
    world.instance("contoso", exclude=["Payments/repo-1"])
    assert world.compare().code == 0
    assert world.writes() == {}
    assert SERVICE not in world.services()


@pytest.mark.parametrize("how", ["compared", "changed"])
def test_a_deleted_service_whose_repository_is_included_again_is_mapped_again(world, how):
    world.synced()
    world.konnect.control("DELETE", "/service", {"name": SERVICE})
    world.instance("contoso", exclude=["Payments/repo-1"])
    assert (world.compare() if how == "compared" else world.once()).code == 0
    assert SERVICE not in world.services()
    world.instance("contoso")
    world.forget_requests()
    assert world.once().code == 0
    assert world.writes() == {"POST /catalog-services": 1, "POST /resource-mappings": 1}
    assert len(world.catalog()["mappings"]) == 3
    quiet(world)


def test_a_deleted_service_whose_repository_is_missing_stays_away(world):
    world.synced(count=10)
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), hidden=True)
    assert world.once().code == 0
    world.konnect.control("DELETE", "/service", {"name": SERVICE})
    assert seen(world.compare(), "repaired") == []
    assert world.writes() == {}


def test_more_deleted_services_than_create_limit_are_held(world):
    world.synced(count=5)
    world.configure("konnect", create_limit=2)
    for number in range(3):
        world.konnect.control("DELETE", "/service", {"name": f"contoso.payments.repo-{number}"})
    world.compare()
    result = world.once()
    assert result.code == 75
    assert "create_limit" in result.out
    assert world.writes() == {}
    world.configure("konnect", create_limit=3)
    assert world.once().code == 0
    assert len(world.services()) == 5


@pytest.mark.parametrize("what", ["mapping", "resource"])
def test_a_deleted_mapping_is_made_again(world, what):
    world.synced()
    mapping = next(m for m in world.catalog()["mappings"] if m["service"]["name"] == SERVICE)
    gone = mapping if what == "mapping" else mapping["resource"]
    world.konnect.control("DELETE", f"/{what}", {"id": gone["id"]})
    assert world.compare().code == 0
    assert world.requests() == LISTS | {READ_MAPPING: 1, "POST /resource-mappings": 1}
    [again] = [m for m in world.catalog()["mappings"] if m["service"]["name"] == SERVICE]
    assert again["resource"]["config"] == mapping["resource"]["config"]
    quiet(world)


def test_a_deleted_integration_instance_is_made_again_with_everything_in_it(world):
    world.synced()
    before = {m["service"]["name"]: m["resource"]["config"] for m in world.catalog()["mappings"]}
    world.konnect.control("DELETE", "/instance", {"name": "contoso"})
    assert world.catalog()["mappings"] == []
    result = world.compare()
    assert result.code == 0
    assert world.writes() == {"POST /integration-instances": 1, "POST /resource-mappings": 3}
    assert READ_MAPPING not in world.requests()    # nothing can be in one that is new
    mappings = world.catalog()["mappings"]
    assert {m["service"]["name"]: m["resource"]["config"] for m in mappings} == before
    assert {m["resource"]["integration"]["instance"]["name"] for m in mappings} == {"contoso"}
    quiet(world)


# Edited.

LABELS = {
    "another value": ({"labels": {"azure-devops-project": "Else"}}, {CHANGE: 1}),
    "one removed": ({"labels": {"azure-devops-state": None, "team": None}}, {CHANGE: 1}),
    "of the owner removed": ({"labels": {"managed-by": None}}, {READ: 1, CHANGE: 1}),
    "of the owner changed": ({"labels": {"managed-by": "somebody"}}, {READ: 1, CHANGE: 1}),
    "of the instance removed": ({"labels": {"azure-devops-instance": None}}, {READ: 1, CHANGE: 1}),
    "of the instance changed": ({"labels": {"azure-devops-instance": "fabrikam"}}, {READ: 1, CHANGE: 1}),
    "all removed": ({"labels": None}, {READ: 1, CHANGE: 1}),
    "git_repo changed": ({"custom_fields": {"git_repo": {"name": "x", "link": "https://x.example"}}},
                         {READ: 1, CHANGE: 1}),
    "git_repo removed": ({"custom_fields": {}}, {READ: 1, CHANGE: 1}),
}


@pytest.mark.parametrize("what", LABELS)
def test_labels_and_git_repo_are_put_back(world, what):
    changes, cost = LABELS[what]
    world.synced(labels=["team=platform"])
    before = world.services()[SERVICE]
    edit(world, **changes)
    edit(world, labels={"color": "red"})
    result = world.compare()
    assert result.code == 0
    assert world.requests() == LISTS | cost
    [event] = seen(result, "repaired")
    assert SERVICE in event["message"] and event["level"] == "notice"
    after = world.services()[SERVICE]
    assert after["labels"] == before["labels"] | {"color": "red"}
    assert after["custom_fields"] == before["custom_fields"]
    quiet(world)


def test_labels_and_custom_fields_of_others_are_kept(world):
    """Also in the very write that repairs ours."""
    world.synced()
    fields = {"dashboard": {"name": "Board", "link": "https://grafana.example"}}
    edit(world, labels={"team": "x", "azure-devops-project": "y"},
         custom_fields={**fields, "git_repo": {"name": "z", "link": "https://z.example"}})
    assert world.compare().code == 0
    service = world.services()[SERVICE]
    assert service["labels"]["team"] == "x" and service["labels"]["azure-devops-project"] == "Payments"
    assert service["custom_fields"] == fields | {"git_repo": {
        "name": "repo-1", "link": "https://dev.azure.com/contoso/Payments/_git/repo-1"}}
    rename(world)
    assert world.once().code == 0
    service = world.services()[SERVICE]
    assert service["labels"]["team"] == "x"
    assert service["custom_fields"]["dashboard"] == fields["dashboard"]
    assert service["custom_fields"]["git_repo"]["name"] == "renamed"
    quiet(world)


@pytest.mark.parametrize("lost", [False, True], ids=["cache kept", "cache lost"])
def test_an_edited_display_name_stays_its_editor_s(world, lost):
    world.synced()
    edit(world, display_name="Our pride")
    if lost:
        world.forget_cache()
        assert world.once().code == 0
    else:
        assert world.compare().code == 0
        assert world.requests() == LISTS
    rename(world)
    assert world.once().code == 0
    rename(world, 0, "other")
    assert world.once().code == 0
    services = world.services()
    assert services[SERVICE]["display_name"] == "Our pride"
    assert services[SERVICE]["custom_fields"]["git_repo"]["name"] == "renamed"
    assert services["contoso.payments.repo-0"]["display_name"] == "Payments / other"
    quiet(world)


def test_an_edited_description_stays_its_editor_s(world):
    """Whatever the project's becomes after the comparison."""
    world.organization("contoso", [{"project": "Payments", "name": f"repo-{n}"} for n in range(2)],
                       projects=[{"name": "Payments", "description": "Money"}])
    world.instance("contoso")
    assert world.once().code == 0
    edit(world, description="Our words")
    assert world.compare().code == 0
    assert world.requests() == LISTS
    world.forget_requests()
    world.ado.control("PATCH", "/project", {"org": "contoso", "name": "Payments", "description": "More money"})
    assert world.once().code == 0
    assert world.requests() == {CHANGE: 1}
    rename(world)
    assert world.once().code == 0
    services = world.services()
    assert services[SERVICE]["description"] == "Our words"
    assert services[SERVICE]["display_name"] == "Payments / renamed"
    assert services["contoso.payments.repo-0"]["description"] == "More money"
    quiet(world)


def described(world, description="one"):
    """Like synced(), with a project whose description becomes the services'."""
    world.organization("contoso", [{"project": "Payments", "name": f"repo-{n}"} for n in range(8)],
                       projects=[{"name": "Payments", "description": description}])
    world.instance("contoso")
    assert world.once().code == 0


def describe(world, description):
    """In Azure DevOps."""
    world.ado.control("PATCH", "/project", {"org": "contoso", "name": "Payments", "description": description})


@pytest.mark.parametrize("theirs", ["edited", None])
def test_what_is_edited_while_the_repository_is_excluded_stays_its_editor_s(world, theirs):
    """Nothing is put back meanwhile, and what was not edited follows once it is included again."""
    described(world)
    world.instance("contoso", exclude=["Payments/repo-1", "Payments/renamed"])
    assert world.compare().code == 0
    edit(world, display_name="Our pride", description=theirs, labels={"azure-devops-project": "Else"})
    assert world.compare().code == 0
    assert world.requests() == LISTS
    describe(world, "two")
    rename(world)
    assert world.once().code == 0
    assert world.compare().code == 0
    assert world.services()[SERVICE]["description"] == theirs
    assert world.services()[SERVICE]["labels"]["azure-devops-project"] == "Else"
    world.instance("contoso")
    assert world.once().code == 0
    assert world.compare().code == 0
    service = world.services()[SERVICE]
    assert (service["display_name"], service["description"]) == ("Our pride", theirs)
    assert service["custom_fields"]["git_repo"]["name"] == "renamed"
    assert service["labels"]["azure-devops-project"] == "Payments"
    assert world.services()["contoso.payments.repo-2"]["description"] == "two"
    quiet(world)


def test_what_is_not_edited_while_the_repository_is_excluded_follows_again(world):
    """Also a description that got to Konnect just before, without an answer."""
    described(world)
    describe(world, "two")
    world.konnect.fault("lost_answer", method="PATCH", path_regex="/catalog-services/", times=-1)
    world.once()
    world.konnect.control("DELETE", "/fault")
    assert world.services()[SERVICE]["description"] == "two"
    world.instance("contoso", exclude=["Payments/repo-1"])
    assert world.compare().code == 0
    world.instance("contoso")
    assert world.once().code == 0
    describe(world, "three")
    rename(world)
    assert world.once().code == 0
    service = world.services()[SERVICE]
    assert (service["display_name"], service["description"]) == ("Payments / renamed", "three")
    quiet(world)


def test_an_edited_service_that_is_deleted_is_all_ours_again(world):
    world.synced()
    edit(world, display_name="Our pride")
    assert world.compare().code == 0
    world.konnect.control("DELETE", "/service", {"name": SERVICE})
    assert world.compare().code == 0
    assert world.services()[SERVICE]["display_name"] == "Payments / repo-1"
    rename(world)
    assert world.once().code == 0
    assert world.services()[SERVICE]["display_name"] == "Payments / renamed"


@pytest.mark.parametrize("mark", ["KONGCTL-namespace", "KONGCTL-protected"])
def test_a_service_with_another_owner_s_mark_is_not_touched(world, mark):
    """Nor is it taken for gone, whatever else has become of it and of its repository."""
    world.synced()
    edit(world, labels={mark: "true", "azure-devops-project": "Else"}, display_name="Theirs")
    before = catalog_of(world)
    assert world.compare().code == 0
    assert world.writes() == {}
    for changes in ({"default_branch": "refs/heads/x"}, {"name": "renamed"}, {"default_branch": "refs/heads/y"}):
        world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), **changes)
        world.once()
        world.compare()
        assert catalog_of(world) == before
    world.forget_cache()
    world.once()
    after = catalog_of(world)
    assert {key: after[0][key] for key in before[0]} == before[0]
    assert before[1].items() <= after[1].items()


# Lists that lie.

LIES = {
    "empty": {"kind": "empty_list"},
    "empty, and its total says otherwise": {"kind": "empty_list", "totals": False},
    "short": {"kind": "short_list", "n": 1},
    "short, and its total says otherwise": {"kind": "short_list", "n": 2, "totals": False},
    "refused": {"kind": "status", "status": 400},
    "not found": {"kind": "status", "status": 404},
    "no list": {"kind": "status", "status": 200, "body": {"data": "x"}, "content_type": "application/json"},
    "nothing": {"kind": "status", "status": 200, "body": {}, "content_type": "application/json"},
}


@pytest.mark.parametrize("which", ["catalog-services", "resource-mappings"])
@pytest.mark.parametrize("lie", LIES)
def test_a_list_that_lies_changes_nothing(world, lie, which):
    world.synced()
    before = catalog_of(world)
    world.konnect.fault(method="GET", path_regex=f"/{which}\\?.*sort=", **LIES[lie])
    result = world.compare()
    assert result.code == 0
    assert seen(result, "repaired") == []
    assert catalog_of(world) == before
    world.konnect.control("DELETE", "/fault")
    assert world.once().code == 0    # what was not compared is compared now
    quiet(world)


@pytest.mark.parametrize("also", [(), ("catalog-services",)], ids=["mappings", "services and mappings"])
def test_a_list_of_mappings_that_lies_makes_none_twice(world, also):
    """Not even where Konnect would take it: the repository has moved, and its resource is given by its project as well."""
    world.konnect.control("POST", "/settings", {"totals": "absent"})
    world.synced()
    project = world.ado.control("POST", "/project", {"org": "contoso", "name": "Web"})
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), project=project["id"])
    assert world.once().code == 0
    before = catalog_of(world)
    for which in ("resource-mappings", *also):
        world.konnect.fault("empty_list", method="GET", path_regex=f"/{which}\\?")
    assert world.compare().code == 0
    assert world.requests() == LISTS | {READ_MAPPING: 3} | ({READ: 3} if also else {})
    assert catalog_of(world) == before
    quiet(world)


@pytest.mark.parametrize("lie", LIES)
def test_a_list_that_lies_when_the_cache_is_lost_makes_nothing_twice(world, lie):
    world.synced()
    before = catalog_of(world)
    world.forget_cache()
    world.konnect.fault(method="GET", path_regex=r"/catalog-services\?.*sort=", **LIES[lie])
    assert world.once().code == 0
    world.konnect.control("DELETE", "/fault")
    assert world.compare().code == 0
    assert catalog_of(world) == before
    quiet(world)


@pytest.mark.parametrize("totals", ["absent", "wrong"])
def test_totals(world, totals):
    """Without them the lists are believed; with wrong ones nothing is concluded, and it is said."""
    world.synced()
    before = catalog_of(world)
    world.konnect.control("DELETE", "/service", {"name": SERVICE})
    world.konnect.control("POST", "/settings", {"totals": totals})
    result = world.compare()
    assert result.code == 0
    if totals == "absent":
        assert SERVICE in world.services()
        return
    assert world.writes() == {}
    assert [e for e in result.events if e["level"] == "warning" and "says 3" in e["message"]]
    world.konnect.control("POST", "/settings", {"totals": "right"})
    assert world.compare().code == 0
    assert len(catalog_of(world)[0]) == len(before[0])

"""Where repositories are mapped to: services of their own, their project's, named ones, or none; and moving."""

import pytest
from world import wait_until

READ = "GET /catalog-services/*"
CHANGE = "PATCH /catalog-services/*"
CREATE, MAP, UNMAP = "POST /catalog-services", "POST /resource-mappings", "DELETE /resource-mappings/*"
LOOKUP = "GET /catalog-services"
FIRST = {"GET /integrations": 1, "GET /integration-instances": 1, "POST /integration-instances": 1}
LISTS = {"GET /integration-instances": 1, "GET /catalog-services": 1, "GET /resource-mappings": 1}
REPOS = [("Payments", "user-api"), ("Payments", "user-web"), ("Web", "shop")]
OWN = {f"{project}/{name}": f"contoso.{project.lower()}.{name}" for project, name in REPOS}
PROJECT = {f"{project}/{name}": f"contoso.{project.lower()}" for project, name in REPOS}
NAMED = {"Payments/user-api": "user-service", "Payments/user-web": "user-service", "Web/shop": "contoso.web.shop"}
MAPS = {"map": {"user-service": ["Payments/user-*"]}}
MODES = {"repository": ({"map_to": "repository"}, OWN), "project": ({"map_to": "project"}, PROJECT),
         "map": (MAPS, NAMED), "none": ({"map_to": "none"}, {})}


def populate(world, repos=REPOS, **keys):
    world.organization("contoso", [{"project": project, "name": name} for project, name in repos],
                       projects=[{"name": project, "description": f"All of {project}"}
                                 for project in sorted({p for p, _ in repos})])
    world.instance("contoso", **keys)


def mapped(world, org="contoso"):
    """{"project/repository": service's name} of what is mapped, however Konnect knows a resource."""
    listing = world.ado.control("GET", f"/listing?org={org}")
    names = {r["id"]: f"{r['project']['name']}/{r['name']}" for r in listing}
    found = {}
    for m in world.catalog()["mappings"]:
        if m["resource"]["integration"]["instance"]["name"] == org:
            config = m["resource"]["config"]
            key = names.get(config.get("repository_id")) or f"{config['project']}/{config['repo']}"
            assert key not in found, f"{key} is mapped twice"
            found[key] = m["service"]["name"]
    return found


def quiet(world, lists=None):
    """An unchanged poll costs nothing, a comparison its lists."""
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}
    result = world.compare()
    assert result.code == 0, result
    assert world.requests() == (lists or LISTS)


# The first sync of each.

@pytest.mark.parametrize("mode", MODES)
def test_first_sync_then_nothing(world, mode):
    keys, wanted = MODES[mode]
    populate(world, **keys)
    assert world.once().code == 0
    services = set(wanted.values())
    counts = {CREATE: len(services), MAP: len(wanted), LOOKUP: 1 if mode == "map" else 0}
    assert world.requests() == FIRST | {key: n for key, n in counts.items() if n}
    assert mapped(world) == wanted
    assert set(world.services()) == services
    quiet(world)


def test_the_service_of_a_project(world):
    populate(world, map_to="project", labels=["team=platform"])
    assert world.once().code == 0
    service = world.services()["contoso.payments"]
    project = world.repo_id("contoso", "Payments")
    assert (service["display_name"], service["description"]) == ("Payments", "All of Payments")
    assert "git_repo" not in service["custom_fields"]
    assert service["labels"] == {
        "managed-by": "adosyncd", "azure-devops-instance": "contoso", "azure-devops-organization": "contoso",
        "team": "platform",
        "azure-devops-project": "Payments", "azure-devops-project-id": project, "azure-devops-state": "active",
        "azure-devops-visibility": "private"}


def test_none_shares_the_pat_all_the_same(world):
    populate(world, map_to="none", share_pat=True)
    assert world.once().code == 0
    assert len(world.catalog()["credentials"]) == 1
    assert world.services() == {}


@pytest.mark.parametrize("mode", MODES)
def test_a_repository_more(world, mode):
    keys, wanted = MODES[mode]
    populate(world, **keys)
    assert world.once().code == 0
    world.forget_requests()
    world.add_repo("contoso", "Payments", "user-late")
    assert world.once().code == 0
    service = {"repository": "contoso.payments.user-late", "none": None}.get(mode, wanted.get("Payments/user-api"))
    assert mapped(world) == (wanted | {"Payments/user-late": service} if service else wanted)
    assert world.requests() == {"repository": {CREATE: 1, MAP: 1}, "none": {}}.get(mode, {MAP: 1})


@pytest.mark.parametrize("mode", ["repository", "project", "map"])
def test_the_cache_is_lost(world, mode):
    """Everything is found again, and nothing is written but the integration instance's label."""
    keys, wanted = MODES[mode]
    populate(world, **keys)
    assert world.once().code == 0
    before = world.objects()
    world.forget_cache()
    world.forget_requests()
    assert world.once().code == 0
    assert world.writes() == {"PATCH /integration-instances/*": 1}
    assert mapped(world) == wanted
    after = world.objects()
    assert [after[key] for key in ("services", "mappings", "resources")] == [
        before[key] for key in ("services", "mappings", "resources")]
    quiet(world)


@pytest.mark.parametrize("mode, service", [("project", "contoso.payments"), ("map", "user-service")])
def test_a_deleted_shared_service_is_made_again_with_its_mappings(world, mode, service):
    keys, wanted = MODES[mode]
    populate(world, **keys)
    assert world.once().code == 0
    world.konnect.control("DELETE", "/service", {"name": service})
    assert world.compare().code == 0
    assert world.once().code == 0
    assert mapped(world) == wanted
    assert world.writes() == {CREATE: 1, MAP: 2}
    quiet(world)


# Moving.

MOVES = [(a, b) for a in MODES for b in MODES if a != b]


@pytest.mark.parametrize("old, new", MOVES)
def test_moving(world, old, new):
    """Two requests a repository that moves, and the services that are not there yet; what is left stays as it is."""
    (before, was), (after, wanted) = MODES[old], MODES[new]
    populate(world, **before)
    assert world.once().code == 0
    left = world.services()
    world.forget_requests()
    world.instance("contoso", **after)
    assert world.once().code == 0
    if new == "none":    # nothing is wanted of us any more, and nothing is taken away
        assert world.requests() == {}
        assert mapped(world) == was
        return
    moves = [key for key in wanted if was.get(key) != wanted[key]]
    counts = {CREATE: len(set(wanted.values()) - set(left)), MAP: len(moves),
              UNMAP: len([key for key in moves if key in was]), LOOKUP: 1 if new == "map" else 0}
    assert world.requests() == {key: n for key, n in counts.items() if n}
    assert mapped(world) == wanted
    now = world.services()
    assert {name: now[name] for name in left} == left
    quiet(world)


def test_there_and_back_again(world):
    """The services that were left are used again."""
    populate(world)
    assert world.once().code == 0
    before = world.services()
    for mode, cost in (("project", {UNMAP: 3, MAP: 3, CREATE: 2}), ("repository", {UNMAP: 3, MAP: 3}),
                       ("project", {UNMAP: 3, MAP: 3})):
        world.instance("contoso", map_to=mode)
        world.forget_requests()
        assert world.once().code == 0
        assert world.requests() == cost
        assert mapped(world) == MODES[mode][1]
    assert {name: s for name, s in world.services().items() if name in before} == before


@pytest.mark.parametrize("kind", ["hang", "hang_after"])
@pytest.mark.parametrize("method, after", [("DELETE", 0), ("DELETE", 2), ("POST", 0), ("POST", 2), ("POST", 4)])
def test_killed_while_moving(world, kind, method, after):
    """The next start goes on, with no mapping lost or made twice."""
    world.configure("konnect", max_in_flight=2)
    populate(world)
    assert world.once().code == 0
    world.instance("contoso", map_to="project")
    world.konnect.fault(kind, method=method, after=after)
    world.cache("UPDATE instance SET next_poll = 1")
    daemon = world.start()
    wait_until("the request", lambda: [f for f in world.konnect.control("GET", "/fault") if f["fired"]])
    daemon.kill()
    assert world.once().code == 0
    assert mapped(world) == PROJECT
    assert set(world.services()) == set(OWN.values()) | set(PROJECT.values())
    quiet(world)


def test_none_after_losing_the_cache(world):
    """What is in Konnect stays there."""
    populate(world)
    assert world.once().code == 0
    before = world.objects()
    world.instance("contoso", map_to="none")
    assert world.once().code == 0
    world.forget_cache()
    assert world.once().code == 0
    assert world.compare().code == 0
    after = world.objects()
    assert [after[key] for key in ("services", "mappings")] == [before[key] for key in ("services", "mappings")]


# Projects.

@pytest.mark.parametrize("change, words", [({"new_name": "Money"}, {"display_name": "Money"}),
                                           ({"description": "New"}, {"description": "New"}),
                                           ({"visibility": "public"}, {})])
def test_a_project_changes(world, change, words):
    """One write for all its repositories, and the service keeps its name."""
    populate(world, map_to="project")
    assert world.once().code == 0
    world.forget_requests()
    world.ado.control("PATCH", "/project", {"org": "contoso", "name": "Payments", **change})
    assert world.once().code == 0
    assert world.requests() == {CHANGE: 1}
    service = world.services()["contoso.payments"]
    assert words.items() <= service.items()
    assert service["labels"]["azure-devops-project"] == change.get("new_name", "Payments")
    quiet(world)


def test_a_repository_moves_to_another_project(world):
    populate(world, map_to="project")
    assert world.once().code == 0
    world.forget_requests()
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "user-web"), project="Web")
    assert world.once().code == 0
    assert world.requests() == {UNMAP: 1, MAP: 1}
    assert mapped(world) == {"Payments/user-api": "contoso.payments", "Web/user-web": "contoso.web",
                             "Web/shop": "contoso.web"}


def test_a_change_of_a_repository_is_nothing_to_its_project(world):
    populate(world, map_to="project")
    assert world.once().code == 0
    world.forget_requests()
    world.edit_repo("contoso", world.repo_id("contoso", "Web", "shop"), default_branch="refs/heads/x", name="renamed")
    assert world.once().code == 0
    assert world.requests() == {}


def test_projects_whose_names_collide(world):
    populate(world, [("Pay Hub", "a"), ("pay-hub", "b"), ("Pay.Hub", "c"), ("日本", "d")], map_to="project")
    assert world.once().code == 0
    found = mapped(world)
    assert len(set(found.values())) == 4
    assert "contoso.pay-hub" in (found["Pay Hub/a"], found["pay-hub/b"])
    for project, name in (("Pay.Hub", "c"), ("日本", "d")):
        assert found[f"{project}/{name}"].endswith("." + world.repo_id("contoso", project)[:8])
    quiet(world)


def test_a_project_s_name_that_somebody_has(world):
    world.konnect.control("POST", "/service", {"name": "contoso.payments", "display_name": "Theirs"})
    populate(world, map_to="project")
    assert world.once().code == 0
    long_name = f"contoso.payments.{world.repo_id('contoso', 'Payments')[:8]}"
    assert mapped(world) == PROJECT | {"Payments/user-api": long_name, "Payments/user-web": long_name}
    assert world.services()["contoso.payments"]["display_name"] == "Theirs"
    assert world.services()["contoso.payments"]["labels"] == {}
    quiet(world)


# A project's service goes with the last of its repositories.

GO = {
    "deleted": (lambda w, r: w.delete_repo("contoso", r), lambda w, r: w.ado.control("POST", "/restore", {"org": "contoso", "id": r})),
    "excluded": (lambda w, r: w.instance("contoso", **(w.instances["contoso"] | {"exclude": ["Web/*"]})),
                 lambda w, r: w.instance("contoso", **{k: v for k, v in w.instances["contoso"].items() if k != "exclude"})),
    "moved": (lambda w, r: w.edit_repo("contoso", r, project=w.repo_id("contoso", "Payments")),
              lambda w, r: w.edit_repo("contoso", r, project=w.repo_id("contoso", "Web"))),
}


def state_of(world, name):
    return world.services()[name]["labels"]["azure-devops-state"]


@pytest.mark.parametrize("mode", ["mark", "archive", "delete"])
@pytest.mark.parametrize("how", GO)
def test_a_project_s_service_goes_with_its_last_repository(world, how, mode):
    go, back = GO[how]
    repo = world.repo_id("contoso", "Web", "shop")
    populate(world, map_to="project", on_remove=mode)
    assert world.once().code == 0
    before = mapped(world)
    go(world, repo)
    for _ in range(2):
        result = world.once()
        assert result.code == 0, result
    if mode == "delete":
        assert "contoso.web" not in world.services()
    else:
        assert state_of(world, "contoso.web") == "removed"
    assert state_of(world, "contoso.payments") == "active"
    quiet_writes(world)
    back(world, repo)
    for _ in range(2):
        assert world.once().code == 0
    assert state_of(world, "contoso.web") == "active" and mapped(world) == before
    quiet_writes(world)


def quiet_writes(world):
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}
    assert world.compare().code == 0
    assert world.writes() == {}


def test_a_project_s_service_stays_with_a_repository_that_is_out_of_sight(world):
    populate(world, map_to="project", on_remove="delete")
    assert world.once().code == 0
    world.edit_repo("contoso", world.repo_id("contoso", "Web", "shop"), hidden=True)
    assert world.once().code == 0
    assert state_of(world, "contoso.web") == "active"


def test_a_project_s_service_stays_when_its_repositories_are_mapped_elsewhere(world):
    populate(world, map_to="project", on_remove="delete")
    assert world.once().code == 0
    world.instance("contoso", map_to="repository", on_remove="delete")
    assert world.once().code == 0
    assert state_of(world, "contoso.web") == state_of(world, "contoso.payments") == "active"


def test_a_project_s_service_that_somebody_took_over_is_not_deleted(world):
    populate(world, map_to="project", on_remove="delete")
    assert world.once().code == 0
    world.konnect.control("PATCH", "/service", {"id": world.services()["contoso.web"]["id"], "labels": {"managed-by": "somebody"}})
    world.delete_repo("contoso", world.repo_id("contoso", "Web", "shop"))
    world.once()
    assert "contoso.web" in world.services()

"""The scenarios of the contract test, each from where the one before it left the world."""

ORG = "contoso"


def first_sync(world):
    world.once()
    assert len(world.services()) == 5, sorted(world.services())


def unchanged(world):
    world.once()


def cache_lost(world):
    before = sorted(world.services())
    world.forget()
    world.once()
    assert sorted(world.services()) == before, sorted(world.services())


def changed(world):
    world.ado.control("PATCH", "/repo", {"org": ORG, "id": world.repo("user-service"),
                                         "default_branch": "refs/heads/release"})
    world.ado.control("PATCH", "/repo", {"org": ORG, "id": world.repo("empty"), "name": "no longer empty",
                                         "default_branch": "refs/heads/main"})
    world.once()
    labels = world.services()["contoso.payments-hub.user-service"]["labels"]
    assert labels["azure-devops-default-branch"] == "release", labels


def project_renamed(world):
    world.ado.control("PATCH", "/project", {"org": ORG, "name": "Web", "new_name": "Web & Shop", "description": "ü"})
    world.once()


def name_taken(world):
    world.konnect.control("POST", "/service", {"name": "contoso.payments-hub.taken"})
    world.ado.control("POST", "/repo", {"org": ORG, "project": "Payments Hub", "name": "taken",
                                        "default_branch": "refs/heads/main"})
    world.once()
    assert any(name.startswith("contoso.payments-hub.taken.") for name in world.services()), sorted(world.services())


def service_deleted(world):
    world.konnect.control("DELETE", "/service?name=contoso.payments-hub.user-service")
    world.ado.control("PATCH", "/repo", {"org": ORG, "id": world.repo("user-service"),
                                         "default_branch": "refs/heads/main"})
    world.once()
    assert "contoso.payments-hub.user-service" in world.services(), sorted(world.services())


def excluded(world):
    world.once('exclude = { "*/fork" }')
    world.once()


def missing(world):
    world.ado.control("DELETE", f"/repo?org={ORG}&id={world.repo('off')}&recycle=1")
    world.once()


def labelled(world):
    world.once('labels = { "team=platform" }')
    world.once('description = "Repositories of Contoso"')


USER = "contoso.payments-hub.user-service"


def repaired(world):
    """What somebody changed or deleted is found by a comparison."""
    before = world.services()
    [mapping, *_] = world.konnect.control("GET", "/state")["mappings"]
    world.konnect.control("DELETE", "/mapping", {"id": mapping["id"]})
    world.konnect.control("PATCH", "/service", {"name": USER, "labels": {"azure-devops-state": None, "team": "x"},
                                                "custom_fields": {}})
    world.konnect.control("DELETE", "/service?name=contoso.web.fork")
    world.compare()
    after = world.services()
    assert after.keys() == before.keys(), sorted(after)
    assert after[USER]["labels"] == before[USER]["labels"] | {"team": "x"}, after[USER]
    assert after[USER]["custom_fields"] == before[USER]["custom_fields"], after[USER]


def edited(world):
    """What somebody wrote over ours stays."""
    world.konnect.control("PATCH", "/service", {"name": USER, "display_name": "Users", "description": "Ours"})
    world.compare()
    world.ado.control("PATCH", "/repo", {"org": ORG, "id": world.repo("user-service"), "name": "user-svc"})
    world.once()
    service = world.services()[USER]
    assert service["display_name"] == "Users" and service["custom_fields"]["git_repo"]["name"] == "user-svc", service


def instance_deleted(world):
    before = world.mappings()
    world.konnect.control("DELETE", "/instance?name=contoso")
    world.compare()
    found = world.mappings()
    assert found and found.items() <= before.items(), found


def pat_shared(world):
    """Created, replaced with the PAT, replaced when tainted, adopted by replacing, removed."""
    share = "share_pat = yes"
    world.once(share)
    assert world.shared() == ["pat"], world.shared()
    world.ado.control("PATCH", "/org", {"name": ORG, "pat": "another"})
    world.secret("contoso.pat", "another")
    world.once(share)
    assert world.shared() == ["another"], world.shared()
    world.konnect.control("PATCH", "/credential", {"instance": "contoso", "tainted": True, "missing_permissions": [
        {"scopes": ["vso.code"], "message": "No repositories."}], "expires_at": "2027-01-02T03:04:05Z"})
    world.compare(share)
    world.forget()
    world.once(share)
    assert world.shared() == ["another"], world.shared()
    world.once()
    assert world.shared() == [], world.shared()


def mapped_elsewhere(world):
    """To projects, to a named service, to none, and back."""
    named = 'map "user-team" { repositories = { "Payments*/user-*" } }'
    for lines in ("map_to = project", named, "map_to = none", ""):
        world.once(lines)
        world.compare(lines)
    world.once("map_to = project")
    world.ado.control("PATCH", "/project", {"org": ORG, "name": "Web & Shop", "new_name": "Shop",
                                            "description": "More"})
    world.once("map_to = project")
    world.once()
    assert "user-team" in world.services() and "contoso.payments-hub" in world.services(), sorted(world.services())
    assert world.mappings()[world.repo("user-svc")] == USER, world.mappings()


def mapped_by_somebody(world):
    """create: a repository whose resource somebody else has mapped gets no service, or gets one all the same."""
    world.ado.control("POST", "/repo", {"org": ORG, "project": "Payments Hub", "name": "theirs"})
    service = world.konnect.control("POST", "/service", {"name": "their-service"})
    resource = world.konnect.control("GET", "/state")["mappings"][0]["resource"]
    project = next(p["id"] for p in world.ado.control("GET", "/world")[ORG]["projects"] if p["name"] == "Payments Hub")
    world.konnect.control("POST", "/mapping", {"service": service["id"], "resource": {
        "integration_instance": "contoso", "type": resource["type"],
        "config": resource["config"] | {"project_id": project, "repository_id": world.repo("theirs")}}})
    world.forget()
    world.once()
    assert world.mappings()[world.repo("theirs")] == "their-service", world.mappings()
    assert "contoso.payments-hub.theirs" not in world.services(), sorted(world.services())
    world.once("create = always")
    assert "contoso.payments-hub.theirs" in world.services(), sorted(world.services())


SCENARIOS = (first_sync, unchanged, cache_lost, changed, project_renamed, name_taken, service_deleted, excluded,
             missing, labelled, repaired, edited, instance_deleted, pat_shared, mapped_elsewhere, mapped_by_somebody)

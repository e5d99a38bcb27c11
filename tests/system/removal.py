"""What the tests of removals do to an organization, and how they look at what became of it."""

CHANGE = "PATCH /catalog-services/*"


def event(result, name):
    return [e for e in result.events if e.get("ADOSYNC_EVENT") == name]


def ids(world, numbers):
    return [world.repo_id("contoso", "Payments", f"repo-{n}") for n in numbers]


def delete(world, numbers, recycle=True):
    for repo in ids(world, numbers):
        world.delete_repo("contoso", repo, recycle)


def restore(world, numbers):
    for repo in ids(world, numbers):
        world.ado.control("POST", "/restore", {"org": "contoso", "id": repo})


def hide(world, numbers, hidden=True):
    for repo in ids(world, numbers):
        world.edit_repo("contoso", repo, hidden=hidden)


def states(world):
    """{name of a repository: the state that its service shows}"""
    return {s["custom_fields"]["git_repo"]["name"]: s["labels"]["azure-devops-state"] for s in world.catalog()["services"]}


def in_state(world, state):
    """The numbers of the repositories whose services show it, sorted."""
    return sorted(int(name.split("-")[1]) for name, s in states(world).items() if s == state)


def bins(world):
    """The projects whose recycle bins were asked for since the last forget_requests()."""
    return [r["path"].split("/")[2] for r in world.ado.control("GET", "/requests") if "recyclebin" in r["path"].lower()]


def pass_a_day(world):
    """What was removed is a day older."""
    world.cache("UPDATE repository SET removed_at = removed_at - 90000 WHERE removed_at > 0")


def nothing_deleted(world):
    return not any(route.startswith("DELETE") for route in world.requests())


def hash_of(text):
    """What --dry-run, or adosyncctl plan, says."""
    return text.split("contoso=")[1].split()[0]

"""What Konnect must hold for what Azure DevOps lists, worked out from the design and not from the program."""

import re

NAME_MAX = 120
LABEL_MAX = 63
DESCRIPTION_MAX = 2048
OURS = ("managed-by", "azure-devops-instance", "azure-devops-organization", "azure-devops-project",
        "azure-devops-project-id", "azure-devops-repository-id", "azure-devops-default-branch", "azure-devops-state",
        "azure-devops-visibility", "azure-devops-fork")
REPOSITORY = "azure-devops-repository-id"


def lower(text):
    """ASCII only: what the design calls lower case."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def slug(text):
    return re.sub(r"[^0-9a-z-]+", "-", lower(text))


def plain_name(instance, project, name):
    """(the service name, whether it has lost too much to be used)"""
    full = f"{instance}.{slug(project)}.{slug(name)}"
    lossy = re.search(r"[^0-9A-Za-z -]", project + name) is not None or len(full) > NAME_MAX
    return full[:NAME_MAX], lossy


def long_name(instance, project, name, guid):
    return plain_name(instance, project, name)[0][: NAME_MAX - 9] + "." + guid[:8]


def label_value(text):
    """As a label can hold it, or None."""
    text = re.sub(r"[^A-Za-z0-9._-]+", "-", text)
    text = re.sub(r"^[^A-Za-z0-9]+", "", text)[:LABEL_MAX]
    return re.sub(r"[^A-Za-z0-9]+$", "", text) or None


def matches(glob, project, name):
    if "/" not in glob:
        name = None
    pattern = re.escape(lower(glob)).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.fullmatch(pattern, lower(project if name is None else f"{project}/{name}")) is not None


def included(config, element):
    project, name = element["project"]["name"], element["name"]
    if element["isDisabled"] and config.get("include_disabled") is False:
        return False
    if any(matches(glob, project, name) for glob in config.get("exclude", ())):
        return False
    return not config.get("include") or any(matches(glob, project, name) for glob in config["include"])


def labels(instance, config, element):
    """All labels of a service but those that somebody else has put there."""
    branch = element.get("defaultBranch")
    state = ("disabled" if element["isDisabled"] else "maintenance" if element["isInMaintenance"]
             else "active" if branch else "empty")
    wanted = {
        "managed-by": "adosyncd", "azure-devops-instance": instance, "azure-devops-organization": config["organization"],
        "azure-devops-project": element["project"]["name"], "azure-devops-project-id": element["project"]["id"],
        REPOSITORY: element["id"], "azure-devops-default-branch": (branch or "").removeprefix("refs/heads/"),
        "azure-devops-state": state, "azure-devops-visibility": element["project"]["visibility"],
        "azure-devops-fork": "true" if element.get("isFork") else "false"}
    cut = {key: label_value(value) for key, value in wanted.items()}
    return {key: value for key, value in cut.items() if value} | dict(
        label.split("=", 1) for label in config.get("labels", ()))


def display_name(element):
    return f"{element['project']['name']} / {element['name']}"[:NAME_MAX]


def description(element):
    return (element["project"].get("description") or "")[:DESCRIPTION_MAX] or None


def git_repo(element):
    return {"name": element["name"], "link": element["webUrl"]}


def listing(world, organization):
    """What Azure DevOps lists now: {GUID: element}"""
    return {element["id"]: element for element in world.ado.control("GET", f"/listing?org={organization}")}


class Catalog:
    """What Konnect holds, by what we look for."""

    def __init__(self, world):
        self.state = world.catalog()
        self.services = {service["id"]: service for service in self.state["services"]}
        self.of_repository = {}
        for service in self.state["services"]:
            guid = service["labels"].get(REPOSITORY)
            if guid and service["labels"].get("managed-by") == "adosyncd":
                self.of_repository.setdefault(guid, []).append(service)
        self.mappings = {}
        for mapping in self.state["mappings"]:
            self.mappings.setdefault(mapping["service"]["id"], []).append(mapping)

    def instance(self, name):
        return next((i for i in self.state["instances"] if i["name"] == name), None)


def service_faults(config, instance, element, service, edited=()):
    """What is wrong with the service of a repository, but for its name. edited: fields that are somebody's."""
    wrong = []
    for key, value in labels(instance, config, element).items():
        if service["labels"].get(key) != value:
            wrong.append(f"label {key}: {service['labels'].get(key)!r}, wanted {value!r}")
    for key in OURS:
        if key in service["labels"] and key not in labels(instance, config, element):
            wrong.append(f"label {key}: {service['labels'][key]!r}, wanted none")
    if service["custom_fields"].get("git_repo") != git_repo(element):
        wrong.append(f"git_repo: {service['custom_fields'].get('git_repo')}, wanted {git_repo(element)}")
    for field, value in (("display_name", display_name(element)), ("description", description(element))):
        if field not in edited and service[field] != value:
            wrong.append(f"{field}: {service[field]!r}, wanted {value!r}")
    return wrong


def mapping_faults(instance, element, mappings):
    if len(mappings) != 1:
        return [f"{len(mappings)} mappings: {[m['resource']['config'] for m in mappings]}"]
    resource = mappings[0]["resource"]
    if resource["integration"]["instance"]["name"] != instance or resource["config"]["repository_id"] != element["id"]:
        return [f"mapped to {resource}"]
    return []


def faults(world, edited=None):
    """Where Konnect and Azure DevOps differ: the simple case, in which nothing was ever deleted or excluded.
    edited: {GUID: fields that are somebody's}"""
    catalog, wrong, wanted = Catalog(world), [], 0
    for name, config in world.instances.items():
        if catalog.instance(name) is None:
            wrong.append(f"no integration instance {name}")
            continue
        have = catalog.instance(name)["labels"]
        if (have.get("managed-by"), have.get("azure-devops-instance")) != ("adosyncd", name) or "adosyncd-writer" not in have:
            wrong.append(f"labels of the integration instance: {have}")
        for guid, element in listing(world, config["organization"]).items():
            if not included(config, element):
                continue
            wanted += 1
            services = catalog.of_repository.get(guid, [])
            if len(services) != 1:
                wrong.append(f"{element['name']}: {len(services)} services")
                continue
            bad = service_faults(config, name, element, services[0], (edited or {}).get(guid, ()))
            bad += mapping_faults(name, element, catalog.mappings.get(services[0]["id"], []))
            wrong += [f"{element['name']}: {text}" for text in bad]
    return wrong

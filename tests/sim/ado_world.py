"""The organizations the Azure DevOps simulator serves: their projects and
repositories, how these look on the wire, and a generator of big ones."""

import json
import random
import urllib.parse
import uuid

from common import ControlError

NAMESPACE = uuid.UUID("6f6ce1a4-0c0f-4f35-9d7e-3c5b8a1f2d10")
REPO_FIELDS = {"name", "project", "default_branch", "size", "disabled", "maintenance",
               "fork", "hidden", "extra"}
PROJECT_FIELDS = {"name", "description", "visibility", "state"}
ORG_FIELDS = {"name", "pat", "pat_state", "shuffle", "api_versions", "bin_preview_only"}
PAT_STATES = {"ok", "expired", "noscope", "revoked"}


def fixed_id(*names):
    """The same names always get the same GUID."""
    return str(uuid.uuid5(NAMESPACE, "/".join(names)))


def quote(text):
    return urllib.parse.quote(text, safe="()!*'")


class Org:
    """One organization.  Rendered elements are kept until something that
    shows in them changes, since a listing can be very long."""

    def __init__(self, name):
        self.name = name
        self.pat = ""
        self.pat_state = "ok"
        self.shuffle = False
        self.api_versions = None
        self.bin_preview_only = False
        self.projects = {}
        self.repos = {}
        self.recycle = {}
        self.revision = 100
        self.elements = {}
        self.bodies = {}

    def configure(self, spec):
        for key in ORG_FIELDS & spec.keys():
            setattr(self, key, spec[key])
        if self.pat_state not in PAT_STATES:
            raise ControlError(f"pat_state: one of {', '.join(sorted(PAT_STATES))}")
        self.forget()

    def forget(self, repo_id=None):
        self.bodies.clear()
        if repo_id is None:
            self.elements.clear()
        else:
            self.elements.pop(repo_id, None)

    def find_project(self, key):
        """By id, or by name whatever its case."""
        key = str(key).lower()
        if key in self.projects:
            return self.projects[key]
        for project in self.projects.values():
            if project["name"].lower() == key:
                return project
        return None

    def add_project(self, spec):
        self.revision += 7
        name = spec["name"]
        project = {"id": (spec.get("id") or fixed_id(self.name, name)).lower(), "name": name,
                   "description": spec.get("description", ""),
                   "visibility": spec.get("visibility", "private"),
                   "state": spec.get("state", "wellFormed"), "revision": self.revision,
                   "updated": moment(self.revision)}
        self.projects[project["id"]] = project
        self.bodies.clear()
        return project

    def patch_project(self, spec):
        project = self.find_project(spec.get("id") or spec["name"])
        if not project:
            raise ControlError("no such project")
        changes = {key: spec[key] for key in PROJECT_FIELDS & spec.keys()}
        # With a name alone the project is found by it; "new_name" renames.
        if "id" not in spec:
            changes.pop("name", None)
        if "new_name" in spec:
            changes["name"] = spec["new_name"]
        self.revision += 3
        project.update(changes, revision=self.revision, updated=moment(self.revision))
        self.forget()
        return project

    def delete_project(self, key):
        project = self.find_project(key)
        if not project:
            raise ControlError("no such project")
        for table in (self.repos, self.recycle):
            for repo in [r for r in table.values() if r["project"] == project["id"]]:
                del table[repo["id"]]
        del self.projects[project["id"]]
        self.forget()
        return project

    def project_id(self, key):
        return (self.find_project(key) or self.add_project({"name": key}))["id"]

    def make_repo(self, spec):
        project = self.project_id(spec["project"])
        name = spec["name"]
        project_name = self.projects[project]["name"]
        return {"id": (spec.get("id") or fixed_id(self.name, project_name, name)).lower(),
                "name": name, "project": project,
                "default_branch": spec.get("default_branch", "refs/heads/main"),
                "size": spec.get("size", 1024 + len(self.repos)),
                "disabled": bool(spec.get("disabled")),
                "maintenance": bool(spec.get("maintenance")),
                "fork": bool(spec.get("fork")), "hidden": bool(spec.get("hidden")),
                "extra": spec.get("extra")}

    def add_repo(self, spec):
        repo = self.make_repo(spec)
        self.recycle.pop(repo["id"], None)
        self.repos[repo["id"]] = repo
        self.forget(repo["id"])
        return repo

    def patch_repo(self, spec):
        repo = self.repos.get(str(spec["id"]).lower())
        if not repo:
            raise ControlError("no such repository")
        for key in REPO_FIELDS & spec.keys():
            repo[key] = self.project_id(spec[key]) if key == "project" else spec[key]
        self.forget(repo["id"])
        return repo

    def delete_repo(self, repo_id, recycle):
        repo = self.repos.pop(repo_id.lower(), None)
        if not repo:
            raise ControlError("no such repository")
        if recycle:
            self.recycle[repo["id"]] = repo
        self.forget(repo["id"])
        return repo

    def restore_repo(self, repo_id):
        repo = self.recycle.pop(repo_id.lower(), None)
        if not repo:
            raise ControlError("not in the recycle bin")
        self.repos[repo["id"]] = repo
        self.forget(repo["id"])
        return repo

    def show_project(self, project, base):
        shown = {"id": project["id"], "name": project["name"]}
        if project["description"]:
            shown["description"] = project["description"]
        shown.update(url=f"{base}/_apis/projects/{project['id']}", state=project["state"],
                     revision=project["revision"], visibility=project["visibility"],
                     lastUpdateTime=project["updated"])
        return shown

    def show_repo(self, repo):
        """A repository as a listing has it."""
        base = f"https://dev.azure.com/{self.name}"
        project = self.projects[repo["project"]]
        where = f"{quote(project['name'])}/_git/{quote(repo['name'])}"
        shown = {"id": repo["id"], "name": repo["name"],
                 "url": f"{base}/{project['id']}/_apis/git/repositories/{repo['id']}",
                 "project": self.show_project(project, base)}
        # An empty repository has no default branch, not a null one.
        if repo["default_branch"]:
            shown["defaultBranch"] = repo["default_branch"]
        shown.update(
            size=repo["size"],
            remoteUrl=f"https://{self.name}@dev.azure.com/{self.name}/{where}",
            sshUrl=f"git@ssh.dev.azure.com:v3/{self.name}/"
                   f"{quote(project['name'])}/{quote(repo['name'])}",
            webUrl=f"{base}/{where}")
        if repo["fork"]:
            shown["isFork"] = True
        shown.update(isDisabled=repo["disabled"], isInMaintenance=repo["maintenance"])
        if repo["extra"]:
            shown.update(repo["extra"])
        return shown

    def show_deleted(self, repo):
        base = f"https://dev.azure.com/{self.name}"
        project = self.projects[repo["project"]]
        return {"id": repo["id"], "name": repo["name"],
                "project": self.show_project(project, base),
                "deletedBy": {"displayName": "A Maintainer", "id": fixed_id(self.name, "who"),
                              "uniqueName": "maintainer@example.org"},
                "createdDate": "2024-02-29T12:00:00.123Z",
                "deletedDate": "2025-11-03T08:15:42.0929091Z"}

    def listed(self, project=None):
        """The rendered elements of a listing, in the order it has."""
        shown = []
        for repo in self.repos.values():
            if repo["hidden"] or (project and repo["project"] != project["id"]):
                continue
            text = self.elements.get(repo["id"])
            if text is None:
                text = encode(self.show_repo(repo))
                self.elements[repo["id"]] = text
            shown.append(text)
        if self.shuffle:
            random.shuffle(shown)
        return shown

    def deleted(self, project):
        return [encode(self.show_deleted(repo)) for repo in self.recycle.values()
                if repo["project"] == project["id"] and not repo["hidden"]]

    def dump(self):
        """The organization as --world has it."""
        return {"pat": self.pat, "pat_state": self.pat_state, "shuffle": self.shuffle,
                "api_versions": self.api_versions, "bin_preview_only": self.bin_preview_only,
                "projects": list(self.projects.values()),
                "repos": list(self.repos.values()), "recycle": list(self.recycle.values())}


def encode(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def moment(revision):
    """A time that only depends on the revision, with an odd fraction."""
    return f"2025-{revision // 2419 % 12 + 1:02}-{revision // 86 % 28 + 1:02}T" \
           f"{revision % 24:02}:{revision % 60:02}:{revision % 59:02}.{revision % 1000}Z"


class World:
    """All organizations; names are found whatever their case."""

    def __init__(self):
        self.orgs = {}

    def get(self, name):
        return self.orgs.get(str(name).lower())

    def need(self, name):
        org = self.get(name)
        if not org:
            raise ControlError(f"no organization {name}")
        return org

    def put(self, name, spec):
        org = Org(name)
        org.configure({key: value for key, value in spec.items() if key != "name"})
        for project in spec.get("projects", ()):
            org.add_project(project)
        for repo in spec.get("repos", ()):
            org.add_repo(repo)
        for repo in spec.get("recycle", ()):
            gone = org.make_repo(repo)
            org.recycle[gone["id"]] = gone
        self.orgs[name.lower()] = org
        return org

    def load(self, document):
        for name, spec in document.items():
            self.put(name, spec)

    def dump(self):
        return {org.name: org.dump() for org in self.orgs.values()}


AREAS = ["Payments", "Web Shop", "Data Platform", "Identity", "Field Service", "Search.Next",
         "Möbel und Räume", "Mobile", "Legacy ERP", "Operations (EU)", "Risk", "日本支社"]
HEADS = ["user", "order", "ledger", "invoice", "catalog", "session", "report", "gateway",
         "pricing", "stock", "audit", "export", "partner", "notify", "résumé", "Claims"]
TAILS = ["service", "api", "worker", "ui", "lib", "Infra", "db migrations", "tools", "docs",
         "tests", "k8s", "Contracts.v2"]


def generate(org, projects, repos, seed):
    """Fill an organization with names as people give them."""
    rng = random.Random(seed)
    ids = []
    for number in range(projects):
        name = AREAS[number % len(AREAS)]
        if number >= len(AREAS):
            name = f"{name} {number // len(AREAS) + 1}"
        description = rng.choice(["", "", f"All about {name}.", "Two\nlines, \"quoted\" \\ and ü"])
        visibility = rng.choice(["private", "private", "private", "organization", "public"])
        found = org.find_project(name) or org.add_project(
            {"name": name, "description": description, "visibility": visibility})
        ids.append(found["id"])
    for number in range(repos):
        name = f"{rng.choice(HEADS)}-{rng.choice(TAILS)}-{number}"
        empty = rng.random() < 0.04
        branch = rng.choice(["main", "main", "main", "master", "develop", "release/2.x"])
        org.add_repo({
            "project": ids[number % len(ids)] if ids else "Main", "name": name,
            "default_branch": None if empty else f"refs/heads/{branch}",
            "size": 0 if empty else int(rng.paretovariate(0.4) * 1000) % (1 << 36),
            "disabled": rng.random() < 0.03, "fork": rng.random() < 0.02})

#!/usr/bin/env python3
"""Listings as Azure DevOps answers them, generated: about 1000 bytes a repository, shuffled over the projects.

    listings.py DIRECTORY ORGANIZATIONS REPOSITORIES

makes DIRECTORY/VARIANT/ORGANIZATION.json.gz, the same bytes every time. The variants:
  base
  changed  of 1 % of the repositories the size (half of them), the default branch, the name or isDisabled is another
  moved    projects of about 1 % of the repositories (1000 of 100,000) have been edited: their revision and lastUpdateTime"""

import gzip
import hashlib
import json
import os
import random
import sys
import uuid

VARIANTS = ("base", "changed", "moved")
HOST = "https://dev.azure.com"
WORDS = """payments billing ledger identity gateway catalog search orders shipping pricing inventory notification platform
mobile web portal data lake pipeline reporting fraud risk customer onboarding document workflow scheduler audit compliance
treasury mortgage cards loyalty partner api client sdk infra terraform helm charts ansible docs design frontend backend
service worker batch etl common shared legacy core test e2e tools cli""".split()
SENTENCE = """This project holds the source code, pipelines and infrastructure definitions of the team. Owned by the domain
team and governed by the platform guild; see the wiki for on-call, runbooks and architecture decisions before opening a pull
request or asking for access to the production subscription.""".split()


def organization(number):
    """The name of an organization."""
    return "contoso-engineering" if number == 0 else f"contoso-engineering-{number}"


class Organization:
    """One organization and its three listings."""

    def __init__(self, name, count):
        self.name = name
        self.random = random.Random(f"{name} {count}")
        self.projects = []
        self.repos = []
        while len(self.repos) < count:
            project = self.project(len(self.projects) + 1)
            names = set()
            size = min(count - len(self.repos), max(1, int(self.random.gauss(20, 6))))
            self.repos += [(project, self.repo(names)) for _ in range(size)]
            self.projects.append(project)
        self.random.shuffle(self.repos)

    def guid(self):
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def time(self):
        r = self.random.randint
        return (f"20{r(19, 25)}-{r(1, 12):02}-{r(1, 28):02}T{r(0, 23):02}:{r(0, 59):02}:{r(0, 59):02}.{r(0, 999):03}Z")

    def project(self, number):
        r = self.random
        words = [word.capitalize() for word in r.sample(WORDS, r.choice((1, 2, 2, 3)))]
        guid, name = self.guid(), (" " if r.random() < 0.3 else "-").join(words) + f" {number}"
        description = {}
        if r.random() < 0.6:
            text = " ".join(r.choices(SENTENCE, k=r.randint(4, 40)))
            if r.random() < 0.08:
                text = f'Équipe "{name}" — {text}\nSee https://contoso.example/wiki?a=1&b=2'
            description["description"] = text
        return {"id": guid, "name": name, **description, "url": f"{HOST}/{self.name}/_apis/projects/{guid}",
                "state": "wellFormed", "revision": r.randint(10, 4000), "visibility": "private",
                "lastUpdateTime": self.time()}

    def repo(self, names):
        r = self.random
        name = "-".join(r.sample(WORDS, r.choice((1, 2, 2, 3))))
        while name in names:
            name += "-" + r.choice(WORDS)
        names.add(name)
        return {"id": self.guid(), "name": name,
                "branch": r.choices(("main", "master", "develop", None), (60, 25, 8, 7))[0],
                "size": int(r.lognormvariate(13, 2.5)), "disabled": r.random() < 0.02}

    def element(self, project, repo):
        where = project["name"].replace(" ", "%20")
        branch = {"defaultBranch": f"refs/heads/{repo['branch']}"} if repo["branch"] else {}
        return {"id": repo["id"], "name": repo["name"],
                "url": f"{HOST}/{self.name}/{project['id']}/_apis/git/repositories/{repo['id']}",
                "project": project, **branch, "size": repo["size"],
                "remoteUrl": f"https://{self.name}@dev.azure.com/{self.name}/{where}/_git/{repo['name']}",
                "sshUrl": f"git@ssh.dev.azure.com:v3/{self.name}/{where}/{repo['name']}",
                "webUrl": f"{HOST}/{self.name}/{where}/_git/{repo['name']}",
                "isDisabled": repo["disabled"], "isInMaintenance": False}

    def text(self, repos):
        value = [self.element(project, repo) for project, repo in repos]
        return json.dumps({"value": value, "count": len(value)}, separators=(",", ":"), ensure_ascii=False).encode()

    def base(self):
        return self.text(self.repos)

    def changed(self):
        r = random.Random(f"changed {self.name}")
        repos = list(self.repos)
        for number, at in enumerate(r.sample(range(len(repos)), max(1, len(repos) // 100))):
            project, repo = repos[at]
            kind = number % 10
            if kind < 5:
                change = {"size": repo["size"] + r.randint(1, 99999)}
            elif kind < 7:
                change = {"branch": "trunk"}
            elif kind < 9:
                change = {"name": repo["name"] + "-renamed"}
            else:
                change = {"disabled": not repo["disabled"]}
            repos[at] = (project, {**repo, **change})
        return self.text(repos)

    def moved(self):
        edited, left = {}, max(1, len(self.repos) // 100)
        sizes = {}
        for project, _ in self.repos:
            sizes[project["id"]] = sizes.get(project["id"], 0) + 1
        for project in self.projects:
            if left > 0:
                left -= sizes[project["id"]]
                edited[project["id"]] = {**project, "revision": project["revision"] + 1,
                                         "lastUpdateTime": "2026-01-02T03:04:05.678Z"}
        return self.text([(edited.get(project["id"], project), repo) for project, repo in self.repos])


def make(directory, organizations, repositories):
    """Writes what is not there yet. Returns {"bytes": n, "gzip": n} of the base variant."""
    stamp = os.path.join(directory, "made")
    with open(__file__, "rb") as file:
        version = hashlib.sha256(file.read()).hexdigest()
    if os.path.exists(stamp):
        with open(stamp, encoding="utf-8") as file:
            made = json.load(file)
        if made["version"] == version:
            return made
    total = {"version": version, "bytes": 0, "gzip": 0}
    for variant in VARIANTS:
        os.makedirs(os.path.join(directory, variant), exist_ok=True)
    for number in range(organizations):
        org = Organization(organization(number), repositories)
        for variant in VARIANTS:
            text = getattr(org, variant)()
            packed = gzip.compress(text, 6, mtime=0)
            with open(os.path.join(directory, variant, f"{org.name}.json.gz"), "wb") as file:
                file.write(packed)
            if variant == "base":
                total["bytes"] += len(text)
                total["gzip"] += len(packed)
    with open(stamp, "w", encoding="utf-8") as file:
        json.dump(total, file)
    return total


if __name__ == "__main__":
    print(json.dumps(make(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))

"""Random worlds: edits on both sides, faults, restarts and losses, and what must hold whenever it is quiet again.

A Story is made by one seed. It goes in epochs: work and trouble, then faults stop, the program runs, and a judge that
knows the design (oracle.py) and what happened compares. Where the design leaves room (an edit in Konnect in the same
moment as a change of the same field, a cache that was lost), the judge does too, and says why."""

import copy
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
import uuid

import oracle
from oracle import REPOSITORY
from world import PAT, PROGRAM, World, wait_until

PROJECTS = ["Payments", "Web", "Web Shop", "web-shop", "Möbel & Räume", "Data.Platform", "日本支社", "Ops (EU)"]
NAMES = ["api", "API gateway", "api-gateway", "user service", "user-service", "résumé", "Search.Next", "x" * 60, "ui",
         "ledger", "db_migrations", "tools", "日本", "a.b", "Contracts v2", "worker"]
DESCRIPTIONS = ["", "All about it.", 'Two\nlines, "quoted" \\ and ü', "z" * 2500, "More words", "Fewer"]
FILTERS = [{}, {}, {"exclude": ["Web*"]}, {"exclude": ["*/api*"]}, {"include": ["*/anchor", "Payments", "Web Shop"]},
           {"include": ["*/anchor", "*/*e*"], "exclude": ["Data.Platform/*"]}, {"include_disabled": False}]
LABELS = ["team=platform", "team=web", "tier=gold", "cost-center=42"]
IDENTITY = ("managed-by", "azure-devops-instance", REPOSITORY)

ADO_FAULTS = [
    {"kind": "reset"}, {"kind": "slow", "seconds": 0.2}, {"kind": "truncate"}, {"kind": "redirect"}, {"kind": "status_203"},
    {"kind": "html_signin"}, {"kind": "html_unavailable"}, {"kind": "status", "status": 500}, {"kind": "429", "retry_after": 1},
    {"kind": "503"}, {"kind": "403_vs403463"}, {"kind": "ratelimit_delay", "seconds": 1}, {"kind": "wrong_count"},
    {"kind": "bom"}, {"kind": "count_first"}, {"kind": "401_valid_body"}, {"kind": "duplicate_guid"}, {"kind": "not_array"},
    {"kind": "unclosed"}, {"kind": "garbage"}, {"kind": "long_element"}, {"kind": "empty"}, {"kind": "partial"},
    {"kind": "extra_keys"}, {"kind": "bad_element"},
    *({**fault, "path_regex": "(?i)recyclebin"} for fault in (
        {"kind": "reset"}, {"kind": "truncate"}, {"kind": "status", "status": 404}, {"kind": "403_vs403463"}, {"kind": "html_signin"},
        {"kind": "garbage"}, {"kind": "wrong_count"}, {"kind": "empty"}))]
KONNECT_FAULTS = [
    {"kind": "reset_before"}, {"kind": "401"}, {"kind": "403"}, {"kind": "429", "retry_after": 1},
    {"kind": "503", "retry_after": 1},
    {"kind": "html"}, {"kind": "status", "status": 500}, {"kind": "lost_answer"}, {"kind": "lost_answer", "method": "POST"},
    {"kind": "lost_answer", "method": "PATCH"}, {"kind": "slow", "seconds": 0.2}, {"kind": "truncate"}, {"kind": "garbage"},
    {"kind": "empty_list", "method": "GET"}, {"kind": "short_list", "method": "GET"},
    {"kind": "short_list", "method": "GET", "totals": False}]


class Story:
    def __init__(self, seed, world=None, epochs=2):
        self.seed, self.epochs = seed, epochs
        self.rng = random.Random(seed)
        self.own = world is None
        self.world = world or World()
        self.log = os.path.join(self.world.dir, "log")
        self.told = []              # what happened, for a person
        self.names = {}             # GUID: (project, name) it ever had
        self.foreign = {}           # id: a service that is nobody's business of ours, as it must stay
        self.marked = {}            # id: a service that another tool has taken, as it must stay; None = not seen quiet yet
        self.taken = set()          # names of services that are somebody else's
        self.theirs = {}            # id: {field: what somebody made of it}
        self.own_labels = {}        # id: {key: value} that somebody added
        self.extras = {}            # id: labels once configured that were left behind, with a reason
        self.last = None            # the catalog of the last quiet
        self.last_included = {}
        self.recycled = set()       # GUIDs of what a recycle bin has, or had
        self.seen_excluded = set()  # GUIDs of what was listed, and excluded
        self.serial = 0
        self.begin_epoch()

    def close(self):
        if self.running:
            self.running.kill()
            self.running.wait()
        self.settle()
        if self.own:
            self.world.close()

    def begin_epoch(self):
        self.dirty = False          # kills or faults
        self.lost = False           # the cache
        self.described = {}         # GUID: how often its description changed
        self.edited_now = set()     # (id, field) edited by somebody
        self.racing = set()         # (id, field) edited while the program ran
        self.drifted = set()        # ids of services whose labels or git_repo somebody changed
        self.identity = False       # somebody took a label that says whose it is
        self.deleted = set()        # ids of services
        self.unmapped = set()       # ids of mappings
        self.ever_included = {}
        self.relabelled = False
        self.running = None

    def tell(self, text):
        self.told.append(text)

    # The two sides.

    def konnect(self, method, path, body=None):
        return self.world.konnect.control(method, path, body)

    def ado(self, method, path, body=None):
        return self.world.ado.control(method, path, body)

    def orgs(self):
        return self.ado("GET", "/world")

    def note(self):
        """What Azure DevOps shows now: names and who is included."""
        for name, config in self.world.instances.items():
            for guid, element in oracle.listing(self.world, config["organization"]).items():
                self.names.setdefault(guid, set()).add((element["project"]["name"], element["name"]))
                if oracle.included(config, element):
                    self.ever_included[guid] = name
                else:
                    self.seen_excluded.add(guid)

    def begin(self):
        rng, world = self.rng, self.world
        names = ["contoso"] + (["fabrikam"] if rng.random() < 0.3 else [])
        for name in names:
            # what is always listed and never excluded, so that never everything is gone
            self.ado("POST", "/org", {"name": name, "pat": PAT + name, "repos": [{"project": "Payments", "name": "anchor"}]})
            world.instance(name, poll_interval="1s", removal_limit="10000")
        world.configure("konnect", reconcile_interval="1s", max_in_flight=rng.choice([1, 3, 8]))
        self.konnect("POST", "/settings", {
            "conflict_status": rng.choice([409, 400]), "custom_fields_patch": rng.choice(["replace", "merge"]),
            "totals": rng.choice(["right", "absent"]), "requests_per_connection": rng.choice([0, 0, 3])})
        for _ in range(rng.randrange(3, 9)):
            self.create()
        self.note()

    def pick_org(self):
        name = self.rng.choice(list(self.world.instances))
        return name, self.orgs()[self.world.instances[name]["organization"]]

    def pick_repo(self, org):
        repos = [repo for repo in org["repos"] if repo["name"] != "anchor"]
        return self.rng.choice(repos) if repos else None

    def free(self, org, project, name):
        """Whether Azure DevOps would allow it: no two of a project differ in case only."""
        project = next((p for p in org["projects"] if p["name"].lower() == project.lower()), None)
        return project is None or not any(r["project"] == project["id"] and r["name"].lower() == name.lower()
                                          for r in org["repos"] + org["recycle"])

    def described_change(self, guids):
        for guid in guids:
            self.described[guid] = self.described.get(guid, 0) + 1

    def create(self):
        _, org = self.pick_org()
        project, name = self.rng.choice(PROJECTS), self.rng.choice(NAMES)
        if not self.free(org, project, name):
            return
        known = {p["name"].lower(): p["name"] for p in org["projects"]}
        if project.lower() not in known:
            self.ado("POST", "/project", {"org": org_name(org, self), "name": project,
                                          "id": self.guid(), "description": self.rng.choice(DESCRIPTIONS),
                                          "visibility": self.rng.choice(["private", "public"])})
        self.tell(f"create {project}/{name}")
        self.ado("POST", "/repo", {"org": org_name(org, self), "project": project, "name": name, "id": self.guid(),
                                   "fork": self.rng.random() < 0.1, "disabled": self.rng.random() < 0.1,
                                   "default_branch": self.rng.choice(["refs/heads/main", "refs/heads/release/2.x", None])})

    def guid(self):
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def edit_repository(self):
        _, org = self.pick_org()
        repo = self.pick_repo(org)
        if not repo:
            return
        rng, name = self.rng, org_name(org, self)
        project = next(p for p in org["projects"] if p["id"] == repo["project"])
        what = rng.choice(["rename", "move", "disabled", "maintenance", "branch", "fork", "hidden", "size"])
        change = {"disabled": {"disabled": not repo["disabled"]}, "maintenance": {"maintenance": not repo["maintenance"]},
                  "branch": {"default_branch": rng.choice([None, "refs/heads/main", f"refs/heads/b{rng.randrange(9)}"])},
                  "fork": {"fork": not repo["fork"]}, "hidden": {"hidden": not repo["hidden"]},
                  "size": {"size": rng.randrange(1 << 40)}}.get(what)
        if what == "rename":
            change = {"name": rng.choice(NAMES)}
            if not self.free(org, project["name"], change["name"]):
                return
        elif what == "move":
            other = rng.choice(org["projects"])
            if other["id"] == project["id"] or not self.free(org, other["name"], repo["name"]):
                return
            change = {"project": other["id"]}
            self.described_change([repo["id"]])
        self.tell(f"{what} {project['name']}/{repo['name']}: {change}")
        self.ado("PATCH", "/repo", {"org": name, "id": repo["id"], **change})

    def edit_project(self):
        _, org = self.pick_org()
        project = self.rng.choice(org["projects"])
        what = self.rng.choice(["new_name", "description", "visibility"])
        if what == "new_name":
            value = self.rng.choice(PROJECTS) + self.rng.choice(["", " 2"])
            if any(p["name"].lower() == value.lower() for p in org["projects"]):
                return
        else:
            value = self.rng.choice(DESCRIPTIONS if what == "description" else ["private", "public", "organization"])
        if what == "description":
            self.described_change(r["id"] for r in org["repos"] if r["project"] == project["id"])
        self.tell(f"project {project['name']}: {what} = {value[:40]!r}")
        change = {"name": value} if what == "new_name" else {what: value}
        self.ado("PATCH", "/project", {"org": org_name(org, self), "id": project["id"], **change})

    def delete_or_restore(self):
        _, org = self.pick_org()
        name = org_name(org, self)
        if org["recycle"] and self.rng.random() < 0.5:
            repo = self.rng.choice(org["recycle"])
            self.tell(f"restore {repo['name']}")
            self.ado("POST", "/restore", {"org": name, "id": repo["id"]})
            return
        repo = self.pick_repo(org)
        if repo:
            recycle = self.rng.random() < 0.6
            self.tell(f"delete {repo['name']} recycle={recycle}")
            self.ado("DELETE", "/repo", {"org": name, "id": repo["id"], "recycle": recycle})
            if recycle:
                self.recycled.add(repo["id"])

    def shuffle(self):
        name, org = self.pick_org()
        self.ado("PATCH", "/org", {"name": org_name(org, self), "shuffle": not org["shuffle"]})

    # Somebody in Konnect.

    def ours(self):
        return [s for s in self.konnect("GET", "/state")["services"]
                if s["labels"].get("managed-by") == "adosyncd" and s["id"] not in self.marked and REPOSITORY in s["labels"]]

    def edit_service(self):
        services = self.ours()
        if not services:
            return
        rng = self.rng
        service = rng.choice(services)
        key, settled = service["id"], self.last is not None and service["id"] in self.last.services
        what = rng.choice(["delete", "label", "label gone", "own label", "display_name", "description", "git_repo", "mapping",
                           "mark"])
        self.serial += 1
        change = None
        if what == "delete":
            self.deleted.add(key)
            self.unmapped |= {m["id"] for m in self.konnect("GET", "/state")["mappings"] if m["service"]["id"] == key}
            self.forget(key)
            self.konnect("DELETE", f"/service?id={key}")
        elif what in ("label", "label gone"):
            label = rng.choice([k for k in oracle.OURS if k in service["labels"]])
            if label in IDENTITY:
                if self.lost or not settled or (label == REPOSITORY and what == "label"):
                    return
                self.identity = True
            self.drifted.add(key)
            change = {"labels": {label: None if what == "label gone" else f"edited-{self.serial}"}}
            what += f" {label}"
        elif what == "own label":
            self.own_labels.setdefault(key, {})[f"own{self.serial % 3}"] = f"v{self.serial}"
            change = {"labels": {f"own{self.serial % 3}": f"v{self.serial}"}}
        elif what in ("display_name", "description"):
            self.theirs.setdefault(key, {})[what] = f"edited {self.serial}"
            self.edited_now.add((key, what))
            if self.running:
                self.racing.add((key, what))
            change = {what: f"edited {self.serial}"}
        elif what == "git_repo":
            self.drifted.add(key)
            change = {"custom_fields": {"git_repo": {"name": f"x{self.serial}", "link": "https://example.org/"}, "owner": "Ann"}}
        elif what == "mapping":
            mappings = [m for m in self.konnect("GET", "/state")["mappings"] if m["service"]["id"] == key]
            if mappings:
                self.unmapped.add(mappings[0]["id"])
                self.konnect("DELETE", f"/mapping?id={mappings[0]['id']}")
        elif what == "mark":
            if self.running or rng.random() < 0.6:
                return
            self.marked[key] = None
            self.taken.add(service["name"])
            change = {"labels": {"KONGCTL-namespace": "other"}}
        if change:
            try:
                self.konnect("PATCH", "/service", {"id": key, **change})
            except RuntimeError:
                return      # full of labels, or gone
        self.tell(f"konnect: {what} of {service['name']}")

    def forget(self, key):
        for table in (self.theirs, self.own_labels, self.extras, self.marked):
            table.pop(key, None)

    def edit_instance(self):
        found = [i for i in self.konnect("GET", "/state")["instances"] if i["integration"]["name"] == "azure-devops"]
        if found:
            label = self.rng.choice(["managed-by", "azure-devops-instance", "azure-devops-organization"])
            self.tell(f"konnect: {label} of the instance {found[0]['name']} gone")
            self.konnect("PATCH", "/instance", {"id": found[0]["id"], "labels": {label: None}})

    def add_foreign(self):
        name = self.rng.choice(list(self.world.instances))
        wanted, _ = oracle.plain_name(name, self.rng.choice(PROJECTS), self.rng.choice(NAMES))
        if any(s["name"] == wanted for s in self.konnect("GET", "/state")["services"]):
            return
        labels = self.rng.choice([{}, {"managed-by": "somebody"}, {"KONGCTL-namespace": "x"}, {"azure-devops-instance": name}])
        service = self.konnect("POST", "/service", {"name": wanted, "display_name": "Foreign", "labels": labels})
        self.foreign[service["id"]] = service
        self.taken.add(wanted)
        self.tell(f"konnect: foreign service {wanted} {labels}")

    # The program.

    def reconfigure(self):
        name = self.rng.choice(list(self.world.instances))
        old = self.world.instances[name]
        keep = {key: value for key, value in old.items() if key not in ("include", "exclude", "include_disabled", "labels")}
        labels = {text.split("=")[0]: text for text in self.rng.sample(LABELS, self.rng.randrange(3))}
        filters = self.rng.choice(FILTERS)
        self.tell(f"configure {name}: {filters} labels {list(labels.values())}")
        self.relabelled = self.relabelled or list(labels.values()) != old.get("labels", [])
        self.world.instances[name] = keep | filters | ({"labels": list(labels.values())} if labels else {})
        self.world.write_config()
        if self.running and self.rng.random() < 0.7:
            self.running.send_signal(signal.SIGHUP)

    def add_faults(self):
        self.dirty = True
        for _ in range(self.rng.randrange(1, 4)):
            side, table = self.rng.choice([(self.world.ado, ADO_FAULTS), (self.world.konnect, KONNECT_FAULTS)])
            fault = dict(self.rng.choice(table), times=self.rng.choice([1, 1, 2]), after=self.rng.choice([0, 0, 1, 2, 5]))
            self.tell(f"fault {fault}")
            side.control("POST", "/fault", fault)

    def clear_faults(self):
        for sim in (self.world.ado, self.world.konnect):
            sim.control("DELETE", "/fault")

    def settle(self):
        for sim in (self.world.ado, self.world.konnect):
            wait_until("the last request", lambda sim=sim: sim.control("GET", "/counts")["in_flight"] == 0)

    def lose_cache(self):
        if self.identity or not os.path.exists(self.world.state):
            return
        self.lost = True
        how = self.rng.choice(["directory", "database", "damaged"])
        self.tell(f"cache lost: {how}")
        path = os.path.join(self.world.state, "cache.db")
        if how == "directory":
            shutil.rmtree(self.world.state)
        elif how == "database":
            for name in os.listdir(self.world.state):
                if name.startswith("cache.db"):
                    os.unlink(os.path.join(self.world.state, name))
        elif os.path.exists(path):
            with open(path, "r+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(4096 * self.rng.randrange(max(1, size // 4096)))
                file.write(b"\xa5" * min(size, 1 << 16))

    def reconcile_is_due(self):
        try:
            self.world.cache("UPDATE instance SET last_reconcile = 1")
        except (sqlite3.Error, OSError):
            pass            # there is no cache, or none that can be read

    def read_log(self, start):
        with open(self.log, encoding="utf-8") as file:
            file.seek(start)
            return file.read()

    def log_end(self):
        """The last that the program said."""
        return self.log_text()[-4000:]

    def log_text(self):
        return self.read_log(0) if os.path.exists(self.log) else ""

    def spawn(self, *arguments):
        with open(self.log, "a", encoding="utf-8") as log:
            return subprocess.Popen([PROGRAM, "-c", self.world.config_file, *arguments], env=self.world.environment(),
                                    stdout=log, stderr=log)

    def run_once(self):
        """--once, to its end or to a signal."""
        how = self.rng.choice(["end", "end", "term", "kill"])
        patience = 1.5 if how == "end" else self.rng.uniform(0.02, 0.25)
        self.tell(f"--once until {how} {patience:.2f}")
        process = self.spawn("--once")
        try:
            code = process.wait(patience)
            assert code in (0, 75), f"--once: exit {code}"
        except subprocess.TimeoutExpired:
            self.end(process, signal.SIGTERM if how == "term" else signal.SIGKILL)

    def end(self, process, how):
        process.send_signal(how)
        self.dirty = True
        code = process.wait(10)
        assert code in (0, 75, -how), f"exit {code} on {how}"
        self.settle()

    def run_daemon(self):
        """The daemon, with edits while it runs."""
        self.tell("daemon")
        start = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        process = self.spawn()
        wait_until("the start", lambda: process.poll() is not None
                   or " started: " in self.read_log(start))
        self.running = process
        for _ in range(self.rng.randrange(1, 5)):
            time.sleep(self.rng.uniform(0, 0.3))
            self.edit()
        time.sleep(self.rng.uniform(0, 0.3))
        assert self.running.poll() is None, f"the daemon ended with {self.running.poll()}"
        process, self.running = self.running, None
        self.end(process, self.rng.choice([signal.SIGTERM, signal.SIGKILL]))
        self.tell("daemon ended")

    EDITS = ([create] * 3 + [edit_repository] * 5 + [edit_project] * 2 + [delete_or_restore] * 2 + [shuffle] +
             [edit_service] * 5 + [edit_instance] + [add_foreign] + [reconfigure] * 2)

    def edit(self):
        self.rng.choice(self.EDITS)(self)
        self.note()

    def epoch(self, clean):
        for _ in range(self.rng.randrange(2, 5)):
            for _ in range(self.rng.randrange(1, 6)):
                self.edit()
            if clean:
                continue
            if self.rng.random() < 0.5:
                self.add_faults()
            if self.rng.random() < 0.15:
                self.lose_cache()
            if self.rng.random() < 0.5:
                self.reconcile_is_due()
            if self.rng.random() < 0.3:
                self.run_daemon()
            else:
                self.run_once()

    def quiet(self):
        """Faults stop, and it runs until nothing is left to do: what is there then must be right."""
        self.clear_faults()
        self.settle()
        self.reconcile_is_due()
        result = self.world.once()
        assert result.code == 0, result
        # what a new cache has taken over as missing may be in a recycle bin
        result = self.world.once()
        assert result.code == 0, result
        Judge(self).judge()
        self.world.forget_requests()
        self.reconcile_is_due()
        result = self.world.once()
        assert result.code == 0, result
        # a name that is refused is tried again at every reconcile
        writes = [r for r in self.konnect("GET", "/requests") if r["method"] != "GET" and r["status"] < 400]
        assert writes == [], f"not quiet: {writes}"
        assert self.world.violations() == []

    def tell_all(self):
        self.begin()
        for number in range(self.epochs):
            self.tell(f"epoch {number}")
            self.begin_epoch()
            self.note()
            self.epoch(clean=self.rng.random() < 0.25)
            self.quiet()
        self.world.outputs.append(self.log_text())
        assert self.world.leaks() == []


def org_name(org, story):
    """The name of an organization as the simulator shows it."""
    return next(name for name, found in story.orgs().items() if found["pat"] == org["pat"])


class Judge:
    """Compares the catalog with the story, and remembers it as the last quiet one."""

    def __init__(self, story):
        self.story = story
        self.catalog = oracle.Catalog(story.world)
        self.wrong = []

    def judge(self):
        story = self.story
        included, excluded = {}, set()
        for name, config in story.world.instances.items():
            self.instance(name)
            for guid, element in oracle.listing(story.world, config["organization"]).items():
                if oracle.included(config, element):
                    included[guid] = name
                    self.repository(name, config, element)
                else:
                    excluded.add(guid)
        self.nothing_is_lost()
        self.unseen(included, excluded)
        self.removed()
        self.others()
        assert not self.wrong, "\n".join(self.wrong)
        story.last, story.last_included = self.catalog, included

    def instance(self, name):
        found = [i for i in self.catalog.state["instances"] if i["name"] == name]
        labels = found[0]["labels"] if found else {}
        if len(found) != 1 or labels.get("managed-by") != "adosyncd" or labels.get("azure-devops-instance") != name:
            self.wrong.append(f"integration instance {name}: {found}")

    def services_of(self, guid, name):
        return [s for s in self.catalog.of_repository.get(guid, [])
                if s["labels"].get("azure-devops-instance") == name and s["id"] not in self.story.marked
                and s["id"] not in self.story.foreign]

    def names_of(self, instance, guid):
        """(those its service may have, whether the plain one is nobody else's)"""
        story, allowed, contested = self.story, set(), False
        for project, name in story.names[guid]:
            plain, lossy = oracle.plain_name(instance, project, name)
            longer = oracle.long_name(instance, project, name, guid)
            rivals = {oracle.plain_name(instance, *pair)[0] for other, pairs in story.names.items() if other != guid
                      for pair in pairs}
            taken = plain in story.taken or plain in rivals
            contested = contested or (taken and longer in story.taken)
            allowed |= {longer} if lossy else {plain, longer} if taken else {plain}
        return allowed, contested

    def repository(self, instance, config, element):
        story, guid = self.story, element["id"]
        services = self.services_of(guid, instance)
        where = f"{instance}: {element['project']['name']}/{element['name']} ({guid[:8]})"
        marked = any(self.catalog.services.get(key, {"labels": {}})["labels"].get(REPOSITORY) == guid for key in story.marked)
        allowed, contested = self.names_of(instance, guid)
        if not services and (marked or contested):
            return
        if len(services) != 1:
            self.wrong.append(f"{where}: {len(services)} services {[s['name'] for s in services]}")
            return
        service = services[0]
        key = service["id"]
        if service["name"] not in allowed:
            self.wrong.append(f"{where}: named {service['name']}, allowed {allowed}")
        if story.last and key in story.last.services and story.last.services[key]["name"] != service["name"]:
            self.wrong.append(f"{where}: its name was {story.last.services[key]['name']}, is {service['name']}")
        edited = self.edited(element, service)
        bad = oracle.service_faults(config, instance, element, service, edited)
        bad += oracle.mapping_faults(instance, element, self.catalog.mappings.get(key, []))
        bad += self.own(config, element, service)
        self.wrong += [f"{where}: {text}" for text in bad]

    def edited(self, element, service):
        """The fields that need not be what the listing gives, each judged here."""
        story, key, fields = self.story, service["id"], set()
        wanted = {"display_name": oracle.display_name(element), "description": oracle.description(element)}
        theirs = story.theirs.get(key, {})
        for field, value in wanted.items():
            if service[field] == value and (field not in theirs or self.uncertain(field, element, service)):
                theirs.pop(field, None)
                continue
            if field in theirs and service[field] == theirs[field]:
                fields.add(field)
            elif self.uncertain(field, element, service):
                # from now on it must stay what it is
                story.theirs.setdefault(key, {})[field] = service[field]
                fields.add(field)
            elif field in theirs:
                self.wrong.append(f"{service['name']}: {field} is {service[field]!r}, somebody made it {theirs[field]!r}")
                fields.add(field)
        return fields

    def uncertain(self, field, element, service):
        """Whether the design leaves room for somebody's words or ours."""
        story, key, guid = self.story, service["id"], element["id"]
        if (key, field) in story.racing:
            return True
        if field == "display_name":
            # after losing the cache it is ours if git_repo and the labels would give it, and these were edited too
            return key in story.drifted and (story.lost or story.dirty)
        changes = story.described.get(guid, 0)
        if changes and (key, field) in story.edited_now:
            return True     # one request writes a description, unseen
        new = story.last is None or key not in story.last.services
        was_out = guid not in story.last_included
        return bool(changes or was_out) and (story.lost or (story.dirty and (new or changes > 1)))

    def own(self, config, element, service):
        """Labels and fields of somebody's, and labels that were configured once."""
        story, key, bad = self.story, service["id"], []
        for label, value in story.own_labels.get(key, {}).items():
            if service["labels"].get(label) != value:
                bad.append(f"somebody's label {label} is {service['labels'].get(label)!r}, was {value!r}")
        configured = {text.split("=")[0] for text in config.get("labels", ())}
        left = {text.split("=")[0] for text in LABELS} & service["labels"].keys() - configured
        was_in = story.last is not None and key in story.last.services and element["id"] in story.last_included
        if left - story.extras.get(key, set()) and was_in and not (story.lost or (story.dirty and story.relabelled)):
            bad.append(f"labels {left} are configured no more")
        story.extras[key] = left
        return bad

    def nothing_is_lost(self):
        """Nothing is ever deleted in Konnect without on_remove, but by somebody."""
        story = self.story
        deletes = [r["path"] for r in story.konnect("GET", "/requests") if r["method"] == "DELETE"]
        if deletes:
            self.wrong.append(f"deleted: {deletes}")
        if story.last is None:
            return
        for key, service in story.last.services.items():
            if key not in self.catalog.services and key not in story.deleted:
                self.wrong.append(f"the service {service['name']} is gone")
        now = {m["id"] for m in self.catalog.state["mappings"]}
        for mapping in story.last.state["mappings"]:
            if mapping["id"] not in now and mapping["id"] not in story.unmapped:
                self.wrong.append(f"the mapping of {mapping['service']['name']} is gone")

    def unseen(self, included, excluded):
        """A repository that was out of the listing, or excluded, all the time keeps its service, which says so."""
        story = self.story
        if story.last is None:
            return
        for key, before in story.last.services.items():
            after, guid = self.catalog.services.get(key), before["labels"].get(REPOSITORY)
            if after is None or guid in story.ever_included or guid in included or key in story.marked or key in story.foreign:
                continue
            if key in story.drifted or any(key == edited for edited, _ in story.edited_now):
                continue
            self.state(after, guid in excluded)
            # what changed while it was excluded follows when it is not any more, listed or not
            if guid in excluded or guid not in story.seen_excluded:
                self.as_it_was(before, after)

    def removed(self):
        """Only a recycle bin proves it."""
        for guid, services in self.catalog.of_repository.items():
            for service in services:
                if (service["labels"].get("azure-devops-state") == "removed" and guid not in self.story.recycled
                        and not {service["id"]} & (self.story.foreign.keys() | self.story.marked.keys())):
                    self.wrong.append(f"{service['name']} says removed, and was in no recycle bin")

    def state(self, service, excluded):
        allowed = {"excluded"} if excluded else {"missing", "removed", "excluded"}
        if service["labels"].get("managed-by") == "adosyncd" and service["labels"].get("azure-devops-state") not in allowed:
            self.wrong.append(f"{service['name']}, not in the catalog any more: says {service['labels'].get('azure-devops-state')}")

    def as_it_was(self, before, after):
        """But for its state and the labels that are configured now."""
        configured = {text.split("=")[0] for text in LABELS} | {"azure-devops-state"}
        labels, old = ({k: v for k, v in s["labels"].items() if not k.startswith("own") and k not in configured}
                       for s in (after, before))
        for field in ("name", "display_name", "description", "custom_fields"):
            if after[field] != before[field]:
                self.wrong.append(f"{before['name']}, not listed: {field} was {before[field]!r}, is {after[field]!r}")
        if labels != old:
            self.wrong.append(f"{before['name']}, not listed: labels {old} became {labels}")

    def others(self):
        """What is not ours is as it was."""
        story = self.story
        for key, before in story.foreign.items():
            if self.catalog.services.get(key) != before:
                self.wrong.append(f"foreign {before['name']}: {before} became {self.catalog.services.get(key)}")
        for key, before in story.marked.items():
            now = self.catalog.services.get(key)
            if before is not None and now != before:
                self.wrong.append(f"managed by another tool: {before} became {now}")
            story.marked[key] = copy.deepcopy(now)

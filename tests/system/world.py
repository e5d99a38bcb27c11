"""What the tests of the real program stand in: both simulators, a configuration, and the daemon.

World() makes a directory with secrets and a configuration; `once()` and `start()` run the program on it. Ports are the
kernel's choice, so tests may run side by side. $ADOSYNCD names the program (default build/adosyncd)."""

import base64
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "sim"))
from ado_world import fixed_id  # noqa: E402
from common import Sim  # noqa: E402

PROGRAM = os.environ.get("ADOSYNCD") or os.path.join(HERE, "..", "..", "build", "adosyncd")
TOKEN = "kpat_test"
PAT = "pat-of-"


class Result:
    """A program that has ended."""

    def __init__(self, code, out, err, maxrss=0):
        self.code = code
        self.out = out
        self.err = err
        self.maxrss = maxrss    # KiB

    @property
    def events(self):
        return parse_events(self.err)

    def __repr__(self):
        return f"exit {self.code}\n{self.out}\n{self.err}"


def parse_events(text):
    """The JSON lines of a log."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def wait_until(what, condition, seconds=30):
    """Poll until the condition gives something true, and return that."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class Daemon:
    """The program in the background; its log is read as it comes."""

    def __init__(self, args, env):
        self.notify_path = os.path.join(tempfile.mkdtemp(prefix="adosyncd-notify-"), "socket")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.notify_path)
        self.notify.settimeout(0.1)
        self.notified = []
        self.lines = []
        self.process = subprocess.Popen(args, env={**env, "NOTIFY_SOCKET": self.notify_path}, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.readers = [threading.Thread(target=self.read, daemon=True),
                        threading.Thread(target=self.hear, daemon=True)]
        for reader in self.readers:
            reader.start()

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def hear(self):
        while self.process.poll() is None:
            try:
                self.notified += self.notify.recv(4096).decode().split("\n")
            except socket.timeout:
                pass
        shutil.rmtree(os.path.dirname(self.notify_path), ignore_errors=True)

    @property
    def log(self):
        return "".join(self.lines)

    @property
    def events(self):
        return parse_events(self.log)

    def seen(self, event, instance=None, **more):
        """The events of that name so far."""
        return [e for e in self.events if e.get("ADOSYNC_EVENT") == event
                and (instance is None or e.get("ADOSYNC_INSTANCE") == instance)
                and all(e.get(key) == value for key, value in more.items())]

    def wait(self, event, instance=None, count=1, seconds=30, **more):
        """The events of that name, once there are `count`."""
        def enough():
            assert self.process.poll() is None, f"the daemon ended: {self.log}"
            found = self.seen(event, instance, **more)
            return found if len(found) >= count else None
        try:
            return wait_until(f"{count} x {event} of {instance}", enough, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from None

    def stop(self, how=signal.SIGTERM, seconds=6):
        """Ends it, and returns what it left."""
        self.process.send_signal(how)
        code = self.process.wait(seconds)
        for reader in self.readers:
            reader.join(2)
        self.process.stderr.close()
        out = self.process.stdout.read()
        self.process.stdout.close()
        self.notify.close()
        return Result(code, out, self.log)

    def kill(self):
        return self.stop(signal.SIGKILL)


class Sims:
    """Pairs of simulators that wait for the next world: starting a pair costs more than most tests."""

    idle = []

    @classmethod
    def take(cls):
        try:
            return cls.idle.pop()
        except IndexError:
            return Sim("ado.py"), Sim("konnect.py", "--token", TOKEN)

    @classmethod
    def give_back(cls, pair):
        """Keeps it for the next, unless a request of the last one may still be on its way."""
        for sim in pair:
            sim.control("POST", "/reset")
        cls.idle.append(pair)


class World:
    """Both simulators, a directory, and the program."""

    def __init__(self, sims=None):
        self.own_sims = sims is not None
        self.ado, self.konnect = sims or Sims.take()
        self.temp = tempfile.TemporaryDirectory(prefix="adosyncd-test-")
        self.dir = self.temp.name
        self.state = os.path.join(self.dir, "state")
        self.config_file = os.path.join(self.dir, "adosyncd.conf")
        self.daemons = []
        self.outputs = []
        self.secrets = set()
        self.instances = {}
        self.sections = {
            "konnect": {"url": self.konnect.url, "rate_per_minute": 600000},
            "daemon": {"state_directory": self.state, "control_socket": os.path.join(self.dir, "control.sock"), "listen": "",
                       "log_level": "debug", "log_format": "json"},
            "defaults": {}}
        os.mkdir(os.path.join(self.dir, "instances.d"))
        self.secret("konnect-token", TOKEN)

    def close(self):
        killed = False
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.kill()
            killed = killed or daemon.process.returncode < 0
        if killed or self.own_sims:
            self.ado.close()
            self.konnect.close()
        else:
            Sims.give_back((self.ado, self.konnect))
        self.temp.cleanup()

    def leaks(self):
        """Where a secret of this world, or its Basic form, is to be read: must always be empty."""
        texts = {"output": "".join(self.outputs + [daemon.log for daemon in self.daemons]).encode()}
        for directory, _, files in os.walk(self.state):
            for name in files:
                with open(os.path.join(directory, name), "rb") as file:
                    texts[name] = file.read()
        known = [secret.encode() for secret in self.secrets if len(secret) > 5]
        known += [base64.b64encode(b":" + secret).rstrip(b"=") for secret in known]
        return [(name, secret) for name, text in texts.items() for secret in known if secret in text]

    # What there is.

    def organization(self, name, repos=(), **more):
        """An organization in Azure DevOps with its PAT; repos as the simulator takes them."""
        return self.ado.control("POST", "/org", {"name": name, "pat": PAT + name, "repos": list(repos), **more})

    def repos(self, name, project="Payments", count=3, start=0, **more):
        """An organization with `count` plain repositories, repo-0 and so on."""
        repos = [{"project": project, "name": f"repo-{n}"} for n in range(start, start + count)]
        return self.organization(name, repos, **more)

    @staticmethod
    def repo_id(org, project, *name):
        """The GUID that the simulator gives a repository (or a project) made with these names."""
        return fixed_id(org, project, *name)

    def add_repo(self, org, project, name, **more):
        return self.ado.control("POST", "/repo", {"org": org, "project": project, "name": name, **more})

    def edit_repo(self, org, repo, **changes):
        return self.ado.control("PATCH", "/repo", {"org": org, "id": repo, **changes})

    def delete_repo(self, org, repo, recycle=True):
        return self.ado.control("DELETE", "/repo", {"org": org, "id": repo, "recycle": recycle})

    # Configuration.

    def secret(self, name, value, mode=0o640):
        path = os.path.join(self.dir, name)
        self.secrets.add(value)
        with open(path, "w", encoding="utf-8") as file:
            file.write(value + "\n")
        os.chmod(path, mode)
        return path

    def instance(self, name, organization=None, pat=True, **keys):
        """Configures an instance; pat=False leaves its secret file out."""
        organization = organization or name
        self.instances[name] = {"organization": organization, "url": f"{self.ado.url}/{organization}", **keys}
        if pat:
            self.secret(f"{name}.pat", pat if isinstance(pat, str) else PAT + organization)
        self.write_config()

    def configure(self, section, **keys):
        self.sections[section].update(keys)
        self.write_config()

    @staticmethod
    def value(value):
        if isinstance(value, (list, tuple)):
            return "{ " + ", ".join(json.dumps(v, ensure_ascii=False) for v in value) + " }"
        if isinstance(value, bool):
            return "yes" if value else "no"
        return json.dumps(str(value), ensure_ascii=False)

    def write_config(self):
        with open(self.config_file, "w", encoding="utf-8") as file:
            for name, keys in self.sections.items():
                self.write_section(file, name, keys)
            for name, keys in self.instances.items():
                self.write_section(file, f'instance "{name}"', keys)

    def write_section(self, file, title, keys):
        """A value that is a dict is a section within, or several: {'map "SERVICE"': {...}} or {"map": {"SERVICE": [patterns]}}."""
        file.write(title + " {\n")
        for key, v in keys.items():
            if not isinstance(v, dict):
                file.write(f"\t{key} = {self.value(v)}\n")
            elif key == "map":
                for name, globs in v.items():
                    file.write(f"\t{key} {json.dumps(name)} {{ repositories = {self.value(globs)} }}\n")
            else:
                self.write_section(file, key, v)
        file.write("}\n")

    # The program.

    def environment(self, **more):
        keep = {key: value for key, value in os.environ.items()
                if key in ("PATH", "HOME", "TMPDIR", "LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")}
        return {**keep, **more}

    def run(self, *args, seconds=60, env=None, wrap=()):
        """The program with these arguments, to its end. wrap: a command that runs it."""
        process = subprocess.Popen([*wrap, PROGRAM, "-c", self.config_file, *args], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=self.environment(**(env or {})))
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"not done within {seconds} s: {process.communicate()}") from None
        self.outputs += [out, err]
        return Result(process.returncode, out, err, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)

    def once(self, *args, **more):
        return self.run("--once", *args, **more)

    def synced(self, name="contoso", count=3, **keys):
        """An organization whose repositories are in the catalog, and nothing to do."""
        self.repos(name, count=count)
        self.instance(name, **keys)
        result = self.once()
        assert result.code == 0, result
        self.forget_requests()

    def start(self, *args, ready=True, env=None, **more):
        """The daemon in the background."""
        daemon = Daemon([PROGRAM, "-c", self.config_file, *args], self.environment(**(env or {})), **more)
        self.daemons.append(daemon)
        if ready:
            wait_until("READY", lambda: "READY=1" in daemon.notified or daemon.process.poll() is not None)
        return daemon

    # What was asked, and what is there now.

    def forget_requests(self):
        self.ado.control("DELETE", "/requests")
        self.konnect.control("DELETE", "/requests")

    def requests(self):
        """{"POST /catalog-services": 3, ...} of Konnect since the last forget_requests()."""
        return self.konnect.control("GET", "/counts")["requests"]

    def polls(self, org):
        """Requests for that organization since the last forget_requests()."""
        return [r for r in self.ado.control("GET", "/requests") if r["path"].split("/")[1].lower() == org.lower()]

    def catalog(self):
        """Konnect's state."""
        return self.konnect.control("GET", "/state")

    def objects(self):
        """What Konnect holds, without counters."""
        state = self.catalog()
        return {key: state[key] for key in ("services", "instances", "credentials", "resources", "mappings")}

    def forget_cache(self):
        """What a lost state directory means."""
        shutil.rmtree(self.state)

    def services(self):
        """{name: service}"""
        return {service["name"]: service for service in self.catalog()["services"]}

    def konnect_instance(self, name="contoso"):
        """The integration instance of that name, without the random label that names its writer; or None."""
        found = next((i for i in self.catalog()["instances"] if i["name"] == name), None)
        if found:
            found["labels"].pop("adosyncd-writer", None)
        return found

    def cache(self, sql):
        """What a query of the cache answers, while no daemon has it."""
        with contextlib.closing(sqlite3.connect(os.path.join(self.state, "cache.db"))) as db:
            with db:
                return db.execute(sql).fetchall()

    def due(self):
        """The next start compares Konnect with the cache."""
        self.cache("UPDATE instance SET last_reconcile = 1")

    def compare(self):
        """A whole cycle with a comparison, and what it asked of Konnect."""
        self.due()
        self.forget_requests()
        return self.once()

    def writes(self):
        """The requests to Konnect that are no GET."""
        return {route: n for route, n in self.requests().items() if not route.startswith("GET ")}

    def violations(self):
        """What the simulators refused because the specification would: must always be empty."""
        return self.ado.control("GET", "/violations") + self.konnect.control("GET", "/violations")


def guid():
    return str(uuid.uuid4())

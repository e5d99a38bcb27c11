#!/usr/bin/env python3
"""Checks what the daemon and the simulators say to each other against the
published documents of the two services.

    run.py ADOSYNCD SPECS WORK

SPECS holds konnect-service-catalog-v1.yaml and ado-git.json.  Between the
daemon and each simulator stands a prism proxy that lets everything pass and
reports what its document does not allow, in requests and in answers alike.
The proxies come from npm, into WORK."""

import base64
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "sim"))
sys.dont_write_bytecode = True
import specs  # noqa: E402
from common import Sim  # noqa: E402
from scenarios import ORG, SCENARIOS  # noqa: E402

PRISM = "@stoplight/prism-cli@5.14.2"
TOKEN = "kpat_contract"
START_SECONDS = 120
RUN_SECONDS = 120
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(method, url, headers, body=None):
    """(status, headers, text) of one request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with OPENER.open(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class Proxy:
    """A prism proxy before one simulator, and the violations it has seen."""

    def __init__(self, work, name, document, upstream):
        self.name = name
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.lines = []
        self.process = subprocess.Popen(
            ["node", os.path.join(work, "node_modules", ".bin", "prism"), "proxy",
             "-h", "127.0.0.1", "-p", str(self.port), document, upstream],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.ready = threading.Event()
        threading.Thread(target=self.read, daemon=True).start()
        if not self.ready.wait(START_SECONDS) or self.process.poll() is not None:
            self.close()
            raise RuntimeError(f"prism for {name} did not start:\n" + "\n".join(self.lines))

    def read(self):
        for line in self.process.stdout:
            self.lines.append(re.sub(r"\x1b\[[0-9;]*m", "", line.rstrip()))
            if "is listening" in line:
                self.ready.set()
        self.ready.set()

    def settle(self):
        """Wait until the log has caught up."""
        before = -1
        while before != len(self.lines):
            before = len(self.lines)
            time.sleep(0.3)

    def violations(self):
        """What was reported since the last call, with the request it belongs to."""
        self.settle()
        lines, self.lines[:] = list(self.lines), []
        found, request = [], ""
        for line in lines:
            received = re.search(r"(\w+ /\S*).*Request received", line)
            if received:
                request = received[1]
            if "Violation:" in line:
                # With requests in flight beside it the request may be a neighbour's; the text is right.
                found.append(f"{self.name}: {request}: {line.partition('Violation:')[2].strip()}")
        return found

    def close(self):
        self.process.terminate()
        self.process.wait()


class World:
    """Both simulators, both proxies, and a configuration that goes through them."""

    def __init__(self, adosyncd, folder, work):
        self.adosyncd = adosyncd
        self.work = work
        self.ado = Sim("ado.py")
        self.konnect = Sim("konnect.py", "--token", TOKEN)
        # The only answer to a name that is taken which the document has for a POST.
        self.konnect.control("POST", "/settings", {"conflict_status": 400})
        self.ado.control("POST", "/org", {"name": ORG, "pat": "pat", "projects": [
            {"name": "Payments Hub", "description": "Money & more"}, {"name": "Web", "visibility": "public"}],
            "repos": [
                {"name": "user-service", "project": "Payments Hub", "default_branch": "refs/heads/main", "size": 7},
                {"name": "Café.API", "project": "Payments Hub", "default_branch": "refs/heads/feature/x"},
                {"name": "empty", "project": "Web"}, {"name": "off", "project": "Web", "disabled": True},
                {"name": "fork", "project": "Web", "fork": True, "default_branch": "refs/heads/main"}]})
        self.proxies = []
        with open(os.path.join(folder, "konnect-service-catalog-v1.yaml"), encoding="utf-8") as f:
            self.konnect_proxy = self.proxy("konnect.yaml", specs.konnect(f.read()), self.konnect.url)
        with open(os.path.join(folder, "ado-git.json"), "rb") as f:
            self.ado_proxy = self.proxy("azure-devops.json", specs.azure_devops(f.read()), self.ado.url)
        self.state = os.path.join(work, "state")
        shutil.rmtree(self.state, ignore_errors=True)
        os.makedirs(self.state)
        self.secret("konnect-token", TOKEN)
        self.secret("contoso.pat", "pat")

    def proxy(self, name, text, upstream):
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        self.proxies.append(Proxy(self.work, name, path, upstream))
        return self.proxies[-1]

    def secret(self, name, text):
        with open(os.open(os.path.join(self.state, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text + "\n")

    def once(self, instance="", expect=0):
        """One whole cycle of the daemon, with lines added to its instance."""
        conf = os.path.join(self.state, "adosyncd.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(f'konnect {{\n\turl = "{self.konnect_proxy.url}"\n}}\n'
                    f'daemon {{\n\tstate_directory = "{self.state}"\n}}\n'
                    f'instance "contoso" {{\n\torganization = "{ORG}"\n\turl = "{self.ado_proxy.url}/{ORG}"\n'
                    f'\tdisplay_name = "Contoso"\n\t{instance}\n}}\n')
        done = subprocess.run([self.adosyncd, "-c", conf, "--once"], timeout=RUN_SECONDS, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != expect:
            raise RuntimeError(f"adosyncd --once ended with {done.returncode}, not {expect}:\n{done.stdout}")

    def forget(self):
        """What a lost state directory leaves: nothing."""
        for name in os.listdir(self.state):
            if name.startswith("cache.db"):
                os.unlink(os.path.join(self.state, name))

    def compare(self, instance=""):
        """A cycle that compares Konnect with the cache."""
        db = sqlite3.connect(os.path.join(self.state, "cache.db"))
        with db:
            db.execute("UPDATE instance SET last_reconcile = 1")
        db.close()
        self.once(instance)

    def mappings(self):
        """{resource's repository id: service's name}"""
        return {m["resource"]["config"]["repository_id"]: m["service"]["name"]
                for m in self.konnect.control("GET", "/state")["mappings"]}

    def shared(self):
        return [c["keys"][0]["key"] for c in self.konnect.control("GET", "/state")["credentials"]]

    def repo(self, name):
        return next(r["id"] for r in self.ado.control("GET", "/world")[ORG]["repos"] if r["name"] == name)

    def services(self):
        return {s["name"]: s for s in self.konnect.control("GET", "/state")["services"]}

    def refused(self):
        """What the simulators themselves would not take: they know the filters, which prism lets pass."""
        return [f"{request['method']} {request['target']}: {request['violation']}"
                for sim in (self.ado, self.konnect) for request in sim.control("GET", "/violations")]

    def traffic(self):
        """How many requests have come through since the last call."""
        n = 0
        for sim in (self.ado, self.konnect):
            n += len(sim.control("GET", "/requests"))
            sim.control("DELETE", "/requests")
        return n

    def close(self):
        for thing in (*self.proxies, self.ado, self.konnect):
            thing.close()


def prove_the_checker(world):
    """A checker that sees nothing would be green for ever."""
    bearer = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    basic = {"Authorization": "Basic " + base64.b64encode(b":pat").decode()}
    ask("POST", world.konnect_proxy.url + "/v1/catalog-services", bearer, {"name": "UPPER CASE", "bogus": 1})
    ask("GET", f"{world.ado_proxy.url}/{ORG}/_apis/git/repositories", basic)
    expect(world, "a request")
    good = {"status": 200, "times": 1, "content_type": "application/json"}
    world.konnect.fault("status", body={"data": [{"id": 7}]}, **good)
    world.ado.fault("status", body=[], **good)
    ask("GET", world.konnect_proxy.url + "/v1/catalog-services", bearer)
    ask("GET", f"{world.ado_proxy.url}/{ORG}/_apis/git/repositories?api-version=7.1", basic)
    expect(world, "an answer")
    world.traffic()


def expect(world, what):
    for proxy in world.proxies:
        if not proxy.violations():
            raise RuntimeError(f"prism for {proxy.name} did not report {what} that breaks the rules")


def check(world):
    """(requests, violations) of all scenarios."""
    requests, violations = 0, []
    for scenario in SCENARIOS:
        try:
            scenario(world)
        except AssertionError as error:
            raise RuntimeError(f"{scenario.__name__}: {error}") from error
        found = [v for proxy in world.proxies for v in proxy.violations()] + world.refused()
        n = world.traffic()
        print(f"  {scenario.__name__.replace('_', ' ')}: {n} requests, {len(found)} violations", flush=True)
        requests += n
        violations += found
    return requests, violations


def install(work):
    os.makedirs(work, exist_ok=True)
    if os.path.exists(os.path.join(work, "node_modules", ".bin", "prism")):
        return
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            raise RuntimeError(f"{tool} is needed; install it with: tests/install-deps nodejs npm")
    with open(os.path.join(work, "package.json"), "w", encoding="utf-8") as f:
        f.write('{"private": true}\n')
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--save-exact", PRISM], cwd=work, check=True)


def main():
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 64
    adosyncd, folder, work = sys.argv[1:]
    world = None
    try:
        install(work)
        world = World(os.path.abspath(adosyncd), folder, os.path.abspath(work))
        prove_the_checker(world)
        requests, violations = check(world)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        print(f"contract: {error}", file=sys.stderr)
        return 1
    finally:
        if world:
            world.close()
    for line in sorted(set(violations)):
        print(line)
    print(f"contract: {requests} requests checked in {len(SCENARIOS)} scenarios, {len(violations)} violations")
    return 1 if violations or not requests else 0


if __name__ == "__main__":
    sys.exit(main())

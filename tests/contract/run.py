#!/usr/bin/env python3
"""Runs the system tests with the published documents of the two services
between the daemon and the simulators.

    run.py ADOSYNCD SPECS WORK [PYTEST'S ARGUMENTS]

SPECS holds konnect-service-catalog-v1.yaml and ado-git.json.  Before each
simulator stands a prism proxy that lets everything pass and reports what its
document does not allow, in requests and in answers alike.  The proxies come
from npm, into WORK.  Which tests run is in chosen.py."""

import base64
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
SYSTEM = os.path.join(HERE, "..", "system")
sys.path[1:1] = [os.path.join(HERE, "..", "sim"), SYSTEM]
sys.dont_write_bytecode = True
import specs  # noqa: E402
from chosen import FILES, LEFT_OUT  # noqa: E402
from common import Sim  # noqa: E402
from prism import Proxy, ask, install  # noqa: E402

TOKEN = "kpat_test"


class Contract:
    """One pair of simulators behind proxies, for every test in turn; and a plugin of pytest."""

    def __init__(self, folder, work):
        self.work = work
        self.ado = Sim("ado.py")
        self.konnect = Sim("konnect.py", "--token", TOKEN)
        self.ports = self.ado.port, self.konnect.port
        self.proxies = []
        self.tests = 0
        self.left_out = []
        self.found = []
        with open(os.path.join(folder, "konnect-service-catalog-v1.yaml"), encoding="utf-8") as f:
            self.konnect_proxy = self.proxy("konnect.yaml", specs.konnect(f.read()), self.konnect.url)
        with open(os.path.join(folder, "ado-git.json"), "rb") as f:
            self.ado_proxy = self.proxy("azure-devops.json", specs.azure_devops(f.read()), self.ado.url)

    def proxy(self, name, text, upstream):
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        self.proxies.append(Proxy(self.work, name, path, upstream))
        return self.proxies[-1]

    def pair(self):
        """What a world gets: the simulators as if the proxies' addresses were theirs."""
        if self.ado.process.poll() is not None or self.konnect.process.poll() is not None:
            # A world whose daemon was killed has closed them; the proxies know these ports.
            ado, konnect = map(str, self.ports)
            self.ado, self.konnect = Sim("ado.py", "--port", ado), Sim("konnect.py", "--token", TOKEN, "--port", konnect)
        self.ado.url, self.konnect.url = self.ado_proxy.url, self.konnect_proxy.url
        for sim in (self.ado, self.konnect):
            sim.control("POST", "/reset")
        # The only answer to a name that is taken which the document has for a POST.
        self.konnect.control("POST", "/settings", {"conflict_status": 400})
        return self.ado, self.konnect

    def violations(self):
        return [v for proxy in self.proxies for v in proxy.violations()]

    def close(self):
        for thing in (*self.proxies, self.ado, self.konnect):
            thing.close()

    # What pytest calls.

    def pytest_collection_modifyitems(self, config, items):
        names = {item: os.path.basename(item.path) + "::" + item.name for item in items}
        wanted = [name for tests in LEFT_OUT.values() for name in tests]
        out = [item for item in items if item.get_closest_marker("waits")
               or names[item] in wanted or names[item].partition("[")[0] in wanted]
        gone = set(wanted) - {n for item in items for n in (names[item], names[item].partition("[")[0])}
        if gone and len({item.path for item in items}) == len(FILES):
            raise pytest.UsageError(f"chosen.py leaves out what is not there: {', '.join(sorted(gone))}")
        self.left_out = out
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]

    def pytest_runtest_logfinish(self, nodeid):
        self.tests += 1
        self.found += [f"{nodeid}: {violation}" for violation in self.violations()]


def prove_the_checker(contract):
    """A checker that sees nothing would be green for ever."""
    bearer = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    basic = {"Authorization": "Basic " + base64.b64encode(b":pat").decode()}
    services = contract.konnect_proxy.url + "/v1/catalog-services"
    listing = contract.ado_proxy.url + "/contoso/_apis/git/repositories"
    ask("POST", services, bearer, {"name": "UPPER CASE", "bogus": 1})
    ask("GET", listing, basic)
    expect(contract, "a request")
    good = {"status": 200, "times": 1, "content_type": "application/json"}
    contract.konnect.fault("status", body={"data": [{"id": 7}]}, **good)
    contract.ado.fault("status", body=[], **good)
    ask("GET", services, bearer)
    ask("GET", listing + "?api-version=7.1", basic)
    expect(contract, "an answer")
    for proxy in contract.proxies:
        proxy.requests = 0


def expect(contract, what):
    for proxy in contract.proxies:
        if not proxy.violations():
            raise RuntimeError(f"prism for {proxy.name} did not report {what} that breaks the rules")


def run_tests(contract, arguments):
    """What pytest returns."""
    from world import Sims    # it wants to know the program first
    Sims.take = contract.pair
    Sims.give_back = lambda pair: None
    return pytest.main(["-q", "-p", "no:cacheprovider", "--tb=short", *arguments,
                        *(os.path.join(SYSTEM, name) for name in FILES)], plugins=[contract])


def main():
    if len(sys.argv) < 4:
        print(__doc__, file=sys.stderr)
        return 64
    adosyncd, folder, work, *arguments = sys.argv[1:]
    os.environ["ADOSYNCD"] = os.path.abspath(adosyncd)
    work = os.path.abspath(work)
    contract = None
    try:
        install(work)
        contract = Contract(folder, work)
        prove_the_checker(contract)
        failed = run_tests(contract, arguments)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        print(f"contract: {error}", file=sys.stderr)
        return 1
    finally:
        if contract:
            contract.close()
    for line in sorted(set(contract.found)):
        print(line)
    requests = sum(proxy.requests for proxy in contract.proxies)
    print(f"contract: {requests} requests checked in {contract.tests} tests of {len(FILES)} files, "
          f"{len(contract.found)} violations; {len(contract.left_out)} tests left out")
    return 1 if failed or contract.found or not requests else 0


if __name__ == "__main__":
    sys.exit(main())

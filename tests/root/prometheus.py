#!/usr/bin/python3
"""A real Prometheus scrapes the daemon as conf/prometheus has it.

    prometheus.py DIRECTORY

In a network of its own. Writes one line for each check: ok, not ok."""

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
CONF = os.path.join(HERE, "..", "..", "conf", "prometheus")
sys.path.insert(0, os.path.join(HERE, "..", "system"))
sys.dont_write_bytecode = True
from control import ctl, in_state  # noqa: E402
from world import World, wait_until  # noqa: E402

PORT = 9090
failed = []


def check(name, good, seen=""):
    print(f"{'ok' if good else 'not ok'} - {name}", flush=True)
    if not good:
        print(f"# {seen}"[:2000], flush=True)
        failed.append(name)


def ask(path, **query):
    """Prometheus' answer, or None while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def value(query):
    """The values of a query, by the instance that they are of."""
    data = ask("query", query=query)
    return {r["metric"].get("name", ""): float(r["value"][1]) for r in data["result"]} if data else {}


def configure(directory):
    """conf/prometheus as it is, but in a hurry."""
    with open(os.path.join(CONF, "adosyncd.yml"), encoding="utf-8") as file:
        text = file.read()
    with open(os.path.join(directory, "prometheus.yml"), "w", encoding="utf-8") as file:
        file.write("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n" + text)
    with open(os.path.join(CONF, "adosyncd.rules.yml"), encoding="utf-8") as file:
        text = file.read()
    with open(os.path.join(directory, "adosyncd.rules.yml"), "w", encoding="utf-8") as file:
        file.write(text.replace("for: 5m", "for: 2s"))


def firing():
    data = ask("alerts") or {"alerts": []}
    return {(a["labels"]["alertname"], a["labels"].get("name")) for a in data["alerts"] if a["state"] == "firing"}


def look(world, directory):
    with urllib.request.urlopen("http://127.0.0.1:9878/metrics") as answer:
        text = answer.read()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    check("promtool check metrics has nothing to say", done.returncode == 0 and done.stdout + done.stderr == b"", done)

    target = wait_until("a scrape", lambda: next((t for t in (ask("targets") or {"activeTargets": []})["activeTargets"]
                                                  if t["health"] != "unknown"), None), 30)
    check("the daemon is scraped on its default address", target["health"] == "up" and target["lastError"] == "", target)
    counted = wait_until("what was scraped", lambda: value('adosyncd_polls_total{verdict="ok"}'), 15)
    check("polls are counted, by instance", counted == {"contoso": 1, "fabrikam": 1}, counted)
    check("the instance keeps its label", value("count by (name) (adosyncd_instance_info)") == {"contoso": 1, "fabrikam": 1})
    known = {m for m in ask("label/__name__/values") if m.startswith(("adosyncd_", "process_"))}
    told = {line.split()[2] for line in text.decode().splitlines() if line.startswith("# TYPE")}
    told = {m for m in told if f"\n{m}" in text.decode().replace("\n# ", "")} - {"adosyncd_poll_duration_seconds"}
    check("every metric arrived", told <= known, told - known)
    check("nothing is wrong yet", firing() == set(), firing())
    world.ado.control("PATCH", "/org", {"name": "fabrikam", "pat_state": "expired"})
    assert ctl(world, "sync", "fabrikam").code == 0
    in_state(world, "credential", "fabrikam")
    wait_until("an alert", firing, 30)
    check("an expired PAT is an alert", firing() == {("AdosyncdCredential", "fabrikam")}, firing())


def main():
    directory = sys.argv[1]
    configure(directory)
    prometheus = subprocess.Popen(["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/tsdb",
                                   f"--web.listen-address=127.0.0.1:{PORT}"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
    world = World()
    try:
        del world.sections["daemon"]["listen"]
        for name in ("contoso", "fabrikam"):
            world.repos(name)
            world.instance(name, poll_interval="1h", pat_expires="2098-12-31")
        world.start()
        for name in ("contoso", "fabrikam"):
            world.daemons[0].wait("poll_ok", name)
        look(world, directory)
        world.daemons[0].stop()
    finally:
        prometheus.terminate()
        prometheus.wait()
        world.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Shows the real daemon at work against both simulators, and checks everything it says.

    demo.py PROGRAM

Works in a temporary directory and leaves nothing behind. Exit 1 with what was expected and seen when something differs."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unicodedata

sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
for variable in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM", "NOTIFY_SOCKET", "WATCHDOG_USEC"):
    os.environ.pop(variable, None)
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "sim"))
from ado_world import fixed_id  # noqa: E402
from common import Sim  # noqa: E402

WIDTH = 100
TOKEN = "kpat_demo"
PLAIN = [f"{what}-{part}" for what in ("ledger", "invoice", "refund", "payout", "fraud", "tax")
         for part in ("api", "worker", "ui")]
LONG = "a-name-of-exactly-sixty-four-characters-as-long-as-azure-permits"
# organization: {project: repositories}
WORLD = {
    "contoso": {
        "Payments": ["card vault", "Card-Vault"] + PLAIN,
        "Ecommerce 3.0": ["Blk.Auth", "Checkout", "checkout (legacy)", "Warenkorb-Größe", "ロギング 基盤", LONG]},
    "fabrikam": {
        "Web": ["API", "Têst Repo", "Build Tools (2019)"] + [f"web-{name}" for name in PLAIN],
        "Mobile": ["api", "iOS App", "Android.App", "push", "login"],
        "Fabrikam™ Portal": ["portal", "portal.wiki"]},
    "northwind": {"Traders": ["orders", "Orders.Archive", "Ñandú", "stock", "prices (EU)", "labels"]},
}
HEALTHY = ["contoso", "fabrikam"]
EXPIRED = "northwind"
ODD = [("contoso", "Payments", "card vault"), ("contoso", "Payments", "Card-Vault"),
       ("contoso", "Ecommerce 3.0", "Blk.Auth"), ("contoso", "Ecommerce 3.0", "checkout (legacy)"),
       ("contoso", "Ecommerce 3.0", "Warenkorb-Größe"), ("contoso", "Ecommerce 3.0", "ロギング 基盤"),
       ("contoso", "Ecommerce 3.0", LONG), ("fabrikam", "Web", "API"), ("fabrikam", "Mobile", "api"),
       ("fabrikam", "Fabrikam™ Portal", "portal.wiki")]
# the last of these events of an instance says its state
STATES = {"poll_ok": "waiting", "credential_restored": "waiting", "credential_lost": "credential", "poll_failed": "backoff",
          "throttled": "throttled", "blocked": "blocked"}


class Failure(Exception):
    """Something is not as it should be."""


def expect(what, wanted, seen):
    if wanted != seen:
        raise Failure(f"{what}\n  expected: {wanted}\n  seen:     {seen}")


def wait_until(what, condition, seconds=15):
    """Poll until the condition gives something true, and return that."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"{what}\n  expected: within {seconds} s\n  seen:     not yet")
        time.sleep(0.02)


# How it looks.

def heading(text):
    bold = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(f"\n\033[1m{text}\033[0m" if bold else f"\n{text}", flush=True)


def say(text=""):
    print(textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="  "), flush=True)


def show(text):
    """Output of a program: one line, cut at the margin."""
    room = WIDTH - 4
    print("    " + (text if len(text) <= room else text[:room - 4] + " ..."), flush=True)


def quote(text):
    """A line of the log, which matters to its end."""
    print(textwrap.fill(text, WIDTH, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False), flush=True)


def pad(text, width):
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return text + " " * (width - len(text) - wide)


def table(rows, left):
    """Columns as wide as they need; the first `left` ones begin at the left, numbers end at the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        show("  ".join(pad(cell, width) if n < left else cell.rjust(width)
                       for n, (cell, width) in enumerate(zip(row, widths))).rstrip())


class Daemon:
    """The program in the background; its log and its notifications are read as they come."""

    def __init__(self, args, directory):
        path = os.path.join(directory, "notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(path)
        self.notified = []
        self.events = []
        self.process = subprocess.Popen(args, env={**os.environ, "NOTIFY_SOCKET": path}, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, encoding="utf-8")
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        threading.Thread(target=self.hear, daemon=True).start()

    def read(self):
        for line in self.process.stderr:
            try:
                self.events.append(json.loads(line))
            except ValueError:
                self.events.append({"message": line.rstrip()})

    def hear(self):
        while True:
            try:
                self.notified += self.notify.recv(4096).decode().split("\n")
            except OSError:
                return

    @property
    def status(self):
        """What `systemctl status` would show."""
        return next((line[7:] for line in reversed(self.notified) if line.startswith("STATUS=")), "")

    def seen(self, event, instance=None, since=0):
        return [e for e in self.events[since:] if e.get("ADOSYNC_EVENT") == event
                and instance in (None, e.get("ADOSYNC_INSTANCE"))]

    def alive(self):
        if self.process.poll() is not None:
            self.reader.join(2)
            raise Failure(f"the daemon\n  expected: running\n  seen:     it ended with exit {self.process.returncode}")
        return True

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(2)
        self.process.stderr.close()
        self.notify.close()


def line_of(event):
    """An event as the journal shows it."""
    return f"{event['subject']}: {event['message']}" if "subject" in event else event["message"]


class Demo:
    """Both simulators, a directory, the daemon, and what was found out so far."""

    def __init__(self, program):
        self.program = os.path.abspath(program)
        self.daemon = self.ado = self.konnect = None
        self.dir = tempfile.mkdtemp(prefix="adosyncd-demo-")

    def close(self):
        if self.daemon is not None:
            self.daemon.close()
        for sim in (self.ado, self.konnect):
            if sim is not None:
                sim.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    # Configuration and programs.

    def write(self, name, text, mode=0o640):
        """Whole or not at all, as an operator's tools write it."""
        path = os.path.join(self.dir, name)
        with open(path + "~", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + "~", mode)
        os.rename(path + "~", path)

    def set_up(self):
        self.ado = Sim("ado.py")
        self.konnect = Sim("konnect.py", "--token", TOKEN)
        os.mkdir(os.path.join(self.dir, "instances.d"))
        self.write("konnect-token", TOKEN + "\n")
        self.write("adosyncd.conf", f'konnect {{ url = "{self.konnect.url}" }}\n'
                   f'daemon {{\n\tstate_directory = "{self.dir}/state"\n\tcontrol_socket = "{self.dir}/control.sock"\n\tlisten = ""\n'
                   '\tlog_level = "debug"\n\tlog_format = "json"\n}\n'
                   'defaults { poll_interval = "2s" }\n', 0o644)
        for name, projects in WORLD.items():
            repos = [{"project": project, "name": repo} for project, names in projects.items() for repo in names]
            self.ado.control("POST", "/org", {"name": name, "pat": f"old-{name}", "repos": repos,
                                              "pat_state": "expired" if name == EXPIRED else "ok"})
            self.write(f"{name}.pat", f"old-{name}\n")
            self.write(f"instances.d/{name}.conf", f'instance "{name}" {{\n\torganization = "{name}"\n'
                       f'\turl = "{self.ado.url}/{name}"\n\tdisplay_name = "{name.capitalize()}"\n}}\n', 0o644)

    def command(self, *args):
        return [self.program, "-c", os.path.join(self.dir, "adosyncd.conf"), *args]

    def run(self, *args):
        """(exit status, lines of output)"""
        done = subprocess.run(self.command(*args), capture_output=True, encoding="utf-8", timeout=60, check=False)
        return done.returncode, done.stdout.splitlines()

    # What was asked, and what is there.

    def polls(self, organization, since=0):
        return [r for r in self.ado.control("GET", "/requests")[since:] if r["org"] == organization]

    def pushes(self, since=0):
        return self.konnect.control("GET", "/requests")[since:]

    def marks(self):
        """Where the requests to Azure DevOps, those to Konnect and the log are now."""
        return len(self.ado.control("GET", "/requests")), len(self.pushes()), len(self.daemon.events)

    def settled(self, organizations):
        """Waits until everything of these organizations is in Konnect, and no request is under way."""
        n = sum(len(self.listed(name)) for name in organizations)

        def there():
            self.daemon.alive()
            return (len(self.konnect.control("GET", "/state")["mappings"]) == n
                    and self.konnect.control("GET", "/counts")["in_flight"] == 0)

        wait_until(f"{n} mappings in Konnect", there)
        self.expect_catalog(organizations)
        return n

    def services(self):
        """{(organization, repository id): service}"""
        found = self.konnect.control("GET", "/state")["services"]
        return {(s["labels"]["azure-devops-organization"], s["labels"]["azure-devops-repository-id"]): s for s in found}

    def service(self, organization, project, repo):
        return self.services()[organization, fixed_id(organization, project, repo)]

    def expect_catalog(self, organizations):
        """Every repository of these organizations has one service of its name with one mapping, and nothing else is there."""
        state = self.konnect.control("GET", "/state")
        wanted = sorted(f"{r['project']} / {r['name']}" for o in organizations for r in self.listed(o))
        expect("services in Konnect, by display name", wanted, sorted(s["display_name"] for s in state["services"]))
        expect("different names of services", len(wanted), len({s["name"] for s in state["services"]}))
        expect("services with exactly one mapping", sorted(s["id"] for s in state["services"]),
               sorted(m["service"]["id"] if isinstance(m["service"], dict) else m["service"] for m in state["mappings"]))

    def listed(self, organization):
        """What the organization has: [{project, name, ...}]"""
        world = self.ado.control("GET", "/world")[organization]
        names = {p["id"]: p["name"] for p in world["projects"]}
        return [{**r, "project": names.get(r["project"], r["project"])} for r in world["repos"]]

    def counts(self, requests):
        counts = {}
        for r in requests:
            parts = r["path"].split("/")[2:]
            key = f"{r['method']:5} /v1/{parts[0]}{'/{id}' if len(parts) > 1 else ''}"
            counts[key] = counts.get(key, 0) + 1
        return counts

    def show_counts(self, counts):
        for key, n in counts.items():
            show(f"{n:5}  {key}")

    # The six parts.

    def part_setup(self):
        heading("1. What is set up")
        number = {name: sum(len(repos) for repos in projects.values()) for name, projects in WORLD.items()}
        say(f"Azure DevOps and Konnect are simulators on this machine; adosyncd is the real program. Three organizations with "
            f"{sum(number.values())} repositories: " + ", ".join(f"{name} {n}" for name, n in number.items())
            + f". The token (PAT) of {EXPIRED} has expired. The catalog is empty. Each is looked at every 2 seconds.")
        print()
        code, lines = self.run("--check")
        expect("exit of adosyncd --check", 0, code)
        say("$ adosyncd --check")
        expect("instances that --check shows", len(WORLD), sum(line.startswith('instance "') for line in lines))
        say(f"exit 0; it prints the configuration in force, {len(lines)} lines.")
        print()
        say("$ adosyncd --dry-run")
        code, lines = self.run("--dry-run")
        plan = [line for line in lines if ": create " in line]
        for line in plan[:4]:
            show(line)
        show(f"(and {len(plan) - 4} more like these)")
        for line in lines:
            if line not in plan:
                quote(line)
        expect("lines of the plan", sum(number[name] + 1 for name in HEALTHY), len(plan))
        expect("exit of adosyncd --dry-run, one organization being unreadable", 75, code)
        expect("writes of a dry run", [], [r for r in self.pushes() if r["method"] != "GET"])
        say(f"exit 75, because {EXPIRED} cannot be read. Nothing was written anywhere.")

    def part_start(self):
        heading("2. The start: everything is new")
        for sim in (self.ado, self.konnect):
            sim.control("DELETE", "/requests")
        started = time.monotonic()
        self.daemon = Daemon(self.command(), self.dir)
        wait_until("READY=1 from the daemon", lambda: self.daemon.alive() and "READY=1" in self.daemon.notified)
        say(f"READY after {time.monotonic() - started:.2f} s.")
        n = self.settled(HEALTHY)
        say(f"After {time.monotonic() - started:.1f} s the {n} repositories of {' and '.join(HEALTHY)} are in the catalog. "
            "Requests: one to Azure DevOps for each poll; to Konnect one for all, two for each organization, and two for each repository:")
        asked = {name: len(self.polls(name)) for name in WORLD}
        expect(f"requests for {EXPIRED}", 1, asked[EXPIRED])
        for name in WORLD:
            show(f"{asked[name]:5}  GET   /{name}/_apis/git/repositories")
        counts = self.counts(self.pushes())
        self.show_counts(counts)
        expect("requests of the first sync to Konnect", {
            "GET   /v1/integrations": 1, "GET   /v1/integration-instances": len(HEALTHY),
            "POST  /v1/integration-instances": len(HEALTHY), "POST  /v1/catalog-services": n,
            "POST  /v1/resource-mappings": n}, counts)
        print()
        say("Odd names get a valid and unique one, which never changes again:")
        table([(f"{p} / {r}" if len(r) < 40 else f"{p} / {r[:17]}...", self.service(o, p, r)["name"])
               for o, p, r in ODD], 2)
        print()
        lost = wait_until(f"credential_lost of {EXPIRED}", lambda: self.daemon.seen("credential_lost"))
        expect("organizations with a refused token", [EXPIRED], [e["ADOSYNC_INSTANCE"] for e in lost])
        say(f"{EXPIRED} waits alone. The log says once, as a warning:")
        quote(line_of(lost[0]))
        say("and `systemctl status` shows:")
        show(wait_until("a status that names it", lambda: EXPIRED in self.daemon.status and self.daemon.status))

    def part_nothing(self):
        heading("3. Polls in which nothing has changed")
        _, konnect, _ = self.marks()
        # a poll that is under way at the mark belongs to what follows
        before = {name: len(self.daemon.seen("poll_ok", name)) for name in HEALTHY}
        before[EXPIRED] = len(self.polls(EXPIRED))

        def polls():
            self.daemon.alive()
            asked = {name: len(self.polls(name)) - before[name] for name in WORLD}
            done = {name: len(self.daemon.seen("poll_ok", name)) - before[name] for name in HEALTHY}
            return asked if min(done.values()) >= 1 and all(asked[name] == done[name] for name in HEALTHY) else None

        asked = wait_until("each poll is one request to Azure DevOps", polls)
        expect("requests to Konnect when nothing has changed", [], self.pushes(konnect))
        expect(f"requests for {EXPIRED} while its token is refused", 0, asked[EXPIRED])
        say("One request to Azure DevOps for each poll of an organization, and none to Konnect:")
        table([("", "polls", "requests to Azure DevOps", "to Konnect")]
              + [(name, asked[name], asked[name], 0) for name in WORLD], 1)

    def part_changes(self):
        heading("4. A rename, a new repository, a disabled one")
        _, konnect, log = self.marks()
        before = self.service("contoso", "Payments", "tax-ui")
        renamed = fixed_id("contoso", "Payments", "tax-ui")
        disabled = fixed_id("fabrikam", "Web", "Têst Repo")
        self.ado.control("PATCH", "/repo", {"org": "contoso", "id": renamed, "name": "tax-desk"})
        self.ado.control("POST", "/repo", {"org": "contoso", "project": "Payments", "name": "chargebacks"})
        self.ado.control("PATCH", "/repo", {"org": "fabrikam", "id": disabled, "disabled": True})
        say("In Azure DevOps: contoso renames Payments / tax-ui to tax-desk and gets Payments / chargebacks; fabrikam disables "
            "Web / Têst Repo. The log says:")

        def pushed():
            events = self.daemon.seen("changed", since=log) + self.daemon.seen("created", since=log)
            return self.daemon.alive() and len(events) >= 3 and events

        for event in wait_until("three changes in the log", pushed):
            quote(line_of(event))
        self.expect_catalog(HEALTHY)
        services = self.services()
        after = services["contoso", renamed]
        new = services["contoso", fixed_id("contoso", "Payments", "chargebacks")]
        off = services["fabrikam", disabled]
        say("All requests to Konnect (a link is read before it is written):")
        names = {after["id"]: after["name"], new["id"]: new["name"], off["id"]: off["name"]}
        seen = self.pushes(konnect)
        for r in seen:
            show(self.describe(r, names))
        expect("name of a renamed repository's service", before["name"], after["name"])
        expect("display name of a renamed repository's service", "Payments / tax-desk", after["display_name"])
        expect("state of a disabled repository", "disabled", off["labels"]["azure-devops-state"])
        expect("requests for a rename, a new and a disabled repository", sorted([
            ("GET", f"/v1/catalog-services/{after['id']}", []),
            ("PATCH", f"/v1/catalog-services/{after['id']}", ["custom_fields", "display_name"]),
            ("PATCH", f"/v1/catalog-services/{off['id']}", ["labels"]),
            ("POST", "/v1/catalog-services", ["custom_fields", "description", "display_name", "labels", "name"]),
            ("POST", "/v1/resource-mappings", ["resource", "service"])]),
            sorted((r["method"], r["path"], sorted(r["body"] or {})) for r in seen))

    @staticmethod
    def describe(request, names):
        """Method, path and the fields that are sent."""
        path = request["path"]
        for identifier, name in names.items():
            path = path.replace(identifier, f"{{{name}}}")
        body = request["body"] or {}
        fields = [f"{key} ({', '.join(value)})" if request["method"] == "PATCH" and isinstance(value, dict) else key
                  for key, value in body.items()]
        return f"{request['method']:5} {path}{'  ' + ', '.join(fields) if fields else ''}"

    def part_renewed(self):
        heading("5. A renewed token")
        ado, konnect, _ = self.marks()
        say(f"The operator writes the new PAT into {EXPIRED}.pat: no signal, no restart.")
        self.ado.control("PATCH", "/org", {"name": EXPIRED, "pat": "new", "pat_state": "ok"})
        written = time.monotonic()
        self.write(f"{EXPIRED}.pat", "new\n")
        wait_until("a look at the new token", lambda: self.daemon.alive() and self.polls(EXPIRED, ado), 10)
        noticed = time.monotonic() - written
        restored = wait_until("credential_restored", lambda: self.daemon.seen("credential_restored", EXPIRED))
        quote(line_of(restored[0]))
        self.settled(WORLD)
        expect("answers to the expired and to the new token", [401, 200], [r["status"] for r in self.polls(EXPIRED)][:2])
        count = len(self.listed(EXPIRED))
        say(f"Noticed after {noticed:.1f} s (the file is looked at every 5 s); after {time.monotonic() - written:.1f} s the "
            f"{count} repositories are in the catalog. Requests to Konnect:")
        counts = self.counts(self.pushes(konnect))
        self.show_counts(counts)
        expect(f"requests for {EXPIRED}", {
            "GET   /v1/integration-instances": 1, "POST  /v1/integration-instances": 1,
            "POST  /v1/catalog-services": count, "POST  /v1/resource-mappings": count}, counts)
        show(wait_until("a status without trouble", lambda: "0 not healthy" in self.daemon.status and self.daemon.status))

    def part_stop(self):
        heading("6. The stop")
        self.ado.fault("hang", org="contoso", times=-1)
        wait_until("a poll under way", lambda: self.daemon.alive() and self.ado.control("GET", "/counts")["in_flight"] > 0)
        begin = time.monotonic()
        self.daemon.process.send_signal(signal.SIGTERM)
        try:
            code = self.daemon.process.wait(5)
        except subprocess.TimeoutExpired:
            raise Failure("the end after SIGTERM\n  expected: within 5 s\n  seen:     still running") from None
        taken = time.monotonic() - begin
        self.daemon.reader.join(2)
        expect("exit after SIGTERM", 0, code)
        expect("the last event", "stopped", self.daemon.events[-1].get("ADOSYNC_EVENT"))
        say(f"SIGTERM while contoso does not answer a poll: the end after {taken:.2f} s with exit {code}.")

    def part_table(self):
        heading("The instances")
        services = self.services()
        owner = {s["id"]: organization for (organization, _), s in services.items()}
        pushes = {name: 0 for name in WORLD}
        common = 0
        for r in self.pushes():
            body = r["body"] or {}
            name = (body.get("labels", {}).get("azure-devops-instance") or owner.get(body.get("service"))
                    or owner.get(r["path"].split("/")[-1]) or r["query"].get("filter[name][eq]"))
            if name in pushes:
                pushes[name] += 1
            else:
                common += 1
        rows = [("name", "organization", "state", "repositories", "services", "requests to Azure DevOps", "to Konnect")]
        for name in WORLD:
            state = [STATES[e["ADOSYNC_EVENT"]] for e in self.daemon.events
                     if e.get("ADOSYNC_INSTANCE") == name and e.get("ADOSYNC_EVENT") in STATES][-1]
            listed, own = len(self.listed(name)), sum(o == name for o in owner.values())
            expect(f"state of {name}", "waiting", state)
            expect(f"services of {name}", listed, own)
            rows.append((name, name, state, listed, own, len(self.polls(name)), pushes[name]))
        table(rows, 3)
        say(f"All is well in the state waiting: for the next poll. {common} more request to Konnect, for all instances, asked "
            "for the integration's types of resources.")
        expect("requests for the integration", 1, common)
        violations = self.ado.control("GET", "/violations") + self.konnect.control("GET", "/violations")
        expect("requests that the published interfaces do not allow", [], violations)
        expect("warnings in the log", ["credential_lost"],
               [e.get("ADOSYNC_EVENT") for e in self.daemon.events if e.get("level") in ("warning", "error")])

    def play(self):
        self.set_up()
        self.part_setup()
        self.part_start()
        self.part_nothing()
        self.part_changes()
        self.part_renewed()
        self.part_stop()
        self.part_table()


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    if len(sys.argv) != 2:
        print("usage: demo.py PROGRAM", file=sys.stderr)
        return 64
    sys.stdout.reconfigure(errors="replace")
    for signo in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signo, interrupted)
    if not os.access(sys.argv[1], os.X_OK):
        print(f"demo: there is no program {sys.argv[1]}; build it with: make", file=sys.stderr)
        return 1
    begin = time.monotonic()
    demo = Demo(sys.argv[1])
    code = 1
    try:
        demo.play()
        code = 0
    except Failure as failure:
        print(f"\ndemo: NOT as it should be: {failure}")
        for event in demo.daemon.events[-15:] if demo.daemon is not None else ():
            print(f"  log: {line_of(event)}")
    except KeyboardInterrupt:
        print("\ndemo: interrupted")
        code = 130
    finally:
        for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signo, signal.SIG_IGN)
        demo.close()
    if code == 0:
        print(f"\ndemo: everything as it should be ({time.monotonic() - begin:.1f} s)")
    return code


if __name__ == "__main__":
    sys.exit(main())

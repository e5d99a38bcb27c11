#!/usr/bin/python3
"""A daemon in a state that is worth looking at, and what a browser makes of its page.

    page.py BROWSER DIRECTORY [all]

Four organizations: one in step, one whose PAT has expired, one with something held (whose name tries to be a script), one in
the middle of its first sync. Writes DIRECTORY/desktop-light.png and phone-dark.png, and one line for each check: ok, not ok.
With "all" the other two as well, and no name is odd: for the documentation."""

import datetime
import html.parser
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
sys.dont_write_bytecode = True
from control import ctl  # noqa: E402
from web import Web  # noqa: E402
from world import World, wait_until  # noqa: E402

ALL = sys.argv[3:] == ["all"]
EVIL = "" if ALL else "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
SIZES = {"desktop": "1180,1250", "phone": "390,2300"}
PICTURES = [("desktop", "light"), ("phone", "dark")] + ([("desktop", "dark"), ("phone", "light")] if ALL else [])
SCHEMES = {"dark": 0, "light": 1}    # as Blink numbers them
failed = []


def check(name, good, seen=""):
    print(f"{'ok' if good else 'not ok'} - {name}", flush=True)
    if not good:
        print(f"# {seen}"[:2000], flush=True)
        failed.append(name)


def in_days(n):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=n)).strftime("%Y-%m-%d")


def browser(program, directory, url, *more):
    """What it writes to standard output, and what the page complains of."""
    done = subprocess.run([program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
                           f"--user-data-dir={directory}/profile", "--virtual-time-budget=2000", *more, url],
                          capture_output=True, text=True, timeout=60, check=False)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


class Text(html.parser.HTMLParser):
    """The text of a document, and its elements."""

    def __init__(self, document):
        super().__init__()
        self.text = []
        self.tags = []
        self.title = document.partition("<title>")[2].partition("</title>")[0]
        self.feed(document)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def __str__(self):
        return re.sub(r"\s+", " ", " ".join(self.text))


def settle(world):
    """What is there before the daemon that is looked at."""
    world.configure("konnect", create_limit=0, token_expires=in_days(200))
    world.configure("defaults", poll_interval="15min")
    world.configure("daemon", log_level="info")
    projects = ("Payments", "Ecommerce", "Identity")
    for name, count in (("contoso", 54), ("fabrikam", 23), ("northwind", 31)):
        world.organization(name, [{"project": projects[n % 3], "name": f"{projects[n % 3].lower()}-service-{n}"}
                                  for n in range(count)])
    world.instance("contoso", display_name="Contoso", pat_expires=in_days(171))
    world.instance("fabrikam", display_name=f"Fabrikam{EVIL}", pat_expires=in_days(9))
    world.instance("northwind", display_name="Northwind Traders", pat_expires=in_days(-1))
    assert world.once().code == 0
    for n in range(11):
        repo = world.repo_id("fabrikam", projects[n % 3], f"{projects[n % 3].lower()}-service-{n}")
        world.delete_repo("fabrikam", repo, recycle=False)
    world.ado.control("PATCH", "/org", {"name": "northwind", "pat_state": "expired"})
    world.organization("tailspin", [{"project": "Toys", "name": f"toy-{n}"} for n in range(2400)])
    world.instance("tailspin", display_name="Tailspin Toys", pat_expires=in_days(88))
    world.configure("konnect", rate_per_minute=6000)


def ready(web):
    now = {i["name"]: i for i in web.status()["instances"]}
    return now["fabrikam"]["held"] and now["northwind"]["state"] == "credential" and now.get("tailspin", {}).get("pushing", {}).get(
        "done", 0) > (900 if ALL else 350)


def look(program, directory, web):
    url = f"http://127.0.0.1:{web.port}/"
    document, complaints = browser(program, directory, url, "--dump-dom")
    page = Text(document)
    text = str(page)
    check("the browser shows the page", "organizations need attention" in text, document)
    check("it has nothing to complain of", complaints == [], complaints)
    for words in ("credential", "Its PAT is not accepted", "Held: 11 of 23 repositories are missing", "adosyncctl plan fabrikam", "days left", "expired",
                  "Pushed to Konnect", "adosyncctl approve fabrikam "):
        check(f"it says \"{words}\"", words in text, text)
    bars = [attrs for tag, attrs in page.tags if tag == "progress"]
    check("one progress bar", len(bars) == 1 and 350 < int(bars[0]["value"]) < int(bars[0]["max"]) == 2400, bars)
    check("no script, and no picture", not [tag for tag, _ in page.tags if tag in ("script", "img")])
    check("a name is a name", "owned" not in page.title and (EVIL in "".join(page.text)), page.title)
    for size, scheme in PICTURES:
        file = f"{directory}/{size}-{scheme}.png"
        _, complaints = browser(program, directory, url, f"--screenshot={file}", f"--window-size={SIZES[size]}",
                                f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}")
        check(f"a picture, {size}, {scheme}", os.path.getsize(file) > 20000 and complaints == [], complaints)


def main():
    program, directory = sys.argv[1:3]
    world = World()
    try:
        settle(world)
        web = Web(world)
        assert ctl(world, "sync").code == 0
        wait_until("the state that is to be seen", lambda: ready(web), 60)
        look(program, directory, web)
        web.daemon.stop()
    finally:
        world.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

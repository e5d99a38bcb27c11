"""The part of the bench that looks at the wire itself, as nginx sees it."""

import os

import listings
from rig import Daemon, wait_until
from synced import made

ORGANIZATIONS, REPOSITORIES = 3, 1000
QUIET_SECONDS = 30


def connections(rig, pid):
    """How many the process has to the servers."""
    ports = {f"{port:04X}" for port in (rig.azure, rig.watched)}
    with open(f"/proc/{pid}/net/tcp", encoding="utf-8") as file:
        lines = [line.split() for line in file if ":" in line]
    ours = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            ours.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    return sum(1 for line in lines if line[2].split(":")[1] in ports and f"socket:[{line[9]}]" in ours)


def row(what, seen):
    return (what, len(seen), len({s[0] for s in seen}), " ".join(sorted({s[1] for s in seen})),
            len({s[0] for s in seen if s[2]}), " ".join(sorted({s[3] for s in seen})))


def wire(rig, report, _):
    """A first sync, and after a while without work one change."""
    directory, _ = made(rig, report, ORGANIZATIONS, REPOSITORIES)
    rig.reset()
    rig.serve(directory, "base")
    names = [listings.organization(number) for number in range(ORGANIZATIONS)]
    report.note("the wire")
    asked = len(rig.wire("polls.log"))
    daemon = Daemon(rig, rig.configure("wire", names, konnect=rig.watched))
    wait_until("the first sync", lambda: daemon.alive() and rig.counts()["mappings"] == ORGANIZATIONS * REPOSITORIES)
    daemon.settle()
    first = rig.wire("polls.log")[asked:], rig.wire("pushes.log")
    wait_until("no connection is left", lambda: connections(rig, daemon.pid) == 0, QUIET_SECONDS)
    rig.serve(directory, "changed")
    daemon.sync(polls=ORGANIZATIONS)
    again = rig.wire("polls.log")[asked + len(first[0]):], rig.wire("pushes.log")[len(first[1]):]
    daemon.stop()
    report.table(f"The wire: {ORGANIZATIONS} organizations of {REPOSITORIES} repositories",
                 ("", "requests", "connections", "protocol", "of them with a TLS session used again", "encoding"),
                 [row("first sync, Azure DevOps", first[0]), row("first sync, Konnect", first[1]),
                  row("1 % changed after a while, Azure DevOps", again[0]), row("1 % changed after a while, Konnect", again[1])])
    for what, (polls, pushes) in (("first sync", first), ("1 % changed", again)):
        report.limit(f"wire, {what}, connections to Azure DevOps", len({p[0] for p in polls}), ORGANIZATIONS)
        # nginx compresses an answer of 200, and none of 201
        report.exactly(f"wire, {what}, encodings", ({p[3] for p in polls}, "gzip" in {p[3] for p in pushes}), ({"gzip"}, True))
        report.exactly(f"wire, {what}, connections to Konnect, protocol", (len({p[0] for p in pushes}), {p[1] for p in pushes}),
                       (1, {"HTTP/2.0"}))
    # with libcurl 7.88 the session of an HTTP/2 connection is offered and not taken up: Konnect's is shown, and not judged
    report.exactly("wire, 1 % changed, connections to Azure DevOps that took up a TLS session, all",
                   len({s[0] for s in again[0] if s[2]}), len({s[0] for s in again[0]}))

#!/usr/bin/env python3
"""Measures the daemon against the bare floor and against its design, and prints that as markdown.

Parts are chosen on the command line or by ADOSYNCD_BENCH="unchanged first"; without it all run. Ends with 1 if the design is
missed anywhere. More of the environment:
  ADOSYNCD_BENCH_RUNS=7       runs of each of a pair
  ADOSYNCD_BENCH_SIZE=100000  repositories of the one organization
  ADOSYNCD_BENCH_MILLION=1    growth goes on to a million repositories in a thousand organizations (or to that many)
  ADOSYNCD_BENCH_KEEP=1       keeps the first sync in BUILD/bench/synced for the next time, which then begins with it"""

import argparse
import os
import shutil
import signal
import sys

import fleet
import parts
from report import Report
from rig import IN_FLIGHT, Rig
from turns import turns
from wire import wire

# in the order in which they are run
PARTS = {"unchanged": parts.unchanged, "changed": parts.changed, "moved": parts.moved, "first": parts.first, "lost": parts.lost,
         "turns": turns, "growth": fleet.growth, "idle": fleet.idle, "wire": wire}


def own_network(argv):
    """Goes on in a network of its own, where no port is taken, if that may be."""
    # where ip and nginx are, for those who are not root as well
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    unshare = shutil.which("unshare")
    if os.environ.get("ADOSYNCD_BENCH_NETWORK") or not unshare or not shutil.which("ip"):
        return
    how = [unshare, "--net"] if os.getuid() == 0 else [unshare, "--net", "--map-root-user"]
    if os.system(f"{' '.join(how)} true 2>/dev/null") == 0:
        os.environ["ADOSYNCD_BENCH_NETWORK"] = "own"
        os.execv(unshare, [*how, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-B", *argv])


def main():
    environment = os.environ.get
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="the directory that make built into")
    parser.add_argument("parts", nargs="*", help=" ".join(PARTS))
    parser.add_argument("--runs", type=int, default=int(environment("ADOSYNCD_BENCH_RUNS") or 7))
    parser.add_argument("--size", type=int, default=int(environment("ADOSYNCD_BENCH_SIZE") or 100000))
    options = parser.parse_args()
    options.in_flight = IN_FLIGHT
    million = int(environment("ADOSYNCD_BENCH_MILLION") or 0)
    options.million = 1000000 if million == 1 else million
    wanted = options.parts or (environment("ADOSYNCD_BENCH") or "").split() or list(PARTS)
    for name in wanted:
        if name not in PARTS:
            parser.error(f"{name}: no such part; there are {' '.join(PARTS)}")
    os.makedirs(os.path.join(options.build, "bench"), exist_ok=True)
    report = Report(os.path.join(options.build, "bench", "report.md"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rig = Rig(options.build)
    try:
        report.machine(rig, wanted, options)
        for name, part in PARTS.items():
            if name in wanted:
                part(rig, report, options)
    finally:
        rig.close()
    left = [name for name in PARTS if name not in wanted]
    if not options.million:
        left.append("a million repositories (ADOSYNCD_BENCH_MILLION=1)")
    sys.exit(report.close(left))


if __name__ == "__main__":
    own_network(sys.argv)
    main()

#!/usr/bin/env python3
"""Measures the daemon against the bare floor and against its design; see --help."""

import argparse
import os
import shutil
import sys

import parts
from report import Report
from rig import IN_FLIGHT, Rig

ALL = ["unchanged", "changed", "moved", "first", "lost"]
QUICK = ALL


def own_network(argv):
    """Goes on in a network of its own, where no port is taken, if that may be."""
    unshare = shutil.which("unshare")
    if os.environ.get("ADOSYNCD_BENCH_NETWORK") or not unshare:
        return
    os.environ["ADOSYNCD_BENCH_NETWORK"] = "own"
    how = ["--net"] if os.getuid() == 0 else ["--net", "--map-root-user"]
    if os.system(f"{unshare} {' '.join(how)} true 2>/dev/null") == 0 and shutil.which("ip"):
        os.execv(unshare, [unshare, *how, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, *argv])
    os.environ["ADOSYNCD_BENCH_NETWORK"] = "shared"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", help="the directory that make built into")
    parser.add_argument("parts", nargs="*", help=f"of {' '.join(ALL)}")
    parser.add_argument("--runs", type=int, default=int(os.environ.get("ADOSYNCD_BENCH_RUNS", "7")))
    parser.add_argument("--size", type=int, default=int(os.environ.get("ADOSYNCD_BENCH_SIZE", "100000")))
    options = parser.parse_args()
    options.in_flight = IN_FLIGHT
    wanted = options.parts or os.environ.get("ADOSYNCD_BENCH", "").split() or QUICK
    for name in wanted:
        if name not in ALL:
            parser.error(f"{name}: no such part; there are {' '.join(ALL)}")
    report = Report()
    rig = Rig(options.build)
    try:
        report.machine(rig, wanted, options)
        for name in ALL:
            if name in wanted:
                getattr(parts, name)(rig, report, options)
    finally:
        rig.close()
    sys.exit(report.close())


if __name__ == "__main__":
    own_network(sys.argv)
    main()

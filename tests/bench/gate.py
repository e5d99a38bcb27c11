#!/usr/bin/env python3
"""Counts the instructions of one unchanged element, with valgrind, and compares them with what is written down.

    gate.py BUILD [--record]

The count of two sizes is taken, and their difference divided, so that what happens once cancels out. It is the same every
time, on a busy machine too: with the compiler and libraries that the figure was recorded with, more than 3 % above it
fails. Others make other code, so with them only more than 20 % does. gate.json holds the figure; --record, or
ADOSYNCD_GATE_RECORD=1 make bench-gate, writes it anew."""

import json
import os
import re
import subprocess
import sys
import tempfile

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gate.json")
SIZES = 3000, 9000
SAME, OTHER = 3, 20     # percent


def output(*args):
    return subprocess.run(args, capture_output=True, text=True, check=True).stdout.strip()


def where():
    """What the figure depends on."""
    libraries = ", ".join(f"{name} {output('pkg-config', '--modversion', name)}" for name in ("sqlite3", "jansson"))
    flags = f"{os.environ.get('ADOSYNCD_GATE_CFLAGS', '')}".strip()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        avx2 = " avx2 " in file.read().replace("\n", " ")
    return {"compiler": output(os.environ.get("CC", "cc"), "--version").splitlines()[0], "flags": flags, "libraries": libraries,
            "libc": output("getconf", "GNU_LIBC_VERSION"), "machine": output("uname", "-m") + (" with avx2" if avx2 else "")}


def instructions(program, directory, size):
    os.mkdir(directory)
    subprocess.run([program, "prepare", directory, str(size)], check=True)
    done = subprocess.run(["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", program, "poll",
                           directory], capture_output=True, text=True, check=False)
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if done.returncode != 0 or not found:
        sys.exit(f"gate: valgrind ended with {done.returncode}\n{done.stderr}")
    return int(found.group(1).replace(",", ""))


def main():
    program = os.path.join(sys.argv[1], "tests", "bench", "gate")
    with tempfile.TemporaryDirectory(prefix="adosyncd-gate-") as directory:
        counts = [instructions(program, os.path.join(directory, str(size)), size) for size in SIZES]
    figure = (counts[1] - counts[0]) / (SIZES[1] - SIZES[0])
    here = where()
    if "--record" in sys.argv or os.environ.get("ADOSYNCD_GATE_RECORD"):
        with open(FILE, "w", encoding="utf-8") as file:
            file.write(json.dumps({"instructions": round(figure, 1), **here}, indent="\t") + "\n")
        print(f"{figure:.1f} instructions for an unchanged element, recorded")
        return
    with open(FILE, encoding="utf-8") as file:
        recorded = json.load(file)
    others = [f"{key} was {recorded[key]}, is {value}" for key, value in here.items() if recorded[key] != value]
    most = OTHER if others else SAME
    more = 100 * (figure / recorded["instructions"] - 1)
    print(f"{figure:.1f} instructions for an unchanged element, {recorded['instructions']} recorded: {more:+.1f} %")
    for text in others:
        print(f"gate: {text}: so up to {OTHER} % more is let through")
    if more > most:
        print(f"gate: more than {most} %. If that is meant, record it with: ADOSYNCD_GATE_RECORD=1 make bench-gate", file=sys.stderr)
        sys.exit(1)
    if more < -SAME and not others:
        print("gate: less than recorded; keep it with: ADOSYNCD_GATE_RECORD=1 make bench-gate")


if __name__ == "__main__":
    main()

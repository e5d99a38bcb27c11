"""What was measured, as markdown, and whether the design holds."""

import os
import platform
import statistics
import subprocess
import sys


def median(values):
    return statistics.median(values)


def spread(values, digits=1):
    """minimum / median / maximum"""
    return " / ".join(f"{v:.{digits}f}" for v in (min(values), median(values), max(values)))


def ratios(ours, floor, digits=2):
    """Of each pair of runs."""
    return spread([a / b for a, b in zip(ours, floor)], digits)


def output(*args):
    try:
        return subprocess.run(args, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


class Report:
    """Prints as it goes, so that what is there stays when something ends it."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")
        self.missed = []
        self.limits = []

    def say(self, text=""):
        print(text, flush=True)
        print(text, file=self.file, flush=True)

    @staticmethod
    def note(text):
        """What is under way, apart from the report."""
        print(text, file=sys.stderr, flush=True)

    def machine(self, rig, wanted, options):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
        versions = [f"{name} {output('pkg-config', '--modversion', name)}" for name in
                    ("libcurl", "jansson", "libevent", "sqlite3", "zlib", "libnghttp2", "openssl")]
        versions = [v for v in versions if not v.endswith(" ")]
        nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr.strip().split("/")[-1]
        gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        self.say(f"Machine: {os.cpu_count()} x {model}, {gib:.0f} GiB, {platform.system()} {platform.release()}, "
                 f"{output('cc', '--version').splitlines()[0]}, {', '.join(versions)}, nginx {nginx}; "
                 f"{output(os.path.join(rig.build, 'adosyncd'), '--version')}; load when it began "
                 f"{os.getloadavg()[0]:.1f}; network {os.environ.get('ADOSYNCD_BENCH_NETWORK', 'shared')}.")
        self.say()
        million = f" ADOSYNCD_BENCH_MILLION={options.million}" if options.million else ""
        self.say(f"Command: `ADOSYNCD_BENCH=\"{' '.join(wanted)}\" ADOSYNCD_BENCH_SIZE={options.size} ADOSYNCD_BENCH_RUNS={options.runs}"
                 f"{million} make bench`. "
                 "Numbers of several runs are minimum / median / maximum; x is a ratio of each pair of runs, taken in turn.")
        self.say()

    def table(self, title, head, rows):
        self.say(f"### {title}")
        self.say()
        self.say("| " + " | ".join(head) + " |")
        self.say("|" + "---|" * len(head))
        for row in rows:
            self.say("| " + " | ".join(str(cell) for cell in row) + " |")
        self.say()

    def demand(self, what, value, most, holds, known=False):
        line = (what, value, most, "**no**" if known or not holds else "yes")
        if line not in self.limits:
            self.limits.append(line)
        if not holds:
            self.missed.append(f"{what}: {value}, the design says {most}")

    def limit(self, what, value, most, unit="", known=None):
        """The design wants at most that. known: it is more, which the README explains; beyond that is a fault."""
        if known is None or value <= most:
            self.demand(what, f"{value:.2f}{unit}", f"{most:.2f}{unit}", value <= most)
        else:
            self.demand(what, f"{value:.2f}{unit}", f"{most:.2f}{unit} (known to be more: {known:.2f}{unit})", value <= known, True)

    def exactly(self, what, value, wanted):
        self.demand(what, str(value), str(wanted), value == wanted)

    def close(self, left):
        """The exit code."""
        if left:
            self.say(f"Left out: {', '.join(left)}.")
            self.say()
        self.table("What the design demands", ("what", "measured", "at most", "holds"), self.limits)
        self.file.close()
        for text in self.missed:
            self.note(f"bench: missed: {text}")
        return 1 if self.missed else 0

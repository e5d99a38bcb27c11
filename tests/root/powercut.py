"""powercut.py KERNEL INITRD DISK: cuts the power of the virtual machine in which the daemon runs.

The scenarios and the judge are those of tests/system/crash.py; what differs is that with the program the whole machine
is gone, and all that it had not got to its disk. powercut.sh makes the machine and runs this."""

import os
import random
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import crash  # noqa: E402
from world import Result, World  # noqa: E402

CUTS = int(os.environ.get("ADOSYNCD_POWERCUTS") or 2)
SECONDS = 60
# many more than may be in flight: a cache that has lost what it knew repeats as many
crash.COUNT = 24


class Machine(World):
    """A world whose program runs in a virtual machine, which is up from one run to the next until it is cut."""

    def __init__(self, kernel, initrd, disk):
        super().__init__()
        self.kernel, self.initrd, self.disk = kernel, initrd, disk
        self.qemu = None
        self.boots = []
        self.took = 0
        self.configure("daemon", state_directory="/disk/state", control_socket="/control.sock", log_level="info")

    def close(self):
        self.cut()
        super().close()

    def cut(self):
        if self.qemu:
            self.qemu.kill()
            self.qemu.communicate()
            self.qemu = None

    def forget_cache(self):
        self.up()
        self.tell("rm -r /disk/state && sync")

    def cache(self, sql):
        """It is in the machine, where nobody lets a day pass: a life ends before its deletions are more than a day may have."""
        return []

    def add_layer(self, directory):
        """The disk as it is, and a layer on it for what the next boot writes. Where in the layer a block stands gets to
        the layer's file only when the machine flushes: a cut takes what a real disk has only in its cache, too."""
        layer = os.path.join(directory, f"{len(self.boots)}.qcow2")
        kind = "qcow2" if self.boots else "raw"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", "-b", self.disk, "-F", kind, layer],
                       check=True)
        self.disk = layer

    def up(self):
        if self.qemu is None or self.qemu.poll() is not None:
            self.cut()
            self.boot()

    def boot(self):
        begin = time.monotonic()
        directory = os.path.dirname(self.initrd)
        self.add_layer(directory)
        initrd = os.path.join(directory, "initrd-configured")
        add = 'cat "$1" >"$2" && find . | cpio -o -H newc --quiet >>"$2"'
        subprocess.run(["sh", "-c", add, "sh", self.initrd, initrd], cwd=self.dir, check=True)
        # a machine that is emulated on a loaded one may not find its clock in time
        for _ in range(3):
            text = self.power_on(initrd)
            if text.endswith("ready\n"):
                break
            self.cut()
        assert text.endswith("ready\n"), f"the machine does not boot: {text}"
        # the one that counts is in the machine; this says that there is one
        os.makedirs(self.state, exist_ok=True)
        self.boots.append(time.monotonic() - begin)

    def power_on(self, initrd):
        """What the machine says until it is ready, or does not get there."""
        self.qemu = subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-cpu", "max", "-m", "256", "-nodefaults",
             "-display", "none", "-serial", "stdio", "-no-reboot",
             "-drive", f"file={self.disk},format=qcow2,if=virtio,cache=writeback",
             "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
             "-kernel", self.kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1 nokaslr no_timer_check "
             f"mitigations=off rdinit=/init ADO={self.ado.port} KONNECT={self.konnect.port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        return self.read("ready")

    def read(self, last, seconds=SECONDS):
        """What the machine says up to a line that begins so, or until it is cut: at the latest after that time."""
        cut = threading.Timer(seconds, self.qemu.kill)
        cut.start()
        text = ""
        for line in self.qemu.stdout:
            text += line
            if line.startswith(last):
                break
        cut.cancel()
        return text

    def tell(self, command, seconds=SECONDS):
        """What the machine says to a shell's command."""
        begin = time.monotonic()
        self.qemu.stdin.write(command + "\n")
        self.qemu.stdin.flush()
        text = self.read("exit ", seconds)
        self.took = time.monotonic() - begin
        assert self.took < SECONDS, f"{command}: not done within {SECONDS} s: {text}"
        return text

    def once(self, env=None):
        """`adosyncd --once` in the machine. The environment says when to cut, as it says to the shim when to kill."""
        env = env or {}
        timed = env.get("CRASH_HOW") == "cut"
        self.up()
        if "CRASH_PID" in env:
            with open(env["CRASH_PID"], "w", encoding="ascii") as file:
                file.write(str(self.qemu.pid))
        text = self.tell("adosyncd -c /adosyncd.conf --once", int(env["CRASH_AT"]) / 1000 if timed else SECONDS)
        assert "cache_rebuilt" not in text and "EXT4-fs error" not in text, text
        ended = re.search(r"^exit (\d+)\n\Z", text, re.MULTILINE)
        code = int(ended[1]) if ended else 0
        if timed or not ended:
            self.cut()
            code = code or -signal.SIGKILL
        return Result(code, "", text)


class Life(crash.Life):
    """The life of a machine. Its points are requests, and milliseconds instead of changes of files."""

    def file_calls(self):
        return int(self.world.took * 1000)

    def cuts(self, scenario, count, chance):
        """So many cuts at random points."""
        if count == 0:
            return
        sizes = self.sizes(scenario)
        print(f"# {scenario.__name__}: {sizes['konnect']} requests to Konnect in {sizes['file']} ms", flush=True)
        end = self.kills + count
        while self.kills < end:
            if chance.random() < 0.5:
                point = ("cut", chance.randint(1, sizes["file"]))
                when = f"after {point[1]} ms"
            else:
                point = (chance.choice(crash.KILLS), chance.randrange(sizes["konnect"]), "konnect")
                when = f"{point[0].removeprefix('kill_')} request {point[1]}"
            before = self.repeated
            if self.survive(scenario, point):
                print(f"ok - {scenario.__name__}: a power cut {when}, {self.repeated - before} requests repeated", flush=True)


def main():
    begin = time.monotonic()
    seed = int(os.environ.get("ADOSYNCD_SEED") or random.randrange(1 << 32))
    print(f"# ADOSYNCD_SEED={seed}", flush=True)
    chance = random.Random(seed)
    life = Life(Machine(*sys.argv[1:]))
    try:
        while life.kills < CUTS:
            life.cuts(crash.First(), min(1, CUTS - life.kills), chance)
            # goes on from what the last one left, for as long as the few removals of each burst are within the limit of a day
            life.round = 1
            life.cuts(crash.Synced(), min(5, CUTS - life.kills), chance)
    except AssertionError as error:
        print("".join(f"# {line}\n" for line in str(error).splitlines()) + "not ok - a power cut is survived", flush=True)
        return 1
    finally:
        life.world.close()
    boots = life.world.boots
    print(f"# {life.kills} cuts, {life.repeated} requests repeated, at most {life.most} at a cut; {len(boots)} boots of "
          f"{statistics.median(boots):.1f} s; {time.monotonic() - begin:.0f} s in all")
    return 0


sys.exit(main())

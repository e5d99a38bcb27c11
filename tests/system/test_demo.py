"""What a newcomer runs first."""

import os
import re
import subprocess
import sys

from world import PROGRAM

DEMO = os.path.join(os.path.dirname(__file__), "..", "demo.py")


def test_demo():
    done = subprocess.run([sys.executable, DEMO, PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search("demo: everything as it should be", done.stdout)

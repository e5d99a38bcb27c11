"""A validating proxy between the daemon and a simulator: prism, from npm."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

PRISM = "@stoplight/prism-cli@5.14.2"
START_SECONDS = 120
MARK_SECONDS = 20
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(method, url, headers, body=None):
    """(status, headers, text) of one request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with OPENER.open(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class Proxy:
    """A prism proxy before one simulator, and the violations it has seen."""

    def __init__(self, work, name, document, upstream):
        self.name = name
        self.requests = 0
        self.marks = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.lines = []
        self.process = subprocess.Popen(
            ["node", os.path.join(work, "node_modules", ".bin", "prism"), "proxy",
             "-h", "127.0.0.1", "-p", str(self.port), document, upstream],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.ready = threading.Event()
        threading.Thread(target=self.read, daemon=True).start()
        if not self.ready.wait(START_SECONDS) or self.process.poll() is not None:
            self.close()
            raise RuntimeError(f"prism for {name} did not start:\n" + "\n".join(self.lines))
        self.lines.clear()

    def read(self):
        """To the end: a prism whose log nobody reads stands still."""
        for line in self.process.stdout:
            self.lines.append(re.sub(r"\x1b\[[0-9;]*m", "", line.rstrip()))
            if "is listening" in line:
                self.ready.set()
        self.ready.set()

    def marked(self):
        """The log so far: a request of no document is the last in it, and is cut off."""
        self.marks += 1
        mark = f"/mark-{self.marks} "
        ask("GET", self.url + mark.strip(), {})
        end = time.monotonic() + MARK_SECONDS
        while True:
            lines = list(self.lines)
            begin = next((n for n, line in enumerate(lines) if mark in line), len(lines))
            # The one is of a simulator that answers, the other of one that a test has closed.
            if any("route not found" in line or "terminated with error" in line for line in lines[begin:]):
                del self.lines[:len(lines)]
                return lines[:begin]
            if time.monotonic() > end:
                raise RuntimeError(f"prism for {self.name} does not log any more")
            time.sleep(0.002)

    def violations(self):
        """What was reported since the last call, with the request it belongs to."""
        found, request = [], ""
        for line in self.marked():
            received = re.search(r"(\w+ /\S*).*Request received", line)
            if received:
                request = received[1]
                self.requests += 1
            if "Violation:" in line:
                # With requests in flight beside it the request may be a neighbour's; the text is right.
                found.append(f"{self.name}: {request}: {line.partition('Violation:')[2].strip()}")
        return found

    def close(self):
        self.process.terminate()
        self.process.wait()


def install(work):
    os.makedirs(work, exist_ok=True)
    if os.path.exists(os.path.join(work, "node_modules", ".bin", "prism")):
        return
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            raise RuntimeError(f"{tool} is needed; install it with: tests/install-deps nodejs npm")
    with open(os.path.join(work, "package.json"), "w", encoding="utf-8") as f:
        f.write('{"private": true}\n')
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--save-exact", PRISM], cwd=work, check=True)

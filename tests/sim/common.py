"""What the two simulators share: an HTTP/1.1 server that can misbehave on
demand, the table of faults, the control port, and a launcher for tests.

Every request is answered by an application object: `serve(request)` returns
an Answer.  How the answer travels (late, slowly, cut, not at all) is said by
`Answer.delivery`, so that any answer can be delivered badly:

  wait S        answer after S seconds (given up when the client leaves)
  hang          never answer
  reset         close with RST
  drop          close without answering
  truncate      send half of the body, then close
  drip N        send the body at N bytes per second

Faults that both simulators have kill the client, whose process id stands in
the file pid_file:
  kill_before   the action is not performed      kill_after    it is, unanswered
  kill_within   in the middle of the answer      kill_done     answered in full
"""

import argparse
import http.server
import json
import os
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus

MAX_HEADER_LINE = 65536
MAX_BODY = 64 << 20
CHUNK = 64 << 10


def dumps(value):
    """Compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Request:
    """One request as it was received; header names are lower-case."""

    __slots__ = ("method", "target", "path", "query", "headers", "body", "org", "number")

    def __init__(self, method, target, headers, body):
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.org = None
        self.number = 0
        raw, _, query = target.partition("?")
        self.path = raw
        self.query = []
        for part in query.split("&") if query else ():
            key, _, value = part.partition("=")
            self.query.append((urllib.parse.unquote_plus(key), urllib.parse.unquote_plus(value)))

    def arg(self, name):
        """The first value of a query parameter, or None."""
        for key, value in self.query:
            if key == name:
                return value
        return None


class Answer:
    """What is to be sent; `chunked` leaves the length out."""

    __slots__ = ("status", "headers", "body", "chunked", "close", "delivery")

    def __init__(self, status, body=b"", headers=(), chunked=False):
        self.status = status
        self.body = body
        self.headers = list(headers)
        self.chunked = chunked
        self.close = False
        self.delivery = {}


DELIVERY_KINDS = {"slow", "drip", "truncate", "hang"}
KILLS = {"kill_before", "kill_after", "kill_within", "kill_done"}


def is_alive(pid):
    """Whether a process still runs: one that nobody has waited for yet does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill(fault):
    """Ends the client of a fault, and returns when it does nothing any more."""
    with open(fault["pid_file"], encoding="ascii") as file:
        pid = int(file.read())
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    while is_alive(pid):
        time.sleep(0.0005)


def deliver(answer, fault):
    """Make a fault of DELIVERY_KINDS part of an answer."""
    kind = fault["kind"]
    if kind == "slow":
        answer.delivery["wait"] = float(fault.get("seconds", 1))
    elif kind == "drip":
        answer.delivery["drip"] = int(fault.get("bytes_per_second", 1024))
    else:
        answer.delivery[kind] = True
    return answer


class ControlError(Exception):
    """A control call that cannot be carried out; the text is the answer."""


class Faults:
    """The misbehaviour asked for, first in first out.

    A fault is a dict: kind, times (default 1, -1 for ever), after (matching
    requests to let pass first), and the optional conditions method,
    path_regex and org.
    """

    def __init__(self, kinds):
        self.kinds = set(kinds) | KILLS
        self.lock = threading.Lock()
        self.items = []

    def add(self, spec):
        if spec.get("kind") not in self.kinds:
            raise ControlError(f"kind: one of {', '.join(sorted(self.kinds))}")
        fault = dict(spec)
        fault["times"] = int(spec.get("times", 1))
        fault["after"] = int(spec.get("after", 0))
        fault["fired"] = 0
        try:
            fault["_path"] = re.compile(spec["path_regex"]) if spec.get("path_regex") else None
        except re.error as error:
            raise ControlError(f"path_regex: {error}") from error
        with self.lock:
            self.items.append(fault)
        return {"fault": self.public(fault)}

    @staticmethod
    def public(fault):
        return {key: value for key, value in fault.items() if key != "_path"}

    def clear(self):
        with self.lock:
            self.items.clear()

    def list(self):
        with self.lock:
            return [self.public(fault) for fault in self.items]

    def take(self, request, kinds):
        """The first fault of `kinds` that wants this request, used up once."""
        if not self.items:
            return None
        with self.lock:
            for fault in self.items:
                if fault["times"] == 0 or fault["kind"] not in kinds:
                    continue
                if not self.wants(fault, request):
                    continue
                if fault["after"] > 0:
                    fault["after"] -= 1
                    continue
                if fault["times"] > 0:
                    fault["times"] -= 1
                fault["fired"] += 1
                return fault
        return None

    @staticmethod
    def wants(fault, request):
        if fault.get("method") and fault["method"].upper() != request.method:
            return False
        if fault.get("org") and fault["org"].lower() != (request.org or "").lower():
            return False
        return fault["_path"] is None or bool(fault["_path"].search(request.target))


class Gauge:
    """How many requests are and were at most being answered at once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = 0
        self.most = 0
        self.total = 0

    def __enter__(self):
        with self.lock:
            self.now += 1
            self.total += 1
            self.most = max(self.most, self.now)
            return self.total

    def __exit__(self, *exc):
        with self.lock:
            self.now -= 1

    def restart(self):
        with self.lock:
            self.most = self.now


class BadRequestLine(Exception):
    """Bytes that are no HTTP request; the connection is given up."""


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection.  Headers are parsed here because the parser of the
    base class costs more than the rest of a request together."""

    disable_nagle_algorithm = True

    def handle(self):
        app = self.server.app
        served = 0
        try:
            while True:
                request = self.read_request()
                if request is None:
                    return
                with app.gauge as number:
                    request.number = number
                    keep = self.perform(app, request)
                served += 1
                # Closing unannounced is what a kept connection may do.
                if not keep or served == getattr(app, "requests_per_connection", 0):
                    return
        except (ConnectionError, BadRequestLine, ssl.SSLError, TimeoutError):
            return

    def perform(self, app, request):
        """Action and answer; False when the connection is not to be used again."""
        faults = getattr(app, "faults", None)
        fault = faults.take(request, KILLS) if faults and faults.items else None
        if not fault:
            return self.answer(request, app.serve(request))
        kind = fault["kind"]
        if kind != "kill_before":
            answer = app.serve(request)
            if kind == "kill_within":
                self.connection.sendall(self.head(answer, True) + answer.body[: len(answer.body) // 2])
            elif kind == "kill_done":
                self.answer(request, answer)
        kill(fault)
        return False

    def read_request(self):
        line = self.rfile.readline(MAX_HEADER_LINE)
        if not line:
            return None
        words = line.decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise BadRequestLine
        headers = {}
        while True:
            line = self.rfile.readline(MAX_HEADER_LINE)
            if line in (b"\r\n", b"\n"):
                break
            key, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise BadRequestLine
            key = key.lower()
            value = value.strip()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        if headers.get("expect", "").lower() == "100-continue":
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Request(words[0], words[1], headers, self.read_body(headers))

    def read_body(self, headers):
        if "chunked" in headers.get("transfer-encoding", "").lower():
            parts = []
            while True:
                size = int(self.rfile.readline(MAX_HEADER_LINE).split(b";")[0] or b"0", 16)
                if size == 0:
                    while self.rfile.readline(MAX_HEADER_LINE) not in (b"\r\n", b"\n", b""):
                        pass
                    return b"".join(parts)
                parts.append(self.rfile.read(size))
                self.rfile.readline(MAX_HEADER_LINE)
        length = int(headers.get("content-length") or 0)
        if length > MAX_BODY:
            raise BadRequestLine
        return self.rfile.read(length) if length else b""

    def answer(self, request, answer):
        """Send; False when the connection is not to be used again."""
        how = answer.delivery
        if how.get("reset"):
            self.reset()
            return False
        if how.get("drop"):
            return False
        if how.get("hang"):
            self.until_gone(None)
            return False
        if how.get("wait") and self.until_gone(how["wait"]):
            return False
        body = b"" if request.method == "HEAD" else answer.body
        closing = answer.close or request.headers.get("connection", "").lower() == "close"
        head = self.head(answer, closing)
        if how.get("truncate"):
            half = body[: len(body) // 2]
            self.connection.sendall(head + (frame(half) if answer.chunked else half))
            return False
        if how.get("drip"):
            return self.drip(head, body, answer.chunked, how["drip"]) and not closing
        if not answer.chunked:
            self.connection.sendall(head + body)
            return not closing
        self.connection.sendall(head)
        view = memoryview(body)
        for start in range(0, len(body), CHUNK):
            self.connection.sendall(frame(view[start : start + CHUNK]))
        self.connection.sendall(b"0\r\n\r\n")
        return not closing

    @staticmethod
    def head(answer, closing):
        try:
            reason = HTTPStatus(answer.status).phrase
        except ValueError:
            reason = "Unknown"
        lines = [f"HTTP/1.1 {answer.status} {reason}"]
        lines += [f"{key}: {value}" for key, value in answer.headers]
        if answer.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif answer.status not in (204, 304):
            lines.append(f"Content-Length: {len(answer.body)}")
        if closing:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def drip(self, head, body, chunked, rate):
        self.connection.sendall(head)
        step = max(1, rate // 10)
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            self.connection.sendall(frame(piece) if chunked else piece)
            if self.until_gone(len(piece) / rate):
                return False
        if chunked:
            self.connection.sendall(b"0\r\n\r\n")
        return True

    def reset(self):
        # A zero linger turns the close into an RST.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def until_gone(self, seconds):
        """Wait; True as soon as the client has closed its side."""
        end = None if seconds is None else time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.connection, select.POLLIN | select.POLLHUP)
        while True:
            left = 500 if end is None else (end - time.monotonic()) * 1000
            if left <= 0:
                return False
            if poll.poll(min(left, 500)):
                if isinstance(self.connection, ssl.SSLSocket):
                    return True
                if not self.connection.recv(1, socket.MSG_PEEK):
                    return True
                time.sleep(min(left, 50) / 1000)


def frame(piece):
    """One chunk of a chunked body; an empty one would end the body."""
    return b"%x\r\n%b\r\n" % (len(piece), bytes(piece)) if len(piece) else b""


class Server(http.server.ThreadingHTTPServer):
    """A server bound to an address of this machine that hands requests to `app`."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, port, app, tls=None, address="127.0.0.1"):
        self.app = app
        self.tls = tls
        super().__init__((address, port), Handler)

    def server_bind(self):
        # The base class looks up a host name here, which can block.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address

    def get_request(self):
        connection, address = super().get_request()
        if self.tls:
            # The handshake belongs to the connection's thread, not to accept.
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)

    def start(self):
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()
        return self


class Control:
    """The control port: {(method, path): function(arguments)} in JSON."""

    def __init__(self, routes, lock):
        self.routes = routes
        self.lock = lock
        self.gauge = Gauge()

    def serve(self, request):
        function = self.routes.get((request.method, request.path))
        if not function:
            known = sorted(f"{method} {path}" for method, path in self.routes)
            return self.json(404, {"error": "no such control call", "calls": known})
        try:
            arguments = json.loads(request.body) if request.body else {}
            if not isinstance(arguments, dict):
                raise ControlError("the body must be a JSON object")
            arguments.update(request.query)
            with self.lock:
                return self.json(200, function(arguments))
        except (ControlError, ValueError) as error:
            return self.json(400, {"error": str(error)})
        except KeyError as error:
            return self.json(400, {"error": f"missing or unknown: {error}"})

    @staticmethod
    def json(status, value):
        return Answer(status, dumps(value), [("Content-Type", "application/json")])


class RequestLog:
    """What was asked, for GET /requests and GET /violations."""

    def __init__(self):
        self.lock = threading.Lock()
        self.entries = []
        self.violations = []
        self.counts = {}

    def add(self, entry, route, violation=None):
        entry["time"] = round(time.time(), 3)
        key = f"{entry['method']} {route}"
        with self.lock:
            self.entries.append(entry)
            self.counts[key] = self.counts.get(key, 0) + 1
            if violation:
                self.violations.append({**entry, "violation": violation})

    def clear(self):
        with self.lock:
            self.entries.clear()
            self.violations.clear()
            self.counts.clear()

    def snapshot(self):
        with self.lock:
            return list(self.entries)


def arguments(description):
    """The command line both simulators have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--address", default="127.0.0.1", help="of 127.0.0.0/8, for --port")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--tls-cert", help="serve TLS with this PEM certificate")
    parser.add_argument("--tls-key", help="its key, if not in the same file")
    parser.add_argument("--exit-with-stdin", action="store_true",
                        help="end when standard input is closed")
    return parser


def run(app, options):
    """Listen, say where on standard output, and serve until a signal."""
    tls = None
    if options.tls_cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.tls_cert, options.tls_key)
    server = Server(options.port, app, tls, options.address)
    control = Server(options.control_port, Control(app.controls(), app.lock))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    control.start()
    server.start()
    print(json.dumps({"port": server.server_port, "control": control.server_port}), flush=True)
    if options.exit_with_stdin:
        sys.stdin.buffer.read()
        os._exit(0)
    while True:
        signal.pause()


class Sim:
    """A simulator as a child process, for tests: with Sim("ado.py") as ado."""

    def __init__(self, script, *args):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), script)
        self.process = subprocess.Popen(
            [sys.executable, path, "--exit-with-stdin", *args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{script} did not start")
        where = json.loads(line)
        self.port = where["port"]
        self.control_port = where["control"]
        scheme = "https" if "--tls-cert" in args else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    def control(self, method, path, body=None):
        """One control call; raises on an error answer."""
        data = None if body is None else dumps(body)
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.control_port}{path}", data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.read().decode()}") from None

    def fault(self, kind, **spec):
        return self.control("POST", "/fault", {"kind": kind, **spec})

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

"""What is served on `listen`, in tests: requests of every kind."""

import contextlib
import http.client
import json
import re
import socket

from world import wait_until


def free_port(family=socket.AF_INET, host="127.0.0.1"):
    """A port that nobody has at the moment."""
    with socket.socket(family) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


class Answer:
    """What a request was answered with."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self):
        return f"{self.status}\n{self.headers}\n{self.body}"


class Web:
    """The server of a daemon that is started on it."""

    def __init__(self, world, host="127.0.0.1", listen=None, start=True):
        self.world = world
        self.host = host
        self.port = free_port(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        world.configure("daemon", listen=(listen or ("[{}]:{}" if ":" in host else "{}:{}")).format(host, self.port))
        self.daemon = world.start() if start else None

    def get(self, path, method="GET", body=None, headers=None, seconds=20):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=seconds)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read().decode()
            self.world.outputs.append(text)
            return Answer(answer.status, dict(answer.getheaders()), text)
        finally:
            connection.close()

    def raw(self, data, seconds=20):
        """Everything that is answered to these bytes, to the end of the connection."""
        with socket.create_connection((self.host, self.port), timeout=seconds) as s:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.sendall(data)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while chunk := s.recv(65536):
                    answer += chunk
        return answer

    def metrics(self):
        """{name: {labels as text: value}}"""
        found = {}
        for line in self.get("/metrics").body.splitlines():
            if not line.startswith("#"):
                name, labels, value = re.fullmatch(r"([a-z_0-9]+)(?:\{(.*)\})? (\S+)", line).groups()
                found.setdefault(name, {})[labels or ""] = float(value)
        return found

    def metric(self, what, /, **labels):
        """The value with these labels."""
        return self.metrics()[what].get(",".join(f'{key}="{value}"' for key, value in labels.items()))

    def wait_metric(self, what, /, seconds=15, **labels):
        """Waits until it is not 0; answers are kept for a second."""
        return wait_until(f"{what} {labels}", lambda: self.metric(what, **labels), seconds)

    def status(self):
        return json.loads(self.get("/status").body)

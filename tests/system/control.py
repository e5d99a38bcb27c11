"""The control socket in tests: adosyncctl, and connections that say what they like."""

import contextlib
import json
import os
import socket
import subprocess
import time

from world import PROGRAM, Result, wait_until

CTL = os.path.join(os.path.dirname(PROGRAM), "adosyncctl")


def socket_path(world):
    return world.sections["daemon"]["control_socket"]


def ctl(world, *args, env=None, path=None, program=CTL, **more):
    """adosyncctl with these arguments, to its end; path="" leaves the socket to it."""
    where = ["-s", path or socket_path(world)] if path != "" else []
    process = subprocess.run([program, *where, *args], text=True, timeout=60, check=False,
                             env=world.environment(**(env or {})), stderr=subprocess.PIPE,
                             **{"stdout": subprocess.PIPE, **more})
    world.outputs += [process.stdout or "", process.stderr]
    return Result(process.returncode, process.stdout, process.stderr)


def ctl_json(world, *args, code=0):
    """The lines of the answer."""
    result = ctl(world, "--json", *args)
    assert result.code == code, result
    assert result.err == "", result
    return [json.loads(line) for line in result.out.splitlines()]


def status(world, name="contoso"):
    """The status of one instance."""
    [answer] = ctl_json(world, "status", name)
    [instance] = answer["instances"]
    return instance


def in_state(world, state, name="contoso", seconds=10):
    """The status, once the instance is in that state."""
    def there():
        now = status(world, name)
        return now if now["state"] == state else None
    return wait_until(f"{name} is {state}", there, seconds)


class Client:
    """A connection; what it sends need not make sense."""

    def __init__(self, world, seconds=20):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(socket_path(world))    # blocking: a full backlog is waited for
        self.socket.settimeout(seconds)
        self.buffer = b""

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def send(self, what):
        """Bytes as they are, anything else as a line of JSON. What the daemon has closed meanwhile is no error,
        nor that it takes no more."""
        data = what if isinstance(what, bytes) else json.dumps(what).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            self.socket.sendall(data)

    def line(self):
        """The next line of the answer as JSON, or None at the end of the connection."""
        while b"\n" not in self.buffer:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                assert self.buffer == b"", "the answer breaks off"
                return None
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def ask(self, what):
        self.send(what)
        return self.line()


def answers_quickly(world, seconds=8):
    """The daemon answers, and in a time that is generous for a machine that does other things too."""
    begin = time.monotonic()
    with Client(world) as client:
        assert client.ask({"command": "status"})["ok"]
    assert time.monotonic() - begin < seconds

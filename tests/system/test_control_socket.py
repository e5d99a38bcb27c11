"""Hostile and clumsy clients of the control socket: each gets an error, and the daemon goes on."""

import contextlib
import json
import os
import resource
import socket
import stat
import threading
import time

import pytest
from control import Client, answers_quickly, ctl, socket_path, status
from world import PROGRAM, wait_until

CLIENTS_MAX = 16
REQUEST_MAX = 1 << 20


def running(world, count=3, **keys):
    world.synced(count=count, **keys)
    return world.start()


def still_well(world, daemon):
    assert daemon.process.poll() is None, daemon.log
    answers_quickly(world)
    assert status(world)["repositories"] == 3


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def cpu_seconds(daemon):
    with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# What is not a request.

NO_REQUESTS = [
    b"", b"garbage", b"\0", b"\0" * 4096, b"{", b"}", b"[]", b"null", b"true", b"1", b'"status"',
    b'{"command":"status"',
    b'{"command":"status"}x', b'{"command":"status","command":"reload"}', b"\xff\xfe\x80", b'{"command":"\xff"}',
    b'{"command":"sta\0tus"}', b'{"command":"\\u0000"}', b'{"command":"\\ud800"}',
    b"\xef\xbb\xbf" b'{"command":"status"}',
    b"GET / HTTP/1.1\r", b"[" * 100000, b'{"a":' * 100000, b'{"command":' + b"[" * 3000 + b"]" * 3000 + b"}",
    bytes(range(1, 10)) + bytes(range(11, 256)), b"{'command':'status'}", b'{"command":1e999}', b"1" * 100000,
    "\N{SNOWMAN}".encode() * 1000,
]


def test_what_is_no_request(world):
    """All of them over one connection, which stays usable."""
    daemon = running(world)
    with Client(world) as client:
        for line in NO_REQUESTS:
            answer = client.ask(line + b"\n")
            assert answer is not None and answer["ok"] is False, line[:60]
            assert answer["error"] and "\n" not in answer["error"]
            assert client.ask({"command": "status"})["ok"] is True
    still_well(world, daemon)


WRONG_VALUES = [None, True, 0, -1, 1.5, 1 << 62, "", "x", [], ["x"], {}, {"a": 1}, [None], [[]], [{}], [1],
                ["contoso", 1], ["\N{SNOWMAN}" * 200], ["a" * 100000], ["\t\n\x7f\x1b[31m"], ["contoso"] * 2000]


def test_wrong_types_in_every_field(world):
    """An answer to each, and an error unless what was asked makes sense."""
    daemon = running(world)
    commands = ["status", "sync", "repos", "check", "pause", "resume", "plan", "approve"]
    with Client(world) as client:
        for value in WRONG_VALUES:
            answer = client.ask({"command": value})
            assert answer["ok"] is False and answer["error"], value
            for command in commands:
                answer = client.ask({"command": command, "instances": value, "hash": 1})
                if value in ([], None) and command in ("status", "sync"):
                    assert answer is not None
                elif command in ("status", "sync") and value == ["contoso"] * 2000:
                    assert answer["ok"] is True
                else:
                    assert answer["ok"] is False and answer["error"], (command, value)
        for value in WRONG_VALUES:
            assert client.ask({"command": "reload", "nonsense": value})["ok"] is True
    still_well(world, daemon)


def test_a_name_in_an_error_is_printable(world):
    """It may end in the terminal of somebody else."""
    running(world)
    for name in ("\x1b[31mred", "a\nb", "\x7f", "\N{SNOWMAN}" * 100, "a" * 5000, "e\u0301"):
        for request in ({"command": "status", "instances": [name]}, {"command": name}):
            with Client(world) as client:
                error = client.ask(request)["error"]
            assert error.startswith("there is no"), request
            assert len(error) < 300
            assert not any(ord(c) < 32 or ord(c) == 127 for c in error)


# Lengths.

def test_a_line_without_an_end(world):
    daemon = running(world)
    with Client(world) as client:
        client.send(b"x" * (2 * REQUEST_MAX))
        answer = client.line()
        assert answer["ok"] is False and "too long" in answer["error"]
        assert client.line() is None
    still_well(world, daemon)


def test_a_request_of_a_mebibyte(world):
    """As long as one may be."""
    daemon = running(world)
    line = json.dumps({"command": "status", "x": "y" * (REQUEST_MAX - 1000)}).encode() + b"\n"
    with Client(world) as client:
        assert client.ask(line)["ok"] is True
        assert client.ask({"command": "status"})["ok"] is True
    still_well(world, daemon)


def test_half_a_line_and_gone(world):
    daemon = running(world)
    before = descriptors(daemon)
    for what in (b"", b'{"command":', b'{"command":"status"}', b'{"command":"status"}\n', b"\xff" * 5000,
                 b'{"command":"repos","instances":["contoso"]}\n',
                 b'{"command":"check","instances":["contoso"]}\n') * 10:
        with Client(world) as client:
            client.send(what)
    with Client(world) as client:
        client.send(b'{"command":"sta')
        client.socket.shutdown(socket.SHUT_WR)
        answer = client.line()
        assert answer["ok"] is False and "newline" in answer["error"]
        assert client.line() is None
    wait_until("no descriptor is left open", lambda: descriptors(daemon) <= before)
    still_well(world, daemon)


def test_a_client_that_sends_no_more(world):
    """As socat does at the end of its input: all that it has asked is answered, however long that takes."""
    daemon = running(world)
    before = descriptors(daemon)
    world.ado.fault("slow", times=1, seconds=2)
    with Client(world) as client:
        client.send(b'{"command":"check","instances":["contoso"]}\n{"command":"status"}\n')
        client.socket.shutdown(socket.SHUT_WR)
        assert client.line()["ok"] is True
        assert client.line()["instances"]
        assert client.line() is None
    # one that is gone altogether is not waited for
    world.ado.fault("slow", times=1, seconds=20)
    with Client(world) as client:
        client.send(b'{"command":"check","instances":["contoso"]}\n')
        wait_until("it is checked", lambda: world.ado.control("GET", "/counts")["in_flight"])
    wait_until("no descriptor is left open", lambda: descriptors(daemon) <= before, 10)
    still_well(world, daemon)


def test_byte_by_byte(world):
    running(world)
    with Client(world) as client:
        for byte in b'{"command":"status"}\n':
            client.send(bytes([byte]))
        assert client.line()["ok"] is True


def test_thousands_of_requests_at_once(world):
    """Sent while the answers are read, and before any of them is."""
    daemon = running(world)
    n = 5000
    lines = b'{"command":"status"}\n' * n
    with Client(world) as client:
        client.socket.setblocking(False)
        sent, answers = 0, 0
        end = time.monotonic() + 60
        while answers < n and time.monotonic() < end:
            if sent < len(lines):
                try:
                    sent += client.socket.send(lines[sent:sent + 65536])
                except BlockingIOError:
                    pass
            try:
                text = client.socket.recv(1 << 20)
            except BlockingIOError:
                continue
            assert text
            answers += text.count(b"\n")
    assert answers == n
    with Client(world, seconds=0.5) as client:
        client.send(lines * 100)    # nobody reads the answers, so nobody takes the requests
        answers_quickly(world)
        client.socket.settimeout(20)
        assert client.line()["ok"] is True
    still_well(world, daemon)


def test_much_is_sent_behind_a_check(world):
    """What has come in when the answer is there is served by and by; others do not wait for the end of it."""
    daemon = running(world)
    world.ado.fault("slow", times=1, seconds=2)
    lines = b'{"command":"check","instances":["contoso"]}\n' + b"\n" * (REQUEST_MAX - 100)
    with Client(world, seconds=60) as client:
        def read():
            with contextlib.suppress(ConnectionResetError):
                while client.socket.recv(1 << 20):
                    pass
        threads = [threading.Thread(target=read), threading.Thread(target=client.send, args=(lines,))]
        for thread in threads:
            thread.start()
        for _ in range(50):
            answers_quickly(world, 4)
            time.sleep(0.1)
        client.socket.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
    still_well(world, daemon)


def test_memory_stays_bounded(world):
    """Whatever clients send and leave unread."""
    daemon = running(world)
    # a place for who asks, and one for who asked before and has gone without its being noticed yet
    clients = [Client(world, seconds=0.05) for _ in range(CLIENTS_MAX - 2)]
    for client in clients:
        client.send(b'{"command":"repos","instances":["contoso"]}\n' * 20000)
    still_well(world, daemon)
    for client in clients:
        client.close()
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    # a sanitizer keeps what is freed for a while
    if "asan" not in PROGRAM:
        assert peak < 100 << 10
    wait_until("a free place", lambda: ctl(world, "status").code == 0)
    still_well(world, daemon)


# Many clients, and slow ones.

def test_more_clients_than_allowed(world):
    """Those beyond are told so; those within go on."""
    daemon = running(world)
    clients = [Client(world) for _ in range(CLIENTS_MAX)]
    for client in clients:
        assert client.ask({"command": "status"})["ok"] is True
    for _ in range(20):
        with Client(world) as late:
            answer = late.line()
            assert answer["ok"] is False and "too many" in answer["error"]
            assert late.line() is None
    result = ctl(world, "status")
    assert result.code == 1
    assert "too many clients" in result.err
    assert clients[0].ask({"command": "status"})["ok"] is True
    for client in clients:
        client.close()
    wait_until("a free place", lambda: ctl(world, "status").code == 0)
    still_well(world, daemon)


@pytest.mark.waits
def test_a_client_that_never_reads(world):
    """A huge answer waits for it; polls and other clients do not."""
    world.ado.control("POST", "/generate", {"org": "contoso", "projects": 10, "repos": 3000, "pat": "pat-of-contoso"})
    world.instance("contoso", poll_interval="1s", map_to="none")
    daemon = world.start()
    wait_until("all are known", lambda: status(world)["repositories"] == 3000, 30)
    lazy = [Client(world) for _ in range(CLIENTS_MAX - 2)]
    for client in lazy:
        client.send({"command": "repos", "instances": ["contoso"]})
    polls = len(world.polls("contoso"))
    for _ in range(5):
        answers_quickly(world)
    wait_until("polls go on", lambda: len(world.polls("contoso")) >= polls + 3, 30)
    # the answer is still whole when it is read at last
    lines = 0
    while "ok" not in (line := lazy[0].line()):
        lines += 1
    assert line == {"ok": True, "count": 3000} and lines == 3000
    for client in lazy:
        client.close()
    assert daemon.process.poll() is None


def test_a_stop_does_not_wait_for_a_client(world):
    daemon = running(world)
    with Client(world) as silent, Client(world, seconds=0.3) as asking:
        asking.send(b'{"command":"repos","instances":["contoso"]}\n' * 5000)
        begin = time.monotonic()
        assert daemon.stop().code == 0
        assert time.monotonic() - begin < 4
        assert silent.line() is None
    assert not os.path.exists(socket_path(world))


# The socket itself.

def test_who_may_connect(world):
    running(world)
    mode = os.stat(socket_path(world))
    assert stat.S_ISSOCK(mode.st_mode)
    assert stat.S_IMODE(mode.st_mode) == 0o660
    assert mode.st_uid == os.geteuid() and mode.st_gid == os.getegid()


def test_a_socket_left_over(world):
    """From a daemon that was killed."""
    world.synced()
    world.start().kill()
    assert os.path.exists(socket_path(world))
    daemon = world.start()
    assert not any("adosyncctl will not work" in event["message"] for event in daemon.events)
    answers_quickly(world)
    assert daemon.stop().code == 0
    assert not os.path.exists(socket_path(world))


def without_socket(world, daemon, *words):
    wait_until("a warning", lambda: [e for e in daemon.events if "adosyncctl will not work" in e["message"]])
    [event] = [e for e in daemon.events if "adosyncctl will not work" in e["message"]]
    assert event["level"] == "warning"
    assert all(word in event["message"] for word in words), event
    world.add_repo("contoso", "Payments", "another")
    wait_until("work goes on", lambda: "contoso.payments.another" in world.services())
    assert daemon.stop().code == 0


@pytest.mark.waits
@pytest.mark.parametrize("what", ["no-such-directory", "file", "directory"])
def test_a_path_that_cannot_be_made(world, what):
    """It warns and runs on, and touches nothing that is there."""
    path = os.path.join(world.dir, "missing/control.sock" if what == "no-such-directory" else "here")
    if what == "file":
        world.secret("here", "precious")
    elif what == "directory":
        os.mkdir(path)
    world.configure("daemon", control_socket=path)
    world.synced(poll_interval="1s")
    daemon = world.start(ready=True)
    without_socket(world, daemon, path)
    if what == "file":
        with open(path, encoding="ascii") as file:
            assert file.read() == "precious\n"
    assert os.path.exists(path) == (what in ("file", "directory"))
    assert ctl(world, "status", path=path).code == 75


@pytest.mark.waits
def test_a_second_daemon_does_not_take_the_socket(world):
    """The first goes on answering, also after the second has ended."""
    first = running(world, poll_interval="1s")
    world.configure("daemon", state_directory=os.path.join(world.dir, "another-state"))
    second = world.start()
    wait_until("a warning", lambda: [e for e in second.events if "adosyncctl will not work" in e["message"]])
    with Client(world) as client:
        client.ask({"command": "pause", "instances": ["contoso"]})
    wait_until("the first is asked", lambda: status(world)["state"] == "paused")
    assert second.stop().code == 0
    assert os.path.exists(socket_path(world))
    answers_quickly(world)
    assert first.stop().code == 0


def test_the_descriptors_run_out(world):
    """Who waits to be accepted does not keep the loop busy, and the daemon is still there afterwards."""
    world.synced()
    daemon = world.start()
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (descriptors(daemon) + 2, 1024))
    clients = [Client(world) for _ in range(8)]
    time.sleep(0.1)
    before = cpu_seconds(daemon)
    time.sleep(1)
    assert cpu_seconds(daemon) - before < 0.2
    for client in clients:
        client.close()
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (1024, 1024))
    wait_until("it answers", lambda: ctl(world, "status").code == 0)
    still_well(world, daemon)

"""What is served on `listen`: health, freshness, status, metrics and the page; and whom it serves."""

import base64
import hashlib
import html
import os
import re
import signal
import socket
import subprocess
import time

import pytest
from control import ctl, ctl_json, in_state
from web import Web, free_port
from world import PROGRAM, TOKEN, wait_until

PLAIN = ["/healthz", "/readyz", "/freshz", "/metrics", "/status"]
SECURE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
          "X-Frame-Options": "DENY", "Connection": "close", "Cross-Origin-Resource-Policy": "same-origin"}


def running(world, *names, **keys):
    """The daemon on organizations that are in the catalog already; it polls when it is told to."""
    for name in names or ("contoso",):
        world.synced(name, **{"poll_interval": "1h", **keys})
    return Web(world)


# Who asks, and how.

def test_every_path(world):
    web = running(world)
    for path in PLAIN:
        answer = web.get(path)
        assert answer.status == 200, answer
        assert answer.headers.items() >= SECURE.items()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert int(answer.headers["Content-Length"]) == len(answer.body.encode())
        head = web.get(path, "HEAD")
        assert (head.status, head.body) == (200, "")
        assert head.headers["Content-Type"] == answer.headers["Content-Type"]
        assert web.get(path + "?x=/y").status == 200
    assert [web.get(path).body for path in PLAIN[:3]] == ["ok\n"] * 3
    assert web.get("/metrics").headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert web.get("/status").headers["Content-Type"] == "application/json"


def test_other_paths_and_methods(world):
    web = running(world)
    for path in ("/nonsense", "/metrics/", "//", "/../etc/passwd", "/%2e%2e/", "/Metrics", "/healthz%00", "/" + "a" * 5000):
        answer = web.get(path)
        assert answer.status == 404, path
        assert answer.headers.items() >= SECURE.items()
        assert path not in answer.body.replace("there are /,", "")
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        answer = web.get("/metrics", method)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD"), method
        assert answer.headers.items() >= SECURE.items()
    assert web.get("/", "POST", body="x" * 50000).status == 405


HOSTILE = [
    (b"nonsense\r\n\r\n", b"400"), (b"GET /\r\n\r\n", b"400"), (b"\x16\x03\x01\x00\xa5\x01\x00\n", b"400"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505"), (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n", b"431"),
    (b"GET /" + b"a" * 100000, b"431"), (b"GET / HTTP/1.1\r\n folded\r\n\r\n", b"400"), (b"\n" * 20000, b"431"),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: \"><script>\r\n\r\nGET /status HTTP/1.1\r\n\r\n", b"400"),
    (b"GET http://evil.example/healthz HTTP/1.1\r\n\r\n", b"421"), (b"GET http://127.0.0.1/healthz HTTP/1.1\r\n\r\n", b"200"),
    (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n" + b"x" * 300000, b"405"),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx", b"405"),
]


def test_hostile_requests(world):
    """Each is answered once and as it deserves, nothing of it is repeated, and nobody notices."""
    web = running(world)
    for request, status in HOSTILE:
        answer = web.raw(request)
        # whoever sends without end is cut off, and may not see it
        assert answer.startswith(b"HTTP/1.1 " + status) or (answer == b"" and len(request) > 90000), (request[:80], answer[:200])
        assert answer.count(b"HTTP/1.1 ") <= 1
        assert b"evil" not in answer and b"script" not in answer
    assert web.get("/healthz").status == 200
    levels = {e["level"] for e in web.daemon.events}
    assert levels <= {"debug", "info", "notice"}, web.daemon.log


FOREIGN = ["evil.example", "evil.example:9878", "localhost.evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", "[::2]", "0", ""]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_name_that_is_not_ours(world, host):
    """On loopback, a name that leads here (DNS rebinding) opens nothing to a page in a browser."""
    world.synced(poll_interval="1h")
    web = Web(world, host)
    for name in FOREIGN:
        for path in ["/", "/nonsense", *PLAIN]:
            answer = web.get(path, headers={"Host": name})
            assert answer.status == 421 and answer.body.count("\n") == 1, (name, path, answer)
            assert answer.headers.items() >= SECURE.items() and "contoso" not in answer.body
        head = web.get("/status", "HEAD", headers={"Host": name})
        assert (head.status, head.body) == (421, "")
    for name in ("localhost", f"LOCALHOST:{web.port}", "127.0.0.1:1", "127.9.9.9", "[::1]", f"[::1]:{web.port}"):
        assert web.get("/status", headers={"Host": name}).status == 200, name
    assert web.raw(b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_any_name_where_others_are_served(world):
    """Probes, Prometheus and services ask by names and addresses that the daemon cannot know."""
    world.synced(poll_interval="1h")
    web = Web(world, listen=":{1}")
    for name in ("adosyncd.monitoring.svc:9878", "10.0.0.1:9878", "[fe80::1]", "localhost"):
        assert web.get("/metrics", headers={"Host": name}).status == 200, name


@pytest.mark.waits
def test_slow_clients_hold_nothing_up(world):
    """More than there is room for say nothing, or half of it; others are served at once, and the daemon works on."""
    web = running(world)
    clients = []
    for n in range(60):
        s = socket.create_connection((web.host, web.port), timeout=10)
        if n % 2:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHo")
        clients.append(s)
    begin = time.monotonic()
    for path in PLAIN:
        assert web.get(path).status == 200
    assert time.monotonic() - begin < 5
    assert ctl(world, "sync").code == 0
    web.daemon.wait("poll_ok")
    assert len(os.listdir(f"/proc/{web.daemon.process.pid}/fd")) < 50
    for s in clients:
        s.close()


def test_a_client_that_does_not_read(world):
    web = running(world)
    with socket.create_connection((web.host, web.port)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        s.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert web.get("/healthz", seconds=5).status == 200
    assert web.get("/metrics").status == 200


@pytest.mark.waits
def test_the_time_of_a_request_is_bounded(world):
    """A byte now and then does not keep a connection."""
    web = running(world)
    with socket.create_connection((web.host, web.port), timeout=1) as s:
        begin = time.monotonic()
        while time.monotonic() - begin < 40:
            try:
                s.sendall(b"a")
                if s.recv(100) == b"":
                    break
            except socket.timeout:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
        assert 7 < time.monotonic() - begin < 20


# Where.

def test_addresses(world):
    world.synced(poll_interval="1h")
    web = Web(world, "::1")
    assert web.get("/healthz").status == 200
    web.daemon.stop()
    web = Web(world, listen=":{1}")
    assert web.get("/healthz").status == 200
    web.host = "::1"
    assert web.get("/healthz").status == 200


def test_off(world):
    world.synced(poll_interval="1h")
    daemon = world.start()
    inodes = set()
    for fd in os.listdir(f"/proc/{daemon.process.pid}/fd"):
        inodes.add(os.readlink(f"/proc/{daemon.process.pid}/fd/{fd}"))
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{daemon.process.pid}/net/{table}", encoding="utf-8") as file:
            listening = [line.split()[9] for line in file if line.split()[3] == "0A"]
        assert not [i for i in listening if f"socket:[{i}]" in inodes]


def test_address_in_use(world):
    """It says who has it, perhaps, and what to do; it is not READY, and another start may help."""
    world.synced(poll_interval="1h")
    web = Web(world, start=False)
    with socket.socket() as s:
        s.bind((web.host, web.port))
        s.listen()
        result = world.run()
    assert result.code == 75
    [error] = [e["message"] for e in result.events if e["level"] == "error"]
    assert error.startswith(f"{web.host}:{web.port} cannot be used: Address already in use; ") and "set listen" in error
    assert not [e for e in result.events if e.get("ADOSYNC_EVENT") == "started"]
    assert world.start().process.poll() is None
    assert web.get("/healthz").status == 200


@pytest.mark.parametrize("listen,code", [("192.0.2.1:80", 75), ("[fe80::1]:9", 78)])
def test_an_address_of_nobody(world, listen, code):
    world.synced(poll_interval="1h")
    world.configure("daemon", listen=listen)
    result = world.run()
    assert result.code == code, result
    assert [e for e in result.events if e["level"] == "error" and e["message"].startswith(f"{listen} cannot be used: ")]


@pytest.mark.waits
def test_a_restart_at_once(world):
    """What is left of connections does not keep the port."""
    web = running(world)
    for _ in range(3):
        assert web.get("/status").status == 200
        web.daemon.kill()
        web.daemon = world.start()
    assert web.get("/healthz").status == 200


def test_a_change_needs_a_restart(world):
    web = running(world)
    world.configure("daemon", listen=f"127.0.0.1:{free_port()}")
    web.daemon.process.send_signal(signal.SIGHUP)
    web.daemon.wait("reloaded")
    assert [e["message"] for e in web.daemon.events if "listen: a change needs a restart" in e["message"]]
    assert web.get("/healthz").status == 200


def test_once_serves_nothing(world):
    world.synced(poll_interval="1h")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        world.configure("daemon", listen="127.0.0.1:%d" % s.getsockname()[1])
        assert world.once().code == 0
        assert subprocess.run([PROGRAM, "-c", world.config_file, "--check"], stdout=subprocess.DEVNULL, check=False).returncode == 0


# What is said.

def test_status_is_what_adosyncctl_says(world):
    web = running(world, "contoso", "fabrikam")
    of_web, [of_ctl] = web.status(), ctl_json(world, "status")
    of_web.pop("now")
    of_ctl.pop("now")
    assert of_web == of_ctl


@pytest.mark.waits
def test_fresh(world):
    world.synced("contoso", poll_interval="1h")
    world.synced("fabrikam", poll_interval="1s")
    web = Web(world)
    assert web.get("/freshz").status == 200
    assert ctl(world, "pause", "fabrikam").code == 0
    answer = wait_until("fabrikam is not fresh", lambda: next((a for a in [web.get("/freshz")] if a.status == 503), None), 10)
    assert re.fullmatch(r"fabrikam: the last complete listing is \d+s old, polled every 1s\n", answer.body)
    assert web.get("/healthz").status == 200 and web.get("/readyz").status == 200
    wait_until("the metric", lambda: web.metric("adosyncd_instance_fresh", name="fabrikam") == 0)
    assert web.metric("adosyncd_instance_fresh", name="contoso") == 1


@pytest.mark.waits
def test_ready_until_the_stop(world):
    """A stop that waits for a write in flight."""
    web = running(world)
    assert web.get("/readyz").status == 200
    world.konnect.fault("hang", method="POST", times=-1)
    world.add_repo("contoso", "Payments", "late")
    assert ctl(world, "sync").code == 0
    wait_until("a write hangs", lambda: world.konnect.control("GET", "/counts")["in_flight"] > 0)
    web.daemon.process.send_signal(signal.SIGTERM)
    wait_until("not ready", lambda: web.get("/readyz").status == 503)
    assert web.get("/readyz").body == "stopping\n"
    assert web.get("/healthz").status == 200
    assert web.daemon.process.wait(6) == 0


def stand_still(web):
    """Three seconds long, and nobody is answered; then it is healthy. Returns its lag a moment later."""
    web.daemon.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(OSError):
            web.get("/healthz", seconds=3)
    finally:
        web.daemon.process.send_signal(signal.SIGCONT)
    assert web.get("/healthz").status == 200
    time.sleep(1.5)    # what is read is a second old at most
    return web.metric("adosyncd_loop_lag_seconds")


@pytest.mark.waits
def test_a_loop_that_stood_still(world):
    """The lag says what happened; unless it was stopped in the middle of a poll, when nothing was due."""
    web = running(world, poll_interval="1s")
    assert any(stand_still(web) > 1 for _ in range(3))


def test_metrics_of_a_first_sync(world):
    world.repos("contoso", count=3)
    world.instance("contoso", poll_interval="1h", pat_expires="2027-06-30")
    world.configure("konnect", token_expires="2028-01-01")
    before = time.time()
    web = Web(world)
    wait_until("all is pushed", lambda: web.metric("adosyncd_pushes_total", name="contoso", result="created") == 3)
    m = web.metrics()
    of = 'name="contoso"'
    assert m["adosyncd_polls_total"][of + ',verdict="ok"'] == 1
    assert sum(m["adosyncd_polls_total"].values()) == 1
    assert m["adosyncd_poll_duration_seconds_count"][of] == 1
    assert 0 <= m["adosyncd_poll_duration_seconds_sum"][of] < 10
    assert m["adosyncd_repositories"][of + ',state="active"'] == 3
    assert m["adosyncd_instance_state"][of + ',state="waiting"'] == 1 and sum(m["adosyncd_instance_state"].values()) == 1
    assert m["adosyncd_konnect_state"]['state="ready"'] == 1 and sum(m["adosyncd_konnect_state"].values()) == 1
    assert abs(m["adosyncd_last_complete_timestamp_seconds"][of] - before) < 20
    assert m["adosyncd_next_poll_timestamp_seconds"][of] > before + 3500
    assert m["adosyncd_poll_interval_seconds"][of] == 3600
    assert m["adosyncd_pat_expiry_timestamp_seconds"][of] == 1814313600
    assert m["adosyncd_konnect_token_expiry_timestamp_seconds"][""] == 1830297600
    assert m["adosyncd_repositories_pending"][of] == 0
    assert m["adosyncd_cache_size_bytes"][""] > 4096
    assert 1e6 < m["process_resident_memory_bytes"][""] < 1e9
    assert abs(m["process_start_time_seconds"][""] - before) < 20
    # what was really sent
    sent = {}
    for route, n in world.requests().items():
        method = route.split(" ")[0]
        sent[method] = sent.get(method, 0) + n
    counted = {method: m["adosyncd_konnect_requests_total"][f'method="{method}",status="2xx"'] for method in sent}
    assert counted == sent and sum(m["adosyncd_konnect_requests_total"].values()) == sum(sent.values())


@pytest.mark.waits
def test_held_creations_are_not_pending(world):
    """Metrics, /status and the page count the same."""
    world.configure("konnect", create_limit=2)
    world.repos("contoso", count=3)
    world.instance("contoso", poll_interval="1h")
    web = Web(world)
    web.daemon.wait("held")
    assert web.wait_metric("adosyncd_repositories_held", name="contoso") == 3
    assert web.metric("adosyncd_repositories_pending", name="contoso") == 0
    [instance] = web.status()["instances"]
    assert (instance["held"], instance["pending"]) == (True, 0)
    assert "To be pushed" not in web.get("/").body


def test_metrics_of_failures(world):
    """Each is counted under its own name; a counter never goes back."""
    web = running(world, poll_interval="1s")
    world.ado.fault("status", status=500, org="contoso", times=1)
    web.wait_metric("adosyncd_polls_total", name="contoso", verdict="unreachable")
    world.konnect.fault("status", status=503, times=1)
    world.add_repo("contoso", "Payments", "new")
    web.wait_metric("adosyncd_konnect_requests_total", method="POST", status="5xx")
    created = web.wait_metric("adosyncd_pushes_total", seconds=30, name="contoso", result="created")
    ok = web.metric("adosyncd_polls_total", name="contoso", verdict="ok")
    world.add_repo("contoso", "Payments", "newer")
    wait_until("one more", lambda: web.metric("adosyncd_pushes_total", name="contoso", result="created") == created + 1)
    assert web.metric("adosyncd_polls_total", name="contoso", verdict="ok") > ok


@pytest.mark.waits
def test_metrics_of_a_refused_reload(world):
    web = running(world)
    assert web.metric("adosyncd_config_last_reload_successful") == 1
    world.configure("daemon", nonsense="x")
    web.daemon.process.send_signal(signal.SIGHUP)
    web.daemon.wait("reload_refused")
    wait_until("it shows", lambda: web.metric("adosyncd_config_last_reload_successful") == 0)
    del world.sections["daemon"]["nonsense"]
    world.write_config()
    web.daemon.process.send_signal(signal.SIGHUP)
    web.daemon.wait("reloaded")
    wait_until("it is gone", lambda: web.metric("adosyncd_config_last_reload_successful") == 1)


def test_no_secret_is_served(world):
    """world.leaks() looks through all that was answered; here that there is something to look through."""
    web = running(world, share_pat=True)
    for path in [*PLAIN, "/"]:
        web.get(path)
    assert any("adosyncd_build_info" in text for text in world.outputs)
    assert not [text for text in world.outputs if TOKEN in text]


# The page.

def style_hash(document):
    [style] = re.findall(r"<style>(.*?)</style>", document, re.S)
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def articles(document):
    """{name: the part of the page about it, Konnect's aside}"""
    return {re.search(r"<small>([^<,]*)", part).group(1): part for part in document.split("<article")[2:]}


def test_the_page_is_self_contained(world):
    web = running(world)
    answer = web.get("/")
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers.items() >= SECURE.items()
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["style-src"] == f"'{style_hash(answer.body)}'", "PAGE_STYLE_HASH in lib/page_style.h"
    assert not re.search(r"<script|<form|<iframe| style=| on[a-z]+=|javascript:", answer.body)
    assert not re.search(r"""(?:src|href)=["'](?!/|data:image/svg)""", answer.body)
    for path in re.findall(r'href="(/[a-z]+)"', answer.body):
        assert web.get(path).status == 200
    assert web.get("/", "HEAD").body == ""


def test_names_are_shown_as_they_are(world):
    evil = "<script>alert(\"x\")</script>&amp;'"
    world.repos("contoso", project=evil, count=12)
    world.instance("contoso", display_name=evil, poll_interval="1h")
    assert world.once().code == 0
    for n in range(9):
        world.delete_repo("contoso", world.repo_id("contoso", evil, f"repo-{n}"), recycle=False)
    web = Web(world)
    assert ctl(world, "sync").code == 0
    web.daemon.wait("held")
    document = wait_until("it is held", lambda: next((d for d in [web.get("/").body] if "approve contoso" in d), None))
    assert "<script" not in document
    assert html.unescape(document).count(evil) >= 6    # as its name, and in five of what is held


def test_each_state_is_visible(world):
    """One page on which everything is wrong that can be, and a command that helps where there is one."""
    names = ("fine", "expired", "gone", "down", "slow", "paused", "held")
    for name in names:
        world.repos(name, count=12)
        world.instance(name, poll_interval="1h")
    assert world.once().code == 0
    world.ado.control("PATCH", "/org", {"name": "expired", "pat_state": "expired"})
    world.ado.fault("status", status=404, org="gone", times=-1)
    world.ado.fault("status", status=500, org="down", times=-1)
    world.ado.fault("429", org="slow", times=-1)
    for n in range(9):
        world.delete_repo("held", world.repo_id("held", "Payments", f"repo-{n}"), recycle=False)
    web = Web(world)
    assert ctl(world, "sync").code == 0
    assert ctl(world, "pause", "paused").code == 0
    for name, state in (("expired", "credential"), ("gone", "blocked"), ("slow", "throttled"), ("paused", "paused")):
        in_state(world, state, name)
    web.daemon.wait("poll_failed", "down")
    web.daemon.wait("held", "held")
    part = articles(wait_until("an answer that is not the one before", lambda: next(
        (d for d in [web.get("/").body] if "approve held" in d and "state\">paused" in d), None)))
    assert set(part) == set(names)
    assert "The catalog is in step with it." in part["fine"] and "class=\"ok\"" in part["fine"]
    assert "Its PAT is not accepted" in part["expired"] and "expired.pat" in part["expired"] and "class=\"bad\"" in part["expired"]
    assert "check the name" in part["gone"] and "adosyncctl sync gone" in part["gone"] and "class=\"bad\"" in part["gone"]
    assert "tried again by itself" in part["down"] and "class=\"warn\"" in part["down"]
    assert "asks to wait" in part["slow"] and ">throttled" in part["slow"]
    assert "adosyncctl resume paused" in part["paused"] and "class=\"off\"" in part["paused"]
    assert "9 of 12 repositories are missing" in part["held"] and "and 4 more" in part["held"]
    m = web.metrics()
    assert m["adosyncd_repositories_held"]['name="held"'] == 9
    for name, state in (("expired", "credential"), ("gone", "blocked"), ("slow", "throttled"), ("paused", "paused"), ("fine", "waiting")):
        assert m["adosyncd_instance_state"][f'name="{name}",state="{state}"'] == 1
    # and the command that the page shows is the one that helps
    [hash_] = re.findall(r"<code>adosyncctl approve held ([0-9a-f]{12})</code>", part["held"])
    assert ctl(world, "approve", "held", hash_).code == 0
    wait_until("nothing is held", lambda: "approve held" not in web.get("/").body)


@pytest.mark.waits
def test_progress_and_konnect(world):
    """A long first sync shows how far it is; a Konnect that is lost is the first thing on the page."""
    world.repos("contoso", count=150)
    world.instance("contoso", poll_interval="1h")
    world.configure("konnect", rate_per_minute=1200)
    web = Web(world)

    def progress():
        found = re.search(r'<progress value="(\d+)" max="(\d+)">', web.get("/").body)
        return found if found and int(found[1]) > 20 else None

    found = wait_until("progress", progress)
    assert int(found[1]) < int(found[2]) == 150
    assert web.metric("adosyncd_repositories_pending", name="contoso") > 0
    world.konnect.fault("status", status=503, times=-1)
    web.daemon.wait("sink_lost")
    document = wait_until("it shows", lambda: next((d for d in [web.get("/").body] if ">backoff<" in d), None))
    assert "Nothing can be pushed to Konnect" in document
    assert document.index(">backoff<") < document.index(">contoso<")
    wait_until("the metric", lambda: web.metric("adosyncd_konnect_state", state="backoff") == 1)

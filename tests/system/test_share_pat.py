"""share_pat: the PAT as the credential of the integration instance; only a good one, and only while it is wanted."""

import json
import os
import signal
import subprocess
import urllib.request

import crash
import pytest
from world import PAT, PROGRAM, TOKEN, wait_until

ROUTE = "/integration-instances/*/auth-credential"
LOOK, CREATE, DELETE = (f"{method} {ROUTE}" for method in ("GET", "POST", "DELETE"))
LISTS = {"GET /integration-instances": 1, "GET /catalog-services": 1, "GET /resource-mappings": 1}
CTL = os.path.join(os.path.dirname(PROGRAM), "adosyncctl")


def shared(world):
    """The PATs that Konnect holds of us."""
    credentials = world.catalog()["credentials"]
    assert all(c["type"] == "multi_key_auth" for c in credentials)
    headers = [h for c in credentials for h in c["keys"]]
    assert all(h["name"] == "authorization" for h in headers)
    return [h["key"] for h in headers]


def synced(world, **keys):
    world.synced(share_pat=True, **keys)
    assert shared(world) == [PAT + "contoso"]


def rotate(world, pat, accepted=True):
    if accepted:
        world.ado.control("PATCH", "/org", {"name": "contoso", "pat": pat})
    world.secret("contoso.pat", pat)


def sent(world):
    """Everything that went to Konnect, as text."""
    return json.dumps(world.konnect.control("GET", "/requests"))


def of_credentials(world):
    return [(r["method"], r["status"]) for r in world.konnect.control("GET", "/requests")
            if "auth-credential" in r["path"]]


def edit(world, **changes):
    world.konnect.control("PATCH", "/credential", {"instance": "contoso", **changes})


def konnect(world, method, path, body):
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{world.konnect.url}/v1{path}", json.dumps(body).encode(), headers, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return answer.status


def messages(events, level="warning"):
    return [e["message"] for e in events if e["level"] == level]


# When it is shared.

def test_it_is_shared_after_a_good_poll(world):
    """With one request, and nothing more is asked until a comparison is due."""
    world.repos("contoso")
    world.instance("contoso", share_pat=True)
    result = world.once()
    assert result.code == 0
    assert world.requests()[CREATE] == 1
    assert LOOK not in world.requests() and DELETE not in world.requests()
    assert shared(world) == [PAT + "contoso"]
    assert [m for m in messages(result.events, "notice") if "credential" in m]
    assert len(world.services()) == 3
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}
    assert world.compare().code == 0
    assert world.requests() == LISTS | {LOOK: 1}


@pytest.mark.parametrize("how", ["wrong", "expired", "noscope", "revoked", "a listing that breaks off"])
def test_a_pat_that_no_poll_found_good_is_not_shared(world, how):
    world.repos("contoso")
    world.instance("contoso", share_pat=True)
    if how == "wrong":
        rotate(world, "a-wrong-pat", accepted=False)
    elif how == "a listing that breaks off":
        world.ado.fault("unclosed", times=-1)
    else:
        world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": how})
    assert world.once().code == 75
    assert world.requests() == {}
    rotate(world, PAT + "contoso")
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": "ok"})
    world.ado.control("DELETE", "/fault")
    assert world.once().code == 0
    assert shared(world) == [PAT + "contoso"]
    assert "a-wrong-pat" not in sent(world)


def test_it_is_never_sent_with_no(world):
    world.synced(share_pat=False)
    world.compare()
    rotate(world, "the-second-pat")
    world.once()
    assert PAT not in sent(world) and "the-second-pat" not in sent(world)
    assert of_credentials(world) == []


def test_only_for_those_who_want_it(world):
    for name, share in (("contoso", True), ("fabrikam", False), ("northwind", True)):
        world.repos(name, count=1)
        world.instance(name, share_pat=share)
    assert world.once().code == 0
    assert {c["integration_instance"]["name"]: c["keys"][0]["key"] for c in world.catalog()["credentials"]} == {
        "contoso": PAT + "contoso", "northwind": PAT + "northwind"}


@pytest.mark.parametrize("url", ["https://ado.example/tfs/Default", "https://contoso.visualstudio.com",
                                 "https://dev.azure.com.example/contoso", "https://evil-dev.azure.com/contoso"])
def test_it_is_refused_for_another_server(world, url):
    world.instance("contoso", share_pat=True)
    world.instances["contoso"]["url"] = url
    world.write_config()
    result = world.run("--check")
    assert result.code == 78
    assert "share_pat" in result.err and url in result.err and "dev.azure.com" in result.err
    assert world.once().code == 78


@pytest.mark.parametrize("url", ["https://dev.azure.com/contoso", "https://DEV.azure.com/contoso/"])
def test_it_is_allowed_for_azure(world, url):
    world.instance("contoso", share_pat=True)
    world.instances["contoso"]["url"] = url
    world.write_config()
    assert world.run("--check").code == 0


# Rotation.

def test_a_new_pat_replaces_it(world):
    """DELETE, then POST: it is a singleton."""
    synced(world)
    rotate(world, "the-second-pat")
    result = world.once()
    assert result.code == 0
    assert of_credentials(world) == [("DELETE", 204), ("POST", 201)]
    assert world.requests() == {DELETE: 1, CREATE: 1}
    assert shared(world) == ["the-second-pat"]
    assert [m for m in messages(result.events, "notice") if "new PAT" in m]
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}


def test_a_new_pat_that_is_refused_does_not_replace_it(world):
    synced(world)
    rotate(world, "a-wrong-pat", accepted=False)
    world.due()
    assert world.once().code == 75
    assert of_credentials(world) in ([], [("GET", 200)])
    assert shared(world) == [PAT + "contoso"]
    assert "a-wrong-pat" not in sent(world)
    rotate(world, PAT + "contoso")
    world.forget_requests()
    assert world.once().code == 0
    assert of_credentials(world) in ([], [("GET", 200)])


@pytest.mark.waits
def test_a_running_daemon_replaces_it(world):
    synced(world, poll_interval="1s")
    daemon = world.start()
    daemon.wait("poll_ok")
    rotate(world, "the-second-pat")
    wait_until("the new one", lambda: shared(world) == ["the-second-pat"])
    assert of_credentials(world) == [("DELETE", 204), ("POST", 201)]
    assert daemon.stop().code == 0


@pytest.mark.parametrize("kind, method", [("hang", "DELETE"), ("hang_after", "DELETE"), ("hang", "POST"),
                                          ("hang_after", "POST")])
def test_killed_while_it_is_replaced(world, kind, method):
    """Wherever it was, the next start does the rest: at most one DELETE and one POST more than it takes."""
    synced(world, poll_interval="1s")
    world.konnect.fault(kind, method=method, path_regex="auth-credential")
    rotate(world, "the-second-pat")
    daemon = world.start()
    wait_until("the request", lambda: [f for f in world.konnect.control("GET", "/fault") if f["fired"]])
    daemon.kill()
    assert world.once().code == 0
    assert shared(world) == ["the-second-pat"]
    requests = of_credentials(world)
    assert len([r for r in requests if r[0] == "POST"]) <= 3 and len([r for r in requests if r[0] == "DELETE"]) <= 2
    world.forget_requests()
    assert world.once().code == 0
    assert world.compare().code == 0
    assert of_credentials(world) == [("GET", 200)]


@pytest.mark.parametrize("kind", ["hang", "hang_after"])
def test_killed_while_it_is_created(world, kind):
    world.repos("contoso", count=1)
    world.instance("contoso", share_pat=True)
    world.konnect.fault(kind, method="POST", path_regex="auth-credential")
    daemon = world.start()
    wait_until("the request", lambda: [f for f in world.konnect.control("GET", "/fault") if f["fired"]])
    daemon.kill()
    assert world.once().code == 0
    assert shared(world) == [PAT + "contoso"]


@pytest.mark.waits
@pytest.mark.parametrize("kind", ["lost_answer", "garbage"])
def test_an_answer_that_is_lost(world, kind):
    """What was done is found by the conflict, and done once more."""
    world.repos("contoso", count=1)
    world.instance("contoso", share_pat=True)
    world.konnect.fault(kind, method="POST", path_regex="auth-credential")
    assert world.once().code == 0
    assert shared(world) == [PAT + "contoso"]
    assert len(world.services()) == 1


# What Konnect has, and says.

def test_one_that_we_do_not_know_is_replaced(world):
    world.synced()
    instance = world.konnect_instance()["id"]
    konnect(world, "POST", f"/integration-instances/{instance}/auth-credential", {
        "type": "multi_key_auth", "config": {"headers": [{"name": "authorization", "key": "somebody's"}]}})
    world.forget_requests()
    world.instance("contoso", share_pat=True)
    assert world.once().code == 0
    assert of_credentials(world) == [("POST", 409), ("DELETE", 204), ("POST", 201)]
    assert shared(world) == [PAT + "contoso"]


def test_after_losing_the_cache_it_is_replaced_once(world):
    synced(world)
    world.forget_cache()
    assert world.once().code == 0
    assert of_credentials(world) == [("POST", 409), ("DELETE", 204), ("POST", 201)]
    assert shared(world) == [PAT + "contoso"]
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}


def test_one_that_was_removed_is_made_again(world):
    synced(world)
    world.konnect.control("DELETE", "/credential", {"instance": "contoso"})
    assert world.compare().code == 0
    assert of_credentials(world) == [("GET", 404), ("POST", 201)]
    assert shared(world) == [PAT + "contoso"]


def test_it_is_made_again_with_its_instance(world):
    synced(world)
    world.konnect.control("DELETE", "/instance", {"name": "contoso"})
    assert world.compare().code == 0
    assert shared(world) == [PAT + "contoso"]


def test_a_tainted_one_is_replaced_once_a_day(world):
    synced(world)
    edit(world, tainted=True)
    result = world.compare()
    assert result.code == 0
    assert of_credentials(world) == [("GET", 200), ("DELETE", 204), ("POST", 201)]
    assert not world.catalog()["credentials"][0]["tainted"]
    edit(world, tainted=True)
    result = world.compare()
    assert of_credentials(world) == [("GET", 200)]
    assert [m for m in messages(result.events) if "no longer valid" in m]
    world.cache("UPDATE instance SET replaced = replaced - 86401")
    world.compare()
    assert of_credentials(world) == [("GET", 200), ("DELETE", 204), ("POST", 201)]


@pytest.mark.waits
def test_what_konnect_says_of_it_reaches_status_and_log(world):
    synced(world, poll_interval="1s")
    world.configure("konnect", reconcile_interval="1s")
    daemon = world.start()

    def status():
        socket = world.sections["daemon"]["control_socket"]
        done = subprocess.run([CTL, "-s", socket, "--json", "status"], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["instances"][0]["shared_pat"]

    def said(words):
        wait_until(f"status: {words}", lambda: words in (status() or ""))
        wait_until(f"log: {words}", lambda: [m for m in messages(daemon.events) if words in m])

    assert status() is None
    edit(world, expires_at="2027-01-02T03:04:05Z")
    said("2027-01-02T03:04:05Z")
    edit(world, missing_permissions=[{"scopes": ["vso.code", "vso.project"], "message": "No events."},
                                     {"scopes": [], "message": "No words."}])
    said("vso.code, vso.project (No events.), No words.")
    assert "2027-01-02T03:04:05Z" in status()
    compared = world.requests()[LOOK]
    wait_until("two more comparisons", lambda: world.requests()[LOOK] >= compared + 2)
    assert len([m for m in messages(daemon.events) if "vso.code," in m]) == 1    # said once
    edit(world, missing_permissions=[], expires_at=None)
    wait_until("nothing to say", lambda: status() is None)
    assert daemon.stop().code == 0


def test_one_that_konnect_refuses_is_not_tried_again_at_every_poll(world):
    world.repos("contoso", count=1)
    world.instance("contoso", share_pat=True)
    world.konnect.fault("status", method="POST", path_regex="auth-credential", status=400, times=-1)
    result = world.once()
    assert [m for m in messages(result.events) if "sharing the PAT was refused with 400" in m]
    assert len(world.services()) == 1    # and keeps nothing else back
    world.konnect.control("DELETE", "/fault")
    assert world.compare().code == 0
    assert shared(world) == [PAT + "contoso"]


# The end of it.

def test_it_is_removed_when_the_key_goes_back_to_no(world):
    synced(world)
    world.instance("contoso", share_pat=False)
    result = world.once()
    assert result.code == 0
    assert world.requests() == {DELETE: 1}
    assert shared(world) == []
    assert [m for m in messages(result.events, "notice") if "no longer" in m]
    world.forget_requests()
    assert world.once().code == 0
    assert world.compare().code == 0
    assert of_credentials(world) == []


@pytest.mark.parametrize("gone", ["credential", "instance"])
def test_one_to_be_removed_that_is_gone_already(world, gone):
    synced(world)
    world.konnect.control("DELETE", f"/{gone}", {"instance": "contoso", "name": "contoso"})
    world.instance("contoso", share_pat=False)
    assert world.compare().code == 0
    assert shared(world) == []
    world.forget_requests()
    assert world.once().code == 0
    assert of_credentials(world) == []


@pytest.mark.parametrize("kind", ["kill_before", "kill_after", "kill_done"])
@pytest.mark.parametrize("work, method", [("create", "POST"), ("replace", "DELETE"), ("replace", "POST"), ("remove", "DELETE")])
def test_one_that_may_be_there_is_removed(world, work, method, kind):
    """Killed while it is written, and then not wanted any more: Konnect does not keep it."""
    life = crash.Life(world)
    if work == "create":
        world.synced()
    else:
        synced(world)
    if work == "replace":
        rotate(world, "the-second-pat")
    world.instance("contoso", pat=False, share_pat=work != "remove")
    world.konnect.fault(kind, method=method, path_regex="auth-credential", pid_file=life.pid_file)
    assert world.once(env=life.environment()).code == -signal.SIGKILL
    life.settle()
    world.instance("contoso", pat=False, share_pat=False)
    world.forget_requests()
    assert world.once().code == 0
    # who was told that it is gone may have written that down before it was killed
    told = kind == "kill_done" and method == "DELETE"
    assert world.requests() == {DELETE: 1} or (told and world.requests() == {})
    assert shared(world) == []
    world.forget_requests()
    assert world.once().code == 0
    assert world.compare().code == 0
    assert of_credentials(world) == []


def test_one_that_konnect_does_not_let_go_is_removed_later(world):
    synced(world)
    world.instance("contoso", share_pat=False)
    world.konnect.fault("status", method="DELETE", path_regex="auth-credential", status=400)
    result = world.once()
    assert [m for m in messages(result.events) if "removing the credential was refused with 400" in m]
    assert world.compare().code == 0
    assert shared(world) == []


@pytest.mark.parametrize("pat", ['with"quotes', "back\\slash", "sl/ash", "%25{}", "x" * 2000])
def test_a_pat_of_any_characters_arrives_as_it_is(world, pat):
    world.organization("contoso", [{"project": "P", "name": "a"}])
    rotate(world, pat)
    world.instance("contoso", share_pat=True, pat=pat)
    assert world.once().code == 0
    assert shared(world) == [pat]


def test_it_is_in_no_core(world):
    """The log and the state directory are looked at after every test."""
    synced(world, poll_interval="1s")
    rotate(world, "the-second-pat")
    daemon = world.start()
    wait_until("the new one", lambda: shared(world) == ["the-second-pat"])
    with open(f"/proc/{daemon.process.pid}/limits", encoding="ascii") as file:
        [line] = [line for line in file if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]
    assert daemon.stop().code == 0

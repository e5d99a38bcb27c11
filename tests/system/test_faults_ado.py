"""Azure DevOps at its worst: whatever comes is named, is not believed, and harms nothing."""

import pytest
from world import PAT

# A fault, and the verdict that the log and the summary must name.
FAULTS = {
    "sign-in page as a 200": ({"kind": "html_signin"}, "credential_rejected"),
    "203": ({"kind": "status_203"}, "credential_rejected"),
    "redirect": ({"kind": "redirect"}, "credential_rejected"),
    "wrong count": ({"kind": "wrong_count"}, "malformed"),
    "count too small": ({"kind": "wrong_count", "by": -1}, "malformed"),
    "duplicate GUID": ({"kind": "duplicate_guid"}, "malformed"),
    "unclosed": ({"kind": "unclosed"}, "malformed"),
    "truncated": ({"kind": "truncate"}, "unreachable"),
    "garbage": ({"kind": "garbage"}, "malformed"),
    "not an array": ({"kind": "not_array"}, "malformed"),
    "null instead of the array": ({"kind": "not_array", "value": None}, "malformed"),
    "element that is a text": ({"kind": "bad_element"}, "malformed"),
    "element without an id": ({"kind": "bad_element", "value": {"name": "x"}}, "malformed"),
    "element without a project": ({"kind": "bad_element", "value": {
        "id": "11111111-2222-4333-8444-555555555555", "name": "x"}}, "malformed"),
    "long element": ({"kind": "long_element"}, "malformed"),
    "deep nesting": ({"kind": "deep_nesting"}, "malformed"),
    "gzip bomb": ({"kind": "gzip_bomb"}, "malformed"),
    "401 with a good body": ({"kind": "401_valid_body"}, "scope_missing"),
    "403 of a policy": ({"kind": "403_vs403463"}, "policy_blocked"),
    "403": ({"kind": "status", "status": 403}, "policy_blocked"),
    "404": ({"kind": "status", "status": 404, "body": "The resource cannot be found."}, "organization_unknown"),
    "400 of a version": ({"kind": "status", "status": 400, "body": {
        "typeKey": "VssVersionOutOfRangeException", "message": "7.1 is out of range"}}, "refused"),
    "410": ({"kind": "status", "status": 410}, "refused"),
    "429": ({"kind": "429", "retry_after": 7}, "throttled"),
    "429 as HTML": ({"kind": "429", "html": True, "headers": False}, "throttled"),
    "503": ({"kind": "503"}, "unreachable"),
    "500": ({"kind": "status", "status": 500}, "unreachable"),
    "407": ({"kind": "status", "status": 407}, "unreachable"),
    "organization stopped": ({"kind": "503_tf24668"}, "organization_stopped"),
    "outage page": ({"kind": "html_unavailable"}, "unreachable"),
    "outage page as a 200": ({"kind": "html_unavailable", "status": 200}, "unreachable"),
    "reset": ({"kind": "reset"}, "unreachable"),
    "304": ({"kind": "status", "status": 304}, "malformed"),
    "204": ({"kind": "status", "status": 204}, "malformed"),
    "200 of another type": ({"kind": "status", "status": 200, "body": '{"value":[],"count":0}',
                             "content_type": "text/plain"}, "malformed"),
    "200 without a body": ({"kind": "status", "status": 200, "content_type": "application/json"}, "malformed"),
}


def rows(world):
    """What the cache knows of repositories."""
    return world.cache("SELECT * FROM repository ORDER BY id")


def assert_refused(world, verdict, result):
    """The poll is lost, said so, and nothing else happened."""
    assert result.code == 75, result
    assert f"contoso: not through: the poll failed, {verdict}" in result.out
    [event] = [e for e in result.events if e["level"] in ("warning", "error")]
    assert verdict in event["message"]
    assert event["ADOSYNC_INSTANCE"] == "contoso"
    assert world.requests() == {}
    assert len(world.polls("contoso")) == 1


def assert_goes_on(world):
    """The next good poll brings what the lost one did not."""
    result = world.once()
    assert result.code == 0, result
    assert "1 created, 1 changed" in result.out
    assert len(world.services()) == 4


@pytest.mark.parametrize("name", FAULTS)
def test_fault(world, name):
    fault, verdict = FAULTS[name]
    world.synced()
    known, objects = rows(world), world.objects()
    world.add_repo("contoso", "Payments", "late")
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), disabled=True)
    world.ado.fault(**fault)
    assert_refused(world, verdict, world.once())
    assert rows(world) == known
    assert world.objects() == objects
    assert_goes_on(world)


@pytest.mark.parametrize("state, verdict, words", [
    ("expired", "credential_expired", "has expired"),
    ("noscope", "scope_missing", "Code:Read"),
    ("revoked", "credential_rejected", "TF400813"),
])
def test_pat(world, state, verdict, words):
    world.synced()
    known = rows(world)
    world.add_repo("contoso", "Payments", "late")
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), disabled=True)
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": state})
    result = world.once()
    assert_refused(world, verdict, result)
    assert words in result.err
    assert rows(world) == known
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat_state": "ok"})
    assert_goes_on(world)


def test_server_that_is_not_there(world):
    world.instance("contoso", url="http://127.0.0.1:1/contoso")
    result = world.once()
    assert result.code == 75
    assert "unreachable" in result.out


def test_server_whose_name_does_not_exist(world):
    world.instance("contoso", url="https://adosyncd.invalid/contoso")
    result = world.once()
    assert result.code == 75
    assert "unreachable" in result.out


def test_server_that_hangs_up_in_the_middle(world):
    """Elements that arrived before it are not believed either."""
    world.repos("contoso", count=300)
    world.instance("contoso")
    world.ado.fault("truncate")
    result = world.once()
    assert result.code == 75
    assert "unreachable" in result.out
    assert world.requests() == {}
    assert rows(world) == []
    assert world.once().code == 0
    assert len(world.services()) == 300


def test_messages_name_what_to_do(world):
    """The words of the server are quoted, and the correlation id is a field of the event."""
    world.repos("contoso")
    world.instance("contoso")
    world.ado.fault("503_tf24668")
    result = world.once()
    assert "TF24668" in result.out and "deactivated due to inactivity" in result.out
    [event] = [e for e in result.events if e["level"] == "warning"]
    assert event["ADOSYNC_EVENT"] == "blocked"
    assert event["ADOSYNC_HTTP_STATUS"] in (503, "503")
    assert len(event["ADOSYNC_ACTIVITY_ID"]) == 36
    assert "reactivate" in event["message"]


def test_what_a_server_writes_is_made_printable(world):
    world.repos("contoso")
    world.instance("contoso")
    world.ado.fault("status", status=500, body="one\ntwo \x1b[31mred\x1b[0m", content_type="text/plain")
    result = world.once()
    assert "\x1b" not in result.out + result.err
    assert len(result.out.strip().splitlines()) == 1


def test_only_get_with_our_headers_is_ever_sent(world):
    world.synced()
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), name="else")
    world.delete_repo("contoso", world.repo_id("contoso", "Payments", "repo-2"))
    world.once()
    world.ado.fault("redirect")
    world.once()
    version = world.run("--version").out.split()[1]
    listing = "/contoso/_apis/git/repositories?api-version=7.1"
    polls = world.ado.control("GET", "/requests")
    assert [poll["target"] for poll in polls] == [
        listing, f"/contoso/{world.repo_id('contoso', 'Payments')}/_apis/git/recycleBin/repositories?api-version=7.1", listing]
    for poll in polls:
        assert poll["method"] == "GET"
        assert poll["user"] == ""
        assert poll["headers"] == {"accept": "application/json", "accept-encoding": "gzip",
                                   "user-agent": f"adosyncd/{version}", "x-tfs-fedauthredirect": "Suppress"}


def test_no_redirect_is_followed(world):
    """Not even to the same server, where it would succeed."""
    world.repos("contoso")
    world.repos("fabrikam")
    world.instance("contoso")
    world.ado.fault("redirect", location=f"{world.ado.url}/fabrikam/_apis/git/repositories?api-version=7.1")
    assert world.once().code == 75
    assert len(world.ado.control("GET", "/requests")) == 1


def test_a_server_of_an_older_version(world):
    world.repos("contoso", api_versions=["6.0"])
    world.instance("contoso")
    result = world.once()
    assert result.code == 75
    assert "api_version" in result.err
    world.instance("contoso", api_version="6.0")
    assert world.once().code == 0


@pytest.mark.parametrize("fault", ["retry_after", "ratelimit_delay"])
def test_a_wait_that_comes_with_a_good_listing_does_not_discard_it(world, fault):
    world.synced()
    world.add_repo("contoso", "Payments", "late")
    world.ado.fault(fault, seconds=600)
    assert world.once().code == 0
    assert "contoso.payments.late" in world.services()
    [(next_poll, last_poll)] = world.cache("SELECT next_poll, last_poll FROM instance")
    assert 600 <= next_poll - last_poll < 1100


def test_a_pat_of_another_organization(world):
    world.repos("contoso")
    world.instance("contoso", pat=PAT + "fabrikam")
    result = world.once()
    assert result.code == 75
    assert "credential_rejected" in result.out

"""Konnect at its worst, for --once: nothing is made twice, and what was not pushed is pushed the next time."""

import os

import pytest

KINDS = {
    "service": ("POST", "/catalog-services$"),
    "mapping": ("POST", "/resource-mappings$"),
    "instance": ("POST", "/integration-instances$"),
    "change of a service": ("PATCH", "/catalog-services/"),
    "change of the instance": ("PATCH", "/integration-instances/"),
    "read of a service": ("GET", "/catalog-services/"),
    "read of the instance": ("GET", "/integration-instances"),
    "read of the integrations": ("GET", "/integrations"),
}


def prepare(world, kind):
    """Something to do that needs a request of that kind."""
    if kind in ("service", "mapping", "instance", "read of the instance", "read of the integrations"):
        world.repos("contoso", count=3)
        world.instance("contoso")
        return
    world.synced(count=3)
    if kind == "change of the instance":
        world.instance("contoso", description="New")
    else:
        world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), name="renamed")


def assert_complete(world, kind):
    """Everything is there once, and there is nothing left to do."""
    names = [s["name"] for s in world.catalog()["services"]]
    assert sorted(names) == [f"contoso.payments.repo-{n}" for n in range(3)]
    assert len(world.catalog()["mappings"]) == 3
    assert len(world.catalog()["resources"]) == 3
    if kind == "change of the instance":
        assert world.konnect_instance()["description"] == "New"
    elif "service" in kind and kind != "service":
        assert world.services()["contoso.payments.repo-1"]["display_name"] == "Payments / renamed"
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}


@pytest.mark.waits
@pytest.mark.parametrize("kind", KINDS)
def test_lost_answer(world, kind):
    """It was done, but nobody said so: the next try finds it, and adopts it."""
    method, path = KINDS[kind]
    prepare(world, kind)
    world.konnect.fault("lost_answer", method=method, path_regex=path)
    result = world.once()
    assert result.code == 0, result
    assert max(world.catalog()["post_counts"].values(), default=0) <= 2
    assert_complete(world, kind)


@pytest.mark.waits
@pytest.mark.parametrize("fault", [
    {"kind": "503"}, {"kind": "503", "retry_after": 6}, {"kind": "html"}, {"kind": "garbage"}, {"kind": "truncate"},
    {"kind": "slow", "seconds": 2}, {"kind": "reset_before"}, {"kind": "429", "retry_after": 2},
    {"kind": "status", "status": 302}, {"kind": "status", "status": 408}, {"kind": "status", "status": 500},
    {"kind": "status", "status": 201, "body": "[" * 100000}, {"kind": "status", "status": 201, "body": " " * (9 << 20)},
], ids=lambda fault: str(fault)[:60])
def test_one_bad_answer_is_survived(world, fault):
    prepare(world, "service")
    world.konnect.fault(method="POST", path_regex="/catalog-services$", **fault)
    result = world.once()
    assert result.code == 0, result
    assert_complete(world, "service")


@pytest.mark.parametrize("body", ['{"a":' * 2000 + "1" + "}" * 2000, '{"id":7,"name":[]}', '{"id":""}', "[]", "null"],
                         ids=lambda body: body[:20])
def test_an_answer_that_lacks_what_it_should_have(world, body):
    """It parks what it is about, and nothing else; a comparison tries again."""
    prepare(world, "service")
    world.konnect.fault("status", status=201, body=body, method="POST", path_regex="/catalog-services$")
    assert world.once().code == 0
    assert world.compare().code == 0
    assert_complete(world, "service")


@pytest.mark.waits
@pytest.mark.parametrize("fault", ["lost_answer", "reset_before"])
def test_every_write_fails_once(world, fault):
    """All that are in flight fail together; that is one failure, and none is made twice."""
    prepare(world, "service")
    world.konnect.fault(fault, method="POST", path_regex="/catalog-services$", times=3)
    assert world.once().code == 0
    assert_complete(world, "service")


def test_connections_that_close_unannounced(world):
    world.konnect.control("POST", "/settings", {"requests_per_connection": 2})
    world.repos("contoso", count=40)
    world.instance("contoso")
    world.once()
    world.once()
    assert len(world.services()) == 40
    assert len(world.catalog()["mappings"]) == 40
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}


@pytest.mark.waits
@pytest.mark.parametrize("fault", [{"kind": "503"}, {"kind": "html"}, {"kind": "reset_before"}], ids=str)
def test_three_tries_and_no_more(world, fault):
    prepare(world, "service")
    world.konnect.fault(path_regex="/integrations", times=-1, **fault)
    result = world.once()
    assert result.code == 75
    assert "konnect: not through" in result.out
    assert "contoso: not through" in result.out
    assert len(world.konnect.control("GET", "/requests")) == 3
    world.konnect.control("DELETE", "/fault")
    assert world.once().code == 0
    assert_complete(world, "service")


@pytest.mark.parametrize("fault, words", [
    ({"kind": "503", "retry_after": 60}, "503"),
    ({"kind": "429", "retry_after": 60}, "limits the rate"),
    ({"kind": "429"}, "limits the rate"),
    ({"kind": "401"}, "refused the token with 401"),
], ids=str)
def test_no_wait_of_more_than_ten_seconds(world, fault, words):
    """The third request that way is given up at once; what it was for is pushed by the next run."""
    prepare(world, "mapping")
    world.konnect.fault(path_regex="/resource-mappings$", **fault)
    result = world.once(seconds=8)
    assert result.code == 75
    assert words in result.out
    lost = [e for e in result.events if e.get("ADOSYNC_EVENT") == "sink_lost"]
    assert len(lost) == 1 and words in lost[0]["message"]
    assert world.once().code == 0
    assert_complete(world, "mapping")


def test_a_token_that_is_refused_is_not_tried_again_and_again(world):
    prepare(world, "service")
    world.secret("konnect-token", "kpat_wrong_token")
    result = world.once(seconds=8)
    assert result.code == 75
    assert len(world.konnect.control("GET", "/requests")) == 1
    assert "token_file" in result.err
    world.secret("konnect-token", "kpat_test")
    assert world.once().code == 0
    assert_complete(world, "service")


@pytest.mark.parametrize("break_it, words", [
    (os.unlink, "no such file"),
    (lambda path: open(path, "w", encoding="ascii").close(), "is empty"),
    (lambda path: os.chmod(path, 0o644), "everyone may read it"),
], ids=["missing", "empty", "world-readable"])
def test_a_token_file_that_cannot_be_used(world, break_it, words):
    """The organization is polled all the same; nothing is sent to Konnect."""
    prepare(world, "service")
    break_it(os.path.join(world.dir, "konnect-token"))
    result = world.once(seconds=8)
    assert result.code == 75
    assert words in result.out
    assert "konnect-token" in result.out
    assert world.requests() == {}
    assert len(world.polls("contoso")) == 1


def change_some(world, count):
    for number in range(count):
        world.edit_repo("contoso", world.repo_id("contoso", "Payments", f"repo-{number}"), fork=True)


@pytest.mark.waits
def test_a_403_is_tried_again(world):
    world.synced(count=3)
    change_some(world, 1)
    world.konnect.fault("403", method="PATCH")
    result = world.once()
    assert result.code == 0
    assert world.requests() == {"PATCH /catalog-services/*": 2}
    assert "1 changed" in result.out
    assert "0 parked" in result.out


@pytest.mark.waits
def test_a_second_403_parks_the_repository(world):
    world.synced(count=3)
    change_some(world, 2)
    service = world.services()["contoso.payments.repo-1"]["id"]
    world.konnect.fault("403", method="PATCH", path_regex=service, times=-1)
    result = world.once()
    assert result.code == 0
    assert "1 changed" in result.out
    assert "1 parked" in result.out
    assert "403" in result.err


def test_three_403_are_the_tokens_fault(world):
    world.synced(count=6)
    change_some(world, 6)
    world.konnect.fault("403", method="PATCH", times=-1)
    result = world.once(seconds=8)
    assert result.code == 75
    assert "403" in result.out
    assert len([e for e in result.events if e.get("ADOSYNC_EVENT") == "sink_lost"]) == 1
    world.konnect.control("DELETE", "/fault")
    result = world.once()
    assert result.code == 0
    assert "6 changed" in result.out


def test_more_new_services_than_create_limit_are_held(world):
    """With what to do; changes go on meanwhile, and a higher limit lets them through."""
    world.synced(count=2)
    world.configure("konnect", create_limit=2)
    for number in range(3):
        world.add_repo("contoso", "Payments", f"new-{number}")
    change_some(world, 1)
    result = world.once()
    assert result.code == 75
    assert "3 services would be created, more than create_limit (2) allows" in result.out
    assert [e["level"] for e in result.events if e.get("ADOSYNC_EVENT") == "held"] == ["warning"]
    assert world.requests() == {"PATCH /catalog-services/*": 1}
    world.configure("konnect", create_limit=3)
    result = world.once()
    assert result.code == 0
    assert "3 created" in result.out


def test_create_limit_allows_exactly_as_many_and_0_means_none(world):
    world.configure("konnect", create_limit=3)
    world.repos("contoso", count=3)
    world.repos("fabrikam", count=30)
    world.instance("contoso")
    assert world.once().code == 0
    world.configure("konnect", create_limit=0)
    world.instance("fabrikam")
    assert world.once().code == 0
    assert len(world.services()) == 33


@pytest.mark.parametrize("limit", [1, 3])
def test_max_in_flight(world, limit):
    world.configure("konnect", max_in_flight=limit)
    world.konnect.control("POST", "/settings", {"latency_ms": 20})
    world.repos("contoso", count=20)
    world.instance("contoso")
    world.forget_requests()
    assert world.once().code == 0
    assert world.catalog()["max_in_flight"] == limit


@pytest.mark.waits
def test_rate_per_minute(world):
    """A tenth of it at once, the rest evenly: never more than the rate in any minute."""
    world.configure("konnect", rate_per_minute=300, max_in_flight=100)
    world.repos("contoso", count=20)
    world.instance("contoso")
    assert world.once().code == 0
    times = [r["time"] for r in world.konnect.control("GET", "/requests")]
    assert len(times) == 43
    for number, time in enumerate(times):
        assert number <= 30 + (time - times[0]) * 270 / 60 + 1


def test_instances_are_served_round_robin(world):
    """One organization's first sync does not starve another's."""
    world.configure("konnect", max_in_flight=1)
    world.repos("contoso", count=60)
    world.repos("fabrikam", count=1)
    world.instance("contoso")
    world.instance("fabrikam")
    assert world.once().code == 0
    posts = [r["body"]["name"] for r in world.konnect.control("GET", "/requests")
             if r["method"] == "POST" and r["path"] == "/v1/catalog-services"]
    assert posts.index("fabrikam.payments.repo-0") < 5
    assert len(posts) == 61

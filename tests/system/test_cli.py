"""The command line, the configuration's messages, and plans that change nothing."""

import hashlib
import json
import os
import re

import pytest
from world import PAT, TOKEN


def one_instance(world, count=3):
    world.repos("contoso", count=count)
    world.instance("contoso")


@pytest.mark.parametrize("arguments", [
    ["--nonsense"], ["argument"], ["--once", "argument"], ["--once", "--dry-run"], ["--check", "--once"],
    ["--from-file", "listing.json", "contoso"], ["--dry-run", "--from-file", "listing.json"],
    ["--dry-run", "--from-file"], ["--once", "--from-file", "listing.json", "contoso"], ["-c"],
], ids=" ".join)
def test_wrong_usage(world, arguments):
    one_instance(world)
    result = world.run(*arguments)
    assert result.code == 64
    assert result.out == ""
    assert "--help" in result.err
    assert world.polls("contoso") == []


def test_help_and_version(world):
    result = world.run("--help")
    assert result.code == 0
    assert result.out.startswith("usage: adosyncd")
    assert all(word in result.out for word in ("--check", "--once", "--dry-run", "--from-file", "64", "75", "78"))
    result = world.run("--version")
    assert result.code == 0
    assert re.fullmatch(r"adosyncd \d+\.\d+\.\d+\n", result.out)


# Wrong configurations: text, the line, the key and some words of the message.
GOOD = 'konnect { }\ninstance "contoso" { organization = "contoso" }\n'
WRONG = [
    ("nonsense { }\n" + GOOD, 1, "nonsense", "konnect"),
    (GOOD + 'daemon { colour = "red" }\n', 3, "colour", "state_directory"),
    ('konnect {\n  region = "mars"\n}\n' + GOOD.split("\n", 1)[1], 2, "region", "eu"),
    ('konnect {\n  url = "http://example.org"\n}\n' + GOOD.split("\n", 1)[1], 2, "url", "https"),
    ('konnect {\n  max_in_flight = 0\n}\n' + GOOD.split("\n", 1)[1], 2, "max_in_flight", "100"),
    ('konnect {\n  max_in_flight = 8\n  max_in_flight = 9\n}\n' + GOOD.split("\n", 1)[1], 3, "max_in_flight", "twice"),
    ('instance "contoso" { }\n', 1, "organization", "missing|required"),
    ('instance "Contoso" { organization = "c" }\n', 1, "instance", "0-9 a-z"),
    ('instance { organization = "c" }\n', 1, "instance", "NAME"),
    (GOOD + GOOD.split("\n", 1)[1], 3, "contoso", "first at .*:2"),
    ('instance "c" {\n  organization = "c"\n  poll_interval = "soon"\n}\n', 3, "poll_interval", "15min"),
    ('instance "c" {\n  organization = "c"\n  poll_interval = "0s"\n}\n', 3, "poll_interval", "1s"),
    ('instance "c" {\n  organization = "c"\n  removal_limit = "120%"\n}\n', 3, "removal_limit", "100%"),
    ('instance "c" {\n  organization = "c"\n  labels = { "team" }\n}\n', 3, "labels", "KEY=VALUE"),
    ('instance "c" {\n  organization = "c"\n  labels = { "kong=x" }\n}\n', 3, "labels", "kong"),
    ('instance "c" {\n  organization = "c"\n  labels = { "managed-by=x" }\n}\n', 3, "labels", "managed-by"),
    ('instance "c" {\n  organization = "c"\n  pat = "secret"\n}\n', 3, "pat", "pat_file"),
    ('daemon { state_directory = "relative" }\n' + GOOD, 1, "state_directory", "absolute"),
]


@pytest.mark.parametrize("text, line, key, words", WRONG, ids=[f"{n}-{w[2]}" for n, w in enumerate(WRONG)])
def test_wrong_configuration(world, text, line, key, words):
    """file:line: key: what is wrong and what is allowed, whatever the program was to do."""
    with open(world.config_file, "w", encoding="utf-8") as file:
        file.write(text)
    for arguments in (["--check"], ["--once"], []):
        result = world.run(*arguments, seconds=5)
        assert result.code == 78
        assert result.out == ""
        [message] = result.err.splitlines()
        if arguments == []:
            # what a daemon says where nobody looks on is its log
            event = json.loads(message)
            assert (event["level"], event["subject"]) == ("error", "config")
            message = event["message"]
        assert re.match(re.escape(world.config_file) + rf":{line}: [^:]*{key}[^:]*: ", message), message
        assert re.search(words, message), message


def test_all_errors_are_told_at_once(world):
    with open(world.config_file, "w", encoding="utf-8") as file:
        file.write('konnect {\n  region = "mars"\n  create_limit = -1\n}\ninstance "c" {\n  poll_interval = "x"\n}\n')
    result = world.run("--check")
    assert result.code == 78
    assert [line.split(":")[1] for line in result.err.splitlines()] == ["2", "3", "6", "5"]
    assert [event["message"] for event in world.run().events] == result.err.splitlines()


def test_no_configuration_and_no_instance(world):
    os.unlink(world.config_file) if os.path.exists(world.config_file) else None
    result = world.run("--check")
    assert result.code == 78
    assert world.config_file in result.err
    world.write_config()
    result = world.run("--check")
    assert result.code == 78
    assert "instances.d" in result.err


def test_files_of_instances_are_merged(world):
    one_instance(world)
    with open(os.path.join(world.dir, "instances.d", "b.conf"), "w", encoding="utf-8") as file:
        file.write('instance "fabrikam" {\n  organization = "Fabrikam"\n  labels = { "a=" }\n}\n')
    result = world.run("--check")
    assert result.code == 78
    assert "instances.d/b.conf:3: " in result.err
    with open(os.path.join(world.dir, "instances.d", "b.conf"), "w", encoding="utf-8") as file:
        file.write('instance "fabrikam" { organization = "Fabrikam" }\n')
    result = world.run("--check")
    assert result.code == 0
    assert 'instance "contoso"' in result.out and 'instance "fabrikam"' in result.out


def test_check_shows_the_configuration_and_no_secret(world):
    """Nor does it need any, or the network, or the state directory."""
    one_instance(world)
    result = world.run("--check")
    assert result.code == 0
    assert result.err == ""
    assert TOKEN not in result.out and PAT not in result.out
    assert 'poll_interval = "15min"' in result.out
    assert f'token_file = "{world.dir}' in result.out or 'token_file = "konnect-token"' in result.out
    assert not os.path.exists(world.state)
    assert world.polls("contoso") == []
    assert world.requests() == {}
    os.unlink(os.path.join(world.dir, "contoso.pat"))
    assert world.run("--check").code == 0


def test_what_check_shows_is_a_configuration(world):
    world.instance("contoso", labels=["team=a"], include=["Pay*/x", 'quo"te'], display_name="Contoso \\ \"Ltd\"")
    first = world.run("--check")
    with open(world.config_file, "w", encoding="utf-8") as file:
        file.write(first.out)
    second = world.run("--check")
    assert second.code == 0
    assert second.out == first.out


# Plans.

def fingerprint(directory):
    """Every file with its bytes and its time."""
    found = {}
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        path = os.path.join(directory, name)
        with open(path, "rb") as file:
            found[name] = (hashlib.sha256(file.read()).hexdigest(), os.stat(path).st_mtime_ns)
    return found


def test_dry_run_before_the_first_sync(world):
    one_instance(world)
    objects = world.objects()
    result = world.run("--dry-run")
    assert result.code == 0
    assert 'contoso: create the integration instance "contoso"' in result.out
    for number in range(3):
        assert f"contoso: create Payments / repo-{number} (service contoso.payments.repo-{number})" in result.out
    assert "3 repositories listed: 3 to create, 0 to adopt, 0 to change, 0 missing" in result.out
    assert world.writes() == {}
    assert world.objects() == objects
    assert not os.path.exists(world.state)


def test_dry_run_names_instance_project_repository_old_and_new(world):
    world.synced(count=10)
    files, objects = fingerprint(world.state), world.objects()
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), name="renamed")
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-2"), disabled=True)
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-3"), project="Web")
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-4"), default_branch=None)
    world.delete_repo("contoso", world.repo_id("contoso", "Payments", "repo-5"))
    world.delete_repo("contoso", world.repo_id("contoso", "Payments", "repo-6"), recycle=False)
    world.add_repo("contoso", "Payments", "late")
    result = world.run("--dry-run")
    assert result.code == 0
    lines = result.out.splitlines()

    def line(*words):
        return [text for text in lines if all(word in text for word in ("contoso: ", *words))]

    assert line("rename Payments / renamed", "contoso.payments.repo-1", '"Payments / repo-1" -> "Payments / renamed"')
    assert line("disable Payments / repo-2", 'labels.azure-devops-state "active" -> "disabled"')
    assert line("move Web / repo-3", 'labels.azure-devops-project "Payments" -> "Web"')
    assert line("change Payments / repo-4", 'labels.azure-devops-default-branch "main" -> (none)')
    assert line("remove Payments / repo-5", "contoso.payments.repo-5", 'labels.azure-devops-state "active" -> "removed"')
    assert line("missing Payments / repo-6", "contoso.payments.repo-6", 'labels.azure-devops-state "active" -> "missing"')
    assert line("create Payments / late", "contoso.payments.late")
    assert line("9 repositories listed: 1 to create, 0 to adopt, 6 to change, 1 missing")
    assert world.writes() == {}
    assert world.objects() == objects
    assert fingerprint(world.state) == files


def test_dry_run_of_what_would_be_held(world):
    world.synced(count=3)
    files = fingerprint(world.state)
    world.ado.fault("empty", times=-1)
    world.configure("konnect", create_limit=1)
    world.repos("fabrikam")
    world.instance("fabrikam")
    world.ado.fault("empty", org="contoso", times=-1)
    result = world.run("--dry-run")
    assert result.code == 0
    assert "contoso: held: the listing has none of the 3" in result.out
    assert fingerprint(world.state) == files


def test_dry_run_says_what_would_be_adopted(world):
    world.synced(count=3)
    world.forget_cache()
    world.add_repo("contoso", "Payments", "late")
    result = world.run("--dry-run")
    assert result.code == 0
    assert "4 repositories listed: 1 to create, 3 to adopt" in result.out
    assert world.writes() == {}


def test_dry_run_says_why_an_instance_would_be_refused(world):
    world.konnect.control("POST", "/instance", {"name": "contoso", "config": {"organization": "else"}})
    one_instance(world)
    result = world.run("--dry-run")
    assert result.code == 0
    assert 'refused: Konnect\'s integration instance "contoso" is for the organization "else"' in result.out
    assert world.writes() == {}


def test_dry_run_beside_a_daemon_says_what_to_do(world):
    world.synced()
    daemon = world.start()
    result = world.run("--dry-run", seconds=5)
    assert result.code == 75
    assert "in use by a running adosyncd" in result.err
    assert daemon.stop().code == 0


@pytest.mark.parametrize("side", ["azure", "konnect"])
def test_dry_run_that_cannot_read_a_side(world, side):
    one_instance(world)
    if side == "azure":
        world.ado.fault("503")
    else:
        world.konnect.fault("401")
    result = world.run("--dry-run", seconds=8)
    assert result.code == 75
    assert "not read" in result.out if side == "azure" else "konnect: not through" in result.out


LISTING = {"count": 2, "value": [
    {"id": "11111111-2222-4333-8444-00000000000" + number, "name": name, "size": 1, "defaultBranch": "refs/heads/main",
     "webUrl": f"https://dev.azure.com/contoso/Shop/_git/{name}", "isDisabled": False,
     "project": {"id": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "name": "Shop", "state": "wellFormed",
                 "visibility": "private"}}
    for number, name in (("1", "cart"), ("2", "search"))]}


def save(world, text):
    path = os.path.join(world.dir, "listing.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def test_from_file_needs_neither_network_nor_secrets(world):
    world.instance("contoso", pat=False)
    os.unlink(os.path.join(world.dir, "konnect-token"))
    path = save(world, json.dumps(LISTING))
    result = world.run("--dry-run", "--from-file", path, "contoso")
    assert result.code == 0
    assert "contoso: create Shop / cart (service contoso.shop.cart)" in result.out
    assert "contoso: 2 repositories listed: 2 to create, 0 to adopt, 0 to change, 0 missing" in result.out
    assert result.err == ""
    assert world.ado.control("GET", "/requests") == []
    assert world.requests() == {}
    assert not os.path.exists(world.state)


def test_from_file_plans_against_the_cache(world):
    world.synced(count=3)
    files = fingerprint(world.state)
    result = world.run("--dry-run", "--from-file", save(world, json.dumps(LISTING)), "contoso")
    assert result.code == 0
    assert "held: the listing has none of the 3 repositories" in result.out
    assert fingerprint(world.state) == files
    assert world.requests() == {}


@pytest.mark.parametrize("text, words", [
    ("", "no complete listing"), ("<html>", "no complete listing"), ('{"value":[],"count":1}', "no complete listing"),
    (json.dumps(LISTING)[:-10], "no complete listing"), (None, "No such file"),
], ids=["empty", "html", "wrong count", "cut", "missing"])
def test_from_file_that_is_no_listing(world, text, words):
    world.instance("contoso", pat=False)
    path = save(world, text) if text is not None else os.path.join(world.dir, "listing.json")
    result = world.run("--dry-run", "--from-file", path, "contoso")
    assert result.code == 1
    assert path in result.err and words in result.err


def test_from_file_of_an_instance_that_is_not_configured(world):
    world.instance("contoso", pat=False)
    result = world.run("--dry-run", "--from-file", save(world, json.dumps(LISTING)), "fabrikam")
    assert result.code == 64
    assert '"fabrikam"' in result.err

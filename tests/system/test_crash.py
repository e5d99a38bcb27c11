"""A crash at any instruction, a cache that is lost or damaged, a disk that is full: the next start repairs it.

ADOSYNCD_CRASH=all kills at every point there is (crash.py), which takes long, ADOSYNCD_CRASH=N at N of each scenario's."""

import contextlib
import glob
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import crash
import oracle
import pytest
from world import PROGRAM, wait_until

EVERYTHING = os.environ.get("ADOSYNCD_CRASH") == "all"
SOME = int(os.environ["ADOSYNCD_CRASH"]) if os.environ.get("ADOSYNCD_CRASH", "").isdigit() else 4
SIDE_BY_SIDE = 2


def some(points, count, shift=0):
    """All of them, or a few from the beginning to the end."""
    return points if EVERYTHING else [points[(number * len(points) + shift) // count % len(points)] for number in range(count)]


def survive_all(scenario, points):
    """Kills at each point in one life."""
    life = crash.Life()
    try:
        reached = sum([life.survive(scenario, point) for point in points])
        return life, reached
    finally:
        life.close()


@pytest.mark.parametrize("name", crash.SCENARIOS)
def test_killed_at_every_point(name, capsys):
    """Before, after and in the middle of each request and of each change of a file of the state directory."""
    scenario = crash.SCENARIOS[name]
    life = crash.Life()
    try:
        sizes = life.sizes(scenario)
    finally:
        life.close()
    points = list(crash.points(sizes))
    chosen = some(points, SOME, shift=len(name) * 31)
    pool = ThreadPoolExecutor(SIDE_BY_SIDE)
    lives = [pool.submit(survive_all, scenario, chosen[n::SIDE_BY_SIDE]) for n in range(SIDE_BY_SIDE)]
    done = [life.result() for life in lives]
    kills, reached = sum(life.kills for life, _ in done), sum(reached for _, reached in done)
    if os.environ.get("ADOSYNCD_CRASH"):
        with capsys.disabled():
            print(f"\n{name}: {len(points)} points, {kills} kills survived, {sum(life.repeated for life, _ in done)} requests "
                  f"repeated, at most {max(life.most for life, _ in done)} a kill")
    assert reached >= len(chosen) * 3 // 4      # the last ones may not be there in every run


@pytest.mark.parametrize("after", [1, 3, 5, 12, 40, 75, 110])
def test_killed_in_its_first_sync(world, after):
    """No duplicate, nothing lost, and at most max_in_flight repeated requests."""
    world.repos("contoso", count=60)
    world.instance("contoso", poll_interval="1h")
    world.configure("konnect", max_in_flight=4)
    world.konnect.control("POST", "/settings", {"latency_ms": 4})
    daemon = world.start(ready=False)
    wait_until(f"{after} requests", lambda: sum(world.requests().values()) >= after)
    daemon.kill()
    result = world.once()
    assert result.code == 0, result
    assert sorted(world.services()) == sorted(f"contoso.payments.repo-{n}" for n in range(60))
    state = world.catalog()
    assert len(state["mappings"]) == len(state["resources"]) == 60
    assert len(state["instances"]) == 2
    repeated = sum(state["post_counts"].values()) - 60 + world.requests()["POST /resource-mappings"] - 60
    assert 0 <= repeated <= 4
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}


def test_killed_again_and_again(world):
    world.repos("contoso", count=60)
    world.instance("contoso", poll_interval="1h")
    world.configure("konnect", max_in_flight=4)
    world.konnect.control("POST", "/settings", {"latency_ms": 4})
    for _ in range(6):
        before = sum(world.requests().values())
        daemon = world.start(ready=False)
        wait_until("more requests", lambda: sum(world.requests().values()) >= before + 12)
        daemon.kill()
    assert world.once().code == 0
    state = world.catalog()
    assert len(state["services"]) == len(state["mappings"]) == len(state["resources"]) == 60
    assert sum(state["post_counts"].values()) - 60 <= 6 * 4


def test_killed_while_a_listing_arrives(world):
    world.synced(count=3, poll_interval="1s")
    for number in range(60):
        world.add_repo("contoso", "Payments", f"late-{number}")
    world.ado.fault("drip", bytes_per_second=500)
    daemon = world.start()
    wait_until("the poll", lambda: world.polls("contoso"))
    daemon.kill()
    assert world.requests() == {}
    assert world.once().code == 0
    assert len(world.services()) == 63


@pytest.mark.waits
def test_a_disk_that_is_full_while_pushing(world):
    """Konnect is not asked again and again for what cannot be remembered, and nothing is made twice."""
    world.repos("contoso", count=60)
    world.instance("contoso")
    world.konnect.fault("401")
    assert world.once().code == 75
    blocks = (os.stat(os.path.join(world.state, "cache.db")).st_size + 16384) // 512
    result = world.once(wrap=["sh", "-c", f"trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"", "sh"])
    assert result.code == 75, result
    assert "the cache cannot be written" in result.out
    assert len([e for e in result.events if e.get("ADOSYNC_EVENT") == "sink_lost"]) == 1, result.err
    assert world.once().code == 0
    state = world.catalog()
    assert len(state["services"]) == len(state["mappings"]) == len(state["resources"]) == 60
    assert sum(state["post_counts"].values()) - 60 <= 3 * 8


# The state directory.

def test_a_second_daemon_is_refused(world):
    world.synced()
    daemon = world.start()
    for arguments in ((), ("--once",)):
        result = world.run(*arguments, seconds=5)
        assert result.code == 75
        assert "in use by another adosyncd" in result.err
        assert world.state in result.err
    assert daemon.stop().code == 0
    assert world.once().code == 0


# A disk that is full.

def says_so(events):
    return [e for e in events if e["level"] in ("warning", "error") and ("space" in e["message"] or "full" in e["message"])]


@pytest.mark.waits
@pytest.mark.parametrize("how", ["enospc", "full"])
def test_no_space_at_a_point(world, how):
    """One write fails, or this one and all after it: an end that can be read, and nothing lost."""
    scenario = crash.SCENARIOS["a burst of changes"]
    life = crash.Life(world)
    size = life.sizes(scenario)["file"]
    for at in range(1, size + 1, size // (40 if EVERYTHING else 4)):
        scenario.prepare(life)
        result = world.once(env=life.environment(at, how), seconds=120)
        assert result.code in (0, 1, 75), result
        assert result.code == 0 or says_so(result.events), f"{at} {result}"
        assert world.once().code == 0
        life.agree(f"{how} {at}")


@pytest.mark.waits
def test_no_space_while_all_is_adopted(world):
    """A commit that fails takes what was learned of Konnect with it: it is read again, and nothing that is there is made again."""
    life = crash.Life(world)
    world.synced(count=150)

    def adopted(at, how):
        for name in os.listdir(world.state):
            if name.startswith("cache.db"):
                os.unlink(os.path.join(world.state, name))
        world.forget_requests()
        return world.once(env=life.environment(at, how), seconds=120)

    assert adopted(0, "none").code == 0
    size = life.file_calls()
    for at in range(1, size + 1, max(1, size // (200 if EVERYTHING else 8))):
        result = adopted(at, "enospc")
        assert result.code in (0, 1, 75), result
        assert world.once().code == 0
        assert not [key for key in world.requests() if key.startswith("POST")], f"{at} of {size}: {world.requests()}"


@contextlib.contextmanager
def small_disk(world, life):
    """(environment, fill, free): a small file system for the state directory where we may mount one, else the shim."""
    os.makedirs(world.state, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m,mode=0700", "tmpfs", world.state]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    full = os.path.join(world.state if mounted else world.dir, "filler")

    def fill():
        with open(full, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while mounted:
                file.write(bytes(4096))

    try:
        if mounted:
            yield {}, fill, lambda: os.unlink(full)
        else:
            yield {**life.environment(0, "while"), "CRASH_WHILE": full}, fill, lambda: os.unlink(full)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", world.state], check=False)


@pytest.mark.waits
def test_a_full_disk_in_the_middle_of_a_life(world):
    """The daemon says so, goes on, and catches up when there is space again."""
    life = crash.Life(world)
    with small_disk(world, life) as (env, fill, free):
        world.repos("contoso", count=5)
        world.instance("contoso", poll_interval="1s")
        daemon = world.start(env=env)
        wait_until("the first sync", lambda: len(world.catalog()["mappings"]) == 5)
        fill()
        for number in range(300):
            world.add_repo("contoso", "Payments", f"late-{number}")
        wait_until("a word", lambda: says_so(daemon.events))
        [first, *_] = says_so(daemon.events)
        assert "state_directory" in first["message"] and "space" in first["message"]
        [failed, *_] = daemon.wait("poll_failed")
        assert "cache_failed" in failed["message"] and world.state + "/cache.db" in failed["message"]
        assert "down" not in failed["message"], "neither the organization nor the way to it is at fault"
        assert daemon.process.poll() is None
        free()
        wait_until("it goes on", lambda: len(world.catalog()["mappings"]) == 305, seconds=30)
        assert daemon.seen("poll_recovered")[0]["message"].endswith("the cache can be written again")
        assert daemon.stop().code == 0
        assert world.once().code == 0
        assert oracle.faults(world) == []
        assert all(n == 1 for n in world.catalog()["post_counts"].values())


def test_a_start_on_a_full_disk(world):
    life = crash.Life(world)
    with small_disk(world, life) as (env, fill, free):
        world.repos("contoso", count=5)
        world.instance("contoso")
        fill()
        result = world.once(env=env)
        assert result.code == 1
        assert "full" in result.err and "state_directory" in result.err and "space" in result.err
        assert world.requests() == {}
        free()
        assert world.once(env=env).code == 0
        assert oracle.faults(world) == []


def test_a_state_directory_that_is_read_only(world):
    """An error that names it, no request, and everything goes on when it can be written again."""
    world.synced()
    world.add_repo("contoso", "Payments", "late")
    root = os.geteuid() == 0
    wrap = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if root else []
    for directory, names, files in os.walk(world.dir):
        os.chmod(directory, 0o755)
        for name in files:
            path = os.path.join(directory, name)
            os.chmod(path, 0o640)
            if root:
                os.chown(path, 65534, 65534)
        if root:
            os.chown(directory, 65534, 65534)
    if root and (not os.access(PROGRAM, os.X_OK) or subprocess.run([*wrap, PROGRAM, "--version"], check=False,
                                                                   capture_output=True).returncode != 0):
        pytest.skip("another user cannot run the program here")
    os.chmod(world.state, 0o555)
    for name in os.listdir(world.state):
        os.chmod(os.path.join(world.state, name), 0o444)
    for arguments in ((), ("--once",)):
        result = world.run(*arguments, seconds=5, wrap=wrap)
        assert result.code == 1, result
        assert world.state in result.err and "state_directory" in result.err
    assert world.polls("contoso") == []
    os.chmod(world.state, 0o700)
    for name in os.listdir(world.state):
        os.chmod(os.path.join(world.state, name), 0o600)
    assert world.run("--once", wrap=wrap).code == 0
    assert oracle.faults(world) == []


# A cache that cannot be used any more.

def set_aside(world):
    return glob.glob(os.path.join(world.state, "cache.db.damaged-*Z"))


def damage(world, kind):
    path = os.path.join(world.state, "cache.db")
    if kind == "newer":
        world.cache("PRAGMA user_version = 999")
        return
    with open(path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0 if kind == "not a database" else 4096)
        if kind == "truncated":
            file.truncate(5000)
        else:
            file.write(b"not a database " * (size // 15))


@pytest.mark.parametrize("kind", ["not a database", "torn pages", "truncated", "newer"])
def test_an_unusable_cache_is_set_aside(world, kind):
    """The state comes back from Konnect, without a duplicate."""
    world.synced()
    before = world.objects()
    damage(world, kind)
    result = world.once()
    assert result.code == 0, result
    [rebuilt] = [e for e in result.events if e.get("ADOSYNC_EVENT") == "cache_rebuilt"]
    assert rebuilt["level"] == "warning"
    [aside] = set_aside(world)
    assert aside in rebuilt["message"]
    assert "3 adopted" in result.out
    assert world.objects()["services"] == before["services"]
    assert len(world.objects()["mappings"]) == 3
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}


@pytest.mark.waits
@pytest.mark.parametrize("kind", ["not a database", "torn pages", "truncated", "newer"])
def test_a_cache_that_is_damaged_in_the_middle_of_a_life(world, kind):
    """Stopped with work left, damaged, started: it says so, and nothing that happened meanwhile is lost."""
    world.repos("contoso", count=12)
    world.instance("contoso", poll_interval="1s")
    daemon = world.start()
    daemon.wait("created", count=13)
    daemon.stop()
    world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), name="renamed")
    world.add_repo("contoso", "Payments", "late")
    world.konnect.control("DELETE", "/service?name=contoso.payments.repo-2")
    damage(world, kind)
    daemon = world.start()
    [said] = daemon.wait("cache_rebuilt")
    assert said["level"] == "warning" and set_aside(world)[0] in said["message"]
    wait_until("agreement", lambda: oracle.faults(world) == [])
    assert daemon.stop().code == 0
    assert len(world.services()) == 13
    world.forget_requests()
    assert world.once().code == 0
    assert world.requests() == {}


@pytest.mark.parametrize("fill", [b"\0", b"\xa5"])
def test_any_page_of_the_cache_may_be_damaged(world, fill):
    """What a start does not look at is found while it runs, and then it begins anew by itself."""
    world.synced(count=20)
    good = world.state + ".good"
    shutil.copytree(world.state, good)
    pages = os.path.getsize(os.path.join(good, "cache.db")) // 4096
    rebuilt = 0
    for page in some(list(range(pages)), 8):
        shutil.rmtree(world.state)
        shutil.copytree(good, world.state)
        with open(os.path.join(world.state, "cache.db"), "r+b") as file:
            file.seek(page * 4096)
            file.write(fill * 4096)
        world.edit_repo("contoso", world.repo_id("contoso", "Payments", "repo-1"), name=f"renamed-{page}")
        result = world.once()
        assert result.code == 0, f"page {page}: {result}"
        rebuilt += len([e for e in result.events if e.get("ADOSYNC_EVENT") == "cache_rebuilt"])
        assert oracle.faults(world) == [], page
        assert len(world.services()) == 20
    assert rebuilt > 0


@pytest.mark.waits
def test_a_cache_that_is_damaged_under_a_running_daemon(world):
    """It goes on with a new one, without a restart."""
    world.repos("contoso", count=30)
    world.instance("contoso", poll_interval="1s")
    assert world.once().code == 0
    with open(os.path.join(world.state, "cache.db"), "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4 * 4096)
        file.write(b"\xa5" * (size - 4 * 4096))
    world.add_repo("contoso", "Payments", "late")
    daemon = world.start()
    daemon.wait("cache_rebuilt")
    wait_until("agreement", lambda: oracle.faults(world) == [])
    assert daemon.process.poll() is None
    assert daemon.stop().code == 0
    assert len(world.services()) == 31


def test_the_state_directory_is_made(world):
    """Readable for nobody else; but no more than the last directory of the path."""
    world.synced()
    assert os.stat(world.state).st_mode & 0o777 == 0o700
    assert all(os.stat(os.path.join(world.state, name)).st_mode & 0o077 == 0 for name in os.listdir(world.state))


@pytest.mark.parametrize("directory", ["no/such/parent", "adosyncd.conf", "/proc/adosyncd"])
def test_a_state_directory_that_cannot_be_used(world, directory):
    world.repos("contoso")
    world.configure("daemon", state_directory=os.path.join(world.dir, directory))
    world.instance("contoso")
    for arguments in ((), ("--once",)):
        result = world.run(*arguments, seconds=5)
        assert result.code == 1
        assert "state_directory" in result.err
        assert os.path.join(world.dir, directory) in result.err
    assert world.polls("contoso") == []
    assert world.requests() == {}

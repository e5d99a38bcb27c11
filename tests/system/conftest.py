"""Every test of the program gets a world of its own, and must leave no violation of the published interfaces and no
secret anywhere. Tests marked `waits` spend their time waiting (for a backoff, a watch): they run side by side, from
the start. ADOSYNCD_SHARD=K/N runs every Nth test, the Kth first."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from world import World

SIDE_BY_SIDE = 8


def pytest_configure(config):
    config.addinivalue_line("markers", "waits: mostly waits, and runs side by side with others")


def pytest_collection_modifyitems(config, items):
    shard, of = (int(number) for number in os.environ.get("ADOSYNCD_SHARD", "1/1").split("/"))
    config.hook.pytest_deselected(items=[item for number, item in enumerate(items) if number % of != shard - 1])
    items[:] = items[shard - 1::of]


def check(world):
    assert world.violations() == []
    assert world.leaks() == []


def in_a_world(function, arguments):
    w = World()
    try:
        function(world=w, **arguments)
        check(w)
    finally:
        w.close()


def pytest_collection_finish(session):
    if session.config.option.collectonly:
        return
    pool = ThreadPoolExecutor(SIDE_BY_SIDE)
    for item in session.items:
        if item.get_closest_marker("waits"):
            arguments = item.callspec.params if hasattr(item, "callspec") else {}
            item.future = pool.submit(in_a_world, item.obj, arguments)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not hasattr(pyfuncitem, "future"):
        return None
    pyfuncitem.future.result()
    return True


@pytest.fixture
def world(request):
    if hasattr(request.node, "future"):
        yield None
        return
    w = World()
    try:
        yield w
        check(w)
    finally:
        w.close()

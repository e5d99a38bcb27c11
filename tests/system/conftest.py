"""Every test of the program gets a world of its own, and must leave no violation of the published interfaces."""

import pytest
from world import World


@pytest.fixture
def world():
    w = World()
    try:
        yield w
        assert w.violations() == []
    finally:
        w.close()

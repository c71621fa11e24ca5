from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest
from bed import Bed, bed
from installed import is_installed

from logd.errors import BadFilter


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Skip what needs regular expressions where there are none."""
    try:
        yield
    except BadFilter as error:
        if "google-re2" in error.message and not is_installed("re2"):
            pytest.skip(error.message)
        raise


@pytest.fixture
def idle_bed() -> Iterator[Bed]:
    """Paths of a test's own, with no daemon."""
    with bed() as made:
        yield made


@pytest.fixture
def daemon(idle_bed: Bed) -> Bed:
    """A running daemon of the test's own."""
    idle_bed.run("logd", "start")
    return idle_bed


@pytest.fixture(scope="module")
def shared_daemon() -> Iterator[Bed]:
    """A running daemon of the module's, for tests that leave it as it is; each uses run names of its own."""
    with bed() as made:
        made.run("logd", "start")
        yield made

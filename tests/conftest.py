"""What several folders of tests share: the twin on a local chain, the recorded market day, and reports without keys."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from keeper.localchain.anvil import Anvil, AnvilOptions
from keeper.localchain.twin import Twin, running_base, running_twin
from tests.nodes import hide_addresses

# A neighbour on the machine must not turn a slow example into a failure, and no machine is left with another one's luck.
settings.register_profile("keeper", deadline=None, derandomize=True)
settings.load_profile("keeper")

# A worker of pytest-xdist tells a width that no terminal has, and tables would be cut to it.
os.environ.pop("COLUMNS", None)

# A background job of a shell ignores Ctrl-C, and so would every program that it starts; ours must not.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """No report tells the address of a node that a person named: keys are in it."""
    report = yield
    hide_addresses(report)
    return report


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """For tests whose commands set up the logging of the whole process."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.raiseExceptions)
    yield
    root.handlers, logging.raiseExceptions = before[0], before[2]
    root.setLevel(before[1])


SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def anvil_base() -> Iterator[Anvil]:
    """One node with the twin's contracts for the whole run; fork it, do not write to it."""
    with running_base() as base:
        yield base


@pytest.fixture(scope="session")
def twin_node(anvil_base: Anvil) -> Iterator[Twin]:
    with running_twin(base=anvil_base) as twin:
        yield twin


@pytest.fixture
def twin(twin_node: Twin) -> Iterator[Twin]:
    """The twin as built, automatic mining on; whatever a test does to the chain is undone after it."""
    snapshot = twin_node.chain.rpc.call("evm_snapshot")
    yield twin_node
    assert twin_node.chain.rpc.call("evm_revert", snapshot)
    twin_node.chain.set_automine(True)


@pytest.fixture
def make_twin(anvil_base: Anvil) -> Iterator[Callable[[AnvilOptions], Twin]]:
    """Twins on nodes of their own, for tests that need other options, several nodes, or to kill one."""
    with ExitStack() as stack:
        yield lambda options: stack.enter_context(running_twin(options, base=anvil_base))


@pytest.fixture(scope="session")
def tape_path() -> Path:
    """Folder of the recorded market data, which is not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the recorded market data is not on this machine")
    return SHARED_DATA

"""The watcher of new blocks, before a node that comes and goes."""

from __future__ import annotations

import queue
from collections.abc import Iterator

import pytest

from keeper.adapters.chain.head_watcher import HeadWatcher
from keeper.adapters.evm.rpc import Rpc
from keeper.core.model.errors import KeeperError
from tests.fakes.rpc_server import Refusal, RpcServer, result_is, status, table, tampered


class Chain:
    def __init__(self) -> None:
        self.number = 5

    def block_number(self) -> str:
        if self.number < 0:
            raise Refusal(-32000, "not now")
        return hex(self.number)


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def server(chain: Chain) -> Iterator[RpcServer]:
    with RpcServer(table({"eth_blockNumber": chain.block_number})) as running:
        yield running


@pytest.fixture
def heads() -> queue.Queue[int]:
    return queue.Queue()


@pytest.fixture
def troubles() -> queue.Queue[KeeperError]:
    return queue.Queue()


@pytest.fixture
def watcher(server: RpcServer, heads: queue.Queue[int], troubles: queue.Queue[KeeperError]) -> Iterator[HeadWatcher]:
    rpc = Rpc(server.url, attempts=1)
    watching = HeadWatcher(rpc, heads.put, interval_s=0.005, on_trouble=troubles.put)
    watching.start()
    yield watching
    watching.stop()
    rpc.close()


def test_every_newer_block_is_told_once(watcher: HeadWatcher, chain: Chain, heads: queue.Queue[int]) -> None:
    assert heads.get(timeout=5) == 5
    chain.number = 4
    chain.number = 8
    assert heads.get(timeout=5) == 8
    assert watcher.newest == 8
    watcher.stop()
    assert heads.empty()


def test_a_node_that_went_back_tells_nothing(
    watcher: HeadWatcher, chain: Chain, server: RpcServer, heads: queue.Queue[int]
) -> None:
    assert heads.get(timeout=5) == 5
    chain.number = 3
    asked = len(server.bodies)
    while len(server.bodies) < asked + 3:
        pass
    watcher.stop()
    assert heads.empty()
    assert watcher.newest == 5


@pytest.mark.usefixtures("watcher")
def test_trouble_is_told_and_outlived(
    chain: Chain, server: RpcServer, heads: queue.Queue[int], troubles: queue.Queue[KeeperError]
) -> None:
    assert heads.get(timeout=5) == 5
    server.misbehave(status(503), tampered("eth_blockNumber", result_is(None)))
    assert [str(troubles.get(timeout=5)).partition(":")[0] for _ in range(2)] == ["http", "eth_blockNumber"]
    chain.number = -1
    assert "not now" in str(troubles.get(timeout=5))
    chain.number = 9
    assert heads.get(timeout=5) == 9


def test_stop_ends_the_thread_and_may_be_repeated(watcher: HeadWatcher, server: RpcServer, heads: queue.Queue[int]) -> None:
    assert heads.get(timeout=5) == 5
    watcher.stop()
    asked = len(server.bodies)
    watcher.stop()
    assert len(server.bodies) == asked

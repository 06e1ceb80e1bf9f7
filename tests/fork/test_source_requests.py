"""Two HTTP requests a cycle, whatever the wallet holds; more only when something is met for the first time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from keeper.adapters.amm import price_reads
from keeper.adapters.evm.rpc import Rpc
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import Observation
from keeper.localchain.twin import Twin
from tests.bench.scene import Scene, opened, rungs
from tests.fakes.rpc_server import Forward, RpcServer
from tests.pairs import USDC_WETH_500, USDC_WETH_3000

pytestmark = pytest.mark.chain
POOLS = (USDC_WETH_500, USDC_WETH_3000)


@pytest.fixture
def scene(twin: Twin) -> Scene:
    opened(twin, USDC_WETH_3000)
    return opened(twin)


@pytest.fixture
def rpc(proxy: RpcServer) -> Iterator[Rpc]:
    client = Rpc(proxy.url)
    yield client
    client.close()


class Cycles:
    """A source as the engine uses it, with the requests of the last cycle."""

    def __init__(self, scene: Scene, rpc: Rpc) -> None:
        self.source = scene.source(rpc, pools=POOLS)
        self.rpc = rpc
        self.rows: list[BlockPrice] = []

    def run(self, ids: list[int]) -> tuple[Observation, int]:
        before = self.rpc.requests
        last = self.rows[-1].block if self.rows else None
        observation = self.source.observe(token_ids=ids, prices_after_block=last, sample_after_s=None)
        self.rows += observation.prices
        return observation, self.rpc.requests - before


@pytest.mark.parametrize("count", [0, 3, 100])
def test_a_steady_cycle_takes_two_requests(scene: Scene, rpc: Rpc, proxy: RpcServer, count: int) -> None:
    ids = scene.mint(rungs(scene.key, count))
    cycles = Cycles(scene, rpc)
    scene.swap((True, 10**9))
    cycles.run(ids)
    for amount in (10**9, 10**10, 5 * 10**10):
        scene.swap((True, amount), (False, 10**17))
        observation, requests = cycles.run(ids)
        assert requests == 2
        assert len(observation.positions) == count
        assert [row.block for row in observation.prices] == [observation.block.number]
    assert proxy.calls[-2] == ["eth_chainId", "eth_getBlockByNumber"]
    pins = {json.dumps(one["params"][1]) for one in json.loads(proxy.bodies[-1]) if one["method"] == "eth_call"}
    assert pins == {json.dumps({"blockHash": observation.block.hash, "requireCanonical": True})}


def test_a_quiet_cycle_takes_two_requests(scene: Scene, rpc: Rpc, twin: Twin) -> None:
    ids = scene.mint(rungs(scene.key, 3))
    scene.swap((True, 10**9))
    cycles = Cycles(scene, rpc)
    cycles.run(ids)
    same, requests = cycles.run(ids)
    assert (requests, same.prices) == (2, ())
    twin.chain.mine()
    later, requests = cycles.run(ids)
    assert (requests, later.prices, later.block.number) == (2, (), same.block.number + 1)


def test_a_pool_without_swaps_is_looked_back_over_once(scene: Scene, rpc: Rpc, twin: Twin) -> None:
    cycles = Cycles(scene, rpc)
    since_s = cycles.run([])[0].prices_since_s
    assert since_s is not None
    for _ in range(2):
        twin.chain.mine()
        observation, requests = cycles.run([])
        assert (requests, observation.prices, observation.prices_since_s) == (2, (), since_s)
    scene.swap((True, 10**9))
    twin.chain.mine()
    observation, requests = cycles.run([])
    assert (requests, [row.block for row in observation.prices]) == (2, [observation.block.number - 1])
    # Nothing was known before: it is the first look that says since when.
    assert observation.prices_since_s == since_s
    assert cycles.run([])[0].prices_since_s is None


def test_what_is_met_for_the_first_time_takes_one_request_more_and_a_foreign_mint_two(scene: Scene, rpc: Rpc) -> None:
    ids = scene.mint(rungs(scene.key, 3))
    scene.swap((True, 10**9))
    cycles = Cycles(scene, rpc)
    cycles.run(ids)
    ids += scene.mint(rungs(scene.key, 6)[3:])
    observation, requests = cycles.run(ids)
    assert (requests, len(observation.positions)) == (3, 6)
    ids += scene.mint(rungs(scene.key, 8)[6:])
    observation, requests = cycles.run(ids[:6])
    assert (requests, [position.token_id for position in observation.positions]) == (4, ids)
    assert cycles.run(ids[:6])[1] == 2


def test_a_restart_with_a_known_ladder_takes_three_requests(scene: Scene, rpc: Rpc) -> None:
    ids = scene.mint(rungs(scene.key, 100))
    scene.swap((True, 10**9))
    first = Cycles(scene, rpc)
    first.run(ids)
    again = Cycles(scene, rpc)
    again.rows = first.rows
    assert again.run(ids)[1] == 3


def test_a_price_that_ran_from_its_map_takes_one_request_more(scene: Scene, rpc: Rpc) -> None:
    scene.swap((True, 10**9))
    cycles = Cycles(scene, rpc)
    before = cycles.run([])[0].pools[0].state.tick
    scene.swap((False, 5 * 10**21))
    after, requests = cycles.run([])
    assert abs(after.pools[0].state.tick - before) > 1_250
    assert requests == 3
    assert cycles.run([])[1] == 2


def without_times(body: bytes, forward: Forward) -> bytes:
    reply: Any = json.loads(forward(body))
    for one in reply if isinstance(reply, list) else [reply]:
        if isinstance(one.get("result"), list):
            for log in one["result"]:
                log.pop("blockTimestamp", None)
    return json.dumps(reply).encode()


def test_a_node_whose_logs_carry_no_time_takes_two_requests_as_well(
    scene: Scene, rpc: Rpc, proxy: RpcServer, twin: Twin
) -> None:
    timed, untimed = Cycles(scene, Rpc(twin.rpc_url)), Cycles(scene, rpc)
    forward = proxy.respond
    assert isinstance(forward, Forward)
    proxy.respond = lambda body: without_times(body, forward)
    scene.swap((True, 10**9))
    for round_ in range(4):
        scene.swap((True, 10**9))
        twin.chain.mine()
        scene.swap((True, 10**9), (False, 10**17))
        timed.run([])
        assert (untimed.run([])[1] == 2) == (round_ > 0)
    assert untimed.rows == timed.rows
    scene.swap((True, 10**9))
    for _ in range(price_reads.STEADY_HEADERS + 1):
        twin.chain.mine()
    timed.run([])
    assert untimed.run([])[1] == 3
    assert untimed.rows == timed.rows
    timed.rpc.close()

"""Pool, map, time-weighted price and history as the pool's own contract tells them one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from keeper.adapters.amm import swap_history
from keeper.adapters.evm.abi import Function, contract
from keeper.adapters.evm.rpc import Rpc
from keeper.core.model.ladder import TickRange
from keeper.core.model.pool import PoolKey
from keeper.localchain.chain import LocalTx
from keeper.localchain.twin import Twin
from tests.bench.scene import TWAP_WINDOW_S, Scene, much_of, opened, rungs
from tests.fakes.rpc_server import Forward, RpcServer
from tests.pairs import TICK, USDC_WETH_500, USDC_WETH_3000, WETH_USDT_500

pytestmark = pytest.mark.chain
POOL = contract("UniswapV3Pool")
TICKS = POOL.function("ticks")


@pytest.fixture
def rpc(twin: Twin) -> Iterator[Rpc]:
    client = Rpc(twin.rpc_url)
    yield client
    client.close()


def asked(rpc: Rpc, key: PoolKey, function: Function, *arguments: Any) -> tuple[Any, ...]:
    return function.decode(rpc.call("eth_call", {"to": key.address, "data": function.call_data(*arguments)}, "latest"))


@pytest.mark.parametrize(("key", "tick"), [(USDC_WETH_500, TICK), (USDC_WETH_3000, TICK), (WETH_USDT_500, -TICK)])
def test_the_map_holds_what_the_pool_says_of_every_tick(twin: Twin, rpc: Rpc, key: PoolKey, tick: int) -> None:
    scene = opened(twin, key, tick=tick)
    # Ranges that end just inside and just outside of the reach, at ends of words, and one that shares its ticks.
    step, at = key.tick_spacing, tick // key.tick_spacing * key.tick_spacing
    near, far = 1_000 // step * step, (1_000 // step + 1) * step
    word = at // (256 * step) * 256 * step
    bounds = [
        (at - near, at + near),
        (at - far, at + far),
        (word, word + 256 * step),
        (at - near, at + far),
        (word - step, at + step),
    ]
    raws = {"raw0": much_of(key.token0) // 50, "raw1": much_of(key.token1) // 50}
    scene.mint([TickRange(lower=lower, upper=upper) for lower, upper in bounds], **raws)
    source = scene.source(rpc)
    for _ in range(3):
        (pool,) = source.observe(token_ids=[], prices_after_block=None).pools
        assert pool.map_lower <= pool.state.tick - 1_000 < pool.state.tick + 1_000 < pool.map_upper
        every = range(-(-pool.map_lower // step) * step, pool.map_upper, step)
        calls = [("eth_call", [{"to": key.address, "data": TICKS.call_data(one)}, "latest"]) for one in every]
        told = {one: TICKS.decode(reply) for one, reply in zip(every, rpc.batch(calls), strict=True)}
        found = {one: row[1] for one, row in told.items() if row[7]}
        assert found == {known.tick: known.liquidity_net for known in pool.ticks}
        scene.swap((True, much_of(key.token0) // 4))


def test_the_state_is_the_pool_s(twin: Twin, rpc: Rpc) -> None:
    scene = opened(twin)
    scene.swap((True, 10**10), (False, 10**18))
    (pool,) = scene.source(rpc).observe(token_ids=[], prices_after_block=None).pools
    sqrt_price_x96, tick, _, _, _, fee_protocol, _ = asked(rpc, scene.key, POOL.function("slot0"))
    assert (pool.state.sqrt_price_x96, pool.state.tick, pool.state.fee_protocol) == (sqrt_price_x96, tick, fee_protocol)
    assert (pool.state.liquidity,) == asked(rpc, scene.key, POOL.function("liquidity"))
    assert (pool.state.fee_growth_global0_x128,) == asked(rpc, scene.key, POOL.function("feeGrowthGlobal0X128"))
    assert (pool.state.fee_growth_global1_x128,) == asked(rpc, scene.key, POOL.function("feeGrowthGlobal1X128"))


def test_the_mean_tick_is_missing_until_the_pool_remembers_the_window(twin: Twin, rpc: Rpc) -> None:
    scene = opened(twin)
    source = scene.source(rpc)
    growing = POOL.function("increaseObservationCardinalityNext").call_data(30)
    twin.chain.mine_all_succeed([LocalTx(sender=scene.trader, to=scene.key.address, data=growing)])
    found: list[int | None] = []
    ticks: list[tuple[int, int]] = []
    for step in range(12):
        scene.swap((step % 3 == 0, 2 * 10**10 if step % 3 == 0 else 10**19))
        observation = source.observe(token_ids=[], prices_after_block=None)
        ticks.append((observation.block.timestamp_s, observation.pools[0].state.tick))
        found.append(observation.pools[0].twap_tick)
    assert None in found
    assert found[-1] is not None
    now_s = ticks[-1][0]
    weighted = 0
    for (start_s, tick), (end_s, _) in pairwise(ticks):
        weighted += tick * max(end_s - max(start_s, now_s - TWAP_WINDOW_S), 0)
    assert found[-1] == weighted // TWAP_WINDOW_S


def swapped(scene: Scene, blocks: int) -> list[int]:
    """Blocks with a swap, every third one without; returns the numbers of those with."""
    numbers = []
    for step in range(blocks):
        if step % 3 == 2:
            scene.twin.chain.mine()
            continue
        scene.swap((step % 2 == 0, 10**9 if step % 2 == 0 else 10**17))
        numbers.append(int(scene.twin.chain.rpc.call("eth_blockNumber"), 16))
    return numbers


@pytest.mark.parametrize("blocks_back", [0, 1, 2, 5, 17, 29, 30, 31, 10_000])
def test_the_first_look_reaches_back_exactly_as_far_as_asked(twin: Twin, rpc: Rpc, blocks_back: int) -> None:
    scene = opened(twin)
    numbers = swapped(scene, 30)
    head = int(rpc.call("eth_blockNumber"), 16)
    source = scene.source(rpc, lookback_s=12 * blocks_back)
    rows = source.observe(token_ids=[], prices_after_block=None).prices
    assert [row.block for row in rows] == [number for number in numbers if number >= head - blocks_back]
    assert [row.timestamp_s for row in rows] == [
        int(rpc.call("eth_getBlockByNumber", hex(row.block), False)["timestamp"], 16) for row in rows
    ]


class Narrow:
    """A node that gives logs of a few blocks only, as many do."""

    def __init__(self, forward: Forward, most: int) -> None:
        self._forward = forward
        self._most = most

    def __call__(self, body: bytes) -> bytes:
        request, reply = json.loads(body), json.loads(self._forward(body))
        requests, replies = (one if isinstance(one, list) else [one] for one in (request, reply))
        for call, answer in zip(requests, replies, strict=True):
            if call["method"] == "eth_getLogs":
                span = call["params"][0]
                if int(span["toBlock"], 16) - int(span["fromBlock"], 16) >= self._most:
                    del answer["result"]
                    answer["error"] = {"code": -32005, "message": "query returned more than 10000 results"}
        return json.dumps(reply).encode()


@pytest.fixture
def narrow(twin: Twin) -> Iterator[Rpc]:
    forward = Forward(twin.rpc_url)
    with RpcServer(Narrow(forward, 4)) as server:
        client = Rpc(server.url)
        yield client
        client.close()
    forward.close()


def test_a_node_that_limits_ranges_is_asked_for_less(twin: Twin, rpc: Rpc, narrow: Rpc) -> None:
    scene = opened(twin)
    numbers = swapped(scene, 30)
    # The look-back starts on a block with a swap: what a refusal makes it ask again must begin there again.
    lookback_s = 12 * (int(rpc.call("eth_blockNumber"), 16) - numbers[0])
    wanted = scene.source(rpc).observe(token_ids=[], prices_after_block=None).prices
    assert [row.block for row in wanted] == numbers
    source = scene.source(narrow, lookback_s=lookback_s)
    assert source.observe(token_ids=[], prices_after_block=None).prices == wanted
    # After that the size that works is known; a gap that does not fit one request is read piecemeal too.
    swapped(scene, 9)
    wanted = scene.source(rpc).observe(token_ids=[], prices_after_block=wanted[-1].block).prices
    assert source.observe(token_ids=[], prices_after_block=wanted[0].block - 1).prices == wanted


def test_a_gap_longer_than_the_look_back_is_not_read_whole(twin: Twin, rpc: Rpc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keeper.adapters.amm.price_reads.STEADY_BLOCKS", 5)
    scene = opened(twin)
    numbers = swapped(scene, 30)
    head = int(rpc.call("eth_blockNumber"), 16)
    source = scene.source(rpc, lookback_s=12 * 10)
    rows = source.observe(token_ids=[], prices_after_block=numbers[0]).prices
    assert [row.block for row in rows] == [number for number in numbers if number >= head - 10]


def test_finding_the_first_block_takes_few_requests(twin: Twin, rpc: Rpc) -> None:
    scene = opened(twin)
    twin.chain.rpc.call("anvil_mine", hex(400), hex(12))
    head = int(rpc.call("eth_blockNumber"), 16)
    looking = swap_history.LookBack(rpc, scene.key.address)
    newest = swap_history.header_of(rpc.call("eth_getBlockByNumber", hex(head), False), head)
    for back in (0, 1, 100, 150, 399):
        before = rpc.requests
        assert looking.first_since(newest.timestamp_s - 12 * back, newest) == head - back
        assert rpc.requests - before <= 3


def test_positions_do_not_disturb_prices(twin: Twin, rpc: Rpc) -> None:
    scene = opened(twin)
    scene.swap((True, 10**9))
    source = scene.source(rpc)
    first = source.observe(token_ids=[], prices_after_block=None)
    ids = scene.mint(rungs(scene.key, 3))
    later = source.observe(token_ids=ids, prices_after_block=first.prices[-1].block)
    assert later.prices == ()
    assert later.pools[0].state.sqrt_price_x96 == first.pools[0].state.sqrt_price_x96

"""Pool, map, time-weighted price and history as the pool's own contract tells them one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from keeper.adapters.evm.abi import Function, contract
from keeper.adapters.evm.blocks import first_block_since, headers
from keeper.adapters.evm.rpc import Rpc
from keeper.core.model.ladder import TickRange
from keeper.core.model.pool import PoolKey
from keeper.core.v3math.swap_kind import RecordedSwap, SwapRequest
from keeper.core.v3math.units import MIN_SQRT_RATIO
from keeper.localchain.chain import LocalTx
from keeper.localchain.market import MarketDesk
from keeper.localchain.twin import Twin
from tests.bench.scene import TWAP_WINDOW_S, Scene, much_of, opened, rungs
from tests.fakes.rpc_server import Forward, RpcServer
from tests.pairs import TICK, USDC_WETH_500, USDC_WETH_3000, WETH_USDT_500

pytestmark = pytest.mark.chain
POOL = contract("UniswapV3Pool")
TICKS = POOL.function("ticks")


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
        (pool,) = source.observe(token_ids=[], prices_after_block=None, sample_after_s=None).pools
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
    (pool,) = scene.source(rpc).observe(token_ids=[], prices_after_block=None, sample_after_s=None).pools
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
        observation = source.observe(token_ids=[], prices_after_block=None, sample_after_s=None)
        ticks.append((observation.block.timestamp_s, observation.pools[0].state.tick))
        found.append(observation.pools[0].twap_tick)
    assert None in found
    assert found[-1] is not None
    now_s = ticks[-1][0]
    weighted = 0
    for (start_s, tick), (end_s, _) in pairwise(ticks):
        weighted += tick * max(end_s - max(start_s, now_s - TWAP_WINDOW_S), 0)
    assert found[-1] == weighted // TWAP_WINDOW_S


def time_of(rpc: Rpc, block: int) -> int:
    return int(rpc.call("eth_getBlockByNumber", hex(block), False)["timestamp"], 16)


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
    seen = source.observe(token_ids=[], prices_after_block=None, sample_after_s=None)
    rows = seen.prices
    assert [row.block for row in rows] == [number for number in numbers if number >= head - blocks_back]
    assert seen.prices_since_s == time_of(rpc, max(head - blocks_back, 0))
    assert [row.timestamp_s for row in rows] == [time_of(rpc, row.block) for row in rows]


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
    wanted = scene.source(rpc).observe(token_ids=[], prices_after_block=None, sample_after_s=None).prices
    assert [row.block for row in wanted] == numbers
    source = scene.source(narrow, lookback_s=lookback_s)
    assert source.observe(token_ids=[], prices_after_block=None, sample_after_s=None).prices == wanted
    # After that the size that works is known; a gap that does not fit one request is read piecemeal too.
    swapped(scene, 9)
    wanted = scene.source(rpc).observe(token_ids=[], prices_after_block=wanted[-1].block, sample_after_s=None).prices
    seen = source.observe(token_ids=[], prices_after_block=wanted[0].block - 1, sample_after_s=None)
    assert (seen.prices, seen.prices_since_s) == (wanted, None)


def test_a_gap_longer_than_the_look_back_is_not_read_whole(twin: Twin, rpc: Rpc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keeper.adapters.amm.price_reads.STEADY_BLOCKS", 5)
    scene = opened(twin)
    numbers = swapped(scene, 30)
    head = int(rpc.call("eth_blockNumber"), 16)
    source = scene.source(rpc, lookback_s=12 * 10)
    seen = source.observe(token_ids=[], prices_after_block=numbers[0], sample_after_s=None)
    assert [row.block for row in seen.prices] == [number for number in numbers if number >= head - 10]
    assert seen.prices_since_s == time_of(rpc, head - 10)
    # A known row at the edge of what is read leaves no gap, whether its next block is the first that is read or is read too.
    for known in (head - 11, head - 10, head - 3, head):
        assert source.observe(token_ids=[], prices_after_block=known, sample_after_s=None).prices_since_s is None
    gap = source.observe(token_ids=[], prices_after_block=head - 12, sample_after_s=None)
    assert gap.prices_since_s == time_of(rpc, head - 10)


def test_finding_the_first_block_takes_few_requests(twin: Twin, rpc: Rpc) -> None:
    twin.chain.rpc.call("anvil_mine", hex(400), hex(12))
    head = int(rpc.call("eth_blockNumber"), 16)
    newest = headers(rpc, [head])[head]
    for back in (0, 1, 100, 150, 399):
        before = rpc.requests
        found = first_block_since(rpc, newest.timestamp_s - 12 * back, newest)
        assert found is not None
        assert found.number == head - back
        assert rpc.requests - before <= 3


def test_positions_do_not_disturb_prices(twin: Twin, rpc: Rpc) -> None:
    scene = opened(twin)
    scene.swap((True, 10**9))
    source = scene.source(rpc)
    first = source.observe(token_ids=[], prices_after_block=None, sample_after_s=None)
    ids = scene.mint(rungs(scene.key, 3))
    later = source.observe(token_ids=ids, prices_after_block=first.prices[-1].block, sample_after_s=None)
    assert later.prices == ()
    assert later.pools[0].state.sqrt_price_x96 == first.pools[0].state.sqrt_price_x96


def test_liquidity_that_came_and_went_within_a_block_shows_in_its_price(twin: Twin, rpc: Rpc) -> None:
    scene = opened(twin)
    desk = MarketDesk(twin, scene.key.address)
    lower, upper = (TICK // 10 * 10 + step for step in (-200, 200))
    request = SwapRequest(zero_for_one=True, amount_specified=10**9, sqrt_price_limit_x96=MIN_SQRT_RATIO + 1)
    came = 3 * 10**18

    def block(*txs: LocalTx) -> tuple[RecordedSwap, ...]:
        return desk.mine(txs, timestamp_s=twin.chain.timestamp_s() + 12, base_fee_wei=10**9, progress=0.0)[0].swaps

    mint, swap = desk.liquidity(scene.key.address, lower, upper, came), desk.swap(scene.key.address, request)
    burn = desk.liquidity(scene.key.address, lower, upper, -came // 2)
    swaps = [block(swap), block(mint, swap, burn), block(swap, burn, swap), block(mint, swap, swap)]
    prices = scene.source(rpc).observe(token_ids=[], prices_after_block=None, sample_after_s=None).prices
    assert [price.swaps for price in prices] == [1, 1, 2, 2]
    assert [price.net0 for price in prices] == [10**9, 10**9, 2 * 10**9, 2 * 10**9]
    assert [price.net1 for price in prices] == [sum(one.amount1 for one in made) for made in swaps]
    (during,) = swaps[1]
    jit0 = during.amount0 * (came // 2) // during.liquidity
    assert 0 < jit0 < during.amount0
    assert [price.jit0 for price in prices] == [0, jit0, 0, 0]

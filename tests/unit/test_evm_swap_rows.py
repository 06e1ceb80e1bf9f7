"""Swap logs become one row a block, and logs that cannot be are refused."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeper.adapters.amm.pool_reads import check_price_law, mean_tick
from keeper.adapters.amm.swap_history import SwapRow, prices_of, swaps_of, untimed_blocks
from keeper.adapters.amm.tick_map import REACH_TICKS, trimmed, words_around
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.rpc import BadReply
from keeper.core.model.errors import Reorged
from keeper.core.model.pool import BlockRef, TickNet
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MAX_TICK, MIN_TICK
from tests.pairs import USDC_WETH_500

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Time is not what these tests are about, and the machine has other guests."""

POOL = USDC_WETH_500.address
TOPIC0 = contract("UniswapV3Pool").event("Swap").topic0
SOMEONE = "0x" + "00" * 12 + "33" * 20


def hash_of(block: int) -> str:
    return f"0x{block:064x}"


def log(block: int = 7, index: int = 0, **change: Any) -> dict[str, Any]:
    amounts = (-5, 3, get_sqrt_ratio_at_tick(10), 9, 10)
    return {
        "address": POOL.lower(),
        "topics": [TOPIC0, SOMEONE, SOMEONE],
        "data": "0x" + encode(["int256", "int256", "uint160", "uint128", "int24"], amounts).hex(),
        "blockNumber": hex(block),
        "blockHash": hash_of(block),
        "blockTimestamp": hex(100 + block),
        "logIndex": hex(index),
        "removed": False,
    } | change


def test_a_log_is_read_whole() -> None:
    (row,) = swaps_of([log()], POOL, 7, 7)
    assert (row.block, row.timestamp_s, row.amount0, row.amount1, row.tick) == (7, 107, -5, 3, 10)
    assert row.sqrt_price_x96 == get_sqrt_ratio_at_tick(10)


@pytest.mark.parametrize(
    "logs",
    [
        None,
        {},
        [None],
        [log(address="0x" + "11" * 20)],
        [log(topics=["0x" + "00" * 32, SOMEONE, SOMEONE])],
        [log(data="0x")],
        [log(data=log()["data"][:-2])],
        [log(blockNumber=None)],
        [log(blockHash="0x12")],
        [log(blockTimestamp="soon")],
        [log(8)],
        [log(6)],
        [log(7, 1), log(7, 0)],
        [log(7, 1), log(7, 1)],
    ],
)
def test_logs_of_something_else_are_refused(logs: object) -> None:
    with pytest.raises(BadReply):
        swaps_of(logs, POOL, 7, 7)


def test_a_removed_log_is_a_reorg() -> None:
    with pytest.raises(Reorged):
        swaps_of([log(removed=True)], POOL, 7, 7)


def swap(block: int, sqrt_price_x96: int, amount0: int, amount1: int, index: int = 0, *, timed: bool = True) -> SwapRow:
    return SwapRow(
        block=block,
        block_hash=hash_of(block),
        log_index=index,
        timestamp_s=100 + block if timed else None,
        amount0=amount0,
        amount1=amount1,
        sqrt_price_x96=sqrt_price_x96,
        tick=0,
    )


amount = st.integers(-(10**20), 10**20)
chains = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 10**30), amount, amount), max_size=30).map(
    lambda rows: [swap(*row, index) for index, row in enumerate(sorted(rows))]
)


@unhurried
@given(chains)
def test_rows_keep_what_the_swaps_say(swaps: list[SwapRow]) -> None:
    rows = prices_of(swaps, {})
    assert [row.block for row in rows] == sorted({one.block for one in swaps})
    assert sum(row.swaps for row in rows) == len(swaps)
    assert sum(row.volume0 for row in rows) == sum(abs(one.amount0) for one in swaps)
    assert sum(row.volume1 for row in rows) == sum(abs(one.amount1) for one in swaps)
    for row in rows:
        after = [one.sqrt_price_x96 for one in swaps if one.block == row.block]
        assert (row.low_x96, row.high_x96, row.sqrt_price_x96) == (min(after), max(after), after[-1])
        assert row.timestamp_s == 100 + row.block


def header(block: int, hash_: str | None = None) -> BlockRef:
    return BlockRef(number=block, hash=hash_ or hash_of(block), timestamp_s=500 + block)


def test_logs_without_a_time_get_their_header_s() -> None:
    swaps = [swap(3, 5, 1, 1, timed=False), swap(4, 6, 1, 1, timed=False)]
    assert untimed_blocks(swaps, {4: header(4)}) == [3]
    assert [row.timestamp_s for row in prices_of(swaps, {3: header(3), 4: header(4)})] == [503, 504]


def test_logs_of_a_block_that_is_not_there_are_a_reorg() -> None:
    with pytest.raises(Reorged):
        prices_of([swap(3, 5, 1, 1)], {3: header(3, "0x" + "ee" * 32)})


def test_time_that_runs_backward_is_refused() -> None:
    with pytest.raises(BadReply, match="older"):
        prices_of([swap(3, 5, 1, 1, timed=False), swap(4, 5, 1, 1)], {3: header(3)})


tick_at = st.integers(MIN_TICK, MAX_TICK - 1)
spacing_of = st.sampled_from([1, 10, 60, 200])


@unhurried
@given(tick_at, st.integers(0, 2_000), spacing_of)
def test_the_words_around_a_tick_hold_every_tick_in_reach(tick: int, reach: int, spacing: int) -> None:
    words = words_around(tick, reach, spacing)
    for near in (max(tick - reach, MIN_TICK), tick, min(tick + reach, MAX_TICK)):
        assert near // spacing // 256 in words
    assert len(words) <= 2 * reach // (256 * spacing) + 2


@unhurried
@given(tick_at, st.sets(st.integers(-2_500, 2_500)))
def test_the_map_holds_every_tick_between_its_bounds_and_no_other(tick: int, offsets: set[int]) -> None:
    ticks = tuple(TickNet(tick=tick + offset, liquidity_net=1) for offset in sorted(offsets))
    kept, lower, upper = trimmed([ticks], tick)
    assert kept == tuple(one for one in ticks if lower <= one.tick < upper)
    assert lower == max(tick - REACH_TICKS, MIN_TICK) <= tick < upper == min(tick + REACH_TICKS, MAX_TICK) + 1


@unhurried
@given(st.integers(-(2**55), 2**55 - 1), st.integers(-887_272, 887_272), st.integers(1, 86_400), st.integers(0, 86_399))
def test_the_mean_tick_is_rounded_down_also_past_the_wrap(then: int, tick: int, window_s: int, spare: int) -> None:
    spare %= window_s
    now = (then + tick * window_s + spare + 2**55) % 2**56 - 2**55
    assert mean_tick(then, now, window_s) == tick


@unhurried
@given(tick_at, st.data())
def test_a_price_belongs_to_its_tick_and_on_the_bound_to_the_one_below_as_well(tick: int, data: st.DataObject) -> None:
    low, high = get_sqrt_ratio_at_tick(tick), get_sqrt_ratio_at_tick(tick + 1)
    check_price_law(POOL, data.draw(st.integers(low, high)), tick)
    for outside in (low - 1, high + 1, 0):
        with pytest.raises(BadReply):
            check_price_law(POOL, outside, tick)

"""A pool's logs become one row a block, and logs that cannot be are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeper.adapters.amm.pool_reads import check_price_law, mean_tick
from keeper.adapters.amm.swap_history import events_of, logs_call, prices_of, untimed_blocks
from keeper.adapters.amm.tick_map import REACH_TICKS, trimmed, words_around
from keeper.adapters.evm.event_rows import EventKind, EventRow
from keeper.adapters.evm.rpc import BadReply
from keeper.core.model.errors import Reorged
from keeper.core.model.pool import BlockRef, TickNet
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MAX_TICK, MIN_TICK
from tests.event_rows import mint, moved, swap, time_of
from tests.pairs import USDC_WETH_500
from tests.pool_logs import ANOTHER, SOMEONE, TOPIC0, log, swap_log

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Time is not what these tests are about, and the machine has other guests."""

POOL = USDC_WETH_500.address


def minted(amount: int, **change: Any) -> dict[str, Any]:
    return log(EventKind.MINT, (-20, 30), (ANOTHER, amount, 5, 6), **change)


def burned(amount: int, **change: Any) -> dict[str, Any]:
    return log(EventKind.BURN, (-20, 30), (amount, 5, 6), **change)


def swapped(block: int = 7, index: int = 0, **change: Any) -> dict[str, Any]:
    return swap_log(blockNumber=hex(block), logIndex=hex(index), **change)


def test_one_request_asks_for_swaps_mints_and_burns() -> None:
    method, (query,) = logs_call(POOL, 5, 20)
    assert (method, query["fromBlock"], query["toBlock"]) == ("eth_getLogs", "0x5", "0x14")
    assert query["topics"] == [[TOPIC0[kind] for kind in (EventKind.SWAP, EventKind.MINT, EventKind.BURN)]]


def test_a_log_is_read_whole() -> None:
    rows, hashes = events_of([swapped(price_x96=get_sqrt_ratio_at_tick(10))], POOL, 7, 7)
    (row,) = rows
    assert hashes == {7: f"0x{7:064x}"}
    assert row.event is EventKind.SWAP
    assert (row.block_number, row.timestamp_s, row.amount0, row.amount1, row.liquidity, row.tick) == (7, 107, -5, 3, 9, 10)
    assert row.sqrt_price_x96 == get_sqrt_ratio_at_tick(10)


def test_mints_and_burns_are_read_with_their_owner_range_and_sign() -> None:
    logs = [
        minted(77, logIndex="0x0"),
        swapped(index=1),
        burned(78, logIndex="0x2"),
        burned(0, logIndex="0x3"),
    ]
    mint, _, burn, poke = events_of(logs, POOL, 7, 7).rows
    assert mint.event is EventKind.MINT
    assert (mint.owner, mint.tick_lower, mint.tick_upper, mint.liquidity_delta) == (SOMEONE, -20, 30, 77)
    assert burn.event is EventKind.BURN
    assert (burn.owner, burn.tick_lower, burn.tick_upper, burn.liquidity_delta, burn.log_index) == (SOMEONE, -20, 30, -78, 2)
    assert poke.event is EventKind.BURN
    assert poke.liquidity_delta == 0


@pytest.mark.parametrize(
    "logs",
    [
        None,
        {},
        [None],
        [swapped(address="0x" + "11" * 20)],
        [swapped(address=None)],
        [swapped(topics=["0x" + "00" * 32, *swapped()["topics"][1:]])],
        [swapped(topics=[[], *swapped()["topics"][1:]])],
        [swapped(topics=[TOPIC0[EventKind.SWAP], {}, {}])],
        [swapped(data="0x")],
        [minted(1, data="0x")],
        [minted(1, topics=[TOPIC0[EventKind.BURN], *minted(1)["topics"][1:]])],
        [burned(1, topics=burned(1)["topics"][:-1])],
        [burned(1, address="0x" + "11" * 20)],
        [log(EventKind.COLLECT, (-20, 30), (ANOTHER, 5, 6))],
        [swapped(data=swapped()["data"][:-2])],
        [swapped() | {"blockNumber": None}],
        [swapped() | {"blockNumber": ["0x7"]}],
        [swapped(blockHash="0x12")],
        [swapped(blockTimestamp="soon")],
        [swapped(8)],
        [swapped(6)],
        [swapped(7, 1), swapped(7, 0)],
        [swapped(7, 1), swapped(7, 1)],
    ],
)
def test_logs_of_something_else_are_refused(logs: object) -> None:
    with pytest.raises(BadReply):
        events_of(logs, POOL, 7, 7)


def test_a_removed_log_is_a_reorg() -> None:
    with pytest.raises(Reorged):
        events_of([swapped(removed=True)], POOL, 7, 7)


amount = st.integers(-(10**20), 10**20)
chains = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 10**30), amount, amount), max_size=30).map(
    lambda rows: [
        swap(block, index, price=price, amount0=amount0, amount1=amount1)
        for index, (block, price, amount0, amount1) in enumerate(sorted(rows))
    ]
)


@unhurried
@given(chains)
def test_rows_keep_what_the_swaps_say(swaps: list[EventRow]) -> None:
    rows = prices_of(swaps, {})
    assert [row.block for row in rows] == sorted({one.block_number for one in swaps})
    assert sum(row.swaps for row in rows) == len(swaps)
    assert sum(row.volume0 for row in rows) == sum(abs(one.amount0) for one in swaps)
    assert sum(row.volume1 for row in rows) == sum(abs(one.amount1) for one in swaps)
    assert sum(row.net0 or 0 for row in rows) == sum(one.amount0 for one in swaps)
    assert sum(row.net1 or 0 for row in rows) == sum(one.amount1 for one in swaps)
    for row in rows:
        after = [one.sqrt_price_x96 or 0 for one in swaps if one.block_number == row.block]
        assert (row.low_x96, row.high_x96, row.sqrt_price_x96) == (min(after), max(after), after[-1])
        assert row.timestamp_s == time_of(row.block)
        assert row.jit0 == 0


def test_liquidity_that_came_and_went_within_a_block_shows_in_its_price() -> None:
    rows = [moved(3, 0, 250), swap(3, 1, amount0=101, liquidity=1_000), moved(3, 2, -250)]
    (price,) = prices_of(rows, {})
    assert price.jit0 == 25


def test_liquidity_of_another_block_does_not_count() -> None:
    rows = [moved(2, 0, 250), swap(3, 0, amount0=101, liquidity=1_000), moved(3, 1, -250), moved(4, 0, 9)]
    (price,) = prices_of(rows, {})
    assert (price.block, price.jit0) == (3, 0)


def header(block: int) -> BlockRef:
    return BlockRef(number=block, hash=f"0x{block:064x}", timestamp_s=500 + block)


def test_logs_without_a_time_get_their_header_s() -> None:
    swaps = [swap(3, timestamp_s=None), swap(4, timestamp_s=None)]
    assert untimed_blocks(swaps, {4: header(4)}) == [3]
    assert [row.timestamp_s for row in prices_of(swaps, {3: header(3), 4: header(4)})] == [503, 504]


def test_blocks_without_a_swap_need_no_time() -> None:
    alone = mint(3, 0, 5, timestamp_s=None)
    assert untimed_blocks([alone], {}) == []
    assert prices_of([alone, swap(4)], {})[0].timestamp_s == time_of(4)


def test_time_that_runs_backward_is_refused() -> None:
    with pytest.raises(BadReply, match="older"):
        prices_of([swap(3, timestamp_s=None), swap(4, timestamp_s=104)], {3: header(3)})


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

"""What a simulated pool remembers of its past, against an oracle that is told of every single event."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.core.model.pool import BlockRef
from keeper.core.v3math.oracle import Observation, OracleSnapshot
from keeper.core.v3math.swap_kind import SwapRequest
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MIN_SQRT_RATIO
from keeper.simulation.playing import Played
from keeper.simulation.presence import Presence
from keeper.simulation.sim_pool import OURS, SimPool
from keeper.simulation.tape import HeldTape, LiquidityEvent, SwapEvent, TapeBlock, TapeStart
from keeper.simulation.weather import Scenario
from tests.rehearsals import market

WINDOW_S = 600


def with_ring(tape: HeldTape, places: int) -> TapeStart:
    """Where the tape starts, with one observation in a ring of so many places."""
    unpaid = Observation(1, 0, 0, initialized=False)
    first = Observation(tape.start.timestamp_s - 60, 77, 99, initialized=True)
    ring = OracleSnapshot(index=0, cardinality=1, observations=(first, *[unpaid] * (places - 1)))
    return replace(tape.start, pool=replace(tape.start.pool, observations=ring))


def sim_pool(start: TapeStart, tape: HeldTape) -> SimPool:
    return SimPool(tape.key, start, presence=Presence.AMOUNTS_KEPT, twap_window_s=WINDOW_S)


@pytest.mark.parametrize("places", [1, 7, 200])
def test_a_block_leaves_the_observation_that_its_first_change_makes(places: int) -> None:
    tape = market(0.25, scenario=Scenario.WHIPSAW)
    start = with_ring(tape, places)
    ours, single = sim_pool(start, tape), Played(start.pool)
    for block in tape.blocks():
        ours.play(block)
        single.take_all([block])
        assert ours.oracle.snapshot() == single.snapshot().observations
    assert ours.oracle.cardinality == places
    assert ours.oracle.snapshot().observations[ours.oracle.index].timestamp_s > start.timestamp_s + WINDOW_S


def there_and_back(start: TapeStart) -> TapeBlock:
    """Two swaps in one block: a tick spacing down, and up to where the price was."""
    here, below = start.pool.sqrt_price_x96, get_sqrt_ratio_at_tick(start.pool.tick - 10)
    down = SwapEvent(zero_for_one=True, amount_specified=10**30, sqrt_price_limit_x96=below, sqrt_price_after_x96=below)
    up = SwapEvent(zero_for_one=False, amount_specified=10**30, sqrt_price_limit_x96=here, sqrt_price_after_x96=here)
    return TapeBlock(start.block + 1, start.timestamp_s + 12, (down, up))


def within_the_tick(start: TapeStart) -> TapeBlock:
    nearer = (start.pool.sqrt_price_x96 + get_sqrt_ratio_at_tick(start.pool.tick)) // 2
    event = SwapEvent(zero_for_one=True, amount_specified=10**30, sqrt_price_limit_x96=nearer, sqrt_price_after_x96=nearer)
    return TapeBlock(start.block + 1, start.timestamp_s + 12, (event,))


def minted(start: TapeStart, lower: int, upper: int) -> TapeBlock:
    floor = start.pool.tick // 10 * 10
    return TapeBlock(start.block + 1, start.timestamp_s + 12, (LiquidityEvent(floor + lower, floor + upper, 10**15),))


@pytest.mark.parametrize(
    ("block", "writes"),
    [
        (there_and_back, True),
        (within_the_tick, False),
        (lambda start: minted(start, -10, 20), True),
        (lambda start: minted(start, 10, 20), False),
        (lambda start: minted(start, -20, 0), False),
    ],
    ids=["there and back", "within the tick", "mint in range", "mint above", "mint below"],
)
def test_only_a_change_of_tick_or_of_liquidity_in_range_is_observed(block, writes: bool) -> None:
    tape = market()
    start = with_ring(tape, 5)
    ours, single = sim_pool(start, tape), Played(start.pool)
    ours.play(block(start))
    single.take_all([block(start)])
    assert ours.oracle.snapshot() == single.snapshot().observations
    assert (ours.oracle.index == 1) is writes


def test_a_transaction_that_reverts_leaves_no_observation() -> None:
    tape = market()
    ours = sim_pool(with_ring(tape, 5), tape)
    before, saved = ours.oracle.snapshot(), ours.saved()
    block = BlockRef(number=tape.start.block + 3, hash="0x" + "0" * 64, timestamp_s=tape.start.timestamp_s + 36)
    ours.trade(block, SwapRequest(zero_for_one=True, amount_specified=10**12, sqrt_price_limit_x96=MIN_SQRT_RATIO + 1))
    assert ours.oracle.snapshot() != before
    ours.put_back(saved)
    assert ours.oracle.snapshot() == before


def test_our_own_mint_in_range_is_observed_at_the_time_of_its_block() -> None:
    tape = market()
    ours = sim_pool(with_ring(tape, 5), tape)
    floor, ours.now_s = tape.start.pool.tick // 10 * 10, tape.start.timestamp_s + 240
    ours.change(OURS, floor - 100, floor + 100, 10**15)
    newest = ours.oracle.snapshot().observations[1]
    assert newest.timestamp_s == tape.start.timestamp_s + 240
    assert newest.tick_cumulative == 77 + 300 * tape.start.pool.tick


def test_without_known_observations_the_mean_is_there_after_one_window_and_not_before() -> None:
    tape = market()
    ours = sim_pool(tape.start, tape)
    begin_s = tape.start.timestamp_s
    assert ours.twap_tick(begin_s + WINDOW_S - 1) is None
    assert ours.twap_tick(begin_s + WINDOW_S) == tape.start.pool.tick
    for block in tape.blocks():
        ours.play(block)
        if block.timestamp_s >= begin_s + WINDOW_S:
            assert ours.twap_tick(block.timestamp_s) is not None


def test_known_observations_give_the_mean_at_once_and_a_short_ring_gives_none() -> None:
    tape = market(0.25, scenario=Scenario.WHIPSAW)
    long, short = sim_pool(with_ring(tape, 900), tape), sim_pool(with_ring(tape, 2), tape)
    long.twap_window_s = short.twap_window_s = 60
    assert long.twap_tick(tape.start.timestamp_s) == tape.start.pool.tick
    told = []
    for block in tape.blocks():
        long.play(block)
        short.play(block)
        assert long.twap_tick(block.timestamp_s) is not None
        told.append(short.twap_tick(block.timestamp_s) is not None)
    assert True in told
    assert False in told

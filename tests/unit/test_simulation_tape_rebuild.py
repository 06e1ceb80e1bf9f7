"""A pool's state is told from its events alone, as exactly as they show it, and no more is claimed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.evm.event_rows import EventKind
from keeper.core.model.bar import DAY_S
from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.units import MAX_SQRT_RATIO, MIN_SQRT_RATIO
from keeper.simulation.depth import Moved, liquidities_of_step
from keeper.simulation.playing import play
from keeper.simulation.rebuild import Rebuilt, rebuilt_tape
from keeper.simulation.tape import TapeError
from tests.event_rows import BEGIN_S
from tests.recorded_pool import KEY, Life, lived, store

END_S = BEGIN_S + 2 * DAY_S


def rebuilt(root: Path, life: Life) -> Rebuilt:
    store(root, life.rows, [])
    return rebuilt_tape(root, KEY, 1, BEGIN_S, END_S)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_liquidity_is_recorded_nearly_every_swap_gives_its_record(tmp_path: Path, seed: int) -> None:
    found = rebuilt(tmp_path, lived(seed=seed))
    assert found.error.exact_share >= 0.95
    assert found.error.contradicted == found.error.dropped == 0
    assert max(found.error.fee_growth) < 1e-9


def test_events_of_a_pool_with_another_fee_are_refused(tmp_path: Path) -> None:
    store(tmp_path, lived().rows, [])
    other = replace(KEY, fee_pips=3_000)
    with pytest.raises(TapeError, match=r"only 0 of .* follow .* in a pool with a fee of 3000 pips.* of another pool"):
        rebuilt_tape(tmp_path, other, 1, BEGIN_S, END_S)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_it_is_not_it_is_told_from_the_swaps(tmp_path: Path, seed: int) -> None:
    life = lived(seed=seed)
    found = rebuilt(tmp_path, Life(life.start, [row._replace(liquidity=None) for row in life.rows]))
    assert found.error.exact_share >= 0.5
    assert found.error.contradicted == found.error.dropped == 0
    assert max(found.error.fee_growth) < 1e-9


def test_the_price_path_is_the_recorded_one_even_where_amounts_are_not(tmp_path: Path) -> None:
    life = lived()
    rows = [row for row in life.rows if row.event is not EventKind.BURN]
    found = rebuilt(tmp_path, Life(life.start, rows))
    assert found.error.contradicted > 0
    assert 0 < found.error.exact < found.error.swaps
    assert max(found.error.fee_growth) > 1e-4
    pool, ends = ExactPool.restore(found.tape.start.pool), {}
    for block in found.tape.blocks():
        for event in block.events:
            play(pool, event)
        ends[block.number] = pool.sqrt_price_x96
    recorded = {row.block_number: row.sqrt_price_x96 for row in rows if row.event is EventKind.SWAP}
    assert {number: ends[number] for number in recorded if number in ends} == {
        number: price for number, price in recorded.items() if number in ends
    }


def test_a_rebuilt_tape_says_so_and_tells_its_error(tmp_path: Path) -> None:
    found = rebuilt(tmp_path, lived())
    assert not found.tape.exact
    swaps = sum(row.event is EventKind.SWAP for row in lived().rows) - 1
    assert found.error.swaps == swaps
    assert found.tape.described.startswith("rebuilt from events alone, from 2025-10-01 01:40:00 on")
    assert f"of {swaps:,} swaps" in found.tape.described
    assert all(one.timestamp_s < after.timestamp_s for one, after in pairwise(found.tape.held))
    assert found.tape.digest == rebuilt_tape(tmp_path, KEY, 1, BEGIN_S, END_S).tape.digest


def test_depth_goes_on_beyond_the_prices_of_the_time(tmp_path: Path) -> None:
    pool = ExactPool.restore(rebuilt(tmp_path, lived()).tape.start.pool)
    for zero_for_one in (True, False):
        limit = pool.sqrt_price_x96 // 10 if zero_for_one else pool.sqrt_price_x96 * 10
        pool.swap(zero_for_one=zero_for_one, amount_specified=2**255 - 1, sqrt_price_limit_x96=limit)
        assert pool.liquidity > 0


def test_a_missing_day_and_too_few_swaps_are_refused(tmp_path: Path) -> None:
    life = lived()
    store(tmp_path / "gap", life.rows, [], skip=[0])
    with pytest.raises(TapeError, match="the SWAP events of 2025-10-01 00:00:00 to 2025-10-02 00:00:00"):
        rebuilt_tape(tmp_path / "gap", KEY, 1, BEGIN_S, END_S)
    first = next(row for row in life.rows if row.event is EventKind.SWAP)
    with pytest.raises(TapeError, match="fewer than two swaps"):
        rebuilt(tmp_path / "one", Life(life.start, [first]))
    with pytest.raises(TapeError, match="holds no history"):
        rebuilt_tape(tmp_path / "none", KEY, 1, BEGIN_S, END_S)


@given(
    st.integers(10**15, 10**20),
    st.integers(10**9, 10**14),
    st.booleans(),
    st.booleans(),
)
def test_one_swap_within_an_interval_tells_its_liquidity_up_to_how_it_was_asked_for(
    liquidity: int, share: int, falls: bool, exact_in: bool
) -> None:
    pool = ExactPool(fee_pips=500, tick_spacing=10)
    pool.initialize(2**96)
    pool.provide(-887_270, 887_270, liquidity)
    amount = max(liquidity * share // 10**18, 10**6)
    before_x96, tick_before = pool.sqrt_price_x96, pool.tick
    amount0, amount1 = pool.swap(
        zero_for_one=falls,
        amount_specified=amount if exact_in else -amount,
        sqrt_price_limit_x96=MIN_SQRT_RATIO + 1 if falls else MAX_SQRT_RATIO - 1,
    )
    moved = Moved(amount0, amount1, before_x96, tick_before, pool.sqrt_price_x96, pool.tick, None)
    found = liquidities_of_step(moved, 500)
    assert liquidity in found
    assert all(abs(one - liquidity) < 1e-3 * liquidity for one in found)
    assert not liquidities_of_step(moved._replace(amount0=2 * amount0), 500)

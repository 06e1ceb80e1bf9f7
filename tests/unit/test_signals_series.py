from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.model.pool import PriceHistory
from keeper.core.model.view import Quality
from keeper.core.signals.prices import LOG_TICK, log_price
from keeper.core.signals.series import MIN_ROWS, bars, flat_window_s, grade, recent, sampled
from tests.builders import BLOCK, DAY_S, NOW_S, TICK, USDC_WETH_500, block_price, history, policy, view
from tests.policies import policy as rules


def rows(*moments: tuple[int, int]) -> tuple:
    """Rows (seconds before now, tick), oldest first."""
    return tuple(replace(block_price(BLOCK - ago, tick), timestamp_s=NOW_S - ago, block=BLOCK - ago) for ago, tick in moments)


def test_between_swaps_the_price_is_the_last_one():
    made = sampled(rows((1_000, 100), (450, 200), (200, 300)), start_s=NOW_S - 900, end_s=NOW_S, interval_s=300)
    assert made == pytest.approx([tick * LOG_TICK for tick in (100, 100, 200, 300)], abs=1e-9)


def test_nothing_is_sampled_before_the_first_row():
    assert len(sampled(rows((700, 100)), start_s=NOW_S - 9_000, end_s=NOW_S, interval_s=300)) == 3
    assert sampled((), start_s=0, end_s=NOW_S, interval_s=300) == []


def test_a_swap_at_the_moment_of_a_sample_counts():
    made = sampled(rows((600, 100), (300, 200)), start_s=NOW_S - 600, end_s=NOW_S, interval_s=300)
    assert made == pytest.approx([tick * LOG_TICK for tick in (100, 200, 200)], abs=1e-9)


def test_recent_keeps_the_row_in_force_at_the_start():
    known = PriceHistory(pool=USDC_WETH_500.address, rows=rows((900, 1), (600, 2), (100, 3)))
    assert [log_price(row.sqrt_price_x96) for row in recent(known, NOW_S - 500)] == pytest.approx([2 * LOG_TICK, 3 * LOG_TICK])
    assert len(recent(known, NOW_S - 600)) == 2
    assert len(recent(known, 0)) == 3


def test_bars_leave_no_hole_between_them():
    made = bars(rows((7_200, 0), (5_000, 50), (3_000, -40), (100, 10)), start_s=NOW_S - 7_200, end_s=NOW_S, bar_s=3_600)
    first, second = made.bars
    assert (first.open, first.close, second.open, second.close) == pytest.approx(
        [0, 50 * LOG_TICK, 50 * LOG_TICK, 10 * LOG_TICK]
    )
    assert second.low == pytest.approx(-40 * LOG_TICK)
    assert made.swaps == 3


def test_a_quiet_bar_is_flat():
    made = bars(
        rows(
            (9_000, 7),
        ),
        start_s=NOW_S - 9_000,
        end_s=NOW_S,
        bar_s=3_600,
    )
    assert [(bar.high - bar.low) for bar in made.bars] == [0.0, 0.0]
    assert made.swaps == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9_000), st.integers(-500, 500)), min_size=1, max_size=40), st.integers(60, 4_000))
def test_bars_join_up_and_end_at_the_last_price(moments, bar_s):
    known = rows(*sorted(moments, reverse=True))
    made = bars(known, start_s=0, end_s=NOW_S, bar_s=bar_s).bars
    assert len(made) == (NOW_S - known[0].timestamp_s) // bar_s
    for one, other in itertools.pairwise(made):
        assert other.open == one.close
    if made:
        assert made[-1].close == log_price(known[-1].sqrt_price_x96)


def test_an_old_last_swap_is_fresh_while_the_pool_still_has_its_price():
    known = history(end_block=BLOCK - 3_000)  # ten hours without a swap
    found = grade(view(), known, policy())
    assert (found.quality, found.as_of_s) == (Quality.GOOD, NOW_S)


def test_swaps_that_are_unknown_to_us_make_the_history_stale():
    known = history(end_block=BLOCK - 3_000)
    found = grade(view(TICK + 1), known, policy())
    assert (found.quality, found.as_of_s) == (Quality.STALE, NOW_S - 36_000)
    recent_gap = grade(view(TICK + 1), history(end_block=BLOCK - 100), policy())
    assert (recent_gap.quality, recent_gap.as_of_s) == (Quality.GOOD, NOW_S - 1_200)


@pytest.mark.parametrize(
    ("known", "quality"),
    [
        (PriceHistory(pool=USDC_WETH_500.address, rows=()), Quality.MISSING),
        (history(hours=5.0), Quality.SHORT),
        (history(hours=48.0, every_blocks=1_600), Quality.SHORT),
        (history(hours=7.0), Quality.GOOD),
    ],
)
def test_how_much_history_is_enough(known, quality):
    assert len(known.rows) < MIN_ROWS or len(known.rows) > 100
    assert grade(view(), known, policy()).quality is quality


def test_flat_estimators_look_back_to_data_of_the_same_mean_age():
    assert flat_window_s(policy()) == int(2 / math.log(2) * 6 * 3_600)
    assert flat_window_s(rules(signals=replace(policy().signals, ewma_half_life_s=30 * DAY_S))) == 2 * DAY_S

"""Liquidity that came and went within a block is counted by one definition."""

from __future__ import annotations

from itertools import starmap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.evm.event_rows import EventKind, EventRow
from keeper.adapters.evm.passing_liquidity import passing_volume0
from tests import event_rows
from tests.event_rows import swap


def moved(index: int, change: int, *, owner: str = "A", lower: int = -10, upper: int = 10) -> EventRow:
    return event_rows.moved(3, index, change, ticks=(lower, upper), owner=owner)


def traded(index: int, amount0: int, *, liquidity: int | None = 1_000, tick: int | None = 0) -> EventRow:
    return swap(3, index, amount0=amount0, amount1=-amount0, liquidity=liquidity, tick=tick)


@pytest.mark.parametrize(
    ("rows", "jit0"),
    [
        pytest.param([moved(0, 250), traded(1, 101), moved(2, -250)], 25, id="a quarter of the liquidity, rounded down"),
        pytest.param([moved(0, 250), traded(1, -101), moved(2, -250)], 25, id="either way"),
        pytest.param([moved(0, 250), traded(1, 101), moved(2, -100)], 10, id="no more than was burned"),
        pytest.param([moved(0, 100), traded(1, 101), moved(2, -250)], 10, id="no more than was minted"),
        pytest.param([moved(0, 5_000), traded(1, 101), moved(2, -5_000)], 101, id="no more than was active"),
        pytest.param([moved(0, 250), traded(1, 101, liquidity=0), moved(2, -250)], 0, id="nothing active"),
        pytest.param([moved(0, 250), traded(1, 101)], 0, id="never burned"),
        pytest.param([moved(0, 250), traded(1, 101, liquidity=None), moved(2, -250)], 0, id="liquidity not known"),
        pytest.param([moved(0, 250), traded(1, 101, tick=None), moved(2, -250)], 0, id="tick not known"),
        pytest.param([moved(0, 5), traded(1, -100, liquidity=10), moved(2, -5)], 50, id="half"),
        pytest.param([moved(0, 5), traded(1, 99, liquidity=10), moved(2, -4)], 39, id="the smaller"),
        pytest.param([moved(0, 250), traded(1, 101), moved(2, 0)], 0, id="only fees brought up to date"),
        pytest.param([traded(0, 101), moved(1, 250), moved(2, -250)], 0, id="too late"),
        pytest.param([moved(0, 250), moved(1, -250), traded(2, 101)], 0, id="too early"),
        pytest.param([moved(0, -250), traded(1, 101), moved(2, 250)], 0, id="went and came back"),
        pytest.param([moved(0, 250), traded(1, 101), moved(2, -250, owner="B")], 0, id="another owner"),
        pytest.param([moved(0, 250), traded(1, 101), moved(2, -250, upper=20)], 0, id="another range"),
        pytest.param([moved(0, 250), traded(1, 101, tick=-10), moved(2, -250)], 25, id="on the lower bound"),
        pytest.param([moved(0, 250), traded(1, 101, tick=10), moved(2, -250)], 0, id="on the upper bound"),
        pytest.param([moved(0, 250), traded(1, 101, tick=-11), moved(2, -250)], 0, id="below the range"),
        pytest.param(
            [moved(0, 250), traded(1, 101), traded(2, 7), moved(3, -250), traded(4, 10**6)], 25 + 1, id="two of three swaps"
        ),
        pytest.param(
            [moved(0, 250), moved(1, 300, owner="B"), traded(2, 101), moved(3, -300, owner="B"), moved(4, -250)],
            55,
            id="two providers together",
        ),
        pytest.param(
            [moved(0, 250), moved(1, 300, lower=5), traded(2, 101), moved(3, -300, lower=5), moved(4, -250)],
            25,
            id="one of two ranges",
        ),
        pytest.param(
            [moved(0, 100), moved(1, 150), traded(2, 101), moved(3, -50), traded(4, 101), moved(5, -200)],
            25 + 20,
            id="in parts",
        ),
    ],
)
def test_volume_of_liquidity_that_came_and_went_is_counted_swap_by_swap(rows: list[EventRow], jit0: int) -> None:
    assert passing_volume0(rows) == jit0


movements = st.tuples(st.just("moved"), st.integers(-300, 300), st.sampled_from("AB"), st.sampled_from([-10, 0]))
trades = st.tuples(st.just("traded"), st.integers(-(10**6), 10**6), st.integers(0, 500), st.integers(-20, 20))


def row_at(index: int, row: tuple[Any, ...]) -> EventRow:
    if row[0] == "moved":
        return moved(index, row[1], owner=row[2], lower=row[3])
    return traded(index, row[1], liquidity=row[2], tick=row[3])


@given(st.lists(movements | trades, max_size=25).map(lambda rows: list(starmap(row_at, enumerate(rows)))))
def test_what_came_and_went_never_serves_more_than_the_volume_and_is_as_defined(rows: list[EventRow]) -> None:
    expected = volume = 0
    for swapped in rows:
        if swapped.event is not EventKind.SWAP:
            continue
        volume += abs(swapped.amount0)
        moves = [row for row in rows if row.event is not EventKind.SWAP]
        inside = 0
        for owner, lower, upper in {(row.owner, row.tick_lower or 0, row.tick_upper or 0) for row in moves}:
            changes = [
                (row.log_index, row.liquidity_delta or 0)
                for row in moves
                if (row.owner, row.tick_lower, row.tick_upper) == (owner, lower, upper)
            ]
            minted = sum(change for index, change in changes if index < swapped.log_index and change > 0)
            burned = sum(-change for index, change in changes if index > swapped.log_index and change < 0)
            inside += min(minted, burned) if lower <= (swapped.tick or 0) < upper else 0
        active = swapped.liquidity or 0
        expected += abs(swapped.amount0) * min(inside, active) // active if active else 0
    assert passing_volume0(rows) == expected <= volume

"""Bars of stored swaps are those of the keeper's own, integer for integer, and are not there where swaps are not known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.adapters.amm.swap_history import prices_of
from keeper.adapters.evm.event_rows import EventKind, EventRow
from keeper.adapters.history.bars import WIDTHS_S, make_bars
from keeper.adapters.history.store import PoolWriter
from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S, PriceBar
from keeper.core.model.errors import ConfigError
from keeper.core.model.pool import BlockPrice
from keeper.core.signals.bars import close_hours, close_minutes, merged
from tests.event_rows import BEGIN_S, POOL, PRICE, burn, covered, mint, swap, time_of

few = settings(max_examples=10)
"""Every example writes files."""
AGES = 86_400 // 12


def bars(root: Path, width_s: int = MINUTE_S, **bounds: int | None) -> list[PriceBar]:
    with make_bars(root / "1" / POOL, width_s=width_s, **bounds) as table:
        found = list(table)
        assert table.rows == len(found)
        return found


def prices(rows: Sequence[EventRow]) -> tuple[BlockPrice, ...]:
    """As a running keeper takes them."""
    return prices_of(rows, {})


amounts = st.integers(-(2**96), 2**96)
swaps_at = st.tuples(st.integers(0, 700), st.integers(0, 5), st.integers(2**32, 2**160 - 1), amounts, amounts)


@few
@given(st.lists(swaps_at, min_size=1, max_size=60, unique_by=itemgetter(0, 1)), st.integers(1, 3))
def test_minutes_and_hours_are_those_of_the_keeper(drawn: list[tuple[int, int, int, int, int]], pieces: int) -> None:
    rows = sorted(
        (swap(block, index, price=price, amount0=amount0, amount1=amount1) for block, index, price, amount0, amount1 in drawn),
        key=lambda row: (row.block_number, row.log_index),
    )
    last = 720
    with TemporaryDirectory() as name:
        root = Path(name)
        edges = [0, *(last * piece // pieces for piece in range(1, pieces)), last + 1]
        with PoolWriter(root, chain_id=1, pool=POOL) as writer:
            for first, following in pairwise(edges):
                part = [row for row in rows if first <= row.block_number < following]
                writer.add_rows(part, covered(first, following - 1))
        minutes = close_minutes(prices(rows), before=None, since_s=None, now_s=time_of(last))
        assert bars(root) == list(minutes)
        assert bars(root, HOUR_S) == list(close_hours(minutes))
        fives = [list(group) for _, group in groupby(minutes, key=lambda bar: bar.start_s // 300)]
        assert bars(root, 300) == [merged(group, group[0].start_s, 300) for group in fives if len(group) == 5]


@pytest.mark.parametrize("price", [2**32, PRICE, 10**38 - 1, 10**38, 2**160 - 1])
def test_prices_of_every_length_are_compared_as_numbers(tmp_path: Path, price: int) -> None:
    rows = [swap(0, price=price), swap(6, price=price // 9), swap(7, price=price), swap(8, price=price // 2)]
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_rows(rows, covered(0, 30))
    bar = bars(tmp_path)[0]
    assert (bar.open_x96, bar.high_x96, bar.low_x96, bar.close_x96) == (price, price, price // 9, price // 2)


def test_a_push_within_a_block_shows_in_the_wicks_alone(tmp_path: Path) -> None:
    rows = [swap(1), swap(6, 0, price=2 * PRICE), swap(6, 1, price=PRICE // 2), swap(6, 2, price=PRICE + 1)]
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_rows(rows, covered(0, 30))
    bar = bars(tmp_path)[0]
    assert (bar.high_x96, bar.low_x96, bar.close_x96) == (PRICE + 1, PRICE, PRICE + 1)
    assert (bar.wick_high_x96, bar.wick_low_x96, bar.swaps) == (2 * PRICE, PRICE // 2, 3)


def test_there_is_no_bar_where_something_is_not_stored_and_a_flat_one_where_nothing_happened(tmp_path: Path) -> None:
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_rows([swap(0)], covered(0, 30))
        writer.add_rows([swap(62)], covered(61, 91))
    found = bars(tmp_path)
    # The gap is in block 31 to 60; the price of after it is known from the first swap on.
    assert [(bar.start_s - BEGIN_S) // 60 for bar in found] == [1, 2, 3, 4, 5, 13, 14, 15, 16, 17]
    assert all(bar.swaps == bar.volume0 == bar.jit0 == 0 for bar in found)
    assert all(bar.high_x96 == bar.low_x96 == bar.wick_high_x96 == bar.open_x96 for bar in found)


def test_a_month_ends_between_bars(tmp_path: Path) -> None:
    edge = 31 * AGES
    rows = [swap(edge - 40), swap(edge - 1, price=PRICE + 5), swap(edge, price=PRICE + 7)]
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_rows(rows, covered(edge - 50, edge + 50))
    assert bars(tmp_path) == list(close_minutes(prices(rows), before=None, since_s=None, now_s=time_of(edge + 50)))


def test_bars_since_a_time_are_the_last_of_all_bars(tmp_path: Path) -> None:
    rows = [swap(block, price=PRICE + 1_000 * block) for block in range(0, 3 * AGES, 97)]
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_rows(rows, covered(0, 3 * AGES))
    for width_s in WIDTHS_S:
        every = bars(tmp_path, width_s)
        since_s, until_s = BEGIN_S + DAY_S + 17, BEGIN_S + 2 * DAY_S + 60
        wanted = [bar for bar in every if bar.start_s >= since_s and bar.end_s <= until_s]
        assert bars(tmp_path, width_s, since_s=since_s, until_s=until_s) == wanted
        assert len(wanted) == until_s // width_s + -since_s // width_s


def test_fleeting_liquidity_is_summed_where_mints_and_burns_are_known(tmp_path: Path) -> None:
    def block(number: int, depth: int) -> list[EventRow]:
        return [mint(number, 0, depth), swap(number, 1, amount0=1001, liquidity=10**18), burn(number, 2, depth)]

    rows = [swap(0), *block(7, 3 * 10**17), *block(8, 10**18), *block(20, 10**17)]
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_rows([row for row in rows if row.event is EventKind.SWAP], covered(0, 60, [EventKind.SWAP]))
        writer.add_rows(
            [row for row in rows if row.event is not EventKind.SWAP], covered(0, 19, [EventKind.MINT, EventKind.BURN])
        )
    assert [bar.jit0 for bar in bars(tmp_path)[:4]] == [300 + 1001, 0, None, None]


def test_an_amount_past_128_bits_is_refused_and_never_rounded(tmp_path: Path) -> None:
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_rows([swap(0), swap(9, amount0=2**127)], covered(0, 30))
    with pytest.raises(ConfigError, match="does not fit 128 bits"):
        bars(tmp_path)


def test_a_sum_past_128_bits_is_refused_and_never_rounded(tmp_path: Path) -> None:
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_rows([swap(0), *(swap(9, index, amount0=2**126) for index in range(4))], covered(0, 30))
    with pytest.raises(ConfigError, match="does not fit 128 bits"):
        bars(tmp_path)


def test_the_tail_counts_only_when_it_is_asked_for(tmp_path: Path) -> None:
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_rows([swap(0)], covered(0, 10))
        writer.replace_tail([swap(12, price=PRICE + 9), swap(13, price=PRICE + 3)], covered(11, 20))
    assert len(bars(tmp_path)) == 1
    with make_bars(tmp_path / "1" / POOL, width_s=MINUTE_S, through_tail=True) as table:
        found = list(table)
    assert [bar.close_x96 - PRICE for bar in found] == [0, 3, 3]
    assert [replace(bar, jit0=0) for bar in found[:1]] == bars(tmp_path)


def test_columns_hold_the_same_as_the_bars(tmp_path: Path) -> None:
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_rows([swap(0), swap(9, amount0=2**90 + 1)], covered(0, 60, [EventKind.SWAP]))
    with make_bars(tmp_path / "1" / POOL, width_s=MINUTE_S) as table:
        exact, columns = list(table), table.columns()
    for name, values in columns.items():
        wanted = [getattr(bar, name) for bar in exact]
        assert values.tolist() == pytest.approx([math.nan if want is None else want for want in wanted], rel=0, nan_ok=True)


def test_what_is_not_there_or_not_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no history"):
        make_bars(tmp_path / "1" / POOL, width_s=60)
    with pytest.raises(ConfigError, match="bars of 61 s are not made"):
        make_bars(tmp_path / "1" / POOL, width_s=61)


def test_a_store_without_swaps_has_no_bar(tmp_path: Path) -> None:
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_rows([], covered(0, 100))
    assert bars(tmp_path) == []

"""Block rows into bars: nothing invented, nothing lost, and the same whoever makes them in whatever steps."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.model.bar import HOUR_S, MINUTE_S
from keeper.core.model.pool import BlockPrice
from keeper.core.signals.bars import close_hours, close_minutes, merged

BEGIN_S = 1_759_320_000 - 7
"""Not on a minute's border."""


@st.composite
def block_rows(draw, least=0):
    steps = draw(st.lists(st.sampled_from([0, 1, 12, 47, 60, 61, 400]), min_size=least, max_size=12))
    chance = random.Random(draw(st.integers(0, 2**32)))
    rows, at_s, block = [], BEGIN_S, 100
    for step_s in steps:
        at_s += step_s
        block += 1 + chance.randrange(3)
        price, volume0, volume1 = chance.randrange(2**90, 2**100), chance.randrange(2**60), chance.randrange(2**90)
        has_direction = chance.random() < 0.9
        rows.append(
            BlockPrice(
                block=block,
                timestamp_s=at_s,
                sqrt_price_x96=price,
                high_x96=price + chance.randrange(2**80),
                low_x96=price - chance.randrange(2**80),
                volume0=volume0,
                volume1=volume1,
                swaps=1 + chance.randrange(5),
                net0=chance.randrange(-volume0, volume0 + 1) if has_direction else None,
                net1=chance.randrange(-volume1, volume1 + 1) if has_direction else None,
                jit0=chance.randrange(volume0 + 1) if chance.random() < 0.9 else None,
            )
        )
    return tuple(rows)


def row(at_s, price=1_000, block=None, **fields):
    whole = BlockPrice(
        block=at_s if block is None else block,
        timestamp_s=at_s,
        sqrt_price_x96=price,
        high_x96=price,
        low_x96=price,
        volume0=10,
        volume1=20,
        swaps=1,
        net0=5,
        net1=-5,
        jit0=1,
    )
    return whole._replace(**fields)


def minutes(rows, now_s, *, before=None, since_s=None):
    return close_minutes(tuple(rows), before=before, since_s=since_s, now_s=now_s)


@settings(max_examples=40)
@given(block_rows(), st.integers(0, 900))
def test_minutes_follow_on_one_another_and_contain_their_prices(rows, wait_s):
    bars = minutes(rows, (rows[-1].timestamp_s if rows else BEGIN_S) + wait_s)
    for bar, later in itertools.pairwise(bars):
        assert later.start_s == bar.end_s
        assert later.open_x96 == bar.close_x96
    for bar in bars:
        assert bar.start_s % MINUTE_S == 0
        assert bar.width_s == MINUTE_S
        assert bar.wick_low_x96 <= bar.low_x96 <= min(bar.open_x96, bar.close_x96)
        assert max(bar.open_x96, bar.close_x96) <= bar.high_x96 <= bar.wick_high_x96
        if not bar.swaps:
            assert bar.open_x96 == bar.high_x96 == bar.low_x96 == bar.close_x96 == bar.wick_high_x96 == bar.wick_low_x96
            assert (bar.volume0, bar.volume1, bar.net0, bar.net1, bar.jit0) == (0, 0, 0, 0, 0)


@settings(max_examples=40)
@given(block_rows(), st.integers(0, 900))
def test_all_that_the_rows_hold_is_in_the_bars_once(rows, wait_s):
    now_s = (rows[-1].timestamp_s if rows else BEGIN_S) + wait_s
    bars = minutes(rows, now_s)
    inside = [one for one in rows if bars and bars[0].start_s <= one.timestamp_s < bars[-1].end_s]
    assert sum(bar.volume0 for bar in bars) == sum(one.volume0 for one in inside)
    assert sum(bar.volume1 for bar in bars) == sum(one.volume1 for one in inside)
    assert sum(bar.swaps for bar in bars) == sum(one.swaps for one in inside)
    for bar in bars:
        members = [one for one in rows if bar.start_s <= one.timestamp_s < bar.end_s]
        assert (bar.net0 is None) == any(one.net0 is None for one in members)
        assert (bar.jit0 is None) == any(one.jit0 is None for one in members)
        assert bar.net0 is None or bar.net0 == sum(one.net0 for one in members)
        assert {bar.high_x96, bar.low_x96} <= {bar.open_x96, *(one.sqrt_price_x96 for one in members)}
    assert not bars or bars[-1].end_s <= now_s < bars[-1].end_s + MINUTE_S


@settings(max_examples=40)
@given(block_rows(), st.lists(st.integers(0, 4_000), max_size=12))
def test_any_sequence_of_calls_gives_the_bars_of_one(rows, calls):
    end_s = (rows[-1].timestamp_s if rows else BEGIN_S) + 300
    found = []
    for now_s in (*sorted(BEGIN_S + at_s for at_s in calls if BEGIN_S + at_s < end_s), end_s):
        before = found[-1] if found else None
        new = [one for one in rows if one.timestamp_s <= now_s and (before is None or one.timestamp_s >= before.end_s)]
        found.extend(minutes(new, now_s, before=before))
    assert tuple(found) == minutes(rows, end_s)


@settings(max_examples=40)
@given(block_rows(least=1), block_rows(least=1), st.integers(60, 50_000), st.lists(st.integers(0, 60_000), max_size=8))
def test_after_a_gap_bars_begin_anew_and_nothing_is_invented(first, second, gap_s, calls):
    old = minutes(first, first[-1].timestamp_s + 120)
    since_s = first[-1].timestamp_s + 121 + gap_s
    shift_s, shift = since_s - second[0].timestamp_s, first[-1].block
    rows = [one._replace(timestamp_s=one.timestamp_s + shift_s, block=one.block + shift) for one in second]
    end_s = rows[-1].timestamp_s + 300
    fresh, before = [], old[-1] if old else None
    for now_s in (*sorted(since_s + at_s for at_s in calls if since_s + at_s < end_s), end_s):
        known = [one for one in rows if one.timestamp_s <= now_s]
        last = fresh[-1] if fresh else before
        fresh.extend(minutes([*first, *known], now_s, before=last, since_s=None if fresh else since_s))
    assert tuple(fresh) == minutes(rows, end_s)
    assert all(bar.start_s > since_s for bar in fresh)


def test_a_single_row_opens_the_minute_after_it_and_every_later_one_is_flat():
    bars = minutes([row(90, 1_000)], 300)
    assert [(bar.start_s, bar.open_x96, bar.close_x96, bar.swaps) for bar in bars] == [
        (120, 1_000, 1_000, 0), (180, 1_000, 1_000, 0), (240, 1_000, 1_000, 0),
    ]  # fmt: skip


def test_a_row_on_the_border_belongs_to_the_minute_that_it_begins():
    bars = minutes([row(59, 900), row(60, 1_000), row(119, 1_100), row(120, 1_200)], 180)
    assert [(bar.start_s, bar.open_x96, bar.close_x96, bar.swaps) for bar in bars] == [
        (60, 900, 1_100, 2),
        (120, 1_100, 1_200, 1),
    ]


def test_a_first_row_on_the_border_does_not_tell_the_opening_price_of_its_minute():
    assert [bar.start_s for bar in minutes([row(60)], 240)] == [120, 180]
    assert [bar.start_s for bar in minutes([row(59)], 240)] == [60, 120, 180]


def test_of_blocks_with_one_timestamp_the_last_one_closes():
    bars = minutes([row(30, 900), row(70, 1_500, block=71), row(70, 800, block=72), row(70, 1_000, block=73)], 120)
    assert [(bar.open_x96, bar.high_x96, bar.low_x96, bar.close_x96, bar.swaps) for bar in bars] == [
        (900, 1_500, 800, 1_000, 3)
    ]


def test_a_wick_inside_a_block_is_told_apart_from_where_blocks_ended():
    (bar,) = minutes([row(30, 1_000), row(70, 1_010, high_x96=5_000, low_x96=10)], 120)
    assert (bar.high_x96, bar.low_x96, bar.wick_high_x96, bar.wick_low_x96) == (1_010, 1_000, 5_000, 10)


def test_a_minute_is_closed_when_the_chain_is_at_its_end_and_not_before():
    assert not minutes([row(30)], 119)
    assert len(minutes([row(30)], 120)) == 1


def test_no_rows_after_a_known_bar_are_flat_bars_and_without_one_nothing():
    (last,) = minutes([row(30, 777)], 120)
    assert not minutes([], 10_000)
    assert [(bar.start_s, bar.close_x96) for bar in minutes([], 240, before=last)] == [(120, 777), (180, 777)]


def test_complete_from_before_the_end_of_the_known_bar_is_no_gap():
    (last,) = minutes([row(30, 777)], 120)
    assert minutes([row(150, 800)], 240, before=last, since_s=120) == minutes([row(150, 800)], 240, before=last)
    assert [bar.start_s for bar in minutes([row(150, 800)], 300, before=last, since_s=121)] == [180, 240]


@pytest.mark.parametrize("rows", [[row(60), row(60)], [row(60), row(72, block=59)], [row(60), row(48, block=61)]])
def test_a_block_that_comes_twice_or_late_is_refused(rows):
    with pytest.raises(ValueError, match="each block once"):
        minutes(rows, 600)


def hour_of_minutes(start_s=HOUR_S, count=60):
    rows = [row(start_s - 1, 1_000), *(row(start_s + 60 * n + 5, 1_000 + 7 * n - n * n // 9) for n in range(count))]
    return minutes(rows, start_s + 60 * count)


def test_an_hour_sums_and_spans_its_minutes():
    bars = hour_of_minutes()
    (hour,) = close_hours(bars)
    assert (hour.start_s, hour.width_s, hour.open_x96, hour.close_x96) == (HOUR_S, HOUR_S, bars[0].open_x96, bars[-1].close_x96)
    assert hour.high_x96 == max(bar.high_x96 for bar in bars) > hour.close_x96
    assert hour.low_x96 == min(bar.low_x96 for bar in bars)
    assert (hour.volume0, hour.volume1, hour.net0, hour.net1, hour.jit0, hour.swaps) == (600, 1_200, 300, -300, 60, 60)


def test_an_hour_that_lacks_a_minute_is_not_made():
    bars = hour_of_minutes(count=180)
    assert [hour.start_s // HOUR_S for hour in close_hours(bars)] == [1, 2, 3]
    assert [hour.start_s // HOUR_S for hour in close_hours((*bars[:70], *bars[71:]))] == [1, 3]
    assert [hour.start_s // HOUR_S for hour in close_hours(bars[1:-1])] == [2]


def test_one_minute_without_a_direction_leaves_the_sum_unknown():
    bars = hour_of_minutes()
    part = (*bars[:30], replace(bars[30], net0=None, net1=None, jit0=None), *bars[31:])
    (hour,) = close_hours(part)
    assert (hour.net0, hour.net1, hour.jit0) == (None, None, None)
    assert hour.volume0 == merged(bars, HOUR_S, HOUR_S).volume0

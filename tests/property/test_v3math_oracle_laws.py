"""Laws of a pool's observations: they say of any second of the past what a list of all seconds says."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.v3math.oracle import Oracle
from keeper.core.v3math.reverts import ObservationTooOldError
from keeper.core.v3math.units import MAX_TICK, MAX_UINT160, MIN_TICK

ticks = st.integers(MIN_TICK, MAX_TICK)
liquidities = st.integers(0, 100).flatmap(lambda bits: st.integers(0, 1 << bits))
spells = st.lists(st.tuples(st.integers(0, 40), ticks, liquidities, st.integers(0, 12)), min_size=1, max_size=25)
"""How long tick and liquidity held, and how many places are paid for then."""


@settings(max_examples=300, deadline=None)
@given(spells, st.sampled_from([0, 1_700_000_000, (1 << 32) - 200]))
def test_every_second_since_the_oldest_observation_is_answered_as_a_full_record_answers(
    lived: list[tuple[int, int, int, int]], start_s: int
) -> None:
    oracle, now_s = Oracle(start_s), start_s
    record: list[int] = []
    times = [start_s]
    for seconds, tick, liquidity, places in lived:
        now_s += seconds
        record += [tick] * seconds
        oracle.write(now_s, tick, liquidity)
        oracle.grow(places)
        times.append(now_s)
    sums = list(accumulate(record, initial=0))
    written = sum(each.initialized for each in oracle.snapshot().observations)
    oldest_s = sorted(set(times))[-written]
    for at_s in range(start_s, now_s + 1):
        try:
            found, _ = oracle.observe_single(now_s, now_s - at_s, tick=0, liquidity=1)
        except ObservationTooOldError:
            assert at_s < oldest_s
        else:
            assert at_s >= oldest_s
            assert found == sums[at_s - start_s]


@settings(max_examples=200, deadline=None)
@given(spells, st.integers(0, 30), ticks, liquidities)
def test_seconds_over_liquidity_only_grow_and_no_faster_than_seconds(
    lived: list[tuple[int, int, int, int]], later_s: int, tick: int, liquidity: int
) -> None:
    oracle, now_s = Oracle(0), 0
    oracle.grow(60)
    for seconds, held_tick, held_liquidity, _ in lived:
        now_s += seconds
        oracle.write(now_s, held_tick, held_liquidity)
    now_s += later_s
    _, sums = oracle.observe(now_s, range(now_s + 1), tick=tick, liquidity=liquidity)
    for newer, older in pairwise(sums):
        assert 0 <= (newer - older) & MAX_UINT160 <= 1 << 128


@settings(max_examples=200, deadline=None)
@given(spells)
def test_a_tick_that_holds_is_its_own_mean(lived: list[tuple[int, int, int, int]]) -> None:
    oracle, now_s = Oracle(0), 0
    for seconds, tick, liquidity, places in lived:
        before, _ = oracle.observe_single(now_s, 0, tick=tick, liquidity=liquidity)
        oracle.grow(places)
        now_s += seconds
        after, _ = oracle.observe_single(now_s, 0, tick=tick, liquidity=liquidity)
        assert after - before == tick * seconds
        oracle.write(now_s, tick, liquidity)

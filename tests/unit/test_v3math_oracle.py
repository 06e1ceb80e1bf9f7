"""Observations by hand: what is written when, what is answered between two of them, and what happens where a counter ends."""

from __future__ import annotations

import pytest

from keeper.core.v3math.oracle import Observation, Oracle, OracleSnapshot
from keeper.core.v3math.reverts import ObservationTooOldError
from keeper.core.v3math.units import MAX_UINT160, Q128

PAID_FOR = Observation(1, 0, 0, initialized=False)


def ring(oracle: Oracle) -> tuple[Observation, ...]:
    return oracle.snapshot().observations


def three_observations() -> Oracle:
    """At 5, 9 and 11 s, with tick and liquidity -5 and 5, then 1 and 4."""
    oracle = Oracle(5)
    oracle.grow(4)
    oracle.write(9, -5, 5)
    oracle.write(11, 1, 4)
    return oracle


def test_a_first_price_makes_one_observation_of_nothing() -> None:
    oracle = Oracle(7)
    assert ring(oracle) == (Observation(7, 0, 0, initialized=True),)
    assert (oracle.index, oracle.cardinality, oracle.cardinality_next) == (0, 1, 1)


def test_sums_grow_by_what_held_since_the_newest_observation() -> None:
    oracle = three_observations()
    assert ring(oracle) == (
        Observation(5, 0, 0, initialized=True),
        Observation(9, -20, 4 * Q128 // 5, initialized=True),
        Observation(11, -18, 4 * Q128 // 5 + 2 * Q128 // 4, initialized=True),
        PAID_FOR,
    )
    assert (oracle.index, oracle.cardinality, oracle.cardinality_next) == (2, 4, 4)


def test_three_seconds_at_liquidity_four_are_the_contracts_own_number() -> None:
    """As in v3-core's own tests of ``observe``."""
    oracle = Oracle(5)
    assert oracle.observe_single(8, 0, tick=2, liquidity=4) == (6, 255_211_775_190_703_847_597_530_955_573_826_158_592)


def test_a_second_observation_in_the_same_second_is_not_made() -> None:
    oracle = three_observations()
    before = oracle.snapshot()
    oracle.write(11, 1_000, 1)
    assert oracle.snapshot() == before


def test_a_ring_of_one_place_forgets_all_but_the_newest() -> None:
    oracle = Oracle(5)
    oracle.write(6, 2, 1)
    oracle.write(10, -1, 1)
    assert ring(oracle) == (Observation(10, -2, 5 * Q128, initialized=True),)
    with pytest.raises(ObservationTooOldError):
        oracle.observe_single(10, 1, tick=0, liquidity=1)


def test_places_paid_for_come_into_use_when_the_ring_has_come_round() -> None:
    oracle = Oracle(0)
    oracle.grow(2)
    assert oracle.cardinality == 1
    oracle.write(1, 0, 1)
    assert (oracle.index, oracle.cardinality) == (1, 2)
    oracle.write(2, 0, 1)
    oracle.grow(5)
    assert (oracle.index, oracle.cardinality) == (0, 2)
    oracle.write(3, 0, 1)
    assert (oracle.index, oracle.cardinality) == (1, 2)
    oracle.write(4, 0, 1)
    assert (oracle.index, oracle.cardinality) == (2, 5)
    assert ring(oracle)[3:] == (PAID_FOR, PAID_FOR)


def test_fewer_places_than_there_are_change_nothing() -> None:
    oracle = three_observations()
    before = oracle.snapshot()
    for places in (0, 3, 4):
        oracle.grow(places)
    assert oracle.snapshot() == before


@pytest.mark.parametrize("places", [-1, 65_536])
def test_more_places_than_the_contract_counts_are_refused(places: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        Oracle(0).grow(places)


@pytest.mark.parametrize(
    ("seconds_ago", "tick_sum", "seconds_sum"),
    [
        pytest.param(0, -18 + 7 * 3, 4 * Q128 // 5 + 2 * Q128 // 4 + 7 * Q128 // 2, id="now"),
        pytest.param(2, -18 + 5 * 3, 4 * Q128 // 5 + 2 * Q128 // 4 + 5 * Q128 // 2, id="after the newest"),
        pytest.param(7, -18, 4 * Q128 // 5 + 2 * Q128 // 4, id="on the newest"),
        pytest.param(8, -19, 4 * Q128 // 5 + 2 * Q128 // 4 // 2, id="between"),
        pytest.param(9, -20, 4 * Q128 // 5, id="on one"),
        pytest.param(12, -5, 4 * Q128 // 5 // 4, id="between the first two"),
        pytest.param(13, 0, 0, id="on the oldest"),
    ],
)
def test_answers_lie_on_the_line_between_observations(seconds_ago: int, tick_sum: int, seconds_sum: int) -> None:
    assert three_observations().observe_single(18, seconds_ago, tick=3, liquidity=2) == (tick_sum, seconds_sum)


def test_a_time_before_the_oldest_observation_is_refused_by_the_contracts_code() -> None:
    with pytest.raises(ObservationTooOldError) as refusal:
        three_observations().observe_single(18, 14, tick=3, liquidity=2)
    assert refusal.value.code == "OLD"


def test_several_answers_come_in_the_order_asked() -> None:
    ticks, seconds = three_observations().observe(18, [9, 0, 7], tick=3, liquidity=2)
    assert ticks == (-20, 3, -18)
    assert seconds[0] < seconds[2] < seconds[1]


def test_between_two_observations_the_ticks_of_a_second_are_rounded_to_zero() -> None:
    """A chain's own observations divide evenly; those brought in from outside may not."""
    oracle = three_observations()
    odd = list(ring(oracle))
    odd[2] = Observation(11, -25, 0, initialized=True)
    oracle = Oracle.restore(OracleSnapshot(index=2, cardinality=4, observations=tuple(odd)))
    assert oracle.observe_single(11, 1, tick=0, liquidity=1)[0] == -20 + -2


def test_liquidity_of_zero_counts_as_one() -> None:
    oracle = Oracle(0)
    assert oracle.observe_single(9, 0, tick=0, liquidity=0) == (0, 9 * Q128)


def test_time_wraps_after_32_bits() -> None:
    last_s = (1 << 32) - 1
    oracle = Oracle(last_s - 4)
    oracle.grow(3)
    oracle.write(last_s - 1, 10, 1)
    oracle.write(last_s + 4, -10, 1)
    assert [each.timestamp_s for each in ring(oracle)] == [last_s - 4, last_s - 1, 3]
    answers = [oracle.observe_single(last_s + 6, ago, tick=1, liquidity=1)[0] for ago in (0, 2, 3, 6, 7, 8, 10)]
    assert answers == [-18, -20, -10, 20, 30, 20, 0]
    with pytest.raises(ObservationTooOldError):
        oracle.observe_single(last_s + 6, 11, tick=1, liquidity=1)


def test_sums_wrap_at_their_widths() -> None:
    start = Observation(0, (1 << 55) - 1, MAX_UINT160, initialized=True)
    oracle = Oracle.restore(OracleSnapshot(index=0, cardinality=1, observations=(start,)))
    assert oracle.observe_single(1, 0, tick=1, liquidity=Q128 - 1) == (-(1 << 55), 0)


def test_a_restored_oracle_is_the_same_and_independent() -> None:
    oracle = three_observations()
    before = oracle.snapshot()
    twin = Oracle.restore(before)
    twin.write(12, 1, 1)
    assert oracle.snapshot() == before
    oracle.write(12, 1, 1)
    assert oracle.snapshot() == twin.snapshot()

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from keeper.core.model.bar import HOUR_S, MINUTE_S, Quote, Sample
from keeper.core.model.view import Quality
from keeper.core.signals import names
from tests.builders import pool_state
from tests.markets import LEVEL, hours_of, known, minutes_of, read_at, walk
from tests.pairs import NOW_S
from tests.policies import policy

RULES = policy()
MARKED = replace(RULES, outside=replace(RULES.outside, marks=("mark", "spare"), mark_max_age_s=120))
SHARES = (names.ACCUMULATION, names.TAKER_FLOW, names.ARBITRAGE_SHARE, names.JIT_SHARE)
YIELDS = (names.VOLUME_TO_TVL, names.FEE_YIELD, names.PRICE_TO_CASH_FLOW)
DAY = 24 * 60


def mark(value, as_of_s, *, seen_s=None, name="mark"):
    return Quote(name=name, value=value, as_of_s=as_of_s, source="x", seen_s=as_of_s if seen_s is None else seen_s)


def every_minute(price, *, late_s=0, name="mark", minutes=DAY):
    begin_s = NOW_S - minutes * MINUTE_S
    return tuple(mark(price, at_s + late_s, name=name) for at_s in range(begin_s, NOW_S, MINUTE_S))


def held(usdc, weth, at_s=NOW_S):
    return Sample(
        timestamp_s=at_s,
        block=1,
        fee_growth_global0_x128=0,
        fee_growth_global1_x128=0,
        balance0=usdc * 10**6,
        balance1=weth * 10**18,
    )


def read(minutes, *, rules=RULES, now_s=NOW_S, pool=None, **series):
    return read_at(rules, known(rules, minutes, **series), now_s, pool)


def test_accumulation_is_where_hours_closed_weighted_by_volume():
    hours = hours_of(RULES, walk(30, deviation=0.01))
    lens = [
        (math.log(bar.high_x96), math.log(bar.low_x96), math.log(bar.close_x96), bar.volume1 * (1 + n))
        for n, bar in enumerate(hours)
    ]
    hours = tuple(replace(bar, volume1=bar.volume1 * (1 + n)) for n, bar in enumerate(hours))
    # WETH is token1: its price is the inverse of the pool's, so that high and low change places
    flow = sum(-((c - low) - (high - c)) / (high - low) * volume for high, low, c, volume in lens[-24:])
    found = read((), hours=hours)[names.ACCUMULATION]
    assert found.value == pytest.approx(flow / sum(volume for *_, volume in lens[-24:]), rel=1e-9)
    assert found.quality is Quality.GOOD


def test_without_a_mark_taker_flow_is_all_that_takers_bought_and_says_so():
    found = read(minutes_of(RULES, [LEVEL] * (DAY + 1)))
    assert found[names.TAKER_FLOW].value == pytest.approx(0.1, rel=1e-9)
    assert found[names.TAKER_FLOW].note == "arbitrage is not taken out: no external mark"
    assert found[names.ARBITRAGE_SHARE].quality is Quality.MISSING


def test_takers_that_sell_count_below_zero():
    minutes = minutes_of(RULES, [LEVEL] * (DAY + 1))
    sold = [replace(bar, net0=-bar.net0, net1=-bar.net1) for bar in minutes]
    assert read(sold)[names.TAKER_FLOW].value == pytest.approx(-0.1, rel=1e-9)


def test_a_minute_that_closes_a_gap_to_the_mark_wider_than_the_fee_is_arbitrage():
    minutes = minutes_of(MARKED, [LEVEL] * (DAY + 1))
    dear = read(minutes, rules=MARKED, quotes=every_minute(4_000 * math.exp(0.0006)))
    assert dear[names.ARBITRAGE_SHARE].value == pytest.approx(0.1, rel=1e-9)
    assert dear[names.TAKER_FLOW].value == pytest.approx(0.0, abs=1e-12)
    assert {dear[name].quality for name in SHARES} == {Quality.GOOD}
    inside_the_fee = read(minutes, rules=MARKED, quotes=every_minute(4_000 * math.exp(0.0004)))
    assert inside_the_fee[names.ARBITRAGE_SHARE].value == 0
    assert inside_the_fee[names.TAKER_FLOW].value == pytest.approx(0.1, rel=1e-9)
    other_way = read(minutes, rules=MARKED, quotes=every_minute(4_000 * math.exp(-0.0006)))
    assert other_way[names.ARBITRAGE_SHARE].value == 0


def test_a_minute_is_judged_by_the_mark_that_was_in_force_when_it_began():
    minutes = minutes_of(MARKED, [LEVEL] * (DAY + 1))
    dear = 4_000 * math.exp(0.0006)
    mid_minute = read(minutes, rules=MARKED, quotes=every_minute(dear, late_s=30))
    assert mid_minute[names.ARBITRAGE_SHARE].value == pytest.approx(0.1, rel=1e-3)
    assert mid_minute[names.ARBITRAGE_SHARE].quality is Quality.GOOD
    ahead = tuple(mark(dear, at_s + 7_200, seen_s=at_s) for at_s in range(NOW_S - DAY * 60, NOW_S, MINUTE_S))
    assert read(minutes, rules=MARKED, quotes=ahead)[names.ARBITRAGE_SHARE].quality is Quality.MISSING


@pytest.mark.parametrize("value", [None, 0.0, -5.0])
def test_a_mark_that_is_not_to_be_believed_leaves_the_word_to_the_next(value):
    minutes = minutes_of(MARKED, [LEVEL] * (DAY + 1))
    quotes = sorted((*every_minute(value), *every_minute(4_000 * 1.01, name="spare")), key=lambda quote: quote.seen_s)
    assert read(minutes, rules=MARKED, quotes=tuple(quotes))[names.ARBITRAGE_SHARE].value == pytest.approx(0.1, rel=1e-3)


def test_an_old_mark_tells_nothing():
    minutes = minutes_of(MARKED, [LEVEL] * (DAY + 1))
    old = read(minutes, rules=MARKED, quotes=(mark(9_999.0, NOW_S - DAY * 60),))
    assert old[names.ARBITRAGE_SHARE].note == "0% of the volume could be judged"
    assert old[names.TAKER_FLOW].value == pytest.approx(0.1, rel=0.01)
    assert old[names.TAKER_FLOW].quality is Quality.SHORT


def test_just_in_time_is_the_part_of_the_volume_that_it_served():
    minutes = minutes_of(RULES, [LEVEL] * (DAY + 1))
    served = [replace(bar, jit0=bar.volume0 // 4 if n % 2 else 0) for n, bar in enumerate(minutes)]
    assert read(served)[names.JIT_SHARE].value == pytest.approx(0.125, rel=1e-9)
    unknown = [replace(bar, jit0=None) for bar in minutes]
    assert read(unknown)[names.JIT_SHARE].note == "mints and burns of these blocks are not known"
    half = [replace(bar, jit0=None if n < 800 else bar.volume0) for n, bar in enumerate(minutes)]
    assert read(half)[names.JIT_SHARE].value == pytest.approx(1.0)
    assert read(half)[names.JIT_SHARE].note == "known for 44% of the volume"


def test_hours_without_minutes_give_what_they_hold():
    hours = hours_of(RULES, [LEVEL] * 25)
    hours = tuple(replace(bar, jit0=bar.volume0 // 5) for bar in hours)
    found = read((), hours=hours, samples=(held(4_000_000, 1_000),))
    assert found[names.TAKER_FLOW].value == pytest.approx(0.1, rel=1e-9)
    assert found[names.JIT_SHARE].value == pytest.approx(0.2, rel=1e-9)
    assert found[names.VOLUME_TO_TVL].value == pytest.approx(24 * 40_000 / 8_000_000, rel=1e-6)


def test_a_record_without_directions_has_no_taker_flow():
    hours = hours_of(RULES, [LEVEL] * 25, net0=None, net1=None, jit0=None)
    found = read((), hours=hours)
    assert found[names.TAKER_FLOW].note == "the record has no direction of trades"
    assert found[names.ACCUMULATION].value == 0


def test_yields_by_hand():
    minutes = minutes_of(RULES, [LEVEL] * (DAY + 1))
    volume = DAY * 40_000  # ten WETH a minute
    found = read(minutes, samples=(held(20_000_000, 5_000),))
    assert found[names.VOLUME_TO_TVL].value == pytest.approx(volume / 40e6, rel=1e-6)
    assert found[names.FEE_YIELD].value == pytest.approx(volume * 0.0005 * 365 / 40e6, rel=1e-6)
    assert found[names.PRICE_TO_CASH_FLOW].value == pytest.approx(40e6 / (volume * 0.0005 * 365), rel=1e-6)
    assert {found[name].quality for name in YIELDS} == {Quality.GOOD}


def test_the_protocols_part_is_taken_off_the_yield_and_leaves_the_scored_ones_alone():
    minutes = minutes_of(RULES, [LEVEL] * (DAY + 1))
    all_of_it, rest = (
        read(minutes, samples=(held(20_000_000, 5_000),), pool=pool_state(fee_protocol=packed)) for packed in (0, 4 + (6 << 4))
    )
    assert rest[names.FEE_YIELD].value == pytest.approx(all_of_it[names.FEE_YIELD].value * (3 / 4 + 5 / 6) / 2, rel=1e-9)
    for name in (names.PRICE_TO_CASH_FLOW, names.VOLUME_TO_TVL):
        assert rest[name] == all_of_it[name]


def test_yields_without_or_with_an_old_sample():
    minutes = minutes_of(RULES, [LEVEL] * (DAY + 1))
    assert {read(minutes)[name].note for name in YIELDS} == {"no sample of the pool"}
    edge_s = RULES.signals.stale_after_s + RULES.outside.sample_every_s
    fresh, old = (read(minutes, samples=(held(1, 1, NOW_S - edge_s - more),)) for more in (0, 1))
    assert {fresh[name].quality for name in YIELDS} == {Quality.GOOD}
    assert {old[name].note for name in YIELDS} == {f"what the pool holds was sampled {edge_s + 1} s ago"}
    empty = read(minutes, samples=(held(0, 0),))
    assert {empty[name].quality for name in YIELDS} == {Quality.MISSING}


def test_a_day_without_a_trade_is_a_day_of_zeros_and_has_no_years_to_pay_back():
    minutes = minutes_of(MARKED, [LEVEL] * (DAY + 1), volume0=0, volume1=0, net0=0, net1=0, swaps=0)
    found = read(minutes, rules=MARKED, samples=(held(1, 1),), quotes=every_minute(4_000.0))
    assert {found[name].value for name in (names.ACCUMULATION, names.TAKER_FLOW, names.JIT_SHARE)} == {0.0}
    assert found[names.FEE_YIELD].value == found[names.VOLUME_TO_TVL].value == 0
    assert found[names.PRICE_TO_CASH_FLOW].note == "nothing was traded"
    assert found[names.ARBITRAGE_SHARE].quality is Quality.MISSING


def test_fewer_than_24_hours_in_a_row_are_short_and_old_ones_stale():
    short = read(minutes_of(RULES, [LEVEL] * (DAY - 59)))
    assert short[names.ACCUMULATION].note == "23 of 24 hours are known"
    late_s = HOUR_S + RULES.signals.stale_after_s + 1
    assert read(minutes_of(RULES, [LEVEL] * (DAY + 1)), now_s=NOW_S + late_s)[names.ACCUMULATION].quality is Quality.STALE
    early = minutes_of(RULES, [LEVEL] * (DAY + 1), end_s=NOW_S - 3 * HOUR_S)
    gap = read((*early, *minutes_of(RULES, [LEVEL] * 121)))
    assert gap[names.ACCUMULATION].note == "2 of 24 hours are known"
    assert {read(())[name].quality for name in (*SHARES, *YIELDS)} == {Quality.MISSING}


def test_one_swap_is_enough_to_read():
    minutes = [replace(bar, volume0=0, volume1=0, net0=0, net1=0) for bar in minutes_of(RULES, [LEVEL] * (DAY + 1))]
    minutes[77] = replace(minutes[77], volume0=4_000 * 10**6, volume1=10**18, net0=4_000 * 10**6, net1=-(10**18))
    found = read(minutes)
    assert found[names.TAKER_FLOW].value == pytest.approx(1.0)
    assert found[names.ACCUMULATION].value == 0

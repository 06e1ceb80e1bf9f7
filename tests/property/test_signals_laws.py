"""What holds of every reading, whatever the market: nothing ahead, nothing made up, nothing that hangs on how it is told."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S, MarketHistory, PoolSample, PriceBar, Quote, Sample
from keeper.core.model.policy import Policy, UniversePool
from keeper.core.model.pool import PoolKey
from keeper.core.model.token import Token
from keeper.core.model.view import Quality, SignalReading
from keeper.core.signals import names
from keeper.core.signals.bars import close_hours, close_minutes
from keeper.core.signals.candle import Candle, Lens
from keeper.core.signals.flow import Flow
from keeper.core.signals.instrument import Instrument
from keeper.core.signals.momentum import Momentum
from keeper.core.signals.order import known_at_s
from keeper.core.signals.state import SignalState, instruments
from keeper.core.signals.windows import Since
from keeper.core.v3math.tick_math import get_tick_at_sqrt_ratio
from tests.histories import prices
from tests.markets import INDEX, LEVEL, MARK, Market, cut, fed, known, market, readings, wide_policy
from tests.pairs import NOW_S, USDC, WETH

HOURS = 27
"""So many that windows of a day are full, and a midnight lies inside."""
SEEDS = st.integers(0, 10_000)
Made = Callable[[Market], SignalState]


def empty(one: Market) -> SignalState:
    return SignalState(one.rules, NOW_S)


def assert_no_look_ahead(one: Market, made: Made) -> None:
    """Readings hour by hour, as time went by, equal those of a state that never knew more than was known then."""
    growing, done_s, recorded = made(one), 0, {}
    for at_s in range(NOW_S - (HOURS - 1) * HOUR_S, NOW_S + 1, HOUR_S):
        growing.feed(cut(one.history, at_s, after_s=done_s))
        done_s, recorded[at_s] = at_s, readings(growing, at_s)
    for at_s in (*list(recorded)[1::7], NOW_S - HOUR_S):
        shortened = replace(one, history=cut(one.history, at_s))
        remade = made(shortened)
        remade.feed(shortened.history)
        assert readings(remade, at_s) == recorded[at_s]


@settings(max_examples=3)
@given(SEEDS)
def test_cutting_off_the_future_changes_no_past_reading(seed):
    assert_no_look_ahead(market(HOURS, seed=seed), empty)


class PeekingMomentum(Momentum):
    """Takes in the close of the hour after the one that is over, where there is one."""

    def __init__(self, one: Market) -> None:
        super().__init__(one.rules)
        lens = Lens(one.rules)
        self._coming = {bar.start_s: lens.candle(bar) for bar in one.history.hours}

    def hour(self, candle: Candle) -> None:
        super().hour(self._coming.get(candle.end_s, candle))


class PeekingFlow(Flow):
    """Judges a minute by the direction of the one after it."""

    def __init__(self, one: Market) -> None:
        super().__init__(one.rules)
        lens = Lens(one.rules)
        self._coming = {bar.start_s: lens.candle(bar) for bar in one.history.minutes}

    def minute(self, candle: Candle) -> None:
        super().minute(candle._replace(bought=self._coming.get(candle.end_s, candle).bought))


@pytest.mark.parametrize("peeking", [PeekingMomentum, PeekingFlow])
def test_a_planted_look_ahead_of_one_bar_is_caught(peeking):
    def made(one: Market) -> SignalState:
        def planted(rules: Policy, begin: Since) -> tuple[Instrument, ...]:
            honest = instruments(rules, begin)
            assert any(type(each) is peeking.__base__ for each in honest)
            return tuple(peeking(one) if type(each) is peeking.__base__ else each for each in honest)

        return SignalState(one.rules, NOW_S, planted)

    with pytest.raises(AssertionError):
        assert_no_look_ahead(market(HOURS, seed=1), made)


def test_what_comes_after_the_view_is_refused():
    from keeper.core.signals import read
    from tests.builders import history, policy, view
    from tests.pairs import BLOCK

    with pytest.raises(ValueError, match="history reaches"):
        read(view(), history(end_block=BLOCK + 10, now_s=NOW_S + 120), policy())


@settings(max_examples=8)
@given(SEEDS, st.lists(st.integers(0, HOURS * HOUR_S), max_size=40))
def test_any_chopping_of_the_history_reads_the_same_as_all_of_it(seed, ends):
    one = market(HOURS, seed=seed % 3)
    cold, warm, done_s = fed(one.rules, one.history), empty(one), 0
    for at_s in (*sorted(NOW_S - end_s for end_s in ends), NOW_S):
        warm.feed(cut(one.history, at_s, after_s=done_s))
        readings(warm, at_s, one.state)  # to read is not to change
        done_s = at_s
    assert warm.ref == cold.ref
    assert readings(warm, NOW_S, one.state) == readings(cold, NOW_S, one.state)


def flipped_x96(sqrt_price_x96: int) -> int:
    return 2**192 // sqrt_price_x96


def flipped_key(key: PoolKey) -> PoolKey:
    return replace(key, token0=key.token1, token1=key.token0)


def flipped_bar(bar: PriceBar) -> PriceBar:
    return replace(
        bar,
        open_x96=flipped_x96(bar.open_x96),
        high_x96=flipped_x96(bar.low_x96),
        low_x96=flipped_x96(bar.high_x96),
        close_x96=flipped_x96(bar.close_x96),
        wick_high_x96=flipped_x96(bar.wick_low_x96),
        wick_low_x96=flipped_x96(bar.wick_high_x96),
        volume0=bar.volume1,
        volume1=bar.volume0,
        net0=bar.net1,
        net1=bar.net0,
        jit0=None if bar.jit0 is None else bar.jit0 * bar.volume1 // max(bar.volume0, 1),
    )


def flipped_sample(sample: Sample) -> Sample:
    return replace(
        sample,
        fee_growth_global0_x128=sample.fee_growth_global1_x128,
        fee_growth_global1_x128=sample.fee_growth_global0_x128,
        balance0=sample.balance1,
        balance1=sample.balance0,
        pools=tuple(flipped_pool(pool) for pool in sample.pools),
    )


def flipped_pool(pool: PoolSample) -> PoolSample:
    return replace(
        pool,
        sqrt_price_x96=flipped_x96(pool.sqrt_price_x96),
        fee_growth_global0_x128=pool.fee_growth_global1_x128,
        fee_growth_global1_x128=pool.fee_growth_global0_x128,
    )


def flipped(one: Market) -> Market:
    """The same market in pools whose tokens stand the other way round."""
    rules, state = one.rules, one.state
    outside = replace(
        rules.outside,
        universe=tuple(UniversePool(key=flipped_key(pool.key), base=pool.base) for pool in rules.outside.universe),
    )
    key = flipped_key(state.key)
    root = flipped_x96(state.sqrt_price_x96)
    return Market(
        rules=replace(rules, pools=(key,), outside=outside),
        history=replace(
            one.history,
            minutes=tuple(flipped_bar(bar) for bar in one.history.minutes),
            hours=tuple(flipped_bar(bar) for bar in one.history.hours),
            samples=tuple(flipped_sample(sample) for sample in one.history.samples),
        ),
        state=replace(
            state,
            key=key,
            sqrt_price_x96=root,
            tick=get_tick_at_sqrt_ratio(root),
            fee_growth_global0_x128=state.fee_growth_global1_x128,
            fee_growth_global1_x128=state.fee_growth_global0_x128,
            fee_protocol=(state.fee_protocol >> 4) + (state.fee_protocol % 16 << 4),
        ),
    )


def read(one: Market) -> dict[str, SignalReading]:
    return readings(fed(one.rules, one.history), NOW_S, one.state)


OF_VOLUMES = {
    names.ACCUMULATION,
    names.TAKER_FLOW,
    names.ARBITRAGE_SHARE,
    names.JIT_SHARE,
    names.VOLUME_TO_TVL,
    names.FEE_YIELD,
    names.PRICE_TO_CASH_FLOW,
}


def assert_alike(found: dict[str, SignalReading], other: dict[str, SignalReading], *, of_volumes: float = 1e-9) -> None:
    """The same to nine digits; what is made of volumes to ``of_volumes``."""
    assert found.keys() == other.keys()
    for name, one in found.items():
        two, near = other[name], of_volumes if name in OF_VOLUMES else 1e-9
        assert (one.quality, one.note, one.as_of_s) == (two.quality, two.note, two.as_of_s), name
        assert two.value == (None if one.value is None else pytest.approx(one.value, rel=near, abs=near)), name
        assert two.z == (None if one.z is None else pytest.approx(one.z, rel=1e3 * near, abs=1e3 * near)), name


@settings(max_examples=4)
@given(SEEDS)
def test_the_order_of_the_tokens_changes_no_human_reading(seed):
    one = market(HOURS, seed=seed)
    assert_alike(read(one), read(flipped(one)))


def priced(level: float, base_decimals: int, quote_decimals: int, *, seed: int) -> Market:
    """The market of a seed at another price, its tokens with other decimals."""
    base = Token(address=WETH.address, symbol="WETH", decimals=base_decimals)
    quote = Token(address=USDC.address, symbol="USDC", decimals=quote_decimals)
    key = PoolKey(address="0xpool", token0=quote, token1=base, fee_pips=500, tick_spacing=10)
    return market(HOURS, seed=seed, rules=wide_policy(key), level=level)


@pytest.mark.parametrize(
    ("price", "base_decimals", "quote_decimals"), [(1e-12, 18, 18), (1e-12, 6, 18), (1.0, 8, 6), (1e12, 18, 6), (1e12, 6, 18)]
)
def test_the_price_level_and_the_decimals_change_no_reading(price, base_decimals, quote_decimals):
    usual = read(priced(LEVEL, 18, 6, seed=3))
    other = read(priced(math.log(price), base_decimals, quote_decimals, seed=3))
    # volumes are whole raw units: a minute's is of seven digits where the price is at its lowest
    assert_alike(usual, other, of_volumes=1e-6)


def assert_honest(found: dict[str, SignalReading]) -> None:
    for one in found.values():
        assert (one.value is None) == (one.quality is Quality.MISSING)
        assert one.value is None or math.isfinite(one.value)
        assert one.z is None or (math.isfinite(one.z) and abs(one.z) <= 3)
        assert one.note or one.quality is Quality.GOOD
        assert not (one.note and one.quality is Quality.GOOD and not one.name.startswith(names.CALENDAR))


@st.composite
def scraps(draw) -> tuple[Market, int]:
    """Whatever is left of a market: any pieces of it, and any words from outside, of any time."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    one = market(HOURS, seed=draw(st.integers(0, 3)))
    part = draw(st.sampled_from([0.0, 0.003, 0.1, 0.5, 0.97, 1.0]))

    def some(series):
        share = chance.choice([part, part, 0.0, 1.0])
        return tuple(piece for piece in series if chance.random() < share)

    def quote(at_s: int) -> Quote:
        value = chance.choice([None, 0.0, -1.0, 1e-300, 1e300, 4_000.0])
        skew_s = chance.choice([-(10**9), -DAY_S, -30, 0, 30, DAY_S, 10**9])
        return Quote(
            name=chance.choice([MARK, INDEX, "unheard of"]),
            value=value,
            as_of_s=at_s + skew_s,
            source="x",
            fault="f",
            seen_s=at_s,
        )

    times = sorted(NOW_S - chance.randrange(HOURS * HOUR_S) for _ in range(chance.randrange(60)))
    whole = one.history
    history = MarketHistory(
        pool=whole.pool,
        minutes=some(whole.minutes),
        hours=some(whole.hours),
        samples=some(whole.samples),
        quotes=tuple(quote(at_s) for at_s in times),
    )
    late_s = draw(st.sampled_from([0, 59, 3_700, 11 * HOUR_S]))
    return replace(one, history=history), late_s


@settings(max_examples=40)
@given(scraps(), st.booleans())
def test_any_scrap_of_history_gives_readings_and_never_an_error(scrap, with_state):
    one, late_s = scrap
    assert_honest(readings(fed(one.rules, one.history), NOW_S + late_s, one.state if with_state else None))


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(-300, 300)), min_size=1, max_size=30), SEEDS)
def test_any_rows_make_bars_that_can_be_read(moments, seed):
    from tests.builders import block_price

    chance = random.Random(seed)
    rows = tuple(
        block_price(1 + n, 193_380 + tick, timestamp_s=NOW_S - 3_000 + at_s, volume0=chance.choice([0, 1, 10**30]))
        for n, (at_s, tick) in enumerate(sorted(moments))
    )
    rules = wide_policy()
    minutes = close_minutes(rows, before=None, since_s=None, now_s=NOW_S)
    assert_honest(readings(fed(rules, known(rules, minutes))))


def without(one: Market, share: float, seed: int) -> Market:
    """The market with so many of its minutes lost, and with them the hours that they were of."""
    chance = random.Random(seed)
    minutes = tuple(bar for bar in one.history.minutes if chance.random() >= share)
    return replace(one, history=replace(one.history, minutes=minutes, hours=close_hours(minutes)))


@settings(max_examples=6)
@given(SEEDS)
def test_a_tenth_of_the_minutes_lost_leaves_volatility_near_and_the_rest_short_or_missing(seed):
    whole, lost = market(HOURS, seed=seed), without(market(HOURS, seed=seed), 0.1, seed)
    full, found = read(whole), read(lost)
    assert_honest(found)
    # returns over five minutes are known for .9^6 of the minutes: about half as many, each as good as before
    for name in (names.VOLATILITY_EWMA, names.VOLATILITY_1D, names.VOLATILITY_FORECAST):
        assert found[name].value == pytest.approx(full[name].value, rel=0.25)
    assert found[names.VOLATILITY_EWMA].quality is Quality.GOOD
    assert found[names.VOLATILITY_1D].quality is Quality.SHORT
    # no hour is whole
    for name in (names.RSI, names.MACD, names.VOLATILITY_GK, names.ACCUMULATION):
        assert found[name].quality in {Quality.MISSING, Quality.SHORT}
    # what is not made of bars stays as it was
    for name in (names.QUICK_RATIO, names.VOLATILITY_OUTSIDE):
        assert found[name].value == full[name].value


@settings(max_examples=6)
@given(SEEDS)
def test_a_tenth_of_the_block_rows_lost_moves_volatility_little(seed):
    rows = prices(26.0, every_blocks=2, seed=seed % 4)
    chance = random.Random(seed)
    rules = wide_policy()

    def volatility(some) -> float:
        minutes = close_minutes(some, before=None, since_s=None, now_s=NOW_S)
        value = readings(fed(rules, known(rules, minutes)))[names.VOLATILITY_EWMA].value
        assert value is not None
        return value

    assert volatility([row for row in rows if chance.random() >= 0.1]) == pytest.approx(volatility(rows), rel=0.05)


@pytest.mark.parametrize("series", ["minutes", "hours"])
def test_a_bar_that_comes_twice_is_refused(series):
    history = market(3, seed=1).history
    bars = getattr(history, series)
    with pytest.raises(ValueError, match="the newest is of"):
        fed(wide_policy(), replace(history, **{series: (*bars[:2], *bars[1:])}))


@pytest.mark.parametrize("series", ["minutes", "hours", "samples", "quotes"])
def test_what_is_out_of_order_or_older_than_the_window_is_refused(series):
    one = market(3, seed=1)
    with pytest.raises(ValueError, match="the newest is of"):
        fed(one.rules, MarketHistory(pool=one.history.pool, **{series: getattr(one.history, series)[::-1]}))
    state = SignalState(one.rules, NOW_S + 400 * DAY_S)
    with pytest.raises(ValueError, match="the window from"):
        state.feed(MarketHistory(pool=one.history.pool, **{series: getattr(one.history, series)}))


def test_a_clock_that_is_off_neither_raises_nor_is_believed():
    one = market(HOURS, seed=2)
    for skew_s in (-(10**9), -DAY_S, DAY_S, 10**9):
        quotes = tuple(replace(quote, as_of_s=quote.as_of_s + skew_s) for quote in one.history.quotes)
        found = read(replace(one, history=replace(one.history, quotes=quotes)))
        assert_honest(found)
        assert {found[name].quality for name in (names.MARK_DEVIATION, names.VOLATILITY_OUTSIDE)} == {Quality.STALE}
        assert found[names.ARBITRAGE_SHARE].quality is Quality.MISSING


def test_every_piece_is_known_before_it_is_read():
    one = market(3, seed=1)
    pieces = [*one.history.minutes, *one.history.hours, *one.history.samples, *one.history.quotes]
    assert max(known_at_s(piece) for piece in pieces) == NOW_S == fed(one.rules, one.history).known_until_s
    assert NOW_S % MINUTE_S == 0


def test_the_flipped_market_is_another_one():
    one = market(3, seed=1)
    other = flipped(one)
    assert one.rules.pool(one.rules.signal_pool).token0 == USDC
    assert other.rules.pool(other.rules.signal_pool).token0 == WETH
    assert one.state.tick * other.state.tick < 0

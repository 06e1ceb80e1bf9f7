"""What one can do to the readings with money and a block, and how far it reaches; by the policy that ships.

p is the logarithm of the push, m the number of minutes whose last block stands pushed, h the largest honest return over five
minutes. The bounds hold for the six hours after, read every five minutes. dS is the move of the score.

| attack                                         | what moves, and how far at most                 | dS    | regime    |
|------------------------------------------------|-------------------------------------------------|-------|-----------|
| A: a wick of 10 % inside a block, every minute | nothing                                         | 0     | as it was |
| B: one such push there and back, with volume   | volume, yield, flow, fees; no volatility        | 0.272 | as it was |
| C: a block ends 10 % off, back in the minute   | range estimators, accumulation; no forecast     | 0     | as it was |
| D: a block ends 10 % off at a minute's end     | variance of a day + 0.56 m c, m = 1             | 1.177 | as it was |
| E: ten blocks end 5 % off                      | the same, m = 2; inside an hour GARCH not       | 1.177 | as it was |
| F: D or E at an hour's end                     | GARCH, RSI, MACD too; the forecast as D         | 1.177 | as it was |
| G: wash trading, volume and fees x 100, 1 hour | as B; implied variance + 99 of that hour's part | 0.272 | as it was |

c is the lesser of (p + h)^2 and 100 times the usual variance of five minutes: a return counts as ten deviations of the last 30
days at most. 0.272 is the bound of one capped weight, 0.15 of all; 1.177 that of the forecast's half and the capped weight. The
score alone moves the regime by a notch at most. D and E are the dearest: they take capital that moves the pool, the fee both
ways, and to be first in the next block.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import pytest

from keeper.app.settings import load, to_policy
from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S, MarketHistory, PriceBar, Sample
from keeper.core.model.ladder import Regime
from keeper.core.model.policy import Policy
from keeper.core.model.view import SignalReading
from keeper.core.quant.fusion import influence_bound, squashed
from keeper.core.signals import names
from keeper.core.signals.bars import close_hours
from keeper.core.signals.order import Tally
from keeper.core.signals.realised import MOST_DEVIATIONS
from keeper.core.signals.risk import MOVABLE_CAP, RISKS
from keeper.core.signals.state import SignalState
from keeper.core.strategy.regime import next_regime, weather
from tests.builders import memory
from tests.markets import LEVEL, MINUTE_DEVIATION, YEAR_S, cut, fed, fee_growth, hours_of, known, minute, readings
from tests.pairs import NOW_S

BEGIN_S = NOW_S - HOUR_S
"""From when the attacks fall, a whole hour."""
END_S = NOW_S + 6 * HOUR_S
IMPORTED_DAYS, MINUTE_DAYS = 150, 30
SPOT_AT = range(BEGIN_S + 300, END_S + 1, 300)
Bars = list[PriceBar]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Forty days and more of an honest market, taken in until the attack; and the honest hours after."""

    rules: Policy
    before: SignalState
    after: MarketHistory
    newest_sample: Sample
    """Before the attack."""
    calm: dict[int, dict[str, SignalReading]]


@pytest.fixture(scope="module")
def scene() -> Scene:
    rules = to_policy(load(environ={}).settings)
    whole = honest(rules)
    before = fed(rules, cut(whole, BEGIN_S))
    after = cut(whole, END_S, after_s=BEGIN_S)
    newest = [one for one in whole.samples if one.timestamp_s <= BEGIN_S][-1]
    return Scene(rules=rules, before=before, after=after, newest_sample=newest, calm=followed(rules, before, after))


def honest(rules: Policy) -> MarketHistory:
    """60 % a year, now a little more and now a little less; the pool pays about for it."""
    chance = random.Random(11)
    midnight_s = NOW_S // DAY_S * DAY_S
    begin_s = midnight_s - MINUTE_DAYS * DAY_S
    log, level, earlier = LEVEL, 0.0, [LEVEL]
    for _ in range((IMPORTED_DAYS - MINUTE_DAYS) * 24):
        level = 0.98 * level + 0.06 * chance.gauss(0, 1)
        log += MINUTE_DEVIATION * math.sqrt(60) * math.exp(level) * chance.gauss(0, 1)
        earlier.append(log)
    bars: Bars = []
    for start_s in range(begin_s, END_S, MINUTE_S):
        if start_s % HOUR_S == 0:
            level = 0.98 * level + 0.06 * chance.gauss(0, 1)
        after = log + MINUTE_DEVIATION * math.exp(level) * chance.gauss(0, 1)
        size = 0.2 + chance.random()
        bar = minute(rules, start_s, [log, after])
        bars.append(
            replace(
                bar, volume0=int(bar.volume0 * size), volume1=int(bar.volume1 * size), net0=bar.net0 // 3, net1=bar.net1 // 3
            )
        )
        log = after
    imported = hours_of(rules, earlier, end_s=begin_s)
    return known(rules, bars, hours=(*imported, *close_hours(bars)), samples=samples(rules, bars, chance))


def samples(rules: Policy, bars: Bars, chance: random.Random) -> tuple[Sample, ...]:
    key, growth, found = rules.pool(rules.signal_pool), [1 << 200, 1 << 210], []
    for bar in bars:
        if bar.end_s % HOUR_S:
            continue
        grown = fee_growth(key, rules.base, LEVEL, 0.65 * math.exp(chance.gauss(0, 0.2)), HOUR_S)
        growth = [one + more for one, more in zip(growth, grown, strict=True)]
        found.append(
            Sample(
                timestamp_s=bar.end_s,
                block=bar.end_s // 12,
                fee_growth_global0_x128=growth[0],
                fee_growth_global1_x128=growth[1],
                balance0=20_000_000 * 10**6,
                balance1=5_000 * 10**18,
            )
        )
    return tuple(found)


def copied(state: SignalState, rules: Policy) -> SignalState:
    """A state of its own that goes on from here; a running digest cannot be copied, and begins anew."""
    return copy.deepcopy(state, {id(state._tally): Tally(rules.signal_pool), id(state.policy): state.policy})


def followed(rules: Policy, before: SignalState, after: MarketHistory) -> dict[int, dict[str, SignalReading]]:
    """Every reading, every five minutes from the attack on."""
    state, found, done_s = copied(before, rules), {}, BEGIN_S
    for at_s in SPOT_AT:
        state.feed(cut(after, at_s, after_s=done_s))
        found[at_s], done_s = readings(state, at_s), at_s
    return found


def attacked(
    scene: Scene, change: Callable[[Bars], Iterable[PriceBar]], *, growth: float = 1.0
) -> dict[int, dict[str, SignalReading]]:
    """The readings of the same hours with other minutes, and fees of the first hour times ``growth``."""
    minutes = tuple(change(list(scene.after.minutes)))
    taken = scene.after.samples
    if growth != 1:
        first, last = scene.newest_sample, taken[0]
        more = [
            int((getattr(last, name) - getattr(first, name)) * (growth - 1))
            for name in ("fee_growth_global0_x128", "fee_growth_global1_x128")
        ]
        taken = tuple(
            replace(
                one,
                fee_growth_global0_x128=one.fee_growth_global0_x128 + more[0],
                fee_growth_global1_x128=one.fee_growth_global1_x128 + more[1],
            )
            for one in taken
        )
    after = replace(scene.after, minutes=minutes, hours=close_hours(minutes), samples=taken)
    return followed(scene.rules, scene.before, after)


def pushed(bars: Bars, at: int, count: int, by: float) -> Bars:
    """Minutes of which ``count`` closes from the given one on stand higher by a factor."""
    root = math.sqrt(by)
    found = list(bars)
    for n in range(at, at + count):
        close = int(bars[n].close_x96 * root)
        found[n] = with_close(found[n], close)
        found[n + 1] = with_open(found[n + 1], close)
    return found


def with_close(bar: PriceBar, close: int) -> PriceBar:
    return spanned(replace(bar, close_x96=close), close)


def with_open(bar: PriceBar, opened: int) -> PriceBar:
    return spanned(replace(bar, open_x96=opened), opened)


def spanned(bar: PriceBar, price: int) -> PriceBar:
    return replace(
        bar,
        high_x96=max(bar.high_x96, price),
        low_x96=min(bar.low_x96, price),
        wick_high_x96=max(bar.wick_high_x96, price),
        wick_low_x96=min(bar.wick_low_x96, price),
    )


def moved(scene: Scene, found: dict[int, dict[str, SignalReading]]) -> set[str]:
    """Names of the readings of which anything at all differs at any time, the score and its parts included."""
    return {name for at_s, calm in scene.calm.items() for name in calm if calm[name] != found[at_s][name]}


def largest_step(scene: Scene, found: dict[int, dict[str, SignalReading]], name: str) -> float:
    """How far a reading is from the honest one at most."""
    return max(abs(found[at_s][name].value - calm[name].value) for at_s, calm in scene.calm.items())


def regimes(scene: Scene, found: dict[int, dict[str, SignalReading]]) -> list[Regime]:
    """The regime as it goes, begun as a normal one; the score adds a notch at most, and takes none away."""
    remembered, went = memory(lower_regime_since_s=None), []
    rules = scene.rules
    for at_s, now in found.items():
        seen = weather(tuple(now.values()), rules)
        state = next_regime(remembered, seen, rules.regimes, rules.stress, at_s)
        without = next_regime(remembered, seen._replace(score=0.0), rules.regimes, rules.stress, at_s)
        assert 0 <= state.regime.severity - without.regime.severity <= 1
        remembered = replace(
            remembered, regime=state.regime, regime_since_s=state.since_s, lower_regime_since_s=state.lower_since_s
        )
        went.append(state.regime)
    return went


VOLATILITIES = {
    names.VOLATILITY_EWMA, names.VOLATILITY_HAR, names.VOLATILITY_GARCH, names.VOLATILITY_FORECAST, names.VOLATILITY_TSRV,
    names.VOLATILITY_1D, names.VOLATILITY_7D, names.VOLATILITY_30D, names.JUMP_SHARE,
}  # fmt: skip
RANGES = {names.VOLATILITY_PARKINSON, names.VOLATILITY_GK, names.VOLATILITY_RS, names.VOLATILITY_YZ}
OF_VOLUME = {names.VOLUME_TO_TVL, names.FEE_YIELD, names.PRICE_TO_CASH_FLOW, names.ACCUMULATION, names.TAKER_FLOW}
OF_FEES = {
    names.VOLATILITY_POOL_IMPLIED, names.VOLATILITY_POOL_IMPLIED_7D, names.VOLATILITY_POOL_IMPLIED_30D,
    names.IMPLIED_OVER_REALISED, names.STRESS_SCORE,
}  # fmt: skip
ONE_MOVABLE = influence_bound(MOVABLE_CAP, 1.0)
WITH_FORECAST = influence_bound(0.5 + MOVABLE_CAP, 1.0)
PUSH, PUSH_OF_TEN = 1.10, 1.05


def test_the_honest_hours_are_calm_and_everything_that_has_weight_is_there(scene):
    assert set(regimes(scene, scene.calm)) == {Regime.NORMAL}
    now = scene.calm[NOW_S]
    assert now[names.STRESS_AVAILABLE].value == 1
    assert {now[name].value is None for name in VOLATILITIES} == {False}
    weights = {one.name: one.weight for one in scene.rules.stress.weights if one.weight}
    assert weights == {names.VOLATILITY_FORECAST: 0.5, names.CALENDAR: 0.35, names.IMPLIED_OVER_REALISED: 0.15}
    assert [name for name in weights if name in RISKS and RISKS[name].movable] == [names.IMPLIED_OVER_REALISED]


def wicked(bar: PriceBar) -> PriceBar:
    root = math.sqrt(PUSH)
    return replace(bar, wick_high_x96=int(bar.wick_high_x96 * root), wick_low_x96=int(bar.wick_low_x96 / root))


def test_a_sandwich_wick_on_every_bar_moves_nothing(scene):
    assert not moved(scene, attacked(scene, lambda bars: map(wicked, bars)))


def test_a_push_inside_a_block_moves_what_counts_volume_and_no_volatility(scene):
    def there_and_back(bars: Bars) -> Bars:
        bar = wicked(bars[30])
        return [*bars[:30], replace(bar, volume0=bar.volume0 * 50, volume1=bar.volume1 * 50, swaps=bar.swaps + 2), *bars[31:]]

    found = attacked(scene, there_and_back, growth=1.8)
    assert moved(scene, found) <= OF_VOLUME | OF_FEES
    assert names.VOLUME_TO_TVL in moved(scene, found)
    assert largest_step(scene, found, names.STRESS_SCORE) <= ONE_MOVABLE
    assert regimes(scene, found) == regimes(scene, scene.calm)


def test_a_block_that_ends_pushed_and_is_back_within_the_minute_moves_ranges_alone(scene):
    def spiked(bars: Bars) -> Bars:
        return [*bars[:30], spanned(bars[30], int(bars[30].close_x96 * math.sqrt(PUSH))), *bars[31:]]

    found = attacked(scene, spiked)
    assert moved(scene, found) == RANGES | {names.ACCUMULATION}
    assert largest_step(scene, found, names.ACCUMULATION) <= 2 / 24 * 2  # one hour's volume may change its sign
    assert regimes(scene, found) == regimes(scene, scene.calm)


def most_added(scene: Scene, push: float, count: int) -> float:
    """Variance of a day that so many pushed closes add at most, to the average and to the last day alike."""
    path = [2 * math.log(bar.close_x96) for bar in (*scene.after.minutes,)]
    honest_most = max(abs(late - early) for early, late in zip(path, path[5:], strict=False))
    # each pushed close ends one return over five minutes and begins another, of an average that forgets half in twelve hours
    share = max(DAY_S / 300 * math.log(2) * MINUTE_S / scene.rules.signals.ewma_half_life_s, 1 / 5)
    usual = scene.calm[NOW_S][names.VOLATILITY_30D].value ** 2 / YEAR_S * 300
    return 2 * share * count * min((push + honest_most) ** 2, MOST_DEVIATIONS**2 * usual) * 1.05


@pytest.mark.parametrize(
    ("by", "count", "last"), [(PUSH, 1, 30), (1 / PUSH, 1, 30), (PUSH_OF_TEN, 2, 30), (PUSH, 1, 59), (PUSH_OF_TEN, 2, 59)]
)
def test_a_price_that_stands_at_the_end_of_minutes_adds_no_more_than_ten_deviations_each(scene, by, count, last):
    found = attacked(scene, lambda bars: pushed(bars, last - count + 1, count, by))
    more = most_added(scene, abs(math.log(by)), count)
    for at_s, calm in scene.calm.items():

        def a_day(name, of):
            return of[name].value ** 2 / 365

        now = found[at_s]
        for name in (names.VOLATILITY_EWMA, names.VOLATILITY_1D, names.VOLATILITY_HAR):
            assert a_day(name, now) <= a_day(name, calm) + more
        models = [a_day(name, calm) for name in (names.VOLATILITY_EWMA, names.VOLATILITY_HAR, names.VOLATILITY_GARCH)]
        assert a_day(names.VOLATILITY_FORECAST, now) <= max(models) + more
    assert largest_step(scene, found, names.STRESS_SCORE) <= WITH_FORECAST
    assert largest_step(scene, found, names.RSI) <= 50
    assert largest_step(scene, found, names.ACCUMULATION) <= 4 / 24 * 2
    inside_an_hour = {names.VOLATILITY_GARCH, names.RSI, names.VOLUME_TO_TVL, names.TAKER_FLOW, *OF_FEES} - {
        names.IMPLIED_OVER_REALISED,
        names.STRESS_SCORE,
    }
    assert last == 59 or not inside_an_hour & moved(scene, found)
    assert regimes(scene, found) == regimes(scene, scene.calm)


def test_an_hour_of_wash_trading_moves_no_volatility_and_the_score_by_one_capped_weight(scene):
    def washed(bars: Bars) -> list[PriceBar]:
        return [
            replace(bar, volume0=bar.volume0 * 100, volume1=bar.volume1 * 100, swaps=bar.swaps * 100) if n < 60 else bar
            for n, bar in enumerate(bars)
        ]

    found = attacked(scene, washed, growth=100.0)
    assert moved(scene, found) <= OF_VOLUME | OF_FEES
    assert largest_step(scene, found, names.STRESS_SCORE) <= ONE_MOVABLE
    assert largest_step(scene, found, names.TAKER_FLOW) <= 1
    assert largest_step(scene, found, names.ACCUMULATION) <= 2
    for name, hours in ((names.VOLATILITY_POOL_IMPLIED, 24), (names.VOLATILITY_POOL_IMPLIED_7D, 168)):
        before, after = scene.calm[END_S][name].value ** 2, found[END_S][name].value ** 2
        # the pool pays for 0.65 times a noise of e^(0.2 z): that hour for no more than 0.65 e^(0.2 * 3)
        assert before < after <= before + 99 * (0.65 * math.exp(0.6)) ** 2 / hours
    for at_s, calm in scene.calm.items():
        assert found[at_s][names.VOLUME_TO_TVL].value <= 100 * calm[names.VOLUME_TO_TVL].value
    # to pay more than usual is no stress
    assert all(found[at_s][names.STRESS_SCORE].value <= calm[names.STRESS_SCORE].value for at_s, calm in scene.calm.items())
    assert regimes(scene, found) == regimes(scene, scene.calm)


def test_the_bounds_of_the_table():
    assert pytest.approx(0.272, abs=5e-4) == ONE_MOVABLE
    assert pytest.approx(1.177, abs=5e-4) == WITH_FORECAST
    assert squashed(3.0) == pytest.approx(0.905, abs=5e-4)

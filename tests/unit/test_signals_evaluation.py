"""Forecasts and indicators held against what came: what is better must be found to be so, and luck must not."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.model.bar import DAY_S, HOUR_S, PriceBar
from keeper.core.quant.har import LEAST_DAYS
from keeper.core.quant.scores import qlike
from keeper.core.signals import names
from keeper.core.signals.candle import Candle
from keeper.core.signals.evaluation import LEAST_FITTED, LEAST_SCORED, ablations, contest
from keeper.core.signals.hours import HourSums
from keeper.core.signals.order import Kind
from keeper.core.signals.walk import BENCHMARK, Day, _Models, walk
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from tests.builders import TICK, USDC, USDC_WETH_500, WETH, policy

MIDNIGHT_S = 19_000 * DAY_S
PLANTED = "planted"


def variances(days: int, seed: int = 1) -> list[float]:
    """Daily variances that follow their own last day, week and month, with a wide scatter."""
    chance = random.Random(seed)
    found = [1e-3] * 30
    for _ in range(days):
        mean = 1e-4 + 0.45 * found[-1] + 0.30 * math.fsum(found[-7:]) / 7 + 0.15 * math.fsum(found[-30:]) / 30
        found.append(mean * math.exp(chance.gauss(-0.18, 0.6)))
    return found[30:]


def modelled(daily: Sequence[float]) -> list[Day]:
    """Days with every model's forecast, without hours: GARCH is never fitted."""
    models = _Models(43_200)
    found = []
    for at, variance in enumerate(daily):
        end_s = MIDNIGHT_S + (at + 1) * DAY_S
        models.hour(apart(end_s), HourSums(start_s=end_s - HOUR_S, sampled_s=DAY_S, variance=variance), 0.0)
        models.day(end_s, variance)
        expected = {horizon: models.expected(horizon) for horizon in (1, 7)}
        found.append(Day(start_s=end_s - DAY_S, variance=variance, expected=expected, stress={}))
    return found


def apart(end_s: int) -> Candle:
    """An hour that follows on none."""
    return Candle(
        start_s=end_s - HOUR_S,
        end_s=end_s,
        open=0.0,
        high=0.0,
        low=0.0,
        close=0.0,
        volume=0.0,
        volume_quote=0.0,
        bought=None,
        jit_share=None,
        swaps=0,
    )


@pytest.fixture(scope="module")
def days() -> list[Day]:
    return modelled(variances(900))


def with_signal(days: Sequence[Day], values: Sequence[float]) -> list[Day]:
    return [replace(day, stress={PLANTED: value}) for day, value in zip(days, values, strict=True)]


def test_where_variance_is_a_heterogeneous_autoregression_that_model_wins(days):
    found = contest(days, 1)
    scores = {score.model: score for score in found.scores}
    assert scores["har"].difference.upper < 0
    assert scores["har_all_days"].difference.upper < 0
    assert scores["har"].qlike < scores[BENCHMARK].qlike
    assert abs(scores["har_all_days"].bias) < 0.15


def test_the_benchmark_differs_from_itself_by_nothing(days):
    benchmark = next(score for score in contest(days, 7).scores if score.model == BENCHMARK)
    assert (benchmark.difference.mean, benchmark.difference.lower, benchmark.difference.upper) == (0.0, 0.0, 0.0)


def test_losses_are_those_of_the_coming_days(days):
    found = contest(days, 7)
    har = next(score for score in found.scores if score.model == "har")
    fitted = [at for at, day in enumerate(days[:-7]) if "har" in day.expected[7]]
    by_hand = [qlike(math.fsum(day.variance for day in days[at + 1 : at + 8]), days[at].expected[7]["har"]) for at in fitted]
    assert found.days == len(by_hand)
    assert har.qlike == pytest.approx(math.fsum(by_hand) / len(by_hand), rel=1e-12)
    assert found.first_s == days[fitted[0]].start_s + DAY_S
    assert found.last_s == days[-1].start_s + DAY_S - 1


def test_too_few_days_are_no_contest(days):
    assert contest(days[: LEAST_DAYS + LEAST_SCORED - 1], 1) is None
    assert contest(days[: LEAST_DAYS + LEAST_SCORED], 1) is not None


def test_a_model_that_spoke_seldom_is_judged_on_its_own_days(days):
    silent = [
        replace(day, expected={1: {name: v for name, v in day.expected[1].items() if name != "ewma_3d" or at >= 800}})
        for at, day in enumerate(days)
    ]
    score = next(score for score in contest(silent, 1).scores if score.model == "ewma_3d")
    assert score.days == 99
    assert score.benchmark_qlike != next(one for one in contest(silent, 1).scores if one.model == BENCHMARK).qlike


@pytest.mark.parametrize("horizon", [1, 7])
def test_an_indicator_of_white_noise_is_not_kept(days, horizon):
    chance = random.Random(5)
    kept = [one.keep for _ in range(6) for one in ablations(with_signal(days, [chance.gauss(0, 1) for _ in days]), horizon)]
    assert kept == [False] * 6


def test_an_indicator_that_knows_tomorrow_is_kept(days):
    tomorrow = [math.log(day.variance) for day in days[1:]] + [0.0]
    (found,) = ablations(with_signal(days, tomorrow), 1)
    assert found.keep
    assert found.without + found.difference.mean < found.without / 2


def test_an_indicator_that_knows_yesterday_is_worth_nothing_like_one_that_knows_tomorrow(days):
    yesterday = [0.0] + [math.log(day.variance) for day in days[:-1]]
    (found,) = ablations(with_signal(days, yesterday), 1)
    assert abs(found.difference.mean) < found.without / 20


def test_an_indicator_that_never_moves_is_left_out(days):
    assert ablations(with_signal(days, [0.0] * len(days)), 1) == ()


def test_a_scheduled_event_within_the_horizon_is_an_indicator(days):
    stormy = [replace(day, variance=day.variance * (6 if at % 9 == 0 else 1)) for at, day in enumerate(days)]
    events = [day.start_s + HOUR_S for at, day in enumerate(stormy) if at % 9 == 0]
    (found,) = ablations(stormy, 1, events)
    assert found.signal == names.CALENDAR
    assert found.keep
    misplaced = [at_s - 4 * DAY_S for at_s in events]
    assert ablations(stormy, 1, misplaced)[0].difference.mean > found.difference.mean


def test_no_forecast_spans_a_gap(days):
    torn = [*days[:500], *days[510:]]
    whole, parts = contest(days, 7), contest(torn, 7)
    assert parts.days == whole.days - 10 - 7
    # the month before a forecast must be whole, and its days ahead
    lost = ablations(with_signal(days, [float(at % 3) for at in range(len(days))]), 1)[0].days
    left = ablations(with_signal(torn, [float(at % 3) for at in range(len(torn))]), 1)[0].days
    assert lost == len(days) - 29 - LEAST_FITTED - 1
    assert left == lost - 10 - 29 - 1


def test_a_day_that_stood_still_costs_no_forecast_its_mind(days):
    still = [replace(day, variance=0.0) if at == 600 else day for at, day in enumerate(days)]
    (found,) = ablations(with_signal(still, [float(at % 3) for at in range(len(still))]), 1)
    assert found.without < 1


@settings(max_examples=5, deadline=None)
@given(scale=st.sampled_from([1e-6, 1e-2, 1.0]))
def test_the_unit_of_variance_does_not_matter(days, scale):
    scaled = [
        replace(
            day,
            variance=day.variance * scale,
            expected={h: {name: v * scale for name, v in of.items()} for h, of in day.expected.items()},
        )
        for day in days[:400]
    ]
    here, there = contest(days[:400], 1), contest(scaled, 1)
    for one, other in zip(here.scores, there.scores, strict=True):
        assert one.qlike == pytest.approx(other.qlike, rel=1e-9)


def hours(count: int, seed: int = 2, *, tick: int = TICK, side: int = 1) -> list[PriceBar]:
    chance = random.Random(seed)
    ticks = [0]
    for _ in range(count):
        ticks.append(ticks[-1] + round(chance.gauss(0, 60)))
    return [hour(at, tick + side * before, tick + side * after) for at, (before, after) in enumerate(pairwise(ticks))]


def hour(at: int, opened: int, closed: int) -> PriceBar:
    ends = sorted((get_sqrt_ratio_at_tick(opened), get_sqrt_ratio_at_tick(closed)))
    return PriceBar(
        start_s=MIDNIGHT_S + at * HOUR_S,
        width_s=HOUR_S,
        open_x96=get_sqrt_ratio_at_tick(opened),
        high_x96=ends[1],
        low_x96=ends[0],
        close_x96=get_sqrt_ratio_at_tick(closed),
        wick_high_x96=ends[1],
        wick_low_x96=ends[0],
        volume0=40_000 * 10**6,
        volume1=10 * 10**18,
        net0=1_000 * 10**6,
        net1=-(10**17),
        jit0=0,
        swaps=40,
    )


def walked(bars: Sequence[PriceBar]) -> list[Day]:
    return list(walk(((Kind.HOUR, bar) for bar in bars), policy(), (1, 7)))


def leaky(bars: Sequence[PriceBar]) -> list[Day]:
    """A walk whose every bar closes where the next one does: one bar of look-ahead."""
    return walked(list(_peeking(bars)))


def _peeking(bars: Sequence[PriceBar]) -> Iterator[PriceBar]:
    for at, bar in enumerate(bars):
        ahead = bars[min(at + 1, len(bars) - 1)].close_x96
        yield replace(bar, close_x96=ahead, high_x96=max(bar.high_x96, ahead), low_x96=min(bar.low_x96, ahead))


@pytest.mark.parametrize(("walker", "looks_ahead"), [(walked, False), (leaky, True)])
def test_the_future_changes_no_past_day_and_a_planted_look_ahead_is_caught(walker, looks_ahead):
    bars = hours(40 * 24)
    whole, cut = walker(bars), walker(bars[: 36 * 24])
    assert len(cut) == 36
    assert (whole[:36] != cut) is looks_ahead


def test_a_day_knows_every_model_once_there_is_enough_past():
    found = walked(hours(100 * 24))
    assert found[0].variance == pytest.approx(24 * (60 * 1e-4) ** 2, rel=0.6)
    assert "har" not in found[88].expected[1]
    assert {"har", "har_all_days", "median_configured", "median_14d"} <= found[90].expected[1].keys()
    for model, expected in found[95].expected[1].items():
        assert expected == pytest.approx(24 * (60 * 1e-4) ** 2, rel=0.7), model
    assert names.RSI in found[95].stress


def test_an_hour_more_or_less_is_no_gap_and_a_day_is():
    bars = hours(3 * 24)
    assert walked([bar for at, bar in enumerate(bars) if at != 30])[1].variance is not None
    assert walked([bar for at, bar in enumerate(bars) if at not in {30, 31, 32, 33}])[1].variance is None


def test_in_either_token_order_the_days_are_the_same():
    turned = replace(USDC_WETH_500, token0=WETH, token1=USDC)
    other = policy(pools=(turned,), signal_pool=turned.address)
    here = walked(hours(35 * 24))
    there = list(walk(((Kind.HOUR, bar) for bar in hours(35 * 24, tick=-TICK, side=-1)), other, (1, 7)))
    for one, two in zip(here, there, strict=True):
        assert one.variance == pytest.approx(two.variance, rel=1e-9)

"""``keeper signals evaluate``: what the forecasts and the indicators were worth, out of sample, told as found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from keeper.adapters.store.reader import open_reader
from keeper.app.cli import words
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.market import Market, own_market, series_market, tape_market
from keeper.app.cli.output import table
from keeper.app.cli.progress import followed
from keeper.app.cli.session import Session
from keeper.app.settings import Settings, to_policy
from keeper.core.model.bar import DAY_S, MarketHistory
from keeper.core.model.errors import ConfigError
from keeper.core.model.policy import Policy
from keeper.core.quant.har import LEAST_DAYS
from keeper.core.quant.scores import Interval
from keeper.core.signals import names
from keeper.core.signals.evaluation import BLOCK_DAYS, LEAST_FITTED, LEAST_SCORED, Ablation, Contest, ablations, contest
from keeper.core.signals.walk import BENCHMARK, Day, walk
from keeper.core.signals.windows import Since

MOST_HORIZONS = 4
HOURS_A_DAY = 24
MOST_DAYS_AHEAD = 30
_OF_VOLUME = (names.ACCUMULATION, names.TAKER_FLOW, names.ARBITRAGE_SHARE, names.JIT_SHARE, names.VOLUME_TO_TVL)
_VOLUME_FELT_DAYS = 31
"""A signal of volume is held against the 30 days before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was found."""

    market: Market
    days: int
    contests: tuple[Contest, ...]
    ablations: tuple[Ablation, ...]


def run(session: Session, *, tape: Path | None, series: str | None, horizon_days: str) -> ExitCode:
    """Walk the data and show both tables."""
    horizons = _horizons(horizon_days)
    settings = session.load().settings
    policy = to_policy(settings)
    with ExitStack() as stack:
        market = _market(settings, policy, tape, series, stack)
        found = evaluate(session, market, horizons)
    session.out.show(document(found, policy), *render(found, policy))
    return ExitCode.OK


def _market(settings: Settings, policy: Policy, tape: Path | None, series: str | None, stack: ExitStack) -> Market:
    if tape is not None:
        return tape_market(tape, policy, series)
    if series is not None:
        return series_market(settings, policy, series)
    own = own_market(settings, policy, _journaled(settings, policy), stack)
    if own is None:
        raise ConfigError([_NOTHING.format(folder=settings.data.dir)])
    return own


def _journaled(settings: Settings, policy: Policy) -> MarketHistory | None:
    """Everything that the journal holds of the market; None without one."""
    if not settings.journal_path.is_file():
        return None
    ever = Since(turn_s=0, minutes_s=0, hours_s=0, samples_s=0, quotes_s=0)
    with open_reader(settings.journal_path) as reader:
        return reader.market_history(policy.signal_pool, ever, up_to_s=_END_OF_TIME_S)


_END_OF_TIME_S = 1 << 40
_NOTHING = "{folder} holds no history of the signal pool: keeper data download --days 400, or --tape FILE with bars of others"


def _horizons(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(re.fullmatch(r"\s*\d{1,3}\s*", part) for part in parts) or len(parts) > MOST_HORIZONS:
        raise ConfigError([f"--horizon-days: {text} is no list of at most {MOST_HORIZONS} whole numbers such as 1,7"])
    found = tuple(sorted({int(part) for part in parts}))
    if found[0] < 1 or found[-1] > MOST_DAYS_AHEAD:
        raise ConfigError([f"--horizon-days: {text} must lie between 1 and {MOST_DAYS_AHEAD}"])
    return found


def evaluate(session: Session, market: Market, horizons: tuple[int, ...]) -> Evaluation:
    """Both tables.

    Raises:
        ConfigError: too few days follow on one another.
    """
    walked = followed(session, "walking", walk(market.pieces, market.policy, horizons), market.hours // HOURS_A_DAY)
    days = [_without_unknown_volume(day, market) for day in walked]
    contests = [found for horizon in horizons if (found := contest(days, horizon)) is not None]
    if not contests:
        whole = sum(day.variance is not None for day in days)
        wanted = LEAST_DAYS + LEAST_SCORED + horizons[0] - 1
        raise ConfigError(
            [f"{market.described}: {whole} whole days, {wanted} in a row are wanted: keeper data download --days 400"]
        )
    tested = [one for horizon in horizons for one in ablations(days, horizon, market.events_s)]
    return Evaluation(market=market, days=len(days), contests=tuple(contests), ablations=tuple(tested))


def _without_unknown_volume(day: Day, market: Market) -> Day:
    number = day.start_s // DAY_S
    if market.no_volume_days.isdisjoint(range(number - _VOLUME_FELT_DAYS, number + 1)):
        return day
    return replace(day, stress={name: z for name, z in day.stress.items() if name not in _OF_VOLUME})


def document(found: Evaluation, policy: Policy) -> dict[str, Any]:
    """What a program reads; losses are mean QLIKE, differences below 0 are better, intervals of 95 %."""
    return {
        "data": found.market.described,
        "days": found.days,
        "benchmark": BENCHMARK,
        "ewma_half_life_s": policy.signals.ewma_half_life_s,
        "block_days": BLOCK_DAYS,
        "forecasts": [
            {
                "horizon_days": one.horizon_days,
                "days": one.days,
                "first_s": one.first_s,
                "last_s": one.last_s,
                "models": [
                    {
                        "model": score.model,
                        "days": score.days,
                        "qlike": score.qlike,
                        "benchmark_qlike": score.benchmark_qlike,
                        "bias": score.bias,
                        "difference": _bounds(score.difference),
                    }
                    for score in one.scores
                ],
            }
            for one in found.contests
        ],
        "ablations": [
            {
                "signal": one.signal,
                "horizon_days": one.horizon_days,
                "days": one.days,
                "qlike_without": one.without,
                "difference": _bounds(one.difference),
                "weight": policy.stress.weight(one.signal),
                "keep": one.keep,
            }
            for one in found.ablations
        ],
    }


def _bounds(interval: Interval) -> dict[str, float]:
    return {"mean": interval.mean, "lower": interval.lower, "upper": interval.upper}


def render(found: Evaluation, policy: Policy) -> Iterator[RenderableType]:
    """What a person reads."""
    yield Text(found.market.described, style="bold")
    for one in found.contests:
        yield _contest_table(one, policy)
    yield Text(_MEASURED.format(block=BLOCK_DAYS))
    if found.ablations:
        yield _ablation_table(found.ablations, policy)
        yield Text(_ABLATED.format(fitted=LEAST_FITTED, count=len(found.ablations), luck=0.025 * len(found.ablations)))
    else:
        yield Text(f"no indicator is known on enough days: {LEAST_FITTED + LEAST_SCORED} are wanted")


_MEASURED = (
    "Every forecast is of the coming days' realised variance and made at midnight from what was known before. HAR is"
    " fitted anew every midnight and GARCH every week, to 180 days, as the keeper does; over several days HAR is iterated,"
    " the averages stand still. QLIKE: 0 is perfect. Difference to plain EWMA on the same days, with its 95 % interval"
    " (circular block bootstrap, {block}-day blocks): better only when all of it lies below 0."
)
_ABLATED = (
    "Each indicator's z-score of the day (calendar: whether an event lies within the horizon) joins a regression of log"
    " variance on its last day, week and month, fitted anew every day to all days so far, at least {fitted}. Keep only if"
    " the interval lies below 0. Of {count} such tests {luck:.1f} would pass by luck alone."
)


def _contest_table(one: Contest, policy: Policy) -> RenderableType:
    rows = [
        (
            _model_words(score.model, policy),
            f"{score.days:,}",
            f"{score.qlike:.4f}",
            f"{score.benchmark_qlike:.4f}",
            words.percent(score.bias, signed=True),
            "benchmark" if score.model == BENCHMARK else _signed(score.difference.mean),
            "" if score.model == BENCHMARK else f"{_signed(score.difference.lower)} to {_signed(score.difference.upper)}",
            _verdict(score.difference) if score.model != BENCHMARK else "",
        )
        for score in one.scores
    ]
    title = (
        f"Forecasts of {_days(one.horizon_days)}, out of sample: {one.days:,} days,"
        f" {words.utc(one.first_s)[:10]} to {words.utc(one.last_s)[:10]}"
    )
    columns = ("model", "days", "QLIKE", "EWMA's", "bias", "difference", "95 % interval", "")
    return table(title, columns, rows, right=columns[1:6])


def _model_words(model: str, policy: Policy) -> str:
    half_life = words.duration(policy.signals.ewma_half_life_s)
    return {
        "ewma_14d": "EWMA, half life 14 d",
        "ewma_configured": f"EWMA, half life {half_life} (configured)",
        "ewma_3d": "EWMA, half life 3 d",
        "ewma_1d": "EWMA, half life 1 d",
        "har": "HAR, 180 days",
        "har_all_days": "HAR, all days so far",
        "garch_t": "GARCH(1,1)-t",
        "median_configured": "median of configured EWMA, HAR, GARCH-t (the keeper's)",
        "median_14d": "median of EWMA 14 d, HAR, GARCH-t",
    }[model]


def _ablation_table(tested: Sequence[Ablation], policy: Policy) -> RenderableType:
    rows = [
        (
            one.signal.replace("_", " "),
            _days(one.horizon_days),
            f"{one.days:,}",
            f"{one.without:.4f}",
            _signed(one.difference.mean),
            f"{_signed(one.difference.lower)} to {_signed(one.difference.upper)}",
            words.number(policy.stress.weight(one.signal)),
            "keep" if one.keep else "adds nothing shown" if one.difference.lower <= 0 else "does harm",
        )
        for one in tested
    ]
    columns = ("indicator", "ahead", "days", "QLIKE without", "difference with", "95 % interval", "weight now", "")
    return table("Indicators, one at a time", columns, rows, right=columns[2:5] + columns[6:7])


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _verdict(difference: Interval) -> str:
    if difference.upper < 0:
        return "better"
    return "worse" if difference.lower > 0 else "not told apart"

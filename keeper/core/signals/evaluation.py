"""Whether a model forecasts better than a plain average, and whether a signal tells more than volatility's own past does.

All of it out of sample: a forecast of a day is made, and what makes it is fitted, from what was known before that day.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from keeper.core.model.bar import DAY_S
from keeper.core.quant.har import MONTH_DAYS, WEEK_DAYS
from keeper.core.quant.scores import Interval, mean_interval, qlike
from keeper.core.signals import names
from keeper.core.signals.walk import BENCHMARK, MODELS, Day

LEAST_SCORED = 60
"""Forecast days that are needed before a mean of losses says anything."""
LEAST_FITTED = 180
"""Days that the regressions of an ablation are fitted to before their first forecast counts."""
LEAST_UNUSUAL = 30
"""Days on which a signal must differ from its most frequent value: of one that never moves nothing can be learnt."""
BLOCK_DAYS = 30
"""Days that the bootstrap keeps together: a month, over which losses are felt."""
_SEED = 1
_FLOOR_PART = 0.01
"""Of the median day so far: a quieter day, in a market that was closed or not recorded, counts as this much."""
_LEAST_FLOOR = 1e-12
_MOST_LOG = 50.0

_Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScore:
    """How one model did, on the days on which it said anything."""

    model: str
    days: int
    qlike: float
    """Mean loss; 0 is perfect."""
    benchmark_qlike: float
    """Mean loss of the benchmark on the same days."""
    bias: float
    """Sum of forecasts over sum of what came, less 1: above 0 it expected too much."""
    difference: Interval
    """Of its loss less the benchmark's, with the 95 % interval: below 0 it is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Each model against the benchmark."""

    horizon_days: int
    days: int
    first_s: int
    """First second that is forecast."""
    last_s: int
    """Last."""
    scores: tuple[ModelScore, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """What one signal adds to the past of volatility."""

    signal: str
    horizon_days: int
    days: int
    without: float
    """Mean loss of the regression on volatility alone."""
    difference: Interval
    """Of the loss with the signal less the one without, with the 95 % interval: below 0 it helps."""

    @property
    def keep(self) -> bool:
        """Whether it helped by more than luck: the whole interval lies below 0."""
        return self.difference.upper < 0


def contest(days: Sequence[Day], horizon_days: int) -> Contest | None:
    """Every model against :data:`~keeper.core.signals.walk.BENCHMARK`, from the first day on which HAR could be fitted.

    None with fewer than :data:`LEAST_SCORED` days; a model that spoke on fewer is left out.
    """
    came, floors = _came(days, horizon_days), _floors(days)
    fitted = [at for at, day in enumerate(days) if came[at] is not None and "har" in day.expected[horizon_days]]
    if len(fitted) < LEAST_SCORED:
        return None
    rows = [
        _Row(
            truth=max(truth, floors[at] * horizon_days),
            floor=floors[at] * horizon_days,
            expected=days[at].expected[horizon_days],
        )
        for at in fitted
        if (truth := came[at]) is not None
    ]
    scores = (_score(model, rows) for model in MODELS)
    return Contest(
        horizon_days=horizon_days,
        days=len(fitted),
        first_s=days[fitted[0]].start_s + DAY_S,
        last_s=days[fitted[-1]].start_s + (1 + horizon_days) * DAY_S - 1,
        scores=tuple(score for score in scores if score is not None),
    )


def ablations(days: Sequence[Day], horizon_days: int, events_s: Sequence[int] = ()) -> tuple[Ablation, ...]:
    """What each signal adds, one after the other, each on all the days on which it is known.

    The z-score at the end of a day, or whether an event is scheduled within the horizon, joins a regression of the logarithm of
    the coming variance on those of the last day, week and month; both are fitted anew every day to all that have passed.

    Args:
        days: as walked, oldest first.
        horizon_days: how far ahead.
        events_s: times of scheduled events, Unix seconds, known in advance.
    """
    signals = {name: [day.stress.get(name) for day in days] for name in sorted({name for day in days for name in day.stress})}
    if events_s:
        signals[names.CALENDAR] = [_scheduled(day, horizon_days, events_s) for day in days]
    found = (_ablation(name, values, days, horizon_days) for name, values in signals.items())
    return tuple(one for one in found if one is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    truth: float
    floor: float
    expected: Mapping[str, float]

    def loss(self, model: str) -> float:
        return qlike(self.truth, max(self.expected[model], self.floor))


def _score(model: str, rows: Sequence[_Row]) -> ModelScore | None:
    spoken = [row for row in rows if model in row.expected]
    if len(spoken) < LEAST_SCORED:
        return None
    losses = [row.loss(model) for row in spoken]
    benchmark = [row.loss(BENCHMARK) for row in spoken]
    return ModelScore(
        model=model,
        days=len(spoken),
        qlike=math.fsum(losses) / len(spoken),
        benchmark_qlike=math.fsum(benchmark) / len(spoken),
        bias=math.fsum(row.expected[model] for row in spoken) / math.fsum(row.truth for row in spoken) - 1,
        difference=_interval([a - b for a, b in zip(losses, benchmark, strict=True)]),
    )


def _ablation(name: str, values: Sequence[float | None], days: Sequence[Day], horizon_days: int) -> Ablation | None:
    told = Counter(value for value in values if value is not None)
    if told.total() - max(told.values(), default=0) < LEAST_UNUSUAL:
        return None
    losses = list(_losses(values, days, horizon_days))
    if len(losses) < LEAST_SCORED:
        return None
    return Ablation(
        signal=name,
        horizon_days=horizon_days,
        days=len(losses),
        without=math.fsum(without for without, _ in losses) / len(losses),
        difference=_interval([with_it - without for without, with_it in losses]),
    )


def _losses(values: Sequence[float | None], days: Sequence[Day], horizon_days: int) -> Iterator[tuple[float, float]]:
    """Loss without and with the signal, of every day on which it is known and enough days have passed."""
    floors = _floors(days)
    came, past = _came(days, horizon_days), _past(days, floors)
    plain, joined = _Regression(4), _Regression(5)
    rows: list[_Array | None] = [
        None if of_past is None or value is None else np.append(of_past, value)
        for of_past, value in zip(past, values, strict=True)
    ]
    for at, row in enumerate(rows):
        ended = at - horizon_days
        if ended >= 0 and (known := rows[ended]) is not None and (value := came[ended]) is not None:
            target = math.log(max(value, floors[ended] * horizon_days))
            plain.learn(known[:4], target)
            joined.learn(known, target)
        truth = came[at]
        if row is None or truth is None or plain.rows < LEAST_FITTED:
            continue
        floor = floors[at] * horizon_days
        real = max(truth, floor)
        yield qlike(real, max(plain.variance(row[:4]), floor)), qlike(real, max(joined.variance(row), floor))


class _Regression:
    """Least squares on a growing set of rows, in logarithms; its mean is brought back by half the variance of its errors."""

    def __init__(self, columns: int) -> None:
        self._squares = np.zeros((columns, columns))
        self._products = np.zeros(columns)
        self._total = 0.0
        self.rows = 0

    def learn(self, row: _Array, target: float) -> None:
        self._squares += np.outer(row, row)
        self._products += row * target
        self._total += target * target
        self.rows += 1

    def variance(self, row: _Array) -> float:
        # columns that say the same leave many solutions: this is the shortest
        found = np.linalg.lstsq(self._squares, self._products, rcond=None)[0]
        error = max(self._total - float(found @ self._products), 0.0) / max(self.rows - len(row), 1)
        return math.exp(min(float(row @ found) + error / 2, _MOST_LOG))


def _came(days: Sequence[Day], ahead: int) -> list[float | None]:
    """Variance of the coming days together, after each day; None where one of them is not known."""
    found: list[float | None] = []
    for at, day in enumerate(days):
        coming = days[at + 1 : at + 1 + ahead]
        known = [one.variance for one in coming if one.variance is not None]
        whole = len(known) == ahead and coming[-1].start_s == day.start_s + ahead * DAY_S
        found.append(math.fsum(known) if whole else None)
    return found


def _past(days: Sequence[Day], floors: Sequence[float]) -> list[_Array | None]:
    """One, and the logarithms of the mean variance of the last day, week and month; None where a day of it is not known."""
    found: list[_Array | None] = []
    for at, day in enumerate(days):
        month = days[max(at + 1 - MONTH_DAYS, 0) : at + 1]
        known = [one.variance for one in month if one.variance is not None]
        if len(known) < MONTH_DAYS or month[0].start_s != day.start_s - (MONTH_DAYS - 1) * DAY_S:
            found.append(None)
            continue
        means = [math.fsum(known[-count:]) / count for count in (1, WEEK_DAYS, MONTH_DAYS)]
        found.append(np.array([1.0, *(math.log(max(mean, floors[at])) for mean in means)]))
    return found


def _floors(days: Sequence[Day]) -> list[float]:
    """Least variance that a day counts as, from the days up to each."""
    seen: list[float] = []
    found = []
    for day in days:
        if day.variance is not None:
            insort(seen, day.variance)
        found.append(max(_FLOOR_PART * seen[len(seen) // 2], _LEAST_FLOOR) if seen else _LEAST_FLOOR)
    return found


def _scheduled(day: Day, horizon_days: int, events_s: Sequence[int]) -> float:
    end_s = day.start_s + DAY_S
    return float(any(end_s <= at_s < end_s + horizon_days * DAY_S for at_s in events_s))


def _interval(differences: Sequence[float]) -> Interval:
    return mean_interval(differences, block=min(BLOCK_DAYS, len(differences)), seed=_SEED)

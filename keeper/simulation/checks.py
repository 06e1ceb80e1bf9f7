"""Attempts to show that a backtest is wrong.

The proof against looking ahead is the cut tape: what comes later must not change anything before it. The canary shows what a
strategy would do that did look ahead, so that one knows what it would look like. Placebos show what the readings are worth.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from statistics import fmean

from keeper.core.model.bar import DAY_S, HOUR_S
from keeper.core.model.decision import Decision
from keeper.core.model.policy import Policy
from keeper.core.model.pool import PoolKey
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.signals import names
from keeper.core.strategy.decide import decide
from keeper.engine.cycle import Decide
from keeper.simulation.benchmarks import Variation
from keeper.simulation.result import RunResult
from keeper.simulation.suite import Progress, RunSpec, run_all
from keeper.simulation.sweep_days import hedged_days_bps
from keeper.simulation.tape import Tape, TapeBlock, TapeStart

USED = (
    names.VOLATILITY_FORECAST,
    names.VOLATILITY_USUAL,
    names.VOLATILITY_POOL_IMPLIED,
    names.STRESS_SCORE,
    names.CALENDAR,
)
"""The readings that the strategy decides by."""
CUT_AT = 0.6
_COLLAPSE_BPS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One attempt."""

    name: str
    passed: bool
    told: str


@dataclass(slots=True)
class ReadingLog:
    """The readings of a run by their time."""

    times_s: list[int] = field(default_factory=list)
    readings: list[dict[str, SignalReading]] = field(default_factory=list)

    def at(self, moment_s: int) -> dict[str, SignalReading]:
        """The newest of that moment or before; the oldest where there is none."""
        return self.readings[max(bisect_right(self.times_s, moment_s) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The keeper's decisions, and a note of what they were made from."""

    log: ReadingLog

    def __call__(self, view: MarketView, readings: tuple[SignalReading, ...], policy: Policy) -> Decision:
        """Decide, and remember."""
        self.log.times_s.append(view.now_s)
        self.log.readings.append({one.name: one for one in readings if one.name in USED})
        return decide(view, readings, policy)


@dataclass(frozen=True, slots=True)
class Displaced:
    """The keeper's decisions from the readings of another time.

    Args:
        log: of a run of the keeper.
        shift_s: seconds by which the time lies ahead; below zero, behind.
        days: day -> the day whose readings are taken; empty for the same.
    """

    log: ReadingLog
    shift_s: int = 0
    days: dict[int, int] = field(default_factory=dict)

    def __call__(self, view: MarketView, readings: tuple[SignalReading, ...], policy: Policy) -> Decision:
        """Decide as if it were that time."""
        day = view.now_s // DAY_S
        moment_s = self.days.get(day, day) * DAY_S + view.now_s % DAY_S + self.shift_s
        other = self.log.at(moment_s)
        return decide(view, tuple(other.get(one.name, one) for one in readings), policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTape:
    """The beginning of a tape."""

    whole: Tape
    end_s: int

    @property
    def key(self) -> PoolKey:
        """Of the whole."""
        return self.whole.key

    @property
    def chain_id(self) -> int:
        """Of the whole."""
        return self.whole.chain_id

    @property
    def start(self) -> TapeStart:
        """Of the whole."""
        return self.whole.start

    @property
    def digest(self) -> str:
        """Of the whole, and where it is cut."""
        return f"{self.whole.digest}-{self.end_s}"

    @property
    def described(self) -> str:
        """Of the whole, and that it is cut."""
        return f"{self.whole.described}, cut"

    @property
    def exact(self) -> bool:
        """As the whole."""
        return self.whole.exact

    def blocks(self) -> Iterator[TapeBlock]:
        """Every block up to the cut."""
        for block in self.whole.blocks():
            if block.timestamp_s > self.end_s:
                return
            yield block


def check(spec: RunSpec, policy: Policy, *, jobs: int, progress: Progress) -> tuple[CheckRow, ...]:
    """Every attempt against the keeper's run.

    Args:
        spec: tape, setting and base fees.
        policy: the rules.
        jobs: processes.
        progress: told how far each run is.
    """
    log = ReadingLog()
    keeper = run_all(spec, [_variation("keeper", policy, Recorded(log))], jobs=1, progress=progress)["keeper"]
    days = sorted({at_s // DAY_S for at_s in log.times_s})
    mixed = list(days)
    chance = random.Random(spec.setting.frictions.seed)  # ruff: ignore[suspicious-non-cryptographic-random-usage] - a repeatable check
    chance.shuffle(mixed)
    displaced = [
        _variation("ahead", policy, Displaced(log, HOUR_S)),
        _variation("behind", policy, Displaced(log, -HOUR_S)),
        _variation("random", policy, Displaced(log, 0, dict(zip(days, mixed, strict=True)))),
    ]
    runs = run_all(spec, displaced, jobs=jobs, progress=progress)
    rules = spec.setting.frictions
    dear = replace(rules, gas_multiple=2 * rules.gas_multiple, sandwich_share=min(2 * rules.sandwich_share, 1.0))
    late = replace(rules, latency_blocks=rules.latency_blocks + 1)
    for name, changed in (("dear", dear), ("late", late)):
        other = replace(spec, setting=replace(spec.setting, frictions=changed))
        runs |= run_all(other, [_variation(name, policy, decide)], jobs=1, progress=progress)
    return (
        cut(spec, policy, keeper, progress=progress),
        _canary(keeper, runs["ahead"]),
        _must_not_collapse("readings of an hour ago", keeper, runs["behind"]),
        _placebo(keeper, runs["random"]),
        _dear(keeper, runs["dear"]),
        _must_not_collapse("one block later", keeper, runs["late"]),
    )


def cut(spec: RunSpec, policy: Policy, whole: RunResult, *, progress: Progress) -> CheckRow:
    """Run the beginning of the tape alone: every cycle before the cut must be the same, bit for bit."""
    end_s = whole.start_s + int((whole.end_s - whole.start_s) * CUT_AT)
    short = replace(spec, tapes=tuple(CutTape(whole=tape, end_s=end_s) for tape in spec.tapes))
    brief = run_all(short, [_variation("cut", policy, decide)], jobs=1, progress=progress)["cut"]
    differs = first_difference(whole, brief)
    told = f"{len(brief.rows.time_s):,} cycles before the cut are the same to the last bit"
    if differs is not None:
        told = f"the tape after {end_s} s changes the cycle at {differs} s: something looks ahead"
    return CheckRow(name="tape cut in the middle", passed=differs is None, told=told)


def first_difference(whole: RunResult, brief: RunResult) -> int | None:
    """Chain time of the first cycle of ``brief`` that is not that of ``whole``; None when all are the same."""
    for place, at_s in enumerate(brief.rows.time_s):
        for column in ("time_s", "price", "value", "forecast", "score", "regime"):
            ours, theirs = getattr(whole.rows, column), getattr(brief.rows, column)
            if place >= len(ours) or repr(ours[place]) != repr(theirs[place]):
                return int(at_s)
    return None


def _variation(name: str, policy: Policy, decider: Decide) -> Variation:
    return Variation(name=name, described="", policy=policy, decide=decider)


def _mean(result: RunResult) -> float:
    days = hedged_days_bps(result)
    return fmean(days) if days else 0.0


def _canary(keeper: RunResult, ahead: RunResult) -> CheckRow:
    ours, theirs = _mean(keeper), _mean(ahead)
    more = "earns more by it, as it should" if theirs > ours else "earns no more by it: its readings decide little here"
    told = f"with the readings of the hour to come {theirs:+.2f} bps a day against {ours:+.2f}: {more}"
    return CheckRow(name="look-ahead canary", passed=True, told=told)


def _must_not_collapse(name: str, keeper: RunResult, other: RunResult) -> CheckRow:
    ours, theirs = _mean(keeper), _mean(other)
    passed = theirs >= ours - max(abs(ours) / 2, _COLLAPSE_BPS)
    return CheckRow(name=name, passed=passed, told=f"{theirs:+.2f} bps a day against {ours:+.2f}")


def _dear(keeper: RunResult, dear: RunResult) -> CheckRow:
    """What is earned must still be earned; what is lost anyway has nothing to lose."""
    ours, theirs = _mean(keeper), _mean(dear)
    told = f"{theirs:+.2f} bps a day against {ours:+.2f}"
    return CheckRow(name="gas and sandwich doubled", passed=theirs > 0 or ours <= 0, told=told)


def _placebo(keeper: RunResult, mixed: RunResult) -> CheckRow:
    ours, theirs = _mean(keeper), _mean(mixed)
    passed = ours >= theirs
    word = "the real ones are no worse" if passed else "readings of random days did better: they are worth nothing here"
    return CheckRow(name="readings of random days", passed=passed, told=f"{theirs:+.2f} bps a day against {ours:+.2f}: {word}")

"""Attempts to show that a backtest is wrong.

The proof against looking ahead is the cut tape: what comes later must not change any decision before it. The canary shows what
a strategy would do that did look ahead, so that one knows what it would look like. Placebos show what the readings are worth.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from keeper.core.model.bar import DAY_S, HOUR_S
from keeper.core.model.codec import digest
from keeper.core.model.decision import Decision
from keeper.core.model.policy import Policy
from keeper.core.model.pool import PoolKey
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.quant.bootstrap import compare_paired
from keeper.core.signals import names
from keeper.core.strategy.decide import decide
from keeper.engine.cycle import Decide
from keeper.simulation.benchmarks import Variation
from keeper.simulation.result import RunResult
from keeper.simulation.suite import LEAST_DAYS, Progress, RunSpec, hedged_bps_a_day, run_all
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
CUTS = (0.25, 0.5, 0.75)
"""Where the tape is cut, as parts of its length."""
_COLLAPSE_BPS = 1.0
"""A loss of so much a day, or of half of what was earned if that is more, is a collapse."""

DeciderOf = Callable[[RunSpec], Decide]
"""Makes the strategy of a run; one that knows the run's tapes could look ahead in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One attempt."""

    name: str
    passed: bool
    told: str


@dataclass(slots=True)
class CycleLog:
    """What a run was decided from, and what it decided, by time."""

    times_s: list[int] = field(default_factory=list)
    readings: list[dict[str, SignalReading]] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    """Digest of each."""

    def at(self, moment_s: int) -> dict[str, SignalReading]:
        """The newest readings of that moment or before; the oldest where there are none."""
        return self.readings[max(bisect_right(self.times_s, moment_s) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Decisions as they would be made anyway, and a note of them and of what they were made from."""

    log: CycleLog
    inner: Decide = decide

    def __call__(self, view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> Decision:
        """Decide, and remember."""
        found = self.inner(view, readings, policy)
        self.log.times_s.append(view.now_s)
        self.log.readings.append({one.name: one for one in readings if one.name in USED})
        self.log.decisions.append(digest(found))
        return found


@dataclass(frozen=True, slots=True)
class Displaced:
    """The keeper's decisions from the readings of another time.

    Args:
        log: of a run of the keeper.
        shift_s: seconds by which the time lies ahead; below zero, behind.
        days: day -> the day whose readings are taken; empty for the same.
    """

    log: CycleLog
    shift_s: int = 0
    days: dict[int, int] = field(default_factory=dict)

    def __call__(self, view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> Decision:
        """Decide as if it were that time."""
        day = view.now_s // DAY_S
        moment_s = self.days.get(day, day) * DAY_S + view.now_s % DAY_S + self.shift_s
        other = self.log.at(moment_s)
        return decide(view, tuple([other.get(one.name, one) for one in readings]), policy)


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
    log, seed = CycleLog(), spec.setting.frictions.seed
    keeper = run_all(spec, [_variation("keeper", policy, Recorded(log))], jobs=1, progress=progress)["keeper"]
    days = mixed_days(sorted({at_s // DAY_S for at_s in log.times_s}), seed)
    displaced = [
        _variation("ahead", policy, Displaced(log, HOUR_S)),
        _variation("behind", policy, Displaced(log, -HOUR_S)),
        _variation("random", policy, Displaced(log, 0, days)),
    ]
    runs = run_all(spec, displaced, jobs=jobs, progress=progress)
    rules = spec.setting.frictions
    dear = replace(rules, gas_multiple=2 * rules.gas_multiple, sandwich_share=min(2 * rules.sandwich_share, 1.0))
    late = replace(rules, latency_blocks=rules.latency_blocks + 1)
    for name, changed in (("dear", dear), ("late", late)):
        other = replace(spec, setting=replace(spec.setting, frictions=changed))
        runs |= run_all(other, [_variation(name, policy, decide)], jobs=1, progress=progress)
    gaps = {name: gap(keeper, run, seed=seed) for name, run in runs.items()}
    return (
        cut(spec, policy, log, progress=progress),
        canary(gaps["ahead"]),
        must_not_collapse("readings of an hour ago", gaps["behind"]),
        placebo(gaps["random"], days=len(days)),
        dearer(gaps["dear"]),
        must_not_collapse("one block later", gaps["late"]),
    )


def cut(
    spec: RunSpec, policy: Policy, whole: CycleLog, *, decider_of: DeciderOf = lambda _spec: decide, progress: Progress
) -> CheckRow:
    """Run only the beginning of the tape, of several lengths: every decision must be that of the whole, bit for bit.

    Args:
        spec: of the whole.
        policy: the rules.
        whole: what the run over all of it decided.
        decider_of: the strategy that made it.
        progress: told how far each run is.
    """
    start_s = max(tape.start.timestamp_s for tape in spec.tapes)
    length_s = min(tape.end_s for tape in spec.tapes) - start_s
    compared = 0
    for share in CUTS:
        end_s = start_s + int(length_s * share)
        short = replace(spec, tapes=tuple([CutTape(whole=tape, end_s=end_s) for tape in spec.tapes]))
        brief = CycleLog()
        one = _variation(f"cut at {share:.0%}", policy, Recorded(brief, decider_of(short)))
        run_all(short, [one], jobs=1, progress=progress)
        differs_s = first_difference(whole, brief)
        if differs_s is not None:
            told = f"the tape after {end_s} s changes the decision at {differs_s} s: something looks ahead"
            return CheckRow(name=_CUT, passed=False, told=told)
        compared += len(brief.decisions)
    if not compared:
        return CheckRow(name=_CUT, passed=False, told="the tape is too short to be cut: no cycle lies before the cuts")
    told = f"cut at {len(CUTS)} places, all {compared:,} decisions before the cuts are the same to the last bit"
    return CheckRow(name=_CUT, passed=True, told=told)


def first_difference(whole: CycleLog, brief: CycleLog) -> int | None:
    """Chain time of the first decision of ``brief`` that is not that of ``whole``; None when all are the same."""
    for place, (at_s, decision) in enumerate(zip(brief.times_s, brief.decisions, strict=True)):
        if whole.times_s[place : place + 1] != [at_s] or whole.decisions[place] != decision:
            return at_s
    return None


def mixed_days(days: list[int], seed: int) -> dict[int, int]:
    """Each day and another in its place, in one cycle through all of them, so that none keeps its own.

    Ref: Sattolo 1986.
    """
    others, chance = list(days), random.Random(seed)  # ruff: ignore[suspicious-non-cryptographic-random-usage] - a repeatable check
    for last in range(len(others) - 1, 0, -1):
        place = chance.randrange(last)
        others[last], others[place] = others[place], others[last]
    return dict(zip(days, others, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The keeper and another run of it: hedged PnL in bps of the capital a day."""

    ours: float
    theirs: float
    lower: float | None
    """95 % interval of ours less theirs, paired by day, by the stationary bootstrap; None where the days are too few."""
    upper: float | None

    @property
    def told(self) -> str:
        """For a person."""
        found = f"{self.theirs:+.2f} bps a day against {self.ours:+.2f}"
        if self.lower is None or self.upper is None:
            return found
        return f"{found}, difference {self.ours - self.theirs:+.2f}, 95 % interval {self.lower:+.2f} to {self.upper:+.2f}"


def gap(keeper: RunResult, other: RunResult, *, seed: int) -> Gap:
    """What the other run of the same stretch earns, beside the keeper.

    Args:
        keeper: undisturbed.
        other: disturbed.
        seed: of the bootstrap.
    """
    ours, theirs = hedged_days_bps(keeper), hedged_days_bps(other)
    interval = compare_paired(ours, theirs, seed=seed).interval if len(ours) >= LEAST_DAYS else None
    return Gap(
        ours=hedged_bps_a_day(keeper),
        theirs=hedged_bps_a_day(other),
        lower=None if interval is None else interval.lower,
        upper=None if interval is None else interval.upper,
    )


def canary(found: Gap) -> CheckRow:
    """Looking ahead should pay; where it does not, that is told and is no failure."""
    more = "it earns more by them" if found.theirs > found.ours else "it earns no more by them: its readings decide little here"
    return CheckRow(name="look-ahead canary", passed=True, told=f"readings of the hour to come, {found.told}: {more}")


def must_not_collapse(name: str, found: Gap) -> CheckRow:
    """A small disturbance may cost half of what is earned, or a basis point, and no more."""
    passed = found.theirs >= found.ours - max(abs(found.ours) / 2, _COLLAPSE_BPS)
    return CheckRow(name=name, passed=passed, told=found.told)


def dearer(found: Gap) -> CheckRow:
    """What is earned must still be earned; what is lost anyway has nothing to lose."""
    return CheckRow(name="gas and sandwich doubled", passed=found.theirs > 0 or found.ours <= 0, told=found.told)


def placebo(found: Gap, *, days: int) -> CheckRow:
    """Readings of other days must not do better than the real ones; a single day has no others, and shows nothing."""
    name = "readings of random days"
    if days < 2:
        return CheckRow(
            name=name, passed=True, told="not made: the tape has one day, there are no others to take readings from"
        )
    word = "the real ones earn more"
    if found.ours < found.theirs:
        word = "random ones did better: the real ones are worth nothing here"
    elif found.ours == found.theirs:
        word = "no difference: readings decide nothing here"
    return CheckRow(name=name, passed=found.ours >= found.theirs, told=f"{found.told}: {word}")


_CUT = "tape cut in the middle"


def _variation(name: str, policy: Policy, decider: Decide) -> Variation:
    return Variation(name=name, described="", policy=policy, decide=decider)

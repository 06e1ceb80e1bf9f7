"""The keeper and what it is compared with, each in a process of its own, on the same tape with the same frictions."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from queue import Empty, Queue
from statistics import fmean

from keeper.core.ledger.attribution import MARK_BITS
from keeper.core.model.bar import DAY_S, PriceBar
from keeper.core.model.policy import Policy
from keeper.core.quant.bootstrap import compare_paired
from keeper.core.quant.cash_flows import CashFlow, money_weighted_rates
from keeper.core.quant.sharpe import annualised, max_drawdown, sharpe_ratio
from keeper.core.quant.significance import holm
from keeper.core.strategy.decide import decide as decide_by_policy
from keeper.engine.cycle import Decide
from keeper.simulation.benchmarks import WITHOUT_PROTECTION, Variation
from keeper.simulation.frictions import BaseFees
from keeper.simulation.ledger_rows import LedgerRows
from keeper.simulation.result import RunResult, result_of
from keeper.simulation.runner import Setting, Simulation
from keeper.simulation.sim_journal import SimJournal
from keeper.simulation.sweep_days import BPS_ONE, hedged_days_bps
from keeper.simulation.tape import Tape

LEAST_DAYS = 20
"""Whole days below which no interval is told."""
DAYS_A_YEAR = 365
WITH_HELD = f"{WITHOUT_PROTECTION}, with held options at model value"
EVERY = 200
"""Cycles between two reports of progress."""

Progress = Callable[[str, int, int], None]
"""Told a run's name, seconds of market that are done, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """What every run of a suite shares; goes from process to process."""

    tapes: tuple[Tape, ...]
    setting: Setting
    base_fees: BaseFees
    bars: tuple[PriceBar, ...] = ()
    """Of before the tape: minutes and hours of the signal pool."""

    def simulation(self, policy: Policy, decide: Decide = decide_by_policy) -> Simulation:
        """A fresh run."""
        journal = SimJournal(policy.signal_pool)
        journal.seed_bars(policy.signal_pool, self.bars)
        return Simulation(self.tapes, policy, self.setting, self.base_fees, decide=decide, journal=journal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The keeper less a benchmark: mean daily hedged PnL, paired by day, in bps of the capital."""

    name: str
    mean_bps: float
    lower_bps: float | None
    """95 % interval of the stationary bootstrap; None where the days are too few."""
    upper_bps: float | None
    p_value: float | None
    """Two-sided, corrected for all comparisons by Holm's method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One track in a line."""

    name: str
    value_quote: float
    """At the end."""
    gain: float
    """As a fraction of the beginning."""
    hedged: float
    """Change of value less what the price did, as a fraction of the capital."""
    hedged_bps: float
    """Mean daily hedged PnL in bps of the capital; NaN without a whole day."""
    sharpe: float
    """Of the daily hedged PnL, a year; NaN where there are too few days or none that differ."""
    drawdown: float
    """Largest fall from a high, as a fraction, <= 0."""
    in_range: float
    """Part of the cycles since the first placement in which the price lay in a range of ours; NaN when nothing was placed."""
    rate: float
    """Money-weighted, a year; NaN where it has no value, as after a day or two it may."""
    fees_quote: float
    lvr_quote: float
    costs_quote: float
    """Swaps and gas."""
    premiums_quote: float
    payoffs_quote: float
    options_quote: float
    """What is still held of options, by the model at the end: beside everything above, in none of it."""
    hedged_with_options: float
    """``hedged`` with it."""
    actions: int


def run_all(spec: RunSpec, variations: Sequence[Variation], *, jobs: int, progress: Progress) -> dict[str, RunResult]:
    """Every variation, in the order given, whatever order the processes end in.

    Args:
        spec: what they share.
        variations: what each does; names are unique.
        jobs: processes, >= 1; one does all of it in this process.
        progress: told how far each is.
    """
    if jobs == 1 or len(variations) == 1:
        return {one.name: _run(spec, one, partial(progress, one.name)) for one in variations}
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        told: Queue[tuple[str, int, int]] = manager.Queue()
        with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
            waiting = {one.name: pool.submit(_run_apart, spec, one, told) for one in variations}
            while not all(future.done() for future in waiting.values()):
                _pass_on(told, progress)
            return {name: future.result() for name, future in waiting.items()}


def compare(keeper: RunResult, others: Mapping[str, RunResult], *, seed: int) -> tuple[Comparison, ...]:
    """The keeper against each, corrected for how many there are.

    Against itself without protection it is told twice: as the exact parts have it, and with held options at model value.

    Args:
        keeper: whose days are compared.
        others: by name, all over the same stretch.
        seed: of the bootstrap.

    Raises:
        ValueError: a run covers other days than the keeper's.
    """
    ours = hedged_days_bps(keeper)
    found = [(name, _paired(ours, hedged_days_bps(other), seed)) for name, other in others.items()]
    if (bare := others.get(WITHOUT_PROTECTION)) is not None:
        days = hedged_days_bps(keeper, with_held=True), hedged_days_bps(bare, with_held=True)
        found.append((WITH_HELD, _paired(*days, seed)))
    tested = [row for _, row in found if row[3] is not None]
    corrected = iter(holm([row[3] for row in tested if row[3] is not None]))
    return tuple(
        Comparison(
            name=name,
            mean_bps=mean,
            lower_bps=lower,
            upper_bps=upper,
            p_value=None if p_value is None else next(corrected),
        )
        for name, (mean, lower, upper, p_value) in found
    )


def summary(name: str, result: RunResult) -> Summary:
    """A run in a line."""
    days = hedged_days_bps(result)
    rows = result.rows
    scale = float(result.quote_unit << MARK_BITS)
    values = list(rows.value)
    hedged = (result.parts.total - result.parts.price) / scale / result.setting.capital_quote
    return Summary(
        name=name,
        value_quote=values[-1] if values else math.nan,
        gain=values[-1] / values[0] - 1 if values else math.nan,
        hedged=hedged,
        hedged_bps=fmean(days) if days else math.nan,
        sharpe=_sharpe(days),
        drawdown=max_drawdown(values) if len(values) > 1 else 0.0,
        in_range=_in_range(rows),
        rate=_rate(rows),
        fees_quote=result.parts.fees / scale,
        lvr_quote=result.parts.lvr / scale,
        costs_quote=(result.parts.swaps + result.parts.gas) / scale,
        premiums_quote=result.parts.premiums / scale,
        payoffs_quote=result.parts.payoffs / scale,
        options_quote=result.options_model,
        hedged_with_options=hedged + result.options_model / result.setting.capital_quote,
        actions=len(result.acted),
    )


def hedged_bps_a_day(result: RunResult) -> float:
    """Hedged PnL of the whole run, exact to its last unit, in bps of the capital a day; days may be broken."""
    hedged_quote = (result.parts.total - result.parts.price) / (result.quote_unit << MARK_BITS)
    return hedged_quote * BPS_ONE / result.setting.capital_quote * DAY_S / (result.end_s - result.start_s)


def _in_range(rows: LedgerRows) -> float:
    placed = next((place for place, bits in enumerate(rows.in_range) if bits), None)
    if placed is None:
        return math.nan
    return sum(bits > 0 for bits in rows.in_range[placed:]) / (len(rows.in_range) - placed)


def _rate(rows: LedgerRows) -> float:
    if not rows.value:
        return math.nan
    days = [datetime.fromtimestamp(at_s, UTC).date() for at_s in (rows.time_s[0], rows.time_s[-1])]
    found = money_weighted_rates(
        (CashFlow(day=days[0], amount=-rows.value[0]), CashFlow(day=days[1], amount=rows.value[-1])),
    )
    return found[0] if found else math.nan


def _sharpe(days: Sequence[float]) -> float:
    if len(days) < LEAST_DAYS or min(days) == max(days):
        return math.nan
    return annualised(sharpe_ratio(days), periods_a_year=DAYS_A_YEAR)


def _paired(
    ours: Sequence[float], theirs: Sequence[float], seed: int
) -> tuple[float, float | None, float | None, float | None]:
    if not ours:
        return math.nan, None, None, None
    if len(ours) < LEAST_DAYS:
        return fmean(a - b for a, b in zip(ours, theirs, strict=True)), None, None, None
    found = compare_paired(ours, theirs, seed=seed)
    return found.interval.mean, found.interval.lower, found.interval.upper, found.p_value


def _run(spec: RunSpec, one: Variation, progress: Callable[[int, int], None]) -> RunResult:
    run = spec.simulation(one.policy, one.decide)
    run.run(progress, every=EVERY)
    return result_of(run, one.name)


def _run_apart(spec: RunSpec, one: Variation, told: Queue[tuple[str, int, int]]) -> RunResult:
    return _run(spec, one, lambda done, total: told.put((one.name, done, total)))


def _pass_on(told: Queue[tuple[str, int, int]], progress: Progress) -> None:
    try:
        progress(*told.get(timeout=0.2))
    except Empty:
        return

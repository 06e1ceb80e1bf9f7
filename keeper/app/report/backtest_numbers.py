"""What is told of a run beyond its columns: shares of a rolling day, drawdowns, key numbers with their units."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keeper.app.cli import words
from keeper.app.report.backtest_model import BacktestPage
from keeper.app.report.backtest_thin import Floats
from keeper.core.ledger.attribution import MARK_BITS
from keeper.core.model.ladder import LayerKind
from keeper.simulation.result import RunResult

DAY_S = 86_400
BPS = 10_000
PARTS = {
    "price": "price",
    "fees": "fees",
    "lvr": "loss to arbitrage (LVR)",
    "swaps": "own swaps",
    "gas": "gas",
    "premiums": "premiums",
    "payoffs": "payoffs",
    "rounding": "rounding",
}
"""Parts of the change of value, as they are called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyNumber:
    """A number that stands at the head of the page."""

    id: str
    label: str
    value: float | None
    """None when the run is too short to have it."""
    unit: str
    told: str


def tokens(run: RunResult, units: int) -> float:
    """2**-64 raw quote tokens as quote tokens, to the nearest float."""
    return units / (run.quote_unit << MARK_BITS)


def parts_of(run: RunResult) -> dict[str, int]:
    """The parts of the change of value by their names, exact."""
    return run.parts._asdict()


def hedged(run: RunResult) -> Floats:
    """PnL without the price so far at each cycle, in quote tokens: fees, loss to arbitrage, own swaps, gas, and options."""
    rows = run.rows
    return column(rows.fees) + column(rows.lvr) + column(rows.swaps) + column(rows.gas) + optioned(run)


def optioned(run: RunResult) -> Floats:
    """What options have paid so far less what they cost, at each cycle, in quote tokens; what is held counts for nothing."""
    return column(run.rows.premiums) + column(run.rows.payoffs)


def column(values: Sequence[float]) -> Floats:
    """As an array."""
    return np.array(values, dtype=np.float64)


def aligned(times_s: Sequence[int], run: RunResult, values: Floats) -> Floats:
    """What another run had last at each of these times; NaN before its first cycle."""
    place = np.searchsorted(np.array(run.rows.time_s, dtype=np.int64), np.array(times_s, dtype=np.int64), side="right") - 1
    if not len(values):
        return np.full(len(times_s), np.nan)
    return np.where(place < 0, np.nan, values[np.maximum(place, 0)])


def drawdown(values: Floats) -> Floats:
    """Percent below the highest value so far, <= 0; NaN where there is no value, or none above zero yet."""
    known = np.where(np.isfinite(values), values, np.nan)
    high = np.fmax.accumulate(known) if len(known) else known
    usable = ~np.isnan(known) & (high > 0)
    return np.where(usable, 100 * (np.divide(known, high, out=np.ones_like(known), where=usable) - 1), np.nan)


def rolling_share(times_s: Sequence[int], flags: Sequence[bool], window_s: int = DAY_S) -> Floats:
    """Percent of the cycles of the last ``window_s`` that were flagged; of all so far where there is less."""
    times, marks = np.array(times_s, dtype=np.int64), np.array(flags, dtype=np.int64)
    sums = np.concatenate(([0], np.cumsum(marks)))
    first = np.searchsorted(times, times - window_s, side="right")
    ends = np.arange(1, len(times) + 1)
    shares: Floats = 100.0 * (sums[ends] - sums[first]) / (ends - first)
    return shares


def in_range(run: RunResult, kind: LayerKind) -> list[bool]:
    """Whether that layer was in range, cycle by cycle."""
    bit = 1 << list(LayerKind).index(kind)
    return [bool(bits & bit) for bits in run.rows.in_range]


def first_held(run: RunResult) -> int:
    """Number of the first cycle after a placement; as many as there are cycles where nothing was placed."""
    placed_s = min((span.from_s for span in run.rows.spans.values()), default=None)
    return len(run.rows.time_s) if placed_s is None else bisect_left(run.rows.time_s, placed_s)


def spoken(name: str) -> str:
    """A benchmark's name, for a person."""
    return name.replace("_", " ")


def days(run: RunResult) -> float:
    """Length of the tape."""
    return (run.end_s - run.start_s) / DAY_S


def hedged_bps(run: RunResult) -> float | None:
    """PnL without the price, basis points of the capital a day; None for a tape without length."""
    long = days(run)
    if long <= 0 or not run.setting.capital_quote:
        return None
    return tokens(run, run.change - run.parts.price) / run.setting.capital_quote * BPS / long


def deepest(values: Floats) -> float | None:
    """The deepest drawdown, in percent, <= 0; None without a value."""
    found = drawdown(values)
    known = found[np.isfinite(found)]
    return float(known.min()) if len(known) else None


def shifts(run: RunResult) -> int:
    """Moves that asked for a layer to be shifted."""
    return sum(move.startswith("shift") for row in run.acted for move in row.moves)


def failed_stages(run: RunResult) -> int:
    """Stages that were begun and did not come to pass."""
    return sum(outcome.startswith("not_done") for row in run.acted for outcome in row.outcomes)


def key_numbers(page: BacktestPage) -> list[KeyNumber]:
    """The numbers at the head."""
    run, quote = page.keeper, page.quote
    share = in_range(run, LayerKind.CORE)[first_held(run) :]
    core = 100 * sum(share) / len(share) if share else None
    bps, down = hedged_bps(run), deepest(column(run.rows.value))
    gas_wei = sum(row.gas_wei for row in run.acted)
    return [
        _money("change", "change of value", run, run.change, quote, of_capital=True),
        _money("hedged", "PnL without the price", run, run.change - run.parts.price, quote, of_capital=True),
        KeyNumber(
            id="hedged_bps",
            label="the same, a day",
            value=bps,
            unit="bps of capital a day",
            told=_or_dash(bps, "{:+,.2f} bps of capital"),
        ),
        _money("price", "what the price did", run, run.parts.price, quote, of_capital=False),
        _money("fees", "fees", run, run.parts.fees, quote, of_capital=False),
        _money("lvr", "loss to arbitrage (LVR)", run, run.parts.lvr, quote, of_capital=False),
        _money("swaps", "own swaps", run, run.parts.swaps, quote, of_capital=False),
        _money("gas", f"gas ({words.ether(gas_wei)})", run, run.parts.gas, quote, of_capital=False),
        *_protection(run, quote),
        KeyNumber(id="drawdown", label="deepest drawdown", value=down, unit="%", told=_or_dash(down, "{:,.2f} %")),
        KeyNumber(
            id="core_in_range",
            label="core in range",
            value=core,
            unit="% of cycles since the first placement",
            told=_or_dash(core, "{:,.1f} % of cycles since placed"),
        ),
        _count("acted", "cycles that acted", len(run.acted), run.cycles),
        _count("shifts", "layers shifted", shifts(run), None),
        _count("failed", "stages that failed", failed_stages(run), sum(len(row.outcomes) for row in run.acted)),
        _count("refused", "recorded events refused", run.refused, None),
        _count("trouble", "cycles that could not be made", len(run.trouble), None),
    ]


def finite(value: float | None) -> float | None:
    """The value, or None where there is none to speak of."""
    return None if value is None or not math.isfinite(value) else value


def _protection(run: RunResult, quote: str) -> list[KeyNumber]:
    """What options cost and brought, and apart from it what is still held; nothing where none could be bought."""
    if run.protection is None:
        return []
    held = round(run.options_model * (run.quote_unit << MARK_BITS))
    beside = "with held options at model value"
    return [
        _money("premiums", "premiums", run, run.parts.premiums, quote, of_capital=False),
        _money("payoffs", "paid out by options", run, run.parts.payoffs, quote, of_capital=False),
        _count("options", "options bought", len(run.protection.options), None),
        _money("options_model", "held options, by the model: in no part", run, held, quote, of_capital=False),
        _money("change_with_options", f"change of value {beside}", run, run.change + held, quote, of_capital=True),
        _money(
            "hedged_with_options",
            f"PnL without the price {beside}",
            run,
            run.change - run.parts.price + held,
            quote,
            of_capital=True,
        ),
    ]


def _money(name: str, label: str, run: RunResult, units: int, quote: str, *, of_capital: bool) -> KeyNumber:
    value = tokens(run, units)
    told = f"{value:+,.2f} {quote}"
    if of_capital and run.setting.capital_quote:
        told += f" ({words.percent(value / run.setting.capital_quote, signed=True)} of capital)"
    return KeyNumber(id=name, label=label, value=value, unit=quote, told=told)


def _count(name: str, label: str, value: int, among: int | None) -> KeyNumber:
    told = f"{value:,}" if among is None else f"{value:,} of {among:,}"
    return KeyNumber(id=name, label=label, value=value, unit="1", told=told)


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None or not math.isfinite(value) else form.format(value)

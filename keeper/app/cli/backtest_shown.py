"""What ``keeper backtest`` tells: a document for a program, tables for a person."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import starmap
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from keeper.app.backtesting import Prepared
from keeper.app.cli import words
from keeper.app.cli.output import table
from keeper.app.report.backtest_model import Check
from keeper.simulation.benchmarks import constant_mix, hold, weightless
from keeper.simulation.protection import Protection
from keeper.simulation.result import RunResult
from keeper.simulation.suite import Comparison, Summary, summary
from keeper.simulation.verdict import Verdict

_MARK_BITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A whole backtest."""

    prepared: Prepared
    keeper: RunResult
    others: Mapping[str, RunResult]
    comparisons: tuple[Comparison, ...]
    verdict: Verdict
    checks: tuple[Check, ...] | None
    """None when they were not made."""


def tracks_of(found: Found) -> dict[str, list[float]]:
    """Value, cycle by cycle, of what holds no liquidity."""
    policy = found.prepared.policy
    fee = policy.pool(policy.signal_pool).fee_pips / 1_000_000
    return {"hold": hold(found.keeper.rows), "constant_mix": constant_mix(found.keeper.rows, fee=fee)}


def document(found: Found) -> dict[str, Any]:
    """What a program reads; money in quote tokens, exact parts as text in 2^-64 raw quote tokens."""
    keeper = found.keeper
    parts = keeper.parts._asdict()
    return {
        "verdict": found.verdict.word,
        "unproven_because": list(found.verdict.reasons),
        "tape": {"sha256": keeper.tape_digest, "described": keeper.tape_described, "exact": keeper.tape_exact},
        "from_s": keeper.start_s,
        "to_s": keeper.end_s,
        "cycles": keeper.cycles,
        "swaps": keeper.swaps,
        "refused": keeper.refused,
        "parts": {name: str(value) for name, value in parts.items()},
        "change": str(keeper.change),
        "tracks": [asdict(one) for one in _summaries(found)],
        "portfolios": [
            {"name": name, "value_quote": values[-1], "gain": values[-1] / values[0] - 1}
            for name, values in tracks_of(found).items()
            if values
        ],
        "weightless": list(weightless(found.prepared.policy)),
        "comparisons": [asdict(one) for one in found.comparisons],
        "setting": asdict(keeper.setting),
        "policy": keeper.policy_digest,
    }


def _summaries(found: Found) -> list[Summary]:
    return [summary("keeper", found.keeper), *starmap(summary, found.others.items())]


def render(found: Found, written: Sequence[Path]) -> list[RenderableType]:
    """What a person reads."""
    keeper, quote = found.keeper, found.prepared.policy.quote.symbol
    span = f"{words.utc(keeper.start_s)[:16]} to {words.utc(keeper.end_s)[:16]} UTC"
    setting = keeper.setting
    rules = setting.frictions
    assumed = (
        f"{setting.presence.replace('_', ' ')}, a cycle every {words.duration(setting.cadence_s)},"
        f" {rules.latency_blocks} blocks of latency, {rules.failure_rate:.1%} of transactions fail,"
        f" a sandwich takes {rules.sandwich_share:.0%} of the slippage bound,"
        f" base fee {found.prepared.spec.base_fees.described}, tip {rules.tip_wei / 10**9:g} gwei"
    )
    shown: list[RenderableType] = [
        Text(f"{found.verdict.word.upper()}: {span}, {keeper.cycles:,} cycles, {keeper.swaps:,} swaps", style="bold"),
        Text(keeper.tape_described),
        Text(f"assumed: {assumed}"),
        _tracks_table(found, quote),
        _parts_table(keeper, quote),
    ]
    if keeper.protection is not None:
        shown.append(Text(_protection(found.keeper, keeper.protection, quote)))
    if found.comparisons:
        shown.append(_comparison_table(found))
    if idle := weightless(found.prepared.policy):
        shown.append(Text(f"not taken away, since they decide nothing: {', '.join(idle)}"))
    shown += [Text(f"unproven: {reason}") for reason in found.verdict.reasons]
    if keeper.refused or keeper.trouble:
        shown.append(
            Text(
                f"{keeper.refused:,} recorded events refused by the pool with us in it, {len(keeper.trouble):,} cycles not made"
            )
        )
    return [*shown, *(Text(f"written: {path}") for path in written)]


def _tracks_table(found: Found, quote: str) -> RenderableType:
    rows = [
        (
            one.name.replace("_", " "),
            words.money(one.value_quote, quote),
            words.percent(one.gain, signed=True),
            _bps(one.hedged_bps),
            _bps(one.sharpe),
            words.percent(one.drawdown),
            f"{one.fees_quote:,.2f}",
            f"{one.lvr_quote:,.2f}",
            f"{one.costs_quote:,.2f}",
            f"{one.actions:,}",
        )
        for one in _summaries(found)
    ]
    for name, values in tracks_of(found).items():
        if values:
            gain = words.percent(values[-1] / values[0] - 1, signed=True)
            rows.append((name.replace("_", " "), words.money(values[-1], quote), gain, "-", "-", "-", "-", "-", "-", "-"))
    columns = ("", "value", "gain", "hedged bps/day", "Sharpe", "drawdown", "fees", "LVR", "swaps and gas", "actions")
    return table("on the same tape", columns, rows, right=columns[1:])


def _parts_table(keeper: RunResult, quote: str) -> RenderableType:
    scale = float(keeper.quote_unit << _MARK_BITS)
    named = keeper.parts._asdict()
    rows = [(name, f"{value / scale:+,.6f}") for name, value in named.items() if value or name in {"price", "fees", "lvr"}]
    rows += [("sum", f"{sum(named.values()) / scale:+,.6f}"), ("change of value", f"{keeper.change / scale:+,.6f}")]
    return table(f"where the change of value comes from, {quote}", ("part", quote), rows, right=(quote,))


def _protection(keeper: RunResult, protection: Protection, quote: str) -> str:
    """What options came to, and what is still held: beside the parts, never in them."""
    line, held = summary("keeper", keeper), keeper.rows.options_held[-1] if keeper.rows.options_held else 0
    model, intrinsic = (words.money(one, quote) for one in (keeper.options_model, keeper.options_intrinsic))
    counted, exact = (words.percent(one, signed=True) for one in (line.hedged_with_options, line.hedged))
    return (
        f"protection: {len(protection.options):,} options bought for {words.money(-line.premiums_quote, quote)},"
        f" {words.money(line.payoffs_quote, quote)} paid out; {held:,} held, worth {model} by the model and {intrinsic} if they"
        f" ended now, in none of the parts; hedged PnL with held options at model value {counted} of the capital, else {exact}"
    )


def _comparison_table(found: Found) -> RenderableType:
    rows = [
        (
            f"against {one.name.replace('_', ' ')}",
            _bps(one.mean_bps),
            "too few days"
            if one.lower_bps is None or one.upper_bps is None
            else f"{one.lower_bps:+.2f} to {one.upper_bps:+.2f}",
            "-" if one.p_value is None else f"{one.p_value:.3f}",
        )
        for one in found.comparisons
    ]
    columns = ("keeper", "bps/day", "95 % interval", "p, corrected")
    return table("hedged PnL, paired by day, stationary bootstrap, Holm", columns, rows, right=columns[1:])


def _bps(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.2f}"

"""What protection came to, in the summary of the demo."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from keeper.app.cli import words
from keeper.app.demo import Outcome
from keeper.app.demo_protection import ProtectionTold

_UNIT = 10**6
"""Raw units of a token of the quote: the demo's are bridged or native USDC."""


def summary(outcome: Outcome, opening_quote: float) -> list[RenderableType]:
    """What the ladder alone did beside what it did with protection; nothing in a run without."""
    told = outcome.protection
    if told is None:
        return []
    return [
        Text(f"Protection, {outcome.asked}", style="bold"),
        *_story(told, outcome.quote),
        _table(told, opening_quote, outcome.quote),
        Text(_verdict(told, outcome.quote), style="bold green" if told.net_quote >= 0 else "bold yellow"),
    ]


def _story(told: ProtectionTold, quote: str) -> list[RenderableType]:
    lines = _wakings(told)
    lines += [
        f"{words.utc(one.at_s)}  {one.tier} bought {one.size:,.2f} puts at {one.strike:,.0f} until {words.utc(one.expiry_s)} "
        f"for {one.premium_raw / _UNIT:,.2f} {quote}{_implied(one.implied_volatility)}"
        for one in told.bought
    ]
    lines += [
        f"{words.utc(one.at_s)}  {one.how} of {one.size:,.2f} puts at {one.strike:,.0f}: {one.payoff_raw / _UNIT:,.2f} {quote}"
        for one in told.ended
    ]
    lines += [
        f"still held  {one.size:,.2f} puts at {one.strike:,.0f} until {words.utc(one.expiry_s)}, {one.state}, "
        f"would bring {one.brings_quote:,.2f} {quote}"
        for one in told.held
    ]
    # what is still held has no moment, and sorts behind what has
    return [Text(text) for text in sorted(lines)]


def _wakings(told: ProtectionTold) -> list[str]:
    """A line for every moment and reason; tiers that one reason woke share it."""
    together: dict[tuple[int, float, str], list[str]] = {}
    for one in told.woke:
        together.setdefault((one.at_s, one.price, one.why), []).append(one.tier)
    return [
        f"{words.utc(at_s)}  {', '.join(tiers)} woke at {price:,.0f}: {why}" for (at_s, price, why), tiers in together.items()
    ]


def _implied(volatility: float | None) -> str:
    return "" if volatility is None else f", {volatility:.0%} a year"


def _table(told: ProtectionTold, opening_quote: float, quote: str) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    for column in ("", f"ladder alone, {quote}", f"with protection, {quote}"):
        table.add_column(column, justify="left" if not column else "right")
    together = told.together_quote
    for name, alone, both in (
        ("ladder and wallet", told.ladder_quote, told.ladder_quote),
        ("premium", None, -told.premium_quote),
        ("payoff", None, told.payoff_quote),
        ("still held, if sold now", None, told.held_quote),
        ("gas of options", None, -told.gas_quote),
        ("net", told.ladder_quote, together),
    ):
        table.add_row(name, "" if alone is None else f"{alone:+,.2f}", f"{both:+,.2f}")
    table.add_row("of the start", f"{told.ladder_quote / opening_quote:+.2%}", f"{together / opening_quote:+.2%}")
    return table


def _verdict(told: ProtectionTold, quote: str) -> str:
    if not told.bought:
        return "Nothing was bought: there was nothing to pay for, and nothing that would have paid."
    if told.net_quote < 0:
        return f"Protection cost {-told.net_quote:,.2f} {quote} more than it paid."
    return f"Protection paid {told.net_quote:,.2f} {quote} more than it cost."

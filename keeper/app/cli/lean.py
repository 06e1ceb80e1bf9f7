"""How the ladder and what protects it lean, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType

from keeper.app.cli.output import table
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.strategy.hedge.bias import Lean, leans
from keeper.core.strategy.hedge.needs import reference_volatility


def rows(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> tuple[Lean, ...]:
    """Every part's lean at the reference volatility; at the usual one where nothing tells it."""
    return leans(view, policy, reference_volatility(readings) or policy.regimes.usual_volatility)


def document(parts: tuple[Lean, ...]) -> list[dict[str, Any]]:
    """The same for a program."""
    return [part._asdict() for part in parts]


def tables(parts: tuple[Lean, ...], policy: Policy) -> list[RenderableType]:
    """The same for a person; the total has the wallet in it."""
    base, quote = policy.base.symbol, policy.quote.symbol
    columns = ("part", f"delta, {base}", f"gamma, {base} per 1 {quote}", f"vega, {quote} per 1.00 of volatility")
    body = [(part.name, f"{part.delta:+,.4f}", f"{part.gamma:+,.6f}", f"{part.vega:+,.2f}") for part in parts]
    return [table("Lean", columns, body, right=columns[1:])]

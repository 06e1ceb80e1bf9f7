"""The rate that money earned when some of it came and went on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyxirr

from keeper.core.quant.checks import finite

LEAST_RATE = -0.9999
"""Lowest rate that is looked for: all but a ten-thousandth lost in a year."""
MOST_RATE = 1e6
"""Highest, as a fraction."""
_GRID = 2_000
"""Growth factors tried between the two, evenly in the logarithm, 1.2 % apart: two rates that lie closer may be missed."""
_HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class CashFlow:
    """Money that the owner moved, or would have moved by selling all.

    Raises:
        ValueError: the amount is not finite.
    """

    day: date
    amount: float
    """Negative when paid in, positive when taken out or still there at the end, in one unit."""

    def __post_init__(self) -> None:
        finite("amount", (self.amount,))


def money_weighted_rates(flows: Sequence[CashFlow]) -> tuple[float, ...]:
    """Every yearly rate at which the flows are worth nothing together (XIRR, 365 days a year), lowest first.

    None when all flows have one sign, or when the rate lies outside :data:`LEAST_RATE` to :data:`MOST_RATE`, as after a day or
    two it may. One at most when the sign changes once in time. When it changes more often there may be several, and then none
    of them is *the* rate: show them all, or another measure.

    Args:
        flows: in any order.

    Ref: the rate that spreadsheets name XIRR.
    """
    flows = sorted(flows, key=lambda flow: flow.day)
    days, amounts = [flow.day for flow in flows], [flow.amount for flow in flows]
    if not min(amounts, default=0.0) < 0 < max(amounts, default=0.0):
        return ()
    if pyxirr.is_conventional_cash_flow(amounts):
        rate = pyxirr.xirr(days, amounts, silent=True)
        return (rate,) if rate is not None and LEAST_RATE <= rate <= MOST_RATE else ()
    low, high = 1 + LEAST_RATE, 1 + MOST_RATE
    growths = [low * (high / low) ** (step / _GRID) for step in range(_GRID + 1)]
    worths = [_worth(days, amounts, growth) for growth in growths]
    crossed = (at for at in range(_GRID) if worths[at] == 0 or worths[at] * worths[at + 1] < 0)
    return tuple(_root(days, amounts, growths[at], growths[at + 1]) - 1 for at in crossed)


def _worth(days: Sequence[date], amounts: Sequence[float], growth: float) -> float:
    """Of all flows on the first day."""
    years = ((day - days[0]).days / 365 for day in days)
    return math.fsum(amount * math.pow(growth, -year) for year, amount in zip(years, amounts, strict=True))


def _root(days: Sequence[date], amounts: Sequence[float], low: float, high: float) -> float:
    rising = _worth(days, amounts, high) > 0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if (_worth(days, amounts, middle) > 0) == rising:
            high = middle
        else:
            low = middle
    return low

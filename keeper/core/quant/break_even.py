"""Prices between which a ladder has earned more than it has lost.

Prices and money are in token1, as in :mod:`keeper.core.quant.replication`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from keeper.core.quant.checks import finite, positive
from keeper.core.quant.replication import Band, ladder_delta, ladder_value, loss_against_holding
from keeper.core.quant.roots import bracketed_root


class BreakEvens(NamedTuple):
    """Where profit ends on either side."""

    lower: float | None
    """Price below which the ladder loses; None when it never does there, or loses everywhere."""
    upper: float | None
    """Price above which it loses; None likewise."""


def break_evens_against_holding(ladder: Sequence[Band], *, entry: float, fees: float) -> BreakEvens:
    """Prices at which the fees equal what the ladder is worth less than the tokens that it held at ``entry``.

    Args:
        ladder: bands; at least one.
        entry: > 0.
        fees: accrued since, in token1; costs that are to count are taken off. Below zero there is no break-even.

    Raises:
        ValueError: a number is out of its range or not finite, or the ladder is empty.

    Ref: the two wings of an iron condor, with liquidity in place of its sold options.
    """
    _check(ladder, entry, fees)
    if fees < 0:
        return BreakEvens(lower=None, upper=None)

    def loss(price: float) -> float:
        return loss_against_holding(ladder, entry=entry, price=price, fees=fees)

    # the loss starts where liquidity is first traded: at the entry, or at the next band when the entry lies between bands
    below = max((min(entry, band.upper) for band in ladder if band.lower < entry), default=None)
    lower = bracketed_root(loss, 0.0, below) if below is not None and loss(0.0) > 0 else None
    above = min((max(entry, band.lower) for band in ladder if band.upper > entry), default=None)
    if above is None:
        return BreakEvens(lower=lower, upper=None)
    top = max(band.upper for band in ladder)
    if loss(top) <= 0:  # above the ladder every further 1 of price costs what the holding has of token0
        return BreakEvens(lower=lower, upper=top - loss(top) / ladder_delta(ladder, entry))
    return BreakEvens(lower=lower, upper=bracketed_root(loss, above, top))


def break_even_against_cash(ladder: Sequence[Band], *, entry: float, fees: float) -> float | None:
    """Price below which ladder and fees are worth less than the ladder was at ``entry``; there is never an upper one.

    None when fees cover the whole value, or when costs exceed what any price could bring.

    Args:
        ladder: bands; at least one.
        entry: > 0.
        fees: accrued since, in token1; costs that are to count are taken off.

    Raises:
        ValueError: a number is out of its range or not finite, or the ladder is empty.
    """
    _check(ladder, entry, fees)
    start = ladder_value(ladder, entry)

    def loss(price: float) -> float:
        return start - ladder_value(ladder, price) - fees

    top = max(band.upper for band in ladder)
    if start <= fees or loss(top) > 0:
        return None
    return bracketed_root(loss, 0.0, top)


def _check(ladder: Sequence[Band], entry: float, fees: float) -> None:
    if not ladder:
        raise ValueError("a ladder needs a band")
    positive(entry=entry)
    finite("fees", (fees,))

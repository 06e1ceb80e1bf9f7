"""How many puts keep the loss of a ladder within a cap, down to the price at a quantile.

Prices are in token1 per token0, money is in token1, quantities are in token0. Losses are against the value at entry in token1
and net of what has accrued. Below the floor nothing is promised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import NamedTuple

from keeper.core.model.option import OptionKind
from keeper.core.quant.checks import finite, not_negative, positive
from keeper.core.quant.replication import Band, Vanilla, loss_against_cash, strip_payoff

_NORMAL = NormalDist()
_MOST_LOTS = 2**53
"""Above it a double does not tell one lot from the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOffer:
    """A put that can be bought now and held to the horizon.

    Raises:
        ValueError: a number is out of its range or not finite.
    """

    strike: float
    premium: float
    """Per token0 covered, >= 0, with every cost that grows with the quantity."""
    lot: float
    """Smallest step of the quantity, token0, > 0."""
    opening_cost: float = 0.0
    """What buying any quantity costs on top, >= 0."""

    def __post_init__(self) -> None:
        positive(strike=self.strike, lot=self.lot)
        not_negative(premium=self.premium, opening_cost=self.opening_cost)


class WorstCase(NamedTuple):
    """The least profit over a range of prices, and where it is."""

    price: float
    """Infinite when the profit falls without end as the price rises."""
    profit: float
    """Negative when it is a loss."""


class Unsized(StrEnum):
    """Why no quantity keeps the cap."""

    PUT_PAYS_TOO_LITTLE = "put_pays_too_little"
    """At the floor it pays no more than it costs."""
    CAP_OUT_OF_REACH = "cap_out_of_reach"
    """What caps the loss at one price breaks the cap at another, where the premium is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """So many puts, and what is left to fear with them."""

    quantity: float
    """Whole lots, >= 0."""
    cost: float
    """Premium and opening cost; 0 when none is needed."""
    worst: WorstCase
    """At the floor and above it, all costs counted; its loss is within the cap."""


def price_quantile(*, price: float, quantile: float, volatility: float, years: float) -> float:
    """Price that is undercut with probability ``quantile`` after ``years``: ``P e^(z sigma sqrt(T) - sigma^2 T / 2)``.

    Args:
        price: now, > 0; without drift.
        quantile: in (0, 1).
        volatility: forecast per year, >= 0.
        years: >= 0.

    Raises:
        ValueError: a number is out of its range or not finite.
    """
    positive(price=price)
    not_negative(volatility=volatility, years=years)
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must lie between 0 and 1, not {quantile}")
    deviation = volatility * math.sqrt(years)
    return price * math.exp(_NORMAL.inv_cdf(quantile) * deviation - deviation**2 / 2)


def put_quantity(*, loss: float, cap: float, price: float, strike: float, premium: float) -> float | None:
    """Puts that bring a loss at one price down to the cap: ``(loss - cap) / ((strike - price) - premium)``; 0 within it.

    None when the loss exceeds the cap and the put pays no more there than it costs.

    Args:
        loss: at ``price``, before any of these puts; of any sign.
        cap: >= 0.
        price: >= 0.
        strike: > 0.
        premium: per unit, >= 0.

    Raises:
        ValueError: a number is out of its range or not finite.
    """
    finite("loss", (loss,))
    not_negative(cap=cap, price=price, premium=premium)
    positive(strike=strike)
    if loss <= cap:
        return 0.0
    gain = max(strike - price, 0.0) - premium
    return (loss - cap) / gain if gain > 0 else None


def worst_case(ladder: Sequence[Band], options: Sequence[Vanilla], *, entry: float, accrued: float, floor: float) -> WorstCase:
    """Least profit of ladder and options at expiry over all prices from ``floor`` up, exact but for rounding.

    The ladder is concave in the price and options are straight between strikes, so the profit can be least only at the floor,
    at a strike, or without end: where it does not fall for ever it rises in the end.

    Args:
        ladder: bands.
        options: held; a sold one has a negative quantity.
        entry: price at which the ladder's value is the starting point, > 0.
        accrued: fees so far, less what the options cost.
        floor: lowest price that counts, > 0.

    Raises:
        ValueError: a number is out of its range or not finite.
    """
    positive(floor=floor)
    if math.fsum([option.quantity for option in options if option.kind is OptionKind.CALL]) < 0:
        return WorstCase(price=math.inf, profit=-math.inf)
    kinks = _kinks(options, floor)
    profits = [-_loss(ladder, options, entry, accrued, price) for price in kinks]
    worst = min(range(len(kinks)), key=profits.__getitem__)
    return WorstCase(price=kinks[worst], profit=profits[worst])


def size_puts(
    ladder: Sequence[Band],
    offer: PutOffer,
    *,
    entry: float,
    accrued: float,
    floor: float,
    cap: float,
    options: Sequence[Vanilla] = (),
) -> Sizing | Unsized:
    """Fewest lots of a put with which no price from ``floor`` up loses more than ``cap``; none when nothing does.

    The quantity is rounded **up** to a lot, and by one lot more where rounding would leave the cap broken. The worst case with
    the puts is never worse than without them.

    Args:
        ladder: bands.
        offer: the put.
        entry: price at which the ladder's value is the starting point, > 0.
        accrued: fees so far, less what the held options cost.
        floor: lowest price that counts, > 0: see :func:`price_quantile`.
        cap: loss that is tolerated, >= 0.
        options: held already.

    Returns:
        The sizing, or why there is none.

    Raises:
        ValueError: a number is out of its range or not finite.
    """
    not_negative(cap=cap)
    before = worst_case(ladder, options, entry=entry, accrued=accrued, floor=floor)
    if before.profit >= -cap:
        return Sizing(quantity=0.0, cost=0.0, worst=before)
    if before.price == math.inf:
        return Unsized.CAP_OUT_OF_REACH
    needed = 0.0
    for price in _kinks((*options, Vanilla(OptionKind.PUT, offer.strike, 0.0)), floor):
        loss = _loss(ladder, options, entry, accrued - offer.opening_cost, price)
        quantity = put_quantity(loss=loss, cap=cap, price=price, strike=offer.strike, premium=offer.premium)
        if quantity is None:
            return Unsized.PUT_PAYS_TOO_LITTLE if price == floor else Unsized.CAP_OUT_OF_REACH
        needed = max(needed, quantity)
    if needed / offer.lot >= _MOST_LOTS:
        return Unsized.PUT_PAYS_TOO_LITTLE
    fewest = math.ceil(needed / offer.lot)
    for lots in (fewest, fewest + 1):
        quantity = lots * offer.lot
        cost = quantity * offer.premium + offer.opening_cost
        held = (*options, Vanilla(OptionKind.PUT, offer.strike, quantity))
        after = worst_case(ladder, held, entry=entry, accrued=accrued - cost, floor=floor)
        if after.profit >= -cap:
            return Sizing(quantity=quantity, cost=cost, worst=after)
    return Unsized.CAP_OUT_OF_REACH


def _kinks(options: Sequence[Vanilla], floor: float) -> list[float]:
    return [floor, *sorted({option.strike for option in options if option.strike > floor})]


def _loss(ladder: Sequence[Band], options: Sequence[Vanilla], entry: float, accrued: float, price: float) -> float:
    return loss_against_cash(ladder, entry=entry, price=price, fees=accrued) - strip_payoff(options, price)

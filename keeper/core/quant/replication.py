"""Liquidity as options: what a ladder is worth, how it bends, and the puts and calls whose payoff is its loss against holding.

Prices and values are in token1 (per token0), quantities in token0; liquidity is in matching units, all raw or all human. A
ladder is a list of bands, a single position one of one band. A loss is a positive number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import NamedTuple

from keeper.core.model.option import OptionKind
from keeper.core.quant.checks import finite, not_negative, positive

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Liquidity between two prices.

    Raises:
        ValueError: a number is not above zero and finite, or the prices are not ordered.
    """

    liquidity: float
    lower: float
    """Price under which it is all token0."""
    upper: float
    """Price above which it is all token1."""

    def __post_init__(self) -> None:
        positive(liquidity=self.liquidity, lower=self.lower, upper=self.upper)
        if self.lower >= self.upper:
            raise ValueError(f"band is empty: lower {self.lower} >= upper {self.upper}")


class Vanilla(NamedTuple):
    """So much of a put or a call."""

    kind: OptionKind
    strike: float
    """> 0."""
    quantity: float
    """Token0 that it covers; negative when sold."""


def ladder_value(ladder: Iterable[Band], price: float) -> float:
    """Value of both tokens, in token1: ``x P + y``; concave and never falling in the price.

    Args:
        ladder: bands.
        price: >= 0.

    Raises:
        ValueError: the price is negative or not finite.

    Ref: v3 whitepaper eq. 6.29 and 6.30.
    """
    not_negative(price=price)
    return math.fsum([_value(band, price) for band in ladder])


def ladder_delta(ladder: Iterable[Band], price: float) -> float:
    """Slope of :func:`ladder_value`: the token0 that the ladder holds.

    Args:
        ladder: bands.
        price: >= 0.

    Raises:
        ValueError: the price is negative or not finite.

    Ref: Milionis, Moallemi, Roughgarden & Zhang 2022: the slope of a pool's value is its holding.
    """
    not_negative(price=price)
    return math.fsum([_amount0(band, price) for band in ladder])


def ladder_gamma(ladder: Iterable[Band], price: float) -> float:
    """Bend of :func:`ladder_value`, token0 per 1 of price: minus ``L / (2 P^1.5)`` of the bands in range, never positive.

    Its opposite is the density over strikes of the options that replicate the loss.

    Args:
        ladder: bands, each in range from its lower price up to but not including its upper one.
        price: > 0.

    Raises:
        ValueError: the price is not above zero and finite.
    """
    positive(price=price)
    return -math.fsum([band.liquidity for band in ladder if band.lower <= price < band.upper]) / (2 * price * math.sqrt(price))


def loss_against_holding(ladder: Iterable[Band], *, entry: float, price: float, fees: float = 0.0) -> float:
    """What the ladder is worth less than the tokens that it held at ``entry``, less the fees; negative when fees outweigh it.

    Without fees it is never negative: divergence or impermanent loss.

    Args:
        ladder: bands.
        entry: price at which the holding is fixed, > 0.
        price: >= 0.
        fees: accrued since, in token1; costs that are to count are taken off.

    Raises:
        ValueError: a number is out of its range or not finite.

    Ref: v3 whitepaper eq. 6.29 and 6.30 at both prices, gathered into one product without cancellation.
    """
    positive(entry=entry)
    not_negative(price=price)
    finite("fees", (fees,))
    losses = []
    for band in ladder:
        start, now = _root(band, entry), _root(band, price)
        losses.append(band.liquidity * (start - now) * (1 - price / (start * now)))
    return math.fsum(losses) - fees


def loss_against_cash(ladder: Sequence[Band], *, entry: float, price: float, fees: float = 0.0) -> float:
    """What the ladder has lost of its value at ``entry``, less the fees; negative when it has gained.

    Args:
        ladder: bands.
        entry: > 0.
        price: >= 0.
        fees: accrued since, in token1; costs that are to count are taken off.

    Raises:
        ValueError: a number is out of its range or not finite.
    """
    positive(entry=entry)
    finite("fees", (fees,))
    return ladder_value(ladder, entry) - ladder_value(ladder, price) - fees


def replicating_strip(ladder: Sequence[Band], *, entry: float, edges: Iterable[float]) -> tuple[Vanilla, ...]:
    """Puts below ``entry`` and calls above it that pay the loss against holding at expiry, one for each bucket of strikes.

    A bucket from K1 to K2 takes ``L (1 / sqrt(K1) - 1 / sqrt(K2))`` of each band: the token0 that the band buys there. The
    strike is the mean of the bucket's own, ``sqrt(K1 K2)`` for one band, so the strip pays the loss exactly at every edge and
    beyond the ladder, and less than it, never more, within a bucket.

    Args:
        ladder: bands; at least one.
        entry: price at which the holding is fixed, > 0.
        edges: where buckets meet, > 0, in any order; the ends of the ladder and the entry are edges anyway.

    Returns:
        By strike, lowest first; buckets without liquidity are left out.

    Raises:
        ValueError: a number is out of its range or not finite, or the ladder is empty.

    Ref: Carr & Madan 1998, Towards a theory of volatility trading, with the loss as the payoff.
    """
    if not ladder:
        raise ValueError("a ladder needs a band")
    inner = [entry, *edges]
    for edge in inner:
        positive(edge=edge)
    lowest, highest = min(band.lower for band in ladder), max(band.upper for band in ladder)
    ends = sorted({lowest, highest, *(edge for edge in inner if lowest < edge < highest)})
    strip = []
    for low, high in pairwise(ends):
        roots = [(band.liquidity, _root(band, low), _root(band, high)) for band in ladder]
        paid = math.fsum([liquidity * (top - bottom) for liquidity, bottom, top in roots])
        bought = math.fsum([liquidity * (top - bottom) / (top * bottom) for liquidity, bottom, top in roots])
        if bought > 0:
            strike = min(max(paid / bought, low), high)
            strip.append(Vanilla(OptionKind.PUT if high <= entry else OptionKind.CALL, strike, bought))
    return tuple(strip)


def strip_payoff(strip: Iterable[Vanilla], price: float) -> float:
    """What the options pay at expiry, in token1; continuous in the price.

    Args:
        strip: puts and calls.
        price: >= 0.

    Raises:
        ValueError: the price is negative or not finite.
    """
    not_negative(price=price)
    return math.fsum(
        [quantity * max(strike - price if kind is OptionKind.PUT else price - strike, 0.0) for kind, strike, quantity in strip]
    )


def insurance_price(ladder: Iterable[Band], *, price: float, volatility: float, years: float) -> float:
    """Fair price of being paid the whole loss against holding after ``years``, in token1; the price has no drift, no rate.

    It is what the strip of options costs together, and what the fees are worth when the pool's volatility is this one: to
    insure all of the loss costs all of the fees.

    Args:
        ladder: bands.
        price: now, and the one at which the holding is fixed, > 0.
        volatility: per year, >= 0.
        years: >= 0.

    Raises:
        ValueError: a number is out of its range or not finite.

    Ref: value now less the expected value, by partial moments of the log-normal.
    """
    positive(price=price)
    not_negative(volatility=volatility, years=years)
    deviation = volatility * math.sqrt(years)
    if deviation <= 0:
        return 0.0
    ladder = tuple(ladder)
    expected = math.fsum([_expected_value(band, price, deviation) for band in ladder])
    return max(ladder_value(ladder, price) - expected, 0.0)


def insuring_fee_rate(ladder: Sequence[Band], *, price: float, volatility: float, years: float) -> float:
    """Fees per year over the ladder's value that pay :func:`insurance_price`, as a fraction.

    Args:
        ladder: bands; at least one.
        price: > 0.
        volatility: per year, >= 0.
        years: of the insurance, > 0.

    Raises:
        ValueError: a number is out of its range or not finite, or the ladder is empty.
    """
    positive(years=years, value=ladder_value(ladder, price))
    return insurance_price(ladder, price=price, volatility=volatility, years=years) / (ladder_value(ladder, price) * years)


def _root(band: Band, price: float) -> float:
    return math.sqrt(min(max(price, band.lower), band.upper))


def _amount0(band: Band, price: float) -> float:
    root, top = _root(band, price), math.sqrt(band.upper)
    return band.liquidity * (top - root) / (top * root)


def _value(band: Band, price: float) -> float:
    lower, upper = band.lower, band.upper
    # the root as _root has it: a call less in what every search for a price asks again and again
    low, high, root = math.sqrt(lower), math.sqrt(upper), math.sqrt(min(max(price, lower), upper))
    return band.liquidity * (high - root) / (high * root) * price + band.liquidity * (root - low)


def _expected_value(band: Band, price: float, deviation: float) -> float:
    low, high = math.sqrt(band.lower), math.sqrt(band.upper)

    def below(bound: float, power: float) -> float:
        """Mean of the price to a power over the cases in which it ends below a bound."""
        tilted = math.log(bound / price) / deviation + deviation * (0.5 - power)
        return math.pow(price, power) * math.exp(power * (power - 1) / 2 * deviation**2) * _NORMAL.cdf(tilted)

    def inside(power: float) -> float:
        return below(band.upper, power) - below(band.lower, power)

    return band.liquidity * math.fsum(
        [
            (high - low) / (high * low) * below(band.lower, 1.0),
            2 * inside(0.5) - low * inside(0.0) - inside(1.0) / high,
            (high - low) * (1 - below(band.upper, 0.0)),
        ]
    )

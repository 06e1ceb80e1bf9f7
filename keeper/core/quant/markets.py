"""What the markets around a pool say: the pool's yield, the lenders' liquidity, an asset against all others."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keeper.core.quant.checks import finite, not_negative, positive

MOST_QUICK_RATIO = 10.0
"""Nobody is short of liquidity above it, and without debt the ratio has no value of its own."""
_WHOLE = 1e-9
"""Rounding that weights which should sum to 1 are forgiven."""


def effective_rate(relatives: Sequence[float], weights: Sequence[float]) -> float:
    """Effective exchange rate: the weighted geometric mean of an asset's price in each other one, over what it was.

    Above 1 the asset has gained on the basket. Inverting every price inverts the rate.

    Args:
        relatives: price now over price at the start, of the asset in each other one, > 0.
        weights: >= 0, sum 1; see :func:`capped_weights`.

    Raises:
        ValueError: the lists differ in length or are empty, or a number is out of its range.

    Ref: the IMF's real effective exchange rate, with prices of goods left out.
    """
    for relative in relatives:
        positive(relative=relative)
    for weight in weights:
        not_negative(weight=weight)
    if abs(math.fsum(weights) - 1) > _WHOLE:
        raise ValueError(f"weights must sum to 1, not {math.fsum(weights)}")
    return math.exp(math.fsum(weight * math.log(relative) for relative, weight in zip(relatives, weights, strict=True)))


def capped_weights(raw: Sequence[float], cap: float) -> tuple[float, ...]:
    """Shares of a total of which none exceeds ``cap``; what is cut off goes to the others in proportion to their own.

    When too few others have a share to take it, those without one get what is left, in equal parts.

    Args:
        raw: >= 0, not all zero.
        cap: in (0, 1], at least ``1 / len(raw)``, or no weights would sum to 1.

    Raises:
        ValueError: a number is out of its range.
    """
    for value in raw:
        not_negative(raw=value)
    if not raw or max(raw) <= 0:
        raise ValueError("one weight above zero is needed")
    if not (0 < cap <= 1 and cap * len(raw) >= 1 - _WHOLE):
        raise ValueError(f"cap must be at most 1 and at least 1/{len(raw)}, not {cap}")
    largest = max(raw)
    shares = [value / largest for value in raw]
    left, free = 1.0, set(range(len(raw)))
    total = math.fsum(shares)
    while full := {i for i in free if shares[i] * left > cap * total}:
        free -= full
        left = max(1 - cap * (len(raw) - len(free)), 0.0)
        total = math.fsum(shares[i] for i in free)
    if total <= 0:  # only those without a share are left
        return tuple(left / len(free) if i in free else cap for i in range(len(raw)))
    return tuple(min(shares[i] / total * left, cap) if i in free else cap for i in range(len(raw)))


def fee_yield(*, tvl: float, fee: float, volume_day: float) -> float:
    """Fees of a year over the value locked, as a fraction, if every day were as this one.

    Args:
        tvl: value locked, > 0.
        fee: paid to the liquidity providers, as a fraction of volume, >= 0.
        volume_day: in the unit of ``tvl``, >= 0.

    Raises:
        ValueError: a number is out of its range.
    """
    positive(tvl=tvl)
    not_negative(fee=fee, volume_day=volume_day)
    return fee * volume_day * 365 / tvl


def price_to_cash_flow(*, tvl: float, fee: float, volume_day: float) -> float:
    """Years until fees repay the value locked: one over :func:`fee_yield`.

    Raises:
        ValueError: a number is not above zero: without fees there is no such time.
    """
    positive(tvl=tvl, fee=fee, volume_day=volume_day)
    return tvl / (fee * volume_day * 365)


def quick_ratio(*, available: float, debt: float) -> float:
    """What lenders could withdraw at once over what borrowers owe: ``(1 - U) / U``, at most :data:`MOST_QUICK_RATIO`.

    Raises:
        ValueError: a number is negative or not finite.
    """
    not_negative(available=available, debt=debt)
    if available >= MOST_QUICK_RATIO * debt:
        return MOST_QUICK_RATIO
    return available / debt


def utilisation(*, available: float, debt: float) -> float:
    """Part of the supplied that is lent, 0 to 1; 0 for an empty market.

    Raises:
        ValueError: a number is negative or not finite.
    """
    not_negative(available=available, debt=debt)
    supplied = available + debt
    return debt / supplied if supplied > 0 else 0.0


def distance_to_kink(*, used: float, optimal: float) -> float:
    """Utilisation left until borrowing turns dear, as a part of the optimum: 1 when nothing is lent, negative past the kink.

    Args:
        used: :func:`utilisation`, 0 or more.
        optimal: utilisation at which the rate model bends, in (0, 1].

    Raises:
        ValueError: a number is out of its range.
    """
    not_negative(used=used)
    finite("optimal", (optimal,))
    if not 0 < optimal <= 1:
        raise ValueError(f"optimal must lie in (0, 1], not {optimal}")
    return 1 - used / optimal

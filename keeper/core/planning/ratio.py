"""How much to sell so that what is left fits what several ranges want, with the swap's own impact: closed form per segment.

Prices are square roots of raw token1 per raw token0, exact to 60 digits; x is token0 and y is token1. The result chooses an
integer amount and is then checked by the exact swap, so nothing here is paid.

Within a segment of constant pool liquidity Lp the funds move along ``x = B - Kx / s`` and ``y = A - Ky * s``, with
``Kx = Lp, Ky = Lp / (1 - fee)`` when y is sold and the two exchanged when x is sold. The ranges want ``X = alpha / s + c0``
and ``Y = alpha * s + c1``, alpha being their liquidity in range. The swap ends where the funds have the wanted ratio,
``x Y = y X``::

    (B alpha + Ky c0) s^2 + (B c1 - Kx alpha - A c0 + Ky alpha) s - (Kx c1 + A alpha) = 0

or earlier, where the scarce token suffices, so that what is meant to stay idle is not swapped.

Ref: v3 whitepaper section 6.2; the single-range form is the case alpha = L, c0 = -L / sqrt(b), c1 = -L * sqrt(a).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import NamedTuple

ARITHMETIC = Context(prec=60)
"""Of all of planning: float64 loses the root of a deep pool to cancellation."""
_ZERO = Decimal(0)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A range of the swap's own pool that wants liquidity."""

    lower: Decimal
    """Square-root price of the first tick inside."""
    upper: Decimal
    liquidity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """The pool that is traded in, without the liquidity that was withdrawn before."""

    sqrt_price: Decimal
    liquidity: Decimal
    ticks: tuple[tuple[Decimal, Decimal], ...]
    """Square-root price and liquidity net of every initialised tick within reach, ascending; a tick that the price stands on
    counts as crossed."""
    fee: Decimal
    """Part of the input, in [0, 1)."""
    lowest: Decimal
    """The price does not go below: protected interval and known map together."""
    highest: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioSwap:
    """The swap that fits the funds to the demands."""

    zero_for_one: bool
    amount_in: Decimal
    """Raw units of the token sold, fee included."""
    amount_out: Decimal
    sqrt_price: Decimal
    """After the swap."""


class _Wanted(NamedTuple):
    """``X = alpha / s + c0``, ``Y = alpha * s + c1`` within one segment."""

    alpha: Decimal
    c0: Decimal
    c1: Decimal

    def amounts(self, s: Decimal) -> tuple[Decimal, Decimal]:
        return self.alpha / s + self.c0, self.alpha * s + self.c1


class _Line(NamedTuple):
    """``x = b - kx / s``, ``y = a - ky * s`` within one segment."""

    a: Decimal
    b: Decimal
    kx: Decimal
    ky: Decimal

    def amounts(self, s: Decimal) -> tuple[Decimal, Decimal]:
        return self.b - self.kx / s, self.a - self.ky * s


def swap_to_ratio(
    *, amount0: int, amount1: int, depth: Depth, demands: Sequence[Demand], fixed0: Decimal = _ZERO, fixed1: Decimal = _ZERO
) -> RatioSwap | None:
    """The smallest swap after which no token is scarcer, against what the demands want, than it has to be.

    Args:
        amount0: raw token0 at hand, >= 0.
        amount1: raw token1 at hand, >= 0.
        depth: the pool.
        demands: wanted ranges in this pool.
        fixed0: raw token0 wanted elsewhere, whatever this pool's price.
        fixed1: raw token1 wanted elsewhere.

    Returns:
        None when the funds suffice as they are, when nothing is wanted, or when the price may not move that way.
    """
    with localcontext(ARITHMETIC):
        x, y, s = Decimal(amount0), Decimal(amount1), depth.sqrt_price
        want_x, want_y = _wanted(demands, s, s, fixed0, fixed1).amounts(s)
        sell_y, sell_x = x < want_x and x * want_y < y * want_x, y < want_y and y * want_x < x * want_y
        if not sell_y and not sell_x:
            return None
        end_s, end_x, end_y = _walk(x, y, depth, demands, (fixed0, fixed1), up=sell_y)
        if end_s == s:
            return None
        amount_in, amount_out = (y - end_y, end_x - x) if sell_y else (x - end_x, end_y - y)
        return RatioSwap(zero_for_one=sell_x, amount_in=amount_in, amount_out=amount_out, sqrt_price=end_s)


def _walk(
    x: Decimal, y: Decimal, depth: Depth, demands: Sequence[Demand], fixed: tuple[Decimal, Decimal], *, up: bool
) -> tuple[Decimal, Decimal, Decimal]:
    """Follow the swap from segment to segment; returns the price and the funds where it ends."""
    s, liquidity = depth.sqrt_price, depth.liquidity
    nets = dict(depth.ticks)
    for end in _segment_ends(depth, demands, up=up):
        wanted = _wanted(demands, s, end, *fixed)
        line = _line(x, y, s, liquidity, depth.fee, up=up)
        stop = _stop(line, wanted, s, end, up=up)
        if stop is not None:
            return stop, *line.amounts(stop)
        x, y = line.amounts(end)
        s = end
        liquidity += nets.get(end, _ZERO) if up else -nets.get(end, _ZERO)
    return s, x, y


def _segment_ends(depth: Depth, demands: Sequence[Demand], *, up: bool) -> list[Decimal]:
    """Prices at which the pool's liquidity or a demand changes, in the direction of the swap, the limit last."""
    limit = depth.highest if up else depth.lowest
    marks = {mark for mark, _ in depth.ticks} | {mark for demand in demands for mark in (demand.lower, demand.upper)}
    if up:
        return [
            *sorted(mark for mark in marks if depth.sqrt_price < mark < limit),
            *([limit] if limit > depth.sqrt_price else []),
        ]
    # A tick that the price stands on is crossed downward before anything is traded.
    below = sorted((mark for mark in marks if limit < mark <= depth.sqrt_price), reverse=True)
    return [*below, *([limit] if limit < depth.sqrt_price else [])]


def _wanted(demands: Sequence[Demand], s: Decimal, end: Decimal, fixed0: Decimal, fixed1: Decimal) -> _Wanted:
    """What is wanted between ``s`` and ``end``; no demand begins or ends in between."""
    middle = (s + end) / 2
    alpha, c0, c1 = _ZERO, fixed0, fixed1
    for demand in demands:
        if middle < demand.lower:
            c0 += demand.liquidity * (_ONE / demand.lower - _ONE / demand.upper)
        elif middle >= demand.upper:
            c1 += demand.liquidity * (demand.upper - demand.lower)
        else:
            alpha += demand.liquidity
            c0 -= demand.liquidity / demand.upper
            c1 -= demand.liquidity * demand.lower
    return _Wanted(alpha=alpha, c0=c0, c1=c1)


def _line(x: Decimal, y: Decimal, s: Decimal, liquidity: Decimal, fee: Decimal, *, up: bool) -> _Line:
    paid = liquidity / (_ONE - fee)
    kx, ky = (liquidity, paid) if up else (paid, liquidity)
    return _Line(a=y + ky * s, b=x + kx / s, kx=kx, ky=ky)


def _stop(line: _Line, wanted: _Wanted, s: Decimal, end: Decimal, *, up: bool) -> Decimal | None:
    """Where in this segment the swap ends, None when it goes on.

    The scarce token's coverage rises and the other's falls all along the swap, so each crossing is unique.
    """
    x, y = line.amounts(end)
    want_x, want_y = wanted.amounts(end)
    balanced = x * want_y >= y * want_x if up else y * want_x >= x * want_y
    covered = x >= want_x if up else y >= want_y
    stops = []
    if balanced:
        stops.append(_balance(line, wanted, s, end))
    if covered:
        stops.append((line.kx + wanted.alpha) / (line.b - wanted.c0) if up else (line.a - wanted.c1) / (line.ky + wanted.alpha))
    if not stops:
        return None
    first = min(stops) if up else max(stops)
    return min(max(first, min(s, end)), max(s, end))


def _balance(line: _Line, wanted: _Wanted, s: Decimal, end: Decimal) -> Decimal:
    """The root of the quadratic that lies between ``s`` and ``end``."""
    quadratic = line.b * wanted.alpha + line.ky * wanted.c0
    linear = line.b * wanted.c1 - line.kx * wanted.alpha - line.a * wanted.c0 + line.ky * wanted.alpha
    constant = -(line.kx * wanted.c1 + line.a * wanted.alpha)
    if quadratic == 0:
        return -constant / linear if linear else end
    root = max(linear * linear - 4 * quadratic * constant, _ZERO).sqrt()
    # The form without cancellation: one root by the sum of like signs, the other by the product of both.
    pair = -(linear + (root if linear >= 0 else -root)) / 2
    roots = [pair / quadratic, *([constant / pair] if pair else [])]
    middle = (s + end) / 2
    return min(roots, key=lambda candidate: abs(candidate - middle))

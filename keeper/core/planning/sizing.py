"""Amounts for each wanted position, from what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from keeper.core.model.plan import Increase, Mint, Placement
from keeper.core.planning.bounds import Interval, deposit_minimums
from keeper.core.planning.price import Price, root_of
from keeper.core.v3math.liquidity_amounts import max_liquidity_for_amounts
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A placement in the terms of its pool's curve."""

    placement: Placement
    lower: Decimal
    """Square-root price of the first tick inside."""
    upper: Decimal
    value: Decimal
    """In tokens of the quote."""

    def liquidity(self, root: Decimal, price: Price) -> Decimal:
        """Liquidity that the value buys when the pool stands at ``root``, in raw units."""
        return self.value / price.value(*self._unit(root))

    def amounts(self, root: Decimal, price: Price) -> tuple[Decimal, Decimal]:
        """Raw token0 and token1 that the value comes to when the pool stands at ``root``."""
        liquidity = self.liquidity(root, price)
        unit0, unit1 = self._unit(root)
        return liquidity * unit0, liquidity * unit1

    def concentration(self, root: Decimal) -> Decimal:
        """Liquidity over that of the same value on the full range, at the price of the range that is nearest to ``root``.

        Ref: v3 whitepaper section 6.3; 2 / (2 - sqrt(a/P) - sqrt(P/b)).
        """
        inside = min(max(root, self.lower), self.upper)
        return 2 / (2 - self.lower / inside - inside / self.upper)

    def _unit(self, root: Decimal) -> tuple[Decimal, Decimal]:
        inside = min(max(root, self.lower), self.upper)
        return 1 / inside - 1 / self.upper, inside - self.lower


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Integers for one wish."""

    wish: Wish
    amount0: int
    amount1: int


def wish(placement: Placement) -> Wish:
    """The wish behind a placement."""
    held = placement.band.range
    return Wish(
        placement=placement,
        lower=root_of(get_sqrt_ratio_at_tick(held.lower)),
        upper=root_of(get_sqrt_ratio_at_tick(held.upper)),
        value=Decimal(placement.value_quote),
    )


def portions(wishes: Sequence[Wish], funds: tuple[int, int], roots: Mapping[str, Decimal], price: Price) -> tuple[Portion, ...]:
    """Amounts for every wish, in its range's ratio at its pool's price, rounded **down**; their sums never exceed the funds.

    If a token does not reach, everything that needs it shrinks alike; what needs the other token alone does not.
    """
    wanted = [each.amounts(roots[each.placement.band.pool], price) for each in wishes]
    cover0 = _cover(funds[0], sum((amount0 for amount0, _ in wanted), _ZERO))
    cover1 = _cover(funds[1], sum((amount1 for _, amount1 in wanted), _ZERO))
    left0, left1 = funds
    found = []
    for each, (want0, want1) in zip(wishes, wanted, strict=True):
        part = min(cover0 if want0 else Decimal(1), cover1 if want1 else Decimal(1))
        amount0, amount1 = min(_floor(want0 * part), left0), min(_floor(want1 * part), left1)
        left0, left1 = left0 - amount0, left1 - amount1
        found.append(Portion(wish=each, amount0=amount0, amount1=amount1))
    return tuple(found)


def place_step(portion: Portion, sqrt_price_x96: int, interval: Interval) -> Mint | Increase | None:
    """The step that places a portion; None when it would buy no liquidity at the expected price."""
    placement = portion.wish.placement
    band = placement.band
    lower, upper = get_sqrt_ratio_at_tick(band.range.lower), get_sqrt_ratio_at_tick(band.range.upper)
    if not max_liquidity_for_amounts(sqrt_price_x96, lower, upper, portion.amount0, portion.amount1):
        return None
    least0, least1 = deposit_minimums(interval, band.range, portion.amount0, portion.amount1)
    if placement.token_id is not None:
        return Increase(
            token_id=placement.token_id,
            pool=band.pool,
            amount0=portion.amount0,
            amount1=portion.amount1,
            amount0_min=least0,
            amount1_min=least1,
        )
    return Mint(
        pool=band.pool,
        layer=placement.layer,
        range=band.range,
        amount0=portion.amount0,
        amount1=portion.amount1,
        amount0_min=least0,
        amount1_min=least1,
    )


def _cover(held: int, wanted: Decimal) -> Decimal:
    return min(Decimal(1), held / wanted) if wanted > 0 else Decimal(1)


def _floor(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_DOWN))

"""Prices that amounts are compared at: the protected one for what is wanted, spot for what it costs to get there."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from keeper.core.model.errors import Refused
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import Q96


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A price of the pair, for choosing; it never becomes an amount that is paid."""

    root: Decimal
    """Square root of raw token1 per raw token0."""
    quote_is_token0: bool
    quote_decimals: int

    def value(self, amount0: Decimal | int, amount1: Decimal | int) -> Decimal:
        """Worth of raw amounts, in tokens of the quote."""
        ratio = self.root * self.root
        raw = amount0 + amount1 / ratio if self.quote_is_token0 else amount0 * ratio + amount1
        return raw.scaleb(-self.quote_decimals)


def root_of(sqrt_price_x96: int) -> Decimal:
    """A square-root price as a decimal, exact to the context's precision."""
    return Decimal(sqrt_price_x96) / Q96


def price_at(sqrt_price_x96: int, policy: Policy) -> Price:
    """The price at a square-root price of any pool of the pair."""
    return Price(
        root=root_of(sqrt_price_x96),
        quote_is_token0=policy.pool(policy.signal_pool).token0.address == policy.quote.address,
        quote_decimals=policy.quote.decimals,
    )


def protected_price(view: MarketView, policy: Policy) -> Price:
    """The signal pool's time-weighted price.

    Raises:
        Refused: no pool of the pair has the history for one.
    """
    return price_at(get_sqrt_ratio_at_tick(protected_tick(view, policy, policy.signal_pool)), policy)


def protected_tick(view: MarketView, policy: Policy, pool: str) -> int:
    """Time-weighted mean tick that guards what happens in ``pool``: its own, else the signal pool's, else any of the pair's.

    All pools of a pair share the order of their tokens, so one's tick tells the price in another to within fees.

    Raises:
        Refused: no pool of the pair has the history for one.
        KeyError: the view does not hold the pool.
    """
    candidates = (view.pool(pool), view.pool(policy.signal_pool), *view.pools)
    for candidate in candidates:
        if candidate.twap_tick is not None:
            return candidate.twap_tick
    raise Refused("no pool of the pair has a time-weighted price to protect the plan with")

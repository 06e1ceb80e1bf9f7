"""What a plan's steps are expected to burn, and what that is worth."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from keeper.core.model.plan import Stage
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.planning.price import Price
from keeper.core.strategy.gas import gas_of


def gas_units(stages: Sequence[Stage]) -> int:
    """Gas units of all stages: one transaction each, and for an option what its venue says."""
    return sum(gas_of(stage.steps) for stage in stages)


def gas_quote(units: int, view: MarketView, policy: Policy, price: Price) -> Decimal:
    """Expected worth of ``units`` of gas, in tokens of the quote; 0 for a pair without the wrapped native token.

    Such a pair knows no price of native currency; the daily ceiling of gas is then the only guard.
    """
    wei = units * view.gas.price_wei
    wrapped = policy.wrapped_native
    if wrapped is None:
        return Decimal(0)
    if policy.pool(policy.signal_pool).token0.address == wrapped.address:
        return price.value(wei, 0)
    return price.value(0, wei)

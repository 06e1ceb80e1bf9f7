"""What steps are expected to burn, and what that is worth.

Measured on the position manager and the router with fees accrued: decrease 223k to 225k, collect 84k, burn 71k to 88k, swap
101k to 124k, mint 452k to 474k; thirteen separate transactions 2.64M to 2.74M, the same in three bundles 2.06M to 2.17M, which
makes 58k saved by each step that rides along in another's transaction. An increase pays for the same pool update as a decrease.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from keeper.core.model.plan import Burn, Collect, Decrease, Increase, Mint, Stage, Step, Swap, Unwrap, Wrap
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.planning.price import Price

_UNITS: dict[type[Step], int] = {
    Decrease: 225_000,
    Collect: 84_000,
    Burn: 80_000,
    Swap: 115_000,
    Mint: 463_000,
    Increase: 225_000,
    Wrap: 45_000,
    Unwrap: 36_000,
}
"""Each in a transaction of its own, its 21,000 included."""

_SAVED_BY_BUNDLING = 58_000
"""For every step of a stage after the first."""

_LEAST_BUNDLED = 15_000
"""No step gets cheaper than this."""


def step_gas(kind: type[Step]) -> int:
    """Gas units of a step in a transaction of its own."""
    return _UNITS[kind]


def gas_units(stages: Sequence[Stage]) -> int:
    """Gas units of all stages, one transaction each."""
    return sum(_stage_gas(stage.steps) for stage in stages)


def gas_price_wei(view: MarketView) -> int:
    """Expected price of a unit of gas: the next base fee and the usual tip."""
    return view.gas.base_fee_wei + view.gas.tip_wei


def gas_quote(units: int, view: MarketView, policy: Policy, price: Price) -> Decimal:
    """Expected worth of ``units`` of gas, in tokens of the quote; 0 for a pair without the wrapped native token.

    Such a pair knows no price of native currency; the daily ceiling of gas is then the only guard.
    """
    wei = units * gas_price_wei(view)
    wrapped = policy.wrapped_native
    if wrapped is None:
        return Decimal(0)
    if policy.pool(policy.signal_pool).token0.address == wrapped.address:
        return price.value(wei, 0)
    return price.value(0, wei)


def _stage_gas(steps: Sequence[Step]) -> int:
    if not steps:
        return 0
    first, *others = (_UNITS[type(step)] for step in steps)
    return first + sum(max(units - _SAVED_BY_BUNDLING, _LEAST_BUNDLED) for units in others)

"""What there is to place: the wallet's tokens, native currency above the reserve, and what withdrawals return."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from keeper.core.model.ladder import Position
from keeper.core.model.plan import Burn, Collect, Decrease, Step, Unwrap, Wrap
from keeper.core.model.policy import Policy
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import MarketView
from keeper.core.strategy.gas import step_gas
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """Raw amounts of the pair's tokens that a plan may use."""

    token0: str
    """Address."""
    token1: str
    raw0: int
    """Negative while the native reserve is not full: what comes in fills it first."""
    raw1: int

    @property
    def spendable(self) -> tuple[int, int]:
        """What may be placed now, never negative."""
        return max(self.raw0, 0), max(self.raw1, 0)

    def plus(self, amount0: int, amount1: int) -> Purse:
        """With these raw amounts more."""
        return Purse(token0=self.token0, token1=self.token1, raw0=self.raw0 + amount0, raw1=self.raw1 + amount1)

    def after(self, deltas: Iterable[TokenAmount]) -> Purse:
        """With the net changes that a stage gave; tokens outside the pair do not count."""
        purse = self
        for delta in deltas:
            if delta.token.address == self.token0:
                purse = purse.plus(delta.raw, 0)
            elif delta.token.address == self.token1:
                purse = purse.plus(0, delta.raw)
        return purse


def wallet_purse(view: MarketView, policy: Policy) -> Purse:
    """What the wallet alone offers; wrapped native currency that is too little to unwrap is left out."""
    key = policy.pool(policy.signal_pool)

    def usable(token: str) -> int:
        if policy.wrapped_native is not None and token == policy.wrapped_native.address:
            return unwrappable_wei(view, policy) + view.wallet.native_wei - policy.execution.native_reserve_wei
        return view.wallet.raw(token)

    return Purse(
        token0=key.token0.address,
        token1=key.token1.address,
        raw0=usable(key.token0.address),
        raw1=usable(key.token1.address),
    )


def unwrappable_wei(view: MarketView, policy: Policy) -> int:
    """The wallet's wrapped native balance if it is worth more than the gas of unwrapping it, else 0."""
    if policy.wrapped_native is None:
        return 0
    held = view.wallet.raw(policy.wrapped_native.address)
    return held if held > step_gas(Unwrap) * view.gas.price_wei else 0


def returned(view: MarketView, steps: Iterable[Step]) -> tuple[int, int]:
    """Raw amounts that withdrawing steps pay at the view's price, rounded **down** as the pool does: principal and fees."""
    total0 = total1 = 0
    for step in steps:
        if isinstance(step, Decrease):
            amount0, amount1 = _principal(view, held_position(view, step.token_id), step.liquidity)
        elif isinstance(step, Collect):
            position = held_position(view, step.token_id)
            amount0, amount1 = position.fees0, position.fees1
        else:
            assert isinstance(step, Burn | Wrap)
            continue
        total0, total1 = total0 + amount0, total1 + amount1
    return total0, total1


def held_position(view: MarketView, token_id: int) -> Position:
    """The position with this token.

    Raises:
        ValueError: the view's ladder does not hold it.
    """
    for position in view.ladder.positions:
        if position.token_id == token_id:
            return position
    raise ValueError(f"position {token_id} is not in the ladder")


def _principal(view: MarketView, position: Position, liquidity: int) -> tuple[int, int]:
    if liquidity == position.liquidity:
        return position.amount0, position.amount1
    return get_amounts_for_liquidity(
        view.pool(position.pool).state.sqrt_price_x96,
        get_sqrt_ratio_at_tick(position.range.lower),
        get_sqrt_ratio_at_tick(position.range.upper),
        liquidity,
    )

"""Worth in tokens of the quote: floats, for choosing only.

Everything is priced at the protected price: the signal pool's time-weighted one, or its spot while there is no such history.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from keeper.core.model.ladder import LayerKind, Position
from keeper.core.model.policy import Policy
from keeper.core.model.token import Token
from keeper.core.model.view import MarketView
from keeper.core.signals.prices import price_at_sqrt, price_at_tick

WEI = 10**18
_TENS = tuple(10**decimals for decimals in range(256))


class Worth(NamedTuple):
    """What the keeper holds, in tokens of the quote."""

    price: float
    """Of the base token, at which all is told."""
    wallet: float
    """Both tokens and native currency beyond the reserve."""
    layers: tuple[tuple[LayerKind, float], ...]
    """Principal and fees of each layer that is held."""
    total: float
    """Layers and wallet together: what the weights are parts of."""

    def layer(self, kind: LayerKind) -> float:
        """Principal and fees of that layer; 0 when it is not held."""
        for held, value in self.layers:
            if held is kind:
                return value
        return 0.0


def worth(view: MarketView, policy: Policy) -> Worth:
    """Value everything that the keeper may place."""
    price = protected_price(view, policy)
    layers = tuple([(layer.kind, positions_quote(policy, price, layer.positions)) for layer in view.ladder.layers])
    wallet = raw_to_quote(policy, price, *wallet_funds(view, policy))
    return Worth(price=price, wallet=wallet, layers=layers, total=wallet + sum([value for _, value in layers]))


def protected_price(view: MarketView, policy: Policy) -> float:
    """Price of the base token in tokens of the quote, at the signal pool's mean tick, or at spot when it has none."""
    pool = view.pool(policy.signal_pool)
    if pool.twap_tick is None:
        return price_at_sqrt(policy, pool.state.sqrt_price_x96)
    return price_at_tick(policy, pool.twap_tick)


def wallet_funds(view: MarketView, policy: Policy) -> tuple[int, int]:
    """Raw token0 and token1 that the wallet can place: its balances, and native currency beyond the reserve as wrapped."""
    spare_wei = max(view.wallet.native_wei - policy.execution.native_reserve_wei, 0)
    native = None if policy.wrapped_native is None else policy.wrapped_native.address
    key = policy.pool(policy.signal_pool)
    amount0, amount1 = (
        view.wallet.raw(token.address) + (spare_wei if token.address == native else 0) for token in (key.token0, key.token1)
    )
    return amount0, amount1


def spare_raw(view: MarketView, policy: Policy, token: Token) -> int:
    """What of :func:`wallet_funds` is in one token of the pair, raw units."""
    amount0, amount1 = wallet_funds(view, policy)
    return amount0 if policy.pool(policy.signal_pool).token0.address == token.address else amount1


def idle_raw(view: MarketView, policy: Policy, token: Token, total_quote: float) -> int:
    """The same beyond what is kept to pay premiums from, which is quote, rounded **up**; negative while that is not full.

    Args:
        view: of the cycle.
        policy: the rules.
        token: of the pair.
        total_quote: value of everything that may be placed, tokens of the quote.
    """
    kept = math.ceil(policy.hedge.reserve * total_quote * 10**token.decimals) if token.address == policy.quote.address else 0
    return spare_raw(view, policy, token) - kept


def raw_to_quote(policy: Policy, price: float, amount0: float, amount1: float) -> float:
    """Worth of raw amounts of the pair's token0 and token1, signed as they are.

    Args:
        policy: names base and quote and the order of the pair.
        price: of the base token, in tokens of the quote.
        amount0: raw units.
        amount1: raw units.
    """
    unit0, unit1, base_is_0 = _units(policy)
    human0, human1 = amount0 / unit0, amount1 / unit1
    return human0 * price + human1 if base_is_0 else human0 + human1 * price


def _units(policy: Policy) -> tuple[int, int, bool]:
    """Raw units in a token0 and in a token1, and whether token0 is the base."""
    key = policy.pool(policy.signal_pool)
    return _TENS[key.token0.decimals], _TENS[key.token1.decimals], key.token0.address == policy.base.address


def wei_to_quote(policy: Policy, price: float, wei: float) -> float:
    """Worth of native currency; 0 for a pair without its wrapped token, whose gas nothing in the view can price.

    Args:
        policy: names the wrapped native token.
        price: of the base token, in tokens of the quote.
        wei: amount.
    """
    if policy.wrapped_native is None:
        return 0.0
    return wei / WEI * (price if policy.wrapped_native.address == policy.base.address else 1.0)


def positions_quote(policy: Policy, price: float, positions: Iterable[Position]) -> float:
    """Principal and fees of positions, in tokens of the quote."""
    return _sum_quote(policy, price, [(p.amount0 + p.fees0, p.amount1 + p.fees1) for p in positions])


def fees_quote(policy: Policy, price: float, positions: Iterable[Position]) -> float:
    """Fees that positions are owed, in tokens of the quote."""
    return _sum_quote(policy, price, [(p.fees0, p.fees1) for p in positions])


def _sum_quote(policy: Policy, price: float, amounts: Iterable[tuple[int, int]]) -> float:
    unit0, unit1, base_is_0 = _units(policy)
    if base_is_0:
        return sum([amount0 / unit0 * price + amount1 / unit1 for amount0, amount1 in amounts])
    return sum([amount0 / unit0 + amount1 / unit1 * price for amount0, amount1 in amounts])

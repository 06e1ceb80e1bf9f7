"""How ladder and options lean: delta, gamma and vega of each layer, of what is held at the venues, and of all together."""

from __future__ import annotations

import math
from typing import NamedTuple

from keeper.core.model.option import OptionPosition
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.quant.black_scholes import greeks
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.quant.replication import ladder_delta, ladder_gamma
from keeper.core.strategy.hedge.exposure import band_of
from keeper.core.strategy.valuation import protected_price

OPTIONS, TOTAL = "options", "total"


class Lean(NamedTuple):
    """How one part, or all of it, moves with the price and with volatility."""

    name: str
    """A layer, ``options`` or ``total``; the wallet counts in the total alone."""
    delta: float
    """Tokens of the base."""
    gamma: float
    """Tokens of the base per 1 of the price; negative for liquidity."""
    vega: float
    """Tokens of the quote per 1.00 of volatility; liquidity has none of its own: its fees are not counted."""


def leans(view: MarketView, policy: Policy, volatility: float) -> tuple[Lean, ...]:
    """Every layer that is held, core first, then options and total.

    A perpetual option counts as one that ends with the policy's horizon.

    Args:
        view: of the cycle.
        policy: the rules.
        volatility: reference per year, > 0.
    """
    price = protected_price(view, policy)
    rows = []
    for layer in view.ladder.layers:
        held = [band_of(position, policy) for position in layer.positions if position.liquidity > 0]
        if held:
            rows.append(Lean(layer.kind.value, ladder_delta(held, price), ladder_gamma(held, price), 0.0))
    legs = [_option(position, view, policy, price, volatility) for position in view.protection.positions]
    parts = [*rows, _sum(OPTIONS, legs)]
    return (*parts, _sum(TOTAL, [*parts, Lean("wallet", _wallet_base(view, policy), 0.0, 0.0)]))


def _option(position: OptionPosition, view: MarketView, policy: Policy, price: float, volatility: float) -> Lean:
    expiry_s = position.contract.expiry_s
    left_s = policy.hedge.horizon_s if expiry_s is None else max(expiry_s - view.now_s, 0)
    size = position.size.raw / 10**position.size.token.decimals
    found = [
        (
            size * float(leg.ratio),
            greeks(leg.kind, spot=price, strike=float(leg.strike), years=left_s / SECONDS_A_YEAR, volatility=volatility),
        )
        for leg in position.contract.legs
    ]
    return Lean(
        position.id,
        math.fsum(units * one.delta for units, one in found),
        math.fsum(units * one.gamma for units, one in found),
        math.fsum(units * one.vega for units, one in found),
    )


def _sum(name: str, parts: list[Lean]) -> Lean:
    return Lean(
        name,
        math.fsum(part.delta for part in parts),
        math.fsum(part.gamma for part in parts),
        math.fsum(part.vega for part in parts),
    )


def _wallet_base(view: MarketView, policy: Policy) -> float:
    base = policy.base
    raw = view.wallet.raw(base.address)
    if policy.wrapped_native is not None and policy.wrapped_native.address == base.address:
        raw += view.wallet.native_wei
    held: float = raw / 10**base.decimals
    return held

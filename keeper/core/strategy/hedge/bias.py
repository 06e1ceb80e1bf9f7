"""How ladder and options lean: delta, gamma and vega of each layer, of what is held at the venues, and of all together."""

from __future__ import annotations

import math
from typing import NamedTuple

from keeper.core.model.option import NoQuoteReason, OptionContract, PositionState
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.quant.black_scholes import greeks, option_price
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.quant.replication import ladder_delta, ladder_gamma
from keeper.core.strategy.hedge.deadline import worth_of
from keeper.core.strategy.hedge.exposure import band_of
from keeper.core.strategy.hedge.standing import LIVE
from keeper.core.strategy.valuation import protected_price, raw_to_quote, worth

OPTIONS, TOTAL = "options", "total"
NO_BAND = 1.0
"""The half width that switches steering off."""


class Lean(NamedTuple):
    """How one part, or all of it, moves with the price and with volatility."""

    name: str
    """A layer, ``options`` or ``total``; the wallet and what positions owe count in the total alone."""
    delta: float
    """Tokens of the base."""
    gamma: float
    """Tokens of the base per 1 of the price; negative for liquidity."""
    vega: float
    """Tokens of the quote per 1.00 of volatility; liquidity has none of its own: its fees are not counted."""


class Balance(NamedTuple):
    """How everything together leans, beside the band that it is to be kept in."""

    delta: float
    """Tokens of the base."""
    price: float
    """Of the base, protected, tokens of the quote."""
    value: float
    """Of everything, tokens of the quote, > 0."""
    target: float
    """Wanted share."""
    band: float
    """Half width around it."""
    volatility: float
    """Reference per year at which it is told, > 0."""

    @property
    def share(self) -> float:
        """Delta times the price over the value of everything."""
        return self.delta * self.price / self.value

    @property
    def edge(self) -> float:
        """The end of the band that is nearer to the share."""
        return self.target + math.copysign(self.band, self.share - self.target)

    @property
    def is_outside(self) -> bool:
        """Whether the share lies beyond an end of the band."""
        return abs(self.share - self.target) > self.band

    def excess(self, part: float) -> float:
        """Base to be sold (negative: bought) until the share is so far inside, tokens.

        Args:
            part: of the band, from the target outward, 0 to 1; 1 is the nearer end.
        """
        wanted = self.target + part * (self.edge - self.target)
        return (self.share - wanted) * self.value / self.price

    def after(self, bought: float) -> Balance:
        """With so many tokens of the base more (negative: fewer), at the same value."""
        return self._replace(delta=self.delta + bought)


def leans(view: MarketView, policy: Policy, volatility: float) -> tuple[Lean, ...]:
    """Every layer that is held, core first, then options and total.

    A perpetual option counts as one that ends with the policy's horizon; one that has ended moves with nothing.

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
    legs = [
        option_lean(position.contract, position.size.raw, view, policy, volatility)
        for position in view.protection.positions
        if position.state in LIVE
    ]
    parts = [*rows, _sum(OPTIONS, legs)]
    return (*parts, _sum(TOTAL, [*parts, Lean("loose", _loose_base(view, policy), 0.0, 0.0)]))


def balance(view: MarketView, policy: Policy, volatility: float | None) -> Balance | None:
    """The total lean beside its band; None without a band, and where it cannot be told: unknown options may lean anyhow.

    Args:
        view: of the cycle.
        policy: the rules.
        volatility: reference per year, > 0; None without one.
    """
    rules = policy.hedge
    is_silent = any(one.reason is NoQuoteReason.UNREACHABLE for one in view.protection.absent)
    if rules.lean_band >= NO_BAND or volatility is None or is_silent:
        return None
    value = _everything(view, policy, volatility)
    if value <= 0:
        return None
    return Balance(
        delta=leans(view, policy, volatility)[-1].delta,
        price=protected_price(view, policy),
        value=value,
        target=rules.lean_target,
        band=rules.lean_band,
        volatility=volatility,
    )


def option_lean(contract: OptionContract, size_raw: int, view: MarketView, policy: Policy, volatility: float) -> Lean:
    """How so much of a contract leans, raw units of the base."""
    price, years, size = protected_price(view, policy), _years(contract, view, policy), size_raw / 10**contract.base.decimals
    found = [
        (
            size * float(leg.ratio),
            greeks(leg.kind, spot=price, strike=float(leg.strike), years=years, volatility=volatility),
        )
        for leg in contract.legs
    ]
    return Lean(
        OPTIONS,
        math.fsum(units * one.delta for units, one in found),
        math.fsum(units * one.gamma for units, one in found),
        math.fsum(units * one.vega for units, one in found),
    )


def option_worth(contract: OptionContract, size_raw: int, view: MarketView, policy: Policy, volatility: float) -> float:
    """What so much of a contract (raw units of the base) is worth by the model, tokens of the quote."""
    price, years, size = protected_price(view, policy), _years(contract, view, policy), size_raw / 10**contract.base.decimals
    return math.fsum(
        size
        * float(leg.ratio)
        * option_price(leg.kind, spot=price, strike=float(leg.strike), years=years, volatility=volatility)
        for leg in contract.legs
    )


def _years(contract: OptionContract, view: MarketView, policy: Policy) -> float:
    expiry_s = contract.expiry_s
    left_s = policy.hedge.horizon_s if expiry_s is None else max(expiry_s - view.now_s, 0)
    return left_s / SECONDS_A_YEAR


def _sum(name: str, parts: list[Lean]) -> Lean:
    return Lean(
        name,
        math.fsum(part.delta for part in parts),
        math.fsum(part.gamma for part in parts),
        math.fsum(part.vega for part in parts),
    )


def _loose_base(view: MarketView, policy: Policy) -> float:
    """Base in the wallet, native currency and its reserve included, and owed to positions; tokens."""
    base = policy.base
    raw = view.wallet.raw(base.address)
    if policy.wrapped_native is not None and policy.wrapped_native.address == base.address:
        raw += view.wallet.native_wei
    for position in view.ladder.positions:
        raw += position.fees0 if policy.pool(position.pool).token0.address == base.address else position.fees1
    loose: float = raw / 10**base.decimals
    return loose


def _everything(view: MarketView, policy: Policy, volatility: float) -> float:
    """Layers, the whole wallet with what is kept for gas, and options by the model; tokens of the quote."""
    kept_wei = min(view.wallet.native_wei, policy.execution.native_reserve_wei)
    native, key = policy.wrapped_native, policy.pool(policy.signal_pool)
    reserve = (0, 0) if native is None else (kept_wei, 0) if key.token0.address == native.address else (0, kept_wei)
    options = [
        option_worth(one.contract, one.size.raw, view, policy, volatility)
        if one.state in LIVE
        else worth_of(one.intrinsic if one.state is PositionState.AWAITING_PRICE else one.claimable, view, policy)
        for one in view.protection.positions
    ]
    held = worth(view, policy)
    return held.total + raw_to_quote(policy, held.price, *reserve) + math.fsum(options)

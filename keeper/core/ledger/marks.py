"""The books at a moment's prices: for people, in tokens of the quote.

Marked at spot: it is what the amounts of the positions belong to, and the same price values what would have been held instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from keeper.core.ledger.accounts import Books, holdings
from keeper.core.model.ladder import Layer, LayerKind
from keeper.core.model.option import OptionPosition, PositionState
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.signals.prices import price_at_sqrt
from keeper.core.strategy.sight import is_outside
from keeper.core.strategy.valuation import fees_quote, positions_quote, raw_to_quote


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMark:
    """One held layer."""

    kind: LayerKind
    value_quote: float
    """Principal and fees owed."""
    fees_quote: float
    """Owed."""
    share: float
    """Part of the whole account's value, in [0, 1]."""
    in_range: bool
    in_range_share: float | None
    """Of the watched time; None until watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What the account is worth, against having held what it began with, and what made the difference."""

    price: float
    """Of the base token."""
    value_quote: float
    """Wallet, native currency with its reserve, positions and the fees that they are owed."""
    hold_quote: float
    """The opening amounts at this price."""
    fees_collected_quote: float
    fees_owed_quote: float
    gas_wei: int
    gas_quote: float
    premium_quote: float
    """Paid for options."""
    payoff_quote: float
    """What ended options have brought."""
    protection_gas_quote: float
    """Of the gas, what options took."""
    options_quote: float
    """What held options would bring, not part of the value: by a sale now, or by their payoff once expired."""
    swap_cost_quote: float
    lvr_quote: float
    layers: tuple[LayerMark, ...]

    @property
    def fees_quote(self) -> float:
        """All that was earned, collected or not."""
        return self.fees_collected_quote + self.fees_owed_quote

    @property
    def against_hold_quote(self) -> float:
        """Gain over having held; negative for a loss."""
        return self.value_quote - self.hold_quote

    @property
    def protection_quote(self) -> float:
        """What protection has brought so far, with what is held of it, less premiums and gas; negative where it cost more."""
        return self.payoff_quote + self.options_quote - self.premium_quote - self.protection_gas_quote


def mark(books: Books, view: MarketView, policy: Policy) -> Marks:
    """Value the account at the view's spot price.

    Args:
        books: with every cycle before this view posted.
        view: the newest.
        policy: the rules.
    """
    price = price_at_sqrt(policy, view.pool(policy.signal_pool).state.sqrt_price_x96)
    value = raw_to_quote(policy, price, *holdings(view, policy))
    return Marks(
        price=price,
        value_quote=value,
        hold_quote=raw_to_quote(policy, price, books.opening0, books.opening1),
        fees_collected_quote=raw_to_quote(policy, price, books.fees0, books.fees1),
        fees_owed_quote=fees_quote(policy, price, view.ladder.positions),
        gas_wei=books.gas_wei,
        gas_quote=books.gas_quote,
        premium_quote=raw_to_quote(policy, price, books.premium0, books.premium1),
        payoff_quote=raw_to_quote(policy, price, books.payoff0, books.payoff1),
        protection_gas_quote=books.protection_gas_quote,
        options_quote=math.fsum(option_quote(position, policy, price) for position in view.protection.positions),
        swap_cost_quote=books.swap_cost_quote,
        lvr_quote=books.lvr_quote,
        layers=tuple(_layer(view, policy, layer, price, value) for layer in view.ladder.layers),
    )


def option_quote(position: OptionPosition, policy: Policy, price: float) -> float:
    """What a held option would bring, in tokens of the quote: by a sale now, or by its payoff once expired."""
    sells = position.state in {PositionState.OPEN, PositionState.ITM_EXERCISABLE}
    pays = position.claimable if sells else position.intrinsic
    whole: float = pays.raw / 10**pays.token.decimals
    return whole * (price if pays.token.address == policy.base.address else 1.0)


def _layer(view: MarketView, policy: Policy, layer: Layer, price: float, total: float) -> LayerMark:
    value = positions_quote(policy, price, layer.positions)
    memory = view.memory.layer(layer.kind)
    watched = memory is not None and memory.watched_s > 0
    return LayerMark(
        kind=layer.kind,
        value_quote=value,
        fees_quote=fees_quote(policy, price, layer.positions),
        share=value / total if total > 0 else 0.0,
        in_range=any(not is_outside((p,), view.pool(p.pool).state.tick) for p in layer.positions),
        in_range_share=memory.in_range_s / memory.watched_s if memory is not None and watched else None,
    )

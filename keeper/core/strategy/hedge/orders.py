"""Purchases and exits that a person orders: decided by the same rules, and alone, so that the ladder stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keeper.core.model.decision import BuyProtection, Decision, EndProtection, ProtectionMove, Reason, Veto
from keeper.core.model.hedge import WakePolicy
from keeper.core.model.ladder import Regime
from keeper.core.model.option import CloseHow
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.strategy.caution import caution
from keeper.core.strategy.hedge.proposal import least_out, propose
from keeper.core.strategy.hedge.wake import WALKED
from keeper.core.strategy.valuation import worth

ORDERED = "hedge_ordered"
_ANY_FEES = 1e6
"""A share of fees that no premium reaches: a person's order is held to the ceiling of capital alone."""
_NO_CAP = 1.0
"""A mandate would wake every tier."""
_ASLEEP = WakePolicy(walked=None, score=None, calendar=False, cheap=None)
_AWAKE = replace(_ASLEEP, walked=0.0)


def ordering(policy: Policy, tier: str) -> Policy:
    """The rules under which a purchase for one tier is ordered: it is awake whatever the market, and no other is.

    The others stay, since a tier covers only what no nearer one does.

    Raises:
        KeyError: there is no tier of that name.
    """
    if policy.hedge.tier(tier) is None:
        raise KeyError(tier)
    tiers = tuple([replace(one, wake=_AWAKE if one.name == tier else _ASLEEP) for one in policy.hedge.tiers])
    return replace(policy, hedge=replace(policy.hedge, tiers=tiers, loss_cap=_NO_CAP, fee_share=_ANY_FEES, least_part=0.0))


def buy_decision(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> Decision:
    """Buy for the one tier of the rules; no moves, with the vetoes, when nothing that is offered may be bought.

    A person orders an option: none is made of another and a trade of the base, and nothing is sold to pay for it.
    """
    capital_quote = worth(view, policy).total
    careful, alone = caution(readings, policy), _without_sales(policy)
    protection = propose(_without_base(view, policy), readings, alone, careful, capital_quote, ())
    bought = tuple(move for move in protection.moves if isinstance(move, BuyProtection))
    # that the tier is awake is the order's doing
    reasons = tuple(reason for reason in protection.reasons if reason.trigger != WALKED)
    return _decision(view, bought, reasons, protection.vetoes)


def end_decision(view: MarketView, policy: Policy, position_id: str, how: CloseHow) -> Decision:
    """End one held option; no moves when it is not held."""
    moves = tuple(
        EndProtection(position=position, how=how, min_out=least_out(position, how, policy))
        for position in view.protection.positions
        if position.id == position_id
    )
    return _decision(view, moves, (), ())


def _without_sales(policy: Policy) -> Policy:
    """The rules with all of the quote kept for premiums, so that none buys base."""
    return replace(policy, hedge=replace(policy.hedge, reserve=1.0))


def _without_base(view: MarketView, policy: Policy) -> MarketView:
    """The view with no base in the wallet."""
    kept = tuple([one for one in view.wallet.balances if one.token.address != policy.base.address])
    is_native = policy.wrapped_native is not None and policy.wrapped_native.address == policy.base.address
    wei = 0 if is_native else view.wallet.native_wei
    return replace(view, wallet=replace(view.wallet, balances=kept, native_wei=wei))


def _decision(
    view: MarketView, moves: tuple[ProtectionMove, ...], reasons: tuple[Reason, ...], vetoes: tuple[Veto, ...]
) -> Decision:
    order = Reason(trigger=ORDERED, layer=None, found=float(len(moves)), limit=0.0, unit="options, by a person's order")
    return Decision(
        moves=moves,
        reasons=(order, *reasons),
        vetoes=vetoes,
        regime=view.memory.regime or Regime.STRESSED,
        lower_regime_since_s=view.memory.lower_regime_since_s,
        volatility=None,
        awake=view.memory.hedge.awake,
    )

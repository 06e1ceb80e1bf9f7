"""A put made of a call and less of the base: bought beside a sale of what lies idle, where that costs less than the put itself.

Only against cash. There every need is a put's, so that a held call can only stand in place of one, and is counted as one.
Against holding both are wanted, and what is held could not tell what it stands for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from keeper.core.model.decision import BuyProtection, Decision, Reason, TiltInventory, Veto
from keeper.core.model.hedge import Against
from keeper.core.model.option import CostModel, NoQuoteReason, OptionKind, OptionQuote, Style
from keeper.core.model.plan import Done, StageKind, Swap
from keeper.core.model.policy import Policy
from keeper.core.model.record import StageRecord
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import MarketView
from keeper.core.signals.prices import price_at_sqrt
from keeper.core.strategy import gates
from keeper.core.strategy.benefit import sale_expense
from keeper.core.strategy.gas import step_gas
from keeper.core.strategy.hedge.carried import carried_out
from keeper.core.strategy.hedge.exposure import LIVE
from keeper.core.strategy.hedge.needs import Need
from keeper.core.strategy.hedge.offers import Offer, is_covered, offers_for
from keeper.core.strategy.valuation import protected_price, spare_raw

SYNTHETIC = "hedge_synthetic"
"""A call and less of the base are bought in place of a put."""
UNSOLD = "hedge_unsold"
"""A call was bought in place of a put, and the base that was to be sold beside it is still held."""
_BPS = 10_000


class Synthetic(NamedTuple):
    """One way to a put without buying it."""

    as_put: OptionQuote
    """The put that call and sale come to, at what both cost beyond what they bring; its gas holds the swap's."""
    call: OptionQuote
    """What is bought."""

    @property
    def sale(self) -> TiltInventory:
        """What is sold beside it: as much of the base as the call is on, what lies idle alone."""
        return TiltInventory(sold=self.call.size, token_ids=())


def ways_to(
    need: Need, view: MarketView, policy: Policy, volatility: float, funds: float
) -> tuple[tuple[Offer, ...], tuple[Synthetic, ...]]:
    """Offers for a need, best first, with the puts that calls on offer could be made into among them, and how those are made.

    Args:
        need: what is wanted.
        view: holds the quotes.
        policy: the rules.
        volatility: reference per year, > 0.
        funds: tokens of the quote that may be paid at once.
    """
    made = tuple(_synthetics(need, view, policy, funds))
    if not made:
        return offers_for(need, view, policy, volatility), ()
    quotes = (*view.protection.quotes, *[one.as_put for one in made])
    return offers_for(need, replace(view, protection=replace(view.protection, quotes=quotes)), policy, volatility), made


def _synthetics(need: Need, view: MarketView, policy: Policy, funds: float) -> list[Synthetic]:
    """Of plain European calls that the venue could pay, that the funds pay for and whose base lies idle."""
    if policy.hedge.against is not Against.CASH or need.kind is not OptionKind.PUT or view.memory.hedge.unsold_raw:
        return []
    price, idle = protected_price(view, policy), spare_raw(view, policy, policy.base)
    calls = [
        quote
        for quote in view.protection.quotes
        if _is_plain_call(quote)
        and quote.size.raw <= idle
        and _tokens(most(quote, policy)) <= funds
        and is_covered(quote, policy, price)
        and not sale_vetoes(quote.size, view, policy)
    ]
    return [Synthetic(as_put=_as_put(call, view, policy), call=call) for call in calls]


def _is_plain_call(quote: OptionQuote) -> bool:
    contract = quote.contract
    is_plain = contract.style is Style.EUROPEAN and quote.cost_model is CostModel.UPFRONT and contract.expiry_s is not None
    return is_plain and [(leg.kind, leg.ratio) for leg in contract.legs] == [(OptionKind.CALL, Decimal(1))]


def _as_put(call: OptionQuote, view: MarketView, policy: Policy) -> OptionQuote:
    """Premium: that of the call and the strike, less what the sale brings; rounded **up**, and never below 0."""
    contract, unit = call.contract, 10**call.upfront.token.decimals
    (leg,) = contract.legs
    size = _tokens(call.size)
    # a sale is at spot, and may be as much worse as the plan allows
    price = min(protected_price(view, policy), price_at_sqrt(policy, view.pool(policy.signal_pool).state.sqrt_price_x96))
    swap = sale_expense(view, policy, 0, size * price, price).swap_quote + size * price * policy.execution.slippage_bps / _BPS
    given = math.ceil((size * (float(leg.strike) - price) + swap) * unit)
    return replace(
        call,
        contract=replace(contract, legs=(replace(leg, kind=OptionKind.PUT),)),
        upfront=TokenAmount(token=call.upfront.token, raw=max(call.upfront.raw + given, 0)),
        payable_cap=None,
        implied_volatility=None,
        gas_open=call.gas_open + step_gas(Swap),
    )


def most(quote: OptionQuote, policy: Policy) -> TokenAmount:
    """Most to pay: the quoted cost and the slippage, rounded **up**."""
    cost = quote.cost
    return TokenAmount(token=cost.token, raw=-(-cost.raw * (_BPS + policy.hedge.slippage_bps) // _BPS))


def taken(made: Sequence[Synthetic], offer: Offer) -> Synthetic | None:
    """How an offer is made; None where it is a put of its own."""
    return next((one for one in made if one.as_put is offer.quote), None)


def told(one: Synthetic, direct: float | None, policy: Policy) -> Reason:
    """What the way costs beside the best put itself, tokens of the quote; 0 where none is offered."""
    unit = f"{policy.quote.symbol} for a call and {_tokens(one.call.size):g} {policy.base.symbol} less, in place of a put"
    return Reason(trigger=SYNTHETIC, layer=None, found=_tokens(one.as_put.cost), limit=direct or 0.0, unit=unit)


def rest(
    view: MarketView, policy: Policy, closed: tuple[Veto, ...]
) -> tuple[TiltInventory | None, tuple[Reason, ...], tuple[Veto, ...]]:
    """The sale that a call still waits for, what asks for it and what refuses it: it is tried again in every cycle."""
    due = TokenAmount(token=policy.base, raw=view.memory.hedge.unsold_raw)
    if due.raw <= 0 or not _holds_call(view):
        return None, (), ()
    unit = f"{policy.base.symbol} to be sold beside calls bought in place of puts"
    reason = Reason(trigger=UNSOLD, layer=None, found=_tokens(due), limit=0.0, unit=unit)
    sold = TokenAmount(token=policy.base, raw=min(due.raw, spare_raw(view, policy, policy.base)))
    vetoes = (*closed, *sale_vetoes(sold, view, policy))
    return (None if vetoes or sold.raw <= 0 else TiltInventory(sold=sold, token_ids=())), (reason,), vetoes


def unsold_raw(view: MarketView, decision: Decision, stages: Sequence[StageRecord], policy: Policy) -> int:
    """Raw base that is to be sold and is not, after a cycle: 0 without a live call, and where it is too little to be worth it.

    It is not forgotten while a venue does not tell what is held there.

    Args:
        view: of the cycle.
        decision: of the cycle.
        stages: how each stage that was begun went.
        policy: the rules.
    """
    calls_bought = [move for move, _ in carried_out(decision, stages) if isinstance(move, BuyProtection) and _is_call(move)]
    if policy.hedge.against is not Against.CASH:
        return 0
    if not calls_bought and not _holds_call(view):
        is_silent = any(one.reason is NoQuoteReason.UNREACHABLE for one in view.protection.absent)
        return view.memory.hedge.unsold_raw if is_silent else 0
    due = view.memory.hedge.unsold_raw + sum(move.quote.size.raw for move in calls_bought)
    sales = [one.outcome for one in stages if one.kind is StageKind.SWAP and isinstance(one.outcome, Done)]
    if any(isinstance(move, TiltInventory) for move in decision.moves):
        due += sum(delta.raw for sale in sales for delta in sale.deltas if delta.token.address == policy.base.address)
    worth = due / 10**policy.base.decimals * protected_price(view, policy)
    return due if worth >= policy.gates.min_move_quote else 0


def premium_raw(move: BuyProtection, paid_raw: int, view: MarketView, policy: Policy) -> int:
    """What a purchase counts against the budget, raw units of the quote.

    A call in place of a put is paid for what it is in the money by, too; that comes back as the strike for the base sold.
    Rounded **up**, and never below 0.
    """
    if policy.hedge.against is not Against.CASH or not _is_call(move):
        return paid_raw
    (leg,) = move.quote.contract.legs
    inside = _tokens(move.quote.size) * (protected_price(view, policy) - float(leg.strike))
    inside_raw: int = math.floor(inside * 10**policy.quote.decimals)
    return max(paid_raw - inside_raw, 0)


def _is_call(move: BuyProtection) -> bool:
    return [leg.kind for leg in move.quote.contract.legs] == [OptionKind.CALL]


def _holds_call(view: MarketView) -> bool:
    return any(
        one.state in LIVE and any(leg.kind is OptionKind.CALL for leg in one.contract.legs) for one in view.protection.positions
    )


def sale_vetoes(sold: TokenAmount, view: MarketView, policy: Policy) -> tuple[Veto, ...]:
    """What refuses to sell so much of the base that lies idle."""
    price = protected_price(view, policy)
    worth = _tokens(sold) * price
    found = (
        gates.twap(view, policy, policy.execution.swap_pools, None),
        gates.min_value(None, worth, policy),
        gates.gas_per_day(view, policy, None, wei=sale_expense(view, policy, 0, worth, price).gas_wei),
    )
    return tuple([veto for veto in found if veto is not None])


def _tokens(amount: TokenAmount) -> float:
    return float(amount.raw / 10**amount.token.decimals)

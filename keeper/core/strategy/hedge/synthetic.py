"""A put made of a call and less of the base, or a call made of a put and more of it, where that costs less than the option.

Selling a unit of the base and buying a call on it ends as holding it with a put of the same strike and expiry does; buying one
with a put on it ends as a call beside its price does. The base comes from what lies idle, and so does what pays for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from keeper.core.model.decision import BuyProtection, Reason, TiltInventory
from keeper.core.model.option import CostModel, OptionKind, OptionQuote, Style
from keeper.core.model.plan import Swap
from keeper.core.model.policy import Policy
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import MarketView
from keeper.core.strategy.benefit import sale_expense
from keeper.core.strategy.gas import step_gas
from keeper.core.strategy.hedge.beside import due_beside, sale_vetoes, sold_for, spot_price
from keeper.core.strategy.hedge.needs import Need
from keeper.core.strategy.hedge.offers import Offer, is_covered, offers_for
from keeper.core.strategy.valuation import idle_raw, protected_price, worth

SYNTHETIC = "hedge_synthetic"
"""An option of the other kind and a trade of the base take the place of the one that is wanted."""
_BPS = 10_000


class Synthetic(NamedTuple):
    """One way to an option without buying it."""

    made: OptionQuote
    """What purchase and trade come to, at what both cost beyond what they bring; its gas holds the swap's."""
    bought: OptionQuote
    """Of the other kind, on the same terms."""
    beside: TiltInventory
    """What is sold: as much of the base as the call is on, or the price of as much as the put is on."""


def ways_to(
    need: Need, view: MarketView, policy: Policy, volatility: float, funds: float
) -> tuple[tuple[Offer, ...], tuple[Synthetic, ...]]:
    """Offers for a need, best first, with what the other kind on offer could be made into among them, and how that is made.

    Args:
        need: what is wanted.
        view: holds the quotes.
        policy: the rules.
        volatility: reference per year, > 0.
        funds: tokens of the quote that may be paid at once.
    """
    made = tuple(_synthetics(need.kind.other, view, policy, funds))
    if not made:
        return offers_for(need, view, policy, volatility), ()
    quotes = (*view.protection.quotes, *[one.made for one in made])
    return offers_for(need, replace(view, protection=replace(view.protection, quotes=quotes)), policy, volatility), made


def _synthetics(kind: OptionKind, view: MarketView, policy: Policy, funds: float) -> list[Synthetic]:
    """Of plain European options of a kind that the venue could pay, and that idle funds pay for with what is traded beside."""
    quotes = [quote for quote in view.protection.quotes if _is_plain(quote, kind)]
    if not quotes or view.memory.hedge.beside_raw:
        return []
    price, total, found = protected_price(view, policy), worth(view, policy).total, []
    for quote in quotes:
        sold, premium = sold_for(due_beside(kind, quote.size.raw), view, policy), most(quote, policy)
        paid_raw = sold.raw + (premium.raw if premium.token.address == sold.token.address else 0)
        if (
            paid_raw <= idle_raw(view, policy, sold.token, total)
            and _tokens(premium) <= funds
            and is_covered(quote, view, policy, price)
            and not sale_vetoes(sold, view, policy)
        ):
            found.append(Synthetic(_made(quote, view, policy), quote, TiltInventory(sold=sold, token_ids=())))
    return found


def _is_plain(quote: OptionQuote, kind: OptionKind) -> bool:
    contract = quote.contract
    is_plain = contract.style is Style.EUROPEAN and quote.cost_model is CostModel.UPFRONT and contract.expiry_s is not None
    return is_plain and [(leg.kind, leg.ratio) for leg in contract.legs] == [(kind, Decimal(1))]


def _made(bought: OptionQuote, view: MarketView, policy: Policy) -> OptionQuote:
    """The other kind at what it comes to; the premium is rounded **up**, and never below 0.

    Of a call that of the call and the strike, less what the sale brings; of a put that of the put and the price of the base,
    less the strike.
    """
    contract, unit = bought.contract, 10**bought.upfront.token.decimals
    (leg,) = contract.legs
    size = _tokens(bought.size)
    # a swap is at spot, and may be as much worse as the plan allows
    worse = min if leg.kind is OptionKind.CALL else max
    price = worse(protected_price(view, policy), spot_price(view, policy))
    swap = sale_expense(view, policy, 0, size * price, price).swap_quote + size * price * policy.execution.slippage_bps / _BPS
    given = math.ceil((due_beside(leg.kind, 1) * size * (float(leg.strike) - price) + swap) * unit)
    return replace(
        bought,
        contract=replace(contract, legs=(replace(leg, kind=leg.kind.other),)),
        upfront=TokenAmount(token=bought.upfront.token, raw=max(bought.upfront.raw + given, 0)),
        payable_cap=None,
        implied_volatility=None,
        gas_open=bought.gas_open + step_gas(Swap),
    )


def most(quote: OptionQuote, policy: Policy) -> TokenAmount:
    """Most to pay: the quoted cost and the slippage, rounded **up**."""
    cost = quote.cost
    return TokenAmount(token=cost.token, raw=-(-cost.raw * (_BPS + policy.hedge.slippage_bps) // _BPS))


def taken(made: Sequence[Synthetic], offer: Offer) -> Synthetic | None:
    """How an offer is made; None where it is an option of its own."""
    return next((one for one in made if one.made is offer.quote), None)


def told(one: Synthetic, direct: float | None, policy: Policy) -> Reason:
    """What the way costs beside the best option itself, tokens of the quote; 0 where none is offered."""
    (leg,) = one.bought.contract.legs
    change = "less" if leg.kind is OptionKind.CALL else "more"
    beside = f"{_tokens(one.bought.size):g} {policy.base.symbol} {change}"
    unit = f"{policy.quote.symbol} for a {leg.kind} and {beside}, in place of a {leg.kind.other}"
    return Reason(trigger=SYNTHETIC, layer=None, found=_tokens(one.made.cost), limit=direct or 0.0, unit=unit)


def premium_raw(move: BuyProtection, paid_raw: int, view: MarketView, policy: Policy) -> int:
    """What a purchase counts against the budget, raw units of the quote.

    An option in place of the other kind is paid for what it is in the money by, too; that comes back as the strike for the base
    sold, or is in the base bought. Rounded **up**, and never below 0.
    """
    if move.stands_for is None:
        return paid_raw
    (leg,) = move.quote.contract.legs
    inside = _tokens(move.quote.size) * due_beside(leg.kind, 1) * (protected_price(view, policy) - float(leg.strike))
    inside_raw: int = math.floor(inside * 10**policy.quote.decimals)
    return max(paid_raw - inside_raw, 0)


def _tokens(amount: TokenAmount) -> float:
    return float(amount.raw / 10**amount.token.decimals)

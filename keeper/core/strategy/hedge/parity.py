"""Whether puts and calls on offer contradict one another: a put is a call and less of the base, and the other way round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from keeper.core.model.option import CostModel, OptionKind, OptionQuote, Style
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.quant.parity import Ways, ways_to_a_call, ways_to_a_put
from keeper.core.strategy.valuation import protected_price, wei_to_quote


class Breach(NamedTuple):
    """A strike and an expiry for which the other way would have been cheaper by more than its costs."""

    kind: OptionKind
    """Of the option whose synthetic is cheaper."""
    strike: Decimal
    expiry_s: int
    saving: float
    """Tokens of the quote per unit of the base, all costs counted."""


def breaches(view: MarketView, policy: Policy) -> tuple[Breach, ...]:
    """Every pair of European quotes on the same terms where the synthetic way is cheaper; the largest saving first.

    Costs: venue fees and gas of each quote over its size, and for the base that is sold or bought the fee of the signal pool
    and the allowed slippage. No interest is counted: what the proceeds of an inventory earn is not ours to assume.
    """
    puts, calls = (_by_terms(view.protection.quotes, kind) for kind in OptionKind)
    found = []
    for (strike, expiry_s), put in puts.items():
        call = calls.get((strike, expiry_s))
        if call is None:
            continue
        for kind, ways in _both_ways(put, call, view, policy, strike, expiry_s):
            if ways.saving > 0:
                found.append(Breach(kind, strike, expiry_s, ways.saving))
    return tuple(sorted(found, key=lambda breach: -breach.saving))


def _by_terms(quotes: Sequence[OptionQuote], kind: OptionKind) -> dict[tuple[Decimal, int], OptionQuote]:
    """The cheapest plain European quote of each strike and expiry."""
    found: dict[tuple[Decimal, int], OptionQuote] = {}
    for quote in quotes:
        contract = quote.contract
        is_plain = contract.style is Style.EUROPEAN and quote.cost_model is CostModel.UPFRONT and len(contract.legs) == 1
        if not is_plain or contract.legs[0].kind is not kind or contract.expiry_s is None:
            continue
        terms = contract.legs[0].strike, contract.expiry_s
        if terms not in found or _each(quote) < _each(found[terms]):
            found[terms] = quote
    return found


def _both_ways(
    put: OptionQuote, call: OptionQuote, view: MarketView, policy: Policy, strike: Decimal, expiry_s: int
) -> tuple[tuple[OptionKind, Ways], ...]:
    price = protected_price(view, policy)
    fee = policy.pool(policy.signal_pool).fee_pips / 10**6 + policy.execution.slippage_bps / 10**4
    put_costs, call_costs = (_costs(quote, view, policy, price) for quote in (put, call))
    years = max(expiry_s - view.now_s, 0) / SECONDS_A_YEAR
    to_put = ways_to_a_put(
        put_ask=_each(put),
        put_costs=put_costs,
        call_ask=_each(call),
        spot_bid=price,
        synthetic_costs=call_costs + fee * price,
        strike=float(strike),
        years=years,
        rate=0.0,
    )
    to_call = ways_to_a_call(
        call_ask=_each(call),
        call_costs=call_costs,
        put_ask=_each(put),
        spot_ask=price,
        synthetic_costs=put_costs + fee * price,
        strike=float(strike),
        years=years,
        rate=0.0,
    )
    return (OptionKind.PUT, to_put), (OptionKind.CALL, to_call)


def _each(quote: OptionQuote) -> float:
    """Premium of one unit of the base, tokens of the quote."""
    size = quote.size.raw / 10**quote.size.token.decimals
    return float(quote.upfront.raw / 10**quote.upfront.token.decimals / size) if size > 0 else math.inf


def _costs(quote: OptionQuote, view: MarketView, policy: Policy, price: float) -> float:
    """Fee and gas of one unit of the base, tokens of the quote."""
    size = quote.size.raw / 10**quote.size.token.decimals
    gas = wei_to_quote(policy, price, (quote.gas_open + quote.gas_close) * view.gas.price_wei)
    return float((quote.fee.raw / 10**quote.fee.token.decimals + gas) / size)

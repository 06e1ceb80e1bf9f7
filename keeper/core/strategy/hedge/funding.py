"""Raising what a premium is paid from: a reserve that lies in the base buys no option, so some of it is sold a cycle before."""

from __future__ import annotations

import math

from keeper.core.model.decision import Reason, TiltInventory, Veto
from keeper.core.model.policy import Policy
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import MarketView
from keeper.core.strategy.hedge.beside import sale_vetoes
from keeper.core.strategy.valuation import protected_price, spare_raw

FUNDING = "hedge_funding"
_BPS = 10_000


def raised(
    most: float, view: MarketView, policy: Policy, allowed: float, funds: float
) -> tuple[TiltInventory, Reason, tuple[Veto, ...]] | None:
    """The sale of idle base that pays for premiums, why, and what refuses it; None where the wallet pays, or has no base.

    Args:
        most: that all that is lacking may cost, tokens of the quote.
        view: of the cycle.
        policy: the rules.
        allowed: most that the budget lets premiums take, tokens of the quote.
        funds: what the wallet holds of it.
    """
    price, spare = protected_price(view, policy), spare_raw(view, policy, policy.base)
    short = min(allowed, most) - funds
    worst = price * (1 - policy.execution.slippage_bps / _BPS)
    if short < policy.gates.min_move_quote or spare <= 0:
        return None
    sold = TokenAmount(token=policy.base, raw=min(math.floor(short / worst * 10**policy.base.decimals), spare))
    unit = f"{policy.quote.symbol} for premiums in the wallet"
    reason = Reason(trigger=FUNDING, layer=None, found=funds, limit=funds + short, unit=unit)
    return TiltInventory(sold=sold, token_ids=()), reason, sale_vetoes(sold, view, policy)

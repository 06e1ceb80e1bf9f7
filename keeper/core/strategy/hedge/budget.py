"""What protection may cost: a share of what the fees bring, and a hard ceiling of the capital a year."""

from __future__ import annotations

import math
from typing import NamedTuple

from keeper.core.model.policy import Policy
from keeper.core.model.view import Exercisable, HedgeMemory, MarketView, Premium
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.strategy.valuation import fees_quote, protected_price


class Budget(NamedTuple):
    """What is left to spend, in tokens of the quote, never negative."""

    of_fees: float
    of_capital: float
    """The hard ceiling: nothing passes it."""


def budget(view: MarketView, policy: Policy, capital_quote: float) -> Budget:
    """What premiums may still take, after what they took.

    Trailing fees decay with the window's time constant, and so do the premiums that were paid from them.
    """
    hedge, now_s, unit = policy.hedge, view.now_s, 10**policy.quote.decimals
    spent = [(now_s - one.timestamp_s, one.raw / unit) for one in view.memory.hedge.premiums]
    of_year = math.fsum([paid for age_s, paid in spent if age_s < SECONDS_A_YEAR])
    decayed = math.fsum([paid * _decay(age_s, hedge.fee_window_s) for age_s, paid in spent])
    return Budget(
        of_fees=max(hedge.fee_share * trailing_fees(view, policy) - decayed, 0.0),
        of_capital=max(hedge.capital_year * capital_quote - of_year, 0.0),
    )


def funds(view: MarketView, policy: Policy) -> float:
    """Tokens of the quote in the wallet: premiums are paid from nothing else."""
    held: float = view.wallet.raw(policy.quote.address) / 10**policy.quote.decimals
    return held


def trailing_fees(view: MarketView, policy: Policy) -> float:
    """Fees earned up to this view, decayed with the window's time constant, in tokens of the quote."""
    return _trailing(view, policy, _owed(view, policy))


def next_budget(
    view: MarketView,
    policy: Policy,
    *,
    awake: tuple[str, ...],
    collected: bool,
    bought: tuple[Premium, ...],
    exercisable: tuple[Exercisable, ...],
) -> HedgeMemory:
    """Protection's part of the memory that the next cycle starts from.

    Args:
        view: of the cycle.
        policy: the rules.
        awake: names of the tiers that are awake.
        collected: whether the cycle collected fees, so that what is owed begins anew.
        bought: premiums of the cycle.
        exercisable: what is held in the money after it, and pays only until a deadline.
    """
    owed = _owed(view, policy)
    return HedgeMemory(
        awake=awake,
        premiums=_of_last_year(view.memory.hedge.premiums, view.now_s) + bought,
        fees_quote=_trailing(view, policy, owed),
        uncollected_quote=0.0 if collected else owed,
        exercisable=exercisable,
    )


def _of_last_year(premiums: tuple[Premium, ...], now_s: int) -> tuple[Premium, ...]:
    """The premiums, paid one after the other, without those that are a year old."""
    if not premiums or now_s - premiums[0].timestamp_s < SECONDS_A_YEAR:
        return premiums
    return tuple([one for one in premiums if now_s - one.timestamp_s < SECONDS_A_YEAR])


def _trailing(view: MarketView, policy: Policy, owed_quote: float) -> float:
    memory = view.memory.hedge
    elapsed_s = 0 if view.memory.last_cycle_s is None else view.now_s - view.memory.last_cycle_s
    earned = max(owed_quote - memory.uncollected_quote, 0.0)
    return memory.fees_quote * _decay(elapsed_s, policy.hedge.fee_window_s) + earned


def _owed(view: MarketView, policy: Policy) -> float:
    return fees_quote(policy, protected_price(view, policy), view.ladder.positions)


def _decay(elapsed_s: float, window_s: int) -> float:
    return math.exp(-elapsed_s / window_s)

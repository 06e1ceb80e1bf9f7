"""When fees should go back to work on their own; with a shift they do so for nothing."""

from __future__ import annotations

from keeper.core.model.decision import Reason
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.quant.returns import compound_period_years
from keeper.core.strategy import triggers
from keeper.core.strategy.benefit import Expense, Odds, compound_expense, income_of
from keeper.core.strategy.sight import Sight
from keeper.core.strategy.valuation import fees_quote, positions_quote


def worth_compounding(sight: Sight, view: MarketView, policy: Policy, chances: Odds | None) -> tuple[Reason, Expense] | None:
    """Fees are owed that are worth their gas: a reason with their value and the value from which they are, and that gas.

    They must reach all of: what the layer earns in the best period between two compoundings; the value whose own earnings over
    the horizon exceed the policy's multiple of the gas; and the smallest value worth moving.
    """
    if chances is None or not sight.live:
        return None
    fees = fees_quote(policy, chances.price, sight.live)
    if fees < policy.gates.min_move_quote:
        return None
    value = positions_quote(policy, chances.price, sight.live) - fees
    income = income_of(view, policy, sight.live, chances)
    if value <= 0 or income <= 0:
        return None
    expense = compound_expense(view, policy, sight.live, chances.price)
    rate = income / value * SECONDS_A_YEAR / policy.ladder.horizon_s
    period = compound_period_years(cost=expense.gas_quote, value=value, rate=rate)
    least = max(
        rate * value * period,
        policy.triggers.compound_benefit_multiple * expense.gas_quote * value / income,
        policy.gates.min_move_quote,
    )
    if fees < least:
        return None
    unit = f"{policy.quote.symbol} of fees"
    return Reason(trigger=triggers.FEES, layer=sight.kind, found=fees, limit=least, unit=unit), expense

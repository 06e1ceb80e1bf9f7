"""Laws of contracts and of what is decided about them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from keeper.core.model.decision import BuyProtection
from keeper.core.model.option import Leg, OptionKind
from keeper.core.model.view import HedgeMemory
from keeper.core.strategy.decide import decide
from keeper.core.strategy.hedge.needs import needs, wanted_quotes
from keeper.core.strategy.valuation import protected_price
from tests.options import put
from tests.pairs import NOW_S
from tests.stories import told
from tests.unit.test_strategy_hedge import offered, rules, seen

prices = st.decimals(min_value=1, max_value=100_000, places=4)
legs = st.builds(
    Leg,
    kind=st.sampled_from(list(OptionKind)),
    strike=st.decimals(min_value=10, max_value=50_000, places=4),
    ratio=st.decimals(min_value="0.01", max_value=5, places=2),
    range_factor=st.one_of(st.just(Decimal(1)), st.decimals(min_value="1.001", max_value=2, places=3)),
)
HAIR = Decimal("0.0001")


@given(legs, prices)
def test_a_payoff_is_never_negative_and_has_no_jumps(leg, price):
    here, there = leg.payoff(price), leg.payoff(price + HAIR)
    assert here >= 0
    assert abs(there - here) <= leg.ratio * HAIR * (1 + Decimal("1e-12")) + Decimal("1e-18")


@given(legs, prices, prices)
def test_puts_fall_and_calls_rise_with_the_price(leg, one, other):
    low, high = sorted((one, other))
    rises = leg.payoff(high) - leg.payoff(low)
    slack = Decimal("1e-18")
    assert rises <= slack if leg.kind is OptionKind.PUT else rises >= -slack


@given(legs, prices)
def test_far_outside_its_range_a_leg_pays_what_a_plain_option_pays_and_never_more_within(leg, price):
    plain = replace(leg, range_factor=Decimal(1)).payoff(price)
    ranged = leg.payoff(price)
    lower, upper = leg.strike / leg.range_factor, leg.strike * leg.range_factor
    if price <= lower or price >= upper:
        assert ranged == plain
    else:
        assert ranged >= plain - Decimal("1e-15")


@given(st.integers(0, 10**24), st.integers(1, 10**18))
def test_lots_round_up_by_less_than_a_lot(size_raw, lot_raw):
    contract = put(lot_raw=lot_raw)
    whole = contract.lots(size_raw)
    assert whole % lot_raw == 0
    assert size_raw <= whole < size_raw + lot_raw


moments = {
    "spot_ticks": st.integers(-4_500, 4_500),
    "usdc": st.integers(0, 10**12),
    "remembered": st.builds(HedgeMemory, fees_quote=st.floats(0, 1e6)),
}


@given(st.fixed_dictionaries(moments), st.sampled_from(["0.9", "1", "1.3", "3"]))
def test_what_is_bought_is_within_budget_funds_and_need(moment, markup):
    by = rules()
    at = offered(seen(**moment), by, markup=Decimal(markup))
    made = decide(at, told(by, NOW_S), by)
    bought = [move for move in made.moves if isinstance(move, BuyProtection)]
    spent = sum(move.max_cost.raw for move in bought)
    assert spent <= moment["usdc"]
    assert spent <= by.hedge.fee_share * moment["remembered"].fees_quote * 10**6 + 10**6 * 1_000
    sizes = {need.tier.name: need.size for need in needs(at, by)}
    for move in bought:
        assert move.max_cost.raw >= move.quote.cost.raw >= 0
        assert move.quote.size.raw <= sizes[move.tier] * 10**18 + move.quote.contract.lot_raw


@given(st.fixed_dictionaries(moments))
def test_needs_are_out_of_the_money_above_zero_and_quotes_are_asked_for_within_them(moment):
    by, at = rules(), seen(**moment)
    price = protected_price(at, by)
    found = {(need.tier.name, need.kind): need for need in needs(at, by)}
    assert all(need.size > 0 and 0 < need.strike < price for need in found.values())
    largest = max((need.size for need in found.values()), default=0.0)
    assert all(want.size.raw <= largest * 10**18 for want in wanted_quotes(at, told(by, NOW_S), by))

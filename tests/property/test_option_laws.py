"""What must hold of prices, strips, sizes and scores, whatever the ladder and the market."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keeper.core.model.option import OptionKind
from keeper.core.quant.black_scholes import greeks, implied_volatility, option_price, option_prices
from keeper.core.quant.break_even import break_even_against_cash, break_evens_against_holding
from keeper.core.quant.parity import conversion_edge, reversal_edge, ways_to_a_call, ways_to_a_put
from keeper.core.quant.protection_score import HoldingCosts, protection_scores
from keeper.core.quant.replication import (
    Band,
    Vanilla,
    insurance_price,
    ladder_delta,
    ladder_gamma,
    ladder_value,
    loss_against_cash,
    loss_against_holding,
    replicating_strip,
    strip_payoff,
)
from keeper.core.quant.roots import bracketed_root
from keeper.core.quant.tail import PutOffer, Sizing, price_quantile, put_quantity, size_puts, worst_case

CALL, PUT = OptionKind.CALL, OptionKind.PUT


def law(*strategies):
    """Fifty examples each: so many laws share a few seconds."""
    return lambda test: settings(max_examples=50)(given(*strategies)(test))


kinds = st.sampled_from(OptionKind)
spots = st.floats(1e-3, 1e6)
moneyness = st.floats(-1.5, 1.5)
markets = st.fixed_dictionaries({"years": st.floats(0, 2), "volatility": st.floats(0, 3), "rate": st.floats(-0.3, 0.3)})
shares = st.floats(0, 1)


@st.composite
def ladders(draw):
    """One to three bands about a price of 1 or apart from it, worth some thousands together."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        lower = draw(st.floats(0.2, 2))
        width = draw(st.floats(0.01, 2))
        made.append(Band(liquidity=draw(st.floats(1, 5_000)), lower=lower, upper=lower * (1 + width)))
    return made


vanillas = st.builds(Vanilla, kinds, st.floats(0.2, 3), st.floats(-500, 500))
grid = np.geomspace(0.05, 10, 120).tolist()


# ---- prices


@law(spots, moneyness, markets)
def test_put_and_call_obey_parity_and_the_bounds(spot, away, market):
    strike = spot * math.exp(away)
    call, put = (option_price(kind, spot=spot, strike=strike, **market) for kind in (CALL, PUT))
    discounted = strike * math.exp(-market["rate"] * market["years"])
    rounding = 1e-13 * (spot + discounted)
    assert call - put == pytest.approx(spot - discounted, abs=rounding)
    assert max(spot - discounted, 0) - rounding <= call <= spot + rounding
    assert max(discounted - spot, 0) - rounding <= put <= discounted + rounding
    assert call >= 0
    assert put >= 0


@law(kinds, moneyness, st.floats(0, 0.5), st.floats(0, 0.5), markets)
def test_a_price_is_monotone_and_convex_in_the_strike(kind, away, first, second, market):
    low = math.exp(away)
    strikes = (low, low + first, low + first + second)
    prices = [option_price(kind, spot=1.0, strike=strike, **market) for strike in strikes]
    rounding = 1e-13 * strikes[2]
    if kind is CALL:
        prices, first, second = prices[::-1], second, first
    assert prices[0] <= prices[1] + rounding
    assert prices[1] <= prices[2] + rounding
    assert prices[1] * (first + second) <= prices[0] * second + prices[2] * first + rounding


@law(kinds, moneyness, st.floats(0.01, 2), st.floats(0.05, 3), st.floats(-0.3, 0.3))
def test_implied_volatility_gives_back_the_volatility(kind, away, years, volatility, rate):
    terms = {"spot": 2_000.0, "strike": 2_000.0 * math.exp(away), "years": years, "rate": rate}
    assume(greeks(kind, **terms, volatility=volatility).vega > 1e-2)
    found = implied_volatility(kind, option_price(kind, **terms, volatility=volatility), **terms)
    assert found == pytest.approx(volatility, abs=1e-8)


@law(kinds, moneyness, st.floats(0.01, 2), st.floats(-0.3, 0.3), st.floats(0, 1.2))
def test_implied_volatility_reproduces_every_price_within_the_bounds(kind, away, years, rate, share):
    terms = {"spot": 1.0, "strike": math.exp(away), "years": years, "rate": rate}
    most = 1.0 if kind is CALL else terms["strike"] * math.exp(-rate * years)
    found = implied_volatility(kind, share * most, **terms)
    if found is None:
        assert share * most < option_price(kind, **terms, volatility=0.0) or share > 1 - 1e-12
    else:
        assert option_price(kind, **terms, volatility=found) == pytest.approx(share * most, abs=1e-12)


@law(kinds, moneyness, st.floats(0.05, 2), st.floats(0.1, 2), st.floats(-0.3, 0.3))
def test_greeks_are_the_slopes_of_the_price(kind, away, years, volatility, rate):
    terms = {"spot": 1.0, "strike": math.exp(away), "years": years, "volatility": volatility, "rate": rate}

    def slope(of, name, step=1e-5):
        up, down = ({**terms, name: terms[name] + by} for by in (step, -step))
        return (of(up) - of(down)) / (2 * step)

    def price(at):
        return option_price(kind, **at)

    found = greeks(kind, **terms)
    slopes = (slope(price, "spot"), slope(lambda at: greeks(kind, **at).delta, "spot"), slope(price, "volatility"))
    assert found[:3] == pytest.approx(slopes, abs=2e-5)
    assert found[3:] == pytest.approx((-slope(price, "years"), slope(price, "rate")), abs=2e-5)


@law(st.lists(st.tuples(st.booleans(), moneyness, st.floats(0, 2), st.floats(0, 3)), max_size=6), st.floats(-0.3, 0.3))
def test_many_prices_at_once_are_those_one_by_one(rows, rate):
    columns = [np.array([row[at] for row in rows], dtype=bool if at == 0 else np.float64) for at in range(4)]
    found = option_prices(
        calls=columns[0],
        spots=np.array([[0.7], [1.3]]),
        strikes=np.exp(columns[1]),
        years=columns[2],
        volatilities=columns[3],
        rate=rate,
    )
    assert found.shape == (2, len(rows))
    for spot, prices in zip((0.7, 1.3), found, strict=True):
        for (call, away, years, volatility), price in zip(rows, prices, strict=True):
            terms = {"spot": spot, "strike": math.exp(away), "years": years, "volatility": volatility, "rate": rate}
            assert price == pytest.approx(option_price(CALL if call else PUT, **terms), abs=1e-12)
            assert price >= 0


# ---- replication


@law(ladders(), st.floats(0.1, 4), st.lists(st.floats(0.1, 6), max_size=6), st.floats(0, 8))
def test_the_strip_pays_the_loss_at_its_edges_and_never_more(ladder, entry, edges, price):
    strip = replicating_strip(ladder, entry=entry, edges=edges)
    rounding = 1e-12 * ladder_value(ladder, 1.0) + 1e-9
    assert strip_payoff(strip, price) <= loss_against_holding(ladder, entry=entry, price=price) + rounding
    ends = [end for band in ladder for end in (band.lower, band.upper)]
    for edge in (entry, *edges, min(ends), max(ends), 0.0, 100.0):
        assert strip_payoff(strip, edge) == pytest.approx(loss_against_holding(ladder, entry=entry, price=edge), abs=rounding)
    assert all(option.quantity > 0 for option in strip)
    assert [option.strike for option in strip] == sorted(option.strike for option in strip)


@law(ladders(), st.floats(0.1, 4), st.floats(0.1, 4))
def test_loss_is_the_holding_less_the_ladder(ladder, entry, price):
    held0 = ladder_delta(ladder, entry)
    held1 = ladder_value(ladder, entry) - held0 * entry
    loss = loss_against_holding(ladder, entry=entry, price=price)
    scale = ladder_value(ladder, entry) + held0 * price
    assert loss == pytest.approx(held0 * price + held1 - ladder_value(ladder, price), abs=1e-12 * scale)
    assert loss >= 0
    assert loss_against_holding(ladder, entry=entry, price=price, fees=7.0) == loss - 7
    assert loss_against_cash(ladder, entry=entry, price=entry, fees=7.0) == -7


@law(ladders(), st.floats(0.1, 6), st.floats(0.1, 6), st.lists(vanillas, max_size=5))
def test_values_and_payoffs_are_continuous_and_bend_as_they_say(ladder, price, other, options):
    low, high = sorted((price, other))
    risen = ladder_value(ladder, high) - ladder_value(ladder, low)
    rounding = 1e-12 * (1 + ladder_value(ladder, high))
    assert ladder_delta(ladder, high) * (high - low) - rounding <= risen
    assert risen <= ladder_delta(ladder, low) * (high - low) + rounding
    assert ladder_gamma(ladder, price) <= 0
    steepest = math.fsum(abs(option.quantity) for option in options)
    assert abs(strip_payoff(options, high) - strip_payoff(options, low)) <= steepest * (high - low) + 1e-9


@law(ladders(), st.floats(0.1, 4), st.floats(0, 2), st.floats(0, 1))
def test_insurance_costs_what_its_options_cost(ladder, price, volatility, years):
    found = insurance_price(ladder, price=price, volatility=volatility, years=years)
    assert found >= 0
    edges = np.geomspace(0.1, 8, 60).tolist()
    terms = {"spot": price, "years": years, "volatility": volatility}
    strip = replicating_strip(ladder, entry=price, edges=edges)
    options = math.fsum(one.quantity * option_price(one.kind, strike=one.strike, **terms) for one in strip)
    # within a bucket the strip pays a little less than the loss: at most an eighth of its width squared, times its bend
    scale = ladder_value(ladder, price)
    assert -1e-11 * scale <= found - options <= 2e-3 * math.fsum(one.quantity * one.strike for one in strip) + 1e-11 * scale


# ---- break-evens


@law(ladders(), st.floats(0.1, 6), st.floats(0, 500))
def test_break_evens_are_where_the_profit_changes_its_sign(ladder, entry, fees):
    found = break_evens_against_holding(ladder, entry=entry, fees=fees)
    rounding = 1e-9 * (1 + fees + ladder_value(ladder, 10.0) + 10 * ladder_delta(ladder, 0.0))
    for price in grid:
        inside = (found.lower is None or price >= found.lower) and (found.upper is None or price <= found.upper)
        loss = loss_against_holding(ladder, entry=entry, price=price, fees=fees)
        assert loss <= rounding if inside else loss >= -rounding
    for price in filter(None, found):
        assert loss_against_holding(ladder, entry=entry, price=price, fees=fees) == pytest.approx(0, abs=rounding)


@law(ladders(), st.floats(0.1, 6), st.floats(-100, 500))
def test_the_break_even_in_cash_is_the_price_below_which_it_loses(ladder, entry, fees):
    found = break_even_against_cash(ladder, entry=entry, fees=fees)
    rounding = 1e-9 * (1 + abs(fees) + ladder_value(ladder, 10.0))
    losses = {price: loss_against_cash(ladder, entry=entry, price=price, fees=fees) for price in [*grid, entry]}
    if found is None:
        assert min(losses.values()) > -rounding or max(losses.values()) < rounding
    else:
        assert all(loss >= -rounding if price < found else loss <= rounding for price, loss in losses.items())


# ---- the tail


@law(ladders(), st.lists(vanillas, max_size=4), st.floats(0.3, 3), st.floats(-50, 50), st.floats(0.1, 2))
def test_no_price_is_worse_than_the_worst_case(ladder, options, entry, accrued, floor):
    worst = worst_case(ladder, options, entry=entry, accrued=accrued, floor=floor)
    for price in [floor, *(price for price in grid if price > floor), *(option.strike for option in options)]:
        if price >= floor:
            profit = strip_payoff(options, price) - loss_against_cash(ladder, entry=entry, price=price, fees=accrued)
            assert profit >= worst.profit - 1e-9 * (1 + abs(profit))
    assert worst.price >= floor


offers = st.builds(
    PutOffer, strike=st.floats(0.2, 2), premium=st.floats(0, 0.3), lot=st.floats(0.01, 50), opening_cost=st.floats(0, 20)
)
bought = st.builds(Vanilla, kinds, st.floats(0.2, 3), st.floats(0, 500))


@law(ladders(), offers, st.lists(bought, max_size=2), st.floats(-50, 50), shares, st.floats(0.2, 0.99))
def test_sizing_caps_the_worst_case_and_never_worsens_it(ladder, offer, options, accrued, share, floor):
    terms = {"entry": 1.0, "floor": floor}
    before = worst_case(ladder, options, **terms, accrued=accrued)
    cap = share * max(-before.profit, 0.0)
    found = size_puts(ladder, offer, **terms, accrued=accrued, cap=cap, options=options)

    def worst_with(quantity):
        cost = quantity * offer.premium + (offer.opening_cost if quantity else 0.0)
        return worst_case(ladder, [*options, Vanilla(PUT, offer.strike, quantity)], **terms, accrued=accrued - cost).profit

    if isinstance(found, Sizing):
        assert found.worst.profit == worst_with(found.quantity) >= -cap
        assert found.worst.profit >= before.profit
        assert found.quantity == round(found.quantity / offer.lot) * offer.lot
        assert found.cost >= 0
        # one lot may make up for rounding, so with two lots less the cap must be broken
        assert found.quantity < 2 * offer.lot or worst_with(found.quantity - 2 * offer.lot) < -cap
    else:
        assert all(worst_with(lots * offer.lot) < -cap for lots in (1, 2, 3, 5, 8, 13, 21, 34, 89, 233, 1_597, 28_657))


@law(st.floats(-100, 1_000), st.floats(0, 500), st.floats(0, 2), st.floats(0.1, 2), st.floats(0, 0.5))
def test_so_many_puts_leave_the_cap_or_none_can(loss, cap, price, strike, premium):
    found = put_quantity(loss=loss, cap=cap, price=price, strike=strike, premium=premium)
    if found is None:
        assert loss > cap
        assert max(strike - price, 0) <= premium
    else:
        left = loss - found * (max(strike - price, 0) - premium)
        assert left <= cap + 1e-9 * (1 + abs(loss))
        assert found >= 0
        assert (found == 0) == (loss <= cap)


@law(spots, st.floats(0.001, 0.999), st.floats(0, 3), st.floats(0, 2))
def test_a_quantile_is_undercut_as_often_as_it_says(price, quantile, volatility, years):
    found = price_quantile(price=price, quantile=quantile, volatility=volatility, years=years)
    assume(volatility * math.sqrt(years) > 1e-3)
    # a digital put is the slope of the put's price by its strike
    step = found * 1e-4
    high, low = (option_price(PUT, spot=price, strike=found + by, years=years, volatility=volatility) for by in (step, -step))
    assert (high - low) / (2 * step) == pytest.approx(quantile, abs=2e-3)


# ---- parity


@law(spots, moneyness, markets, shares, shares, st.lists(st.floats(0, 0.1), min_size=4, max_size=4))
def test_fair_quotes_leave_nothing_to_arbitrage(spot, away, market, spread, cost, costs):
    strike = spot * math.exp(away)
    call, put = (option_price(kind, spot=spot, strike=strike, **market) for kind in (CALL, PUT))
    terms = {"strike": strike, "years": market["years"], "rate": market["rate"]}
    wide = 1 + spread / 10
    rounding = 1e-12 * (spot + strike)
    edge = conversion_edge(put_ask=put * wide, call_bid=call / wide, spot_ask=spot * wide, **terms, costs=cost)
    assert edge <= -cost + rounding
    edge = reversal_edge(put_bid=put / wide, call_ask=call * wide, spot_bid=spot / wide, **terms, costs=cost)
    assert edge <= -cost + rounding
    by_put = ways_to_a_put(put_ask=put, put_costs=costs[0], call_ask=call, spot_bid=spot, synthetic_costs=costs[1], **terms)
    by_call = ways_to_a_call(call_ask=call, call_costs=costs[2], put_ask=put, spot_ask=spot, synthetic_costs=costs[3], **terms)
    assert by_put.saving == pytest.approx(costs[0] - costs[1], abs=rounding)
    assert by_call.saving == pytest.approx(costs[2] - costs[3], abs=rounding)


# ---- scores


@st.composite
def comparisons(draw):
    contracts, scenarios = draw(st.integers(0, 6)), draw(st.integers(1, 8))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    costs = {name: random.exponential(10.0, contracts) for name in HoldingCosts.__slots__}
    return {
        "payoffs": random.exponential(100.0, (contracts, scenarios)) * (random.random((contracts, scenarios)) < 0.6),
        "losses": random.normal(50.0, 100.0, scenarios),
        "weights": random.dirichlet(np.ones(scenarios)) * draw(st.floats(0.01, 1)),
        "payment_probability": random.random(contracts),
    }, HoldingCosts(**costs)


@law(comparisons(), st.floats(0, 0.2), st.floats(0, 1))
def test_scores_are_the_sums_that_they_are_defined_by(comparison, rate, years):
    terms, costs = comparison
    total = costs.total(rate=rate, years=years)
    found = protection_scores(**terms, cost=total)
    for at, payoffs in enumerate(terms["payoffs"]):
        covered = [min(paid, max(loss, 0.0)) for paid, loss in zip(payoffs, terms["losses"], strict=True)]
        protection = terms["payment_probability"][at] * math.fsum(w * c for w, c in zip(terms["weights"], covered, strict=True))
        cost = math.fsum(getattr(costs, name)[at] * (rate * years if name == "collateral" else 1) for name in costs.__slots__)
        assert (found.protection[at], found.cost[at]) == pytest.approx((protection, cost), rel=1e-12)
        assert found.score[at] == (pytest.approx(cost / protection) if protection > 0 else math.inf)
        assert found.shortfall[at] == max(max(loss - paid, 0.0) for paid, loss in zip(payoffs, terms["losses"], strict=True))
    assert (total >= 0).all()
    order = found.ranking()
    assert sorted(order) == list(range(len(total)))
    assert found.score[order].tolist() == pytest.approx(sorted(found.score))


@law(comparisons(), st.floats(1, 3))
def test_a_contract_that_pays_more_or_costs_less_never_scores_worse(comparison, factor):
    terms, costs = comparison
    total = costs.total(rate=0.0, years=0.0)
    plain = protection_scores(**terms, cost=total).score
    richer = protection_scores(**{**terms, "payoffs": terms["payoffs"] * factor}, cost=total).score
    cheaper = protection_scores(**terms, cost=total / factor).score
    assert (richer <= plain * (1 + 1e-12)).all()
    assert (cheaper <= plain * (1 + 1e-12)).all()


# ---- roots


@law(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(0, 3))
def test_a_bracketed_root_is_found(root, below, above, power):
    found = bracketed_root(lambda x: math.copysign(abs(x - root) ** (power + 0.5), x - root), root - below, root + above)
    assert found == pytest.approx(root, rel=1e-12, abs=1e-9)

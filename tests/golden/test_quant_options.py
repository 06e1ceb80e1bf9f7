"""Options, replication, sizing and break-evens against published and independently computed numbers.

vollib (Jaeckel's algorithm) and QuantLib are the oracles of prices, QuantLib of the greeks, vollib of implied volatility.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from keeper.core.model.option import OptionKind
from keeper.core.quant.black_scholes import greeks, implied_volatility, option_price, option_prices
from keeper.core.quant.break_even import break_even_against_cash, break_evens_against_holding
from keeper.core.quant.parity import box_value, conversion_edge, reversal_edge, ways_to_a_call, ways_to_a_put
from keeper.core.quant.replication import (
    Band,
    Vanilla,
    insurance_price,
    insuring_fee_rate,
    ladder_delta,
    ladder_gamma,
    ladder_value,
    loss_against_cash,
    loss_against_holding,
    replicating_strip,
    strip_payoff,
)
from keeper.core.quant.tail import PutOffer, Sizing, Unsized, price_quantile, put_quantity, size_puts, worst_case

CALL, PUT = OptionKind.CALL, OptionKind.PUT
MONTH, WEEK = 30 / 365, 7 / 365
SEEN = {"spot": 2_000.0, "strike": 1_800.0, "years": MONTH, "volatility": 0.8}
ENTRY = 2_000.0


def band(value: float, lower: float, upper: float) -> Band:
    """So much value at the entry."""
    unit = 2 * math.sqrt(ENTRY) - math.sqrt(lower) - ENTRY / math.sqrt(upper)
    return Band(liquidity=value / unit, lower=lower, upper=upper)


G1 = (band(10_000, 1_600, 2_500),)
G2 = (band(6_000, 1_800, 20_000 / 9), band(3_000, 1_500, 8_000 / 3), band(1_000, 1_000, 4_000))


# ---- Black-Scholes


def test_prices():
    assert option_price(CALL, **SEEN) == pytest.approx(291.355902666042, abs=1e-10)
    assert option_price(PUT, **SEEN) == pytest.approx(91.3559026660422, abs=1e-10)
    assert option_price(CALL, **SEEN, rate=0.05) == pytest.approx(296.067152188582, abs=1e-10)
    assert option_price(PUT, **SEEN, rate=0.05) == pytest.approx(88.6850709641498, abs=1e-10)


def test_greeks():
    found = greeks(CALL, **SEEN)
    expected = (0.717035774538812, 7.37592660637644e-4, 193.99697375675, -944.118605616184, 93.9218339516368)
    assert found == pytest.approx(expected, rel=1e-12)
    of_put = greeks(PUT, **SEEN)
    assert of_put.delta == pytest.approx(found.delta - 1, abs=1e-15)
    assert (of_put.gamma, of_put.vega, of_put.theta) == pytest.approx((found.gamma, found.vega, found.theta), rel=1e-14)
    assert of_put.rho == pytest.approx(found.rho - 1_800 * MONTH, rel=1e-12)


@pytest.mark.filterwarnings("ignore:builtin type:DeprecationWarning")  # what SWIG makes, imported by Python 3.12 and later
@pytest.mark.parametrize("kind", [CALL, PUT])
@pytest.mark.parametrize("rate", [0.0, 0.05, -0.02])
def test_prices_greeks_and_implied_volatility_are_those_of_the_oracles(kind, rate):
    import QuantLib
    from vollib.black_scholes import black_scholes
    from vollib.black_scholes.implied_volatility import implied_volatility as by_vollib

    flag = QuantLib.Option.Call if kind is CALL else QuantLib.Option.Put
    for strike, years, volatility in itertools.product(
        (900.0, 1_500.0, 1_900.0, 2_000.0, 2_300.0, 5_000.0), (1 / 365, WEEK, MONTH, 1.0), (0.05, 0.4, 0.8, 2.5)
    ):
        terms = {"spot": 2_000.0, "strike": strike, "years": years, "rate": rate}
        price = option_price(kind, **terms, volatility=volatility)
        assert price == pytest.approx(black_scholes(kind[0], 2_000.0, strike, years, rate, volatility), abs=1e-10)
        oracle = QuantLib.BlackCalculator(
            QuantLib.PlainVanillaPayoff(flag, strike),
            2_000.0 * math.exp(rate * years),
            volatility * math.sqrt(years),
            math.exp(-rate * years),
        )
        assert price == pytest.approx(oracle.value(), abs=1e-10)
        found = greeks(kind, **terms, volatility=volatility)
        expected = (
            oracle.delta(2_000.0),
            oracle.gamma(2_000.0),
            oracle.vega(years),
            oracle.theta(2_000.0, years),
            oracle.rho(years),
        )
        assert found == pytest.approx(expected, rel=1e-10, abs=1e-10)
        if found.vega > 1:
            implied = implied_volatility(kind, price, **terms)
            assert implied == pytest.approx(by_vollib(price, 2_000.0, strike, years, rate, kind[0]), abs=1e-10)
            assert implied == pytest.approx(volatility, abs=1e-10)


@pytest.mark.parametrize(("kind", "strike", "forward"), [(CALL, 1_800.0, True), (PUT, 2_300.0, True), (PUT, 1_800.0, False)])
def test_without_time_or_volatility_the_forward_is_paid(kind, strike, forward):
    sign = 1 if kind is CALL else -1
    paid, delta = (sign * (2_000 - strike), sign) if forward else (0.0, 0.0)
    terms = {"spot": 2_000.0, "strike": strike, "rate": 0.05}
    assert option_price(kind, **terms, years=0.0, volatility=0.8) == paid
    assert greeks(kind, **terms, years=0.0, volatility=0.8)[:3] == (delta, 0, 0)
    discounted = sign * (2_000 - strike * math.exp(-0.05)) if forward else 0.0
    assert option_price(kind, **terms, years=1.0, volatility=0.0) == pytest.approx(discounted, abs=1e-10)
    assert option_price(kind, **terms, years=1.0, volatility=1e-9) == pytest.approx(discounted, abs=1e-10)
    held = strike * math.exp(-0.05) * delta
    assert greeks(kind, **terms, years=1.0, volatility=0.0) == pytest.approx((delta, 0, 0, -0.05 * held, held), abs=1e-10)


def test_on_the_kink_delta_is_halfway():
    assert greeks(CALL, spot=2_000.0, strike=2_000.0, years=0.0, volatility=0.8) == (0.5, 0, 0, 0, 0)
    assert greeks(PUT, spot=2_000.0, strike=2_000.0, years=1.0, volatility=0.0) == (-0.5, 0, 0, 0, -1_000)


def test_no_volatility_explains_a_price_outside_the_bounds():
    terms = {"spot": 2_000.0, "strike": 2_300.0, "years": 1.0, "rate": 0.05}
    floor = 2_300 * math.exp(-0.05) - 2_000
    assert implied_volatility(PUT, floor - 0.01, **terms) is None
    assert implied_volatility(PUT, floor, **terms) == pytest.approx(0.0, abs=0.03)
    assert implied_volatility(PUT, 2_300 * math.exp(-0.05), **terms) is None
    assert implied_volatility(CALL, 2_000.0, **terms) is None
    assert implied_volatility(CALL, 2_000.0 - 1e-11, **terms) > 10
    assert implied_volatility(CALL, 0.0, **terms) == 0
    assert implied_volatility(CALL, 1e-250, **terms) == pytest.approx(0.0027, abs=1e-3)


def test_one_row_a_scenario_when_the_spots_stand_in_a_column():
    strikes = np.array([1_600.0, 1_800.0, 2_200.0])
    calls, years, volatilities = np.array([False, False, True]), np.array([0.0, WEEK, MONTH]), np.array([0.8, 0.0, 0.9])
    spots = np.array([[1_000.0], [1_900.0], [2_500.0]])
    found = option_prices(calls=calls, spots=spots, strikes=strikes, years=years, volatilities=volatilities, rate=0.05)
    expected = [
        [
            option_price(CALL if call else PUT, spot=spot, strike=strike, years=left, volatility=sigma, rate=0.05)
            for call, strike, left, sigma in zip(calls, strikes, years, volatilities, strict=True)
        ]
        for spot in (1_000.0, 1_900.0, 2_500.0)
    ]
    assert found == pytest.approx(np.array(expected), abs=1e-11)


# ---- replication


def test_the_position():
    assert G1[0].liquidity == pytest.approx(1059.01699437495, rel=1e-14)
    assert ladder_delta(G1, ENTRY) == pytest.approx(2.5, rel=1e-14)
    assert ladder_gamma(G1, ENTRY) == pytest.approx(-0.00592008497187474, rel=1e-13)
    values = {1_500: 7942.62745781211, 2_400: 10568.5551011848, 1_200: 6354.10196624969, 3_000: 10590.1699437495}
    losses = {1_500: 807.372542187894, 2_400: 431.444898815198, 1_200: 1645.89803375032, 3_000: 1909.83005625053}
    for price, value in values.items():
        assert ladder_value(G1, price) == pytest.approx(value, rel=1e-13)
        assert loss_against_holding(G1, entry=ENTRY, price=price) == pytest.approx(losses[price], rel=1e-12)


def test_the_ladder():
    assert [one.liquidity for one in G2] == pytest.approx([1307.21649632, 250.353579036, 38.1720680758], rel=1e-11)
    assert ladder_delta(G2, ENTRY) == pytest.approx(2.5, rel=1e-13)
    assert ladder_gamma(G2, ENTRY) == pytest.approx(-0.00892046976817606, rel=1e-12)
    values = {1_400: 7380.48440908702, 1_600: 8386.00733009095, 2_400: 10444.7319368372, 3_000: 10558.1020651229}
    for price, value in values.items():
        assert ladder_value(G2, price) == pytest.approx(value, rel=1e-13)


def test_quantities_of_the_strip():
    strip = replicating_strip(G1, entry=ENTRY, edges=range(1_600, 2_500, 100))
    puts = [option.quantity for option in strip if option.kind is PUT]
    assert puts == pytest.approx([0.7904899939, 0.7236649283, 0.6657538426, 0.6151762071], abs=1e-10)
    assert math.fsum(puts) == pytest.approx(2.79508497187474, rel=1e-13)
    assert math.fsum(option.quantity for option in strip if option.kind is CALL) == pytest.approx(2.5, rel=1e-13)
    assert [option.strike for option in strip[:2]] == pytest.approx([math.sqrt(1_600 * 1_700), math.sqrt(1_700 * 1_800)])


def quadrature(low, high):
    nodes, weights = np.polynomial.legendre.leggauss(40)
    return zip(((high - low) / 2 * nodes + (high + low) / 2).tolist(), ((high - low) / 2 * weights).tolist(), strict=True)


@pytest.mark.parametrize("price", [1_200.0, 1_500.0, 1_650.0, 1_999.0, 2_000.0, 2_400.0, 3_000.0])
def test_the_strip_pays_the_loss(price):
    loss = loss_against_holding(G1, entry=ENTRY, price=price)
    assert strip_payoff(replicating_strip(G1, entry=ENTRY, edges=(price,)), price) == pytest.approx(loss, abs=1e-10)
    low, high = sorted((min(max(price, 1_600.0), 2_500.0), ENTRY))
    paid = math.fsum(weight * -ladder_gamma(G1, strike) * abs(strike - price) for strike, weight in quadrature(low, high))
    assert paid == pytest.approx(loss, abs=1e-10)


def test_price_of_insuring_the_whole_loss_of_a_week():
    found = insurance_price(G1, price=ENTRY, volatility=0.8, years=WEEK)
    assert found == pytest.approx(143.608345543, abs=5e-10)
    assert insuring_fee_rate(G1, price=ENTRY, volatility=0.8, years=WEEK) == pytest.approx(0.748814944619, abs=5e-13)
    options = math.fsum(
        weight * -ladder_gamma(G1, strike) * option_price(kind, spot=ENTRY, strike=strike, years=WEEK, volatility=0.8)
        for kind, low, high in ((PUT, 1_600.0, ENTRY), (CALL, ENTRY, 2_500.0))
        for strike, weight in quadrature(low, high)
    )
    assert options == pytest.approx(found, abs=1e-9)
    assert insurance_price(G1, price=ENTRY, volatility=0.0, years=WEEK) == 0


# ---- the tail

FLOOR = 1536.14933539657
PREMIUM = 50.0616436859464


def test_size_that_caps_the_loss_at_the_first_percentile():
    floor = price_quantile(price=ENTRY, quantile=0.01, volatility=0.8, years=WEEK)
    premium = option_price(PUT, spot=ENTRY, strike=1_900.0, years=WEEK, volatility=0.85)
    assert (floor, premium) == pytest.approx((FLOOR, PREMIUM), rel=1e-12)
    assert ladder_value(G2, floor) == pytest.approx(8072.11195528978, rel=1e-12)
    loss = loss_against_cash(G2, entry=ENTRY, price=floor, fees=120.0)
    assert loss == pytest.approx(1807.88804471022, rel=1e-12)
    quantity = put_quantity(loss=loss, cap=1_000.0, price=floor, strike=1_900.0, premium=premium)
    assert quantity == pytest.approx(2.57462177085753, rel=1e-11)
    assert quantity * premium == pytest.approx(128.88979771875, rel=1e-11)
    held = [Vanilla(PUT, 1_900.0, quantity)]
    found = worst_case(G2, held, entry=ENTRY, accrued=120 - quantity * premium, floor=floor)
    assert found == pytest.approx((floor, -1_000.0), rel=1e-11)


def test_size_in_lots_is_rounded_up_and_refused_where_the_premium_is_lost():
    offer = PutOffer(strike=1_900.0, premium=PREMIUM, lot=0.1)
    found = size_puts(G2, offer, entry=ENTRY, accrued=120.0, floor=FLOOR, cap=1_000.0)
    assert isinstance(found, Sizing)
    assert found.quantity == pytest.approx(2.6)
    assert found.cost == pytest.approx(2.6 * PREMIUM)
    assert found.worst.price == FLOOR
    assert -1_000 < found.worst.profit < -980
    unneeded = size_puts(G2, offer, entry=ENTRY, accrued=120.0, floor=FLOOR, cap=1_900.0)
    assert unneeded == Sizing(quantity=0.0, cost=0.0, worst=worst_case(G2, (), entry=ENTRY, accrued=120.0, floor=FLOOR))
    assert size_puts(G2, offer, entry=ENTRY, accrued=120.0, floor=FLOOR, cap=100.0) is Unsized.CAP_OUT_OF_REACH
    low = PutOffer(strike=1_580.0, premium=PREMIUM, lot=0.1)
    assert size_puts(G2, low, entry=ENTRY, accrued=120.0, floor=FLOOR, cap=1_000.0) is Unsized.PUT_PAYS_TOO_LITTLE


def test_sold_calls_lose_without_end():
    sold = (Vanilla(CALL, 2_500.0, -1.0),)
    assert worst_case(G2, sold, entry=ENTRY, accrued=0.0, floor=FLOOR) == (math.inf, -math.inf)
    offer = PutOffer(strike=1_900.0, premium=1.0, lot=0.1)
    found = size_puts(G2, offer, entry=ENTRY, accrued=0.0, floor=FLOOR, cap=1_000.0, options=sold)
    assert found is Unsized.CAP_OUT_OF_REACH


# ---- break-evens


def test_break_evens_of_the_ladder():
    assert break_evens_against_holding(G2, entry=ENTRY, fees=120.0) == pytest.approx((1839.33740515682, 2167.3886980148))
    found = break_evens_against_holding(G2, entry=ENTRY, fees=120.0)
    assert (found.lower, found.upper) == pytest.approx((1839.33740515682, 2167.3886980148), rel=1e-13)
    assert break_even_against_cash(G2, entry=ENTRY, fees=120.0) == pytest.approx(1955.5626944624, rel=1e-13)


def test_where_there_is_no_break_even():
    assert break_evens_against_holding(G2, entry=ENTRY, fees=-1.0) == (None, None)
    assert break_evens_against_holding(G2, entry=ENTRY, fees=0.0) == pytest.approx((ENTRY, ENTRY))
    assert break_evens_against_holding(G2, entry=ENTRY, fees=6_000.0).lower is None
    assert break_evens_against_holding(G2, entry=ENTRY, fees=6_000.0).upper > 4_000
    assert break_evens_against_holding(G2, entry=900.0, fees=0.0) == (None, 1_000.0)
    assert break_evens_against_holding(G2, entry=5_000.0, fees=0.0) == (4_000.0, None)
    assert break_even_against_cash(G2, entry=5_000.0, fees=0.0) == 4_000
    assert break_even_against_cash(G2, entry=ENTRY, fees=10_001.0) is None
    assert break_even_against_cash(G2, entry=5_000.0, fees=-1.0) is None


def test_between_bands_nothing_is_lost():
    apart = (Band(liquidity=100.0, lower=1_000.0, upper=1_500.0), Band(liquidity=100.0, lower=2_500.0, upper=3_000.0))
    assert break_evens_against_holding(apart, entry=ENTRY, fees=0.0) == (1_500, 2_500)


# ---- parity


def test_parity():
    assert box_value(lower=1_800, upper=2_200, years=MONTH, rate=0.05) == pytest.approx(398.359537505682, rel=1e-13)
    call, put = 296.067152188582, 88.6850709641498
    terms = {"strike": 1_800.0, "years": MONTH, "rate": 0.05}
    assert conversion_edge(put_ask=put, call_bid=call, spot_ask=2_000, **terms, costs=3) == pytest.approx(-3, abs=1e-9)
    assert reversal_edge(put_bid=put, call_ask=call, spot_bid=2_000, **terms, costs=3) == pytest.approx(-3, abs=1e-9)
    assert conversion_edge(put_ask=put - 5, call_bid=call, spot_ask=2_000, **terms, costs=3) == pytest.approx(2, abs=1e-9)
    ways = ways_to_a_put(put_ask=put + 5, put_costs=1, call_ask=call, spot_bid=2_000, synthetic_costs=2, **terms)
    assert ways == pytest.approx((put + 6, put + 2), abs=1e-9)
    assert ways.saving == pytest.approx(4, abs=1e-9)
    ways = ways_to_a_call(call_ask=call, call_costs=1, put_ask=put, spot_ask=2_001, synthetic_costs=2, **terms)
    assert ways == pytest.approx((call + 1, call + 3), abs=1e-9)

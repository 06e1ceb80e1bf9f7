"""Contracts scored by hand and in time, what rounding must not do, and what no formula can use."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from keeper.core.model.option import OptionKind
from keeper.core.quant.black_scholes import greeks, implied_volatility, option_price, option_prices
from keeper.core.quant.break_even import break_even_against_cash, break_evens_against_holding
from keeper.core.quant.parity import box_value, conversion_edge, reversal_edge
from keeper.core.quant.protection_score import HoldingCosts, PriceVerdict, judge_price, protection_scores
from keeper.core.quant.replication import (
    Band,
    insurance_price,
    ladder_gamma,
    ladder_value,
    loss_against_holding,
    replicating_strip,
)
from keeper.core.quant.roots import bracketed_root
from keeper.core.quant.tail import PutOffer, Sizing, Unsized, price_quantile, put_quantity, size_puts, worst_case

PUT = OptionKind.PUT
WEEK = 7 / 365


# ---- comparison of contracts


def test_scores_by_hand():
    costs = HoldingCosts(
        upfront=np.array([50.0, 0.0, 60.0]),
        fee=np.array([1.0, 0.5, 1.0]),
        gas_open=np.array([4.0, 9.0, 4.0]),
        gas_close=np.array([3.0, 8.0, 3.0]),
        streamed=np.array([0.0, 20.0, 0.0]),
        settlement_slip=np.array([2.0, 5.0, 2.0]),
        collateral=np.array([0.0, 3_650.0, 0.0]),
    ).total(rate=0.1, years=WEEK)
    assert costs == pytest.approx([60, 49.5, 70])
    found = protection_scores(
        payoffs=np.array([[0.0, 200.0, 700.0], [50.0, 150.0, 400.0], [0.0, 0.0, 0.0]]),
        losses=np.array([-10.0, 300.0, 500.0]),
        weights=np.array([0.5, 0.2, 0.1]),
        payment_probability=np.array([0.5, 1.0, 1.0]),
        cost=costs,
    )
    assert found.protection == pytest.approx([0.5 * (40 + 50), 30 + 40, 0])
    assert found.score == pytest.approx([60 / 45, 49.5 / 70, math.inf])
    assert found.shortfall == pytest.approx([100, 150, 500])
    assert found.ranking().tolist() == [1, 0, 2]


def test_equal_scores_are_told_apart_by_the_worst_shortfall():
    found = protection_scores(
        payoffs=np.array([[0.0, 300.0, 10.0], [200.0, 100.0, 10.0], [100.0, 200.0, 10.0]]),
        losses=np.array([300.0, 300.0, 10.0]),
        weights=np.array([0.1, 0.1, 0.3]),
        payment_probability=np.ones(3),
        cost=np.array([7.0, 7.0, 7.0 * (1 - 1e-12)]),
    )
    assert found.score == pytest.approx([7 / 33] * 3)
    assert found.shortfall == pytest.approx([300, 200, 200])
    assert found.ranking().tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("cost", "model", "verdict"),
    [
        (13.5, 10.0, PriceVerdict.FAIR),
        (13.6, 10.0, PriceVerdict.DEAR),
        (5.0, 10.0, PriceVerdict.FAIR),
        (4.9, 10.0, PriceVerdict.SUSPICIOUS),
        (0.0, 10.0, PriceVerdict.SUSPICIOUS),
        (0.1, 0.0, PriceVerdict.DEAR),
        (0.0, 0.0, PriceVerdict.FAIR),
    ],
)
def test_prices_far_from_the_models_are_flagged(cost, model, verdict):
    assert judge_price(cost=cost, model_price=model, dear_above=1.35, suspicious_below=0.5) is verdict


def test_two_hundred_contracts_over_sixty_scenarios_are_priced_and_scored_in_time():
    random = np.random.default_rng(3)
    calls, strikes, years = random.random(200) < 0.3, random.uniform(1_200, 2_800, 200), random.uniform(0, 0.2, 200)
    sigmas, prices = random.uniform(0.4, 1.2, 200), np.linspace(900, 3_000, 60)
    costs = HoldingCosts(**{name: random.exponential(10.0, 200) for name in HoldingCosts.__slots__})

    def once() -> float:
        start = time.process_time()
        paid = option_prices(calls=calls, spots=prices[:, None], strikes=strikes, years=years, volatilities=sigmas)
        found = protection_scores(
            payoffs=paid.T,
            losses=2_000 - prices,
            weights=np.full(60, 1 / 60),
            payment_probability=np.full(200, 0.9),
            cost=costs.total(rate=0.05, years=0.02),
        )
        assert len(found.ranking()) == 200
        return time.process_time() - start

    assert min(once() for _ in range(5)) < 0.05


# ---- rounding


def test_no_price_falls_short_of_the_payoff_by_rounding():
    found = option_price(
        OptionKind.CALL, spot=1126.0303322008426, strike=712.1741731508733, years=1.0, volatility=0.05616721909597348
    )
    assert found >= 1126.0303322008426 - 712.1741731508733


WIDE = (Band(liquidity=1_000.0, lower=1_500.0, upper=2_700.0),)


@pytest.mark.parametrize("lots", range(1, 40))
def test_a_cap_that_takes_whole_lots_exactly_is_kept_to_the_last_digit(lots):
    offer = PutOffer(strike=1_900.0, premium=50.1, lot=0.1)
    without = worst_case(WIDE, (), entry=2_000.0, accrued=120.0, floor=1_533.3).profit
    cap = -without - lots * offer.lot * (1_900.0 - 1_533.3 - offer.premium)
    found = size_puts(WIDE, offer, entry=2_000.0, accrued=120.0, floor=1_533.3, cap=cap)
    assert isinstance(found, Sizing)
    assert round(found.quantity / offer.lot) in {lots, lots + 1}
    assert found.worst.profit >= -cap


def test_a_put_that_pays_a_rounding_error_is_refused():
    offer = PutOffer(strike=1_900.0, premium=math.nextafter(300.0, 0.0), lot=1e-3)
    assert size_puts(WIDE, offer, entry=2_000.0, accrued=0.0, floor=1_600.0, cap=500.0) is Unsized.PUT_PAYS_TOO_LITTLE


# ---- roots


def test_a_root_at_an_end_is_taken_and_none_is_refused():
    assert bracketed_root(lambda x: x - 1, 1.0, 5.0) == 1
    assert bracketed_root(lambda x: x - 5, 1.0, 5.0) == 5
    with pytest.raises(ValueError, match="no sign changes"):
        bracketed_root(lambda _: 1.0, 0.0, 1.0)


# ---- what no formula can use

SCENARIOS = {
    "payoffs": np.ones((2, 3)),
    "losses": np.ones(3),
    "weights": np.full(3, 0.3),
    "payment_probability": np.ones(2),
    "cost": np.ones(2),
}
BAND = Band(liquidity=1.0, lower=1.0, upper=2.0)
NAN = math.nan
ONE = np.ones(1)
FAIR = {"strike": 1.0, "years": 1.0, "rate": 0.0}


def many_prices(**changed):
    return option_prices(**{"calls": ONE > 0, "spots": ONE, "strikes": ONE, "years": ONE, "volatilities": ONE} | changed)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: option_price(PUT, spot=0.0, strike=1.0, years=1.0, volatility=1.0), "spot"),
        (lambda: option_price(PUT, spot=1.0, strike=1.0, years=-1.0, volatility=1.0), "years"),
        (lambda: greeks(PUT, spot=1.0, strike=NAN, years=1.0, volatility=1.0), "strike"),
        (lambda: greeks(PUT, spot=1.0, strike=1.0, years=1.0, volatility=1.0, rate=math.inf), "rate"),
        (lambda: implied_volatility(PUT, -0.1, spot=1.0, strike=1.0, years=1.0), "price"),
        (lambda: implied_volatility(PUT, 0.1, spot=1.0, strike=1.0, years=0.0), "years"),
        (lambda: Band(liquidity=1.0, lower=2.0, upper=2.0), "empty"),
        (lambda: Band(liquidity=NAN, lower=1.0, upper=2.0), "liquidity"),
        (lambda: ladder_value([BAND], -1.0), "price"),
        (lambda: ladder_gamma([BAND], 0.0), "price"),
        (lambda: loss_against_holding([BAND], entry=1.0, price=1.0, fees=NAN), "fees"),
        (lambda: replicating_strip([], entry=1.0, edges=()), "band"),
        (lambda: replicating_strip([BAND], entry=1.0, edges=(0.0,)), "edge"),
        (lambda: insurance_price([BAND], price=1.0, volatility=-1.0, years=1.0), "volatility"),
        (lambda: break_evens_against_holding([], entry=1.0, fees=0.0), "band"),
        (lambda: break_even_against_cash([BAND], entry=1.0, fees=math.inf), "fees"),
        (lambda: price_quantile(price=1.0, quantile=1.0, volatility=1.0, years=1.0), "quantile"),
        (lambda: PutOffer(strike=1.0, premium=0.1, lot=0.0), "lot"),
        (lambda: put_quantity(loss=NAN, cap=1.0, price=1.0, strike=1.0, premium=1.0), "loss"),
        (lambda: worst_case([BAND], (), entry=1.0, accrued=0.0, floor=0.0), "floor"),
        (lambda: size_puts([BAND], PutOffer(strike=1, premium=0, lot=1), entry=1, accrued=0, floor=1, cap=-1), "cap"),
        (lambda: conversion_edge(put_ask=-1.0, call_bid=1.0, spot_ask=1.0, costs=0.0, **FAIR), "put_ask"),
        (lambda: reversal_edge(put_bid=1.0, call_ask=1.0, spot_bid=0.0, costs=0.0, **FAIR), "spot_bid"),
        (lambda: box_value(lower=2.0, upper=2.0, years=1.0, rate=0.0), "below upper"),
        (lambda: judge_price(cost=1.0, model_price=1.0, dear_above=1.0, suspicious_below=2.0), "dear_above"),
        (lambda: protection_scores(**{**SCENARIOS, "weights": np.full(3, 0.4)}), "weights"),
        (lambda: protection_scores(**{**SCENARIOS, "payment_probability": np.array([1.0, 1.1])}), "payment_probability"),
        (lambda: protection_scores(**{**SCENARIOS, "payoffs": np.array([[1.0, NAN, 1.0]] * 2)}), "payoffs"),
        (lambda: protection_scores(**{**SCENARIOS, "losses": np.array([1.0, NAN, 1.0])}), "losses"),
        (lambda: protection_scores(**{**SCENARIOS, "cost": np.ones(1)}), "shapes do not fit"),
        (lambda: protection_scores(**{**SCENARIOS, "payoffs": np.ones((3, 2))}), "shapes do not fit"),
        (lambda: protection_scores(**{**SCENARIOS, "weights": np.full(1, 0.3)}), "shapes do not fit"),
        (lambda: protection_scores(**{**SCENARIOS, "payment_probability": np.ones(1)}), "shapes do not fit"),
        (lambda: many_prices(spots=np.array([0.0])), "spots"),
        (lambda: many_prices(strikes=np.array([1.0, NAN])), "strikes"),
        (lambda: many_prices(years=np.array([-1.0])), "years"),
        (lambda: many_prices(volatilities=np.array([math.inf])), "volatilities"),
        (lambda: HoldingCosts(**{name: np.array([NAN]) for name in HoldingCosts.__slots__}), "upfront"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()

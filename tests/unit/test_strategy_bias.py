from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.core.model.option import OptionKind, PositionState, ProtectionView, Style
from keeper.core.model.token import TokenAmount
from keeper.core.quant.black_scholes import option_price
from keeper.core.quant.replication import ladder_delta, ladder_gamma
from keeper.core.strategy.hedge.bias import OPTIONS, TOTAL, leans
from keeper.core.strategy.hedge.exposure import bands
from keeper.core.strategy.hedge.parity import breaches
from keeper.core.strategy.valuation import protected_price
from tests.builders import NOW_S, WETH, policy
from tests.options import held, put, quote
from tests.unit.test_strategy_hedge import seen

EUROPEAN = put(style=Style.EUROPEAN)
DAYS_14 = 14 / 365


def rows(at):
    return {lean.name: lean for lean in leans(at, policy(), 0.6)}


def protected(*positions):
    return replace(seen(), protection=ProtectionView(positions=positions, quotes=(), absent=()))


def test_layers_add_up_to_the_ladders_own_delta_and_gamma():
    found, price = rows(seen()), protected_price(seen(), policy())
    layers = [found[name] for name in ("core", "secondary", "insurance")]
    ladder = bands(seen(), policy())
    assert math.fsum(lean.delta for lean in layers) == pytest.approx(ladder_delta(ladder, price))
    assert math.fsum(lean.gamma for lean in layers) == pytest.approx(ladder_gamma(ladder, price))
    assert all(lean.gamma <= 0 and lean.vega == 0 for lean in layers)


def test_the_wallets_base_and_what_is_owed_count_in_the_total_alone():
    at = seen()
    found = rows(at)
    parts = [lean for name, lean in found.items() if name != TOTAL]
    owed = sum(position.fees1 for position in at.ladder.positions) / 10**18
    assert found[TOTAL].delta == pytest.approx(math.fsum(lean.delta for lean in parts) + 1.25 + owed)


def test_an_option_that_has_ended_moves_with_nothing():
    settled = held(state=PositionState.REDEEMABLE, act_before_s=None)
    assert rows(protected(settled))[OPTIONS].delta == 0


def test_puts_lean_down_bend_up_and_like_volatility():
    mine = held(state=PositionState.OPEN)
    bare, with_put = rows(seen()), rows(protected(mine))
    assert with_put[OPTIONS].delta < 0 < with_put[OPTIONS].gamma
    assert with_put[OPTIONS].vega > 0
    assert with_put[TOTAL].delta == pytest.approx(bare[TOTAL].delta + with_put[OPTIONS].delta)
    size = mine.size.raw / 10**18
    price = protected_price(seen(), policy())
    up, down = (
        option_price(OptionKind.PUT, spot=price + shift, strike=3_600.0, years=DAYS_14, volatility=0.6) for shift in (1, -1)
    )
    assert with_put[OPTIONS].delta == pytest.approx(size * (up - down) / 2, rel=1e-3)


def offered(kind, cost_usd, **fields):
    legs = (replace(EUROPEAN.legs[0], kind=kind, strike=Decimal(4_000)),)
    return quote(
        int(cost_usd * 10 * 10**6),
        contract=replace(EUROPEAN, legs=legs, **fields),
        size=TokenAmount(token=WETH, raw=10 * 10**18),
    )


def on_offer(*quotes):
    return replace(seen(), protection=ProtectionView(positions=(), quotes=quotes, absent=()))


def fair(kind, at):
    return option_price(kind, spot=protected_price(at, policy()), strike=4_000.0, years=DAYS_14, volatility=0.6)


def test_fair_quotes_break_no_parity_beyond_their_costs():
    at = seen()
    assert breaches(on_offer(*(offered(kind, fair(kind, at)) for kind in OptionKind)), policy()) == ()


@pytest.mark.parametrize("dear", list(OptionKind))
def test_an_option_that_is_dear_against_its_synthetic_is_told_with_what_the_other_way_saves(dear):
    at = seen()
    quotes = [offered(kind, fair(kind, at) + (200 if kind is dear else 0)) for kind in OptionKind]
    (breach,) = breaches(on_offer(*quotes), policy())
    assert (breach.kind, breach.strike, breach.expiry_s) == (dear, Decimal(4_000), NOW_S + 14 * 86_400)
    assert 150 < breach.saving < 200


def test_quotes_on_other_terms_are_not_compared():
    at = seen()
    puts = offered(OptionKind.PUT, fair(OptionKind.PUT, at) + 500)
    later = offered(OptionKind.CALL, fair(OptionKind.CALL, at), expiry_s=NOW_S + 15 * 86_400)
    american = offered(OptionKind.CALL, fair(OptionKind.CALL, at), style=Style.AMERICAN)
    assert breaches(on_offer(puts, later, american), policy()) == ()

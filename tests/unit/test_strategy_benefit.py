from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Burn, Collect, Decrease, Mint, Swap
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import Quality
from keeper.core.quant.lvr import concentration
from keeper.core.signals import names
from keeper.core.signals.prices import LOG_TICK
from keeper.core.strategy import benefit
from keeper.core.strategy.gas import stage_gas
from keeper.core.strategy.valuation import (
    fees_quote,
    positions_quote,
    protected_price,
    raw_to_quote,
    wallet_funds,
    wei_to_quote,
    worth,
)
from tests.builders import (
    TICK,
    USDC,
    USDT,
    WETH,
    WETH_USDT_500,
    execution_policy,
    gas,
    ladder,
    memory,
    policy,
    pool_view,
    position,
    reading,
    target_layer,
    view,
    wallet,
)

PRICE = 1.0001**-TICK * 1e12
CHANCES = benefit.Odds(volatility=0.6, fee_volatility=0.6, price=PRICE)
HALF = target_layer(LayerKind.CORE, ((TICK - 600, TICK + 600),))


def test_a_centred_range_earns_what_its_concentration_says_while_inside():
    still = CHANCES._replace(volatility=0.0)
    found = benefit.income_from(view(), policy(), HALF, 60_000.0, still)
    wanted = 60_000.0 * 0.6**2 / 8 * concentration(600 * LOG_TICK) * 3 / 365
    assert found == pytest.approx(wanted, rel=1e-3)


def test_the_held_and_the_wanted_are_told_by_the_same_formula():
    mine = position(1, TICK - 600, TICK + 600, liquidity=10**16, fees0=0, fees1=0)
    value = positions_quote(policy(), PRICE, (mine,))
    held = benefit.income_of(view(), policy(), (mine,), CHANCES)
    assert benefit.income_from(view(), policy(), HALF, value, CHANCES) == pytest.approx(held, rel=1e-6)


@settings(deadline=None)
@given(st.integers(0, 5_000), st.integers(0, 5_000))
def test_the_further_from_the_centre_the_less_is_expected(one, other):
    near, far = sorted((one, other))
    mine = position(1, TICK - 600, TICK + 600, liquidity=10**16)

    def income(offset):
        return benefit.income_of(view(TICK + offset), policy(), (mine,), CHANCES)

    # the rate itself grows with the root of the price: that much over the distance; far out only rounding is left
    assert income(far) <= income(near) * 1.0001 ** ((far - near) / 2) + 1e-9 * income(0)


def test_a_range_left_far_behind_earns_nothing_and_one_just_left_may_come_back():
    mine = position(1, TICK - 600, TICK + 600, liquidity=10**16)
    centred = benefit.income_of(view(), policy(), (mine,), CHANCES)
    just = benefit.income_of(view(TICK + 610), policy(), (mine,), CHANCES)
    gone = benefit.income_of(view(TICK + 6_000), policy(), (mine,), CHANCES)
    assert 0.2 * centred < just < 0.8 * centred
    assert gone < 1e-6 * centred


@pytest.mark.parametrize(
    ("implied", "quality", "paid"),
    [(0.4, Quality.GOOD, 0.4), (0.9, Quality.GOOD, 0.6), (0.4, Quality.SHORT, 0.6), (None, Quality.MISSING, 0.6)],
)
def test_fees_are_reckoned_at_the_smaller_volatility(implied, quality, paid):
    readings = (
        reading(names.VOLATILITY_FORECAST, 0.6),
        reading(names.VOLATILITY_POOL_IMPLIED, implied, quality=quality),
    )
    assert benefit.odds(readings, PRICE).fee_volatility == paid


def test_no_forecast_no_odds():
    readings = (reading(names.VOLATILITY_FORECAST, None), reading(names.VOLATILITY_POOL_IMPLIED, 0.5))
    assert benefit.odds(readings, PRICE) is None


def test_a_range_left_on_one_side_must_swap_half_of_itself():
    mine = position(1, TICK - 2_000, TICK - 1_000, liquidity=10**16, fees0=0, fees1=0)
    value = positions_quote(policy(), PRICE, (mine,))
    cost = benefit.shift_expense(view(), policy(), HALF, (mine,), value, PRICE)
    assert cost.swap_quote == pytest.approx(0.5 * value * 5e-4, rel=0.2)
    units = stage_gas([Decrease, Collect, Burn]) + stage_gas([Mint]) + stage_gas([Swap])
    assert cost.gas_wei == units * 1_100_000_000
    assert cost.gas_quote == pytest.approx(cost.gas_wei / 1e18 * PRICE)


def test_a_range_that_keeps_its_ratio_swaps_nothing():
    mine = position(1, TICK - 1_200, TICK + 1_200, liquidity=10**16, fees0=0, fees1=0)
    cost = benefit.shift_expense(view(), policy(), HALF, (mine,), 30_000.0, PRICE)
    assert cost.swap_quote == 0
    assert cost.gas_wei == (stage_gas([Decrease, Collect, Burn]) + stage_gas([Mint])) * 1_100_000_000


def test_gas_costs_in_proportion_to_its_price():
    one = benefit.close_expense(view(gas=gas(10**9, 0)), policy(), ladder().positions, PRICE)
    two = benefit.close_expense(view(gas=gas(2 * 10**9, 0)), policy(), ladder().positions, PRICE)
    assert two.gas_wei == 2 * one.gas_wei > 0


def test_data_on_a_parent_chain_costs_as_gas_does():
    own = benefit.close_expense(view(gas=gas(10**9, 10**8)), policy(), ladder().positions, PRICE)
    both = benefit.close_expense(view(gas=gas(10**9, 10**8, 11 * 10**8)), policy(), ladder().positions, PRICE)
    assert both.gas_wei == 2 * own.gas_wei
    assert both.gas_quote == pytest.approx(2 * own.gas_quote)


# ---- worth


def test_worth_is_the_wallet_and_every_layer():
    found = worth(view(held=ladder(), remembered=memory()), policy())
    assert found.price == pytest.approx(PRICE, rel=1e-9)
    assert found.wallet == pytest.approx(3_000 + 0.75 * PRICE, rel=1e-9)
    assert found.total == pytest.approx(found.wallet + sum(found.layer(kind) for kind in LayerKind))
    assert found.layer(LayerKind.CORE) == pytest.approx(60_000, rel=0.05)
    assert worth(view(), policy()).layer(LayerKind.CORE) == 0


def test_the_reserve_of_native_currency_is_not_to_be_placed():
    assert wallet_funds(view(wallet=wallet(5, 7, native_wei=5 * 10**17 + 3)), policy()) == (5, 10)
    assert wallet_funds(view(wallet=wallet(5, 7, native_wei=10**17)), policy()) == (5, 7)
    assert wallet_funds(view(), policy(wrapped_native=None)) == (60_000 * 10**6, 0)
    more = policy(execution=execution_policy(native_reserve_wei=10**18))
    assert wallet_funds(view(wallet=wallet(0, 0, native_wei=10**18 + 1)), more) == (0, 1)


def test_both_token_orders_tell_the_same_value():
    mirrored = policy(base=WETH, quote=USDT, wrapped_native=WETH, pools=(WETH_USDT_500,), signal_pool=WETH_USDT_500.address)
    assert raw_to_quote(policy(), 4_000.0, 2_000 * 10**6, 10**18) == pytest.approx(6_000.0)
    assert raw_to_quote(mirrored, 4_000.0, 10**18, 2_000 * 10**6) == pytest.approx(6_000.0)
    there = view(
        -TICK,
        pools=(pool_view(-TICK, key=WETH_USDT_500, centre=-TICK, twap_tick=-TICK),),
        wallet=wallet(balances=(TokenAmount(token=WETH, raw=0), TokenAmount(token=USDT, raw=60_000 * 10**6))),
    )
    assert protected_price(there, mirrored) == pytest.approx(protected_price(view(), policy()), rel=1e-9)
    assert worth(there, mirrored).total == pytest.approx(worth(view(), policy()).total, rel=1e-9)


def test_ether_is_priced_as_base_as_quote_or_not_at_all():
    ether_quoted = policy(base=USDC, quote=WETH)
    assert wei_to_quote(policy(), 4_000.0, 10**18) == 4_000
    assert wei_to_quote(ether_quoted, 0.00025, 10**18) == 1
    assert wei_to_quote(policy(wrapped_native=None), 4_000.0, 10**18) == 0


def test_fees_are_part_of_a_positions_worth():
    mine = position(fees0=10**6, fees1=10**15)
    bare = replace(mine, fees0=0, fees1=0)
    owed = fees_quote(policy(), 4_000.0, (mine,))
    assert owed == pytest.approx(5.0)
    assert positions_quote(policy(), 4_000.0, (mine,)) == pytest.approx(positions_quote(policy(), 4_000.0, (bare,)) + owed)

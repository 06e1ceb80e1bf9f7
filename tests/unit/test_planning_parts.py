from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.core.model.errors import Refused
from keeper.core.model.ladder import TickRange
from keeper.core.model.plan import Burn, Collect, Decrease, Mint, Placement, Stage, StageKind, Swap, Unwrap
from keeper.core.model.pool import TickNet
from keeper.core.model.token import TokenAmount
from keeper.core.planning.bounds import Interval, decrease_minimums, deposit_minimums, plan_bounds, protected_interval
from keeper.core.planning.depth import depth, pools_without
from keeper.core.planning.funds import returned, unwrappable_wei, wallet_purse
from keeper.core.planning.gas import gas_quote, gas_units
from keeper.core.planning.price import price_at, protected_price, protected_tick
from keeper.core.planning.sizing import place_step, portions, wish
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from tests.builders import (
    NOW_S,
    TICK,
    USDC,
    USDC_WETH_500,
    USDC_WETH_3000,
    WETH,
    execution_policy,
    ladder,
    policy,
    pool_view,
    position,
    target_layer,
    view,
    wallet,
)
from tests.options import buying, ending, held

ETHER = 10**18


def out_of(*token_ids: int) -> tuple[Decrease | Collect | Burn, ...]:
    held = {p.token_id: p for p in ladder().positions}
    return tuple(
        step
        for token_id in token_ids
        for step in (
            Decrease(token_id=token_id, liquidity=held[token_id].liquidity, amount0_min=0, amount1_min=0),
            Collect(token_id=token_id),
            Burn(token_id=token_id),
        )
    )


def some_swap() -> Swap:
    return Swap(pool=USDC_WETH_500.address, zero_for_one=True, amount_in=1, amount_out_min=0, sqrt_price_limit_x96=1)


def some_mint() -> Mint:
    return Mint(
        pool=USDC_WETH_500.address,
        layer=target_layer().kind,
        range=TickRange(lower=0, upper=10),
        amount0=1,
        amount1=1,
        amount0_min=0,
        amount1_min=0,
    )


class TestGas:
    def test_a_full_rebalance_in_three_bundles_costs_what_was_measured(self) -> None:
        stages = (
            Stage(kind=StageKind.WITHDRAW, steps=out_of(1001, 1002, 1003)),
            Stage(kind=StageKind.SWAP, steps=(some_swap(),)),
            Stage(kind=StageKind.PLACE, steps=(some_mint(),) * 3),
        )
        assert 2_057_830 <= gas_units(stages) <= 2_165_425

    def test_thirteen_separate_transactions_cost_what_was_measured(self) -> None:
        steps = (*out_of(1001, 1002, 1003), some_swap(), *(some_mint(),) * 3)
        alone = gas_units([Stage(kind=StageKind.PLACE, steps=(step,)) for step in steps])
        assert 2_639_186 <= alone <= 2_743_775

    def test_an_option_costs_what_its_venue_says(self) -> None:
        swap = Stage(kind=StageKind.SWAP, steps=(some_swap(),))
        assert gas_units([buying(), ending(), swap]) == 150_000 + held().gas_close + gas_units([swap])

    def test_gas_is_worth_its_ether(self) -> None:
        rules = policy()
        price = price_at(get_sqrt_ratio_at_tick(TICK), rules)
        # 1.1 gwei a unit, 4,000 USDC an ether
        assert float(gas_quote(1_000_000, view(), rules, price)) == pytest.approx(4.4, rel=1e-3)
        assert gas_quote(1_000_000, view(), replace(rules, wrapped_native=None), price) == 0


class TestFunds:
    def test_native_currency_counts_above_its_reserve(self) -> None:
        purse = wallet_purse(view(wallet=wallet(native_wei=15 * ETHER)), policy())
        assert purse.spendable == (60_000 * 10**6, 145 * ETHER // 10)

    def test_wrapped_ether_counts_when_it_is_worth_unwrapping(self) -> None:
        rich, poor = (view(wallet=wallet(weth=weth, native_wei=15 * ETHER)) for weth in (ETHER, 10**12))
        assert unwrappable_wei(rich, policy()) == ETHER
        assert wallet_purse(rich, policy()).raw1 == 155 * ETHER // 10
        assert unwrappable_wei(poor, policy()) == 0
        assert wallet_purse(poor, policy()).raw1 == 145 * ETHER // 10

    def test_what_comes_in_fills_the_reserve_first(self) -> None:
        purse = wallet_purse(view(wallet=wallet(native_wei=ETHER // 10)), policy())
        assert purse.spendable[1] == 0
        assert purse.plus(0, ETHER).spendable[1] == 6 * ETHER // 10

    def test_without_a_wrapped_native_token_native_currency_is_only_gas(self) -> None:
        purse = wallet_purse(view(wallet=wallet(weth=3)), replace(policy(), wrapped_native=None))
        assert purse.spendable == (60_000 * 10**6, 3)

    def test_deltas_of_other_tokens_do_not_count(self) -> None:
        purse = wallet_purse(view(), policy())
        stranger = replace(USDC, address="0xStranger")
        assert purse.after((TokenAmount(token=stranger, raw=5), TokenAmount(token=USDC, raw=-7))) == purse.plus(-7, 0)

    def test_a_withdrawal_returns_principal_and_fees(self) -> None:
        market = view(held=ladder())
        held = market.ladder.positions[0]
        assert returned(market, out_of(1001)) == (held.amount0 + held.fees0, held.amount1 + held.fees1)
        half = Decrease(token_id=1001, liquidity=held.liquidity // 2, amount0_min=0, amount1_min=0)
        assert returned(market, (half,)) == (pytest.approx(held.amount0 / 2, abs=1), pytest.approx(held.amount1 / 2, rel=1e-15))


class TestDepth:
    def test_our_withdrawn_liquidity_is_not_traded_against(self) -> None:
        market = view(held=ladder())
        without = pools_without(market, out_of(*(p.token_id for p in ladder().positions)))
        assert without == {USDC_WETH_500.address: pool_view()}

    def test_layers_that_stay_are(self) -> None:
        market = view(held=ladder())
        core = ladder().positions[0]
        pool = pools_without(market, out_of(core.token_id))[USDC_WETH_500.address]
        assert pool.state.liquidity == market.pools[0].state.liquidity - core.liquidity

    def test_a_tick_just_crossed_downward_is_crossed_back_before_an_upward_trade(self) -> None:
        pool = pool_view()
        state = replace(pool.state, tick=TICK - 1, liquidity=70)
        ticks = (TickNet(tick=TICK, liquidity_net=30), TickNet(tick=TICK + 10, liquidity_net=-100))
        curve = depth(replace(pool, state=state, ticks=ticks), protected_interval(view(), policy(), USDC_WETH_500.address))
        assert curve.liquidity == 100

    def test_a_swap_stays_within_the_known_map(self) -> None:
        pool = replace(pool_view(), map_lower=TICK - 20, map_upper=TICK + 20)
        curve = depth(pool, protected_interval(view(), policy(), USDC_WETH_500.address))
        squared = (float(curve.lowest) ** 2, float(curve.highest) ** 2)
        assert squared == (pytest.approx(1.0001 ** (TICK - 20)), pytest.approx(1.0001 ** (TICK + 20)))


class TestBounds:
    def test_the_interval_is_about_the_mean_price_and_not_about_spot(self) -> None:
        moved = protected_interval(view(tick=TICK + 77, twap_tick=TICK + 5), policy(), USDC_WETH_500.address)
        assert moved.lower_x96 == get_sqrt_ratio_at_tick(TICK + 5 - 130)
        assert moved.upper_x96 == get_sqrt_ratio_at_tick(TICK + 5 + 130)

    def test_every_pool_is_guarded_by_its_own_mean_price(self) -> None:
        market = view(pools=(pool_view(twap_tick=TICK - 3), pool_view(key=USDC_WETH_3000, twap_tick=TICK + 9)))
        assert protected_tick(market, policy(), USDC_WETH_3000.address) == TICK + 9

    def test_a_pool_without_history_borrows_the_signal_pool_s(self) -> None:
        young = pool_view(key=USDC_WETH_3000, twap_tick=None)
        market = view(pools=(pool_view(twap_tick=TICK - 3), young))
        assert protected_tick(market, policy(), USDC_WETH_3000.address) == TICK - 3

    def test_without_any_mean_price_there_is_no_plan(self) -> None:
        with pytest.raises(Refused, match="time-weighted"):
            protected_price(view(twap_tick=None), policy())

    def test_deadline_and_gas_ceiling(self) -> None:
        bounds = plan_bounds(view(), policy(), 1_000_001)
        assert bounds.deadline_s == NOW_S + 300
        assert bounds.max_gas_wei == 1_300_002 * 60 * 10**9

    def test_an_out_of_range_position_is_worth_one_token_at_every_price(self) -> None:
        interval = protected_interval(view(), policy(), USDC_WETH_500.address)
        above = position(lower=TICK + 1_000, upper=TICK + 2_000)
        assert decrease_minimums(interval, above.range, above.liquidity) == (above.amount0, 0)

    def test_a_one_sided_deposit_asks_for_nothing_of_the_other_token(self) -> None:
        interval = protected_interval(view(), policy(), USDC_WETH_500.address)
        least = deposit_minimums(interval, TickRange(lower=TICK + 1_000, upper=TICK + 2_000), 10**10, 10**18)
        assert least == (10**10 - 2, 0)

    def test_a_price_next_to_a_bound_does_not_overflow(self) -> None:
        root = get_sqrt_ratio_at_tick(TICK)
        interval = Interval(lower_x96=root - 1, upper_x96=root + 1, width_ticks=1)
        least = deposit_minimums(interval, TickRange(lower=TICK, upper=TICK + 10), 10**30, 10**30)
        assert least[1] == 0


class TestSizing:
    def placement(self, lower: int, upper: int, value: float) -> Placement:
        layer = target_layer(ranges=((lower, upper),))
        return Placement(layer=layer.kind, band=layer.bands[0], value_quote=value, token_id=None)

    def test_amounts_are_worth_the_wish_in_the_range_s_ratio(self) -> None:
        rules = policy()
        price = price_at(get_sqrt_ratio_at_tick(TICK), rules)
        wishes = (wish(self.placement(TICK - 600, TICK + 600, 1_000.0)),)
        (portion,) = portions(wishes, (10**18, 10**24), {USDC_WETH_500.address: price.root}, price)
        assert float(price.value(portion.amount0, portion.amount1)) == pytest.approx(1_000.0, rel=1e-8)
        assert portion.amount0 == pytest.approx(500 * 10**6, rel=1e-3)

    def test_a_scarce_token_shrinks_only_what_needs_it(self) -> None:
        rules = policy()
        price = price_at(get_sqrt_ratio_at_tick(TICK), rules)
        wishes = tuple(
            wish(self.placement(lower, upper, 1_000.0))
            for lower, upper in ((TICK - 600, TICK + 600), (TICK - 900, TICK - 600), (TICK + 600, TICK + 900))
        )
        both, below, above = portions(wishes, (750 * 10**6, 10**24), {USDC_WETH_500.address: price.root}, price)
        assert both.amount0 + above.amount0 <= 750 * 10**6
        assert both.amount0 + above.amount0 >= 750 * 10**6 - 2
        assert float(price.value(below.amount0, below.amount1)) == pytest.approx(1_000.0, rel=1e-8)
        assert float(price.value(above.amount0, 0)) == pytest.approx(500.0, rel=1e-3)
        assert float(price.value(both.amount0, both.amount1)) == pytest.approx(500.0, rel=1e-3)

    def test_what_buys_no_liquidity_is_not_placed(self) -> None:
        rules = policy()
        price = price_at(get_sqrt_ratio_at_tick(TICK), rules)
        wishes = (wish(self.placement(TICK - 600, TICK + 600, 1_000.0)),)
        (portion,) = portions(wishes, (0, 10**24), {USDC_WETH_500.address: price.root}, price)
        interval = protected_interval(view(), rules, USDC_WETH_500.address)
        assert place_step(portion, get_sqrt_ratio_at_tick(TICK), interval) is None

    def test_concentration_is_that_of_the_formula(self) -> None:
        # range 1600 to 2500 at 2000
        each = replace(
            wish(self.placement(0, 10, 1.0)), lower=Decimal(1600).sqrt(), upper=Decimal(2500).sqrt(), value=Decimal(1)
        )
        assert float(each.concentration(Decimal(2000).sqrt())) == pytest.approx(9.47213595499958, rel=1e-14)
        at_its_end = 2 / (1 - 0.8)
        assert float(each.concentration(Decimal(1000).sqrt())) == pytest.approx(at_its_end)
        assert float(each.concentration(Decimal(4000).sqrt())) == pytest.approx(at_its_end)


def test_wrapped_native_may_be_the_quote() -> None:
    rules = replace(policy(), base=USDC, quote=WETH, execution=execution_policy())
    price = price_at(get_sqrt_ratio_at_tick(TICK), rules)
    assert price.value(0, ETHER) == 1
    assert float(price.value(4_000 * 10**6, 0)) == pytest.approx(1.0, rel=1e-2)
    assert float(gas_quote(10**6, view(), rules, price)) == pytest.approx(0.0011)
    assert Unwrap(amount_wei=1).kind == "unwrap"

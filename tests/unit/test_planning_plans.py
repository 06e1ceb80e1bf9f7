from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.core.model.decision import CloseLayer, CompoundLayer, Decision, ExitAll, OpenLayer, ShiftLayer
from keeper.core.model.errors import Refused
from keeper.core.model.ladder import Ladder, Layer, LayerKind, TickRange
from keeper.core.model.plan import (
    Burn,
    Collect,
    Decrease,
    Increase,
    Mint,
    NotDone,
    Plan,
    Simulated,
    StageKind,
    Step,
    Swap,
    Unknown,
    Unwrap,
    Wrap,
)
from keeper.core.model.token import TokenAmount
from keeper.core.planning import plan, resize
from keeper.core.planning.depth import swap_in
from keeper.core.v3math.tick_math import get_tick_at_sqrt_ratio
from tests.builders import (
    LIQUIDITY,
    NOW_S,
    TICK,
    USDC,
    USDC_WETH_500,
    USDC_WETH_3000,
    WETH,
    decision,
    execution_policy,
    ladder,
    policy,
    pool_view,
    position,
    target_ladder,
    target_layer,
    view,
    wallet,
)

ETHER = 10**18
MILLION = 10**12
"""Of USDC, raw."""


def opening() -> Decision:
    return decision(moves=tuple(OpenLayer(target=layer) for layer in target_ladder().layers))


def steps(found: Plan | None, kind: StageKind) -> tuple[Step, ...]:
    assert found is not None
    return tuple(step for stage in found.stages if stage.kind is kind for step in stage.steps)


def kinds(found: Plan | None) -> list[StageKind]:
    assert found is not None
    return [stage.kind for stage in found.stages]


def core_only(held: Ladder) -> Layer:
    layer = held.layer(LayerKind.CORE)
    assert layer is not None
    return layer


class TestIdentity:
    def test_a_hold_has_no_plan(self) -> None:
        assert plan(view(), decision(), policy()) is None

    def test_the_same_view_and_decision_give_the_same_plan_and_others_another_id(self) -> None:
        first, second = plan(view(), opening(), policy()), plan(view(), opening(), policy())
        assert first is not None
        assert first == second
        assert len(first.id) == 16
        int(first.id, 16)
        other_view = plan(view(wallet=wallet(nonce=8)), opening(), policy())
        other_decision = plan(view(), replace(opening(), volatility=0.61), policy())
        assert other_view is not None
        assert other_decision is not None
        assert len({first.id, other_view.id, other_decision.id}) == 3

    def test_bounds_come_from_chain_time_and_policy(self) -> None:
        found = plan(view(), opening(), policy())
        assert found is not None
        assert found.bounds.deadline_s == NOW_S + 300
        assert found.bounds.slippage_bps == 30
        assert found.bounds.max_gas_wei >= found.cost.gas_units * 60 * 10**9

    def test_no_mean_price_no_plan(self) -> None:
        with pytest.raises(Refused):
            plan(view(twap_tick=None), opening(), policy())


class TestOpening:
    def test_funds_that_suffice_are_placed_as_they_are(self) -> None:
        found = plan(view(), opening(), policy())
        assert kinds(found) == [StageKind.PLACE]
        assert found is not None
        assert [way.name for way in found.alternatives if way.taken] == ["no swap"]

    def test_one_token_is_swapped_to_the_ladder_s_ratio(self) -> None:
        found = plan(view(wallet=wallet(120_000 * 10**6, native_wei=ETHER // 2)), opening(), policy())
        assert kinds(found) == [StageKind.SWAP, StageKind.PLACE]
        (sold,) = steps(found, StageKind.SWAP)
        assert isinstance(sold, Swap)
        assert sold.zero_for_one
        assert 0.45 < sold.amount_in / (120_000 * 10**6) < 0.55
        assert found is not None
        assert sum(way.unplaced_quote for way in found.alternatives if way.taken) < 0.01

    def test_wrapped_ether_is_unwrapped_first(self) -> None:
        found = plan(view(wallet=wallet(weth=3 * ETHER, native_wei=125 * ETHER // 10)), opening(), policy())
        assert kinds(found) == [StageKind.WRAP, StageKind.PLACE]
        assert steps(found, StageKind.WRAP) == (Unwrap(amount_wei=3 * ETHER),)

    def test_the_idle_weight_stays_in_the_wallet(self) -> None:
        found = plan(view(), opening(), policy())
        assert found is not None
        assert sum(placement.value_quote for placement in found.placements) == pytest.approx(0.95 * 120_000, rel=0.001)

    def test_a_wish_beyond_the_funds_shrinks_to_them(self) -> None:
        """The wallet holds a seventh of the whole and the core is wanted with half of it: what cannot be is not missed."""
        secondary = ladder().layers[1]
        market = view(held=Ladder(layers=(secondary,)), wallet=wallet(3_000 * 10**6, native_wei=125 * ETHER // 100))
        found = plan(market, decision(moves=(OpenLayer(target=target_layer(weight=0.5)),)), policy())
        assert kinds(found) == [StageKind.PLACE]
        assert found is not None
        assert found.placements[0].value_quote == pytest.approx(6_000, rel=0.001)
        assert sum(way.unplaced_quote for way in found.alternatives if way.taken) < 10

    def test_a_layer_that_is_already_held_is_not_opened_twice(self) -> None:
        core = position(lower=TICK - 600, upper=TICK + 600, liquidity=20_000_000_000_000_000)
        held = Ladder(layers=(Layer(kind=LayerKind.CORE, positions=(core,)),))
        whole = view(held=held, wallet=wallet(0, native_wei=0))
        again = decision(moves=(OpenLayer(target=target_layer(weight=0.99)),))
        assert plan(whole, again, policy()) is None


class TestShifting:
    def shift(self, held: Ladder, lower: int, upper: int, weight: float) -> Decision:
        ids = tuple(p.token_id for p in core_only(held).positions)
        return decision(moves=(ShiftLayer(target=target_layer(ranges=((lower, upper),), weight=weight), token_ids=ids),))

    def test_a_shift_of_the_core_leaves_the_others_alone(self) -> None:
        found = plan(view(held=ladder(), wallet=wallet()), self.shift(ladder(), TICK - 500, TICK + 500, 0.3), policy())
        assert [type(step) for step in steps(found, StageKind.WITHDRAW)] == [Decrease, Collect, Burn]
        assert found is not None
        named = {step.token_id for stage in found.stages for step in stage.steps if isinstance(step, Decrease | Collect | Burn)}
        assert named == {1001}
        assert [step.layer for step in steps(found, StageKind.PLACE) if isinstance(step, Mint)] == [LayerKind.CORE]

    def test_a_band_that_is_held_as_wanted_is_kept(self) -> None:
        market = view(held=ladder(), wallet=wallet())
        core = core_only(ladder()).positions[0]
        whole = quote(60_000 * 10**6, 15 * ETHER) + worth_of_all(market)
        weight = quote(core.amount0, core.amount1) / whole
        assert plan(market, self.shift(ladder(), TICK - 600, TICK + 600, weight), policy()) is None

    def test_a_band_that_is_held_too_small_is_topped_up(self) -> None:
        found = plan(view(held=ladder(), wallet=wallet()), self.shift(ladder(), TICK - 600, TICK + 600, 0.6), policy())
        (step,) = steps(found, StageKind.PLACE)
        assert isinstance(step, Increase)
        assert step.token_id == 1001
        assert kinds(found) == [StageKind.PLACE]

    def test_a_band_that_is_held_too_large_is_cut_down(self) -> None:
        found = plan(view(held=ladder(), wallet=wallet()), self.shift(ladder(), TICK - 600, TICK + 600, 0.05), policy())
        cut, collect = steps(found, StageKind.WITHDRAW)
        assert isinstance(cut, Decrease)
        assert 0 < cut.liquidity < core_only(ladder()).positions[0].liquidity
        assert collect == Collect(token_id=1001)

    def test_an_emptied_position_is_only_collected_and_burned(self) -> None:
        empty = replace(position(), liquidity=0, amount0=0, amount1=0)
        market = view(held=Ladder(layers=(Layer(kind=LayerKind.CORE, positions=(empty,)),)))
        found = plan(market, decision(moves=(CloseLayer(layer=LayerKind.CORE, token_ids=(1001,)),)), policy())
        assert [type(step) for step in steps(found, StageKind.WITHDRAW)] == [Collect, Burn]
        bare = replace(empty, fees0=0, fees1=0)
        market = view(held=Ladder(layers=(Layer(kind=LayerKind.CORE, positions=(bare,)),)))
        found = plan(market, decision(moves=(CloseLayer(layer=LayerKind.CORE, token_ids=(1001,)),)), policy())
        assert [type(step) for step in steps(found, StageKind.WITHDRAW)] == [Burn]

    def test_a_position_that_is_not_held_is_a_mistake(self) -> None:
        with pytest.raises(ValueError, match="4711"):
            plan(view(), decision(moves=(CloseLayer(layer=LayerKind.CORE, token_ids=(4711,)),)), policy())


class TestExitAndCompound:
    def test_an_exit_keeps_what_comes_back_wrapped(self) -> None:
        held = ladder()
        ids = tuple(position.token_id for position in held.positions)
        found = plan(view(held=held), decision(moves=(ExitAll(token_ids=ids),)), policy())
        *_, last = steps(found, StageKind.WITHDRAW)
        assert last == Wrap(amount_wei=sum(position.amount1 + position.fees1 for position in held.positions))

    def test_an_exit_only_withdraws(self) -> None:
        ids = tuple(p.token_id for p in ladder().positions)
        found = plan(view(held=ladder(), wallet=wallet(weth=ETHER)), decision(moves=(ExitAll(token_ids=ids),)), policy())
        assert kinds(found) == [StageKind.WITHDRAW]
        assert found is not None
        assert found.alternatives == ()
        assert found.cost.swap_fee_quote == 0

    def test_fees_go_back_into_their_own_position(self) -> None:
        rich = position(fees0=400 * 10**6, fees1=ETHER // 10)
        market = view(held=Ladder(layers=(Layer(kind=LayerKind.CORE, positions=(rich,)),)))
        found = plan(market, decision(moves=(CompoundLayer(layer=LayerKind.CORE, token_ids=(1001,)),)), policy())
        assert steps(found, StageKind.WITHDRAW) == (Collect(token_id=1001),)
        (step,) = steps(found, StageKind.PLACE)
        assert isinstance(step, Increase)
        assert quote(step.amount0, step.amount1) == pytest.approx(800, rel=0.01)

    def test_what_is_compounded_is_no_fund_for_another_layer(self) -> None:
        core = ladder().layers[0]
        small = wallet(3_000 * 10**6, native_wei=125 * ETHER // 100)
        market = view(held=Ladder(layers=(core,)), wallet=small)
        wide = target_layer(LayerKind.SECONDARY, ((TICK - 2_000, TICK + 2_000),), weight=0.3)
        ids = tuple(p.token_id for p in core.positions)
        moves = (CompoundLayer(layer=LayerKind.CORE, token_ids=ids), OpenLayer(target=wide))
        found = plan(market, decision(moves=moves), policy())
        assert found is not None
        (opened,) = (placement for placement in found.placements if placement.layer is LayerKind.SECONDARY)
        assert opened.value_quote == pytest.approx(6_000, rel=0.001)

    def test_nothing_owed_nothing_done(self) -> None:
        poor = position(fees0=0, fees1=0)
        market = view(held=Ladder(layers=(Layer(kind=LayerKind.CORE, positions=(poor,)),)))
        assert plan(market, decision(moves=(CompoundLayer(layer=LayerKind.CORE, token_ids=(1001,)),)), policy()) is None


class TestRoutes:
    rules = policy(
        pools=(USDC_WETH_500, USDC_WETH_3000),
        execution=execution_policy(swap_pools=(USDC_WETH_500.address, USDC_WETH_3000.address)),
    )
    funds = wallet(1_000_000 * 10**6, native_wei=ETHER // 2)

    def taken(self, deep_500: int, deep_3000: int) -> str:
        pools = (
            scaled(pool_view(), deep_500),
            scaled(pool_view(key=USDC_WETH_3000), deep_3000),
        )
        found = plan(view(pools=pools, wallet=self.funds), opening(), self.rules)
        assert found is not None
        assert found.alternatives[0].name == "no swap"
        assert len(found.alternatives) == 3
        (step,) = steps(found, StageKind.SWAP)
        assert isinstance(step, Swap)
        assert [way.name for way in found.alternatives if way.taken] == [f"swap in {step.pool}"]
        return step.pool

    def test_the_cheaper_fee_wins_when_both_are_deep(self) -> None:
        assert self.taken(1, 1) == USDC_WETH_500.address

    def test_depth_wins_over_a_low_fee(self) -> None:
        assert self.taken(100, 1) == USDC_WETH_3000.address

    def test_a_swap_that_costs_more_than_idleness_is_not_made(self) -> None:
        quiet = replace(opening(), volatility=0.001)
        found = plan(view(wallet=self.funds), quiet, policy())
        assert found is not None
        assert StageKind.SWAP not in kinds(found)
        assert [way.taken for way in found.alternatives] == [True, False]

    def test_without_a_forecast_the_wish_prevails(self) -> None:
        found = plan(view(wallet=self.funds), replace(opening(), volatility=None), policy())
        assert StageKind.SWAP in kinds(found)

    def test_both_wings_are_placed_though_they_are_idle_today(self) -> None:
        wings = target_layer(LayerKind.INSURANCE, ((TICK - 2_000, TICK - 1_000), (TICK + 1_000, TICK + 2_000)), weight=0.15)
        found = plan(view(wallet=self.funds), decision(moves=(OpenLayer(target=wings),)), policy())
        assert kinds(found) == [StageKind.SWAP, StageKind.PLACE]
        assert len(steps(found, StageKind.PLACE)) == 2

    def test_little_that_stays_idle_is_left(self) -> None:
        nearly = wallet(60_000 * 10**6, native_wei=135 * ETHER // 10)
        lax = policy(execution=execution_policy(unplaced_tolerance=0.1))
        everything = decision(moves=(OpenLayer(target=target_layer(weight=1.0)),), volatility=None)
        assert kinds(plan(view(wallet=nearly), everything, lax)) == [StageKind.PLACE]
        strict = policy(execution=execution_policy(unplaced_tolerance=0.01))
        assert kinds(plan(view(wallet=nearly), everything, strict)) == [StageKind.SWAP, StageKind.PLACE]

    def test_a_swap_never_passes_the_protected_price(self) -> None:
        thin = scaled(pool_view(), 20_000)
        found = plan(view(pools=(thin,), wallet=self.funds), replace(opening(), volatility=None), policy())
        (step,) = steps(found, StageKind.SWAP)
        assert isinstance(step, Swap)
        assert step.amount_in < 100_000 * 10**6
        assert found is not None
        assert all(way.unplaced_quote > 100_000 for way in found.alternatives)

    def test_a_swap_that_moves_the_price_is_fitted_to_the_price_after_it(self) -> None:
        thin = scaled(pool_view(), 10)
        half = decision(moves=(OpenLayer(target=target_layer(weight=0.5)),), volatility=None)
        found = plan(view(pools=(thin,), wallet=self.funds), half, policy())
        assert found is not None
        (taken,) = (way for way in found.alternatives if way.taken)
        assert taken.cost.impact_quote > 300
        assert taken.unplaced_quote < 0.01
        (sold,), (minted,) = steps(found, StageKind.SWAP), steps(found, StageKind.PLACE)
        assert isinstance(sold, Swap)
        assert isinstance(minted, Mint)
        result = swap_in(
            thin,
            zero_for_one=True,
            amount_specified=sold.amount_in,
            sqrt_price_limit_x96=sold.sqrt_price_limit_x96,
        )
        assert minted.amount1 == pytest.approx(-result.amount1, rel=1e-6), "no more was bought than is placed"

    def test_where_spot_has_left_the_protected_interval_nothing_is_sold_further(self) -> None:
        market = view(tick=TICK - 150, wallet=self.funds)
        found = plan(market, opening(), policy())
        if found is not None:
            assert StageKind.SWAP not in kinds(found)

    def test_a_swap_larger_than_the_pool_leaves_the_slippage_as_room(self) -> None:
        rules = policy()
        market = view(wallet=wallet(0, native_wei=10**6 * ETHER))
        (sold,) = steps(plan(market, opening(), rules), StageKind.SWAP)
        assert isinstance(sold, Swap)
        result = swap_in(
            market.pools[0],
            zero_for_one=sold.zero_for_one,
            amount_specified=sold.amount_in,
            sqrt_price_limit_x96=sold.sqrt_price_limit_x96,
        )
        assert (result.amount0 if sold.zero_for_one else result.amount1) == sold.amount_in, "the swap is filled whole"
        room_ticks = abs(get_tick_at_sqrt_ratio(sold.sqrt_price_limit_x96) - result.tick)
        assert room_ticks >= rules.execution.slippage_bps - 1
        assert room_ticks <= rules.execution.slippage_bps + 1, "no less is sold than may be"


class TestResize:
    def planned(self) -> Plan:
        found = plan(view(wallet=wallet(120_000 * 10**6, native_wei=ETHER // 2, weth=ETHER)), opening(), policy())
        assert found is not None
        assert kinds(found) == [StageKind.WRAP, StageKind.SWAP, StageKind.PLACE]
        return found

    market = view(wallet=wallet(120_000 * 10**6, native_wei=ETHER // 2, weth=ETHER))
    nothing = Simulated(deltas=(), minted=(), gas_units=1)

    def test_placements_use_what_the_swap_really_gave(self) -> None:
        found = self.planned()
        (sold,) = steps(found, StageKind.SWAP)
        assert isinstance(sold, Swap)
        poor = Simulated(
            deltas=(TokenAmount(token=USDC, raw=-sold.amount_in), TokenAmount(token=WETH, raw=sold.amount_out_min)),
            minted=(),
            gas_units=1,
        )
        anew = resize(found, self.market, policy(), (self.nothing, poor))
        assert anew.stages[:2] == found.stages[:2]
        place = steps(anew, StageKind.PLACE)
        paid1 = sum(step.amount1 for step in place if isinstance(step, Mint))
        assert sold.amount_out_min + ETHER - 5 <= paid1 <= sold.amount_out_min + ETHER
        assert (anew.id, anew.bounds, anew.cost) == (found.id, found.bounds, found.cost)

    def test_the_swap_itself_is_resized_before_it_is_made(self) -> None:
        found = self.planned()
        loss = Simulated(deltas=(TokenAmount(token=USDC, raw=-40_000 * 10**6),), minted=(), gas_units=1)
        anew = resize(found, self.market, policy(), (loss,))
        (before,), (after,) = steps(found, StageKind.SWAP), steps(anew, StageKind.SWAP)
        assert isinstance(before, Swap)
        assert isinstance(after, Swap)
        assert after.pool == before.pool
        assert after.amount_in < before.amount_in * 0.8

    def test_a_plan_is_not_resumed_after_a_stage_that_did_not_happen(self) -> None:
        for outcome in (NotDone(why="reverted", tx_hashes=(), gas_wei=0), Unknown(tx_hash="0x1")):
            with pytest.raises(ValueError, match="did not happen"):
                resize(self.planned(), self.market, policy(), (outcome,))

    def test_more_outcomes_than_stages_are_a_mistake(self) -> None:
        with pytest.raises(ValueError, match="4 outcomes for 3 stages"):
            resize(self.planned(), self.market, policy(), (self.nothing,) * 4)

    def test_a_finished_plan_stays_as_it_is(self) -> None:
        found = self.planned()
        assert resize(found, self.market, policy(), (self.nothing,) * 3) is found


def scaled(pool: object, divisor: int) -> object:
    ticks = tuple(replace(net, liquidity_net=net.liquidity_net // divisor) for net in pool.ticks)
    active = sum(net.liquidity_net for net in ticks if net.tick <= pool.state.tick)
    assert 0 < active <= LIQUIDITY
    return replace(pool, ticks=ticks, state=replace(pool.state, liquidity=active))


def quote(amount0: int, amount1: int) -> float:
    return (amount0 + amount1 / 1.0001**TICK) / 10**6


def worth_of_all(market: object) -> float:
    return sum(quote(p.amount0 + p.fees0, p.amount1 + p.fees1) for p in market.ladder.positions)


def test_two_pools_carry_one_ladder() -> None:
    wings = target_layer(
        LayerKind.INSURANCE, ((TICK - 3_000, TICK - 1_980), (TICK + 1_980, TICK + 3_000)), weight=0.4, pool=USDC_WETH_3000
    )
    rules = policy(pools=(USDC_WETH_500, USDC_WETH_3000))
    market = view(pools=(pool_view(), pool_view(key=USDC_WETH_3000)), wallet=wallet(150_000 * 10**6, native_wei=ETHER))
    found = plan(market, decision(moves=(OpenLayer(target=target_layer()), OpenLayer(target=wings))), rules)
    minted = [step for step in steps(found, StageKind.PLACE) if isinstance(step, Mint)]
    assert [step.pool for step in minted] == [USDC_WETH_500.address, USDC_WETH_3000.address, USDC_WETH_3000.address]
    assert minted[1].range == TickRange(lower=TICK - 3_000, upper=TICK - 1_980)
    assert [minted[1].amount0, minted[2].amount1] == [0, 0]
    assert [minted[1].amount0_min, minted[2].amount1_min] == [0, 0]
    assert found is not None
    assert sum(way.unplaced_quote for way in found.alternatives if way.taken) < 1

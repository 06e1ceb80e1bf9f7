"""Laws of plans: tokens are conserved, bounds hold, nothing is touched that need not be; for both orders of the tokens."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeper.core.model.decision import ExitAll, Move, OpenLayer, ShiftLayer
from keeper.core.model.ladder import Ladder, Layer, LayerKind, Position
from keeper.core.model.plan import (
    Burn,
    Collect,
    Decrease,
    Increase,
    Mint,
    Plan,
    Simulated,
    Stage,
    StageKind,
    StageOutcome,
    Step,
    Swap,
)
from keeper.core.model.pool import PoolView
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import MarketView, Wallet
from keeper.core.planning import plan, resize
from keeper.core.planning.depth import pools_without, swap_in
from keeper.core.planning.funds import returned, wallet_purse
from keeper.core.planning.swap import executed_swap
from keeper.core.v3math.liquidity_amounts import (
    get_amounts_for_liquidity,
    get_amounts_for_liquidity_delta,
    max_liquidity_for_amounts,
)
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from tests.builders import (
    WALLET,
    wallet,
)
from tests.property.test_planning_worlds import KINDS, World, worlds


def steps_of(found: Plan, kind: StageKind) -> tuple[Step, ...]:
    return tuple(step for stage in found.stages if stage.kind is kind for step in stage.steps)


def outcome_of(world: World, found: Plan, stage: Stage) -> StageOutcome:
    """What the stage gives when the chain is exactly as the view says, from the exact pool."""
    key = world.pair.keys[0]
    change0 = change1 = 0
    if stage.kind is StageKind.WITHDRAW:
        change0, change1 = returned(world.view, stage.steps)
    if stage.kind is StageKind.SWAP:
        change0, change1 = swap_change(world, found)
    deltas = (TokenAmount(token=key.token0, raw=change0), TokenAmount(token=key.token1, raw=change1))
    return Simulated(deltas=deltas, minted=(), gas_units=1)


def swap_change(world: World, found: Plan) -> tuple[int, int]:
    steps = steps_of(found, StageKind.SWAP)
    if not steps:
        return 0, 0
    (step,) = steps
    assert isinstance(step, Swap)
    pool = pools_without(world.view, steps_of(found, StageKind.WITHDRAW))[step.pool]
    result = swap_in(
        pool,
        zero_for_one=step.zero_for_one,
        amount_specified=step.amount_in,
        sqrt_price_limit_x96=step.sqrt_price_limit_x96,
    )
    assert (result.amount0 if step.zero_for_one else result.amount1) == step.amount_in, "the swap fills"
    assert -(result.amount1 if step.zero_for_one else result.amount0) >= step.amount_out_min
    return -result.amount0, -result.amount1


fast = settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


@fast
@given(worlds())
def test_tokens_are_conserved_and_no_amount_is_out_of_bounds(world: World) -> None:
    found = plan(world.view, world.decision, world.policy)
    if found is None:
        return
    purse = wallet_purse(world.view, world.policy).plus(*returned(world.view, steps_of(found, StageKind.WITHDRAW)))
    funds = purse.plus(*swap_change(world, found)).spendable
    for step in steps_of(found, StageKind.SWAP):
        assert isinstance(step, Swap)
        assert 0 < step.amount_in <= purse.spendable[0 if step.zero_for_one else 1]
        spot = world.view.pool(step.pool).state.sqrt_price_x96
        assert (step.sqrt_price_limit_x96 < spot) == step.zero_for_one
    placed = steps_of(found, StageKind.PLACE)
    for step in placed:
        assert isinstance(step, Mint | Increase)
        assert 0 <= step.amount0_min <= step.amount0
        assert 0 <= step.amount1_min <= step.amount1
    assert sum(step.amount0 for step in placed) <= funds[0]
    assert sum(step.amount1 for step in placed) <= funds[1]


@fast
@given(worlds())
def test_only_what_was_decided_is_touched_and_every_decrease_is_collected(world: World) -> None:
    found = plan(world.view, world.decision, world.policy)
    if found is None:
        return
    steps = [step for stage in found.stages for step in stage.steps]
    assert all(stage.steps for stage in found.stages)
    assert [stage.kind for stage in found.stages] == sorted((stage.kind for stage in found.stages), key=list(StageKind).index)
    named = {step.token_id for step in steps if isinstance(step, Decrease | Collect | Burn | Increase)}
    assert named <= world.moved()
    wanted = {move.target.kind for move in world.decision.moves if isinstance(move, OpenLayer | ShiftLayer)}
    assert {step.layer for step in steps if isinstance(step, Mint)} <= wanted
    for here, after in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(here, Decrease):
            assert after == Collect(token_id=here.token_id)
            held = next(p for p in world.view.ladder.positions if p.token_id == here.token_id)
            assert 0 < here.liquidity <= held.liquidity
            assert here.amount0_min >= 0
            assert here.amount1_min >= 0


@fast
@given(worlds())
def test_an_exit_takes_everything_out_and_places_nothing(world: World) -> None:
    ids = tuple(held.token_id for held in world.view.ladder.positions)
    found = plan(world.view, replace(world.decision, moves=(ExitAll(token_ids=ids),)), world.policy)
    if not ids:
        assert found is None
        return
    assert found is not None
    assert [stage.kind for stage in found.stages] == [StageKind.WITHDRAW]
    assert {step.token_id for step in found.stages[0].steps if isinstance(step, Burn)} == set(ids)
    out = {step.token_id: step.liquidity for step in found.stages[0].steps if isinstance(step, Decrease)}
    assert out == {held.token_id: held.liquidity for held in world.view.ladder.positions}


@fast
@given(worlds())
def test_outcomes_as_expected_change_nothing(world: World) -> None:
    found = plan(world.view, world.decision, world.policy)
    if found is None:
        return
    outcomes: list[StageOutcome] = []
    for stage in found.stages:
        outcomes.append(outcome_of(world, found, stage))
        assert resize(found, world.view, world.policy, outcomes) == found


@fast
@given(worlds(), st.floats(0.5, 1.01))
def test_what_comes_after_a_poorer_withdrawal_fits_what_was_really_paid(world: World, part: float) -> None:
    found = plan(world.view, world.decision, world.policy)
    if found is None or not steps_of(found, StageKind.WITHDRAW):
        return
    outcomes: list[StageOutcome] = []
    purse = wallet_purse(world.view, world.policy)
    for stage in found.stages:
        outcome = outcome_of(world, found, stage)
        assert isinstance(outcome, Simulated)
        if stage.kind is StageKind.WITHDRAW:
            outcome = replace(outcome, deltas=tuple(replace(d, raw=int(d.raw * part)) for d in outcome.deltas))
        purse = purse.after(outcome.deltas)
        outcomes.append(outcome)
        if stage.kind is StageKind.WITHDRAW:
            break
    anew = resize(found, world.view, world.policy, outcomes)
    assert anew.stages[: len(outcomes)] == found.stages[: len(outcomes)]
    assert (anew.id, anew.bounds, anew.placements) == (found.id, found.bounds, found.placements)
    funds = purse.plus(*swap_change(world, anew)).spendable
    placed = steps_of(anew, StageKind.PLACE)
    assert sum(step.amount0 for step in placed) <= funds[0]
    assert sum(step.amount1 for step in placed) <= funds[1]


@fast
@given(worlds())
def test_a_ladder_that_is_as_wanted_needs_no_plan(world: World) -> None:
    # Without a reserve to fill, what the wallet is worth does not change by planning.
    execution = replace(world.policy.execution, unplaced_tolerance=0.02, native_reserve_wei=0)
    world = replace(world, policy=replace(world.policy, execution=execution))
    found = plan(world.view, world.decision, world.policy)
    if found is None:
        return
    wished = sum(placement.value_quote for placement in found.placements)
    if any(way.taken and way.unplaced_quote > 0.005 * wished for way in found.alternatives):
        return
    settled, moves = after_plan(world, found)
    if any(isinstance(step, Increase) for stage in found.stages for step in stage.steps):
        return
    again = plan(settled, replace(world.decision, moves=moves), world.policy)
    assert again is None


def after_plan(world: World, found: Plan) -> tuple[MarketView, tuple[Move, ...]]:
    """The market once the plan was carried out, and the same wishes again."""
    steps = [step for stage in found.stages for step in stage.steps]
    burned = {step.token_id for step in steps if isinstance(step, Burn)}
    purse = wallet_purse(world.view, world.policy).plus(*returned(world.view, steps_of(found, StageKind.WITHDRAW)))
    purse = purse.plus(*swap_change(world, found))
    pools = {key: pool.state.sqrt_price_x96 for key, pool in pools_after_swap(world, found).items()}
    layers: dict[LayerKind, list[Position]] = {
        kind: [
            p for layer in world.view.ladder.layers if layer.kind is kind for p in layer.positions if p.token_id not in burned
        ]
        for kind in KINDS
    }
    for number, step in enumerate(step for step in steps if isinstance(step, Mint)):
        ratios = (pools[step.pool], *(get_sqrt_ratio_at_tick(bound) for bound in (step.range.lower, step.range.upper)))
        liquidity = max_liquidity_for_amounts(*ratios, step.amount0, step.amount1)
        paid = get_amounts_for_liquidity_delta(*ratios, liquidity)
        purse = purse.plus(-paid[0], -paid[1])
        amounts = get_amounts_for_liquidity(*ratios, liquidity)
        layers[step.layer].append(
            Position(
                token_id=9_000 + number,
                pool=step.pool,
                range=step.range,
                liquidity=liquidity,
                amount0=amounts[0],
                amount1=amounts[1],
                fees0=0,
                fees1=0,
            )
        )
    assert min(purse.raw0, purse.raw1) >= -world.policy.execution.native_reserve_wei
    moves = tuple(
        ShiftLayer(target=move.target, token_ids=tuple(p.token_id for p in layers[move.target.kind]))
        for move in world.decision.moves
        if isinstance(move, OpenLayer | ShiftLayer)
    )
    ladder = Ladder(layers=tuple(Layer(kind=kind, positions=tuple(held)) for kind, held in layers.items() if held))
    return replace(world.view, ladder=ladder, wallet=wallet_of(world, purse.raw0, purse.raw1)), moves


def wallet_of(world: World, raw0: int, raw1: int) -> Wallet:
    key = world.pair.keys[0]
    raws = {key.token0.address: raw0, key.token1.address: raw1}
    native = 0
    if world.pair.wrapped is not None:
        native = raws[world.pair.wrapped.address] + world.policy.execution.native_reserve_wei
        raws[world.pair.wrapped.address] = 0
    balances = tuple(TokenAmount(token=token, raw=raws[token.address]) for token in (key.token0, key.token1))
    return replace(wallet(native_wei=native, balances=balances), address=WALLET)


def pools_after_swap(world: World, found: Plan) -> dict[str, PoolView]:
    pools = pools_without(world.view, steps_of(found, StageKind.WITHDRAW))
    for step in steps_of(found, StageKind.SWAP):
        pools = dict(executed_swap(pools, step))
    return pools


@fast
@given(worlds())
def test_what_is_placed_never_exceeds_the_wish(world: World) -> None:
    found = plan(world.view, world.decision, world.policy)
    if found is None:
        return
    total = 0.0
    for step in steps_of(found, StageKind.PLACE):
        total += value(world, step.amount0, step.amount1)
    wished = sum(placement.value_quote for placement in found.placements)
    assert total <= wished * (1 + 1e-9)
    for way in found.alternatives:
        assert way.unplaced_quote >= 0
        assert math.isfinite(way.cost.total_quote)
    assert sum(way.taken for way in found.alternatives) == (1 if found.placements else 0)


def value(world: World, amount0: int, amount1: int) -> float:
    ratio = 1.0001**world.pair.tick
    key = world.pair.keys[0]
    raw = amount0 + amount1 / ratio if key.token0 == world.pair.quote else amount0 * ratio + amount1
    return raw / 10**world.pair.quote.decimals

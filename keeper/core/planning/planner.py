"""From a decision to stages of venue-neutral integers, and anew from what the stages really gave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import localcontext

from keeper.core.model.codec import digest
from keeper.core.model.decision import BuyProtection, Decision, EndProtection, ExitAll, ProtectionMove, TiltInventory
from keeper.core.model.plan import (
    CloseOption,
    Done,
    NotDone,
    OpenOption,
    Placement,
    Plan,
    Simulated,
    Stage,
    StageKind,
    StageOutcome,
    Step,
    Swap,
    Unwrap,
    Wrap,
)
from keeper.core.model.policy import Policy
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import MarketView
from keeper.core.planning.bounds import plan_bounds, protected_interval
from keeper.core.planning.depth import pools_without
from keeper.core.planning.diff import diff
from keeper.core.planning.funds import Purse, returned, unwrappable_wei, wallet_purse
from keeper.core.planning.price import Price, price_at, protected_price
from keeper.core.planning.ratio import ARITHMETIC
from keeper.core.planning.sizing import wish
from keeper.core.planning.swap import Market, Way, all_ways, best_way, executed_swap, plain_way, sales, swap_way


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """What a plan's id is taken of."""

    view_digest: str
    decision: Decision
    stages: tuple[Stage, ...]


def plan(view: MarketView, decision: Decision, policy: Policy) -> Plan | None:
    """The fewest steps that carry a decision out, bounded by the protected price.

    Returns:
        None for a hold, and when the ladder already is as the decision wants it or no step would be worth its gas. A sale
        that no pool takes within the protected price is left out, and with it the purchase that it belongs to.

    Raises:
        ValueError: a move names a position that the ladder does not hold.
        KeyError: a band lies in a pool that the view does not hold.
        Refused: no pool of the pair has a time-weighted price.
    """
    if decision.is_hold:
        return None
    with localcontext(ARITHMETIC):
        price = protected_price(view, policy)
        change = diff(view, decision, policy, price)
        withdrawals = (*change.withdrawals, *_kept_wrapped(view, decision, policy, change.withdrawals))
        protect = _protect(decision)
        before = (*protect, *((Stage(kind=StageKind.WITHDRAW, steps=withdrawals),) if change.withdrawals else ()))
        market = _market(view, policy, price, change.placements, before, volatility=decision.volatility)
        purse = _without_premiums(wallet_purse(view, policy), protect).plus(*returned(view, change.withdrawals))
        sold = _sold(decision)
        ways = all_ways(market, purse) if sold is None else _sales(market, purse, sold)
        if not ways:
            return plan(view, _without_sale(decision), policy)
        taken = best_way(ways, policy.execution.unplaced_tolerance) if sold is None else ways[0]
        stages = (*protect, *_unwrap(view, policy, taken), *before[len(protect) :], *taken.stages)
        if not stages:
            return None
        view_digest = digest(view)
        identity = _Identity(view_digest=view_digest, decision=decision, stages=stages)
        return Plan(
            id=digest(identity)[:16],
            view_digest=view_digest,
            stages=stages,
            placements=change.placements,
            bounds=plan_bounds(view, policy, taken.cost.gas_units),
            cost=taken.cost,
            alternatives=tuple(way.alternative(taken=way is taken) for way in ways) if change.placements or sold else (),
        )


def resize(plan: Plan, view: MarketView, policy: Policy, outcomes: Sequence[StageOutcome]) -> Plan:
    """The plan with the stages that are still to come sized anew from what the earlier ones really gave.

    Executed stages, id, bounds, placements and the expected cost stay as they were; so does the swap's pool.

    Args:
        plan: as made, or as resized before.
        view: the one that the plan was made from.
        policy: likewise.
        outcomes: of the plan's first stages, in order.

    Raises:
        ValueError: a stage did not happen that is not the exit of an option, or there are more outcomes than stages.
    """
    if len(outcomes) > len(plan.stages):
        raise ValueError(f"{len(outcomes)} outcomes for {len(plan.stages)} stages")
    executed, pending = plan.stages[: len(outcomes)], plan.stages[len(outcomes) :]
    if not any(stage.kind in {StageKind.SWAP, StageKind.PLACE} for stage in pending):
        return plan
    with localcontext(ARITHMETIC):
        purse = _purse_after(plan, view, policy, outcomes)
        fixed = tuple(stage for stage in pending if stage.kind not in {StageKind.SWAP, StageKind.PLACE})
        way = _sized_way(plan, view, policy, purse, executed)
        return replace(plan, stages=(*executed, *fixed, *way.stages))


def _market(
    view: MarketView,
    policy: Policy,
    price: Price,
    placements: tuple[Placement, ...],
    before: tuple[Stage, ...],
    *,
    volatility: float | None,
) -> Market:
    return Market(
        view=view,
        policy=policy,
        price=price,
        spot=price_at(view.pool(policy.signal_pool).state.sqrt_price_x96, policy),
        pools=pools_without(view, _steps(before)),
        wishes=tuple(wish(placement) for placement in placements),
        volatility=volatility,
        protected={pool.state.key.address: protected_interval(view, policy, pool.state.key.address) for pool in view.pools},
        before=before,
    )


def _protect(decision: Decision) -> tuple[Stage, ...]:
    """A stage for every option: what is held is ended before anything is bought, and all of it before the ladder moves."""
    ended = [
        CloseOption(position=move.position, how=move.how, min_out=move.min_out)
        for move in decision.moves
        if isinstance(move, EndProtection)
    ]
    bought = [
        OpenOption(quote=move.quote, max_cost=move.max_cost) for move in decision.moves if isinstance(move, BuyProtection)
    ]
    steps: list[Step] = [*ended, *bought]
    return tuple(Stage(kind=StageKind.PROTECT, steps=(step,)) for step in steps)


def _sold(decision: Decision) -> TokenAmount | None:
    """What inventory is to be sold for its own sake.

    Raises:
        ValueError: beside moves of the ladder, whose own swap it would be at odds with.
    """
    found = [move.sold for move in decision.moves if isinstance(move, TiltInventory)]
    if not found:
        return None
    if not all(isinstance(move, TiltInventory | ProtectionMove) for move in decision.moves):
        raise ValueError("inventory is not sold beside moves of the ladder")
    return found[0]


def _sales(market: Market, purse: Purse, sold: TokenAmount) -> tuple[Way, ...]:
    return sales(market, purse, sold.raw, zero_for_one=sold.token.address == purse.token0)


def _without_sale(decision: Decision) -> Decision:
    return replace(decision, moves=tuple(move for move in decision.moves if isinstance(move, EndProtection)))


def _without_premiums(purse: Purse, stages: Iterable[Stage]) -> Purse:
    """What is left when every purchase costs the most that it may; what an option pays is counted when it has come."""
    for step in _steps(stages):
        if isinstance(step, OpenOption):
            purse = purse.after([TokenAmount(token=step.max_cost.token, raw=-step.max_cost.raw)])
    return purse


def _kept_wrapped(view: MarketView, decision: Decision, policy: Policy, withdrawals: Sequence[Step]) -> tuple[Step, ...]:
    """An exit hands over tokens: what would come back as native currency stays in its wrapped token."""
    if policy.wrapped_native is None or not any(isinstance(move, ExitAll) for move in decision.moves):
        return ()
    amount0, amount1 = returned(view, withdrawals)
    is_token0 = policy.pool(policy.signal_pool).token0.address == policy.wrapped_native.address
    return (Wrap(amount_wei=amount0 if is_token0 else amount1),)


def _unwrap(view: MarketView, policy: Policy, taken: Way) -> tuple[Stage, ...]:
    """The account pays in native currency: what is wrapped is unwrapped first when anything is to be paid."""
    amount_wei = unwrappable_wei(view, policy)
    if not amount_wei or not taken.stages:
        return ()
    return (Stage(kind=StageKind.WRAP, steps=(Unwrap(amount_wei=amount_wei),)),)


def _purse_after(plan: Plan, view: MarketView, policy: Policy, outcomes: Sequence[StageOutcome]) -> Purse:
    """The wallet with what executed stages gave and what pending withdrawals are expected to give."""
    purse = wallet_purse(view, policy)
    for stage, outcome in zip(plan.stages, outcomes, strict=False):
        if isinstance(outcome, NotDone) and isinstance(stage.option, CloseOption):
            continue
        if not isinstance(outcome, Done | Simulated):
            raise ValueError(  # ruff: ignore[type-check-without-type-error] - the outcome's kind is its value
                f"stage {stage.kind} did not happen; its plan is not resumed"
            )
        purse = purse.after(outcome.deltas)
    pending = plan.stages[len(outcomes) :]
    withdrawals = (stage for stage in pending if stage.kind is StageKind.WITHDRAW)
    return _without_premiums(purse, pending).plus(*returned(view, _steps(withdrawals)))


def _sized_way(plan: Plan, view: MarketView, policy: Policy, purse: Purse, executed: Sequence[Stage]) -> Way:
    before = tuple(stage for stage in plan.stages if stage.kind in {StageKind.PROTECT, StageKind.WITHDRAW})
    market = _market(view, policy, protected_price(view, policy), plan.placements, before, volatility=None)
    swapped = _swap_of(executed)
    if swapped is not None:
        return plain_way(replace(market, pools=executed_swap(market.pools, swapped)), purse)
    planned = _swap_of(plan.stages)
    if planned is None:
        return plain_way(market, purse)
    if not plan.placements:
        return _sold_anew(market, purse, planned)
    return swap_way(market, purse, planned.pool) or plain_way(market, purse)


def _sold_anew(market: Market, purse: Purse, planned: Swap) -> Way:
    """The sale of before in the pool of before, of what there is: never more than was planned."""
    found = sales(market, purse, planned.amount_in, zero_for_one=planned.zero_for_one)
    return next((way for way in found if way.swap is not None and way.swap.pool == planned.pool), plain_way(market, purse))


def _swap_of(stages: Sequence[Stage]) -> Swap | None:
    return next((step for step in _steps(stages) if isinstance(step, Swap)), None)


def _steps(stages: Iterable[Stage]) -> tuple[Step, ...]:
    return tuple(step for stage in stages for step in stage.steps)

"""What the next cycle must remember of this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keeper.core.model.decision import BuyProtection, Decision, OpenLayer, ShiftLayer
from keeper.core.model.ladder import LayerKind
from keeper.core.model.option import NoQuoteReason
from keeper.core.model.plan import Done, NotDone, StageKind
from keeper.core.model.policy import Policy
from keeper.core.model.record import StageRecord
from keeper.core.model.view import (
    GasPaid,
    HedgeMemory,
    LayerMemory,
    MarketView,
    Memory,
    Premium,
    Quality,
    SignalReading,
    find_reading,
)
from keeper.core.signals import names
from keeper.core.strategy.hedge.beside import left_raw
from keeper.core.strategy.hedge.budget import next_budget
from keeper.core.strategy.hedge.carried import carried_out
from keeper.core.strategy.hedge.deadline import left_exercisable
from keeper.core.strategy.hedge.lean import is_steered
from keeper.core.strategy.hedge.standing import standing_after
from keeper.core.strategy.hedge.synthetic import premium_raw
from keeper.core.strategy.sight import KINDS, drift_share, is_outside
from keeper.core.strategy.targets import extent

DAY_S = 86_400


def advance(
    view: MarketView,
    readings: Sequence[SignalReading],
    decision: Decision,
    stages: tuple[StageRecord, ...],
    policy: Policy,
) -> Memory:
    """The memory that the next cycle starts from.

    Only what is Done counts as placed: a dry or failed cycle remembers what it saw and paid, not what it meant. The caution
    that a poor forecast calls for lasts as long as the forecast is poor: it is not remembered as a regime, or a gap of one
    cycle would turn the whole ladder over.

    Args:
        view: of the cycle, its own memory included.
        readings: of the cycle.
        decision: of the cycle.
        stages: how each stage that was begun went; none after a hold.
        policy: the rules.
    """
    memory, now_s = view.memory, view.now_s
    done = [stage.outcome for stage in stages if isinstance(stage.outcome, Done)]
    placed = {minted.layer for outcome in done for minted in outcome.minted}
    if any([stage.kind is StageKind.PLACE and isinstance(stage.outcome, Done) for stage in stages]):
        # A layer that was topped up has no new token and rests all the same.
        placed |= {move.target.kind for move in decision.moves if isinstance(move, OpenLayer)}
    shifted = [m.target.kind for m in decision.moves if isinstance(m, ShiftLayer) and m.target.kind in placed]
    measured = find_reading(readings, names.VOLATILITY_FORECAST).quality is Quality.GOOD
    regime = decision.regime if measured else memory.regime
    changed = regime is not memory.regime or memory.regime_since_s is None
    layers = [_layer(view, policy, kind, placed_now=kind in placed) for kind in KINDS]
    return Memory(
        regime=regime,
        regime_since_s=now_s if changed and regime is not None else memory.regime_since_s,
        lower_regime_since_s=decision.lower_regime_since_s if measured else None,
        acted_block=max([outcome.block for outcome in done], default=memory.acted_block),
        last_cycle_s=now_s,
        layers=tuple([layer for layer in layers if layer is not None]),
        shifts_s=(*[moment for moment in memory.shifts_s if now_s - moment < DAY_S], *[now_s for _ in shifted]),
        gas_paid=_gas_paid(memory, stages, now_s),
        hedge=_hedge(view, decision, stages, policy) if _remembers_hedge(view, policy) else memory.hedge,
        tilted_at_s=now_s if is_steered(decision, stages) else memory.tilted_at_s,
    )


def _hedge(view: MarketView, decision: Decision, stages: tuple[StageRecord, ...], policy: Policy) -> HedgeMemory:
    """Premiums that were really paid, told by what their stages took, fees up to here, duties that are left, and what is held.

    Of that where, and in place of what.
    """
    done = [(move, outcome) for move, outcome in carried_out(decision, stages) if isinstance(move, BuyProtection)]
    bought = [
        Premium(timestamp_s=view.now_s, tier=move.tier, raw=premium_raw(move, _paid(outcome, policy), view, policy))
        for move, outcome in done
    ]
    collected = any(stage.kind is StageKind.WITHDRAW for stage in stages if isinstance(stage.outcome, Done))
    following = next_budget(
        view,
        policy,
        awake=decision.awake,
        collected=collected,
        bought=tuple(bought),
        exercisable=left_exercisable(view, decision, stages, policy),
    )
    standing = standing_after(view, decision, stages)
    return replace(
        following,
        venues=_venues(view, {move.quote.contract.venue for move, _ in done}),
        stand_ins=standing,
        beside_raw=left_raw(view, decision, stages, policy, standing),
    )


def _venues(view: MarketView, bought_at: set[str]) -> tuple[str, ...]:
    """Where something is held, or was a moment ago: of a venue that does not answer, what was known of it."""
    held = {one.contract.venue for one in view.protection.positions}
    silent = {one.venue for one in view.protection.absent if one.reason is NoQuoteReason.UNREACHABLE}
    return tuple(sorted(held | bought_at | (silent & set(view.memory.hedge.venues))))


def _remembers_hedge(view: MarketView, policy: Policy) -> bool:
    """Whoever holds options has duties, also where nothing more is bought."""
    known = view.memory.hedge
    return bool(policy.hedge.tiers or view.protection.positions or known.exercisable or known.venues)


def _paid(outcome: Done, policy: Policy) -> int:
    return -sum(delta.raw for delta in outcome.deltas if delta.token.address == policy.quote.address)


def _layer(view: MarketView, policy: Policy, kind: LayerKind, *, placed_now: bool) -> LayerMemory | None:
    """The layer's memory; a layer that is held without one was adopted or outlived a crash, and rests from now on."""
    earlier, now_s = view.memory.layer(kind), view.now_s
    layer = view.ladder.layer(kind)
    live = () if layer is None else tuple([position for position in layer.positions if position.liquidity > 0])
    if not (placed_now or live or earlier):
        return None
    placed_at_s = now_s if earlier is None else earlier.placed_at_s
    outside = drifted = False
    watched_s = 0
    if live:
        tick = view.pool(live[0].pool).state.tick
        outside = is_outside(live, tick)
        drifted = drift_share(extent([position.range for position in live]), tick) > policy.triggers.drift_share
        watched_s = _watched_s(view, policy, placed_at_s)
    return LayerMemory(
        kind=kind,
        placed_at_s=now_s if placed_now else placed_at_s,
        outside_since_s=_since_s(now_s, None if earlier is None else earlier.outside_since_s)
        if outside and not placed_now
        else None,
        drifted_since_s=_since_s(now_s, None if earlier is None else earlier.drifted_since_s)
        if drifted and not placed_now
        else None,
        in_range_s=(earlier.in_range_s if earlier else 0) + (0 if outside else watched_s),
        watched_s=(earlier.watched_s if earlier else 0) + watched_s,
    )


def _since_s(now_s: int, earlier_s: int | None) -> int:
    return now_s if earlier_s is None else earlier_s


def _watched_s(view: MarketView, policy: Policy, placed_at_s: int) -> int:
    """The time since the last cycle, which counts by where the price is now; a gap that no one watched counts neither way."""
    last_s = view.memory.last_cycle_s
    if last_s is None or placed_at_s > last_s or view.now_s - last_s > policy.signals.stale_after_s:
        return 0
    return view.now_s - last_s


def _gas_paid(memory: Memory, stages: tuple[StageRecord, ...], now_s: int) -> tuple[GasPaid, ...]:
    kept = tuple([paid for paid in memory.gas_paid if now_s - paid.timestamp_s < DAY_S])
    wei = sum([stage.outcome.gas_wei for stage in stages if isinstance(stage.outcome, Done | NotDone)])
    return (*kept, GasPaid(timestamp_s=now_s, wei=wei)) if wei else kept

"""One cycle's thinking: view and readings in, moves with their reasons and vetoes out. Holding is the default."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keeper.core.model.decision import (
    CloseLayer,
    CompoundLayer,
    Decision,
    ExitAll,
    Move,
    OpenLayer,
    Reason,
    ShiftLayer,
    Veto,
)
from keeper.core.model.ladder import LayerKind, Regime, TargetBand, TargetLayer, TickRange
from keeper.core.model.policy import Policy, RegimeWeights
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.strategy import benefit, gates, triggers
from keeper.core.strategy.caution import Caution, caution, cautious_weights
from keeper.core.strategy.compound import worth_compounding
from keeper.core.strategy.hedge import lean
from keeper.core.strategy.hedge.bias import Balance, balance
from keeper.core.strategy.hedge.needs import reference_volatility
from keeper.core.strategy.hedge.proposal import Protection, propose, sale_first
from keeper.core.strategy.hedge.uncovered import held_back, more_careful, smaller
from keeper.core.strategy.regime import RegimeState, Weather, next_regime, weather
from keeper.core.strategy.sight import KINDS, Sight
from keeper.core.strategy.targets import extent, target_ranges
from keeper.core.strategy.valuation import Worth, fees_quote, worth


class _Frame(NamedTuple):
    """What is the same for every layer of a decision."""

    view: MarketView
    policy: Policy
    state: RegimeState
    careful: Caution
    weights: RegimeWeights
    """Of the regime, with what caution moves outward."""
    odds: benefit.Odds | None
    worth: Worth
    closed: tuple[Veto, ...]
    """Gates that refuse every move of this cycle."""
    held_back: tuple[Veto, ...]
    """Gates that refuse to place anything."""
    leaning: Balance | None
    """Of everything, beside its band; None where it is not steered."""


class _Proposal(NamedTuple):
    """What is proposed for one layer, and what the proposals before it leave."""

    free_quote: float
    """Value in the wallet that no move so far has claimed."""
    moves: tuple[Move, ...] = ()
    reasons: tuple[Reason, ...] = ()
    vetoes: tuple[Veto, ...] = ()
    gas_wei: int = 0
    """Expected of all moves so far."""


def decide(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> Decision:
    """What to do in this cycle; the same inputs give the same decision on every machine.

    Layers are judged from the inside out, each against what the next inner one covers or is about to cover, and only a layer
    with a reason of its own moves. A layer that is wanted and not held is opened; one that the regime gives no weight is
    closed; one that is held is placed anew when a trigger fires and no gate refuses, and otherwise left alone, save that its
    fees may be put back. On a poor forecast nothing moves at all. What is done for the mandate or against risk passes every
    gate but that of cost, which weighs only what is done to earn more. Score and calendar make layers wider and move value
    outward; they never choose a side. When nothing else is to be done, a lean out of its band is taken back.

    Args:
        view: all inputs of the cycle.
        readings: of :func:`keeper.core.signals.read` on the same view.
        policy: the rules.

    Raises:
        KeyError: a reading that the strategy needs was not taken, or the view lacks a configured pool.
    """
    seen = weather(readings, policy)
    careful = caution(readings, policy)
    frame, protection = _framed(view, readings, policy, seen, careful)
    held, state, careful = frame.worth, frame.state, frame.careful
    done = _Proposal(free_quote=max(held.wallet - protection.spent_quote, 0.0))
    inner: TickRange | None = None
    sights: list[Sight] = []
    for kind in KINDS:
        sight = _sight(frame, kind, inner)
        done = _judge(frame, sight, done)
        inner = _coming(sight, done.moves) or inner
        sights.append(sight)
    if not done.moves:
        # Only a ladder at rest shows what is left over.
        for sight in sights:
            done = _top_up(frame, sight, done)
        if not done.moves and not protection.moves and protection.sale is None:
            done = _steered(frame, done)
    quote_protection = triggers.protect(careful, policy)
    reasons = (*protection.reasons, *done.reasons, *(() if quote_protection is None else (quote_protection,)))
    vetoes = (*protection.vetoes, *done.vetoes)
    if not done.moves:
        reasons = (*reasons, *_explained(seen, policy))
        vetoes = (*vetoes, *_present((gates.data_quality(seen.forecast),)))
    return Decision(
        moves=(*protection.moves, *((protection.sale,) if protection.sale is not None else ()), *done.moves),
        reasons=reasons,
        vetoes=tuple(dict.fromkeys(vetoes)),
        regime=state.regime,
        lower_regime_since_s=state.lower_since_s,
        volatility=seen.forecast.value,
        awake=protection.awake,
    )


def _framed(
    view: MarketView, readings: Sequence[SignalReading], policy: Policy, seen: Weather, careful: Caution
) -> tuple[_Frame, Protection]:
    """What holds for every layer; protection is settled first, since the ladder depends on what is covered."""
    state = next_regime(view.memory, seen, policy.regimes, policy.stress, view.now_s)
    held = worth(view, policy)
    closed = _present(
        (gates.data_quality(seen.forecast), gates.price_band(view, policy, held.price), gates.base_fee(view, policy))
    )
    protection = _protection(view, readings, policy, careful, held.total, closed)
    careful = more_careful(careful, protection, policy.hedge)
    weights = cautious_weights(policy.ladder, policy.ladder.weights_in(state.regime), careful.insurance)
    frame = _Frame(
        view=view,
        policy=policy,
        state=state,
        careful=careful,
        weights=smaller(weights, protection, policy.hedge),
        odds=benefit.odds(readings, held.price),
        worth=held,
        closed=(*closed, *sale_first(protection)),
        held_back=held_back(protection, policy.hedge),
        leaning=balance(view, policy, reference_volatility(readings)),
    )
    return frame, protection


def exit_decision(view: MarketView) -> Decision:
    """Withdraw everything, because a person says so: no gate is asked. No moves when nothing is held."""
    token_ids = tuple(position.token_id for position in view.ladder.positions)
    return Decision(
        moves=(ExitAll(token_ids=token_ids),) if token_ids else (),
        reasons=(Reason(trigger=triggers.EXIT, layer=None, found=float(len(token_ids)), limit=0.0, unit="positions held"),),
        vetoes=(),
        regime=view.memory.regime or Regime.STRESSED,
        lower_regime_since_s=view.memory.lower_regime_since_s,
        volatility=None,
    )


def _protection(
    view: MarketView,
    readings: Sequence[SignalReading],
    policy: Policy,
    careful: Caution,
    capital_quote: float,
    closed: tuple[Veto, ...],
) -> Protection:
    if not policy.hedge.tiers and not view.protection.positions:
        return Protection()
    return propose(view, readings, policy, careful, capital_quote, closed)


def _sight(frame: _Frame, kind: LayerKind, inner: TickRange | None) -> Sight:
    view, policy = frame.view, frame.policy
    rules = policy.ladder.layer(kind)
    weight = 0.0 if rules is None else frame.weights.weight(kind)
    tick = view.pool(policy.signal_pool if rules is None else rules.pool).state.tick
    ranges: tuple[TickRange, ...] = ()
    if rules is not None and weight > 0 and frame.odds is not None:
        volatility = frame.odds.volatility * frame.careful.width
        ranges = target_ranges(policy, rules, tick=tick, volatility=volatility, inner=inner)
    layer = view.ladder.layer(kind)
    positions = () if layer is None else layer.positions
    live = tuple([position for position in positions if position.liquidity > 0])
    return Sight(
        kind=kind,
        rules=rules,
        weight=weight,
        positions=positions,
        memory=view.memory.layer(kind),
        tick=tick,
        ranges=ranges,
        inner=inner,
        value_quote=frame.worth.layer(kind),
        total_quote=frame.worth.total,
        live=live,
        placed=extent([position.range for position in live]) if live else None,
        wanted=extent(ranges) if ranges else None,
    )


def _judge(frame: _Frame, sight: Sight, so_far: _Proposal) -> _Proposal:
    if sight.weight <= 0:
        return _close(frame, sight, so_far) if sight.positions else so_far
    if not sight.positions:
        return _open(frame, sight, so_far)
    reasons = triggers.shift_reasons(sight, frame.view, frame.policy, frame.state, frame.careful)
    if reasons:
        shifted = _shift(frame, sight, reasons, so_far)
        if len(shifted.moves) > len(so_far.moves):
            return shifted
        so_far = shifted
    return _compound(frame, sight, so_far, steady=not reasons)


def _open(frame: _Frame, sight: Sight, so_far: _Proposal) -> _Proposal:
    reasons = (triggers.missing(sight),)
    target = sight.target
    if target is None:
        return _refused(so_far, reasons, (*frame.closed, *frame.held_back))
    value = min(sight.weight * sight.total_quote, so_far.free_quote)
    price = frame.worth.price
    expense = benefit.shift_expense(frame.view, frame.policy, target, (), value, price)
    vetoes = (
        *frame.closed,
        *frame.held_back,
        *_present(
            (
                gates.twap(frame.view, frame.policy, _pools(sight), sight.kind),
                gates.min_value(sight.kind, value, frame.policy),
                gates.gas_per_day(frame.view, frame.policy, sight.kind, wei=so_far.gas_wei + expense.gas_wei),
            )
        ),
    )
    if vetoes:
        return _refused(so_far, reasons, vetoes)
    return _accepted(so_far, OpenLayer(target=target), reasons, expense.gas_wei, -value)


def _top_up(frame: _Frame, sight: Sight, so_far: _Proposal) -> _Proposal:
    """Put idle funds into the ranges that the layer holds; as opening it, this keeps the mandate and is not weighed."""
    short = triggers.idle(sight, so_far.free_quote, frame.policy)
    if short is None or not sight.live:
        return so_far
    view, policy, price = frame.view, frame.policy, frame.worth.price
    share = 1.0 / len(sight.live)
    bands = tuple(TargetBand(pool=position.pool, range=position.range, share=share) for position in sight.live)
    target = TargetLayer(kind=sight.kind, bands=bands, weight=sight.weight)
    expense = benefit.shift_expense(view, policy, target, (), short.found, price)
    vetoes = (
        *frame.closed,
        *frame.held_back,
        *_present(
            (
                gates.twap(view, policy, _pools(sight), sight.kind),
                gates.cooldown(sight, view, policy),
                gates.min_value(sight.kind, short.found, policy),
                gates.gas_per_day(view, policy, sight.kind, wei=so_far.gas_wei + expense.gas_wei),
                lean.undone(frame.leaning, view, policy, sight.kind, [(held, short.found * share) for held in sight.live]),
            )
        ),
    )
    if vetoes:
        return _refused(so_far, (short,), vetoes)
    return _accepted(so_far, OpenLayer(target=target), (short,), expense.gas_wei, -short.found)


def _close(frame: _Frame, sight: Sight, so_far: _Proposal) -> _Proposal:
    view, policy = frame.view, frame.policy
    expense = benefit.close_expense(view, policy, sight.positions, frame.worth.price)
    reasons = (triggers.unwanted(sight),)
    vetoes = (
        *frame.closed,
        *_present(
            (
                gates.twap(view, policy, _pools(sight), sight.kind),
                gates.min_value(sight.kind, sight.value_quote, policy),
                gates.gas_per_day(view, policy, sight.kind, wei=so_far.gas_wei + expense.gas_wei),
            )
        ),
    )
    if vetoes:
        return _refused(so_far, reasons, vetoes)
    move = CloseLayer(layer=sight.kind, token_ids=sight.token_ids)
    return _accepted(so_far, move, reasons, expense.gas_wei, sight.value_quote)


def _shift(frame: _Frame, sight: Sight, reasons: tuple[Reason, ...], so_far: _Proposal) -> _Proposal:
    view, policy, chances, target = frame.view, frame.policy, frame.odds, sight.target
    if target is None or chances is None:
        return _refused(so_far, reasons, (*frame.closed, *frame.held_back))
    fired = {reason.trigger for reason in reasons}
    value = min(sight.weight * sight.total_quote, sight.value_quote + so_far.free_quote)
    moved = abs(sight.share - sight.weight) * sight.total_quote if fired == {triggers.REGIME} else value
    expense = benefit.shift_expense(view, policy, target, sight.positions, value, chances.price)
    checks = [
        gates.twap(view, policy, _pools(sight), sight.kind),
        gates.cooldown(sight, view, policy),
        gates.shifts_per_day(view, policy, sight.kind, planned=sum(isinstance(move, ShiftLayer) for move in so_far.moves)),
        gates.min_value(sight.kind, moved, policy),
        gates.gas_per_day(view, policy, sight.kind, wei=so_far.gas_wei + expense.gas_wei),
    ]
    if triggers.REGIME not in fired:
        checks.append(gates.unchanged(sight))
    if fired <= triggers.FOR_INCOME:
        gain = benefit.income_from(view, policy, target, value, chances)
        gain -= benefit.income_of(view, policy, sight.live, chances)
        checks.append(gates.cost(sight.kind, gain, expense.total_quote, policy))
    vetoes = (*frame.closed, *frame.held_back, *_present(checks))
    if vetoes:
        return _refused(so_far, reasons, vetoes)
    move = ShiftLayer(target=target, token_ids=sight.token_ids)
    return _accepted(so_far, move, reasons, expense.gas_wei, sight.value_quote - value)


def _compound(frame: _Frame, sight: Sight, so_far: _Proposal, *, steady: bool) -> _Proposal:
    view, policy = frame.view, frame.policy
    due = worth_compounding(sight, view, policy, frame.odds)
    if due is None:
        return _refused(so_far, (triggers.steady(sight, policy),), ()) if steady else so_far
    reason, expense = due
    back = [(held, fees_quote(policy, frame.worth.price, (held,))) for held in sight.live]
    vetoes = (
        *frame.closed,
        *_present(
            (
                gates.twap(view, policy, _pools(sight), sight.kind),
                gates.gas_per_day(view, policy, sight.kind, wei=so_far.gas_wei + expense.gas_wei),
                lean.undone(frame.leaning, view, policy, sight.kind, back, sight.live),
            )
        ),
    )
    if vetoes:
        return _refused(so_far, (reason,), vetoes)
    move = CompoundLayer(layer=sight.kind, token_ids=tuple(position.token_id for position in sight.live))
    return _accepted(so_far, move, (reason,), expense.gas_wei, 0.0)


def _steered(frame: _Frame, so_far: _Proposal) -> _Proposal:
    done = lean.steer(frame.view, frame.policy, frame.leaning, frame.worth.total, frame.closed)
    said = _refused(so_far, done.reasons, done.vetoes)
    return said if done.move is None else said._replace(moves=(done.move,))


def _accepted(so_far: _Proposal, move: Move, reasons: tuple[Reason, ...], gas_wei: int, freed_quote: float) -> _Proposal:
    return _Proposal(
        moves=(*so_far.moves, move),
        reasons=(*so_far.reasons, *reasons),
        vetoes=so_far.vetoes,
        gas_wei=so_far.gas_wei + gas_wei,
        free_quote=max(so_far.free_quote + freed_quote, 0.0),
    )


def _refused(so_far: _Proposal, reasons: tuple[Reason, ...], vetoes: tuple[Veto, ...]) -> _Proposal:
    return _Proposal(
        free_quote=so_far.free_quote,
        moves=so_far.moves,
        reasons=(*so_far.reasons, *reasons),
        vetoes=(*so_far.vetoes, *vetoes),
        gas_wei=so_far.gas_wei,
    )


def _coming(sight: Sight, moves: Sequence[Move]) -> TickRange | None:
    """What the layer will cover once the moves are made."""
    for move in moves:
        if isinstance(move, OpenLayer | ShiftLayer) and move.target.kind is sight.kind:
            return sight.wanted
        if isinstance(move, CloseLayer) and move.layer is sight.kind:
            return None
    return sight.placed


def _pools(sight: Sight) -> set[str]:
    pools = {position.pool for position in sight.positions}
    return pools if sight.rules is None else {*pools, sight.rules.pool}


def _explained(seen: Weather, policy: Policy) -> tuple[Reason, ...]:
    """What the hold is made of: forecast against the usual level, and the score where there is one."""
    volatility = Reason(
        trigger=triggers.VOLATILITY, layer=None, found=seen.forecast.value or 0.0, limit=seen.usual, unit="per year"
    )
    if seen.score is None:
        return (volatility,)
    limit = policy.stress.raise_from
    return volatility, Reason(trigger=triggers.SCORE, layer=None, found=seen.score, limit=limit, unit="stress score")


def _present(vetoes: Iterable[Veto | None]) -> tuple[Veto, ...]:
    return tuple([veto for veto in vetoes if veto is not None])

"""One cycle laid open: what was seen, by which rules it was judged, what was decided, planned and done."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from keeper.app.cli import option_offers, positions, sentences, signal_table, words
from keeper.app.cli.output import table
from keeper.app.cli.signal_table import Seen
from keeper.core.model.codec import encode
from keeper.core.model.decision import Decision, OpenLayer, ShiftLayer
from keeper.core.model.plan import Alternative, Cost, Done, NotDone, Plan, Simulated, StageOutcome, Unknown
from keeper.core.model.policy import Policy, RegimeWeights
from keeper.core.model.pool import PoolView
from keeper.core.model.record import CycleRecord
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.signals.prices import price_at_sqrt, price_at_tick

RULES = ("regimes", "triggers", "gates", "execution", "signals")
"""Parts of the policy whose numbers decisions are held against."""


def document(record: CycleRecord) -> dict[str, Any]:
    """Everything about the cycle but the pool's tick map and the price rows, which the journal keeps."""
    return {
        "id": record.id,
        "state": record.state.value,
        **thought(record.view, record.readings, record.decision, record.plan, record.policy),
        "stages": _plain(record.stages),
    }


def thought(
    view: MarketView, readings: Sequence[SignalReading], decided: Decision, plan: Plan | None, policy: Policy
) -> dict[str, Any]:
    """A cycle up to where it acts: inputs, rules, decision and plan."""
    return {
        "block": view.block.number,
        "block_hash": view.block.hash,
        "timestamp_s": view.now_s,
        "chain_id": view.chain_id,
        "sentence": sentences.decision(decided),
        "pools": [{"state": _plain(pool.state), "twap_tick": pool.twap_tick} for pool in view.pools],
        "wallet": _plain(view.wallet),
        "gas": _plain(view.gas),
        "memory": _plain(view.memory),
        "history": _plain(view.history),
        "ladder": positions.document(view, policy),
        "protection": option_offers.explained_document(view, readings, policy),
        "readings": _plain(tuple(readings)),
        "signals": signal_table.document(_seen(view, readings, policy)),
        "rules": _plain(policy),
        "decision": _plain(decided),
        "plan": None if plan is None else _plain(plan),
    }


def render(record: CycleRecord) -> list[RenderableType]:
    """The same for a person."""
    view = record.view
    head = Text(f"Cycle {record.id}: {record.state.value.replace('_', ' ')}", style="bold")
    shown = render_thought(view, record.readings, record.decision, record.plan, record.policy)
    return [head, *shown, *_outcomes(record)]


def render_thought(
    view: MarketView, readings: Sequence[SignalReading], decided: Decision, plan: Plan | None, policy: Policy
) -> list[RenderableType]:
    """Inputs, rules, decision and plan for a person."""
    return [
        Text(sentences.decision(decided), style="bold"),
        Text(f"block {view.block.number} ({words.short(view.block.hash)}), {words.utc(view.now_s)}"),
        *_inputs(view, readings, policy),
        *positions.render(view, policy),
        *option_offers.explained(view, readings, decided, policy),
        _rules(policy),
        *_judgement(decided, policy),
        *_plan(plan, policy),
    ]


def _inputs(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> Iterator[RenderableType]:
    yield from signal_table.render(_seen(view, readings, policy))
    columns = ("pool", "price", "average", "off by", "active liquidity", "initialised ticks")
    yield table("Market", columns, [_market(pool, policy) for pool in view.pools], right=columns[1:])
    held = ", ".join(words.amount(balance.token, balance.raw) for balance in view.wallet.balances)
    gas = f"base fee {words.gwei(view.gas.base_fee_wei)}, tip {words.gwei(view.gas.tip_wei)}"
    if view.gas.data_wei:
        gas += f", L1 data {words.gwei(view.gas.data_wei)} a gas"
    yield Text(f"wallet {view.wallet.address}: {words.ether(view.wallet.native_wei)}, {held}; {gas}")


def _seen(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> Seen:
    return Seen(readings=readings, policy=policy, memory=view.memory, now_s=view.now_s)


def _market(pool: PoolView, policy: Policy) -> tuple[str, ...]:
    state = pool.state
    twap = pool.twap_tick
    return (
        sentences.fee(state.key.fee_pips),
        words.money(price_at_sqrt(policy, state.sqrt_price_x96), policy.quote.symbol),
        "-" if twap is None else words.money(price_at_tick(policy, twap), policy.quote.symbol),
        "-" if twap is None else f"{state.tick - twap} ticks",
        f"{state.liquidity:,}",
        str(len(pool.ticks)),
    )


def _rules(policy: Policy) -> RenderableType:
    rows = [
        (part, field.name, _rule_value(getattr(getattr(policy, part), field.name)))
        for part in RULES
        for field in dataclasses.fields(getattr(policy, part))
    ]
    rows.append(("ladder", "horizon_s", _rule_value(policy.ladder.horizon_s)))
    for layer in policy.ladder.layers:
        width = (
            f"{words.number(layer.half_width_sigmas)} sigma, {layer.min_half_width_ticks} to {layer.max_half_width_ticks} ticks"
        )
        rows.append(("ladder", f"{layer.kind}: {layer.shape}, half width", width))
    rows += [("weights", f"{one.regime}: core, secondary, insurance, idle", _weights(one)) for one in policy.ladder.weights]
    rows += _hedge_rules(policy) if policy.hedge.tiers else ()
    return table("Rules", ("part", "rule", "threshold"), rows, right=("threshold",))


def _hedge_rules(policy: Policy) -> Iterator[tuple[str, str, str]]:
    for field in dataclasses.fields(policy.hedge):
        if field.name not in {"tiers", "pays"}:
            yield "hedge", field.name, _rule_value(getattr(policy.hedge, field.name))
    for venue, probability in policy.hedge.pays:
        yield "hedge", f"{venue} pays what it owes", words.percent(probability)
    for tier in policy.hedge.tiers:
        terms = f"{words.percent(tier.share)} from the {tier.anchor.value.replace('_', ' ')}"
        yield "hedge", f"{tier.name}", f"{terms}, {words.duration(tier.tenor_from_s)} to {words.duration(tier.tenor_to_s)}"


def _weights(weights: RegimeWeights) -> str:
    return ", ".join(words.percent(part) for part in (weights.core, weights.secondary, weights.insurance, weights.idle))


def _rule_value(value: object) -> str:
    match value:
        case float():
            return words.number(value)
        case int():
            return f"{value:,}"
        case tuple():
            return ", ".join(words.short(str(one)) for one in value)
        case _:
            return str(value)


def _judgement(decided: Decision, policy: Policy) -> Iterator[RenderableType]:
    volatility = "unknown" if decided.volatility is None else words.percent(decided.volatility)
    yield Text(f"regime {decided.regime}, forecast volatility {volatility} a year")
    columns = ("trigger", "layer", "found", "limit", "unit")
    fired = [
        (one.trigger, one.layer or "all", words.number(one.found), words.number(one.limit), one.unit) for one in decided.reasons
    ]
    yield table("Reasons", columns, fired, right=("found", "limit")) if fired else Text("no trigger fired")
    columns = ("gate", "layer", "found", "limit", "unit")
    refused = [
        (one.gate, one.layer or "all", words.number(one.found), words.number(one.limit), one.unit) for one in decided.vetoes
    ]
    yield table("Vetoes", columns, refused, right=("found", "limit")) if refused else Text("no gate refused")
    rows = [(sentences.move(move), target) for move in decided.moves for target in _targets(move, policy)]
    if rows:
        yield table("Moves", ("move", "to"), rows)


def _targets(move: object, policy: Policy) -> list[str]:
    if not isinstance(move, OpenLayer | ShiftLayer):
        return [""]
    weight = words.percent(move.target.weight)
    return [
        f"{sentences.price_range(policy, band.range.lower, band.range.upper)}, {words.percent(band.share)} of the layer, "
        f"which gets {weight} of all"
        for band in move.target.bands
    ]


def _plan(plan: Plan | None, policy: Policy) -> Iterator[RenderableType]:
    if plan is None:
        return
    quote = policy.quote.symbol
    bounds = plan.bounds
    yield Text(
        f"plan {plan.id}: {_cost(plan.cost, quote)}; at most {words.ether(bounds.max_gas_wei)} of gas, "
        f"slippage {bounds.slippage_bps} bps, until {words.utc(bounds.deadline_s)}"
    )
    ways = [_way(one, quote) for one in plan.alternatives]
    columns = ("way", "cost", "left idle", "")
    yield table("Alternatives", columns, ways, right=("cost", "left idle"))
    steps = [(stage.kind.value, sentences.step(step, policy)) for stage in plan.stages for step in stage.steps]
    yield table("Steps", ("stage", "step"), steps)


def _way(way: Alternative, quote: str) -> tuple[str, ...]:
    name = " ".join(words.short(word) if word.startswith("0x") else word for word in way.name.split())
    return (
        name,
        words.money(way.cost.total_quote, quote),
        words.money(way.unplaced_quote, quote),
        "taken" if way.taken else "",
    )


def _cost(cost: Cost, quote: str) -> str:
    return (
        f"costs about {words.money(cost.total_quote, quote)} ({cost.gas_units:,} gas {words.money(cost.gas_quote, quote)}, "
        f"swap fee {words.money(cost.swap_fee_quote, quote)}, impact {words.money(cost.impact_quote, quote)})"
    )


def _outcomes(record: CycleRecord) -> Iterator[RenderableType]:
    rows = [(stage.kind.value, *_outcome(stage.outcome)) for stage in record.stages]
    if rows:
        yield table("Outcomes", ("stage", "outcome", "gas", "changes", "transactions"), rows, right=("gas",))


def _outcome(outcome: StageOutcome) -> tuple[str, str, str, str]:
    match outcome:
        case Done():
            deltas = ", ".join(words.amount(delta.token, delta.raw) for delta in outcome.deltas)
            minted = "".join(f"; minted {one.layer} #{one.token_id}" for one in outcome.minted)
            done = f"done in block {outcome.block}"
            return done, f"{outcome.gas_units:,}", deltas + minted, " ".join(outcome.tx_hashes)
        case Simulated():
            deltas = ", ".join(words.amount(delta.token, delta.raw) for delta in outcome.deltas)
            return "simulated, nothing was signed", f"{outcome.gas_units:,}", deltas, ""
        case NotDone():
            return f"not done: {outcome.why}", words.ether(outcome.gas_wei), "", " ".join(outcome.tx_hashes)
        case Unknown():
            return "unknown: recovery settles it first", "", "", outcome.tx_hash


def _plain(value: object) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return json.loads(encode(value))

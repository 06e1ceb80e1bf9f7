"""Rows of the tables as values of the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exists, select

from keeper.adapters.store.tables import attempts, cycle_ends, cycles, intents, layer_tokens, outcomes, policies, prices
from keeper.core.model.codec import decode, digest_of
from keeper.core.model.decision import Decision
from keeper.core.model.errors import JournalFault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Done, Mint, NotDone, Plan, Simulated, Stage, StageKind, StageOutcome, Unknown
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import Attempt, CycleRecord, CycleState, Intent, StageRecord
from keeper.core.model.view import MarketView, Memory, SignalReading

_OUTCOMES: dict[str, type[Done | Simulated | NotDone | Unknown]] = {
    "done": Done,
    "simulated": Simulated,
    "not_done": NotDone,
    "unknown": Unknown,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRecord:
    """An intent with its steps, everything that was handed out for it and everything that was found out, oldest first."""

    intent: Intent
    stage: Stage
    attempts: tuple[Attempt, ...]
    outcomes: tuple[StageOutcome, ...]


def minted_layers(stage: Stage) -> tuple[LayerKind, ...]:
    """Layers of the stage's mints, in order."""
    return tuple(step.layer for step in stage.steps if isinstance(step, Mint))


def price_rows(connection: Connection, pool: str, first_block: int, last_block: int) -> tuple[BlockPrice, ...]:
    """The stored rows of a stretch, both ends included, oldest first."""
    found = connection.execute(
        select(
            prices.c.block,
            prices.c.timestamp_s,
            prices.c.sqrt_price_x96,
            prices.c.high_x96,
            prices.c.low_x96,
            prices.c.volume0,
            prices.c.volume1,
            prices.c.swaps,
            prices.c.net0,
            prices.c.net1,
            prices.c.jit0,
        )
        .where(prices.c.pool == pool, prices.c.block.between(first_block, last_block))
        .order_by(prices.c.block)
    )
    return tuple(
        BlockPrice(
            block=block,
            timestamp_s=timestamp_s,
            sqrt_price_x96=close,
            high_x96=high,
            low_x96=low,
            volume0=volume0,
            volume1=volume1,
            swaps=swaps,
            net0=net0,
            net1=net1,
            jit0=jit0,
        )
        for block, timestamp_s, close, high, low, volume0, volume1, swaps, net0, net1, jit0 in found
    )


def layers_of_tokens(connection: Connection) -> dict[int, LayerKind]:
    """Which layer each known position belongs to."""
    rows = connection.execute(select(layer_tokens.c.token_id, layer_tokens.c.layer).order_by(layer_tokens.c.id))
    return {token_id: LayerKind(layer) for token_id, layer in rows}


def intent_records(connection: Connection, *, cycle_id: int | None) -> tuple[IntentRecord, ...]:
    """The intents of a cycle, or with None those that have no final outcome, oldest first."""
    final = exists().where(outcomes.c.intent_id == intents.c.id, outcomes.c.kind != "unknown")
    wanted = ~final if cycle_id is None else intents.c.cycle_id == cycle_id
    return tuple(
        _intent_record(connection, row) for row in connection.execute(select(intents).where(wanted).order_by(intents.c.id))
    )


def _intent_record(connection: Connection, row: Row[Any]) -> IntentRecord:
    stage = decode(Stage, row.stage)
    sent = select(attempts).where(attempts.c.intent_id == row.id).order_by(attempts.c.sequence, attempts.c.k)
    found = select(outcomes.c.kind, outcomes.c.outcome).where(outcomes.c.intent_id == row.id).order_by(outcomes.c.id)
    return IntentRecord(
        intent=Intent(
            id=row.id,
            cycle_id=row.cycle_id,
            stage=StageKind(row.kind),
            steps_digest=row.steps_digest,
            layers=minted_layers(stage),
            deadline_s=row.deadline_s,
            option=stage.option,
        ),
        stage=stage,
        attempts=tuple(_attempt(one) for one in connection.execute(sent)),
        outcomes=tuple(decode(_OUTCOMES[kind], outcome) for kind, outcome in connection.execute(found)),
    )


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        intent_id=row.intent_id,
        sequence=row.sequence,
        nonce=row.nonce,
        tx_hash=row.tx_hash,
        raw=row.raw,
        max_fee_wei=row.max_fee_wei,
        tip_wei=row.tip_wei,
    )


def cycle_record(connection: Connection, cycle_id: int) -> CycleRecord:
    """A stored cycle; one that was never ended has the state UNKNOWN.

    Raises:
        KeyError: there is none with this id.
        JournalFault: the view or the policy is not what was stored.
    """
    row = connection.execute(
        select(cycles, policies.c.policy, cycle_ends.c.state)
        .join(policies, policies.c.digest == cycles.c.policy_digest)
        .outerjoin(cycle_ends, cycle_ends.c.cycle_id == cycles.c.id)
        .where(cycles.c.id == cycle_id)
    ).one_or_none()
    if row is None:
        raise KeyError(cycle_id)
    # of the text, not of what it decodes to: a later version may know more fields, with defaults for what was not stored
    for name, text, stored in (("view", row.view, row.view_digest), ("policy", row.policy, row.policy_digest)):
        if digest_of(text) != stored:
            raise JournalFault(f"the {name} of cycle {cycle_id} is not the one that was stored")
    view = decode(MarketView, row.view)
    policy = decode(Policy, row.policy)
    return CycleRecord(
        id=cycle_id,
        state=CycleState.UNKNOWN if row.state is None else CycleState(row.state),
        policy=policy,
        view=view,
        readings=decode(tuple[SignalReading, ...], row.readings),
        decision=decode(Decision, row.decision),
        plan=None if row.plan is None else decode(Plan, row.plan),
        stages=tuple(_last_outcomes(intent_records(connection, cycle_id=cycle_id))),
    )


def _last_outcomes(records: Sequence[IntentRecord]) -> Iterable[StageRecord]:
    return (StageRecord(kind=record.intent.stage, outcome=record.outcomes[-1]) for record in records if record.outcomes)


def memory_left(connection: Connection, cycle_id: int | None) -> Memory | None:
    """What a cycle, or with None the newest ended one, left to the next; None when there is no such end."""
    ends = select(cycle_ends.c.memory).order_by(cycle_ends.c.cycle_id.desc()).limit(1)
    stored = connection.scalar(ends if cycle_id is None else ends.where(cycle_ends.c.cycle_id == cycle_id))
    return None if stored is None else decode(Memory, stored)


def open_cycle_id(connection: Connection) -> int | None:
    """The cycle that has no end; only the newest can be open."""
    newest = connection.execute(
        select(cycles.c.id, cycle_ends.c.state)
        .outerjoin(cycle_ends, cycle_ends.c.cycle_id == cycles.c.id)
        .order_by(cycles.c.id.desc())
        .limit(1)
    ).one_or_none()
    return newest.id if newest is not None and newest.state is None else None

"""What one cycle leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from keeper.core.model.bar import Quote, Sample
from keeper.core.model.decision import Decision
from keeper.core.model.ladder import LayerKind, Position
from keeper.core.model.plan import OptionStep, Plan, StageKind, StageOutcome
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockPrice, BlockRef, PoolView
from keeper.core.model.quick import quick_init
from keeper.core.model.view import Gas, MarketView, SignalReading, Wallet


class CycleState(StrEnum):
    """How a cycle ended."""

    HELD = "held"
    SIMULATED = "simulated"
    DONE = "done"
    NOT_DONE = "not_done"
    UNKNOWN = "unknown"
    BLOCKED = "blocked"
    """A plan was due, and the keeper is paused or halted."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the chain says at one block, before the keeper's memory is joined to it."""

    chain_id: int
    block: BlockRef
    pools: tuple[PoolView, ...]
    wallet: Wallet
    gas: Gas
    positions: tuple[Position, ...]
    """Every position of the wallet in the configured pools that holds liquidity or owes anything."""
    prices: tuple[BlockPrice, ...]
    """Of the signal pool, the blocks after the last known one, oldest first."""
    prices_since_s: int | None = None
    """Chain time from which the prices are complete, when they do not follow on the last known one without a gap; else None."""
    sample: Sample | None = None
    """The surroundings, when they were due."""
    quotes: tuple[Quote, ...] = ()
    """What others say, each name at most once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """One stage as it went."""

    kind: StageKind
    outcome: StageOutcome


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRecord:
    """One cycle from its view to its outcomes."""

    id: int
    state: CycleState
    policy: Policy
    view: MarketView
    readings: Sequence[SignalReading]
    decision: Decision
    plan: Plan | None
    stages: tuple[StageRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A stage that the keeper has committed itself to, journaled before anything is signed."""

    id: int
    cycle_id: int
    stage: StageKind
    steps_digest: str
    layers: tuple[LayerKind, ...]
    """Layers of the stage's mints, in order: how minted positions find their layers after a crash."""
    deadline_s: int
    option: OptionStep | None = None
    """Of a stage of protection: how it is known after a crash which calls it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One signed transaction, journaled before it is handed out."""

    intent_id: int
    sequence: int
    """Which transaction of the stage this is, from 0."""
    nonce: int
    tx_hash: str
    raw: str
    """The signed bytes, 0x-prefixed: the same are sent again, never others under the same name."""
    max_fee_wei: int
    tip_wei: int

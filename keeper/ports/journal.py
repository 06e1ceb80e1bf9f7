"""The append-only truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from keeper.core.model.decision import Decision
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Bounds, Plan, Stage, StageOutcome
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockPrice, PriceHistory
from keeper.core.model.record import Attempt, CycleRecord, CycleState, Intent
from keeper.core.model.view import MarketView, Memory, SignalReading
from keeper.ports.executor import AttemptLog


class ReadableJournal(Protocol):
    """The reading half: enough to think, and open beside a keeper that writes."""

    def last_price_block(self, pool: str) -> int | None:
        """Newest block of the stored history; None when there is none."""
        ...

    def history(self, pool: str, *, since_s: int, up_to_block: int) -> PriceHistory:
        """The stored rows from ``since_s`` (chain time) up to a block, oldest first."""
        ...

    def memory(self) -> Memory:
        """What the last ended cycle left; ``NO_MEMORY`` before the first."""
        ...

    def layer_tokens(self) -> dict[int, LayerKind]:
        """Which layer each known position belongs to."""
        ...

    def open_intents(self) -> tuple[tuple[Intent, tuple[Attempt, ...]], ...]:
        """Intents without a final outcome, oldest first, with what was handed out for them."""
        ...

    def cycle(self, cycle_id: int) -> CycleRecord:
        """A stored cycle.

        Raises:
            KeyError: there is none with this id.
        """
        ...

    def open_cycle(self) -> CycleRecord | None:
        """The cycle that was begun and never ended, as a crash leaves it; None when there is none."""
        ...

    def control(self) -> str | None:
        """Why the keeper must not act (paused or halted), as an operator or a fault left it; None when it may."""
        ...


class Journal(ReadableJournal, AttemptLog, Protocol):
    """Views, decisions, plans, intents, attempts and outcomes, durable before the next step is taken.

    Every method raises ``JournalFault`` when it cannot write or when what is stored contradicts itself.
    """

    def append_prices(self, pool: str, prices: Sequence[BlockPrice]) -> None:
        """Store price rows; rows already there are left as they are."""
        ...

    def adopt(self, token_id: int, layer: LayerKind) -> None:
        """Assign a position to a layer."""
        ...

    def begin_cycle(
        self, policy: Policy, view: MarketView, readings: Sequence[SignalReading], decision: Decision, plan: Plan | None
    ) -> int:
        """Store what was seen, thought and planned; returns the cycle's id."""
        ...

    def record_intent(self, cycle_id: int, stage: Stage, bounds: Bounds) -> Intent:
        """Store that a stage is about to be carried out."""
        ...

    def record_outcome(self, intent: Intent, outcome: StageOutcome, *, now_s: int) -> None:
        """Store how a stage went; minted positions join their layers in the same write."""
        ...

    def end_cycle(self, cycle_id: int, state: CycleState, memory: Memory) -> None:
        """Store that a cycle is over, with the memory that the next one starts from."""
        ...

    def halt(self, why: str) -> None:
        """Stop acting until a person clears it."""
        ...

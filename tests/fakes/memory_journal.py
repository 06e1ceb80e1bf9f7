"""A journal that lives as long as its object: the laws of the real one without its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from keeper.core.model.codec import digest
from keeper.core.model.decision import Decision
from keeper.core.model.errors import JournalFault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Bounds, Done, Mint, Plan, Stage, StageOutcome, Unknown
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockPrice, PriceHistory
from keeper.core.model.record import Attempt, CycleRecord, CycleState, Intent, StageRecord
from keeper.core.model.view import NO_MEMORY, MarketView, Memory, SignalReading


@dataclass
class _Cycle:
    policy: Policy
    view: MarketView
    readings: tuple[SignalReading, ...]
    decision: Decision
    plan: Plan | None
    state: CycleState | None = None


@dataclass
class _Intent:
    intent: Intent
    attempts: list[Attempt] = field(default_factory=list)
    outcomes: list[StageOutcome] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return all(isinstance(outcome, Unknown) for outcome in self.outcomes)


class MemoryJournal:
    """Passes the same port suite as ``SqlJournal``; ids count from 1 as there."""

    def __init__(self) -> None:
        self._prices: dict[str, dict[int, BlockPrice]] = {}
        self._cycles: list[_Cycle] = []
        self._intents: list[_Intent] = []
        self._layers: dict[int, LayerKind] = {}
        self._memory = NO_MEMORY
        self._paused: str | None = None
        self._halted: str | None = None

    def append_prices(self, pool: str, prices: Sequence[BlockPrice]) -> None:
        newest = self.last_price_block(pool)
        stored = self._prices.setdefault(pool, {})
        for row in prices:
            if newest is None or row.block > newest:
                stored.setdefault(row.block, row)

    def last_price_block(self, pool: str) -> int | None:
        return max(self._prices.get(pool, {}), default=None)

    def history(self, pool: str, *, since_s: int, up_to_block: int) -> PriceHistory:
        rows = self._prices.get(pool, {})
        kept = (rows[block] for block in sorted(rows) if block <= up_to_block and rows[block].timestamp_s >= since_s)
        return PriceHistory(pool=pool, rows=tuple(kept))

    def memory(self) -> Memory:
        return self._memory

    def layer_tokens(self) -> dict[int, LayerKind]:
        return dict(self._layers)

    def adopt(self, token_id: int, layer: LayerKind) -> None:
        self._layers[token_id] = layer

    def begin_cycle(
        self, policy: Policy, view: MarketView, readings: Sequence[SignalReading], decision: Decision, plan: Plan | None
    ) -> int:
        if self._cycles and self._cycles[-1].state is None:
            raise JournalFault(f"cycle {len(self._cycles)} was never ended")
        self._cycles.append(_Cycle(policy, view, tuple(readings), decision, plan))
        return len(self._cycles)

    def record_intent(self, cycle_id: int, stage: Stage, bounds: Bounds) -> Intent:
        self._open_cycle(cycle_id)
        for kept in self._intents:
            if kept.is_open:
                raise JournalFault(f"intent {kept.intent.id} has no final outcome")
        intent = Intent(
            id=len(self._intents) + 1,
            cycle_id=cycle_id,
            stage=stage.kind,
            steps_digest=digest(stage),
            layers=tuple(step.layer for step in stage.steps if isinstance(step, Mint)),
            deadline_s=bounds.deadline_s,
        )
        self._intents.append(_Intent(intent))
        return intent

    def record_attempt(self, attempt: Attempt) -> None:
        kept = self._open_intent(attempt.intent_id)
        if attempt in kept.attempts:
            return
        if any((one.sequence == attempt.sequence) != (one.nonce == attempt.nonce) for one in kept.attempts):
            raise JournalFault(f"nonce {attempt.nonce} is not that of transaction {attempt.sequence}")
        if any(one.tx_hash == attempt.tx_hash for other in self._intents for one in other.attempts):
            raise JournalFault(f"{attempt.tx_hash} is another attempt's")
        kept.attempts.append(attempt)

    def record_outcome(self, intent: Intent, outcome: StageOutcome, *, now_s: int) -> None:  # ruff: ignore[unused-method-argument] - the port's signature
        self._open_intent(intent.id).outcomes.append(outcome)
        if isinstance(outcome, Done):
            self._layers |= {minted.token_id: minted.layer for minted in outcome.minted}

    def end_cycle(self, cycle_id: int, state: CycleState, memory: Memory) -> None:
        self._open_cycle(cycle_id).state = state
        self._memory = memory

    def open_intents(self) -> tuple[tuple[Intent, tuple[Attempt, ...]], ...]:
        return tuple(
            (kept.intent, tuple(sorted(kept.attempts, key=lambda one: one.sequence))) for kept in self._intents if kept.is_open
        )

    def cycle(self, cycle_id: int) -> CycleRecord:
        if not 1 <= cycle_id <= len(self._cycles):
            raise KeyError(cycle_id)
        kept = self._cycles[cycle_id - 1]
        return CycleRecord(
            id=cycle_id,
            state=CycleState.UNKNOWN if kept.state is None else kept.state,
            policy=kept.policy,
            view=kept.view,
            history=self._named_history(kept.view),
            readings=kept.readings,
            decision=kept.decision,
            plan=kept.plan,
            stages=tuple(
                StageRecord(kind=one.intent.stage, outcome=one.outcomes[-1])
                for one in self._intents
                if one.intent.cycle_id == cycle_id and one.outcomes
            ),
        )

    def open_cycle(self) -> CycleRecord | None:
        newest = len(self._cycles)
        return self.cycle(newest) if newest and self._cycles[-1].state is None else None

    def control(self) -> str | None:
        if self._halted is not None:
            return f"halted: {self._halted}"
        return None if self._paused is None else f"paused: {self._paused}"

    def halt(self, why: str) -> None:
        self._halted = why

    def clear_halt(self, why: str = "") -> None:  # ruff: ignore[unused-method-argument] - told to the real journal
        self._halted = None

    def pause(self, why: str) -> None:
        self._paused = why

    def resume(self, why: str = "") -> None:  # ruff: ignore[unused-method-argument] - told to the real journal
        self._paused = None

    def _named_history(self, view: MarketView) -> PriceHistory:
        ref = view.history
        rows = self._prices.get(ref.pool, {})
        named = tuple(rows[block] for block in sorted(rows) if ref.rows and ref.first_block <= block <= ref.last_block)
        history = PriceHistory(pool=ref.pool, rows=named)
        if len(named) != ref.rows or digest(history) != ref.digest:
            raise JournalFault("the prices are not those of the view")
        return history

    def _open_cycle(self, cycle_id: int) -> _Cycle:
        if cycle_id != len(self._cycles) or self._cycles[-1].state is not None:
            raise JournalFault(f"cycle {cycle_id} is not open")
        return self._cycles[-1]

    def _open_intent(self, intent_id: int) -> _Intent:
        for kept in self._intents:
            if kept.intent.id == intent_id and kept.is_open:
                return kept
        raise JournalFault(f"intent {intent_id} is not open")

"""A journal that lives as long as its object: the laws of the real one without its file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from keeper.core.model.bar import HOUR_S, MINUTE_S, MarketHistory, PriceBar, Quote, Sample
from keeper.core.model.codec import digest
from keeper.core.model.decision import Decision
from keeper.core.model.errors import JournalFault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Bounds, Done, Mint, Plan, Stage, StageOutcome, Unknown
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import Attempt, CycleRecord, CycleState, Intent, StageRecord
from keeper.core.model.view import NO_MEMORY, MarketView, Memory, SignalReading
from keeper.core.signals.order import reference
from keeper.core.signals.windows import Since
from keeper.ports.journal import HistoryEnd


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
        self._bars: dict[tuple[str, int], dict[int, PriceBar]] = {}
        self._samples: dict[str, list[Sample]] = {}
        self._quotes: list[Quote] = []
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

    def prices(self, pool: str, *, since_s: int, up_to_block: int) -> tuple[BlockPrice, ...]:
        rows = self._prices.get(pool, {})
        return tuple(rows[block] for block in sorted(rows) if block <= up_to_block and rows[block].timestamp_s >= since_s)

    def append_history(self, news: MarketHistory) -> None:
        end = self.history_end(news.pool)
        newest = {MINUTE_S: None if end.minute is None else end.minute.start_s, HOUR_S: end.hour_s}
        for bar in (*news.minutes, *news.hours):
            after = newest[bar.width_s]
            if after is None or bar.start_s > after:
                self._bars.setdefault((news.pool, bar.width_s), {})[bar.start_s] = bar
        kept = self._samples.setdefault(news.pool, [])
        kept += [sample for sample in news.samples if end.sample_s is None or sample.timestamp_s > end.sample_s]
        for quote in news.quotes:
            is_fresh = end.quote_s is None or quote.seen_s >= end.quote_s
            if is_fresh and self.newest_quotes([quote.name]).get(quote.name) != quote:
                self._quotes.append(quote)

    def seed_bars(self, pool: str, bars: Sequence[PriceBar]) -> int:
        first = {width_s: min(self._bars.get((pool, width_s), {}), default=None) for width_s in (MINUTE_S, HOUR_S)}
        older = [bar for bar in bars if (begin := first[bar.width_s]) is None or bar.start_s < begin]
        for bar in older:
            self._bars.setdefault((pool, bar.width_s), {})[bar.start_s] = bar
        return len(older)

    def history_end(self, pool: str) -> HistoryEnd:
        minutes, hours = (self._bars.get((pool, width_s), {}) for width_s in (MINUTE_S, HOUR_S))
        return HistoryEnd(
            minute=minutes[max(minutes)] if minutes else None,
            hour_s=max(hours, default=None),
            sample_s=max((sample.timestamp_s for sample in self._samples.get(pool, ())), default=None),
            quote_s=max((quote.seen_s for quote in self._quotes), default=None),
        )

    def bars(self, pool: str, width_s: int, *, since_s: int, before_s: int) -> tuple[PriceBar, ...]:
        stored = self._bars.get((pool, width_s), {})
        return tuple(stored[start_s] for start_s in sorted(stored) if since_s <= start_s < before_s)

    def newest_quotes(self, names: Iterable[str]) -> dict[str, Quote]:
        wanted = set(names)
        return {quote.name: quote for quote in self._quotes if quote.name in wanted}

    def market_history(self, pool: str, since: Since, *, up_to_s: int) -> MarketHistory:
        return MarketHistory(
            pool=pool,
            minutes=self.bars(pool, MINUTE_S, since_s=since.minutes_s, before_s=up_to_s - MINUTE_S + 1),
            hours=self.bars(pool, HOUR_S, since_s=since.hours_s, before_s=up_to_s - HOUR_S + 1),
            samples=tuple(one for one in self._samples.get(pool, ()) if since.samples_s <= one.timestamp_s <= up_to_s),
            quotes=tuple(one for one in self._quotes if since.quotes_s <= one.seen_s <= up_to_s),
        )

    def named_history(self, view: MarketView) -> MarketHistory:
        ref = view.history
        named = MarketHistory(
            pool=ref.pool,
            minutes=self.bars(ref.pool, MINUTE_S, since_s=ref.minutes.first_s, before_s=ref.minutes.last_s + 1),
            hours=self.bars(ref.pool, HOUR_S, since_s=ref.hours.first_s, before_s=ref.hours.last_s + 1),
            samples=tuple(
                one for one in self._samples.get(ref.pool, ()) if ref.samples.first_s <= one.timestamp_s <= ref.samples.last_s
            )[: ref.samples.rows],
            quotes=tuple(one for one in self._quotes if ref.quotes.first_s <= one.seen_s <= ref.quotes.last_s)[
                : ref.quotes.rows
            ],
        )
        if reference(named) != ref:
            raise JournalFault("the stored bars, samples and quotes are not those that the view names")
        return named

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
            option=stage.option,
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

    def _open_cycle(self, cycle_id: int) -> _Cycle:
        if cycle_id != len(self._cycles) or self._cycles[-1].state is not None:
            raise JournalFault(f"cycle {cycle_id} is not open")
        return self._cycles[-1]

    def _open_intent(self, intent_id: int) -> _Intent:
        for kept in self._intents:
            if kept.intent.id == intent_id and kept.is_open:
                return kept
        raise JournalFault(f"intent {intent_id} is not open")

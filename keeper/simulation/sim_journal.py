"""The journal of a simulation: the laws of the real one in memory, for a year of cycles.

It keeps what a cycle may ask for, and every cycle that acted or tried to; a hold is forgotten once it has ended. What is of
before the windows that readings look back on is let go once a day.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S, MarketHistory, PriceBar, Quote, Sample
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
from keeper.core.signals.windows import Since, since
from keeper.ports.journal import HistoryEnd

_BLOCK = attrgetter("block")
_START = attrgetter("start_s")
_TIME = attrgetter("timestamp_s")
_SEEN = attrgetter("seen_s")


@dataclass(slots=True)
class _Open:
    id: int
    policy: Policy
    view: MarketView
    readings: Sequence[SignalReading]
    decision: Decision
    plan: Plan | None
    stages: list[StageRecord] = field(default_factory=list)

    def record(self, state: CycleState) -> CycleRecord:
        return CycleRecord(
            id=self.id,
            state=state,
            policy=self.policy,
            view=self.view,
            readings=self.readings,
            decision=self.decision,
            plan=self.plan,
            stages=tuple(self.stages),
        )


@dataclass(slots=True)
class _Waiting:
    intent: Intent
    attempts: list[Attempt] = field(default_factory=list)


class SimJournal:  # ruff: ignore[too-many-public-methods] - they are those of the port
    """One simulation's memory.

    Args:
        pool: address of the signal pool.
    """

    def __init__(self, pool: str) -> None:
        self._pool = pool
        self._rows: list[BlockPrice] = []
        self._last_block: int | None = None
        self._bars: dict[int, list[PriceBar]] = {MINUTE_S: [], HOUR_S: []}
        self._samples: list[Sample] = []
        self._quotes: list[Quote] = []
        self._newest: dict[str, Quote] = {}
        self._layers: dict[int, LayerKind] = {}
        self._memory = NO_MEMORY
        self._halted: str | None = None
        self._cycles = self._intents = 0
        self._open: _Open | None = None
        self._waiting: _Waiting | None = None
        self.acted: list[CycleRecord] = []
        """Every cycle that had a plan, oldest first."""

    def append_prices(self, pool: str, prices: Sequence[BlockPrice]) -> None:
        """See the port."""
        self._must_be_ours(pool)
        new = prices if self._last_block is None else prices[bisect_right(prices, self._last_block, key=_BLOCK) :]
        if new:
            self._rows.extend(new)
            self._last_block = new[-1].block

    def last_price_block(self, pool: str) -> int | None:
        """See the port."""
        self._must_be_ours(pool)
        return self._last_block

    def prices(self, pool: str, *, since_s: int, up_to_block: int) -> tuple[BlockPrice, ...]:
        """See the port; rows of minutes that are closed are gone."""
        self._must_be_ours(pool)
        rows = self._rows
        return tuple(rows[bisect_left(rows, since_s, key=_TIME) : bisect_right(rows, up_to_block, key=_BLOCK)])

    def append_history(self, news: MarketHistory) -> None:
        """See the port."""
        self._must_be_ours(news.pool)
        for width_s, bars in ((MINUTE_S, news.minutes), (HOUR_S, news.hours)):
            known = self._bars[width_s]
            known.extend(bar for bar in bars if not known or bar.start_s > known[-1].start_s)
        samples = self._samples
        samples.extend(one for one in news.samples if not samples or one.timestamp_s > samples[-1].timestamp_s)
        for quote in news.quotes:
            fresh = not self._quotes or quote.seen_s >= self._quotes[-1].seen_s
            if fresh and self._newest.get(quote.name) != quote:
                self._quotes.append(quote)
                self._newest[quote.name] = quote
        if news.minutes:
            self._let_go(news.minutes[0].start_s, news.minutes[-1].end_s)

    def seed_bars(self, pool: str, bars: Sequence[PriceBar]) -> int:
        """See the port."""
        self._must_be_ours(pool)
        seeded = 0
        for width_s, known in self._bars.items():
            older = [bar for bar in bars if bar.width_s == width_s and (not known or bar.start_s < known[0].start_s)]
            known[:0] = sorted(older, key=_START)
            seeded += len(older)
        return seeded

    def history_end(self, pool: str) -> HistoryEnd:
        """See the port."""
        self._must_be_ours(pool)
        minutes, hours = self._bars[MINUTE_S], self._bars[HOUR_S]
        return HistoryEnd(
            minute=minutes[-1] if minutes else None,
            hour_s=hours[-1].start_s if hours else None,
            sample_s=self._samples[-1].timestamp_s if self._samples else None,
            quote_s=self._quotes[-1].seen_s if self._quotes else None,
        )

    def bars(self, pool: str, width_s: int, *, since_s: int, before_s: int) -> tuple[PriceBar, ...]:
        """See the port."""
        self._must_be_ours(pool)
        known = self._bars[width_s]
        return tuple(known[bisect_left(known, since_s, key=_START) : bisect_left(known, before_s, key=_START)])

    def newest_quotes(self, names: Iterable[str]) -> dict[str, Quote]:
        """See the port."""
        return {name: self._newest[name] for name in names if name in self._newest}

    def market_history(self, pool: str, since: Since, *, up_to_s: int) -> MarketHistory:
        """See the port."""
        samples, quotes = self._samples, self._quotes
        return MarketHistory(
            pool=pool,
            minutes=self.bars(pool, MINUTE_S, since_s=since.minutes_s, before_s=up_to_s - MINUTE_S + 1),
            hours=self.bars(pool, HOUR_S, since_s=since.hours_s, before_s=up_to_s - HOUR_S + 1),
            samples=tuple(
                samples[bisect_left(samples, since.samples_s, key=_TIME) : bisect_right(samples, up_to_s, key=_TIME)]
            ),
            quotes=tuple(quotes[bisect_left(quotes, since.quotes_s, key=_SEEN) : bisect_right(quotes, up_to_s, key=_SEEN)]),
        )

    def named_history(self, view: MarketView) -> MarketHistory:
        """See the port; of views whose windows have been let go it is told that they cannot be made again."""
        ref = view.history
        found = self.market_history(ref.pool, since(view.now_s), up_to_s=view.now_s)
        if reference(found) != ref:
            raise JournalFault("the stored bars, samples and quotes are not those that the view names")
        return found

    def memory(self) -> Memory:
        """See the port."""
        return self._memory

    def layer_tokens(self) -> dict[int, LayerKind]:
        """See the port; not to be changed by whoever asks."""
        return self._layers

    def adopt(self, token_id: int, layer: LayerKind) -> None:
        """See the port."""
        self._layers[token_id] = layer

    def begin_cycle(
        self, policy: Policy, view: MarketView, readings: Sequence[SignalReading], decision: Decision, plan: Plan | None
    ) -> int:
        """See the port."""
        if self._open is not None:
            raise JournalFault(f"cycle {self._open.id} was never ended")
        self._cycles += 1
        self._open = _Open(self._cycles, policy, view, readings, decision, plan)
        return self._cycles

    def record_intent(self, cycle_id: int, stage: Stage, bounds: Bounds) -> Intent:
        """See the port."""
        self._must_be_open(cycle_id)
        if self._waiting is not None:
            raise JournalFault(f"intent {self._waiting.intent.id} has no final outcome")
        self._intents += 1
        intent = Intent(
            id=self._intents,
            cycle_id=cycle_id,
            stage=stage.kind,
            steps_digest=digest(stage),
            layers=tuple(step.layer for step in stage.steps if isinstance(step, Mint)),
            deadline_s=bounds.deadline_s,
            option=stage.option,
        )
        self._waiting = _Waiting(intent)
        return intent

    def record_attempt(self, attempt: Attempt) -> None:
        """See the port."""
        waiting = self._must_wait(attempt.intent_id)
        if attempt in waiting.attempts:
            return
        if any((one.sequence == attempt.sequence) != (one.nonce == attempt.nonce) for one in waiting.attempts):
            raise JournalFault(f"nonce {attempt.nonce} is not that of transaction {attempt.sequence}")
        waiting.attempts.append(attempt)

    def record_outcome(self, intent: Intent, outcome: StageOutcome, *, now_s: int) -> None:  # ruff: ignore[unused-method-argument] - the port's signature
        """See the port."""
        waiting = self._must_wait(intent.id)
        if isinstance(outcome, Done):
            self._layers.update((minted.token_id, minted.layer) for minted in outcome.minted)
        if isinstance(outcome, Unknown):
            return
        self._waiting = None
        if self._open is not None and self._open.id == waiting.intent.cycle_id:
            self._open.stages.append(StageRecord(kind=intent.stage, outcome=outcome))

    def end_cycle(self, cycle_id: int, state: CycleState, memory: Memory) -> None:
        """See the port."""
        ended = self._must_be_open(cycle_id)
        if ended.plan is not None:
            self.acted.append(ended.record(state))
        self._open, self._memory = None, memory

    def open_intents(self) -> tuple[tuple[Intent, tuple[Attempt, ...]], ...]:
        """See the port."""
        waiting = self._waiting
        return () if waiting is None else ((waiting.intent, tuple(sorted(waiting.attempts, key=attrgetter("sequence")))),)

    def cycle(self, cycle_id: int) -> CycleRecord:
        """See the port; a hold that has ended is not kept."""
        place = bisect_left(self.acted, cycle_id, key=attrgetter("id"))
        if place < len(self.acted) and self.acted[place].id == cycle_id:
            return self.acted[place]
        raise KeyError(cycle_id)

    def open_cycle(self) -> CycleRecord | None:
        """See the port."""
        return None if self._open is None else self._open.record(CycleState.UNKNOWN)

    def control(self) -> str | None:
        """See the port."""
        return None if self._halted is None else f"halted: {self._halted}"

    def halt(self, why: str) -> None:
        """See the port."""
        self._halted = why

    @property
    def cycles(self) -> int:
        """How many were begun."""
        return self._cycles

    @property
    def layers(self) -> Mapping[int, LayerKind]:
        """Layer of every position that ever was."""
        return self._layers

    def _let_go(self, start_s: int, end_s: int) -> None:
        """Forget rows of closed minutes at once, and what lies before the windows with the minutes that end a day."""
        # the newest row before the next minute tells nothing that the newest bar does not
        del self._rows[: bisect_left(self._rows, end_s, key=_TIME)]
        if start_s // DAY_S == end_s // DAY_S:
            return
        windows = since(end_s)
        for width_s, begin_s in ((MINUTE_S, windows.minutes_s), (HOUR_S, windows.hours_s)):
            known = self._bars[width_s]
            del known[: bisect_left(known, begin_s, key=_START)]
        del self._samples[: bisect_left(self._samples, windows.samples_s, key=_TIME)]
        del self._quotes[: bisect_left(self._quotes, windows.quotes_s, key=_SEEN)]

    def _must_be_ours(self, pool: str) -> None:
        if pool != self._pool:
            raise JournalFault(f"this journal follows {self._pool}, not {pool}")

    def _must_be_open(self, cycle_id: int) -> _Open:
        if self._open is None or self._open.id != cycle_id:
            raise JournalFault(f"cycle {cycle_id} is not open")
        return self._open

    def _must_wait(self, intent_id: int) -> _Waiting:
        if self._waiting is None or self._waiting.intent.id != intent_id:
            raise JournalFault(f"intent {intent_id} is not open")
        return self._waiting

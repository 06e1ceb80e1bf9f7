"""The append-only truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from keeper.core.model.bar import HOUR_S, MarketHistory, PriceBar, Quote
from keeper.core.model.decision import Decision
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Bounds, Plan, Stage, StageOutcome
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import Attempt, CycleRecord, CycleState, Intent
from keeper.core.model.view import MarketView, Memory, SignalReading
from keeper.core.signals.windows import Since
from keeper.ports.executor import AttemptLog


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEnd:
    """The newest of every stored series; None where a series is empty."""

    minute: PriceBar | None
    hour_s: int | None
    """Start of the newest hour."""
    sample_s: int | None
    quote_s: int | None
    """When the newest quote was seen."""

    @property
    def known_until_s(self) -> int:
        """Chain time of the newest that is known; 0 when nothing is."""
        minute_end_s = 0 if self.minute is None else self.minute.end_s
        hour_end_s = 0 if self.hour_s is None else self.hour_s + HOUR_S
        return max(minute_end_s, hour_end_s, self.sample_s or 0, self.quote_s or 0)


class ReadableJournal(Protocol):
    """The reading half: enough to think, and open beside a keeper that writes."""

    def last_price_block(self, pool: str) -> int | None:
        """Newest block of the stored history; None when there is none."""
        ...

    def prices(self, pool: str, *, since_s: int, up_to_block: int) -> tuple[BlockPrice, ...]:
        """The stored price rows from ``since_s`` (chain time) up to a block, oldest first."""
        ...

    def history_end(self, pool: str) -> HistoryEnd:
        """Where the stored series of that signal pool end."""
        ...

    def bars(self, pool: str, width_s: int, *, since_s: int, before_s: int) -> tuple[PriceBar, ...]:
        """The stored bars of one width that begin at ``since_s`` or later and before ``before_s``, oldest first."""
        ...

    def newest_quotes(self, names: Iterable[str]) -> Mapping[str, Quote]:
        """The newest stored quote of each of the names."""
        ...

    def market_history(self, pool: str, since: Since, *, up_to_s: int) -> MarketHistory:
        """Everything within the windows that was known at ``up_to_s`` (chain time)."""
        ...

    def named_history(self, view: MarketView) -> MarketHistory:
        """The history that a stored view names.

        Raises:
            JournalFault: it is not what the view was made of.
        """
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

    def append_history(self, news: MarketHistory) -> None:
        """Store bars, samples and quotes that follow on the newest stored ones; what is there already is left as it is."""
        ...

    def seed_bars(self, pool: str, bars: Sequence[PriceBar]) -> int:
        """Store bars of before the oldest stored one of their width; gives how many there were.

        What a cycle has seen is not touched: bars in between are left out, so that every journaled view stays true.
        """
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

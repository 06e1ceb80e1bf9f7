"""How far back the readings look.

Every series begins a fixed time before the last turn, so that the state made of it is the same whoever makes it and whenever: a
keeper that has run for weeks and one that was just started read the same numbers. At each turn it is made anew. A turn is a
midnight in UTC, every four weeks: more often, a year's backtest would spend its time on making the same sums again; less often,
a start would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from keeper.core.model.bar import DAY_S, MarketHistory
from keeper.core.signals.order import Kind, Piece, named_at_s

HOURS_BACK_S = 180 * DAY_S
MINUTES_BACK_S = 30 * DAY_S
TURN_S = 28 * DAY_S
"""Between two turns; whole weeks, as refits are weekly."""
_FIRST_TURN_S = 7 * DAY_S
"""From which turns are counted: a Thursday, as every later one."""
SAMPLES_BACK_S = 31 * DAY_S
"""A day more than the longest window that is measured over samples."""
QUOTES_BACK_S = 31 * DAY_S
_KINDS = tuple(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """Chain times from which each series is looked at; all are midnights in UTC."""

    turn_s: int
    """The turn before the moment."""
    minutes_s: int
    hours_s: int
    samples_s: int
    quotes_s: int

    def of(self, kind: Kind) -> int:
        """The window of that series."""
        return (self.minutes_s, self.hours_s, self.samples_s, self.quotes_s)[kind]


def since(now_s: int) -> Since:
    """The windows of the four weeks that ``now_s`` lies in."""
    turn_s = (now_s - _FIRST_TURN_S) // TURN_S * TURN_S + _FIRST_TURN_S
    return Since(
        turn_s=turn_s,
        minutes_s=turn_s - MINUTES_BACK_S,
        hours_s=turn_s - HOURS_BACK_S,
        samples_s=turn_s - SAMPLES_BACK_S,
        quotes_s=turn_s - QUOTES_BACK_S,
    )


def within(history: MarketHistory, begin: Since) -> MarketHistory:
    """The part of a history that the windows look at; each series is in order of time."""
    series: tuple[Sequence[Piece], ...] = (history.minutes, history.hours, history.samples, history.quotes)
    if all([named_at_s(pieces[0]) >= begin.of(kind) for kind, pieces in zip(_KINDS, series, strict=True) if pieces]):
        return history
    return replace(
        history,
        minutes=tuple(bar for bar in history.minutes if bar.start_s >= begin.minutes_s),
        hours=tuple(bar for bar in history.hours if bar.start_s >= begin.hours_s),
        samples=tuple(sample for sample in history.samples if sample.timestamp_s >= begin.samples_s),
        quotes=tuple(quote for quote in history.quotes if quote.seen_s >= begin.quotes_s),
    )

"""How far back the readings look.

Every series begins at a midnight, so that the state made of it is the same whoever makes it and whenever in the day: a keeper
that has run since the morning and one that was just started read the same numbers. At each midnight it is made anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from keeper.core.model.bar import DAY_S, MarketHistory
from keeper.core.signals.order import Kind

HOURS_BACK_S = 180 * DAY_S
MINUTES_BACK_S = 30 * DAY_S
SAMPLES_BACK_S = 31 * DAY_S
"""A day more than the longest window that is measured over samples."""
QUOTES_BACK_S = 31 * DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """Chain times from which each series is looked at; all are midnights in UTC."""

    midnight_s: int
    """Of the day itself."""
    minutes_s: int
    hours_s: int
    samples_s: int
    quotes_s: int

    def of(self, kind: Kind) -> int:
        """The window of that series."""
        return (self.minutes_s, self.hours_s, self.samples_s, self.quotes_s)[kind]


def since(now_s: int) -> Since:
    """The windows of the day that ``now_s`` lies in."""
    midnight_s = now_s // DAY_S * DAY_S
    return Since(
        midnight_s=midnight_s,
        minutes_s=midnight_s - MINUTES_BACK_S,
        hours_s=midnight_s - HOURS_BACK_S,
        samples_s=midnight_s - SAMPLES_BACK_S,
        quotes_s=midnight_s - QUOTES_BACK_S,
    )


def within(history: MarketHistory, begin: Since) -> MarketHistory:
    """The part of a history that the windows look at."""
    return replace(
        history,
        minutes=tuple(bar for bar in history.minutes if bar.start_s >= begin.minutes_s),
        hours=tuple(bar for bar in history.hours if bar.start_s >= begin.hours_s),
        samples=tuple(sample for sample in history.samples if sample.timestamp_s >= begin.samples_s),
        quotes=tuple(quote for quote in history.quotes if quote.seen_s >= begin.quotes_s),
    )

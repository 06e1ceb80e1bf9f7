"""The stored series as one stream, and what names a stretch of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from enum import IntEnum
from heapq import merge

from keeper.core.model.bar import NOTHING, HistoryRef, MarketHistory, PriceBar, Quote, Sample, Stretch

Piece = PriceBar | Sample | Quote


class Kind(IntEnum):
    """Which series a piece is of; at one moment they come in this order."""

    MINUTE = 0
    HOUR = 1
    SAMPLE = 2
    QUOTE = 3


def in_order(history: MarketHistory) -> Iterator[tuple[Kind, Piece]]:
    """Every piece when it became known: a bar at its end, a sample at its block, a quote when it was seen."""
    if not (history.hours or history.samples or history.quotes):
        return ((Kind.MINUTE, bar) for bar in history.minutes)
    series = (
        ((Kind.MINUTE, bar) for bar in history.minutes),
        ((Kind.HOUR, bar) for bar in history.hours),
        ((Kind.SAMPLE, sample) for sample in history.samples),
        ((Kind.QUOTE, quote) for quote in history.quotes),
    )
    return merge(*series, key=lambda one: (known_at_s(one[1]), one[0]))


class Tally:
    """Counts pieces as they come and takes their digest.

    Args:
        pool: address of the signal pool.
    """

    def __init__(self, pool: str) -> None:
        self._pool = pool
        self._digest = hashlib.sha256(pool.encode())
        self._firsts, self._lasts, self._rows = ([0] * len(Kind) for _ in range(3))
        self._ref: HistoryRef | None = None

    def add(self, kind: Kind, piece: Piece, *, not_before_s: int = 0) -> None:
        """Count one more.

        Raises:
            ValueError: it is older than the one before of its kind, a bar of the same time, or older than ``not_before_s``.
        """
        at_s, last_s = named_at_s(piece), self._lasts[kind]
        least_s = last_s + isinstance(piece, PriceBar) if self._rows[kind] else 0
        if at_s < least_s or at_s < not_before_s:
            raise ValueError(f"{kind.name.lower()} of {at_s} s: the newest is of {last_s} s, the window from {not_before_s} s")
        if not self._rows[kind]:
            self._firsts[kind] = at_s
        self._lasts[kind] = at_s
        self._rows[kind] += 1
        self._digest.update(repr(piece).encode())
        self._ref = None

    @property
    def ref(self) -> HistoryRef:
        """Names what was counted."""
        if self._ref is None:
            self._ref = HistoryRef(
                pool=self._pool,
                minutes=self._stretch(Kind.MINUTE),
                hours=self._stretch(Kind.HOUR),
                samples=self._stretch(Kind.SAMPLE),
                quotes=self._stretch(Kind.QUOTE),
                digest=self._digest.hexdigest(),
            )
        return self._ref

    def _stretch(self, kind: Kind) -> Stretch:
        if not self._rows[kind]:
            return NOTHING
        return Stretch(first_s=self._firsts[kind], last_s=self._lasts[kind], rows=self._rows[kind])


def reference(history: MarketHistory) -> HistoryRef:
    """Names a whole history."""
    tally = Tally(history.pool)
    for kind, piece in in_order(history):
        tally.add(kind, piece)
    return tally.ref


def known_at_s(piece: Piece) -> int:
    """The time at which the piece became known."""
    return piece.end_s if isinstance(piece, PriceBar) else named_at_s(piece)


def named_at_s(piece: Piece) -> int:
    """The time by which a stretch names the piece."""
    match piece:
        case PriceBar():
            return piece.start_s
        case Sample():
            return piece.timestamp_s
        case Quote():
            return piece.seen_s

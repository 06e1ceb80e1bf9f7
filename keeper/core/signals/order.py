"""The stored series as one stream, and what names a stretch of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import IntEnum
from heapq import merge
from itertools import repeat
from operator import attrgetter
from types import MappingProxyType

from keeper.core.model.bar import NOTHING, HistoryRef, MarketHistory, PriceBar, Quote, Sample, Stretch

Piece = PriceBar | Sample | Quote


class Kind(IntEnum):
    """Which series a piece is of; at one moment they come in this order."""

    MINUTE = 0
    HOUR = 1
    SAMPLE = 2
    QUOTE = 3


_KINDS = tuple(Kind)


def in_order(history: MarketHistory) -> Iterator[tuple[Kind, Piece]]:
    """Every piece when it became known: a bar at its end, a sample at its block, a quote when it was seen."""
    known: tuple[Sequence[Piece], ...] = (history.minutes, history.hours, history.samples, history.quotes)
    series = [zip(repeat(kind), pieces, strict=False) for kind, pieces in zip(_KINDS, known, strict=True) if pieces]
    if len(series) == 1:
        return series[0]
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
        self._stretches: list[Stretch | None] = [NOTHING] * len(Kind)
        self._ref: HistoryRef | None = None

    def add(self, kind: Kind, piece: Piece, *, not_before_s: int = 0) -> None:
        """Count one more.

        Raises:
            ValueError: it is older than the one before of its kind, a bar of the same time, or older than ``not_before_s``.
        """
        at_s, last_s, rows = named_at_s(piece), self._lasts[kind], self._rows[kind]
        if at_s < not_before_s or (rows and at_s < last_s + isinstance(piece, PriceBar)):
            raise ValueError(f"{kind.name.lower()} of {at_s} s: the newest is of {last_s} s, the window from {not_before_s} s")
        if not rows:
            self._firsts[kind] = at_s
        self._lasts[kind] = at_s
        self._rows[kind] = rows + 1
        self._digest.update(text_of(piece).encode())
        self._ref = self._stretches[kind] = None

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
        found = self._stretches[kind]
        if found is None:
            found = Stretch(first_s=self._firsts[kind], last_s=self._lasts[kind], rows=self._rows[kind])
            self._stretches[kind] = found
        return found


def reference(history: MarketHistory) -> HistoryRef:
    """Names a whole history."""
    tally = Tally(history.pool)
    for kind, piece in in_order(history):
        tally.add(kind, piece)
    return tally.ref


def known_at_s(piece: Piece) -> int:
    """The time at which the piece became known."""
    return piece.start_s + piece.width_s if isinstance(piece, PriceBar) else named_at_s(piece)


_NAMED_AT: Mapping[type[Piece], Callable[[Piece], int]] = MappingProxyType(
    {PriceBar: attrgetter("start_s"), Sample: attrgetter("timestamp_s"), Quote: attrgetter("seen_s")}
)


def named_at_s(piece: Piece) -> int:
    """The time by which a stretch names the piece."""
    return _NAMED_AT[type(piece)](piece)


def _form(kind: type[Piece]) -> tuple[str, Callable[[Piece], tuple[object, ...]]]:
    """How a piece of that kind is written, and what stands in it."""
    names = [one.name for one in fields(kind)]
    return f"{kind.__qualname__}({', '.join(f'{name}=%r' for name in names)})", attrgetter(*names)


_FORMS = MappingProxyType({kind: _form(kind) for kind in (PriceBar, Sample, Quote)})


def text_of(piece: Piece) -> str:
    """What a digest is taken of: the piece's ``repr``, in a fraction of its time, as every minute goes through it."""
    form, values = _FORMS[type(piece)]
    return form % values(piece)

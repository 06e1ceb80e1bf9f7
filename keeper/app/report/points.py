"""Signals over time: from the cycles of a journal, or from downloaded history by folding it hour by hour."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from keeper.adapters.store.reader import CycleLine, JournalReader
from keeper.core.model.bar import DAY_S, HOUR_S, MarketHistory, PriceBar, Quote, Sample
from keeper.core.model.ladder import LayerKind, Regime
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockRef
from keeper.core.model.view import NO_MEMORY, LayerMemory, Memory, Quality, SignalReading, find_reading
from keeper.core.signals import names
from keeper.core.signals.candle import Lens
from keeper.core.signals.order import Kind, Piece, known_at_s
from keeper.core.signals.state import SignalState
from keeper.core.strategy.regime import next_regime, weather

MOST_POINTS = 2_000
LEAST_POINTS = 48
"""As far as there are so many: of a young journal cycles nearer to one another than an hour are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What was known at one moment."""

    at_s: int
    price: float | None
    """Of the base token in tokens of the quote."""
    regime: Regime
    readings: Sequence[SignalReading]


def step_s(days: int) -> int:
    """Whole hours between two points, so that no series has more than :data:`MOST_POINTS`."""
    return max(math.ceil(days * DAY_S / HOUR_S / MOST_POINTS), 1) * HOUR_S


def chosen_cycles(reader: JournalReader, *, days: int) -> list[int]:
    """Cycles about :func:`step_s` apart over the last days of the journal, oldest first; empty without any cycle."""
    newest = _line(reader, None)
    if newest is None:
        return []
    oldest = _first_since(reader, newest, newest.timestamp_s - days * DAY_S)
    hours = max((newest.timestamp_s - oldest.timestamp_s) // step_s(days), 1)
    count = newest.id - oldest.id
    stride = max(min(count // hours, count // LEAST_POINTS), math.ceil(count / (MOST_POINTS - 1)), 1)
    return sorted({*range(newest.id, oldest.id - 1, -stride)})


def of_journal(reader: JournalReader, cycle_ids: Iterable[int]) -> Iterator[Point]:
    """The cycles as they were journaled; of those at one block only the first."""
    last_s = -1
    for cycle_id in cycle_ids:
        record = reader.cycle(cycle_id)
        if record.view.now_s <= last_s:
            continue
        last_s = record.view.now_s
        values = {one.name: one.value for one in record.readings}
        yield Point(
            at_s=record.view.now_s,
            price=values.get(names.SPOT),
            regime=record.decision.regime,
            readings=record.readings,
        )


def of_history(pieces: Iterable[tuple[Kind, Piece]], policy: Policy, *, since_s: int, every_s: int) -> Iterator[Point]:
    """A point every ``every_s`` from ``since_s`` on, at the end of an hour that is known.

    In one pass, where the daemon makes its state anew at each turn of the windows: averages reach back a little further than
    there. The
    regime is what a keeper would have decided that has held its ladder from the first point on.

    Args:
        pieces: in order, none before the windows of ``since_s``.
        policy: the rules.
        since_s: chain time.
        every_s: whole hours.
    """
    state, lens, memory = SignalState(policy, since_s), Lens(policy), _HOLDS
    for piece in _fed(state, pieces, policy.signal_pool):
        at_s = piece.end_s
        if at_s < since_s or at_s % every_s:
            continue
        readings = state.read(BlockRef(number=0, hash="", timestamp_s=at_s), None)
        decided = next_regime(memory, weather(readings, policy), policy.regimes, policy.stress, at_s)
        if find_reading(readings, names.VOLATILITY_FORECAST).quality is Quality.GOOD:
            memory = replace(
                memory,
                regime=decided.regime,
                regime_since_s=decided.since_s,
                lower_regime_since_s=decided.lower_since_s,
            )
        yield Point(at_s=at_s, price=math.exp(lens.candle(piece).close), regime=decided.regime, readings=readings)


def with_gaps(points: Iterable[Point]) -> Iterator[Point | int]:
    """The points, and between two that lie far apart the time just after the first: there the lines must break."""
    known = list(points)
    usual_s = (
        sorted(after.at_s - before.at_s for before, after in pairwise(known))[(len(known) - 1) // 2] if len(known) > 1 else 0
    )
    for before, after in pairwise(known):
        yield before
        if after.at_s - before.at_s > 3 * usual_s:
            yield before.at_s + usual_s
    yield from known[-1:]


def _fed(state: SignalState, pieces: Iterable[tuple[Kind, Piece]], pool: str) -> Iterator[PriceBar]:
    """Each hour once it and all that was known by its end is taken in."""
    held: dict[Kind, list[Piece]] = {kind: [] for kind in Kind}
    hour: PriceBar | None = None
    for kind, piece in pieces:
        if hour is not None and known_at_s(piece) > hour.end_s:
            state.feed(_history(pool, held))
            yield hour
            held, hour = {kind: [] for kind in Kind}, None
        held[kind].append(piece)
        if kind is Kind.HOUR and isinstance(piece, PriceBar):
            hour = piece
    if hour is not None:
        state.feed(_history(pool, held))
        yield hour


def _history(pool: str, held: dict[Kind, list[Piece]]) -> MarketHistory:
    return MarketHistory(
        pool=pool,
        minutes=tuple(one for one in held[Kind.MINUTE] if isinstance(one, PriceBar)),
        hours=tuple(one for one in held[Kind.HOUR] if isinstance(one, PriceBar)),
        samples=tuple(one for one in held[Kind.SAMPLE] if isinstance(one, Sample)),
        quotes=tuple(one for one in held[Kind.QUOTE] if isinstance(one, Quote)),
    )


def _line(reader: JournalReader, before: int | None) -> CycleLine | None:
    return next(iter(reader.cycles(limit=1, before=before)), None)


def _first_since(reader: JournalReader, newest: CycleLine, since_s: int) -> CycleLine:
    """The oldest cycle at or after that chain time, by halving: a journal may hold half a million."""
    found, low, high = newest, 1, newest.id
    while low < high:
        middle = (low + high) // 2
        line = _line(reader, middle + 1)
        if line is None or line.timestamp_s < since_s:
            low = middle + 1
        else:
            found, high = line, min(middle, line.id)
    return found


_HOLDS: Memory = replace(
    NO_MEMORY,
    layers=(
        LayerMemory(kind=LayerKind.CORE, placed_at_s=0, outside_since_s=None, drifted_since_s=None, in_range_s=0, watched_s=0),
    ),
)
"""Of a keeper with a ladder, so that its regime has hysteresis."""

"""Copying a journal while it is written, and finding out whether one is whole."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, select, text

from keeper.adapters.store import rows, series
from keeper.adapters.store.tables import cycles
from keeper.core.model.bar import HistoryRef, MarketHistory, PriceBar, Quote, Sample, Stretch
from keeper.core.model.errors import ConfigError, JournalFault
from keeper.core.model.view import MarketView
from keeper.core.signals.order import Piece, Tally, in_order, known_at_s, named_at_s
from keeper.core.signals.windows import TURN_S, since

P = TypeVar("P", PriceBar, Sample, Quote)


def copy(connection: Connection, target: Path) -> None:
    """Copy the database of ``connection`` to ``target``: the name appears only when the copy is whole and on the disk.

    Raises:
        ConfigError: ``target`` exists, or cannot be made.
        sqlite3.Error: the copy failed.
    """
    try:
        if target.exists():
            raise ConfigError([f"backup {target}: it exists"])
        descriptor, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise ConfigError([f"backup {target}: {error.strerror}"]) from error
    os.close(descriptor)
    part = Path(name)
    try:
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        with closing(sqlite3.connect(part)) as destination:
            source.backup(destination)
            # a copy is one file: no log beside it that could be forgotten
            destination.execute("PRAGMA journal_mode=DELETE").fetchall()
        _sync(part)
        part.replace(target)
        _sync(target.parent)
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def problems(connection: Connection, *, newest: int | None) -> tuple[str, ...]:
    """What is wrong, one line each; with damaged pages nothing further is read.

    Args:
        connection: inside a transaction, so that everything is of one state.
        newest: how many of the newest cycles to read back; None for all.
    """
    damage = [line for (line,) in connection.execute(text("PRAGMA integrity_check")) if line != "ok"]
    if damage:
        return tuple(damage)
    return (*_broken_references(connection), *_changed_cycles(connection, newest))


def _broken_references(connection: Connection) -> Iterator[str]:
    for table, rowid, parent, _ in connection.execute(text("PRAGMA foreign_key_check")):
        yield f"row {rowid} of {table} refers to no row of {parent}"


def _changed_cycles(connection: Connection, newest: int | None) -> Iterator[str]:
    wanted = [cycle_id for (cycle_id,) in connection.execute(select(cycles.c.id).order_by(cycles.c.id.desc()).limit(newest))]
    walk: _Walk | None = None
    for cycle_id in reversed(wanted):
        try:
            view = _read_back(connection, cycle_id)
            if not series.is_of_before_bars(view.history):
                walk = _leading_to(connection, view, walk)
                walk.check(view.history)
        except (JournalFault, KeyError, ValueError, zlib.error) as error:
            yield f"cycle {cycle_id}: {error}"


def _read_back(connection: Connection, cycle_id: int) -> MarketView:
    rows.memory_left(connection, cycle_id)
    return rows.cycle_record(connection, cycle_id).view


def _leading_to(connection: Connection, view: MarketView, walk: _Walk | None) -> _Walk:
    return walk if walk is not None and walk.leads_to(view) else _Walk(connection, view)


class _Walk:
    """The stored series of the windows between two turns, walked once for all cycles there: each names a beginning of them.

    Args:
        connection: inside a transaction.
        view: of the first of the cycles.
    """

    def __init__(self, connection: Connection, view: MarketView) -> None:
        ref, self._since = view.history, since(view.now_s)
        stored = series.within(connection, ref.pool, self._since, up_to_s=self._since.turn_s + TURN_S)
        history = MarketHistory(
            pool=ref.pool,
            minutes=_from(ref.minutes, stored.minutes, view.now_s),
            hours=_from(ref.hours, stored.hours, view.now_s),
            samples=_from(ref.samples, stored.samples, view.now_s),
            quotes=_from(ref.quotes, stored.quotes, view.now_s),
        )
        parts: tuple[tuple[Piece, ...], ...] = (history.minutes, history.hours, history.samples, history.quotes)
        self._firsts = tuple(
            stretch.first_s if stretch.rows else next((named_at_s(piece) for piece in part), 0)
            for stretch, part in zip(_stretches(ref), parts, strict=True)
        )
        self._tally = Tally(ref.pool)
        self._count = 0
        self._pieces = in_order(history)

    def leads_to(self, view: MarketView) -> bool:
        """Whether the view's rows begin where the walk did and do not end before it.

        Another turn or pool asks for another walk, and so do bars that were seeded and a node that lagged behind.
        """
        ref = view.history
        begins_there = all(s.first_s in {0, first} for s, first in zip(_stretches(ref), self._firsts, strict=True))
        same_windows = since(view.now_s) == self._since and ref.pool == self._tally.ref.pool
        return same_windows and begins_there and _rows(ref) >= self._count

    def check(self, ref: HistoryRef) -> None:
        """Go on to where the view's rows end, and compare.

        Raises:
            JournalFault: the rows are not those of the view.
        """
        while self._count < _rows(ref) and (one := next(self._pieces, None)):
            self._tally.add(*one)
            self._count += 1
        if self._tally.ref != ref:
            raise JournalFault("the stored bars, samples and quotes are not those that the view names")


def _from(stretch: Stretch, stored: tuple[P, ...], now_s: int) -> tuple[P, ...]:
    """What a view of ``now_s`` names and what follows; all that became known later when it names none."""
    if stretch.rows:
        return tuple(piece for piece in stored if named_at_s(piece) >= stretch.first_s)
    return tuple(piece for piece in stored if known_at_s(piece) > now_s)


def _stretches(ref: HistoryRef) -> tuple[Stretch, ...]:
    return ref.minutes, ref.hours, ref.samples, ref.quotes


def _rows(ref: HistoryRef) -> int:
    return sum(stretch.rows for stretch in _stretches(ref))

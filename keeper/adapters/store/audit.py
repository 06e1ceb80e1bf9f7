"""Copying a journal while it is written, and finding out whether one is whole."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, select, text

from keeper.adapters.store import rows
from keeper.adapters.store.tables import cycles
from keeper.core.model.errors import ConfigError, JournalFault


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
    for (cycle_id,) in connection.execute(select(cycles.c.id).order_by(cycles.c.id.desc()).limit(newest)):
        try:
            rows.cycle_record(connection, cycle_id)
            rows.memory_left(connection, cycle_id)
        except (JournalFault, KeyError, ValueError, zlib.error) as error:
            yield f"cycle {cycle_id}: {error}"

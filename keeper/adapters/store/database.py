"""Opening the journal's file, and naming what goes wrong with it."""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from keeper.adapters.store.tables import REVISION
from keeper.core.model.errors import ConfigError, JournalFault

BUSY_TIMEOUT_S = 5.0
"""Longest wait for another process that is writing."""


def writing_engine(path: Path) -> Engine:
    """Connections that may write: write-ahead log, every commit synced, foreign keys enforced, one writer at a time."""
    engine = _engine(path, mode="rw", pragmas=("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"))

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # taking the write lock first: a transaction that read before it writes would fail when another process wrote between
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def reading_engine(path: Path) -> Engine:
    """Connections that cannot write, and see one state of the journal in each transaction."""
    engine = _engine(path, mode="ro", pragmas=("query_only=ON",))

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _engine(path: Path, *, mode: str, pragmas: tuple[str, ...]) -> Engine:
    address = f"{path.absolute().as_uri()}?mode={mode}"

    def connect() -> sqlite3.Connection:
        # isolation_level None: the driver would begin and commit on its own, and not where it should
        connection = sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}").fetchall()
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    return create_engine("sqlite+pysqlite://", creator=connect, poolclass=QueuePool, hide_parameters=True)


def make_private_file(path: Path) -> None:
    """An empty file that only its owner may read, in a folder made likewise; what exists keeps its content.

    Raises:
        OSError: it cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def revision_of(connection: Connection) -> str | None:
    """The migration that the file is at; None when it is empty.

    Raises:
        ConfigError: there are tables, and no migration of ours made them.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    revision = connection.scalar(text("SELECT version_num FROM alembic_version")) if "alembic_version" in tables else None
    if revision is None:
        raise ConfigError(["the file holds a database that is not a journal"])
    return str(revision)


def require_current(connection: Connection, path: Path) -> None:
    """Refuse a journal of another schema than this code's.

    Raises:
        ConfigError: it is older, newer, empty, or none at all.
    """
    found = revision_of(connection)
    if found != REVISION:
        raise ConfigError([f"journal {path}: schema is {found or 'empty'}, this keeper's is {REVISION}"])


@contextmanager
def faults_named(path: Path) -> Generator[None]:
    """Whatever the database, the disk or a damaged document raises becomes a :class:`JournalFault` that tells no values."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, zlib.error, ValueError, OverflowError, OSError) as error:
        raise JournalFault(f"journal {path}: {_reason(error)}") from error


@contextmanager
def refusals_named(path: Path) -> Generator[None]:
    """The same at the start, when nothing has happened yet: a :class:`ConfigError`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise ConfigError([f"journal {path}: {_reason(error)}"]) from error


def _reason(error: Exception) -> str:
    if isinstance(error, DBAPIError):
        return str(error.orig)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or type(error).__name__
    if isinstance(error, ValueError):
        # a document's own words could be long, and are in the chained error
        return f"a document cannot be written or read ({type(error).__name__})"
    return f"{type(error).__name__}: {error}"

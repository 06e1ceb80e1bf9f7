"""Where a study is kept: a journal file for the processes of one machine, a PostgreSQL database for those of many."""

from __future__ import annotations

import fcntl
import json
import os
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from keeper.core.model.errors import ConfigError

Lost = Callable[[optuna.Study, FrozenTrial], None]
"""What to do with a trial whose worker was lost."""

_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalPlace:
    """A file on a disk of this machine."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabasePlace:
    """A PostgreSQL database."""

    url: str = field(repr=False)
    """With its password, if it has one: not to be shown."""
    heartbeat_s: int = 60
    """A worker says this often that it is alive; after twice as long without a word its trial counts as lost."""


Place = JournalPlace | DatabasePlace


def place_of(text: str) -> Place:
    """The place that is meant by a path or by a ``postgresql://`` address.

    Raises:
        ConfigError: it is an address of something else.
    """
    if "://" not in text:
        return JournalPlace(path=Path(text).expanduser())
    scheme = next((scheme for scheme in _SCHEMES if text.startswith(scheme)), None)
    if scheme is None:
        raise ConfigError([f"a study is kept in a file or at postgresql://..., not at {text.partition('://')[0]}://..."])
    return DatabasePlace(url=f"postgresql+psycopg://{text.removeprefix(scheme)}")


def exists(place: Place) -> bool:
    """Whether there may be a study at the place: a database always may hold one."""
    return isinstance(place, DatabasePlace) or place.path.is_file()


def open_storage(place: Place, lost: Lost) -> BaseStorage:
    """Storage at the place, made when it is not there.

    Args:
        place: where.
        lost: called once for each trial of a database whose worker has fallen silent; of a journal see :func:`alone`.

    Raises:
        ConfigError: it cannot be opened, or is damaged.
    """
    if isinstance(place, JournalPlace):
        return _open_journal(place.path)
    return _open_database(place, lost)


@contextmanager
def working(place: Place) -> Generator[None]:
    """While it lasts others see that somebody works on the study; the kernel ends it with the process, however that dies."""
    if isinstance(place, DatabasePlace):
        yield
        return
    with _workers_file(place).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(place: Place) -> Generator[bool]:
    """Whether no process works on the journal; while it lasts none begins. Of a database, never: there the heartbeat tells."""
    if isinstance(place, DatabasePlace):
        yield False
        return
    with _workers_file(place).open("ab") as file:
        yield _try_lock(file)


class MendingJournal(JournalFileBackend):
    """A journal that survives the kill of a writer at any point.

    The lock is the kernel's and goes with the process; a line that was torn is cut off before the next one is written. What was
    torn had not happened yet.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append whole lines, on disk when it returns."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with self._path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _mend(file)
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())


def _mend(file: BinaryIO) -> None:
    """Leave the file at the end of its last whole line, and nothing behind it."""
    end = file.seek(0, os.SEEK_END)
    whole = end
    while whole:
        begin = max(whole - 65_536, 0)
        file.seek(begin)
        found = file.read(whole - begin).rfind(b"\n")
        whole = begin + found + 1
        if found >= 0:
            break
    if whole < end:
        file.truncate(whole)
    file.seek(whole)


def _workers_file(place: JournalPlace) -> Path:
    return place.path.with_name(place.path.name + ".workers")


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open_journal(path: Path) -> BaseStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(MendingJournal(path))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read and written: {error.strerror}"]) from None
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError):
        raise ConfigError([f"{path}: is not the journal of a study, or is damaged; it was not touched"]) from None


def _open_database(place: DatabasePlace, lost: Lost) -> BaseStorage:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        try:
            return RDBStorage(
                place.url,
                # a trial takes minutes and a statement milliseconds: no connection is held in between
                engine_kwargs={"poolclass": NullPool},
                heartbeat_interval=place.heartbeat_s,
                heartbeat_stale_trial_callback=lost,
            )
        except ImportError:
            raise ConfigError(["a study in PostgreSQL needs psycopg: pip install 'lp-keeper[postgresql]'"]) from None
        except SQLAlchemyError as error:
            cause = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
            raise ConfigError([f"the database of the study cannot be used: {cause}"]) from None

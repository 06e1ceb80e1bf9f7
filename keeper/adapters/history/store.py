"""Events of pools in Parquet files by month, and who may write them.

``<root>/<chain id>/<pool>/`` holds ``manifest.json``, ``events/<month>/<first block>-<last block>-<digest>.parquet`` and
``states/<block>-<digest>.json.gz``. A file counts once the manifest names it, and the manifest is replaced in one step, after
the files: a run that is killed anywhere leaves what was there before, and at most a file that the next run removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import duckdb

from keeper.adapters.evm.event_rows import EventRow
from keeper.adapters.history.manifest import (
    NAME,
    Coverage,
    Manifest,
    StoredFile,
    StoredState,
    Tail,
    read_manifest,
    settle,
    sha256_of,
    write_manifest,
)
from keeper.adapters.history.rows import COLUMNS, KEY
from keeper.adapters.history.states import STATES, WholePool, encode_state
from keeper.core.model.errors import ConfigError, Fault

EVENTS = "events"
MOST_PARTS = 8
"""Files that a month may have before they are made one."""
MEMORY_LIMIT = "512MB"
"""Of the database that sorts and joins; past it, it spills into the store's folder."""

_OTHERS = [column for column in COLUMNS if column not in KEY]
# ruff: file-ignore[hardcoded-sql-expression] - every name in these statements is ours; paths are quoted
_MERGE = (
    f"select block_number, log_index, {', '.join(f'max({column}) as {column}' for column in _OTHERS)},"
    f" {' or '.join(f'coalesce(min({column}) <> max({column}), false)' for column in _OTHERS)} as clash"
    " from {source} group by block_number, log_index"
)


class StoreBusy(ConfigError):
    """Another process writes into this folder."""


class StoreConflict(Fault):
    """What is to be stored contradicts what is."""


def folder_of(root: Path, chain_id: int, pool: str) -> Path:
    """Where a pool's history lies."""
    return root / str(chain_id) / pool.lower()


def pools_in(root: Path) -> tuple[Path, ...]:
    """Folders with a manifest, in order of chain and pool."""
    return tuple(sorted(path.parent for path in root.glob(f"*/*/{NAME}")))


def open_database(spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A database in memory that reaches for no network; past its limit it spills into ``spill``, if there is one."""
    config: dict[str, Any] = {"memory_limit": MEMORY_LIMIT, "autoinstall_known_extensions": "false"}
    if spill is not None:
        config["temp_directory"] = str(spill)
    database = duckdb.connect(":memory:", config=config)
    # It would draw on the terminal by itself when a statement takes long.
    database.execute("set enable_progress_bar = false")
    return database


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of rows that were to be stored."""

    rows: int
    """New to the store."""
    duplicates: int
    """Stored before, or given twice."""


class PoolWriter:
    """The one who may write a pool's folder; a context manager that lets go of it.

    Args:
        root: of the store; made when missing.
        chain_id: of the chain.
        pool: address.

    Raises:
        StoreBusy: another process holds it.
        ConfigError: the folder cannot be made, or its manifest is damaged.
    """

    def __init__(self, root: Path, *, chain_id: int, pool: str) -> None:
        self.folder = folder_of(root, chain_id, pool)
        try:
            (self.folder / EVENTS).mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.folder / ".lock")
        except OSError as error:
            raise ConfigError([f"data.dir: {self.folder} cannot be written: {error.strerror}"]) from None
        self._scratch = self.folder / "scratch.tmp"
        self._written = set[str]()
        try:
            self.manifest = read_manifest(self.folder) or Manifest(chain_id=chain_id, pool=pool.lower())
            self._sweep()
            self._db = open_database(self._scratch)
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
        os.close(self._lock)

    def add_rows(self, rows: Sequence[EventRow], coverage: Coverage) -> Added:
        """Store events, and that ``coverage`` is complete with them: both or neither.

        Raises:
            StoreConflict: an event is stored already with other values.
        """
        self._spool(rows)
        return self.add_query("from spooled", coverage)

    def add_query(self, query: str, coverage: Coverage) -> Added:
        """Like :meth:`add_rows`, of what a query tells, whose columns are those of the table."""
        self._db.execute(f"create or replace temp table incoming as select {', '.join(COLUMNS)} from ({query})")
        before = sum(file.rows for file in self.manifest.files)
        given = self._number("select count(*) from incoming")
        months = [month for (month,) in self._rows("select distinct strftime(timestamp, '%Y-%m') from incoming order by 1")]
        changed = self.manifest
        for month in months:
            changed = self._with_month(changed, month)
        changed = changed.with_coverage(coverage)
        if changed.tail and changed.tail.coverage.first_block <= coverage.last_block:
            changed = replace(changed, tail=None)
        self._take(changed)
        added = sum(file.rows for file in self.manifest.files) - before
        return Added(rows=added, duplicates=given - added)

    def replace_tail(self, rows: Sequence[EventRow], coverage: Coverage) -> None:
        """Put the newest blocks in place of those that were the newest before."""
        file = None
        if rows:
            self._spool(rows)
            self._merge("spooled")
            file = self._write("select * from merged", "tail")
        self._take(replace(self.manifest, tail=Tail(coverage=coverage, file=file)))

    def drop_tail(self) -> None:
        """Forget the newest blocks."""
        self._take(replace(self.manifest, tail=None))

    def add_states(self, found: Sequence[WholePool]) -> int:
        """Store what whole pools are told of; how many are new.

        Raises:
            StoreConflict: another state of the same block is stored.
        """
        known = {one.block: one for one in self.manifest.states}
        count = len(known)
        (self.folder / STATES).mkdir(exist_ok=True)
        for one in found:
            stored = self._write_state(one)
            if known.setdefault(one.block, stored).sha256 != stored.sha256:
                raise StoreConflict(f"another state of block {one.block} is stored in {self.folder}: nothing was added")
        self._take(replace(self.manifest, states=tuple(known[block] for block in sorted(known))))
        return len(known) - count

    def _write_state(self, one: WholePool) -> StoredState:
        """A finished file that does not count yet."""
        temporary = self._scratch / "state.tmp"
        temporary.write_bytes(encode_state(one.pool))
        digest = sha256_of(temporary)
        name = f"{STATES}/{one.block:09d}-{digest[:12]}.json.gz"
        self._written.add(name)
        settle(temporary, self.folder / name)
        return StoredState(
            name=name,
            sha256=digest,
            block=one.block,
            timestamp_s=one.timestamp_s,
            block_hash=one.block_hash,
            source=one.source,
        )

    def compact(self) -> None:
        """Leave one file a month."""
        changed = self.manifest
        for month in sorted({month_of(file) for file in self.manifest.files}):
            parts = [file for file in changed.files if month_of(file) == month]
            if len(parts) > 1:
                changed = self._replaced(changed, parts, self._one_of(parts, month))
        if changed != self.manifest:
            self._take(changed)

    def _with_month(self, manifest: Manifest, month: str) -> Manifest:
        """The manifest with the incoming rows of one month, whose files are written."""
        of_month = f"(select * from incoming where strftime(timestamp, '%Y-%m') = '{month}')"
        first, last = self._rows(f"select min(block_number), max(block_number) from {of_month}")[0]
        parts = [file for file in manifest.files if month_of(file) == month]
        touched = [file for file in parts if file.first_block <= last and first <= file.last_block]
        source = of_month
        if touched:
            source = f"(from {of_month} union all by name from {self._scan(touched)})"
        if touched or self._number(f"select count(*) - count(distinct (block_number, log_index)) from {of_month}"):
            self._merge(source)
            source = "merged"
        made = self._write(f"from {source}", f"{EVENTS}/{month}")
        changed = self._replaced(manifest, touched, made)
        parts = [file for file in changed.files if month_of(file) == month]
        return self._replaced(changed, parts, self._one_of(parts, month)) if len(parts) > MOST_PARTS else changed

    def _merge(self, source: str) -> None:
        """Make the table ``merged``: one row an event, what one source leaves out filled from another.

        Raises:
            StoreConflict: two sources disagree.
        """
        self._db.execute("create or replace temp table merged as " + _MERGE.format(source=source))
        clash = self._rows("select block_number, log_index from merged where clash order by all limit 1")
        if clash:
            block, index = clash[0]
            raise StoreConflict(f"log {index} of block {block} is stored in {self.folder} with other values: nothing was added")

    def _one_of(self, parts: Sequence[StoredFile], month: str) -> StoredFile:
        return self._write(f"select * from {self._scan(parts)}", f"{EVENTS}/{month}")

    def _replaced(self, manifest: Manifest, old: Sequence[StoredFile], new: StoredFile) -> Manifest:
        kept = [file for file in manifest.files if file not in old]
        return replace(manifest, files=tuple(sorted([*kept, new], key=lambda file: file.first_block)))

    def _write(self, query: str, under: str) -> StoredFile:
        """A finished file that does not count yet."""
        temporary = self._scratch / "part.parquet"
        self._db.execute(
            f"copy (select {', '.join(COLUMNS)} from ({query}) order by block_number, log_index)"
            f" to '{_quoted(temporary)}' (format parquet, compression zstd)"
        )
        extent = "count(*), min(block_number), max(block_number), min(timestamp), max(timestamp)"
        facts = f"select {extent} from read_parquet('{_quoted(temporary)}')"
        rows, first, last, first_s, last_s = self._rows(facts.replace("(timestamp)", "(epoch(timestamp)::bigint)"))[0]
        digest = sha256_of(temporary)
        name = f"{under}/{first:09d}-{last:09d}-{digest[:12]}.parquet"
        (self.folder / under).mkdir(parents=True, exist_ok=True)
        self._written.add(name)
        settle(temporary, self.folder / name)
        return StoredFile(
            name=name, rows=rows, sha256=digest, first_block=first, last_block=last, first_s=first_s, last_s=last_s
        )

    def _take(self, manifest: Manifest) -> None:
        """Make ``manifest`` the truth, and remove what it no longer names."""
        old = (self.manifest.names | self._written) - manifest.names
        write_manifest(self.folder, manifest)
        self.manifest = manifest
        self._written.clear()
        for name in old:
            (self.folder / name).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what an interrupted run left, and make room for this one."""
        for name in orphans(self.folder, self.manifest):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()

    def _spool(self, rows: Sequence[EventRow]) -> None:
        """Make the table ``spooled`` of rows, by way of a text file: nothing else takes them in faster."""
        columns = ", ".join(f"'{name}': '{'BIGINT' if kind == 'TIMESTAMP' else kind}'" for name, kind in COLUMNS.items())
        path = self._scratch / "spool.csv"
        with path.open("w", encoding="ascii") as file:
            file.writelines(",".join(["" if value is None else str(value) for value in row]) + "\n" for row in rows)
        read = f"read_csv('{_quoted(path)}', header=false, auto_detect=false, delim=',', columns={{{columns}}})"
        self._db.execute(
            "create or replace temp table spooled as"
            f" select * replace (make_timestamp(timestamp * 1000000) as timestamp) from {read}"
        )

    def _scan(self, files: Sequence[StoredFile]) -> str:
        return scan([self.folder / file.name for file in files])

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._db.execute(query).fetchall()

    def _number(self, query: str) -> int:
        return int(self._rows(query)[0][0])


def _locked(path: Path) -> int:
    """A lock that ends with the process, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreBusy([f"another download or import is writing {path.parent}: wait for it, or stop it"]) from None
    return descriptor


def month_of(file: StoredFile) -> str:
    """Of the events in a sealed file, such as ``2025-10``."""
    return file.name.split("/")[1]


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def scan(paths: Sequence[Path]) -> str:
    """What stands after ``from`` to read these files, none included, as one table."""
    if not paths:
        empty = ", ".join(f"null::{kind} as {name}" for name, kind in COLUMNS.items())
        return f"(select {empty} limit 0)"
    names = [f"'{_quoted(path)}'" for path in paths]
    return f"read_parquet([{', '.join(names)}])"


def orphans(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Files that an interrupted run left: of no account, and gone with the next run that writes."""
    patterns = (f"{EVENTS}/*/*.parquet", "tail/*.parquet", f"{STATES}/*", "*.tmp")
    found = {str(path.relative_to(folder)) for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return tuple(sorted(found - manifest.names))


@contextlib.contextmanager
def reading(folder: Path) -> Generator[tuple[duckdb.DuckDBPyConnection, Manifest]]:
    """A database, and what counts in ``folder``.

    Raises:
        ConfigError: there is no history.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise ConfigError([f"{folder} holds no history: keeper data download fetches it"])
    with contextlib.closing(open_database()) as database:
        yield database, manifest

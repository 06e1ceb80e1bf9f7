"""Reading a journal, also while a keeper writes it."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine, func, select

from keeper.adapters.store import audit, rows, series
from keeper.adapters.store.database import faults_named, reading_engine, refusals_named, require_current
from keeper.adapters.store.rows import IntentRecord
from keeper.adapters.store.tables import control, cycle_ends, cycles, meta, prices
from keeper.core.model.bar import MarketHistory, PriceBar, Quote
from keeper.core.model.codec import decode
from keeper.core.model.decision import Decision
from keeper.core.model.errors import ConfigError
from keeper.core.model.ladder import LayerKind
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import Attempt, CycleRecord, CycleState, Intent
from keeper.core.model.view import NO_MEMORY, MarketView, Memory
from keeper.core.signals.windows import Since
from keeper.ports.journal import HistoryEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleLine:
    """One cycle in a list."""

    id: int
    started_s: int
    """Wall clock."""
    ended_s: int | None
    """Wall clock; None when it was never ended."""
    block: int
    timestamp_s: int
    """Chain time of the block."""
    state: CycleState | None
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An order that holds until a person takes it back."""

    action: str
    """``halt`` or ``pause``."""
    why: str
    who: str
    at_s: int
    """Wall clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStatus:
    """Where a keeper stands."""

    chain_id: int | None
    account: str | None
    cycles: int
    last_ended: CycleLine | None
    """The newest completed cycle: its age is the keeper's health."""
    open_cycle: int | None
    open_intents: int
    standing: tuple[Standing, ...]
    """Halt first; empty when the keeper may act."""


class JournalReader:  # ruff: ignore[too-many-public-methods] - the port's reading half, and what the commands ask
    """All that can be asked of a journal; every answer is of one state of it.

    Every method raises ``JournalFault`` when the file cannot be read or what is stored contradicts itself.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Generator[Connection]:
        with faults_named(self._path), self._engine.begin() as connection:
            yield connection

    def last_price_block(self, pool: str) -> int | None:
        """Newest block of the stored history; None when there is none."""
        with self._transaction() as connection:
            newest: int | None = connection.scalar(select(func.max(prices.c.block)).where(prices.c.pool == pool))
            return newest

    def prices(self, pool: str, *, since_s: int, up_to_block: int) -> tuple[BlockPrice, ...]:
        """The stored price rows from ``since_s`` (chain time) up to a block, both included, oldest first."""
        # chain time never falls, so the stretch is a range of the primary key once its first block is known
        first = (
            select(prices.c.block)
            .where(prices.c.pool == pool, prices.c.timestamp_s >= since_s)
            .order_by(prices.c.timestamp_s, prices.c.block)
            .limit(1)
        )
        with self._transaction() as connection:
            first_block = connection.scalar(first)
            return () if first_block is None else rows.price_rows(connection, pool, first_block, up_to_block)

    def history_end(self, pool: str) -> HistoryEnd:
        """Where the stored series of that signal pool end."""
        with self._transaction() as connection:
            return series.history_end(connection, pool)

    def bars(self, pool: str, width_s: int, *, since_s: int, before_s: int) -> tuple[PriceBar, ...]:
        """The stored bars of one width that begin at ``since_s`` or later and before ``before_s``, oldest first."""
        with self._transaction() as connection:
            return series.bar_rows(connection, pool, width_s, since_s=since_s, before_s=before_s)

    def first_bar_s(self, pool: str, width_s: int) -> int | None:
        """Start of the oldest stored bar of that width; None when there is none."""
        with self._transaction() as connection:
            return series.first_bar_s(connection, pool, width_s)

    def newest_quotes(self, names: Iterable[str]) -> dict[str, Quote]:
        """The newest stored quote of each of the names."""
        with self._transaction() as connection:
            return series.newest_quotes(connection, names)

    def market_history(self, pool: str, since: Since, *, up_to_s: int) -> MarketHistory:
        """Everything within the windows that was known at ``up_to_s`` (chain time)."""
        with self._transaction() as connection:
            return series.within(connection, pool, since, up_to_s=up_to_s)

    def named_history(self, view: MarketView) -> MarketHistory:
        """The history that a stored view names.

        Raises:
            JournalFault: it is not what the view was made of.
        """
        with self._transaction() as connection:
            return series.named(connection, view.history)

    def memory(self) -> Memory:
        """What the last ended cycle left; ``NO_MEMORY`` before the first."""
        with self._transaction() as connection:
            return rows.memory_left(connection, None) or NO_MEMORY

    def layer_tokens(self) -> dict[int, LayerKind]:
        """Which layer each known position belongs to; positions that were burnt are still told."""
        with self._transaction() as connection:
            return rows.layers_of_tokens(connection)

    def open_intents(self) -> tuple[tuple[Intent, tuple[Attempt, ...]], ...]:
        """Intents without a final outcome, oldest first; attempts by sequence, then in the order of their fee bumps."""
        with self._transaction() as connection:
            return tuple((one.intent, one.attempts) for one in rows.intent_records(connection, cycle_id=None))

    def intents(self, cycle_id: int) -> tuple[IntentRecord, ...]:
        """Everything that a cycle set out to do and what became of it, oldest first."""
        with self._transaction() as connection:
            return rows.intent_records(connection, cycle_id=cycle_id)

    def cycle(self, cycle_id: int) -> CycleRecord:
        """A stored cycle; one that was never ended has the state UNKNOWN.

        Raises:
            KeyError: there is none with this id.
        """
        with self._transaction() as connection:
            return rows.cycle_record(connection, cycle_id)

    def open_cycle(self) -> CycleRecord | None:
        """The cycle that was begun and never ended, as a crash leaves it; None when there is none."""
        with self._transaction() as connection:
            cycle_id = rows.open_cycle_id(connection)
            return None if cycle_id is None else rows.cycle_record(connection, cycle_id)

    def cycles(self, *, limit: int = 20, before: int | None = None) -> tuple[CycleLine, ...]:
        """A page of cycles, newest first.

        Args:
            limit: longest page, >= 1.
            before: only cycles with a smaller id: the last id of the previous page.
        """
        with self._transaction() as connection:
            return _lines(connection, limit=limit, before=before, only_ended=False)

    def standing(self) -> tuple[Standing, ...]:
        """The orders that keep the keeper from acting, halt first; empty when it may act."""
        with self._transaction() as connection:
            return _standing(connection)

    def control(self) -> str | None:
        """Why the keeper must not act; None when it may."""
        for order in self.standing():
            return f"{'halted' if order.action == 'halt' else 'paused'}: {order.why}"
        return None

    def status(self) -> JournalStatus:
        """Where the keeper stands, at one moment."""
        with self._transaction() as connection:
            owner = {key: value for key, value in connection.execute(select(meta.c.key, meta.c.value))}  # ruff: ignore[unnecessary-comprehension] - rows are not pairs to mypy
            ended = _lines(connection, limit=1, before=None, only_ended=True)
            return JournalStatus(
                chain_id=int(owner["chain_id"]) if "chain_id" in owner else None,
                account=owner.get("account"),
                cycles=connection.scalar(select(func.count()).select_from(cycles)) or 0,
                last_ended=ended[0] if ended else None,
                open_cycle=rows.open_cycle_id(connection),
                open_intents=len(rows.intent_records(connection, cycle_id=None)),
                standing=_standing(connection),
            )

    def backup(self, target: Path) -> None:
        """Write a whole and consistent copy, readable by its owner only, while others go on writing.

        Raises:
            ConfigError: ``target`` exists, or cannot be made.
        """
        with faults_named(self._path), self._engine.connect() as connection:
            audit.copy(connection, target)

    def verify(self, *, newest: int | None = None) -> tuple[str, ...]:
        """What is wrong with the file, one line each: damage, broken references, views or prices that changed.

        Args:
            newest: how many of the newest cycles to read back; None for all.
        """
        with self._transaction() as connection:
            return audit.problems(connection, newest=newest)


class JournalSnapshot(JournalReader):
    """A journal as it is at the first question: what others write meanwhile does not show."""

    def __init__(self, engine: Engine, path: Path) -> None:
        super().__init__(engine, path)
        self._connection = engine.connect()

    def close(self) -> None:
        """Let go of the state and of the file; a second call does nothing."""
        self._connection.close()
        super().close()

    @contextmanager
    def _transaction(self) -> Generator[Connection]:
        with faults_named(self._path):
            yield self._connection


def open_reader(path: Path) -> JournalReader:
    """A journal that can only be read; the file is never made.

    Raises:
        ConfigError: there is none, it is of another schema, or it cannot be opened.
    """
    return JournalReader(opened_engine(path), path)


def open_snapshot(path: Path) -> JournalSnapshot:
    """As :func:`open_reader`, for questions whose answers must fit together while a keeper writes."""
    return JournalSnapshot(opened_engine(path), path)


def opened_engine(path: Path) -> Engine:
    """A reading engine of a journal that is known to be one.

    Raises:
        ConfigError: there is none, it is of another schema, or it cannot be opened.
    """
    if not path.is_file():
        raise ConfigError([f"no journal at {path}: a keeper makes it when it first runs"])
    engine = reading_engine(path)
    try:
        with refusals_named(path), engine.begin() as connection:
            require_current(connection, path)
    except ConfigError:
        engine.dispose()
        raise
    return engine


def _lines(connection: Connection, *, limit: int, before: int | None, only_ended: bool) -> tuple[CycleLine, ...]:
    wanted = select(
        cycles.c.id,
        cycles.c.started_s,
        cycle_ends.c.ended_s,
        cycles.c.block,
        cycles.c.timestamp_s,
        cycle_ends.c.state,
        cycles.c.decision,
    ).select_from(cycles.join(cycle_ends, cycle_ends.c.cycle_id == cycles.c.id, isouter=not only_ended))
    if before is not None:
        wanted = wanted.where(cycles.c.id < before)
    return tuple(
        CycleLine(
            id=row.id,
            started_s=row.started_s,
            ended_s=row.ended_s,
            block=row.block,
            timestamp_s=row.timestamp_s,
            state=None if row.state is None else CycleState(row.state),
            decision=decode(Decision, row.decision),
        )
        for row in connection.execute(wanted.order_by(cycles.c.id.desc()).limit(limit))
    )


def _standing(connection: Connection) -> tuple[Standing, ...]:
    orders: list[Standing] = []
    for order, release in (("halt", "clear_halt"), ("pause", "resume")):
        newest = connection.execute(
            select(control).where(control.c.action.in_((order, release))).order_by(control.c.id.desc()).limit(1)
        ).one_or_none()
        if newest is not None and newest.action == order:
            orders.append(Standing(action=order, why=newest.why, who=newest.who, at_s=newest.at_s))
    return tuple(orders)

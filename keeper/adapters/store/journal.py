"""The journal in SQLite: one file, one writer, every write on the disk before it returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.dialects.sqlite import insert as insert_or_leave

from keeper.adapters.store import rows, series
from keeper.adapters.store.database import make_private_file, refusals_named, writing_engine
from keeper.adapters.store.lease import FileLease
from keeper.adapters.store.reader import JournalReader, opened_engine
from keeper.adapters.store.schema import upgrade
from keeper.adapters.store.tables import (
    attempts,
    control,
    cycle_ends,
    cycles,
    intents,
    layer_tokens,
    meta,
    outcomes,
    policies,
)
from keeper.adapters.store.tables import prices as price_table
from keeper.core.model.bar import MarketHistory, PriceBar
from keeper.core.model.codec import digest, encode
from keeper.core.model.decision import Decision
from keeper.core.model.errors import ConfigError, JournalFault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Bounds, Done, Plan, Stage, StageOutcome
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import Attempt, CycleState, Intent
from keeper.core.model.view import MarketView, Memory, SignalReading


class ControlDesk(JournalReader):
    """A journal that a person may also give orders in, while a keeper writes it.

    Args:
        engine: of the journal, able to write.
        path: of the journal.
        who: whose orders they are.
        wall_clock: unix seconds.
    """

    def __init__(self, engine: Engine, path: Path, *, who: str, wall_clock: Callable[[], float] = time.time) -> None:
        super().__init__(engine, path)
        self._who = who
        self._wall_clock = wall_clock

    def pause(self, why: str) -> None:
        """Stop acting until :meth:`resume`."""
        self._order("pause", why)

    def resume(self, why: str = "") -> None:
        """Take a pause back; a halt stays."""
        self._order("resume", why)

    def halt(self, why: str) -> None:
        """Stop acting until a person clears it."""
        self._order("halt", why)

    def clear_halt(self, why: str = "") -> None:
        """Take a halt back; a pause stays."""
        self._order("clear_halt", why)

    def _order(self, action: str, why: str) -> None:
        with self._transaction() as connection:
            connection.execute(insert(control).values(action=action, why=why, who=self._who, at_s=self._wall_s()))

    def _wall_s(self) -> int:
        return int(self._wall_clock())


class SqlJournal(ControlDesk):
    """The keeper's own journal; made by :meth:`open`, which holds the lease until :meth:`close`."""

    def __init__(self, engine: Engine, path: Path, lease: FileLease, *, wall_clock: Callable[[], float]) -> None:
        super().__init__(engine, path, who="keeper", wall_clock=wall_clock)
        self._lease = lease

    @classmethod
    def open(cls, path: Path, *, chain_id: int, account: str, wall_clock: Callable[[], float] = time.time) -> SqlJournal:
        """Open a journal for writing; a missing one is made, an older one is brought to this schema.

        Args:
            path: of the file; ``<path>.lock`` beside it is the lease.
            chain_id: of the chain that the journal is about.
            account: of the wallet that it is about.
            wall_clock: unix seconds.

        Raises:
            ConfigError: another keeper holds it, it is another chain's or another wallet's, it is newer than this code, or it
                cannot be opened.
        """
        lease, engine = _opened(path)
        try:
            with refusals_named(path), engine.begin() as connection:
                _claim(connection, path, {"chain_id": str(chain_id), "account": account})
        except ConfigError:
            engine.dispose()
            lease.release()
            raise
        return cls(engine, path, lease, wall_clock=wall_clock)

    def close(self) -> None:
        """Let go of the file and of the lease; a second call does nothing."""
        super().close()
        self._lease.release()

    def append_prices(self, pool: str, prices: Sequence[BlockPrice]) -> None:
        """Store price rows; what is stored is sealed, so that rows up to the newest known block are left out."""
        with self._transaction() as connection:
            newest = connection.scalar(select(func.max(price_table.c.block)).where(price_table.c.pool == pool))
            fresh = [_price_values(pool, row) for row in prices if newest is None or row.block > newest]
            if fresh:
                connection.execute(insert_or_leave(price_table).on_conflict_do_nothing(index_elements=["pool", "block"]), fresh)

    def append_history(self, news: MarketHistory) -> None:
        """Store bars, samples and quotes; what is stored is sealed, so that what is older than it is left out."""
        with self._transaction() as connection:
            series.append(connection, news)

    def seed_bars(self, pool: str, bars: Sequence[PriceBar]) -> int:
        """Store bars of before the oldest stored one of their width; gives how many there were."""
        with self._transaction() as connection:
            return series.seed(connection, pool, bars)

    def adopt(self, token_id: int, layer: LayerKind) -> None:
        """Assign a position to a layer."""
        with self._transaction() as connection:
            _assign(connection, token_id, layer, since_cycle=rows.open_cycle_id(connection))

    def begin_cycle(
        self, policy: Policy, view: MarketView, readings: Sequence[SignalReading], decision: Decision, plan: Plan | None
    ) -> int:
        """Store what was seen, thought and planned; returns the cycle's id, from 1.

        Raises:
            JournalFault: an earlier cycle was never ended.
        """
        with self._transaction() as connection:
            unended = rows.open_cycle_id(connection)
            if unended is not None:
                raise JournalFault(f"cycle {unended} was never ended")
            policy_digest = digest(policy)
            connection.execute(
                insert_or_leave(policies).values(digest=policy_digest, policy=encode(policy)).on_conflict_do_nothing()
            )
            return _new_id(
                connection.execute(
                    insert(cycles).values(
                        started_s=self._wall_s(),
                        block=view.block.number,
                        timestamp_s=view.block.timestamp_s,
                        policy_digest=policy_digest,
                        view_digest=digest(view),
                        view=encode(view),
                        readings=f"[{','.join(map(encode, readings))}]",
                        decision=encode(decision),
                        plan=None if plan is None else encode(plan),
                    )
                ).inserted_primary_key
            )

    def record_intent(self, cycle_id: int, stage: Stage, bounds: Bounds) -> Intent:
        """Store that a stage is about to be carried out.

        Raises:
            JournalFault: the cycle is not open, or an earlier intent has no final outcome: its nonce may still be in use.
        """
        with self._transaction() as connection:
            _must_be_open(connection, cycle_id)
            for unsettled in rows.intent_records(connection, cycle_id=None):
                raise JournalFault(f"intent {unsettled.intent.id} has no final outcome")
            steps_digest = digest(stage)
            intent_id = _new_id(
                connection.execute(
                    insert(intents).values(
                        cycle_id=cycle_id,
                        kind=stage.kind.value,
                        steps_digest=steps_digest,
                        stage=encode(stage),
                        deadline_s=bounds.deadline_s,
                    )
                ).inserted_primary_key
            )
        return Intent(
            id=intent_id,
            cycle_id=cycle_id,
            stage=stage.kind,
            steps_digest=steps_digest,
            layers=rows.minted_layers(stage),
            deadline_s=bounds.deadline_s,
            option=stage.option,
        )

    def record_attempt(self, attempt: Attempt) -> None:
        """Make ``attempt`` durable; the same one again changes nothing.

        Raises:
            JournalFault: its intent is not open, its hash is another attempt's, or its nonce is not that of its sequence.
        """
        with self._transaction() as connection:
            known = _unsettled(connection, attempt.intent_id).attempts
            if attempt in known:
                return
            if any((one.sequence == attempt.sequence) != (one.nonce == attempt.nonce) for one in known):
                raise JournalFault(
                    f"nonce {attempt.nonce} is not that of transaction {attempt.sequence} of intent {attempt.intent_id}"
                )
            elsewhere = connection.scalar(select(attempts.c.intent_id).where(attempts.c.tx_hash == attempt.tx_hash))
            if elsewhere is not None:
                raise JournalFault(
                    f"transaction {attempt.tx_hash} is already that of intent {elsewhere}: was the chain rewritten?"
                )
            connection.execute(
                insert(attempts).values(
                    intent_id=attempt.intent_id,
                    sequence=attempt.sequence,
                    k=sum(one.sequence == attempt.sequence for one in known),
                    nonce=attempt.nonce,
                    tx_hash=attempt.tx_hash,
                    raw=attempt.raw,
                    max_fee_wei=attempt.max_fee_wei,
                    tip_wei=attempt.tip_wei,
                )
            )

    def record_outcome(self, intent: Intent, outcome: StageOutcome, *, now_s: int) -> None:
        """Store how a stage went; minted positions join their layers in the same write.

        Args:
            intent: that was carried out.
            outcome: Unknown leaves the intent open, any other closes it.
            now_s: chain time.

        Raises:
            JournalFault: there is no such intent, or it has a final outcome.
        """
        with self._transaction() as connection:
            stored = _unsettled(connection, intent.id).intent
            connection.execute(
                insert(outcomes).values(intent_id=intent.id, kind=outcome.kind, outcome=encode(outcome), now_s=now_s)
            )
            if isinstance(outcome, Done):
                for minted in outcome.minted:
                    _assign(connection, minted.token_id, minted.layer, since_cycle=stored.cycle_id)

    def end_cycle(self, cycle_id: int, state: CycleState, memory: Memory) -> None:
        """Store that a cycle is over, with the memory that the next one starts from.

        Raises:
            JournalFault: the cycle is not open.
        """
        with self._transaction() as connection:
            _must_be_open(connection, cycle_id)
            connection.execute(
                insert(cycle_ends).values(cycle_id=cycle_id, ended_s=self._wall_s(), state=state.value, memory=encode(memory))
            )


def open_control(path: Path, *, who: str, wall_clock: Callable[[], float] = time.time) -> ControlDesk:
    """A journal to give orders in; needs no lease, and never makes the file.

    Args:
        path: of the journal.
        who: whose orders they are.
        wall_clock: unix seconds.

    Raises:
        ConfigError: there is none, it is of another schema, or it cannot be opened.
    """
    opened_engine(path).dispose()
    return ControlDesk(writing_engine(path), path, who=who, wall_clock=wall_clock)


def migrate(path: Path) -> None:
    """Bring a journal to this code's schema, making it when missing.

    Raises:
        ConfigError: a keeper holds it, it is newer than this code, or it cannot be opened.
    """
    lease, engine = _opened(path)
    engine.dispose()
    lease.release()


def _opened(path: Path) -> tuple[FileLease, Engine]:
    with refusals_named(path):
        make_private_file(path)
        # resolved: the same file by another name is the same journal
        real = path.resolve()
        lease = FileLease.acquire(real.with_name(f"{real.name}.lock"))
    engine = writing_engine(path)
    try:
        with refusals_named(path), engine.begin() as connection:
            upgrade(connection)
    except ConfigError:
        engine.dispose()
        lease.release()
        raise
    return lease, engine


def _claim(connection: Connection, path: Path, owner: dict[str, str]) -> None:
    for key, value in owner.items():
        stored = connection.scalar(select(meta.c.value).where(meta.c.key == key))
        if stored is None:
            connection.execute(insert(meta).values(key=key, value=value))
        elif stored != value:
            raise ConfigError([f"journal {path} is of {key} {stored}, not of {value}: name another file"])


def _assign(connection: Connection, token_id: int, layer: LayerKind, *, since_cycle: int | None) -> None:
    if rows.layers_of_tokens(connection).get(token_id) is not layer:
        connection.execute(insert(layer_tokens).values(token_id=token_id, layer=layer.value, since_cycle=since_cycle))


def _must_be_open(connection: Connection, cycle_id: int) -> None:
    if rows.open_cycle_id(connection) != cycle_id:
        raise JournalFault(f"cycle {cycle_id} is not open")


def _unsettled(connection: Connection, intent_id: int) -> rows.IntentRecord:
    for record in rows.intent_records(connection, cycle_id=None):
        if record.intent.id == intent_id:
            return record
    raise JournalFault(f"intent {intent_id} is not open")


def _new_id(primary_key: Sequence[object] | None) -> int:
    assert primary_key is not None
    (new,) = primary_key
    assert isinstance(new, int)
    return new


def _price_values(pool: str, row: BlockPrice) -> dict[str, object]:
    return {
        "pool": pool,
        "block": row.block,
        "timestamp_s": row.timestamp_s,
        "sqrt_price_x96": row.sqrt_price_x96,
        "high_x96": row.high_x96,
        "low_x96": row.low_x96,
        "volume0": row.volume0,
        "volume1": row.volume1,
        "swaps": row.swaps,
        "net0": row.net0,
        "net1": row.net1,
        "jit0": row.jit0,
    }

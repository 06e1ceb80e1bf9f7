"""What the real journal promises beyond the port: size, ownership, silence about values, orders from another hand."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.store.journal import SqlJournal, migrate, open_control
from keeper.adapters.store.tables import Document, WideInteger
from keeper.core.model.codec import digest, encode
from keeper.core.model.errors import ConfigError, JournalFault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.record import CycleState
from tests.builders import decision, ladder, memory, policy, pool_view, position, reading, view
from tests.faults.journal_writer import KNOWN, POOL, ROWS, VIEW, one_cycle, remember
from tests.histories import history_ref
from tests.pairs import NOW_S, USDC_WETH_500, WALLET
from tests.plans import attempt, bounds, done, place_stage, plan, shift_decision, withdraw_stage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqlJournal]:
    with SqlJournal.open(path, chain_id=1, account=WALLET, wall_clock=lambda: 1_800_000_000.9) as opened:
        remember(opened)
        yield opened


def stored(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_a_cycles_own_rows_stay_small(journal: SqlJournal, path: Path) -> None:
    held = ladder()
    extra = position(1005, 193_000, 193_900, liquidity=123_456_789_012_345_678)
    core = replace(held.layers[0], positions=(*held.layers[0].positions, extra))
    held = replace(held, layers=(core, *held.layers[1:]))
    pools = (pool_view(positions=held.positions, bands=200),)
    seen = view(held=held, remembered=memory(), history=history_ref(KNOWN), pools=pools)
    assert len(seen.pools[0].ticks) >= 400
    assert len(held.positions) == 5
    note = "2880 s of samples, 21600 wanted: a sentence that says why"
    readings = [reading(f"signal.{number}", math.sqrt(number), z=1 / number, note=note) for number in range(2, 60)]
    cycle_id = journal.begin_cycle(policy(), seen, readings, shift_decision(), plan(digest(seen)))
    for stage in (withdraw_stage(), place_stage()):
        journal.record_outcome(journal.record_intent(cycle_id, stage, bounds()), done(), now_s=NOW_S)
    journal.end_cycle(cycle_id, CycleState.DONE, memory())

    assert len(encode(seen)) > 20_000
    (own,) = stored(path, "SELECT length(view) + length(readings) + length(decision) + length(plan) FROM cycles")
    (end,) = stored(path, "SELECT length(memory) FROM cycle_ends")
    (acts,) = stored(path, "SELECT sum(length(stage)) + (SELECT sum(length(outcome)) FROM outcomes) FROM intents")
    assert own[0] + end[0] + acts[0] < 20_000


def test_a_policy_is_stored_once(journal: SqlJournal, path: Path) -> None:
    for _ in range(3):
        one_cycle(journal)
    journal.end_cycle(journal.begin_cycle(policy(chain_id=5), VIEW, [], decision(), None), CycleState.HELD, memory())
    assert stored(path, "SELECT count(*) FROM policies") == [(2,)]


@pytest.mark.parametrize(("chain_id", "account"), [(31337, WALLET), (1, POOL)])
def test_a_journal_serves_one_wallet_on_one_chain(path: Path, chain_id: int, account: str) -> None:
    SqlJournal.open(path, chain_id=1, account=WALLET).close()
    with pytest.raises(ConfigError, match="name another file"):
        SqlJournal.open(path, chain_id=chain_id, account=account)
    SqlJournal.open(path, chain_id=1, account=WALLET).close()


def test_the_lease_ends_with_the_journal(path: Path) -> None:
    first = SqlJournal.open(path, chain_id=1, account=WALLET)
    for _ in range(2):
        with pytest.raises(ConfigError, match="another keeper"):
            SqlJournal.open(path, chain_id=1, account=WALLET)
    with pytest.raises(ConfigError, match="another keeper"):
        migrate(path)
    first.close()
    first.close()
    SqlJournal.open(path, chain_id=1, account=WALLET).close()


def test_a_hash_with_other_bytes_is_refused_without_showing_them(journal: SqlJournal) -> None:
    cycle_id = journal.begin_cycle(policy(), VIEW, [], shift_decision(), None)
    intent = journal.record_intent(cycle_id, withdraw_stage(), bounds())
    journal.record_attempt(attempt(intent.id))
    secret = "0x02canary7f3a"
    with pytest.raises(JournalFault) as raised:
        journal.record_attempt(attempt(intent.id, raw=secret))
    assert secret not in str(raised.value)
    assert f"already that of intent {intent.id}" in str(raised.value)
    assert raised.value.__cause__ is None


def test_what_cannot_be_written_leaves_no_trace(journal: SqlJournal) -> None:
    with pytest.raises(JournalFault):
        journal.begin_cycle(policy(), VIEW, [reading(value=math.nan)], decision(), None)
    with pytest.raises(JournalFault):
        journal.append_prices(POOL, [ROWS[-1]._replace(block=2**63)])
    assert journal.open_cycle() is None
    assert journal.last_price_block(POOL) == ROWS[-1].block
    assert one_cycle(journal) == 1


def test_an_outcome_and_the_layers_of_its_positions_are_one_write(
    journal: SqlJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = journal.record_intent(journal.begin_cycle(policy(), VIEW, [], shift_decision(), None), place_stage(), bounds())
    monkeypatch.setattr("keeper.adapters.store.journal.layer_tokens", USELESS)
    with pytest.raises(JournalFault):
        journal.record_outcome(intent, done((5001, LayerKind.CORE)), now_s=NOW_S)
    monkeypatch.undo()
    assert journal.open_intents() == ((intent, ()),)
    journal.record_outcome(intent, done((5001, LayerKind.CORE)), now_s=NOW_S)
    assert stored(path, "SELECT token_id, layer, since_cycle FROM layer_tokens") == [("5001", "core", intent.cycle_id)]


def _table_that_is_not_there() -> object:
    from sqlalchemy import Column, Integer, MetaData, Table, Text

    return Table("absent", MetaData(), Column("token_id", Integer), Column("layer", Text), Column("since_cycle", Integer))


USELESS = _table_that_is_not_there()


# orders from another hand


def test_a_person_gives_orders_while_the_keeper_writes(journal: SqlJournal, path: Path) -> None:
    cycle_id = journal.begin_cycle(policy(), VIEW, [], decision(), None)
    with open_control(path, who="ann", wall_clock=lambda: 1_800_000_100.0) as desk:
        desk.pause("upgrade")
        assert journal.control() == "paused: upgrade"
        journal.end_cycle(cycle_id, CycleState.BLOCKED, memory())
        (order,) = desk.standing()
        assert (order.action, order.why, order.who, order.at_s) == ("pause", "upgrade", "ann", 1_800_000_100)
        journal.halt("deep reorg")
        assert [(one.action, one.who, one.at_s) for one in desk.standing()] == [
            ("halt", "keeper", 1_800_000_000),
            ("pause", "ann", 1_800_000_100),
        ]
        desk.clear_halt("looked at it")
        desk.resume()
    assert journal.control() is None
    assert stored(path, "SELECT action, who FROM control") == [
        ("pause", "ann"),
        ("halt", "keeper"),
        ("clear_halt", "ann"),
        ("resume", "ann"),
    ]


def test_orders_never_make_a_journal(path: Path) -> None:
    with pytest.raises(ConfigError, match="no journal"):
        open_control(path, who="ann")
    assert list(path.parent.iterdir()) == []


# columns


@given(st.integers())
def test_an_integer_of_any_size_survives(value: int) -> None:
    kind = WideInteger()
    assert kind.process_result_value(kind.process_bind_param(value, None), None) == value


@given(st.text())
def test_a_document_survives(text: str) -> None:
    kind = Document()
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert kind.process_result_value(kind.process_bind_param(text, None), None) == text


def test_views_of_several_pools_survive(journal: SqlJournal) -> None:
    other = replace(USDC_WETH_500, address="0x8ad599c3A0ff1De082011EFDDc58f1908eb6e6D8", fee_pips=3_000, tick_spacing=60)
    seen = replace(VIEW, pools=(*VIEW.pools, pool_view(key=other, bands=3, twap_tick=None)))
    assert journal.cycle(journal.begin_cycle(policy(), seen, [], decision(), None)).view == seen

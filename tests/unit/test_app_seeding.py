"""A keeper that starts knows what was downloaded, and nothing that it has seen itself changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.adapters.history.store import PoolWriter
from keeper.adapters.store.journal import SqlJournal
from keeper.app.seeding import seed_history
from keeper.app.settings.load import load
from keeper.app.settings.policy import to_policy
from keeper.app.settings.schema import Settings
from keeper.core.model.bar import HOUR_S, MINUTE_S
from keeper.core.model.policy import Policy
from keeper.core.signals.windows import since
from tests.event_rows import BEGIN_S, BLOCK_S, PRICE, covered, swap, time_of
from tests.pairs import WALLET

BLOCKS = 3 * HOUR_S // BLOCK_S
NOW_S = BEGIN_S + 5 * HOUR_S


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(environ={}, flags={"data.dir": str(tmp_path / "data"), "run.state_dir": str(tmp_path)}).settings


@pytest.fixture
def rules(settings: Settings) -> Policy:
    return to_policy(settings)


@pytest.fixture
def journal(settings: Settings) -> Iterator[SqlJournal]:
    with SqlJournal.open(settings.journal_path, chain_id=1, account=WALLET) as opened:
        yield opened


def download(settings: Settings, rules: Policy, first: int = 0) -> None:
    rows = [swap(block, price=PRICE + block, amount0=block + 1) for block in range(first, BLOCKS, 7)]
    with PoolWriter(settings.data.dir, chain_id=1, pool=rules.signal_pool) as writer:
        writer.add_rows(rows, covered(first, BLOCKS))


def seeded(journal: SqlJournal, settings: Settings, rules: Policy) -> int:
    return seed_history(journal, settings, rules, wall_clock=lambda: float(NOW_S))


def test_without_downloaded_history_there_is_nothing_to_seed(journal, settings, rules):
    assert seeded(journal, settings, rules) == 0
    assert journal.history_end(rules.signal_pool).minute is None


def test_an_empty_journal_gets_every_bar_of_the_windows(journal, settings, rules):
    download(settings, rules)
    count = seeded(journal, settings, rules)
    known = journal.market_history(rules.signal_pool, since(NOW_S), up_to_s=NOW_S)
    assert count == len(known.minutes) + len(known.hours)
    assert len(known.minutes) > 170
    assert len(known.hours) == 2
    assert known.minutes[-1].end_s <= time_of(BLOCKS)


def test_a_second_start_adds_nothing(journal, settings, rules):
    download(settings, rules)
    assert seeded(journal, settings, rules) > 0
    assert seeded(journal, settings, rules) == 0


def test_what_the_keeper_saw_itself_stays_and_only_what_lies_before_it_is_added(journal, settings, rules):
    download(settings, rules)
    seeded(journal, settings, rules)
    late = journal.bars(rules.signal_pool, MINUTE_S, since_s=BEGIN_S + 2 * HOUR_S, before_s=NOW_S)
    with SqlJournal.open(settings.run.state_dir / "other.sqlite", chain_id=1, account=WALLET) as other:
        other.seed_bars(rules.signal_pool, late)
        seeded(other, settings, rules)
        known = other.market_history(rules.signal_pool, since(NOW_S), up_to_s=NOW_S)
        assert known == journal.market_history(rules.signal_pool, since(NOW_S), up_to_s=NOW_S)


def test_bars_older_than_the_windows_are_left_out(journal, settings, rules):
    download(settings, rules)
    much_later = NOW_S + 200 * 86_400
    assert seed_history(journal, settings, rules, wall_clock=lambda: float(much_later)) == 0

"""What the suites of the ports share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.adapters.store.journal import SqlJournal
from tests.fakes.memory_journal import MemoryJournal
from tests.pairs import WALLET
from tests.ports.journals import Steerable


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Steerable]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    with SqlJournal.open(tmp_path / "journal.db", chain_id=1, account=WALLET) as stored:
        yield stored

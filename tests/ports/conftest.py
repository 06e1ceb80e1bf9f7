"""What the suites of the ports share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.adapters.store.journal import SqlJournal
from keeper.ports.options import OptionVenue
from tests.fakes.memory_journal import MemoryJournal
from tests.pairs import WALLET
from tests.ports.journals import Steerable
from tests.ports.option_benches import PLACES, offering
from tests.ports.venues import Ability, VenueBench


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Steerable]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    with SqlJournal.open(tmp_path / "journal.db", chain_id=1, account=WALLET) as stored:
        yield stored


@pytest.fixture(scope="module", params=offering())
def stage(request: pytest.FixtureRequest) -> Iterator[VenueBench]:
    """An option venue's bench."""
    with PLACES[request.param].running() as bench:
        yield bench


@pytest.fixture
def bench(stage: VenueBench) -> Iterator[VenueBench]:
    """The bench as built; whatever a test did, no allowance may be left."""
    with stage.restored():
        yield stage
        if Ability.ALLOWANCE in stage.abilities:
            assert stage.allowance() == 0


@pytest.fixture
def venue(bench: VenueBench) -> OptionVenue:
    """Its adapter."""
    return bench.venue()

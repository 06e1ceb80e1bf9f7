"""What the journal holds is enough to think every cycle again, bit for bit, in another process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from keeper.adapters.store.reader import JournalReader, open_reader
from keeper.core.model.bar import MINUTE_S
from keeper.core.model.codec import decode, digest, encode
from keeper.core.model.record import CycleRecord, CycleState
from keeper.core.model.view import MarketView
from keeper.core.planning.planner import plan
from keeper.core.signals.order import reference
from keeper.core.signals.registry import read
from keeper.core.strategy.decide import decide
from keeper.core.strategy.memory import advance
from keeper.localchain.anvil import Anvil
from keeper.localchain.twin import running_twin
from tests.fork.keeper_scene import USDC_PAIR, USDT_PAIR, Scene, cycle, opened

pytestmark = pytest.mark.chain

VIEW_BYTES = 20_000
QUARTERS = 12
ELSEWHERE = """
import sys
from pathlib import Path
from keeper.adapters.store.reader import open_reader
from keeper.core.model.codec import digest
from keeper.core.planning.planner import plan
from keeper.core.signals.registry import read
from keeper.core.strategy.decide import decide
with open_reader(Path(sys.argv[1])) as reader:
    for line in reversed(reader.cycles(limit=100)):
        record = reader.cycle(line.id)
        readings = read(record.view, reader.named_history(record.view), record.policy)
        decision = decide(record.view, readings, record.policy)
        print(digest(tuple(readings)), digest(decision), digest(plan(record.view, decision, record.policy)))
"""


def lived(scene: Scene) -> Path:
    """Opens, holds, is blocked once, moves all layers, moves the core; the journal's path."""
    with scene.keeper() as keeper:
        keeper.journal.pause("not yet")
        assert cycle(keeper).state is CycleState.BLOCKED
        keeper.journal.resume()
        for _ in range(QUARTERS):
            cycle(keeper)
            scene.quarters(1, drift=0.0025)
        return keeper.settings.journal_path


@pytest.fixture(scope="module", params=[USDC_PAIR, USDT_PAIR], ids=lambda pair: pair.name)
def path(request: pytest.FixtureRequest, anvil_base: Anvil, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with running_twin(base=anvil_base) as twin:
        return lived(opened(twin, tmp_path_factory.mktemp("replay"), request.param))


@pytest.fixture
def reader(path: Path) -> Iterator[JournalReader]:
    with open_reader(path) as opened_reader:
        yield opened_reader


def records(reader: JournalReader) -> list[CycleRecord]:
    return [reader.cycle(line.id) for line in reversed(reader.cycles(limit=100))]


def test_the_run_is_worth_replaying(reader: JournalReader) -> None:
    found = records(reader)
    assert {record.state for record in found} >= {CycleState.BLOCKED, CycleState.DONE, CycleState.HELD}
    assert sum(record.plan is not None for record in found) >= 4
    assert max(len(record.plan.stages) for record in found if record.plan) == 3


def test_every_cycle_is_thought_again_bit_for_bit(reader: JournalReader) -> None:
    for record in records(reader):
        readings = read(record.view, reader.named_history(record.view), record.policy)
        decision = decide(record.view, readings, record.policy)
        made = plan(record.view, decision, record.policy)
        assert encode(tuple(readings)) == encode(tuple(record.readings))
        assert encode(decision) == encode(record.decision)
        assert encode(made) == encode(record.plan)


def test_another_process_with_another_hash_seed_comes_to_the_same(reader: JournalReader, path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    environ = {**os.environ, "PYTHONHASHSEED": "4711"}
    command = [sys.executable, "-c", ELSEWHERE, str(path)]
    ran = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=True)
    here = [" ".join(map(digest, (record.readings, record.decision, record.plan))) for record in records(reader)]
    assert ran.stdout.splitlines() == here


def test_each_memory_follows_from_the_cycle_before(reader: JournalReader) -> None:
    found = records(reader)
    for before, after in pairwise(found):
        left = advance(before.view, before.readings, before.decision, before.stages, before.policy)
        assert encode(left) == encode(after.view.memory)
    last = found[-1]
    assert reader.memory() == advance(last.view, last.readings, last.decision, last.stages, last.policy)


def test_a_view_is_small_and_survives_the_journal(reader: JournalReader) -> None:
    for record in records(reader):
        text = encode(record.view)
        assert len(text) < VIEW_BYTES
        assert decode(MarketView, text) == record.view
        if record.plan is not None:
            assert record.plan.view_digest == digest(record.view)


def test_the_history_of_a_cycle_is_that_of_its_own_time(reader: JournalReader) -> None:
    began_s = records(reader)[0].view.now_s
    for record in records(reader):
        named = reader.named_history(record.view)
        assert reference(named) == record.view.history
        assert named.minutes[-1].end_s == record.view.now_s // MINUTE_S * MINUTE_S
        assert len(named.minutes) == (named.minutes[-1].end_s - named.minutes[0].start_s) // MINUTE_S
        assert record.view.now_s - named.minutes[0].start_s <= record.policy.signals.lookback_s + record.view.now_s - began_s
        assert max(sample.block for sample in named.samples) <= record.view.block.number


def test_a_view_that_was_changed_is_not_replayed(path: Path, tmp_path: Path) -> None:
    """The comparison can fail: another price in the view gives another decision or plan."""
    copy = tmp_path / "journal.sqlite"
    shutil.copy(path, copy)
    with open_reader(copy) as reader:
        opening = next(record for record in records(reader) if record.state is CycleState.DONE)
        named = reader.named_history(opening.view)
    text = encode(opening.view)
    tick = opening.view.pools[0].state.tick
    assert f'"tick":{tick}' in text
    other = decode(MarketView, text.replace(f'"twap_tick":{opening.view.pools[0].twap_tick}', f'"twap_tick":{tick + 90}'))
    readings = read(other, named, opening.policy)
    decision = decide(other, readings, opening.policy)
    assert plan(other, decision, opening.policy) != opening.plan

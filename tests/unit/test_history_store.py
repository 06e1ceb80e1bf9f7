"""What is stored is whole, counted once, and either there or not there, wherever a run is cut."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.evm.event_rows import EventKind, EventRow
from keeper.adapters.history import store
from keeper.adapters.history.audit import audit_pool, gaps
from keeper.adapters.history.manifest import Manifest, read_manifest
from keeper.adapters.history.rows import COLUMNS
from keeper.adapters.history.store import PoolWriter, StoreBusy, StoreConflict, folder_of, scan
from keeper.core.model.errors import ConfigError
from tests.event_rows import POOL, burn, covered, mint, swap, time_of

MONTH_BLOCKS = 31 * 7_200
"""Blocks of October: block 0 is its first."""


def writer(root: Path) -> PoolWriter:
    return PoolWriter(root, chain_id=1, pool=POOL)


def held(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    assert manifest is not None
    return manifest


def places(folder: Path) -> list[tuple[int, int]]:
    """Block and log of every event that counts, as the files lie."""
    manifest = held(folder)
    tail = [manifest.tail.file] if manifest.tail and manifest.tail.file else []
    source = scan([folder / file.name for file in (*manifest.files, *tail)])
    return store.open_database().execute(f"select block_number, log_index from {source}").fetchall()


def test_rows_come_back_as_they_went_in(tmp_path: Path) -> None:
    rows = [swap(1, amount0=-(2**200), price=2**160 - 1), mint(1, 1, 2**128 - 1), burn(2, 0, 7)]
    with writer(tmp_path) as one:
        assert one.add_rows(rows, covered(0, 10)) == store.Added(rows=3, duplicates=0)
        folder = one.folder
    assert folder == folder_of(tmp_path, 1, POOL)
    source = scan([folder / held(folder).files[0].name])
    names = ", ".join("epoch(timestamp)::bigint" if name == "timestamp" else name for name in COLUMNS)
    found = store.open_database().execute(f"select {names} from {source}").fetchall()
    text = {"amount0", "amount1", "sqrt_price_x96", "liquidity", "liquidity_delta"}
    wanted = [
        tuple(
            str(value) if name in text and value is not None else value
            for name, value in zip(EventRow._fields, row, strict=True)
        )
        for row in rows
    ]
    assert found == wanted
    assert not audit_pool(folder).problems


def test_an_event_that_is_there_is_not_stored_twice(tmp_path: Path) -> None:
    with writer(tmp_path) as one:
        one.add_rows([swap(1), swap(2)], covered(1, 2))
        assert one.add_rows([swap(2), swap(3)], covered(2, 3)) == store.Added(rows=1, duplicates=1)
    assert places(one.folder) == [(1, 0), (2, 0), (3, 0)]
    assert [(part.first_block, part.last_block) for part in held(one.folder).coverage] == [(1, 3)]


def test_what_one_source_leaves_out_is_filled_from_another(tmp_path: Path) -> None:
    with writer(tmp_path) as one:
        one.add_rows([swap(1, liquidity=None, sender=None)], covered(1, 1, [EventKind.SWAP]))
        one.add_rows([swap(1)], covered(1, 1))
        source = scan([one.folder / held(one.folder).files[0].name])
    found = store.open_database().execute(f"select liquidity, sender is not null from {source}").fetchall()
    assert found == [(str(10**18), True)]


def test_an_event_with_other_values_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    with writer(tmp_path) as one:
        one.add_rows([swap(1), swap(2)], covered(1, 2))
        before = held(one.folder)
        with pytest.raises(StoreConflict, match="log 0 of block 2"):
            one.add_rows([swap(2, amount0=6), swap(3)], covered(2, 3))
        assert held(one.folder) == before == one.manifest
        one.add_rows([swap(3)], covered(3, 3))
    assert places(one.folder) == [(1, 0), (2, 0), (3, 0)]


def test_there_is_one_file_a_month_however_often_something_is_added(tmp_path: Path) -> None:
    with writer(tmp_path) as one:
        for block in range(MONTH_BLOCKS - 25, MONTH_BLOCKS + 25, 2):
            one.add_rows([swap(block), swap(block + 1)], covered(block, block + 1))
            assert len(list(one.folder.glob("events/*/*.parquet"))) <= 2 * store.MOST_PARTS
        one.compact()
        assert [store.month_of(file) for file in held(one.folder).files] == ["2025-10", "2025-11"]
    assert len(list(one.folder.rglob("*.parquet"))) == 2
    assert not audit_pool(one.folder).problems


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), min_size=1, max_size=12))
def test_coverage_is_the_union_of_what_was_stored_and_gaps_are_the_rest(parts: list[tuple[int, int]]) -> None:
    manifest, blocks = Manifest(chain_id=1, pool=POOL), set()
    for first, length in parts:
        # Times of their own, far apart: here it is blocks that join.
        part = covered(first, first + length, from_s=time_of(first), to_s=time_of(first + length))
        manifest = manifest.with_coverage(part)
        blocks |= set(range(first, first + length + 1))
    found = {block for part in manifest.coverage for block in range(part.first_block, part.last_block + 1)}
    assert found == blocks
    missing = {block for gap in gaps(manifest) for block in range(gap.first_block, gap.last_block + 1)}
    assert missing == set(range(min(blocks), max(blocks))) - blocks


def test_a_stretch_counts_for_bars_with_fleeting_liquidity_only_where_every_kind_is_complete(tmp_path: Path) -> None:
    with writer(tmp_path) as one:
        one.add_rows([swap(1), swap(50)], covered(0, 100, [EventKind.SWAP]))
        one.add_rows([mint(30, 5, 7)], covered(20, 120, [EventKind.MINT, EventKind.BURN]))
        both = one.manifest.stretches([EventKind.SWAP, EventKind.MINT, EventKind.BURN], with_tail=True)
    assert [(part.first_block, part.last_block) for part in both] == [(20, 100)]


def test_gaps_are_told_by_the_check(tmp_path: Path) -> None:
    with writer(tmp_path) as one:
        one.add_rows([swap(1)], covered(0, 10))
        one.add_rows([swap(25)], covered(20, 30))
    assert audit_pool(one.folder).problems == ("gap: blocks 11 to 19 are not stored: keeper data download fetches them",)


def test_the_tail_is_replaced_and_ends_where_what_is_sealed_begins(tmp_path: Path) -> None:
    with writer(tmp_path) as one:
        one.add_rows([swap(1)], covered(0, 10))
        one.replace_tail([swap(11), swap(13)], covered(11, 15))
        one.replace_tail([swap(12)], covered(11, 16))
        assert places(one.folder) == [(1, 0), (12, 0)]
        one.add_rows([swap(12)], covered(11, 13))
        assert held(one.folder).tail is None
        one.replace_tail([], covered(14, 16))
        assert places(one.folder) == [(1, 0), (12, 0)]
        one.drop_tail()
    assert not audit_pool(one.folder).problems
    assert len(list(one.folder.rglob("*.parquet"))) <= 2


class Killed(BaseException):
    """As kill -9 would: nothing after it runs."""


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> Callable[[], int]:
    """Let the process die just before its so-manieth sync, rename or removal; tells how many there were."""
    seen = 0

    def counted(name: str, owner: object) -> None:
        real = getattr(owner, name)

        def stop(*args: object, **kwargs: object) -> object:
            nonlocal seen
            seen += 1
            if seen == step:
                raise Killed
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, stop)

    counted("fsync", os)
    counted("replace", Path)
    counted("unlink", Path)
    return lambda: seen


def write_on(root: Path) -> None:
    with writer(root) as one:
        one.add_rows([swap(2), swap(MONTH_BLOCKS + 1)], covered(2, MONTH_BLOCKS + 2))
        one.replace_tail([swap(MONTH_BLOCKS + 5)], covered(MONTH_BLOCKS + 3, MONTH_BLOCKS + 6))
        one.compact()


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a store with three swaps, to be copied."""
    root = tmp_path_factory.mktemp("begun")
    with writer(root) as one:
        one.add_rows([swap(0), swap(1), swap(3)], covered(0, 1))
    return root


@pytest.mark.parametrize("step", range(1, 24))
def test_a_run_that_is_killed_anywhere_leaves_a_whole_store(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    folder = folder_of(tmp_path, 1, POOL)
    with monkeypatch.context() as patch:
        seen = kill_at(patch, step)
        try:
            write_on(tmp_path)
            # Every step of it was tried before this one.
            assert seen() < step
        except Killed:
            assert seen() == step
    report = audit_pool(folder)
    # One swap was given beyond what is covered, so that the files must be merged: it is told, and nothing else is wrong.
    assert set(report.problems) <= {"1 swaps lie outside the blocks that are said to be stored"}
    assert {(0, 0), (1, 0)} <= set(places(folder)) <= {(block, 0) for block in (0, 1, 2, 3, *range(MONTH_BLOCKS, 300_000))}
    write_on(tmp_path)
    report = audit_pool(folder)
    assert not report.problems
    assert not report.notes
    assert places(folder) == [(0, 0), (1, 0), (2, 0), (3, 0), (MONTH_BLOCKS + 1, 0), (MONTH_BLOCKS + 5, 0)]
    assert not list(folder.glob("*.tmp"))


def test_what_no_manifest_names_does_not_count_and_goes_with_the_next_run(tmp_path: Path) -> None:
    with writer(tmp_path) as one:
        one.add_rows([swap(1)], covered(0, 10))
        folder = one.folder
    (folder / "events/2025-10/000000011-000000012-000000000000.parquet").write_bytes(b"half")
    report = audit_pool(folder)
    assert not report.problems
    assert [note.partition(" is ")[2] for note in report.notes] == ["left over from an interrupted run and does not count"]
    assert audit_pool(folder) == report
    with writer(tmp_path):
        pass
    assert len(list(folder.rglob("*.parquet"))) == 1


def test_two_cannot_write_at_once_and_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    with writer(tmp_path), pytest.raises(StoreBusy, match="another download or import is writing"):
        writer(tmp_path)
    with writer(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1}'])
def test_a_damaged_manifest_is_an_error_that_says_what_to_do(tmp_path: Path, text: str) -> None:
    with writer(tmp_path) as one:
        one.add_rows([swap(1)], covered(0, 10))
    (one.folder / "manifest.json").write_text(text)
    with pytest.raises(ConfigError, match=r"damaged|format 2"):
        writer(tmp_path)
    with pytest.raises(ConfigError, match=r"damaged|format 2"):
        audit_pool(one.folder)


def damage_bytes(folder: Path) -> None:
    path = next(folder.rglob("*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lose_file(folder: Path) -> None:
    next(folder.rglob("*.parquet")).unlink()


def miscount(folder: Path) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    document["files"][0]["rows"] += 1
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [(damage_bytes, "changed since it was written"), (lose_file, "is missing"), (miscount, "not what the manifest says")],
)
def test_damage_is_found(tmp_path: Path, spoil: Callable[[Path], None], told: str) -> None:
    with writer(tmp_path) as one:
        one.add_rows([swap(1), swap(2)], covered(0, 10))
    spoil(one.folder)
    assert any(told in problem for problem in audit_pool(one.folder).problems)


def test_a_swap_that_moves_the_price_against_what_came_in_shows_that_one_is_missing(tmp_path: Path) -> None:
    down, up = {"amount0": 5, "amount1": -3}, {"amount0": -5, "amount1": 3}
    rows = [swap(1, price=100, **down), swap(2, price=90, **down), swap(3, price=110, **up), swap(4, price=100, **down)]
    for left_out, problems in ((None, 0), (2, 1)):
        with writer(tmp_path / str(left_out)) as one:
            one.add_rows([row for place, row in enumerate(rows) if place != left_out], covered(0, 10))
        found = audit_pool(one.folder).problems
        assert len(found) == problems
        assert all("log 0 of block 4, moved the price against" in problem for problem in found)


def test_totals_are_exact_however_large(tmp_path: Path) -> None:
    with writer(tmp_path) as one:
        one.add_rows([swap(1, amount0=2**254, amount1=-1), swap(2, amount0=-(2**254) + 1, amount1=2)], covered(0, 10))
    totals = audit_pool(one.folder).totals
    assert (totals["SWAP"], totals["volume0"], totals["net0"]) == (2, 2**255 - 1, 1)
    assert (totals["volume1"], totals["net1"]) == (3, 1)

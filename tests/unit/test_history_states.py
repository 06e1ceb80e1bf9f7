"""Whole pools are stored exactly, once a block, and taken from the files of others only in pairs that agree."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.history.audit import audit_pool
from keeper.adapters.history.imported import import_file
from keeper.adapters.history.manifest import read_manifest
from keeper.adapters.history.state_files import leading
from keeper.adapters.history.states import decode_state, encode_state, read_state
from keeper.adapters.history.store import PoolWriter, StoreConflict, folder_of
from keeper.app.cli import data
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session
from keeper.core.model.errors import ConfigError
from keeper.core.v3math.oracle import Observation, OracleSnapshot
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.tick import TickInfo
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from tests.event_rows import POOL, covered, swap
from tests.recorded_pool import lived, state
from tests.unit.test_history_import import HERE, parquet
from tests.unit.test_history_store import Killed, kill_at

STEM = "mainnet_usdc_weth_500_2025Q4.parquet"
TICKS, SLOTS = f"tick_snapshots_daily_{STEM}", f"slot0_daily_{STEM}"

TICK_ROWS: dict[str, tuple[Any, ...]] = {
    "snapshot_block": (100, 100, 200, 200),
    "tick": (-10, 10, -10, 20),
    "liquidityNet": ("1000", "-1000", "7", "-7"),
    "liquidityGross": ("1000", "1000", "7", "7"),
    "fee_growth_outside_0_x128": ("0", str(2**256 - 1), "0", "0"),
    "fee_growth_outside_1_x128": ("0", "0", "0", "0"),
}
SLOT_ROWS: dict[str, tuple[Any, ...]] = {
    "snapshot_block": (100, 200),
    "snapshot_timestamp": ("2025-09-30 23:59:59", "2025-10-01 23:59:59"),
    "sqrt_price_x96": (str(2**96), str(get_sqrt_ratio_at_tick(15))),
    "current_tick": (0, 15),
    "fee_protocol": (0, 68),
    "fee_growth_global_0_x128": ("1", "3"),
    "fee_growth_global_1_x128": ("2", str(2**255)),
}


def pair(folder: Path, ticks: dict[str, Any] | None = None, slots: dict[str, Any] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    texts = {**SLOT_ROWS, **(slots or {})}
    path = parquet(
        folder / "raw.parquet", {"timestamp" if name == "snapshot_timestamp" else name: v for name, v in texts.items()}
    )
    import duckdb

    duckdb.execute(f"copy (select * rename (timestamp as snapshot_timestamp) from '{path}') to '{folder / SLOTS}'")
    path.unlink()
    return parquet(folder / TICKS, TICK_ROWS | (ticks or {}))


def taken_in(path: Path, root: Path, **options: Any) -> list[PoolSnapshot]:
    done = import_file(path, root, target=HERE, **options)
    manifest = read_manifest(done.folder)
    assert manifest is not None
    return [read_state(done.folder, one, fee_pips=500, tick_spacing=10) for one in manifest.states]


@given(st.integers(0, 95))
def test_a_pool_comes_back_as_it_was_and_equal_pools_are_equal_bytes(place: int) -> None:
    pool = lived().after[place]
    raw = encode_state(pool)
    assert decode_state(raw, fee_pips=500, tick_spacing=10) == replace(pool, positions={})
    assert encode_state(replace(pool, ticks=dict(reversed(pool.ticks.items())))) == raw


RING = OracleSnapshot(
    index=1,
    cardinality=2,
    observations=(
        Observation(2**32 - 1, -(2**55), 2**160 - 1, initialized=True),
        Observation(3, 2**55 - 1, 0, initialized=True),
        Observation(1, 0, 0, initialized=False),
    ),
)


def test_observations_come_back_as_they_were_and_a_state_without_them_says_so() -> None:
    pool = replace(lived().start, positions={}, observations=RING)
    assert decode_state(encode_state(pool), fee_pips=500, tick_spacing=10) == pool
    assert decode_state(encode_state(replace(pool, observations=None)), fee_pips=500, tick_spacing=10).observations is None


@pytest.mark.parametrize(
    ("ring", "words"),
    [
        ([2, 2, [[1, 2, 3, 1], [4, 5, 6, 1]]], "observation 2 of 2 is none of a ring of 2"),
        ([0, 3, [[1, 2, 3, 1], [4, 5, 6, 1]]], "observation 0 of 3 is none of a ring of 2"),
        ([0, 1, [[1, 2, 3]]], "damaged"),
        ([0, 1, [["1", 2, 3, 1]]], "damaged"),
        (7, "damaged"),
    ],
)
def test_observations_that_cannot_be_are_refused(ring: object, words: str) -> None:
    document = json.loads(gzip.decompress(encode_state(lived().start)))
    raw = gzip.compress(json.dumps(document | {"observations": ring}).encode())
    with pytest.raises(ValueError, match=words):
        decode_state(raw, fee_pips=500, tick_spacing=10)


@pytest.mark.parametrize(
    "change",
    [
        {"tick": 1.5},
        {"tick": "1"},
        {"tick": True},
        {"liquidity": 1},
        {"ticks": [[-10, 5, 5]]},
        {"ticks": "none"},
        {"sqrt_price_x96": 2**97},
    ],
)
def test_what_cannot_be_a_pool_is_refused(change: dict[str, Any]) -> None:
    document = json.loads(gzip.decompress(encode_state(lived().start)))
    with pytest.raises(ValueError, match=r"damaged|does not stand|liquidity"):
        decode_state(gzip.compress(json.dumps(document | change).encode()), fee_pips=500, tick_spacing=10)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", gzip.compress(b"{}"), gzip.compress(b"[1"), gzip.compress(b"{}")[:-3]],
    ids=["nothing", "not packed", "no fields", "no JSON", "torn"],
)
def test_bytes_that_are_no_state_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        decode_state(raw, fee_pips=500, tick_spacing=10)


def test_a_state_is_stored_once_and_another_of_its_block_refused(tmp_path: Path) -> None:
    one, other = (state(pool, 7) for pool in (lived().start, lived().after[-1]))
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        assert writer.add_states([one, state(lived().after[3], 5)]) == 2
        assert writer.add_states([one]) == 0
        with pytest.raises(StoreConflict, match="another state of block 7"):
            writer.add_states([other])
        writer.add_rows([swap(1)], covered(0, 9))
    manifest = read_manifest(writer.folder)
    assert manifest is not None
    assert [known.block for known in manifest.states] == [5, 7]
    with PoolWriter(tmp_path, chain_id=1, pool=POOL):
        pass
    assert len(list(writer.folder.glob("states/*"))) == 2
    assert not audit_pool(writer.folder).problems


def test_a_store_of_before_there_were_states_has_none(tmp_path: Path) -> None:
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_rows([swap(1)], covered(0, 9))
    path = writer.folder / "manifest.json"
    document = json.loads(path.read_bytes())
    del document["states"]
    path.write_text(json.dumps(document))
    manifest = read_manifest(writer.folder)
    assert manifest is not None
    assert manifest.states == ()


@pytest.mark.parametrize("step", range(1, 8))
def test_a_run_that_is_killed_while_it_stores_states_leaves_a_whole_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    states = [state(lived().start, 7), state(lived().after[-1], 9)]
    folder = folder_of(tmp_path, 1, POOL)
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_rows([swap(1)], covered(0, 9))
    with monkeypatch.context() as patch:
        seen = kill_at(patch, step)
        try:
            with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
                writer.add_states(states)
        except Killed:
            assert seen() == step
    assert not audit_pool(folder).problems
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_states(states)
    report = audit_pool(folder)
    assert not report.problems
    assert not report.notes


@pytest.mark.parametrize(("spoil", "told"), [("lose", "is missing"), ("change", "was changed")])
def test_damaged_states_are_found_by_the_check(tmp_path: Path, spoil: str, told: str) -> None:
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_states([state(lived().start, 7)])
    path = next(writer.folder.glob("states/*"))
    if spoil == "lose":
        path.unlink()
    else:
        path.write_bytes(b"x" + path.read_bytes())
    problems = audit_pool(writer.folder).problems
    assert len(problems) == 1
    assert told in problems[0]


@pytest.mark.parametrize("named", [TICKS, SLOTS])
def test_daily_states_are_taken_from_two_files_whichever_is_named(tmp_path: Path, named: str) -> None:
    pair(tmp_path / "in")
    first, second = taken_in(tmp_path / "in" / named, tmp_path / "store")
    assert (first.liquidity, first.tick, first.fee_growth_global1_x128, first.fee_protocol) == (1000, 0, 2, 0)
    assert first.ticks[10] == TickInfo(liquidity_gross=1000, liquidity_net=-1000, fee_growth_outside0_x128=2**256 - 1)
    assert (second.liquidity, second.tick, second.fee_protocol) == (7, 15, 68)


def test_the_two_files_may_lie_apart_when_both_are_given(tmp_path: Path) -> None:
    ticks = pair(tmp_path / "in")
    slots = (tmp_path / "in" / SLOTS).rename(tmp_path / SLOTS)
    with pytest.raises(ConfigError, match=f"{SLOTS} must be given too, or lie beside it"):
        taken_in(ticks, tmp_path / "store")
    assert len(taken_in(ticks, tmp_path / "store", given=[ticks, slots])) == 2
    assert leading([slots, ticks]) == [ticks]
    assert leading([slots]) == [slots]


@pytest.mark.parametrize(
    ("ticks", "slots", "told"),
    [
        ({"snapshot_block": (100, 100, 100, 100)}, {}, r"no ticks of block 200"),
        ({"snapshot_block": (100, 100, 300, 300)}, {}, r"does not tell block 300"),
        ({}, {"snapshot_block": (100, 100)}, r"block 100 is told twice"),
        ({"tick": (-10, -10, -10, 20)}, {}, r"block 100 cannot be: a tick is told twice"),
        ({"liquidityNet": ("1000", "-999", "7", "-7")}, {}, r"block 100 cannot be: liquidity entering and leaving differ"),
        ({"liquidityNet": ("much", "-1000", "7", "-7")}, {}, r"block 100 cannot be"),
        ({}, {"current_tick": (50, 15)}, r"block 100 cannot be: sqrt price .* does not stand at tick 50"),
    ],
)
def test_files_that_do_not_agree_are_refused_and_nothing_is_stored(
    tmp_path: Path, ticks: dict[str, Any], slots: dict[str, Any], told: str
) -> None:
    path = pair(tmp_path / "in", ticks, slots)
    with pytest.raises(ConfigError, match=told):
        taken_in(path, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_the_command_takes_a_pair_once_and_lists_its_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPER__DATA__DIR", str(tmp_path / "store"))
    ticks = pair(tmp_path / "in")
    session = Session(as_json=True)
    assert data.import_files(session, [ticks, ticks.with_name(SLOTS)], pool="usdc_weth_500") == ExitCode.OK
    (entry,) = json.loads(capsys.readouterr().out)["files"]
    assert (entry["rows"], entry["new_rows"], entry["layout"]) == (2, 2, "daily states of a pool")
    data.list_(session)
    (listed,) = json.loads(capsys.readouterr().out)["pools"]
    assert [one["block"] for one in listed["states"]] == [100, 200]

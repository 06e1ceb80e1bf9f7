"""The commands for market history, without a node."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keeper.app.cli import data
from keeper.app.cli.command import guarded
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session
from keeper.core.model.errors import ConfigError
from tests.event_rows import POOL
from tests.unit.test_history_import import AMOUNTS_ONLY, OHLCV, SWAPS, TICKS, WHOLE, parquet

Type = Callable[..., tuple[ExitCode, Any]]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Carry a body out for a program; its exit code and the document that it wrote."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPER__DATA__DIR", str(tmp_path / "store"))
    session = Session(as_json=True)

    def carry_out(body: Callable[..., ExitCode], *arguments: Any, **options: Any) -> tuple[ExitCode, Any]:
        code = guarded(session, lambda: body(session, *arguments, **options))
        return code, json.loads(capsys.readouterr().out)

    return carry_out


def test_what_is_taken_in_is_listed_and_whole(typed: Type, tmp_path: Path) -> None:
    paths = [parquet(tmp_path / "a.parquet", SWAPS), parquet(tmp_path / "eth_1m_2025-10-01.parquet", OHLCV)]
    code, document = typed(data.import_files, paths, pool="usdc_weth_500")
    assert code == ExitCode.OK
    assert [(one["rows"], one["new_rows"], one["complete_for"]) for one in document["files"]] == [(2, 2, ["SWAP"]), (3, 3, [])]
    code, document = typed(data.list_)
    assert code == ExitCode.OK
    assert [(one["name"], one["pool"], one["events"], one["gaps"]) for one in document["pools"]] == [
        ("usdc_weth_500", POOL, 2, [])
    ]
    assert [(one["series"], one["bars"], one["missing"]) for one in document["bars"]] == [("outside/eth_1m", 3, 1)]
    code, document = typed(data.check)
    assert (code, document["whole"]) == (ExitCode.OK, True)
    assert document["folders"][0]["totals"]["net0"] == str(2**60 - 5)


def test_a_gap_makes_the_check_fail_and_is_told(typed: Type, tmp_path: Path) -> None:
    later = {**SWAPS, "block_number": (20, 21), "block_timestamp": ("2025-10-01 00:03:11", "2025-10-01 00:03:23")}
    paths = [parquet(tmp_path / "a.parquet", SWAPS), parquet(tmp_path / "b.parquet", later)]
    assert typed(data.import_files, paths, pool="usdc_weth_500")[0] == ExitCode.OK
    code, document = typed(data.check)
    assert (code, document["whole"]) == (ExitCode.DIFFERENT, False)
    assert document["folders"][0]["problems"] == ["gap: blocks 12 to 19 are not stored: keeper data download fetches them"]
    gaps = typed(data.list_)[1]["pools"][0]["gaps"]
    assert [(gap["first_block"], gap["last_block"]) for gap in gaps] == [(12, 19)]


def test_a_pool_of_another_chain_is_named_by_both(typed: Type, tmp_path: Path) -> None:
    code, document = typed(data.import_files, [parquet(tmp_path / "a.parquet", TICKS)], pool=f"137:{POOL}")
    assert code == ExitCode.OK
    assert document["files"][0]["folder"] == str(tmp_path / "store" / "137" / POOL)


def test_nothing_is_stored_when_one_of_several_files_is_unknown_and_all_problems_are_told(typed: Type, tmp_path: Path) -> None:
    paths = [parquet(tmp_path / "a.parquet", SWAPS), parquet(tmp_path / "b.parquet", AMOUNTS_ONLY), tmp_path / "c.parquet"]
    code, document = typed(data.import_files, paths, pool="usdc_weth_500")
    assert code == ExitCode.CONFIG
    assert [problem.partition(":")[0].rpartition("/")[2] for problem in document["error"]] == [
        "b.parquet",
        "c.parquet is not there, or is no file",
    ]
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("pool", [None, "usdc", "1:0x12", "0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640"])
def test_a_pool_that_is_not_named_or_not_known_is_one_error(typed: Type, tmp_path: Path, pool: str | None) -> None:
    code, document = typed(data.import_files, [parquet(tmp_path / "a.parquet", WHOLE)], pool=pool)
    assert code == ExitCode.CONFIG
    assert len(document["error"]) == 1
    assert "--of" in document["error"][0]


def test_an_empty_store_is_no_error(typed: Type) -> None:
    assert typed(data.list_)[1]["pools"] == []
    assert typed(data.check)[1]["whole"]


def test_a_person_reads_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPER__DATA__DIR", str(tmp_path / "store"))
    session = Session()
    data.list_(session)
    assert "holds nothing yet" in capsys.readouterr().out
    data.import_files(session, [parquet(tmp_path / "a.parquet", SWAPS)], pool="usdc_weth_500")
    data.list_(session)
    data.check(session)
    shown = capsys.readouterr().out
    assert "swaps of a pool" in shown
    assert "usdc_weth_500" in shown
    assert "is whole" in shown


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2025-10-01", 1_759_276_800),
        ("2025-10-01T12:00:00", 1_759_320_000),
        ("2025-10-01T12:00:00Z", 1_759_320_000),
        ("2025-10-01T14:00:00+02:00", 1_759_320_000),
    ],
)
def test_moments_are_utc_unless_they_say_otherwise(text: str, seconds: int) -> None:
    assert data.moment(text, "--since") == seconds


@pytest.mark.parametrize("text", ["", "yesterday", "2025-13-01", "1759276800000", "1969-12-31"])
def test_rubbish_is_no_moment(text: str) -> None:
    with pytest.raises(ConfigError, match="--since: "):
        data.moment(text, "--since")

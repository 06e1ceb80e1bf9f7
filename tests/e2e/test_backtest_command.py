"""``keeper backtest`` and ``keeper sweep`` as a person types them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from keeper.app.cli.main import app


def typed(folder: Path, *words: str) -> Result:
    """In this process, which has imported everything already."""
    with contextlib.chdir(folder):
        return CliRunner().invoke(app, words)


def answered(folder: Path, *words: str) -> dict[str, Any]:
    found = typed(folder, *words, "--json")
    assert found.exit_code == 0, found.stderr
    return json.loads(found.stdout, parse_constant=no_constant)


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="module")
def made(folder: Path) -> dict[str, Any]:
    """As the installed command, with processes of its own."""
    words = ("--market", "trend", "--days", "0.6", "--benchmarks", "full_range,equal_gamma", "--csv", "--out", "run", "--json")
    found = subprocess.run(
        [sys.executable, "-m", "keeper", "backtest", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout, parse_constant=no_constant)


def test_a_run_tells_its_parts_exactly_and_is_unproven(made) -> None:
    assert made["verdict"] == "unproven"
    assert sum(int(part) for part in made["parts"].values()) == int(made["change"])
    assert [one["name"] for one in made["tracks"]] == ["keeper", "full_range", "equal_gamma"]
    assert [one["name"] for one in made["portfolios"]] == ["hold", "constant_mix"]
    assert all(one["value_quote"] > 0 for one in made["portfolios"])
    assert "momentum" in made["weightless"]
    assert any("no exact record" in reason for reason in made["unproven_because"])
    assert made["setting"]["frictions"]["latency_blocks"] == 2


def test_the_report_is_one_file_and_the_csv_has_every_cycle(folder, made) -> None:
    html = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "unproven" in html.lower()
    assert "<script src" not in html
    lines = (folder / "run" / "cycles.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == made["cycles"] + 1
    assert not (folder / "run" / "run.checkpoint").exists()


def test_the_same_words_give_the_same_run(folder, made) -> None:
    again = answered(folder, "backtest", "--market", "trend", "--days", "0.6", "--benchmarks", "none", "--out", "again")
    assert (again["parts"], again["change"]) == (made["parts"], made["change"])
    other = answered(
        folder, "backtest", "--market", "trend", "--days", "0.6", "--benchmarks", "none", "--seed", "2", "--out", "other"
    )
    assert other["change"] != made["change"]


@pytest.mark.long
def test_a_check_is_made_and_then_known_to_the_report(folder) -> None:
    found = typed(folder, "backtest", "check", "--market", "calm", "--days", "0.5", "--jobs", "1", "--json")
    rows = json.loads(found.stdout)["checks"]
    assert found.exit_code == (0 if all(row["passed"] for row in rows) else 1)
    assert rows[0] == {**rows[0], "name": "tape cut in the middle", "passed": True}
    run = answered(folder, "backtest", "--market", "calm", "--days", "0.5", "--benchmarks", "none")
    assert "keeper backtest check was not run" not in run["unproven_because"]
    words = ("--market", "calm", "--days", "0.5", "--benchmarks", "none", "--out", "elsewhere")
    assert "keeper backtest check was not run" not in answered(folder, "backtest", *words)["unproven_because"]
    page = (folder / "elsewhere" / "report.html").read_text(encoding="utf-8")
    assert "tape cut in the middle" in page
    rougher = answered(folder, "backtest", *words, "--failures", "0.2")
    assert "keeper backtest check was not run" in rougher["unproven_because"]


def test_every_run_is_held_against_all_benchmarks_and_ablations(folder) -> None:
    run = answered(folder, "backtest", "--market", "calm", "--days", "0.2", "--jobs", "1")
    assert [one["name"] for one in run["tracks"]] == [
        "keeper", "full_range", "static", "tau_reset", "equal_gamma", "opened_and_held", "without_volatility",
        "without_implied", "without_calendar", "without_score", "without_gate", "without_regime",
    ]  # fmt: skip


@pytest.mark.long
def test_a_search_keeps_its_trials_for_ever(folder) -> None:
    words = (
        "sweep", "--market", "calm", "--days", "6", "--every", "3600", "--train", "2", "--test", "1", "--embargo", "0",
        "--over", "ladder.core.half_width_sigmas=0.7..1.6", "--jobs", "1",
    )  # fmt: skip
    first = answered(folder, *words, "--trials", "2")
    assert first["tried"] == 2
    assert first["trials"][0]["unchanged"]
    assert first["verdict"] == "unproven"
    assert answered(folder, *words, "--trials", "1")["tried"] == 3
    assert answered(folder, *words, "--trials", "0")["tried"] == 3
    run = ("backtest", "--market", "calm", "--days", "0.2", "--benchmarks", "none")
    assert any("no study is named" in reason for reason in answered(folder, *run)["unproven_because"])
    known = answered(folder, *run, "--study", ".keeper/studies/keeper.journal")
    assert not any("no study is named" in reason for reason in known["unproven_because"])
    missing = typed(folder, *run, "--study", ".keeper/studies/keeper.journal", "--name", "another")
    assert missing.exit_code == 3
    assert "study another: there is none at this place" in missing.stderr
    other = typed(folder, *words[:-4], "--over", "gates.cooldown_s=600..7200", "--jobs", "1", "--trials", "1")
    assert other.exit_code != 0
    assert "space" in other.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("backtest",), "keeper data download"),
        (("backtest", "--market", "calm", "--from", "2025-01-01"), "has no dates"),
        (("backtest", "--from", "2025-01-02", "--to", "2025-01-01"), "is not after"),
        (("backtest", "--market", "calm", "--benchmarks", "best"), "is none of all, main, none"),
        (("backtest", "--market", "calm", "--failures", "2"), "backtest.failure_rate"),
        (("backtest", "--market", "calm", "--policy", "nowhere.toml"), "nowhere.toml"),
        (("sweep", "--market", "calm", "--over", "foo.bar=1..2"), "foo.bar"),
        (("sweep", "--market", "calm", "--over", "gates.cooldown_s=9..1"), "is empty"),
        (("sweep", "--market", "calm", "--days", "3", "--over", "gates.cooldown_s=600..900"), "do not suffice"),
    ],
)
def test_rubbish_is_told_in_one_line_that_says_what_to_do(tmp_path: Path, words, told) -> None:
    found = typed(tmp_path, *words)
    assert found.exit_code
    assert told in found.stderr
    assert "Traceback" not in found.stderr

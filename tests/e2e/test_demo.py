"""The demo as a person types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KEEPER = str(Path(sys.executable).parent / "keeper")

pytestmark = pytest.mark.chain


def _keeper(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([KEEPER, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=240)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("demo")
    done = _keeper("demo", "--days", "0.12", "--seed", "3", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_a_ladder_of_three_layers_is_opened_and_earns(played: tuple[Path, dict[str, object]]) -> None:
    folder, told = played
    config = f"{told['state_dir']}/keeper.toml"
    positions = json.loads(_keeper("-c", config, "positions", "--json", cwd=folder).stdout)
    assert sorted({one["layer"] for one in positions["positions"]}) == ["core", "insurance", "secondary"]
    assert len(positions["positions"]) == 4
    marks = told["marks"]
    assert isinstance(marks, dict)
    assert marks["fees_owed_quote"] > 0
    # The ladder's part of the fees is its part of the liquidity that the swaps met, within what five minutes blur.
    assert told["share_of_fees"] == pytest.approx(told["share_by_volume"], rel=0.2)


def test_the_commands_that_the_summary_names_work_on_what_it_left(played: tuple[Path, dict[str, object]]) -> None:
    folder, told = played
    config, act = f"{told['state_dir']}/keeper.toml", str(told["last_act"])
    explained = _keeper("-c", config, "explain", act, cwd=folder)
    assert explained.returncode == 0
    assert "mint core" in explained.stdout
    replayed = _keeper("-c", config, "replay", act, cwd=folder)
    assert replayed.returncode == 0, replayed.stdout


@pytest.mark.long
def test_the_same_seed_comes_to_the_same_day(played: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    _, first = played
    again = json.loads(_keeper("demo", "--days", "0.12", "--seed", "3", "--json", cwd=tmp_path).stdout)
    assert again["marks"] == first["marks"]
    assert again["books"] == first["books"]


@pytest.mark.long
def test_with_protection_it_says_what_that_came_to(tmp_path: Path) -> None:
    done = _keeper("demo", "--protect", "--days", "0.07", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["asked"].startswith("puts sold at 50% a year")
    protection = told["protection"]
    assert protection["bought"]
    assert protection["premium_quote"] == sum(one["premium_raw"] for one in protection["bought"]) / 10**6
    net = protection["payoff_quote"] + protection["held_quote"] - protection["premium_quote"] - protection["gas_quote"]
    assert protection["net_quote"] == pytest.approx(net)
    config = f"{told['state_dir']}/keeper.toml"
    explained = _keeper("-c", config, "journal", "--json", cwd=tmp_path)
    assert explained.returncode == 0


@pytest.mark.long
def test_recorded_prices_are_followed(tmp_path: Path) -> None:
    begin_s = 1_760_054_400
    rows = [f"{begin_s + 600 * place},{4_000 + 10 * (place % 2)}" for place in range(20)]
    (tmp_path / "prices.csv").write_text("\n".join(["timestamp,price", *rows]), encoding="utf-8")
    done = _keeper("demo", "--prices", "prices.csv", "--days", "0.06", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert 3_995 < told["marks"]["price"] < 4_015
    assert told["books"]["opened_s"] >= begin_s
    assert told["recorded"].startswith("recorded are 9 prices, at most 10 minutes apart; made up are")
    assert told["protection"] is None


@pytest.mark.long
def test_what_contradicts_itself_is_refused_before_a_chain_is_built(tmp_path: Path) -> None:
    both = _keeper("demo", "--prices", "a.csv", "--tape", "b.parquet", cwd=tmp_path)
    alone = _keeper("demo", "--from", "2025-10-10", cwd=tmp_path)
    assert (both.returncode, alone.returncode) == (3, 3)
    assert "--tape and --prices" in both.stderr + both.stdout
    assert "--prices" in alone.stderr + alone.stdout


@pytest.mark.long
def test_interrupting_ends_it_cleanly(tmp_path: Path) -> None:
    running = subprocess.Popen(
        [KEEPER, "demo"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert running.stdout is not None
    seen = ""
    while "open core" not in seen:
        line = running.stdout.readline()
        assert line, "the demo ended by itself"
        seen += line
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert "What the day came to" in out
    assert not _children_of_group(running.pid)


def _children_of_group(group: int) -> list[str]:
    time.sleep(0.5)
    listed = subprocess.run(["ps", "-eo", "pgid,comm"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.split()[0] == str(group)]

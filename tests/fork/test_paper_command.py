"""Paper trading as a person types it: from a node's URL alone to a ladder that the other commands show."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from keeper.app.cli.main import app
from keeper.localchain.twin import Twin
from keeper.simulation import paper_feed
from tests.fork.paper_scene import PaperScene, market_opened

pytestmark = [pytest.mark.chain, pytest.mark.usefixtures("restored_logging")]
Type = Callable[..., Result]
LINE = "paper: virtual book of 100,000 USDC, nothing is signed\n"


@pytest.fixture
def scene(twin: Twin, tmp_path: Path) -> PaperScene:
    return market_opened(twin, tmp_path)


@pytest.fixture
def typed(scene: PaperScene, monkeypatch: pytest.MonkeyPatch) -> Type:
    """The command line with a node and nothing else."""
    monkeypatch.setattr(paper_feed, "POLL_S", 0.05)
    environ = {
        "KEEPER__RPC__URL": scene.twin.rpc_url,
        "KEEPER__SIGNALS__MIN_HISTORY_S": "600",
        "KEEPER__BACKTEST__FAILURE_RATE": "0",
        "COLUMNS": "200",
    }

    def run(*arguments: str, state_dir: str = "state") -> Result:
        with contextlib.chdir(scene.folder):
            return CliRunner().invoke(app, [*arguments, "--state-dir", state_dir], env=environ)

    return run


@pytest.fixture
def living(scene: PaperScene) -> Iterator[None]:
    """The market goes on trading by itself."""
    ended = threading.Event()

    def trade() -> None:
        while not ended.wait(0.05):
            scene.trade(1)

    thread = threading.Thread(target=trade)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.mark.usefixtures("living")
def test_a_ladder_is_opened_on_paper_and_the_other_commands_show_it(typed: Type, scene: PaperScene) -> None:
    first = typed("run", "--paper", "--once", "-q")
    assert first.exit_code == 0, first.output
    assert first.stderr.startswith(LINE)
    assert "done" in first.stdout
    again = typed("run", "--paper", "--once", "-q")
    assert again.exit_code == 0, again.output
    assert "held" in again.stdout
    for words in (
        ("status",),
        ("positions",),
        ("explain", "1"),
        ("replay", "1"),
        ("replay", "2"),
        ("health",),
        ("db", "verify"),
    ):
        told = typed(*words, state_dir="state/paper")
        assert told.exit_code == 0, told.output
    assert typed("positions", state_dir="state/paper").stdout.count("insurance") == 2
    assert not (scene.folder / "state" / "journal.sqlite").exists()


def test_signing_and_paper_exclude_one_another(typed: Type) -> None:
    told = typed("run", "--paper", "--live", "--once")
    assert told.exit_code == 3
    assert "--live and --paper exclude one another" in told.stderr


def test_a_second_paper_keeper_is_refused(typed: Type, scene: PaperScene) -> None:
    with scene.keeper():
        told = typed("run", "--paper", "--once")
    assert told.exit_code == 7
    assert "another keeper" in told.stderr


def test_paper_needs_a_node_and_no_account(tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        told = CliRunner().invoke(app, ["run", "--paper", "--once"], env={"KEEPER__RPC__URL": None})
    assert told.exit_code == 3
    assert told.stderr.count("error: ") == 1
    assert "rpc.url" in told.stderr

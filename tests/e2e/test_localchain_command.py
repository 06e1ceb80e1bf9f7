"""The sandbox as a person starts it: for each chain, with the shipped configuration of that chain on it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from keeper.app.cli.main import app
from keeper.localchain import arbitrum, gamma, herge, mainnet

KEEPER = str(Path(sys.executable).parent / "keeper")
SETTINGS = """
[use]
chain = "{chain}"
pool = "{pool}"
[rpc]
url = "{url}"
[wallet]
address = "{address}"
[hedge]
enabled = true
"""

pytestmark = [pytest.mark.chain, pytest.mark.usefixtures("restored_logging")]


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


def keeper(*arguments: str, cwd: Path, **environ: str) -> Ended:
    with contextlib.chdir(cwd):
        result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "220", **environ})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


@contextmanager
def running(*arguments: str, cwd: Path) -> Generator[dict[str, Any]]:
    """A sandbox, and what it tells of itself."""
    command = [KEEPER, "localchain", "up", "--port", "0", "--json", *arguments]
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield json.loads(line)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
    assert process.returncode == 0


def settled(cwd: Path, told: dict[str, Any], pool: str) -> None:
    """Settings of the shipped configuration for the sandbox' first account."""
    text = SETTINGS.format(chain=told["chain"], pool=pool, url=told["rpc_url"], address=told["accounts"][0]["address"])
    (cwd / "keeper.toml").write_text(text, encoding="utf-8")


def venue(cwd: Path) -> dict[str, Any]:
    examined = keeper("hedge", "doctor", "--json", cwd=cwd)
    assert examined.returncode == 0, examined.stderr
    (found,) = json.loads(examined.stdout)["venues"]
    return found


def test_arbitrum_has_its_own_contracts_and_hegic_always_sells(tmp_path: Path) -> None:
    with running("--chain", "arbitrum", cwd=tmp_path) as told:
        assert (told["chain"], told["chain_id"]) == ("arbitrum", arbitrum.CHAIN_ID)
        assert told["tokens"] == {"WETH": arbitrum.WETH, "USDC.e": arbitrum.USDC_E}
        assert list(told["pools"].values()) == [arbitrum.WETH_USDC_E_500]
        assert told["contracts"]["hegic_treasury"] == herge.TREASURY
        assert "aave_v3_pool" not in told["contracts"]
        assert told["puts"] == {put.name: put.address for put in herge.PUTS}
        settled(tmp_path, told, "arbitrum_weth_usdce_500")
        checked = keeper("check", "--skip-clock", "--json", cwd=tmp_path)
        assert checked.returncode == 0, checked.stdout
        found = venue(tmp_path)
        assert (found["venue"], found["reachable"], found["offers"]) == ("hegic", True, len(herge.PUTS))
        assert found["payable"] == {"amount": "250000", "token": "USDCe"}
        quoted = keeper("hedge", "quote", cwd=tmp_path)
        assert quoted.returncode == 0
        assert "there is no ladder" in quoted.stdout
        # What its feed says is believed: the sequencer's is there too.
        looked = json.loads(keeper("run", "--once", "--json", "-q", cwd=tmp_path).stdout)
        assert looked["state"] == "held"
        assert looked["ladder"]["price"] == pytest.approx(4_150.0, rel=1e-3)
        assert looked["gas"]["data_wei"] > 0


@pytest.mark.long
def test_on_mainnet_puts_are_for_sale_when_asked_for(tmp_path: Path) -> None:
    with running("--protect", cwd=tmp_path) as told:
        assert (told["chain"], told["chain_id"]) == ("mainnet", 1)
        assert told["contracts"]["opyn_controller"] == gamma.CONTROLLER
        assert told["pools"]["USDC/WETH 0.05 %"] == mainnet.USDC_WETH_500
        assert len(told["puts"]) == 3
        settled(tmp_path, told, "usdc_weth_500")
        found = venue(tmp_path)
        assert (found["venue"], found["reachable"], found["offers"]) == ("opyn", True, 3)
        assert keeper("hedge", "quote", cwd=tmp_path).returncode == 0


@pytest.mark.long
def test_without_being_asked_mainnet_sells_nothing_and_serves_what_it_did(tmp_path: Path) -> None:
    with running("--chain", "mainnet", cwd=tmp_path) as told:
        assert (told["chain_id"], told["puts"]) == (1, {})
        assert set(told["tokens"]) == {"USDC", "USDT", "WETH"}
        assert "aave_v3_pool" in told["contracts"]
        assert not any(name.startswith("opyn") for name in told["contracts"])


def test_what_it_cannot_stand_for_is_refused(tmp_path: Path) -> None:
    fork = {"KEEPER_FORK_RPC": "http://127.0.0.1:1"}
    refusals = [
        ("--chain: 'base': the local chain stands for mainnet or arbitrum", ["localchain", "up", "--chain", "base"], {}),
        ("--chain: 'base': the local chain stands for mainnet or arbitrum", ["demo", "--chain", "base"], {}),
        ("--tape is a recorded day of mainnet's pool", ["demo", "--chain", "arbitrum", "--tape", "a.parquet"], {}),
        ("a fork is of mainnet; unset KEEPER_FORK_RPC", ["localchain", "up", "--chain", "arbitrum"], fork),
        ("--protect: a fork has mainnet's own venues", ["localchain", "up", "--protect"], fork),
    ]
    for words, arguments, environ in refusals:
        ended = keeper(*arguments, cwd=tmp_path, **environ)
        assert ended.returncode == 3, arguments
        assert words in ended.stderr

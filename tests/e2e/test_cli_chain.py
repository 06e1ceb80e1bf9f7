"""The command as a person types it, on a local chain with a market in it: from an empty folder to a ladder and out again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keeper.adapters.evm.rpc import Rpc
from keeper.app.cli.main import app

pytestmark = [pytest.mark.chain, pytest.mark.usefixtures("restored_logging")]
ROOT = Path(__file__).resolve().parents[2]
KEEPER = [sys.executable, "-c", "from keeper.app.cli.main import run; run()"]
PASSPHRASE = "cAnArY-passphrase-0123456789"
SETTINGS = """
[wallet]
keystore = "key.json"
passphrase_file = "passphrase"
adoption = "refuse"
[run]
live = true
interval_s = 1
healthy_within_s = 60
[signals]
min_history_s = 600
[execution]
deadline_s = 1800
"""
"""The market below makes a block in a tenth of a second: a short history is enough, and deadlines are long."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict:
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Desk:
    """A folder with settings for a node."""

    folder: Path
    url: str
    account: str
    key: str

    @property
    def environ(self) -> dict[str, str]:
        return {"KEEPER__RPC__URL": self.url, "COLUMNS": "200"}

    def keeper(self, *arguments: str, text: str = "", **environ: str) -> Ended:
        with contextlib.chdir(self.folder):
            result = CliRunner().invoke(app, list(arguments), input=text, env={**self.environ, **environ})
        return Ended(result.exit_code, result.stdout, result.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environ = {**os.environ, **self.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [*KEEPER, *arguments], cwd=self.folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Iterator[Desk]:
    """A sandbox as ``keeper localchain up`` makes it, and a wallet of 60 ETH, 120 WETH and 500,000 USDC."""
    folder = tmp_path_factory.mktemp("desk")
    arguments = ["localchain", "up", "--port", "0", "--scenario", "calm", "--block-every-s", "0.1", "--json"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([*KEEPER, *arguments], env=environ, stdout=subprocess.PIPE, text=True) as chain:
        try:
            assert chain.stdout is not None
            told = json.loads(chain.stdout.readline())
            account = told["accounts"][0]
            rpc = Rpc(told["rpc_url"])
            rpc.send("anvil_setBalance", account["address"], hex(60 * 10**18))
            rpc.close()
            (folder / "keeper.toml").write_text(SETTINGS, encoding="utf-8")
            (folder / "passphrase").write_text(PASSPHRASE, encoding="utf-8")
            (folder / "passphrase").chmod(0o600)
            yield Desk(folder, told["rpc_url"], account["address"], account["key"])
        finally:
            chain.send_signal(signal.SIGINT)
            assert chain.wait(30) == 0


@pytest.fixture(scope="module")
def ready(desk: Desk) -> Desk:
    """The same with the key imported and enough of the market seen."""
    made = desk.keeper("keys", "import", "key.json", "--passphrase-file", "passphrase", "--json", text=desk.key)
    assert made.document["address"] == desk.account
    until = time.monotonic() + 120
    while desk.keeper("plan", "--json").returncode != 10:
        assert time.monotonic() < until
    return desk


def opened(desk: Desk) -> None:
    """Run until the ladder stands: a market that moves may refuse a swap once."""
    for _ in range(4):
        if desk.keeper("run", "--once", "--live", "--json", "-q").document["state"] in {"done", "held"}:
            return
    pytest.fail("no ladder after four cycles")


def test_check_proves_the_settings_and_finds_what_is_wrong(ready):
    right = ready.keeper("check", "--skip-clock", "--json")
    assert right.returncode == 0, [check for check in right.document["checks"] if not check["ok"]]
    told = {check["name"]: check["found"] for check in right.document["checks"]}
    # The sandbox has a feed and a lending market; what it lacks of the shipped surroundings has no weight as shipped.
    assert told["universe"].startswith("0 of 22 answer")
    assert told["lending market"].startswith("2 of 3 answer, not USDT")
    assert 3_000 < float(told["quote chainlink_eth_usd"]) < 6_000
    weights = {"KEEPER__STRESS__WEIGHTS__CALENDAR": "0.25", "KEEPER__STRESS__WEIGHTS__QUICK_RATIO": "0.10"}
    deaf = ready.keeper("check", "--skip-clock", "--json", **weights)
    assert deaf.returncode == 4
    assert [check["name"] for check in deaf.document["checks"] if not check["ok"]] == ["lending market"]
    clock = ready.keeper("check", "--json")
    assert clock.returncode == 4
    assert [check["name"] for check in clock.document["checks"] if not check["ok"]] == ["clock"]
    window = ready.keeper("check", "--skip-clock", KEEPER__GATES__TWAP_WINDOW_S="86400")
    assert window.returncode == 4
    assert "history" in window.stdout
    chain = ready.keeper("check", "--chain", "local", "--json", KEEPER__RUN__LIVE="false")
    assert chain.returncode == 4
    assert chain.document["checks"][-2]["name"] == "chain id"


def test_a_dry_run_signs_nothing_and_live_needs_both_consents(ready):
    dry = ready.keeper("run", "--once", "--json", "-q", "--state-dir", "dry")
    assert dry.returncode == 0
    assert dry.document["state"] == "simulated"
    refused = ready.keeper("run", "--once", "--live", KEEPER__RUN__LIVE="false")
    assert refused.returncode == 3
    assert "--live needs the configuration's consent" in refused.stderr
    rpc = Rpc(ready.url)
    assert rpc.call("eth_getTransactionCount", ready.account, "latest") == "0x0"
    rpc.close()


def test_nothing_starts_on_a_pool_that_does_not_exist(ready):
    absent = "0x00000000000000000000000000000000000000A1"
    refused = ready.keeper("run", "--once", "--state-dir", "absent", KEEPER__POOLS__USDC_WETH_500__ADDRESS=absent)
    assert refused.returncode == 4
    assert absent in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_ladder_is_opened_shown_explained_and_withdrawn(ready):
    opened(ready)
    held = ready.keeper("run", "--once", "--live", "--json", "-q").document
    assert {one["layer"] for one in held["ladder"]["positions"]} == {"core", "secondary", "insurance"}
    shown = ready.keeper("positions").stdout
    assert all(layer in shown for layer in ("core", "secondary", "insurance"))
    for cycle in ready.keeper("journal", "--json").document["cycles"]:
        assert ready.keeper("replay", str(cycle["id"])).returncode == 0
        assert ready.keeper("explain", str(cycle["id"])).returncode == 0
    assert ready.keeper("health").returncode == 0
    unsure = ready.keeper("exit", "--live", "-q", text="yes\n")
    assert unsure.returncode == 3
    left = ready.keeper("exit", "--live", "--yes", "--json", "-q")
    assert left.returncode == 0
    assert left.document["state"] == "done"
    assert ready.keeper("status", "--json").document["mode"] == "paused"
    blocked = ready.keeper("run", "--once", "--live", "--json", "-q")
    assert blocked.returncode == 6
    assert blocked.document["state"] == "blocked"
    assert ready.keeper("exit", "--live", "--yes").returncode == 6
    assert ready.keeper("resume").returncode == 0
    assert ready.keeper("exit", "--live", "--yes", "--json", "-q").document == {"state": "held", "positions": []}


def lines(stream, *, until: str) -> list[dict]:
    """Log lines up to the first event of that name."""
    found: list[dict] = []
    for line in stream:
        found.append(json.loads(line))
        if found[-1]["event"] == until:
            return found
    raise AssertionError(f"no {until} in {found}")


def test_a_service_holds_the_lease_reloads_and_drains(ready):
    with ready.start("run") as service:
        try:
            assert service.stderr is not None
            begun = lines(service.stderr, until="cycle.ended")
            assert begun[0]["mode"] == "dry"
            second = ready.keeper("run", "--once")
            assert second.returncode == 7
            assert "stop it first" in second.stderr
            assert ready.keeper("plan", "-q").returncode in {0, 10}
            (ready.folder / "keeper.toml").write_text(SETTINGS + "[gates]\ncooldown_s = 7200\n", encoding="utf-8")
            asked = ready.keeper("config", "reload", "--json")
            assert asked.document["changes"] == ["gates.cooldown_s: 3600 -> 7200"]
            taken = lines(service.stderr, until="config.reloaded")
            assert taken[-1]["changes"] == ["gates.cooldown_s: 3600 -> 7200"]
            stuck = ready.keeper("config", "reload", KEEPER__USE__POOL="usdc_weth_500_3000")
            assert stuck.returncode == 3
            assert "needs a restart" in stuck.stderr
        finally:
            service.send_signal(signal.SIGTERM)
            rest = service.communicate(timeout=60)[1]
        assert service.returncode == 0
        assert json.loads(rest.splitlines()[-1])["event"] == "daemon.stopped"


def test_no_secret_is_anywhere(ready):
    noisy = ready.keeper("run", "--once", "-v", "--debug")
    texts = [noisy.stdout, noisy.stderr, ready.keeper("config", "show").stdout, ready.keeper("explain", "--json").stdout]
    stored = [path.read_bytes() for path in (ready.folder / ".keeper").iterdir()]
    for secret in (PASSPHRASE, ready.key[2:]):
        assert not any(secret in text for text in texts)
        assert not any(secret.encode() in content for content in stored)

"""The command as a person types it, without a node: settings, keys, and a journal that a keeper left."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keeper.adapters.store.journal import SqlJournal
from keeper.app.cli.main import app
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import StageKind
from keeper.core.model.record import CycleState
from keeper.core.planning.planner import plan as make_plan
from keeper.core.signals.registry import read
from keeper.core.strategy.decide import decide
from tests.builders import gate_policy, history, ladder, memory, policy, prices, view
from tests.histories import history_ref
from tests.pairs import NOW_S, WALLET
from tests.plans import bounds, done

KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
SECRET_URL = "https://node.example:8545/v3/cAnArY0123456789abcdef"


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


def keeper(folder: Path, *arguments: str, text: str = "", **environ: str) -> Ended:
    """Type a command in ``folder``; in this process, since the imports of a new one take a second each time."""
    clean = {name: None for name in os.environ if name.startswith("KEEPER")}
    with contextlib.chdir(folder):
        result = CliRunner().invoke(app, list(arguments), input=text, env={**clean, "COLUMNS": "200", **environ})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


def write_journal(path: Path, *, ended: bool = True) -> None:
    """A journal with a hold and a carried-out plan, written by the real thing at a wall clock of long ago."""
    known = history()
    closed = policy(gates=gate_policy(max_base_fee_wei=1))
    with SqlJournal.open(path, chain_id=1, account=WALLET, wall_clock=lambda: 1_700_000_000.0) as journal:
        journal.append_prices(policy().signal_pool, prices())
        journal.append_history(known)
        for rules, held, remembered in ((closed, ladder(), memory()), (policy(), None, memory(layers=()))):
            seen = view(held=held, remembered=remembered, history=history_ref(known))
            readings = read(seen, known, rules)
            decision = decide(seen, readings, rules)
            plan = make_plan(seen, decision, rules)
            cycle_id = journal.begin_cycle(rules, seen, readings, decision, plan)
            for stage in plan.stages if plan else ():
                outcome = done((5001, LayerKind.CORE)) if stage.kind is StageKind.PLACE else done()
                journal.record_outcome(journal.record_intent(cycle_id, stage, bounds()), outcome, now_s=NOW_S)
            if ended:
                journal.end_cycle(cycle_id, CycleState.DONE if plan else CycleState.HELD, remembered)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("offline")
    write_journal(folder / ".keeper" / "journal.sqlite")
    return folder


def test_init_writes_a_file_that_is_right_and_never_writes_over_one(tmp_path):
    assert keeper(tmp_path, "init").returncode == 0
    assert (tmp_path / "keeper.toml").stat().st_mode & 0o777 == 0o600
    assert keeper(tmp_path, "config", "show").returncode == 0
    again = keeper(tmp_path, "init")
    assert again.returncode == 3
    assert again.stderr == "error: keeper.toml exists; --force writes over it\n"
    assert keeper(tmp_path, "init", "--force").returncode == 0


def test_init_writes_the_chain_and_pool_that_are_named(tmp_path):
    named = keeper(tmp_path, "init", "--chain", "arbitrum", "--pool", "arbitrum_weth_usdce_500")
    assert named.returncode == 0, named.stderr
    right = keeper(tmp_path, "config", "validate", KEEPER__RPC__URL=SECRET_URL, KEEPER__WALLET__ADDRESS=ADDRESS)
    assert right.stdout == "right: arbitrum, weth_usdce_500, dry\n"
    for wrong in (("--chain", "moon"), ("--chain", "arbitrum"), ("--pool", "moon")):
        refused = keeper(tmp_path, "init", *wrong, "--force")
        assert refused.returncode == 3
        assert refused.stderr.startswith("error: ")
    assert 'chain = "arbitrum"' in (tmp_path / "keeper.toml").read_text(encoding="utf-8")


def test_config_show_names_sources_and_hides_the_node(tmp_path):
    (tmp_path / "keeper.toml").write_text("[gates]\ncooldown_s = 1800\n", encoding="utf-8")
    shown = json.loads(keeper(tmp_path, "config", "show", "--json", KEEPER__RPC__URL=SECRET_URL).stdout)["settings"]
    assert shown["gates.cooldown_s"] == {"value": 1800, "unit": "seconds", "source": "keeper.toml"}
    assert shown["rpc.url"]["source"] == "environment KEEPER__RPC__URL"
    human = keeper(tmp_path, "config", "show", KEEPER__RPC__URL=SECRET_URL)
    assert "cAnArY" not in human.stdout + human.stderr + json.dumps(shown)


def test_config_validate_lists_every_problem(tmp_path):
    (tmp_path / "keeper.toml").write_text('[gates]\ncooldown_s = 0\n[wallet]\nadoption = "x"\n', encoding="utf-8")
    result = keeper(tmp_path, "config", "validate", KEEPER__GATE__X="1")
    assert result.returncode == 3
    assert not result.stdout
    assert len(result.stderr.splitlines()) == 4
    assert "Traceback" not in result.stderr
    right = keeper(
        tmp_path, "config", "validate", "-c", "/dev/null", KEEPER__RPC__URL=SECRET_URL, KEEPER__WALLET__ADDRESS=ADDRESS
    )
    assert right.stdout == "right: mainnet, usdc_weth_500, dry\n"


def test_config_schema_and_diff(tmp_path):
    assert json.loads(keeper(tmp_path, "config", "schema").stdout)["title"] == "keeper.toml"
    (tmp_path / "other.toml").write_text("[gates]\ncooldown_s = 1800\n[chain]\nconfirmations = 5\n", encoding="utf-8")
    changes = json.loads(keeper(tmp_path, "config", "diff", "other.toml", "--json").stdout)["changes"]
    assert [(change["path"], change["old"], change["new"]) for change in changes] == [
        ("chain.confirmations", 3, 5),
        ("gates.cooldown_s", 3600, 1800),
    ]
    assert keeper(tmp_path, "config", "reload").returncode == 3


def test_keys_are_made_and_imported_without_being_shown(tmp_path):
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n", encoding="utf-8")
    passphrase.chmod(0o600)
    made = keeper(tmp_path, "keys", "import", "key.json", "--passphrase-file", "passphrase", "--json", text=KEY + "\n")
    assert json.loads(made.stdout) == {"address": ADDRESS, "keystore": "key.json"}
    assert (tmp_path / "key.json").stat().st_mode & 0o777 == 0o600
    assert KEY[2:] not in made.stdout + made.stderr + (tmp_path / "key.json").read_text(encoding="utf-8")
    again = keeper(tmp_path, "keys", "import", "key.json", "--passphrase-file", "passphrase", text=KEY)
    assert again.returncode == 3
    passphrase.chmod(0o644)
    assert keeper(tmp_path, "keys", "new", "other.json", "--passphrase-file", "passphrase").returncode == 3
    wrong = keeper(tmp_path, "keys", "import", "bad.json", "--passphrase-file", "passphrase", text=KEY[:-1])
    assert wrong.returncode == 3
    assert KEY[2:-1] not in wrong.stderr
    assert keeper(tmp_path, "keys", "new", "other.json").returncode == 3


def test_without_a_journal_the_remedy_is_told(tmp_path):
    for command in ("status", "positions", "journal", "explain", "replay", "health", "pause", "resume", "halt"):
        result = keeper(tmp_path, command)
        assert result.returncode == 3
        assert "a keeper makes it when it first runs" in result.stderr
    assert not list(tmp_path.iterdir())


def test_without_a_node_the_remedy_is_told(tmp_path):
    for arguments in (["plan"], ["check"], ["run", "--once"], ["exit"]):
        result = keeper(tmp_path, *arguments, KEEPER__WALLET__ADDRESS=ADDRESS)
        assert result.returncode == 3
        assert result.stderr == "error: not set: rpc.url: is needed: set KEEPER__RPC__URL or rpc.url_file\n"


def test_a_dead_node_is_a_chain_error(tmp_path):
    node = {"KEEPER__RPC__URL": "http://127.0.0.1:9", "KEEPER__WALLET__ADDRESS": ADDRESS}
    for arguments in (["plan"], ["check"]):
        result = keeper(tmp_path, *arguments, **node)
        assert result.returncode == 5
        assert "Traceback" not in result.stderr


def test_live_needs_the_configurations_consent(tmp_path):
    node = {"KEEPER__RPC__URL": "http://127.0.0.1:9", "KEEPER__WALLET__ADDRESS": ADDRESS}
    result = keeper(tmp_path, "run", "--live", "--once", **node)
    assert result.returncode == 3
    assert "wallet.keystore" in result.stderr


def test_the_journal_is_read_without_a_node(folder):
    status = json.loads(keeper(folder, "status", "--json").stdout)
    assert (status["mode"], status["cycles"], status["account"]) == ("working", 2, WALLET)
    listed = json.loads(keeper(folder, "journal", "--json").stdout)["cycles"]
    assert [(cycle["id"], cycle["state"]) for cycle in listed] == [(2, "done"), (1, "held")]
    assert [one["id"] for one in json.loads(keeper(folder, "journal", "--json", "--before", "2").stdout)["cycles"]] == [1]
    assert "Hold: " in keeper(folder, "journal").stdout
    shown = json.loads(keeper(folder, "positions", "--json").stdout)
    assert shown["cycle"] == 2
    assert shown["minted_since"] == [5001]
    assert "cycle 2 then placed #5001" in keeper(folder, "positions").stdout


def test_a_cycle_is_explained_and_replayed(folder):
    explained = keeper(folder, "explain", "2")
    assert explained.returncode == 0
    for words in ("Cycle 2: done", "Readings", "Rules", "Reasons", "Alternatives", "Steps", "Outcomes"):
        assert words in explained.stdout
    assert json.loads(keeper(folder, "explain", "1", "--json").stdout)["plan"] is None
    replayed = keeper(folder, "replay", "2")
    assert replayed.returncode == 0
    assert "bit for bit" in replayed.stdout
    assert json.loads(keeper(folder, "replay", "1", "--json").stdout) == {"cycle": 1, "same": True, "diff": []}
    missing = keeper(folder, "explain", "99")
    assert missing.returncode == 3
    assert missing.stderr == "error: the journal holds no cycle 99; keeper journal lists them\n"


def test_a_journal_that_was_tampered_with_does_not_replay(tmp_path):
    write_journal(tmp_path / ".keeper" / "journal.sqlite")
    with contextlib.closing(sqlite3.connect(tmp_path / ".keeper" / "journal.sqlite")) as connection, connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'bars'").fetchall()
        for (name,) in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE bars SET close_x96 = high_x96")
    assert keeper(tmp_path, "replay", "2").returncode in {1, 6}
    verified = keeper(tmp_path, "db", "verify")
    assert verified.returncode == 1
    assert verified.stdout


def test_health_is_the_age_of_the_last_cycle(folder):
    old = keeper(folder, "health")
    assert old.returncode == 6
    assert "limit 10 min" in old.stdout
    fresh = keeper(folder, "health", "--max-age-s", str(10**9), "--json")
    assert fresh.returncode == 0
    assert json.loads(fresh.stdout)["healthy"] is True


def test_a_cycle_that_never_ended_is_no_sign_of_health(tmp_path):
    with SqlJournal.open(tmp_path / "journal.sqlite", chain_id=1, account=WALLET):
        pass
    result = keeper(tmp_path, "health", "--state-dir", str(tmp_path))
    assert result.returncode == 6
    assert "no cycle was completed yet" in result.stdout


def test_orders_hold_until_taken_back(tmp_path):
    write_journal(tmp_path / ".keeper" / "journal.sqlite")
    assert "pause: tea" in keeper(tmp_path, "pause", "--why", "tea").stdout
    assert json.loads(keeper(tmp_path, "status", "--json").stdout)["mode"] == "paused"
    assert keeper(tmp_path, "resume").returncode == 0
    assert keeper(tmp_path, "halt").returncode == 0
    assert keeper(tmp_path, "resume").returncode == 6
    assert json.loads(keeper(tmp_path, "status", "--json").stdout)["mode"] == "halted"
    assert keeper(tmp_path, "resume", "--clear-halt").returncode == 0
    assert json.loads(keeper(tmp_path, "status", "--json").stdout)["mode"] == "working"


def test_the_file_is_looked_after(tmp_path):
    assert keeper(tmp_path, "db", "migrate").returncode == 0
    copied = keeper(tmp_path, "db", "backup", "copy.sqlite", "--json")
    assert json.loads(copied.stdout)["bytes"] == (tmp_path / "copy.sqlite").stat().st_size
    assert keeper(tmp_path, "db", "backup", "copy.sqlite").returncode == 3
    assert "is whole" in keeper(tmp_path, "db", "verify").stdout


def test_colours_are_not_for_pipes(folder):
    assert "\x1b[" not in keeper(folder, "explain", "2").stdout

"""How errors end: one clear message, the promised exit code, no traceback, no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from keeper.adapters.evm.rpc import RpcRefused, RpcUnreachable
from keeper.app.cli.command import command, root
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session
from keeper.core.model.errors import ConfigError, Fault, JournalFault, KeeperError, LeaseHeld, Refused, Reorged, Transient

CANARY = "https://node.example/v3/cAnArY0123456789"


def app_that(body) -> typer.Typer:
    app = typer.Typer()
    root(app)

    @command(app, "act")
    def act(session: Session, *, times: int = 1) -> ExitCode:
        return body(session, times)

    @command(app, "rest")
    def rest(_session: Session) -> ExitCode:
        return ExitCode.OK

    return app


def raising(error: BaseException):
    def body(_session: Session, _times: int) -> ExitCode:
        raise error

    return app_that(body)


@pytest.mark.parametrize(("error", "code"), [
    (ConfigError(["one", "two"]), ExitCode.CONFIG),
    (LeaseHeld(["another keeper (process 5) holds x.lock: stop it first"]), ExitCode.LEASE),
    (Transient("later"), ExitCode.CHAIN),
    (Reorged("later"), ExitCode.CHAIN),
    (RpcUnreachable("no answer"), ExitCode.CHAIN),
    (RpcRefused(-32000, "no"), ExitCode.CHAIN),
    (Refused("no"), ExitCode.CHAIN),
    (KeeperError("no"), ExitCode.CHAIN),
    (Fault("stop"), ExitCode.HALTED),
    (JournalFault("stop"), ExitCode.HALTED),
    (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    (ZeroDivisionError("oh"), ExitCode.DIFFERENT),
])  # fmt: skip
def test_an_error_ends_with_its_code_and_one_message(error, code):
    result = CliRunner().invoke(raising(error), ["act"])
    assert result.exit_code == code
    assert not result.stdout
    lines = result.stderr.splitlines()
    assert all(one.startswith("error: ") for one in lines)
    assert len(lines) == (2 if "two" in str(error) else 1)
    assert "Traceback" not in result.stderr


def test_a_program_gets_an_object_for_an_error_too():
    result = CliRunner().invoke(raising(Transient("no answer")), ["act", "--json"])
    assert json.loads(result.stdout) == {"error": ["no answer"], "exit_code": 5}


def test_debug_shows_where_but_no_secret(monkeypatch):
    monkeypatch.setenv("KEEPER__RPC__URL", CANARY)
    result = CliRunner().invoke(raising(RuntimeError(f"POST {CANARY} with cAnArY0123456789")), ["act", "--debug", "--json"])
    assert "Traceback" in result.stderr
    assert "cAnArY" not in result.stderr + result.stdout
    assert "https://node.example" in result.stdout


BEFORE = ["--json", "-c", "a.toml", "act"]
AFTER = ["act", "--json", "-c", "a.toml"]
BOTH = ["-c", "b.toml", "act", "--json", "-c", "a.toml"]


@pytest.mark.parametrize("arguments", [BEFORE, AFTER, BOTH])
def test_shared_options_stand_before_or_after_the_command(arguments):
    seen = []

    def body(session: Session, times: int) -> ExitCode:
        seen.append((session, times))
        return ExitCode.OK

    assert CliRunner().invoke(app_that(body), arguments).exit_code == 0
    assert seen == [(Session(config=Path("a.toml"), as_json=True), 1)]


def test_a_commands_own_result_is_its_exit_code():
    app = app_that(lambda _session, times: ExitCode.ACTION_DUE if times == 3 else ExitCode.OK)
    assert CliRunner().invoke(app, ["act", "--times", "3"]).exit_code == 10
    assert CliRunner().invoke(app, ["act"]).exit_code == 0


@pytest.mark.parametrize("arguments", [["none"], ["act", "--none"], ["act", "--times", "x"], ["act", "extra"]])
def test_wrong_usage_ends_with_2(arguments):
    result = CliRunner().invoke(app_that(lambda *_: ExitCode.OK), arguments)
    assert result.exit_code == ExitCode.USAGE
    assert not result.stdout


def test_the_codes_are_the_published_ones():
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "DIFFERENT": 1,
        "USAGE": 2,
        "CONFIG": 3,
        "PREFLIGHT": 4,
        "CHAIN": 5,
        "HALTED": 6,
        "LEASE": 7,
        "ACTION_DUE": 10,
        "INTERRUPTED": 130,
    }

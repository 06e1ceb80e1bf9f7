"""The sandbox, for as long as somebody wants it."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import FrameType

from rich.text import Text

from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.output import table
from keeper.app.cli.session import Session
from keeper.core.model.errors import ConfigError
from keeper.localchain import sandbox
from keeper.simulation.weather import Scenario

FORK_VARIABLE = "KEEPER_FORK_RPC"
"""Names a mainnet node to fork in place of building the twin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What kind of sandbox."""

    port: int
    scenario: str | None
    seed: int
    days: float
    block_every_s: float


def up(session: Session, request: Request) -> ExitCode:
    """Start, tell what stands where, stay until SIGINT or SIGTERM."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    with _started(request) as running:
        told = running.describe()
        named = [(name, address) for kind in ("contracts", "tokens", "pools") for name, address in told[kind].items()]
        accounts = [(account["address"], account["key"]) for account in told["accounts"]]
        session.out.show(
            told,
            Text(f"node {told['rpc_url']}, chain {told['chain_id']}; Ctrl-C ends it"),
            table("Contracts", ("name", "address"), named),
            table("Accounts (everybody knows these keys)", ("address", "key"), accounts),
        )
        running.run(stop, block_every_s=request.block_every_s)
    return ExitCode.OK


def _started(request: Request) -> AbstractContextManager[sandbox.Sandbox]:
    rpc_url = os.environ.get(FORK_VARIABLE)
    if rpc_url is None:
        scenario = _scenario(request.scenario)
        return sandbox.up(port=request.port, scenario=scenario, seed=request.seed, days=request.days)
    if request.scenario is not None:
        raise ConfigError([f"--scenario: a fork has mainnet's own prices; unset {FORK_VARIABLE}, or leave the scenario out"])
    return sandbox.forked(rpc_url, port=request.port)


def _scenario(name: str | None) -> Scenario | None:
    if name is None:
        return None
    try:
        return Scenario(name)
    except ValueError:
        raise ConfigError([f"--scenario: {name!r}: must be one of {', '.join(Scenario)}"]) from None

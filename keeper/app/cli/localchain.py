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
from keeper.localchain.place import MAINNET, place_named
from keeper.simulation.weather import Scenario

FORK_VARIABLE = "KEEPER_FORK_RPC"
"""Names a mainnet node to fork in place of building the twin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What kind of sandbox."""

    port: int
    scenario: str | None
    protect: bool
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
    with _started(session.chain, request) as running:
        told = running.describe()
        named = [(name, address) for kind in ("contracts", "tokens", "pools", "puts") for name, address in told[kind].items()]
        accounts = [(account["address"], account["key"]) for account in told["accounts"]]
        session.out.show(
            told,
            Text(f"node {told['rpc_url']}, chain {told['chain_id']} ({told['chain']}); Ctrl-C ends it"),
            table("Contracts", ("name", "address"), named),
            table("Accounts (everybody knows these keys)", ("address", "key"), accounts),
        )
        running.run(stop, block_every_s=request.block_every_s)
    return ExitCode.OK


def _started(chain: str | None, request: Request) -> AbstractContextManager[sandbox.Sandbox]:
    place, scenario = place_named(chain), _scenario(request.scenario)
    rpc_url = os.environ.get(FORK_VARIABLE)
    if rpc_url is None:
        return sandbox.up(
            place=place,
            port=request.port,
            scenario=scenario,
            protect=request.protect,
            seed=request.seed,
            days=request.days,
        )
    refused = {
        f"--chain: {place.name!r}: a fork is of mainnet": place is not MAINNET,
        "--scenario: a fork has mainnet's own prices": scenario is not None,
        "--protect: a fork has mainnet's own venues": request.protect,
    }
    if problems := [f"{why}; unset {FORK_VARIABLE}, or leave it out" for why, holds in refused.items() if holds]:
        raise ConfigError(problems)
    return sandbox.forked(rpc_url, port=request.port)


def _scenario(name: str | None) -> Scenario | None:
    if name is None:
        return None
    try:
        return Scenario(name)
    except ValueError:
        raise ConfigError([f"--scenario: {name!r}: must be one of {', '.join(Scenario)}"]) from None

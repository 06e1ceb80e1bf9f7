"""``keeper demo``."""

from __future__ import annotations

import io
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from keeper.adapters.telemetry.logs import configure
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.output import WIDTH_OFF_TERMINAL
from keeper.app.cli.session import Session
from keeper.app.demo import play
from keeper.app.demo_scene import DemoOptions
from keeper.app.demo_stage import ON_MAINNET, Stage, stage_named
from keeper.app.demo_view import LiveView, PlainView, summary
from keeper.core.model.errors import ConfigError
from keeper.simulation.weather import Scenario


class Asked(NamedTuple):
    """What a person asked for."""

    tape: Path | None
    prices: Path | None
    begin: str | None
    scenario: str
    protect: bool
    seed: int
    days: float | None
    speed: float
    port: int


def run(session: Session, asked: Asked, *, keep: bool) -> ExitCode:
    """Play a day, show it, and sum it up on stdout; logs go to a file in the run's folder.

    Raises:
        ConfigError: a tape and prices are both named, a beginning without prices, a chain without a twin, or a tape on another
            chain than its own; or as :func:`keeper.app.demo.play`.
    """
    stage = _stage(session.chain, asked)
    # A program reads the object on stdout: the pictures go to stderr then.
    console = Console(stderr=session.as_json, no_color=session.no_color or None, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OFF_TERMINAL
    folder = _new_folder(session.state_dir)
    options = _options(asked, stage, folder)
    title = f"keeper demo: {stage.pair}, {_played(asked)}{', protected' if asked.protect else ''}"
    log = io.StringIO()
    view = LiveView(console, title) if console.is_terminal else PlainView(console, title)

    def wait(url: str) -> None:
        console.print(f"the chain stays up at {url}; Ctrl-C ends it")
        while True:
            time.sleep(1)

    try:
        with view as show:
            outcome = play(options, configure(log), show, until_stopped=wait if keep else None)
    finally:
        if folder.is_dir():
            (folder / "keeper.log").write_text(log.getvalue(), encoding="utf-8")
    if session.as_json:
        sys.stdout.write(json.dumps({**asdict(outcome), "state_dir": str(folder)}, default=str) + "\n")
        return ExitCode.OK
    for part in summary(outcome, state_dir=folder, tape=asked.tape is not None):
        console.print(part)
    if outcome.interrupted:
        console.print(Text("interrupted"))
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def _stage(chain: str | None, asked: Asked) -> Stage:
    """Where it is played.

    Raises:
        ConfigError: what was asked for does not go together.
    """
    stage = stage_named(chain)
    if asked.tape is not None and asked.prices is not None:
        raise ConfigError(["--tape and --prices are both given; name one record"])
    if asked.begin is not None and asked.prices is None:
        raise ConfigError(["--from is where recorded prices begin; name them with --prices"])
    if asked.tape is not None and stage is not ON_MAINNET:
        raise ConfigError([f"--tape is a recorded day of mainnet's pool; leave it or --chain {stage.place.name} out"])
    return stage


def _options(asked: Asked, stage: Stage, folder: Path) -> DemoOptions:
    return DemoOptions(
        stage=stage,
        state_dir=folder,
        tape=asked.tape,
        prices=asked.prices,
        begin=asked.begin,
        scenario=Scenario(asked.scenario),
        protect=asked.protect,
        seed=asked.seed,
        days=asked.days or (stage.protected_days if asked.protect else stage.days),
        port=asked.port,
        speed=asked.speed,
    )


def _played(asked: Asked) -> str:
    if asked.tape is not None:
        return f"the recorded day in {asked.tape.name}"
    if asked.prices is not None:
        return f"a made-up market at the prices recorded in {asked.prices.name}, seed {asked.seed}"
    return f"{asked.scenario}, seed {asked.seed}"


def _new_folder(state_dir: Path | None) -> Path:
    base = state_dir or Path(".keeper")
    stamp = time.strftime("demo-%Y%m%d-%H%M%S", time.gmtime())
    return base / stamp

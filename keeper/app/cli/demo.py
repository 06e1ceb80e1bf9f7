"""``keeper demo``."""

from __future__ import annotations

import io
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from keeper.adapters.telemetry.logs import configure
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.output import WIDTH_OFF_TERMINAL
from keeper.app.cli.session import Session
from keeper.app.demo import DemoOptions, play
from keeper.app.demo_view import LiveView, PlainView, summary
from keeper.simulation.weather import Scenario


def run(
    session: Session,
    *,
    tape: Path | None,
    scenario: str,
    seed: int,
    days: float,
    speed: float,
    port: int,
    keep: bool,
) -> ExitCode:
    """Play a day, show it, and sum it up on stdout; logs go to a file in the run's folder."""
    # A program reads the object on stdout: the pictures go to stderr then.
    console = Console(stderr=session.as_json, no_color=session.no_color or None, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OFF_TERMINAL
    folder = _new_folder(session.state_dir)
    options = DemoOptions(
        state_dir=folder, tape=tape, scenario=Scenario(scenario), seed=seed, days=days, port=port, speed=speed
    )
    played = f"the recorded day in {tape.name}" if tape else f"{scenario}, seed {seed}"
    title = f"keeper demo: USDC/WETH 0.05 %, {played}"
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
    for part in summary(outcome, state_dir=folder, tape=tape is not None):
        console.print(part)
    if outcome.interrupted:
        console.print(Text("interrupted"))
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def _new_folder(state_dir: Path | None) -> Path:
    base = state_dir or Path(".keeper")
    stamp = time.strftime("demo-%Y%m%d-%H%M%S", time.gmtime())
    return base / stamp

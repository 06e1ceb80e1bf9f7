"""The journal's file."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from keeper.adapters.store.journal import migrate as bring_up
from keeper.adapters.store.reader import open_reader
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session


def migrate(session: Session) -> ExitCode:
    """Bring the schema up; the keeper must not be running."""
    path = session.load().settings.journal_path
    bring_up(path)
    session.out.show({"journal": str(path)}, Text(f"{path} is at this version's schema"))
    return ExitCode.OK


def backup(session: Session, target: Path) -> ExitCode:
    """Copy while others write."""
    with open_reader(session.load().settings.journal_path) as reader:
        reader.backup(target)
    size = target.stat().st_size
    session.out.show({"backup": str(target), "bytes": size}, Text(f"{target}: {size:,} bytes"))
    return ExitCode.OK


def verify(session: Session, *, newest: int | None) -> ExitCode:
    """Read everything back."""
    path = session.load().settings.journal_path
    with open_reader(path) as reader:
        problems = reader.verify(newest=newest)
    shown = [Text(problem) for problem in problems] or [Text(f"{path} is whole")]
    session.out.show({"journal": str(path), "whole": not problems, "problems": list(problems)}, *shown)
    return ExitCode.DIFFERENT if problems else ExitCode.OK

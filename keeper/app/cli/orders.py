"""Orders to a keeper, given through its journal: they hold until they are taken back, restarts included."""

from __future__ import annotations

import getpass
from collections.abc import Callable

from rich.text import Text

from keeper.adapters.store.journal import ControlDesk, open_control
from keeper.adapters.store.reader import open_reader
from keeper.app.cli import status as standing
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session


def pause(session: Session, why: str) -> ExitCode:
    """Stop acting; take it back with resume."""
    return _order(session, lambda desk: desk.pause(why))


def halt(session: Session, why: str) -> ExitCode:
    """Stop acting until a person clears it."""
    return _order(session, lambda desk: desk.halt(why))


def resume(session: Session, why: str, *, clear_halt: bool) -> ExitCode:
    """Take a pause back, and a halt when that is said."""

    def order(desk: ControlDesk) -> None:
        desk.resume(why)
        if clear_halt:
            desk.clear_halt(why)

    _order(session, order)
    with open_reader(session.load().settings.journal_path) as reader:
        return ExitCode.HALTED if reader.standing() else ExitCode.OK


def _order(session: Session, order: Callable[[ControlDesk], None]) -> ExitCode:
    path = session.load().settings.journal_path
    with open_control(path, who=_who()) as desk:
        order(desk)
        found = desk.status()
    orders = [f"{one.action}: {one.why}" for one in found.standing] or ["the keeper may act"]
    document = {"mode": standing.mode(found), "orders": [one.action for one in found.standing]}
    session.out.show(document, *(Text(line) for line in orders))
    return ExitCode.OK


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user often has no name.
        return "operator"

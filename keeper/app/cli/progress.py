"""How far a long command has come, on stderr, so that what a program reads stays clean."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from keeper.app.cli.session import Session

Item = TypeVar("Item")


def followed(session: Session, what: str, items: Iterable[Item], total: int) -> Iterator[Item]:
    """``items``, with a bar that grows as they are taken; none when the session is quiet or stderr is no terminal."""
    console = Console(file=sys.stderr, no_color=True if session.no_color else None)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=session.quiet or not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=total)
        for item in items:
            yield item
            bar.advance(task)

"""How far a long command has come, on stderr, so that what a program reads stays clean."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

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


@contextmanager
def bars(session: Session) -> Generator[Callable[[str, int, int], None]]:
    """A bar for every name that is told, with how much of how many is done; none as :func:`followed`."""
    console = Console(file=sys.stderr, no_color=True if session.no_color else None)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=session.quiet or not console.is_terminal, transient=True) as shown:
        tasks: dict[str, TaskID] = {}

        def tell(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = shown.add_task(name, total=total)
            shown.update(tasks[name], completed=done, total=total)

        yield tell

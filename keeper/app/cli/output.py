"""Data on stdout: one JSON object, or tables for a person."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.table import Table

WIDTH_OFF_TERMINAL = 200
"""Columns when stdout is no terminal: wide enough that no table is cut."""


class Output:
    """Where a command's result goes.

    Args:
        as_json: whether a program reads it.
        color: False forbids colours; NO_COLOR in the environment does so anyway.
        stream: where to write.
    """

    def __init__(self, *, as_json: bool, color: bool = True, stream: TextIO | None = None) -> None:
        self._as_json = as_json
        self._stream = sys.stdout if stream is None else stream
        self._color = color

    def show(self, document: Mapping[str, Any], *shown: RenderableType) -> None:
        """Write ``document`` for a program, or ``shown`` for a person."""
        if self._as_json:
            self._stream.write(json.dumps(_plain(document), sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")
            self._stream.flush()
            return
        width = None if self._stream.isatty() or "COLUMNS" in os.environ else WIDTH_OFF_TERMINAL
        console = Console(file=self._stream, no_color=None if self._color else True, highlight=False, width=width)
        for renderable in shown:
            console.print(renderable)
        self._stream.flush()


def _plain(value: Any) -> Any:
    """With null in place of numbers that JSON does not have, and decimals as text."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Decimal):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> Table:
    """A table without lines between rows; the columns named in ``right`` are aligned like numbers."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made

"""A TOML table taken apart key by key: every problem is noted, none is raised before the last."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

T = TypeVar("T")

_LONGEST_SHOWN = 60
_LONGEST_TEXT = 120
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)


class Problems:
    """What is wrong with one file.

    Args:
        source: the file, as a person knows it.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self.lines: list[str] = []

    def note(self, path: str, message: str, value: object = None) -> None:
        """Remember a problem of the value at ``path``."""
        shown = "" if value is None else f"{_shown(value)}: "
        self.lines.append(f"{self._source}: {path}: {shown}{message}")


class Table:
    """One table; ask for its keys, then for :meth:`done`.

    A value that is not as it must be is noted and replaced by one that is, so that reading can go on to the next problem; what
    was read is of use only if nothing was noted.

    Args:
        found: what stands there.
        path: where it stands.
        problems: where to note.
    """

    def __init__(self, found: object, path: str, problems: Problems) -> None:
        self.path = path
        self.problems = problems
        self._found: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        self._asked: set[str] = set()
        if not isinstance(found, Mapping):
            problems.note(path, "must be a table", found)

    def text(self, key: str, *, default: str | None = None) -> str:
        """A printable text; required when there is no default."""
        must_be = f"must be a printable text of 1 to {_LONGEST_TEXT} characters"
        value = self._take(key, must_be, default)
        if isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) <= len(value) <= _LONGEST_TEXT:
            return value
        return self._refuse(key, must_be, value, "-")

    def whole(self, key: str, least: int, most: int) -> int:
        """A whole number within bounds; required."""
        must_be = f"must be a whole number, {least} to {most}"
        value = self._take(key, must_be)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        return self._refuse(key, must_be, value, least)

    def decimal(self, key: str, least: str, most: str) -> float:
        """A decimal in quotes within bounds; required."""
        must_be = f"must be a decimal in quotes, {least} to {most}"
        value = self._take(key, must_be)
        try:
            if isinstance(value, str) and _DECIMAL.fullmatch(value) and Decimal(least) <= Decimal(value) <= Decimal(most):
                return float(value)
        except InvalidOperation:
            pass
        return self._refuse(key, must_be, value, float(least))

    def one_of(self, key: str, choices: tuple[str, ...]) -> str:
        """One of a few words; required."""
        must_be = f"must be {', '.join(choices[:-1])} or {choices[-1]}" if choices[1:] else f"must be {''.join(choices)}"
        value = self._take(key, must_be)
        return value if isinstance(value, str) and value in choices else self._refuse(key, must_be, value, "-")

    def clock(self, key: str) -> time | None:
        """A local time of day to the second; None when there is none."""
        value = self._take(key, "", None, required=False)
        if value is None or (isinstance(value, time) and not value.microsecond):
            return value
        return self._refuse(key, "must be a time of day such as 08:30:00, not in quotes", value, None)

    def fold(self, key: str) -> int | None:
        """0 or 1; None when there is none."""
        value = self._take(key, "", None, required=False)
        if value is None or (value in {0, 1} and not isinstance(value, bool)):
            return value
        return self._refuse(key, "must be 0 or 1", value, None)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of printable texts; empty when there is none."""
        value = self._take(key, "", [], required=False)
        if isinstance(value, list) and all(isinstance(one, str) and one.strip() and one.isprintable() for one in value):
            return tuple(value)
        return self._refuse(key, 'must be a list of texts such as ["Consumer Price Index"]', value, ())

    def items(self, key: str, must_be: str) -> list[Any]:
        """A list with something in it; required."""
        value = self._take(key, must_be)
        return value if isinstance(value, list) and value else self._refuse(key, must_be, value, [])

    def tables(self, key: str) -> Mapping[str, Any]:
        """A table of tables; empty when there is none."""
        value = self._take(key, "", {}, required=False)
        return value if isinstance(value, Mapping) else self._refuse(key, "must be a table", value, {})

    def done(self) -> None:
        """Note every key that nobody asked for."""
        for key in sorted(self._found.keys() - self._asked):
            near = difflib.get_close_matches(key, self._asked, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(self._asked))}"
            self.problems.note(self._at(key), f"unknown key{hint}")

    def _take(self, key: str, must_be: str, default: object = None, *, required: bool = True) -> Any:
        self._asked.add(key)
        if key not in self._found and default is None and required:
            self.problems.note(self._at(key), f"is missing; {must_be}")
        return self._found.get(key, default)

    def _refuse(self, key: str, must_be: str, value: object, instead: T) -> T:
        if key in self._found:
            self.problems.note(self._at(key), must_be, value)
        return instead

    def _at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def _shown(value: object) -> str:
    text = value.isoformat() if hasattr(value, "isoformat") else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"

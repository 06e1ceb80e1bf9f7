"""Asking a person before something is signed; on stderr, since stdout is for data."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from keeper.core.model.errors import ConfigError


def ask(command: str, told: Iterable[str], expected: str) -> None:
    """Tell what is about to happen and have some words typed.

    Args:
        command: what asks, as a person typed it.
        told: a line each.
        expected: the words.

    Raises:
        ConfigError: something else was typed, or there is nobody to type.
    """
    if not sys.stdin.isatty():
        raise ConfigError([f"{command} asks before it acts; without a terminal say --yes"])
    console = sys.stderr
    console.writelines(f"{line}\n" for line in told)
    console.write(f'Type "{expected}" to go on: ')
    console.flush()
    if sys.stdin.readline().strip() != expected:
        raise ConfigError(["not confirmed; nothing was done"])

"""What the shell is told."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    DIFFERENT = 1
    """A comparison failed, or something unforeseen happened."""
    USAGE = 2
    CONFIG = 3
    PREFLIGHT = 4
    """A check failed."""
    CHAIN = 5
    """The node could not be asked, or said no."""
    HALTED = 6
    """The keeper must not act until a person clears it, or its last cycle is too old."""
    LEASE = 7
    """Another keeper holds the journal."""
    ACTION_DUE = 10
    """``plan`` found something to do."""
    INTERRUPTED = 130

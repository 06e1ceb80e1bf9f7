"""Telling what happens."""

from __future__ import annotations

from typing import Protocol


class Telemetry(Protocol):
    """Receives events of the engine; never raises and never blocks for long."""

    def event(self, name: str, **fields: object) -> None:
        """Tell one event, named ``noun.verb``."""
        ...

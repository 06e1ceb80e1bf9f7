"""The journals that the suites of the port are run on."""

from __future__ import annotations

from typing import Protocol

from keeper.ports.journal import Journal


class Steerable(Journal, Protocol):
    """A journal with a person's orders, as the command line gives them."""

    def pause(self, why: str) -> None: ...
    def resume(self) -> None: ...
    def clear_halt(self) -> None: ...

"""What a simulated account needs of the market that it acts in, whether tapes or a node move it."""

from __future__ import annotations

from typing import Protocol

from keeper.core.model.pool import BlockRef
from keeper.simulation.sim_pool import SimPool


class Chain(Protocol):
    """A chain that stands at a block until it is moved."""

    @property
    def pools(self) -> dict[str, SimPool]:
        """By address, with our liquidity in them."""
        ...

    @property
    def now_s(self) -> int:
        """Chain time of the newest block."""
        ...

    @property
    def block(self) -> BlockRef:
        """The newest block."""
        ...

    def advance_blocks(self, count: int) -> None:
        """Let so many blocks pass.

        Raises:
            Transient: they do not come.
        """
        ...


class Fees(Protocol):
    """Base fees of the time."""

    def at(self, now_s: int) -> int:
        """The fee in force, in wei."""
        ...

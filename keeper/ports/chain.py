"""Reading the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from keeper.core.model.record import Observation


class MarketSource(Protocol):
    """Reads everything that a cycle may know, at one block."""

    def observe(self, *, token_ids: Sequence[int], prices_after_block: int | None, sample_after_s: int | None) -> Observation:
        """Read at the newest block.

        Args:
            token_ids: positions known from earlier cycles; others that the wallet owns are found too.
            prices_after_block: newest block whose prices are known; None asks for the whole configured look-back.
            sample_after_s: chain time from which a sample of the surroundings is due; None wants none.

        Raises:
            Transient: unreachable, inconsistent or malformed answers.
            Fault: the chain is not the configured one.
        """
        ...

"""What others than the pools say of the market."""

from __future__ import annotations

from typing import Protocol

from keeper.core.model.bar import Quote


class QuoteSource(Protocol):
    """Tells prices and implied volatilities from outside the chain."""

    def quotes(self, now_s: int) -> tuple[Quote, ...]:
        """What is newly known; never raises and never waits for long.

        Args:
            now_s: chain time of the cycle.

        Returns:
            A quote for each name that was asked for; its value is None, with the fault, when it is not to be believed.
        """
        ...

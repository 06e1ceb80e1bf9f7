"""A live chain as a virtual account sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keeper.core.ledger.attribution import MARK_BITS
from keeper.core.model.policy import Policy
from keeper.core.model.record import Observation
from keeper.ports.chain import MarketSource
from keeper.ports.telemetry import Telemetry
from keeper.simulation.paper_desk import PaperDesk


class PaperSource:
    """The chain's own view with the book's pools, wallet and positions in it.

    Prices, mean price, gas, samples and quotes stay the chain's: signals measure the market as it is, not as we would have made
    it.

    Args:
        real: reads the chain, for an account that nobody has.
        desk: moved to every block that is seen.
        policy: the rules.
        telemetry: told what the book is worth.
    """

    def __init__(self, real: MarketSource, desk: PaperDesk, policy: Policy, telemetry: Telemetry) -> None:
        self._real = real
        self._desk = desk
        self._telemetry = telemetry
        self._scale = float(10**policy.quote.decimals << MARK_BITS)

    def observe(
        self,
        *,
        token_ids: Sequence[int],  # ruff: ignore[unused-method-argument] - the book knows its positions
        prices_after_block: int | None,
        sample_after_s: int | None,
    ) -> Observation:
        """As the port says.

        Raises:
            Transient: the chain or what happened on it could not be read.
            Fault: the chain is not the configured one, was lost, or was reorganised from before the oldest book.
        """
        seen = self._real.observe(token_ids=(), prices_after_block=prices_after_block, sample_after_s=sample_after_s)
        self._desk.follow(seen.block)
        book = self._desk.book
        positions = book.account.manager.positions()
        self._tell()
        ours = book.market.pools
        pools = tuple(
            replace(ours[real.state.key.address].view(seen.block.timestamp_s), twap_tick=real.twap_tick) for real in seen.pools
        )
        return replace(seen, pools=pools, wallet=book.account.wallet, positions=positions)

    def _tell(self) -> None:
        """Value and attribution since the book was begun, in quote tokens."""
        watch, scale = self._desk.book.watch, self._scale
        parts = watch.parts
        self._telemetry.event(
            "paper.valued",
            value=round(watch.value / scale, 2),
            price=round(parts.price / scale, 2),
            fees=round(parts.fees / scale, 2),
            lvr=round(parts.lvr / scale, 2),
            swaps=round(parts.swaps / scale, 2),
            gas=round(parts.gas / scale, 2),
        )

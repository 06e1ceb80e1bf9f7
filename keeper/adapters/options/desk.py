"""Every venue asked together: what is held in as many requests as the slowest needs, what is offered in at most two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.options.reading import Reading, run_together
from keeper.core.model.errors import Transient
from keeper.core.model.option import (
    HedgeWant,
    NoQuote,
    NoQuoteReason,
    OptionMarket,
    OptionPosition,
    OptionQuote,
    ProtectionView,
)
from keeper.core.model.pool import BlockRef
from keeper.ports.options import OptionVenue


class ChainVenue(OptionVenue, Protocol):
    """A venue whose readings can run beside those of others."""

    def offering(
        self, market: OptionMarket, wants: Sequence[HedgeWant], block: BlockRef
    ) -> Reading[tuple[OptionQuote | NoQuote, ...]]:
        """Quotes of every contract that fits a want, at ``block``."""
        ...

    def holding(self, owner: str, block: BlockRef) -> Reading[tuple[OptionPosition, ...]]:
        """What ``owner`` holds at ``block``."""
        ...


class OptionDesk:
    """The venues of one chain.

    Args:
        rpc: the node.
        multicall: address of Multicall3.
        venues: each under a name of its own.
    """

    def __init__(self, rpc: Rpc, multicall: str, venues: Sequence[ChainVenue]) -> None:
        self._rpc, self._multicall, self._venues = rpc, multicall, tuple(venues)

    def held(self, market: OptionMarket, owner: str, block: BlockRef) -> ProtectionView:  # ruff: ignore[unused-method-argument] - the port's signature
        """See the port."""
        readings = [venue.holding(owner, block) for venue in self._venues]
        positions: list[OptionPosition] = []
        absent: list[NoQuote] = []
        results = run_together(self._rpc, self._multicall, block.hash, readings)
        for venue, found in zip(self._venues, results, strict=True):
            if isinstance(found, Transient):
                why = f"what is held there cannot be read: {found}"
                absent.append(NoQuote(venue=venue.name, reason=NoQuoteReason.UNREACHABLE, note=why))
            else:
                positions += found
        return ProtectionView(positions=tuple(positions), quotes=(), absent=tuple(absent))

    def offers(self, market: OptionMarket, wants: Sequence[HedgeWant], block: BlockRef) -> ProtectionView:
        """See the port."""
        readings = [venue.offering(market, wants, block) for venue in self._venues]
        quotes: list[OptionQuote] = []
        absent: list[NoQuote] = []
        results = run_together(self._rpc, self._multicall, block.hash, readings)
        for venue, found in zip(self._venues, results, strict=True):
            if isinstance(found, Transient):
                absent.append(NoQuote(venue=venue.name, reason=NoQuoteReason.UNREACHABLE, note=str(found)))
                continue
            if not found:
                absent.append(NoQuote(venue=venue.name, reason=NoQuoteReason.NO_SERIES, note="nothing on sale fits"))
            quotes += [one for one in found if isinstance(one, OptionQuote)]
            absent += [one for one in found if isinstance(one, NoQuote)]
        return ProtectionView(positions=(), quotes=tuple(quotes), absent=tuple(absent))

"""Every venue asked together: what is held in as many requests as the slowest needs, what is offered in at most two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
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

MOST_QUOTES = 24
"""Of a want, in a view: three tiers' quotes take 9 kB of its row in the journal, those of both sides 16 kB."""
MOST_ABSENT = 24
"""Of a venue and a reason, in a view."""


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
        bought_at: names of those that are asked for quotes; what is held at the others is looked after. None: all.
        lost: name of a venue that is not at hand though options are held there -> what to do about it.
    """

    def __init__(
        self,
        rpc: Rpc,
        multicall: str,
        venues: Sequence[ChainVenue],
        *,
        bought_at: Collection[str] | None = None,
        lost: Mapping[str, str] | None = None,
    ) -> None:
        self._rpc, self._multicall, self._venues = rpc, multicall, tuple(venues)
        self._sellers = tuple(one for one in venues if bought_at is None or one.name in bought_at)
        self._lost = tuple(
            NoQuote(venue=name, reason=NoQuoteReason.UNREACHABLE, note=note) for name, note in (lost or {}).items()
        )

    def held(self, market: OptionMarket, owner: str, block: BlockRef) -> ProtectionView:  # ruff: ignore[unused-method-argument] - the port's signature
        """See the port."""
        readings = [venue.holding(owner, block) for venue in self._venues]
        positions: list[OptionPosition] = []
        absent = [*self._lost]
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
        readings = [venue.offering(market, wants, block) for venue in self._sellers]
        quotes: list[OptionQuote] = []
        absent: list[NoQuote] = []
        results = run_together(self._rpc, self._multicall, block.hash, readings)
        for venue, found in zip(self._sellers, results, strict=True):
            if isinstance(found, Transient):
                absent.append(NoQuote(venue=venue.name, reason=NoQuoteReason.UNREACHABLE, note=str(found)))
                continue
            if not found:
                absent.append(NoQuote(venue=venue.name, reason=NoQuoteReason.NO_SERIES, note="nothing on sale fits"))
            quotes += [one for one in found if isinstance(one, OptionQuote)]
            absent += [one for one in found if isinstance(one, NoQuote)]
        kept = _best(quotes, wants) if len(quotes) > MOST_QUOTES else tuple(quotes)
        return ProtectionView(positions=(), quotes=kept, absent=(*_each_few(absent), *_left_out(quotes, kept)))


def _best(quotes: Sequence[OptionQuote], wants: Sequence[HedgeWant]) -> tuple[OptionQuote, ...]:
    """Of every want the quotes of the lowest implied volatility, so that none crowds out another; in their order."""
    best: set[OptionQuote] = set()
    for want in wants:
        best.update(sorted((one for one in quotes if _fits(one, want)), key=_volatility)[:MOST_QUOTES])
    return tuple(one for one in quotes if one in best)


def _left_out(quotes: Sequence[OptionQuote], kept: Sequence[OptionQuote]) -> Iterator[NoQuote]:
    """How many of a venue's quotes are not looked at."""
    seen = Counter(one.contract.venue for one in kept)
    for venue, count in Counter(one.contract.venue for one in quotes).items():
        if seen[venue] < count:
            note = f"of {count} quotes the {seen[venue]} of the lowest implied volatility are looked at"
            yield NoQuote(venue=venue, reason=NoQuoteReason.LIMIT, note=note)


def _fits(quote: OptionQuote, want: HedgeWant) -> bool:
    contract = quote.contract
    return all(leg.kind in want.kinds and want.strike_from <= leg.strike <= want.strike_to for leg in contract.legs) and (
        contract.expiry_s is None or want.expiry_from_s <= contract.expiry_s <= want.expiry_to_s
    )


def _volatility(quote: OptionQuote) -> Decimal:
    """What it asks for; most of all where no volatility reproduces its price."""
    return Decimal("Infinity") if quote.implied_volatility is None else quote.implied_volatility


def _each_few(absent: Sequence[NoQuote]) -> tuple[NoQuote, ...]:
    """The first few of every venue and reason: why hundreds of series are not for sale is told by some of them."""
    count: Counter[tuple[str, NoQuoteReason]] = Counter()
    kept = []
    for one in absent:
        count[one.venue, one.reason] += 1
        if count[one.venue, one.reason] <= MOST_ABSENT:
            kept.append(one)
    return tuple(kept)

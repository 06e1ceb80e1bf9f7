"""How option venues are, beyond what they offer: paused or not, and how old the price is by which they pay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.adapters.evm.abi import Function, contract
from keeper.adapters.evm.multicall import PinnedReader, Reverted, read_of
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.options.opyn_interface import VenueSilent, module_reads, modules_of
from keeper.app.settings.schema import Settings
from keeper.core.model.pool import BlockRef

_LATEST = contract("EACAggregatorProxy").function("latestRoundData")
_PAUSES = tuple(contract("GammaController").function(name) for name in ("systemFullyPaused", "systemPartiallyPaused"))
_PRICER = contract("GammaOracle").function("getPricer")
_AGGREGATOR = contract("GammaPricer").function("aggregator")
_UPDATED = 3
"""Place of the time in what a feed's round tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueHealth:
    """What a venue's own contracts say of it."""

    paused: bool | None = None
    """None where only its quotes tell."""
    price_age_s: int | None = None
    """Age of the feed's round by which the venue prices or pays, seconds; None where there is no feed or it does not tell."""
    price_limit_s: int | None = None
    """Age from which the venue's adapter buys nothing; None where it has no such limit."""
    fault: str | None = None
    """Why something could not be read."""

    @property
    def is_old(self) -> bool:
        """Whether nothing is bought for the age of the price."""
        return self.price_age_s is not None and self.price_limit_s is not None and self.price_age_s > self.price_limit_s


def venue_health(settings: Settings, rpc: Rpc, block: BlockRef, names: Sequence[str]) -> dict[str, VenueHealth]:
    """What can be told of each named venue at a block; a venue without a feed of its own is told by its quotes alone.

    Raises:
        Transient: the node itself could not be asked.
    """
    return {name: _health(settings, rpc, block, name) for name in names}


def _health(settings: Settings, rpc: Rpc, block: BlockRef, name: str) -> VenueHealth:
    places = settings.chain.venues
    asked = _Asked(rpc, settings.chain.addresses.multicall, block)
    try:
        if name == "hegic" and places.hegic is not None:
            feed = settings.chain.feeds[places.hegic.feed]
            return VenueHealth(price_age_s=asked.age_s(feed.address), price_limit_s=feed.heartbeat_s)
        if name == "opyn" and places.opyn is not None:
            base = settings.chain.tokens[places.opyn.base].address
            return _opyn(asked, places.opyn.address_book, base)
    except VenueSilent as error:
        return VenueHealth(fault=str(error))
    return VenueHealth()


def _opyn(asked: _Asked, address_book: str, base: str) -> VenueHealth:
    modules = asked.modules(address_book)
    paused = any(bool(asked.one(modules.controller, function)) for function in _PAUSES)
    pricer = str(asked.one(modules.oracle, _PRICER, base))
    try:
        return VenueHealth(paused=paused, price_age_s=asked.age_s(str(asked.one(pricer, _AGGREGATOR))))
    except VenueSilent as error:
        # a price that somebody sets by hand has no feed behind it
        return VenueHealth(paused=paused, fault=str(error))


class _Asked:
    """Reads at one block, one after the other: each answer names where to ask next."""

    def __init__(self, rpc: Rpc, multicall: str, block: BlockRef) -> None:
        self._reader = PinnedReader(rpc, multicall, block.hash)
        self._now_s = block.timestamp_s

    def modules(self, address_book: str) -> Any:
        reads = module_reads(address_book)
        self._reader.ask(reads)
        return modules_of(reads, self._reader.answers)

    def one(self, target: str, function: Function, *arguments: object) -> Any:
        return next(self._answer(target, function, *arguments))

    def age_s(self, feed: str) -> int:
        updated_s = list(self._answer(feed, _LATEST))[_UPDATED]
        return int(max(0, self._now_s - int(updated_s)))

    def _answer(self, target: str, function: Function, *arguments: object) -> Iterator[Any]:
        read = read_of(target, function, *arguments, may_fail=True)
        self._reader.ask([read])
        found = self._reader.answers[read]
        if isinstance(found, Reverted):
            raise VenueSilent(f"{function.signature} at {target}: {found.reason}")
        return iter(found)

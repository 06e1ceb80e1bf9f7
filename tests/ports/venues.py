"""What the suite of option venues needs of each: a market to push about, an owner with dollars, and somebody who buys and ends.

A bench says of itself what it offers; the suite runs a case on the benches that offer what the case needs, and on no others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from keeper.core.model.option import CloseHow, HedgeWant, OptionMarket, OptionPosition, OptionQuote
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import TokenAmount
from keeper.ports.options import OptionVenue, ProtectionDesk


class Ability(StrEnum):
    """What can happen at a venue, or can be seen on its bench."""

    EXPIRY = "expiry"
    EARLY_EXIT = "early exit"
    """A running option can be ended, for what it is worth then."""
    DEADLINE = "deadline"
    """A payoff that is not taken in time is lost."""
    SETTLEMENT = "settlement"
    """A payoff waits to be redeemed after expiry."""
    REPRICING = "repricing"
    """The price may change between quote and purchase."""
    RESERVES = "reserves"
    """A payoff may be more than the venue can pay."""
    PAUSE = "pause"
    STOP = "stop"
    """A pause stops those who sell, too."""
    UNITS = "units"
    """Tokens say themselves how many decimals they have."""
    ALLOWANCE = "allowance"
    """What is paid is taken by allowance."""
    GAS = "gas"
    """What a call takes is what the real contracts take, nearly."""
    MONEY = "money"
    """What is paid, and what is paid out, is what the real venue would take and pay."""
    RECORD = "record"
    """What reached the venue can be looked at word by word."""


@dataclass(frozen=True)
class Ran:
    """How the calls of a plan went; the ones after a failing one are not sent."""

    done: bool
    reason: str
    """Why the last one reverted; empty when none did."""
    gas: int
    """Of approvals, calls and revocations."""
    made_at_s: int
    """Time of the block of the last call."""
    logs: tuple[Any, ...] = ()
    """Of the calls, as in JSON-RPC."""


@dataclass(frozen=True)
class Dispatch:
    """A call that changes options, as the one who received it understood it."""

    ids: tuple[int, ...]
    ids_after: tuple[int, ...]
    """All that the account is to have then."""
    sizes: tuple[int, ...]
    limits: tuple[tuple[int, int, int], ...]
    """Two ticks and a spread for each."""


class VenueBench(ABC):
    """One venue, on a chain of its own where it has one."""

    abilities: ClassVar[frozenset[Ability]]
    pauses: ClassVar[Sequence[str]]
    """Ways of :meth:`pause`; none without :attr:`Ability.PAUSE`."""
    wrong_decimals: ClassVar[Sequence[tuple[str, int]]]
    """For :meth:`misconfigured`; none without :attr:`Ability.UNITS`."""
    early: ClassVar[CloseHow | None]
    """How a running option is ended; None without :attr:`Ability.EARLY_EXIT`."""
    known: ClassVar[frozenset[CloseHow]]
    """Ways out that the venue knows of an option that it has just sold."""

    @property
    @abstractmethod
    def owner(self) -> str:
        """Who buys, with enough dollars for anything in the suite."""

    @abstractmethod
    def restored(self) -> AbstractContextManager[None]:
        """Whatever is done inside is undone after."""

    @abstractmethod
    def venue(self) -> OptionVenue:
        """The adapter, new where a chain remembers for it."""

    def misconfigured(self, token: str, decimals: int) -> OptionVenue:
        """The adapter with so many decimals of the ``base`` or the ``quote`` in its settings."""
        raise NotImplementedError

    @abstractmethod
    def desk(self) -> ProtectionDesk:
        """A desk of this venue alone."""

    @abstractmethod
    def block(self) -> BlockRef:
        """The newest one."""

    @abstractmethod
    def market(self) -> OptionMarket:
        """The pair at the newest block."""

    @abstractmethod
    def want(self) -> HedgeWant:
        """Something that the venue sells, of a size that it has."""

    @abstractmethod
    def unmet(self) -> Sequence[HedgeWant]:
        """What it does not sell, each for a reason of its own."""

    def move_spot(self, factor: Decimal) -> None:
        """Multiply every price that the venue and the market go by; needs :attr:`Ability.MONEY`."""
        raise NotImplementedError

    def reprice(self, factor: Decimal) -> None:
        """Multiply what the venue asks for its options; needs :attr:`Ability.REPRICING`."""
        raise NotImplementedError

    def drain(self) -> None:
        """Take away so much that a payoff is not covered; needs :attr:`Ability.RESERVES`."""
        raise NotImplementedError

    def pause(self, way: str, *, paused: bool = True) -> None:
        """Pause the venue in one of its ways, or let it go on; needs :attr:`Ability.PAUSE`."""
        raise NotImplementedError

    def go_to(self, time_s: int) -> None:
        """Let that time come; where an expiry price is to be found, it is found. Needs :attr:`Ability.EXPIRY`."""
        raise NotImplementedError

    @abstractmethod
    def buy(self, quote: OptionQuote, limit: TokenAmount) -> Ran:
        """Carry out a purchase as the owner: approve exactly, call, take back what is left."""

    @abstractmethod
    def end(self, position: OptionPosition, how: CloseHow, least: TokenAmount, *, at_s: int | None = None) -> Ran:
        """Carry out an end as the owner, the last call in a block at ``at_s``."""

    def allowance(self) -> int:
        """What the venue's contracts may still take of the owner, raw units; needs :attr:`Ability.ALLOWANCE`."""
        raise NotImplementedError

    @abstractmethod
    def dollars(self) -> int:
        """What the owner has of the quote token, in his wallet or deposited, raw units."""

    def dispatches(self) -> Sequence[Dispatch]:
        """What has been sent so far; needs :attr:`Ability.RECORD`."""
        raise NotImplementedError


def quoted(bench: VenueBench) -> OptionQuote:
    """The first contract that fits, quoted."""
    venue, want = bench.venue(), bench.want()
    quote = venue.quote(venue.contracts(bench.market(), want)[0], want.size)
    assert isinstance(quote, OptionQuote), quote
    return quote


def bought(bench: VenueBench) -> OptionPosition:
    """The first contract that fits, bought for what it was quoted at."""
    quote = quoted(bench)
    ran = bench.buy(quote, quote.cost)
    assert ran.done, ran.reason
    return held(bench)


def held(bench: VenueBench) -> OptionPosition:
    """The one option that the owner has."""
    (position,) = bench.venue().positions(bench.owner)
    return position


def plus(amount: TokenAmount, raw: int) -> TokenAmount:
    """So much more."""
    return replace(amount, raw=amount.raw + raw)


def nothing(amount: TokenAmount) -> TokenAmount:
    """None of the same token."""
    return replace(amount, raw=0)

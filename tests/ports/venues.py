"""What the suite of option venues needs of each: a market to push about, an owner with dollars, and somebody who sends.

Panoptic has no bench: all that the suite asserts of a venue's money (what a purchase takes, what a close pays, what is left
after a fall) is solvency, streamed premium and liquidity there, and only its own bytecode has these. The recorder that stands
for it answers what it is told; ``tests/fork/test_panoptic_recorder.py`` looks at what reaches it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from keeper.core.model.option import CloseHow, HedgeWant, OptionMarket, OptionPosition
from keeper.ports.options import OptionVenue, VenuePlan


class Ability(StrEnum):
    """What can happen at a venue; the lever of what cannot raises :class:`Impossible`, which the suite asserts."""

    EARLY_EXIT = "early exit"
    """A payoff can be taken before expiry."""
    DEADLINE = "deadline"
    """A payoff that is not taken in time is lost."""
    SETTLEMENT = "settlement"
    """A payoff waits to be redeemed after expiry."""
    REPRICING = "repricing"
    """The price may change between quote and purchase."""
    PAUSE = "pause"
    RESERVES = "reserves"
    """A payoff may be more than the venue can pay."""


class Impossible(Exception):
    """The venue has nothing of the kind."""


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


class VenueBench(Protocol):
    """One venue on a chain of its own."""

    abilities: frozenset[Ability]
    early: CloseHow
    """How a payoff is taken before expiry, or a running option is ended where there is none."""
    late: CloseHow
    """How a payoff is taken after expiry, or what is left is cleared away."""

    @property
    def owner(self) -> str:
        """Who buys, with enough dollars for anything in the suite."""
        ...

    def restored(self) -> AbstractContextManager[None]:
        """Whatever is done inside is undone after."""
        ...

    def venue(self) -> OptionVenue:
        """The adapter, new, so that it remembers nothing."""
        ...

    def misconfigured(self) -> OptionVenue:
        """The adapter with a wrong number of decimals in its settings."""
        ...

    def market(self) -> OptionMarket:
        """The pair at the newest block."""
        ...

    def want(self) -> HedgeWant:
        """Something that the venue sells, of a size that it has."""
        ...

    def move_spot(self, factor: Decimal) -> None:
        """Multiply every price that the venue and the market go by."""
        ...

    def reprice(self, factor: Decimal) -> None:
        """Multiply what the venue asks for its options; impossible without :attr:`Ability.REPRICING`."""
        ...

    def drain(self) -> None:
        """Take away all that the venue's owners can take, so that a payoff is not covered; impossible without RESERVES."""
        ...

    def pause(self) -> None:
        """Let the venue sell nothing; impossible without PAUSE."""
        ...

    def go_to(self, time_s: int) -> None:
        """Mine a block at that time; where an expiry price is to be found, it is found."""
        ...

    def run(self, plan: VenuePlan, *, at_s: int | None = None) -> Ran:
        """Approve exactly, call (the last one in a block at ``at_s``), take back what is left, as the owner."""
        ...

    def allowance(self) -> int:
        """What the venue's contracts may still take of the owner, raw units."""
        ...

    def dollars(self) -> int:
        """What the owner has of the quote token, raw units."""
        ...


def bought(bench: VenueBench) -> OptionPosition:
    """The first contract that fits, bought for what it was quoted at."""
    venue = bench.venue()
    want = bench.want()
    contract = venue.contracts(bench.market(), want)[0]
    quote = venue.quote(contract, want.size)
    ran = bench.run(venue.plan_open(quote, quote.cost))
    assert ran.done, ran.reason
    (position,) = bench.venue().positions(bench.owner)
    return position

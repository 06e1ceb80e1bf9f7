"""Buying protection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from keeper.core.model.option import (
    CloseHow,
    HedgeWant,
    NoQuote,
    OptionContract,
    OptionMarket,
    OptionPosition,
    OptionQuote,
    ProtectionView,
    VenueCaps,
)
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import Token, TokenAmount


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a venue's contract may take while a plan is carried out."""

    token: Token
    spender: str
    amount: int
    """Raw units, > 0. At a venue without a price limit of its own this is the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueCall:
    """One call of a contract of the venue."""

    to: str
    value_wei: int
    data: str
    """0x-prefixed."""
    label: str
    """For people."""
    allowances: tuple[Allowance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePlan:
    """How a purchase or an exit is carried out: calls in order, a transaction each."""

    calls: tuple[VenueCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """A held option cannot be ended in this way now."""

    why: str
    not_before_s: int | None
    """Chain time from which it may; None when nobody can tell."""


class OptionVenue(Protocol):
    """A place that sells options; nothing here signs or sends."""

    @property
    def name(self) -> str:
        """Short, for journal and configuration."""
        ...

    def capabilities(self) -> VenueCaps:
        """What the venue can do; asks nothing."""
        ...

    def contracts(self, market: OptionMarket, want: HedgeWant) -> Sequence[OptionContract]:
        """Contracts that exist and fit, nearest strike first.

        Raises:
            Transient: it could not be asked.
        """
        ...

    def quote(self, contract: OptionContract, size: TokenAmount) -> OptionQuote | NoQuote:
        """What so much of a contract (whole lots of the base) costs at the newest block.

        Raises:
            Transient: it could not be asked.
        """
        ...

    def plan_open(self, quote: OptionQuote, max_cost: TokenAmount) -> VenuePlan:
        """How to buy what was quoted, paying at most ``max_cost`` in all; asks nothing.

        Raises:
            Refused: the quote costs more, or is not this venue's.
        """
        ...

    def positions(self, owner: str) -> Sequence[OptionPosition]:
        """Everything that ``owner`` holds at the venue, from the chain.

        Raises:
            Transient: it could not be asked.
        """
        ...

    def plan_close(self, position: OptionPosition, how: CloseHow, min_out: TokenAmount) -> VenuePlan | NotYet:
        """How to end a held option and take at least ``min_out``; asks nothing.

        Raises:
            Refused: the venue does not know this way, or the position pays less.
        """
        ...


class ProtectionDesk(Protocol):
    """Every venue that the keeper may buy at, asked together; one that cannot be asked is absent with a reason."""

    def held(self, market: OptionMarket, owner: str, block: BlockRef) -> ProtectionView:
        """What ``owner`` holds, from the chain, at the view's block; no quotes.

        Raises:
            Transient: the node itself could not be asked.
        """
        ...

    def offers(self, market: OptionMarket, wants: Sequence[HedgeWant], block: BlockRef) -> ProtectionView:
        """Quotes for what is wanted, at the view's block; no positions.

        Raises:
            Transient: the node itself could not be asked.
        """
        ...

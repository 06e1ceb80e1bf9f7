"""Who sells oTokens: the protocol itself sells none, so a buyer needs a pool or a market maker's signed order.

Minting in a vault of one's own makes one long and short of the same option, which pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from keeper.adapters.evm.multicall import Answers, ContractRead
from keeper.core.model.option import QuoteBasis
from keeper.ports.options import VenueCall

BPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be bought."""

    otoken: str
    amount_e8: int
    now_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a source asks for at least the wanted amount."""

    amount_e8: int
    """How many oTokens it is; a signed order may be for more than was wanted."""
    cost_raw: int
    """Of the quote token, everything included."""
    available_e8: int
    """How many could be bought at about this price."""
    basis: QuoteBasis
    valid_until_s: int
    gas: int
    native: tuple[str, ...]
    """Name of the source, then what it needs to fill the offer."""


class OtokenSource(Protocol):
    """A place where oTokens are sold."""

    @property
    def name(self) -> str:
        """First of its offers' native."""
        ...

    def reads(self, wanted: Wanted) -> Sequence[ContractRead]:
        """What must be known; all may fail."""
        ...

    def offers(self, wanted: Wanted, answers: Answers) -> Iterable[Offer | str]:
        """Its offers, and for people why there are no others."""
        ...

    def purchase(self, otoken: str, amount_e8: int, native: Sequence[str], max_cost_raw: int, until_s: int) -> VenueCall:
        """The call that buys what was offered, for at most so much.

        Args:
            otoken: what.
            amount_e8: as offered.
            native: of the offer.
            max_cost_raw: of the quote token, raw units.
            until_s: chain time after which it must not happen any more.

        Raises:
            Refused: it would cost more.
            ValueError: not an offer of this source.
        """
        ...

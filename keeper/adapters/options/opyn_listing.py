"""Entries of the factory's list of series: as oTokens tell them of themselves, and as the factory's logs announce them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, read_of
from keeper.adapters.evm.rpc import BadReply, Call
from keeper.adapters.options.opyn_interface import DAY_S, EXPIRY_OFFSET_S, OTOKEN_DECIMALS, Series, answer
from keeper.core.model.errors import Transient
from keeper.core.model.token import Token

OVERLAP_BLOCKS = 64
"""Asked for again each time, since the newest blocks may have been others when they were read."""
_CREATED = contract("GammaFactory").event("OtokenCreated")
_DETAILS = contract("GammaOtoken").function("getOtokenDetails")
_DECIMALS = contract("ERC20").function("decimals")
_DETAILS_GAS = 35_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One entry."""

    otoken: str
    series: Series | None
    """None where it is none of the pair's."""


def own_reads(otoken: str) -> tuple[ContractRead, ContractRead]:
    """Terms and decimals, from the oToken itself."""
    return read_of(otoken, _DETAILS, may_fail=True, gas=_DETAILS_GAS), read_of(otoken, _DECIMALS, may_fail=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The base and quote whose series count."""

    base: Token
    quote: Token

    def told(self, otoken: str, answers: Answers) -> Listing:
        """The entry, from the answers to :func:`own_reads`.

        Raises:
            VenueSilent: the oToken does not answer.
        """
        details, decimals = (answer(answers, read) for read in own_reads(otoken))
        return self._listing(otoken, details, int(decimals[0]))

    def announced(self, values: Mapping[str, Any]) -> Listing:
        """The entry as the event tells it: where to look, and nothing to believe."""
        names = "collateral", "underlying", "strike", "strikePrice", "expiry", "isPut"
        return self._listing(str(values["tokenAddress"]), tuple(values[name] for name in names), OTOKEN_DECIMALS)

    def _listing(self, otoken: str, details: tuple[Any, ...], decimals: int) -> Listing:
        """A series of the pair is covered by what it pays out, and has the units that all of them have."""
        collateral, underlying, strike, strike_e8, expiry_s, is_put = details
        covered = self.quote if is_put else self.base
        if (underlying, strike, collateral) != (self.base.address, self.quote.address, covered.address):
            return Listing(otoken=otoken, series=None)
        if decimals != OTOKEN_DECIMALS or strike_e8 <= 0 or expiry_s % DAY_S != EXPIRY_OFFSET_S:
            return Listing(otoken=otoken, series=None)
        series = Series(otoken=otoken, strike_e8=strike_e8, expiry_s=expiry_s, is_put=is_put)
        return Listing(otoken=otoken, series=series)


def created_call(factory: str, first: int, last: int) -> Call:
    """The request for the series that a factory created in these blocks, all of them: what counts is their order."""
    where = {"address": factory, "topics": [_CREATED.topic0], "fromBlock": hex(first), "toBlock": hex(last)}
    return "eth_getLogs", [where]


def created(outcome: object, factory: str, pair: Pair) -> tuple[Listing, ...]:
    """What the reply to :func:`created_call` announces, oldest first; nothing where it cannot be used.

    A node that refuses the search, or answers it with nonsense, keeps nobody from reading the list itself.
    """
    try:
        found = checked.sequence(checked.answered(outcome, "logs of new series"), "logs")
        logs = sorted((checked.mapping(one, "log") for one in found), key=_place)
        return tuple(pair.announced(_values(log, factory)) for log in logs)
    except Transient:
        return ()


def _values(log: Mapping[str, Any], factory: str) -> Mapping[str, Any]:
    if log.get("removed") is True or checked.address(log.get("address"), "emitter") != factory:
        raise BadReply("a log that was removed, or of another contract than was asked for")
    return _CREATED.decode(log)


def _place(log: Mapping[str, Any]) -> tuple[int, int]:
    return checked.quantity(log.get("blockNumber"), "block of a log"), checked.quantity(log.get("logIndex"), "index of a log")


def at_the_end(announced: Sequence[Listing], length: int) -> dict[int, Listing]:
    """Their places in a list of that length, whose newest entries they are; none where they are more than it has."""
    first = length - len(announced)
    return {} if first < 0 else dict(enumerate(announced, first))

"""What is asked of Herge's contracts, and what their answers say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, read_of
from keeper.adapters.evm.rpc import BadReply, Call
from keeper.adapters.options.hegic_terms import HergeMarket, HergeStrategy, Reserves
from keeper.core.model.errors import Reorged
from keeper.core.model.pool import BlockRef

TREASURY = contract("HegicTreasury")
STRATEGY = contract("HegicStrategy")
POSITIONS = contract("HegicPositionsManager")
_COVER = contract("HegicCoverPool")
_LATEST = contract("EACAggregatorProxy").function("latestRoundData")
_TRANSFER = POSITIONS.event("Transfer")
_PRICE = STRATEGY.function("calculateNegativepnlAndPositivepnl")
_AVAILABLE = STRATEGY.function("getAvailableContracts")
_PAYOFF = STRATEGY.function("payOffAmount")

_OVERLAP_BLOCKS = 256
"""A minute of Arbitrum's blocks."""
PROBE_ID = 2**256 - 1
"""An option that nobody will hold."""
PROBE_STRIKE = 10**14
"""A million dollars in 1e-8, above any price of ether."""
_PRICE_GAS = 60_000
_AVAILABLE_GAS = 120_000
_PAYOFF_GAS = 60_000
_ROUND_GAS = 40_000
_STATE_GAS = 30_000


def told(answers: Answers, read: ContractRead) -> tuple[Any, ...]:
    """The answer to a read that may fail.

    Raises:
        BadReply: it did.
    """
    answer = answers[read]
    if isinstance(answer, Reverted):
        raise BadReply(f"{read.function.signature} at {read.target}: {answer.reason}")
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The feed's last answer."""

    spot: int
    """1e-8."""
    updated_s: int


class SharedReads:
    """What everything is judged by: the feed, and what the treasury has and owes."""

    def __init__(self, market: HergeMarket) -> None:
        self._feed = read_of(market.feed, _LATEST, may_fail=True, gas=_ROUND_GAS)
        getters = ("totalBalance", "totalLocked", "lockedPremium", "benchmark")
        self._sums = [read_of(market.treasury, TREASURY.function(name), may_fail=True, gas=_STATE_GAS) for name in getters]
        self._sums.append(read_of(market.cover_pool, _COVER.function("availableForPayment"), may_fail=True, gas=_STATE_GAS))

    @property
    def feed(self) -> Sequence[ContractRead]:
        """Of the price."""
        return (self._feed,)

    @property
    def reserves(self) -> Sequence[ContractRead]:
        """Of the treasury."""
        return self._sums

    def round_of(self, answers: Answers) -> Round:
        """What the feed says.

        Raises:
            BadReply: it does not answer, or no price.
        """
        _, answer, _, updated_s, _ = told(answers, self._feed)
        if answer <= 0:
            raise BadReply(f"the feed answers {answer}")
        return Round(spot=answer, updated_s=updated_s)

    def reserves_of(self, answers: Answers) -> Reserves:
        """What the treasury has and owes.

        Raises:
            BadReply: it does not answer.
        """
        balance, locked, premiums, benchmark, cover = (told(answers, read)[0] for read in self._sums)
        return Reserves(balance=balance, locked=locked, premiums=premiums, benchmark=benchmark, cover=cover)


@dataclass(frozen=True, slots=True, kw_only=True)
class TermReads:
    """Whether a strategy is on sale, and for which periods."""

    accepted: ContractRead
    shortest: ContractRead
    longest: ContractRead
    limit: ContractRead

    @property
    def all(self) -> Sequence[ContractRead]:
        """Every one."""
        return self.accepted, self.shortest, self.longest, self.limit

    def is_accepted(self, answers: Answers) -> bool:
        """Whether the treasury sells it.

        Raises:
            BadReply: it does not answer.
        """
        (accepted,) = told(answers, self.accepted)
        return bool(accepted)

    def periods(self, answers: Answers) -> tuple[int, int]:
        """Shortest and longest period that it sells now, which its admin may change.

        Raises:
            BadReply: it does not answer.
        """
        (shortest,), (longest,) = told(answers, self.shortest), told(answers, self.longest)
        return shortest, longest

    def is_closed(self, answers: Answers) -> bool:
        """Whether its admin lets it sell nothing.

        Raises:
            BadReply: it does not answer.
        """
        (limit,) = told(answers, self.limit)
        return bool(limit == 0)


def term_reads(market: HergeMarket, strategy: HergeStrategy) -> TermReads:
    """Reads of one strategy's terms."""
    names = ("minPeriod", "maxPeriod", "lockedLimit")
    accepted = read_of(market.treasury, TREASURY.function("acceptedStrategy"), strategy.address, may_fail=True, gas=_STATE_GAS)
    shortest, longest, limit = (read_of(strategy.address, STRATEGY.function(name), may_fail=True) for name in names)
    return TermReads(accepted=accepted, shortest=shortest, longest=longest, limit=limit)


def price_read(strategy: HergeStrategy, amount: int, period_s: int) -> ContractRead:
    """Reserve and premium of so much for so long."""
    return read_of(strategy.address, _PRICE, amount, period_s, [], may_fail=True, gas=_PRICE_GAS)


def available_read(strategy: HergeStrategy, period_s: int) -> ContractRead:
    """How much could be bought."""
    return read_of(strategy.address, _AVAILABLE, period_s, [], may_fail=True, gas=_AVAILABLE_GAS)


def probe_call(market: HergeMarket, strategy: HergeStrategy, block: BlockRef) -> Call:
    """What one whole unit at a strike of a million dollars would pay, had somebody bought it: a call with overridden state."""
    slot = keccak(PROBE_ID.to_bytes(32, "big") + market.data_slot.to_bytes(32, "big"))
    stored = PROBE_STRIKE << 128 | 10**market.base.decimals
    override = {strategy.address: {"stateDiff": {"0x" + slot.hex(): f"0x{stored:064x}"}}}
    call = {"to": strategy.address, "data": _PAYOFF.call_data(PROBE_ID)}
    return "eth_call", [call, {"blockHash": block.hash, "requireCanonical": True}, override]


def probed(outcome: object, strategy: HergeStrategy) -> int:
    """What the probe pays, raw units.

    Raises:
        ReadRefused, Reorged, BadReply: the node does not say.
    """
    what = f"scale of {strategy.address}"
    (payoff,) = _PAYOFF.decode(checked.data(checked.pinned(outcome, what), what))
    return int(payoff)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Where the search for an owner's options goes on."""

    since_block: int
    """Whatever was given before it is known."""
    ids: tuple[int, ...] = ()


def searched(block: BlockRef, ids: Iterable[int]) -> Search:
    """A search that found everything at ``block``; a reorganisation less deep than the overlap is looked through again."""
    return Search(since_block=max(block.number - _OVERLAP_BLOCKS, 0), ids=tuple(ids))


def held_calls(market: HergeMarket, owner: str, search: Search, block: BlockRef) -> list[Call]:
    """The request for every option that ``owner`` was given since: the token knows no enumeration."""
    topics = [_TRANSFER.topic0, None, "0x" + owner[2:].lower().rjust(64, "0")]
    span = {"fromBlock": hex(min(search.since_block, block.number)), "toBlock": hex(block.number)}
    return [("eth_getLogs", [{"address": market.positions, "topics": topics, **span}])]


def ids_given(outcome: object, market: HergeMarket, owner: str) -> list[int]:
    """Ids of the options in the reply to :func:`held_calls`, each once, in their order.

    Raises:
        ReadRefused: the node will not search so many blocks.
        Reorged: a log was removed from the chain.
        BadReply: malformed logs, or others than were asked for.
    """
    logs = checked.sequence(checked.answered(outcome, "transfers of options"), "transfers of options")
    ids = {_id_given(checked.mapping(log, "transfer of an option"), market, owner) for log in logs}
    return sorted(ids)


def _id_given(log: Mapping[str, Any], market: HergeMarket, owner: str) -> int:
    if log.get("removed") is True:
        raise Reorged("a transfer of an option was removed from the chain")
    if checked.address(log.get("address"), "emitter") != market.positions:
        raise BadReply("a log of another contract than was asked for")
    values = _TRANSFER.decode(log)
    if values["to"] != owner:
        raise BadReply("a transfer to another account than was asked for")
    return int(values["tokenId"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One option as the chain has it, raw units."""

    strategy: str
    is_locked: bool
    """Until it is exercised or released."""
    reserve: int
    premium: int
    expiry_s: int
    amount: int
    stored: int
    """Spot price at the purchase, 1e-8."""
    payoff: int
    """At the feed's answer, its expiry notwithstanding."""


class IdReads:
    """Reads of one option, whose strategy may not be known yet."""

    def __init__(self, market: HergeMarket, id_: int, strategies: Sequence[str]) -> None:
        self._owner = read_of(market.positions, POSITIONS.function("ownerOf"), id_, may_fail=True, gas=_STATE_GAS)
        self._state = read_of(market.treasury, TREASURY.function("lockedLiquidity"), id_, may_fail=True, gas=_STATE_GAS)
        self._data = {one: read_of(one, STRATEGY.function("strategyData"), id_, may_fail=True) for one in strategies}
        self._payoffs = {one: read_of(one, _PAYOFF, id_, may_fail=True, gas=_PAYOFF_GAS) for one in strategies}

    @property
    def all(self) -> Sequence[ContractRead]:
        """Every one."""
        return self._owner, self._state, *self._data.values(), *self._payoffs.values()

    def owner(self, answers: Answers) -> str:
        """Who holds it.

        Raises:
            BadReply: that is not told.
        """
        return str(told(answers, self._owner)[0])

    def held(self, answers: Answers) -> Held | None:
        """What it is; None when its strategy is not one of those that were asked.

        Raises:
            BadReply: that is not told.
        """
        state, strategy, reserve, premium, expiry_s = told(answers, self._state)
        if strategy not in self._data:
            return None
        amount, stored = told(answers, self._data[strategy])
        (payoff,) = told(answers, self._payoffs[strategy])
        return Held(
            strategy=strategy,
            is_locked=state == 1,
            reserve=reserve,
            premium=premium,
            expiry_s=expiry_s,
            amount=amount,
            stored=stored,
            payoff=payoff,
        )


def count_read(market: HergeMarket, owner: str) -> ContractRead:
    """How many options ``owner`` holds, ended ones included."""
    return read_of(market.positions, POSITIONS.function("balanceOf"), owner, may_fail=True)

"""Prices that Chainlink writes to the chain, each believed only as far as its round says. Ref: ``EACAggregatorProxy.sol``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, Reverted, read_of
from keeper.core.model.bar import Quote
from keeper.core.model.pool import BlockRef

_PROXY = contract("EACAggregatorProxy")
_LATEST = _PROXY.function("latestRoundData")
_DECIMALS = _PROXY.function("decimals")
_ROUND_GAS = 40_000
_DECIMALS_GAS = 15_000
_UP = 0
"""What a sequencer's feed answers while the sequencer works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainlinkFeed:
    """One feed, and within which limits it is believed.

    Raises:
        ValueError: the limits contradict one another.
    """

    name: str
    """Of its quotes, such as ``chainlink_eth_usd``."""
    address: str
    """EIP-55 address of the aggregator's proxy."""
    decimals: int
    """Of its answers; compared with the chain at every read."""
    heartbeat_s: int
    """Oldest round that is believed, seconds: the feed's published heartbeat and some patience, > 0."""
    min_value: float
    """Least value that is believed, in the feed's unit, > 0. Some aggregators stop at a floor while the market falls on."""
    max_value: float
    sequencer: str | None = None
    """EIP-55 address of the chain's sequencer feed; None on a chain that has none."""
    grace_s: int = 0
    """How long after the sequencer came back no price is believed, seconds, >= 0."""

    def __post_init__(self) -> None:
        if self.heartbeat_s <= 0 or self.grace_s < 0:
            raise ValueError(f"feed {self.name}: heartbeat {self.heartbeat_s} s, grace {self.grace_s} s: too short")
        if not 0 < self.min_value < self.max_value:
            raise ValueError(f"feed {self.name}: nothing lies between {self.min_value} and {self.max_value}, both above 0")


class _Round(NamedTuple):
    """What ``latestRoundData`` returns, in its order."""

    round_id: int
    answer: int
    started_s: int
    updated_s: int
    answered_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reads:
    """The reads of one feed."""

    feed: ChainlinkFeed
    decimals: ContractRead
    latest: ContractRead
    sequencer: ContractRead | None


def _reads_of(feed: ChainlinkFeed) -> _Reads:
    sequencer = feed.sequencer
    return _Reads(
        feed=feed,
        decimals=read_of(feed.address, _DECIMALS, may_fail=True, gas=_DECIMALS_GAS),
        latest=read_of(feed.address, _LATEST, may_fail=True, gas=_ROUND_GAS),
        sequencer=None if sequencer is None else read_of(sequencer, _LATEST, may_fail=True, gas=_ROUND_GAS),
    )


class ChainlinkFeeds:
    """Feeds of one chain; what is not to be believed is told with its reason and replaced by nothing.

    Args:
        feeds: each under a name of its own.

    Raises:
        ValueError: two feeds have one name.
    """

    def __init__(self, feeds: Sequence[ChainlinkFeed]) -> None:
        names = [feed.name for feed in feeds]
        if len(set(names)) < len(names):
            raise ValueError(f"every feed needs a name of its own: {', '.join(sorted(names))}")
        self._feeds = tuple(_reads_of(feed) for feed in feeds)
        reads = ((one.decimals, one.latest, one.sequencer) for one in self._feeds)
        self._all = tuple(dict.fromkeys(read for three in reads for read in three if read is not None))

    def reads(self, answers: Answers) -> Sequence[ContractRead]:
        """Every read that is wanted; all are known beforehand, whatever ``answers`` holds."""
        del answers
        return self._all

    def quotes(self, answers: Answers, head: BlockRef) -> tuple[Quote, ...]:
        """One quote a feed, in the order given: the value as of its round, or why there is none.

        A quote whose round does not tell a time that can be is as of the block.

        Args:
            answers: to all of :meth:`reads`.
            head: the block of the answers.
        """
        return tuple(_quote(one, answers, head.timestamp_s) for one in self._feeds)


def _quote(reads: _Reads, answers: Answers, now_s: int) -> Quote:
    feed, latest = reads.feed, answers[reads.latest]
    value: float | None = None
    as_of_s = now_s
    if isinstance(latest, Reverted):
        fault: str | None = f"latestRoundData reverted: {latest.reason}"
    else:
        told = _Round(*latest)
        as_of_s = told.updated_s if 0 < told.updated_s <= now_s else now_s
        fault = (
            _sequencer_fault(reads, answers, now_s)
            or _decimals_fault(feed, answers[reads.decimals])
            or _round_fault(feed, told, now_s)
        )
        if fault is None:
            value = told.answer / 10**feed.decimals
            fault = _bounds_fault(feed, value)
    return Quote(
        name=feed.name,
        value=value if fault is None else None,
        as_of_s=as_of_s,
        source=f"chainlink {feed.address}",
        fault=fault,
    )


def _sequencer_fault(reads: _Reads, answers: Answers, now_s: int) -> str | None:
    """Why prices of a chain with a sequencer are not believed now.

    Users who cannot reach the sequencer cannot act on a price; when it comes back, the first prices are those of before.
    """
    if reads.sequencer is None:
        return None
    latest = answers[reads.sequencer]
    if isinstance(latest, Reverted):
        return f"the sequencer's feed reverted: {latest.reason}"
    told = _Round(*latest)
    if told.answer != _UP:
        return f"the sequencer is down: its feed answers {told.answer}"
    if not 0 < told.started_s <= now_s:
        return f"the sequencer's feed says up since {told.started_s}, at time {now_s}"
    up_s = now_s - told.started_s
    if up_s < reads.feed.grace_s:
        return f"the sequencer is up for {up_s} s, {reads.feed.grace_s} s are waited"
    return None


def _decimals_fault(feed: ChainlinkFeed, answer: tuple[Any, ...] | Reverted) -> str | None:
    if isinstance(answer, Reverted):
        return f"decimals reverted: {answer.reason}"
    (decimals,) = answer
    return None if decimals == feed.decimals else f"the feed has {decimals} decimals, configured are {feed.decimals}"


def _round_fault(feed: ChainlinkFeed, told: _Round, now_s: int) -> str | None:
    if told.updated_s == 0:
        return f"round {told.round_id} has no answer yet"
    if told.updated_s > now_s:
        return f"the round is of {told.updated_s}, {told.updated_s - now_s} s after the block"
    if told.answered_in < told.round_id:
        return f"round {told.round_id} carries the answer of round {told.answered_in}"
    age_s = now_s - told.updated_s
    if age_s > feed.heartbeat_s:
        return f"the round is {age_s} s old, {feed.heartbeat_s} s are believed"
    return f"the answer is {told.answer}" if told.answer <= 0 else None


def _bounds_fault(feed: ChainlinkFeed, value: float) -> str | None:
    if feed.min_value <= value <= feed.max_value:
        return None
    return f"{value:g} is outside of {feed.min_value:g} to {feed.max_value:g}"

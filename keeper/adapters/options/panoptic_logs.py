"""Panoptic's logs: who sells where, and which options an account holds; no view lists either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.adapters.evm import checked
from keeper.adapters.evm.rpc import BadReply, Call
from keeper.adapters.options.panoptic_chunks import Chunk, sold_chunks
from keeper.adapters.options.panoptic_reads import POOL, Home, halves
from keeper.adapters.options.panoptic_token_id import TokenId, decode_token_id
from keeper.core.model.errors import Reorged
from keeper.core.model.pool import BlockRef

_MINTED = POOL.event("OptionMinted")
_BURNT = POOL.event("OptionBurnt")
_EXERCISED = POOL.event("ForcedExercised")
_LIQUIDATED = POOL.event("AccountLiquidated")
OVERLAP_BLOCKS = 64
"""Asked for again each time, since the newest blocks may have been others when they were read."""


def _call(pool: str, topics: Sequence[Any], first: int, last: int) -> Call:
    return "eth_getLogs", [{"address": pool, "topics": list(topics), "fromBlock": hex(first), "toBlock": hex(last)}]


def _logs(outcome: object, pool: str) -> list[Mapping[str, Any]]:
    found = [checked.mapping(one, "log") for one in checked.sequence(checked.answered(outcome, "logs of options"), "logs")]
    for log in found:
        if log.get("removed") is True:
            raise Reorged("a log of an option was removed from the chain")
        if checked.address(log.get("address"), "emitter") != pool:
            raise BadReply("a log of another contract than was asked for")
    return found


def _id(word: int) -> TokenId:
    try:
        return decode_token_id(word)
    except ValueError as error:
        raise BadReply(f"an option's id cannot be: {error}") from None


@dataclass(slots=True, kw_only=True)
class SellersBook:
    """Ranges that were ever sold, which is where to look for depth; what is learnt only grows."""

    first_block: int
    spacing: int
    _seen_to: int = -1
    _known: set[Chunk] | None = None

    def call(self, pool: str, block: BlockRef) -> Call:
        """The request for what was sold since the last look."""
        since = self.first_block if self._known is None else max(self._seen_to - OVERLAP_BLOCKS, self.first_block)
        return _call(pool, [_MINTED.topic0], since, block.number)

    def learn(self, outcome: object, home: Home, block: BlockRef) -> tuple[Chunk, ...]:
        """All ranges, with those in the reply to :meth:`call`.

        Raises:
            ReadRefused: the node will not search so many blocks.
            Reorged: a log was removed from the chain.
            BadReply: malformed logs, or others than were asked for.
        """
        minted = [_id(_MINTED.decode(log)["tokenId"]) for log in _logs(outcome, home.pool)]
        self._known = (self._known or set()) | sold_chunks(minted, home.pool_id, self.spacing)
        self._seen_to = block.number
        return tuple(sorted(self._known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An option that is not held any more."""

    id: int
    size: int
    """As the venue counts it, before the ratio."""
    block: int
    by_others: bool
    """Forced to exercise, or liquidated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Which options an account holds and held."""

    held: tuple[tuple[int, int], ...]
    """Id and size, in the order in which they were opened."""
    ended: tuple[Ended, ...]
    """Oldest first; one that was opened again is not among them."""

    @property
    def ids(self) -> tuple[int, ...]:
        """Of the held ones."""
        return tuple(id_ for id_, _ in self.held)

    @property
    def legs(self) -> int:
        """Of all that are held."""
        return sum(len(decode_token_id(id_).legs) for id_ in self.ids)


def account_calls(pool: str, owner: str, first: int, block: BlockRef) -> list[Call]:
    """The two requests for what an account opened and ended, and for what others ended."""
    topic = "0x" + owner[2:].lower().rjust(64, "0")
    return [
        _call(pool, [[_MINTED.topic0, _BURNT.topic0], topic], first, block.number),
        _call(pool, [[_EXERCISED.topic0, _LIQUIDATED.topic0], None, topic], first, block.number),
    ]


def account_of(outcomes: Sequence[object], pool: str, owner: str) -> Account:
    """What the replies to :func:`account_calls` tell.

    Raises:
        ReadRefused: the node will not search so many blocks.
        Reorged: a log was removed from the chain.
        BadReply: malformed logs, or others than were asked for.
    """
    own, forced = (_logs(outcome, pool) for outcome in outcomes)
    by_others = {checked.hash32(log.get("transactionHash"), "transaction of a log") for log in forced}
    held: dict[int, int] = {}
    ended: dict[int, Ended] = {}
    for log in sorted(own, key=_place):
        event = _MINTED if _MINTED.is_in(log) else _BURNT
        values = event.decode(log)
        if values["recipient"] != owner:
            raise BadReply("an option of another account than was asked for")
        id_ = int(values["tokenId"])
        if event is _MINTED:
            _id(id_)
            held[id_] = halves(values["balanceData"])[0]
            ended.pop(id_, None)
            continue
        held.pop(id_, None)
        made_in = checked.hash32(log.get("transactionHash"), "transaction of a log")
        ended[id_] = Ended(id=id_, size=values["positionSize"], block=_place(log)[0], by_others=made_in in by_others)
    return Account(held=tuple(held.items()), ended=tuple(ended.values()))


def _place(log: Mapping[str, Any]) -> tuple[int, int]:
    return checked.quantity(log.get("blockNumber"), "block of a log"), checked.quantity(log.get("logIndex"), "index of a log")

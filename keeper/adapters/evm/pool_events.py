"""A pool's ``Swap``, ``Mint``, ``Burn``, ``Collect``, ``Flash`` and ``SetFeeProtocol`` logs as rows.

The data of these events are fixed words, so they are cut by hand: a general decoder takes ten times as long, and would be what
a download waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.event_rows import EventKind, EventRow, PoolEvents
from keeper.adapters.evm.rpc import BadReply, Call
from keeper.core.model.errors import Reorged
from keeper.core.model.pool import BlockRef

_WORD = 32
_POOL = contract("UniswapV3Pool")
EVENT_NAMES: Mapping[EventKind, str] = {
    EventKind.SWAP: "Swap",
    EventKind.MINT: "Mint",
    EventKind.BURN: "Burn",
    EventKind.COLLECT: "Collect",
    EventKind.FLASH: "Flash",
    EventKind.FEE_PROTOCOL: "SetFeeProtocol",
}
"""As the contract calls them."""
_TOPIC0 = {kind: _POOL.event(name).topic0 for kind, name in EVENT_NAMES.items()}
_KINDS = {topic0: kind for kind, topic0 in _TOPIC0.items()}
_TOPIC_COUNT = {kind: 1 + len(_POOL.event(name).indexed) for kind, name in EVENT_NAMES.items()}
_DATA_WORDS = {kind: len(_POOL.event(name).plain) for kind, name in EVENT_NAMES.items()}
_TICK_LIMIT = 1 << 23


def logs_call(pool: str, kinds: Sequence[EventKind], first: int, last: int) -> Call:
    """The request for a pool's events of these kinds in blocks ``first`` to ``last``, both included."""
    topics = [[_TOPIC0[kind] for kind in kinds]]
    return "eth_getLogs", [{"address": pool, "topics": topics, "fromBlock": hex(first), "toBlock": hex(last)}]


def events_of(reply: object, pool: str, kinds: Sequence[EventKind], first: int, last: int) -> PoolEvents:
    """The events of an ``eth_getLogs`` reply, in its order, checked against what was asked.

    Raises:
        Reorged: a log was removed from the chain, or two logs of one block name different blocks.
        BadReply: a log of another pool, event or block, or one that is malformed.
    """
    logs = [_of_pool(checked.mapping(entry, "log"), pool) for entry in checked.sequence(reply, "eth_getLogs")]
    rows, hashes = list[EventRow](), dict[int, str]()
    # Logs of one block share what is told of it, and stand together: that is read once.
    for _, together in groupby(logs, key=lambda log: (log.get("blockNumber"), log.get("blockHash"), log.get("blockTimestamp"))):
        of_block = list(together)
        block = _block(of_block[0], first, last)
        if hashes.setdefault(block.number, block.hash) != block.hash:
            raise Reorged(f"logs of block {block.number} are of two different blocks")
        rows.extend(_row(log, block, kinds) for log in of_block)
    return PoolEvents(rows, hashes)


def must_lie_in(hashes: Mapping[int, str], headers: Mapping[int, BlockRef]) -> None:
    """See that the blocks of logs are the ones that are there, as far as their headers are known.

    Raises:
        Reorged: one is not.
    """
    for number, block_hash in hashes.items():
        if number in headers and headers[number].hash != block_hash:
            raise Reorged(f"logs of block {number} are not of the block that is there")


def _of_pool(log: Mapping[str, Any], pool: str) -> Mapping[str, Any]:
    address = log.get("address")
    if not isinstance(address, str) or address.lower() != pool.lower():
        raise BadReply(f"a log of {address} for pool {pool}")
    if log.get("removed"):
        raise Reorged("a log was removed")
    return log


class _Block(NamedTuple):
    number: int
    hash: str
    timestamp_s: int | None


def _block(log: Mapping[str, Any], first: int, last: int) -> _Block:
    number = checked.quantity(log.get("blockNumber"), "block of a log")
    if not first <= number <= last:
        raise BadReply(f"a log of block {number} for blocks {first} to {last}")
    time = log.get("blockTimestamp")
    return _Block(
        number,
        checked.hash32(log.get("blockHash"), "block hash of a log"),
        None if time is None else checked.quantity(time, "time of a log"),
    )


def _row(log: Mapping[str, Any], block: _Block, kinds: Sequence[EventKind]) -> EventRow:
    topics = checked.sequence(log.get("topics"), "topics")
    if not all(isinstance(topic, str) for topic in topics):
        raise BadReply("a log with a topic that is no text")
    kind = _kind(topics[0]) if topics else None
    if kind is None or kind not in kinds:
        raise BadReply("a log of another event than was asked for")
    words = _words(log.get("data"), kind)
    if len(topics) != _TOPIC_COUNT[kind]:
        raise BadReply(f"a {kind} log with {len(topics)} topics")
    return EventRow(
        block.number,
        block.timestamp_s,
        checked.hash32(log.get("transactionHash"), "transaction of a log"),
        checked.quantity(log.get("transactionIndex"), "transaction index of a log"),
        checked.quantity(log.get("logIndex"), "index of a log"),
        kind,
        *_BODIES[kind](topics, words),
    )


def _kind(topic: str) -> EventKind | None:
    return _KINDS.get(topic) or _KINDS.get(checked.hash32(topic, "topic of a log"))


def _words(value: object, kind: EventKind) -> bytes:
    raw = checked.data(value, f"data of a {kind} log")
    if len(raw) != _DATA_WORDS[kind] * _WORD:
        raise BadReply(f"a {kind} log with {len(raw)} bytes of data")
    return raw


def _unsigned(raw: bytes, word: int, bits: int) -> int:
    value = int.from_bytes(raw[word * _WORD : (word + 1) * _WORD], "big")
    if value >> bits:
        raise BadReply(f"a value of more than {bits} bits")
    return value


def _tick(word: bytes) -> int:
    value = int.from_bytes(word, "big", signed=True)
    if not -_TICK_LIMIT <= value < _TICK_LIMIT:
        raise BadReply("a tick of more than 24 bits")
    return value


@lru_cache(maxsize=4096)
def _address_of(topic: str) -> str:
    word = checked.hash32(topic, "topic of a log")
    if not word.startswith("0x000000000000000000000000"):
        raise BadReply("an address of more than 20 bytes")
    return "0x" + word[26:]


Body = tuple[
    str | None, str | None, str | None, int, int, int | None, int | None, int | None, int | None, int | None, int | None
]
"""The columns from ``sender`` on."""


def _swap(topics: Sequence[str], raw: bytes) -> Body:
    read = int.from_bytes
    price, liquidity = read(raw[64:96], "big"), read(raw[96:128], "big")
    if price >> 160 or liquidity >> 128:
        raise BadReply("a price of more than 160 bits, or a liquidity of more than 128")
    return (
        _address_of(topics[1]),
        _address_of(topics[2]),
        None,
        read(raw[:32], "big", signed=True),
        read(raw[32:64], "big", signed=True),
        price,
        liquidity,
        _tick(raw[128:]),
        None,
        None,
        None,
    )


def _mint(topics: Sequence[str], raw: bytes) -> Body:
    sender = _address_of("0x" + raw[:_WORD].hex())
    return (sender, None, *_position(topics, raw, 2), _unsigned(raw, 1, 128))


def _burn(topics: Sequence[str], raw: bytes) -> Body:
    return (None, None, *_position(topics, raw, 1), -_unsigned(raw, 0, 128))


def _collect(topics: Sequence[str], raw: bytes) -> Body:
    recipient = _address_of("0x" + raw[:_WORD].hex())
    return (None, recipient, *_position(topics, raw, 1), None)


def _flash(topics: Sequence[str], raw: bytes) -> Body:
    paid0, paid1 = (_unsigned(raw, 2 + token, 256) for token in range(2))
    return (_address_of(topics[1]), _address_of(topics[2]), None, paid0, paid1, None, None, None, None, None, None)


def _fee_protocol(_: Sequence[str], raw: bytes) -> Body:
    share0, share1 = (_unsigned(raw, 2 + token, 8) for token in range(2))
    return (None, None, None, share0, share1, None, None, None, None, None, None)


def _position(
    topics: Sequence[str], raw: bytes, amounts_at: int
) -> tuple[str, int, int, int | None, int | None, int | None, int | None, int | None]:
    """The columns from ``owner`` to ``tick_upper``."""
    lower, upper = (_tick(bytes.fromhex(checked.hash32(topic, "topic of a log")[2:])) for topic in topics[2:4])
    amount0, amount1 = (_unsigned(raw, amounts_at + word, 256) for word in range(2))
    return (_address_of(topics[1]), amount0, amount1, None, None, None, lower, upper)


_BODIES: Mapping[EventKind, Callable[[Sequence[str], bytes], Body]] = {
    EventKind.SWAP: _swap,
    EventKind.MINT: _mint,
    EventKind.BURN: _burn,
    EventKind.COLLECT: _collect,
    EventKind.FLASH: _flash,
    EventKind.FEE_PROTOCOL: _fee_protocol,
}

"""Values of JSON-RPC replies, checked: what is null, mistyped or cut short is a :class:`BadReply`, never a value.

``what`` names the value in the error, for the person who reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from eth_utils.address import to_checksum_address

from keeper.adapters.evm.rpc import BadReply, RpcRefused
from keeper.core.model.errors import Reorged, Transient
from keeper.core.model.pool import BlockRef

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_RESOURCE_NOT_FOUND = -32001
_BLOCK_GONE = re.compile(r"not found|not currently canonical|non-canonical|unknown block", re.IGNORECASE)


class ReadRefused(Transient):
    """The node would not answer a read: a limit, a missing state, a call that reverts."""


def _bad(what: str, wanted: str, found: object) -> BadReply:
    text = repr(found)
    return BadReply(f"{what}: {wanted} was expected, {text if len(text) <= 40 else text[:40] + '...'} was found")


def quantity(value: object, what: str) -> int:
    """A hex quantity of at most 256 bits; leading zeros, which some nodes write, are taken.

    Raises:
        BadReply: it is anything else.
    """
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise _bad(what, "a hex quantity", value)
    return int(value, 16)


def data(value: object, what: str) -> bytes:
    """Hex bytes, any number of them.

    Raises:
        BadReply: it is anything else.
    """
    if not isinstance(value, str) or not value.startswith("0x"):
        raise _bad(what, "hex bytes", value)
    try:
        raw = bytes.fromhex(value[2:])
    except ValueError:
        raise _bad(what, "hex bytes", value) from None
    # Python skips blanks between hex digits; a reply that has some is not what was sent.
    if 2 * len(raw) + 2 != len(value):
        raise _bad(what, "hex bytes", value)
    return raw


def hash32(value: object, what: str) -> str:
    """32 hex bytes, in lower case with 0x.

    Raises:
        BadReply: it is anything else.
    """
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise _bad(what, "a 32-byte hash", value)
    return value.lower()


@lru_cache(maxsize=1024)
def _checksummed(lower: str) -> str:
    return str(to_checksum_address(lower))


def address(value: object, what: str) -> str:
    """20 hex bytes, as an EIP-55 address.

    Raises:
        BadReply: it is anything else.
    """
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise _bad(what, "an address", value)
    return _checksummed(value.lower())


def mapping(value: object, what: str) -> Mapping[str, Any]:
    """A JSON object.

    Raises:
        BadReply: it is anything else.
    """
    if not isinstance(value, dict):
        raise _bad(what, "an object", value)
    return value


def sequence(value: object, what: str) -> Sequence[Any]:
    """A JSON array.

    Raises:
        BadReply: it is anything else.
    """
    if not isinstance(value, list):
        raise _bad(what, "an array", value)
    return value


def block(value: object, what: str) -> BlockRef:
    """Number, hash and time of a block's header.

    Raises:
        BadReply: it is null, pending (no hash yet) or lacks a field.
    """
    header = mapping(value, what)
    return BlockRef(
        number=quantity(header.get("number"), f"{what}, number"),
        hash=hash32(header.get("hash"), f"{what}, hash"),
        timestamp_s=quantity(header.get("timestamp"), f"{what}, timestamp"),
    )


def pinned(outcome: object, what: str) -> Any:
    """The reply to a read that named its block by hash: given back unless the node refused or answered null.

    Raises:
        Reorged: the node does not know the block any more, or answers null for it.
        ReadRefused: it refused for another reason.
    """
    if outcome is None:
        raise Reorged(f"{what}: null for a block that was just the newest")
    if isinstance(outcome, RpcRefused):
        if outcome.code == _RESOURCE_NOT_FOUND or _BLOCK_GONE.search(outcome.message):
            raise Reorged(f"{what}: {outcome}")
        raise ReadRefused(f"{what}: {outcome}")
    return outcome


def answered(outcome: object, what: str) -> Any:
    """The reply to a read that names no block hash: given back unless the node refused.

    Raises:
        ReadRefused: it did.
    """
    if isinstance(outcome, RpcRefused):
        raise ReadRefused(f"{what}: {outcome}")
    return outcome

"""Strict decoding of ABI data: only the canonical layout, only values that fit their types, not a byte too few or too many.

A general decoder follows any offset and ignores what trails: a reply mixed up may still decode to plausible numbers.
Ref: Solidity ABI specification 0.8, "Formal Specification of the Encoding" and "Strict Encoding Mode".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.adapters.evm import checked
from keeper.adapters.evm.rpc import BadReply

WORD = 32
_INTEGER = re.compile(r"(u?)int(\d+)")
_BYTES_N = re.compile(r"bytes(\d+)")
_FIXED_ARRAY = re.compile(r"(.+)\[([1-9]\d?)\]")

Read = Callable[[bytes, int], tuple[Any, int]]
"""From data and an offset in it to the value there and the offset behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbiType:
    """How values of one ABI type lie in data."""

    name: str
    """Canonical, tuples spelled out: what selectors are made of."""
    words: int
    """Words that it takes in the head of what contains it."""
    dynamic: bool
    read: Read


def _word_at(data: bytes, at: int) -> int:
    if at + WORD > len(data):
        raise BadReply(f"ABI data ends after {len(data)} bytes, {at + WORD} were expected")
    return int.from_bytes(data[at : at + WORD], "big")


def _unsigned(bits: int) -> Read:
    def read(data: bytes, at: int) -> tuple[int, int]:
        value = _word_at(data, at)
        if value >> bits:
            raise BadReply(f"ABI value does not fit uint{bits}")
        return value, at + WORD

    return read


def _signed(bits: int) -> Read:
    limit = 1 << (bits - 1)

    def read(data: bytes, at: int) -> tuple[int, int]:
        value = _word_at(data, at)
        if value >> 255:
            value -= 1 << 256
        if not -limit <= value < limit:
            raise BadReply(f"ABI value does not fit int{bits}")
        return value, at + WORD

    return read


def _read_bool(data: bytes, at: int) -> tuple[bool, int]:
    value = _word_at(data, at)
    if value > 1:
        raise BadReply("ABI value is not a boolean")
    return value == 1, at + WORD


def _read_address(data: bytes, at: int) -> tuple[str, int]:
    value = _word_at(data, at)
    if value >> 160:
        raise BadReply("ABI value does not fit an address")
    return checked.address(f"0x{value:040x}", "address"), at + WORD


def _fixed_bytes(size: int) -> Read:
    def read(data: bytes, at: int) -> tuple[bytes, int]:
        if _word_at(data, at) & ((1 << 8 * (WORD - size)) - 1):
            raise BadReply(f"ABI value does not fit bytes{size}")
        return data[at : at + size], at + WORD

    return read


def _read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size = _word_at(data, at)
    start = at + WORD
    end = start + -(-size // WORD) * WORD
    if end > len(data):
        raise BadReply(f"ABI data ends after {len(data)} bytes, {end} were expected")
    return data[start : start + size], end


def _read_string(data: bytes, at: int) -> tuple[str, int]:
    value, end = _read_bytes(data, at)
    try:
        return value.decode(), end
    except UnicodeDecodeError:
        raise BadReply("ABI string is not UTF-8") from None


def _read_members(members: Sequence[AbiType], data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
    head, tail = at, at + WORD * sum(member.words for member in members)
    values: list[Any] = []
    for member in members:
        if member.dynamic:
            if at + _word_at(data, head) != tail:
                raise BadReply("ABI data is not in canonical order")
            head += WORD
            value, tail = member.read(data, tail)
        else:
            value, head = member.read(data, head)
        values.append(value)
    return tuple(values), tail


def tuple_of(members: Sequence[AbiType]) -> AbiType:
    """A tuple of these types, which is also how arguments, results and event data lie."""
    dynamic = any(member.dynamic for member in members)

    def read(data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
        return _read_members(members, data, at)

    return AbiType(
        name=f"({','.join(member.name for member in members)})",
        words=1 if dynamic else sum(member.words for member in members),
        dynamic=dynamic,
        read=read,
    )


def _array_of(member: AbiType) -> AbiType:
    def read(data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
        count = _word_at(data, at)
        if count * member.words * WORD > len(data):
            raise BadReply(f"ABI array of {count} entries does not fit {len(data)} bytes")
        return _read_members([member] * count, data, at + WORD)

    return AbiType(name=f"{member.name}[]", words=1, dynamic=True, read=read)


def _fixed_array_of(member: AbiType, count: int) -> AbiType:
    inner = tuple_of([member] * count)
    return AbiType(name=f"{member.name}[{count}]", words=inner.words, dynamic=inner.dynamic, read=inner.read)


_SIMPLE: Mapping[str, tuple[bool, Read]] = {
    "bool": (False, _read_bool),
    "address": (False, _read_address),
    "bytes": (True, _read_bytes),
    "string": (True, _read_string),
}


def parse_type(document: Mapping[str, Any]) -> AbiType:
    """The type of one input or output of an interface file.

    Raises:
        ValueError: a type that no contract of ours uses, such as an array of a hundred or more.
    """
    name = str(document["type"])
    if name.endswith("[]"):
        return _array_of(parse_type({**document, "type": name[:-2]}))
    if fixed_array := _FIXED_ARRAY.fullmatch(name):
        return _fixed_array_of(parse_type({**document, "type": fixed_array[1]}), int(fixed_array[2]))
    if name == "tuple":
        return tuple_of([parse_type(part) for part in document["components"]])
    if simple := _SIMPLE.get(name):
        return AbiType(name=name, words=1, dynamic=simple[0], read=simple[1])
    if integer := _INTEGER.fullmatch(name):
        bits = int(integer[2])
        return AbiType(name=name, words=1, dynamic=False, read=_unsigned(bits) if integer[1] else _signed(bits))
    if fixed := _BYTES_N.fullmatch(name):
        return AbiType(name=name, words=1, dynamic=False, read=_fixed_bytes(int(fixed[1])))
    raise ValueError(f"ABI type {name} is not supported")


def decode_whole(kind: AbiType, data: bytes) -> tuple[Any, ...]:
    """``data`` as exactly one tuple of that type.

    Raises:
        BadReply: a value does not fit, the layout is not canonical, or bytes are missing or left over.
    """
    values: tuple[Any, ...]
    values, end = kind.read(data, 0)
    if end != len(data):
        raise BadReply(f"ABI data has {len(data)} bytes, {end} were expected")
    return values

"""Blocks of a tape in a file of fixed widths, so that a year is read in seconds.

A file is a header in JSON, the pool before its first event, and the blocks and events. It is a cache of what the store holds:
its name says of which data and which version of this code, its header carries the sha-256 of the rest, and what does not fit is
made anew. Nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from keeper.adapters.history.manifest import settle
from keeper.core.v3math.units import MAX_INT256, MAX_SQRT_RATIO, MIN_SQRT_RATIO
from keeper.simulation.tape import Event, FeeEvent, FeeProtocolEvent, LiquidityEvent, SwapEvent, TapeBlock

VERSION = 1
"""Of the format, and of how events are told from the record."""

_MAGIC = b"LPKTAPE\n"
_LOW, _HIGH = MIN_SQRT_RATIO + 1, MAX_SQRT_RATIO - 1
_BLOCK = struct.Struct("<QQI")
_OTHERS: dict[str, type[LiquidityEvent | FeeEvent | FeeProtocolEvent]] = {
    kind.__name__: kind for kind in (LiquidityEvent, FeeEvent, FeeProtocolEvent)
}


class DamagedFileError(ValueError):
    """A prepared file is none, is torn, or is of other data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a file holds."""

    state: bytes
    """The pool before the first event, as ``encode_state`` writes it."""
    blocks: tuple[TapeBlock, ...]
    checked: bool
    """Whether the next stored state was compared, and its fee growth too is what these events lead to."""
    growth_gap: str
    """How far the fee growth of the next stored state is from that, for a person; empty when there is nothing to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedHead:
    """What a file says of itself."""

    events_sha256: str
    checked: bool
    growth_gap: str


def write_prepared(path: Path, name: str, content: Prepared) -> PreparedHead:
    """Write a file under ``path``, whole or not at all.

    Args:
        path: of the file.
        name: of the data that it is made from.
        content: what to write.
    """
    swaps, others = _parted(content.blocks)
    blocks = b"".join(_BLOCK.pack(block.number, block.timestamp_s, len(block.events)) for block in content.blocks)
    amount_width, price_width = (_width(one[field] for one in swaps) for field in (1, 2))
    record = struct.Struct(f"<B{amount_width}s{price_width}s")
    packed = b"".join(
        record.pack(code, amount.to_bytes(amount_width, "little"), price.to_bytes(price_width, "little"))
        for code, amount, price in swaps
    )
    parts = [content.state, blocks, packed, json.dumps(others).encode()]
    events_sha256 = hashlib.sha256(b"".join(parts[1:])).hexdigest()
    header = {
        "version": VERSION,
        "name": name,
        "widths": [amount_width, price_width],
        "sizes": [len(part) for part in parts],
        "sha256": hashlib.sha256(b"".join(parts)).hexdigest(),
        "events_sha256": events_sha256,
        "checked": content.checked,
        "growth_gap": content.growth_gap,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # Several processes may prepare the same data at once: each writes its own, and the last one stays.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(b"".join([_MAGIC, json.dumps(header).encode(), b"\n", *parts]))
    settle(temporary, path)
    return PreparedHead(events_sha256=events_sha256, checked=content.checked, growth_gap=content.growth_gap)


def _width(values: Iterable[int]) -> int:
    """Bytes that the largest takes, at least one."""
    return max((max(values, default=0).bit_length() + 7) // 8, 1)


def _parted(blocks: Sequence[TapeBlock]) -> tuple[list[tuple[int, int, int]], list[list[Any]]]:
    """Swaps as code, amount and price; and all else, each with its place among all events."""
    swaps, others = list[tuple[int, int, int]](), list[list[Any]]()
    for place, event in enumerate(event for block in blocks for event in block.events):
        if isinstance(event, SwapEvent):
            swaps.append(_coded(event))
        else:
            others.append([place, type(event).__name__, *event])
    return swaps, others


def _coded(event: SwapEvent) -> tuple[int, int, int]:
    """Code 0, 2, 4: exact input, exact output, price limit; one more when token1 comes in."""
    direction = 0 if event.zero_for_one else 1
    if event.sqrt_price_limit_x96 != (_LOW if event.zero_for_one else _HIGH):
        assert (event.amount_specified, event.sqrt_price_limit_x96) == (MAX_INT256, event.sqrt_price_after_x96)
        return 4 + direction, 0, event.sqrt_price_after_x96
    return (0 if event.amount_specified > 0 else 2) + direction, abs(event.amount_specified), event.sqrt_price_after_x96


def check_prepared(path: Path, name: str) -> PreparedHead:
    """What a file says of itself, once it is known to be whole.

    Raises:
        DamagedFileError: it is not there, torn, of another version, or not of the data of that ``name``.
    """
    header, _ = _read(path, name)
    return PreparedHead(events_sha256=header["events_sha256"], checked=header["checked"], growth_gap=header["growth_gap"])


def read_prepared(path: Path, name: str) -> Prepared:
    """What a file holds.

    Raises:
        DamagedFileError: as :func:`check_prepared`.
    """
    header, body = _read(path, name)
    ends = [0]
    for size in header["sizes"]:
        ends.append(ends[-1] + size)
    state, blocks, packed, others = (body[begin:end] for begin, end in pairwise(ends))
    events = _merged(_swaps(bytes(packed), *header["widths"]), json.loads(bytes(others)))
    return Prepared(
        state=bytes(state),
        blocks=tuple(_blocks(bytes(blocks), events)),
        checked=header["checked"],
        growth_gap=header["growth_gap"],
    )


def _read(path: Path, name: str) -> tuple[dict[str, Any], memoryview]:
    try:
        raw = path.read_bytes()
        end = raw.index(b"\n", len(_MAGIC))
        header: dict[str, Any] = json.loads(raw[len(_MAGIC) : end])
        body = memoryview(raw)[end + 1 :]
        whole = (
            raw.startswith(_MAGIC)
            and (header["version"], header["name"]) == (VERSION, name)
            and hashlib.sha256(body).hexdigest() == header["sha256"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{path}: {error}") from None
    if not whole:
        raise DamagedFileError(f"{path} is torn, of another version or of other data")
    return header, body


def _swaps(packed: bytes, amount_width: int, price_width: int) -> list[Event]:
    # Millions of times: what a named tuple's own constructor does, without its detour, and no name looked up twice.
    new, cls, whole = tuple.__new__, SwapEvent, int.from_bytes
    events: list[Event] = []
    add = events.append
    for code, amount, price in struct.iter_unpack(f"<B{amount_width}s{price_width}s", packed):
        after = whole(price, "little")
        if code == 0:
            add(new(cls, (True, whole(amount, "little"), _LOW, after)))
        elif code == 1:
            add(new(cls, (False, whole(amount, "little"), _HIGH, after)))
        elif code == 2:
            add(new(cls, (True, -whole(amount, "little"), _LOW, after)))
        elif code == 3:
            add(new(cls, (False, -whole(amount, "little"), _HIGH, after)))
        else:
            add(new(cls, (code == 4, MAX_INT256, after, after)))
    return events


def _merged(swaps: list[Event], others: Sequence[Sequence[Any]]) -> list[Event]:
    events: list[Event] = []
    taken = 0
    for place, kind, *fields in others:
        upto = taken + place - len(events)
        events += swaps[taken:upto]
        taken = upto
        events.append(_OTHERS[kind](*fields))
    return events + swaps[taken:]


def _blocks(packed: bytes, events: list[Event]) -> list[TapeBlock]:
    new, cls = tuple.__new__, TapeBlock
    blocks: list[TapeBlock] = []
    at = 0
    for number, timestamp_s, count in _BLOCK.iter_unpack(packed):
        blocks.append(new(cls, (number, timestamp_s, tuple(events[at : at + count]))))
        at += count
    return blocks

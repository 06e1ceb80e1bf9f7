"""What a pool's folder holds: files, and the blocks that they are complete for. Written whole, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from keeper.adapters.evm.event_rows import EventKind
from keeper.core.model.errors import ConfigError

FORMAT = 1
NAME = "manifest.json"
_HASH_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A Parquet file that counts."""

    name: str
    """Path below the pool's folder."""
    rows: int
    sha256: str
    first_block: int
    last_block: int
    first_s: int
    last_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A stretch of the chain of which every event of some kinds is stored, or was proven not to be."""

    first_block: int
    last_block: int
    """Inclusive."""
    from_s: int
    """Chain time from which the stretch is complete."""
    to_s: int
    """Chain time up to which it is, exclusive."""
    kinds: tuple[EventKind, ...]
    sources: tuple[str, ...]
    last_hash: str | None = None
    """Hash of the last block, where it is known: another one there later means another chain."""

    def joins(self, later: Coverage) -> bool:
        """Whether nothing lies between this stretch and one that does not begin before it."""
        return later.first_block <= self.last_block + 1 or later.from_s <= self.to_s


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredState:
    """A file with the whole pool as it stood at the end of one block."""

    name: str
    """Path below the pool's folder."""
    sha256: str
    block: int
    timestamp_s: int
    block_hash: str | None
    """None where its source does not tell it."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The newest blocks, which may still be replaced."""

    coverage: Coverage
    file: StoredFile | None
    """None when they hold no event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that counts in a pool's folder; what it does not name is rubbish of an interrupted run."""

    chain_id: int
    pool: str
    """Lower case."""
    files: tuple[StoredFile, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    """Sealed stretches in the order of blocks; those of one set of kinds neither touch nor overlap."""
    tail: Tail | None = None
    states: tuple[StoredState, ...] = ()
    """In the order of blocks, at most one of a block."""

    @property
    def names(self) -> frozenset[str]:
        """Every file that counts."""
        tail = {self.tail.file.name} if self.tail and self.tail.file else set[str]()
        return frozenset({file.name for file in self.files} | tail | {state.name for state in self.states})

    def stretches(self, kinds: Iterable[EventKind], *, with_tail: bool) -> tuple[Coverage, ...]:
        """Stretches that are complete for all of ``kinds``, in order, with a gap before each but the first."""
        parts = [*self.coverage, *([self.tail.coverage] if self.tail and with_tail else [])]
        wanted = tuple(kinds)
        found = _joined([replace(part, kinds=()) for part in parts if wanted[0] in part.kinds])
        for kind in wanted[1:]:
            found = _common(found, _joined([replace(part, kinds=()) for part in parts if kind in part.kinds]))
        return tuple(replace(part, kinds=wanted) for part in found)

    def with_coverage(self, added: Coverage) -> Manifest:
        """This, and ``added`` covered too."""
        same = [part for part in self.coverage if part.kinds == added.kinds]
        others = [part for part in self.coverage if part.kinds != added.kinds]
        return replace(self, coverage=tuple(sorted([*others, *_joined([*same, added])], key=lambda part: part.first_block)))


def _joined(parts: Iterable[Coverage]) -> list[Coverage]:
    joined: list[Coverage] = []
    for part in sorted(parts, key=lambda one: (one.first_block, one.from_s)):
        if joined and joined[-1].joins(part):
            last = joined[-1]
            newest = part if part.last_block >= last.last_block else last
            joined[-1] = replace(
                last,
                last_block=newest.last_block,
                last_hash=newest.last_hash,
                from_s=min(last.from_s, part.from_s),
                to_s=max(last.to_s, part.to_s),
                sources=tuple(sorted({*last.sources, *part.sources})),
            )
        else:
            joined.append(part)
    return joined


def _common(left: Sequence[Coverage], right: Sequence[Coverage]) -> list[Coverage]:
    found = []
    for one in left:
        for other in right:
            first, last = max(one.first_block, other.first_block), min(one.last_block, other.last_block)
            from_s, to_s = max(one.from_s, other.from_s), min(one.to_s, other.to_s)
            if first <= last and from_s <= to_s:
                ends = one if one.last_block == last else other
                found.append(
                    replace(one, first_block=first, last_block=last, from_s=from_s, to_s=to_s, last_hash=ends.last_hash)
                )
    return found


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in ``folder``; None when there is none.

    Raises:
        ConfigError: it is there and cannot be understood.
    """
    path = folder / NAME
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != FORMAT:
            raise ConfigError([f"{path} has format {document['format']}, this keeper knows {FORMAT}"])
        return _manifest(document)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError([f"{path} is damaged ({error}): restore it, or remove its folder and download anew"]) from None


def _manifest(document: Mapping[str, Any]) -> Manifest:
    tail = document["tail"]
    return Manifest(
        chain_id=document["chain_id"],
        pool=document["pool"],
        files=tuple(StoredFile(**entry) for entry in document["files"]),
        coverage=tuple(_coverage(entry) for entry in document["coverage"]),
        tail=tail
        and Tail(coverage=_coverage(tail["coverage"]), file=None if tail["file"] is None else StoredFile(**tail["file"])),
        # Stores of before there were any do not name them.
        states=tuple(StoredState(**entry) for entry in document.get("states", ())),
    )


def _coverage(entry: Mapping[str, Any]) -> Coverage:
    kinds = tuple(EventKind(kind) for kind in entry["kinds"])
    return Coverage(**{**entry, "kinds": kinds, "sources": tuple(entry["sources"])})


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest in ``folder``: after a cut it is the old one or the new one."""
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1, sort_keys=True)
    temporary = folder / f"{NAME}.tmp"
    temporary.write_text(text, encoding="utf-8")
    settle(temporary, folder / NAME)


def settle(temporary: Path, final: Path) -> None:
    """Give a complete file its name, in such order that a power cut leaves the old state or the new."""
    _sync(temporary)
    temporary.replace(final)
    _sync(final.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

"""Where a virtual book lies between two processes, with the few that went before it.

The files are this machine's own and hold whole objects: they are written with the mode 0600 and read only where this very
version would have written them, for the same pools, pair and setting. Do not take one from anybody else.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle  # ruff: ignore[suspicious-pickle-import] - our own files, see above
from dataclasses import astuple, dataclass, replace
from importlib.metadata import version
from pathlib import Path

from keeper.core.model.errors import ConfigError, Fault
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockRef
from keeper.simulation.checkpoint import restored
from keeper.simulation.paper_book import PaperBook
from keeper.simulation.runner import Setting

KEPT = 16
"""Books on the shelf at most, each of another block: how far a reorganisation can be gone back from."""
_HEAD = b"keeper paper book"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A book on the shelf."""

    path: Path
    block: BlockRef
    """That its market stands at."""
    sequence: int
    """Higher is newer."""


def identity(policy: Policy, setting: Setting) -> str:
    """Hex sha-256 of what a book depends on: version, chain, pools, pair and setting, cadence apart."""
    lasting = replace(setting, cadence_s=0)
    market = [policy.chain_id, policy.pools, policy.signal_pool, policy.base, policy.quote]
    parts = [version("lp-keeper"), *market, astuple(lasting)]
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()


class BookShelf:
    """Saves books and finds them again; for one process at a time, which holds the lease of the journal beside it.

    Args:
        folder: for these files alone; made when missing.
        owner: see :func:`identity`.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self._folder = folder
        self._owner = owner

    def save(self, book: PaperBook) -> None:
        """Put a book on the disk; a cut leaves the ones of before, and this one whole or not at all.

        Raises:
            Fault: it cannot be written.
        """
        saved, block = self.saved(), book.market.block
        sequence = saved[0].sequence + 1 if saved else 1
        # of two books at one block only the newer is ever gone back to
        kept = [one for one in saved if one.block != block][: KEPT - 1]
        try:
            self._write(self._folder / f"{sequence:012d}.book", self._content(book))
            for old in saved:
                if old not in kept:
                    old.path.unlink()
        except OSError as error:
            raise Fault(f"the paper book cannot be written to {self._folder}: {error.strerror}: make room") from None

    def saved(self) -> list[Saved]:
        """What is on the shelf, newest first.

        Raises:
            ConfigError: a file is damaged, or of another version, chain, pool or setting.
        """
        return [self._looked_at(path) for path in sorted(self._folder.glob("*.book"), reverse=True)]

    def take(self, saved: Saved) -> PaperBook:
        """The book as it was saved, without a node.

        Raises:
            ConfigError: it is damaged, or was written by other code.
        """
        parts = saved.path.read_bytes().split(b"\n", 4)
        if len(parts) != 5 or hashlib.sha256(parts[4]).hexdigest().encode() != parts[3]:
            raise ConfigError([self._damaged(saved.path)])
        found = restored(
            parts[4], f"{saved.path} was written by other code: move {self._folder.parent} away to begin a new book"
        )
        if not isinstance(found, PaperBook):
            raise ConfigError([self._damaged(saved.path)])
        return found

    def forget_after(self, saved: Saved) -> None:
        """Remove every newer book, the newest first, so that a cut leaves no gap."""
        for newer in self.saved():
            if newer.sequence > saved.sequence:
                newer.path.unlink()

    def _content(self, book: PaperBook) -> bytes:
        body, block = pickle.dumps(book, protocol=pickle.HIGHEST_PROTOCOL), book.market.block
        stand = f"{block.number} {block.hash} {block.timestamp_s}"
        lines = (self._owner, stand, hashlib.sha256(body).hexdigest())
        return b"\n".join((_HEAD, *(line.encode() for line in lines), body))

    def _looked_at(self, path: Path) -> Saved:
        with path.open("rb") as file:
            head, owner, place = (file.readline().rstrip(b"\n") for _ in range(3))
        words = place.decode("ascii", "replace").split()
        if head != _HEAD or len(words) != 3 or not (words[0] + words[2]).isdecimal() or not path.stem.isdecimal():
            raise ConfigError([self._damaged(path)])
        if owner.decode("ascii", "replace") != self._owner:
            known = "of another version, chain, pool, pair or [backtest] setting"
            remedy = f"run it with what it was begun with, or move {self._folder.parent} away to begin a new one"
            raise ConfigError([f"{path} is a book {known}: {remedy}"])
        number, block_hash, timestamp_s = words
        block = BlockRef(number=int(number), hash=block_hash, timestamp_s=int(timestamp_s))
        return Saved(path=path, block=block, sequence=int(path.stem))

    def _damaged(self, path: Path) -> str:
        return f"{path} is damaged: move {self._folder.parent} away to begin a new book"

    def _write(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        # the name is on the disk only when its folder is
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

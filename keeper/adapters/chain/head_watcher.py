"""Notices new blocks, so that a cycle may start soon after one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from keeper.adapters.evm import checked
from keeper.adapters.evm.rpc import Rpc
from keeper.core.model.errors import KeeperError

JOIN_S = 30.0
"""Longest wait for the thread at the end: a request with all its repetitions."""


class HeadWatcher:
    """Asks a node for its newest block over and over, in a thread of its own.

    Trouble with the node is told and asked again after the same pause; a cycle that runs meanwhile meets it by itself.

    Args:
        rpc: the watcher's own client, since a client is not thread-safe; not closed here.
        on_head: called in the watcher's thread with the number of a block that is newer than all before; must not block.
        interval_s: pause between two questions, seconds, > 0.
        on_trouble: called in the watcher's thread with an error of the node.
    """

    def __init__(
        self,
        rpc: Rpc,
        on_head: Callable[[int], None],
        *,
        interval_s: float,
        on_trouble: Callable[[KeeperError], None] = lambda _: None,
    ) -> None:
        self._rpc = rpc
        self._on_head = on_head
        self._interval_s = interval_s
        self._on_trouble = on_trouble
        self._newest: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="head-watcher", daemon=True)

    @property
    def newest(self) -> int | None:
        """Number of the newest block seen; None before the first answer."""
        return self._newest

    def start(self) -> None:
        """Begin; at most once."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until no callback runs any more; a second call does nothing."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._look()
            self._stopping.wait(self._interval_s)

    def _look(self) -> None:
        try:
            number = checked.quantity(self._rpc.call("eth_blockNumber"), "eth_blockNumber")
        except KeeperError as error:
            self._on_trouble(error)
            return
        if self._newest is None or number > self._newest:
            self._newest = number
            self._on_head(number)

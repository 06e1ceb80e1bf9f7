"""The local node: finding anvil, and running it so that it never outlives us."""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess  # ruff: ignore[suspicious-subprocess-import] - running a node is this module's job
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from keeper.adapters.evm.rpc import Rpc, without_keys
from keeper.core.model.errors import ConfigError, Transient

MAINNET_CHAIN_ID = 1
DEFAULT_TIMESTAMP = 1_759_269_600
"""Genesis time when none is asked for: 2025-09-30 22:00:00 UTC, so that two runs see the same clock."""
BLOCK_GAS_LIMIT = 60_000_000

_READY_WITHIN_S = 15.0
_LISTENING = re.compile(rb"Listening on \S+:(\d+)")

# The launcher tells the watcher its process id and becomes anvil; the pipe closes when we die, however we die.
_LAUNCHER = 'echo $$ >&0; exec "$@" </dev/null'
_WATCHER = 'read -r pid || exit 0; while read -r _; do :; done; kill -9 "$pid" 2>/dev/null'


class AnvilNotFound(ConfigError):
    """No anvil on this machine; the message says what to do."""


class AnvilFailed(Transient):
    """anvil was started and does not serve; the message carries its last words."""


def _npm_binary() -> Path:
    system = {"linux": "linux", "darwin": "darwin"}.get(sys.platform, "win32")
    arch = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower(), "amd64")
    name = "anvil.exe" if system == "win32" else "anvil"
    return Path("@foundry-rs", f"anvil-{system}-{arch}", "bin", name)


def node_modules_folders(environ: Mapping[str, str], cwd: Path) -> list[Path]:
    """Every ``node_modules`` that may hold our packages, nearest first.

    Upward from the checkout of this package, upward from ``cwd``, then the keeper's cache folder.
    """
    checkout = Path(__file__).resolve().parents[2]
    cache = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".cache") / "keeper"
    roots = dict.fromkeys((checkout, *checkout.parents, cwd, *cwd.parents, cache))
    return [folder for root in roots if (folder := root / "node_modules").is_dir()]


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _is_wrapper(path: Path) -> bool:
    # npm's `anvil` is a script that starts the real one: killing the script would leak the node.
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def find_anvil(environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Path:
    """The native anvil program: ``$KEEPER_ANVIL``, then PATH, then the npm platform package.

    Args:
        environ: environment to look in; the process's own when not given.
        cwd: folder to search upward from; the working directory when not given.

    Raises:
        AnvilNotFound: there is none, or ``$KEEPER_ANVIL`` does not name a program.
    """
    environ = os.environ if environ is None else environ
    if named := environ.get("KEEPER_ANVIL"):
        if not _is_program(Path(named)):
            raise AnvilNotFound([f"KEEPER_ANVIL names {named}, which is not a program; correct it or unset it"])
        return Path(named)
    on_path = shutil.which("anvil", path=environ.get("PATH", ""))
    if on_path and not _is_wrapper(Path(on_path)):
        return Path(on_path)
    for folder in node_modules_folders(environ, cwd or Path.cwd()):
        if _is_program(candidate := folder / _npm_binary()):
            return candidate
    raise AnvilNotFound(["anvil was not found: run `npm ci` in the project, or set KEEPER_ANVIL to an anvil program"])


@dataclass(frozen=True, slots=True, kw_only=True)
class AnvilOptions:
    """How a node is started."""

    chain_id: int = MAINNET_CHAIN_ID
    port: int = 0
    """TCP port on the loopback interface; 0 lets the system choose a free one."""
    automine: bool = True
    """Mine a block as soon as a transaction arrives; otherwise only when told to."""
    prune_history: int = 256
    """How many past states stay readable, in blocks: what a reorg test or an old-block call may reach back to."""
    first_block: int = 0
    """Number of the block that a chain of its own begins with."""
    genesis_timestamp_s: int = DEFAULT_TIMESTAMP
    base_fee_wei: int = 500_000_000
    """Base fee of the first block; it then moves as on mainnet unless it is set."""
    fork_url: str | None = field(default=None, repr=False)
    """Another node whose state is read on demand; may carry a key."""

    def arguments(self) -> list[str]:
        """Command line of anvil, program name left out."""
        words = ["--host", "127.0.0.1", "--port", str(self.port), "--chain-id", str(self.chain_id)]
        words += ["--prune-history", str(self.prune_history), "--gas-limit", str(BLOCK_GAS_LIMIT), "--no-request-size-limit"]
        if self.fork_url:
            words += ["--fork-url", self.fork_url, "--no-storage-caching", "--no-rate-limit"]
        else:
            words += ["--timestamp", str(self.genesis_timestamp_s), "--block-base-fee-per-gas", str(self.base_fee_wei)]
            words += ["--number", str(self.first_block)] if self.first_block else []
        return words if self.automine else [*words, "--no-mining"]


class Anvil:
    """A running node; leaves with the ``with`` block, with Ctrl-C, and with the death of this process by any signal.

    Args:
        options: see :class:`AnvilOptions`.
        program: anvil itself; searched by :func:`find_anvil` when not given.

    Raises:
        AnvilNotFound: no program.
        AnvilFailed: it ended at once (a busy port, say) or did not serve within 15 s.
    """

    def __init__(self, options: AnvilOptions | None = None, *, program: Path | None = None) -> None:
        self.options = options or AnvilOptions()
        program = program or find_anvil()
        # Not a pipe: nobody would drain it, and anvil would block on a full one.
        # ruff: ignore[open-file-with-context-handler] - closed by stop()
        self._log: IO[bytes] = tempfile.TemporaryFile(prefix="keeper-anvil-")
        reading, writing = os.pipe()
        try:
            self._watcher = self._watch(reading)
            self._process = self._launch(program, writing)
        finally:
            os.close(reading)
        self._lifeline = writing
        try:
            self.port = self._await_port()
            self._quieten()
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def _watch(reading: int) -> subprocess.Popen[bytes]:
        # A session of its own, so that Ctrl-C in the terminal reaches us and not the watcher.
        return subprocess.Popen(  # ruff: ignore[subprocess-without-shell-equals-true] - no shell text from outside
            ["/bin/sh", "-c", _WATCHER],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _launch(self, program: Path, writing: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # ruff: ignore[subprocess-without-shell-equals-true] - no shell text from outside
            ["/bin/sh", "-c", _LAUNCHER, "sh", str(program), *self.options.arguments()],
            stdin=writing,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    @property
    def url(self) -> str:
        """HTTP address of the node."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the node, and of its process group."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def _last_words(self) -> str:
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip()
        if url := self.options.fork_url:
            said = without_keys(said, url)
        lines = said.splitlines()
        return lines[-1] if lines else "it said nothing"

    def _await_port(self) -> int:
        # The line comes from our own process, after it has bound: another node on the port cannot be mistaken for it.
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline:
            alive = self.alive()
            self._log.seek(0)
            if found := _LISTENING.search(self._log.read()):
                return int(found[1])
            if not alive:
                raise AnvilFailed(f"anvil ended with code {self._process.returncode}: {self._last_words()}")
            time.sleep(0.005)
        raise AnvilFailed(f"anvil did not serve within {_READY_WITHIN_S:.0f} s: {self._last_words()}")

    def _quieten(self) -> None:
        # It logs every request; a day of blocks would fill the disk with what nobody reads.
        rpc = Rpc(self.url)
        try:
            rpc.call("anvil_setLoggingEnabled", False)
        finally:
            rpc.close()

    def stop(self) -> None:
        """End the node and wait until it is gone; a second call does nothing."""
        for end, patience_s in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            if not self.alive():
                break
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, end)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
        if self._lifeline >= 0:
            self._watcher.kill()
            self._watcher.wait()
            os.close(self._lifeline)
            self._lifeline = -1
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

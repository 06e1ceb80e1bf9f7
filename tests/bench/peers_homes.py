"""Rivals in environments of their own, made on demand and kept for the next time: nothing of them is ever in ``.venv``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

HERE = Path(__file__).parent
CACHE = Path(
    os.environ.get("KEEPER_PEERS") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keeper-peers"
)
"""Where the environments are kept; may be removed at any time."""
INSTALL_TIMEOUT_S = 600


class NotInstallableError(Exception):
    """A rival cannot be had on this machine; says why."""


class RivalError(Exception):
    """A rival broke down; says its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """Somebody else's package."""

    name: str
    """As its task in ``peers_child``; or bella."""
    package: str
    """With the version that is compared."""

    @property
    def home(self) -> Path:
        """Its environment."""
        return CACHE / "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in self.package).strip("-.")


DEMETER = Rival(name="demeter", package="zelos-demeter==1.3.0")
DEGENBOT = Rival(name="degenbot", package="degenbot==0.3.0")
UNISWAPPY = Rival(name="uniswappy", package="UniswapPy==1.7.9")
BELLA = Rival(name="bella", package="@bella-defintech/uniswap-v3-simulator@0.1.5")


class Talk:
    """A rival's process, which answers one question after another until it is left."""

    def __init__(self, command: Sequence[str]) -> None:
        self._folder = TemporaryDirectory(prefix="keeper-peers-")
        self._words = (Path(self._folder.name) / "stderr").open("w+b")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            # What it keeps at home is forgotten with it.
            env=os.environ | {"HOME": self._folder.name},
            cwd=self._folder.name,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            # Left in the middle of a question.
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._words.close()
        self._folder.cleanup()

    def ask(self, task: str, **fields: object) -> Any:
        """Its answer.

        Raises:
            RivalError: it broke down instead.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"task": task, **fields}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._words.seek(0)
            raise RivalError(_last_line(self._words.read().decode(errors="replace")))
        return json.loads(line)


def talk_to(rival: Rival) -> Talk:
    """Start a rival, its environment made first where it is not there.

    Raises:
        NotInstallableError: it cannot be made.
    """
    ready = rival.home / ".ready"
    if not ready.exists():
        shutil.rmtree(rival.home, ignore_errors=True)
        rival.home.mkdir(parents=True)
        sys.stderr.write(f"installing {rival.package} into {rival.home}\n")
        for command in _making(rival):
            _install(command, rival)
        ready.touch()
    talk = Talk(_command(rival))
    try:
        talk.ask("hello")
    except RivalError as error:
        with talk:
            raise NotInstallableError(f"{rival.package} does not start: {error}") from None
    return talk


def _command(rival: Rival) -> list[str]:
    if rival is BELLA:
        return ["node", str(HERE / "peers_bella.cjs"), str(rival.home)]
    # Without the folder of this file among the places that it imports from, where names of ours would hide those of others.
    return [str(rival.home / "bin" / "python"), "-P", str(HERE / "peers_child.py"), rival.name]


def _making(rival: Rival) -> tuple[list[str], ...]:
    home = str(rival.home)
    if rival is BELLA:
        # Nothing of it is run that is not asked for: its data base driver, not needed here, would be compiled.
        return (["npm", "install", "--prefix", home, "--ignore-scripts", "--no-audit", "--no-fund", "--silent", rival.package],)
    pip = [f"{home}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", rival.package]
    return [sys.executable, "-m", "venv", home], pip


def _install(command: Sequence[str], rival: Rival) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstallableError(f"{rival.package}: {error}") from None
    if done.returncode:
        raise NotInstallableError(f"{rival.package}: {_last_line(done.stderr or done.stdout)}")


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")

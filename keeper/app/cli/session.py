"""What every command shares: where its settings come from and how it speaks. Imports nothing heavy, so that help is quick."""

# ruff: file-ignore[import-outside-top-level] - what is heavy is imported where it is used

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keeper.adapters.telemetry.logs import LogTelemetry
    from keeper.app.cli.output import Output
    from keeper.app.settings import Loaded, Need

OWN_FILE = Path("keeper.toml")
"""Read from the working directory when no file is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Options that stand before or after any command."""

    config: Path | None = None
    chain: str | None = None
    pool: str | None = None
    state_dir: Path | None = None
    as_json: bool = False
    verbose: bool = False
    quiet: bool = False
    no_color: bool = False
    debug: bool = False

    def joined(self, given: Mapping[str, Any]) -> Session:
        """These options, overruled by those that were given after the command."""
        return replace(self, **{name: value for name, value in given.items() if value not in {None, False}})

    def load(self, *needs: Need, flags: Mapping[str, object] | None = None) -> Loaded:
        """The settings that these options name.

        Raises:
            ConfigError: with every problem.
        """
        from keeper.app.settings import load

        own = OWN_FILE if self.config is None and OWN_FILE.is_file() else self.config
        state_dir = {} if self.state_dir is None else {"run.state_dir": str(self.state_dir)}
        return load(
            config=own,
            chain=self.chain,
            pool=self.pool,
            flags={**state_dir, **(flags or {})},
            needs=frozenset(needs),
        )

    @property
    def out(self) -> Output:
        """Where results go."""
        from keeper.app.cli.output import Output

        return Output(as_json=self.as_json, color=not self.no_color)

    def telemetry(self, *, secrets: tuple[str, ...] = ()) -> LogTelemetry:
        """Logs on stderr, without secrets."""
        from keeper.adapters.telemetry.logs import configure

        level = logging.DEBUG if self.verbose else logging.WARNING if self.quiet else logging.INFO
        return configure(sys.stderr, level=level, secrets=(*environment_secrets(), *secrets))


def environment_secrets() -> tuple[str, ...]:
    """Values of the environment that nothing may show."""
    return tuple(value for name in ("KEEPER__RPC__URL", "KEEPER_PRIVATE_KEY") if (value := os.environ.get(name)))

"""Settings made visible, compared and handed to a running keeper."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from rich.text import Text

from keeper.adapters.store.reader import open_reader
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.output import table
from keeper.app.cli.session import Session
from keeper.app.settings import Need, load, to_policy
from keeper.app.settings import show as showing
from keeper.core.model.codec import encode
from keeper.core.model.errors import ConfigError
from keeper.core.model.policy import Policy

NOT_RELOADABLE = ("chain_id:", "base.", "quote.", "wrapped_native", "pools.", "signal_pool:")
"""Beginnings of the lines of rules that a running keeper never takes over; it refuses other settings by itself."""


def show(session: Session) -> ExitCode:
    """Every value, its unit and its source."""
    rows = showing.listing(session.load())
    document = {"settings": {row.path: {"value": row.value, "unit": row.unit, "source": row.source} for row in rows}}
    cells = [(row.path, "-" if row.value is None else str(row.value), row.unit, row.source) for row in rows]
    session.out.show(document, table("Settings", ("setting", "value", "unit", "source"), cells))
    return ExitCode.OK


def validate(session: Session) -> ExitCode:
    """Refuses unless a dry run could start."""
    settings = session.load(Need.NODE, Need.ACCOUNT).settings
    told = f"right: {settings.chain.name}, {', '.join(settings.pools)}, {'live' if settings.run.live else 'dry'}"
    session.out.show({"valid": True}, Text(told))
    return ExitCode.OK


def schema(_session: Session) -> ExitCode:
    """The schema is JSON whether asked for or not."""
    sys.stdout.write(showing.schema() + "\n")
    return ExitCode.OK


def diff(session: Session, other: Path) -> ExitCode:
    """From the current settings to those of another file."""
    changes = showing.differences(session.load().settings, load(config=other, chain=session.chain, pool=session.pool).settings)
    document = {
        "changes": [
            {"path": change.path, "old": change.old, "new": change.new, "reloadable": change.reloadable} for change in changes
        ]
    }
    lines = [showing.line(change) + ("" if change.reloadable else " (needs a restart)") for change in changes]
    session.out.show(document, *(Text(line) for line in lines or ["no difference"]))
    return ExitCode.OK


def reload(session: Session) -> ExitCode:
    """Compare with the policy of the newest cycle, then send SIGHUP to the keeper that holds the journal."""
    settings = session.load(Need.NODE, Need.ACCOUNT).settings
    path = settings.journal_path
    process = holder(path.with_name(f"{path.name}.lock"))
    if process is None:
        raise ConfigError([f"no keeper runs on {path}: it reads the settings when it starts"])
    with open_reader(path) as reader:
        newest = reader.cycles(limit=1)
        changes = policy_changes(reader.cycle(newest[0].id).policy, to_policy(settings)) if newest else ()
    if stuck := [f"{change}: needs a restart" for change in changes if change.startswith(NOT_RELOADABLE)]:
        raise ConfigError(stuck)
    os.kill(process, signal.SIGHUP)
    told = [*changes, f"asked process {process}; it takes over between two cycles, or logs why not (config.refused)"]
    session.out.show({"process": process, "changes": list(changes)}, *(Text(line) for line in told))
    return ExitCode.OK


def holder(lock: Path) -> int | None:
    """The process that holds the lease in ``lock``; None when nobody does."""
    try:
        with lock.open("rb") as file:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read(20).strip())
    except FileNotFoundError:
        return None
    return None


def policy_changes(old: Policy, new: Policy) -> tuple[str, ...]:
    """One line a rule that differs: ``path: old -> new``."""
    before, after = _flat(json.loads(encode(old)), ""), _flat(json.loads(encode(new)), "")
    paths = sorted(before.keys() | after.keys())
    return tuple(f"{path}: {before.get(path)} -> {after.get(path)}" for path in paths if before.get(path) != after.get(path))


def _flat(node: Any, path: str) -> dict[str, Any]:
    if isinstance(node, dict):
        below = node.items()
    elif isinstance(node, list):
        below = {str(index): one for index, one in enumerate(node)}.items()
    else:
        return {path: node}
    return {key: value for name, one in below for key, value in _flat(one, f"{path}.{name}".strip(".")).items()}

"""A run that was cut off, taken up again where it was.

The file is this machine's own and holds whole objects: it is written with the mode 0600 and read only where this very version
and this very run would have written it. Do not take one from anybody else.
"""

from __future__ import annotations

import hashlib
import pickle  # ruff: ignore[suspicious-pickle-import] - our own file, see above
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from keeper.core.model.codec import digest
from keeper.core.model.errors import ConfigError
from keeper.core.model.policy import Policy
from keeper.simulation.runner import Setting, Simulation
from keeper.simulation.tape import Tape

_HEAD = b"keeper checkpoint\n"


def identity(tapes: Sequence[Tape], policy: Policy, setting: Setting) -> str:
    """Hex sha-256 of what a run depends on: version, tapes, policy, setting."""
    parts = [version("lp-keeper"), *(tape.digest for tape in tapes), digest(policy), repr(setting)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _identity(run: Simulation) -> str:
    return identity(run.tapes, run.policy, run.setting)


def save(run: Simulation, path: Path) -> None:
    """Write where the run stands; a cut leaves the old file or the new one."""
    body = pickle.dumps(run, protocol=pickle.HIGHEST_PROTOCOL)
    temporary = path.with_suffix(".tmp")
    temporary.touch(mode=0o600)
    temporary.write_bytes(_HEAD + _identity(run).encode() + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    temporary.replace(path)


def restored(body: bytes, refusal: str) -> object:
    """What was pickled, by code whose types are still those of today.

    Args:
        body: whole, and our own: its digest was compared.
        refusal: says what it is of and what to do, where the types have changed.

    Raises:
        ConfigError: they have.
    """
    try:
        return pickle.loads(body)  # ruff: ignore[suspicious-pickle-usage] - our own file, see above
    except (AttributeError, ImportError, TypeError, pickle.UnpicklingError):
        raise ConfigError([refusal]) from None


def load(path: Path, fresh: Simulation) -> Simulation:
    """The run that was saved, if it is that of ``fresh``.

    Raises:
        ConfigError: the file is damaged, or of another run, version, code, tape, policy or setting.
    """
    parts = path.read_bytes().split(b"\n", 3)
    if len(parts) != 4 or parts[0] + b"\n" != _HEAD or hashlib.sha256(parts[3]).hexdigest().encode() != parts[2]:
        raise ConfigError([f"{path} is damaged: remove it and run anew"])
    if parts[1].decode() != _identity(fresh):
        raise ConfigError([f"{path} is of another version, tape, policy or setting: run anew, or with what it was made with"])
    found = restored(parts[3], f"{path} was written by other code: remove it and run anew")
    if not isinstance(found, Simulation):
        raise ConfigError([f"{path} holds no run: remove it and run anew"])
    return found

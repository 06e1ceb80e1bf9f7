"""A search whose runs cost next to nothing: what a policy earns is a formula of its settings and of the day.

``python -m tests.sweep.cheap ADDRESS TRIALS SECONDS [RUN]`` adds trials to the study of :func:`sweep` at an address, each of
which takes that long, and kills itself in the middle of that run.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from keeper.core.model.codec import digest
from keeper.core.model.errors import ConfigError, Transient
from keeper.core.model.policy import Policy
from keeper.simulation.sweep import run_sweep
from keeper.simulation.sweep_plan import Split, Sweep, Trying
from keeper.simulation.sweep_space import Kind, Space, parse_space
from keeper.simulation.sweep_store import DatabasePlace, Place, place_of
from tests.policies import policy

WIDTH, COOLDOWN = "ladder.core.half_width_sigmas", "gates.cooldown_s"
KINDS = {WIDTH: Kind.DECIMAL, COOLDOWN: Kind.WHOLE, "gates.shifts_per_day": Kind.WHOLE, "pool.adoption": Kind.WORD}
SPLIT = Split(days=60, train=20, test=10, embargo=2)
BEST_WIDTH = 2.0
WIDEST = 2.5
"""Of the core: from here on it would not lie inside the secondary layer."""


def kind_of(key: str) -> Kind:
    if key not in KINDS:
        raise ConfigError([f"{key}: unknown setting"])
    return KINDS[key]


def space(*texts: str) -> Space:
    return parse_space(texts or (f"{WIDTH}=0.5..3", f"{COOLDOWN}=600..86400:log"), kind_of)


def sweep(**fields: Any) -> Sweep:
    known: dict[str, Any] = {
        "name": "widths",
        "space": space(),
        "current": {WIDTH: "1.25", COOLDOWN: "3600"},
        "split": SPLIT,
        "seed": 7,
        "capital_quote": 100_000,
        "tape_digest": "tape of a day",
        "setting_digest": "every five minutes",
        "policy_digest": digest(policy()),
        "code_version": "1.0",
    }
    return Sweep(**(known | fields))


def policy_of(changes: Mapping[str, str]) -> Policy:
    rules = policy()
    core, *others = rules.ladder.layers
    width = float(changes.get(WIDTH, core.half_width_sigmas))
    if width >= WIDEST:
        raise ConfigError([f"{WIDTH}: {width} must lie below {WIDEST}: core lies inside secondary"])
    ladder = replace(rules.ladder, layers=(replace(core, half_width_sigmas=width), *others))
    gates = replace(rules.gates, cooldown_s=int(changes.get(COOLDOWN, rules.gates.cooldown_s)))
    return replace(rules, ladder=ladder, gates=gates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """Earns most at the best width; every day has its weather."""

    days: int = SPLIT.days

    def __call__(self, rules: Policy) -> Sequence[float]:
        width, cooldown_s = rules.ladder.layers[0].half_width_sigmas, rules.gates.cooldown_s
        level = 3 - 4 * (width - BEST_WIDTH) ** 2 - math.log(cooldown_s) / 100
        return [level + math.sin(1.7 * day) + 0.1 * math.sin(cooldown_s * day) for day in range(self.days)]


@dataclass(frozen=True, slots=True, kw_only=True)
class KilledOnce:
    """Kills its own process at the first run, and is well ever after; every run takes a while."""

    marker: Path
    takes_s: float = 0.0

    def __call__(self, rules: Policy) -> Sequence[float]:
        try:
            self.marker.touch(exist_ok=False)
        except FileExistsError:
            time.sleep(self.takes_s)
            return Formula()(rules)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadly:
    """Kills the process of every run."""

    def __call__(self, rules: Policy) -> Sequence[float]:
        del rules
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """Cannot run a policy with a long cooldown."""

    def __call__(self, rules: Policy) -> Sequence[float]:
        if rules.gates.cooldown_s > 4_000:
            raise Transient("the tape has a hole")
        return Formula()(rules)


class Slow:
    """Takes a while; kills its own process in the middle of its run ``dies_at``, counted from one."""

    def __init__(self, takes_s: float, dies_at: int = 0) -> None:
        self._takes_s, self._left = takes_s, dies_at

    def __call__(self, rules: Policy) -> Sequence[float]:
        self._left -= 1
        time.sleep(self._takes_s)
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)
        return Formula()(rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Keeps a core busy, for about 1.5 s on a machine of these years."""

    rounds: int = 15_000_000

    def __call__(self, rules: Policy) -> Sequence[float]:
        number = 1
        for _ in range(self.rounds):
            number = number * 48_271 % 2_147_483_647
        return [day + number / 2**40 for day in Formula()(rules)]


def trying(simulate: Any = None) -> Trying:
    return Trying(policy_of=policy_of, simulate=simulate or Formula())


def brisk(address: str) -> Place:
    """The place, with a heartbeat that a test can wait for."""
    place = place_of(address)
    return replace(place, heartbeat_s=1) if isinstance(place, DatabasePlace) else place


if __name__ == "__main__":
    _, where, asked, takes, *killing = sys.argv
    run_sweep(sweep(), trying(Slow(float(takes), *map(int, killing))), brisk(where), trials=int(asked))

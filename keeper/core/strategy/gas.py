"""What steps are expected to burn, for judging a move before it is planned and for planning it.

Measured on the position manager and the router with fees accrued: decrease 223k to 225k, collect 84k, burn 71k to 88k, swap
101k to 124k, mint 452k to 474k; thirteen separate transactions 2.64M to 2.74M, the same in three bundles 2.06M to 2.17M, which
makes 58k saved by each step that rides along in another's transaction. An increase pays for the same pool update as a decrease.
"""

from __future__ import annotations

from collections.abc import Sequence

from keeper.core.model.plan import Burn, CloseOption, Collect, Decrease, Increase, Mint, OpenOption, Step, Swap, Unwrap, Wrap

_UNITS: dict[type[Step], int] = {
    Decrease: 225_000,
    Collect: 84_000,
    Burn: 80_000,
    Swap: 115_000,
    Mint: 463_000,
    Increase: 225_000,
    Wrap: 45_000,
    Unwrap: 36_000,
}
"""Each in a transaction of its own, its 21,000 included."""

_SAVED_BY_BUNDLING = 58_000
"""For every step of a stage after the first."""

_LEAST_BUNDLED = 15_000
"""No step gets cheaper than this."""

_BUNDLED = {kind: max(units - _SAVED_BY_BUNDLING, _LEAST_BUNDLED) for kind, units in _UNITS.items()}
"""Each behind another in its transaction."""


def step_gas(kind: type[Step]) -> int:
    """Gas units of a step of the ladder in a transaction of its own."""
    return _UNITS[kind]


def gas_of(steps: Sequence[Step]) -> int:
    """Gas units of a stage's steps: those of the ladder share a transaction, an option takes what its venue says."""
    units, kinds = 0, list[type[Step]]()
    for step in steps:
        if isinstance(step, OpenOption):
            units += step.quote.gas_open
        elif isinstance(step, CloseOption):
            units += step.position.gas_close
        else:
            kinds.append(type(step))
    return units + stage_gas(kinds)


def stage_gas(kinds: Sequence[type[Step]]) -> int:
    """Gas units of steps of the ladder that share a transaction; 0 for none."""
    if not kinds:
        return 0
    return _UNITS[kinds[0]] + sum([_BUNDLED[kind] for kind in kinds[1:]])

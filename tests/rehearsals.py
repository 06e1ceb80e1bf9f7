"""Short made-up markets and runs over them."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from keeper.core.model.policy import Policy
from keeper.simulation.frictions import BaseFees, Frictions
from keeper.simulation.made import made_tape
from keeper.simulation.runner import Setting, Simulation
from keeper.simulation.tape import HeldTape
from keeper.simulation.weather import Scenario
from tests.pairs import USDC, USDC_WETH_500, WETH
from tests.policies import policy

GWEI = 10**9


def hasty_policy(**fields: Any) -> Policy:
    """Rules that open a ladder after half an hour."""
    rules = policy(**fields)
    return replace(rules, signals=replace(rules.signals, min_history_s=1_800, lookback_s=7_200, ewma_half_life_s=1_800))


@functools.cache
def market(days: float = 0.25, *, scenario: Scenario = Scenario.CALM, seed: int = 1) -> HeldTape:
    """A made-up market of the 0.05 % pool, held in memory."""
    made = made_tape(USDC_WETH_500, 1, base=WETH, quote=USDC, scenario=scenario, seed=seed, days=days)
    return HeldTape(
        key=made.key,
        chain_id=made.chain_id,
        start=made.start,
        end_s=made.end_s,
        digest=made.digest,
        described=made.described,
        exact=True,
        held=tuple(made.blocks()),
    )


def rehearsal(days: float = 0.25, *, scenario: Scenario = Scenario.CALM, **fields: Any) -> Simulation:
    """A run over it that has not begun; fields are those of the simulation and of its setting."""
    rules = fields.pop("policy", None) or hasty_policy()
    named = {name: fields.pop(name) for name in ("decide", "journal") if name in fields}
    frictions = fields.pop("frictions", Frictions())
    setting = Setting(frictions=frictions, **fields)
    return Simulation((market(days, scenario=scenario),), rules, setting, BaseFees.constant(2 * GWEI), **named)

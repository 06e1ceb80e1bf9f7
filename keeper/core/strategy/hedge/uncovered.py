"""What the ladder does instead when protection is due and cannot be had."""

from __future__ import annotations

from dataclasses import replace

from keeper.core.model.decision import Veto
from keeper.core.model.hedge import HedgePolicy, Uncovered
from keeper.core.model.policy import RegimeWeights
from keeper.core.strategy.caution import Caution
from keeper.core.strategy.hedge.proposal import Protection


def held_back(protection: Protection, rules: HedgePolicy) -> tuple[Veto, ...]:
    """Nothing is placed while cover is missing, where the rules say hold."""
    if not protection.uncovered or rules.uncovered is not Uncovered.HOLD:
        return ()
    return (Veto(gate="uncovered", layer=None, found=1.0, limit=0.0, unit="awake tiers without the cover that they want"),)


def more_careful(careful: Caution, protection: Protection, rules: HedgePolicy) -> Caution:
    """Wider layers, where the rules say widen."""
    if not protection.uncovered or rules.uncovered is not Uncovered.WIDEN:
        return careful
    return careful._replace(width=careful.width * rules.uncovered_width)


def smaller(weights: RegimeWeights, protection: Protection, rules: HedgePolicy) -> RegimeWeights:
    """Every layer less what is reserved for premiums and, where the rules say idle, less what stays out for want of cover."""
    out = rules.reserve
    if protection.uncovered and rules.uncovered is Uncovered.IDLE:
        out = max(out, rules.uncovered_idle)
    if out <= 0:
        return weights
    kept = 1 - out
    return replace(
        weights,
        core=weights.core * kept,
        secondary=weights.secondary * kept,
        insurance=weights.insurance * kept,
        idle=1 - kept * (1 - weights.idle),
    )

"""Which way each signal means stress, and how far it may be trusted with a say.

A signal that somebody can move on chain at a price that may be worth paying gets at most :data:`MOVABLE_CAP` of the weight,
whatever the operator writes. Volatility is not among them: it is made of many block ends over hours, and a single one counts
no more than ten usual deviations; to move it far means to hold the price away for long and to pay the fee both ways.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from keeper.core.quant.robust import Z_LIMIT
from keeper.core.signals import names

MOVABLE_CAP = 0.15
USUAL_DISTANCE = 0.6745
"""Median distance of a standard normal value from its centre."""


class Side(StrEnum):
    """Where stress lies."""

    HIGH = "high"
    LOW = "low"
    EITHER = "either"
    """Far from usual, whichever way: what tells a direction is not believed to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """How one signal is turned into stress."""

    side: Side
    movable: bool
    """Whether somebody can move it on chain."""
    is_ratio: bool = False
    """Whether its logarithm is what varies evenly; such values are above zero."""

    def scaled(self, value: float) -> float | None:
        """The number whose past is kept; None where a ratio is not above zero."""
        if not self.is_ratio:
            return value
        return math.log(value) if value > 0 else None

    def turned(self, z: float) -> float:
        """A z-score so turned that more is more stress, and 0 is usual."""
        match self.side:
            case Side.HIGH:
                return z
            case Side.LOW:
                return -z
            case Side.EITHER:
                return min(abs(z), Z_LIMIT) - USUAL_DISTANCE


def _risk(side: Side, *, movable: bool = True, is_ratio: bool = False) -> Risk:
    return Risk(side=side, movable=movable, is_ratio=is_ratio)


RISKS: Mapping[str, Risk] = MappingProxyType(
    {
        names.VOLATILITY_FORECAST: _risk(Side.HIGH, movable=False, is_ratio=True),
        names.IMPLIED_OVER_REALISED: _risk(Side.LOW, is_ratio=True),
        names.VOLATILITY_OUTSIDE: _risk(Side.HIGH, movable=False, is_ratio=True),
        names.JUMP_SHARE: _risk(Side.HIGH),
        names.RSI: _risk(Side.EITHER),
        names.MACD: _risk(Side.EITHER),
        names.ACCUMULATION: _risk(Side.EITHER),
        names.TAKER_FLOW: _risk(Side.EITHER),
        names.ARBITRAGE_SHARE: _risk(Side.HIGH),
        names.JIT_SHARE: _risk(Side.HIGH),
        names.VOLUME_TO_TVL: _risk(Side.HIGH),
        names.PRICE_TO_CASH_FLOW: _risk(Side.HIGH),
        names.BREADTH: _risk(Side.EITHER),
        names.BREADTH_DIVERGENCE: _risk(Side.EITHER),
        names.EFFECTIVE_RATE_BASE: _risk(Side.EITHER),
        names.EFFECTIVE_RATE_QUOTE: _risk(Side.EITHER),
        names.QUICK_RATIO: _risk(Side.LOW),
        names.QUICK_RATIO_CHANGE: _risk(Side.LOW),
        names.KINK_DISTANCE: _risk(Side.LOW),
        names.LIQUIDATIONS: _risk(Side.HIGH),
        names.MARK_DEVIATION: _risk(Side.EITHER),
    }
)
"""Every signal whose z-score is kept. The calendar has a say too, and no past that it is held against."""


def scheduled_z(multiplier: float) -> float:
    """The say of the calendar: 0 without an event, the limit where variance is to be three quarters above usual.

    Args:
        multiplier: of variance over the horizon, >= 1.
    """
    return min(4 * (multiplier - 1), Z_LIMIT)


def counted_weight(name: str, weight: float) -> float:
    """The weight that a signal has in the score: what the operator wrote, capped for what can be moved on chain."""
    risk = RISKS.get(name)
    return min(weight, MOVABLE_CAP) if risk is not None and risk.movable else weight

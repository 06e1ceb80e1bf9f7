"""What the ladder is at every price, in tokens of base and quote: floats, for choosing only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from keeper.core.model.ladder import Position
from keeper.core.model.option import Leg, OptionContract, OptionKind, OptionPosition, PositionState
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.quant.replication import Band, Vanilla
from keeper.core.signals.prices import price_at_tick

FloatArray: TypeAlias = npt.NDArray[np.float64]


LIVE = frozenset({PositionState.OPEN, PositionState.ITM_EXERCISABLE})
"""States in which what an option pays still follows the price."""


def bands(view: MarketView, policy: Policy) -> tuple[Band, ...]:
    """Every live position as liquidity between two prices of the base, core first."""
    return tuple([band_of(position, policy) for position in view.ladder.positions if position.liquidity > 0])


def band_of(position: Position, policy: Policy) -> Band:
    """A position's liquidity in whole tokens, between prices of the base in tokens of the quote."""
    key = policy.pool(position.pool)
    lower, upper = sorted([price_at_tick(policy, tick) for tick in (position.range.lower, position.range.upper)])
    unit = math.sqrt(10.0 ** (key.token0.decimals + key.token1.decimals))
    return Band(liquidity=position.liquidity / unit, lower=lower, upper=upper)


def vanillas(positions: tuple[OptionPosition, ...], policy: Policy) -> tuple[Vanilla, ...]:
    """Held options that can still pay, leg by leg, in tokens of the base; what bends over a range counts at its strike."""
    unit = 10**policy.base.decimals
    return tuple(
        [
            Vanilla(leg.kind, float(leg.strike), float(leg.ratio) * position.size.raw / unit)
            for position in positions
            if position.state in LIVE
            for leg in position.contract.legs
        ]
    )


def ladder_values(ladder: Sequence[Band], prices: FloatArray) -> FloatArray:
    """:func:`keeper.core.quant.replication.ladder_value` at many prices, to the same bits."""
    return _sums([_band_values(band, prices) for band in ladder], prices)


def strip_payoffs(strip: Sequence[Vanilla], prices: FloatArray) -> FloatArray:
    """:func:`keeper.core.quant.replication.strip_payoff` at many prices, to the same bits."""
    pays = [one.strike - prices if one.kind is OptionKind.PUT else prices - one.strike for one in strip]
    return _sums([one.quantity * np.maximum(each, 0.0) for one, each in zip(strip, pays, strict=True)], prices)


def contract_payoffs(contract: OptionContract, size_raw: int, prices: Sequence[float]) -> FloatArray:
    """:meth:`OptionContract.payoff` of a size (raw units of the base) at many prices, in tokens of the quote."""
    at = np.asarray(prices, dtype=np.float64)
    size = size_raw / 10**contract.base.decimals
    found: FloatArray = size * sum([_leg_payoffs(leg, at) for leg in contract.legs], np.zeros_like(at))
    return found


def _sums(terms: Sequence[FloatArray], prices: FloatArray) -> FloatArray:
    """Of the terms at each price, rounded once."""
    if not terms:
        return np.zeros_like(prices)
    return np.fromiter(map(math.fsum, np.transpose(terms).tolist()), np.float64, len(prices))


def _band_values(band: Band, prices: FloatArray) -> FloatArray:
    """Token0 at the price, and token1: in the order in which one price is valued, so that every rounding is the same."""
    low, high = math.sqrt(band.lower), math.sqrt(band.upper)
    root = np.sqrt(np.minimum(np.maximum(prices, band.lower), band.upper))
    value: FloatArray = band.liquidity * (high - root) / (high * root) * prices + band.liquidity * (root - low)
    return value


def _leg_payoffs(leg: Leg, at: FloatArray) -> FloatArray:
    strike, factor = float(leg.strike), float(leg.range_factor)
    held = np.minimum(at, strike)
    if factor > 1:
        low, high = math.sqrt(strike / factor), math.sqrt(strike * factor)
        root = np.sqrt(at)
        inside = low * high / (high - low) * (2 * root - low - at / high)
        held = np.where(root <= low, at, np.where(root >= high, strike, inside))
    return float(leg.ratio) * np.maximum((strike if leg.kind is OptionKind.PUT else at) - held, 0.0)

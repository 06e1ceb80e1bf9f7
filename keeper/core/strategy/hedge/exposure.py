"""What the ladder is at every price, in tokens of base and quote: floats, for choosing only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from keeper.core.model.ladder import Position
from keeper.core.model.option import Leg, OptionContract, OptionKind
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView
from keeper.core.quant.replication import Band, Vanilla
from keeper.core.signals.prices import price_at_tick
from keeper.core.strategy.hedge.standing import LIVE, parts

FloatArray: TypeAlias = npt.NDArray[np.float64]


def bands(view: MarketView, policy: Policy) -> tuple[Band, ...]:
    """Every live position as liquidity between two prices of the base, core first."""
    return tuple([band_of(position, policy) for position in view.ladder.positions if position.liquidity > 0])


def band_of(position: Position, policy: Policy) -> Band:
    """A position's liquidity in whole tokens, between prices of the base in tokens of the quote."""
    key = policy.pool(position.pool)
    lower, upper = sorted([price_at_tick(policy, tick) for tick in (position.range.lower, position.range.upper)])
    unit = math.sqrt(10.0 ** (key.token0.decimals + key.token1.decimals))
    return Band(liquidity=position.liquidity / unit, lower=lower, upper=upper)


def vanillas(view: MarketView) -> tuple[Vanilla, ...]:
    """Held options that can still pay, leg by leg, in tokens of the base; what bends over a range counts at its strike.

    Each as what it stands for: the base traded beside a call or a put is not part of the ladder, whose loss they are set
    against.
    """
    live = [position for position in view.protection.positions if position.state in LIVE]
    return tuple([Vanilla(one.kind, float(one.leg.strike), one.size) for one in parts(live, view.memory.hedge.stand_ins)])


def ladder_values(ladder: Sequence[Band], prices: FloatArray) -> FloatArray:
    """:func:`keeper.core.quant.replication.ladder_value` at many prices, to the same bits."""
    return _sums(np.array([_band_values(band, prices) for band in ladder])) if ladder else np.zeros_like(prices)


def strip_payoffs(strip: Sequence[Vanilla], prices: FloatArray) -> FloatArray:
    """:func:`keeper.core.quant.replication.strip_payoff` at many prices, to the same bits."""
    if not strip:
        return np.zeros_like(prices)
    signs = np.array([[1.0 if one.kind is OptionKind.PUT else -1.0] for one in strip])
    strikes, quantities = np.array([[one.strike] for one in strip]), np.array([[one.quantity] for one in strip])
    return _sums(quantities * np.maximum(signs * (strikes - prices), 0.0))


def contract_payoffs(contract: OptionContract, size_raw: int, prices: Sequence[float]) -> FloatArray:
    """:meth:`OptionContract.payoff` of a size (raw units of the base) at many prices, in tokens of the quote."""
    at = np.asarray(prices, dtype=np.float64)
    size = size_raw / 10**contract.base.decimals
    found: FloatArray = size * sum([_leg_payoffs(leg, at) for leg in contract.legs], np.zeros_like(at))
    return found


def _sums(terms: FloatArray) -> FloatArray:
    """Of the terms at each price, a row a term, rounded once."""
    return np.fromiter(map(math.fsum, terms.T.tolist()), np.float64, terms.shape[1])


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

"""What a day of swaps amounts to, so that a market of our own can be held against a recorded one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from keeper.core.v3math.swap_kind import RecordedSwap
from keeper.core.v3math.units import FEE_PIPS_ONE
from keeper.localchain.pools import EthPool

_SAMPLE_S = 300
_YEAR_S = 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class DayStatistics:
    """A day of one pool."""

    swaps: float
    volume_usd: float
    """The dollar side of every swap, whichever way."""
    fees_usd: float
    """What traders paid to liquidity providers and the protocol, at each swap's price."""
    realised_volatility: float
    """From prices five minutes apart, per year as a fraction."""


RECORDED = {
    "2023-11-10": DayStatistics(swaps=5898, volume_usd=412.1e6, fees_usd=206.0e3, realised_volatility=0.525),
    "2024-01-05": DayStatistics(swaps=6046, volume_usd=247.0e6, fees_usd=123.5e3, realised_volatility=0.514),
    "2025-10-01": DayStatistics(swaps=4706, volume_usd=68.6e6, fees_usd=34.0e3, realised_volatility=0.507),
}
"""Mainnet's USDC/WETH 0.05 % pool on three recorded days; the market of our own is tuned to the last."""


def day_statistics(swaps: Iterable[tuple[int, RecordedSwap]], pool: EthPool) -> DayStatistics:
    """Add up swaps, each with its time in Unix seconds, in order; scaled to one day of 86,400 s.

    Raises:
        ValueError: there are none.
    """
    count, volume, fees, squares = 0, 0.0, 0.0, 0.0
    first = last_s = mark = 0
    price = marked = 0.0
    for time_s, swap in swaps:
        if not count:
            first, mark, marked = time_s, time_s + _SAMPLE_S, pool.usd(swap.sqrt_price_x96)
            price = marked
        while time_s >= mark:
            squares += math.log(price / marked) ** 2
            marked, mark = price, mark + _SAMPLE_S
        count, last_s, price = count + 1, time_s, pool.usd(swap.sqrt_price_x96)
        volume += abs(swap.amount1 if pool.eth_is_token0 else swap.amount0) * 1e-6
        fees += pool.usd_of(max(swap.amount0, 0), max(swap.amount1, 0), price) * pool.fee_pips / FEE_PIPS_ONE
    if not count:
        raise ValueError("a day without swaps has no statistics")
    days = max(last_s - first, _SAMPLE_S) / 86_400
    variance = squares / max(mark - _SAMPLE_S - first, _SAMPLE_S) * _YEAR_S
    return DayStatistics(
        swaps=count / days, volume_usd=volume / days, fees_usd=fees / days, realised_volatility=math.sqrt(variance)
    )

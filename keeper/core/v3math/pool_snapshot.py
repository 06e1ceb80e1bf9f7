"""A whole pool as a value: ticks, positions, fees, observations. Ref: ``UniswapV3Pool.sol``, ``Position.sol``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from keeper.core.v3math.oracle import OracleSnapshot
from keeper.core.v3math.tick import TickInfo
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick


class PositionKey(NamedTuple):
    """Whose position, and where; the pool knows no other identity."""

    owner: str
    """Address that minted; any text will do where no chain is involved."""
    tick_lower: int
    tick_upper: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionInfo:
    """State of a position in the pool. Ref: ``Position.sol`` Info."""

    liquidity: int = 0
    fee_growth_inside0_last_x128: int = 0
    fee_growth_inside1_last_x128: int = 0
    tokens_owed0: int = 0
    """Raw token0 ready to collect: fees as of the last touch, and burned principal; modulo 2**128."""
    tokens_owed1: int = 0
    """Raw token1 ready to collect: fees as of the last touch, and burned principal; modulo 2**128."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSnapshot:
    """A pool at one moment.

    Positions may be incomplete (a chain does not list them); ticks may not.

    Raises:
        ValueError: price and tick disagree, or the ticks' liquidity does not add up to the liquidity in range and to zero.
    """

    fee_pips: int
    tick_spacing: int
    sqrt_price_x96: int
    tick: int
    liquidity: int
    fee_growth_global0_x128: int
    fee_growth_global1_x128: int
    fee_protocol: int = 0
    """As packed in slot0."""
    protocol_fees0: int = 0
    protocol_fees1: int = 0
    ticks: Mapping[int, TickInfo] = field(default_factory=dict)
    """The initialised ticks."""
    positions: Mapping[PositionKey, PositionInfo] = field(default_factory=dict)
    observations: OracleSnapshot | None = None
    """None where its source does not tell them."""

    def __post_init__(self) -> None:
        if not get_sqrt_ratio_at_tick(self.tick) <= self.sqrt_price_x96 <= get_sqrt_ratio_at_tick(self.tick + 1):
            raise ValueError(f"sqrt price {self.sqrt_price_x96} does not stand at tick {self.tick}")
        in_range = sum(info.liquidity_net for tick, info in self.ticks.items() if tick <= self.tick)
        if in_range != self.liquidity:
            raise ValueError(f"ticks up to {self.tick} sum to {in_range}, liquidity in range is {self.liquidity}")
        total = sum(info.liquidity_net for info in self.ticks.values())
        if total:
            raise ValueError(f"liquidity entering and leaving differ by {total}")

"""A v3-style pool as it stands at one block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from keeper.core.model.quick import quick_init
from keeper.core.model.token import Token


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRef:
    """The one block that a view is read at."""

    number: int
    hash: str
    """0x-prefixed, 32 bytes."""
    timestamp_s: int
    """Chain time, unix seconds: the only clock that the core knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolKey:
    """What never changes about a pool."""

    address: str
    """EIP-55 address."""
    token0: Token
    token1: Token
    fee_pips: int
    """Swap fee in 1e-6 of the input."""
    tick_spacing: int


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """The pool's own numbers, exactly as in its storage."""

    key: PoolKey
    sqrt_price_x96: int
    tick: int
    liquidity: int
    """Active liquidity, our own included."""
    fee_growth_global0_x128: int
    fee_growth_global1_x128: int
    fee_protocol: int
    """Packed as in slot0: low four bits for token0, high four for token1; 0 is off, n means 1/n of the fee."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class TickNet:
    """An initialised tick of the pool's map."""

    tick: int
    liquidity_net: int
    """Added to the active liquidity when the price crosses upward."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """A pool with what is needed to simulate a swap and to distrust its spot price."""

    state: PoolState
    ticks: tuple[TickNet, ...]
    """Every initialised tick in [map_lower, map_upper), ascending."""
    map_lower: int
    map_upper: int
    twap_tick: int | None
    """Mean tick over ``twap_window_s``, rounded towards minus infinity; None when the pool's history is shorter than that."""
    twap_window_s: int


class BlockPrice(NamedTuple):
    """All swaps of one block in one pool: a row of the price history."""

    block: int
    timestamp_s: int
    sqrt_price_x96: int
    """After the last swap of the block."""
    high_x96: int
    """Highest square-root price after any swap of the block."""
    low_x96: int
    volume0: int
    """Sum of |amount0| over the swaps, raw units."""
    volume1: int
    swaps: int
    net0: int | None = None
    """Sum of amount0 as the pool sees it: above zero, takers sold token0. None in rows of before it was recorded."""
    net1: int | None = None
    jit0: int | None = None
    """Part of volume0 that was served by liquidity that came and went within the block, rounded down; None as above."""

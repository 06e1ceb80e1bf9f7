"""Units and bounds of Uniswap v3's integers.

Functions of this room accept plain ``int`` and return the unit types, so that a caller gains the unit without wrapping.
"""

from __future__ import annotations

from typing import NewType

Tick = NewType("Tick", int)
"""Index of a price, ``floor(log(price) / log(1.0001))``, price in raw token1 per raw token0."""
SqrtPriceX96 = NewType("SqrtPriceX96", int)
"""Square root of raw token1 per raw token0, times 2**96; fits 160 bits."""
Liquidity = NewType("Liquidity", int)
"""``sqrt(x * y)`` of the virtual reserves in raw units; fits 128 bits."""

MIN_TICK = Tick(-887_272)
"""Lowest tick, where the price is about 2**-128 (``TickMath.sol``)."""
MAX_TICK = Tick(887_272)
"""Highest tick, where the price is about 2**128 (``TickMath.sol``)."""
MIN_SQRT_RATIO = SqrtPriceX96(4_295_128_739)
"""Sqrt price at ``MIN_TICK``; a swap's limit must lie above it (``TickMath.sol``)."""
MAX_SQRT_RATIO = SqrtPriceX96(1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_342)
"""Sqrt price at ``MAX_TICK``, which no pool reaches; a swap's limit must lie below it (``TickMath.sol``)."""

FEE_PIPS_ONE = 1_000_000
"""The whole, in pips."""

Q96 = 1 << 96
Q128 = 1 << 128
MAX_INT128 = (1 << 127) - 1
MAX_INT256 = (1 << 255) - 1
MAX_UINT128 = (1 << 128) - 1
MAX_UINT160 = (1 << 160) - 1
MAX_UINT256 = (1 << 256) - 1

"""Ticks to sqrt prices and back, exactly. Ref: ``TickMath.sol``."""

from __future__ import annotations

from functools import lru_cache

from keeper.core.v3math.reverts import PriceOutOfRangeError, TickOutOfRangeError
from keeper.core.v3math.units import MAX_SQRT_RATIO, MAX_TICK, MAX_UINT256, MIN_SQRT_RATIO, MIN_TICK, Q128, SqrtPriceX96, Tick

_RATIO_OF_BIT_X128 = (
    (0x1, 0xFFFCB933BD6FAD37AA2D162D1A594001),
    (0x2, 0xFFF97272373D413259A46990580E213A),
    (0x4, 0xFFF2E50F5F656932EF12357CF3C7FDCC),
    (0x8, 0xFFE5CACA7E10E4E61C3624EAA0941CD0),
    (0x10, 0xFFCB9843D60F6159C9DB58835C926644),
    (0x20, 0xFF973B41FA98C081472E6896DFB254C0),
    (0x40, 0xFF2EA16466C96A3843EC78B326B52861),
    (0x80, 0xFE5DEE046A99A2A811C461F1969C3053),
    (0x100, 0xFCBE86C7900A88AEDCFFC83B479AA3A4),
    (0x200, 0xF987A7253AC413176F2B074CF7815E54),
    (0x400, 0xF3392B0822B70005940C7A398E4B70F3),
    (0x800, 0xE7159475A2C29B7443B29C7FA6E889D9),
    (0x1000, 0xD097F3BDFD2022B8845AD8F792AA5825),
    (0x2000, 0xA9F746462D870FDF8A65DC1F90E061E5),
    (0x4000, 0x70D869A156D2A1B890BB3DF62BAF32F7),
    (0x8000, 0x31BE135F97D08FD981231505542FCFA6),
    (0x10000, 0x9AA508B5B7A84E1C677DE54F3E99BC9),
    (0x20000, 0x5D6AF8DEDB81196699C329225EE604),
    (0x40000, 0x2216E584F5FA1EA926041BEDFE98),
    (0x80000, 0x48A170391F7DC42444E8FA2),
)
"""``1.0001 ** (-bit / 2)`` in units of 2**-128, for every bit of a tick's absolute value."""

_LOG2_BITS = tuple(1 << bit for bit in range(63, 49, -1))
"""The fourteen fractional bits of log2 that the contract computes."""
_LOG_SQRT10001_OF_2 = 255_738_958_999_603_826_347_141
_ERROR_BELOW_X128 = 3_402_992_956_809_132_418_596_140_100_660_247_210
_ERROR_ABOVE_X128 = 291_339_464_771_989_622_907_027_621_153_398_088_495


@lru_cache(maxsize=1 << 16)
def get_sqrt_ratio_at_tick(tick: int) -> SqrtPriceX96:
    """Sqrt price at a tick, rounded **up** to a unit of 2**-96 (of the contract's own 128-bit approximation).

    Remembered, because swaps ask for the same few ticks again and again.

    Args:
        tick: MIN_TICK to MAX_TICK.

    Raises:
        TickOutOfRangeError: the tick lies beyond.

    Ref: ``TickMath.sol`` getSqrtRatioAtTick.
    """
    distance = abs(tick)
    if distance > MAX_TICK:
        raise TickOutOfRangeError(f"tick {tick} lies outside [{MIN_TICK}, {MAX_TICK}]")
    ratio_x128 = Q128
    for bit, factor_x128 in _RATIO_OF_BIT_X128:
        if distance & bit:
            ratio_x128 = ratio_x128 * factor_x128 >> 128
    if tick > 0:
        ratio_x128 = MAX_UINT256 // ratio_x128
    return SqrtPriceX96(-(-ratio_x128 >> 32))


def get_tick_at_sqrt_ratio(sqrt_price_x96: int) -> Tick:
    """Greatest tick whose sqrt price is not above the given one: rounded **down**, also below zero.

    Args:
        sqrt_price_x96: MIN_SQRT_RATIO to MAX_SQRT_RATIO - 1.

    Raises:
        PriceOutOfRangeError: the sqrt price lies outside.

    Ref: ``TickMath.sol`` getTickAtSqrtRatio; the two error bounds are the contract's.
    """
    if not MIN_SQRT_RATIO <= sqrt_price_x96 < MAX_SQRT_RATIO:
        raise PriceOutOfRangeError(f"sqrt price {sqrt_price_x96} lies outside [{MIN_SQRT_RATIO}, {MAX_SQRT_RATIO})")
    ratio_x128 = sqrt_price_x96 << 32
    exponent = ratio_x128.bit_length() - 1
    mantissa = ratio_x128 >> (exponent - 127) if exponent >= 128 else ratio_x128 << (127 - exponent)
    log2_x64 = (exponent - 128) << 64
    for bit in _LOG2_BITS:
        mantissa = mantissa * mantissa >> 127
        if mantissa >= Q128:
            log2_x64 |= bit
            mantissa >>= 1
    log_sqrt10001_x128 = log2_x64 * _LOG_SQRT10001_OF_2
    low = (log_sqrt10001_x128 - _ERROR_BELOW_X128) >> 128
    high = (log_sqrt10001_x128 + _ERROR_ABOVE_X128) >> 128
    if low != high and get_sqrt_ratio_at_tick(high) > sqrt_price_x96:
        return Tick(low)
    return Tick(high)


def get_tick_near(sqrt_price_x96: int, near: int) -> tuple[Tick, SqrtPriceX96, SqrtPriceX96]:
    """``get_tick_at_sqrt_ratio``, several times faster where the tick ``near`` is close: the same tick, rounded **down**.

    Along a tick the sqrt price grows by 1/20_000, which turns the distance from ``near`` into a first guess; remembered
    ratios then decide. Both functions answer by the same ratios, so they cannot differ.

    Args:
        sqrt_price_x96: MIN_SQRT_RATIO to MAX_SQRT_RATIO - 1.
        near: MIN_TICK to MAX_TICK.

    Returns:
        The tick, its sqrt price, and that of the next tick above.

    Raises:
        PriceOutOfRangeError: the sqrt price lies outside.

    Ref: ``TickMath.sol`` getTickAtSqrtRatio.
    """
    near_x96 = get_sqrt_ratio_at_tick(near)
    distance_x96 = sqrt_price_x96 - near_x96
    guess = near + 20_000 * distance_x96 // near_x96
    if abs(distance_x96) << 7 > near_x96 or not MIN_TICK < guess < MAX_TICK - 1:
        guess = get_tick_at_sqrt_ratio(sqrt_price_x96)
    while (from_x96 := get_sqrt_ratio_at_tick(guess)) > sqrt_price_x96:
        guess -= 1
    while (to_x96 := get_sqrt_ratio_at_tick(guess + 1)) <= sqrt_price_x96:
        guess, from_x96 = guess + 1, to_x96
    return Tick(guess), from_x96, to_x96

"""Fees per unit of liquidity inside a range, and what they come to. Ref: ``Tick.sol``, ``Position.sol``.

Fee growth is raw tokens per unit of liquidity in units of 2**-128. It wraps at 2**256 by design: only differences mean
something, and they are taken modulo 2**256.
"""

from __future__ import annotations

from keeper.core.v3math.full_math import mul_div
from keeper.core.v3math.units import MAX_UINT128, MAX_UINT256, Q128


def growth_and_share(paid: int, protocol_share: int, liquidity: int) -> tuple[int, int]:
    """What fees that were paid at once come to, rounded **down** both.

    Args:
        paid: raw tokens, >= 0, the protocol's share included.
        protocol_share: the protocol takes 1/x of them; 0 is off.
        liquidity: in range, > 0.

    Returns:
        Fee growth for the liquidity, in units of 2**-128; raw tokens for the protocol.

    Raises:
        ArithmeticRevertError: the growth leaves 256 bits.

    Ref: ``UniswapV3Pool.sol`` flash, its last lines.
    """
    share = paid // protocol_share if protocol_share else 0
    return mul_div(paid - share, Q128, liquidity), share


def get_fee_growth_inside(
    *,
    tick_lower: int,
    tick_upper: int,
    tick_current: int,
    global_x128: int,
    outside_lower_x128: int,
    outside_upper_x128: int,
) -> int:
    """Fee growth of one token inside [tick_lower, tick_upper), modulo 2**256, exact.

    Args:
        tick_lower: first tick inside.
        tick_upper: first tick outside.
        tick_current: of the pool's slot0, not recomputed from the price.
        global_x128: fee growth of the whole pool.
        outside_lower_x128: fee growth on the far side of ``tick_lower``; 0 if not initialised.
        outside_upper_x128: fee growth on the far side of ``tick_upper``; 0 if not initialised.

    Ref: ``Tick.sol`` getFeeGrowthInside; v3 whitepaper eq. 6.17 to 6.19.
    """
    below = outside_lower_x128 if tick_current >= tick_lower else global_x128 - outside_lower_x128
    above = outside_upper_x128 if tick_current < tick_upper else global_x128 - outside_upper_x128
    return (global_x128 - below - above) & MAX_UINT256


def fees_owed(*, liquidity: int, inside_x128: int, inside_last_x128: int) -> int:
    """Raw tokens that a position earned between two values of fee growth inside, rounded **down**, modulo 2**128.

    Args:
        liquidity: held all the while, 0 to 2**128 - 1.
        inside_x128: fee growth inside now.
        inside_last_x128: fee growth inside when last settled.

    Ref: ``Position.sol`` update.
    """
    growth_x128 = (inside_x128 - inside_last_x128) & MAX_UINT256
    return (growth_x128 * liquidity >> 128) & MAX_UINT128

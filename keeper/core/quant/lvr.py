"""What liquidity earns and what it loses to arbitrage, and the volatility at which both are equal.

``sqrt_price`` is the square root of token1 per token0, liquidity and fees are in matching units (all raw or all human), and
values come out in token1.
"""

from __future__ import annotations

import math

from keeper.core.quant.checks import SECONDS_A_YEAR, finite, not_negative, positive

Q128 = 2**128


def concentration(half_width: float) -> float:
    """Liquidity of a range over that of the full range, for the same value: ``1 / (1 - e^(-h/2))``, about ``2 / h``.

    Args:
        half_width: ``ln(upper / price)`` of a range that is symmetric in the logarithm, > 0.

    Raises:
        ValueError: the width is not above zero.

    Ref: v3 whitepaper eq. 2.2, applied to a symmetric range.
    """
    positive(half_width=half_width)
    return -1 / math.expm1(-half_width / 2)


def lvr_rate(liquidity: float, sqrt_price: float, volatility: float) -> float:
    """Loss versus rebalancing of liquidity that is in range, token1 a year: ``L sigma^2 sqrt(P) / 4``; outside it is 0.

    With a pool-implied volatility in place of the realised one this is the income from fees.

    Raises:
        ValueError: a number is negative or not finite.

    Ref: Milionis, Moallemi, Roughgarden & Zhang 2022, example 3.
    """
    not_negative(liquidity=liquidity, sqrt_price=sqrt_price, volatility=volatility)
    return liquidity * volatility**2 * sqrt_price / 4


def implied_volatility_from_volume(*, fees: float, liquidity: float, sqrt_price: float, seconds: float) -> float:
    """Volatility per year at which the fees of ``seconds`` equal the loss to arbitrage.

    Args:
        fees: what the liquidity providers were paid, in token1: fee rate times volume, less the protocol's part.
        liquidity: mean active liquidity, > 0.
        sqrt_price: mean, > 0.
        seconds: > 0.

    Raises:
        ValueError: a number is out of its range.

    Ref: :func:`lvr_rate` set equal to the fee rate; Lambert 2021 has the same for tick spacings of twice the fee.
    """
    not_negative(fees=fees)
    positive(liquidity=liquidity, sqrt_price=sqrt_price, seconds=seconds)
    return 2 * math.sqrt(fees / (liquidity * sqrt_price) * SECONDS_A_YEAR / seconds)


def implied_volatility_from_fee_growth(*, growth0_x128: int, growth1_x128: int, sqrt_price: float, seconds: float) -> float:
    """Volatility per year at which a pool's fee growth over ``seconds`` equals the loss to arbitrage.

    Fee growth needs no volume feed, costs money to forge, and is what the providers get: the protocol's part never enters it.

    Args:
        growth0_x128: token0 fees per unit of liquidity over the period, in 2**-128, wrap already taken out, >= 0.
        growth1_x128: the same of token1.
        sqrt_price: square root of the mean raw token1 per raw token0 of the period, > 0.
        seconds: > 0.

    Raises:
        ValueError: a number is out of its range.

    Ref: as :func:`implied_volatility_from_volume`, per unit of liquidity.
    """
    not_negative(growth0_x128=growth0_x128, growth1_x128=growth1_x128)
    finite("sqrt_price", (sqrt_price,))
    fees = growth0_x128 / Q128 * sqrt_price**2 + growth1_x128 / Q128
    return implied_volatility_from_volume(fees=fees, liquidity=1.0, sqrt_price=sqrt_price, seconds=seconds)

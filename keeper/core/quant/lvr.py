"""What liquidity earns and what it loses to arbitrage, and the volatility at which both are equal.

``sqrt_price`` is the square root of token1 per token0, liquidity and fees are in matching units (all raw or all human), and
values come out in token1.
"""

from __future__ import annotations

import math

from keeper.core.quant.checks import SECONDS_A_YEAR, not_negative, positive

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


def full_range_loss(*, value: float, volatility: float, years: float) -> float:
    """Expected loss of full-range liquidity against holding, for a price without drift: ``V (1 - e^(-sigma^2 T / 8))``.

    To first order :func:`lvr_rate` times the years; in the unit of ``value``.

    Raises:
        ValueError: a number is negative or not finite.

    Ref: the mean of the square root of a log-normal price.
    """
    not_negative(value=value, volatility=volatility, years=years)
    return -value * math.expm1(-(volatility**2) * years / 8)


def trade_probability(*, gamma: float, volatility: float, block_s: float) -> float:
    """Chance that a block lets an arbitrageur trade: ``1 / (1 + gamma / (sigma sqrt(dt / 2)))``; with a fee of 0 it is 1.

    Args:
        gamma: logarithm of one plus the fee, about the fee as a fraction, >= 0.
        volatility: per year, > 0.
        block_s: mean seconds between blocks, > 0.

    Raises:
        ValueError: a number is out of its range.

    Ref: Milionis, Moallemi & Roughgarden 2023, Automated market making and arbitrage profits in the presence of fees.
    """
    not_negative(gamma=gamma)
    positive(volatility=volatility, block_s=block_s)
    return 1 / (1 + gamma / (volatility * math.sqrt(block_s / SECONDS_A_YEAR / 2)))


def arbitrage_rate(*, gamma: float, volatility: float, block_s: float) -> float:
    """What arbitrage takes from full-range liquidity after the fees that it pays, over the liquidity's value and per year.

    ``sigma^2 / 8`` times :func:`trade_probability` times ``cosh(gamma / 2) / (1 - sigma^2 dt / 8)``. The rest of the loss
    versus rebalancing comes back as the arbitrageurs' fees. Blocks come at random here; regular ones differ slightly.

    Args:
        gamma: as in :func:`trade_probability`.
        volatility: per year, > 0; ``volatility^2 dt`` must lie below 8.
        block_s: mean seconds between blocks, > 0.

    Raises:
        ValueError: a number is out of its range.

    Ref: as :func:`trade_probability`, for a price whose logarithm has no drift.
    """
    traded = trade_probability(gamma=gamma, volatility=volatility, block_s=block_s)
    left = 1 - volatility**2 * block_s / SECONDS_A_YEAR / 8
    if left <= 0:
        raise ValueError(f"blocks of {block_s} s are too slow for a volatility of {volatility}: sigma^2 dt must lie below 8")
    return volatility**2 / 8 * traded * math.cosh(gamma / 2) / left


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


def tick_value(*, liquidity: float, sqrt_price: float, tick_spacing: int) -> float:
    """Token1 that one tick spacing of liquidity holds when crossed, centred on the price: about ``L sqrt(P) spacing / 20000``.

    Raises:
        ValueError: a number is not above zero.

    Ref: v3 whitepaper eq. 6.29's token1 part, from the lower to the upper tick.
    """
    positive(liquidity=liquidity, sqrt_price=sqrt_price, tick_spacing=tick_spacing)
    return liquidity * sqrt_price * 2 * math.sinh(tick_spacing * math.log(1.0001) / 4)


def implied_volatility_lambert(*, fee: float, volume_day: float, tick_value: float) -> float:
    """Volatility per year by the formula that is quoted most: ``2 fee sqrt(volume / tick value) sqrt(365)``.

    For comparison with others only. It is :func:`implied_volatility_from_volume` where a tick spacing is twice the fee.
    In the 0.01 % tier, whose spacing is as wide as the fee, it is too high by a factor of ``sqrt(2)``.

    Args:
        fee: as a fraction, > 0.
        volume_day: of one day, in the unit of ``tick_value``, >= 0.
        tick_value: :func:`tick_value`, > 0.

    Raises:
        ValueError: a number is out of its range.

    Ref: Lambert 2021, On-chain volatility and Uniswap v3.
    """
    not_negative(volume_day=volume_day)
    positive(fee=fee, tick_value=tick_value)
    return 2 * fee * math.sqrt(volume_day / tick_value * 365)


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
    positive(sqrt_price=sqrt_price, seconds=seconds)
    fees = growth0_x128 / Q128 * sqrt_price**2 + growth1_x128 / Q128
    return 2 * math.sqrt(fees / sqrt_price * SECONDS_A_YEAR / seconds)

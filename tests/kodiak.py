"""What smolquants/kodiak-simulations-2023-07 states of its optimizer and of two of its replays, and ours from the same inputs.

Ref: its README, kodiak_simulations_2023_07/math.py, and the CSV files in notebook/results/backtest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from statistics import NormalDist

import numpy as np

from keeper.core.quant.barrier import expected_years_inside
from keeper.core.quant.lvr import concentration
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick

SIGMA, BLOCKS = 0.0004546440886143422, 7_200
SHARE, DRIFT = 0.0022437060869181266, 2.6549742469970873e-07
BOUND, FEES = 2.5895628019841654e-08, 1.1167278521644831e-08
WIDTH = 0.042836802956467614
YIELD = 0.002573643017547811
FEE = 0.0005

# USDC/WETH 0.05 % from block 16,219,693 on: prices, fee growth and liquidity at the end of steps of 2,400 blocks
ROOTS = (
    2302457180693885351454651093163492,
    2318747899162385489001287554456344,
    2280425969616657314568929983238151,
    2266012770497242894086255374140612,
)
LAST_ROOT = 1853452795145678329084733845153456
GROWTH0 = (
    2181620581902003936411883992456929,
    2181985157052788187585985499073660,
    2182406749771605875934938182373447,
    2182715686150892854181613438842255,
)
GROWTH1 = (
    1026699780925062056301321001565722942741084,
    1027046583748145707407639599439896464086763,
    1027317711286579945199201017760952647928490,
    1027541268492241619844457934521929909830784,
)
NARROW, FULL = 488387186770279948, 34413581591046522
LAST_FULL = 34897549547480456
"""The full range put its fees back to work: its liquidity after 145 days."""
PUT_IN = (1182010414295, 10**21)


def expected_yield(half_width: float) -> float:
    """Their model of a day: start at 1 with a symmetric range, end by going back to half and half, for a fee and a slippage.

    The position is integrated over where the price may end; the fees need the time inside, drift left out as theirs.
    """
    deviation = SIGMA * math.sqrt(BLOCKS)
    liquidity = concentration(half_width)
    kinks = [(bound - DRIFT * BLOCKS) / deviation + deviation / 2 for bound in (-half_width, 0.0, half_width)]
    nodes, weights = np.polynomial.legendre.leggauss(80)
    left = 0.0
    for low, high in zip((-12.0, *kinks), (*kinks, 12.0), strict=True):
        z = (high - low) / 2 * nodes + (high + low) / 2
        price = np.exp(DRIFT * BLOCKS - deviation**2 / 2 + deviation * z)
        root = np.exp(np.clip(np.log(price), -half_width, half_width) / 2)
        value0 = liquidity * (1 / root - math.exp(-half_width / 2)) * price
        value1 = liquidity * (root - math.exp(-half_width / 2))
        apart = np.abs(value0 - value1)
        kept = value0 + value1 - FEE / 2 * apart - SHARE / 4 * apart**2 / np.sqrt(price)
        left += float((high - low) / 2 * weights @ (kept * np.exp(-(z**2) / 2))) / math.sqrt(2 * math.pi)
    blocks = expected_years_inside(lower=-half_width, upper=half_width, volatility=SIGMA, years=BLOCKS)
    paid = FEES + BOUND
    earned = paid * blocks * (1 + math.exp(DRIFT * BLOCKS)) / (1 / liquidity + SHARE)
    return (left + earned) / 2 - 1


def yield_as_coded(half_width: float) -> float:
    """The same with the slip in their code: of the fee's three terms with the price in them only the first grows with it."""
    deviation, growth = SIGMA * math.sqrt(BLOCKS), math.exp(DRIFT * BLOCKS)
    normal = NormalDist()
    below, level = (normal.cdf((bound - DRIFT * BLOCKS) / deviation - deviation / 2) for bound in (-half_width, 0.0))
    slip = FEE / 2 * concentration(half_width) * math.exp(-half_width / 2) * (1 - growth) * (below - 2 * level)
    return expected_yield(half_width) - slip / 2


@cache
def best_half_width(earns: Callable[[float], float]) -> float:
    low, high = 0.01, 0.2
    while high - low > 1e-9:
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (left, high) if earns(left) < earns(right) else (low, right)
    return low


def fees0(liquidity: int) -> tuple[int, ...]:
    """Nobody had paid token0 before the first row: fees are the growth since then."""
    return tuple(liquidity * (growth - GROWTH0[0]) >> 128 for growth in GROWTH0[1:])


def fees1(liquidity: int, before: int) -> tuple[int, ...]:
    return tuple(before + (liquidity * (growth - GROWTH1[0]) >> 128) for growth in GROWTH1[1:])


def held(liquidity: int, root: int, lower: int, upper: int) -> tuple[int, int]:
    return get_amounts_for_liquidity(root, get_sqrt_ratio_at_tick(lower), get_sqrt_ratio_at_tick(upper), liquidity)


def in_token0(amounts: tuple[float, float], root: int) -> float:
    return amounts[0] + amounts[1] * (2**96 / root) ** 2


def full_range_over_holding() -> float:
    fall = (ROOTS[0] / LAST_ROOT) ** 2
    return 100 * (LAST_FULL / FULL * 2 * math.sqrt(fall) / (1 + fall) - 1)


def over_holding(fees: tuple[int, int]) -> float:
    amounts = held(414859168321437069, LAST_ROOT, 199790, 202590)
    kept = in_token0((amounts[0] + fees[0], amounts[1] + fees[1]), LAST_ROOT)
    return 100 * (kept / in_token0(PUT_IN, LAST_ROOT) - 1)


ASIDE = (280779840210 + 177329287, 174050024015309230748 + 102794904807302899)
"""Fees of 145 days, set aside by theirs, and of the last position."""

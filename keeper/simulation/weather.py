"""The price elsewhere: what ether costs on the exchanges that a made-up market's arbitrageur watches, one price a slot."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

BLOCK_TIME_S = 12
SLOTS_PER_DAY = 86_400 // BLOCK_TIME_S
_YEAR_S = 365 * 86_400
_GWEI = 10**9


class Scenario(StrEnum):
    """What kind of day it is."""

    CALM = "calm"
    TREND = "trend"
    CRASH = "crash"
    WHIPSAW = "whipsaw"
    GAS_SPIKE = "gas-spike"
    SEASONS = "seasons"
    """Volatility that comes and goes over weeks: for runs of months."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """The numbers behind a scenario."""

    points: tuple[tuple[float, float], ...]
    """Hours from the start, and dollars per ether then; between them the price runs straight in logarithms, plus noise."""
    volatility: float
    """Of the noise, per year as a fraction, on average."""
    vol_of_vol: float = 0.5
    """Standard deviation of the logarithm of variance around its mean."""
    jumps_a_day: float = 3.0
    jump_size: float = 0.003
    """Standard deviation of one jump, as a fraction of the price."""
    slow_vol: float = 0.0
    """Standard deviation of the logarithm of a second variance, which reverts over ten days."""
    pull_s: float | None = None
    """Time in which the noise forgets a third of itself, seconds; None lets it wander."""
    base_fee_gwei: float = 0.4
    """Base fee that the chain returns to."""
    gas_spikes: tuple[tuple[float, float, float], ...] = ()
    """First hour, last hour, and base fee in gwei between them."""


_CRASH = (
    (0.0, 4370.0),
    (4.0, 4391.0),
    (14.8, 4340.0),
    (15.1, 4287.0),
    (16.0, 4100.0),
    (18.5, 4095.0),
    (19.5, 4000.0),
    (20.8, 4010.0),
    (21.2, 3660.0),
    (21.4, 3337.0),
    (21.6, 3550.0),
    (22.1, 3900.0),
    (24.0, 3850.0),
)
"""10 October 2025 as the press of the day tells it, rounded: tariff news at 15 h UTC, a cascade of liquidations after 21 h."""

WEATHERS = {
    Scenario.CALM: Weather(points=((0.0, 4150.0),), volatility=0.42, jumps_a_day=1.0),
    Scenario.TREND: Weather(points=((0.0, 4150.0), (24.0, 4450.0)), volatility=0.5, pull_s=5400.0),
    Scenario.CRASH: Weather(points=_CRASH, volatility=0.8, jumps_a_day=12.0, jump_size=0.004, pull_s=1200.0),
    Scenario.WHIPSAW: Weather(
        points=tuple((2.0 * turn, 4150.0 * (1.0, 1.03, 1.0, 0.97)[turn % 4]) for turn in range(13)),
        volatility=0.6,
        jumps_a_day=6.0,
        pull_s=1800.0,
    ),
    Scenario.SEASONS: Weather(points=((0.0, 3000.0),), volatility=0.6, slow_vol=0.8, base_fee_gwei=1.0),
    Scenario.GAS_SPIKE: Weather(
        points=((0.0, 4150.0),),
        volatility=0.6,
        gas_spikes=((2.0, 3.0, 40.0), (8.0, 10.0, 150.0), (14.0, 16.0, 80.0)),
    ),
}


def _trend(points: Sequence[tuple[float, float]], hour: float) -> float:
    """Logarithm of the price between the points; the last one holds on."""
    for (begin, low), (end, high) in pairwise(points):
        if hour < end:
            return math.log(low) + (math.log(high) - math.log(low)) * (hour - begin) / (end - begin)
    return math.log(points[-1][1])


def external_prices(weather: Weather, days: float, rng: random.Random) -> list[float]:
    """Dollars per ether at every slot, the first at the start itself.

    The noise is a diffusion whose log-variance reverts to its mean within about two hours, with jumps.

    Args:
        weather: see there.
        days: length.
        rng: the only source of chance; the draws do not depend on anything else.
    """
    step = BLOCK_TIME_S / _YEAR_S
    memory = math.exp(-BLOCK_TIME_S / 7200.0)
    forget = math.exp(-BLOCK_TIME_S / weather.pull_s) if weather.pull_s else 1.0
    slow_memory = math.exp(-BLOCK_TIME_S / (10 * 86_400))
    noise = log_variance = slow = 0.0
    prices = []
    for slot in range(round(days * SLOTS_PER_DAY) + 1):
        prices.append(math.exp(_trend(weather.points, slot * BLOCK_TIME_S / 3600) + noise))
        log_variance = memory * log_variance + weather.vol_of_vol * math.sqrt(1 - memory**2) * rng.gauss(0, 1)
        # A lognormal's mean lies above its median by half its variance.
        variance = weather.volatility**2 * math.exp(log_variance - weather.vol_of_vol**2 / 2)
        if weather.slow_vol:
            slow = slow_memory * slow + weather.slow_vol * math.sqrt(1 - slow_memory**2) * rng.gauss(0, 1)
            variance *= math.exp(slow - weather.slow_vol**2 / 2)
        jump = rng.gauss(0, weather.jump_size) if rng.random() < weather.jumps_a_day / SLOTS_PER_DAY else 0.0
        noise = forget * noise + math.sqrt(variance * step) * rng.gauss(0, 1) + jump
    return prices


def base_fees_wei(weather: Weather, days: float, rng: random.Random) -> list[int]:
    """Base fee of a block at every slot, in wei; it moves by an eighth a block at most, as the protocol says (EIP-1559)."""
    fee = weather.base_fee_gwei
    fees = []
    for slot in range(round(days * SLOTS_PER_DAY) + 1):
        hour = slot * BLOCK_TIME_S / 3600
        wanted = next((gwei for begin, end, gwei in weather.gas_spikes if begin <= hour < end), weather.base_fee_gwei)
        pull = max(-0.125, min(0.125, 0.1 * math.log(wanted / fee) + rng.gauss(0, 0.03)))
        fee *= 1 + pull
        fees.append(max(1, int(fee * _GWEI)))
    return fees


def weather_of(scenario: Scenario, points: Sequence[tuple[float, float]] | None = None) -> Weather:
    """The scenario's weather, along a price path of one's own if given.

    Raises:
        ValueError: the points do not begin at hour 0, are not in order, or a price is not positive.
    """
    weather = WEATHERS[scenario]
    if points is None:
        return weather
    hours = [hour for hour, _ in points]
    if not hours or hours[0] != 0 or hours != sorted(set(hours)) or min(price for _, price in points) <= 0:
        raise ValueError("price points must begin at hour 0, go forward in time, and be positive")
    return replace(weather, points=tuple(points))

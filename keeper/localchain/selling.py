"""Who sells puts on the local chain, at which volatility, and when prices are made anew: alike for every venue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from keeper.localchain.chainlink import LocalFeed
from keeper.localchain.twin import Twin
from keeper.simulation.weather import WEATHERS, Scenario

YEAR_S = 365 * 86_400
REPRICE_S = 3_600
REPRICE_MOVE = 0.01
"""Puts are priced anew after an hour, or when ether has moved by a hundredth."""
MARKUP = 1.2
"""Volatility at which puts are sold, times that of the scenario's own noise."""
RISE = 4.0
RECORDED_VOLATILITY = 0.60
"""Asked where no scenario says: what the shipped configuration takes for usual, and what the day before the fall of 10 October
2025 came to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """At which volatility puts are sold."""

    volatility: float
    """Per year, as a fraction, while ether stands at its highest price so far."""
    rise: float
    """How it rises with a fall: times 1 + this times the part of the highest price that is lost."""

    def at(self, usd: float, highest_usd: float) -> float:
        """Volatility that is asked when ether costs so many dollars and has cost ``highest_usd``."""
        return self.volatility * (1 + self.rise * max(1 - usd / highest_usd, 0.0))

    def __str__(self) -> str:
        """For people."""
        return (
            f"puts sold at {self.volatility:.0%} a year (Black-Scholes), {self.rise:g} % of it more for every percent that "
            "ether is below its highest price"
        )


@dataclass(slots=True, kw_only=True)
class Ether:
    """What ether cost when puts were priced last."""

    usd: float
    at_s: int
    """Chain time."""
    highest_usd: float

    def moves_to(self, usd: float, now_s: int) -> bool:
        """Whether puts are due for another price; taken over then: after an hour, or a move by a hundredth."""
        if now_s - self.at_s < REPRICE_S and abs(usd / self.usd - 1) < REPRICE_MOVE:
            return False
        self.usd, self.at_s, self.highest_usd = usd, now_s, max(self.highest_usd, usd)
        return True


class Seller(Protocol):
    """Who has puts for sale."""

    @property
    def terms(self) -> str:
        """How they are priced, for people."""
        ...

    @property
    def listed(self) -> Mapping[str, str]:
        """What is for sale: a name for people -> the address of the option, or of who writes it."""
        ...

    def follow(self, usd: float, now_s: int) -> None:
        """Price them anew when that is due (one block).

        Args:
            usd: dollars per ether, > 0.
            now_s: chain time of the newest block.
        """
        ...


Sale: TypeAlias = Callable[[Twin, LocalFeed, Asked, float, int], Seller]
"""Puts a venue with puts for sale on a twin, under a feed, at a volatility, for dollars per ether and chain time now."""


def asked_in(scenario: Scenario | None) -> Asked:
    """The volatility that is asked in a market of our own, or where prices stand still or are recorded."""
    return Asked(volatility=RECORDED_VOLATILITY if scenario is None else MARKUP * WEATHERS[scenario].volatility, rise=RISE)

"""What history's trades do in a pool that our own liquidity has made deeper: the two standard readings.

*Amounts kept*: every trader asks for what was asked for then. A deeper pool moves less, so the price path departs from that of
history, and nobody brings it back. Right for tests of exactness and for little liquidity of ours.

*Price path kept*: every swap goes to the price that it went to then, and takes the amounts that this now needs. A deeper pool
trades more: arbitrage with the rest of the market, whose price we do not make, closes every gap. Right for long runs; generous
in fees where the traders of the time were not arbitrageurs.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from keeper.core.v3math.exact_pool import ExactPool
from keeper.simulation.tape import SwapEvent

Play = Callable[[ExactPool, SwapEvent], tuple[int, int]]
"""Makes a swap of the tape happen in a pool; raw token0 and token1 into the pool.

Raises:
    RevertError: the pool refuses it as it would on the chain.
"""


class Presence(StrEnum):
    """How history's trades meet our liquidity."""

    AMOUNTS_KEPT = "amounts_kept"
    PRICE_KEPT = "price_kept"


def amounts_kept(pool: ExactPool, event: SwapEvent) -> tuple[int, int]:
    """The request as it was."""
    return pool.swap(
        zero_for_one=event.zero_for_one,
        amount_specified=event.amount_specified,
        sqrt_price_limit_x96=event.sqrt_price_limit_x96,
    )


def price_kept(pool: ExactPool, event: SwapEvent) -> tuple[int, int]:
    """As much as it takes to reach the recorded price."""
    return pool.swap_to(event.sqrt_price_after_x96)


PLAYS: dict[Presence, Play] = {Presence.AMOUNTS_KEPT: amounts_kept, Presence.PRICE_KEPT: price_kept}

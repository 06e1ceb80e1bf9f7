"""What a bought range costs while it is held, and how much of it may be bought; exact integers.

A seller gives up the fees that his removed liquidity would have earned, and is paid them with a premium that rises with how
much of the range is removed. Ref: ``SemiFungiblePositionManager.sol`` premia, ``PanopticPool.sol`` _checkLiquiditySpread.
"""

from __future__ import annotations

from dataclasses import dataclass

from keeper.adapters.options.panoptic_terms import BPS, SPREAD_ONE
from keeper.core.v3math.units import MAX_UINT256, Q128

DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """A range's liquidity, as the venue counts it."""

    net: int
    """Still in the Uniswap pool."""
    removed: int
    """Bought."""

    def after(self, liquidity: int) -> Depth:
        """Once so much more of it is bought."""
        return Depth(net=self.net - liquidity, removed=self.removed + liquidity)

    @property
    def spread(self) -> int:
        """Removed over net liquidity times 10,000, rounded **down** as the venue does; ``net`` must be above 0."""
        return self.removed * SPREAD_ONE // self.net

    def buyable(self, max_spread: int) -> int:
        """Most liquidity that a purchase may take without passing that spread, >= 0."""
        spare = self.net * max_spread - self.removed * SPREAD_ONE
        return max(min(spare // (SPREAD_ONE + max_spread), self.net - 1), 0)


def streamia(growth_x128: int, liquidity: int, depth: Depth, vegoid: int) -> int:
    """What a long owes of one token for a fee growth inside its range, raw units, rounded **down**.

    Args:
        growth_x128: of the token inside the range, 2**-128 raw units per unit of liquidity.
        liquidity: of the long.
        depth: of the range while the fees grew, with this long and all others removed; net > 0.
        vegoid: the venue's parameter.
    """
    return growth_x128 * liquidity * (vegoid * depth.net + depth.removed) // (vegoid * depth.net * Q128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Fee growth of both tokens at a block, for the whole pool and inside a range; 2**-128, modulo 2**256."""

    at_s: int
    everywhere: tuple[int, int]
    inside: tuple[int, int] | None
    """None while an end of the range was no initialised tick."""


def reckoned_growth(before: Growth, now: Growth, token: int, *, least_share_bps: int) -> int:
    """Fee growth of a token that a range is reckoned to see: its own, and no less than a share of the pool's.

    Rounded **up**; where an end of the range was no tick yet, that share.
    """
    everywhere = (now.everywhere[token] - before.everywhere[token]) & MAX_UINT256
    least = -(-everywhere * least_share_bps // BPS)
    if before.inside is None or now.inside is None:
        return least
    return max((now.inside[token] - before.inside[token]) & MAX_UINT256, least)


def per_day(raw: int, elapsed_s: int) -> int:
    """An amount of a stretch of time as one of a day, rounded **up**; ``elapsed_s`` must be above 0."""
    return -(-raw * DAY_S // elapsed_s)


def share_up(raw: int, part: int, whole: int) -> int:
    """``raw * part / whole``, rounded **up**."""
    return -(-raw * part // whole)

"""Where the demo is played: mainnet's twin or Arbitrum's, who sells puts there, and what the demo's settings say of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from keeper.localchain import place
from keeper.localchain.herge_market import sell_herge
from keeper.localchain.place import Place, place_named
from keeper.localchain.put_market import sell_opyn
from keeper.localchain.selling import Sale

PUTS = ((0.6, 1), (2.0, 2), (4.0, 8))
"""Of Opyn's; see :func:`keeper.localchain.put_market.sell_opyn`. Two and four deviations are where the ladder's own layers end.
The first series expires within a market of a day and a half, the second within one of two and a half."""

_OPYN_HEDGED = """
# Protection as the demo buys it: anchors, shares, wake conditions and the ceiling of premiums are the shipped ones.
[hedge]
enabled = true
loss_cap = "{loss_cap}"          # a mandate, since the fees of a day pay for little: the most to lose at the quantile of 1 %
horizon_s = 86400          # within a day. It binds as soon as there is a ladder, so protection is bought before the fall
dear = "2.5"               # against a forecast from an hour of prices; the shipped guard is 1.35
reserve = "0.03"           # the wallet's spare native ether is 1.5 % of it and pays no premium
roll_before_s = 0          # options of days are held to their end, so that one is redeemed while the demo runs

# Times to expiry that fit the series for sale; the shipped ones are weeks and months. Beside the mandate the shipped wake
# conditions hold: a price that has walked 0.3, 0.4 and 0.6 of the way to the ladder's end wakes far, middle and near in turn.
[hedge.tiers.near]
tenor_from_s = 86400
tenor_to_s = 172800
[hedge.tiers.middle]
tenor_from_s = 115200
tenor_to_s = 345600
[hedge.tiers.far]
tenor_from_s = 345600
tenor_to_s = 1036800
"""
_HEGIC_HEDGED = """
# Protection as the demo buys it: anchors, tenors, shares, wake conditions and the ceiling of premiums are the shipped ones.
[hedge]
enabled = true
loss_cap = "{loss_cap}"          # a mandate, since the fees of a day pay for little: the most to lose at the quantile of 1 %
horizon_s = 86400          # within a day. It binds as soon as there is a ladder, so protection is bought before the fall
dear = "2.5"               # against a forecast from an hour of prices; the shipped guard is 1.35
reserve = "0.03"           # the wallet's spare native ether is 1.5 % of it and pays no premium
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A chain for the demo."""

    place: Place
    pair: str
    """For people."""
    quote: str
    """Symbol of what the pool prices ether in, as the settings name it."""
    pool_file: str
    """Of config/pools."""
    sale: Sale
    """Who sells puts in a run with protection."""
    hedged: str
    """Settings of protection, without the mandate's cap."""
    days: float
    protected_days: float
    """Length of a market with protection: until what is bought first has been settled and paid."""
    cycle_s: int
    """Chain time between two cycles."""
    block_slots: int
    """See :class:`keeper.localchain.synthetic.MarketPlan`."""


ON_MAINNET = Stage(
    place=place.MAINNET,
    pair="USDC/WETH 0.05 %",
    quote="USDC",
    pool_file="usdc_weth_500",
    sale=partial(sell_opyn, PUTS),
    hedged=_OPYN_HEDGED,
    days=1.0,
    protected_days=1.5,
    cycle_s=300,
    block_slots=1,
)
ON_ARBITRUM = Stage(
    place=place.ARBITRUM,
    pair="WETH/USDC.e 0.05 % on Arbitrum",
    quote="USDCe",
    pool_file="arbitrum_weth_usdce_500",
    sale=sell_herge,
    hedged=_HEGIC_HEDGED,
    days=1.0,
    protected_days=7.25,
    # A put lives for a week at least, and a week at mainnet's cadence takes several minutes.
    cycle_s=1_800,
    block_slots=10,
)
_STAGES = {stage.place.name: stage for stage in (ON_MAINNET, ON_ARBITRUM)}


def stage_named(chain: str | None) -> Stage:
    """The stage on a chain, mainnet when none is named.

    Raises:
        ConfigError: there is none.
    """
    return _STAGES[place_named(chain).name]

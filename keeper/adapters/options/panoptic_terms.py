"""Where Panoptic stands on a chain, and how far the keeper goes there."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from keeper.core.model.pool import PoolKey
from keeper.core.model.token import Token, TokenAmount

VENUE = "panoptic"
BPS = 10_000
SPREAD_ONE = 10_000
"""Removed over net liquidity is counted in parts of so many."""
MAX_SPREAD = 90_000
"""Most that the venue allows: nine times as much removed as is left."""
MAX_DRIFT_TICKS = 513
"""A dispatch at a price farther than this from the venue's averages is refused: ``MAX_TWAP_DELTA_DISPATCH``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PanopticMarket:
    """One pool of Panoptic v2 over a Uniswap v3 pool.

    Raises:
        ValueError: the base is none of the pool's tokens.
    """

    chain_id: int
    multicall: str
    factory: str
    """Panoptic's, for v3 pools; EIP-55 like all addresses here. It names the pool at run time."""
    risk_engine: str
    uniswap: PoolKey
    """The pool that options are made of."""
    base: Token
    """What is protected; puts and calls are on it."""
    first_block: int
    """Logs are asked for from here on; at or before the block that Panoptic's pool was deployed in."""
    deployed: str | None = None
    """Panoptic's pool where it is known: a first look takes a round less if the factory names it."""

    def __post_init__(self) -> None:
        if self.base.address not in {self.uniswap.token0.address, self.uniswap.token1.address}:
            raise ValueError(f"{self.base.symbol} is no token of {self.uniswap.address}")

    @property
    def base_index(self) -> int:
        """Index of the base in the pool, 0 or 1."""
        return int(self.base.address == self.uniswap.token1.address)

    @property
    def quote(self) -> Token:
        """The pool's other token."""
        return self.uniswap.token0 if self.base_index else self.uniswap.token1

    def token(self, index: int) -> Token:
        """The pool's token 0 or 1."""
        return self.uniswap.token1 if index else self.uniswap.token0

    def dollars(self, raw: int) -> TokenAmount:
        """So much of the quote."""
        return TokenAmount(token=self.quote, raw=raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class PanopticRules:
    """Within which limits the keeper buys.

    Fees, collateral and vegoid are those that the risk engine on Ethereum had at block 26,077,088 (2026-09-28), as the venue's
    parameter page gives them.

    Raises:
        ValueError: limits that contradict one another or the venue's own.
    """

    dust_base_raw: int
    """Least of the base that is kept deposited beyond the collateral: streamed cost is owed in both tokens."""
    dust_quote_raw: int
    avoid: tuple[Decimal, Decimal] | None = None
    """Prices (lower, upper; quote per base) that no bought range may overlap: the ladder's own. A long there pays more than
    the ladder earns."""
    notional_fee_bps: int = 3
    """Of a purchase; used where the risk engine does not tell."""
    premium_fee_bps: int = 250
    """Of streamed cost, taken when a position ends, though never more than ten notional fees, which is not counted on; used
    where the risk engine does not tell."""
    collateral_bps: int = 1_000
    """Of the notional, that a buyer must hold; used where the risk engine does not tell."""
    collateral_margin_bps: int = 2_000
    """Deposited on top of what must be held: an account that just holds enough may not open, and streams out of it."""
    vegoid: int = 8
    """How much dearer removed liquidity makes the rest: streamed cost is fees times 1 + removed / (vegoid * net)."""
    max_spread: int = 30_000
    """Removed over net liquidity of a range after a purchase, times 10,000; past it nothing is bought."""
    drift_ticks: int = 200
    """How far the price may have moved when a call is mined, ticks either way."""
    lookback_blocks: int = 7_200
    """How far back fee growth is compared, blocks; the node must still have that state."""
    least_share_bps: int = 1_000
    """Part of the pool's own fee growth that a range is reckoned to see at least: it has seen none while the price was not
    there, and is bought for when it will be."""
    watch_blocks: int = 50_400
    """How long an option that somebody else ended is still reported."""
    valid_s: int = 120
    """How long a quote is taken for true."""

    def __post_init__(self) -> None:
        if min(self.dust_base_raw, self.dust_quote_raw) <= 0:
            raise ValueError("some of both tokens must be kept deposited: without it a cash close fails")
        if not 0 < self.max_spread <= MAX_SPREAD or not 0 < self.drift_ticks <= MAX_DRIFT_TICKS:
            raise ValueError(f"a spread of {self.max_spread} or a drift of {self.drift_ticks} ticks is more than is allowed")
        if min(self.vegoid, self.lookback_blocks, self.watch_blocks, self.valid_s) <= 0:
            raise ValueError("vegoid, blocks and times must be above 0")
        if self.avoid is not None and not 0 < self.avoid[0] < self.avoid[1]:
            raise ValueError(f"no price lies between {self.avoid[0]} and {self.avoid[1]}")

"""Where Opyn and its sellers stand, and how far the keeper goes there."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.adapters.options.opyn_interface import lot_raw
from keeper.core.model.token import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class OpynRules:
    """Where Opyn and its sellers stand on a chain, and within which limits the keeper buys there.

    Raises:
        ValueError: limits that contradict one another, or a base of fewer than 8 decimals.
    """

    chain_id: int
    multicall: str
    address_book: str
    """EIP-55, like all addresses here; every module is resolved from it at run time."""
    otoken_factory: str | None = None
    """Where the address book probably names the factory of series: a first look takes a round less if it does."""
    first_block: int | None = None
    """At or before the first series. Logs since then tell a first look of all of them, which takes two rounds less; a node
    that needs longer for the search than a request may take answers no first look at all. None: it is not searched."""
    factory: str
    """Uniswap v3's."""
    quoter: str
    """QuoterV2."""
    router: str
    """SwapRouter02."""
    swap_erc20: str
    """AirSwap's."""
    base: Token
    quote: Token
    wallet: str
    """Who buys and receives."""
    pool_fees: tuple[int, ...] = (10_000,)
    """Tiers in which oTokens are looked for, pips."""
    min_tenor_s: int = 86_400
    """Shortest time to expiry that is bought, seconds."""
    max_tenor_s: int = 120 * 86_400
    quote_valid_s: int = 180
    """How long a pool's quote is taken for true, and the deadline of a trade with it, seconds."""
    order_margin_s: int = 120
    """How long before its expiry an order counts as expired, seconds."""
    order_excess_bps: int = 2_500
    """How much more than wanted an order may be for: it is filled whole."""
    depth_impact_bps: int = 1_000
    """How much dearer than a pool's price oTokens may be on average, its fee apart; more of them are not offered."""
    watch_s: int = 400 * 86_400
    """How long after its expiry a series is still looked at for something held, seconds."""

    def __post_init__(self) -> None:
        lot_raw(self.base)
        if not 0 <= self.min_tenor_s < self.max_tenor_s:
            raise ValueError(f"no tenor lies between {self.min_tenor_s} s and {self.max_tenor_s} s")
        if min(self.quote_valid_s, self.order_margin_s, self.watch_s) <= 0 or not self.pool_fees:
            raise ValueError("times must be above 0 s, and a pool's tier is needed")

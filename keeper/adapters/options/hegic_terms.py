"""What Hegic Herge sells and owes, in integers. Ref: ``HegicStrategyPut.sol``, ``OperationalTreasury.sol``, ``CoverPool.sol``.

The facts behind the guards: the strike scale of a strategy is told by no function, a payoff is not reserved, and a purchase has
no price limit but the allowance.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from keeper.core.model.option import Leg, OptionKind
from keeper.core.model.token import Token

BPS = 10_000
SCALE_UNIT = 10_000
"""A scale of so much is a strike at the spot price."""
FEED_DECIMALS = 8
"""Of the strategies' feed, and of the strikes that they store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HergeStrategy:
    """One strategy: a kind of option in a band of periods.

    Raises:
        ValueError: a call, whose payoff no check of ours has met; or numbers that contradict one another.
    """

    address: str
    """EIP-55."""
    kind: OptionKind
    scale: int
    """Strike in 1e-4 of the spot price at the purchase; compared with what the strategy pays before anything is quoted."""
    min_period_s: int
    max_period_s: int

    def __post_init__(self) -> None:
        if self.kind is not OptionKind.PUT:
            raise ValueError(f"strategy {self.address}: only puts are bought, not a {self.kind}")
        if self.scale <= 0 or not 0 < self.min_period_s <= self.max_period_s:
            raise ValueError(f"strategy {self.address}: scale {self.scale}, {self.min_period_s} to {self.max_period_s} s")

    def leg(self, stored: int) -> Leg:
        """The put of an option whose stored strike, the spot price at its purchase, is ``stored`` (1e-8)."""
        return Leg(kind=self.kind, strike=Decimal(effective_strike(stored, self.scale)).scaleb(-FEED_DECIMALS))


@dataclass(frozen=True, slots=True, kw_only=True)
class HergeMarket:
    """Where Herge stands on a chain, and what is bought of it.

    Raises:
        ValueError: no strategy, or one twice.
    """

    chain_id: int
    multicall: str
    treasury: str
    positions: str
    """The ERC-721 of the options."""
    cover_pool: str
    feed: str
    """Chainlink's proxy that the strategies ask."""
    base: Token
    quote: Token
    """In which premiums and payoffs are paid."""
    strategies: tuple[HergeStrategy, ...]
    first_block: int
    """Logs of the positions are asked for from here on; at or before the block that they were deployed in."""
    data_slot: int = 7
    """Storage slot of ``strategyData``."""

    def __post_init__(self) -> None:
        if not self.strategies or len({one.address for one in self.strategies}) < len(self.strategies):
            raise ValueError("strategies are needed, each once")


@dataclass(frozen=True, slots=True, kw_only=True)
class HergeGuards:
    """What is not bought though it is for sale, and how early a payoff is to be taken."""

    stress_fall_bps: int = 3_000
    """Fall of the price in which the payoff must be covered."""
    most_of_cap_bps: int = 2_500
    """Part of what the venue could pay out that this payoff may be."""
    max_feed_age_s: int = 90_000
    """Oldest answer of the feed that a strike may come from: its day's heartbeat and some."""
    act_margin_s: int = 6 * 3_600
    """An exercise is due so long before the expiry."""
    valid_s: int = 120
    """How long a quote is good for."""


def effective_strike(stored: int, scale: int) -> int:
    """Strike at which an option pays, 1e-8, rounded down as the strategy does."""
    return stored * scale // SCALE_UNIT


def put_payoff(strategy: HergeStrategy, market: HergeMarket, *, amount: int, stored: int, spot: int) -> int:
    """What a put pays at a spot price (1e-8), raw units of the quote, rounded down; ``amount`` in raw units of the base."""
    below = max(effective_strike(stored, strategy.scale) - spot, 0)
    payoff: int = below * amount * 10**market.quote.decimals // 10**market.base.decimals // 10**FEED_DECIMALS
    return payoff


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserves:
    """What the treasury has and owes, raw units of the quote."""

    balance: int
    locked: int
    """Reserved for payoffs."""
    premiums: int
    """Of running options; not spent before these end."""
    benchmark: int
    """What a payoff beyond the balance fills the treasury up to, besides paying."""
    cover: int
    """What the cover pool could pay in."""

    @property
    def free(self) -> int:
        """What the reserve and the premium of another option may take together; negative where too much is owed."""
        return self.balance + self.cover - self.locked - self.premiums

    @property
    def cap(self) -> int:
        """Most that one payoff could take now, never negative.

        A payoff within the balance needs balance and cover to hold everything owed. One beyond it also makes the cover bring
        the balance back to benchmark and premiums.
        """
        if self.free <= self.balance:
            return max(self.free, 0)
        return max(self.balance, min(self.free, self.balance + self.cover - self.benchmark - self.premiums))

    def without(self, *, locked: int, premium: int) -> Reserves:
        """After an option with that reserve and premium has ended, which comes before its payoff is paid."""
        return Reserves(
            balance=self.balance,
            locked=self.locked - locked,
            premiums=self.premiums - premium,
            benchmark=self.benchmark,
            cover=self.cover,
        )

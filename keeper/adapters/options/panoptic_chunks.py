"""Sellers' ranges of liquidity, which are what can be bought: their geometry in exact integers, and where to look for them.

A long option is the same range of liquidity borrowed. Ref: ``PanopticMath.sol`` getLiquidityChunk, ``LiquidityAmounts.sol``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from keeper.adapters.options.panoptic_terms import VENUE, PanopticMarket
from keeper.adapters.options.panoptic_token_id import TokenId, TokenLeg
from keeper.core.model.option import Exercise, Leg, OptionContract, OptionKind, Settlement, Style
from keeper.core.v3math.full_math import mul_div, mul_div_rounding_up
from keeper.core.v3math.liquidity_amounts import (
    get_amounts_for_liquidity,
    get_amounts_for_liquidity_delta,
    max_liquidity_for_amount0,
    max_liquidity_for_amount1,
)
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MAX_TICK, MIN_TICK, Q96

LOTS_A_TOKEN = 10_000
RATIOS = (1, 2, 4, 5, 8, 10, 16, 20, 25, 40, 50, 80, 100, 125)
"""By which whole lots divide. An id that is held cannot be bought again, the venue would close it: the same range at another
ratio is another id."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Chunk:
    """A range, and the token that its liquidity is all of while an option of it is out of the money.

    Raises:
        ValueError: the range is empty or leaves the ticks that there are.
    """

    token_type: int
    """Index of that token: the quote's for a put, the base's for a call."""
    lower: int
    """First tick inside."""
    upper: int
    """First tick outside."""

    def __post_init__(self) -> None:
        if not MIN_TICK <= self.lower < self.upper <= MAX_TICK:
            raise ValueError(f"[{self.lower}, {self.upper}) is no range of ticks")

    @classmethod
    def of_leg(cls, leg: TokenLeg, spacing: int) -> Self:
        """The range of a leg: an odd width reaches half a spacing farther up.

        Raises:
            ValueError: it has none.
        """
        ticks = leg.width * spacing
        return cls(token_type=leg.token_type, lower=leg.strike - ticks // 2, upper=leg.strike + -(-ticks // 2))

    @classmethod
    def from_native(cls, native: Sequence[str]) -> Self:
        """What :attr:`native` was made of.

        Raises:
            ValueError: it was not.
        """
        token_type, lower, upper = (int(part) for part in native[:3])
        return cls(token_type=token_type, lower=lower, upper=upper)

    @property
    def native(self) -> tuple[str, str, str]:
        """For a contract's identity."""
        return str(self.token_type), str(self.lower), str(self.upper)

    @property
    def ends(self) -> tuple[int, int]:
        """Sqrt prices at its ends, 2**-96."""
        return get_sqrt_ratio_at_tick(self.lower), get_sqrt_ratio_at_tick(self.upper)

    def token_id(self, pool_id: int, base_index: int, spacing: int, ratio: int) -> int:
        """Of a long position of one leg, sizes in the base."""
        ticks = self.upper - self.lower
        leg = TokenLeg(
            asset=base_index,
            ratio=ratio,
            is_long=True,
            token_type=self.token_type,
            risk_partner=0,
            strike=self.lower + ticks // 2,
            width=ticks // spacing,
        )
        return TokenId(pool_id=pool_id, legs=(leg,)).encode()

    def liquidity(self, size_raw: int, base_index: int) -> int:
        """Of so much of the base, rounded **down** as the venue does."""
        lower, upper = self.ends
        made = max_liquidity_for_amount1 if base_index else max_liquidity_for_amount0
        return made(lower, upper, size_raw)

    def size(self, liquidity: int, base_index: int) -> int:
        """Raw units of the base that so much liquidity is while it is all base, rounded **down**."""
        lower, upper = self.ends
        return get_amounts_for_liquidity(upper if base_index else lower, lower, upper, liquidity)[base_index]

    def notional(self, liquidity: int) -> int:
        """Raw units of its own token while it is all of that, rounded **up**."""
        lower, upper = self.ends
        at = upper if self.token_type else lower
        return get_amounts_for_liquidity_delta(at, lower, upper, liquidity)[self.token_type]

    def payoff(self, liquidity: int, sqrt_price_x96: int, base_index: int) -> int:
        """What a long of it pays at a price, raw units of the quote, rounded **down**, never negative."""
        lower, upper = self.ends
        amounts = get_amounts_for_liquidity_delta(sqrt_price_x96, lower, upper, liquidity)
        at = upper if self.token_type else lower
        owed = get_amounts_for_liquidity(at, lower, upper, liquidity)[self.token_type]
        worth = to_quote(owed, sqrt_price_x96, base_index) if self.token_type == base_index else owed
        held = amounts[1 - base_index] + to_quote(amounts[base_index], sqrt_price_x96, base_index, round_up=True)
        return max(worth - held, 0)

    def base_inside(self, liquidity: int, sqrt_price_x96: int, base_index: int) -> int:
        """Raw units of the base that ending a long of it at a price puts back into the pool, rounded **up**."""
        return get_amounts_for_liquidity_delta(sqrt_price_x96, *self.ends, liquidity)[base_index]


def to_quote(base_raw: int, sqrt_price_x96: int, base_index: int, *, round_up: bool = False) -> int:
    """Raw units of the base as raw units of the quote at a pool's price, rounded **down** twice unless told otherwise."""
    divide = mul_div_rounding_up if round_up else mul_div
    if base_index:
        return divide(divide(base_raw, Q96, sqrt_price_x96), Q96, sqrt_price_x96)
    return divide(divide(base_raw, sqrt_price_x96, Q96), sqrt_price_x96, Q96)


def kind_of(chunk: Chunk, market: PanopticMarket) -> OptionKind:
    """A put's range is all quote while it is out of the money, a call's all base."""
    return OptionKind.CALL if chunk.token_type == market.base_index else OptionKind.PUT


def price_at(tick: int, market: PanopticMarket) -> Decimal:
    """Price of the base in tokens of the quote at a tick's lower edge."""
    return _price(Decimal(get_sqrt_ratio_at_tick(tick)) / Q96, market)


def _price(root: Decimal, market: PanopticMarket) -> Decimal:
    raw = root * root
    decimals = market.base.decimals - market.quote.decimals
    return (1 / raw if market.base_index else raw).scaleb(decimals)


def leg_of(chunk: Chunk, market: PanopticMarket) -> Leg:
    """The payoff of one base token of a range: its strike is the geometric mean of its ends."""
    lower, upper = (Decimal(end) / Q96 for end in chunk.ends)
    strike = _price((lower * upper).sqrt(), market)
    return Leg(kind=kind_of(chunk, market), strike=strike, range_factor=upper / lower)


def prices_of(chunk: Chunk, market: PanopticMarket) -> tuple[Decimal, Decimal]:
    """Its ends as prices, lower first."""
    one, other = price_at(chunk.lower, market), price_at(chunk.upper, market)
    return min(one, other), max(one, other)


def contract_of(chunk: Chunk, market: PanopticMarket, native: tuple[str, ...] = ()) -> OptionContract:
    """What a range sells; ``native`` is added to the range's own."""
    return OptionContract(
        venue=VENUE,
        chain_id=market.chain_id,
        base=market.base,
        quote=market.quote,
        legs=(leg_of(chunk, market),),
        expiry_s=None,
        style=Style.PERPETUAL,
        settlement=Settlement.EITHER,
        settle_asset=market.quote,
        exercise=Exercise.HOLDER,
        lot_raw=max(10**market.base.decimals // LOTS_A_TOKEN, 1),
        native=(*chunk.native, *native),
    )


def sold_chunks(positions: Iterable[TokenId], pool_id: int, spacing: int) -> set[Chunk]:
    """Ranges that positions of the pool ever put liquidity into: their short legs."""
    found: set[Chunk] = set()
    for position in positions:
        if position.pool_id != pool_id:
            continue
        for leg in position.legs:
            if not leg.is_long and leg.width:
                try:
                    found.add(Chunk.of_leg(leg, spacing))
                except ValueError:  # a range beyond the ticks that there are is not for sale
                    continue
    return found

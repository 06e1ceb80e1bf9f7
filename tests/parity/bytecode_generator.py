"""What a made-up crowd does to a pool: seeded, so that every run does the same; it looks at the model to choose."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.full_math import mul_div_rounding_up
from keeper.core.v3math.liquidity_amounts import get_amounts_for_liquidity_delta
from keeper.core.v3math.pool_snapshot import PositionKey
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import (
    FEE_PIPS_ONE,
    MAX_INT128,
    MAX_INT256,
    MAX_SQRT_RATIO,
    MAX_TICK,
    MAX_UINT128,
    MIN_SQRT_RATIO,
    MIN_TICK,
    Q96,
)
from tests.parity.bytecode_operations import (
    Burn,
    Collect,
    CollectProtocol,
    Flash,
    Initialize,
    Mint,
    Operation,
    SetFeeProtocol,
    Swap,
)

LOWEST, HIGHEST = MIN_SQRT_RATIO + 1, MAX_SQRT_RATIO - 1
MOST_POSITIONS = 24
"""Live ones in a pool, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """What a pool is like."""

    home_tick: int
    """Where its price begins, and where it is brought back to now and then."""
    liquidity_bits: tuple[int, int]
    """Size of a mint, least and most, as powers of two."""
    protocol: bool
    """The protocol takes its share, on and off."""


@dataclass(slots=True, kw_only=True)
class Crowd:
    """Whoever acts on one pool."""

    rng: random.Random
    pool: ExactPool
    climate: Climate
    actors: tuple[str, ...]
    keys: list[PositionKey] = field(default_factory=list)
    """Positions that were minted, each once, the latest last."""

    @property
    def usable(self) -> int:
        """Highest usable tick over the spacing."""
        return MAX_TICK // self.pool.tick_spacing

    @property
    def sparse(self) -> bool:
        """Whether a word of the bitmap spans most prices.

        There a swap may go so far in one step that its amount times the price passes 256 bits: such swaps are wanted.
        """
        return self.pool.tick_spacing > 10_000

    def operation(self, actor: str) -> Operation:
        """What ``actor`` does next."""
        if self.pool.sqrt_price_x96 == 0:
            return self._first()
        choices: list[tuple[Callable[[str], Operation], int]] = [
            (self._swap, 46),
            (self._mint, 16),
            (self._burn, 15),
            (self._collect, 9),
            (self._flash, 5),
            (self._refused, 9),
        ]
        if self.climate.protocol and actor == self.actors[0]:
            choices += [(self._set_fee_protocol, 7), (self._collect_protocol, 7)]
        (make,) = self.rng.choices([make for make, _ in choices], [weight for _, weight in choices])
        return make(actor)

    def forget(self) -> None:
        """Let go of positions that were emptied long ago, so that a long run does not slow down."""
        self.keys = [key for key in self.keys[:-MOST_POSITIONS] if self.pool.position(*key).liquidity] + self.keys[
            -MOST_POSITIONS:
        ]

    def _first(self) -> Operation:
        """Before the first price everything is refused; then it comes."""
        rng = self.rng
        if rng.random() < 0.2:
            return Initialize(sqrt_price_x96=self._between(self.climate.home_tick, self.climate.home_tick + 1))
        return rng.choice(
            [
                Initialize(sqrt_price_x96=rng.choice([0, MIN_SQRT_RATIO - 1, MAX_SQRT_RATIO, MAX_SQRT_RATIO + 1])),
                Swap(zero_for_one=True, amount_specified=rng.choice([0, 1]), sqrt_price_limit_x96=LOWEST),
                Mint(owner=self.actors[0], tick_lower=0, tick_upper=self.pool.tick_spacing, amount=1),
                Burn(tick_lower=0, tick_upper=self.pool.tick_spacing, amount=0),
                Collect(tick_lower=0, tick_upper=self.pool.tick_spacing, amount0=1, amount1=1),
                Flash(amount0=0, amount1=0, paid0=1, paid1=0),
            ]
        )

    # Swaps

    def _swap(self, actor: str) -> Swap:
        del actor
        limit = self._limit()
        if limit is None:
            zero_for_one = self.rng.random() < 0.5
            limit = LOWEST if zero_for_one else HIGHEST
        zero_for_one = limit < self.pool.sqrt_price_x96
        return Swap(
            zero_for_one=zero_for_one, amount_specified=self._amount(zero_for_one=zero_for_one), sqrt_price_limit_x96=limit
        )

    def _limit(self) -> int | None:
        """A price to stop at, or None for no limit."""
        rng, pool, spacing = self.rng, self.pool, self.pool.tick_spacing
        kind = rng.choices(["none", "near", "tick", "home", "end"], [30, 30, 22, 14, 4])[0]
        if kind == "none":
            return None
        if kind == "end":
            return rng.choice([LOWEST, HIGHEST])
        if kind == "tick":
            ticks = [end for key in self.keys for end in key[1:]]
            if not ticks:
                return None
            return self._inside(get_sqrt_ratio_at_tick(rng.choice(ticks)) + rng.choice([-1, 0, 0, 0, 1]))
        if kind == "home":
            tick = self.climate.home_tick + rng.randint(-20, 20) * spacing
        else:
            tick = pool.tick + rng.choice([-1, 1]) * int(spacing * 2 ** rng.uniform(-6, 9))
        tick = min(max(tick, MIN_TICK), MAX_TICK - 1)
        return self._inside(self._between(tick, tick + 1))

    def _amount(self, *, zero_for_one: bool) -> int:
        """Exact in or exact out, from a wei to all that there is, mostly about what moves the price a little."""
        rng, pool = self.rng, self.pool
        exact_in = rng.random() < 0.55
        if rng.random() < 0.06:
            return rng.choice([1, 2, 3, MAX_INT256]) if exact_in else -rng.choice([1, 2, 3, MAX_INT256 + 1])
        liquidity = max(pool.liquidity, 1 << self.climate.liquidity_bits[0])
        in_token0 = zero_for_one == exact_in
        depth = liquidity * Q96 // pool.sqrt_price_x96 if in_token0 else liquidity * pool.sqrt_price_x96 // Q96
        far = rng.random() < (0.4 if self.sparse else 0.02)
        raw = int(depth * 2 ** (rng.uniform(1.5, 70) if far else rng.uniform(-24, 1.5))) + rng.choice([0, 1])
        return max(raw, 1) if exact_in else -max(raw, 1)

    def _between(self, lower: int, upper: int) -> int:
        """A price from one tick up to the next, its end excluded; often the tick itself."""
        first, last = get_sqrt_ratio_at_tick(lower), get_sqrt_ratio_at_tick(upper) - 1
        return first if self.rng.random() < 0.25 else self.rng.randint(first, max(first, last))

    @staticmethod
    def _inside(sqrt_price_x96: int) -> int:
        return min(max(sqrt_price_x96, LOWEST), HIGHEST)

    # Liquidity

    def _mint(self, actor: str) -> Operation:
        rng, pool = self.rng, self.pool
        live = [key for key in self.keys if pool.position(*key).liquidity]
        if len(live) > MOST_POSITIONS:
            return self._burn(actor)
        lower, upper = self._range()
        room = pool.max_liquidity_per_tick - max(pool.tick_info(tick).liquidity_gross for tick in (lower, upper))
        amount = int(2 ** rng.uniform(*self.climate.liquidity_bits))
        if rng.random() < 0.02:
            amount = room
        elif rng.random() < 0.9:
            amount = min(amount, room)
        key = PositionKey(rng.choice(self.actors), lower, upper)
        if key not in self.keys:
            self.keys.append(key)
        return Mint(owner=key.owner, tick_lower=lower, tick_upper=upper, amount=max(amount, 1))

    def _range(self) -> tuple[int, int]:
        rng, spacing, usable = self.rng, self.pool.tick_spacing, self.usable
        if rng.random() < (0.8 if self.sparse else 0.07):
            return -usable * spacing, usable * spacing
        kind = rng.random()
        if kind < 0.2 and self.keys:
            _, lower, upper = rng.choice(self.keys)
            return lower, upper
        if kind < 0.35 and self.keys:
            ends = sorted({end for key in self.keys for end in key[1:]})
            lower, upper = sorted(rng.sample(ends, 2))
            return lower, upper
        at = self.pool.tick // spacing + (0 if rng.random() < 0.6 else round(rng.gauss(0, 40)))
        below, above = (int(2 ** rng.uniform(0, 10)) for _ in range(2))
        lower = min(max(at - below + 1, -usable), usable - 1)
        upper = min(max(at + above, lower + 1), usable)
        return lower * spacing, upper * spacing

    def _own(self, actor: str) -> tuple[int, int]:
        """Bounds of a position of the actor's, or of anybody's if there is none; now and then of one that never was."""
        own = [key for key in self.keys if key.owner == actor] or self.keys
        if not own or self.rng.random() < 0.04:
            return self._range()
        return self.rng.choice(own)[1:]

    def _burn(self, actor: str) -> Burn:
        rng = self.rng
        lower, upper = self._own(actor)
        held = self.pool.position(actor, lower, upper).liquidity
        if held == 0 and rng.random() < 0.8:
            live = [key for key in self.keys if key.owner == actor and self.pool.position(*key).liquidity]
            if live:
                _, lower, upper = key = rng.choice(live)
                held = self.pool.position(*key).liquidity
        part = rng.random()
        amount = 0 if part < 0.3 else held if part < 0.75 else held + 1 if part < 0.78 else rng.randint(0, held)
        return Burn(tick_lower=lower, tick_upper=upper, amount=amount)

    def _collect(self, actor: str) -> Collect:
        lower, upper = self._own(actor)
        held = self.pool.position(actor, lower, upper)
        amount0, amount1 = (self._request(owed) for owed in (held.tokens_owed0, held.tokens_owed1))
        return Collect(tick_lower=lower, tick_upper=upper, amount0=amount0, amount1=amount1)

    def _request(self, owed: int) -> int:
        return self.rng.choice([MAX_UINT128, MAX_UINT128, owed, self.rng.randint(0, owed), 0])

    # Flash loans

    def _flash(self, actor: str) -> Flash:
        """Of a part of what some position has in the pool, which is there for certain."""
        del actor
        rng, pool = self.rng, self.pool
        amounts = (0, 0)
        live = [key for key in self.keys if pool.position(*key).liquidity]
        if live and pool.liquidity:
            key = rng.choice(live)
            ends = (get_sqrt_ratio_at_tick(end) for end in key[1:])
            principal = get_amounts_for_liquidity_delta(pool.sqrt_price_x96, *ends, -pool.position(*key).liquidity)
            amounts = tuple(rng.choice([0, rng.randint(0, -amount), -amount]) for amount in principal)
        paid0, paid1 = (mul_div_rounding_up(amount, pool.fee_pips, FEE_PIPS_ONE) + self._gift() for amount in amounts)
        return Flash(amount0=amounts[0], amount1=amounts[1], paid0=paid0, paid1=paid1)

    def _gift(self) -> int:
        """What is paid beyond the fee: mostly nothing or a little, now and then more than 128 bits hold."""
        rng = self.rng
        size = rng.random()
        if size < 0.5:
            return 0
        return int(2 ** (rng.uniform(0, 90) if size < 0.9 else rng.uniform(120, 190)))

    # The protocol

    def _set_fee_protocol(self, actor: str) -> SetFeeProtocol:
        del actor
        share0, share1 = (self.rng.choice([0, 4, 5, 6, 7, 8, 9, 10]) for _ in range(2))
        return SetFeeProtocol(share0=share0, share1=share1)

    def _collect_protocol(self, actor: str) -> CollectProtocol:
        del actor
        stocks = (self.pool.protocol_fees0, self.pool.protocol_fees1)
        amount0, amount1 = (self._request(stock) for stock in stocks)
        return CollectProtocol(amount0=amount0, amount1=amount1)

    # What the contract refuses

    def _refused(self, actor: str) -> Operation:
        rng, pool, spacing = self.rng, self.pool, self.pool.tick_spacing
        price, most = pool.sqrt_price_x96, self.usable * spacing
        lower, upper = self._range()
        owner = rng.choice(self.actors)
        down = rng.random() < 0.5
        bad_limits = [price, MIN_SQRT_RATIO, MAX_SQRT_RATIO, 0, price + 1 if down else price - 1]
        refused: list[Operation] = [
            Initialize(sqrt_price_x96=rng.choice([price, MAX_SQRT_RATIO])),
            Swap(zero_for_one=down, amount_specified=0, sqrt_price_limit_x96=LOWEST if down else HIGHEST),
            Swap(zero_for_one=down, amount_specified=rng.choice([1, -1]), sqrt_price_limit_x96=rng.choice(bad_limits)),
            Swap(zero_for_one=down, amount_specified=1, sqrt_price_limit_x96=rng.choice(bad_limits)),
            Mint(owner=owner, tick_lower=upper, tick_upper=rng.choice([lower, upper]), amount=1),
            Mint(owner=owner, tick_lower=-most - spacing, tick_upper=upper, amount=1),
            Mint(owner=owner, tick_lower=lower, tick_upper=most + spacing, amount=1),
            Mint(owner=owner, tick_lower=lower, tick_upper=upper, amount=rng.choice([0, MAX_INT128, MAX_INT128 + 1])),
            Mint(owner=owner, tick_lower=lower, tick_upper=upper, amount=pool.max_liquidity_per_tick + 1),
            Burn(tick_lower=lower, tick_upper=upper, amount=rng.choice([0, MAX_INT128, MAX_INT128 + 1])),
            Burn(tick_lower=upper, tick_upper=lower, amount=0),
            Burn(tick_lower=-most - spacing, tick_upper=most + spacing, amount=0),
        ]
        if spacing > 1:
            refused += [
                Mint(owner=owner, tick_lower=lower + 1, tick_upper=upper, amount=1),
                Mint(owner=owner, tick_lower=lower, tick_upper=upper - 1, amount=1),
            ]
        if self.climate.protocol and actor == self.actors[0]:
            refused += [SetFeeProtocol(share0=rng.choice([1, 3, 11, 16, 255]), share1=4), SetFeeProtocol(share0=4, share1=3)]
        return rng.choice(refused)

"""What can be done to a pool: as a call of the contract, and as a call of the model; and what each must come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from eth_abi.abi import encode

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.reverts import RevertError
from keeper.localchain.artifacts import interface


class State(NamedTuple):
    """A pool, ticks and positions apart."""

    sqrt_price_x96: int
    tick: int
    fee_protocol: int
    liquidity: int
    fee_growth_global0_x128: int
    fee_growth_global1_x128: int
    protocol_fees0: int
    protocol_fees1: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an operation."""

    refusal: str | None
    """The contract's reason, empty where it gives none; None when it was done."""
    amounts: tuple[int, ...]
    """What the function returned."""
    event: Mapping[str, int]
    """Numbers of the event that it made, empty when it was refused."""
    flow: tuple[int, int]
    """Tokens into the pool."""
    state: State
    """Of the pool afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call of a pool by an actor."""

    function: ClassVar[str]
    event: ClassVar[str]

    def arguments(self, actor: str) -> tuple[object, ...]:
        raise NotImplementedError

    def apply(self, pool: ExactPool, actor: str) -> tuple[int, ...]:
        """Do it to the model; returns what the contract's function returns."""
        raise NotImplementedError

    def told(self, amounts: tuple[int, ...], before: State, after: State) -> dict[str, int]:
        """Numbers of the event."""
        raise NotImplementedError

    def flow(self, amounts: tuple[int, ...]) -> tuple[int, int]:
        """Tokens that go into the pool."""
        del amounts
        return 0, 0

    def encode(self, actor: str) -> bytes:
        return interface("UniswapV3Pool").function(self.function).encode(*self.arguments(actor))

    def foretell(self, pool: ExactPool, actor: str) -> Outcome:
        """Do it to the model, and say what the contract must answer."""
        before = state_of(pool)
        try:
            amounts = self.apply(pool, actor)
        except RevertError as error:
            return Outcome(refusal=error.code, amounts=(), event={}, flow=(0, 0), state=state_of(pool))
        after = state_of(pool)
        told = self.told(amounts, before, after)
        return Outcome(refusal=None, amounts=amounts, event=told, flow=self.flow(amounts), state=after)


def state_of(pool: ExactPool) -> State:
    return State(**{name: getattr(pool, name) for name in State._fields})


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialize(Operation):
    function: ClassVar[str] = "initialize"
    event: ClassVar[str] = "Initialize"
    sqrt_price_x96: int

    def arguments(self, actor: str) -> tuple[object, ...]:
        del actor
        return (self.sqrt_price_x96,)

    def apply(self, pool: ExactPool, actor: str) -> tuple[int, ...]:
        del actor
        pool.initialize(self.sqrt_price_x96)
        return ()

    def told(self, amounts: tuple[int, ...], before: State, after: State) -> dict[str, int]:
        del amounts, before
        return {"sqrtPriceX96": self.sqrt_price_x96, "tick": after.tick}


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap(Operation):
    function: ClassVar[str] = "swap"
    event: ClassVar[str] = "Swap"
    zero_for_one: bool
    amount_specified: int
    sqrt_price_limit_x96: int

    def arguments(self, actor: str) -> tuple[object, ...]:
        return actor, self.zero_for_one, self.amount_specified, self.sqrt_price_limit_x96, b""

    def apply(self, pool: ExactPool, actor: str) -> tuple[int, ...]:
        del actor
        return pool.swap(
            zero_for_one=self.zero_for_one,
            amount_specified=self.amount_specified,
            sqrt_price_limit_x96=self.sqrt_price_limit_x96,
        )

    def told(self, amounts: tuple[int, ...], before: State, after: State) -> dict[str, int]:
        del before
        named = {"amount0": amounts[0], "amount1": amounts[1], "sqrtPriceX96": after.sqrt_price_x96}
        return {**named, "liquidity": after.liquidity, "tick": after.tick}

    def flow(self, amounts: tuple[int, ...]) -> tuple[int, int]:
        return amounts[0], amounts[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _InRange(Operation):
    tick_lower: int
    tick_upper: int

    def told(self, amounts: tuple[int, ...], before: State, after: State) -> dict[str, int]:
        del before, after
        return {"tickLower": self.tick_lower, "tickUpper": self.tick_upper, "amount0": amounts[0], "amount1": amounts[1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mint(_InRange):
    function: ClassVar[str] = "mint"
    event: ClassVar[str] = "Mint"
    owner: str
    """Who gets the position; the actor pays."""
    amount: int

    def arguments(self, actor: str) -> tuple[object, ...]:
        del actor
        return self.owner, self.tick_lower, self.tick_upper, self.amount, b""

    def apply(self, pool: ExactPool, actor: str) -> tuple[int, ...]:
        del actor
        return pool.mint(self.owner, self.tick_lower, self.tick_upper, self.amount)

    def told(self, amounts: tuple[int, ...], before: State, after: State) -> dict[str, int]:
        return {**_InRange.told(self, amounts, before, after), "amount": self.amount}

    def flow(self, amounts: tuple[int, ...]) -> tuple[int, int]:
        return amounts[0], amounts[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn(_InRange):
    function: ClassVar[str] = "burn"
    event: ClassVar[str] = "Burn"
    amount: int

    def arguments(self, actor: str) -> tuple[object, ...]:
        del actor
        return self.tick_lower, self.tick_upper, self.amount

    def apply(self, pool: ExactPool, actor: str) -> tuple[int, ...]:
        return pool.burn(actor, self.tick_lower, self.tick_upper, self.amount)

    def told(self, amounts: tuple[int, ...], before: State, after: State) -> dict[str, int]:
        return {**_InRange.told(self, amounts, before, after), "amount": self.amount}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect(_InRange):
    function: ClassVar[str] = "collect"
    event: ClassVar[str] = "Collect"
    amount0: int
    amount1: int

    def arguments(self, actor: str) -> tuple[object, ...]:
        return actor, self.tick_lower, self.tick_upper, self.amount0, self.amount1

    def apply(self, pool: ExactPool, actor: str) -> tuple[int, ...]:
        return pool.collect(actor, self.tick_lower, self.tick_upper, self.amount0, self.amount1)

    def flow(self, amounts: tuple[int, ...]) -> tuple[int, int]:
        return -amounts[0], -amounts[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFeeProtocol(Operation):
    """Of the factory's owner alone."""

    function: ClassVar[str] = "setFeeProtocol"
    event: ClassVar[str] = "SetFeeProtocol"
    share0: int
    share1: int

    def arguments(self, actor: str) -> tuple[object, ...]:
        del actor
        return self.share0, self.share1

    def apply(self, pool: ExactPool, actor: str) -> tuple[int, ...]:
        del actor
        pool.set_fee_protocol(self.share0, self.share1)
        return ()

    def told(self, amounts: tuple[int, ...], before: State, after: State) -> dict[str, int]:
        del amounts, after
        old = {"feeProtocol0Old": before.fee_protocol % 16, "feeProtocol1Old": before.fee_protocol >> 4}
        return {**old, "feeProtocol0New": self.share0, "feeProtocol1New": self.share1}


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectProtocol(Operation):
    """Of the factory's owner alone."""

    function: ClassVar[str] = "collectProtocol"
    event: ClassVar[str] = "CollectProtocol"
    amount0: int
    amount1: int

    def arguments(self, actor: str) -> tuple[object, ...]:
        return actor, self.amount0, self.amount1

    def apply(self, pool: ExactPool, actor: str) -> tuple[int, ...]:
        del actor
        return pool.collect_protocol(self.amount0, self.amount1)

    def told(self, amounts: tuple[int, ...], before: State, after: State) -> dict[str, int]:
        del before, after
        return {"amount0": amounts[0], "amount1": amounts[1]}

    def flow(self, amounts: tuple[int, ...]) -> tuple[int, int]:
        return -amounts[0], -amounts[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flash(Operation):
    """Tokens borrowed and given back at once, with the fee and what the actor likes to give besides."""

    function: ClassVar[str] = "flash"
    event: ClassVar[str] = "Flash"
    amount0: int
    amount1: int
    paid0: int
    """At least the fee."""
    paid1: int

    def arguments(self, actor: str) -> tuple[object, ...]:
        back = encode(["uint256", "uint256"], [self.amount0 + self.paid0, self.amount1 + self.paid1])
        return actor, self.amount0, self.amount1, back

    def apply(self, pool: ExactPool, actor: str) -> tuple[int, ...]:
        del actor
        pool.flash(self.paid0, self.paid1)
        return ()

    def told(self, amounts: tuple[int, ...], before: State, after: State) -> dict[str, int]:
        del amounts, before, after
        return {"amount0": self.amount0, "amount1": self.amount1, "paid0": self.paid0, "paid1": self.paid1}

    def flow(self, amounts: tuple[int, ...]) -> tuple[int, int]:
        del amounts
        return self.paid0, self.paid1

"""What happened to a pool, as a simulation replays it: the state that it began with, and every event, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from keeper.core.model.errors import ConfigError
from keeper.core.model.pool import PoolKey
from keeper.core.v3math.pool_snapshot import PoolSnapshot


class TapeError(ConfigError):
    """The recorded events cannot be used; every thing that is wrong is named, with where."""


class SwapEvent(NamedTuple):
    """A swap as it was asked for, and the price that it led to."""

    zero_for_one: bool
    amount_specified: int
    """Raw units; > 0 exact input with the fee, < 0 exact output."""
    sqrt_price_limit_x96: int
    sqrt_price_after_x96: int
    """As recorded: where history's pool stood after it."""


class LiquidityEvent(NamedTuple):
    """Somebody else's mint or burn that moved liquidity."""

    tick_lower: int
    tick_upper: int
    liquidity_delta: int
    """Minted > 0, burned < 0; never 0."""


class FeeEvent(NamedTuple):
    """Fees that came to the liquidity in range without a swap that is replayed: a flash loan's, or a coarse tape's volume."""

    amount0: int
    """Raw token0 paid, the protocol's share included."""
    amount1: int


class FeeProtocolEvent(NamedTuple):
    """The protocol's share of the fees from now on."""

    fee_protocol: int
    """Packed as in slot0."""


Event = SwapEvent | LiquidityEvent | FeeEvent | FeeProtocolEvent


class TapeBlock(NamedTuple):
    """A block in which something happened to the pool."""

    number: int
    timestamp_s: int
    events: tuple[Event, ...]
    """In log order, at least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeStart:
    """The pool at the end of the block before the first event."""

    block: int
    timestamp_s: int
    pool: PoolSnapshot


class Tape(Protocol):
    """A stretch of a pool's history; may be read again and again, always from its start."""

    @property
    def key(self) -> PoolKey:
        """Which pool."""
        ...

    @property
    def chain_id(self) -> int:
        """Of which chain."""
        ...

    @property
    def start(self) -> TapeStart:
        """Where it begins."""
        ...

    @property
    def end_s(self) -> int:
        """Chain time up to which it is complete, exclusive."""
        ...

    @property
    def digest(self) -> str:
        """Hex sha-256 that names the data: start and events."""
        ...

    @property
    def described(self) -> str:
        """For a person: source, and for coarse or rebuilt data what they lack."""
        ...

    @property
    def exact(self) -> bool:
        """Whether its replay equals the chain to the wei."""
        ...

    def blocks(self) -> Iterator[TapeBlock]:
        """Every block with an event, in order, read piece by piece: a year does not fit into memory."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTape:
    """A tape that is held in memory."""

    key: PoolKey
    chain_id: int
    start: TapeStart
    end_s: int
    digest: str
    described: str
    exact: bool
    held: tuple[TapeBlock, ...]

    def blocks(self) -> Iterator[TapeBlock]:
        """Every block with an event, in order."""
        return iter(self.held)

"""Everything that signals and strategy may know in one cycle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import overload

from keeper.core.model.bar import HistoryRef
from keeper.core.model.ladder import Ladder, LayerKind, Regime
from keeper.core.model.option import NO_PROTECTION, OptionKind, ProtectionView
from keeper.core.model.pool import BlockRef, PoolView
from keeper.core.model.quick import quick_init
from keeper.core.model.token import TokenAmount


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """What the keeper's account holds outside positions."""

    address: str
    native_wei: int
    balances: tuple[TokenAmount, ...]
    """One entry for each token of the configured pools."""
    nonce: int
    """Transactions mined from this account, at the view's block."""

    def raw(self, token: str) -> int:
        """Balance of the token with this address, raw units; 0 when it is not one of ours."""
        for amount in self.balances:
            if amount.token.address == token:
                return amount.raw
        return 0


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Gas:
    """Price of inclusion."""

    base_fee_wei: int
    """Of the next block, as the node foresees it."""
    tip_wei: int
    """Priority fee that recent blocks took."""
    data_wei: int = 0
    """What a unit of gas costs more for the data that its transaction puts on the parent chain; 0 on a chain of its own."""

    @property
    def price_wei(self) -> int:
        """What a unit of gas is expected to cost in all."""
        return self.base_fee_wei + self.tip_wei + self.data_wei


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMemory:
    """What happened to a layer in earlier cycles."""

    kind: LayerKind
    placed_at_s: int
    """Chain time of the last placement."""
    outside_since_s: int | None
    """Since when the price has been outside every band of the layer in all cycles; None when inside at the last cycle."""
    drifted_since_s: int | None
    """Since when the drift has been past the dead band in all cycles; None when it was within at the last cycle."""
    in_range_s: int
    """Chain seconds in which the layer was in range, as seen by the cycles since the ladder was opened."""
    watched_s: int
    """Chain seconds over which that was counted."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class GasPaid:
    """Gas of one cycle."""

    timestamp_s: int
    wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Premium:
    """What one purchase of protection cost."""

    timestamp_s: int
    tier: str
    raw: int
    """Raw units of the quote, premium and fee."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercisable:
    """A held option that is in the money and pays only until a deadline."""

    venue: str
    id: str
    """The venue's own."""
    act_before_s: int
    """Chain time after which its payoff is lost."""
    worth_quote: float
    """What it owes, in tokens of the quote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """So much of a held option that stands for the other kind: base was traded beside it, or is still to be.

    Venue, kind, strike and expiry say which option; what a venue calls it may change from one look to the next.
    """

    venue: str
    kind: OptionKind
    """Of the option itself."""
    strike: Decimal
    """Tokens of the quote."""
    expiry_s: int
    raw: int
    """Raw units of the base, > 0."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeMemory:
    """What happened to protection in earlier cycles."""

    awake: tuple[str, ...] = ()
    """Tiers that were awake at the last cycle."""
    premiums: tuple[Premium, ...] = ()
    """Of the last 365 days, oldest first."""
    fees_quote: float = 0.0
    """Fees that the ladder has earned, decayed with the budget's time constant, in tokens of the quote."""
    uncollected_quote: float = 0.0
    """Fees that were owed at the last cycle, in tokens of the quote."""
    exercisable: tuple[Exercisable, ...] = ()
    """What the last cycle left in the money and unexercised."""
    venues: tuple[str, ...] = ()
    """Venues where options are held, in order of their names; one that does not answer stays known."""
    stand_ins: tuple[StandIn, ...] = ()
    """What is held in place of the other kind, one entry an option, oldest first; all else stands for itself."""
    beside_raw: int = 0
    """Base that is still to be sold (below 0: bought) beside what stands in, raw units."""


NO_HEDGE_MEMORY = HedgeMemory()


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the keeper carries from cycle to cycle; part of the view, so that a replay needs nothing else."""

    regime: Regime | None
    """None before the first decision."""
    regime_since_s: int | None
    lower_regime_since_s: int | None
    """Since when the readings have asked for a calmer regime in all cycles."""
    acted_block: int | None
    """Newest block that holds a transaction of ours: what a node says of an older one must not be acted on."""
    last_cycle_s: int | None
    """Chain time of the previous completed cycle."""
    layers: tuple[LayerMemory, ...]
    shifts_s: tuple[int, ...]
    """Chain times at which layers were placed anew in the last 24 hours, first placements not counted, oldest first."""
    gas_paid: tuple[GasPaid, ...]
    """Of the last 24 hours, oldest first."""
    hedge: HedgeMemory = NO_HEDGE_MEMORY
    tilted_at_s: int | None = None
    """Chain time at which the lean was last steered."""

    def layer(self, kind: LayerKind) -> LayerMemory | None:
        """Memory of the layer of that role; None when it was never placed."""
        for layer in self.layers:
            if layer.kind is kind:
                return layer
        return None


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """All inputs of one cycle, read at one block."""

    chain_id: int
    block: BlockRef
    pools: tuple[PoolView, ...]
    wallet: Wallet
    gas: Gas
    ladder: Ladder
    history: HistoryRef
    memory: Memory
    protection: ProtectionView = NO_PROTECTION

    @property
    def now_s(self) -> int:
        """The cycle's clock: the time of its block."""
        return self.block.timestamp_s

    def pool(self, address: str) -> PoolView:
        """The pool with this address.

        Raises:
            KeyError: the view does not hold it.
        """
        for pool in self.pools:
            if pool.state.key.address == address:
                return pool
        raise KeyError(address)


class Quality(StrEnum):
    """How far a reading can be relied on."""

    GOOD = "good"
    SHORT = "short"
    """Computed from less history than wanted."""
    STALE = "stale"
    """Computed from inputs older than wanted."""
    MISSING = "missing"
    """No value."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class SignalReading:
    """A measured number at a time; a poor one is a value all the same, judged by a gate."""

    name: str
    value: float | None
    """None exactly when the quality is missing."""
    unit: str
    as_of_s: int
    """Chain time of the newest input."""
    block: int
    source: str
    quality: Quality
    note: str = ""
    """Why it is not good, or what stands behind it, for a person."""
    z: float | None = None
    """Robust z-score against its own trailing past, turned so that more is more stress; None where there is none."""


NO_MEMORY = Memory(
    regime=None,
    regime_since_s=None,
    lower_regime_since_s=None,
    acted_block=None,
    last_cycle_s=None,
    layers=(),
    shifts_s=(),
    gas_paid=(),
)
"""What a keeper knows that has never run."""


class Readings(Sequence[SignalReading]):
    """All that was measured in a cycle, in order. Each is made when it is first asked for: a decision asks for few of them.

    Args:
        names: of all, each once.
        make: the reading of a name; KeyError for any other. It must give the same whenever it is asked.
    """

    __slots__ = ("_made", "_make", "names")

    def __init__(self, names: tuple[str, ...], make: Callable[[str], SignalReading]) -> None:
        self.names = names
        self._make = make
        self._made: dict[str, SignalReading] = {}

    def named(self, name: str) -> SignalReading:
        """The reading of that name.

        Raises:
            KeyError: no such reading.
        """
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._make(name)
        return made

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, place: int) -> SignalReading: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[SignalReading, ...]: ...
    def __getitem__(self, place: int | slice) -> SignalReading | tuple[SignalReading, ...]:
        if isinstance(place, slice):
            return tuple([self.named(name) for name in self.names[place]])
        return self.named(self.names[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __reduce__(self) -> tuple[Callable[[tuple[SignalReading, ...]], Readings], tuple[tuple[SignalReading, ...]]]:
        return taken, (tuple(self),)


def taken(readings: Iterable[SignalReading]) -> Readings:
    """Readings that have been made already."""
    known = {reading.name: reading for reading in readings}
    return Readings(tuple(known), known.__getitem__)


def find_reading(readings: Sequence[SignalReading], name: str) -> SignalReading:
    """The reading of that name.

    Raises:
        KeyError: no such reading.
    """
    if isinstance(readings, Readings):
        return readings.named(name)
    for reading in readings:
        if reading.name == name:
            return reading
    raise KeyError(name)

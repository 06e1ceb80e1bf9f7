"""The operator's rules, frozen: what settings become once they are past the door.

Every field's unit is in its name or its docstring; ranges are enforced by the settings that build this.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.core.model.calendar import NO_CALENDAR, Calendar
from keeper.core.model.hedge import NO_HEDGE, HedgePolicy
from keeper.core.model.ladder import LayerKind, Regime
from keeper.core.model.pool import PoolKey
from keeper.core.model.token import Token


class Shape(StrEnum):
    """How a layer lies around the price."""

    BAND = "band"
    """One range around the price."""
    WINGS = "wings"
    """Two one-sided ranges outside the next inner layer: idle until the price walks into one."""


class Adoption(StrEnum):
    """What to do with positions that the wallet owns and the journal does not know."""

    ADOPT = "adopt"
    """Manage them, in the layer whose target range is nearest."""
    IGNORE = "ignore"
    """Leave them alone and count them nowhere."""
    REFUSE = "refuse"
    """Do not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPolicy:
    """Where one layer lies."""

    kind: LayerKind
    pool: str
    """Address of the pool that carries it."""
    shape: Shape
    half_width_sigmas: float
    """Half width as a multiple of forecast volatility times the square root of the horizon; for wings: of their outer edge."""
    min_half_width_ticks: int
    max_half_width_ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeWeights:
    """Parts of the ladder's value in one regime; with ``idle`` they add up to 1."""

    regime: Regime
    core: float
    secondary: float
    insurance: float
    idle: float

    def weight(self, kind: LayerKind) -> float:
        """The part of the layer of that role."""
        return {LayerKind.CORE: self.core, LayerKind.SECONDARY: self.secondary, LayerKind.INSURANCE: self.insurance}[kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderPolicy:
    """The wanted ladder as a function of volatility and regime."""

    layers: tuple[LayerPolicy, ...]
    """Core first; each kind at most once."""
    weights: tuple[RegimeWeights, ...]
    """One for each regime."""
    horizon_s: int
    """Over which the price should mostly stay inside, and over which benefit and cost are compared."""

    def layer(self, kind: LayerKind) -> LayerPolicy | None:
        """The rules of the layer of that role; None when it is not configured."""
        for layer in self.layers:
            if layer.kind is kind:
                return layer
        return None

    def weights_in(self, regime: Regime) -> RegimeWeights:
        """The weights of that regime."""
        return next(weights for weights in self.weights if weights.regime is regime)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPolicy:
    """How the market is measured."""

    sample_interval_s: int
    """Length of the returns behind realised volatility; whole minutes."""
    ewma_half_life_s: int
    lookback_s: int
    """How much price history is read."""
    min_history_s: int
    """Below this every volatility is of short quality."""
    stale_after_s: int
    """Age of the newest price past which a reading is stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimePolicy:
    """Edges on forecast over usual volatility, with hysteresis."""

    usual_volatility: float
    """Annualised; stands in for the 180-day median until 30 days of forecasts are journaled."""
    normal_from: float
    stressed_from: float
    crisis_from: float
    band: float
    """Up past edge·(1+band) at once, down below edge·(1-band) after the dwell."""
    dwell_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerPolicy:
    """Reasons to act."""

    drift_share: float
    """Dead band: distance from the centre over the half width."""
    drift_dwell_s: int
    outside_dwell_s: int
    """How long the price must be outside a layer's bands."""
    width_change: float
    """Wanted over placed half width, or its inverse, past 1 + this."""
    compound_benefit_multiple: float
    """Fees are worth compounding when their expected earnings over the horizon exceed this many times the gas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """Reasons not to act."""

    twap_window_s: int
    twap_limit_ticks: int
    """Largest distance of spot from the time-weighted price; a tick is about one basis point."""
    cooldown_s: int
    """Between two placements of one layer."""
    shifts_per_day: int
    cost_multiple: float
    """Expected benefit over the horizon must exceed this many times the cost."""
    min_move_quote: float
    """Smallest value worth moving, in tokens of the quote."""
    price_min_quote: float
    """Sane band of the base token's price, in tokens of the quote."""
    price_max_quote: float
    max_base_fee_wei: int
    max_gas_day_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPolicy:
    """How a plan is bounded and sent."""

    slippage_bps: int
    deadline_s: int
    """Allowed from the view's block to inclusion."""
    swap_pools: tuple[str, ...]
    """Pools of the pair that a swap may go through."""
    unplaced_tolerance: float
    """Part of a move's value that may stay idle without a swap being made for it."""
    native_reserve_wei: int
    """Kept in the wallet for gas, never placed."""
    confirmations: int
    max_fee_wei: int
    """Ceiling of maxFeePerGas."""
    max_tip_wei: int
    gas_limit_multiple: float
    """Gas limit over simulated gas."""
    confirm_timeout_s: int
    """Wait for inclusion before the fee is raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalWeight:
    """How much one signal counts in the stress score."""

    name: str
    weight: float
    """In [0, 1]; 0 is shown and journaled and does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StressPolicy:
    """From readings to one score, and from the score to caution."""

    weights: tuple[SignalWeight, ...] = ()
    least_available: float = 0.6
    """Part of all weight that must be measured; with less the score is missing and the regime does not become calmer."""
    raise_from: float = 0.4
    """Score from which the regime counts as one notch rougher."""
    width_gain: float = 0.0
    """Every width is multiplied by 1 + this times the score, when the score is above zero."""
    insurance_gain: float = 0.0
    """Part of the ladder's value that a score of 1 moves from the inner layers into insurance."""
    protect_from: float = 0.5
    """Score from which protection should be quoted."""

    def weight(self, name: str) -> float:
        """The weight of that signal; 0 when it has none."""
        return next((one.weight for one in self.weights if one.name == name), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarPolicy:
    """How scheduled events are prepared for."""

    calendar: Calendar = NO_CALENDAR
    lead_s: int = 21_600
    """How long before an event's window the ladder is made ready."""
    width_change: float = 0.1
    """In a window: wanted over placed width past 1 + this is a reason to widen; after it, below the inverse to take it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UniversePool:
    """A pool that is followed and not traded in."""

    key: PoolKey
    base: Token
    """The token whose price is followed; the other one is the pair's base or quote."""

    @property
    def other(self) -> Token:
        """The token in which the pool prices ``base``."""
        return self.key.token1 if self.key.token0 == self.base else self.key.token0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsidePolicy:
    """What is followed besides the pair's own pools."""

    sample_every_s: int = 900
    universe: tuple[UniversePool, ...] = ()
    basket_cap: float = 0.4
    """Largest weight of one token in the basket of the effective exchange rate."""
    lending: tuple[Token, ...] = ()
    """Reserves of the lending market."""
    marks: tuple[str, ...] = ()
    """Names of quotes that price the base token in the quote token, the most trusted first."""
    mark_max_age_s: int = 120
    """Older than this a mark does not tell arbitrage from other flow."""
    implied: str | None = None
    """Name of the quote that is an implied volatility, per year as a fraction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All rules of one keeper: one chain, one pair, one wallet."""

    chain_id: int
    base: Token
    """The token whose price is told."""
    quote: Token
    """The token in which value is told."""
    wrapped_native: Token | None
    """The pool token that stands for native currency, if the pair has one."""
    pools: tuple[PoolKey, ...]
    signal_pool: str
    """Address of the pool whose prices and fees are measured."""
    ladder: LadderPolicy
    signals: SignalPolicy
    regimes: RegimePolicy
    triggers: TriggerPolicy
    gates: GatePolicy
    execution: ExecutionPolicy
    adoption: Adoption
    stress: StressPolicy = StressPolicy()
    calendar: CalendarPolicy = CalendarPolicy()
    outside: OutsidePolicy = OutsidePolicy()
    hedge: HedgePolicy = NO_HEDGE

    def pool(self, address: str) -> PoolKey:
        """The configured pool with this address.

        Raises:
            KeyError: it is not configured.
        """
        for pool in self.pools:
            if pool.address == address:
                return pool
        raise KeyError(address)

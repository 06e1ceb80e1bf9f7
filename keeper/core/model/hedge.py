"""The operator's rules for buying protection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Anchor(StrEnum):
    """Where a tier's put strikes lie."""

    BREAK_EVEN = "break_even"
    """Where the ladder, with the fees of the horizon, falls behind what it is measured against."""
    CORE_EDGE = "core_edge"
    """The core's lower end, in terms of the price of the base."""
    SECONDARY_EDGE = "secondary_edge"
    INSURANCE_EDGE = "insurance_edge"


class Against(StrEnum):
    """What an operator measures the ladder against, and so which side is covered."""

    CASH = "cash"
    """Puts: a ladder loses money when the price falls."""
    HOLDING = "holding"
    """Strangles: against having held, it loses when the price runs either way."""


class Uncovered(StrEnum):
    """What the ladder does when protection is due and cannot be had."""

    HOLD = "hold"
    """Nothing new is placed."""
    WIDEN = "widen"
    """Layers are made wider."""
    IDLE = "idle"
    """Layers are made smaller, and the rest stays in the wallet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WakePolicy:
    """When a tier of the hedge ladder wakes: any of the conditions that are set is enough."""

    walked: float | None
    """Part of the way from the ladder's centre to its lower outer end (for calls: the upper one) that the price has gone."""
    score: float | None
    """Stress score."""
    calendar: bool
    """A scheduled event's window is open or near."""
    cheap: float | None
    """Implied volatility of the option under the forecast by this fraction or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierPolicy:
    """One tier of the hedge ladder."""

    name: str
    anchor: Anchor
    tenor_from_s: int
    tenor_to_s: int
    share: float
    """Part of the base that the ladder would hold at the strike that is covered, in (0, 1]."""
    wake: WakePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgePolicy:
    """How protection is bought; without tiers there is none."""

    tiers: tuple[TierPolicy, ...] = ()
    """The near one first."""
    against: Against = Against.CASH
    loss_cap: float = 1.0
    """Part of the ladder's value that may be lost at the quantile; a loss beyond it wakes every tier. 1: no cap."""
    quantile: float = 0.01
    """Probability of the price at which the loss is measured."""
    horizon_s: int = 604_800
    fee_share: float = 0.25
    """Most that premiums may take of trailing fees, as a fraction."""
    fee_window_s: int = 2_592_000
    """Time constant over which fees trail."""
    capital_year: float = 0.02
    """Most that premiums may take of the ladder's value in any 365 days, as a fraction: the hard ceiling."""
    least_part: float = 0.1
    """Of what a tier lacks, the smallest part that is bought at once; what the fees do not reach for is saved up."""
    dear: float = 1.35
    """Cost over model price past which a quote is refused."""
    suspicious: float = 0.5
    """Cost over model price below which a quote is not believed."""
    payable_part: float = 0.5
    """Of what a venue could pay out, the part that our stressed payoff may be."""
    pays: tuple[tuple[str, float], ...] = ()
    """Venue and the probability that it pays what it owes."""
    quote_every_s: int = 3_600
    """How often cheap quotes are looked for while nothing else wakes a tier."""
    slippage_bps: int = 100
    """Over the quoted cost."""
    hysteresis: float = 0.1
    """A tier falls asleep below its conditions times 1 minus this."""
    roll_before_s: int = 86_400
    """A held option this near to its expiry does not count as protection any more."""
    exercise_margin_s: int = 7_200
    """How long before the deadline an option that must be exercised is."""
    uncovered: Uncovered = Uncovered.WIDEN
    uncovered_width: float = 1.25
    """Widths are multiplied by this, where the ladder is widened."""
    uncovered_idle: float = 0.25
    """Part of the ladder's value that becomes idle, where it is made smaller."""
    capital_cost_year: float = 0.05
    """What locked collateral costs, as a fraction a year."""
    reserve: float = 0.0
    """Part of the ladder's value that stays in the wallet to pay premiums from."""
    lean_target: float = 0.5
    """Wanted delta of everything, times the price, over its value."""
    lean_band: float = 1.0
    """Half width of the band around it, as a fraction of the value; 1: no band, the lean is measured and not steered."""

    def tier(self, name: str) -> TierPolicy | None:
        """The tier of that name; None when it is not configured."""
        return next((tier for tier in self.tiers if tier.name == name), None)

    def pays_with(self, venue: str) -> float:
        """Probability that the venue pays what it owes; 1 where nothing is said."""
        return next((probability for name, probability in self.pays if name == venue), 1.0)


NO_HEDGE = HedgePolicy()
"""Nothing is bought."""

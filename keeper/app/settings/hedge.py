"""Settings of protection, and the policy that they become."""

from __future__ import annotations

from dataclasses import replace
from itertools import starmap
from typing import Annotated

from pydantic import Field

from keeper.adapters.options.paper import PaperRules
from keeper.app.settings.kinds import DecimalText, FilePath, Names, Section, choice, decimal, named, switch, whole
from keeper.core.model.hedge import NO_HEDGE, Against, Anchor, HedgePolicy, TierPolicy, Uncovered, WakePolicy

DAY_S = 86_400
NEVER = 1
"""A wake condition that is never met: no score reaches 1, and no option is for nothing."""


class WakeSettings(Section):
    """When a tier wakes: any condition is enough."""

    walked: DecimalText = decimal("0.1", "10", "of the way from the ladder's centre to its end", "Past it the tier wakes")
    score: DecimalText = decimal("0.1", "1", "stress score, 1: never", "From here the tier wakes")
    calendar: bool = switch("Whether a scheduled event's window wakes the tier")
    cheap: DecimalText = decimal("0", "1", "fraction, 1: never", "Implied volatility under the forecast by this")


class TierSettings(Section):
    """One tier of the hedge ladder."""

    anchor: Annotated[Anchor, choice(Anchor)] = named("break_even, core_edge, secondary_edge or insurance_edge")
    tenor_from_s: int = whole(DAY_S, 365 * DAY_S, "seconds", "Shortest time to expiry that is bought")
    tenor_to_s: int = whole(DAY_S, 365 * DAY_S, "seconds", "Longest")
    share: DecimalText = decimal("0.01", "1", "fraction", "Part of what the ladder buys down to the strike that is covered")
    wake: WakeSettings


class PaperVenueSettings(Section):
    """A venue on paper: for dry runs, paper trading and backtests, never with real money."""

    enabled: bool = switch("Whether it is asked")
    markup: DecimalText = decimal("0.5", "3", "times the reference", "Volatility that it asks")
    spread: DecimalText = decimal("0", "0.5", "fraction", "Taken on top of the premium")
    max_size: DecimalText = decimal("0.1", "100000", "base tokens", "Most in one purchase")


class HedgeSettings(Section):
    """Bought options around the ladder."""

    enabled: bool = switch("Whether protection is bought at all")
    against: Annotated[Against, choice(Against)] = named("cash: puts; holding: puts and calls")
    loss_cap: DecimalText = decimal("0.001", "1", "fraction of the ladder's value", "Most to lose at the quantile; 1: no cap")
    quantile: DecimalText = decimal("0.0001", "0.5", "probability", "Of the price at which the loss is measured")
    horizon_s: int = whole(DAY_S, 90 * DAY_S, "seconds", "Over which loss and cost are compared")
    fee_share: DecimalText = decimal("0", "1", "fraction of trailing fees", "Most that premiums may take of them")
    fee_window_s: int = whole(DAY_S, 365 * DAY_S, "seconds", "Time constant of trailing fees")
    capital_year: DecimalText = decimal("0", "0.2", "fraction of the ladder's value a year", "Hard ceiling of premiums")
    reserve: DecimalText = decimal("0", "0.2", "fraction of the ladder's value", "Kept in the wallet to pay premiums from")
    least_part: DecimalText = decimal("0", "1", "fraction of what a tier lacks", "Less is not bought, but saved up for")
    dear: DecimalText = decimal("1", "5", "times the model's price", "Dearer is refused")
    suspicious: DecimalText = decimal("0", "1", "times the model's price", "Cheaper is not believed")
    payable_part: DecimalText = decimal("0.01", "1", "fraction", "Part of what a venue can pay that our payoff may be")
    pays: dict[str, DecimalText] = Field(
        description="Venue -> probability that it pays what it owes",
        json_schema_extra={"unit": "fraction", "must_be": 'a decimal in quotes, like "0.9", from 0 to 1'},
    )
    slippage_bps: int = whole(0, 1_000, "basis points", "Over the quoted cost, and under the expected payoff")
    quote_every_s: int = whole(60, 7 * DAY_S, "seconds", "Between two looks for cheap quotes")
    hysteresis: DecimalText = decimal("0", "0.9", "fraction", "A tier sleeps again this far below its conditions")
    roll_before_s: int = whole(0, 30 * DAY_S, "seconds", "An option this near to its expiry is replaced")
    exercise_margin_s: int = whole(600, 7 * DAY_S, "seconds", "Before the deadline an option is exercised")
    uncovered: Annotated[Uncovered, choice(Uncovered)] = named("hold, widen or idle, when protection cannot be had")
    uncovered_width: DecimalText = decimal("1", "4", "times the width", "For widen")
    uncovered_idle: DecimalText = decimal("0", "1", "fraction of the ladder's value", "For idle")
    capital_cost_year: DecimalText = decimal("0", "1", "a year, as a fraction", "What locked collateral costs")
    lean_target: DecimalText = decimal("0", "1", "fraction of the value of everything", "Wanted delta times the price")
    lean_band: DecimalText = decimal("0.01", "1", "fraction of the value of everything", "Half width of its band; 1: no band")
    venues: Names = named("Venues of the chain that are bought at", must_be='a list like ["opyn", "panoptic"]')
    orders: FilePath | None = named("Folder of market makers' signed AirSwap orders, a JSON file each", default=None)
    tiers: dict[str, TierSettings] = Field(description="Tiers of the hedge ladder, the near one first")
    paper: PaperVenueSettings


def to_hedge(settings: HedgeSettings) -> HedgePolicy:
    """The rules that the section states; switched off, only those by which what is held is ended, and the band of the lean."""
    if not settings.enabled:
        return replace(
            NO_HEDGE,
            exercise_margin_s=settings.exercise_margin_s,
            slippage_bps=settings.slippage_bps,
            lean_target=float(settings.lean_target),
            lean_band=float(settings.lean_band),
        )
    fractions = {
        name: float(getattr(settings, name))
        for name in (
            "loss_cap",
            "quantile",
            "fee_share",
            "capital_year",
            "reserve",
            "least_part",
            "dear",
            "suspicious",
            "payable_part",
            "hysteresis",
            "uncovered_width",
            "uncovered_idle",
            "capital_cost_year",
            "lean_target",
            "lean_band",
        )
    }
    return HedgePolicy(
        tiers=tuple(starmap(_tier, settings.tiers.items())),
        against=settings.against,
        horizon_s=settings.horizon_s,
        fee_window_s=settings.fee_window_s,
        pays=tuple((name, float(probability)) for name, probability in sorted(settings.pays.items())),
        quote_every_s=settings.quote_every_s,
        slippage_bps=settings.slippage_bps,
        roll_before_s=settings.roll_before_s,
        exercise_margin_s=settings.exercise_margin_s,
        uncovered=settings.uncovered,
        **fractions,
    )


def paper_rules(settings: PaperVenueSettings) -> PaperRules | None:
    """How the venue on paper prices; None where it is switched off."""
    if not settings.enabled:
        return None
    return PaperRules(markup=settings.markup, spread=settings.spread, max_size=settings.max_size)


def _tier(name: str, tier: TierSettings) -> TierPolicy:
    return TierPolicy(
        name=name,
        anchor=tier.anchor,
        tenor_from_s=tier.tenor_from_s,
        tenor_to_s=tier.tenor_to_s,
        share=float(tier.share),
        wake=WakePolicy(
            walked=float(tier.wake.walked),
            score=None if tier.wake.score == NEVER else float(tier.wake.score),
            calendar=tier.wake.calendar,
            cheap=None if tier.wake.cheap == NEVER else float(tier.wake.cheap),
        ),
    )

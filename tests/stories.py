"""A ladder from cycle to cycle, with what the calendar and the score say at each moment."""

from __future__ import annotations

from dataclasses import replace

from keeper.core.model.decision import OpenLayer, ShiftLayer
from keeper.core.model.ladder import Ladder, Layer, LayerKind
from keeper.core.model.plan import Done, Minted, StageKind
from keeper.core.model.policy import CalendarPolicy, SignalWeight, StressPolicy
from keeper.core.model.record import StageRecord
from keeper.core.model.view import NO_MEMORY, Quality
from keeper.core.quant.fusion import Term, stress_score
from keeper.core.signals import names
from keeper.core.signals.instrument import Moment, reading_of
from keeper.core.signals.risk import scheduled_z
from keeper.core.signals.scheduled import Scheduled
from keeper.core.strategy import advance, decide
from keeper.core.strategy.targets import extent
from keeper.core.strategy.valuation import positions_quote, protected_price
from tests.builders import NOW_S, block_ref, gas, policy, position, readings, view, wallet
from tests.calendars import DAY_S, HOUR_S, calendar, event

WEIGHTS = {names.VOLATILITY_FORECAST: 0.5, names.CALENDAR: 0.35, names.IMPLIED_OVER_REALISED: 0.15}
SHIPPED = StressPolicy(
    weights=tuple(SignalWeight(name=name, weight=weight) for name, weight in WEIGHTS.items()),
    width_gain=0.25,
    insurance_gain=0.1,
    protect_from=0.3,
)
RELEASE_S = NOW_S + 2 * DAY_S
OPENS_S, CLOSES_S = RELEASE_S - HOUR_S, RELEASE_S + 5 * HOUR_S
LEAD_S = OPENS_S - 6 * HOUR_S
CPI = calendar(event(RELEASE_S), event(RELEASE_S + 60 * DAY_S))
GOLDEN_ROOT = 1.1180339887
"""Of the multiplier of six hours at four times the variance in three days."""


def attentive(known=CPI, **stress):
    """The shipped weights and a calendar; widths follow the event alone unless ``stress`` says otherwise."""
    rules = replace(SHIPPED, **{"width_gain": 0.0, "insurance_gain": 0.3, **stress})
    return policy(stress=rules, calendar=CalendarPolicy(calendar=known, lead_s=6 * HOUR_S))


def scheduled(rules, now_s):
    measure = Scheduled(rules).measures(Moment(now_s=now_s), {})[names.CALENDAR]
    return reading_of(names.CALENDAR, measure, block_ref(timestamp_s=now_s))


def told(rules, now_s, *, forecast=0.6):
    """Readings of a market that is as usual in all but what the calendar says of it."""
    coming = scheduled(rules, now_s)
    z = {names.CALENDAR: None if coming.quality is not Quality.GOOD else scheduled_z(coming.value)}
    score = stress_score(Term(weight=weight, z=z.get(name, 0.0)) for name, weight in WEIGHTS.items())
    return (*(one for one in readings(forecast, score=score.value) if one.name != names.CALENDAR), coming)


class Story:
    """A ladder from cycle to cycle: what is decided is done at once, at the price of TICK, without loss."""

    def __init__(self, rules, *, base_fee_wei=10**8):
        self.rules, self.fee, self.memory = rules, gas(base_fee_wei=base_fee_wei), NO_MEMORY
        self.free = 120_000.0
        self.bands, self.values = {}, {}

    def seen(self, now_s):
        """The view at that moment."""
        return view(
            held=self._ladder(),
            wallet=wallet(int(self.free * 10**6), native_wei=5 * 10**17),
            remembered=self.memory,
            block=block_ref(timestamp_s=now_s),
            gas=self.fee,
        )

    def cycle(self, now_s, **market):
        """Decide, do it and remember."""
        seen = self.seen(now_s)
        known = told(self.rules, now_s, **market)
        made = decide(seen, known, self.rules)
        placed = [move.target for move in made.moves if isinstance(move, OpenLayer | ShiftLayer)]
        for target in placed:
            self._place(target)
        minted = tuple(Minted(token_id=1, layer=target.kind) for target in placed)
        outcome = Done(tx_hashes=("0x1",), deltas=(), minted=minted, gas_units=1, gas_wei=1, block=1)
        stages = (StageRecord(kind=StageKind.PLACE, outcome=outcome),) if placed else ()
        self.memory = advance(seen, known, made, stages, self.rules)
        return made

    def half_widths(self):
        return [extent(band.range for band in self.bands[kind]).half_width for kind in LayerKind]

    def _place(self, target):
        self.free += self.values.pop(target.kind, 0.0)
        value = min(target.weight * (self.free + sum(self.values.values())), self.free)
        self.free -= value
        self.values[target.kind], self.bands[target.kind] = value, target.bands

    def _ladder(self):
        return Ladder(
            layers=tuple(
                Layer(kind=kind, positions=tuple(self._position(kind, n, band) for n, band in enumerate(self.bands[kind])))
                for kind in LayerKind
                if kind in self.bands
            )
        )

    def _position(self, kind, number, band):
        def holding(liquidity):
            token_id = 10 * list(LayerKind).index(kind) + number
            return position(token_id, band.range.lower, band.range.upper, liquidity=liquidity, fees0=0, fees1=0)

        unit = positions_quote(self.rules, protected_price(view(), self.rules), (holding(10**15),)) / 10**15
        return holding(int(self.values[kind] * band.share / unit))


def triggers(made):
    return {(reason.trigger, reason.layer) for reason in made.reasons}


def shifted(made):
    return [move.target.kind for move in made.moves if isinstance(move, ShiftLayer)]


def vetoes(made):
    return {(veto.gate, veto.layer) for veto in made.vetoes}


def opened(rules, at_s=NOW_S, **market):
    """A story whose ladder was opened at a quiet time."""
    story = Story(rules, **market)
    assert len(story.cycle(at_s).moves) == 3
    return story

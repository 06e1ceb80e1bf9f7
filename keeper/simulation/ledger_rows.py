"""What a run leaves of every cycle, in columns: for the report, the benchmarks and the statistics."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import NamedTuple

from keeper.adapters.options.paper import NOTHING_HELD
from keeper.core.ledger.attribution import MARK_BITS
from keeper.core.model.ladder import LayerKind, Regime
from keeper.core.model.record import CycleRecord
from keeper.core.model.view import find_reading
from keeper.core.signals import names
from keeper.core.signals.prices import price_at_sqrt
from keeper.core.strategy.hedge.needs import reference_volatility
from keeper.simulation.watch import Watch


class Span(NamedTuple):
    """A range that was held from one cycle on until another."""

    layer: LayerKind
    token_id: int
    tick_lower: int
    tick_upper: int
    from_s: int
    to_s: int
    """Of the last cycle that saw it."""


_REGIMES = {regime: place for place, regime in enumerate(Regime)}
_BITS = {kind: 1 << place for place, kind in enumerate(LayerKind)}


def _floats() -> array[float]:
    return array("d")


@dataclass(slots=True)
class LedgerRows:
    """One entry a cycle in every column; money in quote tokens."""

    time_s: array[int] = field(default_factory=lambda: array("q"))
    price: array[float] = field(default_factory=_floats)
    value: array[float] = field(default_factory=_floats)
    hold: array[float] = field(default_factory=_floats)
    """The opening amounts at this price."""
    base: array[float] = field(default_factory=_floats)
    """Base tokens held in all: what the price moves."""
    fees: array[float] = field(default_factory=_floats)
    lvr: array[float] = field(default_factory=_floats)
    swaps: array[float] = field(default_factory=_floats)
    gas: array[float] = field(default_factory=_floats)
    premiums: array[float] = field(default_factory=_floats)
    """Paid for options so far, never above zero."""
    payoffs: array[float] = field(default_factory=_floats)
    """Received from options so far."""
    options_model: array[float] = field(default_factory=_floats)
    """What held options are worth by the model at the reference volatility, without markup; in no part and in no value."""
    options_intrinsic: array[float] = field(default_factory=_floats)
    """What they would pay at this price, beside the parts likewise."""
    options_held: array[int] = field(default_factory=lambda: array("q"))
    """How many there are."""
    volatility: float | None = None
    """Reference of the last cycle in which options could be bought, per year."""
    forecast: array[float] = field(default_factory=_floats)
    """Volatility per year; NaN where there is none."""
    score: array[float] = field(default_factory=_floats)
    regime: array[int] = field(default_factory=lambda: array("b"))
    in_range: array[int] = field(default_factory=lambda: array("b"))
    """Bit of each layer that is in range: 1 core, 2 secondary, 4 insurance."""
    spans: dict[int, Span] = field(default_factory=dict)
    """By token."""

    def add(self, record: CycleRecord, watch: Watch, unit: int) -> None:
        """One more cycle.

        Args:
            record: as it went.
            watch: after it.
            unit: 10 to the quote's decimals.
        """
        view, scale = record.view, float(unit << MARK_BITS)
        now_s, parts = view.now_s, watch.parts
        self.time_s.append(now_s)
        self.price.append(price_at_sqrt(record.policy, view.pool(record.policy.signal_pool).state.sqrt_price_x96))
        self.value.append(watch.value / scale)
        self.hold.append(watch.opened.value(watch.mark) / scale)
        self.base.append(watch.base_held)
        self.fees.append(parts.fees / scale)
        self.lvr.append(parts.lvr / scale)
        self.swaps.append(parts.swaps / scale)
        self.gas.append(parts.gas / scale)
        self.premiums.append(parts.premiums / scale)
        self.payoffs.append(parts.payoffs / scale)
        self._add_options(record, watch)
        forecast, score = record.decision.volatility, find_reading(record.readings, names.STRESS_SCORE).value
        self.forecast.append(float("nan") if forecast is None else forecast)
        self.score.append(float("nan") if score is None else score)
        self.regime.append(_REGIMES[record.decision.regime])
        bits = 0
        for layer in view.ladder.layers:
            for position in layer.positions:
                if not position.liquidity:
                    continue
                place, token_id = position.range, position.token_id
                if place.contains(view.pool(position.pool).state.tick):
                    bits |= _BITS[layer.kind]
                known = self.spans.get(token_id)
                begin_s = now_s if known is None else known.from_s
                self.spans[token_id] = Span(layer.kind, token_id, place.lower, place.upper, begin_s, now_s)
        self.in_range.append(bits)

    def _add_options(self, record: CycleRecord, watch: Watch) -> None:
        venue, found = watch.options, NOTHING_HELD
        if venue is not None:
            self.volatility = reference_volatility(record.readings)
            found = venue.worth(price=self.price[-1], now_s=record.view.now_s, volatility=self.volatility)
        self.options_model.append(found.model)
        self.options_intrinsic.append(found.intrinsic)
        self.options_held.append(found.number)

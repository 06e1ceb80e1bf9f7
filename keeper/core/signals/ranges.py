"""How much of the time each layer has been at work."""

from __future__ import annotations

from collections.abc import Callable

from keeper.core.model.ladder import LayerKind
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView, Quality, SignalReading
from keeper.core.signals import names
from keeper.core.signals.instrument import Measure, reading_of


def share_of(kind: LayerKind) -> Callable[[MarketView, Policy], SignalReading]:
    """The signal that tells in what part of the watched time a layer was in range.

    For insurance that is the time in which the price stood in one of its wings: little, by design. Missing until watched.
    """
    name = names.in_range_share(kind)

    def signal(view: MarketView, _policy: Policy) -> SignalReading:
        memory = view.memory.layer(kind)
        value = memory.in_range_s / memory.watched_s if memory is not None and memory.watched_s > 0 else None
        as_of_s = view.now_s if view.memory.last_cycle_s is None else view.memory.last_cycle_s
        quality = Quality.MISSING if value is None else Quality.GOOD
        return reading_of(name, Measure(value, "fraction of time", as_of_s, "memory", quality), view.block)

    return signal

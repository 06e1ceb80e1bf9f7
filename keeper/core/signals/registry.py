"""Every reading of a cycle. A new indicator is an instrument in a file of its family, a name, and a line in the state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from keeper.core.model.bar import MarketHistory
from keeper.core.model.ladder import LayerKind
from keeper.core.model.policy import Policy
from keeper.core.model.view import MarketView, Readings, SignalReading
from keeper.core.signals import names
from keeper.core.signals.prices import price, spot, twap_deviation_ticks
from keeper.core.signals.ranges import share_of
from keeper.core.signals.state import SignalState

Signal = Callable[[MarketView, Policy], SignalReading]
"""Measures one number of the view alone; pure; says how good it is rather than raising."""

SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {
        names.TWAP_DEVIATION_TICKS: twap_deviation_ticks,
        **{names.in_range_share(kind): share_of(kind) for kind in LayerKind},
        names.PRICE: price,
        names.SPOT: spot,
    }
)


def read(view: MarketView, history: MarketHistory, policy: Policy) -> Readings:
    """Every reading, from the history that the view names.

    Args:
        view: of this cycle.
        history: within the windows of the view's day, nothing of it younger than the view.
        policy: the rules.

    Raises:
        ValueError: the history is of another pool, out of order, or holds what came after the view's block.
    """
    state = SignalState(policy, view.now_s)
    state.feed(history)
    return read_state(view, state)


def read_state(view: MarketView, state: SignalState) -> Readings:
    """Every reading, from a state that has taken in the history that the view names.

    Raises:
        ValueError: the state holds what came after the view's block, or is of another day.
    """
    if not state.covers(view.now_s) or state.known_until_s > view.now_s:
        raise ValueError(f"history reaches {state.known_until_s} s, the view is of {view.now_s} s")
    policy = state.policy
    sheet = state.sheet(view.block, view.pool(policy.signal_pool).state)

    def made(name: str) -> SignalReading:
        signal = SIGNALS.get(name)
        return sheet.reading(name) if signal is None else signal(view, policy)

    return Readings((*sheet.names, *SIGNALS), made)

"""Every signal by its name. A new indicator is a function in a file of its family and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from keeper.core.model.ladder import LayerKind
from keeper.core.model.policy import Policy
from keeper.core.model.pool import PriceHistory
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.signals import names
from keeper.core.signals.fees import volatility_pool_implied
from keeper.core.signals.prices import price, spot, twap_deviation_ticks
from keeper.core.signals.ranges import share_of
from keeper.core.signals.volatility import volatility_ewma, volatility_forecast, volatility_gk, volatility_tsrv

Signal = Callable[[MarketView, PriceHistory, Policy], SignalReading]
"""Measures one number; pure; says how good it is rather than raising."""
Fusion = Callable[[tuple[SignalReading, ...], MarketView, Policy], SignalReading]
"""Makes one number of what was measured before it."""

SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {
        names.VOLATILITY_EWMA: volatility_ewma,
        names.VOLATILITY_GK: volatility_gk,
        names.VOLATILITY_TSRV: volatility_tsrv,
        names.VOLATILITY_POOL_IMPLIED: volatility_pool_implied,
        names.TWAP_DEVIATION_TICKS: twap_deviation_ticks,
        **{names.in_range_share(kind): share_of(kind) for kind in LayerKind},
        names.PRICE: price,
        names.SPOT: spot,
    }
)
FUSIONS: Mapping[str, Fusion] = MappingProxyType({names.VOLATILITY_FORECAST: volatility_forecast})


def read(
    view: MarketView,
    history: PriceHistory,
    policy: Policy,
    *,
    signals: Mapping[str, Signal] = SIGNALS,
    fusions: Mapping[str, Fusion] = FUSIONS,
) -> tuple[SignalReading, ...]:
    """Every signal of the registry, then every fusion, in the order of their registration.

    Args:
        view: of this cycle.
        history: the rows of the signal pool that the view names, none younger than the view's block.
        policy: the rules.
        signals: what to measure.
        fusions: what to make of it; each sees the readings before it.

    Raises:
        ValueError: the history is of another pool, or holds rows from after the view's block.
    """
    if history.pool != policy.signal_pool:
        raise ValueError(f"history is of pool {history.pool}, signals are read from {policy.signal_pool}")
    if history.rows and history.rows[-1].block > view.block.number:
        raise ValueError(f"history reaches block {history.rows[-1].block}, after the view's {view.block.number}")
    readings = tuple(signal(view, history, policy) for signal in signals.values())
    for fusion in fusions.values():
        readings = (*readings, fusion(readings, view, policy))
    return readings

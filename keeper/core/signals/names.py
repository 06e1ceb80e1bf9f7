"""Names of the readings that the strategy asks for."""

from __future__ import annotations

from keeper.core.model.ladder import LayerKind

VOLATILITY_EWMA = "volatility_ewma"
VOLATILITY_GK = "volatility_gk"
VOLATILITY_TSRV = "volatility_tsrv"
VOLATILITY_FORECAST = "volatility_forecast"
VOLATILITY_POOL_IMPLIED = "volatility_pool_implied"
TWAP_DEVIATION_TICKS = "twap_deviation_ticks"
PRICE = "price"
SPOT = "spot"


def in_range_share(kind: LayerKind) -> str:
    """Name of the in-range share of that layer."""
    return f"in_range_share_{kind.value}"

"""A bar as a person reads it: the price of the base token in tokens of the quote, whichever of them is token0."""

from __future__ import annotations

import math
from typing import NamedTuple

from keeper.core.model.bar import PriceBar
from keeper.core.model.policy import Policy
from keeper.core.quant.volatility import Bar


class Candle(NamedTuple):
    """Prices as natural logarithms of quote per base, volumes in whole tokens."""

    start_s: int
    end_s: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    """Base tokens traded, both ways."""
    volume_quote: float
    """Quote tokens traded, both ways."""
    bought: float | None
    """Base tokens that takers bought less those that they sold; None where the record has no direction."""
    jit_share: float | None
    """Part of the volume that was served by liquidity of the same block, in [0, 1]; None where it was not recorded."""
    swaps: int

    @property
    def bar(self) -> Bar:
        """The prices alone."""
        return Bar(open=self.open, high=self.high, low=self.low, close=self.close)


class Lens:
    """Makes candles of a pool's bars.

    Args:
        policy: names the signal pool, base and quote.
    """

    def __init__(self, policy: Policy) -> None:
        key = policy.pool(policy.signal_pool)
        self._base_is_0 = key.token0.address == policy.base.address
        self._shift = (key.token0.decimals - key.token1.decimals) * math.log(10) - 2 * math.log(2**96)
        self._unit0 = 10.0**-key.token0.decimals
        self._unit1 = 10.0**-key.token1.decimals

    def log_price(self, sqrt_price_x96: int) -> float:
        """Natural logarithm of quote per base."""
        log_human = 2 * math.log(sqrt_price_x96) + self._shift
        return log_human if self._base_is_0 else -log_human

    def candle(self, bar: PriceBar) -> Candle:
        """The bar, oriented: where base is token1, the highest square-root price is the lowest price."""
        close = self.log_price(bar.close_x96)
        if bar.high_x96 == bar.low_x96:
            opened = high = low = close
        else:
            opened = self.log_price(bar.open_x96)
            low, high = self.log_price(bar.low_x96), self.log_price(bar.high_x96)
            if not self._base_is_0:
                low, high = high, low
        volume, volume_quote = bar.volume0 * self._unit0, bar.volume1 * self._unit1
        net, unit = bar.net0, self._unit0
        if not self._base_is_0:
            volume, volume_quote, net, unit = volume_quote, volume, bar.net1, self._unit1
        return Candle(
            bar.start_s,
            bar.end_s,
            opened,
            high,
            low,
            close,
            volume,
            volume_quote,
            None if net is None else -net * unit,
            None if bar.jit0 is None else (bar.jit0 / bar.volume0 if bar.volume0 else 0.0),
            bar.swaps,
        )

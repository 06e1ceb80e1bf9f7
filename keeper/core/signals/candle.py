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


class Minute(NamedTuple):
    """What signals look at in a minute; names and units as in :class:`Candle`."""

    start_s: int
    end_s: int
    open: float
    close: float
    volume: float
    bought: float | None
    jit_share: float | None
    swaps: int


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
        self._closed = 0, 0.0
        """Newest closing price that was seen, as the pool has it and as a logarithm."""

    def log_price(self, sqrt_price_x96: int) -> float:
        """Natural logarithm of quote per base."""
        log_human = 2 * math.log(sqrt_price_x96) + self._shift
        return log_human if self._base_is_0 else -log_human

    def candle(self, bar: PriceBar) -> Candle:
        """The bar, oriented: where base is token1, the highest square-root price is the lowest price."""
        minute = self.minute(bar)
        low, high = self.log_price(bar.low_x96), self.log_price(bar.high_x96)
        if not self._base_is_0:
            low, high = high, low
        return Candle(
            start_s=minute.start_s,
            end_s=minute.end_s,
            open=minute.open,
            high=high,
            low=low,
            close=minute.close,
            volume=minute.volume,
            volume_quote=bar.volume1 * self._unit1 if self._base_is_0 else bar.volume0 * self._unit0,
            bought=minute.bought,
            jit_share=minute.jit_share,
            swaps=minute.swaps,
        )

    def minute(self, bar: PriceBar) -> Minute:
        """What is looked at in a minute: most opens where the one before it closed, and nobody asks for its high and low."""
        start_s, open_x96, close_x96 = bar.start_s, bar.open_x96, bar.close_x96
        known_x96, known = self._closed
        opened = known if open_x96 == known_x96 else self.log_price(open_x96)
        close = opened if close_x96 == open_x96 else self.log_price(close_x96)
        self._closed = close_x96, close
        if self._base_is_0:
            volume, net, unit = bar.volume0, bar.net0, self._unit0
        else:
            volume, net, unit = bar.volume1, bar.net1, self._unit1
        jit0 = bar.jit0
        return Minute(
            start_s,
            start_s + bar.width_s,
            opened,
            close,
            volume * unit,
            None if net is None else -net * unit,
            None if jit0 is None else (jit0 / bar.volume0 if bar.volume0 else 0.0),
            bar.swaps,
        )

"""What is known beside the prices: samples, quotes, and a history that holds some of everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keeper.core.model.bar import HOUR_S, Liquidations, MarketHistory, PoolSample, Quote, Reserve, Sample
from tests.histories import history
from tests.pairs import BLOCK, NOW_S, USDC, USDC_WETH_3000, WETH


def sample(at_s: int = NOW_S, **fields: Any) -> Sample:
    """A pool that earns, one of the universe, two reserves and a liquidation; numbers as wide as they get."""
    whole = Sample(
        timestamp_s=at_s,
        block=BLOCK + (at_s - NOW_S) // 12,
        fee_growth_global0_x128=2**256 - 1 - (NOW_S - at_s) * 2**100,
        fee_growth_global1_x128=2**200 + (at_s - NOW_S) * 2**150,
        balance0=80_000_000 * 10**6,
        balance1=20_000 * 10**18,
        pools=(
            PoolSample(
                address=USDC_WETH_3000.address,
                sqrt_price_x96=2**160 - 1,
                liquidity=2**127,
                fee_growth_global0_x128=2**255,
                fee_growth_global1_x128=0,
            ),
        ),
        reserves=(
            Reserve(asset=USDC.address, available=900 * 10**12, debt=3 * 10**15, kink_ray=92 * 10**25),
            Reserve(asset=WETH.address, available=2**128, debt=0, kink_ray=None),
        ),
        liquidations=Liquidations(since_block=BLOCK - 300, count=1, debt_covered=((USDC.address, 2**90),)),
    )
    return replace(whole, **fields)


def quote(seen_s: int = NOW_S, value: float | None = 4_000.1, *, name: str = "chainlink_eth_usd", **fields: Any) -> Quote:
    """A price of 24 s before it was seen; without a value, why it is not to be believed."""
    whole = Quote(
        name=name,
        value=value,
        as_of_s=seen_s - 24,
        source="0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419",
        fault="the round is a day old" if value is None else None,
        seen_s=seen_s,
    )
    return replace(whole, **fields)


def surrounded(hours: float = 1.0, **walk: Any) -> MarketHistory:
    """The bars of :func:`history` with a sample each hour and three quotes, one without a value, up to now."""
    moments = range(NOW_S - int(hours) * HOUR_S, NOW_S + 1, HOUR_S)
    return replace(
        history(hours, **walk),
        samples=tuple(map(sample, moments)),
        quotes=(quote(NOW_S - 600), quote(NOW_S - 300, None), quote(NOW_S - 300, 0.1 + 0.2, name="deribit_dvol")),
    )

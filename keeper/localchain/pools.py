"""The twin's pools of ether against a dollar: their prices in dollars, and a made-up crowd of liquidity providers."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass

from keeper.core.v3math.exact_pool import ExactPool
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.core.v3math.units import MAX_TICK, Q96
from keeper.localchain import arbitrum, mainnet
from keeper.localchain.transplant import transplant
from keeper.localchain.twin import Twin

_RAW_USD_PER_RAW_ETH = 1e-12
"""A dollar of 6 decimals per ether of 18, raw units, at a price of one dollar."""
_CROWD = ((150, 0.25), (500, 0.30), (1000, 0.30), (2000, 0.40), (3000, 0.35), (5000, 0.15), (8000, 0.06), (MAX_TICK, 0.02))
"""Half-width in ticks, and the liquidity in units of 1e18 that the crowd holds over it: rounded from the size and shape of
mainnet's 0.05 % pool in 2025."""
_CROWD_UNIT = 10**18
_HOLDERS = 6
"""Positions that share one half-width, each with edges of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EthPool:
    """A pool of the twin."""

    address: str
    fee_pips: int
    tick_spacing: int
    eth_is_token0: bool

    def raw_price(self, usd: float) -> float:
        """Raw token1 per raw token0 when an ether costs ``usd`` dollars."""
        price = usd * _RAW_USD_PER_RAW_ETH
        return price if self.eth_is_token0 else 1 / price

    def sqrt_price_x96(self, usd: float) -> int:
        """The pool's price when an ether costs ``usd`` dollars; rounded **down** from a double."""
        return int(math.sqrt(self.raw_price(usd)) * Q96)

    def usd(self, sqrt_price_x96: int) -> float:
        """Dollars per ether at a price of the pool."""
        raw = (sqrt_price_x96 / Q96) ** 2
        return (raw if self.eth_is_token0 else 1 / raw) / _RAW_USD_PER_RAW_ETH

    def tick(self, usd: float) -> int:
        """The tick nearest below the price, as a double tells it: for choosing ranges."""
        return math.floor(math.log(self.raw_price(usd)) / math.log(1.0001))

    def usd_of(self, amount0: float, amount1: float, usd: float) -> float:
        """Dollar value of raw amounts when an ether costs ``usd`` dollars."""
        eth, dollars = (amount0, amount1) if self.eth_is_token0 else (amount1, amount0)
        return eth * 1e-18 * usd + dollars * 1e-6

    def on_spacing(self, tick: float) -> int:
        """The usable tick nearest to ``tick``."""
        limit = MAX_TICK // self.tick_spacing
        return max(-limit, min(limit, round(tick / self.tick_spacing))) * self.tick_spacing


USDC_WETH_500 = EthPool(address=mainnet.USDC_WETH_500, fee_pips=500, tick_spacing=10, eth_is_token0=False)
USDC_WETH_3000 = EthPool(address=mainnet.USDC_WETH_3000, fee_pips=3000, tick_spacing=60, eth_is_token0=False)
WETH_USDT_500 = EthPool(address=mainnet.WETH_USDT_500, fee_pips=500, tick_spacing=10, eth_is_token0=True)
ARBITRUM_WETH_USDC_E_500 = EthPool(address=arbitrum.WETH_USDC_E_500, fee_pips=500, tick_spacing=10, eth_is_token0=True)
ETH_POOLS = (USDC_WETH_500, USDC_WETH_3000, WETH_USDT_500)


def crowded(pool: EthPool, usd: float, owner: str, rng: random.Random) -> PoolSnapshot:
    """A pool at a price with the crowd's positions in it: about 1.8e18 of liquidity in range, thinning outwards.

    Args:
        pool: which.
        usd: dollars per ether.
        owner: who holds the positions.
        rng: the positions' edges vary by it.
    """
    made = ExactPool(fee_pips=pool.fee_pips, tick_spacing=pool.tick_spacing)
    made.initialize(pool.sqrt_price_x96(usd))
    for half_width, weight in _CROWD:
        for _ in range(_HOLDERS):
            share = round(weight * rng.uniform(0.6, 1.4) * _CROWD_UNIT / _HOLDERS)
            lower, upper = (made.tick + side * half_width * rng.uniform(0.7, 1.3) for side in (-1, 1))
            ends = pool.on_spacing(lower), max(pool.on_spacing(upper), pool.on_spacing(lower) + pool.tick_spacing)
            made.mint(owner, *ends, share)
    return made.snapshot()


def open_pools(
    twin: Twin, pools: Iterable[EthPool], usd: float, *, owner: str, timestamp_s: int | None = None, seed: int = 0
) -> dict[str, PoolSnapshot]:
    """Give pools of the twin a price, a crowd, and an hour of flat price history.

    Args:
        twin: where.
        pools: created and without a price.
        usd: dollars per ether.
        owner: who holds the crowd's positions.
        timestamp_s: time to bring the chain to, Unix seconds; two minutes after the latest block when not given.
        seed: of the crowd.

    Returns:
        Address -> the state that the pool is in now.
    """
    rng = random.Random(seed)  # ruff: ignore[suspicious-non-cryptographic-random-usage] - a repeatable market
    snapshots = {pool.address: crowded(pool, usd, owner, rng) for pool in pools}
    transplant(twin, snapshots, timestamp_s or twin.chain.timestamp_s() + 120)
    return snapshots

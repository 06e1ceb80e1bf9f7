"""A market of our own for those without a recorded one: a price elsewhere, an arbitrageur, traders, and other providers.

Everything that chance decides is drawn from one seed and from nothing that happens on the chain, so two runs meet the same
price, the same traders and the same providers, whatever the keeper does in between.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from keeper.core.v3math.swap_kind import SwapRequest
from keeper.core.v3math.units import MAX_SQRT_RATIO, MIN_SQRT_RATIO
from keeper.localchain.arbitrage import closing_swap
from keeper.localchain.chain import BLOCK_TIME_S, LocalTx
from keeper.localchain.market import BlockReport, MarketDesk
from keeper.localchain.pools import USDC_WETH_500, USDC_WETH_3000, EthPool, open_pools
from keeper.localchain.tape import Range
from keeper.localchain.transplant import PoolReading
from keeper.simulation.weather import SLOTS_PER_DAY, Scenario, base_fees_wei, external_prices, weather_of

DAY_BEGIN_S = 1_759_276_800
"""2025-10-01 00:00:00 UTC, Unix seconds: when a made-up day begins unless another time is asked for."""

_TRADES_A_DAY = 3100
_TRADE_USD_MEDIAN, _TRADE_USD_SPREAD, _TRADE_USD_MOST = 800.0, 2.35, 400_000.0
"""Median, standard deviation of the logarithm, and cap of a trade: many small ones, few that carry the volume."""
_EXACT_OUT_SHARE = 0.18
_PROVIDERS_A_DAY = 120
"""Mints and burns together."""
_SIZE_SPREAD, _WIDTH_SPREAD = 1.0, 1.1
_PROVIDER_UNIT = 4e16
_PROVIDER_HALF_WIDTH = 350.0
_HOURS = (
    0.8,
    0.7,
    0.6,
    0.6,
    0.7,
    0.7,
    0.7,
    0.8,
    1.4,
    1.3,
    1.0,
    1.3,
    1.6,
    1.6,
    1.7,
    1.3,
    1.2,
    1.0,
    0.9,
    1.0,
    1.0,
    0.9,
    0.8,
    0.8,
)
"""How busy each hour of the day is, UTC, against the average: Europe wakes at 8, New York at 13."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketPlan:
    """What kind of market."""

    scenario: Scenario = Scenario.CALM
    seed: int = 1
    days: float = 1.0
    points: tuple[tuple[float, float], ...] | None = None
    """A price path of one's own: hours from the start, and dollars per ether."""
    noise: bool = True
    """Whether the price elsewhere wanders around its path; otherwise it is the path itself."""
    activity: float = 1.0
    """Traders, and providers who come and go, times the usual; the arbitrageur does what there is to do."""
    block_slots: int = 1
    """Slots whose trades one block takes in: with more the market is coarser, and quicker. Whoever waits waits for one slot."""
    base_fees: float = 1.0
    """Base fees, times the weather's: a rollup's are a small part of mainnet's."""
    pools: tuple[EthPool, ...] = (USDC_WETH_500, USDC_WETH_3000)
    """The first is the main one, where all but the arbitrageur trade; no price yet."""
    begin_s: int = DAY_BEGIN_S
    """Unix seconds of the first slot, after the chain's latest block."""


def _poisson(rng: random.Random, mean: float) -> int:
    """Ref: Knuth, The Art of Computer Programming, vol. 2, 3.4.1."""
    floor, product, count = math.exp(-mean), rng.random(), 0
    while product > floor:
        product *= rng.random()
        count += 1
    return count


class SyntheticMarket:
    """A seeded market; see :class:`~keeper.localchain.market.Market`. The pools are opened when this is made.

    Args:
        desk: of the twin, with the plan's first pool as its main one.
        plan: what kind of market.

    Raises:
        ValueError: the plan's price points are unusable, or the desk reports another pool.
    """

    def __init__(self, desk: MarketDesk, plan: MarketPlan) -> None:
        if plan.pools[0].address != desk.pool:
            raise ValueError(f"the desk reports {desk.pool}, the market is about {plan.pools[0].address}")
        weather = weather_of(plan.scenario, plan.points)
        if not plan.noise:
            weather = replace(weather, volatility=0.0, jumps_a_day=0.0)
        # Streams of their own, so that more of one thing does not change another.
        price_rng, fee_rng, self._traders, self._providers = (
            random.Random(f"{plan.seed}/{part}")  # ruff: ignore[suspicious-non-cryptographic-random-usage] - a repeatable market
            for part in ("price", "fee", "traders", "providers")
        )
        self.prices = external_prices(weather, plan.days, price_rng)
        self._base_fees_wei = [max(1, int(fee * plan.base_fees)) for fee in base_fees_wei(weather, plan.days, fee_rng)]
        self._desk, self._plan = desk, plan
        self._slot = 0
        self._waiting: list[LocalTx] = []
        snapshots = open_pools(
            desk.twin, plan.pools, self.prices[0], owner=desk.contract, timestamp_s=plan.begin_s, seed=plan.seed
        )
        self._readings = [
            PoolReading(sqrt_price_x96=state.sqrt_price_x96, tick=state.tick, liquidity=state.liquidity)
            for state in snapshots.values()
        ]
        crowd = snapshots[desk.pool].positions
        self._book = [(Range(key.tick_lower, key.tick_upper), position.liquidity) for key, position in crowd.items()]

    def step(self, *, waited_for: bool = False) -> BlockReport | None:
        """Mine the next block in which anybody wants anything, or the next of all; None when the days are over."""
        while self._slot < len(self.prices) - 1:
            self._slot += 1
            self._waiting += self._people()
            if self._slot % self._plan.block_slots and not waited_for:
                continue
            txs = [*self._arbitrage(), *self._waiting]
            if txs or waited_for:
                self._waiting = []
                return self._mine(txs)
        return None

    def _mine(self, txs: Sequence[LocalTx]) -> BlockReport:
        report, others = self._desk.mine(
            txs,
            timestamp_s=self._plan.begin_s + self._slot * BLOCK_TIME_S,
            base_fee_wei=self._base_fees_wei[self._slot],
            progress=self._slot / (len(self.prices) - 1),
            pools=[pool.address for pool in self._plan.pools[1:]],
            external_price=self.prices[self._slot],
        )
        self._readings = [report.pool, *others]
        return report

    def _arbitrage(self) -> Iterator[LocalTx]:
        usd, base_fee_wei = self.prices[self._slot], self._base_fees_wei[self._slot]
        for pool, reading in zip(self._plan.pools, self._readings, strict=True):
            if request := closing_swap(pool, reading, usd, base_fee_wei):
                yield self._desk.swap(pool.address, request)

    def _people(self) -> Iterator[LocalTx]:
        usd = self.prices[self._slot]
        busy = self._plan.activity * _HOURS[self._slot * BLOCK_TIME_S // 3600 % 24]
        for _ in range(_poisson(self._traders, busy * _TRADES_A_DAY / SLOTS_PER_DAY)):
            yield self._desk.swap(self._desk.pool, self._trade(usd))
        for _ in range(_poisson(self._providers, busy * _PROVIDERS_A_DAY / SLOTS_PER_DAY)):
            yield self._provision(usd)

    def _trade(self, usd: float) -> SwapRequest:
        rng, pool = self._traders, self._plan.pools[0]
        size = min(_TRADE_USD_MOST, rng.lognormvariate(math.log(_TRADE_USD_MEDIAN), _TRADE_USD_SPREAD))
        buys_eth, exact_out = rng.random() < 0.5, rng.random() < _EXACT_OUT_SHARE
        in_eth = buys_eth == exact_out
        amount = max(1, int(size / usd * 1e18) if in_eth else int(size * 1e6))
        zero_for_one = buys_eth != pool.eth_is_token0
        return SwapRequest(
            zero_for_one=zero_for_one,
            amount_specified=-amount if exact_out else amount,
            sqrt_price_limit_x96=MIN_SQRT_RATIO + 1 if zero_for_one else MAX_SQRT_RATIO - 1,
        )

    def _provision(self, usd: float) -> LocalTx:
        """Somebody leaves or somebody comes; who stands away from the price is the likelier to leave."""
        rng, pool = self._providers, self._plan.pools[0]
        tick = pool.tick(usd)
        if rng.random() < 0.5 and self._book:
            choice = max(
                (rng.randrange(len(self._book)) for _ in range(2)), key=lambda place: _distance(self._book[place][0], tick)
            )
            where, liquidity = self._book.pop(choice)
            return self._desk.liquidity(pool.address, *where, -liquidity)
        half = max(pool.tick_spacing, _PROVIDER_HALF_WIDTH * rng.lognormvariate(0, _WIDTH_SPREAD))
        centre = tick + rng.gauss(0, half / 4)
        lower = pool.on_spacing(centre - half)
        where = Range(lower, max(pool.on_spacing(centre + half), lower + pool.tick_spacing))
        liquidity = int(_PROVIDER_UNIT * rng.lognormvariate(0, _SIZE_SPREAD)) + 1
        self._book.append((where, liquidity))
        return self._desk.liquidity(pool.address, *where, liquidity)


def _distance(where: Range, tick: int) -> int:
    return max(where.tick_lower - tick, tick - where.tick_upper)

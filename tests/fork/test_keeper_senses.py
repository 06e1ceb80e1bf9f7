"""A whole keeper among real neighbours: what is done on the chain is what its readings say, to the last digit that they have.

Aave's and Chainlink's own contracts and pools of the universe stand at mainnet's addresses, as the shipped configuration names
them; Deribit is a local server. The keeper is paused: it looks, thinks and remembers, and nothing it does moves what it reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from keeper.adapters.evm.rpc import Rpc
from keeper.app.bootstrap import Keeper
from keeper.core.model.bar import HOUR_S
from keeper.core.model.policy import UniversePool
from keeper.core.model.record import CycleRecord, CycleState
from keeper.core.model.view import Quality, SignalReading, find_reading
from keeper.core.quant.markets import quick_ratio
from keeper.core.signals import names
from keeper.core.signals.breadth import AVERAGE_S
from keeper.core.signals.candle import Lens
from keeper.core.v3math.swap_kind import SwapRequest
from keeper.core.v3math.units import MAX_INT256, Q96
from keeper.localchain import aave, mainnet
from keeper.localchain.aave import LendingMarket, deploy_lending
from keeper.localchain.artifacts import creation_code, interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.chainlink import ETH_USD, USDC_USD, LocalFeed, put_feed
from keeper.localchain.placing import place
from keeper.localchain.twin import BANKER, Twin
from tests.fakes.deribit_server import DeribitServer
from tests.fork.keeper_scene import HISTORY_QUARTERS, QUARTER_S, Scene, cycle, opened
from tests.pairs import NOW_S

pytestmark = pytest.mark.chain

SAMPLE_S = 120
DOLLAR, ETHER = 10**6, 10**18
LENT_USD, COLLATERAL_ETH = 1_000_000, 100
FOLLOWED = ("WBTC", "LINK", "UNI", "DAI")
"""Tokens whose pools stand on this chain, of all that the configuration follows."""
WIDE = 6_000
"""Ticks on either side of the price over which somebody provides liquidity."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The keeper, its market, and everything around it."""

    scene: Scene
    keeper: Keeper
    ether: LocalFeed
    lending: LendingMarket
    pools: tuple[UniversePool, ...]

    @property
    def twin(self) -> Twin:
        return self.scene.twin

    @property
    def lender(self) -> str:
        return self.twin.accounts[4].address

    @property
    def borrower(self) -> str:
        return self.twin.accounts[5].address

    def cycle(self, after_s: int = SAMPLE_S) -> CycleRecord:
        """A cycle so long after the newest block, in a block of its own."""
        self.twin.chain.mine(timestamp_s=self.twin.chain.timestamp_s() + after_s)
        return self.cycle_now()

    def cycle_now(self) -> CycleRecord:
        """A cycle at the newest block."""
        record = cycle(self.keeper)
        assert record.state in {CycleState.BLOCKED, CycleState.HELD}
        return record

    def move(self, pool: UniversePool, log_return: float) -> None:
        """Swap a pool so that its base token is worth so much more in the other one (one block)."""
        assert self.scene.desk is not None
        (now,) = self.scene.desk.read(pool.key.address)
        up = log_return if pool.key.token0 == pool.base else -log_return
        limit = int(now.sqrt_price_x96 * math.exp(up / 2))
        request = SwapRequest(zero_for_one=up < 0, amount_specified=MAX_INT256, sqrt_price_limit_x96=limit)
        self.twin.chain.mine_all_succeed([self.scene.desk.swap(pool.key.address, request)])
        assert self.scene.desk.read(pool.key.address)[0].sqrt_price_x96 == limit

    def told(self, to: str, name: str, function: str, *arguments: Any, block: int) -> tuple[Any, ...]:
        """What a contract says at a block."""
        asked = interface(name).function(function)
        call = {"to": to, "input": asked.call_data(*arguments)}
        return asked.decode(self.twin.chain.rpc.call("eth_call", call, hex(block)))


@pytest.fixture
def around(twin: Twin, tmp_path: Path) -> Iterator[Surroundings]:
    """At noon of the day that Deribit's answers are of, with half a day of market behind it."""
    set_up_s = 3_600
    twin.chain.mine(timestamp_s=NOW_S - HISTORY_QUARTERS * QUARTER_S - set_up_s)
    scene = opened(twin, tmp_path)
    ether = put_feed(twin, ETH_USD, scene.usd)
    lending = deploy_lending(twin, {mainnet.WETH: ether, mainnet.USDC: put_feed(twin, USDC_USD, 1.0)})
    with DeribitServer() as deribit, scene.keeper(live=False, **switched_on(deribit.url)) as keeper:
        keeper.journal.pause("it only looks")
        pools = tuple(pool for pool in keeper.policy.outside.universe if pool.base.symbol in FOLLOWED)
        for pool in pools:
            found(scene, pool)
        ether.set_answer(scene.usd)
        assert twin.chain.timestamp_s() < NOW_S
        twin.chain.mine(timestamp_s=NOW_S)
        yield Surroundings(scene=scene, keeper=keeper, ether=ether, lending=lending, pools=pools)


def switched_on(url: str) -> dict[str, object]:
    """Every sense, and a sample every other minute."""
    return {
        "deribit__enabled": True,
        "deribit__url": url,
        "outside__implied": "deribit_dvol",
        "outside__sample_every_s": SAMPLE_S,
    }


def found(scene: Scene, pool: UniversePool) -> None:
    """Let a pool of the universe stand where mainnet has it, at a price of one raw unit, with liquidity."""
    twin, desk, key = scene.twin, scene.desk, pool.key
    assert desk is not None
    code = (
        creation_code("Token")
        + encode(("string", "string", "uint8", "string"), (pool.base.symbol, pool.base.symbol, pool.base.decimals, "1")).hex()
    )
    place(twin.chain, pool.base.address, code, owner=BANKER)
    create = interface("UniswapV3Factory").function("createPool")
    mint = interface("Token").function("mint")
    calls = (
        (mainnet.FACTORY, create.call_data(key.token0.address, key.token1.address, key.fee_pips)),
        (pool.base.address, mint.call_data(desk.contract, 10**30)),
    )
    twin.chain.mine_all_succeed([LocalTx(sender=BANKER, to=to, data=data, gas=16_000_000) for to, data in calls])
    twin.initialize(key.address, Q96)
    reach = WIDE // key.tick_spacing * key.tick_spacing
    twin.chain.mine_all_succeed([desk.liquidity(key.address, -reach, reach, 10**18)])


def value(record: CycleRecord, name: str) -> float:
    reading = find_reading(record.readings, name)
    assert reading.value is not None, reading.note
    return reading.value


def reading(record: CycleRecord, name: str) -> SignalReading:
    return find_reading(record.readings, name)


def lend(around: Surroundings) -> None:
    """Somebody lends a million dollars, somebody pledges a hundred ether."""
    around.twin.fund(around.lender, mainnet.USDC, LENT_USD * DOLLAR)
    around.twin.fund(around.borrower, mainnet.WETH, COLLATERAL_ETH * ETHER)
    around.lending.supply(around.lender, mainnet.USDC, LENT_USD * DOLLAR)
    around.lending.supply(around.borrower, mainnet.WETH, COLLATERAL_ETH * ETHER)


def owed(around: Surroundings, block: int) -> int:
    """All that is borrowed in dollars at a block, as the debt's own token says."""
    (row,) = around.told(aave.POOL, "AaveV3Pool", "getReserveData", mainnet.USDC, block=block)
    return int(around.told(row[10], "AaveV3VariableDebtToken", "totalSupply", block=block)[0])


def test_borrowing_and_repaying_are_read_to_the_unit(around: Surroundings) -> None:
    lend(around)
    nobody_owes = around.cycle()
    assert value(nobody_owes, names.QUICK_RATIO) == pytest.approx(10.0)
    left = LENT_USD
    for change in (200_000, 100_000, -250_000):
        act = around.lending.borrow if change > 0 else around.lending.repay
        act(around.borrower, mainnet.USDC, abs(change) * DOLLAR)
        left -= change
        record = around.cycle()
        debt = owed(around, record.view.block.number)
        expected = quick_ratio(available=float(left * DOLLAR), debt=float(debt))
        assert value(record, names.QUICK_RATIO) == expected
        assert value(record, names.of_reserve(names.QUICK_RATIO, "USDC")) == expected
        assert value(record, names.of_reserve(names.QUICK_RATIO, "WETH")) == pytest.approx(10.0)
        used = debt / (debt + left * DOLLAR)
        assert value(record, names.KINK_DISTANCE) == pytest.approx((0.9 - used) / 0.9, rel=1e-12)
        assert value(record, names.QUICK_RATIO_CHANGE) == pytest.approx(expected - 10.0, rel=1e-12)
        assert reading(record, names.QUICK_RATIO).as_of_s == record.view.now_s
    # The market lists no USDT, which the configuration names too.
    assert not any(one.name == names.of_reserve(names.QUICK_RATIO, "USDT") for one in record.readings)


def test_liquidations_of_the_last_hour_are_counted(around: Surroundings) -> None:
    lend(around)
    around.lending.borrow(around.borrower, mainnet.USDC, 300_000 * DOLLAR)
    around.twin.fund(around.lender, mainnet.USDC, 100_000 * DOLLAR)
    around.cycle()
    assert value(around.cycle(), names.LIQUIDATIONS) == pytest.approx(0.0)
    around.ether.set_answer(3_600.0)
    for _ in range(2):
        around.lending.liquidate(
            around.lender, around.borrower, collateral=mainnet.WETH, debt=mainnet.USDC, raw=10_000 * DOLLAR
        )
    assert value(around.cycle(), names.LIQUIDATIONS) == pytest.approx(2.0)
    around.lending.liquidate(around.lender, around.borrower, collateral=mainnet.WETH, debt=mainnet.USDC, raw=10_000 * DOLLAR)
    assert value(around.cycle(), names.LIQUIDATIONS) == pytest.approx(3.0)
    assert value(around.cycle(after_s=HOUR_S), names.LIQUIDATIONS) == pytest.approx(0.0)


def pool_log_price(around: Surroundings, record: CycleRecord) -> float:
    """Logarithm of the pool's price at the end of the newest whole minute."""
    minutes = around.keeper.journal.named_history(record.view).minutes
    return Lens(around.keeper.policy).log_price(minutes[-1].close_x96)


def test_a_mark_that_moves_away_is_told_and_one_that_stands_still_too_long_is_not_believed(around: Surroundings) -> None:
    for answer in (around.scene.usd, around.scene.usd * 1.02, around.scene.usd * 0.97):
        around.ether.set_answer(answer)
        record = around.cycle()
        told = round(answer * 10**8) / 10**8
        assert value(record, names.MARK_DEVIATION) == (pool_log_price(around, record) - math.log(told)) * 10_000
        assert value(record, names.MARK_DEVIATION) == pytest.approx(math.log(around.scene.usd / answer) * 10_000, abs=1e-3)
    around.scene.go_to(around.scene.usd * 1.01)
    pushed = around.cycle()
    assert value(pushed, names.MARK_DEVIATION) - value(record, names.MARK_DEVIATION) == pytest.approx(
        math.log(1.01) * 10_000, abs=1e-3
    )
    heartbeat_s = around.keeper.settings.chain.feeds["chainlink_eth_usd"].heartbeat_s
    frozen = reading(around.cycle(after_s=heartbeat_s), names.MARK_DEVIATION)
    assert (frozen.value, frozen.quality) == (None, Quality.MISSING)
    assert f"{heartbeat_s} s are believed" in frozen.note
    around.ether.set_answer(around.scene.usd)
    assert value(around.cycle(), names.MARK_DEVIATION) == pytest.approx(0.0, abs=1e-3)


def test_pools_that_rise_and_fall_make_the_breadth_and_the_effective_rates(around: Surroundings) -> None:
    begun = around.cycle_now()
    assert reading(begun, names.BREADTH).quality is Quality.MISSING
    steps = dict(zip(FOLLOWED, (0.03, 0.01, 0.002, -0.05), strict=True))
    for pool in around.pools:
        around.move(pool, steps[pool.base.symbol])
    record = around.cycle()
    assert value(record, names.BREADTH) == pytest.approx((3 - 1) / 4)
    # Base and quote stood still and the basket is every followed token and the other of the two, each weighing the same.
    kept = 0.5 ** ((record.view.now_s - begun.view.now_s) / AVERAGE_S)
    against = -sum(steps.values()) / (len(steps) + 1)
    for name in (names.EFFECTIVE_RATE_BASE, names.EFFECTIVE_RATE_QUOTE):
        assert value(record, name) == pytest.approx(against * kept, rel=1e-9)
        assert reading(record, name).quality is Quality.SHORT
    for pool in around.pools:
        around.move(pool, -0.04)
    assert value(around.cycle(), names.BREADTH) == pytest.approx((0 - 4) / 4)
    around.scene.go_to(around.scene.usd * 1.10)
    # Every price is told in dollars: with ether, what is worth 1 to 9 % less ether than at first is worth more.
    assert value(around.cycle(), names.BREADTH) == pytest.approx(1.0)


def test_what_options_say_is_what_deribit_says(around: Surroundings) -> None:
    told = reading(around.cycle_now(), names.VOLATILITY_OUTSIDE)
    assert (told.value, told.quality, told.source) == (0.6258, Quality.GOOD, "deribit")
    # An hour later the same answer is too old to be believed.
    later = reading(around.cycle(after_s=HOUR_S), names.VOLATILITY_OUTSIDE)
    assert (later.value, later.quality) == (None, Quality.MISSING)
    assert "old" in later.note


def swapped(around: Surroundings, begin_s: int, end_s: int) -> int:
    """Raw dollars that changed hands in the pool in that time, both ways, as its own events say."""
    pool, swap = around.keeper.policy.signal_pool, interface("UniswapV3Pool").event("Swap")
    with closing(Rpc(around.twin.rpc_url)) as rpc:
        logs = rpc.call("eth_getLogs", {"address": pool, "topics": [swap.topic0], "fromBlock": "0x0", "toBlock": "latest"})
    of_time = [log for log in logs if begin_s <= int(log["blockTimestamp"], 16) < end_s]
    return sum(abs(swap.decode(log)["amount0"]) for log in of_time)


def test_yield_and_turnover_are_those_of_the_pools_own_events_and_balances(around: Surroundings) -> None:
    pool, seen = around.keeper.policy.signal_pool, []
    for trades in (0, 8):
        for trade in range(trades):
            around.scene.go_to(around.scene.usd * (1.004 if trade % 2 else 0.996), after_s=400)
        record = around.cycle()
        hours = around.keeper.journal.named_history(record.view).hours
        begin_s, end_s = hours[0].start_s, hours[-1].end_s
        volume_day = swapped(around, begin_s, end_s) / DOLLAR * 24 * HOUR_S / (end_s - begin_s)
        price = math.exp(Lens(around.keeper.policy).log_price(hours[-1].close_x96))
        held = (
            around.twin.balance_raw(pool, mainnet.USDC) / DOLLAR + around.twin.balance_raw(pool, mainnet.WETH) / ETHER * price
        )
        assert value(record, names.VOLUME_TO_TVL) == pytest.approx(volume_day / held, rel=1e-12)
        assert value(record, names.FEE_YIELD) == pytest.approx(0.0005 * volume_day * 365 / held, rel=1e-12)
        assert value(record, names.PRICE_TO_CASH_FLOW) == pytest.approx(held / (0.0005 * volume_day * 365), rel=1e-12)
        seen.append(value(record, names.VOLUME_TO_TVL))
    assert seen[1] != seen[0]


def test_a_cycle_with_every_sense_takes_two_requests(around: Surroundings) -> None:
    lend(around)
    around.cycle_now()
    for after_s in (12, SAMPLE_S, 12, SAMPLE_S):
        around.twin.chain.mine(timestamp_s=around.twin.chain.timestamp_s() + after_s)
        before = around.keeper.rpc.requests
        around.cycle_now()
        assert around.keeper.rpc.requests - before == 2
    samples = around.keeper.journal.named_history(around.cycle().view).samples
    assert len(samples) == 4
    assert [pool.address for pool in samples[-1].pools] == [pool.key.address for pool in around.pools]
    assert {reserve.asset for reserve in samples[-1].reserves} == {mainnet.WETH, mainnet.USDC}

"""The market of our own: repeatable, near the price elsewhere, and of the size of a recorded day."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from keeper.core.v3math.swap_kind import RecordedSwap
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.chain import LocalTx
from keeper.localchain.market import BlockReport, MarketDesk
from keeper.localchain.pools import ETH_POOLS, USDC_WETH_500, USDC_WETH_3000, WETH_USDT_500, EthPool
from keeper.localchain.sandbox import up
from keeper.localchain.statistics import RECORDED, day_statistics
from keeper.localchain.synthetic import DAY_BEGIN_S, MarketPlan, SyntheticMarket
from keeper.localchain.twin import Twin
from keeper.simulation.weather import Scenario

pytestmark = pytest.mark.chain

MakeTwin = Callable[[AnvilOptions], Twin]
OPTIONS = AnvilOptions(automine=False, prune_history=64)


def run(twin: Twin, plan: MarketPlan) -> list[BlockReport]:
    market = SyntheticMarket(MarketDesk(twin, plan.pools[0].address), plan)
    reports = []
    while report := market.step():
        assert report.refused == 0, f"block {report.number}"
        reports.append(report)
    return reports


def swaps_of(reports: list[BlockReport]) -> list[tuple[int, RecordedSwap]]:
    return [(report.timestamp_s, swap) for report in reports for swap in report.swaps]


def test_one_seed_is_one_market_and_another_is_another(make_twin: MakeTwin) -> None:
    first, again, other = (run(make_twin(OPTIONS), MarketPlan(seed=seed, days=0.04)) for seed in (7, 7, 8))
    assert [report.hash for report in first] == [report.hash for report in again]
    assert [report.pool for report in first] == [report.pool for report in again]
    assert first[-1].pool != other[-1].pool


@pytest.mark.parametrize("pool", [USDC_WETH_500, WETH_USDT_500], ids=["eth-is-token1", "eth-is-token0"])
def test_the_pools_follow_the_price_elsewhere(make_twin: MakeTwin, pool: EthPool) -> None:
    points = ((0.0, 4000.0), (0.5, 3800.0), (1.0, 4100.0))
    plan = MarketPlan(seed=3, days=1 / 24, points=points, pools=(pool, USDC_WETH_3000))
    twin = make_twin(OPTIONS)
    reports = run(twin, plan)
    last = reports[-1]
    assert last.external_price is not None
    assert last.external_price == pytest.approx(4100, rel=0.03)
    assert min(report.external_price or 0 for report in reports) < 3900
    assert pool.usd(last.pool.sqrt_price_x96) == pytest.approx(last.external_price, rel=0.004)
    assert last.progress > 0.95
    assert last.timestamp_s <= DAY_BEGIN_S + 3600


def test_a_quiet_spell_trades_like_the_recorded_day(make_twin: MakeTwin) -> None:
    """Six hours, scaled to a day. The tune is of a day, so the bounds are wide: within a factor of two."""
    reports = run(make_twin(OPTIONS), MarketPlan(seed=1, days=0.25))
    found, record = day_statistics(swaps_of(reports), USDC_WETH_500), RECORDED["2025-10-01"]
    # The first six hours of a day are its quietest; see the hours' table of the market.
    assert 0.5 < found.swaps / record.swaps < 1.2
    assert 0.25 < found.volume_usd / record.volume_usd < 2
    assert found.fees_usd == pytest.approx(found.volume_usd * 500e-6, rel=0.01)
    assert 0.5 < found.realised_volatility / record.realised_volatility < 1.5


def test_gas_spikes_reach_the_chain(make_twin: MakeTwin) -> None:
    reports = run(make_twin(OPTIONS), MarketPlan(scenario=Scenario.GAS_SPIKE, seed=2, days=0.125))
    assert reports[0].base_fee_wei < 10**9
    assert max(report.base_fee_wei for report in reports) > 30 * 10**9


def test_a_coarse_market_has_the_same_traders_in_fewer_blocks(make_twin: MakeTwin) -> None:
    fine, coarse = (run(make_twin(OPTIONS), MarketPlan(seed=7, days=0.04, block_slots=slots)) for slots in (1, 10))
    assert len(coarse) < len(fine) / 2
    assert all((report.timestamp_s - DAY_BEGIN_S) % 120 == 0 for report in coarse)
    traded = [sum(swap.amount0 for _, swap in swaps_of(reports) if swap.amount0 > 0) for reports in (fine, coarse)]
    # What an arbitrageur undoes within a coarse block is not traded.
    assert 0.4 < traded[1] / traded[0] <= 1
    assert coarse[-1].pool.tick == pytest.approx(fine[-1].pool.tick, abs=30)


def test_whoever_waits_on_a_coarse_market_waits_for_one_slot(make_twin: MakeTwin) -> None:
    twin = make_twin(OPTIONS)
    market = SyntheticMarket(MarketDesk(twin, USDC_WETH_500.address), MarketPlan(days=0.01, block_slots=10))
    times = [report.timestamp_s for waited_for in (False, True, True, False) if (report := market.step(waited_for=waited_for))]
    assert [later - earlier for earlier, later in pairwise(times)] == [12, 12, 96]


def test_a_rollups_base_fee_is_a_part_of_mainnets(make_twin: MakeTwin) -> None:
    usual, rollup = (run(make_twin(OPTIONS), MarketPlan(seed=7, days=0.004, base_fees=part)) for part in (1.0, 0.05))
    assert rollup[0].base_fee_wei == pytest.approx(0.05 * usual[0].base_fee_wei, rel=0.5)


def test_what_waits_is_mined_behind_the_market(make_twin: MakeTwin) -> None:
    twin = make_twin(OPTIONS)
    market = SyntheticMarket(MarketDesk(twin, USDC_WETH_500.address), MarketPlan(days=0.01))
    guest = twin.accounts[8].address
    sent = twin.chain.rpc.send(
        "eth_sendTransaction", {"from": guest, "to": guest, "maxFeePerGas": hex(10**11), "gas": "0x5208"}
    )
    report = market.step()
    assert report is not None
    receipt = twin.chain.rpc.call("eth_getTransactionReceipt", sent)
    assert int(receipt["blockNumber"], 16) == report.number
    assert int(receipt["transactionIndex"], 16) >= 1


def test_blocks_mined_by_hand_do_not_stop_the_market(make_twin: MakeTwin) -> None:
    twin = make_twin(OPTIONS)
    market = SyntheticMarket(MarketDesk(twin, USDC_WETH_500.address), MarketPlan(days=0.01))
    for _ in range(3):
        twin.chain.mine([LocalTx(sender=twin.accounts[8].address, to=twin.accounts[8].address)])
        assert market.step() is not None


def test_the_desk_and_the_plan_must_speak_of_one_pool(make_twin: MakeTwin) -> None:
    desk = MarketDesk(make_twin(OPTIONS), USDC_WETH_3000.address)
    with pytest.raises(ValueError, match="the desk reports"):
        SyntheticMarket(desk, MarketPlan())


@pytest.mark.parametrize("scenario", [None, Scenario.WHIPSAW])
def test_a_sandbox_is_ready_for_a_person(scenario: Scenario | None) -> None:
    with up(port=0, scenario=scenario) as sandbox:
        told = sandbox.describe()
        assert told["rpc_url"].startswith("http://127.0.0.1:")
        assert told["accounts"][0]["address"] == sandbox.wallet.address
        for token in told["tokens"].values():
            assert sandbox.twin.balance_raw(sandbox.wallet.address, token) > 0
        assert (sandbox.market is None) == (scenario is None)
        if sandbox.market is not None:
            assert sandbox.market.step() is not None
        desk_free = sandbox.twin.chain.rpc.call("eth_getStorageAt", ETH_POOLS[1].address, "0x0", "latest")
        assert int(desk_free, 16) > 0

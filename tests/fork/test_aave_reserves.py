"""Aave's own contracts: what is read of liquidity, debt, kink and liquidations is what the market itself works with."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.lending.aave_v3 import RAY, AaveReserves
from keeper.core.model.bar import Liquidations, Reserve
from keeper.localchain import aave, mainnet
from keeper.localchain.aave import STABLE_RATE, TERMS, LendingMarket, deploy_lending
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.chainlink import ETH_USD, USDC_USD, LocalFeed, put_feed
from keeper.localchain.twin import Twin
from tests.fork.readings import newest, read_at

pytestmark = pytest.mark.chain
WETH, USDC = mainnet.WETH, mainnet.USDC
POOL = interface("AaveV3Pool")
ETHER, DOLLAR = 10**18, 10**6
LENT_USD = 1_000_000 * DOLLAR


@pytest.fixture
def ether(twin: Twin) -> LocalFeed:
    return put_feed(twin, ETH_USD, 4_000.0)


@pytest.fixture
def market(twin: Twin, ether: LocalFeed) -> LendingMarket:
    """A market in which the second account lends a million dollars, and the third has 100 ether, none lent yet."""
    market = deploy_lending(twin, {WETH: ether, USDC: put_feed(twin, USDC_USD, 1.0)})
    lender, borrower = twin.accounts[1].address, twin.accounts[2].address
    twin.fund(lender, USDC, LENT_USD)
    twin.fund(borrower, WETH, 100 * ETHER)
    market.supply(lender, USDC, LENT_USD)
    return market


@pytest.fixture
def source() -> AaveReserves:
    return AaveReserves(aave.POOL, [WETH, USDC])


def reserves(rpc: Rpc, source: AaveReserves) -> dict[str, Reserve]:
    answers, _ = read_at(rpc, newest(rpc), source)
    return {reserve.asset: reserve for reserve in source.reserves(answers)}


def told(rpc: Rpc, to: str, name: str, function: str, *arguments: Any) -> tuple[Any, ...]:
    asked = interface(name).function(function)
    return asked.decode(rpc.call("eth_call", {"to": to, "data": asked.call_data(*arguments)}, "latest"))


def listed(rpc: Rpc, asset: str) -> tuple[Any, ...]:
    (row,) = told(rpc, aave.POOL, "AaveV3Pool", "getReserveData", asset)
    return tuple(row)


@pytest.mark.usefixtures("market")
def test_the_market_stands_where_mainnet_has_it(rpc: Rpc) -> None:
    provider = (aave.ADDRESSES_PROVIDER, "AaveV3PoolAddressesProvider")
    assert told(rpc, *provider, "getPool") == ("0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2",)
    assert told(rpc, *provider, "getPoolConfigurator") == (aave.CONFIGURATOR,)
    assert told(rpc, aave.POOL, "AaveV3Pool", "getReservesList") == ((WETH, USDC),)


def test_supply_borrow_and_repay_are_followed_to_the_wei(
    twin: Twin, rpc: Rpc, market: LendingMarket, source: AaveReserves
) -> None:
    borrower = twin.accounts[2].address
    empty = Reserve(asset=WETH, available=0, debt=0, kink_ray=80 * RAY // 100)
    untouched = Reserve(asset=USDC, available=LENT_USD, debt=0, kink_ray=90 * RAY // 100)
    assert reserves(rpc, source) == {WETH: empty, USDC: untouched}
    market.supply(borrower, WETH, 100 * ETHER)
    assert reserves(rpc, source) == {WETH: replace(empty, available=100 * ETHER), USDC: untouched}
    market.borrow(borrower, USDC, 200_000 * DOLLAR)
    lent_out = reserves(rpc, source)[USDC]
    assert (lent_out.available, lent_out.debt) == (800_000 * DOLLAR, 200_000 * DOLLAR)
    assert Fraction(lent_out.available, lent_out.debt) == 4
    market.repay(borrower, USDC, 150_000 * DOLLAR)
    left = reserves(rpc, source)[USDC]
    # Interest of twelve seconds has come on top of what was borrowed, at the rate that the market says.
    _, debt_token = listed(rpc, USDC)[9:11]
    assert left.available == 950_000 * DOLLAR
    assert left.debt == told(rpc, debt_token, "AaveV3VariableDebtToken", "balanceOf", borrower)[0]
    assert 0 < left.debt - 50_000 * DOLLAR < DOLLAR


def test_debt_grows_with_time_and_is_what_its_holder_owes(
    twin: Twin, rpc: Rpc, market: LendingMarket, source: AaveReserves
) -> None:
    borrower = twin.accounts[2].address
    market.supply(borrower, WETH, 100 * ETHER)
    market.borrow(borrower, USDC, 200_000 * DOLLAR)
    seen = []
    for days in (1, 30, 200):
        twin.chain.mine(timestamp_s=twin.chain.timestamp_s() + 86_400 * days)
        debt = reserves(rpc, source)[USDC].debt
        assert (debt,) == told(rpc, listed(rpc, USDC)[10], "AaveV3VariableDebtToken", "balanceOf", borrower)
        seen.append(debt)
    assert 200_000 * DOLLAR < seen[0] < seen[1] < seen[2]
    # At a fifth of the money lent, the rate is two ninths of the 5 % that it is at the kink.
    assert seen[2] / (200_000 * DOLLAR) - 1 == pytest.approx(0.05 * 2 / 9 * 231 / 365, rel=0.01)


def test_utilisation_is_the_one_that_the_rate_is_made_of(
    twin: Twin, rpc: Rpc, market: LendingMarket, source: AaveReserves
) -> None:
    borrower = twin.accounts[2].address
    market.supply(borrower, WETH, 100 * ETHER)
    for raw in (1, 12_345_678_901, 200_000 * DOLLAR):
        market.borrow(borrower, USDC, raw)
        reserve = reserves(rpc, source)[USDC]
        utilisation = Fraction(reserve.debt, reserve.available + reserve.debt)
        assert reserve.kink_ray is not None
        rate = Fraction(5, 100) * utilisation / Fraction(reserve.kink_ray, RAY)
        assert listed(rpc, USDC)[4] == pytest.approx(float(rate * RAY), rel=1e-12, abs=1)


def test_stable_debt_counts_as_debt(twin: Twin, rpc: Rpc, market: LendingMarket, source: AaveReserves) -> None:
    borrower = twin.accounts[2].address
    market.supply(borrower, WETH, 100 * ETHER)
    market.borrow(borrower, USDC, 10_000 * DOLLAR, rate=STABLE_RATE)
    assert reserves(rpc, source)[USDC].debt == 10_000 * DOLLAR
    twin.chain.mine(timestamp_s=twin.chain.timestamp_s() + 86_400)
    market.borrow(borrower, USDC, 5_000 * DOLLAR)
    stable, variable = listed(rpc, USDC)[9:11]
    owed = [
        told(rpc, stable, "AaveV3StableDebtToken", "balanceOf", borrower)[0],
        told(rpc, variable, "AaveV3VariableDebtToken", "balanceOf", borrower)[0],
    ]
    assert owed[0] > 10_000 * DOLLAR
    assert owed[1] == 5_000 * DOLLAR
    assert reserves(rpc, source)[USDC].debt == sum(owed)


def test_two_reserves_take_one_request_when_warm_and_a_new_strategy_is_noticed(
    rpc: Rpc, market: LendingMarket, source: AaveReserves
) -> None:
    assert [read_at(rpc, newest(rpc), source)[1] for _ in range(3)] == [2, 1, 1]
    market.set_strategy(USDC, market.deploy_strategy(replace(TERMS[USDC], kink_percent=45)))
    answers, requests = read_at(rpc, newest(rpc), source)
    assert requests == 2
    assert [reserve.kink_ray for reserve in source.reserves(answers)] == [80 * RAY // 100, 45 * RAY // 100]
    assert read_at(rpc, newest(rpc), source)[1] == 1


@pytest.mark.usefixtures("market")
def test_what_the_market_does_not_list_is_left_out(rpc: Rpc) -> None:
    source = AaveReserves(aave.POOL, [mainnet.USDT, USDC])
    answers, _ = read_at(rpc, newest(rpc), source)
    assert [reserve.asset for reserve in source.reserves(answers)] == [USDC]


def test_a_market_that_is_not_there_has_no_reserves(rpc: Rpc) -> None:
    source = AaveReserves(aave.POOL, [WETH, USDC])
    answers, requests = read_at(rpc, newest(rpc), source)
    assert (source.reserves(answers), requests) == ((), 1)


def liquidated(rpc: Rpc, source: AaveReserves, first: int) -> Liquidations | None:
    return source.liquidations(rpc.batch_outcomes(source.liquidation_calls(first, newest(rpc).number)), first)


def test_a_liquidation_is_counted_with_the_debt_that_it_repaid(
    twin: Twin, rpc: Rpc, ether: LocalFeed, market: LendingMarket, source: AaveReserves
) -> None:
    borrower, liquidator = twin.accounts[2].address, twin.accounts[3].address
    twin.fund(liquidator, USDC, LENT_USD)
    market.supply(borrower, WETH, 100 * ETHER)
    market.borrow(borrower, USDC, 300_000 * DOLLAR)
    first = newest(rpc).number
    assert liquidated(rpc, source, first) == Liquidations(since_block=first, count=0, debt_covered=())
    ether.set_answer(3_600.0)
    before = reserves(rpc, source)[USDC]
    held = twin.balance_raw(liquidator, USDC)
    market.liquidate(liquidator, borrower, collateral=WETH, debt=USDC, raw=20_000 * DOLLAR)
    market.liquidate(liquidator, borrower, collateral=WETH, debt=USDC, raw=10_000 * DOLLAR)
    assert held - twin.balance_raw(liquidator, USDC) == 30_000 * DOLLAR
    assert twin.balance_raw(liquidator, WETH) == pytest.approx(30_000 * 1.05 / 3_600 * ETHER, rel=1e-9)
    assert liquidated(rpc, source, first) == Liquidations(since_block=first, count=2, debt_covered=((USDC, 30_000 * DOLLAR),))
    assert liquidated(rpc, source, newest(rpc).number) == Liquidations(
        since_block=newest(rpc).number, count=1, debt_covered=((USDC, 10_000 * DOLLAR),)
    )
    after = reserves(rpc, source)[USDC]
    assert after.available - before.available == 30_000 * DOLLAR
    assert 0 <= after.debt - (before.debt - 30_000 * DOLLAR) < DOLLAR


def test_a_debt_that_is_covered_cannot_be_liquidated_and_nothing_is_counted(
    twin: Twin, rpc: Rpc, market: LendingMarket, source: AaveReserves
) -> None:
    borrower = twin.accounts[2].address
    market.supply(borrower, WETH, 100 * ETHER)
    market.borrow(borrower, USDC, 300_000 * DOLLAR)
    first = newest(rpc).number
    data = POOL.function("liquidationCall").call_data(WETH, USDC, borrower, 1, False)
    (receipt,) = twin.chain.mine([LocalTx(sender=twin.accounts[1].address, to=aave.POOL, data=data)]).receipts
    assert receipt["status"] == "0x0"
    assert liquidated(rpc, source, first) == Liquidations(since_block=first, count=0, debt_covered=())

"""Puts for sale on the local chain: pools that a market maker keeps at Black-Scholes' price, up and down."""

from __future__ import annotations

import pytest

from keeper.core.model.option import OptionKind
from keeper.core.quant.black_scholes import option_price
from keeper.localchain import mainnet
from keeper.localchain.chainlink import ETH_USD, put_feed
from keeper.localchain.gamma import expiry_after, put_gamma
from keeper.localchain.put_market import POOL_PUTS, PutMaker, PutSeries
from keeper.localchain.selling import REPRICE_S, Asked
from keeper.localchain.transplant import pool_reading, reading_calls
from keeper.localchain.twin import Twin

pytestmark = pytest.mark.chain
ASKED = Asked(volatility=0.7, rise=4.0)
STRIKE_USD = 3_800.0
OTOKEN_ONE = 10**8


def asked_usd(twin: Twin, series: PutSeries) -> float:
    """Dollars per option of the pool, its fee apart."""
    reading = pool_reading(*twin.chain.rpc.batch(reading_calls(series.pool)))
    raw = (reading.sqrt_price_x96 / 2**96) ** 2
    usdc_is_token1 = int(series.otoken, 16) < int(mainnet.USDC, 16)
    return (raw if usdc_is_token1 else 1 / raw) * 100


def fair(usd: float, volatility: float, seconds: int) -> float:
    years = seconds / (365 * 86_400)
    return option_price(OptionKind.PUT, spot=usd, strike=STRIKE_USD, years=years, volatility=volatility)


def test_pools_follow_the_price_of_ether_and_the_volatility_of_its_fall(twin: Twin) -> None:
    gamma = put_gamma(twin, put_feed(twin, ETH_USD, 4_000.0))
    now_s = twin.chain.timestamp_s()
    maker = PutMaker(gamma, ASKED, 4_000.0, now_s)
    series = maker.sell(STRIKE_USD, expiry_after(now_s, 2))
    left_s = series.expiry_s - now_s
    assert asked_usd(twin, series) == pytest.approx(fair(4_000.0, 0.7, left_s), rel=1e-6)

    block = twin.chain.rpc.call("eth_blockNumber")
    maker.follow(4_020.0, now_s + 600)
    assert twin.chain.rpc.call("eth_blockNumber") == block

    maker.follow(3_600.0, now_s + 600)
    risen = 0.7 * (1 + 4 * 0.1)
    assert maker.volatility == pytest.approx(risen)
    assert asked_usd(twin, series) == pytest.approx(fair(3_600.0, risen, left_s - 600), rel=1e-6)
    assert maker.series[0].usd > 3 * series.usd

    maker.follow(4_000.0, now_s + 1_200)
    assert asked_usd(twin, series) == pytest.approx(fair(4_000.0, 0.7, left_s - 1_200), rel=1e-6)

    later_s = now_s + 1_200 + REPRICE_S
    maker.follow(4_000.0, later_s)
    assert asked_usd(twin, series) == pytest.approx(fair(4_000.0, 0.7, series.expiry_s - later_s), rel=1e-6)

    block = twin.chain.rpc.call("eth_blockNumber")
    maker.follow(3_000.0, series.expiry_s + 1)
    assert twin.chain.rpc.call("eth_blockNumber") == block
    assert twin.balance_raw(series.pool, series.otoken) > POOL_PUTS * OTOKEN_ONE * 9 // 10

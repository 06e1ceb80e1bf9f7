"""What the local chain can stand for, and at which prices its puts are sold."""

from __future__ import annotations

import pytest

from keeper.app.settings import load
from keeper.core.model.errors import ConfigError
from keeper.core.model.option import OptionKind
from keeper.core.quant.black_scholes import option_price
from keeper.localchain.herge import PUTS
from keeper.localchain.herge_market import priced
from keeper.localchain.place import ARBITRUM, MAINNET, Place, place_named
from keeper.localchain.selling import REPRICE_S, Asked, Ether, asked_in
from keeper.simulation.weather import Scenario


def test_mainnet_is_meant_when_nothing_is_said_and_what_has_no_twin_is_refused() -> None:
    assert place_named(None) is place_named("mainnet") is MAINNET
    assert place_named("arbitrum") is ARBITRUM
    with pytest.raises(ConfigError, match="mainnet or arbitrum"):
        place_named("base")


@pytest.mark.parametrize(("place", "pool"), [(MAINNET, "usdc_weth_500"), (ARBITRUM, "arbitrum_weth_usdce_500")])
def test_a_place_is_the_chain_of_the_shipped_settings(place: Place, pool: str) -> None:
    settings = load(environ={}, chain=place.name, pool=pool).settings
    chain = settings.chain
    assert (chain.id, chain.name) == (place.chain_id, place.name)
    assert place.contracts["chainlink_eth_usd"] == chain.feeds["chainlink_eth_usd"].address
    assert place.contracts.get("chainlink_sequencer") == chain.feeds["chainlink_eth_usd"].sequencer
    (shipped,) = settings.pools.values()
    assert (place.pool.address, place.pool.fee_pips, place.pool.tick_spacing) == (
        shipped.address,
        shipped.fee_pips,
        shipped.tick_spacing,
    )
    assert place.pool.eth_is_token0 is (shipped.token0 == "WETH")
    assert {place.dollars, place.recipe.weth} == {chain.tokens[shipped.token0].address, chain.tokens[shipped.token1].address}
    if chain.venues.hegic is not None:
        assert place.first_block == chain.venues.hegic.first_block


def test_a_strategy_costs_what_black_scholes_says_at_both_ends_of_its_periods() -> None:
    for put in priced(PUTS, 4_000.0, 0.7):
        for days, raw in put.prices:
            strike, years = 4_000.0 * put.scale / 10_000, days / 365
            fair = option_price(OptionKind.PUT, spot=4_000.0, strike=strike, years=years, volatility=0.7)
            assert raw == pytest.approx(fair * 10**6, abs=10_000)
        assert tuple(days for days, _ in put.prices) == put.days
    assert min(raw for put in priced(PUTS, 4_000.0, 0.01) for _, raw in put.prices) > 0


def test_more_is_asked_below_the_highest_price() -> None:
    asked = Asked(volatility=0.5, rise=4.0)
    assert asked.at(4_000.0, 4_000.0) == pytest.approx(0.5)
    assert asked.at(3_600.0, 4_000.0) == pytest.approx(0.7)
    assert asked_in(Scenario.CRASH).volatility == pytest.approx(0.96)
    assert asked_in(None).volatility == pytest.approx(0.6)


def test_prices_are_made_anew_after_an_hour_or_a_move() -> None:
    ether = Ether(usd=4_000.0, at_s=0, highest_usd=4_000.0)
    assert not ether.moves_to(4_030.0, REPRICE_S - 1)
    assert ether.moves_to(3_900.0, 12)
    assert (ether.usd, ether.at_s, ether.highest_usd) == (3_900.0, 12, 4_000.0)
    assert ether.moves_to(3_900.0, 12 + REPRICE_S)

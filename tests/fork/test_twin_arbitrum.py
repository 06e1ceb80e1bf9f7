"""The twin of Arbitrum: the shipped addresses, with other tokens behind Uniswap than on mainnet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from keeper.app.settings import load
from keeper.core.model.errors import ConfigError
from keeper.localchain import arbitrum, herge, mainnet
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.artifacts import interface
from keeper.localchain.twin import Twin, running_twin

pytestmark = pytest.mark.chain
SETTINGS = load(environ={}, chain="arbitrum", pool="arbitrum_weth_usdce_500").settings


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with running_twin(AnvilOptions(chain_id=arbitrum.CHAIN_ID), recipe=arbitrum.ARBITRUM) as running:
        yield running


def asked(twin: Twin, to: str, contract: str, function: str, *arguments: object) -> Any:
    read = interface(contract).function(function)
    reply = twin.chain.rpc.call("eth_call", {"to": to, "input": read.call_data(*arguments)}, "latest")
    return read.decode(reply)[0]


def test_the_twin_is_the_chain_of_the_settings(twin: Twin) -> None:
    chain = SETTINGS.chain
    assert int(twin.chain.rpc.call("eth_chainId"), 16) == chain.id == arbitrum.CHAIN_ID
    for address in (*chain.addresses.model_dump().values(), *(token.address for token in chain.tokens.values())):
        assert len(twin.chain.rpc.call("eth_getCode", address, "latest")) > 1_000


def test_the_tokens_are_those_of_the_settings(twin: Twin) -> None:
    for token in SETTINGS.chain.tokens.values():
        assert asked(twin, token.address, "Token", "decimals") == token.decimals
    assert asked(twin, mainnet.POSITION_MANAGER, "NonfungiblePositionManager", "WETH9") == arbitrum.WETH
    assert asked(twin, mainnet.SWAP_ROUTER_02, "SwapRouter02", "WETH9") == arbitrum.WETH


def test_the_pool_is_the_one_of_the_factory(twin: Twin) -> None:
    (pool,) = SETTINGS.pools.values()
    found = asked(twin, mainnet.FACTORY, "UniswapV3Factory", "getPool", arbitrum.WETH, arbitrum.USDC_E, pool.fee_pips)
    assert found == pool.address == arbitrum.WETH_USDC_E_500
    assert asked(twin, pool.address, "UniswapV3Pool", "token0") == arbitrum.WETH
    assert asked(twin, pool.address, "UniswapV3Pool", "tickSpacing") == pool.tick_spacing


def test_accounts_are_given_its_tokens_and_no_others(twin: Twin) -> None:
    account = twin.accounts[1].address
    twin.fund(account, arbitrum.WETH, 10**18)
    twin.fund(account, arbitrum.USDC_E, 10**6)
    assert twin.balance_raw(account, arbitrum.WETH) == 10**18
    assert twin.balance_raw(account, arbitrum.USDC_E) == 10**6
    with pytest.raises(ConfigError, match=arbitrum.USDC_E):
        twin.fund(account, mainnet.USDC, 1)


def test_the_options_of_the_settings_are_those_of_the_double() -> None:
    hegic = SETTINGS.chain.venues.hegic
    assert hegic is not None
    assert (hegic.treasury, hegic.positions, hegic.cover_pool) == (herge.TREASURY, herge.POSITIONS, herge.COVER_POOL)
    assert SETTINGS.chain.feeds[hegic.feed].address == arbitrum.ETH_USD
    assert {name: (put.address, put.scale, (put.min_days, put.max_days)) for name, put in hegic.puts.items()} == {
        put.name: (put.address, put.scale, put.days) for put in herge.PUTS
    }

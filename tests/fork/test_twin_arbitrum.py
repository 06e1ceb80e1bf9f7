"""The twin of Arbitrum: the shipped addresses, with other tokens behind Uniswap than on mainnet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from keeper.adapters.evm.l1_data import BYTES_A_GAS
from keeper.adapters.evm.multicall import ReadReverted
from keeper.adapters.evm.rpc import BadReply, Rpc
from keeper.app.bootstrap import open_source
from keeper.app.settings import load
from keeper.app.settings.policy import to_policy
from keeper.core.model.errors import ConfigError, Transient
from keeper.core.model.record import Observation
from keeper.localchain import arbitrum, herge, mainnet
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.pools import EthPool, open_pools
from keeper.localchain.twin import BANKER, Twin, running_twin

pytestmark = pytest.mark.chain
SETTINGS = load(environ={}, chain="arbitrum", pool="arbitrum_weth_usdce_500").settings
POOL = EthPool(address=arbitrum.WETH_USDC_E_500, fee_pips=500, tick_spacing=10, eth_is_token0=True)


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


@pytest.fixture(scope="module")
def priced(twin: Twin) -> Twin:
    open_pools(twin, [POOL], 2_500.0, owner=BANKER)
    return twin


def look(twin: Twin, gas_info: str | None) -> tuple[Observation, int]:
    """What a keeper sees that begins now, and in how many requests."""
    settings = SETTINGS.model_copy(update={"chain": SETTINGS.chain.model_copy(update={"gas_info": gas_info})})
    with closing(Rpc(twin.rpc_url)) as rpc:
        source = open_source(settings, to_policy(settings), rpc, twin.accounts[1].address)
        return source.observe(token_ids=[], prices_after_block=None, sample_after_s=None), rpc.requests


def test_the_price_of_data_comes_with_the_block_and_takes_no_request(priced: Twin) -> None:
    assert SETTINGS.chain.gas_info == arbitrum.GAS_INFO
    bytes_, units = BYTES_A_GAS
    found, requests = look(priced, arbitrum.GAS_INFO)
    assert found.gas.data_wei == arbitrum.BYTE_WEI * bytes_ // units > 0
    without, before = look(priced, None)
    assert (without.gas.data_wei, requests) == (0, before)
    assert found.gas.price_wei == without.gas.price_wei + found.gas.data_wei
    cheaper = interface("ArbGasInfo").function("setPrice").call_data(1)
    priced.chain.mine_all_succeed([LocalTx(sender=BANKER, to=arbitrum.GAS_INFO, data=cheaper)])
    assert look(priced, arbitrum.GAS_INFO)[0].gas.data_wei == 1


@pytest.mark.parametrize(("code", "error"), [("0x", BadReply), ("0xfe", ReadReverted), ("0x60206000f3", BadReply)])
def test_a_price_of_data_that_cannot_be_read_is_no_view(priced: Twin, code: str, error: type[Transient]) -> None:
    """No code, code that reverts, and code that answers one word."""
    before = priced.chain.rpc.call("eth_getCode", arbitrum.GAS_INFO, "latest")
    priced.chain.rpc.call("anvil_setCode", arbitrum.GAS_INFO, code)
    priced.chain.mine()
    try:
        with pytest.raises(error):
            look(priced, arbitrum.GAS_INFO)
    finally:
        priced.chain.rpc.call("anvil_setCode", arbitrum.GAS_INFO, before)
        priced.chain.mine()

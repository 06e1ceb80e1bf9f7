"""The shipped pools are those that the factory makes of the shipped tokens: nobody can have slipped in another."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from keeper.app.settings import load, to_policy

INIT_CODE_HASH = bytes.fromhex("e34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54")
"""Of the pool contract that Uniswap's v3 factory deploys on mainnet."""
MAINNET = load(environ={}).settings
POLICIES = [to_policy(load(environ={}, pool=name).settings) for name in ("usdc_weth_500_3000", "weth_usdt_500")]
UNIVERSE = {pool.key.address: pool for pool in POLICIES[0].outside.universe}
SPACINGS = {100: 1, 500: 10, 3_000: 60, 10_000: 200}


def made_by_factory(key):
    """The address of CREATE2: factory, salt of tokens and fee, hash of the code."""
    salt = keccak(encode(["address", "address", "uint24"], [key.token0.address, key.token1.address, key.fee_pips]))
    factory = bytes.fromhex(MAINNET.chain.addresses.factory[2:])
    return to_checksum_address(keccak(b"\xff" + factory + salt + INIT_CODE_HASH)[12:])


@pytest.mark.parametrize("name", MAINNET.outside.universe)
def test_a_followed_pool_is_the_one_of_its_tokens_and_fee(name):
    pool = MAINNET.outside.universe[name]
    key = UNIVERSE[pool.address].key
    assert made_by_factory(key) == key.address
    assert SPACINGS[key.fee_pips] == key.tick_spacing
    assert int(key.token0.address, 16) < int(key.token1.address, 16)
    other = UNIVERSE[pool.address].other.symbol
    assert name == f"{pool.base}_{other}_{key.fee_pips}".lower()


@pytest.mark.parametrize("key", [key for policy in POLICIES for key in policy.pools], ids=lambda key: key.address)
def test_a_pool_of_the_pair_is_the_one_of_its_tokens_and_fee(key):
    assert made_by_factory(key) == key.address


def test_a_wrong_fee_or_token_would_be_noticed():
    key = next(iter(UNIVERSE.values())).key
    assert made_by_factory(replace(key, fee_pips=3_000)) != key.address
    assert made_by_factory(replace(key, token0=POLICIES[0].quote)) != key.address


def test_breadth_has_its_twenty_pools_and_all_are_told_in_one_token():
    assert len(UNIVERSE) >= 20
    assert {pool.other.symbol for pool in UNIVERSE.values()} == {"WETH"}
    assert len({pool.base.symbol for pool in UNIVERSE.values()}) == len(UNIVERSE)

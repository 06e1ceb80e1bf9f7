"""Panoptic v2 as it stands on Ethereum: only when a node is named, and nothing is sent.

The recorder claims the real contracts' interface and nothing else; that claim is trusted only while this passes. The node must
have the state of a day ago for the quotes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.rpc import Rpc, RpcRefused
from keeper.adapters.options.panoptic import Panoptic
from keeper.adapters.options.panoptic_chunks import price_at
from keeper.adapters.options.panoptic_errors import WORDS, refusal
from keeper.adapters.options.panoptic_plans import dispatch_data
from keeper.adapters.options.reading import run_together
from keeper.core.model.errors import Transient
from keeper.core.model.option import NoQuote, NoQuoteReason, OptionMarket, OptionQuote
from tests.pairs import USDC, WALLET, WETH
from tests.panoptic_market import ETHER, MARKET, RULES, want

VARIABLE = "KEEPER_FORK_RPC"
pytestmark = [
    pytest.mark.outside,
    pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"asks Ethereum; set {VARIABLE} to a node's URL"),
]
FIRST_BLOCK = 24_000_000
"""Of December 2025, before Panoptic v2 was deployed."""


@pytest.fixture
def rpc() -> Iterator[Rpc]:
    with closing(Rpc(os.environ[VARIABLE], timeout_s=30.0)) as client:
        yield client


@pytest.fixture
def venue(rpc: Rpc) -> Panoptic:
    return Panoptic(replace(MARKET, first_block=FIRST_BLOCK), RULES, rpc, holder=WALLET)


def asked(rpc: Rpc, to: str, of: str, function: str, *arguments: object) -> tuple:
    read = contract(of).function(function)
    return read.decode(rpc.call("eth_call", {"to": to, "data": read.call_data(*arguments)}, "latest"))


@pytest.fixture
def pool(rpc: Rpc) -> str:
    (found,) = asked(rpc, MARKET.factory, "PanopticFactory", "getPanopticPool", MARKET.uniswap.address, MARKET.risk_engine)
    if int(found, 16) == 0:
        pytest.skip("no pool over the 0.05 % USDC/WETH pool under this risk engine")
    return found


def test_the_node_is_of_ethereum(rpc: Rpc) -> None:
    assert int(rpc.call("eth_chainId"), 16) == MARKET.chain_id


def test_the_pool_answers_as_the_recorder_does(rpc: Rpc, pool: str) -> None:
    (pool_id,) = asked(rpc, pool, "PanopticPool", "poolId")
    assert pool_id >> 48 == MARKET.uniswap.tick_spacing
    assert pool_id >> 40 & 0xFF == RULES.vegoid
    assert asked(rpc, pool, "PanopticPool", "isSafeMode")[0] <= 4
    assert asked(rpc, pool, "PanopticPool", "numberOfLegs", WALLET) == (0,)
    assert len(asked(rpc, pool, "PanopticPool", "getChunkData", 196_640, 196_880)) == 4
    for token in ("0", "1"):
        (tracker,) = asked(rpc, pool, "PanopticPool", f"collateralToken{token}")
        assert asked(rpc, tracker, "PanopticCollateral", "assetsOf", WALLET) == (0,)
        assert asked(rpc, tracker, "PanopticCollateral", "maxWithdraw", WALLET) == (0,)


def test_a_dispatch_of_nothing_is_understood_and_refused_in_words(rpc: Rpc, pool: str) -> None:
    (pool_id,) = asked(rpc, pool, "PanopticPool", "poolId")
    data = dispatch_data(id_=0x018_030098_103 << 64 | pool_id, final_ids=(), size=0, limits=(-887_273, 887_273, 90_000))
    (outcome,) = rpc.batch_outcomes([("eth_call", [{"from": WALLET, "to": pool, "data": data}, "latest"])])
    assert isinstance(outcome, RpcRefused)
    assert refusal(outcome) in WORDS.values()


def test_every_range_that_is_found_has_a_quote_or_a_reason(rpc: Rpc, venue: Panoptic) -> None:
    head = checked.block(rpc.call("eth_getBlockByNumber", "latest", False), "newest block")
    tick = asked(rpc, MARKET.uniswap.address, "UniswapV3Pool", "slot0")[1]
    price = price_at(tick, MARKET)
    market = OptionMarket(
        base=WETH, quote=USDC, price=price, now_s=head.timestamp_s, block=head.number, reference_volatility=None
    )
    wanted = want(ETHER // 10, strike_from=price / 2, strike_to=price * 2)
    (offered,) = run_together(rpc, MARKET.multicall, head.hash, [venue.offering(market, [wanted], head)])
    assert not isinstance(offered, Transient), offered
    assert offered
    for one in offered:
        if isinstance(one, OptionQuote):
            assert one.upfront.raw > 0
            assert one.carry_per_day.raw > 0
        else:
            assert isinstance(one, NoQuote)
            assert one.reason is not NoQuoteReason.UNREACHABLE, one


def test_an_account_without_options_holds_none(venue: Panoptic) -> None:
    assert venue.positions(WALLET) == ()

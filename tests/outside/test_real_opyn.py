"""Opyn, Uniswap and AirSwap as they stand on Ethereum today: read only, and only when a node is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

import pytest

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import PinnedReader, Reverted, read_of
from keeper.adapters.evm.rpc import Rpc, RpcRefused
from keeper.adapters.options.airswap import GivenOrders, SignedOrder
from keeper.adapters.options.opyn import Opyn
from keeper.adapters.options.opyn_interface import module_reads, modules_of
from keeper.adapters.options.opyn_listing import Pair, created, created_call
from keeper.adapters.options.opyn_pool import pool_address
from keeper.adapters.options.opyn_rules import OpynRules
from keeper.adapters.options.reading import run_together
from keeper.core.model.option import HedgeWant, NoQuote, NoQuoteReason, OptionKind, OptionMarket, OptionQuote
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import Token, TokenAmount
from keeper.localchain import gamma, mainnet
from keeper.localchain.otoken_market import SWAP_ERC20

NODE = os.environ.get("KEEPER_FORK_RPC", "")
NOBODY = "0x000000000000000000000000000000000000dEaD"
WETH = Token(address=mainnet.WETH, symbol="WETH", decimals=18)
USDC = Token(address=mainnet.USDC, symbol="USDC", decimals=6)
ETHER = TokenAmount(token=WETH, raw=10**18)
FOREVER_S = 1 << 40
BEFORE_GAMMA = 11_000_000
"""October 2020."""
RULES = OpynRules(
    chain_id=1,
    multicall=mainnet.MULTICALL3,
    address_book=gamma.ADDRESS_BOOK,
    factory=mainnet.FACTORY,
    quoter=mainnet.QUOTER_V2,
    router=mainnet.SWAP_ROUTER_02,
    swap_erc20=SWAP_ERC20,
    base=WETH,
    quote=USDC,
    wallet=NOBODY,
    watch_s=FOREVER_S,
)

pytestmark = [
    pytest.mark.outside,
    pytest.mark.skipif(not NODE, reason="asks a node of Ethereum; set KEEPER_FORK_RPC to its address"),
]


@pytest.fixture
def rpc() -> Iterator[Rpc]:
    with closing(Rpc(NODE, timeout_s=60.0)) as client:
        if int(client.call("eth_chainId"), 16) != 1:
            pytest.skip("the node is not of Ethereum")
        yield client


@pytest.fixture
def block(rpc: Rpc) -> BlockRef:
    return checked.block(rpc.call("eth_getBlockByNumber", "latest", False), "newest block")


def test_the_address_book_names_the_modules_of_the_facts(rpc: Rpc, block: BlockRef) -> None:
    reader, reads = PinnedReader(rpc, mainnet.MULTICALL3, block.hash), module_reads(gamma.ADDRESS_BOOK)
    reader.ask(reads)
    modules = modules_of(reads, reader.answers)
    assert modules.controller == gamma.CONTROLLER
    assert modules.factory == gamma.OTOKEN_FACTORY
    assert modules.whitelist == gamma.WHITELIST
    assert modules.margin_pool == gamma.MARGIN_POOL
    assert modules.oracle == gamma.ORACLE


def test_every_view_that_the_adapter_uses_answers(rpc: Rpc, block: BlockRef) -> None:
    oracle, controller = contract("GammaOracle"), contract("GammaController")
    first = PinnedReader(rpc, mainnet.MULTICALL3, block.hash)
    pricer_read = read_of(gamma.ORACLE, oracle.function("getPricer"), mainnet.WETH)
    reads = [
        pricer_read,
        read_of(gamma.CONTROLLER, controller.function("systemFullyPaused")),
        read_of(gamma.CONTROLLER, controller.function("systemPartiallyPaused")),
        read_of(gamma.ORACLE, oracle.function("getExpiryPrice"), mainnet.WETH, 1_640_937_600),
        read_of(gamma.ORACLE, oracle.function("getPrice"), mainnet.USDC),
    ]
    first.ask(reads)
    pricer = str(first.answers[pricer_read][0])
    reads = [
        read_of(gamma.ORACLE, oracle.function("getPricerLockingPeriod"), pricer),
        read_of(pricer, contract("GammaPricer").function("aggregator"), may_fail=True),
    ]
    first.ask(reads)
    assert not isinstance(first.answers[reads[1]], Reverted), "its pricer is no Chainlink one: prices cannot be set by us"


def test_series_are_read_and_what_is_on_offer_is_said(rpc: Rpc, block: BlockRef) -> None:
    venue = Opyn(RULES, rpc)
    market = OptionMarket(
        base=WETH,
        quote=USDC,
        price=Decimal(3_000),
        now_s=block.timestamp_s,
        block=block.number,
        reference_volatility=None,
    )
    want = HedgeWant(
        kinds=(OptionKind.PUT, OptionKind.CALL),
        strike_from=Decimal(1),
        strike_to=Decimal(10**6),
        expiry_from_s=block.timestamp_s,
        expiry_to_s=block.timestamp_s + FOREVER_S,
        size=ETHER,
    )
    assert venue.positions(NOBODY) is not None
    assert venue._book.series, "no series of ether against USDC was ever created"
    for found in venue.contracts(market, want):
        quote = venue.quote(found, ETHER)
        assert isinstance(quote, OptionQuote | NoQuote)
        assert not isinstance(quote, NoQuote) or quote.reason is not NoQuoteReason.UNREACHABLE, quote


def test_logs_announce_the_list_as_it_is(rpc: Rpc, block: BlockRef) -> None:
    (told,) = rpc.batch_outcomes([created_call(gamma.OTOKEN_FACTORY, BEFORE_GAMMA, block.number)])
    if isinstance(told, RpcRefused):
        pytest.skip(f"the node does not search so many blocks: {told}")
    venue = Opyn(RULES, rpc)
    run_together(rpc, mainnet.MULTICALL3, block.hash, [venue.holding(NOBODY, block)])
    assert list(created(told, gamma.OTOKEN_FACTORY, Pair(base=WETH, quote=USDC))) == venue._book._listed


def test_old_payouts_are_told_and_follow_our_rounding(rpc: Rpc, block: BlockRef) -> None:
    from keeper.adapters.options.opyn_interface import payout_raw

    venue = Opyn(RULES, rpc)
    venue.positions(NOBODY)
    old = [one for one in venue._book.series if one.expiry_s < block.timestamp_s - 86_400][-20:]
    reader = PinnedReader(rpc, mainnet.MULTICALL3, block.hash)
    payout, price = contract("GammaController").function("getPayout"), contract("GammaOracle").function("getExpiryPrice")
    reads = {
        one: (
            read_of(gamma.CONTROLLER, payout, one.otoken, 123_456_789, may_fail=True, gas=150_000),
            read_of(gamma.ORACLE, price, mainnet.WETH, one.expiry_s),
            read_of(gamma.ORACLE, price, mainnet.USDC, one.expiry_s),
        )
        for one in old
    }
    reader.ask([read for three in reads.values() for read in three])
    told = 0
    for one, (paid, base, quote) in reads.items():
        if not isinstance(found := reader.answers[paid], Reverted):
            told += 1
            prices = {"base_e8": reader.answers[base][0], "quote_e8": reader.answers[quote][0]}
            assert found[0] == payout_raw(one, 123_456_789, decimals=6 if one.is_put else 18, **prices), one
    assert told


def test_pools_stand_where_they_are_looked_for_and_airswap_checks_orders(rpc: Rpc, block: BlockRef) -> None:
    reader = PinnedReader(rpc, mainnet.MULTICALL3, block.hash)
    get_pool = read_of(mainnet.FACTORY, contract("UniswapV3Factory").function("getPool"), mainnet.WETH, mainnet.USDC, 500)
    order = SignedOrder(
        nonce=1,
        expiry_s=1,
        signer_wallet=NOBODY,
        signer_token=mainnet.WETH,
        signer_amount=10**30,
        sender_wallet=NOBODY,
        sender_token=mainnet.USDC,
        sender_amount=10**30,
        v=27,
        r=bytes(32),
        s=bytes(32),
    )
    assert GivenOrders((order,)).orders() == ((order,), ())
    reader.ask([get_pool, order.check_read(SWAP_ERC20)])
    assert reader.answers[get_pool] == (pool_address(mainnet.FACTORY, mainnet.USDC, mainnet.WETH, 500),)
    complaints = order.complaints(SWAP_ERC20, reader.answers)
    assert complaints[:2] == ("SignatureInvalid", "OrderExpired")
    assert set(complaints[2:]) == {"SignerAllowanceLow", "SignerBalanceLow"}

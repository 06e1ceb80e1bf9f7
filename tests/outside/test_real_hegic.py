"""Hegic Herge as it stands on Arbitrum: only when a node is named, and nothing is sent.

What the double claims of the real contracts is trusted only while this passes: the adapter reads them all, says of every
strategy what it costs or why not, and finds the configured scales, the storage slot and the decimals in what they pay.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

import pytest

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.options.hegic import Hegic
from keeper.adapters.options.hegic_reads import STRATEGY, TREASURY, probe_call, probed
from keeper.adapters.options.hegic_terms import SCALE_UNIT, HergeStrategy
from keeper.core.model.option import HedgeWant, NoQuote, NoQuoteReason, OptionKind, OptionMarket, OptionQuote
from keeper.core.model.token import TokenAmount
from tests.pairs import DAY_S, WALLET
from tests.ports.herge_bench import MARKET, USDC_E, WETH

VARIABLE = "KEEPER_FORK_RPC_ARBITRUM"
pytestmark = [
    pytest.mark.outside,
    pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"asks Arbitrum; set {VARIABLE} to a node's URL"),
]
ANYTHING = Decimal(10) ** 12


@pytest.fixture
def rpc() -> Iterator[Rpc]:
    with closing(Rpc(os.environ[VARIABLE], timeout_s=30.0)) as client:
        yield client


@pytest.fixture
def venue(rpc: Rpc) -> Hegic:
    return Hegic(MARKET, rpc, holder=WALLET)


def asked(rpc: Rpc, to: str, function: str, of: str = "HegicStrategy") -> int:
    read = contract(of).function(function)
    (value,) = read.decode(rpc.call("eth_call", {"to": to, "data": read.call_data()}, "latest"))
    return int(value)


def wanted(rpc: Rpc, size: int) -> tuple[OptionMarket, HedgeWant]:
    head = checked.block(rpc.call("eth_getBlockByNumber", "latest", False), "newest block")
    answer = contract("EACAggregatorProxy").function("latestRoundData")
    spot = answer.decode(rpc.call("eth_call", {"to": MARKET.feed, "data": answer.call_data()}, "latest"))[1]
    price = Decimal(spot).scaleb(-8)
    market = OptionMarket(
        base=WETH, quote=USDC_E, price=price, now_s=head.timestamp_s, block=head.number, reference_volatility=None
    )
    want = HedgeWant(
        kinds=(OptionKind.PUT,),
        strike_from=Decimal(0),
        strike_to=ANYTHING,
        expiry_from_s=head.timestamp_s + 7 * DAY_S,
        expiry_to_s=head.timestamp_s + 90 * DAY_S,
        size=TokenAmount(token=WETH, raw=size),
    )
    return market, want


def test_the_node_is_of_arbitrum(rpc: Rpc) -> None:
    assert int(rpc.call("eth_chainId"), 16) == MARKET.chain_id


def test_every_contract_that_is_found_has_a_quote_or_a_reason(rpc: Rpc, venue: Hegic) -> None:
    market, want = wanted(rpc, 10**16)
    for found in venue.contracts(market, want):
        quote = venue.quote(found, want.size)
        assert isinstance(quote, OptionQuote | NoQuote)
        if isinstance(quote, NoQuote):
            assert quote.reason in {NoQuoteReason.LIMIT, NoQuoteReason.PAUSED, NoQuoteReason.UNSOUND}, quote
            assert "configured is" not in quote.note, quote
        else:
            assert quote.cost.raw > 0
            assert quote.payable_cap is not None


@pytest.mark.parametrize("strategy", MARKET.strategies, ids=lambda one: one.address)
def test_a_scale_and_its_slot_are_those_of_the_settings(rpc: Rpc, strategy: HergeStrategy) -> None:
    head = checked.block(rpc.call("eth_getBlockByNumber", "latest", False), "newest block")
    spot = wanted(rpc, 1)[0].price
    (outcome,) = rpc.batch_outcomes([probe_call(MARKET, strategy, head)])
    scale = (Decimal(probed(outcome, strategy)).scaleb(-6) + spot) * SCALE_UNIT / 10**6
    assert round(scale) == strategy.scale


@pytest.mark.parametrize("strategy", MARKET.strategies, ids=lambda one: one.address)
def test_a_strategy_answers_as_the_double_does(rpc: Rpc, strategy: HergeStrategy) -> None:
    accepted = TREASURY.function("acceptedStrategy")
    reply = rpc.call("eth_call", {"to": MARKET.treasury, "data": accepted.call_data(strategy.address)}, "latest")
    assert accepted.decode(reply) in {(True,), (False,)}
    assert 0 < asked(rpc, strategy.address, "minPeriod") <= asked(rpc, strategy.address, "maxPeriod")
    assert asked(rpc, strategy.address, "lockedLimit") >= 0
    price = STRATEGY.function("calculateNegativepnlAndPositivepnl")
    data = price.call_data(10**18, strategy.min_period_s, [])
    reserve, premium = price.decode(rpc.call("eth_call", {"to": strategy.address, "data": data}, "latest"))
    assert premium > 0
    assert reserve > 0


def test_the_treasury_says_what_it_has_and_owes(rpc: Rpc) -> None:
    for name in ("totalBalance", "totalLocked", "lockedPremium", "benchmark"):
        assert asked(rpc, MARKET.treasury, name, "HegicTreasury") >= 0
    assert asked(rpc, MARKET.cover_pool, "availableForPayment", "HegicCoverPool") >= 0


def test_an_account_without_options_holds_none(venue: Hegic) -> None:
    assert venue.positions(WALLET) == ()

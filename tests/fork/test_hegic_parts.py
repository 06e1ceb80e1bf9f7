"""What Hegic offers of a size that it does not sell whole: the largest part that fits the bound that is met first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from keeper.adapters.evm.abi import revert_reason
from keeper.adapters.evm.rpc import RpcRefused
from keeper.adapters.options.hegic_terms import HergeGuards
from keeper.adapters.options.reading import run_now
from keeper.core.model.option import NoQuote, NoQuoteReason, OptionQuote
from keeper.core.model.token import TokenAmount
from keeper.localchain import arbitrum, herge
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalTx
from tests.ports.herge_bench import DAY_S, MARKET, TREASURY_RAW, WETH, HergeBench, running_herge_bench

pytestmark = pytest.mark.chain
ETHER = 10**18
LOT = ETHER // 10_000
EACH_RAW = 66_671_554
"""Premium of an ether at the money for 14 days, of which as much is reserved: three are for sale below, and not a lot more."""
AT_THE_MONEY = herge.PUTS[0]
PLAIN = HergeGuards(stress_fall_bps=0)
"""A put at the money pays nothing at the price of the purchase."""
BUY = interface("HergeTreasury").function("buy")


@pytest.fixture(scope="module")
def node() -> Iterator[HergeBench]:
    with running_herge_bench() as bench:
        yield bench


@pytest.fixture
def bench(node: HergeBench) -> Iterator[HergeBench]:
    with node.restored():
        yield node


def bounded(bench: HergeBench, bound: str) -> HergeGuards:
    """With three ether for sale, by one bound of three."""
    if bound == "limit":
        bench.local.set_limit(AT_THE_MONEY, 3 * EACH_RAW)
    elif bound == "treasury":
        bench.local.withdraw(TREASURY_RAW - 2 * 3 * EACH_RAW)
    else:  # 750 dollars an ether after a fall of 30 %, of what the treasury has
        bench.local.set_limit(AT_THE_MONEY, 100 * EACH_RAW)
        return HergeGuards(most_of_cap_bps=3 * 750 * 10**6 * 10_000 // TREASURY_RAW)
    return PLAIN


def offered(bench: HergeBench, guards: HergeGuards, raw: int) -> OptionQuote | NoQuote:
    """What is offered of the put at the money, for a size."""
    venue, market = bench.venue(guards), bench.market()
    want = replace(bench.want(), strike_from=bench.price, size=TokenAmount(token=WETH, raw=raw))
    found = run_now(bench.rpc, MARKET.multicall, lambda block: venue.offering(market, [want], block))
    (mine,) = [one for one in found if one.contract is not None and one.contract.native[0] == AT_THE_MONEY.address]
    return mine


def buying(bench: HergeBench, raw: int) -> str:
    """What a purchase would say, whatever it costs."""
    approve = interface("Token").function("approve").call_data(herge.TREASURY, 2**256 - 1)
    bench.twin.chain.mine_all_succeed([LocalTx(sender=bench.owner, to=arbitrum.USDC_E, data=approve)])
    data = BUY.call_data(AT_THE_MONEY.address, bench.owner, raw, 14 * DAY_S, [])
    (outcome,) = bench.rpc.batch_outcomes(
        [("eth_call", [{"from": bench.owner, "to": herge.TREASURY, "input": data}, "latest"])]
    )
    return revert_reason(outcome.data) if isinstance(outcome, RpcRefused) else outcome


@pytest.mark.parametrize("bound", ["limit", "treasury", "guard"])
@pytest.mark.parametrize(
    ("wanted", "part"),
    [(3 * ETHER, 1), (3 * ETHER + LOT, 3), (9 * ETHER, 3), (9 * ETHER + LOT, 10), (30 * ETHER, 10)],
    ids=["all", "a lot more than all", "three times", "a lot more than three times", "ten times"],
)
def test_the_largest_part_that_fits_is_offered_and_sold(bench: HergeBench, bound: str, wanted: int, part: int) -> None:
    guards = bounded(bench, bound)
    found = offered(bench, guards, wanted)
    assert isinstance(found, OptionQuote), found
    assert 0 <= found.size.raw * part - wanted < part * LOT
    assert found.available.raw >= found.size.raw
    ran = bench.run(bench.venue(guards).plan_open(found, found.cost))
    assert ran.done, ran.reason


@pytest.mark.parametrize(
    ("bound", "reason", "words"),
    [
        ("limit", NoQuoteReason.LIMIT, "3 WETH of 30.0001 WETH are for sale"),
        ("treasury", NoQuoteReason.LIMIT, " WETH of 30.0001 WETH are for sale"),
        ("guard", NoQuoteReason.UNSOUND, "it pays 22,500.075 USDC.e after a fall of 30 %"),
    ],
)
def test_where_no_part_fits_it_is_told_why_of_the_whole(
    bench: HergeBench, bound: str, reason: NoQuoteReason, words: str
) -> None:
    found = offered(bench, bounded(bench, bound), 30 * ETHER + LOT)
    assert isinstance(found, NoQuote), found
    assert found.reason is reason
    assert words in found.note


@pytest.mark.parametrize(
    ("bound", "words"),
    [("limit", "HegicStrategy: The limit is exceeded"), ("treasury", "The negative pnl amount is too large")],
)
def test_a_lot_more_than_is_for_sale_is_neither_quoted_nor_sold(bench: HergeBench, bound: str, words: str) -> None:
    guards = bounded(bench, bound)
    all_of_it = offered(bench, guards, 3 * ETHER)
    assert isinstance(all_of_it, OptionQuote)
    assert all_of_it.available.raw == 3 * ETHER
    more = bench.venue(guards).quote(all_of_it.contract, TokenAmount(token=WETH, raw=3 * ETHER + LOT))
    assert isinstance(more, NoQuote)
    assert more.reason is NoQuoteReason.LIMIT
    assert buying(bench, 3 * ETHER) == "0x"
    assert buying(bench, 3 * ETHER + LOT) == words


def test_what_is_wanted_is_bought_in_parts_until_a_tenth_of_the_rest_is_not_for_sale(bench: HergeBench) -> None:
    guards, left, bought = bounded(bench, "limit"), 6 * ETHER, []
    while isinstance(found := offered(bench, guards, left), OptionQuote):
        assert bench.run(bench.venue(guards).plan_open(found, found.cost)).done
        bought.append(found.size.raw)
        left -= found.size.raw
    assert bought == [2 * ETHER, ETHER * 4 // 10, ETHER * 36 // 100]
    assert found.reason is NoQuoteReason.LIMIT
    assert [one.size.raw for one in bench.venue(guards).positions(bench.owner)] == bought

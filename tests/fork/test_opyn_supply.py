"""Who sells oTokens and what is believed of it: a real pool, real SwapERC20, and a protocol that is paused, short or gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from keeper.adapters.options.airswap import GivenOrders, OrderFolder, SignedOrder
from keeper.adapters.options.opyn import Opyn
from keeper.adapters.options.opyn_interface import VenueSilent
from keeper.adapters.options.reading import run_now, run_together
from keeper.core.model.errors import Refused
from keeper.core.model.option import NoQuote, NoQuoteReason, OptionContract, OptionKind, OptionQuote, QuoteBasis
from keeper.core.model.token import TokenAmount
from keeper.localchain import gamma, mainnet
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.otoken_market import SWAP_ERC20, MarketMaker, open_otoken_pool
from keeper.localchain.storage import word
from keeper.localchain.twin import BANKER
from tests.ports.gamma_bench import OWNER, RULES, USDC, WETH, GammaBench, running_gamma_bench

pytestmark = pytest.mark.chain
TWO = TokenAmount(token=WETH, raw=2 * 10**18)
TWO_E8 = 2 * 10**8
CHEAP = 150 * 10**6
DEAR = 250 * 10**6


@pytest.fixture(scope="module")
def stage() -> Iterator[GammaBench]:
    with running_gamma_bench() as bench:
        yield bench


@pytest.fixture
def bench(stage: GammaBench) -> Iterator[GammaBench]:
    with stage.restored():
        yield stage
        assert stage.allowance() == 0


@pytest.fixture
def maker(bench: GammaBench) -> MarketMaker:
    maker = MarketMaker(gamma=bench.local, account=bench.twin.accounts[5])
    maker.stock(bench.otoken, 10 * 10**8)
    return maker


def order(
    bench: GammaBench,
    maker: MarketMaker,
    price: int,
    *,
    amount_e8: int = TWO_E8,
    nonce: int = 1,
    expires_in_s: int = 600,
    otoken: str | None = None,
    buyer: str = OWNER,
    token: str = mainnet.USDC,
) -> SignedOrder:
    document = maker.order(
        otoken or bench.otoken,
        amount_e8,
        price,
        buyer=buyer,
        nonce=nonce,
        expiry_s=bench.market().now_s + expires_in_s,
        token=token,
    )
    return SignedOrder.from_json(document, chain_id=1, swap_contract=SWAP_ERC20)


def the_put(bench: GammaBench) -> OptionContract:
    (contract,) = bench.venue().contracts(bench.market(), bench.want())
    return contract


def quote(bench: GammaBench, *orders: SignedOrder, size: TokenAmount = TWO, **change: object) -> OptionQuote | NoQuote:
    return bench.venue(GivenOrders(orders), **change).quote(the_put(bench), size)


def good(found: OptionQuote | NoQuote) -> OptionQuote:
    assert isinstance(found, OptionQuote), found
    return found


def none(found: OptionQuote | NoQuote, reason: NoQuoteReason, words: str) -> None:
    assert isinstance(found, NoQuote), found
    assert found.reason is reason, found
    assert words in found.note


def test_the_cheaper_of_pool_and_order_is_quoted(bench: GammaBench, maker: MarketMaker) -> None:
    pool = good(quote(bench))
    assert pool.basis is QuoteBasis.AMM
    assert 2 * 95 * 1.01 < pool.cost.raw / 10**6 < 2 * 95 * 1.05
    assert good(quote(bench, order(bench, maker, DEAR))) == pool
    cheap = good(quote(bench, order(bench, maker, DEAR), order(bench, maker, CHEAP, nonce=2)))
    assert (cheap.basis, cheap.cost.raw, cheap.fee.raw) == (QuoteBasis.FIRM, CHEAP, 0)
    assert cheap.valid_until_s < bench.market().now_s + 600


def test_an_order_is_filled_for_its_price_and_leaves_no_allowance(bench: GammaBench, maker: MarketMaker) -> None:
    found = good(quote(bench, order(bench, maker, CHEAP)))
    before, held = bench.dollars(), bench.twin.balance_raw(maker.account.address, mainnet.USDC)
    ran = bench.run(bench.venue().plan_open(found, found.cost))
    assert ran.done, ran.reason
    assert before - bench.dollars() == CHEAP
    assert bench.twin.balance_raw(maker.account.address, mainnet.USDC) - held == CHEAP
    (position,) = bench.venue().positions(OWNER)
    assert position.size == TWO
    assert 0.8 * found.gas_open < ran.gas <= found.gas_open
    none(
        bench.venue(GivenOrders((order(bench, maker, CHEAP),)), pool_fees=(500,)).quote(the_put(bench), TWO),
        NoQuoteReason.NO_LIQUIDITY,
        "NonceAlreadyUsed",
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"buyer": BANKER}, "it is for 0x"),
        ({"token": mainnet.WETH}, "it is paid in"),
        ({"expires_in_s": 110}, "it expires at"),
        ({"amount_e8": TWO_E8 - 1}, "1.99999999 oToken, 2 oToken are wanted"),
        ({"amount_e8": TWO_E8 * 5 // 4 + 1}, "2.50000001 oToken"),
        ({"amount_e8": 11 * 10**8}, "11 oToken"),
    ],
)
def test_an_order_that_does_not_fit_is_told_and_not_quoted(
    bench: GammaBench, maker: MarketMaker, change: dict[str, object], words: str
) -> None:
    none(quote(bench, order(bench, maker, CHEAP, **change), pool_fees=(500,)), NoQuoteReason.NO_LIQUIDITY, words)


def test_an_order_for_a_little_more_is_quoted_whole(bench: GammaBench, maker: MarketMaker) -> None:
    found = good(quote(bench, order(bench, maker, CHEAP, amount_e8=TWO_E8 * 5 // 4)))
    assert (found.size.raw, found.cost.raw) == (25 * 10**17, CHEAP)
    assert bench.run(bench.venue().plan_open(found, found.cost)).done
    (position,) = bench.venue().positions(OWNER)
    assert position.size.raw == 25 * 10**17


def test_the_contracts_own_check_is_believed(bench: GammaBench, maker: MarketMaker) -> None:
    fine = order(bench, maker, CHEAP)
    for forged in (replace(fine, sender_amount=CHEAP - 1), replace(fine, signer_wallet=BANKER), replace(fine, v=55 - fine.v)):
        none(quote(bench, forged, pool_fees=(500,)), NoQuoteReason.NO_LIQUIDITY, "SignatureInvalid")
    maker.allow(bench.otoken, TWO_E8)  # without the protocol's fee
    none(quote(bench, fine, pool_fees=(500,)), NoQuoteReason.NO_LIQUIDITY, "SignerAllowanceLow")
    maker.allow(bench.otoken, 10**12)
    assert good(quote(bench, fine)).basis is QuoteBasis.FIRM
    none(quote(bench, order(bench, maker, CHEAP, amount_e8=2 * 10**9), size=replace(TWO, raw=2 * 10**19), pool_fees=(500,)),
         NoQuoteReason.NO_LIQUIDITY, "SignerBalanceLow")  # fmt: skip


def test_an_order_that_is_taken_away_buys_nothing(bench: GammaBench, maker: MarketMaker) -> None:
    found, before = good(quote(bench, order(bench, maker, CHEAP))), bench.dollars()
    cancel = interface("SwapERC20").function("cancel").call_data([1])
    bench.twin.chain.mine_all_succeed([LocalTx(sender=maker.account.address, to=SWAP_ERC20, data=cancel)])
    ran = bench.run(bench.venue().plan_open(found, found.cost))
    assert not ran.done
    assert bench.dollars() == before


def test_an_order_that_has_expired_buys_nothing(bench: GammaBench, maker: MarketMaker) -> None:
    found = good(quote(bench, order(bench, maker, CHEAP)))
    assert not bench.run(bench.venue().plan_open(found, found.cost), at_s=found.valid_until_s + RULES.order_margin_s).done


@pytest.mark.parametrize(("of_depth", "part"), [("0.7", 1), ("1.5", 3), ("9", 10)])
def test_of_what_nobody_sells_whole_a_third_or_a_tenth_is_offered(bench: GammaBench, of_depth: str, part: int) -> None:
    wanted = TokenAmount(token=WETH, raw=int(Decimal(of_depth) * good(quote(bench)).available.raw))
    (found,) = offered(bench, wanted)
    assert 0 <= good(found).size.raw - wanted.raw // part <= good(found).contract.lot_raw
    ran = bench.run(bench.venue().plan_open(good(found), good(found).cost))
    assert ran.done, ran.reason


def test_where_no_part_is_sold_it_is_told_why(bench: GammaBench) -> None:
    (found,) = offered(bench, TWO, pool_fees=(500,))
    none(found, NoQuoteReason.NO_LIQUIDITY, "does not exist")


def offered(bench: GammaBench, size: TokenAmount, **change: object) -> tuple[OptionQuote | NoQuote, ...]:
    venue, market, want = bench.venue(**change), bench.market(), replace(bench.want(), size=size)
    return run_now(bench.rpc, RULES.multicall, lambda block: venue.offering(market, [want], block))


def test_a_pools_quote_is_not_used_after_its_time(bench: GammaBench) -> None:
    found = good(quote(bench))
    ran = bench.run(bench.venue().plan_open(found, found.cost), at_s=found.valid_until_s + 1)
    assert not ran.done
    assert ran.reason == "Transaction too old"


def test_a_folder_of_orders_needs_no_restart(bench: GammaBench, maker: MarketMaker, tmp_path: Path) -> None:
    venue = bench.venue(OrderFolder(path=tmp_path, chain_id=1, swap_contract=SWAP_ERC20), pool_fees=(500,))
    put = the_put(bench)
    none(venue.quote(put, TWO), NoQuoteReason.NO_LIQUIDITY, "does not exist")
    (tmp_path / "bad.json").write_text("{}")
    none(venue.quote(put, TWO), NoQuoteReason.NO_LIQUIDITY, "bad.json: chainId")
    document = maker.order(bench.otoken, TWO_E8, CHEAP, buyer=OWNER, nonce=3, expiry_s=bench.market().now_s + 900)
    (tmp_path / "good.json").write_text(json.dumps(document))
    assert good(venue.quote(put, TWO)).cost.raw == CHEAP


def test_a_plan_takes_only_its_own_venues_offers(bench: GammaBench, maker: MarketMaker) -> None:
    found = good(quote(bench, order(bench, maker, CHEAP)))
    for other in (
        replace(found, native=("elsewhere",)),
        replace(found, size=replace(TWO, raw=10**18)),
        replace(found, upfront=replace(found.upfront, raw=1), native=order(bench, maker, CHEAP).to_texts()),
    ):
        with pytest.raises(Refused):
            bench.venue().plan_open(other, other.cost)


def test_a_series_that_is_struck_off_is_not_found_and_not_quoted(bench: GammaBench) -> None:
    put = the_put(bench)
    bench.local.blacklist(bench.otoken)
    assert not bench.venue().contracts(bench.market(), bench.want())
    none(bench.venue().quote(put, TWO), NoQuoteReason.UNSOUND, "whitelist")


def test_a_payoff_that_is_not_covered_is_not_bought(bench: GammaBench) -> None:
    bench.local.drain(mainnet.USDC, 7_200 * 10**6)
    assert good(quote(bench)).payable_cap == TokenAmount(token=USDC, raw=7_200 * 10**6)
    bench.local.drain(mainnet.USDC, 7_200 * 10**6 - 1)
    none(quote(bench), NoQuoteReason.UNSOUND, "holds 7,199.999999 USDC, 7,200 USDC may become due")


def test_a_put_that_costs_its_strike_is_not_bought(bench: GammaBench, maker: MarketMaker) -> None:
    most = 7_200 * 10**6
    none(quote(bench, order(bench, maker, most), pool_fees=(500,)), NoQuoteReason.UNSOUND, "never worth more")
    good(quote(bench, order(bench, maker, most - 1), pool_fees=(500,)))


def test_tenor_and_series_are_the_configured_ones(bench: GammaBench) -> None:
    put = the_put(bench)
    none(bench.venue(min_tenor_s=20 * gamma.DAY_S).quote(put, TWO), NoQuoteReason.OUT_OF_TENOR, "it expires in")
    none(bench.venue(max_tenor_s=2 * gamma.DAY_S).quote(put, TWO), NoQuoteReason.OUT_OF_TENOR, "it expires in")
    none(bench.venue().quote(replace(put, native=(mainnet.USDC,)), TWO), NoQuoteReason.NO_SERIES, mainnet.USDC)
    none(bench.venue().quote(replace(put, venue="hegic"), TWO), NoQuoteReason.NO_SERIES, "hegic")


def test_a_venue_that_is_not_there_is_told_so(bench: GammaBench) -> None:
    put, gone = the_put(bench), bench.venue(address_book=OWNER)
    none(gone.quote(put, TWO), NoQuoteReason.UNREACHABLE, "getController()")
    with pytest.raises(VenueSilent):
        gone.contracts(bench.market(), bench.want())
    with pytest.raises(VenueSilent):
        gone.positions(OWNER)
    none(bench.venue(quoter=OWNER).quote(put, TWO), NoQuoteReason.NO_LIQUIDITY, "the pool")


def test_modules_are_followed_when_the_address_book_names_others(bench: GammaBench) -> None:
    venue, put = bench.venue(), the_put(bench)
    good(venue.quote(put, TWO))
    other = "0x00000000000000000000000000000000000C0DE1"
    code = bench.twin.chain.rpc.call("eth_getCode", gamma.CONTROLLER, "latest")
    bench.twin.chain.rpc.call("anvil_setCode", other, code)
    bench.twin.chain.rpc.call("anvil_setStorageAt", other, word(2), word(1))
    bench.local.name("CONTROLLER", other)
    none(venue.quote(put, TWO), NoQuoteReason.PAUSED, "paused")


def test_a_call_is_paid_for_in_dollars_and_pays_ether(bench: GammaBench) -> None:
    otoken = bench.local.create_series(4_500.0, bench.expiry_s, is_put=False)
    open_otoken_pool(bench.local, otoken, 60.0, 50 * 10**8)
    want = replace(bench.want(), kinds=(OptionKind.CALL,), strike_to=Decimal(5_000))
    venue = bench.venue()
    (call,) = venue.contracts(bench.market(), want)
    found = good(venue.quote(call, TWO))
    assert (found.cost.token, call.settle_asset) == (USDC, WETH)
    assert found.payable_cap is not None
    assert found.payable_cap.token == WETH
    both = venue.contracts(bench.market(), replace(want, kinds=(OptionKind.CALL, OptionKind.PUT)))
    assert [one.legs[0].strike for one in both] == [3_600, 4_500]


def test_a_cycle_asks_once_and_new_series_cost_a_round_more(bench: GammaBench) -> None:
    venue, market, want = bench.venue(), bench.market(), bench.want()
    block = bench.block()

    def rounds(*readings: object) -> tuple[int, list[object]]:
        before = bench.rpc.requests
        found = run_together(bench.rpc, RULES.multicall, block.hash, list(readings))
        return bench.rpc.requests - before, found

    def cycle() -> int:
        return rounds(venue.offering(market, [want, want], block), venue.holding(OWNER, block))[0]

    assert cycle() == 5
    assert cycle() == 1
    assert rounds(venue.holding(OWNER, block))[0] == 1
    bench.local.create_series(3_500.0, bench.expiry_s)
    block = bench.block()
    spent, (offers, _) = rounds(venue.offering(market, [want], block), venue.holding(OWNER, block))
    assert spent == 2
    assert [type(one) for one in offers] == [OptionQuote, NoQuote]
    assert cycle() == 1
    (absent,) = rounds(venue.offering(market, [replace(want, strike_to=Decimal(3_001))], block))[1][0]
    assert absent.reason is NoQuoteReason.NO_SERIES


def test_a_reorganised_list_is_read_anew(bench: GammaBench) -> None:
    venue: Opyn = bench.venue()
    snapshot = bench.twin.chain.rpc.call("evm_snapshot")
    bench.local.create_series(3_500.0, bench.expiry_s)
    assert [one.legs[0].strike for one in venue.contracts(bench.market(), bench.want())] == [3_600, 3_500]
    assert bench.twin.chain.rpc.call("evm_revert", snapshot)
    assert [one.legs[0].strike for one in venue.contracts(bench.market(), bench.want())] == [3_600]
    bench.local.create_series(3_400.0, bench.expiry_s)
    assert [one.legs[0].strike for one in venue.contracts(bench.market(), bench.want())] == [3_600, 3_400]


def test_a_quote_tells_the_volatility_that_it_asks(bench: GammaBench) -> None:
    found = good(quote(bench))
    assert found.implied_volatility is not None
    assert Decimal("0.7") < found.implied_volatility < Decimal("0.9")

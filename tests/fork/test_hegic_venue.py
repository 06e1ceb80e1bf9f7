"""Hegic's traps, one by one on the double: what the contracts do, and what the adapter makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from keeper.adapters.evm.abi import contract, revert_reason
from keeper.adapters.evm.rpc import Rpc, RpcRefused
from keeper.adapters.options.hegic import Hegic
from keeper.adapters.options.hegic_quotes import GAS_CLOSE
from keeper.adapters.options.hegic_terms import HergeGuards
from keeper.adapters.options.reading import run_together
from keeper.core.model.errors import Transient
from keeper.core.model.option import CloseHow, NoQuote, NoQuoteReason, OptionQuote, PositionState
from keeper.localchain import arbitrum, herge
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalChainError, LocalTx, is_success
from keeper.ports.options import VenuePlan
from tests.fakes.rpc_server import Forward, RpcServer, tampered
from tests.fork.readings import newest
from tests.ports.herge_bench import DAY_S, MARKET, TREASURY_RAW, HergeBench, running_herge_bench
from tests.ports.venues import bought

pytestmark = pytest.mark.chain
TREASURY = interface("HergeTreasury")
PUT = interface("HergePut")
PUT_100_1 = herge.PUTS[0]
PUT_90_1 = herge.PUTS[4]
FALL = Decimal("0.6")
ETHER = 10**18


@pytest.fixture(scope="module")
def node() -> Iterator[HergeBench]:
    with running_herge_bench() as bench:
        yield bench


@pytest.fixture
def bench(node: HergeBench) -> Iterator[HergeBench]:
    with node.restored():
        yield node


def asked(bench: HergeBench, to: str, data: str, *, sender: str | None = None) -> str:
    """What a call returns, hex, or why it reverts."""
    call = {"from": sender or bench.owner, "to": to, "input": data}
    (outcome,) = bench.rpc.batch_outcomes([("eth_call", [call, "latest"])])
    return revert_reason(outcome.data) if isinstance(outcome, RpcRefused) else outcome


def approved(bench: HergeBench, raw: int) -> None:
    data = interface("Token").function("approve").call_data(herge.TREASURY, raw)
    bench.local.twin.chain.mine_all_succeed([LocalTx(sender=bench.owner, to=arbitrum.USDC_E, data=data)])


def buying(bench: HergeBench, strategy: str, amount: int, period_s: int) -> str:
    """What a purchase would return, with all the allowance that there is."""
    approved(bench, 2**256 - 1)
    return asked(bench, herge.TREASURY, TREASURY.function("buy").call_data(strategy, bench.owner, amount, period_s, []))


def no_quote(bench: HergeBench, hegic: Hegic) -> NoQuote:
    venue = bench.venue()
    want = bench.want()
    found = hegic.quote(venue.contracts(bench.market(), want)[0], want.size)
    assert isinstance(found, NoQuote), found
    return found


def test_two_ether_for_fourteen_days_cost_what_they_cost_on_the_real_bytecode(bench: HergeBench) -> None:
    position = bought(bench)
    assert position.id == "0"
    assert position.opened_cost is not None
    assert position.opened_cost.raw == 133_343_108
    bench.move_spot(Decimal("0.8"))
    (now,) = bench.venue().positions(bench.owner)
    assert now.claimable.raw == 1_000 * 10**6
    plan = bench.venue().plan_close(now, CloseHow.EXERCISE, now.claimable)
    assert isinstance(plan, VenuePlan)
    ran = bench.run(plan)
    assert ran.done
    assert 0.8 * GAS_CLOSE < ran.gas <= GAS_CLOSE


def test_the_purchase_tells_of_itself_as_the_real_one_does(bench: HergeBench) -> None:
    chain = bench.local.twin.chain
    approved(bench, 133_343_108)
    data = TREASURY.function("buy").call_data(PUT_100_1.address, bench.owner, 2 * ETHER, 14 * DAY_S, [])
    block = chain.mine_all_succeed([LocalTx(sender=bench.owner, to=herge.TREASURY, data=data)])
    made, acquired, paid = block.receipts[0]["logs"]
    assert contract("HegicPositionsManager").event("Transfer").decode(made)["tokenId"] == 0
    assert acquired["address"].lower() == PUT_100_1.address.lower()
    assert contract("HegicStrategy").event("Acquired").decode(acquired) == {
        "id": 0,
        "data": (2 * ETHER, 2_500 * 10**8),
        "negativepnl": 133_343_108,
        "positivepnl": 133_343_108,
        "period": 14 * DAY_S,
        "additional": (),
    }
    assert paid["address"].lower() == arbitrum.USDC_E.lower()
    state = TREASURY.function("lockedLiquidity").decode(
        asked(bench, herge.TREASURY, TREASURY.function("lockedLiquidity").call_data(0))
    )
    assert state == ((1, PUT_100_1.address, 133_343_108, 133_343_108, block.timestamp_s + 14 * DAY_S),)


@pytest.mark.parametrize(
    ("strategy", "amount", "days", "words"),
    [
        (PUT_100_1.address, ETHER, 6, "Period is wrong"),
        (PUT_100_1.address, ETHER, 15, "Period is wrong"),
        (PUT_100_1.address, 19 * ETHER, 14, "HegicStrategy: The limit is exceeded"),
    ],
)
def test_what_is_not_sold_reverts_in_the_real_ones_words(
    bench: HergeBench, strategy: str, amount: int, days: int, words: str
) -> None:
    assert buying(bench, strategy, amount, days * DAY_S) == words


def test_a_treasury_that_cannot_reserve_sells_nothing(bench: HergeBench) -> None:
    bench.drain()
    assert buying(bench, PUT_100_1.address, ETHER, 14 * DAY_S) == "The negative pnl amount is too large"


def test_a_strategy_of_another_treasury_is_refused(bench: HergeBench) -> None:
    connect = TREASURY.function("connectStrategy").call_data(PUT_100_1.address)
    assert asked(bench, herge.TREASURY, connect, sender=bench.owner) == "not the admin"
    create = PUT.function("create").call_data(0, bench.owner, ETHER, 14 * DAY_S, [])
    assert asked(bench, PUT_100_1.address, create) == "Only OperationalTresuary pool can execute this function"


def test_the_price_is_limited_by_the_allowance_alone(bench: HergeBench) -> None:
    """USDC.e says "ERC20: insufficient allowance"; the local token has words of its own."""
    bench.local.set_premium(PUT_100_1, times=2)
    data = TREASURY.function("buy").call_data(PUT_100_1.address, bench.owner, 2 * ETHER, 14 * DAY_S, [])
    approved(bench, 133_343_108)
    assert asked(bench, herge.TREASURY, data) == "transfer amount exceeds allowance"
    approved(bench, 2 * 133_343_108)
    assert asked(bench, herge.TREASURY, data) == "0x"


def test_an_admin_may_take_another_price_list(bench: HergeBench) -> None:
    venue, want = bench.venue(), bench.want()
    contracts = venue.contracts(bench.market(), want)
    at_the_money = next(one for one in contracts if one.native[0] == PUT_100_1.address)
    dear = venue.quote(at_the_money, want.size)
    bench.local.set_pricer(PUT_100_1, bench.local._address(PUT_90_1.address, "pricer"))
    cheap = venue.quote(at_the_money, want.size)
    assert isinstance(dear, OptionQuote)
    assert isinstance(cheap, OptionQuote)
    assert (dear.cost.raw, cheap.cost.raw) == (133_343_108, 48_200_000)


def test_the_contract_says_available_where_the_treasury_cannot_pay(bench: HergeBench) -> None:
    bought(bench)
    bench.drain()
    bench.move_spot(FALL)
    available = PUT.function("isPayoffAvailable")
    assert available.decode(asked(bench, PUT_100_1.address, available.call_data(0, bench.owner, bench.owner))) == (True,)
    pay_off = TREASURY.function("payOff").call_data(0, bench.owner)
    assert asked(bench, herge.TREASURY, pay_off) == "ERC20: transfer amount exceeds balance"
    (held,) = bench.venue().positions(bench.owner)
    assert (held.intrinsic.raw, held.claimable.raw) == (2_000 * 10**6, 0)


def test_what_others_have_reserved_is_not_paid_out(bench: HergeBench) -> None:
    bought(bench)
    bought_again = bench.venue().quote(bench.venue().contracts(bench.market(), bench.want())[0], bench.want().size)
    assert isinstance(bought_again, OptionQuote)
    assert bench.run(bench.venue().plan_open(bought_again, bought_again.cost)).done
    bench.drain()
    bench.move_spot(Decimal("0.9999"))
    bench.local.twin.fund(herge.TREASURY, arbitrum.USDC_E, 500 * 10**6)
    bench.drain()
    bench.move_spot(Decimal("0.9"))
    pay_off = TREASURY.function("payOff").call_data(0, bench.owner)
    assert asked(bench, herge.TREASURY, pay_off) == "The amount to withdraw is too large"
    held = bench.venue().positions(bench.owner)
    assert [one.claimable.raw for one in held] == [0, 0]


def test_the_cover_pool_pays_what_the_treasury_lacks(bench: HergeBench) -> None:
    bought(bench)
    bench.drain()
    bench.local.set_cover(10_000 * 10**6)
    bench.move_spot(FALL)
    (held,) = bench.venue().positions(bench.owner)
    assert held.claimable.raw == 2_000 * 10**6
    before = bench.dollars()
    plan = bench.venue().plan_close(held, CloseHow.EXERCISE, held.claimable)
    assert isinstance(plan, VenuePlan)
    assert bench.run(plan).done
    assert bench.dollars() - before == 2_000 * 10**6


@pytest.mark.parametrize("over", [0, 1])
def test_the_claim_is_exact_at_the_edge_of_what_can_be_paid(bench: HergeBench, over: int) -> None:
    """All but one raw dollar of the payoff is not a payoff: with a benchmark to fill up to, and without."""
    bought(bench)
    bench.drain()
    benchmark = 300 * 10**6
    set_benchmark = TREASURY.function("setBenchmark").call_data(benchmark)
    bench.local._send(herge.TREASURY, set_benchmark)
    bench.move_spot(FALL)
    treasury = bench.local.twin.balance_raw(herge.TREASURY, arbitrum.USDC_E)
    bench.local.set_cover(2_000 * 10**6 + benchmark - treasury - over)
    (held,) = bench.venue().positions(bench.owner)
    outcome = asked(bench, herge.TREASURY, TREASURY.function("payOff").call_data(0, bench.owner))
    assert (held.claimable.raw > 0) == (outcome == "0x") == (over == 0), outcome


def test_an_expired_option_still_looks_available_and_is_not(bench: HergeBench) -> None:
    held = bought(bench)
    bench.move_spot(FALL)
    assert held.contract.expiry_s is not None
    bench.go_to(held.contract.expiry_s)
    available, amount = PUT.function("isPayoffAvailable"), PUT.function("payOffAmount")
    assert available.decode(asked(bench, PUT_100_1.address, available.call_data(0, bench.owner, bench.owner))) == (True,)
    assert amount.decode(asked(bench, PUT_100_1.address, amount.call_data(0))) == (2_000 * 10**6,)
    pay_off = TREASURY.function("payOff").call_data(0, bench.owner)
    assert asked(bench, herge.TREASURY, pay_off) == "The option has already expired"
    (late,) = bench.venue().positions(bench.owner)
    assert late.state is PositionState.EXPIRED_WORTHLESS


def test_only_the_owner_or_whom_he_lets_may_exercise(bench: HergeBench) -> None:
    bought(bench)
    pay_off = TREASURY.function("payOff").call_data(0, bench.owner)
    assert asked(bench, herge.TREASURY, pay_off) == "You can not execute this option strat"
    bench.move_spot(FALL)
    other = bench.local.twin.accounts[2].address
    assert asked(bench, herge.TREASURY, pay_off, sender=other) == "You can not execute this option strat"
    assert asked(bench, herge.TREASURY, pay_off) == "0x"
    approve = interface("HergePositions").function("approve").call_data(other, 0)
    bench.local.twin.chain.mine_all_succeed([LocalTx(sender=bench.owner, to=herge.POSITIONS, data=approve)])
    assert asked(bench, herge.TREASURY, pay_off, sender=other) == "0x"


def test_anybody_may_release_after_the_expiry_and_once(bench: HergeBench) -> None:
    held = bought(bench)
    assert held.contract.expiry_s is not None
    other = bench.local.twin.accounts[2].address
    unlock = TREASURY.function("unlock").call_data(0)
    for at_s in (held.contract.expiry_s - 1, held.contract.expiry_s):
        bench.go_to(at_s)
        assert asked(bench, herge.TREASURY, unlock, sender=other) == "The expiration time has not yet come"
    bench.go_to(held.contract.expiry_s + 1)
    chain = bench.local.twin.chain
    chain.impersonate(other)
    block = chain.mine([LocalTx(sender=other, to=herge.TREASURY, data=unlock)])
    assert is_success(block.receipts[0])
    (log,) = block.receipts[0]["logs"]
    assert contract("HegicTreasury").event("Expired").decode(log) == {"id": 0}
    assert asked(bench, herge.TREASURY, unlock) == "The liquidity has already been unlocked"
    assert bench.venue().positions(bench.owner) == ()


def test_the_admin_takes_what_is_not_owed(bench: HergeBench) -> None:
    bought(bench)
    with pytest.raises(LocalChainError):
        bench.local.withdraw(TREASURY_RAW)
    bench.drain()
    assert bench.local.twin.balance_raw(herge.TREASURY, arbitrum.USDC_E) == 2 * 133_343_108


def test_an_option_that_was_given_away_is_not_held_and_one_that_came_is(bench: HergeBench) -> None:
    bought(bench)
    other = bench.local.twin.accounts[2].address
    move = interface("HergePositions").function("transferFrom")
    chain = bench.local.twin.chain
    chain.mine_all_succeed([LocalTx(sender=bench.owner, to=herge.POSITIONS, data=move.call_data(bench.owner, other, 0))])
    assert bench.venue().positions(bench.owner) == ()
    (held,) = bench.venue().positions(other)
    assert held.owner == other
    chain.impersonate(other)
    chain.mine_all_succeed([LocalTx(sender=other, to=herge.POSITIONS, data=move.call_data(other, bench.owner, 0))])
    (held,) = bench.venue().positions(bench.owner)
    assert held.id == "0"


def test_a_wrong_scale_in_the_settings_is_unsound(bench: HergeBench) -> None:
    wrong = tuple(replace(one, scale=one.scale + 1) for one in MARKET.strategies)
    found = no_quote(bench, bench.venue(strategies=wrong))
    assert found.reason is NoQuoteReason.UNSOUND
    assert "configured is 10001" in found.note


def test_a_storage_slot_that_is_not_the_one_is_unsound(bench: HergeBench) -> None:
    assert no_quote(bench, bench.venue(data_slot=6)).reason is NoQuoteReason.UNSOUND


@pytest.mark.parametrize("place", ["treasury", "cover_pool", "feed"])
def test_where_nothing_stands_the_venue_is_unreachable(bench: HergeBench, place: str) -> None:
    nobody = bench.local.twin.accounts[3].address
    found = no_quote(bench, bench.venue(**{place: nobody}))
    assert found.reason is NoQuoteReason.UNREACHABLE
    with pytest.raises(Transient):
        bench.venue(positions=nobody).positions(bench.owner)


def test_a_strategy_whose_code_is_gone_is_unreachable_and_not_found(bench: HergeBench) -> None:
    venue, want = bench.venue(), bench.want()
    contract_ = venue.contracts(bench.market(), want)[0]
    bench.local.twin.chain.rpc.call("anvil_setCode", contract_.native[0], "0x")
    found = venue.quote(contract_, want.size)
    assert isinstance(found, NoQuote)
    assert found.reason is NoQuoteReason.UNREACHABLE
    bench.go_to(bench.local.twin.chain.timestamp_s() + 60)
    assert contract_.native[0] not in {one.native[0] for one in venue.contracts(bench.market(), want)}


def test_a_strike_of_a_price_that_is_a_day_old_is_unsound(bench: HergeBench) -> None:
    bench.go_to(bench.local.twin.chain.timestamp_s() + 2 * DAY_S)
    found = no_quote(bench, bench.venue())
    assert found.reason is NoQuoteReason.UNSOUND
    assert "s old" in found.note


def test_a_large_part_of_the_reserves_is_unsound(bench: HergeBench) -> None:
    found = no_quote(bench, bench.venue(HergeGuards(most_of_cap_bps=299)))
    assert found.reason is NoQuoteReason.UNSOUND
    want, venue = bench.want(), bench.venue(HergeGuards(most_of_cap_bps=300))
    assert isinstance(venue.quote(venue.contracts(bench.market(), want)[0], want.size), OptionQuote)


def test_a_node_that_forbids_long_searches_is_told_apart_from_holding_nothing(bench: HergeBench) -> None:
    def refused(entry: dict[str, Any]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": entry["id"], "error": {"code": -32005, "message": "block range is too large"}}

    forbid = tampered("eth_getLogs", refused)
    forward = Forward(bench.local.twin.rpc_url)
    with RpcServer(forward) as server:
        rpc = Rpc(server.url, attempts=1)
        venue = Hegic(MARKET, rpc, holder=bench.owner)
        server.misbehave(forbid, forbid)
        assert venue.positions(bench.owner) == ()
        bought(bench)
        server.misbehave(forbid, forbid)
        with pytest.raises(Transient, match="range is too large"):
            venue.positions(bench.owner)
        rpc.close()
    forward.close()


def test_every_question_takes_the_requests_that_it_says(bench: HergeBench) -> None:
    venue, want = bench.venue(), bench.want()

    def requests(ask: Callable[[], object]) -> int:
        before = bench.rpc.requests
        ask()
        return bench.rpc.requests - before

    market = bench.market()
    assert requests(lambda: venue.contracts(market, want)) == 2
    contracts = venue.contracts(market, want)
    assert requests(lambda: venue.quote(contracts[0], want.size)) == 2
    assert requests(lambda: venue.positions(bench.owner)) == 2
    bought(bench)
    assert requests(lambda: venue.positions(bench.owner)) == 3


def test_offers_of_all_strategies_are_two_rounds(bench: HergeBench) -> None:
    venue, want, head = bench.venue(), bench.want(), newest(bench.rpc)
    before = bench.rpc.requests
    (offered,) = run_together(bench.rpc, MARKET.multicall, head.hash, [venue.offering(bench.market(), [want], head)])
    assert bench.rpc.requests - before == 2
    assert not isinstance(offered, Transient)
    assert len(offered) == 8
    assert all(isinstance(one, OptionQuote) for one in offered)

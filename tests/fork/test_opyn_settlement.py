"""From a held oToken to its payout: sold, settled by others or by ourselves, disputed, blocked, worthless."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from eth_abi.abi import encode

from keeper.adapters.evm.abi import contract, revert_reason
from keeper.adapters.evm.rpc import RpcRefused
from keeper.adapters.options.opyn_interface import OTOKEN_ONE, Series, payout_raw, push_call, redeem_call
from keeper.core.model.errors import Refused
from keeper.core.model.option import CloseHow, OptionPosition, PositionState
from keeper.core.model.token import TokenAmount
from keeper.localchain import gamma, mainnet
from keeper.localchain.artifacts import creation_code, interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.chainlink import USDC_USD, put_feed
from keeper.localchain.twin import BANKER
from keeper.ports.options import NotYet, VenueCall, VenuePlan
from tests.ports.gamma_bench import OWNER, USDC, WETH, GammaBench, running_gamma_bench
from tests.ports.venues import bought

pytestmark = pytest.mark.chain
NOTHING = TokenAmount(token=USDC, raw=0)
ODD_E8 = 123_456_789


@pytest.fixture(scope="module")
def stage() -> Iterator[GammaBench]:
    with running_gamma_bench() as bench:
        yield bench


@pytest.fixture
def bench(stage: GammaBench) -> Iterator[GammaBench]:
    with stage.restored():
        yield stage
        assert stage.allowance() == 0


def held(bench: GammaBench) -> OptionPosition:
    (position,) = bench.venue().positions(OWNER)
    return position


def ending(bench: GammaBench, how: CloseHow = CloseHow.REDEEM) -> VenuePlan | NotYet:
    position = held(bench)
    return bench.venue().plan_close(position, how, position.claimable)


def plan(bench: GammaBench, how: CloseHow = CloseHow.REDEEM) -> VenuePlan:
    found = ending(bench, how)
    assert isinstance(found, VenuePlan), found
    return found


def waiting(bench: GammaBench) -> NotYet:
    found = ending(bench)
    assert isinstance(found, NotYet), found
    assert held(bench).waits
    return found


def refusal(bench: GammaBench, call: VenueCall) -> str:
    fields = {"from": OWNER, "to": call.to, "data": call.data}
    (outcome,) = bench.rpc.batch_outcomes([("eth_call", [fields, "latest"])])
    assert isinstance(outcome, RpcRefused)
    return revert_reason(outcome.data)


def new_pricer(bench: GammaBench, asset: str, feed: str) -> str:
    """A pricer without periods, which the oracle does not know yet."""
    code = creation_code("GammaPricer") + encode(("address",) * 3, (asset, feed, gamma.ORACLE)).hex()
    block = bench.twin.chain.mine_all_succeed([LocalTx(sender=BANKER, to=None, data=code)])
    return block.receipts[0]["contractAddress"]


def oracle(bench: GammaBench, name: str, *arguments: object) -> None:
    data = interface("GammaOracle").function(name).call_data(*arguments)
    bench.twin.chain.mine_all_succeed([LocalTx(sender=BANKER, to=gamma.ORACLE, data=data)])


def expire(bench: GammaBench, usd: float, *, later_s: int = gamma.LOCKING_S + 1) -> int:
    """Let the series expire with a first price of the feed, and the locking period pass; the round."""
    bench.local.go_to(bench.expiry_s)
    bench.local.feed.set_answer(usd)
    round_id = bench.local.latest_round()
    bench.local.go_to(bench.expiry_s + later_s)
    return round_id


def test_a_sale_for_less_than_its_limit_does_not_happen(bench: GammaBench) -> None:
    position = bought(bench)
    sale, before = plan(bench, CloseHow.SELL), bench.dollars()
    bench.local.write(bench.otoken, BANKER, 10 * OTOKEN_ONE)
    data = interface("Token").function("approve").call_data(mainnet.SWAP_ROUTER_02, 2**256 - 1)
    dump = interface("SwapRouter02").function("exactInputSingle")
    dumped = dump.call_data((bench.otoken, mainnet.USDC, 10_000, BANKER, 10 * OTOKEN_ONE, 0, 0))
    bench.twin.chain.mine_all_succeed(
        [LocalTx(sender=BANKER, to=bench.otoken, data=data), LocalTx(sender=BANKER, to=mainnet.SWAP_ROUTER_02, data=dumped)]
    )
    ran = bench.run(sale)
    assert (ran.done, ran.reason) == (False, "Too little received")
    assert bench.dollars() == before
    assert held(bench).size == position.size


def test_what_no_pool_takes_is_kept(bench: GammaBench) -> None:
    bought(bench)
    venue = bench.venue(pool_fees=(500,))
    (position,) = venue.positions(OWNER)
    assert position.claimable.raw == 0
    assert venue.plan_close(position, CloseHow.SELL, NOTHING) == NotYet(why="no pool takes it", not_before_s=None)


def test_the_price_is_set_by_ourselves_and_final_after_the_dispute_period(bench: GammaBench) -> None:
    bought(bench)
    expire(bench, 3_123.45678912, later_s=20)
    assert waiting(bench) == NotYet(
        why="the locking period after expiry is not over", not_before_s=bench.expiry_s + gamma.LOCKING_S + 1
    )
    bench.local.go_to(bench.expiry_s + gamma.LOCKING_S + 1)
    position = held(bench)
    assert (position.state, position.waits) == (PositionState.AWAITING_PRICE, False)
    assert (position.intrinsic.raw, position.claimable.raw) == (953_086_420, 0)
    ran = bench.run(plan(bench))
    assert ran.done, ran.reason
    assert waiting(bench).why == "a price at expiry may still be disputed"
    bench.local.go_to(ran.made_at_s + gamma.DISPUTE_S)
    assert held(bench).state is PositionState.AWAITING_PRICE
    bench.local.go_to(ran.made_at_s + gamma.DISPUTE_S + 1)
    position = held(bench)
    assert position.state is PositionState.REDEEMABLE
    assert position.claimable.raw == position.intrinsic.raw == 953_086_420
    before = bench.dollars()
    redeemed = bench.run(plan(bench))
    assert redeemed.done, redeemed.reason
    assert bench.dollars() - before == 953_086_420
    assert ran.gas + redeemed.gas < 325_000
    assert not bench.venue().positions(OWNER)


def test_a_redemption_is_told_by_its_event_and_cannot_be_repeated(bench: GammaBench) -> None:
    bought(bench)
    bench.price = Decimal(3_000)
    bench.go_to(bench.expiry_s)
    (call,) = plan(bench).calls
    block = bench.twin.chain.mine([LocalTx(sender=OWNER, to=call.to, data=call.data)])
    redeem = contract("GammaController").event("Redeem")
    (log,) = [log for log in block.receipts[0]["logs"] if redeem.is_in(log)]
    assert redeem.decode(log) == {
        "otoken": bench.otoken,
        "redeemer": OWNER,
        "receiver": OWNER,
        "collateralAsset": mainnet.USDC,
        "otokenBurned": 2 * OTOKEN_ONE,
        "payout": 1_200 * 10**6,
    }
    assert refusal(bench, call) == "ERC20: burn amount exceeds balance"


def test_the_first_round_is_found_behind_many_others(bench: GammaBench) -> None:
    bought(bench)
    first = expire(bench, 3_000.0)
    for place in range(100):
        bench.local.feed.set_answer(2_900.0 - place)
    venue = bench.venue()
    before = bench.rpc.requests
    (position,) = venue.positions(OWNER)
    spent = bench.rpc.requests - before
    (call,) = bench.venue().plan_close(position, CloseHow.REDEEM, position.claimable).calls
    assert call.data == push_call(bench.local.pricer, bench.expiry_s, first).data
    before = bench.rpc.requests
    assert venue.positions(OWNER) == (position,)
    assert bench.rpc.requests - before < spent - 3
    for wrong in (first - 1, first + 1):
        wrongly = push_call(bench.local.pricer, bench.expiry_s, wrong)
        assert refusal(bench, wrongly) == "ChainLinkPricer: invalid roundId"


def test_a_feed_without_a_round_since_expiry_is_waited_for(bench: GammaBench) -> None:
    bought(bench)
    bench.local.go_to(bench.expiry_s + gamma.LOCKING_S + 1)
    assert waiting(bench).why == "its feed has no round since expiry"


def test_nobody_pays_to_set_a_price_at_which_nothing_is_due(bench: GammaBench) -> None:
    bought(bench)
    expire(bench, 3_600.0)
    assert "nothing would be paid" in waiting(bench).why


def test_a_pricer_that_obeys_somebody_else_is_waited_for(bench: GammaBench) -> None:
    bought(bench)
    oracle(bench, "setAssetPricer", mainnet.WETH, new_pricer(bench, mainnet.USDC, bench.local.feed.address))
    expire(bench, 3_000.0)
    assert waiting(bench).why.endswith("we may not: Oracle: caller is not authorized to set expiry price")
    oracle(bench, "setAssetPricer", mainnet.WETH, BANKER)
    assert "not a Chainlink one" in waiting(bench).why
    assert held(bench).state is PositionState.AWAITING_PRICE


def test_a_disputed_price_is_the_one_that_pays(bench: GammaBench) -> None:
    bought(bench)
    bench.local.push_price(bench.expiry_s, expire(bench, 3_000.0))
    assert held(bench).intrinsic.raw == 1_200 * 10**6
    oracle(bench, "disputeExpiryPrice", mainnet.WETH, bench.expiry_s, 3_100 * 10**8)
    bench.local.go_to(bench.twin.chain.timestamp_s() + gamma.DISPUTE_S + 1)
    assert held(bench).claimable.raw == 1_000 * 10**6


def test_a_dollar_with_a_price_of_its_own_must_be_priced_too(bench: GammaBench) -> None:
    bought(bench)
    dollar = put_feed(bench.twin, USDC_USD, 0.999)
    oracle(bench, "setStablePrice", mainnet.USDC, 0)
    oracle(bench, "setAssetPricer", mainnet.USDC, new_pricer(bench, mainnet.USDC, dollar.address))
    round_id = expire(bench, 3_000.0)
    dollar.set_answer(0.998)
    bench.local.push_price(bench.expiry_s, round_id)
    assert held(bench).intrinsic.raw == 2 * 593_987_975  # 3,600 less 3,000 over 0.998 dollars, cut
    assert bench.run(plan(bench)).done
    assert waiting(bench).why == "a price at expiry may still be disputed"
    bench.local.go_to(bench.twin.chain.timestamp_s() + gamma.DISPUTE_S + 1)
    assert held(bench).claimable.raw == 2 * 593_987_975
    assert bench.run(plan(bench)).done


@pytest.mark.parametrize("what", ["paused", "struck off"])
def test_a_final_payout_that_cannot_be_taken_is_not_claimable(bench: GammaBench, what: str) -> None:
    bought(bench)
    bench.price = Decimal(3_000)
    bench.go_to(bench.expiry_s)
    (call,) = plan(bench).calls
    if what == "paused":
        bench.local.pause(fully=True)
        assert refusal(bench, call) == "C5"
    else:
        bench.local.blacklist(bench.otoken)
        assert refusal(bench, call) == "C27"
    position = held(bench)
    assert position.state is PositionState.REDEEMABLE
    assert (position.intrinsic.raw, position.claimable.raw) == (1_200 * 10**6, 0)
    assert waiting(bench).not_before_s is None


def test_a_partial_pause_leaves_redeeming_alone(bench: GammaBench) -> None:
    bought(bench)
    bench.price = Decimal(3_000)
    bench.go_to(bench.expiry_s)
    bench.local.pause(fully=False)
    assert bench.run(plan(bench)).done


def test_the_double_refuses_in_the_venues_words(bench: GammaBench) -> None:
    bought(bench)
    call = redeem_call(gamma.CONTROLLER, bench.otoken, OWNER, OTOKEN_ONE)
    assert refusal(bench, call) == "C28"
    expire(bench, 3_000.0)
    assert refusal(bench, call) == "C29"


def test_what_expired_worthless_is_burnt_for_nothing(bench: GammaBench) -> None:
    bought(bench)
    bench.price = Decimal(3_600)
    bench.go_to(bench.expiry_s)
    assert held(bench).state is PositionState.EXPIRED_WORTHLESS
    with pytest.raises(Refused):
        bench.venue().plan_close(held(bench), CloseHow.RELEASE, TokenAmount(token=USDC, raw=1))
    with pytest.raises(Refused):
        bench.venue().plan_close(held(bench), CloseHow.SELL, NOTHING)
    before = bench.dollars()
    assert bench.run(plan(bench, CloseHow.RELEASE)).done
    assert bench.dollars() == before
    assert not bench.venue().positions(OWNER)


def test_a_call_pays_ether_cut_twice_as_we_expect(bench: GammaBench) -> None:
    otoken = bench.local.create_series(4_321.0, bench.expiry_s, is_put=False)
    bench.local.write(otoken, OWNER, ODD_E8)
    (position,) = bench.venue().positions(OWNER)
    assert (position.intrinsic.token, position.intrinsic.raw) == (WETH, 0)
    bench.price = Decimal("5432.10987654")
    bench.go_to(bench.expiry_s)
    series = Series(otoken=otoken, strike_e8=4_321 * 10**8, expiry_s=bench.expiry_s, is_put=False)
    due = payout_raw(series, ODD_E8, base_e8=543_210_987_654, quote_e8=10**8, decimals=18)
    position = held(bench)
    assert (position.claimable.token, position.claimable.raw) == (WETH, due)
    assert bench.run(plan(bench)).done
    assert bench.twin.balance_raw(OWNER, mainnet.WETH) == due > 0


def test_series_of_long_ago_are_not_looked_at(bench: GammaBench) -> None:
    bought(bench)
    bench.price = Decimal(3_000)
    bench.go_to(bench.expiry_s)
    age_s = bench.twin.chain.timestamp_s() - bench.expiry_s
    assert len(bench.venue(watch_s=age_s + 1).positions(OWNER)) == 1
    assert not bench.venue(watch_s=age_s).positions(OWNER)


def test_a_contract_that_is_not_held_cannot_be_ended(bench: GammaBench) -> None:
    position = bought(bench)
    (contract_,) = bench.venue().contracts(bench.market(), bench.want())
    with pytest.raises(Refused):
        bench.venue().plan_close(replace(position, contract=contract_), CloseHow.SELL, NOTHING)
    with pytest.raises(Refused):
        bench.venue().plan_close(position, CloseHow.EXERCISE, NOTHING)

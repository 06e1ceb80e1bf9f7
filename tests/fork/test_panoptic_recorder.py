"""Panoptic's adapter on the recorder: what it sends is decoded there, what it is told it makes sense of; nothing economic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.options.panoptic import Panoptic
from keeper.adapters.options.panoptic_chunks import Chunk, contract_of
from keeper.adapters.options.panoptic_token_id import TokenId, TokenLeg
from keeper.adapters.options.reading import run_together
from keeper.core.model.errors import Refused, Transient
from keeper.core.model.option import CloseHow, NoQuote, NoQuoteReason, OptionKind, OptionPosition, OptionQuote, PositionState
from keeper.core.model.token import TokenAmount
from keeper.localchain import mainnet
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalTx, MinedBlock
from keeper.localchain.panoptic import NOBODY, POOL, POOL_ID, TRACKERS, LocalPanoptic, put_panoptic
from keeper.localchain.pools import USDC_WETH_500, open_pools
from keeper.localchain.twin import BANKER, Twin
from keeper.ports.options import NotYet, VenuePlan
from tests.fakes.rpc_server import Forward, RpcServer, tampered
from tests.fork.readings import newest
from tests.pairs import USDC, WETH
from tests.panoptic_market import CALL, DOLLAR, ETHER, LIQUIDITY, MARKET, PUT, PUT_ID, RULES, view, want

pytestmark = pytest.mark.chain
DISPATCHED = interface("PanopticRecorder").event("Dispatched")
SELLER = BANKER
LOOKBACK = 3
EMPTY = Chunk(token_type=0, lower=197_000, upper=197_240)
LADDERS = Chunk(token_type=0, lower=196_300, upper=196_540)
SHORTS = tuple(
    TokenLeg(
        asset=1,
        ratio=1,
        is_long=False,
        token_type=chunk.token_type,
        risk_partner=place,
        strike=(chunk.lower + chunk.upper) // 2,
        width=24,
    )
    for place, chunk in enumerate((PUT, CALL, EMPTY, LADDERS))
)


@dataclass(frozen=True)
class Scene:
    local: LocalPanoptic
    rpc: Rpc

    @property
    def owner(self) -> str:
        return self.local.twin.accounts[1].address

    def venue(self, rpc: Rpc | None = None, **change: Any) -> Panoptic:
        rules = replace(RULES, lookback_blocks=LOOKBACK, **change)
        return Panoptic(MARKET, rules, rpc or self.rpc, holder=self.owner)

    def quote(self, chunk: Chunk = PUT, size: int = 10 * ETHER, **change: Any) -> OptionQuote | NoQuote:
        return self.venue(**change).quote(contract_of(chunk, MARKET), TokenAmount(token=WETH, raw=size))

    def run(self, plan: VenuePlan | NotYet) -> list[MinedBlock]:
        assert isinstance(plan, VenuePlan), plan
        chain, blocks = self.local.twin.chain, []
        approve = interface("Token").function("approve")
        for call in plan.calls:
            for one in call.allowances:
                data = approve.call_data(one.spender, one.amount)
                chain.mine_all_succeed([LocalTx(sender=self.owner, to=one.token.address, data=data)])
            blocks.append(chain.mine_all_succeed([LocalTx(sender=self.owner, to=call.to, data=call.data)]))
        return blocks

    def hold(self, id_: int = PUT_ID, size: int = 10 * ETHER, *, owed: tuple[int, int] = (0, 10**15)) -> None:
        """Let the owner have an option that owes so much of either token."""
        premia = (-owed[1] % 2**128) << 128 | (-owed[0] % 2**128)
        signed = premia - 2**256 if premia >> 255 else premia
        self.local.tell_minted(self.owner, id_, 3 << 128 | size)
        long_premium = owed[1] << 128 | owed[0]
        self.local.set_position(
            self.owner, id_, balance=3 << 128 | size, required=2_000 * DOLLAR, premia=signed, long_premium=long_premium
        )

    def position(self) -> OptionPosition:
        (found,) = self.venue().positions(self.owner)
        return found


@pytest.fixture
def scene(twin: Twin) -> Iterator[Scene]:
    """Ether at 3,000 dollars; a hundred of puts and calls sold, ten of the puts bought."""
    chain = twin.chain
    open_pools(twin, [USDC_WETH_500], 3_000.0, owner=BANKER)
    local = put_panoptic(twin)
    local.tell_minted(SELLER, TokenId(pool_id=POOL_ID, legs=SHORTS).encode(), 100 * ETHER)
    local.set_chunk(PUT.lower, PUT.upper, (LIQUIDITY << 128 | 9 * LIQUIDITY, 7, 8, 9))
    local.set_chunk(CALL.lower, CALL.upper, (0, CALL.liquidity(100 * ETHER, 1), 0, 0))
    local.set_chunk(LADDERS.lower, LADDERS.upper, (LIQUIDITY, 0, 0, 0))
    rpc = Rpc(twin.rpc_url)
    scene = Scene(local=local, rpc=rpc)
    chain.impersonate(scene.owner)
    twin.fund(scene.owner, mainnet.USDC, 100_000 * DOLLAR)
    twin.fund(scene.owner, mainnet.WETH, 50 * ETHER)
    yield scene
    rpc.close()


def dispatched(block: MinedBlock) -> dict[str, Any]:
    (log,) = [one for one in block.receipts[0]["logs"] if DISPATCHED.is_in(one)]
    assert log["address"].lower() == POOL.lower()
    return DISPATCHED.decode(log)


def quoted(found: OptionQuote | NoQuote) -> OptionQuote:
    assert isinstance(found, OptionQuote), found
    return found


def declined(found: OptionQuote | NoQuote) -> tuple[NoQuoteReason, str]:
    assert isinstance(found, NoQuote), found
    return found.reason, found.note


def test_ranges_with_sellers_out_of_the_money_and_off_the_ladder_are_found(scene: Scene) -> None:
    found = scene.venue().contracts(view(), want())
    assert [one.native for one in found] == [LADDERS.native, PUT.native, CALL.native]
    ladder = (Decimal(2_930), Decimal(3_060))
    assert [one.native for one in scene.venue(avoid=ladder).contracts(view(), want())] == [PUT.native, CALL.native]
    puts = want(kinds=(OptionKind.PUT,))
    assert [one.native for one in scene.venue().contracts(view(price=Decimal(2_850)), puts)] == []
    assert scene.venue().contracts(view(base=USDC, quote=WETH), want()) == ()


def test_a_quote_is_a_fee_now_and_an_estimate_a_day(scene: Scene) -> None:
    quote = quoted(scene.quote())
    assert quote.upfront.raw == 2_852_654  # one hundredth of a percent of 28,526.533791 dollars, rounded up
    assert (quote.fee.raw, quote.max_loss, quote.payable_cap) == (0, None, None)
    assert [amount.raw for amount in quote.collateral] == [25 * DOLLAR + 3_423_184_055, 10**16]
    assert quote.carry_per_day.token == USDC
    assert quote.block == newest(scene.rpc).number
    most = (9 * LIQUIDITY * 30_000 - LIQUIDITY * 10_000) // 40_000
    assert quote.available.raw == PUT.size(most, 1) // 10**14 * 10**14
    assert quoted(scene.quote(CALL)).upfront.raw == 3_000_001  # of ten ether at 3,000 dollars


def test_what_is_deposited_already_is_not_deposited_again(scene: Scene) -> None:
    quote = quoted(scene.quote())
    scene.run(scene.venue().plan_open(quote, quote.cost))
    again = quoted(scene.quote())
    (dispatch,) = scene.venue().plan_open(again, again.cost).calls
    assert dispatch.to == POOL
    scene.hold(owed=(0, 0))
    scene.local.set_legs(scene.owner, 1)
    more = quoted(scene.quote())
    (deposit, dispatch) = scene.venue().plan_open(more, more.cost).calls
    assert deposit.allowances[0].amount == 2_000 * DOLLAR  # what the first one needs now


def test_positions_are_read_from_words(scene: Scene) -> None:
    assert scene.venue().positions(scene.owner) == ()
    scene.hold()
    scene.local.set_legs(scene.owner, 1)
    held = scene.position()
    assert (held.id, held.size.raw, held.state) == (str(PUT_ID), 10 * ETHER, PositionState.OPEN)
    assert held.contract.legs == contract_of(PUT, MARKET).legs
    assert 2_999_000 < held.accrued_cost.raw < 3_001_000  # a thousandth of an ether
    assert (held.intrinsic.raw, held.claimable.raw, held.act_before_s) == (0, 0, None)


def test_logs_that_contradict_the_venue_are_told(scene: Scene) -> None:
    scene.hold()
    with pytest.raises(Transient, match="0 legs are held, the logs since block 0 tell of 1"):
        scene.venue().positions(scene.owner)


def deposited(scene: Scene) -> None:
    deposit = interface("PanopticRecorder").function("deposit")
    approve = interface("Token").function("approve")
    for tracker, token, amount in zip(TRACKERS, (mainnet.USDC, mainnet.WETH), (3_500 * DOLLAR, 10**16), strict=True):
        for to, data in ((token, approve.call_data(tracker, amount)), (tracker, deposit.call_data(amount, scene.owner))):
            scene.local.twin.chain.mine_all_succeed([LocalTx(sender=scene.owner, to=to, data=data)])


def deep_in_the_money(scene: Scene) -> OptionPosition:
    scene.hold(Chunk(token_type=0, lower=195_000, upper=195_240).token_id(POOL_ID, 1, 10, 1))
    scene.local.set_legs(scene.owner, 1)
    deposited(scene)
    return scene.position()


def test_a_close_in_cash_and_one_by_delivery_are_recorded(scene: Scene) -> None:
    held = deep_in_the_money(scene)
    assert held.state is PositionState.ITM_EXERCISABLE
    assert 3_590 * DOLLAR < held.claimable.raw < held.intrinsic.raw - held.accrued_cost.raw
    venue, nothing = scene.venue(), replace(held.claimable, raw=0)
    values = dispatched(scene.run(venue.plan_close(held, CloseHow.CASH, nothing))[-1])
    assert (values["positionSizes"], values["finalPositionIdList"]) == ((0,), ())
    ((high, low, _),) = values["tickAndSpreadLimits"]
    assert high == low + 402
    *_, last = scene.run(venue.plan_close(held, CloseHow.PHYSICAL, nothing))
    assert dispatched(last)["tickAndSpreadLimits"] == ((low, high, 90_000),)
    assert scene.local.twin.balance_raw(TRACKERS[1], mainnet.WETH) > 10 * ETHER
    for refused in (CloseHow.EXERCISE, CloseHow.SELL, CloseHow.REDEEM):
        with pytest.raises(Refused):
            venue.plan_close(held, refused, nothing)
    with pytest.raises(Refused, match="are wanted"):
        venue.plan_close(held, CloseHow.CASH, replace(held.claimable, raw=held.claimable.raw + 1))
    assert isinstance(venue.plan_close(held, CloseHow.RELEASE, nothing), NotYet)


def test_without_some_of_both_tokens_it_is_not_closed_in_cash(scene: Scene) -> None:
    scene.hold()
    scene.local.set_legs(scene.owner, 1)
    held = scene.position()
    plan = scene.venue().plan_close(held, CloseHow.CASH, replace(held.claimable, raw=0))
    assert isinstance(plan, NotYet)
    assert "0 USDC are deposited, more than the 0 USDC that are owed" in plan.why
    deposited(scene)
    assert isinstance(scene.venue().plan_close(scene.position(), CloseHow.CASH, replace(held.claimable, raw=0)), VenuePlan)


def test_a_trial_that_the_venue_refuses_is_told_in_words(scene: Scene) -> None:
    deep_in_the_money(scene)
    scene.local.set_refusal(bytes.fromhex("88cce429"))
    held = scene.position()
    assert (held.claimable.raw, held.state) == (0, PositionState.OPEN)
    plan = scene.venue().plan_close(held, CloseHow.CASH, held.claimable)
    assert isinstance(plan, NotYet)
    assert "too far from the venue's averages" in plan.why


@pytest.mark.parametrize("by", ["exercisor", "liquidator"])
def test_what_others_ended_is_seen_and_what_is_left_is_released(scene: Scene, by: str) -> None:
    scene.hold()
    deposited(scene)
    scene.local.tell_burnt(scene.owner, PUT_ID, 10 * ETHER, **{by: BANKER})
    for token, raw in enumerate((3_000 * DOLLAR, 10**15)):
        scene.local.set_withdrawable(token, scene.owner, raw)
    over = scene.position()
    assert (over.state, over.size.raw, over.intrinsic.raw) == (PositionState.FORCE_EXERCISED, 10 * ETHER, 0)
    venue, nothing = scene.venue(), replace(over.claimable, raw=0)
    before = scene.local.twin.balance_raw(scene.owner, mainnet.USDC)
    assert len(scene.run(venue.plan_close(over, CloseHow.RELEASE, nothing))) == 2
    assert scene.local.twin.balance_raw(scene.owner, mainnet.USDC) == before + 3_000 * DOLLAR
    with pytest.raises(Refused):
        venue.plan_close(over, CloseHow.CASH, nothing)


def test_what_the_owner_ended_is_shown_while_something_can_be_released(scene: Scene) -> None:
    scene.hold()
    scene.local.tell_burnt(scene.owner, PUT_ID, 10 * ETHER)
    assert scene.venue().positions(scene.owner) == ()
    scene.local.set_withdrawable(0, scene.owner, 5)
    assert scene.position().state is PositionState.CLOSED


def test_why_there_is_no_quote(scene: Scene) -> None:
    assert declined(scene.quote(EMPTY))[0] is NoQuoteReason.NO_LIQUIDITY
    assert declined(scene.quote(size=1_000 * ETHER))[0] is NoQuoteReason.NO_LIQUIDITY
    assert declined(scene.quote(size=10**42))[0] is NoQuoteReason.LIMIT
    assert declined(scene.quote(Chunk(token_type=0, lower=196_200, upper=196_440)))[0] is NoQuoteReason.UNSOUND
    assert declined(scene.quote(avoid=(Decimal(2_000), Decimal(2_840))))[0] is NoQuoteReason.UNSOUND
    assert declined(scene.quote(chunk=replace(PUT, lower=196_650)))[0] is NoQuoteReason.NO_LIQUIDITY
    elsewhere = replace(contract_of(PUT, MARKET), venue="elsewhere")
    assert declined(scene.venue().quote(elsewhere, TokenAmount(token=WETH, raw=1)))[0] is NoQuoteReason.NO_SERIES
    scene.local.set_safe_mode(2)
    quoted(scene.quote())
    scene.local.set_safe_mode(3)
    assert declined(scene.quote()) == (NoQuoteReason.PAUSED, "the pool is in safe mode 3")
    scene.local.set_pool(NOBODY)
    assert declined(scene.quote())[0] is NoQuoteReason.NO_SERIES
    assert scene.venue().positions(scene.owner) == scene.venue().contracts(view(), want()) == ()


def test_another_pool_than_before_is_told_once_and_then_taken(scene: Scene) -> None:
    venue, contract, size = scene.venue(), contract_of(PUT, MARKET), TokenAmount(token=WETH, raw=ETHER)
    quoted(venue.quote(contract, size))
    scene.local.set_pool(TRACKERS[0])
    with pytest.raises(Transient, match="another pool than before"):
        venue.quote(contract, size)
    assert declined(venue.quote(contract, size))[0] is NoQuoteReason.NO_LIQUIDITY


def test_a_node_without_history_or_with_forbidden_searches_is_told_apart(scene: Scene) -> None:
    def refused(entry: dict[str, Any]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": entry["id"], "error": {"code": -32005, "message": "block range is too large"}}

    forward = Forward(scene.local.twin.rpc_url)
    with RpcServer(forward) as server:
        rpc = Rpc(server.url, attempts=1)
        server.misbehave(tampered("eth_getLogs", refused), tampered("eth_getLogs", refused), tampered("eth_getLogs", refused))
        with pytest.raises(Transient, match="range is too large"):
            scene.venue(rpc).positions(scene.owner)
        rpc.close()
    forward.close()
    old = Panoptic(MARKET, replace(RULES, lookback_blocks=10**6), scene.rpc, holder=scene.owner)
    reason, note = declined(old.quote(contract_of(PUT, MARKET), TokenAmount(token=WETH, raw=ETHER)))
    assert reason is NoQuoteReason.UNREACHABLE
    assert "fee growth of 1000000 blocks ago" in note


def test_every_reading_takes_the_rounds_that_it_says(scene: Scene) -> None:
    venue, head = scene.venue(), newest(scene.rpc)

    def rounds(ask: Callable[[], Any]) -> int:
        before = scene.rpc.requests
        (found,) = run_together(scene.rpc, MARKET.multicall, head.hash, [ask()])
        assert not isinstance(found, Transient), found
        return scene.rpc.requests - before

    def offering() -> Any:
        return venue.offering(view(), [want(), want(ETHER)], head)

    assert rounds(offering) == 3
    assert rounds(offering) == 2
    assert rounds(lambda: venue.discovering(view(), want(), head)) == 2
    assert rounds(lambda: venue.holding(scene.owner, head)) == 1
    (offered,) = run_together(scene.rpc, MARKET.multicall, head.hash, [offering()])
    assert not isinstance(offered, Transient)
    assert [type(one) for one in offered].count(OptionQuote) == 5
    assert [declined(one)[0] for one in offered if isinstance(one, NoQuote)] == [NoQuoteReason.NO_LIQUIDITY] * 3
    (nothing,) = run_together(
        scene.rpc, MARKET.multicall, head.hash, [venue.offering(view(), [want(strike_to=Decimal(1_001))], head)]
    )
    assert not isinstance(nothing, Transient)
    assert [declined(one)[0] for one in nothing] == [NoQuoteReason.NO_SERIES]

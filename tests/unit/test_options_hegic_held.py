"""What Hegic's adapter makes of options that are held, and how they are bought and ended, without a chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.checked import ReadRefused
from keeper.adapters.evm.rpc import BadReply, RpcRefused
from keeper.adapters.options.reading import Replies
from keeper.core.model.errors import Refused, Reorged
from keeper.core.model.option import (
    CloseHow,
    OptionQuote,
    PositionState,
)
from keeper.core.model.token import TokenAmount
from keeper.ports.options import NotYet, VenuePlan
from tests.pairs import NOW_S, WALLET
from tests.ports.herge_bench import MARKET, USDC_E, WETH
from tests.unit.hegic_answers import (
    DAY_S,
    DOLLAR,
    ETHER,
    HEAD,
    NOBODY,
    PUT_90,
    PUT_100,
    finished,
    quoted,
    replies,
    venue,
)

TRANSFER = contract("HegicPositionsManager").event("Transfer").topic0


def transfer(id_: int, **change: Any) -> dict[str, Any]:
    topics = [TRANSFER, "0x" + "00" * 32, "0x" + WALLET[2:].lower().rjust(64, "0"), f"0x{id_:064x}"]
    return {"address": MARKET.positions.lower(), "topics": topics, "data": "0x", "removed": False, **change}


HELD: Mapping[str, Any] = {
    "ownerOf": (WALLET,),
    "lockedLiquidity": (1, PUT_90.address, 48_200_000, 48_200_000, NOW_S + DAY_S),
    "strategyData": (2 * ETHER, 2_500 * 10**8),
    "payOffAmount": (500 * DOLLAR,),
}


def held(logs: Any, count: int = 1, **change: Any) -> Any:
    reading = venue().holding(WALLET, HEAD)
    next(reading)
    balance = dict.fromkeys(next(venue().holding(WALLET, HEAD)).reads, (count,))
    ask = reading.send(Replies(answers=balance, others=[logs]))
    return finished(reading, replies(ask, **{**HELD, **change}))


def test_the_first_option_has_the_id_zero_and_is_held() -> None:
    (one,) = held([transfer(0)])
    assert one.id == "0"
    assert one.state is PositionState.ITM_EXERCISABLE
    assert one.contract.legs[0].strike == Decimal(2_250)
    assert one.opened_cost.raw == 48_200_000
    assert one.act_before_s == NOW_S + DAY_S - 6 * 3_600
    assert one.intrinsic.raw == one.claimable.raw == 500 * DOLLAR


def test_a_search_goes_on_where_the_last_one_ended_and_begins_anew_when_it_fails() -> None:
    one = venue()

    def look(count: int, logs: Any) -> tuple[int, Any]:
        reading = one.holding(WALLET, HEAD)
        (call,) = (first := next(reading)).others
        since = int(call[1][0]["fromBlock"], 16)
        answers = dict.fromkeys(first.reads, (count,))
        try:
            return since, finished(reading, replies(reading.send(Replies(answers=answers, others=[logs])), **HELD))
        except StopIteration as end:
            return since, end.value

    resumed = HEAD.number - 256
    assert look(0, []) == (MARKET.first_block, ())
    since, (found,) = look(1, [transfer(0)])
    assert (since, found.id) == (resumed, "0")
    assert look(1, []) == (resumed, (found,))
    with pytest.raises(ReadRefused):
        look(1, RpcRefused(-32005, "block range is too large", None))
    with pytest.raises(BadReply, match="transfers since block"):
        look(2, [])
    assert look(1, [transfer(0)]) == (MARKET.first_block, (found,))


def test_an_option_in_the_money_is_worth_nothing_from_its_expiry_on() -> None:
    (last,) = held([transfer(0)], lockedLiquidity=(1, PUT_90.address, 1, 1, NOW_S + 1))
    assert last.intrinsic.raw == 500 * DOLLAR
    (late,) = held([transfer(0)], lockedLiquidity=(1, PUT_90.address, 1, 1, NOW_S))
    assert late.state is PositionState.EXPIRED_WORTHLESS
    assert (late.intrinsic.raw, late.claimable.raw, late.act_before_s) == (0, 0, None)


def test_a_payoff_is_claimable_as_a_whole_or_not_at_all() -> None:
    own = 48_200_000
    (one,) = held([transfer(0)], totalBalance=(500 * DOLLAR,), totalLocked=(own,), lockedPremium=(own,))
    assert one.claimable.raw == 500 * DOLLAR
    (one,) = held([transfer(0)], totalBalance=(500 * DOLLAR - 1,), totalLocked=(own,), lockedPremium=(own,))
    assert (one.intrinsic.raw, one.claimable.raw) == (500 * DOLLAR, 0)


def test_ended_options_and_those_of_unknown_strategies_are_left_out() -> None:
    assert held([transfer(0)], lockedLiquidity=(0, PUT_90.address, 1, 1, NOW_S + DAY_S)) == ()
    assert held([transfer(0)], lockedLiquidity=(1, NOBODY, 1, 1, NOW_S + DAY_S)) == ()


def test_a_transfer_told_twice_counts_once_and_one_that_left_does_not() -> None:
    assert len(held([transfer(0), transfer(0), transfer(3)], count=2)) == 2
    with pytest.raises(BadReply, match="3 options are held, the transfers since block 0 tell of 2"):
        held([transfer(0), transfer(3)], count=3)
    with pytest.raises(BadReply, match="1 options are held, the transfers since block 0 tell of 0"):
        held([transfer(0)], ownerOf=(NOBODY,))


@pytest.mark.parametrize(
    ("logs", "error"),
    [
        (RpcRefused(-32005, "more than 10000 blocks"), ReadRefused),
        ([transfer(0, removed=True)], Reorged),
        ([transfer(0, address=NOBODY)], BadReply),
        ([transfer(0, topics=[TRANSFER])], BadReply),
        ([transfer(0) | {"topics": [*transfer(0)["topics"][:2], "0x" + "22" * 32, "0x" + "00" * 32]}], BadReply),
        (None, BadReply),
        (["0x"], BadReply),
    ],
)
def test_transfers_that_cannot_be_read_are_an_error(logs: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        held(logs)


def test_an_account_without_options_needs_no_transfers() -> None:
    reading = venue().holding(WALLET, HEAD)
    ask = next(reading)
    refused = RpcRefused(-32005, "more than 10000 blocks")
    assert finished(reading, Replies(answers=dict.fromkeys(ask.reads, (0,)), others=[refused])) == ()


def test_the_strategy_of_an_option_is_looked_for_once() -> None:
    hegic = venue()

    def asked() -> tuple[int, Any]:
        reading = hegic.holding(WALLET, HEAD)
        first = next(reading)
        ask = reading.send(Replies(answers=dict.fromkeys(first.reads, (1,)), others=[[transfer(0)]]))
        return len(ask.reads), (reading, ask)

    several, (reading, ask) = asked()
    finished(reading, replies(ask, **HELD))
    few, (reading, ask) = asked()
    assert few == several - 2
    with pytest.raises(BadReply, match="another strategy than before"):
        reading.send(replies(ask, **{**HELD, "lockedLiquidity": (1, PUT_100.address, 1, 1, NOW_S + DAY_S)}))
    assert asked()[0] == several


def test_a_purchase_is_one_call_whose_allowance_is_its_limit() -> None:
    quote = quoted()
    assert isinstance(quote, OptionQuote)
    limit = TokenAmount(token=USDC_E, raw=50 * DOLLAR)
    (call,) = venue().plan_open(quote, limit).calls
    (allowance,) = call.allowances
    assert (allowance.token, allowance.spender, allowance.amount) == (USDC_E, MARKET.treasury, 50 * DOLLAR)
    assert (call.to, call.value_wei) == (MARKET.treasury, 0)
    arguments = contract("HegicTreasury").function("buy").decode_arguments(call.data)
    assert arguments == (PUT_90.address, WALLET, 2 * ETHER, 7 * DAY_S, ())
    assert "2 WETH at 2250" in call.label


def test_ends_are_calls_without_allowances() -> None:
    (one,) = held([transfer(0)])
    nothing = TokenAmount(token=USDC_E, raw=0)
    plan = venue().plan_close(one, CloseHow.EXERCISE, one.claimable)
    assert isinstance(plan, VenuePlan)
    assert plan.calls[0].data == contract("HegicTreasury").function("payOff").call_data(0, WALLET)
    assert plan.calls[0].allowances == ()
    early = venue().plan_close(one, CloseHow.RELEASE, nothing)
    assert isinstance(early, NotYet)
    assert early.not_before_s == NOW_S + DAY_S + 1
    late = replace(one, state=PositionState.EXPIRED_WORTHLESS)
    plan = venue().plan_close(late, CloseHow.RELEASE, nothing)
    assert isinstance(plan, VenuePlan)
    assert plan.calls[0].data == contract("HegicTreasury").function("unlock").call_data(0)
    with pytest.raises(Refused, match="not in WETH"):
        venue().plan_close(one, CloseHow.EXERCISE, TokenAmount(token=WETH, raw=0))

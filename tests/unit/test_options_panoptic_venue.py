"""Panoptic's quotes and positions from answers made up word by word, without a chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import ContractRead, Reverted
from keeper.adapters.evm.rpc import BadReply, Rpc, RpcRefused
from keeper.adapters.options.panoptic import Panoptic
from keeper.adapters.options.panoptic_chunks import contract_of, to_quote
from keeper.adapters.options.panoptic_cost import Depth, streamia
from keeper.adapters.options.panoptic_terms import PanopticRules
from keeper.adapters.options.reading import Ask, Reading, Replies
from keeper.core.model.errors import Reorged
from keeper.core.model.option import CostModel, NoQuote, NoQuoteReason, OptionQuote, QuoteBasis
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import TokenAmount
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.localchain.panoptic import POOL, POOL_ID, TRACKERS
from tests.pairs import DAY_S, NOW_S, USDC, WALLET, WETH
from tests.panoptic_market import DOLLAR, ETHER, LIQUIDITY, MARKET, PUT, PUT_ID, RULES

HEAD = BlockRef(number=1_000_000, hash="0x" + "11" * 32, timestamp_s=NOW_S)
TICK = 196_000
THROUGH = 10 * ETHER * 500 * 2**128 // (999_500 * LIQUIDITY)
"""Fee growth in ether when the price goes once through the put's range."""
_AGGREGATE3 = contract("Multicall3").function("aggregate3")
_POOL = contract("PanopticPool")
TEN = TokenAmount(token=WETH, raw=10 * ETHER)
Table = Mapping[str, Any]


def uniswap_tick(*, outside: tuple[int, int] = (0, 0), initialised: bool = True) -> tuple[Any, ...]:
    return (1, 1, *outside, 0, 0, 0, initialised)


TOLD: Table = {
    "getPanopticPool": (POOL,),
    "poolId": (POOL_ID,),
    "collateralToken0": (TRACKERS[0],),
    "collateralToken1": (TRACKERS[1],),
    USDC.address: (6,),
    WETH.address: (18,),
    "numberOfLegs": (0,),
    "isSafeMode": (0,),
    "NOTIONAL_FEE": (1,),
    "PREMIUM_FEE": (100,),
    "BUYER_COLLATERAL_RATIO": (1_000_000,),
    "slot0": (get_sqrt_ratio_at_tick(TICK), TICK, 0, 0, 0, 0, True),
    "feeGrowthGlobal0X128": (0,),
    "feeGrowthGlobal1X128": (THROUGH * 10,),
    # Below the range fees inside are those outside of the lower end less those of the upper.
    "ticks": lambda tick: uniswap_tick(outside=(0, THROUGH if tick == PUT.lower else 0)),
    "getCurrentBlockTimestamp": (NOW_S,),
    "assetsOf": (0,),
    "maxWithdraw": (0,),
    "getChunkData": ((0 << 128) | 10 * LIQUIDITY, 0, 0, 0),
}
BEFORE: Table = {
    **TOLD,
    "feeGrowthGlobal1X128": (0,),
    "ticks": lambda _: uniswap_tick(),
    "getCurrentBlockTimestamp": (NOW_S - 2 * DAY_S,),
}


def answer(read: ContractRead, told: Table) -> tuple[Any, ...] | Reverted:
    name = read.function.signature.partition("(")[0]
    found = told[read.target if name == "decimals" else name]
    return found(*read.function.decode_arguments(read.data)) if isinstance(found, Callable) else found


def past(data: str, told: Table) -> str:
    """The reply to a multicall at an old block."""
    (calls,) = _AGGREGATE3.decode_arguments(data)
    names = {one.selector: one for name in ("UniswapV3Pool", "Multicall3") for one in contract(name)._functions}
    results = []
    for target, _, call in calls:
        function = names[call[:4]]
        values = answer(ContractRead(target=target, data=call, function=function), told)
        results.append((True, encode(_members(function.results.name), values)))
    return "0x" + encode(["(bool,bytes)[]"], [results]).hex()


def _members(name: str) -> list[str]:
    return name[1:-1].split(",")


def venue(rules: PanopticRules = RULES) -> Panoptic:
    return Panoptic(MARKET, rules, Rpc("http://127.0.0.1:1"), holder=WALLET)


def ended(reading: Reading[Any], told: Table, before: Table | None = BEFORE, logs: list[Any] | None = None) -> Any:
    """What a reading makes of these answers; ``before`` None is a node without history."""
    ask: Ask = next(reading)
    while True:
        others: list[Any] = []
        for method, params in ask.others:
            if method == "eth_getLogs":
                others.append(logs if logs is not None and not others else [])
            else:
                others.append(RpcRefused(-32000, "missing trie node") if before is None else past(params[0]["data"], before))
        answers = {read: answer(read, told) for read in ask.reads}
        try:
            ask = reading.send(Replies(answers=answers, others=others))
        except StopIteration as end:
            return end.value


def quoted(told: Table = TOLD, before: Table | None = BEFORE, rules: PanopticRules = RULES) -> OptionQuote | NoQuote:
    return ended(venue(rules).quoting(contract_of(PUT, MARKET), TEN, HEAD), told, before)


def ether_in_dollars(raw: int) -> int:
    return to_quote(raw, get_sqrt_ratio_at_tick(TICK), 1, round_up=True)


def test_the_cost_of_a_day_is_that_of_the_fees_of_the_last_blocks() -> None:
    """Once through the range in two days; of the hundred ether that are sold this purchase removes ten."""
    quote = quoted()
    assert isinstance(quote, OptionQuote), quote
    exact = streamia(THROUGH, LIQUIDITY, Depth(net=9 * LIQUIDITY, removed=LIQUIDITY), 8)
    assert exact == 5_071_980_434_661_775
    assert quote.carry_per_day.raw == ether_in_dollars(-(-(exact + 1) // 2)) + 1
    assert (quote.cost_model, quote.basis) == (CostModel.STREAMED, QuoteBasis.MODEL)
    assert quote.valid_until_s == NOW_S + RULES.valid_s


def test_a_range_that_the_price_has_not_seen_is_reckoned_with_a_share_of_the_pools_fees() -> None:
    unseen = {**TOLD, "ticks": lambda _: uniswap_tick()}
    quote = quoted(unseen)
    assert isinstance(quote, OptionQuote)
    assert quote.carry_per_day == quoted().carry_per_day  # a tenth of ten times as much
    twice = quoted(unseen, rules=replace(RULES, least_share_bps=2_000))
    assert isinstance(twice, OptionQuote)
    assert abs(twice.carry_per_day.raw - 2 * quote.carry_per_day.raw) <= 2
    new = {**BEFORE, "ticks": lambda _: uniswap_tick(initialised=False)}
    assert quoted(before=new).carry_per_day == quote.carry_per_day


def test_what_the_engine_does_not_tell_is_in_the_rules() -> None:
    silent = {name: Reverted("nothing returned") for name in ("NOTIONAL_FEE", "BUYER_COLLATERAL_RATIO")}
    told, untold = quoted(), quoted({**TOLD, **silent})
    assert isinstance(told, OptionQuote)
    assert isinstance(untold, OptionQuote)
    assert (told.upfront.raw, untold.upfront.raw) == (2_852_654, 8_557_961)
    assert untold.collateral == told.collateral


@pytest.mark.parametrize(
    ("change", "reason", "note"),
    [
        ({"isSafeMode": (3,)}, NoQuoteReason.PAUSED, "safe mode 3"),
        ({"isSafeMode": Reverted("error 0x88cce429")}, NoQuoteReason.UNREACHABLE, "too far from the venue's averages"),
        ({"getChunkData": (0, 10 * LIQUIDITY, 0, 0)}, NoQuoteReason.NO_LIQUIDITY, "0 WETH of 10 WETH may be bought"),
        ({"getChunkData": (9 * LIQUIDITY << 128 | 2 * LIQUIDITY, 0, 0, 0)}, NoQuoteReason.NO_LIQUIDITY, "0 WETH of 10 WETH"),
        ({"slot0": (get_sqrt_ratio_at_tick(196_640), 196_640, 0, 0, 0, 0, True)}, NoQuoteReason.UNSOUND, "within or past"),
        ({"slot0": (0, 0, 0, 0, 0, 0, False)}, NoQuoteReason.UNREACHABLE, "no price"),
        ({"getCurrentBlockTimestamp": (NOW_S - 3 * DAY_S,)}, NoQuoteReason.UNREACHABLE, "no time has passed"),
        ({USDC.address: (18,)}, NoQuoteReason.UNSOUND, "USDC has 18 decimals, configured are 6"),
        ({"getPanopticPool": ("0x" + "00" * 20,)}, NoQuoteReason.NO_SERIES, "no pool over"),
    ],
)
def test_every_reason_for_no_quote_says_what_was_found(change: Table, reason: NoQuoteReason, note: str) -> None:
    found = quoted({**TOLD, **change})
    assert isinstance(found, NoQuote), found
    assert found.reason is reason
    assert note in found.note


@pytest.mark.parametrize("deployed", [None, POOL, TRACKERS[0]], ids=["not told", "told", "told wrongly"])
def test_where_the_pool_stands_may_be_told_and_the_factory_decides(deployed: str | None) -> None:
    def asked() -> Panoptic:
        return Panoptic(replace(MARKET, deployed=deployed), RULES, Rpc("http://127.0.0.1:1"), holder=WALLET)

    contract = contract_of(PUT, MARKET)
    assert ended(asked().quoting(contract, TEN, HEAD), TOLD) == quoted()
    none = ended(asked().quoting(contract, TEN, HEAD), {**TOLD, "getPanopticPool": ("0x" + "00" * 20,)})
    assert (none.reason, "no pool over" in none.note) == (NoQuoteReason.NO_SERIES, True)


def test_a_node_without_history_gives_no_cost_and_so_no_quote() -> None:
    found = quoted(before=None)
    assert isinstance(found, NoQuote)
    assert (found.reason, "7200 blocks ago" in found.note) == (NoQuoteReason.UNREACHABLE, True)


def minted(id_: int = PUT_ID, **change: Any) -> dict[str, Any]:
    event = _POOL.event("OptionMinted")
    log = {
        "address": POOL,
        "topics": [event.topic0, "0x" + WALLET[2:].lower().rjust(64, "0"), f"0x{id_:064x}"],
        "data": f"0x{3 << 128 | TEN.raw:064x}",
        "blockNumber": "0x1",
        "logIndex": "0x0",
        "transactionHash": "0x" + "22" * 32,
    }
    return log | change


@pytest.mark.parametrize(
    ("logs", "error", "words"),
    [
        ([minted(removed=True)], Reorged, "removed from the chain"),
        ([minted(address=TRACKERS[0])], BadReply, "another contract"),
        ([minted(topics=[minted()["topics"][0], "0x" + "33" * 32, minted()["topics"][2]])], BadReply, "fit an address"),
        ([minted(id_=POOL_ID)], BadReply, "cannot be"),
        ([minted()], BadReply, "0 legs are held"),
        ([minted(blockNumber=None)], BadReply, "block of a log"),
    ],
)
def test_logs_that_cannot_be_are_refused(logs: list[Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        ended(venue().holding(WALLET, HEAD), TOLD, logs=logs)


def test_answers_about_another_number_of_options_are_refused() -> None:
    told = {**TOLD, "numberOfLegs": (1,), "getFullPositionsData": (0, 0, (), (), ())}

    def trial(reading: Reading[Any]) -> Any:
        ask = next(reading)
        for others in ([], [[minted()], []]):
            ask = reading.send(Replies(answers={read: answer(read, told) for read in ask.reads}, others=others))
        return reading.send(Replies(answers={read: answer(read, told) for read in ask.reads}, others=["0x"]))

    with pytest.raises(BadReply, match="1 options were asked for, 0 were told of"):
        trial(venue().holding(WALLET, HEAD))


def test_what_is_needed_and_not_deposited_is_in_the_plan() -> None:
    quote = quoted({**TOLD, "assetsOf": (10**15,)})
    assert isinstance(quote, OptionQuote)
    plan = venue().plan_open(quote, quote.cost)
    assert [call.label.split()[0] for call in plan.calls] == ["deposit", "buy"]  # 10**15 raw dollars are more than enough
    (allowance,) = plan.calls[0].allowances
    assert (allowance.token, allowance.amount) == (WETH, 9 * 10**15)
    assert quote.collateral[0].raw == 25 * DOLLAR + -(-28_526_533_791 * 12 // 100)

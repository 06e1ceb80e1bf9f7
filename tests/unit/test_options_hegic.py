"""Hegic's arithmetic and its quotes, without a chain."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Reverted
from keeper.adapters.evm.rpc import BadReply, RpcRefused
from keeper.adapters.options.hegic_reads import PROBE_STRIKE
from keeper.adapters.options.hegic_terms import HergeGuards, HergeStrategy, Reserves, effective_strike, put_payoff
from keeper.core.model.errors import Reorged
from keeper.core.model.option import (
    NoQuote,
    NoQuoteReason,
    OptionKind,
    OptionQuote,
)
from keeper.core.model.token import TokenAmount
from keeper.localchain.artifacts import interface
from tests.pairs import NOW_S
from tests.ports.herge_bench import MARKET, USDC_E, WETH
from tests.unit.hegic_answers import (
    DAY_S,
    DOLLAR,
    ETHER,
    HEAD,
    NOBODY,
    PUT_90,
    PUT_100,
    SMALL,
    discovered,
    finished,
    market,
    put_90,
    quoted,
    replies,
    venue,
    want,
)

DOUBLES = {"HegicTreasury": "HergeTreasury", "HegicStrategy": "HergePut", "HegicPositionsManager": "HergePositions"}
DOUBLES["HegicCoverPool"] = "HergeCover"


@pytest.mark.parametrize(
    ("name", "function", "selector"),
    [
        ("HergeTreasury", "buy", "0e5024d7"),
        ("HergeTreasury", "payOff", "914fb518"),
        ("HergeTreasury", "unlock", "6198e339"),
        ("HergeTreasury", "lockedLiquidity", "3755269b"),
        ("HergeTreasury", "acceptedStrategy", "ce7340f8"),
        ("HergePut", "calculateNegativepnlAndPositivepnl", "d666b433"),
        ("HergePut", "getAvailableContracts", "847340f8"),
        ("HergePut", "payOffAmount", "72e08c41"),
        ("HergePut", "isPayoffAvailable", "4037a656"),
        ("HergePut", "strategyData", "d6c8d1b4"),
        ("HergePut", "positionExpiration", "90e4144e"),
    ],
)
def test_the_double_has_the_selectors_of_the_real_one(name: str, function: str, selector: str) -> None:
    assert interface(name).function(function).selector.hex() == selector


@pytest.mark.parametrize("name", DOUBLES)
def test_what_the_adapter_calls_is_what_the_double_has(name: str) -> None:
    ours, double = contract(name), interface(DOUBLES[name])
    assert ours._functions
    for function in ours._functions:
        found = double.function(function.signature)
        assert found.selector == function.selector
        assert found.results.words == function.results.words
    for event_name, event in ours._events.items():
        assert double.event(event_name).topic0 == event.topic0
        assert len(double.event(event_name).indexed) == len(event.indexed)


def test_the_purchases_topic_is_the_one_seen_on_the_chain() -> None:
    assert contract("HegicStrategy").event("Acquired").topic0.startswith("0xe6ba0455")


def test_the_strike_is_the_spot_at_the_purchase_times_the_scale() -> None:
    assert effective_strike(3_000 * 10**8, 9_000) == 2_700 * 10**8
    assert effective_strike(1, 9_999) == 0
    assert PUT_90.leg(250_000_000_001).strike == Decimal("2250.00000000")


@pytest.mark.parametrize(
    ("put", "amount", "stored", "spot", "dollars"),
    [
        (PUT_90, ETHER, 6_000, 3_000, 2_400),
        (PUT_100, 2 * ETHER, 2_500, 2_000, 1_000),
        (PUT_90, 20 * ETHER, 3_000, 2_000, 14_000),
        (PUT_100, ETHER, 2_500, 2_500, 0),
        (PUT_100, ETHER, 2_500, 9_000, 0),
    ],
)
def test_payoffs_are_those_that_the_real_one_paid(
    put: HergeStrategy, amount: int, stored: int, spot: int, dollars: int
) -> None:
    paid = put_payoff(put, MARKET, amount=amount, stored=stored * 10**8, spot=spot * 10**8)
    assert paid == dollars * DOLLAR


def reserves(**change: int) -> Reserves:
    empty = {"balance": 0, "locked": 0, "premiums": 0, "benchmark": 0, "cover": 0}
    return Reserves(**(empty | change))


def test_a_fourteen_thousand_payoff_is_not_covered_by_six() -> None:
    """The case that reverted on the real bytecode: 20 ether, and 6,000 dollars in the treasury."""
    premium = 482 * DOLLAR
    after = reserves(balance=6_000 * DOLLAR + premium, locked=premium, premiums=premium)
    assert after.cap == 6_000 * DOLLAR - premium
    assert after.without(locked=premium, premium=premium).cap == 6_000 * DOLLAR + premium < 14_000 * DOLLAR


def test_a_payoff_beyond_the_balance_also_fills_it_up_to_the_benchmark() -> None:
    assert reserves(balance=10, cover=90).cap == 100
    assert reserves(balance=10, cover=90, benchmark=30).cap == 70
    assert reserves(balance=50, cover=50, benchmark=60).cap == 50
    assert reserves(balance=10, locked=8, premiums=8).cap == 0


amounts = st.integers(min_value=0, max_value=10**12)


@given(amounts, amounts, amounts, amounts, amounts)
def test_the_cap_is_never_more_than_all_that_is_free(balance: int, locked: int, premiums: int, mark: int, cover: int) -> None:
    held = Reserves(balance=balance, locked=locked, premiums=premiums, benchmark=mark, cover=cover)
    assert 0 <= held.cap <= max(balance + cover - locked - premiums, 0)
    assert held.cap <= replace(held, cover=cover + 1).cap


@pytest.mark.parametrize("change", [{"kind": OptionKind.CALL}, {"scale": 0}, {"min_period_s": 0}, {"max_period_s": DAY_S}])
def test_a_strategy_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="strategy 0x"):
        replace(PUT_90, **change)


def test_a_market_needs_strategies_each_once() -> None:
    for strategies in ((), (PUT_90, PUT_90)):
        with pytest.raises(ValueError, match="each once"):
            replace(MARKET, strategies=strategies)


def test_the_shortest_period_that_ends_in_the_wanted_time_is_taken() -> None:
    assert [one.native[1] for one in discovered(want())] == [str(7 * DAY_S)] * 2
    assert [one.native[1] for one in discovered(want((10, 30)))] == [str(10 * DAY_S)] * 2
    assert [one.native[1] for one in discovered(want((14, 14)))] == [str(14 * DAY_S)] * 2
    assert discovered(want((15, 30))) == ()
    assert discovered(want((1, 6))) == ()


def test_an_admin_who_changes_the_periods_is_followed() -> None:
    assert [one.native[1] for one in discovered(want(), minPeriod=(9 * DAY_S,))] == [str(9 * DAY_S)] * 2
    assert discovered(want((13, 30)), maxPeriod=(12 * DAY_S,)) == ()


def test_only_what_is_wanted_and_sold_is_found() -> None:
    assert [one.legs[0].strike for one in discovered(want())] == [Decimal(2_500), Decimal(2_250)]
    assert [one.legs[0].strike for one in discovered(want(strike_to=Decimal(2_400)))] == [Decimal(2_250)]
    assert discovered(want(kinds=(OptionKind.CALL,))) == ()
    assert discovered(want(), acceptedStrategy=(False,)) == ()
    assert discovered(want(), minPeriod=Reverted("nothing returned")) == ()


def test_another_pair_is_not_asked_about() -> None:
    other = replace(USDC_E, address="0xaf88d065e77c8cC2239327C5EDb3A432268e5831")
    with pytest.raises(StopIteration) as end:
        next(venue().discovering(replace(market(), quote=other), want()))
    assert end.value.value == ()


@pytest.mark.parametrize("change", [{"acceptedStrategy": Reverted("nothing returned")}, {"latestRoundData": (1, 0, 0, 0, 1)}])
def test_a_treasury_or_a_feed_that_does_not_answer_ends_the_discovery(change: dict[str, Any]) -> None:
    reading = venue().discovering(market(), want())
    with pytest.raises(BadReply):
        reading.send(replies(next(reading), **change))


def test_a_quote_has_the_strike_and_the_expiry_of_a_purchase_in_its_block() -> None:
    later = replace(HEAD, timestamp_s=NOW_S + 24)
    reading = venue().quoting(put_90(), TokenAmount(token=WETH, raw=2 * ETHER), later)
    ask = next(reading)
    spot = 2_400 * 10**8
    paid = put_payoff(PUT_90, SMALL, amount=ETHER, stored=PROBE_STRIKE, spot=spot)
    round_ = (1, spot, NOW_S, NOW_S, 1)
    found = finished(reading, replies(ask, [f"0x{paid:064x}"], latestRoundData=round_))
    assert isinstance(found, OptionQuote)
    assert found.contract.legs[0].strike == Decimal(2_160)
    assert found.contract.expiry_s == NOW_S + 24 + 7 * DAY_S
    assert found.cost.raw == 48_200_000
    assert found.payable_cap == TokenAmount(token=USDC_E, raw=50_000 * DOLLAR)


def test_the_implied_volatility_is_that_of_the_premium() -> None:
    """At 3,000 dollars and 60 % a 90 % put of 14 days is worth 33.8 dollars, as the facts have it."""
    spot = 3_000 * 10**8
    paid = put_payoff(PUT_90, SMALL, amount=ETHER, stored=PROBE_STRIKE, spot=spot)
    found = quoted(
        [f"0x{paid:064x}"],
        contract=replace(put_90(), native=(PUT_90.address, str(14 * DAY_S))),
        latestRoundData=(1, spot, NOW_S, NOW_S, 1),
        calculateNegativepnlAndPositivepnl=(67_600_000, 67_600_000),
    )
    assert isinstance(found, OptionQuote)
    assert found.implied_volatility is not None
    assert abs(found.implied_volatility - Decimal("0.6")) < Decimal("0.001")


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"acceptedStrategy": (False,)}, NoQuoteReason.NO_SERIES, "does not sell"),
        ({"minPeriod": (8 * DAY_S,)}, NoQuoteReason.OUT_OF_TENOR, "sells 691200 to"),
        ({"maxPeriod": (6 * DAY_S,)}, NoQuoteReason.OUT_OF_TENOR, "to 518400 s"),
        ({"lockedLimit": (0,)}, NoQuoteReason.PAUSED, "limit"),
        ({"getAvailableContracts": (2 * ETHER - 1,)}, NoQuoteReason.LIMIT, "1.999999999999999999 WETH of 2 WETH are for sale"),
        ({"totalBalance": (2 * 48_200_000 - 1,)}, NoQuoteReason.LIMIT, "1.999999979253112033 WETH of 2 WETH are for sale"),
        ({"totalLocked": (60_000 * DOLLAR,)}, NoQuoteReason.LIMIT, "0 WETH of 2 WETH are for sale"),
        ({"calculateNegativepnlAndPositivepnl": (0, 0)}, NoQuoteReason.UNSOUND, "costs nothing"),
        ({"latestRoundData": (1, 2_500 * 10**8, 0, NOW_S - 90_001, 1)}, NoQuoteReason.UNSOUND, "90001 s old"),
        ({"acceptedStrategy": Reverted("nothing returned")}, NoQuoteReason.UNREACHABLE, "nothing returned"),
        ({"getAvailableContracts": Reverted("panic 0x12")}, NoQuoteReason.UNREACHABLE, "panic 0x12"),
        ({"totalBalance": Reverted("ABI data is too short")}, NoQuoteReason.UNREACHABLE, "totalBalance"),
        ({"latestRoundData": (1, -1, 0, NOW_S, 1)}, NoQuoteReason.UNREACHABLE, "feed answers -1"),
    ],
)
def test_every_reason_not_to_quote_has_its_name(change: dict[str, Any], reason: NoQuoteReason, words: str) -> None:
    found = quoted(**change)
    assert isinstance(found, NoQuote)
    assert found.reason is reason
    assert words in found.note
    assert found.contract == put_90()


@pytest.mark.parametrize("outcome", ["0x", "0x1", None, 5, RpcRefused(-32602, "no overrides here")])
def test_a_node_that_cannot_override_state_gives_no_quote(outcome: Any) -> None:
    if outcome is None:
        with pytest.raises(Reorged):
            quoted([outcome])
        return
    found = quoted([outcome])
    assert isinstance(found, NoQuote)
    assert found.reason is NoQuoteReason.UNREACHABLE


def test_a_scale_that_is_not_what_the_strategy_pays_is_unsound() -> None:
    paid = put_payoff(PUT_100, SMALL, amount=ETHER, stored=PROBE_STRIKE, spot=2_500 * 10**8)
    found = quoted([f"0x{paid:064x}"])
    assert isinstance(found, NoQuote)
    assert found.reason is NoQuoteReason.UNSOUND
    assert "scale were 10000 of 10000, configured is 9000" in found.note


def test_a_scale_is_compared_once() -> None:
    hegic = venue()
    size = TokenAmount(token=WETH, raw=ETHER)
    first = hegic.quoting(put_90(), size, HEAD)
    ask = next(first)
    assert len(ask.others) == 1
    finished(first, replies(ask))
    assert len(next(hegic.quoting(put_90(), size, HEAD)).others) == 0
    assert len(next(hegic.quoting(discovered(want())[0], size, HEAD)).others) == 1


@pytest.mark.parametrize(("balance", "sound"), [(4_800 * DOLLAR, True), (4_800 * DOLLAR - 4, False)])
def test_a_payoff_after_the_fall_must_be_part_of_what_can_be_paid(balance: int, sound: bool) -> None:
    """Two ether struck at 2,250: 600 dollars a unit are lost at 1,650, a quarter of 4,800."""
    guards = HergeGuards(stress_fall_bps=3_400)
    assert isinstance(quoted(guards=guards, totalBalance=(balance,)), OptionQuote) == sound


def test_a_contract_that_is_none_of_ours_has_no_series() -> None:
    for change in ({"venue": "opyn"}, {"native": (NOBODY, "604800")}, {"native": (PUT_90.address,)}):
        with pytest.raises(StopIteration) as end:
            next(venue().quoting(replace(put_90(), **change), TokenAmount(token=WETH, raw=ETHER), HEAD))
        assert end.value.value.reason is NoQuoteReason.NO_SERIES


def test_offers_take_two_rounds_whatever_is_wanted() -> None:
    reading = venue().offering(market(), [want(), want((10, 30)), want()], HEAD)
    ask = reading.send(replies(next(reading)))
    assert len(ask.others) == 2
    found = finished(reading, replies(ask))
    assert len(found) == 4
    assert all(isinstance(one, OptionQuote) for one in found)


@pytest.mark.parametrize(("wanted", "sold"), [(5, 5), (12, 4), (40, 4)])
def test_what_is_not_sold_whole_is_offered_in_the_largest_part_that_is(wanted: int, sold: int) -> None:
    """Five ether of each strategy are for sale."""
    reading = venue().offering(market(), [want(size=TokenAmount(token=WETH, raw=wanted * ETHER))], HEAD)
    ask = reading.send(replies(next(reading)))
    assert len(ask.others) == 2
    assert [one.size.raw for one in finished(reading, replies(ask))] == [sold * ETHER] * 2


def test_where_no_part_is_sold_it_is_told_why_the_whole_is_not() -> None:
    reading = venue().offering(market(), [want(size=TokenAmount(token=WETH, raw=51 * ETHER))], HEAD)
    ask = reading.send(replies(next(reading)))
    found = finished(reading, replies(ask))
    assert [one.note for one in found] == ["5 WETH of 51 WETH are for sale"] * 2


def test_nothing_is_asked_a_second_time_where_nothing_fits() -> None:
    reading = venue().offering(market(), [want((1, 2))], HEAD)
    (absent,) = finished(reading, replies(next(reading)))
    assert (absent.reason, absent.contract) == (NoQuoteReason.NO_SERIES, None)
    assert "1.0 to 2.0 days" in absent.note

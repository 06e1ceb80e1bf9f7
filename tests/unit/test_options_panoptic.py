"""Panoptic's ids, ranges, costs and calls, without a chain."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from importlib import resources
from typing import Any

import pytest
from eth_utils.abi import abi_to_signature
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.rpc import RpcRefused
from keeper.adapters.options.panoptic_chunks import Chunk, leg_of, price_at, prices_of, sold_chunks, to_quote
from keeper.adapters.options.panoptic_cost import Depth, Growth, per_day, reckoned_growth, share_up, streamia
from keeper.adapters.options.panoptic_errors import WORDS, refusal, words_of
from keeper.adapters.options.panoptic_plans import Closing, Opening, closing_calls, net_of, opening_calls, release_calls
from keeper.adapters.options.panoptic_reads import halves, signed_halves
from keeper.adapters.options.panoptic_token_id import TokenId, TokenLeg, decode_token_id
from keeper.core.model.option import CloseHow, OptionKind
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.localchain.artifacts import interface
from keeper.localchain.panoptic import POOL, POOL_ID, TRACKERS
from tests.pairs import USDC_WETH_3000, WALLET, WETH, WETH_USDT_500
from tests.panoptic_market import CALL, DOLLAR, ETHER, LIQUIDITY, MARKET, PUT, PUT_ID, PUT_TWICE_ID, RULES

DISPATCH = contract("PanopticPool").function("dispatch")
LONG_PUT = TokenLeg(asset=1, ratio=1, is_long=True, token_type=0, risk_partner=0, strike=196_760, width=24)
SHORT_CALL = TokenLeg(asset=1, ratio=2, is_long=False, token_type=1, risk_partner=1, strike=-1, width=4_095)


@pytest.mark.parametrize(
    ("legs", "word"),
    [
        ((LONG_PUT,), PUT_ID),
        ((replace(LONG_PUT, ratio=2),), PUT_TWICE_ID),
        ((replace(LONG_PUT, strike=-196_760),), 0x018_FCFF68_103_000A0888E6A0C2DD),
        ((LONG_PUT, SHORT_CALL), 0xFFF_FFFFFF_605_018_030098_103_000A0888E6A0C2DD),
        (
            (LONG_PUT, SHORT_CALL, replace(SHORT_CALL, asset=0, ratio=127, risk_partner=3), replace(LONG_PUT, width=0)),
            0x000_030098_103_FFF_FFFFFF_EFE_FFF_FFFFFF_605_018_030098_103_000A0888E6A0C2DD,
        ),
    ],
)
def test_ids_are_packed_as_worked_out_by_hand(legs: tuple[TokenLeg, ...], word: int) -> None:
    position = TokenId(pool_id=POOL_ID, legs=legs)
    assert position.encode() == word
    assert decode_token_id(word) == position


legs = st.builds(
    TokenLeg,
    asset=st.integers(0, 1),
    ratio=st.integers(1, 127),
    is_long=st.booleans(),
    token_type=st.integers(0, 1),
    risk_partner=st.integers(0, 3),
    strike=st.integers(-(2**23), 2**23 - 1),
    width=st.integers(0, 4_095),
)


@given(st.integers(0, 2**64 - 1), st.lists(legs, min_size=1, max_size=4).map(tuple))
def test_an_id_reads_back_and_no_other_position_has_it(pool_id: int, legs: tuple[TokenLeg, ...]) -> None:
    position = TokenId(pool_id=pool_id, legs=legs)
    assert position.encode() < 2**256
    assert decode_token_id(position.encode()) == position
    assert replace(position, legs=(*legs[:-1], replace(legs[-1], asset=1 - legs[-1].asset))).encode() != position.encode()


@pytest.mark.parametrize(
    "change",
    [{"asset": 2}, {"ratio": 0}, {"ratio": 128}, {"token_type": -1}, {"risk_partner": 4}, {"width": 4_096}, {"strike": 2**23}],
)
def test_a_field_that_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"does not (fit|lie)"):
        replace(LONG_PUT, **change)


@pytest.mark.parametrize("word", [-1, 2**256, POOL_ID, 1 << 112 | POOL_ID])
def test_a_word_that_is_no_position_is_refused(word: int) -> None:
    with pytest.raises(ValueError, match=r"does not|0 legs"):
        decode_token_id(word)
    with pytest.raises(ValueError, match="does not fit 64"):
        TokenId(pool_id=2**64, legs=(LONG_PUT,))


def test_halves_of_words_are_signed_each_by_itself() -> None:
    assert halves(7 << 128 | 5) == (5, 7)
    assert signed_halves((-7 % 2**128) << 128 | (-5 % 2**128)) == (-5, -7)
    assert signed_halves(-1) == (-1, -1)
    assert signed_halves(5 - (3 << 128)) == (5, -3)


def test_a_ranges_strike_is_its_centre_and_its_id_says_so() -> None:
    leg = leg_of(PUT, MARKET)
    assert leg.kind is OptionKind.PUT
    assert round(leg.strike, 2) == Decimal("2852.65")
    assert abs(leg.range_factor - Decimal("1.0001") ** 120) < Decimal("1e-12")
    assert PUT.token_id(POOL_ID, 1, 10, 1) == PUT_ID
    assert Chunk.of_leg(decode_token_id(PUT_ID).legs[0], 10) == PUT
    assert Chunk.of_leg(replace(LONG_PUT, width=1, strike=5), 5) == Chunk(token_type=0, lower=3, upper=8)
    assert leg_of(CALL, MARKET).kind is OptionKind.CALL
    lower, upper = prices_of(CALL, MARKET)
    assert 3_800 < lower < upper < 3_900


def test_the_liquidity_is_that_of_the_size_in_ether() -> None:
    assert PUT.liquidity(10 * ETHER, 1) == LIQUIDITY
    assert 10 * ETHER - PUT.size(LIQUIDITY, 1) < 1_000
    assert PUT.notional(LIQUIDITY) == 28_526_533_791  # 10 times the strike


@pytest.mark.parametrize(
    ("tick", "dollars"), [(196_000, 0), (196_640, 0), (196_760, 85.575064), (196_880, 340.255774), (199_000, 5_724.588236)]
)
def test_a_puts_payoff_at_prices_is_what_holding_differs_from_the_range(tick: int, dollars: float) -> None:
    """By hand at the upper end: ten ether cost 28,186.28 there, and 28,526.53 are received for them."""
    assert PUT.payoff(LIQUIDITY, get_sqrt_ratio_at_tick(tick), 1) == round(dollars * DOLLAR)


@given(st.sampled_from([PUT, CALL]), st.integers(190_000, 200_000), st.integers(1, 1_000 * ETHER))
def test_the_contracts_payoff_is_that_of_the_liquidity(chunk: Chunk, tick: int, size: int) -> None:
    exact = leg_of(chunk, MARKET).payoff(price_at(tick, MARKET)) * size / Decimal(10**12)
    liquidity = chunk.liquidity(size, 1)
    found = chunk.payoff(liquidity, get_sqrt_ratio_at_tick(tick), 1)
    assert found <= exact + 1
    assert exact - found <= 10 + exact * 200 // max(liquidity, 1)


def test_the_base_may_be_either_token() -> None:
    assert to_quote(ETHER, get_sqrt_ratio_at_tick(196_760), 1) // DOLLAR == 2_852
    assert to_quote(ETHER, get_sqrt_ratio_at_tick(-196_760), 0) // DOLLAR == 2_852
    other = replace(MARKET, uniswap=WETH_USDT_500)
    assert (other.base_index, other.quote.symbol) == (0, "USDT")
    put = Chunk(token_type=1, lower=-196_880, upper=-196_640)
    assert leg_of(put, other).kind is OptionKind.PUT
    assert round(leg_of(put, other).strike, 2) == Decimal("2852.65")
    assert put.payoff(put.liquidity(10 * ETHER, 0), get_sqrt_ratio_at_tick(-196_880), 0) == 340_255_774
    with pytest.raises(ValueError, match="no token of"):
        replace(MARKET, base=replace(WETH, address=WALLET))
    assert USDC_WETH_3000.tick_spacing == 60


def test_only_what_was_sold_in_this_pool_is_a_chunk() -> None:
    sold = TokenId(pool_id=POOL_ID, legs=(replace(LONG_PUT, is_long=False), replace(LONG_PUT, strike=0), SHORT_CALL))
    elsewhere = replace(sold, pool_id=1)
    loan = TokenId(pool_id=POOL_ID, legs=(replace(LONG_PUT, is_long=False, width=0),))
    beyond = TokenId(pool_id=POOL_ID, legs=(replace(LONG_PUT, is_long=False, strike=887_272),))
    assert sold_chunks([sold, elsewhere, loan, beyond], POOL_ID, 10) == {
        PUT,
        Chunk(token_type=1, lower=-20_476, upper=20_474),
    }


def test_streamed_cost_is_what_the_real_bytecode_charged() -> None:
    """Ten ether bought of a hundred, and the price went through the whole range: its swaps paid 0.05 % on ten ether's worth.

    The facts' own estimate was 5071980434661774, and the chain's figure is this one.
    """
    growth = 10 * ETHER * 500 * 2**128 // (999_500 * LIQUIDITY)
    assert streamia(growth, LIQUIDITY, Depth(net=9 * LIQUIDITY, removed=LIQUIDITY), 8) == 5_071_980_434_661_775


def test_streamed_cost_counts_what_all_buyers_removed() -> None:
    alone, crowded = Depth(net=100, removed=0), Depth(net=100, removed=800)
    assert streamia(3 << 128, 10, alone, 8) == 30
    assert streamia(3 << 128, 10, crowded, 8) == 60
    assert streamia((1 << 128) - 1, 1, alone, 8) == 0


@given(st.integers(1, 2**100), st.integers(0, 2**100), st.integers(1, 90_000))
def test_as_much_as_may_be_bought_keeps_the_spread(net: int, removed: int, limit: int) -> None:
    depth = Depth(net=net, removed=removed)
    most = depth.buyable(limit)
    assert 0 <= most < net
    assert most == 0 or depth.after(most).spread <= limit
    if most + 1 < net and removed * 10_000 <= net * limit:
        after = depth.after(most + 1)
        assert after.removed * 10_000 > after.net * limit


def test_a_range_is_reckoned_to_see_its_own_growth_or_its_share_of_the_pools() -> None:
    before = Growth(at_s=0, everywhere=(2**256 - 5, 0), inside=(0, 0))
    now = Growth(at_s=1, everywhere=(96, 1_000), inside=(90, 1))
    assert reckoned_growth(before, now, 0, least_share_bps=1_000) == 90
    assert reckoned_growth(before, now, 1, least_share_bps=1_000) == 100
    assert reckoned_growth(replace(before, inside=None), now, 0, least_share_bps=1_000) == 11
    assert (per_day(1, 86_401), share_up(1, 1, 10_000)) == (1, 1)


OPENING = Opening(
    pool=POOL,
    tracker0=TRACKERS[0],
    tracker1=TRACKERS[1],
    deposit0=3_500 * DOLLAR,
    deposit1=10**16,
    token_id=PUT_ID,
    size=10 * ETHER,
    liquidity=LIQUIDITY,
    tick=196_500,
    max_spread=30_000,
    held=(5,),
)
CLOSING = Closing(
    pool=POOL,
    tracker0=TRACKERS[0],
    tracker1=TRACKERS[1],
    tick=197_000,
    assets0=3_500 * DOLLAR,
    assets1=10**16,
    owed0=0,
    owed1=10**15,
    withdrawable0=0,
    withdrawable1=7,
    blocked="",
    others=(5, 6),
)


def words(data: str) -> list[str]:
    return [data[start : start + 64].lstrip("0") or "0" for start in range(10, len(data), 64)]


def test_a_purchase_is_two_deposits_and_a_dispatch_word_for_word() -> None:
    first, second, dispatch = opening_calls(OPENING, MARKET, PUT, WALLET, spare_raw=0, drift=200)
    assert [call.to for call in (first, second, dispatch)] == [*TRACKERS, POOL]
    assert (first.data[:10], words(first.data)) == ("0x6e553f65", ["d09dc300", WALLET[2:].lower()])
    assert (second.data[:10], words(second.data)[0]) == ("0x6e553f65", "2386f26fc10000")
    (allowance,) = second.allowances
    assert (allowance.token.symbol, allowance.spender, allowance.amount) == ("WETH", TRACKERS[1], 10**16)
    assert dispatch.allowances == ()
    assert dispatch.data[:10] == "0xc25813aa"
    assert words(dispatch.data) == [
        *("c0", "100", "160", "1a0", "0", "0"),  # where the four lists begin, no premia as collateral, no builder
        *("1", "18030098103000a0888e6a0c2dd"),
        *("2", "5", "18030098103000a0888e6a0c2dd"),
        *("1", "8ac7230489e80000"),
        *("1", "2fecb", "30020", "7530"),  # 196,299 and the range's own edge, 196,640; spread 3
    ]


def test_nothing_is_deposited_that_is_there() -> None:
    (dispatch,) = opening_calls(replace(OPENING, deposit0=0, deposit1=0), MARKET, PUT, WALLET, spare_raw=0, drift=200)
    assert dispatch.to == POOL


def limits(data: str) -> tuple[int, int, int]:
    (found,) = DISPATCH.decode_arguments(data)[3]
    return found


def test_what_may_be_paid_more_lets_the_price_go_into_the_range() -> None:
    def high(spare_raw: int) -> int:
        return limits(opening_calls(OPENING, MARKET, PUT, WALLET, spare_raw=spare_raw, drift=400)[-1].data)[1]

    assert high(0) == 196_640
    assert high(85_575_064) == 196_760  # at its centre the range is worth so much
    assert high(85_575_063) == 196_759
    assert high(10**12) == 196_901


def test_a_calls_price_limit_is_below() -> None:
    opening = replace(OPENING, tick=194_000, liquidity=CALL.liquidity(10 * ETHER, 1))
    low, high, _ = limits(opening_calls(opening, MARKET, CALL, WALLET, spare_raw=0, drift=200)[-1].data)
    assert (low, high) == (193_879, 194_201)


def closing(how: CloseHow, least: int, closing: Closing = CLOSING) -> list[Any]:
    return closing_calls(closing, MARKET, PUT, PUT_ID, LIQUIDITY, WALLET, least=least, drift=200, how=how)


def test_cash_is_falling_limits_and_delivery_rising_ones() -> None:
    (cash,) = closing(CloseHow.CASH, 0)
    ids, final, sizes, _, premia, builder = DISPATCH.decode_arguments(cash.data)
    assert (ids, final, sizes, premia, builder) == ((PUT_ID,), (5, 6), (0,), False, 0)
    assert limits(cash.data) == (197_201, 196_799, 90_000)
    deposit, physical = closing(CloseHow.PHYSICAL, 0)
    assert limits(physical.data) == (196_799, 197_201, 90_000)
    (allowance,) = deposit.allowances
    assert deposit.to == TRACKERS[1]
    assert allowance.token.symbol == "WETH"
    assert abs(allowance.amount - (10 * ETHER + 10**15 - 10**16)) < 1_000
    assert len(closing(CloseHow.PHYSICAL, 0, replace(CLOSING, assets1=11 * ETHER))) == 1


def test_a_close_is_held_to_what_it_must_pay() -> None:
    at = get_sqrt_ratio_at_tick(196_950)
    least = net_of(CLOSING, MARKET, PUT, LIQUIDITY, at)
    owed = -(-(10**15) * 10**6 // ETHER)
    swap_fee = to_quote(10 * ETHER, at, 1) * 500 / 999_500
    assert abs(PUT.payoff(LIQUIDITY, at, 1) - owed * 2_799 - swap_fee - least) < 10_000
    high, low, _ = limits(closing(CloseHow.CASH, least)[0].data)
    assert (high, low) == (197_201, 196_949)
    assert limits(closing(CloseHow.CASH, least + 1)[0].data)[1] == 196_950
    assert limits(closing(CloseHow.PHYSICAL, least)[-1].data)[0] < 196_949


def test_a_release_withdraws_what_is_there() -> None:
    (call,) = release_calls(CLOSING, MARKET, WALLET)
    assert call.label == "withdraw 0.000000000000000007 WETH"
    assert (call.to, call.data[:10]) == (TRACKERS[1], "0xb460af94")
    assert words(call.data) == ["7", WALLET[2:].lower(), WALLET[2:].lower()]


def test_what_a_quote_and_a_position_carry_reads_back() -> None:
    for held in ((), (5,), (5, PUT_ID)):
        opening, position = replace(OPENING, held=held), replace(CLOSING, others=held, blocked="why, or not")
        assert Opening.from_native(opening.to_native()) == opening
        assert Closing.from_native(position.to_native()) == position
    assert Chunk.from_native((*PUT.native, "more")) == PUT


@pytest.mark.parametrize(
    ("name", "function", "selector"),
    [
        ("PanopticPool", "dispatch", "c25813aa"),
        ("PanopticPool", "getFullPositionsData", "01149228"),
        ("PanopticFactory", "getPanopticPool", "055c9f78"),
        ("PanopticCollateral", "deposit", "6e553f65"),
        ("PanopticCollateral", "withdraw", "b460af94"),
        ("PanopticCollateral", "assetsOf", "2c62fa10"),
    ],
)
def test_selectors_are_those_of_the_facts(name: str, function: str, selector: str) -> None:
    assert contract(name).function(function).selector.hex() == selector


@pytest.mark.parametrize("name", ["PanopticPool", "PanopticFactory", "PanopticCollateral", "PanopticRiskEngine"])
def test_the_recorder_has_the_interface_that_the_adapter_calls(name: str) -> None:
    recorder = interface("PanopticRecorder")
    for function in contract(name)._functions:
        found = recorder.function(function.signature)
        assert (found.selector, found.results.name) == (function.selector, function.results.name)
    for event_name, event in contract(name)._events.items():
        found = recorder.event(event_name)
        assert (found.topic0, found.indexed[0][0]) == (event.topic0, event.indexed[0][0])
        assert len(found.indexed) == len(event.indexed)


def test_every_error_of_the_interface_has_words_and_no_other() -> None:
    files = resources.files("keeper.contracts_abi")
    declared = set()
    for name in ("PanopticPool", "PanopticCollateral"):
        for entry in json.loads(files.joinpath(f"{name}.json").read_text(encoding="utf-8")):
            if entry["type"] == "error":
                declared.add(keccak(text=abi_to_signature(entry))[:4].hex())
    assert declared == set(WORDS)
    assert {"3a8795c2", "cdef092d", "618ea40c", "88cce429"} <= declared


def test_refusals_are_told_in_words() -> None:
    assert words_of("0x88cce429") == "the pool's price is too far from the venue's averages"
    assert words_of("0x618ea40c" + "00" * 32) == "the price is outside of the limits"
    assert words_of("0x12345678") == "error 0x12345678"
    assert words_of(None) == "no reason"
    assert refusal(RpcRefused(3, "reverted", "0xcdef092d" + "00" * 64)) == "the account would not have enough collateral"
    assert refusal(RpcRefused(-32000, "out of gas")) == "out of gas"


@pytest.mark.parametrize(
    "change",
    [
        {"dust_base_raw": 0},
        {"max_spread": 90_001},
        {"drift_ticks": 514},
        {"vegoid": 0},
        {"avoid": (Decimal(2), Decimal(1))},
    ],
)
def test_rules_that_the_venue_does_not_allow_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|is more than|no price lies"):
        replace(RULES, **change)

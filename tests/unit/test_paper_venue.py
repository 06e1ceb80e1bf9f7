from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.options.paper import PaperRules, PaperVenue
from keeper.core.model.errors import Refused
from keeper.core.model.option import (
    CloseHow,
    HedgeWant,
    NoQuote,
    NoQuoteReason,
    OptionKind,
    OptionMarket,
    OptionQuote,
    PositionState,
)
from keeper.core.model.token import TokenAmount
from keeper.core.quant.black_scholes import option_price
from tests.builders import block_ref
from tests.pairs import DAY_S, NOW_S, USDC, WALLET, WETH

TEN = TokenAmount(token=WETH, raw=10 * 10**18)


def market(price=4_000, now_s=NOW_S, volatility="0.6"):
    return OptionMarket(
        base=WETH,
        quote=USDC,
        price=Decimal(price),
        now_s=now_s,
        block=1,
        reference_volatility=None if volatility is None else Decimal(volatility),
    )


def want(strike=3_600, days=(6, 15), kinds=(OptionKind.PUT,)):
    middle = Decimal(strike)
    return HedgeWant(
        kinds=kinds,
        strike_from=middle * Decimal("0.92"),
        strike_to=middle * Decimal("1.08"),
        expiry_from_s=NOW_S + days[0] * DAY_S,
        expiry_to_s=NOW_S + days[1] * DAY_S,
        size=TEN,
    )


@pytest.fixture
def venue():
    return PaperVenue(chain_id=1, base=WETH, quote_token=USDC)


def quoted(venue, at=None, **wanted) -> OptionQuote:
    found = venue.offers(at or market(), [want(**wanted)], block_ref()).quotes[0]
    assert isinstance(found, OptionQuote)
    return found


def bought(venue, **wanted):
    quote = quoted(venue, **wanted)
    return quote, venue.buy(quote, quote.cost)


def test_a_quote_is_the_models_price_on_the_marked_up_volatility_with_the_spread_rounded_up(venue):
    quote = quoted(venue)
    (leg,) = quote.contract.legs
    years = (quote.contract.expiry_s - NOW_S) / (365 * DAY_S)
    each = option_price(OptionKind.PUT, spot=4_000.0, strike=float(leg.strike), years=years, volatility=0.66)
    assert quote.upfront.raw == pytest.approx(each * 1.02 * 10 * 10**6, abs=1.0)
    assert quote.upfront.raw >= each * 1.02 * 10 * 10**6 - 1
    assert abs(float(leg.strike) / 3_600 - 1) < 0.01


def test_expiries_are_at_eight_in_the_morning_and_within_what_is_wanted(venue):
    for quote in venue.offers(market(), [want(days=(6, 40))], block_ref()).quotes:
        assert (quote.contract.expiry_s - 8 * 3_600) % DAY_S == 0
        assert NOW_S + 6 * DAY_S <= quote.contract.expiry_s <= NOW_S + 40 * DAY_S


@pytest.mark.parametrize(
    ("at", "asked", "reason"),
    [
        (market(volatility=None), want(), NoQuoteReason.NO_LIQUIDITY),
        (market(), want(days=(1, 2)), NoQuoteReason.OUT_OF_TENOR),
        (market(), replace(want(), size=replace(TEN, raw=10**24)), NoQuoteReason.LIMIT),
    ],
)
def test_what_cannot_be_had_is_told_with_its_reason(venue, at, asked, reason):
    found = venue.offers(at, [asked], block_ref())
    assert found.quotes == ()
    assert {absent.reason for absent in found.absent} == {reason}
    assert all(isinstance(absent, NoQuote) and absent.venue == "paper" for absent in found.absent)


@pytest.mark.parametrize(("ether", "offered"), [(499, 499), (1_200, 400), (4_000, 400)])
def test_of_what_is_too_large_a_third_or_a_tenth_is_offered(venue, ether, offered):
    found = venue.offers(market(), [replace(want(), size=replace(TEN, raw=ether * 10**18))], block_ref())
    assert {quote.size.raw for quote in found.quotes} == {offered * 10**18}
    assert found.absent == ()


def test_a_purchase_costs_what_was_quoted_and_never_more_than_the_limit(venue):
    quote = quoted(venue)
    with pytest.raises(Refused, match="at most"):
        venue.buy(quote, replace(quote.cost, raw=quote.cost.raw - 1))
    assert venue.positions(WALLET) == []
    assert venue.buy(quote, quote.cost) == quote.cost
    (position,) = venue.positions(WALLET)
    assert (position.id, position.size, position.opened_cost) == ("0", TEN, quote.cost)
    assert position.state is PositionState.OPEN


def test_it_settles_at_the_first_look_at_or_after_its_expiry_and_stays_so(venue):
    quote, _ = bought(venue)
    expiry_s = quote.contract.expiry_s
    early = venue.held(market(price=3_000, now_s=expiry_s - 1), WALLET, block_ref()).positions[0]
    assert (early.state, early.claimable.raw) == (PositionState.OPEN, 0)
    late = venue.held(market(price=3_000, now_s=expiry_s + 100), WALLET, block_ref()).positions[0]
    strike = quote.contract.legs[0].strike
    assert late.state is PositionState.REDEEMABLE
    assert late.claimable.raw == int((strike - 3_000) * 10 * 10**6)
    later = venue.held(market(price=9_000, now_s=expiry_s + 9_999), WALLET, block_ref()).positions[0]
    assert later.claimable == late.claimable


def test_it_is_redeemed_once_for_what_it_settled_at(venue):
    quote, _ = bought(venue)
    with pytest.raises(Refused, match="not expired"):
        venue.end(venue.positions(WALLET)[0], CloseHow.REDEEM, TokenAmount(token=USDC, raw=0))
    position = venue.held(market(price=3_000, now_s=quote.contract.expiry_s), WALLET, block_ref()).positions[0]
    with pytest.raises(Refused, match="at least"):
        venue.end(position, CloseHow.REDEEM, replace(position.claimable, raw=position.claimable.raw + 1))
    assert venue.end(position, CloseHow.REDEEM, position.claimable) == position.claimable
    assert venue.positions(WALLET) == []
    with pytest.raises(Refused, match="does not hold"):
        venue.end(position, CloseHow.REDEEM, position.claimable)


def test_what_expired_worthless_is_cleared_away_a_day_later(venue):
    quote, _ = bought(venue)
    last_s = quote.contract.expiry_s + DAY_S - 1
    assert len(venue.held(market(price=4_500, now_s=last_s), WALLET, block_ref()).positions) == 1
    assert venue.held(market(price=4_500, now_s=last_s + 1), WALLET, block_ref()).positions == ()


def test_it_is_shown_anew_when_it_would_pay_something_else(venue):
    bought(venue)
    shown = [venue.held(market(price=price), WALLET, block_ref()).positions[0] for price in (4_000, 3_500, 3_400, 4_100)]
    strike = shown[0].contract.legs[0].strike
    assert [one.intrinsic.raw for one in shown] == [0, int((strike - 3_500) * 10**7), int((strike - 3_400) * 10**7), 0]


def test_held_options_are_worth_the_models_price_without_markup_and_spread(venue):
    quote, _ = bought(venue)
    (leg,) = quote.contract.legs
    years = (quote.contract.expiry_s - NOW_S) / (365 * DAY_S)
    each = option_price(OptionKind.PUT, spot=3_500.0, strike=float(leg.strike), years=years, volatility=0.6)
    found = venue.worth(price=3_500.0, now_s=NOW_S, volatility=0.6)
    assert found.model == pytest.approx(10 * each)
    assert found.intrinsic == pytest.approx(10 * (float(leg.strike) - 3_500))
    assert found.model > found.intrinsic
    unknown = venue.worth(price=3_500.0, now_s=NOW_S, volatility=None)
    assert (unknown.model, unknown.number) == (unknown.intrinsic, 1)
    venue.held(market(price=3_000, now_s=quote.contract.expiry_s), WALLET, block_ref())
    settled = venue.worth(price=9_000.0, now_s=quote.contract.expiry_s + 60, volatility=0.6)
    assert settled.model == settled.intrinsic == pytest.approx(10 * (float(leg.strike) - 3_000))


@given(st.integers(500, 20_000), st.integers(1, 300), st.sampled_from(list(OptionKind)))
def test_costs_are_never_negative_and_never_below_what_it_would_pay_at_once(strike, volatility, kind):
    venue = PaperVenue(chain_id=1, base=WETH, quote_token=USDC, rules=PaperRules(spread=Decimal(0), markup=Decimal(1)))
    quote = quoted(venue, market(volatility=str(Decimal(volatility) / 100)), strike=strike, kinds=(kind,))
    intrinsic = quote.contract.payoff(Decimal(4_000)) * 10 * 10**6
    assert quote.upfront.raw >= 0
    assert quote.upfront.raw >= intrinsic * (1 - Decimal("1e-9"))

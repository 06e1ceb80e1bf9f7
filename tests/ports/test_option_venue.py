"""What every option venue promises of its offers and purchases, run on each that offers what a case needs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.core.model.errors import Refused
from keeper.core.model.option import CloseHow, CostModel, Exercise, NoQuote, NoQuoteReason, PositionState, Style
from keeper.ports.options import OptionVenue
from tests.panoptic_market import PUT_ID, PUT_TWICE_ID
from tests.ports.option_benches import needs
from tests.ports.venues import Ability, Dispatch, VenueBench, bought, held, plus, quoted


def test_the_bench_and_the_venue_agree_on_what_can_happen(bench: VenueBench, venue: OptionVenue) -> None:
    caps = venue.capabilities()
    assert caps.venue == venue.name
    assert (caps.style is not Style.PERPETUAL) == (Ability.EXPIRY in bench.abilities)
    assert (caps.exercise is Exercise.HOLDER_BEFORE_EXPIRY) == (Ability.DEADLINE in bench.abilities)
    assert (caps.exercise is Exercise.AUTO) == (Ability.SETTLEMENT in bench.abilities)
    assert bool(caps.closes_early) == (Ability.EARLY_EXIT in bench.abilities)
    assert bench.early in {None, *caps.closes_early}
    assert set(caps.closes_early) <= bench.known
    assert bool(bench.pauses) == (Ability.PAUSE in bench.abilities)
    assert bool(bench.wrong_decimals) == (Ability.UNITS in bench.abilities)


def test_contracts_are_what_was_wanted_nearest_strike_first(bench: VenueBench, venue: OptionVenue) -> None:
    want, market = bench.want(), bench.market()
    found = venue.contracts(market, want)
    assert found
    for contract in found:
        assert contract.venue == venue.name
        assert {leg.kind for leg in contract.legs} <= set(want.kinds)
        assert all(want.strike_from <= leg.strike <= want.strike_to for leg in contract.legs)
        assert contract.expiry_s is None or want.expiry_from_s <= contract.expiry_s <= want.expiry_to_s
        assert want.size.raw % contract.lot_raw == 0
    away = [min(abs(leg.strike - market.price) for leg in contract.legs) for contract in found]
    assert away == sorted(away)
    assert len(set(found)) == len(found)


def test_nothing_is_found_for_a_want_that_nobody_meets(bench: VenueBench, venue: OptionVenue) -> None:
    assert bench.unmet()
    for want in bench.unmet():
        assert not venue.contracts(bench.market(), want)


def test_what_nothing_fits_is_told_beside_what_is_offered(bench: VenueBench, venue: OptionVenue) -> None:
    wants = [bench.want(), *bench.unmet()]
    found = bench.desk().offers(bench.market(), wants, bench.block())
    assert {one.size for one in found.quotes} == {wants[0].size}
    assert len(found.absent) == len(bench.unmet())
    for absent in found.absent:
        assert (absent.venue, absent.contract) == (venue.name, None)
        assert absent.reason in {NoQuoteReason.NO_SERIES, NoQuoteReason.OUT_OF_TENOR}
    assert len({absent.note for absent in found.absent}) == len(found.absent)


def test_a_quote_says_what_it_costs_and_for_how_long(bench: VenueBench) -> None:
    quote, want, market = quoted(bench), bench.want(), bench.market()
    assert quote.size == want.size
    assert quote.cost.raw > 0
    assert quote.cost.token == quote.contract.settle_asset == market.quote
    assert quote.available.raw >= quote.size.raw
    assert quote.valid_until_s > market.now_s
    assert quote.block == market.block
    assert quote.cost_model is CostModel.STREAMED or quote.max_loss == quote.cost
    assert (quote.payable_cap is not None) == (Ability.RESERVES in bench.abilities)
    assert quote.implied_volatility is None or 0 < quote.implied_volatility < 5
    assert quote.gas_open > 21_000
    assert quote.gas_close > 21_000


def test_a_purchase_is_read_back(bench: VenueBench, venue: OptionVenue) -> None:
    quote = quoted(bench)
    ran = bench.buy(quote, quote.cost)
    assert ran.done, ran.reason
    position = held(bench)
    assert position.id
    assert position.owner == bench.owner
    assert position.size == quote.size
    assert position.contract.legs == quote.contract.legs
    assert position.contract.expiry_s is None or quote.contract.expiry_s is not None
    assert position.opened_cost in {None, quote.cost}
    assert position.state is PositionState.OPEN
    assert (position.intrinsic.raw, position.accrued_cost.raw) == (0, 0)
    assert position.claimable.raw == 0 or CloseHow.SELL in venue.capabilities().closes_early
    assert (position.act_before_s is not None) == (Ability.DEADLINE in bench.abilities)
    assert bench.desk().held(bench.market(), bench.owner, bench.block()).positions == (position,)


@needs(Ability.MONEY)
def test_a_purchase_takes_what_was_quoted(bench: VenueBench) -> None:
    quote, before = quoted(bench), bench.dollars()
    assert bench.buy(quote, quote.cost).done
    assert before - bench.dollars() == quote.cost.raw


@needs(Ability.GAS)
def test_a_purchase_takes_the_gas_that_was_told(bench: VenueBench) -> None:
    quote = quoted(bench)
    assert 0.8 * quote.gas_open < bench.buy(quote, quote.cost).gas <= quote.gas_open


def test_two_purchases_are_two_positions_or_one_of_both(bench: VenueBench) -> None:
    one = bought(bench)
    quote = quoted(bench)
    assert bench.buy(quote, quote.cost).done
    both = bench.venue().positions(bench.owner)
    assert sum(position.size.raw for position in both) == one.size.raw + quote.size.raw
    assert len({position.id for position in both}) == len(both)


def test_more_than_the_limit_is_refused_before_anything_is_sent(bench: VenueBench, venue: OptionVenue) -> None:
    quote = quoted(bench)
    with pytest.raises(Refused):
        venue.plan_open(quote, plus(quote.cost, -1))
    with pytest.raises(Refused):
        venue.plan_open(quote, replace(quote.cost, token=quote.size.token))
    with pytest.raises(Refused):
        venue.plan_open(replace(quote, contract=replace(quote.contract, venue="elsewhere")), quote.cost)


@needs(Ability.REPRICING)
def test_a_price_past_the_limit_buys_nothing(bench: VenueBench) -> None:
    quote, before = quoted(bench), bench.dollars()
    bench.reprice(Decimal(2))
    ran = bench.buy(quote, quote.cost)
    assert not ran.done
    assert ran.reason
    assert bench.dollars() == before
    assert not bench.venue().positions(bench.owner)


@needs(Ability.REPRICING)
def test_a_price_that_has_moved_within_the_limit_is_paid(bench: VenueBench) -> None:
    quote, before = quoted(bench), bench.dollars()
    bench.reprice(Decimal("1.1"))
    limit = plus(quote.cost, quote.cost.raw // 5)
    assert bench.buy(quote, limit).done
    assert quote.cost.raw < before - bench.dollars() <= limit.raw


@needs(Ability.MONEY)
def test_a_limit_that_is_not_needed_is_not_spent(bench: VenueBench) -> None:
    quote, before = quoted(bench), bench.dollars()
    assert bench.buy(quote, plus(quote.cost, quote.cost.raw)).done
    assert before - bench.dollars() == quote.cost.raw


@needs(Ability.RECORD)
def test_a_purchase_is_recorded_as_the_golden_words_say(bench: VenueBench) -> None:
    """The second has the same range under another id; the price is at tick 196,526 and may go 200 ticks either way.

    For nothing not into the range, which begins at 196,640. Two dollars are what two puts pay between ticks 196,680 and
    196,681.
    """
    one = quoted(bench)
    assert bench.buy(one, one.cost).done
    other = quoted(bench)
    assert bench.buy(other, plus(other.cost, 2 * 10**6)).done
    assert list(bench.dispatches()) == [
        Dispatch(ids=(PUT_ID,), ids_after=(PUT_ID,), sizes=(2 * 10**18,), limits=((196_325, 196_640, 30_000),)),
        Dispatch(ids=(PUT_TWICE_ID,), ids_after=(PUT_ID, PUT_TWICE_ID), sizes=(10**18,), limits=((196_325, 196_680, 30_000),)),
    ]


@needs(Ability.PAUSE)
def test_a_paused_venue_offers_nothing_until_it_goes_on(bench: VenueBench, venue: OptionVenue) -> None:
    quote, want = quoted(bench), bench.want()
    for way in bench.pauses:
        bench.pause(way)
        found = venue.quote(quote.contract, want.size)
        assert isinstance(found, NoQuote), way
        assert found.reason is NoQuoteReason.PAUSED
        assert found.contract == quote.contract
        bench.pause(way, paused=False)
        assert quoted(bench).cost == quote.cost


@needs(Ability.STOP)
def test_a_paused_venue_sells_nothing(bench: VenueBench) -> None:
    quote, before = quoted(bench), bench.dollars()
    bench.pause(bench.pauses[0])
    ran = bench.buy(quote, quote.cost)
    assert not ran.done
    assert ran.reason
    assert bench.dollars() == before
    assert not bench.venue().positions(bench.owner)


@needs(Ability.RESERVES)
def test_what_would_not_be_covered_is_not_quoted(bench: VenueBench, venue: OptionVenue) -> None:
    want, contract = bench.want(), quoted(bench).contract
    bench.drain()
    found = venue.quote(contract, want.size)
    assert isinstance(found, NoQuote)
    assert found.reason in {NoQuoteReason.UNSOUND, NoQuoteReason.LIMIT, NoQuoteReason.NO_LIQUIDITY}


@needs(Ability.UNITS)
def test_wrong_decimals_in_the_settings_are_noticed(bench: VenueBench) -> None:
    want, right = bench.want(), quoted(bench).contract
    for token, decimals in bench.wrong_decimals:
        venue = bench.misconfigured(token, decimals)
        for contract in (right, *venue.contracts(bench.market(), want)):
            found = venue.quote(contract, want.size)
            assert isinstance(found, NoQuote), (token, decimals)
            assert found.reason is NoQuoteReason.UNSOUND
            assert "decimals" in found.note


def test_more_than_there_is_is_not_quoted(bench: VenueBench, venue: OptionVenue) -> None:
    quote = quoted(bench)
    lots = quote.contract.lots(quote.available.raw + 1)
    found = venue.quote(quote.contract, replace(quote.size, raw=lots))
    assert isinstance(found, NoQuote)
    assert found.reason in {NoQuoteReason.LIMIT, NoQuoteReason.NO_LIQUIDITY}
    assert found.note

"""What every option venue promises, run on each of them: what a venue cannot have it must say that it has not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.core.model.errors import Refused
from keeper.core.model.option import CloseHow, CostModel, Exercise, NoQuote, NoQuoteReason, OptionQuote, PositionState, Style
from keeper.core.model.token import TokenAmount
from keeper.ports.options import NotYet, OptionVenue, VenuePlan
from tests.ports.gamma_bench import running_gamma_bench
from tests.ports.herge_bench import running_herge_bench
from tests.ports.venues import Ability, Impossible, VenueBench, bought

pytestmark = pytest.mark.chain
BENCHES: dict[str, Callable[[], AbstractContextManager[VenueBench]]] = {
    "gamma": running_gamma_bench,
    "herge": running_herge_bench,
}
FALL = Decimal("0.6")
RISE = Decimal("1.4")
OVER = (PositionState.CLOSED, PositionState.EXPIRED_WORTHLESS)


@pytest.fixture(scope="module", params=BENCHES)
def stage(request: pytest.FixtureRequest) -> Iterator[VenueBench]:
    with BENCHES[request.param]() as bench:
        yield bench


@pytest.fixture
def bench(stage: VenueBench) -> Iterator[VenueBench]:
    """A venue as built; whatever a test did, no allowance may be left."""
    with stage.restored():
        yield stage
        assert stage.allowance() == 0


@pytest.fixture
def venue(bench: VenueBench) -> OptionVenue:
    return bench.venue()


def quoted(bench: VenueBench, venue: OptionVenue) -> OptionQuote:
    want = bench.want()
    quote = venue.quote(venue.contracts(bench.market(), want)[0], want.size)
    assert isinstance(quote, OptionQuote), quote
    return quote


def plus(amount: TokenAmount, raw: int) -> TokenAmount:
    return replace(amount, raw=amount.raw + raw)


def nothing(amount: TokenAmount) -> TokenAmount:
    return replace(amount, raw=0)


def ending(plan: VenuePlan | NotYet) -> VenuePlan:
    assert isinstance(plan, VenuePlan), plan
    return plan


def still_held(bench: VenueBench) -> list[str]:
    return [one.id for one in bench.venue().positions(bench.owner) if one.state not in OVER]


def test_the_bench_and_the_venue_agree_on_what_can_happen(bench: VenueBench, venue: OptionVenue) -> None:
    caps = venue.capabilities()
    assert caps.venue == venue.name
    assert (caps.exercise is Exercise.HOLDER_BEFORE_EXPIRY) == (Ability.DEADLINE in bench.abilities)
    assert (caps.exercise is Exercise.AUTO) == (Ability.SETTLEMENT in bench.abilities)
    assert (bench.early in caps.closes_early) == (Ability.EARLY_EXIT in bench.abilities)


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
    want = bench.want()
    assert not venue.contracts(bench.market(), replace(want, strike_from=Decimal(1), strike_to=Decimal(2)))


def test_a_quote_says_what_it_costs_and_for_how_long(bench: VenueBench, venue: OptionVenue) -> None:
    quote, want, market = quoted(bench, venue), bench.want(), bench.market()
    assert quote.size == want.size
    assert quote.cost.raw > 0
    assert quote.cost.token == quote.contract.settle_asset == market.quote
    assert quote.available.raw >= quote.size.raw
    assert quote.valid_until_s > market.now_s
    assert quote.block == market.block
    assert quote.cost_model is CostModel.STREAMED or quote.max_loss == quote.cost
    assert quote.implied_volatility is None or 0 < quote.implied_volatility < 5
    assert quote.gas_open > 21_000
    assert quote.gas_close > 21_000


def test_a_purchase_takes_what_was_quoted_and_is_read_back(bench: VenueBench, venue: OptionVenue) -> None:
    quote, before = quoted(bench, venue), bench.dollars()
    ran = bench.run(venue.plan_open(quote, quote.cost))
    assert ran.done, ran.reason
    assert before - bench.dollars() == quote.cost.raw
    (held,) = bench.venue().positions(bench.owner)
    assert held.id
    assert held.owner == bench.owner
    assert held.size == quote.size
    assert held.contract.legs == quote.contract.legs
    assert held.opened_cost in {None, quote.cost}
    assert held.state is PositionState.OPEN
    assert (held.intrinsic.raw, held.accrued_cost.raw) == (0, 0)
    assert held.claimable.raw == 0 or CloseHow.SELL in venue.capabilities().closes_early
    assert 0.8 * quote.gas_open < ran.gas <= quote.gas_open


def test_two_purchases_are_two_positions_or_one_of_both(bench: VenueBench, venue: OptionVenue) -> None:
    one = bought(bench)
    quote = quoted(bench, venue)
    assert bench.run(venue.plan_open(quote, quote.cost)).done
    held = bench.venue().positions(bench.owner)
    assert sum(position.size.raw for position in held) == one.size.raw + quote.size.raw
    assert len({position.id for position in held}) == len(held)


def test_more_than_the_limit_is_refused_before_anything_is_sent(bench: VenueBench, venue: OptionVenue) -> None:
    quote = quoted(bench, venue)
    with pytest.raises(Refused):
        venue.plan_open(quote, plus(quote.cost, -1))
    with pytest.raises(Refused):
        venue.plan_open(quote, replace(quote.cost, token=quote.size.token))
    with pytest.raises(Refused):
        venue.plan_open(replace(quote, contract=replace(quote.contract, venue="elsewhere")), quote.cost)


def test_a_price_past_the_limit_buys_nothing(bench: VenueBench, venue: OptionVenue) -> None:
    quote, before = quoted(bench, venue), bench.dollars()
    if Ability.REPRICING not in bench.abilities:
        with pytest.raises(Impossible):
            bench.reprice(Decimal(2))
        return
    bench.reprice(Decimal(2))
    ran = bench.run(venue.plan_open(quote, quote.cost))
    assert not ran.done
    assert ran.reason
    assert bench.dollars() == before
    assert not bench.venue().positions(bench.owner)


def test_a_price_within_the_limit_is_paid_and_no_more(bench: VenueBench, venue: OptionVenue) -> None:
    quote, before = quoted(bench, venue), bench.dollars()
    if Ability.REPRICING in bench.abilities:
        bench.reprice(Decimal("1.1"))
    limit = plus(quote.cost, quote.cost.raw // 5)
    assert bench.run(venue.plan_open(quote, limit)).done
    assert quote.cost.raw <= before - bench.dollars() <= limit.raw


def test_a_payoff_is_taken_early(bench: VenueBench, venue: OptionVenue) -> None:
    held = bought(bench)
    bench.move_spot(FALL)
    (now,) = bench.venue().positions(bench.owner)
    expected = held.contract.payoff(bench.market().price) * 2
    assert abs(Decimal(now.intrinsic.raw).scaleb(-now.intrinsic.token.decimals) - expected) < Decimal("0.000002")
    plan = venue.plan_close(now, bench.early, now.claimable)
    if Ability.EARLY_EXIT not in bench.abilities:
        assert isinstance(plan, NotYet)
        return
    assert now.state is PositionState.ITM_EXERCISABLE
    before = bench.dollars()
    ran = bench.run(ending(plan))
    assert ran.done, ran.reason
    assert bench.dollars() - before == now.claimable.raw == now.intrinsic.raw
    assert not still_held(bench)


def test_less_than_wanted_is_refused(bench: VenueBench, venue: OptionVenue) -> None:
    bought(bench)
    bench.move_spot(FALL)
    (held,) = bench.venue().positions(bench.owner)
    if Ability.EARLY_EXIT not in bench.abilities:
        assert isinstance(venue.plan_close(held, bench.early, nothing(held.claimable)), NotYet)
        return
    with pytest.raises(Refused):
        venue.plan_close(held, bench.early, plus(held.claimable, 1))


def test_out_of_the_money_there_is_nothing_to_take_yet(bench: VenueBench, venue: OptionVenue) -> None:
    held = bought(bench)
    assert isinstance(venue.plan_close(held, bench.early, nothing(held.claimable)), NotYet)
    early = venue.plan_close(held, bench.late, nothing(held.claimable))
    assert isinstance(early, NotYet)
    assert early.not_before_s is None or early.not_before_s >= (held.contract.expiry_s or 0)


def test_an_end_that_a_venue_does_not_know_is_refused(bench: VenueBench, venue: OptionVenue) -> None:
    held = bought(bench)
    caps = venue.capabilities()
    for how in set(CloseHow) - {*caps.closes_early, bench.early, bench.late}:
        with pytest.raises(Refused):
            venue.plan_close(held, how, nothing(held.claimable))


def test_the_last_second_before_expiry_still_pays(bench: VenueBench, venue: OptionVenue) -> None:
    held = bought(bench)
    if Ability.DEADLINE not in bench.abilities:
        assert held.act_before_s is None
        return
    expiry_s = held.contract.expiry_s
    assert expiry_s is not None
    assert held.act_before_s is not None
    assert held.act_before_s < expiry_s
    bench.go_to(expiry_s - 100)
    bench.move_spot(FALL)
    (now,) = bench.venue().positions(bench.owner)
    before = bench.dollars()
    ran = bench.run(ending(venue.plan_close(now, bench.early, now.claimable)), at_s=expiry_s - 1)
    assert ran.done, ran.reason
    assert ran.made_at_s == expiry_s - 1
    assert bench.dollars() - before == now.claimable.raw > 0


def test_a_second_later_the_payoff_is_lost_and_the_venue_says_so(bench: VenueBench, venue: OptionVenue) -> None:
    held = bought(bench)
    if Ability.DEADLINE not in bench.abilities:
        assert held.act_before_s is None
        return
    assert held.contract.expiry_s is not None
    bench.go_to(held.contract.expiry_s - 100)
    bench.move_spot(FALL)
    (now,) = bench.venue().positions(bench.owner)
    plan = ending(venue.plan_close(now, bench.early, now.claimable))
    before = bench.dollars()
    assert not bench.run(plan, at_s=held.contract.expiry_s).done
    assert bench.dollars() == before
    (late,) = bench.venue().positions(bench.owner)
    assert late.state is PositionState.EXPIRED_WORTHLESS
    assert (late.intrinsic.raw, late.claimable.raw, late.act_before_s) == (0, 0, None)
    with pytest.raises(Refused):
        venue.plan_close(late, bench.early, nothing(late.claimable))


def test_a_payoff_at_expiry_is_redeemed_where_it_waits(bench: VenueBench, venue: OptionVenue) -> None:
    held = bought(bench)
    if Ability.SETTLEMENT not in bench.abilities:
        assert venue.capabilities().exercise is not Exercise.AUTO
        return
    assert held.contract.expiry_s is not None
    bench.move_spot(FALL)
    bench.go_to(held.contract.expiry_s)
    (now,) = bench.venue().positions(bench.owner)
    assert now.state is PositionState.REDEEMABLE
    before = bench.dollars()
    ran = bench.run(ending(venue.plan_close(now, bench.late, now.claimable)))
    assert ran.done, ran.reason
    assert bench.dollars() - before == now.claimable.raw > 0
    assert not still_held(bench)


def test_what_expires_worthless_is_over_and_can_be_cleared_away(bench: VenueBench, venue: OptionVenue) -> None:
    held = bought(bench)
    if held.contract.expiry_s is None:
        assert venue.capabilities().style is Style.PERPETUAL
        return
    bench.move_spot(RISE)
    bench.go_to(held.contract.expiry_s + 60)
    assert not still_held(bench)
    for late in bench.venue().positions(bench.owner):
        assert (late.intrinsic.raw, late.claimable.raw, late.act_before_s) == (0, 0, None)
        with pytest.raises(Refused):
            venue.plan_close(late, bench.late, plus(late.claimable, 1))
        before = bench.dollars()
        ran = bench.run(ending(venue.plan_close(late, bench.late, nothing(late.claimable))))
        assert ran.done, ran.reason
        assert bench.dollars() == before
    assert not bench.venue().positions(bench.owner)


def test_a_paused_venue_offers_nothing_and_sells_nothing(bench: VenueBench, venue: OptionVenue) -> None:
    quote, want, before = quoted(bench, venue), bench.want(), bench.dollars()
    if Ability.PAUSE not in bench.abilities:
        with pytest.raises(Impossible):
            bench.pause()
        return
    bench.pause()
    found = venue.quote(quote.contract, want.size)
    assert isinstance(found, NoQuote)
    assert found.reason is NoQuoteReason.PAUSED
    assert found.contract == quote.contract
    assert not bench.run(venue.plan_open(quote, quote.cost)).done
    assert bench.dollars() == before


def test_a_payoff_that_is_not_covered_is_not_claimable(bench: VenueBench, venue: OptionVenue) -> None:
    held = bought(bench)
    if Ability.RESERVES not in bench.abilities:
        cap = quoted(bench, venue).payable_cap
        assert cap is None or cap.raw > held.contract.payoff(Decimal(0)) * 2
        return
    bench.drain()
    bench.move_spot(FALL)
    (now,) = bench.venue().positions(bench.owner)
    assert now.id == held.id
    assert now.intrinsic.raw > now.claimable.raw
    with pytest.raises(Refused):
        venue.plan_close(now, bench.early, now.intrinsic)
    before = bench.dollars()
    ran = bench.run(ending(venue.plan_close(now, bench.early, now.claimable)))
    assert not ran.done
    assert bench.dollars() == before
    assert still_held(bench) == [held.id]


def test_what_would_not_be_covered_is_not_quoted(bench: VenueBench, venue: OptionVenue) -> None:
    want, contract = bench.want(), quoted(bench, venue).contract
    if Ability.RESERVES not in bench.abilities:
        with pytest.raises(Impossible):
            bench.drain()
        return
    bench.drain()
    found = venue.quote(contract, want.size)
    assert isinstance(found, NoQuote)
    assert found.reason in {NoQuoteReason.UNSOUND, NoQuoteReason.LIMIT, NoQuoteReason.NO_LIQUIDITY}


def test_wrong_decimals_in_the_settings_are_noticed(bench: VenueBench) -> None:
    venue, want = bench.misconfigured(), bench.want()
    found = [venue.quote(contract, want.size) for contract in venue.contracts(bench.market(), want)]
    assert all(isinstance(one, NoQuote) and one.reason is NoQuoteReason.UNSOUND for one in found), found


def test_more_than_there_is_is_not_quoted(bench: VenueBench, venue: OptionVenue) -> None:
    quote = quoted(bench, venue)
    lots = quote.contract.lots(quote.available.raw + 1)
    found = venue.quote(quote.contract, replace(quote.size, raw=lots))
    assert isinstance(found, NoQuote)
    assert found.reason in {NoQuoteReason.LIMIT, NoQuoteReason.NO_LIQUIDITY}
    assert found.note

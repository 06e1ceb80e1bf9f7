"""What every option venue promises of held options and their ends, run on each that offers what a case needs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.core.model.errors import Refused
from keeper.core.model.option import CloseHow, OptionPosition, PositionState
from keeper.ports.options import NotYet, OptionVenue
from tests.ports.option_benches import needs
from tests.ports.venues import Ability, Dispatch, VenueBench, bought, held, nothing, plus

FALL = Decimal("0.6")
RISE = Decimal("1.4")
OVER = (PositionState.CLOSED, PositionState.EXPIRED_WORTHLESS)


def still_held(bench: VenueBench) -> list[str]:
    return [one.id for one in bench.venue().positions(bench.owner) if one.state not in OVER]


def way_out(bench: VenueBench) -> CloseHow:
    """How a running option is ended, where one can be."""
    assert bench.early is not None
    return bench.early


def in_the_money(bench: VenueBench) -> OptionPosition:
    """A held option after a fall."""
    bought(bench)
    bench.move_spot(FALL)
    return held(bench)


def due(bench: VenueBench, position: OptionPosition) -> CloseHow:
    """Let the price fall and the time come at which a payoff may be taken; how it is taken."""
    bench.move_spot(FALL)
    if Ability.SETTLEMENT not in bench.abilities:
        return way_out(bench)
    assert position.contract.expiry_s is not None
    bench.go_to(position.contract.expiry_s)
    return CloseHow.REDEEM


@needs(Ability.RECORD, Ability.EARLY_EXIT)
def test_an_end_is_recorded_as_the_golden_words_say(bench: VenueBench) -> None:
    """A size of 0 closes, and limits in falling order settle in cash."""
    position = bought(bench)
    assert bench.end(position, way_out(bench), nothing(position.claimable)).done
    golden = Dispatch(ids=(int(position.id),), ids_after=(), sizes=(0,), limits=((196_727, 196_325, 90_000),))
    assert bench.dispatches()[-1] == golden


@needs(Ability.MONEY)
def test_what_it_would_pay_now_is_told(bench: VenueBench) -> None:
    position = in_the_money(bench)
    expected = position.contract.payoff(bench.market().price) * 2
    assert abs(Decimal(position.intrinsic.raw).scaleb(-position.intrinsic.token.decimals) - expected) < Decimal("0.000002")


@needs(Ability.EARLY_EXIT)
def test_a_running_option_is_ended(bench: VenueBench) -> None:
    position = bought(bench)
    if Ability.DEADLINE in bench.abilities:
        bench.move_spot(FALL)
        position = held(bench)
        assert position.state is PositionState.ITM_EXERCISABLE
        assert position.claimable == position.intrinsic
    before = bench.dollars()
    ran = bench.end(position, way_out(bench), position.claimable)
    assert ran.done, ran.reason
    assert not still_held(bench)
    if Ability.MONEY in bench.abilities:
        assert bench.dollars() - before == position.claimable.raw > 0
    if Ability.GAS in bench.abilities:
        assert 0.8 * position.gas_close < ran.gas <= position.gas_close


@needs(Ability.EARLY_EXIT)
def test_an_end_for_less_than_wanted_is_refused(bench: VenueBench, venue: OptionVenue) -> None:
    position = in_the_money(bench) if Ability.DEADLINE in bench.abilities else bought(bench)
    for wanted in (plus(position.claimable, 1), replace(position.claimable, token=position.size.token)):
        with pytest.raises(Refused):
            venue.plan_close(position, way_out(bench), wanted)


@needs(Ability.EXPIRY)
def test_out_of_the_money_there_is_nothing_to_take_yet(bench: VenueBench, venue: OptionVenue) -> None:
    position = bought(bench)
    for how in bench.known - {CloseHow.SELL}:
        early = venue.plan_close(position, how, nothing(position.claimable))
        assert isinstance(early, NotYet)
        assert early.not_before_s is None or early.not_before_s >= (position.contract.expiry_s or 0)


@needs(Ability.SETTLEMENT)
def test_a_payoff_is_not_redeemed_before_expiry(bench: VenueBench, venue: OptionVenue) -> None:
    position = in_the_money(bench)
    assert position.intrinsic.raw > 0
    early = venue.plan_close(position, CloseHow.REDEEM, nothing(position.claimable))
    assert isinstance(early, NotYet)
    assert early.not_before_s == position.contract.expiry_s


def test_an_end_that_a_venue_does_not_know_is_refused(bench: VenueBench, venue: OptionVenue) -> None:
    position = bought(bench)
    for how in set(CloseHow) - bench.known:
        with pytest.raises(Refused):
            venue.plan_close(position, how, nothing(position.claimable))


@needs(Ability.DEADLINE)
def test_the_last_second_before_expiry_still_pays(bench: VenueBench) -> None:
    position = bought(bench)
    expiry_s = position.contract.expiry_s
    assert expiry_s is not None
    assert position.act_before_s is not None
    assert position.act_before_s < expiry_s
    bench.go_to(expiry_s - 100)
    bench.move_spot(FALL)
    now, before = held(bench), bench.dollars()
    ran = bench.end(now, way_out(bench), now.claimable, at_s=expiry_s - 1)
    assert ran.done, ran.reason
    assert ran.made_at_s == expiry_s - 1
    assert bench.dollars() - before == now.claimable.raw > 0


@needs(Ability.DEADLINE)
def test_a_second_later_the_payoff_is_lost_and_the_venue_says_so(bench: VenueBench, venue: OptionVenue) -> None:
    position = bought(bench)
    assert position.contract.expiry_s is not None
    bench.go_to(position.contract.expiry_s - 100)
    bench.move_spot(FALL)
    now, before = held(bench), bench.dollars()
    assert not bench.end(now, way_out(bench), now.claimable, at_s=position.contract.expiry_s).done
    assert bench.dollars() == before
    late = held(bench)
    assert late.state is PositionState.EXPIRED_WORTHLESS
    assert (late.intrinsic.raw, late.claimable.raw, late.act_before_s) == (0, 0, None)
    with pytest.raises(Refused):
        venue.plan_close(late, way_out(bench), nothing(late.claimable))


@needs(Ability.SETTLEMENT)
def test_a_payoff_at_expiry_is_redeemed_where_it_waits(bench: VenueBench, venue: OptionVenue) -> None:
    how = due(bench, bought(bench))
    now, before = held(bench), bench.dollars()
    assert now.state is PositionState.REDEEMABLE
    with pytest.raises(Refused):
        venue.plan_close(now, how, plus(now.claimable, 1))
    with pytest.raises(Refused):
        venue.plan_close(now, CloseHow.RELEASE, nothing(now.claimable))
    ran = bench.end(now, how, now.claimable)
    assert ran.done, ran.reason
    assert bench.dollars() - before == now.claimable.raw == now.intrinsic.raw > 0
    assert not still_held(bench)


@needs(Ability.EXPIRY)
def test_what_expires_worthless_is_over_and_can_be_cleared_away(bench: VenueBench, venue: OptionVenue) -> None:
    position = bought(bench)
    assert position.contract.expiry_s is not None
    bench.move_spot(RISE)
    bench.go_to(position.contract.expiry_s + 60)
    late, before = held(bench), bench.dollars()
    assert late.state is PositionState.EXPIRED_WORTHLESS
    assert (late.intrinsic.raw, late.claimable.raw, late.act_before_s) == (0, 0, None)
    with pytest.raises(Refused):
        venue.plan_close(late, CloseHow.RELEASE, plus(late.claimable, 1))
    ran = bench.end(late, CloseHow.RELEASE, nothing(late.claimable))
    assert ran.done, ran.reason
    assert bench.dollars() == before
    assert not bench.venue().positions(bench.owner)


@needs(Ability.RESERVES)
def test_a_payoff_that_is_not_covered_is_not_claimable(bench: VenueBench, venue: OptionVenue) -> None:
    position = bought(bench)
    bench.drain()
    how = due(bench, position)
    now, before = held(bench), bench.dollars()
    assert now.id == position.id
    assert now.intrinsic.raw > now.claimable.raw == 0
    if Ability.SETTLEMENT in bench.abilities:
        assert isinstance(venue.plan_close(now, how, nothing(now.intrinsic)), NotYet)
    else:
        with pytest.raises(Refused):
            venue.plan_close(now, how, now.intrinsic)
        assert not bench.end(now, how, now.claimable).done
    assert bench.dollars() == before
    assert still_held(bench) == [position.id]

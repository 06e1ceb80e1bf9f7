"""Venues asked side by side, and what a cycle makes of them."""

# ruff: file-ignore[unused-method-argument, return-in-generator] - doubles with the ports' signatures

from __future__ import annotations

import random
import zlib
from dataclasses import replace
from decimal import Decimal

import pytest

from keeper.adapters.evm.rpc import BadReply, RpcUnreachable
from keeper.adapters.options.desk import MOST_ABSENT, MOST_QUOTES, OptionDesk
from keeper.adapters.options.reading import Ask
from keeper.core.model.codec import encode
from keeper.core.model.option import (
    NO_PROTECTION,
    HedgeWant,
    Leg,
    NoQuote,
    NoQuoteReason,
    OptionKind,
    ProtectionView,
)
from keeper.core.model.token import TokenAmount
from keeper.engine.protect import market_of, with_protection
from tests.builders import block_ref, policy, view
from tests.options import held, put, quote
from tests.pairs import DAY_S, NOW_S, WALLET, WETH
from tests.stories import told
from tests.unit.test_strategy_hedge import rules, seen

MULTICALL = "0xcA11bde05977b3631167028862bE2a173976CA11"


class Counting:
    """A node that answers every call with its number."""

    def __init__(self):
        self.batches = []

    def batch_outcomes(self, calls):
        self.batches.append([method for method, _ in calls])
        return [hex(number) for number, _ in enumerate(calls)]


class Venue:
    """Readings of so many rounds that end as they are told."""

    def __init__(self, name, *, rounds=1, held=(), offered=(), error=None):
        self.name, self._rounds, self._held, self._offered, self._error = name, rounds, held, offered, error

    def _reading(self, result):
        for number in range(self._rounds):
            replies = yield Ask(others=[("eth_call", [self.name, number])])
            assert len(replies.others) == 1
        if self._error is not None:
            raise self._error
        return result

    def holding(self, owner, block):
        return self._reading(self._held)

    def offering(self, market, wants, block):
        return self._reading(self._offered)


def desk(*venues, **how):
    node = Counting()
    return OptionDesk(node, MULTICALL, venues, **how), node


def want(**times):
    """Puts near their strikes."""
    size = TokenAmount(token=WETH, raw=10**18)
    return HedgeWant(kinds=(OptionKind.PUT,), strike_from=Decimal(3_000), strike_to=Decimal(4_000), size=size, **times)


MARKET = market_of(view(), told(policy(), view().now_s), policy())


def test_the_longest_reading_sets_the_number_of_requests_whatever_the_number_of_venues():
    two, node = desk(*(Venue(f"v{number}", rounds=1 + number % 2, offered=(quote(),)) for number in range(6)))
    found = two.offers(MARKET, [], block_ref())
    assert len(found.quotes) == 6
    assert [len(batch) for batch in node.batches] == [6, 3]


def test_a_venue_that_fails_is_absent_with_its_reason_and_the_others_are_told():
    both, _ = desk(Venue("dead", error=BadReply("nonsense")), Venue("live", held=(held(),), offered=(quote(),)))
    offered, kept = both.offers(MARKET, [], block_ref()), both.held(MARKET, WALLET, block_ref())
    assert len(offered.quotes) == len(kept.positions) == 1
    for told_of in (offered, kept):
        (absent,) = told_of.absent
        assert (absent.venue, absent.reason) == ("dead", NoQuoteReason.UNREACHABLE)
        assert "nonsense" in absent.note


def test_refusals_stand_beside_quotes_and_silence_is_told():
    refused = NoQuote(venue="a", reason=NoQuoteReason.PAUSED, note="paused")
    three, _ = desk(Venue("a", offered=(quote(), refused)), Venue("quiet"))
    found = three.offers(MARKET, [], block_ref())
    assert (len(found.quotes), found.absent[0]) == (1, refused)
    assert (found.absent[1].venue, found.absent[1].reason) == ("quiet", NoQuoteReason.NO_SERIES)


class Dead:
    """A node that does not answer."""

    def batch_outcomes(self, calls):
        raise RpcUnreachable("no answer")


def test_a_node_that_does_not_answer_is_no_venues_fault():
    with pytest.raises(RpcUnreachable):
        OptionDesk(Dead(), MULTICALL, [Venue("v")]).held(MARKET, WALLET, block_ref())


def test_a_reading_that_asks_nothing_costs_no_request():
    none, node = desk(Venue("v", rounds=0, offered=(quote(),)))
    assert len(none.offers(MARKET, [], block_ref()).quotes) == 1
    assert node.batches == []


class Told:
    """A desk that says what it is told to and counts what it is asked."""

    def __init__(self, kept=NO_PROTECTION, offered=NO_PROTECTION):
        self.kept, self.offered, self.asked = kept, offered, []

    def held(self, market, owner, block):
        return self.kept

    def offers(self, market, wants, block):
        self.asked.append(tuple(wants))
        return self.offered


def test_quotes_are_asked_for_when_a_tier_is_awake_and_not_before():
    by = rules()
    asleep, awake = Told(), Told(offered=ProtectionView(positions=(), quotes=(quote(),), absent=()))
    calm = with_protection(asleep, seen(), told(by, seen().now_s), by)
    assert asleep.asked == []
    assert calm == seen()
    stirred = with_protection(awake, seen(spot_ticks=300), told(by, seen().now_s), by)
    assert len(awake.asked) == 1
    assert stirred.protection.quotes == (quote(),)


def test_nothing_is_asked_for_while_it_is_not_known_what_is_held():
    by = rules()
    gone = NoQuote(venue="hegic", reason=NoQuoteReason.UNREACHABLE, note="no answer")
    unsure = Told(kept=ProtectionView(positions=(), quotes=(), absent=(gone,)))
    found = with_protection(unsure, seen(spot_ticks=300), told(by, seen().now_s), by)
    assert unsure.asked == []
    assert found.protection.absent == (gone,)


def test_what_is_held_is_part_of_the_view_though_nothing_is_bought():
    mine = ProtectionView(positions=(held(),), quotes=(), absent=())
    bare = policy()
    found = with_protection(Told(kept=mine), view(), told(bare, view().now_s), bare)
    assert found == replace(view(), protection=mine)


def test_a_venue_that_is_not_bought_at_tells_what_is_held_and_is_not_asked_for_quotes():
    sold, left = Venue("sold", offered=(quote(),)), Venue("left", held=(held(),), offered=(quote(),))
    both, node = desk(sold, left, bought_at=("sold",))
    assert both.held(MARKET, WALLET, block_ref()).positions == (held(),)
    assert len(both.offers(MARKET, [], block_ref()).quotes) == 1
    assert [len(batch) for batch in node.batches] == [2, 1]


def test_a_venue_that_is_lost_leaves_what_is_held_unknown_and_nothing_is_bought():
    by, why = rules(), "put it back"
    one, node = desk(Venue("sold", offered=(quote(),)), lost={"gone": why})
    found = with_protection(one, seen(spot_ticks=300), told(by, seen().now_s), by)
    assert found.protection.quotes == ()
    assert found.protection.absent == (NoQuote(venue="gone", reason=NoQuoteReason.UNREACHABLE, note=why),)
    assert len(node.batches) == 1


def test_a_lost_venue_alone_costs_no_request():
    none, node = desk(lost={"gone": "put it back"})
    assert none.held(MARKET, WALLET, block_ref()).absent[0].venue == "gone"
    assert none.offers(MARKET, [], block_ref()) == NO_PROTECTION
    assert node.batches == []


FAR_S = 40 * DAY_S
WANTS = (
    want(expiry_from_s=NOW_S, expiry_to_s=NOW_S + FAR_S - 1),
    want(expiry_from_s=NOW_S + FAR_S, expiry_to_s=NOW_S + 2 * FAR_S),
)


def many(count):
    """Dear ones first; all but ten expire late, and those are the dearest."""
    chance = random.Random(7)
    return tuple(
        quote(
            chance.randrange(10**8, 10**10),
            contract=put(
                legs=(Leg(kind=OptionKind.PUT, strike=Decimal(3_000 + place)),),
                expiry_s=NOW_S + (DAY_S if place < 10 else FAR_S),
                native=(f"0x{chance.getrandbits(160):040x}",),
            ),
            implied_volatility=Decimal(2_000 - place) / 1_000,
            native=("pool", "3000"),
        )
        for place in range(count)
    )


def test_of_very_many_quotes_every_want_keeps_the_cheapest_and_the_rest_is_told_by_number():
    offered = many(200)
    shut = [NoQuote(venue="v", reason=NoQuoteReason.NO_LIQUIDITY, note="no pool", contract=one.contract) for one in offered]
    one, _ = desk(Venue("v", offered=(*offered, *shut)))
    found = one.offers(MARKET, WANTS, block_ref())
    assert found.quotes == (*offered[:10], *offered[-MOST_QUOTES:])
    assert len(found.absent) == MOST_ABSENT + 1
    assert found.absent[-1].note == f"of 200 quotes the {10 + MOST_QUOTES} of the lowest implied volatility are looked at"
    few, _ = desk(Venue("v", offered=offered[:MOST_QUOTES]))
    assert few.offers(MARKET, WANTS, block_ref()) == ProtectionView(positions=(), quotes=offered[:MOST_QUOTES], absent=())


def test_a_view_with_all_the_quotes_that_it_may_have_is_a_small_row_of_the_journal():
    whole = replace(seen(), protection=ProtectionView(positions=(), quotes=many(6 * MOST_QUOTES), absent=()))
    assert len(zlib.compress(encode(whole).encode(), level=6)) < 20_000

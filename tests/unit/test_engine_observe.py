"""One view a cycle: chain facts joined with memory, strangers treated as the policy says, and nothing written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.core.model.bar import MINUTE_S, MarketHistory, Quote
from keeper.core.model.decision import Decision
from keeper.core.model.errors import Fault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.policy import Adoption
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import CycleState, Observation
from keeper.engine.cycle import run_cycle
from keeper.engine.memo import SignalMemo
from keeper.engine.observe import NEWEST_TOKENS, observe
from tests.builders import (
    barred,
    block_price,
    block_ref,
    decision,
    history,
    history_ref,
    ladder,
    memory,
    policy,
    position,
    prices,
    view,
)
from tests.pairs import BLOCK, DAY_S, NOW_S, TICK
from tests.plans import shift_decision
from tests.surroundings import quote, sample
from tests.unit.engine_world import HELD, World, laddered

STRANGER = position(77)
POOL = policy().signal_pool


def hold(*_: object) -> Decision:
    return decision()


def test_positions_come_into_the_layers_that_the_journal_names() -> None:
    world = laddered()
    sight = observe(world.source, world.journal, policy(), SignalMemo())
    assert sight.view.ladder == ladder()
    assert sight.adopted == {}


def test_an_empty_journal_adopts_the_ladder_that_is_there() -> None:
    """By the widths of the policy at its usual volatility: 680, 1360 and 2720 ticks."""
    bands = (position(1, TICK - 600, TICK + 600), position(2, TICK - 1_400, TICK + 1_400))
    wings = (position(3, TICK - 3_000, TICK - 1_400), position(4, TICK + 1_400, TICK + 3_000))
    world = World(*bands, *wings)
    sight = observe(world.source, world.journal, policy(adoption=Adoption.ADOPT), SignalMemo())
    assert [(layer.kind, layer.positions) for layer in sight.view.ladder.layers] == [
        (LayerKind.CORE, bands[:1]),
        (LayerKind.SECONDARY, bands[1:]),
        (LayerKind.INSURANCE, wings),
    ]
    assert list(sight.adopted) == [1, 2, 3, 4]
    assert world.journal.layer_tokens() == {}


def test_strangers_are_refused_by_name() -> None:
    world = laddered()
    world.source.seen = World(*HELD, STRANGER).source.seen
    with pytest.raises(Fault, match=r"journal does not know: 77\. Set wallet\.adoption"):
        observe(world.source, world.journal, policy(adoption=Adoption.REFUSE), SignalMemo())


def test_strangers_are_ignored_when_that_is_wanted() -> None:
    world = laddered()
    world.source.seen = World(*HELD, STRANGER).source.seen
    sight = observe(world.source, world.journal, policy(adoption=Adoption.IGNORE), SignalMemo())
    assert sight.view.ladder == ladder()
    assert sight.adopted == {}


def test_a_ladder_that_is_known_is_neither_refused_nor_adopted_again() -> None:
    world = laddered()
    for adoption in Adoption:
        assert observe(world.source, world.journal, policy(adoption=adoption), SignalMemo()).adopted == {}


def test_a_layer_whose_positions_are_gone_is_absent() -> None:
    world = laddered()
    world.source.seen = World(*HELD[1:]).source.seen
    sight = observe(world.source, world.journal, policy(), SignalMemo())
    assert sight.view.ladder.layer(LayerKind.CORE) is None
    assert [layer.kind for layer in sight.view.ladder.layers] == [LayerKind.SECONDARY, LayerKind.INSURANCE]


def test_the_source_is_told_the_newest_positions_only() -> None:
    world = World()
    for token_id in range(1, 41):
        world.journal.adopt(token_id, LayerKind.CORE)
    observe(world.source, world.journal, policy(), SignalMemo())
    ((told, after),) = world.source.asked
    assert told == tuple(range(41 - NEWEST_TOKENS, 41))
    assert after is None


def test_the_view_names_the_bars_of_stored_and_new_prices() -> None:
    world = laddered()
    rows = prices()
    world.journal.append_prices(POOL, rows[:-5])
    sight = observe(world.source, world.journal, policy(), SignalMemo())
    assert sight.news == history()
    assert sight.new_prices == rows[-5:]
    assert sight.view.history == history_ref(history()) == sight.state.ref


def test_bars_go_on_from_the_newest_stored_one() -> None:
    world = laddered()
    rows = prices()
    earlier = barred(rows[:-200], now_s=rows[-200].timestamp_s - 1)
    world.journal.append_prices(POOL, rows[:-200])
    world.journal.append_history(earlier)
    sight = observe(world.source, world.journal, policy(), SignalMemo())
    assert earlier.minutes + sight.news.minutes == history().minutes
    assert earlier.hours + sight.news.hours == history().hours
    assert sight.news.hours[0].start_s < sight.news.minutes[0].start_s, "its other minutes were stored"
    assert sight.view.history == history_ref(history())


def test_prices_older_than_the_look_back_are_left_out() -> None:
    world = laddered()
    world.journal.append_prices(POOL, [block_price(BLOCK - 15_000)])
    sight = observe(world.source, world.journal, policy(), SignalMemo())
    assert sight.news == history()


def test_prices_of_a_branch_that_is_gone_are_not_known_twice() -> None:
    """A row at or below the newest stored block is not appended: what is stored was read at that block."""
    world = laddered()
    world.journal.append_prices(POOL, prices())
    world.source.observe = lambda **_: world.source.seen  # type: ignore[method-assign]
    assert observe(world.source, world.journal, policy(), SignalMemo()).news == history()


def restarted(down_s: int, *, rows: tuple[BlockPrice, ...]) -> tuple[World, MarketHistory]:
    """A keeper that stopped so long before now, and the bars that it had; the source reads ``rows``, all of the look-back."""
    world = laddered()
    known = barred(prices(1.0, end_block=BLOCK - down_s // 12), now_s=NOW_S - down_s)
    world.journal.append_prices(POOL, prices(1.0, end_block=BLOCK - down_s // 12))
    world.journal.append_history(known)
    world.source.seen = replace(world.source.seen, prices=rows, prices_since_s=NOW_S - policy().signals.lookback_s)
    return world, known


def test_a_keeper_that_was_down_for_longer_than_the_look_back_has_a_gap_and_no_bar_in_it() -> None:
    rows = prices(30.0)
    world, known = restarted(3 * DAY_S, rows=rows)
    sight = observe(world.source, world.journal, policy(), SignalMemo())
    assert sight.news == barred(rows)
    assert sight.news.minutes[0].start_s == -(-(rows[0].timestamp_s + 1) // MINUTE_S) * MINUTE_S
    assert sight.view.history.minutes.first_s == known.minutes[0].start_s
    assert sight.view.history.minutes.rows == len(known.minutes) + len(sight.news.minutes)


def test_a_gap_is_remembered_until_the_first_bar_after_it() -> None:
    """The only price so far is of the minute that still runs: the next cycle is told of no gap any more."""
    first = block_price(BLOCK - 1)
    world, known = restarted(3 * DAY_S, rows=(first,))
    assert run_cycle(world.ports, policy(), hold).view.history == history_ref(known)
    later = block_ref(BLOCK + 50, NOW_S + 600)
    world.source.seen = replace(world.source.seen, block=later, prices_since_s=None)
    after = run_cycle(world.ports, policy(), hold).view.history
    begun_s = -(-(first.timestamp_s + 1) // MINUTE_S) * MINUTE_S
    assert after.minutes.rows == len(known.minutes) + (NOW_S + 600 - begun_s) // MINUTE_S
    assert world.journal.bars(POOL, MINUTE_S, since_s=known.minutes[-1].end_s, before_s=begun_s) == ()


def test_a_crash_between_prices_and_bars_makes_neither_a_gap_nor_bars_of_one() -> None:
    for down_s, rows in ((DAY_S, prices(30.0)), (3 * DAY_S, prices(30.0))):
        world, known = restarted(down_s, rows=rows)
        world.source.seen = replace(world.source.seen, prices_since_s=None if down_s == DAY_S else NOW_S - 2 * DAY_S)
        fresh = tuple(row for row in rows if row.timestamp_s > known.minutes[-1].end_s)
        expected = observe(world.source, world.journal, policy(), SignalMemo())
        world.journal.append_prices(POOL, fresh)
        world.source.seen = replace(world.source.seen, prices_since_s=None)
        assert observe(world.source, world.journal, policy(), SignalMemo()).view == expected.view
        gap = expected.news.minutes[0].start_s - known.minutes[-1].end_s
        assert (gap > 0) == (down_s > policy().signals.lookback_s)


# samples and quotes


def test_samples_and_quotes_are_of_the_cycle_that_saw_them() -> None:
    world = laddered()
    told = (quote(0, 4_000.0), quote(0, None, name="deribit_dvol"))
    world.source.seen = replace(world.source.seen, sample=sample(NOW_S), quotes=told)
    news = observe(world.source, world.journal, policy(), SignalMemo()).news
    assert news.samples == (sample(NOW_S),)
    assert news.quotes == tuple(replace(one, seen_s=NOW_S) for one in told)


def test_a_sample_is_asked_for_when_the_last_one_is_old_enough() -> None:
    world = laddered()
    asked: list[int | None] = []
    observe_still = world.source.observe

    def noted(**wanted: Any) -> Observation:
        asked.append(wanted["sample_after_s"])
        return observe_still(**wanted)

    world.source.observe = noted  # type: ignore[method-assign]
    observe(world.source, world.journal, policy(), SignalMemo())
    world.journal.append_history(MarketHistory(pool=POOL, samples=(sample(NOW_S - 100),)))
    observe(world.source, world.journal, policy(), SignalMemo())
    assert asked == [0, NOW_S - 100 + policy().outside.sample_every_s]


@pytest.mark.parametrize(
    ("again", "is_news"),
    [
        (quote(), False),
        (quote(value=4_000.2), True),
        (quote(as_of_s=NOW_S - 12), True),
        (quote(source="another"), True),
        (quote(value=None), True),
    ],
)
def test_a_quote_that_says_nothing_new_is_not_stored_again(again: Quote, is_news: bool) -> None:
    world = laddered()
    world.journal.append_history(MarketHistory(pool=POOL, quotes=(quote(NOW_S - 300, as_of_s=NOW_S - 24),)))
    world.source.seen = replace(world.source.seen, quotes=(replace(again, seen_s=0),))
    news = observe(world.source, world.journal, policy(), SignalMemo()).news
    assert news.quotes == ((replace(again, seen_s=NOW_S),) if is_news else ())


def test_a_source_that_goes_on_failing_is_told_once() -> None:
    world = laddered()
    world.journal.append_history(MarketHistory(pool=POOL, quotes=(quote(NOW_S - 300, None),)))
    world.source.seen = replace(world.source.seen, quotes=(quote(0, None, fault="the round is a day and 300 s old"),))
    assert observe(world.source, world.journal, policy(), SignalMemo()).news.quotes == ()


@pytest.mark.parametrize("stored", [{"samples": (sample(NOW_S),)}, {"quotes": (quote(NOW_S, name="deribit_dvol"),)}])
def test_a_sample_of_a_second_at_whose_end_more_was_known_waits(stored: dict[str, Any]) -> None:
    """The order in which the series are read is that of time: what came first at a second stays first."""
    world = laddered()
    world.journal.append_history(MarketHistory(pool=POOL, **stored))
    world.source.seen = replace(world.source.seen, sample=sample(NOW_S, balance0=1), quotes=(quote(0),))
    news = observe(world.source, world.journal, policy(), SignalMemo()).news
    assert news.samples == ()
    assert news.quotes == (quote(NOW_S, as_of_s=-24),)


def test_a_node_that_lags_behind_adds_nothing_to_what_is_known() -> None:
    world = laddered()
    world.journal.append_prices(POOL, prices())
    world.journal.append_history(history())
    lagging = block_ref(BLOCK - 20, NOW_S - 240)
    seen = replace(world.source.seen, block=lagging, sample=sample(NOW_S - 240), quotes=(quote(0),))
    world.source.seen = replace(seen, prices=prices()[:-2])
    sight = observe(world.source, world.journal, policy(), SignalMemo())
    assert sight.news == MarketHistory(pool=POOL)
    assert sight.view.history == history_ref(barred(prices(), now_s=NOW_S - 240))


def test_the_memory_is_what_the_last_ended_cycle_left() -> None:
    world = laddered()
    seen = view(history=history_ref(history()))
    world.journal.append_prices(POOL, prices())
    world.journal.append_history(history())
    cycle_id = world.journal.begin_cycle(policy(), seen, [], shift_decision(), None)
    world.journal.end_cycle(cycle_id, CycleState.HELD, memory())
    assert observe(world.source, world.journal, policy(), SignalMemo()).view.memory == memory()


def test_looking_writes_nothing() -> None:
    world = World(*HELD)
    observe(world.source, world.journal, policy(adoption=Adoption.ADOPT), SignalMemo())
    assert world.journal.layer_tokens() == {}
    assert world.journal.last_price_block(POOL) is None
    assert world.journal.open_cycle() is None

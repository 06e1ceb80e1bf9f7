"""What every journal promises of prices, bars, samples and quotes, run on the double and on the real one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.adapters.store.journal import SqlJournal
from keeper.core.model.bar import HOUR_S, MINUTE_S, MarketHistory, PriceBar
from keeper.core.model.errors import JournalFault
from keeper.core.model.pool import BlockPrice
from keeper.core.signals.windows import since
from tests.builders import block_price, history_ref, prices, view
from tests.fakes.memory_journal import MemoryJournal
from tests.pairs import NOW_S, USDC_WETH_500, USDC_WETH_3000, WALLET
from tests.ports.journals import Steerable
from tests.surroundings import quote, sample, surrounded

POOL = USDC_WETH_500.address
KNOWN = surrounded(3.0)
NOTHING_KNOWN = MarketHistory(pool=POOL)


# prices


def test_prices_come_back_exactly_and_by_pool(journal: Steerable) -> None:
    extremes = {"sqrt_price_x96": 2**160 - 1, "high_x96": 2**160 - 1, "low_x96": 4295128739, "volume0": 2**128, "volume1": 0}
    wide = block_price(**extremes, net0=-(2**128), net1=2**200, jit0=2**100)
    journal.append_prices(POOL, [wide])
    journal.append_prices(USDC_WETH_3000.address, [block_price(tick=0)])
    assert journal.prices(POOL, since_s=0, up_to_block=wide.block) == (wide,)
    assert journal.last_price_block(POOL) == wide.block


def test_both_ends_of_a_stretch_are_in_it(journal: Steerable) -> None:
    rows = prices(1.0)
    journal.append_prices(POOL, rows)
    assert journal.prices(POOL, since_s=rows[3].timestamp_s, up_to_block=rows[7].block) == rows[3:8]
    assert journal.prices(POOL, since_s=rows[3].timestamp_s + 1, up_to_block=rows[7].block - 1) == rows[4:7]
    assert journal.prices(POOL, since_s=rows[-1].timestamp_s + 1, up_to_block=rows[-1].block) == ()


def test_a_row_whose_directions_are_not_known_stays_so(journal: Steerable) -> None:
    row = block_price(net0=None, net1=None, jit0=None)
    journal.append_prices(POOL, [row])
    assert journal.prices(POOL, since_s=0, up_to_block=row.block) == (row,)


def test_what_is_stored_is_sealed(journal: Steerable) -> None:
    first, second, third = (block_price(block) for block in (100, 110, 120))
    journal.append_prices(POOL, [first, third])
    journal.append_prices(POOL, [first, second, third._replace(swaps=9)])
    assert journal.prices(POOL, since_s=0, up_to_block=120) == (first, third)


@given(st.lists(st.lists(st.integers(0, 40), max_size=8), max_size=6), st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=25, deadline=None)
def test_the_double_and_the_real_one_keep_the_same_prices(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], since_block: int, up_to_block: int
) -> None:
    double = MemoryJournal()
    path = tmp_path_factory.mktemp("prices") / "journal.db"
    with SqlJournal.open(path, chain_id=1, account=WALLET) as stored:
        for number, batch in enumerate(batches):
            rows = [_numbered(block, number) for block in batch]
            double.append_prices(POOL, rows)
            stored.append_prices(POOL, rows)
            assert stored.last_price_block(POOL) == double.last_price_block(POOL)
        since_s = block_price(since_block).timestamp_s
        found = stored.prices(POOL, since_s=since_s, up_to_block=up_to_block)
        assert found == double.prices(POOL, since_s=since_s, up_to_block=up_to_block)
        assert all(one.block < other.block for one, other in pairwise(found))


def _numbered(block: int, batch: int) -> BlockPrice:
    return block_price(block, swaps=1 + batch)


# bars, samples and quotes


def test_a_history_comes_back_exactly_and_by_pool(journal: Steerable) -> None:
    journal.append_history(KNOWN)
    other = replace(KNOWN, pool=USDC_WETH_3000.address, minutes=KNOWN.minutes[:3], hours=(), samples=(), quotes=())
    journal.append_history(other)
    assert journal.market_history(POOL, since(NOW_S), up_to_s=NOW_S) == KNOWN
    assert journal.market_history(other.pool, since(NOW_S), up_to_s=NOW_S) == replace(other, quotes=KNOWN.quotes)
    assert journal.history_end(other.pool).minute == KNOWN.minutes[2]


def test_the_end_is_the_newest_of_every_series(journal: Steerable) -> None:
    journal.append_history(replace(KNOWN, quotes=()))
    end = journal.history_end(POOL)
    assert (end.minute, end.hour_s) == (KNOWN.minutes[-1], KNOWN.hours[-1].start_s)
    assert (end.sample_s, end.quote_s) == (NOW_S, None)
    assert end.known_until_s == NOW_S
    later = NOW_S + 7
    journal.append_history(replace(NOTHING_KNOWN, quotes=(quote(later),)))
    assert journal.history_end(POOL) == replace(end, quote_s=later)
    assert journal.history_end(POOL).known_until_s == later
    assert journal.history_end(USDC_WETH_3000.address).minute is None


def test_bars_are_told_by_width_from_one_start_to_before_another(journal: Steerable) -> None:
    journal.append_history(KNOWN)
    third, seventh = KNOWN.minutes[3].start_s, KNOWN.minutes[7].start_s
    assert journal.bars(POOL, MINUTE_S, since_s=third, before_s=seventh) == KNOWN.minutes[3:7]
    assert journal.bars(POOL, MINUTE_S, since_s=third + 1, before_s=seventh + 1) == KNOWN.minutes[4:8]
    assert journal.bars(POOL, HOUR_S, since_s=0, before_s=NOW_S) == KNOWN.hours
    assert journal.bars(POOL, HOUR_S, since_s=0, before_s=KNOWN.hours[0].start_s) == ()


def test_a_bar_of_numbers_as_wide_as_they_get_comes_back(journal: Steerable) -> None:
    wide = replace(KNOWN.minutes[0], high_x96=2**160 - 1, volume0=2**128, net0=-(2**127), net1=2**127, jit0=2**100)
    blank = replace(KNOWN.minutes[1], net0=None, net1=None, jit0=None)
    journal.append_history(replace(NOTHING_KNOWN, minutes=(wide, blank)))
    assert journal.bars(POOL, MINUTE_S, since_s=0, before_s=NOW_S) == (wide, blank)


def test_the_same_history_again_changes_nothing(journal: Steerable) -> None:
    for _ in range(2):
        journal.append_history(KNOWN)
        assert journal.market_history(POOL, since(NOW_S), up_to_s=NOW_S) == KNOWN


def test_nothing_older_or_in_between_is_taken_in(journal: Steerable) -> None:
    holed = replace(
        KNOWN,
        minutes=KNOWN.minutes[10:20] + KNOWN.minutes[30:40],
        samples=(sample(NOW_S - HOUR_S), sample(NOW_S - 600)),
        quotes=(quote(NOW_S - 600), quote(NOW_S - 300)),
    )
    journal.append_history(holed)
    changed = tuple(replace(bar, swaps=bar.swaps + 1) for bar in KNOWN.minutes[:40])
    journal.append_history(
        replace(
            NOTHING_KNOWN,
            minutes=changed,
            hours=tuple(replace(bar, swaps=0) for bar in KNOWN.hours),
            samples=(sample(NOW_S - 1_800), sample(NOW_S - 600, balance0=1)),
            quotes=(quote(NOW_S - 450, 1.0), quote(NOW_S - 300 - 1, 2.0)),
        )
    )
    assert journal.market_history(POOL, since(NOW_S), up_to_s=NOW_S) == holed
    journal.append_history(KNOWN)
    assert journal.bars(POOL, MINUTE_S, since_s=0, before_s=NOW_S) == holed.minutes + KNOWN.minutes[40:]


def test_the_newest_quote_of_each_name_is_told_also_one_without_a_value(journal: Steerable) -> None:
    first, second, other = quote(NOW_S - 60), quote(NOW_S, None), quote(NOW_S - 60, 0.55, name="deribit_dvol")
    journal.append_history(replace(NOTHING_KNOWN, quotes=(first, other)))
    journal.append_history(replace(NOTHING_KNOWN, quotes=(second,)))
    assert journal.newest_quotes(["chainlink_eth_usd", "deribit_dvol", "absent"]) == {first.name: second, other.name: other}
    assert journal.newest_quotes(iter(["deribit_dvol", "absent"])) == {other.name: other}
    assert (second.value, second.fault) == (None, "the round is a day old")


def test_quotes_of_one_second_keep_their_order_and_may_still_arrive(journal: Steerable) -> None:
    told = (quote(NOW_S, 1.0), quote(NOW_S, 2.0, name="deribit_dvol"), quote(NOW_S, 3.0), quote(NOW_S, 1.0))
    for one in told:
        journal.append_history(replace(NOTHING_KNOWN, quotes=(one,)))
    assert journal.market_history(POOL, since(NOW_S), up_to_s=NOW_S).quotes == told
    assert journal.newest_quotes(["chainlink_eth_usd"]) == {"chainlink_eth_usd": told[-1]}


def test_a_window_holds_what_began_in_it_and_was_known_by_then(journal: Steerable) -> None:
    windows = since(NOW_S)
    edges = {
        "minutes": [_bar(at_s, MINUTE_S) for at_s in (windows.minutes_s - 60, windows.minutes_s, NOW_S - 60, NOW_S - 59)],
        "hours": [_bar(at_s, HOUR_S) for at_s in (windows.hours_s - 3_600, windows.hours_s, NOW_S - 3_600, NOW_S - 3_599)],
        "samples": [sample(at_s) for at_s in (windows.samples_s - 1, windows.samples_s, NOW_S, NOW_S + 1)],
        "quotes": [quote(at_s) for at_s in (windows.quotes_s - 1, windows.quotes_s, NOW_S, NOW_S + 1)],
    }
    journal.append_history(replace(NOTHING_KNOWN, **{name: tuple(rows) for name, rows in edges.items()}))
    found = journal.market_history(POOL, windows, up_to_s=NOW_S)
    assert found == replace(NOTHING_KNOWN, **{name: tuple(rows[1:3]) for name, rows in edges.items()})


def _bar(start_s: int, width_s: int) -> PriceBar:
    return replace(KNOWN.minutes[0], start_s=start_s, width_s=width_s)


def test_bars_are_seeded_only_before_the_oldest_of_their_width(journal: Steerable) -> None:
    journal.append_history(replace(KNOWN, minutes=KNOWN.minutes[20:25] + KNOWN.minutes[30:]))
    hour = replace(KNOWN.hours[0], start_s=KNOWN.hours[0].start_s - HOUR_S)
    other = tuple(replace(bar, swaps=77) for bar in KNOWN.minutes)
    assert journal.seed_bars(POOL, [*other, hour, *KNOWN.hours]) == 20 + 1
    assert journal.bars(POOL, MINUTE_S, since_s=0, before_s=NOW_S) == (other[:20] + KNOWN.minutes[20:25] + KNOWN.minutes[30:])
    assert journal.bars(POOL, HOUR_S, since_s=0, before_s=NOW_S) == (hour, *KNOWN.hours)
    assert journal.seed_bars(POOL, [*other, hour]) == 0


def test_an_empty_journal_takes_every_seed_and_goes_on_from_it(journal: Steerable) -> None:
    assert journal.seed_bars(POOL, KNOWN.minutes[:30]) == 30
    assert journal.history_end(POOL).minute == KNOWN.minutes[29]
    journal.append_history(KNOWN)
    assert journal.market_history(POOL, since(NOW_S), up_to_s=NOW_S) == KNOWN


# what a view names


def test_a_view_without_history_can_be_replayed(journal: Steerable) -> None:
    journal.append_history(KNOWN)
    assert journal.named_history(view(history=history_ref(NOTHING_KNOWN))) == NOTHING_KNOWN


def test_later_rows_do_not_change_what_an_old_view_names(journal: Steerable) -> None:
    early = replace(KNOWN, minutes=KNOWN.minutes[:-5], samples=KNOWN.samples[:-1], quotes=(*KNOWN.quotes, quote(NOW_S - 200)))
    journal.append_history(early)
    seen = view(history=history_ref(early))
    late = (quote(NOW_S - 200, 1.0), quote(NOW_S - 200, None), quote(NOW_S - 200, 2.0, name="deribit_dvol"))
    journal.append_history(replace(KNOWN, quotes=late))
    journal.append_prices(POOL, prices(1.0))
    assert journal.named_history(seen) == early
    everything = replace(KNOWN, quotes=early.quotes + late)
    assert journal.market_history(POOL, since(NOW_S), up_to_s=NOW_S) == everything
    assert journal.named_history(view(history=history_ref(everything))) == everything


def test_seeded_bars_do_not_change_what_an_old_view_names(journal: Steerable) -> None:
    late = replace(KNOWN, minutes=KNOWN.minutes[30:], hours=())
    journal.append_history(late)
    assert journal.seed_bars(POOL, [*KNOWN.minutes, *KNOWN.hours]) == 30 + len(KNOWN.hours)
    assert journal.named_history(view(history=history_ref(late))) == late
    assert journal.market_history(POOL, since(NOW_S), up_to_s=NOW_S) == KNOWN


@pytest.mark.parametrize("name", ["minutes", "hours", "samples", "quotes"])
@pytest.mark.parametrize("change", ["last is missing", "first is missing", "one is another"])
def test_rows_that_are_not_those_of_the_view_are_a_fault(journal: Steerable, name: str, change: str) -> None:
    whole = surrounded(3.0)
    rows = getattr(whole, name)
    kept = {
        "last is missing": rows[:-1],
        "first is missing": rows[1:],
        "one is another": (*rows[:1], replace(rows[1], **{_SOME_FIELD[name]: 1}), *rows[2:]),
    }[change]
    journal.append_history(replace(whole, **{name: kept}))
    with pytest.raises(JournalFault, match="bars, samples and quotes are not those that the view names"):
        journal.named_history(view(history=history_ref(whole)))


_SOME_FIELD = {"minutes": "close_x96", "hours": "swaps", "samples": "balance0", "quotes": "value"}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.lists(st.integers(0, 30), max_size=6), st.lists(st.integers(0, 12), max_size=3)),
            st.tuples(st.just("seed"), st.lists(st.integers(0, 30), max_size=6), st.just([])),
        ),
        max_size=8,
    ),
    st.integers(0, 40),
)
@settings(max_examples=25, deadline=None)
def test_the_double_and_the_real_one_keep_the_same_history(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[str, list[int], list[int]]], up_to: int
) -> None:
    double = MemoryJournal()
    path = tmp_path_factory.mktemp("history") / "journal.db"
    begin_s = NOW_S // HOUR_S * HOUR_S
    with SqlJournal.open(path, chain_id=1, account=WALLET) as stored:
        for number, (deed, minutes, seconds) in enumerate(deeds):
            made = tuple(replace(_bar(begin_s + 60 * place, MINUTE_S), swaps=number) for place in sorted(set(minutes)))
            quotes = tuple(quote(begin_s + 100 * second, float(number)) for second in sorted(seconds))
            samples = tuple(sample(begin_s + 100 * second, balance0=number) for second in sorted(set(seconds)))
            for journal in (double, stored):
                if deed == "seed":
                    journal.seed_bars(POOL, made)
                else:
                    journal.append_history(replace(NOTHING_KNOWN, minutes=made, samples=samples, quotes=quotes))
            assert stored.history_end(POOL) == double.history_end(POOL)
        windows, up_to_s = since(NOW_S), begin_s + 60 * up_to
        found = stored.market_history(POOL, windows, up_to_s=up_to_s)
        assert found == double.market_history(POOL, windows, up_to_s=up_to_s)
        assert stored.named_history(view(history=history_ref(found))) == found

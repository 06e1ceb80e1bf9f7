"""What the keeper keeps in mind between cycles never makes a difference: it reads what a fresh start would read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.adapters.store.journal import SqlJournal
from keeper.app.cli.replay import think_again
from keeper.core.model.bar import HOUR_S, MINUTE_S, MarketHistory, Quote
from keeper.core.model.codec import encode
from keeper.core.model.decision import Decision
from keeper.core.model.errors import JournalFault, Refused
from keeper.core.model.policy import Policy
from keeper.core.model.record import CycleRecord
from keeper.core.signals.registry import read
from keeper.core.signals.windows import Since, since
from keeper.engine.cycle import run_cycle, think
from keeper.engine.ports import Ports
from keeper.ports.journal import Journal
from tests.builders import barred, block_price, decision, ladder, policy
from tests.fakes.executor_scene import Telling
from tests.fakes.memory_journal import MemoryJournal
from tests.pairs import BLOCK, DAY_S, NOW_S, WALLET
from tests.surroundings import quote
from tests.unit.engine_world import ScriptedAccount, laddered
from tests.unit.market_days import FIRST_S, MIDNIGHT_S, TAPE, Days, assert_no_bar_is_made_up, watchful

RULES = watchful()
POOL = RULES.signal_pool


class CountingJournal(MemoryJournal):
    """Counts how often the whole history of a day's windows is read."""

    loads = 0

    def market_history(self, pool: str, since: Since, *, up_to_s: int) -> MarketHistory:
        self.loads += 1
        return super().market_history(pool, since, up_to_s=up_to_s)


class Keeper:
    """One keeper from start to end of a test; each cycle is held against what a keeper that was just started would see."""

    def __init__(self, journal: Journal, source: Days | None = None) -> None:
        self.journal = journal
        self.source = source or Days()
        for layer in ladder().layers:
            for position in layer.positions:
                journal.adopt(position.token_id, layer.kind)
        account = ScriptedAccount(MemoryJournal())
        self.ports = Ports(source=self.source, journal=journal, executor=account, telemetry=Telling())
        self.records: list[CycleRecord] = []

    def cycle(self, rules: Policy = RULES, *, seeded: bool = False) -> CycleRecord:
        """A hold, and the same by a keeper without any memo."""
        cold = think(self.source, self.journal, rules, holding)
        record = run_cycle(self.ports, rules, holding)
        if not seeded:
            assert encode(record.view) == encode(cold.sight.view)
            assert encode(tuple(record.readings)) == encode(tuple(cold.readings))
        self.records.append(record)
        return record

    def fails(self, rules: Policy = RULES) -> None:
        """A cycle that looks and then cannot be planned: nothing of it reaches the journal."""
        with pytest.raises(Refused):
            run_cycle(self.ports, rules, refusing)

    def must_replay(self) -> None:
        """Every cycle is read again from the journal as it is by now."""
        for record in self.records:
            stored = self.journal.cycle(record.id)
            again = read(stored.view, self.journal.named_history(stored.view), stored.policy)
            assert encode(tuple(again)) == encode(tuple(record.readings))


def holding(*_: object) -> Decision:
    return decision()


def refusing(*_: object) -> Decision:
    raise Refused("no pool has a time-weighted price")


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "memory":
        yield CountingJournal()
        return
    with SqlJournal.open(tmp_path / "journal.db", chain_id=1, account=WALLET) as stored:
        yield stored


def told(value: float | None, name: str = "chainlink_eth_usd", **fields: object) -> Quote:
    return quote(0, value, name=name, as_of_s=NOW_S, **fields)


def test_every_reading_is_made_of_what_the_keeper_remembers() -> None:
    """The comparison is worth something: the readings are many and most have a value."""
    keeper = Keeper(MemoryJournal(), Days(now_s=NOW_S, quotes=(told(4_000.0), told(0.6, "deribit_dvol"))))
    keeper.cycle()
    keeper.source.now_s += HOUR_S
    readings = keeper.cycle().readings
    assert sum(one.value is not None for one in readings) > 30
    assert keeper.records[-1].view.history.quotes.rows == keeper.records[-1].view.history.samples.rows == 2


def test_cycles_between_turns_read_the_stored_history_once() -> None:
    counting = CountingJournal()
    keeper = Keeper(counting)
    loads = []
    for now_s in range(MIDNIGHT_S - 1_500, MIDNIGHT_S + 1_501, 300):
        keeper.source.now_s = now_s
        run_cycle(keeper.ports, RULES, holding)
        loads.append(counting.loads)
    assert loads == [1] * 5 + [2] * 6


def test_over_midnight_nothing_is_lost_and_nothing_seen_twice(journal: Journal) -> None:
    keeper = Keeper(journal, Days(now_s=MIDNIGHT_S - 700))
    for step_s in (0, 299, 390, 11, 1, 59, 240, 3_600, 12):
        keeper.source.now_s += step_s
        keeper.source.quotes = (told(4_000.0 + keeper.source.now_s % 7),)
        keeper.cycle()
    keeper.must_replay()
    known = journal.market_history(POOL, since(keeper.source.now_s), up_to_s=keeper.source.now_s)
    assert_no_bar_is_made_up(known)


def test_quotes_that_arrive_at_the_same_second_are_each_seen_once(journal: Journal) -> None:
    keeper = Keeper(journal)
    for values in ((1.0,), (1.0,), (2.0,), (None,), (2.0,)):
        keeper.source.quotes = tuple(told(value) for value in values)
        keeper.cycle()
    assert [record.view.history.quotes.rows for record in keeper.records] == [1, 1, 2, 3, 4]
    keeper.must_replay()


def test_a_sample_that_comes_late_is_taken_after_what_was_seen_before_it(journal: Journal) -> None:
    keeper = Keeper(journal, Days(can_sample=False, quotes=(told(4_000.0),)))
    keeper.cycle()
    keeper.source.can_sample = True
    assert keeper.cycle().view.history.samples.rows == 0, "the second is closed: a quote of it has been read"
    keeper.source.now_s += 12
    assert keeper.cycle().view.history.samples.rows == 1
    keeper.must_replay()


@pytest.mark.parametrize("step_s", [0, 12, 300, 3_600])
def test_a_cycle_that_fails_before_it_is_journaled_leaves_nothing_behind(journal: Journal, step_s: int) -> None:
    keeper = Keeper(journal, Days(quotes=(told(4_000.0),)))
    keeper.cycle()
    keeper.source.now_s += step_s
    keeper.source.quotes = (told(4_001.0), told(0.6, "deribit_dvol"))
    keeper.fails()
    assert keeper.cycle().view.history.quotes.rows == 3
    keeper.source.now_s += 60
    keeper.cycle()
    keeper.must_replay()


def test_a_write_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Keeper(MemoryJournal(), Days(quotes=(told(4_000.0),)))
    keeper.cycle()
    keeper.source.quotes = (told(4_001.0),)

    def full(_news: MarketHistory) -> None:
        raise JournalFault("no space left")

    monkeypatch.setattr(keeper.journal, "append_history", full)
    with pytest.raises(JournalFault):
        run_cycle(keeper.ports, RULES, holding)
    monkeypatch.undo()
    assert keeper.cycle().view.history.quotes.rows == 2
    keeper.must_replay()


def test_other_rules_are_read_by_from_their_first_cycle(journal: Journal) -> None:
    keeper = Keeper(journal)
    faster = replace(RULES, signals=replace(RULES.signals, ewma_half_life_s=3_600))
    for rules in (RULES, faster, faster, RULES):
        keeper.source.now_s += 300
        keeper.cycle(rules)
    before, after = (dict(_values(record)) for record in keeper.records[:2])
    assert before["volatility_ewma"] != after["volatility_ewma"]
    keeper.must_replay()


def _values(record: CycleRecord) -> Iterator[tuple[str, float | None]]:
    return ((one.name, one.value) for one in record.readings)


def test_a_node_that_lags_behind_is_read_as_of_its_own_block(journal: Journal) -> None:
    keeper = Keeper(journal, Days(quotes=(told(4_000.0),)))
    for step_s in (0, 300, -120, -240, 12, 300, 60):
        keeper.source.now_s += step_s
        keeper.source.quotes = (told(4_000.0 + step_s),)
        keeper.cycle()
    assert [record.view.now_s - NOW_S for record in keeper.records] == [0, 300, 180, -60, -48, 252, 312]
    assert len({record.view.history.quotes.rows for record in keeper.records[1:3]}) == 2
    keeper.must_replay()


def test_a_node_that_lags_behind_over_midnight_is_read_as_of_its_own_day(journal: Journal) -> None:
    keeper = Keeper(journal, Days(now_s=MIDNIGHT_S + 30))
    for step_s in (0, -60, 120):
        keeper.source.now_s += step_s
        keeper.cycle()
    keeper.must_replay()


def test_a_keeper_that_was_down_for_longer_than_the_look_back_makes_up_no_bar(journal: Journal) -> None:
    keeper = Keeper(journal)
    keeper.cycle()
    keeper.source.now_s += 300
    down_s = keeper.cycle().view.now_s
    keeper.source.now_s += DAY_S
    back_s = keeper.cycle().view.now_s
    keeper.source.now_s += 300
    keeper.cycle()
    keeper.must_replay()
    known = journal.market_history(POOL, since(back_s), up_to_s=back_s)
    assert_no_bar_is_made_up(known, [(down_s, back_s - keeper.source.lookback_s)])
    assert not [hour for hour in known.hours if down_s < hour.end_s and hour.start_s <= back_s - keeper.source.lookback_s]


def test_bars_that_are_seeded_meanwhile_change_no_cycle_and_are_read_from_the_turn_on(journal: Journal) -> None:
    keeper = Keeper(journal, Days(now_s=MIDNIGHT_S - 900))
    keeper.cycle()
    older = barred(tuple(row for row in TAPE if row.timestamp_s < MIDNIGHT_S - DAY_S))
    assert journal.seed_bars(POOL, [*older.minutes, *older.hours]) > 500
    keeper.source.now_s += 300
    seeded = keeper.cycle(seeded=True)
    assert seeded.view.history.minutes.first_s == keeper.records[0].view.history.minutes.first_s
    keeper.source.now_s = MIDNIGHT_S + 10
    assert keeper.cycle().view.history.minutes.first_s == older.minutes[0].start_s
    keeper.must_replay()


def test_a_keeper_that_starts_with_seeded_bars_goes_on_from_them(journal: Journal) -> None:
    older = barred(tuple(row for row in TAPE if row.timestamp_s < NOW_S - 3_000), now_s=NOW_S - 3_000)
    journal.seed_bars(POOL, [*older.minutes, *older.hours])
    keeper = Keeper(journal)
    keeper.cycle()
    known = journal.market_history(POOL, since(NOW_S), up_to_s=NOW_S)
    assert_no_bar_is_made_up(known)
    assert known.minutes[0] == older.minutes[0]
    keeper.source.now_s += HOUR_S
    keeper.cycle()
    keeper.must_replay()


def test_a_replayed_cycle_is_the_one_that_the_command_replays(tmp_path: Path) -> None:
    with SqlJournal.open(tmp_path / "journal.db", chain_id=1, account=WALLET) as stored:
        keeper = Keeper(stored)
        for _ in range(3):
            keeper.source.now_s += 299
            record = keeper.cycle()
            assert think_again(record, stored.named_history(record.view)).readings == record.readings


def _moves(keeper: Keeper, step: tuple[int, int, str]) -> None:
    """One step of a random life."""
    step_s, number, event = step
    source = keeper.source
    source.now_s = min(max(source.now_s + step_s, FIRST_S + DAY_S), TAPE[-1].timestamp_s)
    source.can_sample = event != "no sample"
    values: dict[str, Callable[[], tuple[Quote, ...]]] = {
        "quiet": lambda: (),
        "unbelievable": lambda: (told(None, fault=f"{number} s old"), told(0.5 + number / 100, "deribit_dvol")),
    }
    source.quotes = values.get(event, lambda: (told(4_000.0 + number),))()
    if event == "fails":
        keeper.fails()
    elif event == "reload":
        keeper.cycle(replace(RULES, signals=replace(RULES.signals, ewma_half_life_s=3_600 * (1 + number))))
    else:
        keeper.cycle()


STEP = st.tuples(
    st.sampled_from([0, 0, 1, 12, 59, 60, 61, 300, 300, 899, 3_600, 5 * 3_600, -12, -300, DAY_S]),
    st.integers(0, 3),
    st.sampled_from(["quiet", "quote", "quote", "unbelievable", "no sample", "fails", "reload"]),
)


@given(st.integers(-3_600, 3_600), st.lists(STEP, min_size=3, max_size=10))
@settings(max_examples=10)
def test_warm_is_cold_bit_for_bit_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, start_s: int, steps: list[tuple[int, int, str]]
) -> None:
    path = tmp_path_factory.mktemp("life") / "journal.db"
    with SqlJournal.open(path, chain_id=1, account=WALLET) as stored:
        keeper = Keeper(stored, Days(now_s=MIDNIGHT_S + start_s - 2 * HOUR_S))
        for step in steps:
            _moves(keeper, step)
        keeper.must_replay()
        assert stored.verify() == ()
        minutes = stored.bars(POOL, MINUTE_S, since_s=0, before_s=2**40)
        assert all(one.end_s <= other.start_s for one, other in pairwise(minutes))


def test_a_chain_whose_time_leaps_past_the_windows_is_read_on() -> None:
    world = laddered()
    assert run_cycle(world.ports, policy()).id == 1
    later_s = world.source.seen.block.timestamp_s + 40 * DAY_S
    head = replace(world.source.seen.block, number=BLOCK + 5, timestamp_s=later_s)
    leap = block_price(BLOCK + 5, timestamp_s=later_s)
    world.source.seen = replace(world.source.seen, block=head, prices=(*world.source.seen.prices, leap))
    record = run_cycle(world.ports, policy())
    assert record.view.history.minutes.first_s == since(later_s).minutes_s
    assert read(record.view, world.journal.named_history(record.view), policy()) == record.readings

"""What a person and a program are shown of the readings, and the page that draws them."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.store.reader import CycleLine
from keeper.app.cli import explain, signal_table, signal_words
from keeper.app.cli.output import Output
from keeper.app.cli.signal_table import Seen
from keeper.app.report import page
from keeper.app.report.points import MOST_POINTS, Point, chosen_cycles, of_history, step_s, with_gaps
from keeper.core.model.bar import DAY_S, HOUR_S
from keeper.core.model.calendar import Calendar, EventRule, EventStatus, ScheduledEvent
from keeper.core.model.decision import Decision
from keeper.core.model.ladder import Regime
from keeper.core.model.policy import CalendarPolicy, SignalWeight, StressPolicy
from keeper.core.model.view import NO_MEMORY, Quality, SignalReading
from keeper.core.signals import names
from keeper.core.signals.order import in_order
from keeper.core.signals.registry import read
from keeper.core.signals.risk import RISKS
from keeper.core.strategy.decide import decide
from tests.builders import NOW_S, decision, history, ladder, memory, policy, view

WEIGHTS = (
    SignalWeight(name=names.VOLATILITY_FORECAST, weight=0.5),
    SignalWeight(name=names.CALENDAR, weight=0.3),
    SignalWeight(name=names.JUMP_SHARE, weight=0.2),
    SignalWeight(name=names.RSI, weight=0.0),
)
STRESS = StressPolicy(weights=WEIGHTS, width_gain=0.25, insurance_gain=0.1)
RULES = policy(stress=STRESS)


def told(*renderables) -> str:
    stream = io.StringIO()
    Output(as_json=False, stream=stream).show({}, *renderables)
    return stream.getvalue()


@pytest.fixture(scope="module")
def readings() -> tuple[SignalReading, ...]:
    return read(view(), history(hours=48.0), RULES)


def seen(readings, *, rules=RULES, remembered=NO_MEMORY, **changes: tuple[float | None, float | None]) -> Seen:
    """``name=(value, z)`` in place of what was read; a value of None is missing."""

    def changed(one: SignalReading) -> SignalReading:
        if one.name not in changes:
            return one
        value, z = changes[one.name]
        quality = Quality.MISSING if value is None else Quality.GOOD
        return replace(one, value=value, z=z, quality=quality, note="gone" if value is None else "")

    return Seen(readings=tuple(changed(one) for one in readings), policy=rules, memory=remembered, now_s=NOW_S)


def does(shown: Seen, name: str) -> str:
    return next(one["does"] for one in signal_table.document(shown)["signals"] if one["name"] == name)


def test_every_reading_is_shown_once_in_its_family(readings):
    shown = seen(readings)
    document = signal_table.document(shown)
    assert sorted(one["name"] for one in document["signals"]) == sorted(one.name for one in readings)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    families = [one["family"] for one in document["signals"]]
    assert [name for at, name in enumerate(families) if name not in families[:at]] == [*signal_words.FAMILIES]
    text = told(*signal_table.render(shown))
    for one in readings:
        assert one.name.replace("_", " ") in text


def test_every_scored_signal_has_a_family():
    assert {signal_words.family(name) for name in (*RISKS, names.CALENDAR)} <= set(signal_words.FAMILIES)
    assert signal_words.family(names.of_reserve(names.QUICK_RATIO, "WETH")) == "lending"
    assert signal_words.family("unheard_of") == signal_words.OTHERS


def test_contributions_add_up_to_the_score():
    rules = policy(stress=STRESS, calendar=CalendarPolicy(calendar=event(NOW_S + HOUR_S)))
    shown = seen(read(view(), history(hours=48.0), rules), rules=rules)
    document = signal_table.document(shown)
    adds = {one["name"]: one["contribution"] for one in document["signals"] if one["contribution"] is not None}
    assert set(adds) == {names.VOLATILITY_FORECAST, names.CALENDAR, names.JUMP_SHARE}
    assert sum(adds.values()) == pytest.approx(document["score"]["value"], abs=1e-12)
    jumps = next(one for one in document["signals"] if one["name"] == names.JUMP_SHARE)
    assert (jumps["weight"], jumps["counted_weight"]) == (0.2, 0.15)
    assert "0.15 of 0.2" in told(signal_table.readings_table(shown))


def test_without_a_score_nothing_adds_to_it(readings):
    document = signal_table.document(seen(readings, stress_score=(None, None)))
    assert all(one["contribution"] is None for one in document["signals"])
    assert document["score"]["value"] is None


def event(at_s: int) -> Calendar:
    rule = EventRule(kind="fomc", time_zone="UTC", kappa=4.0, before_s=HOUR_S, after_s=5 * HOUR_S, rhythm_s=0)
    title = "Rates </script><script>alert(1)</script>"
    one = ScheduledEvent(kind="fomc", title=title, at_s=at_s, status=EventStatus.OFFICIAL, source="test")
    return Calendar(events=(one,), rules=(rule,))


def test_each_role_is_told_in_plain_words(readings):
    assert "decides the widths" in does(seen(readings), names.VOLATILITY_FORECAST)
    assert does(seen(readings, rsi=(55.0, 0.1)), names.RSI) == "shown only: weight 0"
    assert does(seen(readings, calendar=(1.75, 3.0)), names.CALENDAR).startswith("widens layers 1.32 times")
    assert does(seen(readings, calendar=(1.0, 0.0)), names.CALENDAR).startswith("no event acts")
    assert does(seen(readings, rsi=(None, None)), names.RSI) == "not available: gone"
    assert "nothing moves" in does(seen(readings, volatility_forecast=(None, None)), names.VOLATILITY_FORECAST)
    assert does(seen(readings, stress_score=(0.5, None)), names.STRESS_SCORE) == (
        "widens layers 1.12 times, moves 5.0% of value outward, raises the regime by a notch, up to crisis, asks for protection"
    )
    assert does(seen(readings, stress_score=(-0.5, None)), names.STRESS_SCORE) == "asks for nothing"
    assert "gate: open" in does(seen(readings), names.TWAP_DEVIATION_TICKS)
    assert "gate: refuses" in does(seen(readings, twap_deviation_ticks=(101.0, None)), names.TWAP_DEVIATION_TICKS)


@pytest.mark.parametrize("score", [None, -0.3, 0.0, 0.39, 0.41, 0.8])
@pytest.mark.parametrize("regime", [None, Regime.NORMAL, Regime.CRISIS])
def test_the_regime_shown_is_the_one_decided_on(readings, score, regime):
    remembered = NO_MEMORY if regime is None else memory(regime=regime)
    shown = seen(readings, remembered=remembered, stress_score=(score, None))
    decided = decide(view(held=ladder(), remembered=remembered), shown.readings, RULES)
    document = signal_table.document(shown)
    assert document["regime"]["regime"] == decided.regime
    assert document["regime"]["raised"] is (score is not None and score >= 0.4 and regime is not Regime.CRISIS)
    assert decided.regime.value in told(*signal_table.render(shown))


def test_what_caution_does_is_told_with_its_numbers(readings):
    line = signal_table.caution_words(seen(readings, stress_score=(0.5, None), calendar=(1.21, 0.84)))
    assert "widths times 1.125 (calendar asks for 1.100, score for 1.125)" in line
    assert re.search(r"core \d+\.\d% to \d+\.\d%, secondary .*, insurance \d+\.\d% to \d+\.\d%", line)
    both = seen(readings, stress_score=(0.5, None), calendar=(1.21, 0.84))
    assert does(both, names.CALENDAR).startswith("asks for layers 1.10 times as wide, others for more")
    calm = signal_table.caution_words(seen(readings, stress_score=(-0.5, None), calendar=(1.0, 0.0)))
    assert calm == "score and calendar: change nothing"


def test_a_cycle_of_a_keeper_without_a_score_is_shown_all_the_same(readings):
    old = tuple(one for one in readings if one.name not in {names.STRESS_SCORE, names.CALENDAR, names.VOLATILITY_USUAL})
    shown = seen(old)
    document = signal_table.document(shown)
    assert document["score"] is document["regime"] is document["caution"] is None
    assert "had no score" in told(*signal_table.render(shown))


def test_explain_shows_what_the_signals_did(readings):
    rules = replace(RULES, stress=replace(STRESS, raise_from=0.1))
    held = view(held=ladder(), remembered=memory())
    loud = seen(readings, rules=rules, remembered=memory(), stress_score=(0.5, None)).readings
    decided = decide(held, loud, rules)
    document = explain.thought(held, loud, decided, None, rules)
    assert document["signals"]["caution"]["width"] == pytest.approx(1.125)
    text = told(*explain.render_thought(held, loud, decided, None, rules))
    for words in ("weight", "adds", "what it does now", "score and calendar: widths times 1.125", f"regime {decided.regime}"):
        assert words in text


@given(st.floats(-1e300, 1e300), st.sampled_from(["per year", "ticks", "0 to 100", "fraction of volume"]))
def test_any_number_is_told_with_its_unit(number, unit):
    one = SignalReading(name="x", value=number, unit=unit, as_of_s=0, block=0, source="", quality=Quality.GOOD)
    assert re.fullmatch(r"-?[\d,]+(\.\d+)? \D.*", signal_words.value(one)), signal_words.value(one)


def test_fractions_are_told_in_percent():
    one = SignalReading(name="x", value=0.6321, unit="per year", as_of_s=0, block=0, source="", quality=Quality.GOOD)
    assert signal_words.value(one) == "63.2 % a year"


# --- over time


@dataclass
class Cycles:
    """A journal that only tells when its cycles were."""

    times: dict[int, int]
    asked: int = 0
    told: Decision = field(default_factory=decision)

    def cycles(self, *, limit: int, before: int | None = None) -> tuple[CycleLine, ...]:
        self.asked += 1
        found = sorted((one for one in self.times if before is None or one < before), reverse=True)[:limit]
        return tuple(
            CycleLine(id=one, started_s=0, ended_s=0, block=one, timestamp_s=self.times[one], state=None, decision=self.told)
            for one in found
        )


@pytest.mark.parametrize(("every_s", "days"), [(60, 7), (60, 30), (12, 20), (3_600, 400), (7_200, 30)])
def test_cycles_about_an_hour_apart_are_chosen_from_a_long_journal(every_s, days):
    count = 40 * DAY_S // every_s
    reader = Cycles({at + 1: at * every_s for at in range(count)})
    chosen = [reader.times[one] for one in chosen_cycles(reader, days=days)]
    assert len(chosen) <= MOST_POINTS
    assert chosen[-1] == (count - 1) * every_s
    assert chosen[-1] - chosen[0] == pytest.approx(min(days, 40) * DAY_S, abs=step_s(days) + 2 * every_s)
    gaps = {after - before for before, after in pairwise(chosen)}
    assert all(gap == pytest.approx(max(step_s(days), every_s), rel=0.05) for gap in gaps)
    assert reader.asked < 40


def test_a_young_journal_gives_as_many_points_as_are_worth_drawing():
    assert len(chosen_cycles(Cycles({at + 1: at * 60 for at in range(30)}), days=30)) == 30
    assert 48 <= len(chosen_cycles(Cycles({at + 1: at * 60 for at in range(300)}), days=30)) <= 60


def test_a_journal_of_no_cycle_and_of_one():
    assert chosen_cycles(Cycles({}), days=30) == []
    assert chosen_cycles(Cycles({5: 100}), days=30) == [5]


def folded(until_s: int) -> list[Point]:
    known = history(hours=60.0)
    pieces = [(kind, one) for kind, one in in_order(known) if one.end_s <= until_s]
    return list(of_history(pieces, RULES, since_s=NOW_S - 40 * HOUR_S, every_s=HOUR_S))


def test_later_history_changes_no_earlier_point():
    whole, cut = folded(NOW_S), folded(NOW_S - 10 * HOUR_S)
    assert 38 <= len(whole) <= 41
    assert whole[: len(cut)] == cut
    assert len(whole) - len(cut) == 10


def test_folded_points_read_as_the_live_state_does():
    point = folded(NOW_S)[-1]
    values = {one.name: one.value for one in point.readings}
    live = {one.name: one.value for one in read(view(), history(hours=60.0), RULES)}
    for name in (names.VOLATILITY_EWMA, names.RSI, names.ACCUMULATION):
        assert values[name] == pytest.approx(live[name], rel=0.15)


def test_lines_break_where_nothing_is_known():
    points = [Point(at_s=at * HOUR_S, price=1.0, regime=Regime.CALM, readings=()) for at in (0, 1, 2, 3, 9, 10)]
    assert [one if isinstance(one, int) else one.at_s // HOUR_S for one in with_gaps(points)] == [0, 1, 2, 3, 4 * HOUR_S, 9, 10]
    assert list(with_gaps(points[:1])) == points[:1]


@pytest.fixture(scope="module")
def drawn() -> tuple[list[Point], str]:
    points = folded(NOW_S)
    rules = replace(RULES, calendar=CalendarPolicy(calendar=event(NOW_S - 20 * HOUR_S)))
    return points, page.html(points, rules, source="a test")


def test_the_page_holds_every_signal_and_every_event(drawn):
    points, html = drawn
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])
    held = {one["id"] for one in data["signals"]} | {one["label"].replace(" ", "_") for one in data["absent"]}
    assert held == {one.name for one in points[0].readings}
    assert all(len(one["values"]) == len(data["t"]) <= MOST_POINTS for one in data["signals"])
    assert [one["title"] for one in data["events"]] == ["Rates </script><script>alert(1)</script>"]
    volatility = next(one for one in data["signals"] if one["id"] == names.VOLATILITY_EWMA)
    assert volatility["unit"] == "% a year"
    assert 10 < volatility["values"][-1] < 200


def test_the_page_asks_nobody_and_nothing_in_it_becomes_markup(drawn):
    html = drawn[1]
    assert html.count("<script") == html.count("</script>") == 3
    assert "default-src 'none'" in html
    for reference in ("src=", "@import", "url(", "fetch(", "XMLHttpRequest", "WebSocket"):
        assert reference not in html.replace("default-src", "")
    # the one address is in the notice of the library's licence
    assert set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"']*", html)) == {"https://github.com/leeoniya/uPlot"}


def test_more_points_than_can_be_drawn_are_refused(drawn):
    points = drawn[0]
    with pytest.raises(ValueError, match="points"):
        page.html([], RULES, source="a test")
    with pytest.raises(ValueError, match="points"):
        page.html(points * 60, RULES, source="a test")

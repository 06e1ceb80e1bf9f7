"""The page of a backtest, and what programs and paper get of it."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from html import unescape
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.app.report import backtest_charts, backtest_page
from keeper.app.report.backtest_charts import charts
from keeper.app.report.backtest_files import csv_of, json_of, pdf_of
from keeper.app.report.backtest_model import Verdict
from keeper.app.report.backtest_numbers import (
    aligned,
    deepest,
    drawdown,
    hedged,
    hedged_bps,
    in_range,
    key_numbers,
    rolling_share,
)
from keeper.app.report.backtest_tables import MOST_ROWS
from keeper.app.report.backtest_thin import MOST_POINTS, kept
from keeper.core.model.decision import Reason
from keeper.core.model.errors import ConfigError
from keeper.core.model.ladder import LayerKind
from keeper.core.signals.prices import price_at_tick
from keeper.simulation.ledger_rows import Span
from tests.backtest_runs import START_S, STEP_S, acted, page, rows, run, usdc

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&"
numbers = st.floats(allow_nan=True, allow_infinity=True, width=32)


def written(shown) -> str:
    return backtest_page.html(shown)


def data_of(text: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def plain(text: str) -> str:
    """What is read: no elements, one space between words."""
    body = text[text.index("<body>") : text.index('<script type="application/json"')]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=300), st.integers(2, 60))
def test_thinning_keeps_the_ends_and_every_lines_least_and_most(pairs, most):
    columns = [np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True)]
    places = kept(columns, most)
    assert len(places) <= most
    assert places == sorted(set(places))
    assert {0, len(pairs) - 1} <= set(places)
    if most < 8 and len(pairs) > most:
        return  # six points a stretch, and the two ends, are the least that hold every extreme
    for column in columns:
        known, drawn = column[np.isfinite(column)], column[places][np.isfinite(column[places])]
        assert (known.min(), known.max()) == (drawn.min(), drawn.max()) if len(known) else not len(drawn)


def test_a_gap_survives_thinning():
    column = np.arange(10_000.0)
    column[4_000:4_003] = math.nan
    places = kept([column], 200)
    assert np.isnan(column[places]).any()


def test_a_line_of_one_point_is_no_line():
    with pytest.raises(ValueError, match="two points"):
        kept([np.zeros(5)], 1)


def test_the_share_of_a_rolling_day_is_that_of_its_cycles():
    hours = [3_600 * at for at in range(48)]
    shares = rolling_share(hours, [at < 24 for at in range(48)])
    assert shares[[0, 23, 24, 35, 47]].tolist() == pytest.approx([100, 100, 100 * 23 / 24, 50, 0])


def test_drawdown_is_from_the_highest_so_far():
    found = drawdown(np.array([math.nan, 100.0, 90.0, math.nan, math.inf, 120.0, 60.0]))
    assert found.tolist() == pytest.approx([math.nan, 0.0, -10.0, math.nan, math.nan, 0.0, -50.0], nan_ok=True)
    assert deepest(np.array([100.0, 75.0, 80.0])) == pytest.approx(-25)
    assert deepest(np.array([])) is None
    assert deepest(np.array([0.0, -1.0])) is None


def test_another_runs_values_are_the_last_it_had():
    other = run(kept=rows(3))
    times = [START_S - 1, START_S, START_S + STEP_S - 1, START_S + 10 * STEP_S]
    found = aligned(times, other, hedged(other))
    assert found.tolist() == pytest.approx([math.nan, 0.0, 0.0, -2.0], nan_ok=True)
    assert np.isnan(aligned(times, run(0), np.array([]))).all()


def test_pnl_without_the_price_is_told_of_the_capital_a_day():
    assert hedged_bps(run()) == pytest.approx(-600 / 100_000 * 10_000 / 2)
    assert hedged_bps(run(end_s=START_S)) is None
    told = {one.id: one.told for one in key_numbers(page())}
    assert told["change"] == "-1,500.00 USDC (-1.50 % of capital)"
    assert told["hedged"] == "-600.00 USDC (-0.60 % of capital)"
    assert told["hedged_bps"] == "-30.00 bps of capital"
    assert told["core_in_range"] == "90.0 % of cycles since placed"
    assert told["acted"] == "2 of 600"


def test_the_share_in_range_begins_with_the_first_placement():
    done = run()
    late = replace(done.rows, spans={1: Span(LayerKind.CORE, 1, 0, 10, done.rows.time_s[65], done.rows.time_s[-1])})
    told = {one.id: one.value for one in key_numbers(page(replace(done, rows=late)))}
    flags = in_range(done, LayerKind.CORE)
    assert told["core_in_range"] == pytest.approx(100 * sum(flags[65:]) / (len(flags) - 65))
    assert told["core_in_range"] != pytest.approx(100 * sum(flags) / len(flags))
    bare = replace(done, rows=replace(done.rows, spans={}))
    assert {one.id: one.told for one in key_numbers(page(bare))}["core_in_range"] == "-"


def test_charts_leave_ablations_to_the_tables_and_names_are_spoken():
    shown = page(benchmarks={"full_range": run(), "without_gate": run()})
    names = {name for chart in charts(shown) for name, _ in chart.lines}
    assert "full range" in names
    assert not any("gate" in name or "_" in name for name in names)
    assert "without gate" in plain(written(shown))


def test_the_verdict_stands_before_every_number():
    text = plain(written(page()))
    assert text.index("unproven two days are too few") < text.index("Change of value".lower()) < text.index("Over time")


def test_only_the_unproven_is_marked_as_such():
    assert 'class="verdict unproven"' in written(page())
    other = page(verdict=Verdict(word="worse", reasons=()))
    assert 'class="verdict"><strong>worse' in written(other)


def test_without_checks_it_says_unproven():
    text = plain(written(page(checks=None, verdict=Verdict(word="no difference", reasons=()))))
    assert "No check was made: unproven" in text
    assert "costs doubled FAILED -60 bps a day" in plain(written(page()))


def test_the_parts_are_exact_and_their_sum_is_the_change():
    text = plain(written(page()))
    assert "add up to the change of value to the last unit" in text
    assert f"fees +2,000.00 {usdc(2_000) + 1:,}" in text
    assert f"sum = change of value -1,500.00 {usdc(-1_500):,}" in text


def test_parts_that_miss_the_change_are_called_out():
    text = plain(written(page(run(change=usdc(-1_500) + 1))))
    assert "The parts do not add up" in text
    assert f"{usdc(-1_500) + 1:,}" in text
    assert "to the last unit" not in text


def test_no_text_from_outside_becomes_markup():
    bad = (acted(0, moves=(HOSTILE,), outcomes=(f"not_done: {HOSTILE}",), reasons=(
        Reason(trigger=HOSTILE, layer=None, found=1.0, limit=2.0, unit=HOSTILE),
    )),)  # fmt: skip
    keeper = run(tape_described=HOSTILE, tape_digest=HOSTILE, acted=bad, trouble=((START_S, HOSTILE),))
    shown = page(
        keeper,
        benchmarks={HOSTILE: keeper},
        tracks={HOSTILE: keeper.rows.hold},
        verdict=Verdict(word=HOSTILE, reasons=(HOSTILE,)),
        settings={HOSTILE: {HOSTILE: HOSTILE}},
    )
    text = written(shown)
    assert "<img" not in text
    assert text.count("</script>") == written(page()).count("</script>")
    assert HOSTILE in {line["label"] for chart in data_of(text)["charts"] for line in chart["lines"]}


def test_every_chart_has_a_sentence_in_its_place():
    text = written(page())
    drawn = {chart["id"] for chart in data_of(text)["charts"]}
    assert drawn == {"price", "in_range", "earned", "hedged", "value", "drawdown", "regime", "forecast", "score"}
    for name in drawn:
        told = re.search(rf'id="{name}-told">(.*?)</p>', text, re.DOTALL)[1]
        assert re.search(r"\d", told), name
    assert "Fees, loss to arbitrage and costs so far USDC" in plain(text)
    assert "At the end: fees 1,198.00; loss to arbitrage (LVR) -1,497.50; own swaps and gas -299.50." in plain(text)


def test_a_long_run_is_thinned_and_says_so():
    price = [4_000.0] * 30_000
    price[17_321] = 9_999.0
    keeper = run(kept=rows(30_000, price=price), cycles=30_000)
    text = written(page(keeper))
    charts = {chart["id"]: chart for chart in data_of(text)["charts"]}
    assert all(len(chart["t"]) <= MOST_POINTS for chart in charts.values())
    assert max(charts["price"]["lines"][0]["values"]) == pytest.approx(9_999)
    assert f"at most {MOST_POINTS:,} of 30,000 cycles" in plain(text)
    assert "Charts draw every cycle." in plain(written(page()))


def test_bands_are_the_ranges_as_prices_until_the_cycle_that_no_longer_saw_them():
    shown = page()
    spans = shown.keeper.rows.spans
    layer, low, high, from_s, until_s = backtest_charts.bands(shown)[0]
    assert (layer, from_s, until_s) == (0, START_S, spans[1].to_s + STEP_S)
    ends = sorted(price_at_tick(shown.policy, tick) for tick in (spans[1].tick_lower, spans[1].tick_upper))
    assert [low, high] == pytest.approx(ends, rel=1e-7)
    assert low < shown.keeper.rows.price[0] < high


def test_regimes_are_runs_without_a_hole():
    found = backtest_charts.runs(page())
    assert found[0] == [0, START_S, START_S + 40 * STEP_S]
    assert all(before[2] == after[1] for before, after in pairwise(found))
    assert found[-1][2] == START_S + 599 * STEP_S


def test_a_decision_tells_what_fired_before_what_was_steady():
    text = plain(written(page()))
    row = text[text.index("2025-10-01 00:00 ") :]
    assert row.index("core has been left by the price for 20 min 0 s") < row.index("secondary is 10% of the way")
    assert "refused: insurance: 9 shifts in 24 h, of 9" in row
    assert "1,234.50" in row
    assert "0.000936" in row
    assert f'data-at="{START_S}"' in written(page())


def test_only_the_newest_decisions_are_listed_and_the_cut_is_told():
    keeper = run(acted=tuple(acted(0) for _ in range(MOST_ROWS + 1)))
    text = written(page(keeper))
    assert text.count("data-at=") == MOST_ROWS
    assert f"The newest {MOST_ROWS:,} are listed" in text
    assert len(json_of(page(keeper))["decisions"]) == MOST_ROWS + 1


def test_blocks_are_linked_only_where_an_explorer_is_named():
    assert "href=" not in re.sub(r'href="(#|data:)', "", written(page()))
    linked = written(page(block_url="https://explorer.test/block/{block}?a=1&b=2"))
    assert 'href="https://explorer.test/block/23480000?a=1&amp;b=2"' in linked


@pytest.mark.parametrize("url", ["javascript:alert({block})", "https://explorer.test/block/", ""])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="address of a block"):
        page(block_url=url)


def test_a_track_of_another_length_is_refused():
    with pytest.raises(ValueError, match="track 'hold' has 1 values, the run 600 cycles"):
        page(tracks={"hold": [1.0]})


def test_a_coarse_tape_is_marked():
    assert "The tape is coarse" in plain(written(page(run(tape_exact=False))))
    assert "The tape is coarse" not in written(page())


def test_a_run_without_a_cycle_still_makes_a_page():
    shown = page(run(0), benchmarks={"full range": run(0)}, comparisons=(), settings={})
    text = plain(written(shown))
    assert data_of(written(shown))["charts"] == []
    for words in ("there is nothing to draw", "No cycle acted.", "Nothing was compared.", "Every cycle could be made."):
        assert words in text
    json.dumps(json_of(shown), allow_nan=False)
    assert csv_of(shown.keeper).count("\n") == 1


def test_one_cycle_without_action_makes_a_page():
    shown = page(run(1, acted=()))
    assert [len(chart["t"]) for chart in data_of(written(shown))["charts"]] == [1] * 7
    assert "No cycle acted." in plain(written(shown))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_left_out(bad):
    names = ("price", "value", "hold", "fees", "lvr", "swaps", "gas", "forecast", "score")
    keeper = run(60, kept=rows(60, **{name: [bad] * 60 for name in names}))
    shown = page(keeper, benchmarks={"full range": keeper})
    text = written(shown)
    assert all(value is None for chart in data_of(text)["charts"][2:5] for line in chart["lines"] for value in line["values"])
    assert "There is no value of price." in plain(text)
    assert not re.search(r"\b(nan|inf)\b", plain(text), re.IGNORECASE)
    json.dumps(json_of(shown), allow_nan=False)
    assert ",nan" not in csv_of(keeper)
    assert "inf," not in csv_of(keeper)


def test_the_table_for_programs_has_a_row_a_cycle():
    found = list(csv.DictReader(io.StringIO(csv_of(run(10)))))
    assert len(found) == 10
    first, last = found[0], found[-1]
    assert (first["time_s"], first["time_utc"]) == (str(START_S), "2025-10-01T00:00:00Z")
    assert (first["forecast"], last["forecast"]) == ("", "0.6")
    assert last["value"] == repr(run(10).rows.value[9])
    assert (first["in_range_core"], first["in_range_secondary"], first["in_range_insurance"]) == ("0", "1", "0")
    assert first["regime"] == "calm"


def test_the_document_for_programs_is_exact():
    document = json.loads(json.dumps(json_of(page()), allow_nan=False))
    parts = {name: int(units) for name, units in document["keeper"]["parts"].items()}
    assert sum(parts.values()) == int(document["keeper"]["change"]) == usdc(-1_500)
    assert document["numbers"]["hedged"] == {"value": -600.0, "unit": "USDC"}
    assert document["verdict"] == {"word": "unproven", "reasons": ["two days are too few"]}
    assert document["comparisons"][1] == {"name": "hold", "mean_bps": 1.0, "lower_bps": None, "upper_bps": None}
    assert document["settings"] == {"setting.cadence_s": 300, "versions.keeper": "1"}
    assert document["spans"][0]["layer"] == LayerKind.CORE.value
    assert document["decisions"][0]["vetoes"][0]["gate"] == "shifts_per_day"


def test_without_a_browser_the_remedy_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="browser on PATH, one of chromium, chromium-browser, google-chrome"):
        pdf_of("<p>x</p>", tmp_path / "page.pdf")
    assert not (tmp_path / "page.pdf").exists()


def test_a_browser_that_prints_nothing_is_told(monkeypatch, tmp_path):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display >&2\nexit 7\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ConfigError, match=r"exit code 7\): no display"):
        pdf_of("<p>x</p>", tmp_path / "page.pdf")


def test_a_page_of_the_same_run_is_the_same():
    shown = page()
    assert written(shown) == written(replace(shown, benchmarks=dict(shown.benchmarks)))

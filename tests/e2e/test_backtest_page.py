"""The page of a backtest in a real browser: drawn, asked for nothing, reached by keyboard, printed."""

from __future__ import annotations

import json
import math

import pytest

from keeper.app.report.backtest_files import pdf_of
from keeper.app.report.backtest_page import html
from tests.backtest_runs import page, protected_page, rows, run
from tests.e2e.test_signals_command import browse, with_chromium

LOOK = """<script>
addEventListener("load", () => setTimeout(() => {
  const style = getComputedStyle(document.documentElement), charts = {};
  const colour = (name) => style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
  const read = (canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const inked = (pixels, wanted) => {
    let found = 0;
    for (let at = 0; at < pixels.length; at += 4)
      if (wanted.every((part, of) => Math.abs(pixels[at + of] - part) < 24) && pixels[at + 3] > 200) found++;
    return found;
  };
  for (const figure of document.querySelectorAll("figure[id]")) {
    const plot = figure.querySelector(".plot"), canvas = plot.querySelector("canvas");
    const lines = ["price", "regime"].includes(figure.id) ? "--price" : figure.id === "in_range" ? "--core" : "--c0";
    const pixels = read(canvas);
    charts[figure.id] = {
      inked: inked(pixels, colour(lines)), drawn: figure.dataset.drawn, tabIndex: plot.tabIndex,
      label: plot.querySelector("[role=img]").ariaLabel, wide: canvas.getBoundingClientRect().width <= figure.clientWidth,
    };
    if (figure.id === "price") charts.price.marks = inked(pixels, colour("--mark"));
  }
  const said = () => document.querySelector("#price output")?.textContent ?? "", found = { charts };
  found.ground = getComputedStyle(document.body).backgroundColor;
  found.asked = performance.getEntriesByType("resource").length;
  found.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  found.whole_at_first = document.getElementById("whole").hidden;
  const plot = document.querySelector("#price .plot");
  const press = (key) => plot?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const links = document.querySelectorAll("a[data-at]");
  links[links.length - 1]?.click();
  setTimeout(() => {
    found.linked = said();
    found.focused = plot !== null && document.activeElement === plot;
    found.zoomed = !document.getElementById("whole").hidden;
    press("ArrowRight");
    found.moved = said();
    press("Escape");
    setTimeout(() => {
      found.whole_again = document.getElementById("whole").hidden;
      press("Home");
      found.home = said();
      const toggle = document.querySelector("#earned .legend button");
      toggle?.click();
      found.toggled = toggle?.getAttribute("aria-pressed");
      document.title = JSON.stringify(found);
    }, 200);
  }, 200);
}, 200));
</script>"""
"""Counts pixels in the colour of each chart's first line, then follows a decision's link and presses keys."""


def looked_at(shown, tmp_path, *flags: str) -> dict:
    place = tmp_path / "page.html"
    place.write_text(html(shown).replace("</body>", LOOK + "</body>"), encoding="utf-8")
    seen = browse(place, *flags)
    assert seen.console == []
    assert seen.asked == []
    return json.loads(seen.title)


@with_chromium
@pytest.mark.parametrize(("scheme", "ground"), [("1", "rgb(255, 255, 255)"), ("0", "rgb(20, 24, 29)")], ids=["light", "dark"])
def test_a_real_browser_draws_every_chart_and_asks_nobody(tmp_path, scheme, ground):
    found = looked_at(page(), tmp_path, f"--blink-settings=preferredColorScheme={scheme}")
    assert (found["ground"], found["asked"], found["overflow"]) == (ground, 0, 0)
    assert len(found["charts"]) == 9
    for name, chart in found["charts"].items():
        assert chart["drawn"] == "true", name
        assert chart["inked"] > 50, name
        assert chart["wide"], name
        assert chart["tabIndex"] == 0, name
        assert "over time" in chart["label"], name
    assert found["charts"]["price"]["marks"] > 20


@with_chromium
def test_a_protected_run_draws_its_strikes_and_its_payoff(tmp_path):
    look = LOOK.replace('colour("--mark")', 'colour("--put")')
    place = tmp_path / "page.html"
    place.write_text(html(protected_page()).replace("</body>", look + "</body>"), encoding="utf-8")
    seen = browse(place)
    found = json.loads(seen.title)
    assert (seen.console, seen.asked, found["overflow"]) == ([], [], 0)
    assert found["charts"]["options"]["inked"] > 50
    assert found["charts"]["price"]["marks"] > 100


@with_chromium
def test_a_decision_leads_to_its_moment_and_keys_move_the_cursor(tmp_path):
    found = looked_at(page(run(2_000)), tmp_path)
    assert found["whole_at_first"]
    assert found["zoomed"]
    assert found["focused"]
    assert found["linked"].startswith("2025-10-04 11:20: ")
    assert found["linked"].endswith("; 2025-10-04 11:20 shift core")
    assert found["moved"].startswith("2025-10-04 11:25: ")
    assert found["whole_again"]
    assert found["home"].startswith("2025-10-01 00:00: ")
    assert found["toggled"] == "false"


@with_chromium
def test_a_phone_needs_no_sideways_scrolling(tmp_path):
    found = looked_at(page(), tmp_path, "--window-size=500,900")
    assert found["overflow"] == 0
    assert all(chart["wide"] for chart in found["charts"].values())


@with_chromium
@pytest.mark.parametrize("keeper", [
    run(0),
    run(1, acted=()),
    run(60, kept=rows(60, **{name: [math.nan] * 60 for name in ("price", "value", "fees", "lvr")})),
], ids=["no cycle", "one cycle", "no numbers"])  # fmt: skip
def test_little_or_nothing_is_drawn_without_an_error(tmp_path, keeper):
    found = looked_at(page(keeper, benchmarks={}, checks=None), tmp_path)
    assert len(found["charts"]) == (0 if not keeper.rows.time_s else 8 if len(keeper.rows.time_s) > 5 else 6)


@with_chromium
def test_it_is_printed(tmp_path):
    pdf_of(html(page()), tmp_path / "page.pdf")
    printed = (tmp_path / "page.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") >= 3

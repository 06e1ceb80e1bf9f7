"""``keeper signals`` as a person types it, and its page in a real browser."""

from __future__ import annotations

import contextlib
import html as markup
import json
import math
import os
import random
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from keeper.adapters.evm.event_rows import EventKind, EventRow
from keeper.adapters.history.manifest import Coverage
from keeper.adapters.history.rows import ALL_KINDS
from keeper.adapters.history.store import PoolWriter
from keeper.adapters.store.journal import SqlJournal
from keeper.app.cli.main import app
from keeper.core.model.record import CycleState
from keeper.core.signals.registry import read
from keeper.core.strategy.decide import decide
from tests.builders import NOW_S, history, ladder, memory, policy, prices, view
from tests.histories import history_ref
from tests.pairs import USDC_WETH_500, WALLET

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,900",
    "--virtual-time-budget=5000",
    "--enable-logging=stderr",
)
LOOK = """<script>
addEventListener("load", () => setTimeout(() => {
  const style = getComputedStyle(document.documentElement), charts = {};
  const colour = (name) => style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
  for (const figure of document.querySelectorAll("figure")) {
    const canvas = figure.querySelector("canvas"), wanted = colour(figure.id === "price" ? "--price" : "--line");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let inked = 0;
    for (let at = 0; at < pixels.length; at += 4)
      if (wanted.every((part, of) => Math.abs(pixels[at + of] - part) < 24) && pixels[at + 3] > 200) inked++;
    figure.querySelector("details").open = true;
    const label = figure.querySelector("[role=img]").ariaLabel;
    charts[figure.dataset.signal] = { inked, drawn: figure.dataset.drawn, label };
  }
  setTimeout(() => {
    for (const figure of document.querySelectorAll("figure"))
      charts[figure.dataset.signal].rows = figure.querySelectorAll("tbody tr").length;
    const ground = getComputedStyle(document.body).backgroundColor;
    document.title = JSON.stringify({ charts, ground, asked: performance.getEntriesByType("resource").length });
  }, 200);
}, 200));
</script>"""
"""Counts the pixels in the colour of each line, and the rows of each table."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


def keeper(folder: Path, *arguments: str) -> Ended:
    clean = {name: None for name in os.environ if name.startswith("KEEPER")}
    with contextlib.chdir(folder):
        result = CliRunner().invoke(app, list(arguments), env={**clean, "COLUMNS": "240"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory) -> Path:
    """A folder with three days of the signal pool's swaps, and no journal."""
    folder = tmp_path_factory.mktemp("downloaded")
    rows = prices(hours=72, every_blocks=5)
    events = [
        EventRow(
            block_number=row.block,
            timestamp_s=row.timestamp_s,
            tx_hash=f"0x{row.block:064x}",
            tx_index=0,
            log_index=0,
            event=EventKind.SWAP,
            sender=WALLET.lower(),
            recipient=WALLET.lower(),
            owner=None,
            amount0=row.volume0 * (1 if row.block % 3 else -1),
            amount1=row.volume1 * (-1 if row.block % 3 else 1),
            sqrt_price_x96=row.sqrt_price_x96,
            liquidity=10**18,
            tick=round(2 * math.log(row.sqrt_price_x96 / 2**96) / math.log(1.0001)),
            tick_lower=None,
            tick_upper=None,
            liquidity_delta=None,
        )
        for row in rows
    ]
    extent = Coverage(
        first_block=rows[0].block,
        last_block=rows[-1].block,
        from_s=rows[0].timestamp_s,
        to_s=rows[-1].timestamp_s,
        kinds=ALL_KINDS,
        sources=("test",),
    )
    with PoolWriter(folder / ".keeper" / "data", chain_id=1, pool=USDC_WETH_500.address) as writer:
        writer.add_rows(events, extent)
    return folder


@pytest.fixture(scope="module")
def journaled(tmp_path_factory) -> Path:
    """A folder with the journal of two cycles."""
    folder = tmp_path_factory.mktemp("journaled")
    known, rules = history(), policy()
    with SqlJournal.open(folder / ".keeper" / "journal.sqlite", chain_id=1, account=WALLET) as journal:
        journal.append_history(known)
        for _ in range(2):
            seen = view(held=ladder(), remembered=memory(), history=history_ref(known))
            readings = read(seen, known, rules)
            cycle_id = journal.begin_cycle(rules, seen, readings, decide(seen, readings, rules), None)
            journal.end_cycle(cycle_id, CycleState.HELD, memory())
    return folder


@pytest.fixture(scope="module")
def tape(tmp_path_factory) -> Path:
    """A folder with 160 days of hourly prices, and dates of events."""
    folder = tmp_path_factory.mktemp("tape")
    chance, price = random.Random(3), 2_000.0
    with contextlib.closing(duckdb.connect(":memory:")) as database:
        database.execute(
            "create table bars (timestamp timestamp, open double, high double, low double, close double, volume_eth double)"
        )
        rows = []
        for at in range(160 * 24):
            after = price * math.exp(chance.gauss(0, 0.008 * (1 + 0.5 * math.sin(at / 300))))
            rows.append(
                (
                    datetime.fromtimestamp(1_700_006_400 + at * 3_600, UTC).replace(tzinfo=None),
                    price,
                    max(price, after),
                    min(price, after),
                    after,
                    100.0,
                )
            )
            price = after
        database.executemany("insert into bars values (?, ?, ?, ?, ?, ?)", rows)
        database.execute(f"copy bars to '{folder}/eth_test_hourly_2023-11_2024-04.parquet' (format parquet)")
    (folder / "fomc_dates.csv").write_text("date\n2023-12-13\n2024-01-31\n", encoding="utf-8")
    return folder


def test_without_journal_and_history_the_remedy_is_told(tmp_path):
    for arguments in (("signals",), ("signals", "--json"), ("signals", "--html", "x.html")):
        ended = keeper(tmp_path, *arguments)
        assert ended.returncode == 3
        assert ended.stderr.count("error:") == 1
        assert "keeper run --once" in ended.stderr
        assert "keeper data download" in ended.stderr
    assert not (tmp_path / "x.html").exists()
    evaluated = keeper(tmp_path, "signals", "evaluate")
    assert evaluated.returncode == 3
    assert "keeper data download --days" in evaluated.stderr


def test_the_newest_cycle_is_shown_with_score_regime_and_caution(journaled):
    shown = keeper(journaled, "signals")
    assert shown.returncode == 0
    for words in (
        "cycle 2, block",
        "volatility forecast",
        "what it does now",
        "score none",
        "regime normal:",
        "score and calendar:",
    ):
        assert words in shown.stdout
    document = json.loads(keeper(journaled, "signals", "--json").stdout)
    assert set(document) == {"source", "cycle", "block", "timestamp_s", "signals", "score", "regime", "caution"}
    assert (document["source"], document["cycle"]) == ("journal", 2)
    keys = "family name value unit z weight counted_weight contribution as_of_s age_s quality note source does"
    assert set(document["signals"][0]) == set(keys.split())
    explained = keeper(journaled, "explain", "2")
    assert explained.returncode == 0
    assert "score and calendar:" in explained.stdout
    assert json.loads(keeper(journaled, "explain", "2", "--json").stdout)["signals"]["signals"] == document["signals"]


def test_without_a_journal_downloaded_history_is_read_and_said_so(downloaded):
    shown = keeper(downloaded, "signals")
    assert shown.returncode == 0
    assert "no cycle yet: computed from downloaded history" in shown.stdout
    document = json.loads(keeper(downloaded, "signals", "--json").stdout)
    assert (document["source"], document["cycle"]) == ("history", None)
    values = {one["name"]: one["value"] for one in document["signals"]}
    assert values["volatility_ewma"] == pytest.approx(0.6, rel=0.35)
    assert document["timestamp_s"] == NOW_S


def test_the_page_of_a_journal_is_written(journaled, tmp_path):
    written = keeper(journaled, "signals", "--html", str(tmp_path / "page.html"), "--json")
    document = json.loads(written.stdout)
    assert (document["source"], document["points"]) == ("the journal", 1)
    assert document["bytes"] == (tmp_path / "page.html").stat().st_size
    refused = keeper(journaled, "signals", "--html", str(tmp_path / "none" / "page.html"))
    assert refused.returncode == 3
    assert "cannot be written" in refused.stderr


OF_THE_BROWSER = "not an origin"
"""Who asks when the browser looks for its own updates."""


@dataclass(frozen=True)
class Browsed:
    """What a browser did with a page."""

    title: str
    console: list[str]
    asked: list[str]
    """Origins in whose name something was asked for over a network."""


def browse(page: Path, *flags: str) -> Browsed:
    assert CHROMIUM is not None
    net = page.with_suffix(".net.json")
    told = [f"--user-data-dir={page.with_suffix('.profile')}", f"--log-net-log={net}", *flags]
    ended = subprocess.run(
        [CHROMIUM, *_FLAGS, *told, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    found = re.search(r"<title>(.*?)</title>", ended.stdout, re.DOTALL)
    initiators = re.findall(r'"initiator":"([^"]*)"', net.read_text(encoding="utf-8"))
    return Browsed(
        title=markup.unescape(found[1]) if found else "",
        console=re.findall(r".*CONSOLE.*", ended.stderr),
        asked=[one for one in initiators if one != OF_THE_BROWSER],
    )


with_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Debian's chromium is not on this machine: apt-get install chromium"
)


@with_chromium
@pytest.mark.parametrize(("scheme", "ground"), [("1", "rgb(255, 255, 255)"), ("0", "rgb(20, 24, 29)")], ids=["light", "dark"])
def test_a_real_browser_draws_every_signal_and_asks_nobody(downloaded, tmp_path, scheme, ground):
    assert keeper(downloaded, "signals", "--html", str(tmp_path / "page.html"), "--days", "3").returncode == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    (tmp_path / "page.html").write_text(page.replace("</body>", LOOK + "</body>"), encoding="utf-8")
    seen = browse(tmp_path / "page.html", f"--blink-settings=preferredColorScheme={scheme}")
    assert seen.console == []
    assert seen.asked == []
    found = json.loads(seen.title)
    assert (found["ground"], found["asked"]) == (ground, 0)
    assert set(found["charts"]) == {"price", *(one["id"] for one in data["signals"])}
    assert len(data["signals"]) >= 15
    for name, chart in found["charts"].items():
        assert chart["drawn"] == "true", name
        assert chart["inked"] > 50, name
        assert chart["rows"] > 0, name
        assert "table below" in chart["label"], name


@with_chromium
def test_an_error_and_a_request_would_be_seen(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<title>x</title><script>fetch('http://127.0.0.1:9/x'); nothing.there</script>", encoding="utf-8")
    seen = browse(page)
    assert any("nothing is not defined" in line for line in seen.console)
    assert seen.asked


@pytest.mark.long
def test_forecasts_are_evaluated_on_a_tape(tape):
    ended = keeper(tape.parent, "signals", "evaluate", "--tape", str(tape), "--horizon-days", "1", "--json")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    (contest,) = document["forecasts"]
    assert (document["days"], contest["days"]) == (160, 160 - 89 - 1)
    models = {one["model"]: one for one in contest["models"]}
    assert {"ewma_14d", "ewma_configured", "har", "median_configured"} <= set(models)
    assert models["ewma_14d"]["difference"] == {"mean": 0.0, "lower": 0.0, "upper": 0.0}
    assert all(0 < one["qlike"] < 2 for one in models.values())
    assert document["ablations"] == []
    assert "eth_test_hourly" in document["data"]
    assert "fomc_dates.csv" in document["data"]


def test_too_few_days_say_how_many_are_wanted(tape, downloaded):
    ended = keeper(tape.parent, "signals", "evaluate", "--tape", str(tape), "--horizon-days", "30")
    assert ended.returncode == 3
    assert "160 whole days, 179 in a row are wanted" in ended.stderr
    own = keeper(downloaded, "signals", "evaluate")
    assert own.returncode == 3
    assert "in a row are wanted" in own.stderr


@pytest.mark.parametrize(("arguments", "words"), [
    (("--tape", "nowhere.parquet"), "does not exist"),
    (("--tape", "rubbish.parquet"), "holds no such file of prices"),
    (("--tape", "."), "series there: none"),
    (("--series", "nothing"), "holds no bars"),
    (("--series", "../.."), "is no name of a series"),
    (("--tape", ".", "--horizon-days", "0"), "must lie between"),
    (("--tape", ".", "--horizon-days", "one"), "no list of"),
    (("--tape", ".", "--horizon-days", "1,2,3,4,5"), "no list of"),
])  # fmt: skip
def test_rubbish_is_refused_with_a_remedy(tmp_path, arguments, words):
    (tmp_path / "rubbish.parquet").write_text("not parquet", encoding="utf-8")
    ended = keeper(tmp_path, "signals", "evaluate", *arguments)
    assert ended.returncode == 3
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [("--days", "0"), ("--days", "x"), ("--nonsense",), ("show",)])
def test_what_is_no_option_is_told_as_usage(tmp_path, arguments):
    assert keeper(tmp_path, "signals", *arguments).returncode == 2


def test_shared_options_may_stand_before_or_after_the_group(journaled, tmp_path):
    for arguments in (("--json", "signals"), ("signals", "--json")):
        assert json.loads(keeper(journaled, *arguments).stdout)["cycle"] == 2
    outer = keeper(tmp_path, "signals", "--json", "evaluate", "--tape", "nowhere.parquet")
    assert json.loads(outer.stdout)["exit_code"] == 3
    elsewhere = keeper(tmp_path, "signals", "--state-dir", str(journaled / ".keeper"), "--json")
    assert json.loads(elsewhere.stdout)["cycle"] == 2


def test_the_groups_are_wired(tmp_path):
    listed = keeper(tmp_path, "data", "list", "--json")
    assert json.loads(listed.stdout)["pools"] == []
    assert keeper(tmp_path, "data", "check").returncode == 0
    assert keeper(tmp_path, "data", "import", "nowhere.parquet").returncode == 3
    assert json.loads(keeper(tmp_path, "calendar", "show", "--days", "1", "--json").stdout)["multiplier"] >= 1
    assert keeper(tmp_path, "calendar", "import", "nowhere.ics").returncode == 3
    for group, names in {
        "data": ("download", "import", "list", "check"),
        "calendar": ("show", "import"),
        "signals": ("evaluate", "--html", "--days"),
    }.items():
        shown = keeper(tmp_path, group, "--help").stdout
        assert all(name in shown for name in names), group

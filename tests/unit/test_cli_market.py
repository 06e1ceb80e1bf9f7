"""The past as commands walk it: the operator's own, and that of files."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from keeper.adapters.history.imported import import_file
from keeper.adapters.history.store import PoolWriter
from keeper.app.cli import evaluate
from keeper.app.cli.market import Market, own_end_s, own_history, own_market, series_market, tape_market
from keeper.app.settings import load, to_policy
from keeper.app.settings.schema import Settings
from keeper.core.model.bar import DAY_S, HOUR_S, MINUTE_S, MarketHistory, Quote
from keeper.core.model.errors import ConfigError
from keeper.core.model.policy import Policy
from keeper.core.signals import names
from keeper.core.signals.candle import Lens
from keeper.core.signals.order import Kind, known_at_s
from keeper.core.signals.walk import Day
from keeper.core.signals.windows import since
from tests.builders import USDC, USDC_WETH_500, WETH, policy
from tests.event_rows import BEGIN_S, BLOCK_S, PRICE, covered, swap, time_of

BLOCKS = 3 * HOUR_S // BLOCK_S


@pytest.fixture
def settings(tmp_path) -> Settings:
    own = tmp_path / "keeper.toml"
    own.write_text(f'[data]\ndir = "{tmp_path / "data"}"\n', encoding="utf-8")
    return load(config=own, chain=None, pool=None).settings


@pytest.fixture
def rules(settings) -> Policy:
    return to_policy(settings)


def download(settings: Settings, rules: Policy) -> None:
    rows = [swap(block, price=PRICE + block, amount0=block + 1) for block in range(0, BLOCKS, 7)]
    with PoolWriter(settings.data.dir, chain_id=1, pool=rules.signal_pool) as writer:
        writer.add_rows(rows, covered(0, BLOCKS))


def taken(settings: Settings, rules: Policy, journaled: MarketHistory | None) -> tuple[Market, list]:
    with contextlib.ExitStack() as stack:
        market = own_market(settings, rules, journaled, stack)
        assert market is not None
        return market, list(market.pieces)


def test_without_anything_there_is_no_market(settings, rules):
    with contextlib.ExitStack() as stack:
        assert own_market(settings, rules, None, stack) is None
        assert own_market(settings, rules, MarketHistory(pool=rules.signal_pool), stack) is None
    assert own_end_s(settings, rules) is None


def test_downloaded_bars_come_first_and_the_journal_goes_on_after_them(settings, rules):
    download(settings, rules)
    alone, own = taken(settings, rules, None)
    last = max(piece.end_s for kind, piece in own if kind is Kind.MINUTE)
    assert own_end_s(settings, rules) == time_of(BLOCKS)
    known = [replace(piece, swaps=piece.swaps + 1) for kind, piece in own if kind is Kind.MINUTE]
    later = replace(known[-1], start_s=last)
    quote = Quote(name="x", value=1.0, as_of_s=BEGIN_S + 60, source="x", seen_s=BEGIN_S + 60)
    journaled = MarketHistory(pool=rules.signal_pool, minutes=(*known, later), quotes=(quote,))
    both, pieces = taken(settings, rules, journaled)
    assert [one for one in pieces if one not in {(Kind.QUOTE, quote), (Kind.MINUTE, later)}] == own
    assert len(pieces) == len(own) + 2
    assert [known_at_s(piece) for _, piece in pieces] == sorted(known_at_s(piece) for _, piece in pieces)
    assert both.hours == alone.hours == sum(kind is Kind.HOUR for kind, _ in own) == 2


def test_history_for_the_table_ends_where_it_is_told_to(settings, rules):
    download(settings, rules)
    end_s = BEGIN_S + 2 * HOUR_S
    known = own_history(settings, rules, since(end_s), up_to_s=end_s)
    assert known.minutes[-1].end_s == known.hours[-1].end_s == end_s


def tape(
    folder: Path, *, count: int = 48, step_s: int = HOUR_S, name: str = "eth_hourly_2023-11.parquet", **columns: str
) -> Path:
    """Bars that rise by a thousandth; columns are SQL, in place of the usual ones."""
    usual = {
        "timestamp": f"make_timestamp((1700006400 + i * {step_s}) * 1000000)",
        "open": "1000 * 1.001 ** i",
        "high": "1002 * 1.001 ** i",
        "low": "999 * 1.001 ** i",
        "close": "1000 * 1.001 ** (i + 1)",
        "volume_eth": "if(i < 5, null, 10.0)",
    }
    fields = ", ".join(f"{expression} as {column}" for column, expression in {**usual, **columns}.items())
    path = folder / name
    duckdb.execute(f"copy (select {fields} from range({count}) as rows(i)) to '{path}' (format parquet)")
    return path


@pytest.mark.parametrize("turned", [False, True])
def test_prices_of_a_tape_are_prices_of_the_pool_in_either_token_order(tmp_path, turned):
    pool = replace(USDC_WETH_500, token0=WETH, token1=USDC) if turned else USDC_WETH_500
    rules = policy(pools=(pool,), signal_pool=pool.address)
    market = tape_market(tape(tmp_path), rules, None)
    bars = [piece for kind, piece in market.pieces if kind is Kind.HOUR]
    candles = [Lens(rules).candle(bar) for bar in bars]
    assert market.hours == len(bars) == 48
    assert math.exp(candles[0].open) == pytest.approx(1_000, rel=1e-9)
    assert math.exp(candles[9].close) == pytest.approx(1_000 * 1.001**10, rel=1e-9)
    assert math.exp(candles[0].low) == pytest.approx(999, rel=1e-9)
    assert candles[9].volume == pytest.approx(10.0)
    assert candles[9].volume_quote == pytest.approx(10.0 * 1_000 * 1.001**10, rel=1e-6)
    assert all(after.open == before.close for before, after in pairwise(candles))


def test_a_bar_opens_where_the_one_before_it_closed_also_when_its_source_knows_only_closes(tmp_path):
    flat = "1000 * 1.001 ** i"
    market = tape_market(tape(tmp_path, open=flat, high=flat, low=flat, close=flat), policy(), None)
    candles = [Lens(policy()).candle(piece) for _, piece in market.pieces]
    assert [round(one.close - one.open, 9) for one in candles] == [0.0] + [round(math.log(1.001), 9)] * 47


def test_minutes_become_hours_too(tmp_path):
    market = tape_market(tape(tmp_path, count=150, step_s=MINUTE_S), policy(), None)
    pieces = list(market.pieces)
    assert (market.hours, len(pieces)) == (2, 152)
    assert [kind for kind, _ in pieces].index(Kind.HOUR) == 60


def test_an_implied_volatility_and_dates_in_the_folder_come_along(tmp_path):
    tape(tmp_path)
    day = "make_timestamp((1700006400 + i * 3600) * 1000000)"
    fields = f"{day} as timestamp, 60.0 as dvol_open, 62.0 as dvol_high, 58.0 as dvol_low, 61.0 as dvol_close"
    duckdb.execute(f"copy (select {fields} from range(3) as rows(i)) to '{tmp_path}/x_dvol_hourly.parquet' (format parquet)")
    (tmp_path / "fomc_dates.csv").write_text("date\n2023-11-16\n2030-01-01\n", encoding="utf-8")
    market = tape_market(tmp_path, policy(), None)
    quotes = [piece for kind, piece in market.pieces if kind is Kind.QUOTE]
    assert [quote.value for quote in quotes] == [0.61] * 3
    assert quotes[0].seen_s == quotes[0].as_of_s == 1_700_006_400 + HOUR_S
    assert market.policy.outside.implied == quotes[0].name
    assert market.events_s == (1_700_157_600,)
    assert "x_dvol_hourly.parquet, fomc_dates.csv" in market.described


def test_of_several_files_the_longest_or_the_named_one_is_taken(tmp_path):
    tape(tmp_path, count=30, name="short_2023-11.parquet")
    tape(tmp_path, count=60, name="long_2023-11.parquet")
    assert tape_market(tmp_path, policy(), None).hours == 60
    assert tape_market(tmp_path, policy(), "short").hours == 30
    with pytest.raises(ConfigError, match="series there: long, short"):
        tape_market(tmp_path, policy(), "other")


@pytest.mark.parametrize(("columns", "words"), [
    ({"close": "0.0"}, "price that is not above zero"),
    ({"low": "cast('nan' as double)"}, "price that is not above zero"),
    ({"timestamp": "make_timestamp((1700006400 + i * 3600 + 5) * 1000000)"}, "begin on the hour"),
    ({"timestamp": "make_timestamp((1700006400 + i * 7200) * 1000000)"}, "begin on the hour"),
    ({"timestamp": "make_timestamp((1700006400 + (i - i % 2) * 3600) * 1000000)"}, "none twice"),
    ({"close": "'x'"}, "does not read"),
])  # fmt: skip
def test_impossible_bars_are_refused(tmp_path, columns, words):
    path = tape(tmp_path, **columns)
    with pytest.raises(ConfigError, match=words):
        list(tape_market(path, policy(), None).pieces)


def test_an_imported_series_is_walked_by_its_name(tmp_path, settings, rules):
    import_file(tape(tmp_path, volume_eth="10.0"), settings.data.dir, target=None)
    market = series_market(settings, rules, "eth_hourly")
    assert market.hours == 48
    for name in ("other", "../1"):
        with pytest.raises(ConfigError, match="series"):
            series_market(settings, rules, name)


def test_days_after_unknown_volume_tell_nothing_of_volume(tmp_path):
    market = tape_market(tape(tmp_path), policy(), None)
    first = 1_700_006_400 // DAY_S
    assert market.no_volume_days == {first}
    stress = {names.ACCUMULATION: 1.0, names.RSI: 1.0}
    days = [Day(start_s=(first + at) * DAY_S, variance=1.0, expected={}, stress=stress) for at in (-1, 0, 31, 32)]
    kept = [names.ACCUMULATION in evaluate._without_unknown_volume(day, market).stress for day in days]
    assert kept == [True, False, False, True]

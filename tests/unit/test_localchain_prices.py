"""A recorded series of prices is read as it stands, covers what it is asked for, or is refused."""

from __future__ import annotations

import operator
from pathlib import Path

import duckdb
import pytest

from keeper.localchain.price_file import read_prices
from keeper.localchain.put_market import Asked
from keeper.localchain.tape import TapeError

BEGIN_S = 1_760_054_400
"""2025-10-10 00:00 UTC."""


@pytest.mark.parametrize("moment", ["1760054400", "2025-10-10 00:00:00", "2025-10-10T00:00:00Z", "2025-10-10T02:00:00+02:00"])
def test_times_are_unix_seconds_or_iso_and_utc_unless_they_say_otherwise(tmp_path: Path, moment: str) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(f"timestamp,price\n{moment},4000\n2025-10-10 12:00:00,4100\n")
    if moment.isdigit():
        file.write_text(f"timestamp,price\n{moment},4000\n{BEGIN_S + 43_200},4100\n")
    found = read_prices(file, None, 0.5)
    assert found.begin_s == BEGIN_S
    assert found.points == ((0.0, 4000.0), (12.0, 4100.0))
    assert (found.recorded, found.widest_gap_s) == (2, 43_200)


def test_a_stretch_begins_and_ends_between_two_records_on_the_straight_line_of_logarithms(tmp_path: Path) -> None:
    file = tmp_path / "prices.parquet"
    rows = f"select * from (values ({BEGIN_S}, 4000.0), ({BEGIN_S + 86_400}, 2000.0)) t(timestamp, price)"
    duckdb.execute(f"copy ({rows}) to '{file}' (format parquet)")
    found = read_prices(file, "2025-10-10T06:00", 0.5)
    assert found.points[0] == (0.0, pytest.approx(4000 * 2**-0.25))
    assert found.points[-1] == (12.0, pytest.approx(4000 * 2**-0.75))
    assert found.recorded == 0


@pytest.mark.parametrize(
    ("text", "begin", "days", "why"),
    [
        ("timestamp,price\n1760054400,4000\n1760140800,4100\n", None, 1.5, "does not cover|wanted are 1.5 days"),
        ("timestamp,price\n1760054400,4000\n1760140800,4100\n", "2025-10-09", 1.0, "records 2025-10-10"),
        ("timestamp,price\n1760054400,4000\n1760140800,0\n", None, 1.0, "not above 0"),
        ("timestamp,price\n", None, 1.0, "does not read"),
        ("when,what\n1,2\n", None, 1.0, "does not read"),
        ("timestamp,price\n1760054400,4000\n1760140800,4100\n", "last week", 1.0, "does not read"),
    ],
)
def test_what_cannot_be_played_is_refused(tmp_path: Path, text: str, begin: str | None, days: float, why: str) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(text)
    with pytest.raises(TapeError, match=why):
        read_prices(file, begin, days)


def test_blocks_without_times_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "sqrtprice_sampled_mainnet_usdc_weth_500_x.parquet"
    duckdb.execute(f"copy (select 1 pre_swap_block, '1' sqrt_price_x96) to '{file}' (format parquet)")
    with pytest.raises(TapeError, match="slot0_daily"):
        read_prices(file, None, 1.0)


def test_blocks_lie_evenly_between_two_daily_states(tmp_path: Path) -> None:
    file = tmp_path / "sqrtprice_sampled_mainnet_usdc_weth_500_x.parquet"
    rows = "(100, '1231777347372111289049332734513997'), (150, '1231777347372111289049332734513997')"
    duckdb.execute(f"copy (select * from (values {rows}) t(pre_swap_block, sqrt_price_x96)) to '{file}' (format parquet)")
    states = tmp_path / "slot0_daily_mainnet_usdc_weth_500_x.parquet"
    days = "(100, timestamp '2025-10-10 00:00:00'), (200, timestamp '2025-10-10 00:20:00')"
    duckdb.execute(f"copy (select * from (values {days}) t(snapshot_block, snapshot_timestamp)) to '{states}' (format parquet)")
    found = read_prices(file, None, 600 / 86_400)
    assert found.begin_s == BEGIN_S
    assert found.points[-1] == (pytest.approx(1 / 6), pytest.approx(4137.087833097449, rel=1e-9))


@pytest.mark.tape
def test_the_fall_of_10_october_2025_is_recorded(tape_path: Path) -> None:
    file = tape_path / "unclear-licence" / "sqrtprice_sampled_mainnet_usdc_weth_500_2025Q4.parquet"
    found = read_prices(file, "2025-10-10", 1.0)
    hour, low = min(found.points, key=operator.itemgetter(1))
    assert found.recorded == 160
    assert low == pytest.approx(3336.54, abs=0.01)
    assert 21 < hour < 22
    assert max(price for _, price in found.points) == pytest.approx(4391.40, abs=0.01)
    assert found.widest_gap_s < 3_600


def test_puts_are_asked_at_more_volatility_the_further_the_price_has_fallen() -> None:
    asked = Asked(volatility=0.6, rise=4.0)
    assert asked.at(4_000, 4_000) == pytest.approx(0.6)
    assert asked.at(3_600, 4_000) == pytest.approx(0.84)
    assert asked.at(4_100, 4_000) == pytest.approx(0.6)
    assert "60% a year" in str(asked)

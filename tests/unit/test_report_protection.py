"""What the report of a backtest tells of protection, and that it tells nothing where there was none."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from keeper.app.report import backtest_page
from keeper.app.report.backtest_charts import charts, sentence
from keeper.app.report.backtest_files import csv_of, json_of
from keeper.app.report.backtest_numbers import hedged, key_numbers
from keeper.app.report.backtest_options import MOST_ROWS, strikes
from keeper.app.report.backtest_payoff import break_evens, payoff
from keeper.core.model.hedge import Against, HedgePolicy
from keeper.core.model.option import OptionKind
from keeper.core.quant.black_scholes import option_price
from keeper.core.quant.replication import ladder_value
from keeper.simulation.protection import OptionState
from tests.backtest_runs import START_S, STEP_S, option, page, protected, protected_page
from tests.builders import policy


def at(values, found, price):
    """A curve at a price that is one of its own."""
    (place,) = np.flatnonzero(found.prices == price)
    return float(values[place])


def curves(shown):
    return payoff(shown, shown.keeper.protection)


def test_at_the_last_price_the_curves_tell_what_the_run_came_to():
    shown = protected_page()
    found = curves(shown)
    change = shown.keeper.change / (shown.keeper.quote_unit << 64)
    assert at(found.ladder, found, 4_000.0) == pytest.approx(change + 130)
    assert at(found.options, found, 4_000.0) == pytest.approx(-130)
    assert at(found.together, found, 4_000.0) == pytest.approx(change)


def test_below_the_strike_options_pay_and_the_ladder_alone_is_what_it_is():
    shown = protected_page()
    found, end = curves(shown), shown.keeper.protection.ending
    assert at(found.options, found, 3_600.0) == pytest.approx(-130 + 2 * 300)
    fell = end.base * -400 + ladder_value(end.ladder, 3_600.0) - ladder_value(end.ladder, 4_000.0)
    assert at(found.ladder, found, 3_600.0) - at(found.ladder, found, 4_000.0) == pytest.approx(fell)


def test_with_the_life_that_they_have_options_are_worth_the_models_price():
    shown = protected_page()
    found, end = curves(shown), shown.keeper.protection.ending
    years = (START_S + 7 * 86_400 - end.at_s) / (365 * 86_400)
    each = option_price(OptionKind.PUT, spot=3_900.0, strike=3_900.0, years=years, volatility=0.6)
    assert at(found.now, found, 3_900.0) - at(found.ladder, found, 3_900.0) == pytest.approx(-130 + 2 * each)
    assert (found.now >= found.together - 1e-9).all()


def test_against_holding_the_measure_is_what_the_run_began_with():
    rules = policy(hedge=HedgePolicy(against=Against.HOLDING))
    shown = protected_page(policy=rules)
    found, end = curves(shown), shown.keeper.protection.ending
    whole = end.base * 4_400 + end.quote + ladder_value(end.ladder, 4_400.0)
    assert at(found.ladder, found, 4_400.0) == pytest.approx(whole + 130 - 12.5 * 4_400 - 50_000)


def test_what_is_over_is_in_no_curve_and_stands_in_the_table():
    shown = protected_page(option(state=OptionState.PAID, paid=50.0, strike=4_100.0), option())
    assert curves(shown).strikes == (3_900.0,)
    text = backtest_page.html(shown)
    table = text[text.index('aria-label="Options bought"') :]
    assert "4,100.00" in table
    assert "50.00" in table
    assert [cell for cell in ("paid", "held") if f">{cell}<" in table] == ["paid", "held"]


def test_break_evens_are_where_a_curve_crosses_zero():
    prices, values = np.array([1.0, 2.0, 3.0, 4.0]), np.array([-1.0, 1.0, 1.0, -3.0])
    assert break_evens(prices, values) == pytest.approx([1.5, 3.25])
    assert break_evens(prices, np.ones(4)) == []


def test_held_options_are_told_beside_the_parts_never_in_them():
    told = {one.id: one.value for one in key_numbers(protected_page())}
    assert told["premiums"] == -180
    assert told["payoffs"] == 50
    assert told["options_model"] == 120
    assert told["change_with_options"] == pytest.approx(told["change"] + 120)
    assert told["hedged_with_options"] == pytest.approx(told["hedged"] + 120)
    text = backtest_page.html(protected_page())
    assert "Options that are still held are in none of them: 120.00 USDC" in text
    assert '<p class="fits">The parts add up' in text


def test_pnl_without_the_price_holds_premiums_and_payoffs():
    found, bare = hedged(protected(option())), hedged(page().keeper)
    assert (found - bare)[[0, 20, 599]].tolist() == pytest.approx([0.0, -180.0, -130.0])
    lines = {chart.id: chart for chart in charts(protected_page())}
    assert dict(lines["earned"].lines)["all four"].tolist() == pytest.approx(found.tolist())
    assert "premiums so far -180.00; paid out so far 50.00" in sentence(lines["options"])


def test_a_strike_is_a_line_from_the_first_purchase_to_the_expiry_or_the_end():
    again = option(bought_s=START_S + 40 * STEP_S, size=1.0)
    early = option(strike=3_800.0, expiry_s=START_S + 100 * STEP_S, state=OptionState.OVER)
    found = strikes(protected_page(option(), again, early))
    end_s = START_S + 599 * STEP_S
    assert found == [
        ("put", 3_900.0, START_S + 20 * STEP_S, end_s, 3.0),
        ("put", 3_800.0, START_S + 20 * STEP_S, START_S + 100 * STEP_S, 2.0),
    ]


def test_programs_get_rows_curves_and_columns():
    shown = protected_page()
    found = json.loads(json.dumps(json_of(shown)))
    told = found["keeper"]["protection"]
    assert (told["premiums"], told["payoffs"], told["model"], told["intrinsic"], told["held"]) == (-180, 50, 120, 40, 1)
    assert told["options"][0]["strike"] == 3_900
    assert len(found["payoff"]["prices"]) == len(found["payoff"]["together"])
    last = list(csv.DictReader(io.StringIO(csv_of(shown.keeper))))[-1]
    names = ("premiums", "payoffs", "options_model", "options_intrinsic", "options_held")
    assert [float(last[name]) for name in names] == [-180, 50, 120, 40, 1]


def test_a_run_without_protection_tells_nothing_of_it():
    text, found = backtest_page.html(page()), json_of(page())
    body = text[text.index("<body>") : text.index("<script>")]
    assert not re.search(r"protection|strike|held options|[Pp]ayoff at", body)
    assert "protection" not in found["keeper"]
    assert "payoff" not in found
    assert csv_of(page().keeper).splitlines()[0].endswith("in_range_insurance")
    assert "options" not in {chart.id for chart in charts(page())}


def test_many_options_and_none_are_told_all_the_same():
    many = tuple(option(strike=3_000.0 + at) for at in range(MOST_ROWS + 5))
    text = backtest_page.html(protected_page(*many))
    assert text.count('data-at="') >= MOST_ROWS
    assert f"The newest {MOST_ROWS:,} are listed" in text
    none = page(replace(protected(), protection=replace(protected().protection, options=())))
    assert "No option was bought." in backtest_page.html(none)

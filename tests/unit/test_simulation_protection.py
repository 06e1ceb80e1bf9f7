"""What a protected run leaves beside its exact parts, and what it is compared with."""

from __future__ import annotations

import pytest

from keeper.core.model.hedge import NO_HEDGE
from keeper.core.quant.replication import ladder_value
from keeper.simulation.benchmarks import WITHOUT_PROTECTION, ablations, benchmarks
from keeper.simulation.protection import OptionState
from keeper.simulation.result import result_of
from keeper.simulation.suite import WITH_HELD, compare, summary
from keeper.simulation.sweep_days import hedged_days_bps
from tests.rehearsals import hasty_policy
from tests.unit.test_simulation_options import HEDGE, ran

SCALE = float(10**6 << 64)


@pytest.fixture(scope="module")
def result():
    return result_of(ran(), "keeper")


@pytest.fixture(scope="module")
def bare():
    return result_of(ran(hedge=NO_HEDGE), WITHOUT_PROTECTION)


def test_every_option_is_told_with_what_it_cost_and_paid(result):
    options = result.protection.options
    assert sum(one.premium for one in options) == pytest.approx(-result.parts.premiums / SCALE)
    assert sum(one.paid for one in options) == pytest.approx(result.parts.payoffs / SCALE)
    assert {one.tier for one in options} == {"near"}
    assert all(one.bought_s < one.expiry_s for one in options)
    states = [one.state for one in options]
    assert states.count(OptionState.HELD) == result.rows.options_held[-1]
    assert all((one.paid > 0) == (one.state is OptionState.PAID) for one in options)


def test_held_options_are_worth_at_least_what_they_would_pay_and_are_in_no_part(result):
    rows = result.rows
    assert len(rows.options_model) == len(rows.options_intrinsic) == len(rows.options_held) == len(rows.time_s)
    assert all(model >= pays >= 0 for model, pays in zip(rows.options_model, rows.options_intrinsic, strict=True))
    assert all((number > 0) >= (model > 0) for number, model in zip(rows.options_held, rows.options_model, strict=True))
    assert max(rows.options_model) > 0
    assert result.parts.total == result.change
    assert rows.premiums[-1] == pytest.approx(result.parts.premiums / SCALE)
    assert rows.payoffs[-1] == pytest.approx(result.parts.payoffs / SCALE)


def test_the_ending_is_worth_what_the_account_is(result):
    end = result.protection.ending
    worth = end.base * end.price + end.quote + ladder_value(end.ladder, end.price)
    assert end.opened_quote == result.setting.capital_quote / 2
    assert end.opened_base * result.rows.price[0] + end.opened_quote == pytest.approx(result.rows.hold[0])
    first_price = (worth - result.change / SCALE - end.opened_quote) / end.opened_base
    assert first_price == pytest.approx(4_370, rel=1e-6)


def test_the_days_hold_what_options_cost_and_held_ones_only_when_asked(result):
    days, counted = hedged_days_bps(result), hedged_days_bps(result, with_held=True)
    assert len(days) == len(counted) == 1
    last = max(place for place, at_s in enumerate(result.rows.time_s) if at_s <= result.start_s + 86_400)
    assert counted[0] - days[0] == pytest.approx(result.rows.options_model[last] / 10)


def test_a_line_tells_held_options_apart(result):
    line = summary("keeper", result)
    assert line.premiums_quote < 0
    assert line.options_quote == result.options_model
    assert line.hedged_with_options == pytest.approx(line.hedged + result.options_model / 100_000)


def test_a_protected_run_is_held_against_itself_without_protection_twice(result, bare):
    assert bare.protection is None
    found = {one.name: one.mean_bps for one in compare(result, {WITHOUT_PROTECTION: bare}, seed=1)}
    assert set(found) == {WITHOUT_PROTECTION, WITH_HELD}
    assert found[WITHOUT_PROTECTION] == pytest.approx(hedged_days_bps(result)[0] - hedged_days_bps(bare)[0])
    assert found[WITH_HELD] == pytest.approx(hedged_days_bps(result, with_held=True)[0] - hedged_days_bps(bare)[0])


def test_only_the_keepers_own_strategy_buys_options():
    rules = hasty_policy(hedge=HEDGE)
    found = {one.name: one.policy.hedge for one in (*benchmarks(rules), *ablations(rules))}
    assert found[WITHOUT_PROTECTION] == NO_HEDGE
    assert found["full_range"] == found["opened_and_held"] == NO_HEDGE
    assert found["equal_gamma"] == found["without_gate"] == HEDGE
    assert WITHOUT_PROTECTION not in {one.name for one in benchmarks(hasty_policy())}

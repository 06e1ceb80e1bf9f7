"""What the keeper is compared with."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from keeper.core.model.calendar import NO_CALENDAR
from keeper.core.model.ladder import LayerKind, Regime
from keeper.core.model.policy import CalendarPolicy, SignalWeight
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.signals import names
from keeper.core.v3math.units import MAX_TICK
from keeper.simulation.benchmarks import (
    STATIC_SHARE,
    TAU_SHARE,
    ablations,
    benchmarks,
    constant_mix,
    equal_gamma,
    hold,
    weightless,
)
from keeper.simulation.result import RunResult, result_of
from keeper.simulation.weather import Scenario
from tests.policies import policy
from tests.rehearsals import hasty_policy, rehearsal

RULES = hasty_policy()
DAY = 0.5


def ran(name: str, *, days: float = DAY, scenario: Scenario = Scenario.TREND) -> RunResult:
    (one,) = (each for each in (*benchmarks(RULES), *ablations(RULES)) if each.name == name)
    run = rehearsal(days=days, scenario=scenario, policy=one.policy, decide=one.decide)
    run.run()
    return result_of(run, name)


@pytest.fixture(scope="module")
def keeper() -> RunResult:
    run = rehearsal(days=DAY, scenario=Scenario.TREND)
    run.run()
    return result_of(run, "keeper")


@pytest.mark.parametrize("name", [one.name for one in benchmarks(RULES)])
def test_every_benchmark_opens_in_the_cycle_in_which_the_keeper_does_and_adds_up(keeper, name) -> None:
    found = ran(name)
    assert found.acted[0].time_s == keeper.acted[0].time_s
    assert found.acted[0].outcomes[0] == "done"
    assert found.parts.total == found.change
    assert found.parts.fees > 0


def test_what_is_opened_once_is_never_moved() -> None:
    for name in ("full_range", "static", "opened_and_held"):
        assert len(ran(name).acted) == 1, name


def test_ranges_are_as_wide_as_they_say() -> None:
    (full,), (static,) = (ran(name).rows.spans.values() for name in ("full_range", "static"))
    assert full.tick_upper == -full.tick_lower > MAX_TICK - 10
    half = (static.tick_upper - static.tick_lower) / 2
    assert half * math.log(1.0001) == pytest.approx(math.log1p(STATIC_SHARE), rel=0.01)


def test_the_recentred_range_moves_exactly_when_the_price_has_left_it() -> None:
    found = ran("tau_reset", days=1.0, scenario=Scenario.CRASH)
    spans = sorted(found.rows.spans.values(), key=lambda span: span.from_s)
    assert len(spans) > 1
    half = (spans[0].tick_upper - spans[0].tick_lower) / 2
    assert half * math.log(1.0001) == pytest.approx(math.log1p(TAU_SHARE), rel=0.01)
    assert "shift core" in {move for one in found.acted[1:] for move in one.moves} <= {"shift core", "open core"}


def test_equal_gamma_has_the_gamma_of_all_bands_in_every_regime() -> None:
    rules = policy()
    single = equal_gamma(rules)
    sigma = rules.regimes.usual_volatility * math.sqrt(rules.ladder.horizon_s / SECONDS_A_YEAR)

    def concentration(multiple: float) -> float:
        return 1 / (1 - math.exp(-multiple * sigma / 2))

    (layer,) = single.ladder.layers
    assert layer.kind is LayerKind.CORE
    for regime in Regime:
        weights = rules.ladder.weights_in(regime)
        core, secondary, _ = rules.ladder.layers
        wanted = weights.core * concentration(core.half_width_sigmas)
        wanted += weights.secondary * concentration(secondary.half_width_sigmas)
        found = single.ladder.weights_in(regime)
        assert found.core * concentration(layer.half_width_sigmas) == pytest.approx(wanted)
        assert found.core + found.idle == pytest.approx(1)
        assert 0 <= found.core <= 1


def test_an_ablation_takes_away_what_it_says_and_nothing_else() -> None:
    rules = policy()
    weights = tuple(
        SignalWeight(name=name, weight=weight)
        for name, weight in ((names.VOLATILITY_FORECAST, 0.5), (names.CALENDAR, 0.35), (names.IMPLIED_OVER_REALISED, 0.15))
    )
    rules = replace(rules, stress=replace(rules.stress, weights=weights))
    found = {one.name: one.policy for one in ablations(rules)}
    assert set(found) == {
        "without_volatility",
        "without_implied",
        "without_calendar",
        "without_score",
        "without_gate",
        "without_regime",
    }
    assert found["without_calendar"].stress.weight(names.CALENDAR) == 0
    assert found["without_calendar"].stress.weight(names.VOLATILITY_FORECAST) == pytest.approx(0.5)
    assert not any(one.weight for one in found["without_score"].stress.weights)
    assert found["without_gate"] == replace(rules, gates=replace(rules.gates, cost_multiple=0.0))
    assert len({replace(one, regime=Regime.CALM) for one in found["without_regime"].ladder.weights}) == 1


def test_groups_without_weight_are_named_and_not_taken_away() -> None:
    rules = policy()
    taken = {one.name for one in ablations(rules)}
    assert taken.isdisjoint(f"without_{name}" for name in weightless(rules))
    silent = replace(rules, stress=replace(rules.stress, weights=()), calendar=CalendarPolicy(calendar=NO_CALENDAR))
    assert len(weightless(silent)) == 8
    assert {one.name for one in ablations(silent)} == {"without_gate", "without_regime"}


def test_holding_and_a_constant_mix_follow_the_price() -> None:
    rows = ran("full_range", days=1.0, scenario=Scenario.CRASH).rows
    assert hold(rows)[0] == pytest.approx(rows.value[0])
    mix = constant_mix(rows, fee=0.0005)
    assert len(mix) == len(rows.value)
    rises = rows.price[-1] / rows.price[0] - 1
    gain = mix[-1] / mix[0] - 1
    assert gain == pytest.approx(rises / 2, abs=0.02)
    free, dear = (constant_mix(rows, fee=fee)[-1] for fee in (0.0, 0.01))
    assert dear < free

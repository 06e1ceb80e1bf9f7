"""Runs side by side, what they show, and attempts to show that they are wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest

from keeper.core.model.decision import Decision
from keeper.simulation.benchmarks import Variation, benchmarks
from keeper.simulation.checks import CycleLog, Displaced, Recorded, check, cut, first_difference
from keeper.simulation.frictions import BaseFees
from keeper.simulation.runner import Setting
from keeper.simulation.suite import Comparison, RunSpec, compare, run_all, summary
from keeper.simulation.verdict import Search, judged
from tests.rehearsals import GWEI, hasty_policy, market

RULES = hasty_policy()
SPEC = RunSpec(tapes=(market(0.25),), setting=Setting(), base_fees=BaseFees.constant(2 * GWEI))
KEEPER = Variation(name="keeper", described="", policy=RULES)


def quiet(_name: str, _done: int, _total: int) -> None:
    pass


def test_processes_change_nothing_and_the_order_is_that_of_the_question() -> None:
    asked = [KEEPER, *benchmarks(RULES)[:2]]
    told: list[tuple[str, int, int]] = []
    here = run_all(SPEC, asked, jobs=1, progress=quiet)
    apart = run_all(SPEC, asked, jobs=2, progress=lambda *one: told.append(one))
    assert list(apart) == list(here) == ["keeper", "full_range", "static"]
    for name, result in here.items():
        assert apart[name].parts == result.parts
        assert list(map(repr, apart[name].rows.value)) == list(map(repr, result.rows.value))
    assert {name for name, _, _ in told} == set(apart)


def test_a_summary_tells_what_the_run_came_to() -> None:
    found = run_all(SPEC, [KEEPER], jobs=1, progress=quiet)["keeper"]
    line = summary("keeper", found)
    assert line.value_quote == found.rows.value[-1]
    assert line.fees_quote > 0 > line.lvr_quote
    assert line.actions == len(found.acted)
    assert math.isnan(line.sharpe)
    assert math.isnan(line.hedged_bps)


def test_too_few_days_have_no_interval() -> None:
    results = run_all(SPEC, [KEEPER, *benchmarks(RULES)[:1]], jobs=1, progress=quiet)
    (row,) = compare(results["keeper"], {"full_range": results["full_range"]}, seed=1)
    assert (row.lower_bps, row.upper_bps, row.p_value) == (None, None, None)


def compared(name: str, *, lower: float, p_value: float = 0.001) -> Comparison:
    return Comparison(name=name, mean_bps=lower + 1, lower_bps=lower, upper_bps=lower + 2, p_value=p_value)


GOOD_DAYS = tuple(1.0 + 0.1 * (day % 3) for day in range(60))
LITTLE = Search(trials=1, variance=0.0, overfitting=0.0)
GOOD = (compared("equal_gamma", lower=0.5), compared("full_range", lower=0.5))


def test_only_what_has_everything_is_supported() -> None:
    assert judged(GOOD_DAYS, GOOD, evidence=True, checked=True, search=LITTLE).word == "supported"


@pytest.mark.parametrize(
    ("why", "changed"),
    [
        ("no exact record", {"evidence": False}),
        ("check was not run", {"checked": None}),
        ("a check failed", {"checked": False}),
        ("whole days", {"days": GOOD_DAYS[:19]}),
        ("not compared with full range", {"rows": GOOD[:1]}),
        ("against equal gamma", {"rows": (compared("equal_gamma", lower=-0.1), GOOD[1])}),
        ("after correction", {"rows": (compared("equal_gamma", lower=0.5, p_value=0.2), GOOD[1])}),
        ("Deflated Sharpe", {"days": tuple((-1.0) ** day for day in range(60))}),
        ("probability of overfitting", {"search": Search(trials=5, variance=1e-6, overfitting=0.4)}),
        ("no study is named", {"search": None}),
        ("the probability of overfitting has no value", {"search": Search(trials=5, variance=1e-6, overfitting=None)}),
        ("no Deflated Sharpe", {"search": Search(trials=5, variance=None, overfitting=0.1)}),
        ("Deflated Sharpe", {"search": Search(trials=500, variance=100.0, overfitting=0.1)}),
    ],
)
def test_what_lacks_something_is_unproven_and_says_why(why, changed) -> None:
    given = {"days": GOOD_DAYS, "rows": GOOD, "evidence": True, "checked": True, "search": LITTLE, **changed}
    found = judged(given["days"], given["rows"], evidence=given["evidence"], checked=given["checked"], search=given["search"])
    assert found.word == "unproven"
    assert any(why in reason for reason in found.reasons), found.reasons


def test_every_attempt_is_made_and_the_cut_tape_holds() -> None:
    spec = replace(SPEC, tapes=(market(0.5),))
    rows = {row.name: row for row in check(spec, RULES, jobs=1, progress=quiet)}
    assert len(rows) == 6
    assert rows["tape cut in the middle"].passed
    assert "same to the last bit" in rows["tape cut in the middle"].told


@dataclass(frozen=True)
class Cheating:
    """Opens half an hour before it could, because it knows a later run's readings."""

    log: CycleLog

    def __call__(self, view, readings, policy) -> Decision:
        return Displaced(self.log, 4 * 3_600)(view, readings, policy)


def test_a_strategy_that_looks_ahead_is_caught_by_the_cut() -> None:
    log = CycleLog()
    honest = Variation(name="keeper", described="", policy=RULES, decide=Recorded(log))
    run_all(SPEC, [honest], jobs=1, progress=quiet)
    whole = CycleLog()
    peeking = Variation(name="keeper", described="", policy=RULES, decide=Recorded(whole, Cheating(log)))
    run_all(SPEC, [peeking], jobs=1, progress=quiet)

    def of_what_it_knows(spec: RunSpec) -> Cheating:
        known = CycleLog()
        run_all(spec, [Variation(name="a", described="", policy=RULES, decide=Recorded(known))], jobs=1, progress=quiet)
        return Cheating(known)

    found = cut(SPEC, RULES, whole, decider_of=of_what_it_knows, progress=quiet)
    assert not found.passed
    assert "looks ahead" in found.told
    assert cut(SPEC, RULES, log, progress=quiet).passed


def test_the_readings_of_another_time_are_those_that_were_noted() -> None:
    log = CycleLog()
    run_all(SPEC, [Variation(name="a", described="", policy=RULES, decide=Recorded(log))], jobs=1, progress=quiet)
    first, second = log.times_s[3:5]
    assert log.at(first) is log.readings[3]
    assert log.at(second - 1) is log.readings[3]
    assert log.at(0) is log.readings[0]
    assert log.at(2**40) is log.readings[-1]
    same = CycleLog()
    again = Variation(name="b", described="", policy=RULES, decide=Recorded(same, Displaced(log)))
    run_all(SPEC, [again], jobs=1, progress=quiet)
    assert first_difference(log, same) is None

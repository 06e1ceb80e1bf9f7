from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from keeper.core.model.errors import ConfigError, Transient
from keeper.simulation.sweep import read_sweep, run_sweep
from keeper.simulation.sweep_plan import Sampling, Split
from keeper.simulation.sweep_result import SweepResult, search_of
from keeper.simulation.sweep_store import JournalPlace, place_of, working
from keeper.simulation.sweep_study import resume_any
from tests.sweep.cheap import (
    BEST_WIDTH,
    COOLDOWN,
    SPLIT,
    WIDTH,
    Deadly,
    Faulty,
    Formula,
    KilledOnce,
    space,
    sweep,
    trying,
)

pytestmark = pytest.mark.long


@pytest.fixture
def place(tmp_path: Path) -> JournalPlace:
    return JournalPlace(path=tmp_path / "studies" / "widths.journal")


def tried(result: SweepResult) -> list[tuple[str, dict[str, str]]]:
    return [(row.state, dict(row.params)) for row in result.trials]


def test_the_first_trial_is_the_unchanged_policy(place):
    result = run_sweep(sweep(), trying(), place, trials=3)
    first, *others = result.trials
    assert first.unchanged
    assert first.params == {WIDTH: "1.25", COOLDOWN: "3600"}
    assert not any(row.unchanged for row in others)
    assert len(result.trials) == result.tried == 3


def test_the_unchanged_policy_is_tried_even_where_it_lies_outside_the_space(place):
    elsewhere = sweep(space=space(f"{WIDTH}=1.5..2.4", f"{COOLDOWN}=600..86400"))
    result = run_sweep(elsewhere, trying(), place, trials=4)
    assert result.trials[0].params == {WIDTH: "1.25", COOLDOWN: "3600"}
    assert all(1.5 <= float(row.params[WIDTH]) <= 2.4 for row in result.trials[1:])


def test_the_search_comes_close_to_what_is_best_and_says_so_with_its_numbers(place):
    result = run_sweep(sweep(), trying(), place, trials=40)
    assert float(result.best.params[WIDTH]) == pytest.approx(BEST_WIDTH, abs=0.1)
    assert all(float(row.params[WIDTH]) == pytest.approx(BEST_WIDTH, abs=0.2) for row in result.folds)
    assert [row.fold for row in result.folds] == list(SPLIT.folds)
    assert result.out_of_sample_bps > max(row.unchanged_bps for row in result.folds)
    assert result.comparison is not None
    assert result.comparison.interval.lower > 0
    assert result.overfitting is not None
    assert result.overfitting.probability == 0


def test_a_policy_that_is_refused_is_pruned_with_the_reason_and_counted(place):
    result = run_sweep(sweep(), trying(), place, trials=25)
    pruned = [row for row in result.trials if row.state == "pruned"]
    assert pruned
    assert all("core lies inside secondary" in row.reason and float(row.params[WIDTH]) >= 2.5 for row in pruned)
    assert result.tried == 25


def test_a_run_that_fails_fails_its_trial_alone(place):
    result = run_sweep(sweep(), trying(Faulty()), place, trials=12)
    failed = [row for row in result.trials if row.state == "failed"]
    assert failed
    assert all(row.reason == "the tape has a hole" and int(row.params[COOLDOWN]) > 4_000 for row in failed)
    assert any(row.state == "complete" for row in result.trials)
    assert len(result.trials) == result.tried == 12


def test_one_worker_makes_the_same_trials_again(tmp_path):
    once, again = (run_sweep(sweep(), trying(), JournalPlace(path=tmp_path / name), trials=20) for name in "ab")
    assert once == again
    other = run_sweep(sweep(seed=8), trying(), JournalPlace(path=tmp_path / "c"), trials=20)
    assert tried(other)[0] == tried(once)[0]
    assert tried(other)[1:] != tried(once)[1:]


@pytest.mark.parametrize("sampling", Sampling)
def test_a_search_taken_up_again_is_the_one_that_was_not_stopped(tmp_path, sampling):
    whole = run_sweep(sweep(sampling=sampling), trying(), JournalPlace(path=tmp_path / "whole"), trials=18)
    for trials in (1, 12, 5):
        parts = run_sweep(sweep(sampling=sampling), trying(), JournalPlace(path=tmp_path / "parts"), trials=trials)
    assert parts == whole


def test_nothing_that_is_drawn_at_random_depends_on_what_was_earned(tmp_path):
    found = [
        run_sweep(sweep(sampling=Sampling.RANDOM), trying(simulate), JournalPlace(path=tmp_path / str(at)), trials=16)
        for at, simulate in enumerate((Formula(), Upside()))
    ]
    assert tried(found[0]) == tried(found[1])
    assert found[0].best.number != found[1].best.number


class Upside:
    """Earns what the formula loses."""

    def __call__(self, rules) -> list[float]:
        return [-day for day in Formula()(rules)]


def test_a_fold_takes_what_its_train_days_favour_whatever_its_test_days_say(place):
    # from the first test day on the world is upside down: what was best is worst
    turn = SPLIT.folds[0].test.start
    result = run_sweep(
        sweep(split=replace(SPLIT, train=40), space=space(f"{WIDTH}=0.5..2.4")), trying(Turning(turn=50)), place, trials=20
    )
    (fold,) = result.folds
    assert turn < 50 == fold.fold.test.start
    assert float(fold.params[WIDTH]) == pytest.approx(BEST_WIDTH, abs=0.2)
    assert fold.train_bps > 0 > fold.test_bps
    assert result.out_of_sample_bps == result.unseen_bps == fold.test_bps
    assert result.verdict.word == "unproven"


class Turning:
    """The formula until a day, and what it loses from then on."""

    def __init__(self, turn: int) -> None:
        self._turn = turn

    def __call__(self, rules) -> list[float]:
        return [earned if day < self._turn else -earned for day, earned in enumerate(Formula()(rules))]


CHANGES = [
    ("code_version", "1.1", "version"),
    ("tape_digest", "another", "tape"),
    ("setting_digest", "hourly", "setting"),
    ("policy_digest", "another", "policy"),
    ("space", space(f"{WIDTH}=0.5..2.5", f"{COOLDOWN}=600..86400:log"), "space"),
    ("split", Split(days=60, train=20, test=10, embargo=3), "folds"),
    ("capital_quote", 50_000, "capital"),
    ("sampling", Sampling.RANDOM, "sampling"),
    ("seed", 8, "seed"),
]


@pytest.mark.parametrize("ask", [partial(run_sweep, trying=trying(), trials=1), read_sweep])
@pytest.mark.parametrize(("field", "value", "name"), CHANGES)
def test_a_study_of_another_search_is_refused_with_what_differs(place, ask, field, value, name):
    run_sweep(sweep(), trying(), place, trials=1)
    before = place.path.read_bytes()
    with pytest.raises(ConfigError, match=f"its {name} is .* this search has") as caught:
        ask(sweep(**{field: value}), place=place)
    assert len(caught.value.problems) == 2
    assert place.path.read_bytes() == before


def test_a_study_that_another_program_made_is_refused(place):
    import optuna

    place.path.parent.mkdir()
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(place.path)))
    optuna.create_study(storage=storage, study_name="widths").add_trial(optuna.create_trial(value=1.0))
    with pytest.raises(ConfigError, match="not made by keeper sweep"):
        run_sweep(sweep(), trying(), place, trials=1)


def test_what_a_study_says_against_its_finds_is_there_for_whoever_names_it(place):
    result = run_sweep(sweep(), trying(), place, trials=6)
    assert result.overfitting is not None
    found = search_of(resume_any("widths", place, "1.0"))
    assert (found.trials, found.variance) == (result.tried, result.variance)
    assert found.overfitting == result.overfitting.probability


def test_a_study_of_another_version_says_nothing_of_this_one_s_finds(place):
    run_sweep(sweep(), trying(), place, trials=1)
    with pytest.raises(ConfigError, match=r"study widths: was made by version 1\.0, this is 2\.0"):
        resume_any("widths", place, "2.0")
    with pytest.raises(ConfigError, match="study heights: there is none"):
        resume_any("heights", place, "1.0")
    with pytest.raises(ConfigError, match="there is none at this place"):
        resume_any("widths", JournalPlace(path=place.path.with_name("nothing")), "1.0")


def test_two_studies_in_one_journal_leave_each_other_alone(place):
    first = run_sweep(sweep(), trying(), place, trials=4)
    run_sweep(sweep(name="other", seed=3), trying(), place, trials=5)
    assert read_sweep(sweep(), place) == first


def test_to_read_a_study_adds_nothing_and_makes_none(place):
    with pytest.raises(ConfigError, match="there is none"):
        read_sweep(sweep(), place)
    assert not place.path.exists()
    run_sweep(sweep(), trying(), place, trials=2)
    before = place.path.read_bytes()
    assert len(read_sweep(sweep(), place).trials) == 2
    assert place.path.read_bytes() == before
    with pytest.raises(ConfigError, match="there is none"):
        read_sweep(sweep(name="other"), place)


def test_several_workers_make_as_many_trials_as_were_asked_for(place):
    told: list[tuple[int, int]] = []
    result = run_sweep(sweep(), trying(), place, trials=9, workers=2, on_progress=lambda *at: told.append(at))
    assert result.tried == len(result.trials) == 9
    assert [row.unchanged for row in result.trials] == [True] + [False] * 8
    assert told[-1] == (9, 9)
    assert all(one < other for one, other in pairwise(told))


def test_a_killed_worker_loses_its_running_trial_and_that_is_tried_again(place, tmp_path):
    simulate = KilledOnce(marker=tmp_path / "killed")
    result = run_sweep(sweep(), trying(simulate), place, trials=8, workers=2)
    (lost,) = (row for row in result.trials if row.state == "failed")
    (again,) = (row for row in result.trials if row.retry_of is not None)
    assert lost.reason == "its worker ended before it did"
    assert again.retry_of == lost.number
    assert again.params == lost.params
    assert again.unchanged == lost.unchanged
    assert {row.state for row in result.trials} <= {"complete", "pruned", "failed"}
    assert result.tried == 8 + 1


def test_what_kills_every_worker_is_told_and_tried_again_only_once(place):
    for _ in range(2):
        with pytest.raises(Transient, match="every worker died at its first trial"):
            run_sweep(sweep(), trying(Deadly()), place, trials=4, workers=2)
    result = run_sweep(sweep(), trying(), place, trials=2)
    assert len({row.retry_of for row in result.trials} - {None}) == sum(row.retry_of is not None for row in result.trials)
    retried = {row.number for row in result.trials if row.retry_of is not None}
    assert not retried & {row.retry_of for row in result.trials}
    assert {row.state for row in result.trials} <= {"complete", "pruned", "failed"}


def searching(place: JournalPlace, trials: int, takes_s: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.sweep.cheap", str(place.path), str(trials), str(takes_s)])


def until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.02)


def suggestions(place: JournalPlace) -> int:
    return place.path.read_bytes().count(b"param_name") if place.path.exists() else 0


def test_a_search_killed_from_outside_goes_on_where_it_was(place):
    process = searching(place, trials=50, takes_s=0.3)
    try:
        until(lambda: suggestions(place) >= 6)
    finally:
        process.kill()
        process.wait()
    result = run_sweep(sweep(), trying(), place, trials=3)
    failed = [row for row in result.trials if row.state == "failed"]
    assert len(failed) <= 1
    assert [row.retry_of for row in result.trials if row.retry_of is not None] == [row.number for row in failed]
    assert sum(row.state == "complete" for row in result.trials) >= 2
    assert not any(row.state in {"running", "waiting"} for row in result.trials)


def test_a_search_stopped_by_hand_tries_again_what_it_was_at(place):
    process = searching(place, trials=50, takes_s=0.5)
    try:
        until(lambda: suggestions(place) >= 4)
        process.send_signal(signal.SIGINT)
        assert process.wait() != 0
    finally:
        process.kill()
        process.wait()
    result = run_sweep(sweep(), trying(), place, trials=1)
    for row in result.trials:
        assert row.state != "failed" or row.number in {other.retry_of for other in result.trials}


def test_trials_of_a_search_that_still_works_are_left_alone(place):
    process = searching(place, trials=1, takes_s=60)
    try:
        until(lambda: suggestions(place) >= 2)
        result = run_sweep(sweep(), trying(), place, trials=2)
        assert next(row.state for row in result.trials) == "running"
        assert result.tried == 3
    finally:
        process.kill()
        process.wait()


def test_a_line_that_a_killed_writer_tore_is_cut_off(place):
    before = run_sweep(sweep(), trying(), place, trials=3)
    whole = place.path.read_bytes()
    place.path.write_bytes(whole + b'{"op_code":6,"worker_id":"x","trial')
    assert read_sweep(sweep(), place) == before
    after = run_sweep(sweep(), trying(), place, trials=2)
    assert after.trials[:3] == before.trials
    assert place.path.read_bytes().startswith(whole + b"{")
    assert all(json.loads(line) for line in place.path.read_bytes().splitlines())


@pytest.mark.parametrize("content", [b"\x00\xff not a journal\nat all\n", b'{"some":"json"}\n{"more":1}\n', b"[]\n[]\n"])
def test_a_file_that_is_no_journal_is_refused_untouched(place, content):
    place.path.parent.mkdir()
    place.path.write_bytes(content)
    with pytest.raises(ConfigError, match="not the journal of a study"):
        run_sweep(sweep(), trying(), place, trials=1)
    assert place.path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be read and written"):
        run_sweep(sweep(), trying(), JournalPlace(path=tmp_path / "file" / "study"), trials=1)
    with pytest.raises(ConfigError, match=r"postgresql://\.\.\., not at mysql"):
        place_of("mysql://user:secret@host/db")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_of_the_wrong_length_ends_the_search(place, workers):
    with pytest.raises(ConfigError, match="tells 59 whole days where the folds divide 60"):
        run_sweep(sweep(), trying(Formula(days=59)), place, trials=4, workers=workers)


def test_a_run_that_tells_no_number_fails_its_trial(place):
    with pytest.raises(ConfigError, match="no trial of 2 has come to its end\na day's PnL is not finite"):
        run_sweep(sweep(), trying(Nowhere()), place, trials=2)


class Nowhere:
    """Divides nothing by nothing."""

    def __call__(self, rules) -> Sequence[float]:
        del rules
        return [float("nan")] * SPLIT.days


@pytest.mark.parametrize("counts", [{"trials": 0}, {"trials": 1, "workers": 0}])
def test_unusable_numbers_are_refused(place, counts):
    with pytest.raises(ValueError, match="at least 1"):
        run_sweep(sweep(), trying(), place, **counts)


def test_days_that_give_no_fold_are_refused():
    with pytest.raises(ValueError, match=r"30 days do not suffice .* take 32"):
        Split(days=30, train=20, test=10, embargo=2)


def test_a_varied_setting_without_a_value_now_is_refused():
    with pytest.raises(ValueError, match=COOLDOWN):
        sweep(current={WIDTH: "1.25"})


def test_the_kernel_knows_who_works(place):
    from keeper.simulation.sweep_store import alone

    place.path.parent.mkdir()
    with working(place), alone(place) as sure:
        assert not sure
    with alone(place) as sure:
        assert sure
    assert Path(f"{place.path}.workers").exists()

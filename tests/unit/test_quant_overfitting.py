from __future__ import annotations

from itertools import combinations, pairwise, starmap
from statistics import mean, pstdev

import numpy as np
import pytest

from keeper.core.quant.overfitting import MOST_BLOCKS, backtest_overfitting


def noise(trials: int, periods: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((trials, periods))


def test_the_best_of_pure_noise_is_no_better_than_another_afterwards():
    found = [backtest_overfitting(noise(20, 240, seed).tolist(), blocks=8).probability for seed in range(40)]
    # one study is a coarse measure: so is told by the spread over forty
    assert mean(found) == pytest.approx(0.5, abs=4 * pstdev(found) / 40**0.5)
    assert pstdev(found) < 0.3


def test_one_truly_better_trial_is_found_and_stays_better():
    returns = noise(20, 800, 1)
    returns[7] += 0.5
    found = backtest_overfitting(returns.tolist())
    assert found.probability < 0.001
    assert found.loss_probability < 0.001
    assert found.splits == 12_870


def test_what_wins_one_half_by_construction_loses_the_other():
    # each trial's blocks cancel: what one half gained is what the other half lost
    levels = noise(20, MOST_BLOCKS, 2)
    levels -= levels.mean(axis=1, keepdims=True)
    returns = np.repeat(levels, 20, axis=1) + 0.01 * noise(20, 20 * MOST_BLOCKS, 3)
    found = backtest_overfitting(returns.tolist())
    assert found.probability > 0.98
    assert found.loss_probability > 0.98


def test_it_is_what_the_paper_says_step_by_step():
    returns, blocks = noise(5, 47, 4), 6
    edges = [47 * at // blocks for at in range(blocks + 1)]
    parts = list(starmap(slice, pairwise(edges)))
    worse = lost = 0
    for chosen in combinations(range(blocks), blocks // 2):
        seen = np.concatenate([returns[:, parts[at]] for at in chosen], axis=1)
        unseen = np.concatenate([returns[:, parts[at]] for at in range(blocks) if at not in chosen], axis=1)
        best = int(np.argmax(seen.mean(axis=1) / seen.std(axis=1)))
        there = unseen.mean(axis=1) / unseen.std(axis=1)
        rank = int((there <= there[best]).sum())
        worse += np.log(rank / 6 / (1 - rank / 6)) <= 0
        lost += there[best] < 0
    found = backtest_overfitting(returns.tolist(), blocks=blocks)
    assert found.splits == 20
    assert (found.probability, found.loss_probability) == (worse / 20, lost / 20)


def test_a_trial_that_did_nothing_is_a_trial():
    returns = noise(3, 64, 5) + 1.0
    found = backtest_overfitting([*returns.tolist(), [0.0] * 64], blocks=4)
    assert found.loss_probability == 0
    assert backtest_overfitting([[0.0] * 64, (-returns[0]).tolist()], blocks=4).probability == 0


def test_trials_that_are_all_the_same_show_no_merit():
    same = noise(1, 64, 6).tolist() * 4
    assert backtest_overfitting(same, blocks=4).probability == 1


@pytest.mark.parametrize(
    ("trials", "blocks", "says"),
    [
        ([[0.0] * 40], 4, "two trials"),
        ([[0.0] * 40, [0.0] * 41], 4, "same periods, not 40 to 41"),
        ([[0.0] * 40, [float("nan")] * 40], 4, "finite"),
        ([[0.0] * 40] * 2, 5, "even"),
        ([[0.0] * 40] * 2, 2, "even, 4"),
        ([[0.0] * 40] * 2, 18, "to 16"),
        ([[0.0] * 7] * 2, 4, "two periods each"),
    ],
)
def test_unusable_input_is_refused(trials, blocks, says):
    with pytest.raises(ValueError, match=says):
        backtest_overfitting(trials, blocks=blocks)

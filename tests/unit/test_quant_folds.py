from __future__ import annotations

import pytest

from keeper.core.quant.folds import Fold, walk_forward


def test_folds_end_with_the_data_and_leave_the_oldest_days_out():
    assert walk_forward(days=20, train=8, test=4, embargo=3) == (
        Fold(train=range(1, 9), test=range(12, 16)),
        Fold(train=range(5, 13), test=range(16, 20)),
    )


def test_half_a_year_to_learn_a_month_to_show():
    found = walk_forward(days=731, train=180, test=30, embargo=7)
    assert len(found) == 18
    assert found[-1].test == range(701, 731)


@pytest.mark.parametrize(("days", "folds"), [(0, 0), (14, 0), (15, 1), (18, 1), (19, 2)])
def test_a_fold_needs_all_of_its_days(days, folds):
    assert len(walk_forward(days=days, train=8, test=4, embargo=3)) == folds


@pytest.mark.parametrize(
    "lengths",
    [
        {"days": -1, "train": 1, "test": 1, "embargo": 0},
        {"days": 9, "train": 0, "test": 1, "embargo": 0},
        {"days": 9, "train": 1, "test": 0, "embargo": 0},
        {"days": 9, "train": 1, "test": 1, "embargo": -1},
    ],
)
def test_unusable_lengths_are_refused(lengths):
    with pytest.raises(ValueError, match="at least"):
        walk_forward(**lengths)

from __future__ import annotations

import math
from datetime import date

import pytest

from keeper.core.quant.cash_flows import CashFlow, money_weighted_rates


def flows(*pairs: tuple[str, float]) -> list[CashFlow]:
    return [CashFlow(day=date.fromisoformat(day), amount=amount) for day, amount in pairs]


def test_a_year_that_added_a_tenth_earned_a_tenth():
    assert money_weighted_rates(flows(("2025-01-01", -100.0), ("2026-01-01", 110.0))) == pytest.approx((0.1,))


def test_the_order_in_which_flows_are_told_does_not_matter():
    told = flows(("2025-01-01", -100.0), ("2025-05-01", -50.0), ("2026-01-01", 170.0))
    assert money_weighted_rates(told[::-1]) == money_weighted_rates(told)


@pytest.mark.parametrize("amounts", [(), (-1.0,), (-1.0, -2.0), (1.0, 2.0), (0.0, 0.0)])
def test_without_a_change_of_sign_there_is_no_rate(amounts):
    assert money_weighted_rates([CashFlow(day=date(2025, 1, 1 + at), amount=a) for at, a in enumerate(amounts)]) == ()


def test_where_several_rates_fit_all_are_told():
    # (1 + r) = 1.1, 1.25 and 2: the flows are the polynomial with these roots
    found = money_weighted_rates(
        flows(("2021-01-01", -1.0), ("2022-01-01", 4.35), ("2023-01-01", -6.075), ("2024-01-01", 2.75))
    )
    assert found == pytest.approx((0.1, 0.25, 1.0), abs=1e-9)


def test_two_changes_of_sign_may_still_leave_no_rate():
    assert money_weighted_rates(flows(("2025-01-01", 1.0), ("2026-01-01", -1.0), ("2027-01-01", 1.0))) == ()


def test_more_changes_of_sign_with_one_rate_give_that_rate():
    told = flows(("2021-01-01", -100.0), ("2022-01-01", 50.0), ("2023-01-01", -10.0), ("2024-01-01", 90.0))
    (found,) = money_weighted_rates(told)
    assert math.fsum(f.amount * (1 + found) ** (-(f.day - told[0].day).days / 365) for f in told) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("left", [1.0, 19_000.0])
def test_a_day_that_stands_for_no_year_has_no_rate(left):
    assert money_weighted_rates(flows(("2025-01-01", -10_000.0), ("2025-01-02", left))) == ()


def test_an_amount_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="amount"):
        CashFlow(day=date(2025, 1, 1), amount=math.nan)

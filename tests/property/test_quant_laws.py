"""What must hold of every estimator and indicator, whatever the series."""

from __future__ import annotations

import itertools
import math
from statistics import median

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from keeper.core.quant.accumulation import AccumulationDistribution, accumulation_distribution, advance_decline, money_flow
from keeper.core.quant.fusion import Term, influence_bound, stress_score, variance_multiplier
from keeper.core.quant.garch import GarchModel, filtered, horizon_sum, next_variance
from keeper.core.quant.har import fit_har, forecast
from keeper.core.quant.markets import capped_weights, effective_rate, quick_ratio, utilisation
from keeper.core.quant.oscillators import Macd, Rsi, macd, rsi
from keeper.core.quant.robust import RollingMedian, robust_z
from keeper.core.quant.scores import mean_interval, qlike
from keeper.core.quant.volatility import (
    Bar,
    bipower,
    close_to_close,
    ewma,
    ewma_next,
    garman_klass,
    garman_klass_full,
    garman_klass_full_term,
    garman_klass_term,
    jump,
    parkinson,
    parkinson_term,
    rogers_satchell,
    rogers_satchell_term,
    sample_variance,
    yang_zhang,
)

logs = st.floats(-30, 30)  # prices of 1e-13 to 1e13
moves = st.floats(-1, 1)
units = st.floats(-20, 20)
zs = st.one_of(st.none(), st.floats(-1e6, 1e6))
terms_lists = st.lists(st.builds(Term, weight=st.floats(0, 1), z=zs), min_size=1, max_size=10)
OF_BARS = (parkinson, garman_klass, garman_klass_full, rogers_satchell, yang_zhang)
TERMS = (parkinson_term, garman_klass_term, garman_klass_full_term, rogers_satchell_term)
OF_RETURNS = (close_to_close, sample_variance, bipower)


@st.composite
def bars_lists(draw):
    made, price = [], draw(logs)
    for _ in range(draw(st.integers(3, 12))):
        opened = price + draw(st.floats(-0.1, 0.1))
        close = opened + draw(moves)
        above, below = draw(st.floats(0, 1)), draw(st.floats(0, 1))
        made.append(Bar(open=opened, high=max(opened, close) + above, low=min(opened, close) - below, close=close))
        price = close
    return made


def shifted(bar, by):
    return Bar(open=bar.open + by, high=bar.high + by, low=bar.low + by, close=bar.close + by)


def inverted(bar):
    return Bar(open=-bar.open, high=-bar.low, low=-bar.high, close=-bar.close)


# ---- variance


@pytest.mark.parametrize("estimator", OF_BARS)
@given(bars_lists(), units)
def test_variance_of_bars_does_not_know_the_unit_of_the_price(estimator, bars, unit):
    assert estimator([shifted(bar, unit) for bar in bars]) == pytest.approx(estimator(bars), abs=1e-12)


@pytest.mark.parametrize("estimator", OF_BARS)
@given(bars_lists())
def test_variance_of_bars_does_not_know_the_order_of_the_tokens(estimator, bars):
    assert estimator([inverted(bar) for bar in bars]) == pytest.approx(estimator(bars), abs=1e-12)


@pytest.mark.parametrize("estimator", OF_RETURNS)
@given(st.lists(moves, min_size=2, max_size=40))
def test_variance_of_returns_does_not_know_the_order_of_the_tokens(estimator, returns):
    assert estimator([-r for r in returns]) == pytest.approx(estimator(returns), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("estimator", OF_BARS)
@given(bars_lists(), st.floats(0.1, 10))
def test_variance_grows_with_the_square_of_the_moves(estimator, bars, factor):
    scaled = [Bar(open=b.open * factor, high=b.high * factor, low=b.low * factor, close=b.close * factor) for b in bars]
    assert estimator(scaled) == pytest.approx(estimator(bars) * factor**2, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("term", TERMS)
@given(bars_lists())
def test_no_bar_has_a_negative_term(term, bars):
    assert all(term(bar) >= 0 for bar in bars)


@pytest.mark.parametrize("estimator", [*OF_BARS, *OF_RETURNS])
def test_a_price_that_stands_has_no_variance(estimator):
    still = [Bar(open=7.0, high=7.0, low=7.0, close=7.0)] * 5 if estimator in OF_BARS else [0.0] * 5
    assert estimator(still) == 0


@pytest.mark.parametrize("estimator", OF_BARS)
def test_every_estimator_finds_the_variance_of_a_finely_seen_walk(estimator):
    steps = np.random.default_rng(1).standard_normal((3_000, 500)) / math.sqrt(500)
    prices = np.concatenate(([0.0], np.cumsum(steps)))
    made = []
    for start in range(0, 3_000 * 500, 500):
        seen = prices[start : start + 501]
        made.append(Bar(open=float(seen[0]), high=float(seen.max()), low=float(seen.min()), close=float(seen[-1])))
    # the grid of 500 steps hides some of the range: about a tenth of the variance
    assert estimator(made) == pytest.approx(1.0, abs=0.12)


def test_drift_fools_parkinson_and_not_rogers_and_satchell():
    steps = np.random.default_rng(2).standard_normal((3_000, 500)) / math.sqrt(500) + 2 / 500
    made = [
        Bar(open=0.0, high=max(float(path.max()), 0.0), low=min(float(path.min()), 0.0), close=float(path[-1]))
        for path in np.cumsum(steps, axis=1)
    ]
    assert rogers_satchell(made) == pytest.approx(1.0, abs=0.16)
    assert parkinson(made) > 1.5


@given(st.lists(moves, min_size=1, max_size=40), st.floats(0, 0.99), st.floats(0, 1))
def test_a_running_average_of_squares_is_that_of_the_whole_list(returns, decay, seed):
    variance = seed
    for r in returns:
        variance = ewma_next(variance, r, decay)
    assert variance == ewma(returns, decay, seed=seed)


@given(st.integers(20, 200), st.floats(0.05, 1.0))
def test_a_jump_is_seen_by_realised_variance_and_missed_by_its_continuous_part(count, size):
    returns = [0.001 * (-1) ** at for at in range(count)]
    returns[count // 2] = size
    realised = close_to_close(returns) * count
    # both neighbours of the jump still carry one product with it
    assert jump(realised, bipower(returns)) == pytest.approx(size**2, rel=0.2)


@given(st.floats(1e-9, 1), st.floats(0, 0.5), st.floats(0, 0.49), st.lists(moves, min_size=1, max_size=30))
def test_filtering_one_return_at_a_time_is_filtering_them_all(omega, alpha, beta, returns):
    model = GarchModel(omega=omega, alpha=alpha, beta=beta)
    all_at_once = filtered(returns, model)
    variance = all_at_once[0]
    for r, expected in zip(returns, all_at_once[1:], strict=True):
        variance = next_variance(model, variance, r)
        assert variance == expected >= omega


@given(st.floats(1e-9, 1), st.floats(0, 0.5), st.floats(0, 0.49), st.floats(0, 10), st.integers(1, 300))
def test_a_longer_horizon_adds_a_variance_between_the_start_and_the_mean(omega, alpha, beta, variance, steps):
    model = GarchModel(omega=omega, alpha=alpha, beta=beta)
    added = horizon_sum(model, variance, steps + 1) - horizon_sum(model, variance, steps)
    slack = 1e-9 * (1 + steps * (variance + model.mean_variance))
    assert min(variance, model.mean_variance) - slack <= added <= max(variance, model.mean_variance) + slack


@given(st.lists(st.floats(1e-6, 1e-1), min_size=100, max_size=140), st.floats(-12, 12))
def test_a_forecast_scales_with_the_variance(days, exponent):
    unit = 10**exponent
    scaled = [unit * day for day in days]
    assert forecast(fit_har(scaled), scaled) == pytest.approx(unit * forecast(fit_har(days), days), rel=1e-6)


@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9), st.floats(1e-3, 1e3))
def test_the_loss_is_never_negative_and_knows_no_unit(realised, expected, unit):
    assert qlike(realised, expected) >= 0
    assert qlike(unit * realised, unit * expected) == pytest.approx(qlike(realised, expected), rel=1e-9, abs=1e-12)


@given(st.lists(moves, min_size=2, max_size=30), st.integers(0, 2**32), st.data())
def test_an_interval_lies_within_the_values(values, seed, data):
    block = data.draw(st.integers(1, len(values)))
    found = mean_interval(values, block=block, seed=seed, resamples=100)
    assert min(values) - 1e-12 <= found.lower <= found.upper <= max(values) + 1e-12


# ---- oscillators


@given(st.lists(logs, min_size=16, max_size=60))
def test_rsi_of_the_inverse_price_is_its_complement(prices):
    for direct, swapped in zip(rsi(prices), rsi([-x for x in prices]), strict=True):
        assert (direct is None) == (swapped is None)
        if direct is not None:
            assert 0 <= direct <= 100
            assert swapped == pytest.approx(100 - direct, abs=1e-9)


@given(st.lists(st.floats(1e-3, 1e3), min_size=16, max_size=60), st.integers(-40, 40))
def test_rsi_does_not_know_the_unit_of_the_price(prices, exponent):
    assert rsi([math.ldexp(x, exponent) for x in prices]) == rsi(prices)


@given(st.lists(logs, min_size=1, max_size=60))
def test_macd_of_the_inverse_price_has_the_other_sign(prices):
    for direct, swapped in zip(macd(prices), macd([-x for x in prices]), strict=True):
        assert (swapped.line, swapped.signal) == (-direct.line, -direct.signal)


@given(st.lists(logs, min_size=1, max_size=60), units)
def test_macd_of_a_log_price_does_not_know_its_unit(prices, unit):
    for direct, moved in zip(macd(prices), macd([x + unit for x in prices]), strict=True):
        assert (moved.line, moved.signal) == pytest.approx((direct.line, direct.signal), abs=1e-9)


@given(st.lists(logs, min_size=2, max_size=60), st.data())
def test_what_comes_later_changes_no_earlier_value(prices, data):
    cut = data.draw(st.integers(1, len(prices) - 1))
    assert rsi(prices)[:cut] == rsi(prices[:cut])
    assert macd(prices)[:cut] == macd(prices[:cut])


@given(st.lists(logs, min_size=1, max_size=60))
def test_oscillators_one_at_a_time_are_those_of_the_whole_list(prices):
    strength, convergence = Rsi(), Macd()
    for x, expected, point in zip(prices, rsi(prices), macd(prices), strict=True):
        assert strength.update(x) == strength.value == expected
        assert convergence.update(x) == convergence.point == point


@given(st.lists(st.floats(1e-6, 1e6), min_size=15, max_size=60))
def test_rsi_is_what_wilder_wrote_down(prices):
    changes = [b - a for a, b in itertools.pairwise(prices)]
    gain = sum(max(c, 0.0) for c in changes[:14]) / 14
    loss = sum(max(-c, 0.0) for c in changes[:14]) / 14
    for change in changes[14:]:
        gain, loss = (13 * gain + max(change, 0.0)) / 14, (13 * loss + max(-change, 0.0)) / 14
    assume(gain + loss > 0)
    expected = 100.0 if loss == 0 else 100 - 100 / (1 + gain / loss)
    assert rsi(prices)[-1] == pytest.approx(expected, abs=1e-9)


# ---- accumulation and breadth


@given(bars_lists(), st.lists(st.floats(0, 1e9), min_size=12, max_size=12))
def test_accumulation_turns_its_sign_when_the_tokens_are_swapped(bars, volumes):
    turned = [inverted(bar) for bar in bars]
    direct, swapped = (
        accumulation_distribution(
            highs=[b.high for b in made],
            lows=[b.low for b in made],
            closes=[b.close for b in made],
            volumes=volumes[: len(made)],
        )
        for made in (bars, turned)
    )
    assert swapped == pytest.approx([-total for total in direct], abs=1e-3)
    line = AccumulationDistribution()
    for bar, volume, expected in zip(bars, volumes, direct, strict=False):
        assert line.update(high=bar.high, low=bar.low, close=bar.close, volume=volume) == expected


@given(bars_lists(), st.floats(0, 1e12))
def test_no_bar_adds_more_than_its_volume(bars, volume):
    for bar in bars:
        assert abs(money_flow(high=bar.high, low=bar.low, close=bar.close, volume=volume)) <= volume * (1 + 1e-9)


@given(st.lists(moves, max_size=30), st.floats(0, 0.5))
def test_breadth_is_bounded_and_turns_with_the_numeraire(changes, still):
    found = advance_decline(changes, still=still)
    assert -1 <= found <= 1
    assert advance_decline([-change for change in changes], still=still) == -found


# ---- robust scores


@given(st.integers(1, 15), st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60))
@example(4, [0.0, 0.0, 0.0, 5.0, 5.0, -5.0, 1e9, 0.0])
def test_a_rolling_median_is_the_median_of_the_last_values(size, values):
    window = RollingMedian(size)
    for at, value in enumerate(values):
        window.push(value)
        held = values[max(0, at + 1 - size) : at + 1]
        centre = median(held)
        assert len(window) == len(held)
        assert window.median == centre
        assert window.mad == median(abs(x - centre) for x in held)


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_a_z_is_clipped_turns_with_its_value_and_keeps_the_sign(value, centre, mad):
    found = robust_z(value, centre, mad)
    assert -3 <= found <= 3
    assert robust_z(-value, -centre, mad) == -found
    assert found * (value - centre) >= 0


# ---- fusion


@given(terms_lists)
def test_the_score_is_bounded_and_turns_with_its_terms(terms):
    found = stress_score(terms)
    assert 0 <= found.available <= 1
    if found.value is not None:
        assert abs(found.value) <= math.tanh(1.5) * (1 + 1e-12)
        turned = [Term(weight=term.weight, z=None if term.z is None else -term.z) for term in terms]
        assert stress_score(turned).value == pytest.approx(-found.value, abs=1e-12)


@given(terms_lists, st.floats(0.01, 1), zs, zs)
def test_one_term_moves_the_score_by_no_more_than_its_bound(others, weight, before, after):
    assume(before is not None or after is not None)
    first, second = (stress_score([*others, Term(weight=weight, z=z)]) for z in (before, after))
    assume(first.value is not None and second.value is not None)
    heard = math.fsum(term.weight for term in others if term.z is not None) + weight
    assert abs(first.value - second.value) <= influence_bound(weight, heard) * (1 + 1e-9) + 1e-12


@given(terms_lists, st.floats(0.1, 1), st.floats(-5, 5), st.floats(0, 5))
def test_more_stress_in_one_signal_never_lowers_the_score(others, weight, z, more):
    low, high = (stress_score([*others, Term(weight=weight, z=value)]).value for value in (z, z + more))
    assert low <= high + 1e-12


@given(terms_lists, st.floats(0.001, 1000))
def test_the_score_does_not_know_the_unit_of_the_weights(terms, unit):
    assume(all(term.weight == 0 or term.weight > 1e-300 for term in terms))
    plain = stress_score(terms)
    scaled = stress_score([Term(weight=term.weight * unit, z=term.z) for term in terms])
    assert (scaled.value, scaled.available) == (
        None if plain.value is None else pytest.approx(plain.value, abs=1e-12),
        pytest.approx(plain.available, abs=1e-12),
    )


@given(st.floats(1, 1e7), st.floats(0, 1e8), st.floats(1, 100))
def test_an_event_multiplies_variance_by_one_to_kappa(horizon_s, event_s, kappa):
    assert 1 <= variance_multiplier(horizon_s=horizon_s, event_s=event_s, kappa=kappa) <= kappa * (1 + 1e-12)


# ---- markets


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=8), st.data())
def test_inverting_every_price_inverts_the_rate(relatives, data):
    raw = data.draw(st.lists(st.floats(0.01, 1), min_size=len(relatives), max_size=len(relatives)))
    weights = capped_weights(raw, 1.0)
    found = effective_rate(relatives, weights)
    assert effective_rate([1 / relative for relative in relatives], weights) == pytest.approx(1 / found, rel=1e-9)
    assert min(relatives) * (1 - 1e-9) <= found <= max(relatives) * (1 + 1e-9)


@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=12), st.floats(0, 1))
def test_capped_weights_are_whole_and_none_exceeds_the_cap(raw, position):
    assume(max(raw) > 0)
    cap = min(1 / len(raw) + position * (1 - 1 / len(raw)), 1.0)
    found = capped_weights(raw, cap)
    assert math.fsum(found) == pytest.approx(1, abs=1e-9)
    assert all(0 <= weight <= cap * (1 + 1e-9) for weight in found)
    for one, other in itertools.combinations(range(len(raw)), 2):
        if raw[one] > raw[other]:
            assert found[one] >= found[other] * (1 - 1e-9)


@given(st.floats(1e-6, 1e12), st.floats(1e-6, 1e12))
def test_quick_ratio_is_the_unused_over_the_used(available, debt):
    used = utilisation(available=available, debt=debt)
    assert quick_ratio(available=available, debt=debt) == pytest.approx(min((1 - used) / used, 10.0), rel=1e-6, abs=1e-9)

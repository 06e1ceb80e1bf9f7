from __future__ import annotations

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest

from keeper.core.quant.garch import LEAST_RETURNS, GarchModel, filtered, fit_garch, horizon_sum, next_variance

MODEL = GarchModel(omega=1e-6, alpha=0.08, beta=0.9, nu=6.0)


def simulated(model, count, seed):
    draw = np.random.default_rng(seed)
    variance, returns = model.mean_variance, []
    for shock in draw.standard_t(model.nu, count) * math.sqrt((model.nu - 2) / model.nu):
        returns.append(math.sqrt(variance) * float(shock))
        variance = next_variance(model, variance, returns[-1])
    return returns


RETURNS = simulated(MODEL, 3_000, 3)


def test_filter_and_forecast_are_those_of_arch():
    from arch import arch_model

    scaled = [100 * r for r in RETURNS]
    theirs = arch_model(np.array(scaled), mean="Zero", vol="GARCH", dist="t", rescale=False).fix([1e-2, 0.08, 0.9, 6.0])
    model = GarchModel(omega=1e-2, alpha=0.08, beta=0.9, nu=6.0)
    ours = filtered(scaled, model, seed=float(theirs.conditional_volatility[0] ** 2))
    assert ours[:-1] == pytest.approx((theirs.conditional_volatility**2).tolist(), rel=1e-10)
    ahead = theirs.forecast(horizon=24, reindex=False).variance.to_numpy()[-1]
    assert ours[-1] == pytest.approx(float(ahead[0]), rel=1e-10)
    assert horizon_sum(model, ours[-1], 24) == pytest.approx(float(ahead.sum()), rel=1e-10)


def test_the_fit_is_that_of_arch_on_returns_in_percent():
    from arch import arch_model

    theirs = arch_model(100 * np.array(RETURNS), mean="Zero", vol="GARCH", dist="t").fit(disp="off").params
    found = fit_garch(RETURNS)
    assert (found.alpha, found.beta, found.nu) == pytest.approx((theirs["alpha[1]"], theirs["beta[1]"], theirs["nu"]), rel=1e-2)
    assert found.omega == pytest.approx(theirs["omega"] / 100**2, rel=2e-2)


def test_the_fit_finds_the_model_that_made_the_returns():
    found = fit_garch(RETURNS)
    assert found.alpha == pytest.approx(0.08, abs=0.03)
    assert found.beta == pytest.approx(0.9, abs=0.04)
    assert found.nu == pytest.approx(6, abs=2)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_fit_is_the_same_in_every_unit(unit):
    found, plain = fit_garch([unit * r for r in RETURNS]), fit_garch(RETURNS)
    assert (found.alpha, found.beta, found.nu) == pytest.approx((plain.alpha, plain.beta, plain.nu), rel=1e-3)
    assert found.omega == pytest.approx(plain.omega * unit**2, rel=1e-3)


def test_the_same_returns_give_the_same_model():
    assert fit_garch(RETURNS) == fit_garch(list(RETURNS))


def test_too_few_returns_and_returns_that_never_moved_give_no_model():
    assert fit_garch(RETURNS[: LEAST_RETURNS - 1]) is None
    assert fit_garch(RETURNS[:LEAST_RETURNS]) is not None
    assert fit_garch([0.0] * LEAST_RETURNS) is None


def test_variance_that_does_not_come_back_gives_no_model():
    draw = np.random.default_rng(5)
    wandering = np.exp(np.cumsum(draw.standard_normal(1_500) * 0.2)) * draw.standard_normal(1_500)
    assert fit_garch(wandering.tolist()) is None


def test_a_search_that_does_not_converge_gives_no_model(monkeypatch):
    from arch.univariate.base import ARCHModelResult

    assert fit_garch(RETURNS) is not None
    monkeypatch.setattr(ARCHModelResult, "convergence_flag", property(lambda _: 9))
    assert fit_garch(RETURNS) is None


def test_strange_returns_give_no_warning_and_no_error():
    draw = np.random.default_rng(3)
    strange = {
        "alternating": [0.01 * (-1) ** at for at in range(600)],
        "one move": [0.0] * 599 + [0.01],
        "mostly still": np.where(draw.random(800) < 0.05, draw.standard_normal(800) * 0.01, 0.0).tolist(),
        "wild": draw.standard_cauchy(600).tolist(),
        "growing": [1.02**at * float(shock) for at, shock in enumerate(draw.standard_normal(600))],
    }
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = {name: fit_garch(returns) for name, returns in strange.items()}
    assert not seen
    assert all(model is None or model.persistence < 1 for model in found.values())


def test_the_fit_loads_its_package_only_when_it_is_asked_for_one():
    lazy = "import sys, keeper.core.quant.garch; sys.exit('arch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", lazy], check=False).returncode == 0


def test_variance_comes_back_to_its_mean():
    assert horizon_sum(MODEL, MODEL.mean_variance, 100) == pytest.approx(100 * MODEL.mean_variance, rel=1e-12)
    far = horizon_sum(MODEL, 50 * MODEL.mean_variance, 100_000) / 100_000
    assert far == pytest.approx(MODEL.mean_variance, rel=0.03)


def test_the_sum_over_a_horizon_is_that_of_its_steps():
    variance, total = 7e-4, 0.0
    for _ in range(24):
        total += variance
        variance = next_variance(MODEL, variance, math.sqrt(variance))  # the square that is expected
    assert horizon_sum(MODEL, 7e-4, 24) == pytest.approx(total, rel=1e-12)
    assert horizon_sum(MODEL, 7e-4, 1) == pytest.approx(7e-4, rel=1e-12)


def test_the_filter_starts_at_its_seed_and_forgets_it():
    found = [filtered(RETURNS, MODEL, seed=seed) for seed in (1e-6, 1e-2)]
    assert (found[0][0], found[1][0]) == (1e-6, 1e-2)
    assert len(found[0]) == len(RETURNS) + 1
    assert found[0][-1] == pytest.approx(found[1][-1], rel=1e-12)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: GarchModel(omega=0.0, alpha=0.1, beta=0.8), "omega"),
        (lambda: GarchModel(omega=1.0, alpha=-0.1, beta=0.8), "alpha"),
        (lambda: GarchModel(omega=1.0, alpha=0.2, beta=0.8), "below 1"),
        (lambda: GarchModel(omega=1.0, alpha=0.1, beta=0.8, nu=2.0), "nu"),
        (lambda: GarchModel(omega=1.0, alpha=0.1, beta=0.8, nu=math.nan), "nu"),
        (lambda: filtered([], MODEL), "one return"),
        (lambda: filtered([math.nan], MODEL), "finite"),
        (lambda: filtered([0.1], MODEL, seed=-1.0), "seed"),
        (lambda: horizon_sum(MODEL, -1.0, 1), "variance"),
        (lambda: horizon_sum(MODEL, 1.0, 0), "steps"),
        (lambda: fit_garch([math.inf]), "finite"),
    ],
)
def test_unusable_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()

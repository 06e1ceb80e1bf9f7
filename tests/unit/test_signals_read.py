from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.model.ladder import LayerKind
from keeper.core.model.pool import FeeGrowthSample, PriceHistory
from keeper.core.model.view import Quality, find_reading
from keeper.core.signals import names, read
from keeper.core.signals.registry import FUSIONS, SIGNALS
from keeper.core.strategy.valuation import protected_price
from tests.builders import (
    BLOCK,
    NOW_S,
    TICK,
    USDC_WETH_500,
    USDT,
    WETH,
    WETH_USDT_500,
    history,
    memory,
    policy,
    pool_state,
    pool_view,
    reading,
    view,
)

VOLATILITIES = (names.VOLATILITY_EWMA, names.VOLATILITY_GK, names.VOLATILITY_TSRV)
BUSY = replace(policy().signals, bar_s=3 * 3_600)
"""Bars long enough for the thirty swaps that Garman-Klass wants."""


def value(readings, name):
    return find_reading(readings, name).value


def test_every_registered_name_is_read_under_that_name():
    readings = read(view(remembered=memory()), history(), policy())
    assert [r.name for r in readings] == [*SIGNALS, *FUSIONS]
    assert len({r.name for r in readings}) == len(readings)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 3), st.sampled_from([0.3, 0.6, 1.5]))
def test_every_estimator_finds_the_volatility_of_the_walk(seed, volatility):
    readings = read(view(), history(hours=48.0, volatility=volatility, every_blocks=2, seed=seed), policy())
    for name in (*VOLATILITIES, names.VOLATILITY_FORECAST):
        assert value(readings, name) == pytest.approx(volatility, rel=0.3)


def test_price_noise_of_single_blocks_does_not_reach_the_two_scale_estimate():
    clean = history(hours=48.0, every_blocks=1)
    noisy = replace(
        clean,
        rows=tuple(
            replace(row, sqrt_price_x96=int(row.sqrt_price_x96 * (1 + (0.0002 if n % 2 else -0.0002))))
            for n, row in enumerate(clean.rows[:-1])
        )
        + clean.rows[-1:],
    )
    found = value(read(view(), noisy, policy()), names.VOLATILITY_TSRV)
    assert found == pytest.approx(value(read(view(), clean, policy()), names.VOLATILITY_TSRV), rel=0.05)


def test_where_noise_outweighs_the_market_the_two_scale_estimate_errs_high_not_to_nothing():
    quiet = history(hours=48.0, volatility=0.0, every_blocks=30)
    flips = (*((0.001, -0.001) * len(quiet.rows))[: len(quiet.rows) - 1], 0.0)
    noisy = replace(
        quiet,
        rows=tuple(
            replace(row, sqrt_price_x96=int(row.sqrt_price_x96 * (1 + flip)))
            for row, flip in zip(quiet.rows, flips, strict=True)
        ),
    )
    assert value(read(view(), noisy, policy()), names.VOLATILITY_TSRV) > 0


def test_a_quiet_pool_reads_zero_not_missing():
    known = history(hours=48.0, volatility=0.0, every_blocks=100)
    readings = read(view(), known, policy())
    assert value(readings, names.VOLATILITY_EWMA) == pytest.approx(0.0, abs=1e-9)
    assert find_reading(readings, names.VOLATILITY_FORECAST).quality is Quality.GOOD


def test_garman_klass_with_few_swaps_a_bar_is_short_and_the_forecast_does_without():
    readings = read(view(), history(every_blocks=60), policy())
    assert find_reading(readings, names.VOLATILITY_GK).quality is Quality.SHORT
    forecast = find_reading(readings, names.VOLATILITY_FORECAST)
    assert forecast.quality is Quality.GOOD
    assert forecast.value == pytest.approx(
        (value(readings, names.VOLATILITY_EWMA) + value(readings, names.VOLATILITY_TSRV)) / 2
    )


def test_short_history_makes_every_volatility_short():
    readings = read(view(), history(hours=3.0), policy())
    assert {find_reading(readings, name).quality for name in (*VOLATILITIES, names.VOLATILITY_FORECAST)} == {Quality.SHORT}


def test_no_history_leaves_volatility_missing_and_nothing_fails():
    readings = read(view(), PriceHistory(pool=USDC_WETH_500.address, rows=()), policy())
    for name in (*VOLATILITIES, names.VOLATILITY_FORECAST):
        assert find_reading(readings, name).quality is Quality.MISSING
        assert find_reading(readings, name).value is None


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 5_000))
def test_any_scrap_of_history_gives_readings_not_errors(count, behind):
    whole = history(hours=48.0, every_blocks=7, end_block=BLOCK - behind)
    readings = read(view(remembered=memory()), replace(whole, rows=whole.rows[-count:]), policy())
    assert all((r.value is None) == (r.quality is Quality.MISSING) for r in readings)


def test_pool_implied_volatility_is_what_the_fee_growth_pays():
    # growth that a pool of 80 % pays in a day: sigma^2 sqrt(P) / 4 / 365 of raw token1 per unit of liquidity
    state = pool_state()
    root = state.sqrt_price_x96 / 2**96
    growth = int(0.8**2 * root / 4 / 365 * 2**128)
    day_ago = FeeGrowthSample(
        timestamp_s=NOW_S - 86_400,
        fee_growth_global0_x128=state.fee_growth_global0_x128,
        fee_growth_global1_x128=state.fee_growth_global1_x128 - growth,
    )
    readings = read(view(remembered=memory(fee_growth=(day_ago,))), history(volatility=0.0), policy())
    assert value(readings, names.VOLATILITY_POOL_IMPLIED) == pytest.approx(0.8, rel=1e-6)


def test_pool_implied_volatility_survives_the_wrap_of_fee_growth():
    wrapped = pool_view(fee_growth_global1_x128=5 * 10**36)
    sample = FeeGrowthSample(
        timestamp_s=NOW_S - 86_400,
        fee_growth_global0_x128=wrapped.state.fee_growth_global0_x128,
        fee_growth_global1_x128=2**256 - 5 * 10**36,
    )
    readings = read(view(pools=(wrapped,), remembered=memory(fee_growth=(sample,))), history(), policy())
    assert 0 < value(readings, names.VOLATILITY_POOL_IMPLIED) < 5


def test_fee_growth_that_ran_backwards_is_missing_not_absurd():
    state = pool_state()
    ahead = FeeGrowthSample(
        timestamp_s=NOW_S - 86_400,
        fee_growth_global0_x128=state.fee_growth_global0_x128 + 1,
        fee_growth_global1_x128=state.fee_growth_global1_x128,
    )
    readings = read(view(remembered=memory(fee_growth=(ahead,))), history(), policy())
    assert find_reading(readings, names.VOLATILITY_POOL_IMPLIED).quality is Quality.MISSING


def test_young_fee_growth_is_short():
    young = memory().fee_growth[-2:]
    readings = read(view(remembered=memory(fee_growth=young)), history(), policy())
    assert find_reading(readings, names.VOLATILITY_POOL_IMPLIED).quality is Quality.SHORT


def test_prices_are_told_in_the_quote_for_both_token_orders():
    here = read(view(), history(), policy())
    assert value(here, names.SPOT) == pytest.approx(1.0001**-TICK * 1e12, rel=1e-9)
    mirrored = policy(base=WETH, quote=USDT, wrapped_native=WETH, pools=(WETH_USDT_500,), signal_pool=WETH_USDT_500.address)
    there = view(-TICK, pools=(pool_view(-TICK, key=WETH_USDT_500, centre=-TICK, twap_tick=-TICK),))
    known = history(pool=WETH_USDT_500, end_tick=-TICK)
    assert value(read(there, known, mirrored), names.SPOT) == pytest.approx(value(here, names.SPOT), rel=1e-9)


def test_without_a_mean_price_it_is_missing_and_spot_stands_in_for_value():
    seen = view(twap_tick=None)
    readings = read(seen, history(), policy())
    assert find_reading(readings, names.PRICE).quality is Quality.MISSING
    assert find_reading(readings, names.TWAP_DEVIATION_TICKS).quality is Quality.MISSING
    assert protected_price(seen, policy()) == value(readings, names.SPOT)


def test_deviation_is_signed():
    assert value(read(view(TICK, twap_tick=TICK + 30), history(), policy()), names.TWAP_DEVIATION_TICKS) == -30


def test_in_range_share_comes_from_memory():
    remembered = memory()
    layers = tuple(replace(layer, in_range_s=30, watched_s=120) for layer in remembered.layers[:1])
    readings = read(view(remembered=replace(remembered, layers=layers)), history(), policy())
    assert value(readings, names.in_range_share(LayerKind.CORE)) == pytest.approx(0.25)
    assert value(readings, names.in_range_share(LayerKind.INSURANCE)) is None


def test_the_registry_is_open_for_indicators_to_come():
    def constant(_view, _history, _policy):
        return reading("one", 1.0)

    def doubled(readings, _view, _policy):
        return reading("two", 2 * value(readings, "one"))

    made = read(view(), history(), policy(), signals={"one": constant}, fusions={"two": doubled})
    assert [(r.name, r.value) for r in made] == [("one", 1.0), ("two", 2.0)]


def test_a_history_of_another_pool_or_of_the_future_is_refused():
    with pytest.raises(ValueError, match="history is of pool"):
        read(view(), history(pool=WETH_USDT_500), policy())
    with pytest.raises(ValueError, match="after the view"):
        read(view(), history(end_block=BLOCK + 1), policy())


def test_reading_is_deterministic():
    seen = view(remembered=memory())
    one, other = read(seen, history(), policy()), read(seen, history(), policy())
    assert one == other
    assert all(r.value is None or math.isfinite(r.value) for r in one)

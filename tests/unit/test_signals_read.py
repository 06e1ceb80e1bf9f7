"""``read``: every reading of a cycle, of its view and the history that the view names."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from keeper.core.model.bar import DAY_S, MarketHistory
from keeper.core.model.ladder import LayerKind
from keeper.core.model.view import Quality, find_reading
from keeper.core.signals import names, read
from keeper.core.signals.registry import SIGNALS, read_state
from keeper.core.signals.windows import HOURS_BACK_S, MINUTES_BACK_S, TURN_S, since
from keeper.core.strategy.valuation import protected_price
from tests.builders import (
    BLOCK,
    NOW_S,
    TICK,
    USDC_WETH_500,
    USDT,
    WETH,
    WETH_USDT_500,
    block_ref,
    history,
    memory,
    policy,
    pool_view,
    view,
)
from tests.markets import fed


def value(readings, name):
    return find_reading(readings, name).value


def test_every_name_is_read_once_and_the_names_do_not_hang_on_what_is_known():
    nothing = read(view(), MarketHistory(pool=USDC_WETH_500.address), policy())
    readings = read(view(remembered=memory()), history(), policy())
    assert [one.name for one in nothing] == [one.name for one in readings]
    assert len({one.name for one in readings}) == len(readings)
    assert {getattr(names, name) for name in dir(names) if name.isupper()} <= {one.name for one in readings}
    assert SIGNALS.keys() <= {one.name for one in readings}


def test_nothing_known_leaves_all_that_needs_history_missing():
    readings = read(view(), MarketHistory(pool=USDC_WETH_500.address), policy())
    of_the_view = {names.SPOT, names.PRICE, names.TWAP_DEVIATION_TICKS, names.STRESS_AVAILABLE}
    assert {one.name for one in readings if one.value is not None} == of_the_view
    assert all(one.note for one in readings if one.value is None and one.name not in SIGNALS)


def test_every_reading_carries_its_block_source_and_unit():
    readings = read(view(remembered=memory()), history(), policy())
    assert {one.block for one in readings} == {BLOCK}
    assert all(one.unit and one.source for one in readings)
    assert all(one.as_of_s <= NOW_S for one in readings)
    assert all(one.value is None or math.isfinite(one.value) for one in readings)


def test_a_walk_of_sixty_percent_is_read_as_such():
    readings = read(view(), history(hours=48.0, volatility=0.6, every_blocks=2), policy())
    for name in (names.VOLATILITY_EWMA, names.VOLATILITY_1D, names.VOLATILITY_TSRV, names.VOLATILITY_FORECAST):
        assert value(readings, name) == pytest.approx(0.6, rel=0.2)


def test_a_state_that_was_kept_reads_what_a_fresh_one_does():
    known = history()
    assert read_state(view(), fed(policy(), known)) == read(view(), known, policy())


def test_a_history_of_another_pool_or_of_the_future_is_refused():
    with pytest.raises(ValueError, match="history is of pool"):
        read(view(), history(pool=WETH_USDT_500), policy())
    with pytest.raises(ValueError, match="history reaches"):
        read(view(), history(end_block=BLOCK + 10, now_s=NOW_S + 120), policy())


def test_a_state_of_another_turn_is_refused():
    state = fed(policy(), MarketHistory(pool=USDC_WETH_500.address))
    with pytest.raises(ValueError, match="the view is of"):
        read_state(view(block=block_ref(timestamp_s=NOW_S + DAY_S)), state)
    assert read_state(view(block=block_ref(timestamp_s=NOW_S + DAY_S // 2 - 1)), state)


def test_windows_begin_before_the_last_turn_a_midnight_every_four_weeks():
    turn_s = NOW_S // DAY_S * DAY_S + DAY_S
    for now_s in (turn_s, turn_s + 9 * DAY_S + 7, turn_s + TURN_S - 1):
        found = since(now_s)
        assert (found.turn_s, found.minutes_s, found.hours_s) == (turn_s, turn_s - MINUTES_BACK_S, turn_s - HOURS_BACK_S)
    assert since(turn_s - 1).turn_s == turn_s - TURN_S
    assert since(turn_s + TURN_S).turn_s == turn_s + TURN_S == turn_s + 28 * DAY_S


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


def test_a_pushed_spot_is_no_signal_but_its_own():
    calm, wild = (read(view(tick), history(), policy()) for tick in (TICK, TICK + 900))
    moved = {one.name for one, other in zip(calm, wild, strict=True) if one != other}
    assert moved == {names.SPOT, names.TWAP_DEVIATION_TICKS}


def test_reading_is_deterministic():
    seen = view(remembered=memory())
    assert read(seen, history(), policy()) == read(seen, history(), policy())

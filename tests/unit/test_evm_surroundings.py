"""Pools of the universe, from their answers."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.adapters.amm.surroundings import _pool_sample
from keeper.adapters.evm.multicall import Reverted
from keeper.adapters.evm.rpc import BadReply
from keeper.core.model.bar import PoolSample
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick

POOL = "0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640"
ANSWERS: list[tuple[Any, ...]] = [(get_sqrt_ratio_at_tick(7), 7, 0, 1, 1, 0, True), (11,), (22,), (33,)]


def test_a_pool_is_told_by_its_four_answers() -> None:
    assert _pool_sample(POOL, ANSWERS) == PoolSample(
        address=POOL,
        sqrt_price_x96=get_sqrt_ratio_at_tick(7),
        liquidity=11,
        fee_growth_global0_x128=22,
        fee_growth_global1_x128=33,
    )


@pytest.mark.parametrize("place", range(4))
def test_a_pool_that_reverts_anywhere_is_left_out(place: int) -> None:
    assert _pool_sample(POOL, [*ANSWERS[:place], Reverted("no"), *ANSWERS[place + 1 :]]) is None


def test_a_pool_without_a_price_is_left_out() -> None:
    assert _pool_sample(POOL, [(0, 0, 0, 0, 0, 0, False), (0,), (0,), (0,)]) is None


def test_a_price_that_contradicts_its_tick_is_refused() -> None:
    with pytest.raises(BadReply, match="does not belong"):
        _pool_sample(POOL, [(get_sqrt_ratio_at_tick(7), 5, 0, 1, 1, 0, True), *ANSWERS[1:]])

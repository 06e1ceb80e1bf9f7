"""The wallet's tokens: what the count and the indices say must agree, and a position is where it was."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.adapters.amm.position_reads import PositionReads, place_of
from keeper.adapters.evm.multicall import ContractRead, Reverted
from keeper.adapters.evm.rpc import BadReply
from keeper.core.model.ladder import TickRange
from keeper.core.model.pool import PoolState
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from tests.pairs import TICK, USDC, USDC_WETH_500, WALLET, WETH

MANAGER = "0xC36442b4a4522E871399CD717aBDD847Ab11FE88"
NONE = Reverted("EnumerableSet: index out of bounds")
BOUNDS = TickRange(lower=TICK - 100, upper=TICK + 100)
STATE = PoolState(
    key=USDC_WETH_500,
    sqrt_price_x96=get_sqrt_ratio_at_tick(TICK),
    tick=TICK,
    liquidity=10**18,
    fee_growth_global0_x128=0,
    fee_growth_global1_x128=0,
    fee_protocol=0,
)


def reads() -> PositionReads:
    return PositionReads(MANAGER, WALLET, [USDC_WETH_500])


def told(positions: PositionReads, count: int, tokens: list[int | None]) -> dict[ContractRead, Any]:
    answers: dict[ContractRead, Any] = {positions.count_read: (count,)}
    for read, token in zip(positions.index_reads(len(tokens)), tokens, strict=True):
        answers[read] = NONE if token is None else (token,)
    return answers


@pytest.mark.parametrize(
    ("count", "tokens", "owned"),
    [(0, [None, None], []), (2, [7, 9, None], [7, 9]), (2, [7, 9], [7, 9]), (5, [7, 9], [7, 9]), (3, [], [])],
)
def test_tokens_are_found_as_far_as_they_were_asked_for(count: int, tokens: list[int | None], owned: list[int]) -> None:
    positions = reads()
    assert positions.owned(told(positions, count, tokens)) == (owned, count)


@pytest.mark.parametrize(
    ("count", "tokens"), [(2, [7, None]), (1, [7, 9]), (0, [7]), (3, [7, None, 9]), (2, [7, 7]), (5, [7, None])]
)
def test_a_count_that_the_indices_contradict_is_refused(count: int, tokens: list[int | None]) -> None:
    positions = reads()
    with pytest.raises(BadReply):
        positions.owned(told(positions, count, tokens))


def row(**change: Any) -> tuple[Any, ...]:
    fields = {
        "nonce": 0,
        "operator": WALLET,
        "token0": USDC.address,
        "token1": WETH.address,
        "fee_pips": 500,
        "lower": BOUNDS.lower,
        "upper": BOUNDS.upper,
        "liquidity": 10**15,
        "inside0": 0,
        "inside1": 0,
        "owed0": 3,
        "owed1": 4,
    }
    return tuple((fields | change).values())


def tick(*, initialised: bool) -> tuple[Any, ...]:
    return (10**15, 10**15, 0, 0, 0, 0, 0, initialised)


def answers_with(positions: PositionReads, found: object, *, initialised: bool = True) -> dict[ContractRead, Any]:
    place = place_of(USDC_WETH_500, BOUNDS)
    ends = dict.fromkeys((place.lower, place.upper), tick(initialised=initialised))
    return {positions.id_read(7): found, **ends}


def test_a_position_of_another_pool_has_no_place_here() -> None:
    positions = reads()
    assert positions.place(answers_with(positions, row(fee_pips=3000)), 7) is None
    assert positions.place(answers_with(positions, row()), 7) == place_of(USDC_WETH_500, BOUNDS)


@pytest.mark.parametrize("found", [Reverted("Invalid token ID"), row(lower=5, upper=5), row(lower=6, upper=5)])
def test_a_position_that_cannot_be_has_no_place_anywhere(found: object) -> None:
    positions = reads()
    with pytest.raises(BadReply):
        positions.place(answers_with(positions, found), 7)


@pytest.mark.parametrize(
    ("found", "initialised"),
    [(row(lower=BOUNDS.lower - 10), True), (row(token0=WETH.address), True), (row(), False), (Reverted("x"), True)],
)
def test_a_position_that_contradicts_what_is_known_is_refused(found: object, *, initialised: bool) -> None:
    positions = reads()
    with pytest.raises(BadReply):
        positions.position(answers_with(positions, found, initialised=initialised), 7, place_of(USDC_WETH_500, BOUNDS), STATE)


def test_what_is_owed_is_counted_without_liquidity_too() -> None:
    positions = reads()
    place = place_of(USDC_WETH_500, BOUNDS)
    owing = positions.position(answers_with(positions, row(liquidity=0), initialised=False), 7, place, STATE)
    assert owing is not None
    assert (owing.liquidity, owing.amount0, owing.amount1, owing.fees0, owing.fees1) == (0, 0, 0, 3, 4)
    empty = row(liquidity=0, owed0=0, owed1=0)
    assert positions.position(answers_with(positions, empty, initialised=False), 7, place, STATE) is None

"""What every source of the market keeps, whoever it asks.

A case is a market that can be moved, and a maker of sources over it; each source must keep the laws below.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass

import pytest

from keeper.adapters.evm.rpc import Rpc
from keeper.core.model.codec import decode, encode
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import Observation
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.localchain.twin import Twin
from keeper.ports.chain import MarketSource
from tests.bench.scene import opened, rungs


@dataclass(frozen=True, kw_only=True)
class Case:
    """A market with a wallet of ours in it."""

    source: Callable[[], AbstractContextManager[MarketSource]]
    move: Callable[[int], None]
    """Trade in one new block; the number says how, both signs move both ways."""
    idle: Callable[[], object]
    """One block without a trade."""
    place: Callable[[], list[int]]
    """Open two positions; returns their tokens."""


@pytest.fixture
def on_the_twin(twin: Twin) -> Case:
    scene = opened(twin)

    @contextmanager
    def source() -> Generator[MarketSource, None, None]:
        with closing(Rpc(twin.rpc_url)) as rpc:
            yield scene.source(rpc)

    def move(size: int) -> None:
        scene.swap(
            (size < 0, abs(size) * (10**9 if size < 0 else 10**17)), (size > 0, abs(size) * (10**7 if size > 0 else 10**16))
        )

    return Case(
        source=source,
        move=move,
        idle=twin.chain.mine,
        place=lambda: scene.mint(rungs(scene.key, 2)),
    )


@pytest.fixture(params=[pytest.param("on_the_twin", marks=pytest.mark.chain)])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.getfixturevalue(request.param)
    return found


def walk(case: Case, source: MarketSource) -> Iterator[Observation]:
    """Cycles over a market that moves: after one block, after several, after none, after an idle one."""
    last: int | None = None
    ids: list[int] = []
    for sizes in ([3], [-5, 2, -1], [], [0], [40], [-60, 0, 0, 7]):
        for size in sizes:
            case.idle() if size == 0 else case.move(size)
        if sizes == [3]:
            ids = case.place()
        observation = source.observe(token_ids=ids, prices_after_block=last)
        last = observation.prices[-1].block if observation.prices else last
        yield observation


def test_a_view_is_consistent_with_itself(case: Case) -> None:
    with case.source() as source:
        for observation in walk(case, source):
            for pool in observation.pools:
                low, high = (get_sqrt_ratio_at_tick(pool.state.tick + step) for step in (0, 1))
                assert low <= pool.state.sqrt_price_x96 <= high
                ticks = [one.tick for one in pool.ticks]
                assert ticks == sorted(set(ticks))
                assert all(pool.map_lower <= tick < pool.map_upper for tick in ticks)
                assert pool.map_lower <= pool.state.tick < pool.map_upper
            tokens = {token for pool in observation.pools for token in (pool.state.key.token0, pool.state.key.token1)}
            assert {amount.token for amount in observation.wallet.balances} == tokens
            assert len(observation.wallet.balances) == len(tokens)
            assert len(observation.positions) == 2


def test_prices_are_told_once_each_up_to_the_block_of_the_view(case: Case) -> None:
    with case.source() as source:
        rows: list[BlockPrice] = []
        for observation in walk(case, source):
            assert all(row.block <= observation.block.number for row in observation.prices)
            assert all(row.timestamp_s <= observation.block.timestamp_s for row in observation.prices)
            assert all(row.low_x96 <= row.sqrt_price_x96 <= row.high_x96 for row in observation.prices)
            assert all(row.swaps > 0 for row in observation.prices)
            rows += observation.prices
            assert rows[-1].sqrt_price_x96 == observation.pools[0].state.sqrt_price_x96
        assert [row.block for row in rows] == sorted({row.block for row in rows})
        assert list(source.observe(token_ids=[], prices_after_block=None).prices) == rows
        with case.source() as other:
            assert list(other.observe(token_ids=[], prices_after_block=None).prices) == rows


def test_two_sources_see_the_same(case: Case) -> None:
    with case.source() as source, case.source() as other:
        for observation in walk(case, source):
            fresh = other.observe(token_ids=[], prices_after_block=observation.block.number)
            assert (fresh.block, fresh.pools, fresh.wallet, fresh.gas) == (
                observation.block,
                observation.pools,
                observation.wallet,
                observation.gas,
            )
            assert fresh.positions == observation.positions


def test_an_observation_survives_its_own_json_and_is_small(case: Case) -> None:
    with case.source() as source:
        for observation in walk(case, source):
            text = encode(observation)
            assert decode(Observation, text) == observation
            assert len(text) < 20_000


def test_prices_after_the_newest_block_are_none(case: Case) -> None:
    with case.source() as source:
        observation = next(walk(case, source))
        again = source.observe(token_ids=[], prices_after_block=observation.block.number)
        assert again.prices == ()

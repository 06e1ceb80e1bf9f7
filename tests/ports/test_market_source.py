"""What every source of the market keeps, whoever it asks.

A case is a market that can be moved, and a maker of sources over it; each source must keep the laws below.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass

import pytest

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.prices.deribit import Deribit, IndexPrice
from keeper.core.model.codec import decode, encode
from keeper.core.model.ladder import TickRange
from keeper.core.model.pool import BlockPrice
from keeper.core.model.record import Observation
from keeper.core.v3math.swap_kind import SwapRequest
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.core.v3math.units import MAX_SQRT_RATIO, MIN_SQRT_RATIO
from keeper.localchain.twin import Twin
from keeper.ports.chain import MarketSource
from keeper.simulation.frictions import BaseFees
from keeper.simulation.sim_source import SimSource
from tests.bench.scene import opened, rungs
from tests.fakes.deribit_server import DeribitServer
from tests.pairs import USDC_WETH_3000
from tests.rehearsals import rehearsal


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
    quotes: bool = True
    """Whether somebody outside the pools tells anything, with a value and without one."""


@pytest.fixture
def deribit_server(twin: Twin) -> Iterator[DeribitServer]:
    with DeribitServer(sent_s=twin.chain.timestamp_s()) as server:
        yield server


@pytest.fixture
def on_the_twin(twin: Twin, deribit_server: DeribitServer) -> Case:
    scene = opened(twin)
    items = [
        IndexPrice(name="eth_usd", index="eth_usd", least=1.0, most=1e6, every_s=12, most_age_s=3_600),
        # Soon too old, so that there is a quote without a value too.
        IndexPrice(name="strict", index="eth_usd", least=1.0, most=1e6, every_s=12, most_age_s=0),
    ]

    @contextmanager
    def source() -> Generator[MarketSource, None, None]:
        with closing(Rpc(twin.rpc_url)) as rpc, closing(Deribit(items, url=deribit_server.url)) as off_chain:
            yield scene.source(rpc, universe=(scene.key, USDC_WETH_3000), off_chain=off_chain)

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


@pytest.fixture
def in_a_simulation() -> Case:
    run = rehearsal(capital_quote=1_000_000)
    market, account, policy = run.market, run.account, run.policy
    (pool,) = market.pools.values()

    @contextmanager
    def source() -> Generator[MarketSource, None, None]:
        yield SimSource(market, account, policy, base_fees=BaseFees.constant(10**9), tip_wei=10**8, watch=run.watch)

    def move(size: int) -> None:
        market.advance_blocks(1)
        for zero_for_one in (size > 0, size < 0):
            limit = MIN_SQRT_RATIO + 1 if zero_for_one else MAX_SQRT_RATIO - 1
            raw = abs(size) * (10**8 if zero_for_one else 10**16)
            asked = SwapRequest(zero_for_one=zero_for_one, amount_specified=raw, sqrt_price_limit_x96=limit)
            pool.trade(market.block, asked)

    def place() -> list[int]:
        centre = pool.pool.tick // 10 * 10
        spans = (TickRange(lower=centre - 600, upper=centre + 600), TickRange(lower=centre + 1_000, upper=centre + 2_000))
        return [account.manager.mint(pool.key.address, span, (10**9, 10**18), (0, 0))[0] for span in spans]

    return Case(source=source, move=move, idle=lambda: market.advance_blocks(1), place=place, quotes=False)


@pytest.fixture(params=["in_a_simulation", pytest.param("on_the_twin", marks=pytest.mark.chain)])
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
        observation = source.observe(token_ids=ids, prices_after_block=last, sample_after_s=None)
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
            for row in observation.prices:
                for net, volume in ((row.net0, row.volume0), (row.net1, row.volume1)):
                    assert net is not None
                    assert abs(net) <= volume
                    assert (volume - net) % 2 == 0
                assert row.jit0 is not None
                assert 0 <= row.jit0 <= row.volume0
            rows += observation.prices
            assert rows[-1].sqrt_price_x96 == observation.pools[0].state.sqrt_price_x96
        assert [row.block for row in rows] == sorted({row.block for row in rows})
        assert list(source.observe(token_ids=[], prices_after_block=None, sample_after_s=None).prices) == rows
        with case.source() as other:
            assert list(other.observe(token_ids=[], prices_after_block=None, sample_after_s=None).prices) == rows


def test_two_sources_see_the_same(case: Case) -> None:
    with case.source() as source, case.source() as other:
        for observation in walk(case, source):
            fresh = other.observe(token_ids=[], prices_after_block=observation.block.number, sample_after_s=None)
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
        again = source.observe(token_ids=[], prices_after_block=observation.block.number, sample_after_s=None)
        assert again.prices == ()


def test_prices_say_since_when_they_are_complete_unless_they_follow_on_known_ones(case: Case) -> None:
    with case.source() as source:
        first, *others = walk(case, source)
        assert first.prices_since_s is not None
        assert all(row.timestamp_s >= first.prices_since_s for row in first.prices)
        assert [one.prices_since_s for one in others] == [None] * len(others)


def test_a_sample_is_there_when_it_is_due_and_is_of_the_view_s_block(case: Case) -> None:
    with case.source() as source:
        for seen in walk(case, source):
            assert seen.sample is None
            now_s, known = seen.block.timestamp_s, seen.block.number
            assert source.observe(token_ids=[], prices_after_block=known, sample_after_s=now_s + 1).sample is None
            sample = source.observe(token_ids=[], prices_after_block=known, sample_after_s=now_s).sample
            assert sample is not None
            assert (sample.block, sample.timestamp_s) == (seen.block.number, now_s)
            state = seen.pools[0].state
            assert (sample.fee_growth_global0_x128, sample.fee_growth_global1_x128) == (
                state.fee_growth_global0_x128,
                state.fee_growth_global1_x128,
            )


def test_each_quote_has_a_value_or_a_fault_and_is_no_younger_than_the_view(case: Case) -> None:
    with case.source() as source:
        views = list(walk(case, source))
    for seen in views:
        names = [quote.name for quote in seen.quotes]
        assert len(names) == len(set(names))
        assert all(quote.as_of_s <= seen.block.timestamp_s for quote in seen.quotes)
    quotes = [quote for seen in views for quote in seen.quotes]
    if not case.quotes:
        assert quotes == []
        return
    assert all((quote.value is None) == (quote.fault is not None) for quote in quotes)
    assert {quote.value is None for quote in quotes} == {True, False}

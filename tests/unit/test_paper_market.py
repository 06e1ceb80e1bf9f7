"""A virtual book's market is the chain's, to the wei, or it says that it is not."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.model.errors import Transient
from keeper.simulation.paper_feed import BlockReplaced
from keeper.simulation.paper_market import LostChain, PaperMarket
from keeper.simulation.presence import Presence
from tests.policies import policy
from tests.unit.paper_chain import POOL, MadeChain


def market_of(chain: MadeChain, presence: Presence = Presence.AMOUNTS_KEPT) -> PaperMarket:
    return PaperMarket(chain, chain.settled_states(), policy(), presence)  # type: ignore[arg-type]


@given(st.integers(0, 2**32), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from(Presence))
@settings(max_examples=15)
def test_without_us_the_pool_is_the_chains_after_every_step(seed: int, steps: list[int], presence: Presence) -> None:
    chain = MadeChain(seed=seed)
    market = market_of(chain, presence)
    for step in steps:
        chain.mine(step)
        market.follow(chain.newest())
        newest = chain.blocks[-1]
        assert market.block == newest.ref
        assert market.now_s == newest.ref.timestamp_s
        wanted = newest.after.snapshot()
        assert market._shadows[POOL].pool.snapshot() == wanted
        pool = market.pools[POOL]
        assert presence is Presence.PRICE_KEPT or pool.pool.snapshot() == wanted
        assert pool.pool.sqrt_price_x96 == wanted.sqrt_price_x96
        assert not pool.rows


def test_waiting_stops_at_just_the_block_that_was_asked_for() -> None:
    chain = MadeChain()
    market = market_of(chain)
    chain.mine(7)
    market.advance_blocks(3)
    assert market.block == chain.blocks[3].ref
    market.advance_blocks(6)
    assert market.block == chain.newest() == chain.blocks[9].ref
    assert market.at(market.now_s) == 10**9 + 9


def test_a_block_that_does_not_come_is_no_progress() -> None:
    chain = MadeChain(stuck=True)
    market = market_of(chain)
    with pytest.raises(Transient, match="no block 2"):
        market.advance_blocks(2)
    assert market.block.number == 0


@given(st.integers(0, 2**32))
@settings(max_examples=15)
def test_an_event_that_the_node_keeps_to_itself_is_noticed(seed: int) -> None:
    chain = MadeChain(seed=seed)
    market = market_of(chain)
    chain.mine(6)
    swaps = {block.ref.number for block in chain.blocks if block.events and block.events[0].kind == "SWAP"}
    if not swaps:
        return
    chain.hidden = {min(swaps)}
    with pytest.raises(LostChain):
        market.follow(chain.newest())


def test_an_event_that_is_told_wrongly_is_named() -> None:
    chain = MadeChain()
    market = market_of(chain)
    chain.mine(6)
    block = next(block for block in chain.blocks if block.events and block.events[0].kind == "SWAP")
    block.events[0] = block.events[0]._replace(amount0=block.events[0].amount0 + 1)
    with pytest.raises(LostChain, match=f"log 0 of block {block.ref.number} .*amount0"):
        market.follow(chain.newest())


def test_a_node_that_is_behind_is_told_from_a_chain_that_was_replaced() -> None:
    chain = MadeChain()
    market = market_of(chain)
    chain.mine(4)
    market.follow(chain.newest())
    with pytest.raises(Transient, match="the node is at block 3, the book at 4") as behind:
        market.follow(chain.blocks[3].ref)
    assert not isinstance(behind.value, BlockReplaced)
    chain.reorganise(2)
    with pytest.raises(BlockReplaced):
        market.follow(chain.newest())
    chain.mine()
    with pytest.raises(BlockReplaced):
        market.follow(chain.newest())


def test_a_saved_market_goes_on_as_if_it_had_not_been_saved() -> None:
    chain = MadeChain()
    market = market_of(chain, Presence.PRICE_KEPT)
    chain.mine(5)
    market.follow(chain.newest())
    again: PaperMarket = pickle.loads(pickle.dumps(market))
    again.attach(chain)  # type: ignore[arg-type]
    chain.mine(5)
    for one in (market, again):
        one.follow(chain.newest())
    assert again.block == market.block
    assert again.pools[POOL].pool.snapshot() == market.pools[POOL].pool.snapshot()
    assert again._shadows[POOL].pool.snapshot() == chain.blocks[-1].after.snapshot()

"""What surrounds the signal pool, as its contracts tell it one by one, and without another request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest

from keeper.adapters.amm.surroundings import LIQUIDATION_BLOCKS
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.checked import ReadRefused
from keeper.adapters.evm.multicall import Answers, ContractRead, read_of, values
from keeper.adapters.evm.rpc import Call, Rpc, RpcRefused
from keeper.core.model.bar import Liquidations, PoolSample, Quote, Reserve
from keeper.core.model.pool import BlockRef, PoolKey
from keeper.core.model.record import Observation
from keeper.localchain.twin import Twin
from tests.bench.scene import Scene, opened
from tests.fakes.rpc_server import Reply, Respond, RpcServer, tampered
from tests.pairs import USDC, USDC_WETH_500, USDC_WETH_3000, WETH, WETH_USDT_500

pytestmark = pytest.mark.chain
POOL = contract("UniswapV3Pool")
BALANCE_OF = contract("ERC20").function("balanceOf")
NOBODY = replace(USDC_WETH_500, address="0x00000000000000000000000000000000DeaDBeef")
NO_POOL = replace(USDC_WETH_500, address=WETH.address)
UNIVERSE = (USDC_WETH_3000, WETH_USDT_500, NOBODY, USDC_WETH_500, NO_POOL)


@pytest.fixture
def scene(twin: Twin) -> Scene:
    """Two pools with a price; the third of the twin has none."""
    opened(twin, USDC_WETH_3000).swap((True, 10**9), (False, 10**17))
    scene = opened(twin)
    scene.swap((True, 10**10), (False, 10**18))
    return scene


@pytest.fixture
def rpc(hasty: Rpc) -> Rpc:
    return hasty


@dataclass
class Lending:
    """A lending market whose reserve is the signal pool's dollars; its liquidations are the pool's swaps."""

    asked: list[tuple[int, int]] = field(default_factory=list)
    refuse: bool = False

    first: ClassVar[ContractRead] = read_of(USDC.address, BALANCE_OF, USDC_WETH_500.address, gas=40_000)

    def _second(self, raw: int) -> ContractRead:
        # What it asks depends on what was answered, as with a market that names its own parts.
        return read_of(USDC.address, BALANCE_OF, f"0x{raw:040x}", gas=40_000)

    def reads(self, answers: Answers) -> Sequence[ContractRead]:
        if self.first not in answers:
            return [self.first]
        return [self.first, self._second(values(answers, self.first)[0] % 7 + 1)]

    def reserves(self, answers: Answers) -> tuple[Reserve, ...]:
        (held,) = values(answers, self.first)
        assert values(answers, self._second(held % 7 + 1)) == (0,)
        return (Reserve(asset=USDC.address, available=held, debt=0, kink_ray=None),)

    def liquidation_calls(self, first_block: int, last_block: int) -> list[Call]:
        self.asked.append((first_block, last_block))
        topics = [POOL.event("Swap").topic0]
        span = {"fromBlock": hex(first_block), "toBlock": hex(last_block)}
        return [
            ("eth_nothing" if self.refuse else "eth_getLogs", [{"address": USDC_WETH_500.address, "topics": topics, **span}])
        ]

    def liquidations(self, outcomes: Sequence[Any | RpcRefused], first_block: int) -> Liquidations | None:
        (outcome,) = outcomes
        if isinstance(outcome, RpcRefused):
            return None
        return Liquidations(since_block=first_block, count=len(outcome), debt_covered=())


@dataclass
class Feed:
    """Quotes a balance."""

    read: ClassVar[ContractRead] = read_of(WETH.address, BALANCE_OF, USDC_WETH_500.address, gas=40_000)

    def reads(self, answers: Answers) -> Sequence[ContractRead]:  # ruff: ignore[unused-method-argument]
        return [self.read]

    def quotes(self, answers: Answers, head: BlockRef) -> tuple[Quote, ...]:
        return (Quote(name="chain", value=float(values(answers, self.read)[0]), as_of_s=head.timestamp_s, source="feed"),)


@dataclass
class Elsewhere:
    """Notes when it is asked."""

    asked: list[int] = field(default_factory=list)

    def quotes(self, now_s: int) -> tuple[Quote, ...]:
        self.asked.append(now_s)
        return (Quote(name="outside", value=None, as_of_s=now_s, source="elsewhere", fault="closed"),)


def direct(rpc: Rpc, key: PoolKey, block: int) -> PoolSample:
    names = ("slot0", "liquidity", "feeGrowthGlobal0X128", "feeGrowthGlobal1X128")
    slot0, *others = [
        POOL.function(name).decode(
            rpc.call("eth_call", {"to": key.address, "data": POOL.function(name).call_data()}, hex(block))
        )
        for name in names
    ]
    (liquidity,), (growth0,), (growth1,) = others
    return PoolSample(
        address=key.address,
        sqrt_price_x96=slot0[0],
        liquidity=liquidity,
        fee_growth_global0_x128=growth0,
        fee_growth_global1_x128=growth1,
    )


def test_a_sample_is_what_the_contracts_say_at_its_block(twin: Twin, scene: Scene, rpc: Rpc) -> None:
    source = scene.source(rpc, universe=UNIVERSE)
    for _ in range(2):
        seen = source.observe(token_ids=[], prices_after_block=None, sample_after_s=0)
        assert seen.sample is not None
        sample, number = seen.sample, seen.block.number
        assert (sample.block, sample.timestamp_s) == (number, seen.block.timestamp_s)
        state = direct(rpc, scene.key, number)
        assert (sample.fee_growth_global0_x128, sample.fee_growth_global1_x128) == (
            state.fee_growth_global0_x128,
            state.fee_growth_global1_x128,
        )
        assert sample.fee_growth_global0_x128 > 0
        assert sample.balance0 == twin.balance_raw(scene.key.address, USDC.address) > 0
        assert sample.balance1 == twin.balance_raw(scene.key.address, WETH.address) > 0
        # Without a price, without code, and without being a pool: left out.
        assert sample.pools == (direct(rpc, USDC_WETH_3000, number), state)
        assert (sample.reserves, sample.liquidations) == ((), None)
        scene.swap((True, 10**11))


def test_a_pool_that_gets_its_price_later_is_in_the_next_sample(twin: Twin, scene: Scene, rpc: Rpc) -> None:
    source = scene.source(rpc, universe=UNIVERSE)
    source.observe(token_ids=[], prices_after_block=None, sample_after_s=0)
    opened(twin, WETH_USDT_500, tick=-USDC_WETH_500.tick_spacing)
    sample = source.observe(token_ids=[], prices_after_block=None, sample_after_s=0).sample
    assert sample is not None
    assert [pool.address for pool in sample.pools] == [key.address for key in (USDC_WETH_3000, WETH_USDT_500, USDC_WETH_500)]


@pytest.mark.parametrize(("late_s", "is_taken"), [(None, False), (0, True), (1, False), (-1, True), (10**6, False)])
def test_a_sample_is_taken_from_its_time_on(twin: Twin, scene: Scene, rpc: Rpc, late_s: int | None, is_taken: bool) -> None:
    now_s = twin.chain.timestamp_s()
    due_s = None if late_s is None else now_s + late_s
    seen = scene.source(rpc, universe=UNIVERSE).observe(token_ids=[], prices_after_block=None, sample_after_s=due_s)
    assert (seen.sample is not None) == is_taken


def test_a_steady_cycle_takes_two_requests_with_a_sample_and_feeds_and_without(scene: Scene, rpc: Rpc) -> None:
    source = scene.source(rpc, universe=UNIVERSE, reserves=Lending(), feeds=Feed())
    last = source.observe(token_ids=[], prices_after_block=None, sample_after_s=None).prices[-1].block
    for due_s in (None, 0, None, 0):
        before = rpc.requests
        seen = source.observe(token_ids=[], prices_after_block=last, sample_after_s=due_s)
        # What the lending market asks depends on its own first answer: one more, in a cycle with a sample only.
        assert rpc.requests - before == (2 if due_s is None else 3)
    plain = scene.source(rpc, universe=UNIVERSE, feeds=Feed())
    plain.observe(token_ids=[], prices_after_block=last, sample_after_s=None)
    for due_s in (None, 0, None, 0):
        before = rpc.requests
        seen = plain.observe(token_ids=[], prices_after_block=last, sample_after_s=due_s)
        assert (rpc.requests - before, seen.sample is not None) == (2, due_s is not None)


def test_feeds_are_read_in_every_cycle_and_others_asked_once_after_them(twin: Twin, scene: Scene, rpc: Rpc) -> None:
    elsewhere = Elsewhere()
    source = scene.source(rpc, feeds=Feed(), off_chain=elsewhere)
    times = []
    for _ in range(3):
        seen = source.observe(token_ids=[], prices_after_block=None, sample_after_s=None)
        held = twin.balance_raw(scene.key.address, WETH.address)
        assert [(quote.name, quote.value) for quote in seen.quotes] == [("chain", float(held)), ("outside", None)]
        times.append(seen.block.timestamp_s)
        scene.swap((False, 10**18))
    assert elsewhere.asked == times


def test_nobody_else_is_asked_when_the_chain_gave_no_view(scene: Scene, rpc: Rpc, proxy: RpcServer) -> None:
    elsewhere = Elsewhere()
    source = scene.source(rpc, off_chain=elsewhere)
    proxy.misbehave(passed, tampered("eth_getBalance", refused))
    with pytest.raises(ReadRefused):
        source.observe(token_ids=[], prices_after_block=None, sample_after_s=None)
    assert elsewhere.asked == []


def passed(body: bytes, respond: Respond) -> Reply:
    return Reply(respond(body))


def refused(entry: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": entry["id"], "error": {"code": -32000, "message": "out of gas"}}


def taken(observation: Observation) -> Liquidations | None:
    assert observation.sample is not None
    return observation.sample.liquidations


def test_liquidations_are_read_from_the_block_after_the_last_sample(twin: Twin, scene: Scene, rpc: Rpc) -> None:
    lending = Lending()
    source = scene.source(rpc, reserves=lending)
    first = source.observe(token_ids=[], prices_after_block=None, sample_after_s=0)
    assert first.sample is not None
    assert lending.asked == [(max(first.block.number - LIQUIDATION_BLOCKS + 1, 0), first.block.number)]
    assert first.sample.reserves == (Reserve(asset=USDC.address, available=first.sample.balance0, debt=0, kink_ray=None),)
    told = taken(first)
    assert told is not None
    assert told.count == 2
    scene.swap((True, 10**9), (True, 10**9), (False, 10**17))
    source.observe(token_ids=[], prices_after_block=None, sample_after_s=None)
    scene.swap((True, 10**9))
    second = source.observe(token_ids=[], prices_after_block=None, sample_after_s=0)
    assert taken(second) == Liquidations(since_block=first.block.number + 1, count=4, debt_covered=())
    # Nobody tells them twice, and a second sample of one block asks for that block again.
    again = source.observe(token_ids=[], prices_after_block=None, sample_after_s=0)
    assert taken(again) == Liquidations(since_block=second.block.number, count=1, debt_covered=())
    twin.chain.mine()
    later = source.observe(token_ids=[], prices_after_block=None, sample_after_s=0)
    assert taken(later) == Liquidations(since_block=later.block.number, count=0, debt_covered=())


def test_liquidations_that_were_refused_are_unknown_and_asked_for_again(scene: Scene, rpc: Rpc) -> None:
    lending = Lending()
    source = scene.source(rpc, reserves=lending)
    first = source.observe(token_ids=[], prices_after_block=None, sample_after_s=0)
    lending.refuse = True
    scene.swap((True, 10**9))
    refused = source.observe(token_ids=[], prices_after_block=None, sample_after_s=0)
    assert taken(refused) is None
    assert len(refused.prices) == 2
    lending.refuse = False
    scene.swap((True, 10**9))
    assert taken(source.observe(token_ids=[], prices_after_block=None, sample_after_s=0)) == Liquidations(
        since_block=first.block.number + 1, count=2, debt_covered=()
    )


def test_no_more_blocks_are_asked_for_than_one_request_may(
    twin: Twin, scene: Scene, rpc: Rpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.adapters.amm.surroundings.LIQUIDATION_BLOCKS", 4)
    lending = Lending()
    source = scene.source(rpc, reserves=lending)
    for _ in range(2):
        head = source.observe(token_ids=[], prices_after_block=None, sample_after_s=0).block.number
        assert lending.asked[-1] == (head - 3, head)
        for _ in range(10):
            twin.chain.mine()


def test_a_view_that_failed_does_not_count_as_a_sample(scene: Scene, rpc: Rpc, proxy: RpcServer) -> None:
    lending = Lending()
    source = scene.source(rpc, reserves=lending)
    first = source.observe(token_ids=[], prices_after_block=None, sample_after_s=0)
    scene.swap((True, 10**9))
    proxy.misbehave(passed, tampered("eth_feeHistory", refused))
    with pytest.raises(ReadRefused):
        source.observe(token_ids=[], prices_after_block=None, sample_after_s=0)
    told = taken(source.observe(token_ids=[], prices_after_block=None, sample_after_s=0))
    assert told == Liquidations(since_block=first.block.number + 1, count=1, debt_covered=())

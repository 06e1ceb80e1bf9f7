"""A whole keeper on a twin of Arbitrum that buys Hegic's puts, in parts where few are for sale, and exercises what is due."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from keeper.app.bootstrap import Keeper
from keeper.app.cli.replay import differences, think_again
from keeper.core.model.decision import BuyProtection, EndProtection
from keeper.core.model.option import CloseHow, OptionPosition, PositionState
from keeper.core.model.plan import Done, StageKind
from keeper.core.model.record import CycleRecord
from keeper.core.strategy.hedge.needs import COVERED
from keeper.core.strategy.hedge.proposal import GAP
from keeper.localchain import arbitrum
from keeper.localchain.chainlink import LocalFeed
from keeper.localchain.herge import PUTS, LocalHerge
from keeper.localchain.herge_market import LIMIT_RAW, sell_herge
from keeper.localchain.place import ARBITRUM
from keeper.localchain.selling import Asked
from keeper.localchain.twin import running_twin
from tests.fork.keeper_scene import PRICE_USD, Pair, Scene, cycle, opened

pytestmark = [pytest.mark.long, pytest.mark.chain]
PAIR = Pair(
    name="arbitrum_weth_usdce_500",
    pools=(ARBITRUM.pool,),
    stable=arbitrum.USDC_E,
    chain=ARBITRUM.name,
    weth=arbitrum.WETH,
)
FALLEN_USD = 3_300.0
HEDGED = {
    "hedge__enabled": True,
    "hedge__loss_cap": "0.01",
    "hedge__capital_year": "0.1",
    "hedge__dear": "3",
    # A block is what passes here, at mainnet's base fee.
    "chain__confirmations": 1,
    "chain__fees__max_fee_gwei": "10",
    "chain__fees__max_base_fee_gwei": "5",
    "chain__fees__max_gas_day": "0.5",
}

ONE_TIER = {"hedge__tiers__middle__anchor": "break_even", "hedge__tiers__far__anchor": "break_even"}
"""All three at one strike: the near tier covers what there is to cover."""
LOT = 0.0001
"""Of ether, as Hegic's puts are bought."""
FEW_RAW = 300 * 10**6
"""Of premiums, for each strategy: less than the near tier lacks."""


@dataclass
class Insured:
    scene: Scene
    feed: LocalFeed

    @contextmanager
    def keeper(self, **change: object) -> Generator[Keeper]:
        with self.scene.keeper(**HEDGED | change) as keeper:
            yield keeper

    def at(self, usd: float, timestamp_s: int) -> None:
        """Market and feed at a price, at about that time."""
        self.scene.go_to(usd, after_s=timestamp_s - self.scene.twin.chain.timestamp_s() - 24)
        self.feed.set_answer(usd)


@contextmanager
def selling(folder: Path, limit_raw: int = LIMIT_RAW) -> Generator[Insured]:
    with running_twin(ARBITRUM.node(port=0), recipe=ARBITRUM.recipe) as twin:
        feed = ARBITRUM.put_feeds(twin, PRICE_USD)
        sell_herge(twin, feed, Asked(volatility=0.55, rise=4.0), PRICE_USD, twin.chain.timestamp_s())
        if limit_raw != LIMIT_RAW:
            local = LocalHerge(twin=twin, feed=feed)
            for put in PUTS:
                local.set_limit(put, limit_raw)
        yield Insured(opened(twin, folder, PAIR), feed)


@pytest.fixture
def insured(tmp_path) -> Iterator[Insured]:
    with selling(tmp_path) as found:
        yield found


@pytest.fixture
def scarce(tmp_path) -> Iterator[Insured]:
    with selling(tmp_path, FEW_RAW) as found:
        yield found


def until_bought(insured: Insured, keeper: Keeper) -> OptionPosition:
    """The first option, as the cycle after its purchase sees it."""
    for _ in range(6):
        record = cycle(keeper)
        if purchases(record):
            insured.scene.wait(12)
            return cycle(keeper).view.protection.positions[0]
        insured.scene.quarters(1)
    raise AssertionError(record.decision)


def purchases(record: CycleRecord) -> list[BuyProtection]:
    return [move for move in record.decision.moves if isinstance(move, BuyProtection)]


def endings(record: CycleRecord) -> list[EndProtection]:
    return [move for move in record.decision.moves if isinstance(move, EndProtection)]


def test_a_put_is_exercised_by_the_cycle_when_it_is_due_and_not_before(insured: Insured) -> None:
    with insured.keeper() as keeper:
        put = until_bought(insured, keeper)
        assert (put.contract.venue, put.state) == ("hegic", PositionState.OPEN)
        assert put.act_before_s is not None
        due_s = put.act_before_s - keeper.policy.hedge.exercise_margin_s
        insured.at(FALLEN_USD, due_s - 3_600)
        early = cycle(keeper)
        assert endings(early) == []
        assert early.view.protection.positions[0].state is PositionState.ITM_EXERCISABLE

        insured.at(FALLEN_USD, due_s + 300)
        before = insured.scene.purse()[0]
        record = cycle(keeper)
        (way, *_) = endings(record)
        assert (way.how, way.position.id) == (CloseHow.EXERCISE, put.id)
        outcome = record.stages[0].outcome
        assert record.stages[0].kind is StageKind.PROTECT
        assert isinstance(outcome, Done)
        strike = float(put.contract.legs[0].strike)
        (paid,) = [delta.raw for delta in outcome.deltas if delta.token.address == arbitrum.USDC_E]
        assert paid == pytest.approx((strike - FALLEN_USD) * put.size.raw / 10**12, abs=100)
        assert insured.scene.twin.chain.timestamp_s() < put.contract.expiry_s
        assert insured.scene.purse()[0] >= before
        insured.scene.wait(12)
        assert put.id not in {one.id for one in cycle(keeper).view.protection.positions}
        assert differences(record, think_again(record, keeper.journal.named_history(record.view))) == ()
        assert not [name for name in insured.scene.telling.names() if name.startswith("protection.")]
        assert keeper.journal.verify() == ()


def test_a_tier_that_nobody_covers_whole_is_covered_in_parts_over_several_cycles(scarce: Insured) -> None:
    """What is wanted first is less than the gap, as it is where a premium might not be paid at its dearest."""
    records = []
    with scarce.keeper(**ONE_TIER) as keeper:
        for _ in range(8):
            records.append(cycle(keeper))
            scarce.scene.wait(12)
        assert keeper.journal.verify() == ()
    buying = [record for record in records if purchases(record)]
    assert len(buying) >= 3
    held = 0.0
    for record in buying:
        (move,) = purchases(record)
        (gap,) = [reason for reason in record.decision.reasons if reason.trigger == GAP]
        assert (move.tier, gap.found) == ("near", pytest.approx(held))
        size = move.quote.size.raw / 10**18
        assert size <= (gap.limit - held) / 3 + LOT
        assert record is buying[0] or size == pytest.approx((gap.limit - held) / 3, abs=LOT)
        assert isinstance(record.stages[0].outcome, Done)
        held += size
    assert held >= COVERED * gap.limit
    last = records[-1].view.protection.positions
    assert [one.size for one in last] == [purchases(record)[0].quote.size for record in buying]

"""A keeper's half day on the real contracts: it opens, holds, moves what must move, and gives everything back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest

from keeper.core.model.decision import ShiftLayer
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Done, Swap
from keeper.core.model.record import CycleRecord, CycleState
from keeper.localchain.anvil import Anvil
from keeper.localchain.twin import running_twin
from tests.fork.keeper_scene import (
    EACH_USD,
    QUIET_DRIFT,
    QUIET_STEP,
    TWO_POOLS,
    USDC_PAIR,
    USDT_PAIR,
    Held,
    Pair,
    Scene,
    Sent,
    cycle,
    leave,
    opened,
)

pytestmark = pytest.mark.chain

QUARTERS = 15
MOST_TRANSACTIONS = {USDC_PAIR.name: 3, TWO_POOLS.name: 3, USDT_PAIR.name: 5}
"""Of a rebalance of all layers; without permits swap and placement are approved by transactions of their own."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A cycle, and what the contracts say after it."""

    record: CycleRecord
    held: tuple[Held, ...]
    purse: tuple[int, int, int]
    wealth_before: float
    wealth: float
    transactions: int
    leftovers: list[int]
    sent: tuple[Sent, ...]

    @property
    def ids(self) -> set[int]:
        return {one.token_id for one in self.held}

    @property
    def shifted(self) -> set[LayerKind]:
        return {move.target.kind for move in self.record.decision.moves if isinstance(move, ShiftLayer)}


@dataclass(frozen=True, kw_only=True)
class Day:
    pair: Pair
    purse: tuple[int, int, int]
    """Before the first cycle."""
    steps: tuple[Step, ...]
    journal_problems: tuple[str, ...]

    @property
    def acts(self) -> list[tuple[Step, Step]]:
        """Cycles that moved something, each with the one before it."""
        return [(before, after) for before, after in pairwise(self.steps) if after.record.stages]


def lived(scene: Scene) -> Day:
    """The first cycle, a quarter of an hour and a cycle again and again, and an exit."""
    start = scene.purse()
    steps: list[Step] = []
    with scene.keeper() as keeper:
        for place in range(QUARTERS + 1):
            if 0 < place < QUARTERS:
                scene.quarters(1, drift=QUIET_DRIFT)
            wealth, nonce, sent = scene.wealth(), scene.nonce, len(scene.sent)
            record = leave(keeper) if place == QUARTERS else cycle(keeper)
            steps.append(
                Step(
                    record=record,
                    held=scene.held(),
                    purse=scene.purse(),
                    wealth_before=wealth,
                    wealth=scene.wealth(),
                    transactions=scene.nonce - nonce,
                    leftovers=scene.leftovers(),
                    sent=tuple(scene.sent[sent:]),
                )
            )
        problems = keeper.journal.verify()
    return Day(pair=scene.pair, purse=start, steps=tuple(steps), journal_problems=problems)


@pytest.fixture(scope="module", params=[USDC_PAIR, USDT_PAIR, TWO_POOLS], ids=lambda pair: pair.name)
def day(request: pytest.FixtureRequest, anvil_base: Anvil, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    with running_twin(base=anvil_base) as twin:
        yield lived(opened(twin, tmp_path_factory.mktemp("day"), request.param, step=QUIET_STEP))


def test_the_first_cycle_opens_three_layers_from_the_wallet(day: Day) -> None:
    first = day.steps[0]
    assert first.record.state is CycleState.DONE
    assert [move.kind for move in first.record.decision.moves] == ["open"] * 3
    core, secondary, *wings = first.held
    assert len(wings) == 2
    assert secondary.lower < core.lower < core.upper < secondary.upper
    outer = sorted((wing.lower, wing.upper) for wing in wings)
    # The wings' pool may have a wider spacing: they begin at the first tick of it outside the secondary layer.
    assert outer[0][1] <= secondary.lower
    assert secondary.upper <= outer[1][0]
    assert first.wealth - (first.purse[0] / 10**6 + sum(first.purse[1:]) / 10**18 * 4_000) > 1.9 * EACH_USD


def test_insurance_lies_in_the_pool_that_the_configuration_gives_it(day: Day) -> None:
    fees = [one.fee_pips for one in day.steps[0].held]
    assert fees == [500, 500, *([3_000] * 2 if day.pair is TWO_POOLS else [500] * 2)]


def test_the_core_moves_alone(day: Day) -> None:
    (moved,) = [(before, after) for before, after in day.acts if after.shifted == {LayerKind.CORE}]
    before, after = moved
    gone, come = before.ids - after.ids, after.ids - before.ids
    assert len(gone) == len(come) == 1
    (old,) = (one for one in before.held if one.token_id in gone)
    (new,) = (one for one in after.held if one.token_id in come)
    state = after.record.view.pool(after.record.policy.signal_pool).state
    assert not old.lower <= state.tick < old.upper
    assert new.lower < state.tick < new.upper
    untouched = before.ids & after.ids
    ranges = [{(h.token_id, h.lower, h.upper, h.liquidity) for h in step.held if h.token_id in untouched} for step in moved]
    assert ranges[0] == ranges[1]


def test_a_rebalance_of_all_layers_takes_few_transactions(day: Day) -> None:
    (whole,) = [after for _, after in day.acts if len(after.shifted) == 3]
    assert [stage.kind.value for stage in whole.record.stages] == ["withdraw", "swap", "place"]
    assert 3 <= whole.transactions <= MOST_TRANSACTIONS[day.pair.name]


def test_holding_sends_nothing_and_says_why(day: Day) -> None:
    held = [step for step in day.steps if not step.record.stages]
    assert len(held) > QUARTERS / 2
    for step in held:
        assert step.record.state is CycleState.HELD
        assert step.transactions == 0
        assert step.record.decision.reasons


def test_nothing_is_stranded_and_nothing_allowed_after_any_cycle(day: Day) -> None:
    assert [step.leftovers for step in day.steps] == [[0] * 10] * len(day.steps)


def test_the_receipts_tell_the_purse_to_the_wei(day: Day) -> None:
    purse = day.purse
    for step in day.steps:
        outcomes = [stage.outcome for stage in step.record.stages]
        assert all(isinstance(outcome, Done) for outcome in outcomes)
        deltas = [(d.token.address, d.raw) for outcome in outcomes for d in outcome.deltas]
        gas = sum(outcome.gas_wei for outcome in outcomes)
        stable = sum(raw for token, raw in deltas if token == day.pair.stable)
        ether = sum(raw for token, raw in deltas if token != day.pair.stable)
        assert step.purse[0] - purse[0] == stable
        assert sum(step.purse[1:]) - sum(purse[1:]) == ether - gas
        purse = step.purse


def test_a_cycle_costs_its_gas_and_its_swap_and_nothing_else(day: Day) -> None:
    for step in day.steps:
        gas = sum(stage.outcome.gas_wei for stage in step.record.stages) / 10**18
        price = 4_500.0
        swapped = 0.0
        if step.record.plan is not None:
            swapped = step.record.plan.cost.swap_fee_quote + step.record.plan.cost.impact_quote
        lost = step.wealth_before - step.wealth
        assert -0.01 <= lost <= gas * price + 1.02 * swapped + 0.01


def test_every_transaction_was_in_the_journal_before_it_left(day: Day) -> None:
    sent = [sent for step in day.steps for sent in step.sent]
    assert len(sent) == sum(step.transactions for step in day.steps) > 8
    assert all(one.journaled for one in sent)
    assert day.journal_problems == ()


def test_what_was_planned_is_bounded_by_the_mean_price(day: Day) -> None:
    """No swap may end further from the mean than gate and slippage allow, whatever spot says."""
    swaps = [(s.record, step) for s in day.steps if s.record.plan for st in s.record.plan.stages for step in st.steps]
    limits = [(record, step) for record, step in swaps if isinstance(step, Swap)]
    assert limits
    for record, step in limits:
        assert step.amount_out_min > 0
        twap = record.view.pool(step.pool).twap_tick
        assert twap is not None
        reach = record.policy.gates.twap_limit_ticks + record.policy.execution.slippage_bps
        limit = step.sqrt_price_limit_x96 / 2**96
        furthest = 1.0001 ** ((twap - reach if step.zero_for_one else twap + reach) / 2)
        assert limit == pytest.approx(furthest, rel=1e-9)


def test_the_exit_gives_everything_back(day: Day) -> None:
    last = day.steps[-1]
    assert last.record.state is CycleState.DONE
    assert last.held == ()
    assert last.transactions == 1

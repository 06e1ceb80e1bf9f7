"""Fees that move, and transactions that get lost, after the send."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from keeper.core.model.plan import Done, NotDone, StageOutcome, Unknown
from keeper.core.model.record import Attempt
from keeper.localchain.twin import Twin
from tests.fakes.executor_behind import Behind, running_behind
from tests.fakes.executor_scene import POLL_S
from tests.faults.proxy import changed, drop

pytestmark = pytest.mark.chain

GWEI = 10**9


@pytest.fixture
def behind(twin: Twin) -> Iterator[Behind]:
    """Nothing is mined unless a test says so."""
    with running_behind(twin) as one:
        twin.chain.set_automine(False)
        one.scene.clock.on_pause = lambda: None
        yield one


def done(outcome: StageOutcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


def raised_properly(attempts: list[Attempt], *, max_fee_wei: int, max_tip_wei: int) -> None:
    assert len({(attempt.nonce, attempt.sequence) for attempt in attempts}) == 1
    for before, after in pairwise(attempts):
        assert 8 * after.max_fee_wei >= 9 * before.max_fee_wei
        assert 8 * after.tip_wei >= 9 * before.tip_wei
        assert after.tip_wei > before.tip_wei
    assert all(attempt.max_fee_wei <= max_fee_wei and attempt.tip_wei <= max_tip_wei for attempt in attempts)


def test_a_stuck_transaction_is_raised_on_its_nonce_until_it_goes_through(behind: Behind) -> None:
    def mine_late() -> None:
        if len(behind.log.kept) == 3:
            behind.scene.mine()

    behind.scene.clock.on_pause = mine_late
    outcome = done(behind.run(confirm_timeout_s=10))
    raised_properly(behind.log.kept, max_fee_wei=60 * GWEI, max_tip_wei=3 * GWEI)
    assert outcome.tx_hashes == (behind.log.kept[-1].tx_hash,)
    behind.happened_once()


@pytest.mark.parametrize("factor", [10, 50])
def test_a_base_fee_that_jumps_after_the_send_is_followed(behind: Behind, factor: int) -> None:
    chain = behind.scene.twin.chain

    def jump() -> None:
        chain.mine(base_fee_wei=factor * GWEI)

    behind.scene.clock.on_pause = jump
    outcome = done(behind.run(confirm_timeout_s=10))
    raised_properly(behind.log.kept, max_fee_wei=60 * GWEI, max_tip_wei=3 * GWEI)
    assert len(behind.log.kept) == 2
    assert outcome.gas_wei >= outcome.gas_units * factor * GWEI
    behind.happened_once()


def test_a_base_fee_above_the_ceiling_is_waited_out(behind: Behind) -> None:
    chain = behind.scene.twin.chain
    base_fees = iter([100 * GWEI] * 8 + [GWEI] * 1000)
    behind.scene.clock.on_pause = lambda: chain.mine(base_fee_wei=next(base_fees))
    done(behind.run(confirm_timeout_s=10))
    raised_properly(behind.log.kept, max_fee_wei=60 * GWEI, max_tip_wei=3 * GWEI)
    behind.happened_once()


def test_a_ceiling_is_never_passed(behind: Behind) -> None:
    outcome = behind.run(confirm_timeout_s=10, max_fee_wei=5 * GWEI)
    assert isinstance(outcome, Unknown)
    raised_properly(behind.log.kept, max_fee_wei=5 * GWEI, max_tip_wei=3 * GWEI)
    assert len(behind.log.kept) > 1
    assert outcome.tx_hash == behind.log.kept[-1].tx_hash
    behind.scene.mine()
    done(behind.settle())
    behind.happened_once()


def test_the_budget_bounds_a_raised_offer_too(behind: Behind) -> None:
    stage = behind.scene.core_stage()
    bounds = behind.scene.bounds(max_gas_wei=700_000 * 3 * GWEI)
    behind.intent = behind.scene.intent(stage, bounds)
    outcome = behind.scene.live(behind.rpc, confirm_timeout_s=10).execute(stage, bounds, behind.intent, behind.log)
    assert isinstance(outcome, Unknown)
    assert max(attempt.max_fee_wei for attempt in behind.log.kept) <= 3 * GWEI


def test_a_balance_that_is_drained_before_the_send_leaves_the_fate_open_until_it_is_back(behind: Behind) -> None:
    scene = behind.scene
    balance = scene.holdings()[2]
    answers = iter([None, None])

    def drained_at_the_last_moment() -> str | None:
        if next(answers, "later") is None and behind.log.kept:
            scene.twin.chain.rpc.call("anvil_setBalance", scene.account.address, "0x1")
        return None

    outcome = behind.run(confirm_timeout_s=10, may_send=drained_at_the_last_moment)
    assert isinstance(outcome, Unknown)
    scene.twin.chain.rpc.call("anvil_setBalance", scene.account.address, hex(balance))
    scene.clock.on_pause = scene.mine
    done(behind.settle())
    behind.happened_once()


def test_an_evicted_transaction_is_sent_again_byte_for_byte(behind: Behind) -> None:
    pauses = iter(range(1000))

    def evict_then_mine() -> None:
        if next(pauses) == 0:
            behind.scene.twin.chain.rpc.call("anvil_dropTransaction", behind.log.kept[0].tx_hash)
        else:
            behind.scene.mine()

    behind.scene.clock.on_pause = evict_then_mine
    done(behind.run())
    assert behind.proxy.raws == [behind.log.kept[0].raw] * 2
    behind.happened_once()


def test_a_transaction_that_is_mined_after_patience_ended_is_found(behind: Behind) -> None:
    assert isinstance(behind.run(confirm_timeout_s=10), Unknown)
    behind.scene.mine()
    done(behind.settle())
    behind.happened_once()


def test_an_older_offer_that_wins_is_recognised(behind: Behind) -> None:
    assert isinstance(behind.run(confirm_timeout_s=10), Unknown)
    chain, first = behind.scene.twin.chain, behind.log.kept[0]
    chain.rpc.call("anvil_dropAllTransactions")
    chain.rpc.call("eth_sendRawTransaction", first.raw)
    behind.scene.mine()
    assert done(behind.settle()).tx_hashes == (first.tx_hash,)
    behind.happened_once()


def test_past_its_deadline_a_lost_call_gives_its_nonce_up(behind: Behind) -> None:
    behind.proxy.spoil(changed(result="0x" + "00" * 32), forward=False, times=10_000)
    assert isinstance(behind.run(confirm_timeout_s=10), Unknown)
    behind.proxy.rules.clear()
    behind.scene.twin.chain.mine(timestamp_s=behind.intent.deadline_s + 12)
    behind.scene.clock.on_pause = behind.scene.mine
    outcome = behind.settle()
    assert isinstance(outcome, NotDone)
    assert "deadline" in outcome.why
    assert outcome.gas_wei > 0
    behind.happened_once()
    assert behind.scene.holdings()[0] == 500_000 * 10**6


def test_past_its_deadline_a_waiting_call_is_replaced_not_raised(behind: Behind) -> None:
    assert isinstance(behind.run(confirm_timeout_s=10), Unknown)
    chain = behind.scene.twin.chain
    chain.rpc.call("anvil_dropAllTransactions")
    chain.mine(timestamp_s=behind.intent.deadline_s - 6)
    chain.rpc.call("eth_sendRawTransaction", behind.log.kept[-1].raw)
    late = iter(range(1000))
    behind.scene.clock.on_pause = lambda: behind.scene.mine() if next(late) > 20 / POLL_S else None
    chain.rpc.call("evm_setNextBlockTimestamp", hex(behind.intent.deadline_s + 1))
    outcome = behind.settle(confirm_timeout_s=10)
    assert isinstance(outcome, NotDone)
    behind.happened_once()


def test_a_paused_keeper_watches_and_sends_nothing(behind: Behind) -> None:
    behind.proxy.spoil(drop, forward=False)
    allowed = iter([None, None])
    outcome = behind.run(confirm_timeout_s=10, may_send=lambda: next(allowed, "paused"))
    assert isinstance(outcome, Unknown)
    assert len(behind.proxy.raws) == 1
    assert isinstance(behind.settle(confirm_timeout_s=10, may_send=lambda: "paused"), Unknown)
    assert len(behind.proxy.raws) == 1
    behind.scene.clock.on_pause = behind.scene.mine
    done(behind.settle())
    behind.happened_once()

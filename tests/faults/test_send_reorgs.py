"""Blocks that go away again after the transaction was seen in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keeper.core.model.plan import Done, NotDone, StageOutcome
from keeper.localchain.twin import Twin, attach, running_base
from tests.fakes.executor_behind import Behind, running_behind

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def root() -> Iterator[Twin]:
    """A twin that forks nothing: on a fork a reorganisation does not give slots back that were zero before."""
    with running_base() as node:
        twin = attach(node.url, automine=True)
        twin.chain.set_automine(True)
        yield twin
        twin.chain.close()


@pytest.fixture
def behind(root: Twin) -> Iterator[Behind]:
    snapshot = root.chain.rpc.call("evm_snapshot")
    with running_behind(root) as one:
        yield one
    assert root.chain.rpc.call("evm_revert", snapshot)


def done(outcome: StageOutcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


def on_the_chain(behind: Behind, outcome: Done) -> bool:
    """Whether the receipt stands in a canonical block, in the block that was told, with status 1."""
    rpc = behind.scene.twin.chain.rpc
    receipt = rpc.call("eth_getTransactionReceipt", outcome.tx_hashes[-1])
    header = rpc.call("eth_getBlockByNumber", receipt["blockNumber"], False)
    return header["hash"] == receipt["blockHash"] and int(receipt["blockNumber"], 16) == outcome.block


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_transaction_that_was_orphaned_is_sent_again_and_told_where_it_landed(behind: Behind, depth: int) -> None:
    chain = behind.scene.twin.chain
    pauses = iter(range(1000))

    def mine_and_once_reorganise() -> None:
        behind.scene.mine()
        if next(pauses) == depth - 1:
            chain.rpc.call("anvil_reorg", depth + 1, [])

    behind.scene.clock.on_pause = mine_and_once_reorganise
    outcome = done(behind.run(confirmations=depth + 2))
    assert on_the_chain(behind, outcome)
    assert len(behind.log.kept) == 1
    assert set(behind.proxy.raws) == {behind.log.kept[0].raw}
    assert len(behind.proxy.raws) == 2
    behind.happened_once()


def test_a_transaction_that_moves_to_another_block_is_told_from_there(behind: Behind) -> None:
    chain = behind.scene.twin.chain
    pauses = iter(range(1000))

    def move_once() -> None:
        behind.scene.mine()
        if next(pauses) == 0:
            chain.rpc.call("anvil_reorg", 2, [[behind.log.kept[0].raw, 1]])

    behind.scene.clock.on_pause = move_once
    outcome = done(behind.run(confirmations=4))
    assert on_the_chain(behind, outcome)
    behind.happened_once()


def test_what_was_orphaned_past_its_deadline_is_not_done(behind: Behind) -> None:
    chain = behind.scene.twin.chain
    pauses = iter(range(1000))

    def orphan_late() -> None:
        behind.scene.mine()
        if next(pauses) == 0:
            chain.rpc.call("anvil_reorg", 2, [])
            chain.mine(timestamp_s=behind.intent.deadline_s + 1)

    behind.scene.clock.on_pause = orphan_late
    outcome = behind.run(confirmations=4)
    assert isinstance(outcome, NotDone)
    behind.happened_once()
    assert behind.scene.holdings()[0] == 500_000 * 10**6


def test_what_reverts_after_a_reorganisation_is_not_done(behind: Behind) -> None:
    """The price has moved away in the new history, so that the swap's least amount cannot be had any more."""
    scene, chain = behind.scene, behind.scene.twin.chain
    pauses = iter(range(1000))
    ours = scene.swap(sell_stable=True, amount_in=5_000 * 10**6, amount_out_min=124 * 10**16)

    def reorganise_against_us() -> None:
        scene.mine()
        if next(pauses) == 0:
            chain.rpc.call("anvil_reorg", 2, [])
            sell_before_us(behind)

    scene.clock.on_pause = reorganise_against_us
    outcome = behind.run(ours, confirmations=4)
    assert isinstance(outcome, NotDone)
    assert "reverted" in outcome.why
    assert outcome.gas_wei > 0
    behind.happened_once()


def sell_before_us(behind: Behind) -> None:
    from keeper.adapters.tx.bundle import stage_call
    from keeper.localchain.chain import LocalTx
    from tests.fakes.executor_scene import OTHER, account

    scene = behind.scene
    call = stage_call(scene.swap(sell_stable=True, amount_in=3 * 10**12), 2**40, account(scene.pool, OTHER), ())
    scene.twin.chain.mine_all_succeed([LocalTx(sender=OTHER, to=call.to, data=call.data)])

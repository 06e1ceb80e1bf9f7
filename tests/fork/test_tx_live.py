"""The signing account on real bytecode: what it says that it did is what the chain holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.adapters.tx.signer import Signer, decode_transaction
from keeper.core.model.errors import Fault, JournalFault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Done, NotDone, Stage, StageKind, StageOutcome, Unwrap, Wrap
from keeper.core.model.record import Attempt
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.localchain.twin import Twin
from tests.fakes.executor_scene import Attempts, Scene, mirrored
from tests.pairs import USDC_WETH_500, WETH

pytestmark = pytest.mark.chain

LADDER = [LayerKind.CORE, LayerKind.SECONDARY, LayerKind.INSURANCE, LayerKind.INSURANCE]


@pytest.fixture
def scene(twin: Twin) -> Scene:
    return Scene(twin)


def done(outcome: StageOutcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


def refused(outcome: StageOutcome) -> str:
    assert isinstance(outcome, NotDone), outcome
    return outcome.why


def settled_exactly(scene: Scene, stage: Stage) -> Done:
    """Run a stage and compare what it tells with the balances, to the wei."""
    stable, wrapped, native = scene.holdings()
    outcome = done(scene.run(stage))
    stable_after, wrapped_after, native_after = scene.holdings()
    told = {delta.token.address: delta.raw for delta in outcome.deltas}
    assert told[scene.stable.address] == stable_after - stable
    assert told[WETH.address] == wrapped_after - wrapped + native_after - native + outcome.gas_wei
    assert scene.allowances() == [0, 0, 0, 0]
    return outcome


@pytest.mark.parametrize("build", [Scene, mirrored])
def test_every_stage_tells_the_balances_to_the_wei_and_leaves_no_allowance(twin: Twin, build) -> None:
    scene: Scene = build(twin)
    placed = settled_exactly(scene, scene.ladder_stage())
    assert [one.layer for one in placed.minted] == LADDER
    settled_exactly(scene, scene.swap(sell_stable=True, amount_in=5_000 * 10**6, amount_out_min=10**18))
    settled_exactly(scene, scene.swap(sell_stable=False, amount_in=10**18, amount_out_min=3_000 * 10**6))
    withdrawn = settled_exactly(scene, scene.withdraw(*(one.token_id for one in placed.minted)))
    assert all(delta.raw > 0 for delta in withdrawn.deltas)


def test_a_full_rebalance_takes_three_transactions(scene: Scene) -> None:
    placed = done(scene.run(scene.ladder_stage()))
    before = scene.nonce()
    stages = [
        scene.withdraw(*(one.token_id for one in placed.minted)),
        scene.swap(sell_stable=True, amount_in=5_000 * 10**6),
        scene.ladder_stage(),
    ]
    outcomes = [done(scene.run(stage)) for stage in stages]
    assert scene.nonce() - before == 3
    assert sum(outcome.gas_units for outcome in outcomes) < 2_600_000


def test_the_router_leaves_what_a_price_limit_did_not_sell(scene: Scene) -> None:
    limit = get_sqrt_ratio_at_tick(scene.tick - 1)
    for sell_stable, amount_in in ((True, 400_000 * 10**6), (False, 5_000 * 10**18)):
        outcome = settled_exactly(scene, scene.swap(sell_stable=sell_stable, amount_in=amount_in, limit=limit))
        sold = min(delta.raw for delta in outcome.deltas)
        assert 0 < -sold < amount_in
        limit = get_sqrt_ratio_at_tick(scene.tick + 1)


def test_wrapping_changes_the_form_and_nothing_else(scene: Scene) -> None:
    for step in (Wrap(amount_wei=10**18), Unwrap(amount_wei=10**18)):
        outcome = settled_exactly(scene, Stage(kind=StageKind.WRAP, steps=(step,)))
        assert [delta.raw for delta in outcome.deltas] == [0, 0]


def test_an_exit_comes_back_as_tokens(scene: Scene) -> None:
    (core,) = done(scene.run(scene.core_stage())).minted
    plain = scene.withdraw(core.token_id)
    outcome = settled_exactly(scene, replace(plain, steps=(*plain.steps, Wrap(amount_wei=0))))
    assert scene.holdings()[1] == next(delta.raw for delta in outcome.deltas if delta.token == WETH) > 0


def test_what_native_currency_was_not_taken_comes_back(scene: Scene) -> None:
    lopsided = scene.place((LayerKind.CORE, -600, 600, 1_000 * 10**6, 100 * 10**18))
    outcome = settled_exactly(scene, lopsided)
    assert -outcome.deltas[1].raw < 10**18


def test_a_token_without_permits_is_approved_and_disapproved_around_the_stage(twin: Twin) -> None:
    scene = mirrored(twin)
    outcome = settled_exactly(scene, scene.core_stage())
    assert len(outcome.tx_hashes) == 3


def test_an_allowance_that_was_left_is_taken_back_first(twin: Twin) -> None:
    scene = mirrored(twin)
    log, bounds = Attempts(), scene.bounds()
    killed = KeyboardInterrupt()

    def may_send() -> str | None:
        if len(log.kept) == 2:
            raise killed
        return None

    stage = scene.core_stage()
    with pytest.raises(KeyboardInterrupt):
        scene.live(may_send=may_send).execute(stage, bounds, scene.intent(stage, bounds), log)
    assert scene.allowances()[0] == 20_000 * 10**6
    outcome = settled_exactly(scene, stage)
    assert len(outcome.tx_hashes) == 4


def test_a_stage_that_fails_in_simulation_signs_nothing_and_says_why(scene: Scene) -> None:
    log, bounds = Attempts(), scene.bounds()
    stage = scene.swap(sell_stable=True, amount_in=5_000 * 10**6, amount_out_min=10**19)
    outcome = scene.live().execute(stage, bounds, scene.intent(stage, bounds), log)
    assert "Too little received" in refused(outcome)
    assert log.kept == []


def test_a_stage_that_fails_after_its_approval_takes_the_approval_back(twin: Twin) -> None:
    scene = mirrored(twin)
    outcome = scene.run(scene.swap(sell_stable=True, amount_in=5_000 * 10**6, amount_out_min=10**19))
    assert isinstance(outcome, NotDone)
    assert len(outcome.tx_hashes) == 2
    assert outcome.gas_wei > 0
    assert scene.allowances() == [0, 0, 0, 0]


def test_the_deadline_is_the_chains(scene: Scene) -> None:
    stage, bounds = scene.core_stage(), scene.bounds(deadline_s=scene.twin.chain.timestamp_s())
    assert "deadline" in refused(scene.live().execute(stage, bounds, scene.intent(stage, bounds), Attempts()))


def test_a_burdened_nonce_is_not_added_to(scene: Scene) -> None:
    scene.twin.chain.set_automine(False)
    scene.twin.chain.impersonate(scene.account.address)
    foreign = {"from": scene.account.address, "to": scene.account.address, "value": "0x1", "gas": "0x5208"}
    scene.twin.chain.rpc.call("eth_sendTransaction", foreign)
    assert "not ours" in refused(scene.run(scene.core_stage()))


def test_fees_and_budget_are_ceilings(scene: Scene) -> None:
    stage = scene.core_stage()
    assert "base fee" in refused(scene.run(stage, scene.live(max_fee_wei=1_000)))
    bounds = scene.bounds(max_gas_wei=10**9)
    assert "base fee" in refused(scene.live().execute(stage, bounds, scene.intent(stage, bounds), Attempts()))


def test_the_budget_is_that_of_all_stages_together(scene: Scene) -> None:
    executor, log = scene.live(), Attempts()
    first = done(scene.run(scene.core_stage(), executor, cycle_id=77))
    bounds = scene.bounds(max_gas_wei=first.gas_wei)
    stage = scene.core_stage()
    assert "base fee" in refused(executor.execute(stage, bounds, scene.intent(stage, bounds, cycle_id=77), log))
    assert log.kept == []


def test_what_the_balance_does_not_cover_is_not_sent(scene: Scene) -> None:
    scene.twin.chain.rpc.call("anvil_setBalance", scene.account.address, hex(3 * 10**18))
    assert "does not cover" in refused(scene.run(scene.core_stage()))


def test_a_forbidden_send_does_not_leave(scene: Scene) -> None:
    log, bounds, stage = Attempts(), scene.bounds(), scene.core_stage()
    answers = iter([None, "halted by the operator"])
    executor = scene.live(may_send=lambda: next(answers))
    before = scene.nonce()
    assert refused(executor.execute(stage, bounds, scene.intent(stage, bounds), log)) == "halted by the operator"
    assert len(log.kept) == 1
    assert scene.nonce() == before
    assert scene.twin.chain.rpc.call("eth_getTransactionByHash", log.kept[0].tx_hash) is None


def test_another_chain_is_a_fault(scene: Scene) -> None:
    scene.account = replace(scene.account, chain_id=5)
    with pytest.raises(Fault, match="chain 1"):
        scene.run(scene.core_stage())


def test_another_pools_steps_are_refused(scene: Scene) -> None:
    stage = scene.swap(sell_stable=True, amount_in=1)
    foreign = Stage(kind=stage.kind, steps=(replace(stage.steps[0], pool=scene.account.address),))
    assert "not a configured pool" in refused(scene.run(foreign))
    assert USDC_WETH_500 in scene.account.pools


def test_confirmations_are_waited_for(scene: Scene) -> None:
    outcome = done(scene.run(scene.core_stage(), scene.live(confirmations=4)))
    head = int(scene.twin.chain.rpc.call("eth_blockNumber"), 16)
    assert head - outcome.block + 1 == 4


def test_what_cannot_be_journaled_does_not_leave(scene: Scene) -> None:
    class Unwritable:
        def record_attempt(self, attempt: Attempt) -> None:
            raise JournalFault(f"no space left for {attempt.tx_hash}")

    stage, bounds, before = scene.core_stage(), scene.bounds(), scene.nonce()
    with pytest.raises(JournalFault, match="0x") as caught:
        scene.live().execute(stage, bounds, scene.intent(stage, bounds), Unwritable())
    tx_hash = str(caught.value).split()[-1]
    assert scene.nonce() == before
    assert scene.twin.chain.rpc.call("eth_getTransactionByHash", tx_hash) is None


def test_an_intent_of_another_key_or_of_nobody_is_not_settled(scene: Scene) -> None:
    stage, bounds, log = scene.core_stage(), scene.bounds(), Attempts()
    intent = scene.intent(stage, bounds)
    done(scene.live().execute(stage, bounds, intent, log))
    stranger = Signer("0x" + "11" * 32).sign(decode_transaction(log.kept[0].raw))
    with pytest.raises(Fault, match="signed by"):
        scene.live().settle(intent, [replace(log.kept[0], raw=stranger.raw, tx_hash=stranger.tx_hash)], log)
    with pytest.raises(JournalFault):
        scene.live().settle(intent, [replace(log.kept[0], raw="0x02c0")], log)


def test_a_key_of_another_account_is_a_fault(scene: Scene) -> None:
    scene.account = replace(scene.account, address=USDC_WETH_500.address)
    with pytest.raises(Fault, match="the key is that of"):
        scene.live()


def test_the_gas_limit_is_the_simulations_multiple(scene: Scene) -> None:
    stage, bounds, log = scene.core_stage(), scene.bounds(), Attempts()
    outcome = done(scene.live(gas_limit_multiple=1.3).execute(stage, bounds, scene.intent(stage, bounds), log))
    limit = decode_transaction(log.kept[0].raw).gas_limit
    assert 1.3 * outcome.gas_units <= limit <= 1.3 * 1.25 * outcome.gas_units

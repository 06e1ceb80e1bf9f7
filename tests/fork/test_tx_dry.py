"""The account without a key: it agrees with the one that signs, and touches nothing."""

from __future__ import annotations

import pytest

from keeper.adapters.evm.rpc import Rpc, RpcRefused
from keeper.core.model.errors import Refused
from keeper.core.model.plan import Done, NotDone, Simulated, Stage, StageKind, Unknown, Unwrap
from keeper.localchain.twin import Twin
from tests.fakes.executor_scene import Attempts, Scene, mirrored

pytestmark = pytest.mark.chain


def rebalance(scene: Scene, *token_ids: int) -> list[Stage]:
    return [
        scene.withdraw(*token_ids),
        scene.swap(sell_stable=True, amount_in=5_000 * 10**6, amount_out_min=10**18),
        scene.ladder_stage(),
    ]


@pytest.mark.parametrize("build", [Scene, mirrored])
def test_a_dry_cycle_agrees_with_the_live_one_and_touches_nothing(twin: Twin, build) -> None:
    scene: Scene = build(twin)
    placed = scene.run(scene.ladder_stage())
    assert isinstance(placed, Done)
    stages = rebalance(scene, *(one.token_id for one in placed.minted))
    before = (scene.holdings(), scene.nonce(), scene.allowances())
    executor = scene.dry()
    dry = [scene.run(stage, executor, cycle_id=9) for stage in stages]
    assert (scene.holdings(), scene.nonce(), scene.allowances()) == before
    live = [scene.run(stage) for stage in stages]
    for simulated, done in zip(dry, live, strict=True):
        assert isinstance(simulated, Simulated)
        assert isinstance(done, Done)
        assert simulated.deltas == done.deltas
        assert simulated.minted == done.minted
        assert simulated.gas_units == pytest.approx(done.gas_units, rel=0.02)


def test_a_new_cycle_starts_from_the_chain_again(twin: Twin) -> None:
    scene = Scene(twin)
    executor, stage = scene.dry(), scene.ladder_stage()
    first, second, third = (scene.run(stage, executor, cycle_id=cycle) for cycle in (1, 1, 2))
    assert isinstance(first, Simulated)
    assert isinstance(second, Simulated)
    assert isinstance(third, Simulated)
    assert third.minted == first.minted
    assert second.minted[0].token_id == first.minted[-1].token_id + 1


def test_a_stage_that_would_revert_says_why_and_the_chain_of_stages_goes_on_without_it(twin: Twin) -> None:
    scene = Scene(twin)
    executor = scene.dry()
    refused = scene.run(scene.swap(sell_stable=True, amount_in=10**6, amount_out_min=10**18), executor, cycle_id=1)
    assert isinstance(refused, NotDone)
    assert "Too little received" in refused.why
    assert isinstance(scene.run(scene.core_stage(), executor, cycle_id=1), Simulated)


def test_what_cannot_be_bundled_or_paid_is_not_done(twin: Twin) -> None:
    scene = Scene(twin)
    two = Stage(kind=StageKind.WRAP, steps=(Unwrap(amount_wei=1), Unwrap(amount_wei=1)))
    assert isinstance(scene.run(two, scene.dry()), NotDone)
    assert isinstance(scene.run(scene.swap(sell_stable=False, amount_in=10**30), scene.dry()), NotDone)


def test_a_node_that_cannot_simulate_is_refused_clearly(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(twin)
    whole = Rpc.batch_outcomes

    def without(self: Rpc, calls):
        if calls[0][0] == "eth_simulateV1":
            return [RpcRefused(-32601, "the method eth_simulateV1 does not exist/is not available")]
        return whole(self, calls)

    monkeypatch.setattr(Rpc, "batch_outcomes", without)
    with pytest.raises(Refused, match="eth_simulateV1"):
        scene.run(scene.core_stage(), scene.dry())


def test_what_a_live_run_left_open_is_judged_but_never_sent(twin: Twin) -> None:
    scene = Scene(twin)
    log, bounds, stage = Attempts(), scene.bounds(), scene.core_stage()
    intent = scene.intent(stage, bounds)
    dry = scene.dry()
    assert isinstance(dry.settle(intent, [], log), NotDone)
    twin.chain.set_automine(False)
    scene.clock.on_pause = lambda: None
    assert isinstance(scene.live(confirm_timeout_s=2).execute(stage, bounds, intent, log), Unknown)
    assert isinstance(dry.settle(intent, log.kept, log), Unknown)
    scene.mine()
    assert isinstance(dry.settle(intent, log.kept, log), Done)

"""A dry keeper thinks what a live one thinks, simulates what it would do, and leaves the chain as it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from keeper.app.bootstrap import build
from keeper.core.model.errors import ConfigError
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Done, Simulated
from keeper.core.model.record import CycleRecord, CycleState
from keeper.localchain.twin import Twin
from tests.fork.keeper_scene import QUIET_DRIFT, QUIET_STEP, USDC_PAIR, USDT_PAIR, Pair, Scene, cycle, leave, opened

pytestmark = pytest.mark.chain

GAS_TOLERANCE = 0.12
"""Of the live cycle's gas: a simulation knows neither warm slots of the blocks between nor the refunds of permits."""


def elsewhere(scene: Scene, folder: Path) -> Scene:
    """The same wallet and chain, with a copy of whatever the keeper remembers."""
    if scene.folder.joinpath("state").exists():
        shutil.copytree(scene.folder / "state", folder / "state")
    return Scene(twin=scene.twin, pair=scene.pair, folder=folder, desk=scene.desk, usd=scene.usd, telling=scene.telling)


def state_of(scene: Scene) -> tuple[object, ...]:
    rpc = scene.twin.chain.rpc
    return scene.held(), scene.purse(), scene.nonce, scene.leftovers(), rpc.call("txpool_status"), rpc.call("eth_blockNumber")


def dry_run(scene: Scene, folder: Path, *, leaving: bool = False) -> CycleRecord:
    folder.mkdir()
    copy = elsewhere(scene, folder)
    before = state_of(scene)
    with copy.keeper(live=False) as keeper:
        record = leave(keeper) if leaving else cycle(keeper)
    assert state_of(scene) == before
    assert copy.sent == []
    assert scene.clock.pauses == copy.clock.pauses == 0
    return record


def deltas(record: CycleRecord) -> list[dict[str, int]]:
    outcomes = [stage.outcome for stage in record.stages]
    assert all(isinstance(outcome, Simulated | Done) for outcome in outcomes)
    return [{delta.token.symbol: delta.raw for delta in outcome.deltas} for outcome in outcomes]


def assert_same(dry: CycleRecord, live: CycleRecord) -> None:
    assert dry.state is CycleState.SIMULATED
    assert live.state is CycleState.DONE
    assert dry.view == live.view
    assert (dry.readings, dry.decision, dry.plan) == (live.readings, live.decision, live.plan)
    assert [stage.kind for stage in dry.stages] == [stage.kind for stage in live.stages]
    assert deltas(dry) == deltas(live)
    for one, other in zip(dry.stages, live.stages, strict=True):
        assert one.outcome.minted == other.outcome.minted
    assert sum(s.outcome.gas_units for s in dry.stages) == pytest.approx(
        sum(s.outcome.gas_units for s in live.stages), rel=GAS_TOLERANCE
    )


@pytest.mark.parametrize("pair", [USDC_PAIR, USDT_PAIR], ids=lambda pair: pair.name)
def test_opening_shifting_and_leaving_are_simulated_as_they_then_happen(twin: Twin, tmp_path: Path, pair: Pair) -> None:
    scene = opened(twin, tmp_path, pair, step=QUIET_STEP)
    dry = dry_run(scene, tmp_path / "dry-open")
    with scene.keeper() as keeper:
        assert_same(dry, cycle(keeper))
        for _ in range(3):
            scene.quarters(1, drift=QUIET_DRIFT)
            cycle(keeper)
        scene.quarters(1, drift=QUIET_DRIFT)
    scene.clock.pauses = 0
    dry = dry_run(scene, tmp_path / "dry-shift")
    assert len(dry.stages) == 3
    with scene.keeper() as keeper:
        assert_same(dry, cycle(keeper))
    scene.clock.pauses = 0
    dry = dry_run(scene, tmp_path / "dry-exit", leaving=True)
    with scene.keeper() as keeper:
        assert_same(dry, leave(keeper))
    assert not any(scene.leftovers())


def test_a_dry_cycle_remembers_what_it_saw_and_not_what_it_meant(twin: Twin, tmp_path: Path) -> None:
    scene = opened(twin, tmp_path)
    with scene.keeper(live=False) as keeper:
        record = cycle(keeper)
        assert keeper.journal.layer_tokens() == {}
        assert keeper.journal.memory().layers == ()
        assert keeper.journal.memory().gas_paid == ()
        scene.wait(60)
        again = cycle(keeper)
        assert again.state is CycleState.SIMULATED
        assert [move.kind for move in again.decision.moves] == [move.kind for move in record.decision.moves]
        minted = [one.layer for stage in again.stages for one in stage.outcome.minted]
        assert minted == [LayerKind.CORE, LayerKind.SECONDARY, LayerKind.INSURANCE, LayerKind.INSURANCE]


def test_a_dry_keeper_needs_an_address_and_no_key(twin: Twin, tmp_path: Path) -> None:
    scene = opened(twin, tmp_path)
    settings = scene.settings(wallet__address=scene.wallet)
    wallet = settings.wallet.model_copy(update={"keystore": None, "passphrase_file": None})
    with scene.keeper(live=False, settings=settings.model_copy(update={"wallet": wallet})) as keeper:
        assert cycle(keeper).state is CycleState.SIMULATED
    assert scene.sent == []


def test_signing_needs_the_consent_of_the_configuration_too(twin: Twin, tmp_path: Path) -> None:
    scene = opened(twin, tmp_path, USDC_PAIR, history=False)
    with pytest.raises(ConfigError, match=r"run\.live"):
        build(scene.settings(run__live=False), live=True, telemetry=scene.telling)

"""What every account promises, run on the double and on the real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from keeper.core.model.errors import JournalFault
from keeper.core.model.ladder import LayerKind, TickRange
from keeper.core.model.plan import Bounds, Done, NotDone, Simulated, Stage, StageKind
from keeper.core.model.record import Attempt, Intent
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.localchain.twin import Twin
from keeper.ports.executor import Executor
from keeper.simulation.frictions import Frictions
from tests.fakes.executor import MemoryExecutor
from tests.fakes.executor_scene import Attempts, Scene
from tests.fakes.option_shop import OpenShop
from tests.options import buying, ending
from tests.pairs import NOW_S, USDC_WETH_500
from tests.plans import bounds as five_minutes
from tests.plans import mint, swap_stage
from tests.rehearsals import rehearsal


@dataclass
class Bench:
    """An account with stages that it can carry out."""

    executor: Executor
    place: Stage
    swap: Stage
    bounds: Callable[[], Bounds]
    signs: bool
    protects: bool = True
    """Whether it carries options out."""
    intents: int = 0

    def intent(self, stage: Stage, bounds: Bounds) -> Intent:
        self.intents += 1
        layers = tuple(step.layer for step in stage.steps if step.kind == "mint")
        return Intent(
            id=self.intents,
            cycle_id=1,
            stage=stage.kind,
            steps_digest="0" * 64,
            layers=layers,
            deadline_s=bounds.deadline_s,
            option=stage.option,
        )


def on_the_chain(scene: Scene, executor: Executor, *, signs: bool) -> Bench:
    swap = scene.swap(sell_stable=True, amount_in=5_000 * 10**6, amount_out_min=10**18)
    return Bench(executor=executor, place=scene.ladder_stage(), swap=swap, bounds=scene.bounds, signs=signs)


def in_memory() -> Bench:
    steps = tuple(mint(layer) for layer in (LayerKind.CORE, LayerKind.INSURANCE, LayerKind.INSURANCE))
    return Bench(
        executor=MemoryExecutor(pool=USDC_WETH_500, now_s=NOW_S),
        place=Stage(kind=StageKind.PLACE, steps=steps),
        swap=swap_stage(),
        bounds=five_minutes,
        signs=True,
    )


def in_a_simulation() -> Bench:
    """A million dollars in a made-up market, where nothing fails by chance."""
    run = rehearsal(capital_quote=1_000_000, frictions=Frictions(failure_rate=0.0))
    pool = run.market.pools[USDC_WETH_500.address].pool
    centre = pool.tick // 10 * 10
    wings = ((LayerKind.CORE, -600, 600), (LayerKind.INSURANCE, 2_000, 4_000), (LayerKind.INSURANCE, -4_000, -2_000))
    steps = tuple(
        mint(layer, range=TickRange(lower=centre + lower, upper=centre + upper), amount0_min=0, amount1_min=0)
        for layer, lower, upper in wings
    )

    def bounds() -> Bounds:
        return replace(five_minutes(), deadline_s=run.market.now_s + 300, max_gas_wei=10**18)

    limit = get_sqrt_ratio_at_tick(centre - 500)
    sale = swap_stage(amount_in=5_000 * 10**6, amount_out_min=10**18, sqrt_price_limit_x96=limit)
    place = Stage(kind=StageKind.PLACE, steps=steps)
    return Bench(executor=run.executor, place=place, swap=sale, bounds=bounds, signs=True, protects=False)


@pytest.fixture(
    params=["memory", "simulation", pytest.param("live", marks=pytest.mark.chain), pytest.param("dry", marks=pytest.mark.chain)]
)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "memory":
        yield in_memory()
        return
    if request.param == "simulation":
        yield in_a_simulation()
        return
    twin: Twin = request.getfixturevalue("twin")
    scene = Scene(twin)
    OpenShop(scene)
    live = request.param == "live"
    yield on_the_chain(scene, scene.live() if live else scene.dry(), signs=live)


class Unwritable:
    """A log on a full disk."""

    def record_attempt(self, attempt: Attempt) -> None:
        raise JournalFault(f"no space left for {attempt.tx_hash}")


def test_a_stage_is_done_or_simulated_with_its_positions_in_order(bench: Bench) -> None:
    log, limits = Attempts(), bench.bounds()
    intent = bench.intent(bench.place, limits)
    outcome = bench.executor.execute(bench.place, limits, intent, log)
    assert isinstance(outcome, Done if bench.signs else Simulated)
    assert [one.layer for one in outcome.minted] == list(intent.layers)
    assert len({one.token_id for one in outcome.minted}) == len(intent.layers)
    assert all(delta.raw < 0 for delta in outcome.deltas)
    assert outcome.gas_units > 0


def test_what_was_handed_out_was_logged_and_nothing_else(bench: Bench) -> None:
    log, limits = Attempts(), bench.bounds()
    outcome = bench.executor.execute(bench.swap, limits, bench.intent(bench.swap, limits), log)
    hashes: Sequence[str] = outcome.tx_hashes if isinstance(outcome, Done) else ()
    assert list(hashes) == [attempt.tx_hash for attempt in log.kept]
    assert bool(log.kept) == bench.signs


def test_a_swap_sells_one_token_for_the_other(bench: Bench) -> None:
    limits = bench.bounds()
    outcome = bench.executor.execute(bench.swap, limits, bench.intent(bench.swap, limits), Attempts())
    assert isinstance(outcome, Done | Simulated)
    sold, bought = outcome.deltas
    assert sold.raw == -5_000 * 10**6
    assert bought.raw >= 10**18
    assert outcome.minted == ()


def test_an_option_costs_at_most_its_limit_and_pays_at_least_what_was_asked(bench: Bench) -> None:
    for stage, least, most in ((buying(extra_raw=10**6), -1_001 * 10**6, -1), (ending(), 2_500 * 10**6, 10**12)):
        log, limits = Attempts(), bench.bounds()
        intent = bench.intent(stage, limits)
        outcome = bench.executor.execute(stage, limits, intent, log)
        if not bench.protects:
            assert isinstance(outcome, NotDone)
            continue
        assert isinstance(outcome, Done if bench.signs else Simulated)
        stable, base = outcome.deltas
        assert least <= stable.raw <= most
        assert base.raw == 0
        assert outcome.minted == ()
        if bench.signs:
            assert bench.executor.settle(intent, tuple(log.kept), log) == outcome


@pytest.mark.parametrize("count", [0, 2])
def test_a_stage_of_protection_is_one_option(bench: Bench, count: int) -> None:
    if not bench.protects:
        pytest.skip("carries no options out")
    stage, log, limits = Stage(kind=StageKind.PROTECT, steps=buying().steps * count), Attempts(), bench.bounds()
    assert isinstance(bench.executor.execute(stage, limits, bench.intent(stage, limits), log), NotDone)
    assert log.kept == []


def test_what_cannot_be_logged_does_not_happen(bench: Bench) -> None:
    limits = bench.bounds()
    intent = bench.intent(bench.swap, limits)
    if bench.signs:
        with pytest.raises(JournalFault):
            bench.executor.execute(bench.swap, limits, intent, Unwritable())
    log = Attempts()
    again = bench.executor.execute(bench.swap, limits, bench.intent(bench.swap, limits), log)
    assert isinstance(again, Done | Simulated)
    assert [attempt.nonce for attempt in log.kept] == sorted({attempt.nonce for attempt in log.kept})


def test_an_intent_that_was_never_signed_is_not_done(bench: Bench) -> None:
    log, limits = Attempts(), bench.bounds()
    outcome = bench.executor.settle(bench.intent(bench.place, limits), (), log)
    assert isinstance(outcome, NotDone)
    assert (outcome.tx_hashes, outcome.gas_wei) == ((), 0)
    assert log.kept == []


def test_settling_what_is_done_tells_the_same_again(bench: Bench) -> None:
    log, limits = Attempts(), bench.bounds()
    intent = bench.intent(bench.place, limits)
    outcome = bench.executor.execute(bench.place, limits, intent, log)
    if bench.signs:
        assert bench.executor.settle(intent, tuple(log.kept), log) == outcome
        assert len(log.kept) == 1


def test_nothing_begins_after_its_deadline(bench: Bench) -> None:
    log, limits = Attempts(), bench.bounds()
    late = Bounds(deadline_s=1, max_gas_wei=limits.max_gas_wei, slippage_bps=limits.slippage_bps)
    outcome = bench.executor.execute(bench.place, late, bench.intent(bench.place, late), log)
    assert isinstance(outcome, NotDone)
    assert log.kept == []


def test_a_double_can_lose_and_refuse() -> None:
    bench = in_memory()
    executor = bench.executor
    assert isinstance(executor, MemoryExecutor)
    log, limits = Attempts(), bench.bounds()
    intent = bench.intent(bench.place, limits)
    executor.losing = True
    lost = executor.execute(bench.place, limits, intent, log)
    assert lost.kind == "unknown"
    assert isinstance(executor.settle(intent, tuple(log.kept), log), Done)
    executor.refusing = "no"
    assert executor.execute(bench.place, limits, intent, log).kind == "not_done"

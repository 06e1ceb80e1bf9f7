"""Runs of the daemon's own cycle over a made-up market."""

from __future__ import annotations

import gc
import hashlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.adapters.store.journal import SqlJournal
from keeper.core.model.errors import ConfigError
from keeper.core.model.plan import NotDone
from keeper.core.model.record import CycleState
from keeper.simulation import checkpoint
from keeper.simulation.account import VIRTUAL
from keeper.simulation.frictions import BaseFees, Frictions
from keeper.simulation.market import TapeEnd
from keeper.simulation.presence import Presence
from keeper.simulation.result import RunResult, result_of
from keeper.simulation.runner import Simulation
from keeper.simulation.weather import Scenario
from tests.fakes.memory_journal import MemoryJournal
from tests.pairs import USDC_WETH_500
from tests.rehearsals import hasty_policy, rehearsal

SMOOTH = Frictions(failure_rate=0.0, sandwich_share=0.0)


def ran(**fields) -> RunResult:
    run = rehearsal(**fields)
    run.run()
    return result_of(run, "keeper")


def columns(result: RunResult) -> dict[str, list[object]]:
    return {
        name: [repr(one) for one in getattr(result.rows, name)]
        for name in ("time_s", "value", "fees", "lvr", "forecast", "regime")
    }


@pytest.fixture(scope="module")
def calm() -> RunResult:
    return ran()


def test_a_ladder_is_opened_and_earns(calm) -> None:
    assert calm.acted[0].moves == ("open core", "open secondary", "open insurance")
    assert calm.acted[0].outcomes == ("done",)
    assert calm.parts.fees > 0 > calm.parts.lvr
    assert calm.parts.gas < 0
    assert calm.trouble == ()
    assert calm.refused == 0


def test_the_parts_add_up_to_the_change_of_value_to_the_last_unit(calm) -> None:
    assert calm.parts.total == calm.change != 0


def test_cycles_keep_the_cadence(calm) -> None:
    steps = {later - earlier for earlier, later in zip(calm.rows.time_s, calm.rows.time_s[1:], strict=False)}
    assert steps == {300}
    assert calm.cycles == len(calm.rows.time_s) == 72


def test_the_same_seed_gives_the_same_run_and_another_does_not() -> None:
    rough = Frictions(failure_rate=0.5, seed=3)
    first, again = ran(frictions=rough), ran(frictions=rough)
    assert columns(first) == columns(again)
    assert first.acted == again.acted
    other = ran(frictions=replace(rough, seed=4))
    assert other.acted != first.acted


def test_without_our_presence_every_reading_of_it_replays_the_tape_alike() -> None:
    runs = [rehearsal(presence=presence, policy=hasty_policy()) for presence in Presence]
    for run in runs:
        while run.market.now_s < run.market.start_s + 1_500:
            run.step()
    prices = {run.market.pools[USDC_WETH_500.address].pool.sqrt_price_x96 for run in runs}
    assert len(prices) == 1


def test_our_presence_moves_the_price_path_only_where_amounts_are_kept() -> None:
    kept, moved = (rehearsal(presence=presence, capital_quote=20_000_000, frictions=SMOOTH) for presence in Presence)
    kept.run(), moved.run()
    prices = [run.market.pools[USDC_WETH_500.address].pool.sqrt_price_x96 for run in (kept, moved)]
    recorded = kept.tapes[0].held[-1].events[-1].sqrt_price_after_x96
    assert recorded in prices
    assert prices[0] != prices[1]


def test_a_failed_transaction_burns_gas_and_moves_nothing() -> None:
    run = rehearsal(frictions=Frictions(failure_rate=1.0))
    run.run()
    assert run.account.manager.held == {}
    assert run.watch.parts.gas < 0
    assert run.watch.parts.fees == run.watch.parts.swaps == 0
    outcomes = [stage.outcome for record in run.journal.acted for stage in record.stages]
    assert outcomes
    assert all(isinstance(outcome, NotDone) and outcome.gas_wei > 0 for outcome in outcomes)


def test_a_sandwich_costs_and_at_most_the_slippage_bound() -> None:
    scenario = Scenario.TREND
    fair, robbed = (ran(days=0.5, scenario=scenario, frictions=replace(SMOOTH, sandwich_share=share)) for share in (0.0, 1.0))
    assert robbed.parts.swaps < fair.parts.swaps <= 0
    moved = sum(one.moves != () for one in robbed.acted)
    worst = moved * 100_000 * 0.0035 * robbed.quote_unit * 2**64
    assert robbed.parts.swaps > -worst


def test_dearer_gas_costs_as_much_more() -> None:
    cheap, dear = (ran(frictions=replace(SMOOTH, gas_multiple=multiple)) for multiple in (1.0, 2.0))
    assert dear.acted[0].gas_wei == 2 * cheap.acted[0].gas_wei
    assert dear.parts.gas < cheap.parts.gas


def test_latency_lets_the_market_move_before_a_stage() -> None:
    run = rehearsal(frictions=replace(SMOOTH, latency_blocks=5))
    while not run.journal.acted:
        run.step()
    (record,) = run.journal.acted
    assert record.stages[0].outcome.block == record.view.block.number + 5
    late = rehearsal(frictions=replace(SMOOTH, latency_blocks=100))
    while not late.journal.acted:
        late.step()
    assert late.journal.acted[0].state is CycleState.NOT_DONE
    assert "deadline" in late.journal.acted[0].stages[0].outcome.why


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_on_another_journal_the_run_is_the_same(calm, kind, tmp_path: Path) -> None:
    if kind == "memory":
        journal = MemoryJournal()
        other = rehearsal(journal=journal)
        other.run()
    else:
        with SqlJournal.open(tmp_path / "journal.sqlite", chain_id=1, account=VIRTUAL) as stored:
            other = rehearsal(journal=stored)
            other.run()
    assert [repr(one) for one in other.rows.value] == columns(calm)["value"]
    assert [repr(one) for one in other.rows.forecast] == columns(calm)["forecast"]
    assert other.watch.parts == calm.parts


def test_a_run_that_was_cut_goes_on_as_if_it_had_not_been(calm, tmp_path: Path) -> None:
    run = rehearsal()
    for _ in range(40):
        run.step()
    path = tmp_path / "run.checkpoint"
    checkpoint.save(run, path)
    assert path.stat().st_mode & 0o777 == 0o600
    later = checkpoint.load(path, rehearsal())
    later.run()
    result = result_of(later, "keeper")
    assert columns(result) == columns(calm)
    assert (result.parts, result.acted) == (calm.parts, calm.acted)


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    checkpoint.save(rehearsal(), path)
    with pytest.raises(ConfigError, match="another version, tape, policy or setting"):
        checkpoint.load(path, rehearsal(cadence_s=600))
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ConfigError, match="damaged"):
        checkpoint.load(path, rehearsal())


def test_a_checkpoint_of_types_that_are_no_more_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    checkpoint.save(rehearsal(), path)
    head, owner, _, _ = path.read_bytes().split(b"\n", 3)
    body = b"ckeeper.simulation.runner\nAnOldRun\n."
    path.write_bytes(b"\n".join((head, owner, hashlib.sha256(body).hexdigest().encode(), body)))
    with pytest.raises(ConfigError, match="was written by other code: remove it and run anew"):
        checkpoint.load(path, rehearsal())


def test_no_decision_depends_on_what_the_tape_brings_later() -> None:
    """The proof against looking ahead: a longer tape changes nothing before the end of the shorter one."""
    whole = ran(days=0.25)
    run = rehearsal(days=0.25)
    cut_s = run.market.start_s + 4 * 3_600
    short = replace(run.tapes[0], end_s=cut_s, held=tuple(b for b in run.tapes[0].held if b.timestamp_s <= cut_s))
    brief = Simulation((short,), run.policy, run.setting, BaseFees.constant(2 * 10**9))
    brief.run()
    told = columns(result_of(brief, "keeper"))
    long = columns(whole)
    count = len(told["value"])
    assert count == 48
    assert all(told[name] == long[name][:count] for name in told)


@pytest.mark.parametrize("stopped", [False, True])
def test_the_garbage_collector_waits_during_a_run_and_no_longer(stopped: bool) -> None:
    before, told = gc.get_threshold(), []

    def progress(done_s: int, total_s: int) -> None:
        if done_s < total_s:
            told.append(gc.get_threshold()[0])
            if stopped:
                raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        rehearsal().run(progress, every=10)
    assert min(told) > before[0]
    assert gc.get_threshold() == before


def test_past_its_end_a_tape_has_nothing() -> None:
    run = rehearsal()
    run.run()
    with pytest.raises(TapeEnd, match="ends at"):
        run.step()

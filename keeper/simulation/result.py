"""What a run leaves behind, small enough to be handed from process to process."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.ledger.attribution import Attribution
from keeper.core.model.codec import digest
from keeper.core.model.decision import BuyProtection, EndProtection, Move, OpenLayer, Reason, ShiftLayer, TiltInventory, Veto
from keeper.core.model.plan import Done, NotDone
from keeper.core.model.record import CycleRecord
from keeper.simulation.ledger_rows import LedgerRows
from keeper.simulation.protection import Protection, protection_of
from keeper.simulation.runner import Setting, Simulation


@dataclass(frozen=True, slots=True, kw_only=True)
class ActedRow:
    """A cycle that had a plan."""

    cycle: int
    time_s: int
    block: int
    moves: tuple[str, ...]
    """Such as ``shift core``."""
    reasons: tuple[Reason, ...]
    vetoes: tuple[Veto, ...]
    expected_cost_quote: float
    outcomes: tuple[str, ...]
    """Of each stage that was begun: ``done``, or ``not_done`` with why."""
    gas_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One run from end to end."""

    label: str
    """``keeper``, or the name of the benchmark or variation."""
    policy_digest: str
    setting: Setting
    tape_digest: str
    tape_described: str
    tape_exact: bool
    start_s: int
    end_s: int
    cycles: int
    swaps: int
    refused: int
    """Recorded events that the pool refused, because our presence has led it elsewhere."""
    rows: LedgerRows
    parts: Attribution
    """Exact; they add up to ``change`` to the last unit."""
    change: int
    """Of value since the start, in 2**-64 raw quote tokens."""
    quote_unit: int
    """10 to the quote's decimals: raw units of one quote token."""
    acted: tuple[ActedRow, ...]
    trouble: tuple[tuple[int, str], ...]
    """Cycles that could not be made: chain time and why."""
    protection: Protection | None = None
    """None where no options could be bought."""

    @property
    def options_model(self) -> float:
        """What is still held of options at the end is worth by the model, in quote tokens: in no part of the change."""
        return self.rows.options_model[-1] if self.protection is not None and self.rows.options_model else 0.0

    @property
    def options_intrinsic(self) -> float:
        """What it would pay at the last price."""
        return self.rows.options_intrinsic[-1] if self.protection is not None and self.rows.options_intrinsic else 0.0


def result_of(run: Simulation, label: str) -> RunResult:
    """The result of a run that has come to its end."""
    tape = run.tapes[0]
    return RunResult(
        label=label,
        policy_digest=digest(run.policy),
        setting=run.setting,
        tape_digest=tape.digest,
        tape_described=tape.described,
        tape_exact=all(one.exact for one in run.tapes),
        start_s=run.market.start_s,
        end_s=run.market.end_s,
        cycles=run.journal.cycles,
        swaps=run.market.swaps,
        refused=run.market.refused,
        rows=run.rows,
        parts=run.watch.parts,
        change=run.watch.value - run.watch.opened.value(run.watch.opened_mark),
        quote_unit=10**run.policy.quote.decimals,
        acted=tuple(acted_row(record) for record in run.journal.acted),
        trouble=tuple(run.trouble),
        protection=protection_of(run),
    )


def acted_row(record: CycleRecord) -> ActedRow:
    """The short form of a cycle that had a plan."""
    outcomes = [stage.outcome for stage in record.stages]
    return ActedRow(
        cycle=record.id,
        time_s=record.view.now_s,
        block=record.view.block.number,
        moves=tuple(_name(move) for move in record.decision.moves),
        reasons=record.decision.reasons,
        vetoes=record.decision.vetoes,
        expected_cost_quote=0.0 if record.plan is None else record.plan.cost.total_quote,
        outcomes=tuple(f"{one.kind}: {one.why}" if isinstance(one, NotDone) else one.kind for one in outcomes),
        gas_wei=sum(one.gas_wei for one in outcomes if isinstance(one, Done | NotDone)),
    )


def _name(move: Move) -> str:
    if isinstance(move, OpenLayer | ShiftLayer):
        return f"{move.kind} {move.target.kind.value}"
    if isinstance(move, BuyProtection):
        return f"{move.kind} {move.tier}"
    if isinstance(move, EndProtection):
        return f"{move.how.value} {move.position.contract.venue}"
    if isinstance(move, TiltInventory):
        return f"{move.kind} {move.sold.token.symbol}"
    return move.kind if move.kind == "exit" else f"{move.kind} {move.layer.value}"

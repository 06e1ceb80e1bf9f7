"""Where a keeper stands, and what it has done lately."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from keeper.adapters.store.reader import CycleLine, JournalStatus
from keeper.app.cli import sentences, words
from keeper.app.cli.output import table


def document(status: JournalStatus, *, now_s: int) -> dict[str, Any]:
    """Mode, age of the last completed cycle, orders and open work.

    Args:
        status: of the journal.
        now_s: wall clock, unix seconds.
    """
    last = status.last_ended
    return {
        "mode": mode(status),
        "chain_id": status.chain_id,
        "account": status.account,
        "cycles": status.cycles,
        "last_cycle": None if last is None else cycle_line(last),
        "age_s": age_s(status, now_s),
        "open_cycle": status.open_cycle,
        "open_intents": status.open_intents,
        "orders": [
            {"action": order.action, "why": order.why, "who": order.who, "at_s": order.at_s} for order in status.standing
        ],
    }


def mode(status: JournalStatus) -> str:
    """``halted``, ``paused``, ``working``, or ``new`` before the first cycle."""
    if status.standing:
        return "halted" if status.standing[0].action == "halt" else "paused"
    return "working" if status.last_ended else "new"


def age_s(status: JournalStatus, now_s: int) -> int | None:
    """Seconds since the last completed cycle; None before the first."""
    last = status.last_ended
    return None if last is None or last.ended_s is None else max(0, now_s - last.ended_s)


def cycle_line(line: CycleLine) -> dict[str, Any]:
    """One cycle of a list."""
    return {
        "id": line.id,
        "started_s": line.started_s,
        "ended_s": line.ended_s,
        "block": line.block,
        "timestamp_s": line.timestamp_s,
        "state": None if line.state is None else line.state.value,
        "regime": line.decision.regime.value,
        "volatility": line.decision.volatility,
        "sentence": sentences.decision(line.decision),
    }


def render(status: JournalStatus, *, now_s: int) -> list[RenderableType]:
    """The same for a person."""
    age = age_s(status, now_s)
    shown: list[RenderableType] = [
        Text(f"{mode(status)}, {status.cycles} cycles, chain {status.chain_id}, account {status.account}", style="bold")
    ]
    shown += [Text(f"{order.action} by {order.who} at {words.utc(order.at_s)}: {order.why}") for order in status.standing]
    if status.last_ended is not None and age is not None:
        last = status.last_ended
        volatility = "unknown" if last.decision.volatility is None else words.percent(last.decision.volatility)
        shown += [
            Text(f"last cycle {last.id}, {words.duration(age)} ago, block {last.block} of {words.utc(last.timestamp_s)}"),
            Text(sentences.decision(last.decision)),
            Text(f"regime {last.decision.regime}, forecast volatility {volatility} a year"),
        ]
    if status.open_cycle is not None:
        shown.append(Text(f"cycle {status.open_cycle} is open, with {status.open_intents} unsettled stages"))
    return shown


def render_journal(lines: Sequence[CycleLine]) -> list[RenderableType]:
    """A page of cycles, newest first."""
    rows = [
        (
            str(line.id),
            words.utc(line.timestamp_s),
            str(line.block),
            "open" if line.state is None else line.state.value.replace("_", " "),
            line.decision.regime.value,
            sentences.decision(line.decision),
        )
        for line in lines
    ]
    columns = ("id", "chain time", "block", "state", "regime", "decision")
    return [table("Cycles", columns, rows, right=("id", "block"))] if rows else [Text("no cycle yet")]

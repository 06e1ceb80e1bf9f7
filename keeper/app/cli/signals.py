"""``keeper signals``: every reading of the newest cycle, or of downloaded history, and a page that draws them over time."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.text import Text

from keeper.adapters.store.reader import JournalReader, open_reader
from keeper.app.cli import signal_table, words
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.market import own_end_s, own_history
from keeper.app.cli.progress import followed
from keeper.app.cli.session import Session
from keeper.app.cli.signal_table import Seen
from keeper.app.report import page
from keeper.app.report.points import Point, chosen_cycles, of_history, of_journal, step_s
from keeper.app.settings import Settings, to_policy
from keeper.core.model.bar import DAY_S
from keeper.core.model.errors import ConfigError
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockRef
from keeper.core.model.view import NO_MEMORY
from keeper.core.signals.order import in_order
from keeper.core.signals.state import SignalState
from keeper.core.signals.windows import since

USUAL_DAYS = 30


def run(session: Session, *, html: Path | None, days: int) -> ExitCode:
    """The table, or the page.

    Raises:
        ConfigError: there is neither a journal with a cycle nor downloaded history.
    """
    settings = session.load().settings
    with ExitStack() as stack:
        reader = stack.enter_context(open_reader(settings.journal_path)) if settings.journal_path.is_file() else None
        if html is not None:
            return _write(session, settings, reader, html, days=days)
        found = None if reader is None else of_newest_cycle(reader)
        if found is None:
            found = _of_downloaded(settings)
    told, document, seen = found
    session.out.show({**document, **signal_table.document(seen)}, Text(told, style="bold"), *signal_table.render(seen))
    return ExitCode.OK


def of_newest_cycle(reader: JournalReader) -> tuple[str, dict[str, Any], Seen] | None:
    """What the newest cycle saw; None when there was none."""
    newest = reader.cycles(limit=1)
    if not newest:
        return None
    record = reader.cycle(newest[0].id)
    view = record.view
    told = f"cycle {record.id}, block {view.block.number}, {words.utc(view.now_s)}"
    document = {"source": "journal", "cycle": record.id, "block": view.block.number}
    return told, document, Seen(readings=record.readings, policy=record.policy, memory=view.memory, now_s=view.now_s)


def _of_downloaded(settings: Settings) -> tuple[str, dict[str, Any], Seen]:
    """What the end of the downloaded history says."""
    policy = to_policy(settings)
    now_s = _end_s(settings, policy)
    state = SignalState(policy, now_s)
    state.feed(own_history(settings, policy, state.since, up_to_s=now_s))
    readings = state.read(BlockRef(number=0, hash="", timestamp_s=now_s), None)
    told = f"no cycle yet: computed from downloaded history that ends at {words.utc(now_s)}"
    document = {"source": "history", "cycle": None, "block": None}
    return told, document, Seen(readings=readings, policy=policy, memory=NO_MEMORY, now_s=now_s)


_NOTHING = (
    "no cycle in {journal} and no history of the signal pool in {folder}: keeper run --once makes a cycle,"
    " keeper data download fetches history"
)


def _end_s(settings: Settings, policy: Policy) -> int:
    found = own_end_s(settings, policy)
    if found is None:
        raise ConfigError([_NOTHING.format(journal=settings.journal_path, folder=settings.data.dir)])
    return found


def _write(session: Session, settings: Settings, reader: JournalReader | None, html: Path, *, days: int) -> ExitCode:
    """Draw the signals of the last days into one file."""
    points, policy, source = _points(session, settings, reader, days=days)
    if not points:
        raise ConfigError([f"nothing is known of the last {days} days of {source}: --days asks for more"])
    try:
        html.write_text(page.html(points, policy, source=source), encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"--html: {html} cannot be written: {error.strerror}"]) from None
    document = {
        "html": str(html),
        "source": source,
        "points": len(points),
        "first_s": points[0].at_s,
        "last_s": points[-1].at_s,
        "bytes": html.stat().st_size,
    }
    told = f"{html}: {page.count(points)} of {source}, {words.utc(points[0].at_s)} to {words.utc(points[-1].at_s)}"
    session.out.show(document, Text(told))
    return ExitCode.OK


def _points(
    session: Session, settings: Settings, reader: JournalReader | None, *, days: int
) -> tuple[list[Point], Policy, str]:
    cycle_ids = [] if reader is None else chosen_cycles(reader, days=days)
    if reader is not None and cycle_ids:
        policy = reader.cycle(cycle_ids[-1]).policy
        return list(followed(session, "reading cycles", of_journal(reader, cycle_ids), len(cycle_ids))), policy, "the journal"
    policy = to_policy(settings)
    end_s = _end_s(settings, policy)
    since_s, every_s = end_s - days * DAY_S, step_s(days)
    history = own_history(settings, policy, since(since_s), up_to_s=end_s)
    folded = of_history(in_order(history), policy, since_s=since_s, every_s=every_s)
    points = list(followed(session, "folding history", folded, days * DAY_S // every_s))
    return points, policy, "downloaded history, folded in one pass"

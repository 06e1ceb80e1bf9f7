"""Commands that only read the journal: they work beside a running keeper, and without a node."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from keeper.adapters.store.reader import JournalReader, open_reader
from keeper.app.cli import explain as explaining
from keeper.app.cli import positions as ladder
from keeper.app.cli import protection, sentences, words
from keeper.app.cli import replay as replaying
from keeper.app.cli import status as standing
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session
from keeper.core.model.errors import ConfigError
from keeper.core.model.plan import Done
from keeper.core.model.record import CycleRecord
from keeper.core.strategy.hedge.carried import carried_out


def _reader(session: Session) -> JournalReader:
    return open_reader(session.load().settings.journal_path)


def _record(reader: JournalReader, cycle_id: int | None) -> CycleRecord:
    if cycle_id is None:
        newest = reader.cycles(limit=1)
        if not newest:
            raise ConfigError(["the journal holds no cycle yet"])
        cycle_id = newest[0].id
    try:
        return reader.cycle(cycle_id)
    except KeyError:
        raise ConfigError([f"the journal holds no cycle {cycle_id}; keeper journal lists them"]) from None


def status(session: Session) -> ExitCode:
    """Mode, last cycle, orders."""
    now_s = int(time.time())
    with _reader(session) as reader:
        found = reader.status()
        record = None if found.last_ended is None else reader.cycle(found.last_ended.id)
        known = reader.memory().hedge
    document, shown = standing.document(found, now_s=now_s), standing.render(found, now_s=now_s)
    if record is not None:
        document["protection"] = protection.standing_document(record, known)
        shown += [*protection.standing_lines(record, known), *_since(record)]
    session.out.show(document, *shown)
    return ExitCode.OK


def positions(session: Session) -> ExitCode:
    """The ladder at the newest cycle's block."""
    with _reader(session) as reader:
        record = _record(reader, None)
    view, policy = record.view, record.policy
    options = [protection.held_document(one) for one in view.protection.positions]
    document = {**ladder.document(view, policy), "options": options, "cycle": record.id, "minted_since": _minted(record)}
    shown = protection.held_tables(view, policy) if protection.is_concerned(view, policy) else []
    session.out.show(document, *ladder.render(view, policy), *shown, *_since(record))
    return ExitCode.OK


def _minted(record: CycleRecord) -> list[int]:
    done = [stage.outcome for stage in record.stages if isinstance(stage.outcome, Done)]
    return [minted.token_id for outcome in done for minted in outcome.minted]


def _since(record: CycleRecord) -> Iterator[RenderableType]:
    if minted := _minted(record):
        ids = ", ".join(f"#{token_id}" for token_id in minted)
        yield Text(f"cycle {record.id} then placed {ids}: the next cycle shows them")
    for move, _ in carried_out(record.decision, record.stages):
        yield Text(f"cycle {record.id} then did this, which the next cycle shows: {sentences.move(move)}")


def journal(session: Session, *, limit: int, before: int | None) -> ExitCode:
    """A page of cycles."""
    with _reader(session) as reader:
        lines = reader.cycles(limit=limit, before=before)
    session.out.show({"cycles": [standing.cycle_line(line) for line in lines]}, *standing.render_journal(lines))
    return ExitCode.OK


def explain(session: Session, cycle_id: int | None) -> ExitCode:
    """One cycle laid open."""
    with _reader(session) as reader:
        record = _record(reader, cycle_id)
    session.out.show(explaining.document(record), *explaining.render(record))
    return ExitCode.OK


def replay(session: Session, cycle_id: int | None) -> ExitCode:
    """One cycle decided again."""
    with _reader(session) as reader:
        record = _record(reader, cycle_id)
        history = reader.named_history(record.view)
    differences = replaying.differences(record, replaying.think_again(record, history))
    verdict = "differs" if differences else "same readings, decision and plan, bit for bit"
    shown = [Text(f"cycle {record.id}: {verdict}"), *(Text(line) for line in differences)]
    session.out.show({"cycle": record.id, "same": not differences, "diff": list(differences)}, *shown)
    return ExitCode.DIFFERENT if differences else ExitCode.OK


def health(session: Session, *, max_age_s: int | None) -> ExitCode:
    """Age of the last completed cycle, and whether it left an option unexercised whose time had come."""
    settings = session.load().settings
    limit_s = max_age_s or settings.run.healthy_within_s
    with open_reader(settings.journal_path) as reader:
        found = reader.status()
        record = None if found.last_ended is None else reader.cycle(found.last_ended.id)
    age_s = standing.age_s(found, int(time.time()))
    neglected = () if record is None else protection.neglected(record)
    healthy = age_s is not None and age_s <= limit_s and not neglected
    age = "no cycle was completed yet" if age_s is None else f"last cycle completed {words.duration(age_s)} ago"
    document = {
        "healthy": healthy,
        "age_s": age_s,
        "limit_s": limit_s,
        "mode": standing.mode(found),
        "neglected_options": [one.id for one in neglected],
    }
    alarms = [] if record is None else protection.alarm_lines(record)
    session.out.show(document, Text(f"{age}, limit {words.duration(limit_s)}, {standing.mode(found)}"), *alarms)
    return ExitCode.OK if healthy else ExitCode.HALTED

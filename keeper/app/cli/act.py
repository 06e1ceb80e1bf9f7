"""Commands that think with a node, and those that act."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from rich.text import Text

from keeper.adapters.chain.head_watcher import HeadWatcher
from keeper.adapters.chain.preflight import identity
from keeper.adapters.store.journal import SqlJournal
from keeper.adapters.store.reader import open_snapshot
from keeper.adapters.telemetry.logs import LogTelemetry
from keeper.app import bootstrap
from keeper.app.cli import confirm, words
from keeper.app.cli import explain as explaining
from keeper.app.cli import positions as ladder
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session
from keeper.app.cli.setup import expectation
from keeper.app.daemon import Daemon, Reload
from keeper.app.paper import build_paper
from keeper.app.settings import Need, Settings, to_policy
from keeper.app.settings.show import take_over
from keeper.app.venues import NO_VENUES, open_venues
from keeper.core.model.decision import Decision
from keeper.core.model.errors import ConfigError, Fault, NotAsConfigured
from keeper.core.model.policy import Policy
from keeper.core.model.record import CycleRecord, CycleState
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.strategy.decide import exit_decision
from keeper.core.strategy.valuation import worth
from keeper.engine.cycle import Thought, run_cycle, think
from keeper.ports.journal import ReadableJournal
from keeper.ports.telemetry import Telemetry

HEAD_POLL_S = 3.0
"""A quarter of mainnet's block time: a new head is noticed soon, at twenty small requests a minute."""

ACT_CODES = {CycleState.BLOCKED: ExitCode.HALTED, CycleState.NOT_DONE: ExitCode.CHAIN, CycleState.UNKNOWN: ExitCode.CHAIN}


Stopping = Callable[[], bool]
"""Whether nothing new may be sent any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a keeper is run: which adapters it gets."""

    name: str
    need: Need | None
    """Of the settings, besides the node."""
    build: Callable[[Settings, Telemetry, Stopping], bootstrap.Keeper]
    said: Callable[[Settings], str | None]
    """What a person is told before it starts."""


def _account_keeper(settings: Settings, telemetry: Telemetry, stopping: Stopping, *, live: bool) -> bootstrap.Keeper:
    return bootstrap.build(settings, live=live, telemetry=telemetry, stopping=stopping)


def _paper_keeper(settings: Settings, telemetry: Telemetry, _stopping: Stopping) -> bootstrap.Keeper:
    return build_paper(settings, telemetry=telemetry)


def _paper_said(settings: Settings) -> str:
    return f"paper: virtual book of {settings.backtest.capital_quote:,} {settings.pair.quote}, nothing is signed"


DRY = Way(name="dry", need=Need.ACCOUNT, build=partial(_account_keeper, live=False), said=lambda _: None)
LIVE = Way(name="live", need=Need.KEY, build=partial(_account_keeper, live=True), said=lambda _: None)
PAPER = Way(name="paper", need=None, build=_paper_keeper, said=_paper_said)


def way(*, live: bool, paper: bool) -> Way:
    """The way that the command line asks for.

    Raises:
        ConfigError: for two at once.
    """
    if live and paper:
        raise ConfigError(["--live and --paper exclude one another: a virtual book has nothing to sign"])
    return LIVE if live else PAPER if paper else DRY


def plan(session: Session) -> ExitCode:
    """What a cycle would do now; reads only, and works beside a running keeper."""
    settings = session.load(Need.NODE, Need.ACCOUNT).settings
    policy = to_policy(settings)
    thought = _look(settings, policy)
    seen = (thought.sight.view, thought.readings, thought.decision, thought.plan, policy)
    document = {**explaining.thought(*seen), "due": thought.plan is not None}
    session.out.show(document, *explaining.render_thought(*seen))
    return ExitCode.OK if thought.plan is None else ExitCode.ACTION_DUE


def _look(settings: Settings, policy: Policy) -> Thought:
    address = account_of(settings)
    with contextlib.closing(bootstrap.open_rpc(settings)) as rpc, memory_of(settings, policy, address) as journal:
        source = bootstrap.open_source(settings, policy, rpc, address)
        hedging = bootstrap.is_hedging(policy, journal)
        options = open_venues(settings, policy, rpc, address, journal.memory()) if hedging else NO_VENUES
        return think(source, journal, policy, desk=options.desk)


def account_of(settings: Settings) -> str:
    """The account whose funds are looked after.

    Raises:
        ConfigError: none is configured.
    """
    signer = bootstrap.open_signer(settings)
    address = signer.address if signer else settings.wallet.address
    if address is None:
        raise ConfigError(["wallet.address: is needed: the account whose funds are looked after (or a keystore)"])
    return address


@contextlib.contextmanager
def memory_of(settings: Settings, policy: Policy, address: str) -> Generator[ReadableJournal]:
    """The journal as it is now, or before the first run an empty one that is thrown away."""
    path = settings.journal_path
    if path.is_file():
        with open_snapshot(path) as reader:
            yield reader
        return
    with tempfile.TemporaryDirectory(prefix="keeper-") as folder:
        empty = SqlJournal.open(Path(folder) / path.name, chain_id=policy.chain_id, account=address)
        with empty:
            yield empty


def run_once(session: Session, chosen: Way) -> ExitCode:
    """One cycle; what it did on stdout."""
    settings = loaded(session, chosen)
    prove(settings)
    telemetry = telemetry_of(session, settings)
    _say(chosen, settings)
    with chosen.build(settings, telemetry, lambda: False) as keeper:
        try:
            record = run_cycle(keeper.ports, keeper.policy)
        except Fault as error:
            keeper.journal.halt(str(error))
            raise
    session.out.show(explaining.document(record), *explaining.render(record))
    return ACT_CODES.get(record.state, ExitCode.OK)


def run(session: Session, chosen: Way) -> ExitCode:
    """Cycles until a signal; a line of log for each."""
    service = _Service(session, chosen)
    settings = service.settings
    prove(settings)
    _say(chosen, settings)
    with (
        chosen.build(settings, service.telemetry, service.is_stopping) as keeper,
        contextlib.ExitStack() as running,
    ):
        daemon = Daemon(keeper.ports, keeper.policy, trigger=trigger(settings), reload=service.reload)
        service.daemon = daemon
        daemon.handle_signals()
        if settings.run.follow_heads:
            rpc = running.enter_context(contextlib.closing(bootstrap.open_rpc(settings)))
            watcher = HeadWatcher(rpc, lambda _number: daemon.wake(), interval_s=HEAD_POLL_S)
            watcher.start()
            running.callback(watcher.stop)
        service.telemetry.event("keeper.started", mode=chosen.name, chain=settings.chain.name, account=keeper.address)
        daemon.run()
        return ExitCode.HALTED if keeper.journal.control() else ExitCode.OK


class _Service:
    """What a running keeper needs from the command line: its settings, anew when asked."""

    def __init__(self, session: Session, chosen: Way) -> None:
        self._session = session
        self._way = chosen
        self.settings = loaded(session, chosen)
        self.telemetry = telemetry_of(session, self.settings)
        self.daemon: Daemon | None = None

    def is_stopping(self) -> bool:
        """Whether nothing new may be sent any more."""
        return self.daemon is not None and self.daemon.stopping

    def reload(self) -> Reload:
        """The settings as they are now, when a running keeper may take them over."""
        new = loaded(self._session, self._way)
        changes = take_over(self.settings, new)
        self.settings = new
        return Reload(policy=to_policy(new), changes=changes)


def trigger(settings: Settings) -> BaseTrigger:
    """When a cycle is due: the crontab line in UTC if there is one, else the interval."""
    if settings.run.cron:
        return CronTrigger.from_crontab(settings.run.cron, timezone="UTC")
    return IntervalTrigger(seconds=settings.run.interval_s, timezone="UTC")


def exit_all(session: Session, *, live: bool, yes: bool) -> ExitCode:
    """Withdraw everything, then leave the keeper paused, since it would open a new ladder otherwise."""
    settings = loaded(session, LIVE if live else DRY)
    prove(settings)
    telemetry = telemetry_of(session, settings)
    with bootstrap.build(settings, live=live, telemetry=telemetry) as keeper:
        if (why := keeper.journal.control()) is not None:
            raise Fault(f"{why}; take it back first: keeper resume --clear-halt (no keeper runs now, so nothing else acts)")
        before = think(keeper.source, keeper.journal, keeper.policy, _exit)
        if before.plan is None:
            session.out.show({"state": "held", "positions": []}, Text("nothing is held"))
            return ExitCode.OK
        if live and not yes:
            _confirm(settings, before.sight.view, keeper.policy)
        record = run_cycle(keeper.ports, keeper.policy, _exit)
        if live and record.state is CycleState.DONE:
            keeper.journal.pause("everything was withdrawn by keeper exit")
    session.out.show(explaining.document(record), *explaining.render(record), *_afterwards(record))
    return ACT_CODES.get(record.state, ExitCode.OK)


def prove(settings: Settings) -> None:
    """A keeper does not start on a chain that is not what the settings say.

    Raises:
        NotAsConfigured: with every problem and its remedy.
        Transient: the node did not answer.
    """
    with contextlib.closing(bootstrap.open_rpc(settings)) as rpc:
        results = identity(rpc, expectation(settings, to_policy(settings)))
    problems = [f"{result.name}: {result.found}; {result.remedy}" for result in results if not result.ok]
    if problems:
        raise NotAsConfigured(problems)


def _exit(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> Decision:
    del readings, policy
    return exit_decision(view)


def _confirm(settings: Settings, view: MarketView, policy: Policy) -> None:
    """Ask for the chain and the value to be typed."""
    held = worth(view, policy)
    value = round(held.total - held.wallet)
    told = []
    for one in ladder.document(view, policy)["positions"]:
        holds = " + ".join(f"{amount} {symbol}" for symbol, amount in one["amounts"].items())
        told.append(f"#{one['token_id']} {one['layer']}: {holds}")
    told.append(f"All of it, about {words.money(value, policy.quote.symbol)}, will be withdrawn on {settings.chain.name}.")
    confirm.ask("exit --live", told, f"{settings.chain.name} {value}")


def _afterwards(record: CycleRecord) -> list[Text]:
    count = len(record.view.protection.positions)
    kept = [Text(f"{count} options are still held; keeper hedge list shows them")] if count else []
    match record.state:
        case CycleState.DONE:
            return [Text("withdrawn; the keeper is paused: keeper resume lets it open a ladder again"), *kept]
        case CycleState.SIMULATED:
            return [Text("a dry run: nothing was signed. --live withdraws"), *kept]
        case _:
            return kept


def loaded(session: Session, chosen: Way) -> Settings:
    """The settings, with what that way of running needs.

    Raises:
        ConfigError: something is wrong or missing.
    """
    needs = (Need.NODE,) if chosen.need is None else (Need.NODE, chosen.need)
    return session.load(*needs).settings


def _say(chosen: Way, settings: Settings) -> None:
    """Tell what a person must not mistake; on stderr, since stdout is for data."""
    if (said := chosen.said(settings)) is not None:
        sys.stderr.write(f"{said}\n")


def telemetry_of(session: Session, settings: Settings) -> LogTelemetry:
    """Where a command that acts logs; the node's address is kept out of it."""
    url = settings.rpc.url
    return session.telemetry(secrets=() if url is None else (url.get_secret_value(),))

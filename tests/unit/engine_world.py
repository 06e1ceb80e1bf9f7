"""A chain that never changes and an account that does as it is told: what the engine needs to be watched at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from keeper.core.model.ladder import Position
from keeper.core.model.plan import Bounds, Done, Stage, StageOutcome
from keeper.core.model.record import Attempt, Intent, Observation
from keeper.core.model.token import TokenAmount
from keeper.engine.ports import Ports
from keeper.ports.executor import AttemptLog
from tests.builders import USDC, WETH, gas, ladder, pool_view, prices, view, wallet
from tests.fakes.executor_scene import Telling
from tests.fakes.memory_journal import MemoryJournal
from tests.plans import done

Script = StageOutcome | Exception
HELD = ladder().positions


def withdrew() -> Done:
    """The core of ``builders.ladder`` came back with too many dollars for its next place."""
    return replace(done(), deltas=(TokenAmount(token=USDC, raw=45_000 * 10**6), TokenAmount(token=WETH, raw=35 * 10**17)))


def swapped() -> Done:
    """Some of the dollars became ether."""
    deltas = (TokenAmount(token=USDC, raw=-10_000 * 10**6), TokenAmount(token=WETH, raw=25 * 10**17))
    return replace(done(number=2), deltas=deltas)


def observation(*positions: Position, **fields: object) -> Observation:
    """The market of ``builders.view``, with these positions in the wallet and two days of prices."""
    seen = view()
    whole = Observation(
        chain_id=1,
        block=seen.block,
        pools=(pool_view(positions=positions),),
        wallet=wallet(),
        gas=gas(),
        positions=positions,
        prices=prices(),
    )
    return replace(whole, **fields)


@dataclass
class StillSource:
    """The same block again and again; prices as far as they are asked for."""

    seen: Observation
    asked: list[tuple[tuple[int, ...], int | None]] = field(default_factory=list)

    def observe(
        self,
        *,
        token_ids: Sequence[int],
        prices_after_block: int | None,
        sample_after_s: int | None,  # ruff: ignore[unused-method-argument]
    ) -> Observation:
        self.asked.append((tuple(token_ids), prices_after_block))
        known = -1 if prices_after_block is None else prices_after_block
        return replace(self.seen, prices=tuple(row for row in self.seen.prices if row.block > known))


@dataclass
class ScriptedAccount:
    """Carries out what it is given by giving back what it was told, and notes what the journal knew at that moment."""

    journal: MemoryJournal
    executes: list[Script] = field(default_factory=list)
    settles: list[Script] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    settled: list[Intent] = field(default_factory=list)
    open_when_asked: list[list[int]] = field(default_factory=list)

    def execute(self, stage: Stage, bounds: Bounds, intent: Intent, log: AttemptLog) -> StageOutcome:  # ruff: ignore[unused-method-argument]
        self.stages.append(stage)
        self.open_when_asked.append([kept.id for kept, _ in self.journal.open_intents()])
        return _told(self.executes)

    def settle(self, intent: Intent, attempts: Sequence[Attempt], log: AttemptLog) -> StageOutcome:  # ruff: ignore[unused-method-argument]
        self.settled.append(intent)
        return _told(self.settles)


def _told(script: list[Script]) -> StageOutcome:
    told = script.pop(0)
    if isinstance(told, Exception):
        raise told
    return told


class World:
    """Ports of fakes, and the journal behind them."""

    def __init__(self, *positions: Position, executes: Sequence[Script] = (), settles: Sequence[Script] = ()) -> None:
        self.journal = MemoryJournal()
        self.source = StillSource(observation(*positions))
        self.account = ScriptedAccount(self.journal, list(executes), list(settles))
        self.telling = Telling()
        self.ports = Ports(source=self.source, journal=self.journal, executor=self.account, telemetry=self.telling)


def laddered(*, executes: Sequence[Script] = (), settles: Sequence[Script] = ()) -> World:
    """A world whose wallet and journal hold the ladder of ``builders.ladder``."""
    world = World(*HELD, executes=executes, settles=settles)
    for layer in ladder().layers:
        for position in layer.positions:
            world.journal.adopt(position.token_id, layer.kind)
    return world

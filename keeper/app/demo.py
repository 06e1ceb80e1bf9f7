"""A market day on a twin with a live keeper in it: real contracts, real signatures, no network.

The market makes the blocks; whenever the keeper waits, the market goes on (see ``docs/adr/0005-waiting-moves-the-market.md``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from keeper.app.bootstrap import Keeper
from keeper.app.demo_protection import Diary, ProtectionTold
from keeper.app.demo_scene import DemoOptions, Scene, engage, set_scene
from keeper.core.ledger.accounts import Books, open_books, post
from keeper.core.ledger.marks import Marks, mark
from keeper.core.model.errors import Refused, Transient
from keeper.core.model.record import CycleRecord
from keeper.core.v3math.swap_kind import RecordedSwap
from keeper.engine.cycle import run_cycle, think
from keeper.localchain.market import BlockReport, Market
from keeper.localchain.replay import Replay
from keeper.localchain.statistics import DayStatistics, day_statistics
from keeper.localchain.twin import Twin, running_twin
from keeper.ports.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What there is to show after a block."""

    report: BlockReport
    record: CycleRecord | None
    """The newest cycle."""
    marks: Marks | None
    books: Books | None
    fresh: bool
    """Whether the cycle ended with this block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    market: DayStatistics | None
    departure_bps: float | None
    """Mean distance of the price from the record; None for a market of our own."""
    marks: Marks | None
    books: Books | None
    share_by_time: float | None
    """The ladder's mean part of the pool's active liquidity over the cycles since it was opened."""
    share_by_volume: float | None
    """The same weighted by what each swap paid: lower than by time where others bring liquidity just for large swaps."""
    share_of_fees: float | None
    """The ladder's part of the fees that traders paid in the same time, protocol's part included."""
    last_cycle: int | None
    last_act: int | None
    """Newest cycle that moved anything."""
    postponed: int
    """Cycles that the chain did not let finish."""
    protection: ProtectionTold | None
    """None in a run without it, and before the first cycle."""
    quote: str
    """Symbol of the token that amounts are in."""
    asked: str | None
    """How puts were priced, in words; None in a run without them."""
    recorded: str | None
    """What of a market at recorded prices is recorded; None for every other market."""
    interrupted: bool
    wall_s: float


class MarketClock:
    """Waiting lets the market make its next block, after whatever the keeper has handed in.

    Args:
        market: makes the blocks.
        twin: where.
        on_block: told of each.
        blocks_a_slot: blocks that the chain makes in that time; all but the market's are empty, and made when somebody waits.
    """

    def __init__(self, market: Market, twin: Twin, on_block: Callable[[BlockReport], None], *, blocks_a_slot: int = 1) -> None:
        self._market = market
        self._twin = twin
        self._on_block = on_block
        self._more = blocks_a_slot - 1
        self.over = False

    def step(self, *, waited_for: bool = False) -> BlockReport | None:
        """Play one block; None when the market is over."""
        report = self._market.step(waited_for=waited_for)
        if report is None:
            self.over = True
            return None
        self._on_block(report)
        return report

    def pause(self, seconds: float) -> None:  # ruff: ignore[unused-method-argument] - the market knows how long its next block takes
        """Play one block; after the market's end an empty one, so that what is pending can still be mined."""
        report = self.step(waited_for=True)
        base_fee_wei = self._twin.chain.mine([]).base_fee_wei if report is None else report.base_fee_wei
        self._twin.chain.mine_more(self._more, base_fee_wei=base_fee_wei)

    def monotonic_s(self) -> float:
        """Chain time."""
        return float(self._twin.chain.timestamp_s())


class Demo:
    """One run, made by :func:`play`."""

    def __init__(self, options: DemoOptions, telemetry: Telemetry, show: Callable[[Frame], None]) -> None:
        self._options = options
        self._pool = options.stage.place.pool
        self._telemetry = telemetry
        self._show = show
        self._swaps: list[tuple[int, RecordedSwap]] = []
        self._shares: list[float] = []
        self._paid: list[tuple[float, float]] = []
        self._diary = Diary()
        self._record: CycleRecord | None = None
        self._marks: Marks | None = None
        self._books: Books | None = None
        self._last_act: int | None = None
        self._opened_at: int | None = None
        self._postponed = 0
        self._next_cycle_s = 0
        self._started = time.monotonic()

    def run(self, keeper: Keeper, clock: MarketClock) -> None:
        """Play to the end of the market."""
        while not clock.over:
            report = clock.step()
            if report is not None and report.timestamp_s >= self._next_cycle_s:
                self._next_cycle_s = report.timestamp_s + self._options.interval_s
                self._cycle(keeper, report)
        self._look_again(keeper)

    def on_block(self, report: BlockReport) -> None:
        """Take note of a block and show it; sleeps to hold the wanted speed."""
        self._swaps += [(report.timestamp_s, swap) for swap in report.swaps]
        if self._opened_at is not None and self._record is not None:
            self._paid += [_paid(self._record, swap) for swap in report.swaps]
        self._show(Frame(report=report, record=self._record, marks=self._marks, books=self._books, fresh=False))
        if self._options.speed > 0:
            chain_s = report.timestamp_s - self._swaps[0][0] if self._swaps else 0
            time.sleep(max(0.0, self._started + chain_s / self._options.speed - time.monotonic()))

    def outcome(self, scene: Scene, *, interrupted: bool) -> Outcome:
        """What the run has come to so far."""
        return Outcome(
            market=day_statistics(self._swaps, self._pool) if len(self._swaps) > 1 else None,
            departure_bps=scene.market.departure().mean_bps if isinstance(scene.market, Replay) else None,
            marks=self._marks,
            books=self._books,
            share_by_time=sum(self._shares) / len(self._shares) if self._shares else None,
            share_by_volume=_ratio(sum(ours for ours, _ in self._paid), sum(paid for _, paid in self._paid)),
            share_of_fees=self._share_of_fees(),
            last_cycle=self._record.id if self._record else None,
            last_act=self._last_act,
            postponed=self._postponed,
            protection=self._told(),
            quote=self._options.stage.quote,
            asked=None if scene.seller is None else scene.seller.terms,
            recorded=scene.recorded,
            interrupted=interrupted,
            wall_s=time.monotonic() - self._started,
        )

    def _cycle(self, keeper: Keeper, report: BlockReport) -> None:
        try:
            record = run_cycle(keeper.ports, keeper.policy)
        except (Transient, Refused) as error:
            self._postponed += 1
            self._telemetry.event("cycle.postponed", why=str(error))
            return
        self._record = record
        if self._books is None:
            self._books = open_books(record.view, record.policy)
        self._books = post(self._books, record)
        self._marks = mark(self._books, record.view, record.policy)
        self._diary.note(record)
        if record.stages:
            self._last_act = record.id
        if record.view.ladder.positions:
            self._opened_at = self._opened_at or record.view.now_s
            self._shares.append(_share_of_liquidity(record))
        self._show(Frame(report=report, record=record, marks=self._marks, books=self._books, fresh=True))

    def _look_again(self, keeper: Keeper) -> None:
        """What the last cycle did shows in no view yet."""
        if self._record is None or self._books is None or not self._record.stages:
            return
        ports = keeper.ports
        try:
            view = think(ports.source, ports.journal, keeper.policy, desk=ports.desk).sight.view
        except (Transient, Refused) as error:
            self._telemetry.event("demo.not_closed", why=str(error))
            return
        self._record = replace(self._record, view=view)
        self._marks = mark(self._books, view, self._record.policy)

    def _told(self) -> ProtectionTold | None:
        if not self._options.protect or self._books is None or self._marks is None or self._record is None:
            return None
        return self._diary.told(self._books, self._marks, self._record)

    def _share_of_fees(self) -> float | None:
        if self._opened_at is None or self._marks is None:
            return None
        since = [(at_s, swap) for at_s, swap in self._swaps if at_s >= self._opened_at]
        if len(since) < 2:
            return None
        statistics = day_statistics(since, self._pool)
        days = (since[-1][0] - since[0][0]) / 86_400
        return _ratio(self._marks.fees_quote, statistics.fees_usd * days)


def play(
    options: DemoOptions,
    telemetry: Telemetry,
    show: Callable[[Frame], None],
    *,
    until_stopped: Callable[[str], None] | None = None,
) -> Outcome:
    """Run the demo to its end, or to the first KeyboardInterrupt, and say what it came to.

    Args:
        options: what to play.
        telemetry: told what the keeper does.
        show: called after every block and every cycle.
        until_stopped: called with the node's address at the end, to keep the chain up while it runs.

    Raises:
        ConfigError: anvil, contracts or tape are missing, or the folder is not new.
    """
    place = options.stage.place
    with ExitStack() as stack:
        twin = stack.enter_context(running_twin(place.node(port=options.port), recipe=place.recipe))
        scene = set_scene(options, twin)
        demo = Demo(options, telemetry, show)

        def on_block(report: BlockReport) -> None:
            demo.on_block(report)
            scene.follow(report)

        clock = MarketClock(scene.market, twin, on_block, blocks_a_slot=place.blocks_a_slot)
        first = clock.step()
        price = place.pool.usd(first.pool.sqrt_price_x96) if first else 1.0
        keeper = stack.enter_context(engage(options, twin, clock, telemetry, price))
        interrupted = False
        try:
            demo.run(keeper, clock)
            if until_stopped is not None:
                until_stopped(twin.rpc_url)
        except KeyboardInterrupt:
            interrupted = not clock.over
        return demo.outcome(scene, interrupted=interrupted)


def _share_of_liquidity(record: CycleRecord) -> float:
    """The ladder's part of the main pool's active liquidity at the view's block."""
    state = record.view.pool(record.policy.signal_pool).state
    return (_ratio(_active(record, state.tick), state.liquidity)) or 0.0


def _paid(record: CycleRecord, swap: RecordedSwap) -> tuple[float, float]:
    """What a swap brought in, in raw token0: the part that goes with the ladder's share of liquidity, and all of it."""
    price = (swap.sqrt_price_x96 / 2**96) ** 2
    size = max(swap.amount0, 0) + max(swap.amount1, 0) / price
    return size * (_ratio(_active(record, swap.tick), swap.liquidity) or 0.0), size


def _active(record: CycleRecord, tick: int) -> int:
    main = record.policy.signal_pool
    held = (position for position in record.view.ladder.positions if position.pool == main)
    return sum(position.liquidity for position in held if position.range.contains(tick))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None

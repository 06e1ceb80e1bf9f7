"""A market day on the mainnet twin with a live keeper in it: real contracts, real signatures, no network.

The market makes the blocks; whenever the keeper waits, the market goes on (see ``docs/adr/0005-waiting-moves-the-market.md``).
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from keeper.adapters.tx import keystore
from keeper.app.bootstrap import Keeper, build
from keeper.app.settings.load import load
from keeper.core.ledger.accounts import Books, open_books, post
from keeper.core.ledger.marks import Marks, mark
from keeper.core.model.errors import Refused, Transient
from keeper.core.model.record import CycleRecord
from keeper.core.v3math.swap_kind import RecordedSwap
from keeper.engine.cycle import run_cycle
from keeper.localchain import mainnet
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.market import BlockReport, Market, MarketDesk
from keeper.localchain.pools import USDC_WETH_500
from keeper.localchain.replay import Replay
from keeper.localchain.statistics import DayStatistics, day_statistics
from keeper.localchain.synthetic import MarketPlan, SyntheticMarket
from keeper.localchain.tape import read_tape
from keeper.localchain.twin import Twin, running_twin
from keeper.ports.telemetry import Telemetry
from keeper.simulation.weather import Scenario

CYCLE_S = 300
"""Chain time between two cycles of the demo."""
MIN_HISTORY_S = 3_600
"""The demo's keeper opens its ladder after an hour of prices; the shipped configuration waits for six."""
OPENING_QUOTE = 125_000
"""Of each token, about, in tokens of the quote: together the wallet that the demo starts with."""
GAS_WEI = 10**18
SCRYPT_ROUNDS = 2**12
"""Cheap to open: the key is worth nothing and its passphrase lies beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What to play."""

    state_dir: Path
    """A new folder for the journal, the key and the configuration of this run."""
    tape: Path | None
    """A recorded day; None plays a market of our own."""
    scenario: Scenario
    seed: int
    days: float
    port: int
    """Of the node; 0 is any free one."""
    speed: float
    """Chain seconds per second; 0 is as fast as it goes."""


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
    interrupted: bool
    wall_s: float


class MarketClock:
    """Waiting lets the market make its next block, after whatever the keeper has handed in."""

    def __init__(self, market: Market, twin: Twin, on_block: Callable[[BlockReport], None]) -> None:
        self._market = market
        self._twin = twin
        self._on_block = on_block
        self.over = False

    def step(self) -> BlockReport | None:
        """Play one block; None when the market is over."""
        report = self._market.step()
        if report is None:
            self.over = True
            return None
        self._on_block(report)
        return report

    def pause(self, seconds: float) -> None:  # ruff: ignore[unused-method-argument] - the market knows how long its next block takes
        """Play one block; after the market's end an empty one, so that what is pending can still be mined."""
        if self.step() is None:
            self._twin.chain.mine([])

    def monotonic_s(self) -> float:
        """Chain time."""
        return float(self._twin.chain.timestamp_s())


class Demo:
    """One run, made by :func:`play`."""

    def __init__(self, options: DemoOptions, telemetry: Telemetry, show: Callable[[Frame], None]) -> None:
        self._options = options
        self._telemetry = telemetry
        self._show = show
        self._swaps: list[tuple[int, RecordedSwap]] = []
        self._shares: list[float] = []
        self._paid: list[tuple[float, float]] = []
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
                self._next_cycle_s = report.timestamp_s + CYCLE_S
                self._cycle(keeper, report)

    def on_block(self, report: BlockReport) -> None:
        """Take note of a block and show it; sleeps to hold the wanted speed."""
        self._swaps += [(report.timestamp_s, swap) for swap in report.swaps]
        if self._opened_at is not None and self._record is not None:
            self._paid += [_paid(self._record, swap) for swap in report.swaps]
        self._show(Frame(report=report, record=self._record, marks=self._marks, books=self._books, fresh=False))
        if self._options.speed > 0:
            chain_s = report.timestamp_s - self._swaps[0][0] if self._swaps else 0
            time.sleep(max(0.0, self._started + chain_s / self._options.speed - time.monotonic()))

    def outcome(self, departure_bps: float | None, *, interrupted: bool) -> Outcome:
        """What the run has come to so far."""
        return Outcome(
            market=day_statistics(self._swaps, USDC_WETH_500) if len(self._swaps) > 1 else None,
            departure_bps=departure_bps,
            marks=self._marks,
            books=self._books,
            share_by_time=sum(self._shares) / len(self._shares) if self._shares else None,
            share_by_volume=_ratio(sum(ours for ours, _ in self._paid), sum(paid for _, paid in self._paid)),
            share_of_fees=self._share_of_fees(),
            last_cycle=self._record.id if self._record else None,
            last_act=self._last_act,
            postponed=self._postponed,
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
        if record.stages:
            self._last_act = record.id
        if record.view.ladder.positions:
            self._opened_at = self._opened_at or record.view.now_s
            self._shares.append(_share_of_liquidity(record))
        self._show(Frame(report=report, record=record, marks=self._marks, books=self._books, fresh=True))

    def _share_of_fees(self) -> float | None:
        if self._opened_at is None or self._marks is None:
            return None
        since = [(at_s, swap) for at_s, swap in self._swaps if at_s >= self._opened_at]
        if len(since) < 2:
            return None
        statistics = day_statistics(since, USDC_WETH_500)
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
    with ExitStack() as stack:
        twin = stack.enter_context(running_twin(AnvilOptions(port=options.port)))
        market = _market(options, MarketDesk(twin, mainnet.USDC_WETH_500))
        demo = Demo(options, telemetry, show)
        clock = MarketClock(market, twin, demo.on_block)
        first = clock.step()
        price = USDC_WETH_500.usd(first.pool.sqrt_price_x96) if first else 1.0
        keeper = stack.enter_context(_keeper(options, twin, clock, telemetry, price))
        interrupted = False
        try:
            demo.run(keeper, clock)
            if until_stopped is not None:
                until_stopped(twin.rpc_url)
        except KeyboardInterrupt:
            interrupted = not clock.over
        departure = market.departure().mean_bps if isinstance(market, Replay) else None
        return demo.outcome(departure, interrupted=interrupted)


def _market(options: DemoOptions, desk: MarketDesk) -> Market:
    if options.tape is not None:
        return Replay(desk, read_tape(options.tape))
    plan = MarketPlan(scenario=options.scenario, seed=options.seed, days=options.days, pools=(USDC_WETH_500,))
    return SyntheticMarket(desk, plan)


def _keeper(options: DemoOptions, twin: Twin, clock: MarketClock, telemetry: Telemetry, price: float) -> Keeper:
    folder = options.state_dir
    folder.mkdir(parents=True, mode=0o700)
    passphrase_file = folder / "passphrase"
    passphrase_file.touch(mode=0o600)
    passphrase_file.write_text(secrets.token_hex(16), encoding="utf-8")
    key_file = folder / "key.json"
    address = keystore.create(
        key_file, _key(options.seed), passphrase_file.read_text(encoding="utf-8"), scrypt_rounds=SCRYPT_ROUNDS
    )
    twin.fund(address, mainnet.USDC, OPENING_QUOTE * 10**6)
    twin.fund(address, mainnet.WETH, int(OPENING_QUOTE / price * 10**18))
    twin.fund_native(address, GAS_WEI)
    config = folder / "keeper.toml"
    config.write_text(_toml(twin.rpc_url, folder, key_file, passphrase_file), encoding="utf-8")
    settings = load(config=config, environ={}).settings
    return build(settings, live=True, telemetry=telemetry, clock=clock)


def _key(seed: int) -> str:
    """A key that everybody can work out, so that a run can be repeated to the wei: signatures are part of the gas."""
    return "0x" + hashlib.sha256(f"keeper demo {seed}".encode()).hexdigest()


def _toml(rpc_url: str, folder: Path, key_file: Path, passphrase_file: Path) -> str:
    return f"""# Written by the demo: the shipped configuration of USDC/WETH 0.05 %, with a node and a key of its own.
[rpc]
url = "{rpc_url}"

[wallet]
keystore = "{key_file}"
passphrase_file = "{passphrase_file}"

[run]
live = true
state_dir = "{folder}"
interval_s = {CYCLE_S}

[signals]
min_history_s = {MIN_HISTORY_S}
"""


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

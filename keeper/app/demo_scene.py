"""The scene of the demo: what is played, a market for it, what surrounds the market, and a keeper with a wallet of its own."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from keeper.adapters.tx import keystore
from keeper.app.bootstrap import Keeper, build
from keeper.app.demo_stage import ON_MAINNET, Stage
from keeper.app.settings.load import load
from keeper.localchain.market import BlockReport, Market, MarketDesk
from keeper.localchain.pools import EthPool
from keeper.localchain.price_file import RecordedPrices, read_prices
from keeper.localchain.replay import Replay
from keeper.localchain.reporting import Reporter
from keeper.localchain.selling import Asked, Seller, asked_in
from keeper.localchain.synthetic import DAY_BEGIN_S, MarketPlan, SyntheticMarket
from keeper.localchain.tape import Tape, read_tape
from keeper.localchain.twin import Twin
from keeper.ports.clock import Clock
from keeper.ports.telemetry import Telemetry
from keeper.simulation.weather import WEATHERS, Scenario

MIN_HISTORY_S = 3_600
"""The demo's keeper opens its ladder after an hour of prices; the shipped configuration waits for six."""
OPENING_QUOTE = 125_000
"""Of each token, about, in tokens of the quote: together the wallet that the demo starts with."""
GAS_WEI = 10**18
SCRYPT_ROUNDS = 2**12
"""Cheap to open: the key is worth nothing and its passphrase lies beside it."""
_LOSS_CAP, _RECORDED_LOSS_CAP = "0.04", "0.03"
"""Lower on a record: between its prices the path is straight, so the keeper's forecast is low."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What to play."""

    stage: Stage = ON_MAINNET
    """On which chain."""
    state_dir: Path
    """A new folder for the journal, the key and the configuration of this run."""
    scenario: Scenario
    seed: int
    days: float
    tape: Path | None = None
    """A recorded day, every swap of it; in place of the scenario."""
    prices: Path | None = None
    """Recorded prices that a market of our own follows; in place of the scenario."""
    begin: str | None = None
    """Of the recorded prices, ISO."""
    protect: bool = False
    """Whether puts are for sale, and the keeper buys them."""
    activity: float = 1.0
    """Of a market of our own: traders and providers, times the usual."""
    cycle_s: int | None = None
    """Chain time between two cycles; the stage's when not given."""
    port: int = 0
    """Of the node; 0 is any free one."""
    speed: float = 0.0
    """Chain seconds per second; 0 is as fast as it goes."""

    @property
    def interval_s(self) -> int:
        """Chain time between two cycles."""
        return self.stage.cycle_s if self.cycle_s is None else self.cycle_s


class Scene(NamedTuple):
    """What the keeper finds on the chain."""

    market: Market
    reporter: Reporter
    pool: EthPool
    """The market's main one."""
    seller: Seller | None
    """Of puts; None in a run without protection."""
    recorded: str | None
    """What of a market at recorded prices is recorded and what is not, for people; None for every other market."""

    def follow(self, report: BlockReport) -> None:
        """After a block of the market: the feed reports, and puts get their new price, when they are due."""
        usd = report.external_price or self.pool.usd(report.pool.sqrt_price_x96)
        self.reporter.follow(usd, report.timestamp_s)
        if self.seller is not None:
            self.seller.follow(usd, report.timestamp_s)


class _Played(NamedTuple):
    """Where and when a market begins, before it is made."""

    usd: float
    begin_s: int
    asked: Asked
    """What puts are sold at."""
    tape: Tape | None = None
    prices: RecordedPrices | None = None


def set_scene(options: DemoOptions, twin: Twin) -> Scene:
    """Build it: the feed, puts for sale where they are wanted, and the market, which takes the chain to its own beginning.

    Raises:
        ConfigError: contracts are missing, or the record cannot be used.
    """
    played, stage = _played(options), options.stage
    feed = stage.place.put_feeds(twin, played.usd)
    reporter = Reporter(feed, played.usd, twin.chain.timestamp_s())
    seller = stage.sale(twin, feed, played.asked, played.usd, played.begin_s) if options.protect else None
    pool = stage.place.pool
    market = _market(options, played, MarketDesk(twin, pool.address))
    return Scene(market, reporter, pool, seller, None if played.prices is None else str(played.prices))


def _played(options: DemoOptions) -> _Played:
    if options.tape is not None:
        tape = read_tape(options.tape)
        usd = options.stage.place.pool.usd(tape.start.sqrt_price_x96)
        return _Played(usd, tape.start_timestamp_s, asked_in(None), tape=tape)
    if options.prices is not None:
        prices = read_prices(options.prices, options.begin, options.days)
        return _Played(prices.points[0][1], prices.begin_s, asked_in(None), prices=prices)
    return _Played(WEATHERS[options.scenario].points[0][1], DAY_BEGIN_S, asked_in(options.scenario))


def _market(options: DemoOptions, played: _Played, desk: MarketDesk) -> Market:
    if played.tape is not None:
        return Replay(desk, played.tape)
    plan = MarketPlan(
        scenario=options.scenario,
        seed=options.seed,
        days=options.days,
        points=None if played.prices is None else played.prices.points,
        noise=played.prices is None,
        activity=options.activity,
        block_slots=options.stage.block_slots,
        base_fees=options.stage.place.base_fees,
        pools=(options.stage.place.pool,),
        begin_s=played.begin_s,
    )
    return SyntheticMarket(desk, plan)


def engage(options: DemoOptions, twin: Twin, clock: Clock, telemetry: Telemetry, price: float) -> Keeper:
    """A live keeper on the shipped configuration, with a funded wallet and a folder of its own.

    Args:
        options: what is played.
        twin: the chain.
        clock: how the keeper waits.
        telemetry: told what it does.
        price: dollars per ether, at which the wallet holds half of its value in each token.
    """
    folder = options.state_dir
    folder.mkdir(parents=True, mode=0o700)
    passphrase_file = folder / "passphrase"
    passphrase_file.touch(mode=0o600)
    passphrase_file.write_text(secrets.token_hex(16), encoding="utf-8")
    key_file = folder / "key.json"
    address = keystore.create(
        key_file, _key(options.seed), passphrase_file.read_text(encoding="utf-8"), scrypt_rounds=SCRYPT_ROUNDS
    )
    place = options.stage.place
    twin.fund(address, place.dollars, OPENING_QUOTE * 10**6)
    twin.fund(address, place.recipe.weth, int(OPENING_QUOTE / price * 10**18))
    twin.fund_native(address, GAS_WEI)
    config = folder / "keeper.toml"
    config.write_text(_toml(options, twin.rpc_url, key_file, passphrase_file), encoding="utf-8")
    settings = load(config=config, environ={}).settings
    return build(settings, live=True, telemetry=telemetry, clock=clock)


def _key(seed: int) -> str:
    """A key that everybody can work out, so that a run can be repeated to the wei: signatures are part of the gas."""
    return "0x" + hashlib.sha256(f"keeper demo {seed}".encode()).hexdigest()


def _toml(options: DemoOptions, rpc_url: str, key_file: Path, passphrase_file: Path) -> str:
    stage, cycle_s = options.stage, options.interval_s
    return f"""# Written by the demo: the shipped configuration of {stage.pair}, with a node and a key of its own.
[use]
chain = "{stage.place.name}"
pool = "{stage.pool_file}"

[rpc]
url = "{rpc_url}"

[wallet]
keystore = "{key_file}"
passphrase_file = "{passphrase_file}"

[run]
live = true
state_dir = "{options.state_dir}"
interval_s = {cycle_s}
healthy_within_s = {2 * cycle_s}

[signals]
min_history_s = {MIN_HISTORY_S}
{_hedged(options)}"""


def _hedged(options: DemoOptions) -> str:
    if not options.protect:
        return ""
    is_recorded = options.tape is not None or options.prices is not None
    return options.stage.hedged.format(loss_cap=_RECORDED_LOSS_CAP if is_recorded else _LOSS_CAP)

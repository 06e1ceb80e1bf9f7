"""The scene of the demo: what is played, a market for it, what surrounds the market, and a keeper with a wallet of its own."""

from __future__ import annotations

import hashlib
import math
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from keeper.adapters.tx import keystore
from keeper.app.bootstrap import Keeper, build
from keeper.app.settings.load import load
from keeper.localchain import mainnet
from keeper.localchain.chainlink import ETH_USD, put_feed
from keeper.localchain.gamma import DAY_S, expiry_after, put_gamma
from keeper.localchain.market import BlockReport, Market, MarketDesk
from keeper.localchain.pools import USDC_WETH_500
from keeper.localchain.price_file import RecordedPrices, read_prices
from keeper.localchain.put_market import Asked, PutMaker
from keeper.localchain.replay import Replay
from keeper.localchain.reporting import Reporter
from keeper.localchain.synthetic import DAY_BEGIN_S, MarketPlan, SyntheticMarket
from keeper.localchain.tape import Tape, read_tape
from keeper.localchain.twin import Twin
from keeper.ports.clock import Clock
from keeper.ports.telemetry import Telemetry
from keeper.simulation.weather import WEATHERS, Scenario

CYCLE_S = 300
"""Chain time between two cycles of the demo."""
MIN_HISTORY_S = 3_600
"""The demo's keeper opens its ladder after an hour of prices; the shipped configuration waits for six."""
OPENING_QUOTE = 125_000
"""Of each token, about, in tokens of the quote: together the wallet that the demo starts with."""
GAS_WEI = 10**18
SCRYPT_ROUNDS = 2**12
"""Cheap to open: the key is worth nothing and its passphrase lies beside it."""

MAKER_MARKUP = 1.2
"""Volatility at which puts are sold, times that of the scenario's own noise."""
MAKER_RISE = 4.0
RECORDED_VOLATILITY = 0.60
"""Asked where the price is a record: what the shipped configuration takes for usual, and what the day before the fall of
10 October 2025 came to."""
PUTS = ((0.6, 1), (2.0, 2), (4.0, 8))
"""How far each strike lies below the opening price, in daily standard deviations at the volatility that is asked, and days to
the 08:00 UTC at which the series expires. Two and four deviations are where the ladder's own layers end. The first series
expires within a market of a day and a half, the second within one of two and a half."""
_STRIKE_STEP = 25
_BEFORE_BUYING_S = 7_200
"""The keeper buys a little more than an hour after the start, and no option that has less than a day to live."""

_LOSS_CAP, _RECORDED_LOSS_CAP = "0.04", "0.03"
"""Lower on a record: between its prices the path is straight, so the keeper's forecast is low."""
_HEDGED = """
# Protection as the demo buys it: anchors, shares, wake conditions and the ceiling of premiums are the shipped ones.
[hedge]
enabled = true
loss_cap = "{loss_cap}"          # a mandate, since the fees of a day pay for little: the most to lose at the quantile of 1 %
horizon_s = 86400          # within a day. It binds as soon as there is a ladder, so protection is bought before the fall
dear = "2.5"               # against a forecast from an hour of prices; the shipped guard is 1.35
reserve = "0.03"           # the wallet's spare native ether is 1.5 % of it and pays no premium
roll_before_s = 0          # options of days are held to their end, so that one is redeemed while the demo runs

# Times to expiry that fit the series for sale; the shipped ones are weeks and months. Beside the mandate the shipped wake
# conditions hold: a price that has walked 0.3, 0.4 and 0.6 of the way to the ladder's end wakes far, middle and near in turn.
[hedge.tiers.near]
tenor_from_s = 86400
tenor_to_s = 172800
[hedge.tiers.middle]
tenor_from_s = 115200
tenor_to_s = 345600
[hedge.tiers.far]
tenor_from_s = 345600
tenor_to_s = 1036800
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What to play."""

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
    cycle_s: int = CYCLE_S
    """Chain time between two cycles."""
    port: int = 0
    """Of the node; 0 is any free one."""
    speed: float = 0.0
    """Chain seconds per second; 0 is as fast as it goes."""


class Scene(NamedTuple):
    """What the keeper finds on the chain."""

    market: Market
    reporter: Reporter
    maker: PutMaker | None
    """Sells puts; None in a run without protection."""
    asked: Asked | None
    recorded: str | None
    """What of a market at recorded prices is recorded and what is not, for people; None for every other market."""

    def follow(self, report: BlockReport) -> None:
        """After a block of the market: the feed reports, and puts get their new price, when they are due."""
        usd = report.external_price or USDC_WETH_500.usd(report.pool.sqrt_price_x96)
        self.reporter.follow(usd, report.timestamp_s)
        if self.maker is not None:
            self.maker.follow(usd, report.timestamp_s)


class _Played(NamedTuple):
    """Where and when a market begins, before it is made."""

    usd: float
    begin_s: int
    volatility: float
    """At which puts are sold."""
    tape: Tape | None = None
    prices: RecordedPrices | None = None


def set_scene(options: DemoOptions, twin: Twin) -> Scene:
    """Build it: the feed, puts for sale where they are wanted, and the market, which takes the chain to its own beginning.

    Raises:
        ConfigError: contracts are missing, or the record cannot be used.
    """
    played = _played(options)
    feed = put_feed(twin, ETH_USD, played.usd)
    reporter = Reporter(feed, played.usd, twin.chain.timestamp_s())
    asked = maker = None
    if options.protect:
        asked = Asked(volatility=played.volatility, rise=MAKER_RISE)
        maker = PutMaker(put_gamma(twin, feed), asked, played.usd, played.begin_s)
        for deviations, days in PUTS:
            below = math.exp(-deviations * played.volatility / math.sqrt(365))
            strike = round(below * played.usd / _STRIKE_STEP) * _STRIKE_STEP
            maker.sell(strike, expiry_after(played.begin_s + _BEFORE_BUYING_S, 1) + (days - 1) * DAY_S)
    market = _market(options, played, MarketDesk(twin, mainnet.USDC_WETH_500))
    return Scene(market, reporter, maker, asked, None if played.prices is None else str(played.prices))


def _played(options: DemoOptions) -> _Played:
    if options.tape is not None:
        tape = read_tape(options.tape)
        usd = USDC_WETH_500.usd(tape.start.sqrt_price_x96)
        return _Played(usd, tape.start_timestamp_s, RECORDED_VOLATILITY, tape=tape)
    if options.prices is not None:
        prices = read_prices(options.prices, options.begin, options.days)
        return _Played(prices.points[0][1], prices.begin_s, RECORDED_VOLATILITY, prices=prices)
    weather = WEATHERS[options.scenario]
    return _Played(weather.points[0][1], DAY_BEGIN_S, MAKER_MARKUP * weather.volatility)


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
        pools=(USDC_WETH_500,),
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
    twin.fund(address, mainnet.USDC, OPENING_QUOTE * 10**6)
    twin.fund(address, mainnet.WETH, int(OPENING_QUOTE / price * 10**18))
    twin.fund_native(address, GAS_WEI)
    config = folder / "keeper.toml"
    config.write_text(_toml(options, twin.rpc_url, key_file, passphrase_file), encoding="utf-8")
    settings = load(config=config, environ={}).settings
    return build(settings, live=True, telemetry=telemetry, clock=clock)


def _key(seed: int) -> str:
    """A key that everybody can work out, so that a run can be repeated to the wei: signatures are part of the gas."""
    return "0x" + hashlib.sha256(f"keeper demo {seed}".encode()).hexdigest()


def _toml(options: DemoOptions, rpc_url: str, key_file: Path, passphrase_file: Path) -> str:
    return f"""# Written by the demo: the shipped configuration of USDC/WETH 0.05 %, with a node and a key of its own.
[rpc]
url = "{rpc_url}"

[wallet]
keystore = "{key_file}"
passphrase_file = "{passphrase_file}"

[run]
live = true
state_dir = "{options.state_dir}"
interval_s = {options.cycle_s}
healthy_within_s = {2 * options.cycle_s}

[signals]
min_history_s = {MIN_HISTORY_S}
{_hedged(options)}"""


def _hedged(options: DemoOptions) -> str:
    if not options.protect:
        return ""
    is_recorded = options.tape is not None or options.prices is not None
    return _HEDGED.format(loss_cap=_RECORDED_LOSS_CAP if is_recorded else _LOSS_CAP)

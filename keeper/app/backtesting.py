"""From settings to a simulation: which tape, which setting, which base fees, and the bars of before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from keeper.adapters.history.bars import make_bars
from keeper.adapters.history.base_fees import read_base_fees as recorded_fees
from keeper.adapters.history.manifest import read_manifest
from keeper.adapters.history.series import OUTSIDE, tick_bars_with_liquidity
from keeper.adapters.history.store import folder_of
from keeper.app.settings import Settings
from keeper.app.settings.hedge import paper_rules
from keeper.core.model.bar import HOUR_S, MINUTE_S, PriceBar
from keeper.core.model.errors import ConfigError
from keeper.core.model.policy import Policy
from keeper.core.model.pool import PoolKey
from keeper.core.signals.windows import since
from keeper.simulation.coarse import coarse_tape, of_minutes, priced_tape, prices_of_series
from keeper.simulation.frictions import BaseFees, Frictions
from keeper.simulation.made import MadeTape, made_tape
from keeper.simulation.market import slot_s
from keeper.simulation.rebuild import rebuilt_tape
from keeper.simulation.recorded import open_tape
from keeper.simulation.runner import Setting
from keeper.simulation.stored import NEEDED
from keeper.simulation.suite import RunSpec
from keeper.simulation.tape import Tape
from keeper.simulation.weather import Scenario

GWEI = 10**9
EXACT, REBUILT, MINUTES, PRICES = "exact", "rebuilt", "minutes", "prices:"
_PRICED_LIQUIDITY = 10**19
"""In range of a tape of prices alone: what mainnet's 0.05 % pool of ether and dollars has had, to an order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A market to be made up."""

    scenario: Scenario
    seed: int
    days: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stored stretch of history, Unix seconds."""

    from_s: int
    to_s: int
    source: str = EXACT
    """``exact``, ``rebuilt``, ``minutes``, or ``prices:`` and the name of an imported series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything that a run is made of."""

    spec: RunSpec
    policy: Policy


def prepare(
    settings: Settings,
    policy: Policy,
    what: Made | Stretch,
    *,
    gas: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """What a run is made of.

    Args:
        settings: name the store and what a backtest assumes.
        policy: the rules.
        what: the market.
        gas: file of recorded base fees.
        on_progress: told of parts of the history that are prepared, when they are read for the first time.

    Raises:
        ConfigError: something is missing or cannot be used.
    """
    if isinstance(what, Made):
        tapes: tuple[Tape, ...] = tuple(_made(policy, key.address, what) for key in policy.pools)
        base_fees = tapes[0].base_fees() if isinstance(tapes[0], MadeTape) else _constant(settings)
    else:
        tapes = tuple(_stored(settings.data.dir, policy, key, what, on_progress) for key in policy.pools)
        recorded = recorded_fees(settings.data.dir, policy.chain_id)
        covers = bool(recorded) and recorded[0][0] <= tapes[0].start.timestamp_s + HOUR_S
        base_fees = BaseFees.steps(recorded, "recorded with the history") if covers else _constant(settings)
    if gas is not None:
        base_fees = read_base_fees(gas)
    bars = () if isinstance(what, Made) else _bars_before(settings, policy, before_s=tapes[0].start.timestamp_s)
    spec = RunSpec(tapes=tapes, setting=setting_of(settings), base_fees=base_fees, bars=bars)
    return Prepared(spec=spec, policy=policy)


def stored_extent(settings: Settings) -> tuple[int, int]:
    """Unix times from and to which the signal pool's events are stored.

    Raises:
        ConfigError: none are.
    """
    address = settings.pools[settings.pair.signal_pool].address
    folder = folder_of(settings.data.dir, settings.chain.id, address)
    manifest = read_manifest(folder)
    stretches = () if manifest is None else manifest.stretches(NEEDED, with_tail=False)
    if not stretches:
        why = "keeper data download --state fetches them, keeper backtest --market calm makes a market up"
        raise ConfigError([f"{folder} holds no swaps, mints and burns of {settings.pair.signal_pool}: {why}"])
    return stretches[-1].from_s, stretches[-1].to_s


def setting_of(settings: Settings) -> Setting:
    """What the settings assume of a run."""
    rules = settings.backtest
    return Setting(
        cadence_s=rules.cadence_s,
        capital_quote=rules.capital_quote,
        presence=rules.presence,
        paper=paper_rules(settings.hedge.paper),
        frictions=Frictions(
            latency_blocks=rules.latency_blocks,
            failure_rate=float(rules.failure_rate),
            sandwich_share=float(rules.sandwich_share),
            tip_wei=int(rules.tip_gwei * GWEI),
            seed=rules.seed,
        ),
    )


def read_base_fees(path: Path) -> BaseFees:
    """Recorded gas prices: a Parquet or CSV file with a column of times or dates, and one of gwei.

    Raises:
        ConfigError: it is no such file.
    """
    try:
        found = _gas_rows(path)
    except (duckdb.Error, OSError) as error:
        raise ConfigError([f"--gas: {path} does not read: {str(error).splitlines()[0]}"]) from None
    steps = sorted({at_s: max(int(gwei * GWEI), 1) for at_s, gwei in found if gwei is not None}.items())
    if not steps:
        raise ConfigError([f"--gas: {path} holds no row"])
    return BaseFees.steps(steps, f"file {path.name}")


def _gas_rows(path: Path) -> list[tuple[int, float | None]]:
    relation = duckdb.read_parquet(str(path)) if path.suffix == ".parquet" else duckdb.read_csv(str(path))
    times = next((name for name in ("timestamp", "date", "time") if name in relation.columns), None)
    price = next((name for name in relation.columns if "gwei" in name.lower()), None)
    if times is None or price is None:
        raise ConfigError([f"--gas: {path} needs a column timestamp or date, and one with gwei in its name"])
    rows = relation.project(f'epoch("{times}"::timestamp)::bigint as at_s, "{price}"::double as gwei').fetchall()
    return [(int(at_s), gwei) for at_s, gwei in rows]


def _made(policy: Policy, address: str, what: Made) -> MadeTape:
    return made_tape(
        policy.pool(address),
        policy.chain_id,
        base=policy.base,
        quote=policy.quote,
        scenario=what.scenario,
        seed=what.seed,
        days=what.days,
    )


def _stored(root: Path, policy: Policy, key: PoolKey, what: Stretch, on_progress: Callable[[int, int], None] | None) -> Tape:
    chain_id = policy.chain_id
    if what.source == EXACT:
        return open_tape(root, key, chain_id, what.from_s, what.to_s, on_progress=on_progress)
    if what.source == REBUILT:
        return rebuilt_tape(root, key, chain_id, what.from_s, what.to_s).tape
    if what.source == MINUTES:
        folder = folder_of(root, chain_id, key.address)
        bars = [
            bar
            for bar in of_minutes(tick_bars_with_liquidity(folder, MINUTE_S), key.fee_pips)
            if what.from_s <= bar.end_s <= what.to_s
        ]
        return coarse_tape(key, chain_id, bars, described=f"minute bars of {folder.name}", block_s=slot_s(chain_id))
    if not what.source.startswith(PRICES):
        raise ConfigError([f"--source: {what.source} is none of {EXACT}, {REBUILT}, {MINUTES}, {PRICES}NAME"])
    name = what.source.removeprefix(PRICES)
    prices = [
        one
        for one in prices_of_series(root / OUTSIDE / name, HOUR_S, key, base=policy.base)
        if what.from_s <= one.time_s <= what.to_s
    ]
    return priced_tape(
        key, chain_id, prices, liquidity=_PRICED_LIQUIDITY, described=f"closing prices of {name}", block_s=slot_s(chain_id)
    )


def _constant(settings: Settings) -> BaseFees:
    return BaseFees.constant(int(settings.backtest.base_fee_gwei * GWEI))


def _bars_before(settings: Settings, policy: Policy, *, before_s: int) -> tuple[PriceBar, ...]:
    """Bars of the store of before the tape, as a keeper that starts has them."""
    folder = folder_of(settings.data.dir, policy.chain_id, policy.signal_pool)
    if read_manifest(folder) is None:
        return ()
    windows, found = since(before_s), list[PriceBar]()
    for width_s, begin_s in ((MINUTE_S, windows.minutes_s), (HOUR_S, windows.hours_s)):
        with make_bars(folder, width_s=width_s, since_s=begin_s, until_s=before_s) as bars:
            found += bars
    return tuple(found)

"""The shipped policy on all development data, good or bad: ``make evidence`` writes docs/evidence.md.

Every run is that of ``keeper backtest`` with the shipped settings; what differs is said in the table.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from keeper.adapters.history.imported import Target, import_file
from keeper.app.backtesting import Prepared, Stretch, prepare
from keeper.app.settings import Settings, load, to_policy
from keeper.core.model.bar import DAY_S, HOUR_S
from keeper.core.model.policy import Policy
from keeper.simulation.benchmarks import Variation, benchmarks
from keeper.simulation.result import RunResult
from keeper.simulation.suite import Comparison, compare, run_all, summary
from keeper.simulation.sweep_days import hedged_days_bps
from keeper.simulation.verdict import judged

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
POLYGON_POOL = "0x45dDa9cb7c25131DF268515131f647d726f50608"
LONG = ("full_range", "equal_gamma")
"""Benchmarks of the long runs: those that an edge must be shown against."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A stretch of data."""

    name: str
    prepared: Prepared
    wanted: tuple[str, ...] | None = None
    """Names of its benchmarks; None for all."""


def at(day: str) -> int:
    """Unix seconds of a day, UTC."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def settings(root: Path, **fields: object) -> Settings:
    """The shipped ones, with a store of our own."""
    return load(environ={}, flags={"data.dir": str(root), **fields}).settings


def on_polygon(policy: Policy) -> Policy:
    """The shipped rules in the same pair's pool on Polygon, where ether is not the native currency."""
    (key,) = policy.pools
    pool = replace(key, address=POLYGON_POOL)
    layers = tuple(replace(layer, pool=POLYGON_POOL) for layer in policy.ladder.layers)
    return replace(
        policy,
        chain_id=137,
        wrapped_native=None,
        pools=(pool,),
        signal_pool=POLYGON_POOL,
        ladder=replace(policy.ladder, layers=layers),
        execution=replace(policy.execution, swap_pools=(POLYGON_POOL,)),
    )


def cases(store: Path) -> Iterator[Case]:
    """All development data that a run can be made of."""
    chosen = settings(store)
    policy = to_policy(chosen)
    (key,) = policy.pools
    unclear, mainnet = DATA / "unclear-licence", Target(chain_id=1, pool=key.address)
    gas = DATA / "gas_mainnet_daily_2015-07_2024-01.parquet"
    begin_s = at("2025-10-01")
    import_file(unclear / "tick_snapshots_daily_mainnet_usdc_weth_500_2025Q4.parquet", store, target=mainnet)
    for name, days in (("swaps", 1), ("mint_burn", 7)):
        (path,) = unclear.glob(f"{name}_mainnet_usdc_weth_500_2025-10-01*.parquet")
        import_file(path, store, target=mainnet, since_s=begin_s, until_s=begin_s + days * DAY_S)
    yield Case(
        name="mainnet 0.05 %, 2025-10-01, exact",
        prepared=prepare(chosen, policy, Stretch(from_s=begin_s, to_s=begin_s + DAY_S)),
    )
    for day in ("2023-11-10", "2024-01-05"):
        begin_s, apart = at(day), store / day
        path = DATA / f"events_mainnet_usdc_weth_500_{day}.parquet"
        import_file(path, apart, target=mainnet, since_s=begin_s, until_s=begin_s + DAY_S)
        rebuilt = Stretch(from_s=begin_s, to_s=begin_s + DAY_S, source="rebuilt")
        yield Case(name=f"mainnet 0.05 %, {day}, rebuilt", prepared=prepare(settings(apart), policy, rebuilt, gas=gas))
    yield from _polygon(store, policy)
    import_file(unclear / "eth_usd_hourly_2016-05_2024-01.parquet", store, target=None)
    hourly = settings(store, **{"backtest.cadence_s": HOUR_S})
    for year in ("2021", "2022", "2023"):
        whole = Stretch(from_s=at(f"{year}-01-01"), to_s=at(f"{int(year) + 1}-01-01"), source="prices:eth_usd_hourly")
        yield Case(
            name=f"ETH {year}, hourly prices, fair fees",
            prepared=prepare(hourly, policy, whole, gas=gas),
            wanted=LONG,
        )


def _polygon(store: Path, policy: Policy) -> Iterator[Case]:
    target, rules = Target(chain_id=137, pool=POLYGON_POOL), on_polygon(policy)
    begin_s, apart = at("2023-11-25"), store / "polygon"
    path = DATA / "events_polygon_usdc_weth_500_2023-11-25.parquet"
    import_file(path, apart, target=target, since_s=begin_s, until_s=begin_s + DAY_S)
    rebuilt = Stretch(from_s=begin_s, to_s=begin_s + DAY_S, source="rebuilt")
    yield Case(name="Polygon 0.05 %, 2023-11-25, rebuilt", prepared=prepare(settings(apart), rules, rebuilt))
    (path,) = DATA.glob("minutes_polygon_usdc_weth_500_*.parquet")
    import_file(path, store, target=target)
    weeks = Stretch(from_s=at("2022-07-19"), to_s=at("2022-08-23"), source="minutes")
    yield Case(name="Polygon 0.05 %, 35 days of 2022, minutes", prepared=prepare(settings(store), rules, weeks))


def run(case: Case) -> tuple[dict[str, RunResult], tuple[Comparison, ...]]:
    """The keeper and its benchmarks."""
    rules = case.prepared.policy
    keeper = Variation(name="keeper", described="", policy=rules)
    others = [one for one in benchmarks(rules) if case.wanted is None or one.name in case.wanted]
    found = run_all(case.prepared.spec, [keeper, *others], jobs=os.cpu_count() or 1, progress=lambda *_: None)
    rest = {name: result for name, result in found.items() if name != "keeper"}
    return found, compare(found["keeper"], rest, seed=1)


def section(case: Case, found: Mapping[str, RunResult], rows: tuple[Comparison, ...]) -> str:
    """What one stretch shows."""
    keeper = found["keeper"]
    days = hedged_days_bps(keeper)
    verdict = judged(days, rows, evidence=keeper.tape_exact, checked=None)
    scale = float(keeper.quote_unit << 64)
    lines = [
        f"## {case.name}",
        "",
        f"{keeper.swaps:,} swaps, {keeper.cycles:,} cycles. Tape: {keeper.tape_described}.",
        "",
        "| | hedged, $ | bps a day | fees, $ | LVR, $ | swaps, gas, $ | actions |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, result in found.items():
        line, parts = summary(name, result), result.parts
        hedged = (parts.total - parts.price) / scale
        figures = (f"{hedged:,.2f}", _bps(line.hedged_bps), f"{line.fees_quote:,.2f}", f"{line.lvr_quote:,.2f}")
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(figures)} | {line.costs_quote:,.2f} | {line.actions} |")
    if rows and rows[0].lower_bps is not None:
        lines += ["", "| keeper less | bps a day | 95 % interval | p, Holm |", "|---|---:|---:|---:|"]
        lines += [
            f"| {one.name.replace('_', ' ')} | {one.mean_bps:+.2f} | {one.lower_bps:+.2f} to {one.upper_bps:+.2f}"
            f" | {one.p_value:.3f} |"
            for one in rows
        ]
    return "\n".join([*lines, "", f"**{verdict.word}**: {'; '.join(verdict.reasons)}.", ""])


def _bps(value: float) -> str:
    return "-" if value != value else f"{value:+.2f}"  # ruff: ignore[comparison-with-itself] - a NaN


INTRODUCTION = """# What the shipped policy shows on all development data

Written by `make evidence` from `../shared/data`; change the script, not this file. 100,000 USDC, the shipped settings, the
frictions of `[backtest]`. *Hedged* is the change of value less what the price did: fees, loss to arbitrage, swaps, gas.
`docs/backtesting.md` says what is exact and what is assumed. Swap-level records of months are not among the data.

**In short.** No edge is shown, on any of it. Wherever there are enough days for an interval, the keeper's difference to one
range of equal gamma holds zero, and against the full range it loses: fees are about fair (or fair by construction), so that
what is left is what swaps and gas cost, and on bars what a range pays that the price jumps out of within one. That is what the
study behind this project found with other code: fees were about fair, layering by itself is worth about nothing, and moving
costs. What a ladder changes is risk and time in range, not the sign.

Where nothing was done the base fee stood above the ceiling of the shipped settings (2023-11-10, and most of 2021). On Polygon
ether is not the native currency, so gas is priced at zero. The fees of single days swing with the day; a day proves nothing.
"""


def main() -> None:
    """Write docs/evidence.md."""
    if not DATA.is_dir():
        sys.exit(f"{DATA} is not here: the evidence is made of the development data")
    with tempfile.TemporaryDirectory() as store:
        parts = [INTRODUCTION]
        for case in cases(Path(store)):
            sys.stderr.write(f"{case.name}\n")
            parts.append(section(case, *run(case)))
    (ROOT / "docs" / "evidence.md").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()

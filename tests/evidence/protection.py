"""What protection cost and what it bought: ``python -m tests.evidence.protection`` writes the figures of docs/protection.md.

The shipped policy with and without options, over made-up markets of several seeds and over recorded prices. Every run is that
of ``keeper backtest`` but for the cadence, which the page tells. Figures stand between two marks of the page; the rest of it is
written by hand.
"""

from __future__ import annotations

import re
import sys
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from math import fsum
from operator import itemgetter
from pathlib import Path
from statistics import fmean

from keeper.adapters.history.imported import import_file
from keeper.app.backtesting import Made, Stretch, prepare
from keeper.app.settings import to_policy
from keeper.core.model.bar import DAY_S, HOUR_S
from keeper.core.model.policy import Policy
from keeper.core.model.record import CycleRecord
from keeper.core.quant.checks import SECONDS_A_YEAR
from keeper.core.quant.replication import insurance_price
from keeper.core.strategy.hedge.exposure import bands
from keeper.core.strategy.valuation import protected_price
from keeper.simulation.market import TapeEnd
from keeper.simulation.result import RunResult, result_of
from keeper.simulation.runner import Simulation
from keeper.simulation.weather import Scenario
from tests.evidence.__main__ import DATA, ROOT, at, settings

PAGE = ROOT / "docs" / "protection.md"
MARKS = "<!-- figures: begin -->", "<!-- figures: end -->"
GAS = DATA / "gas_mainnet_daily_2015-07_2024-01.parquet"
PRICES = DATA / "unclear-licence" / "eth_usd_hourly_2016-05_2024-01.parquet"
SCENARIOS = (Scenario.CALM, Scenario.TREND, Scenario.CRASH, Scenario.WHIPSAW, Scenario.SEASONS)
SEEDS, DAYS, CADENCE_S = (1, 2), 20, 1_800
WEEK_S = 7 * DAY_S
STRETCHES = (
    ("ETH 2022", "2022-01-01", "2023-01-01"),
    ("ETH May and June 2022", "2022-05-01", "2022-07-01"),
    ("ETH 2023", "2023-01-01", "2024-01-01"),
)
OFF, DEAR, FAIR, BARE = "off", "1.1", "1.0", "no outer layer"
KINDS = (OFF, DEAR, FAIR, BARE)
"""Without options, with options at a markup of the volatility, and without options and outer layer."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One market."""

    name: str
    what: Made | Stretch
    cadence_s: int
    store: Path


@dataclass(frozen=True, kw_only=True)
class Track:
    """What a run leaves for the tables; money in dollars."""

    days: float
    bought: int
    premiums: float
    payoffs: float
    held: float
    """Options at model value at the end."""
    fees: float
    lvr: float
    hedged: float
    """Change of value without what the price did."""
    insurance: float
    """Fair price of a week's whole loss against holding at the forecast, summed over the weeks in which a ladder stood."""
    insured_fees: float
    """Fees of those weeks."""
    day_changes: tuple[float, ...]
    """Of value, held options at model value, from one day's end to the next."""
    week_changes: tuple[float, ...]
    """Over seven days, begun at every hour."""
    week_hedged: tuple[float, ...]
    """Likewise, of the parts without the price."""


def cases(store: Path) -> Iterator[Case]:
    """Every market."""
    for scenario in SCENARIOS:
        for seed in SEEDS:
            yield Case(
                name=scenario.value, what=Made(scenario=scenario, seed=seed, days=DAYS), cadence_s=CADENCE_S, store=store
            )
    for name, begin, end in STRETCHES:
        stretch = Stretch(from_s=at(begin), to_s=at(end), source="prices:eth_usd_hourly")
        yield Case(name=name, what=stretch, cadence_s=HOUR_S, store=store)


def run(case: Case, kind: str) -> Track:
    """One run of a market."""
    flags: dict[str, object] = {"backtest.cadence_s": case.cadence_s, "hedge.enabled": kind in {DEAR, FAIR}}
    if kind in {DEAR, FAIR}:
        flags["hedge.paper.markup"] = kind
    chosen = settings(case.store, **flags)
    policy = to_policy(chosen)
    prepared = prepare(chosen, policy, case.what, gas=GAS if isinstance(case.what, Stretch) else None)
    simulation = prepared.spec.simulation(without_outer(policy) if kind == BARE else policy)
    insurance, insured_fees = _played(simulation)
    return _track(result_of(simulation, kind), insurance, insured_fees)


def without_outer(policy: Policy) -> Policy:
    """The part of the outer layer stays in the wallet."""
    weights = tuple(replace(one, insurance=0.0, idle=one.idle + one.insurance) for one in policy.ladder.weights)
    return replace(policy, ladder=replace(policy.ladder, weights=weights))


def _played(run: Simulation) -> tuple[float, float]:
    """To the end; what insuring every week would have cost, and the fees of the weeks so insured."""
    insurance = insured = begun_fees = 0.0
    until_s, insures = 0, False
    for record in _cycles(run):
        if record.view.now_s >= until_s:
            fees = run.rows.fees[-1]
            insured += fees - begun_fees if insures else 0.0
            ladder, volatility = bands(record.view, run.policy), record.decision.volatility
            insures = bool(ladder) and volatility is not None
            if insures:
                price = protected_price(record.view, run.policy)
                insurance += insurance_price(ladder, price=price, volatility=volatility or 0.0, years=WEEK_S / SECONDS_A_YEAR)
                until_s = record.view.now_s + WEEK_S
            begun_fees = fees
    left_s = max(until_s - run.market.now_s, 0) if insures else 0
    last = run.rows.fees[-1] - begun_fees if insures else 0.0
    # the last week is cut off by the end of the tape: its fees are told as if the rest had earned as much
    return insurance, insured + (last * WEEK_S / (WEEK_S - left_s) if left_s < WEEK_S else 0.0)


def _cycles(run: Simulation) -> Iterator[CycleRecord]:
    with suppress(TapeEnd):
        while True:
            record = run.step()
            if record is not None:
                yield record
    run.watch.before()


def _track(found: RunResult, insurance: float, insured_fees: float) -> Track:
    rows, parts, scale = found.rows, found.parts, float(found.quote_unit << 64)
    worth = [value + held for value, held in zip(rows.value, rows.options_model, strict=True)]

    columns = (rows.fees, rows.lvr, rows.swaps, rows.gas, rows.premiums, rows.payoffs, rows.options_model)
    hedged = [fsum(each) for each in zip(*columns, strict=True)]

    def changes(of: Sequence[float], over_s: int, step_s: int) -> tuple[float, ...]:
        ends = range(found.start_s + over_s, found.end_s + 1, step_s)
        places = [(bisect_right(rows.time_s, end - over_s), bisect_right(rows.time_s, end)) for end in ends]
        return tuple(of[after - 1] - of[max(before - 1, 0)] for before, after in places)

    return Track(
        days=(found.end_s - found.start_s) / DAY_S,
        bought=0 if found.protection is None else len(found.protection.options),
        premiums=parts.premiums / scale,
        payoffs=parts.payoffs / scale,
        held=found.options_model,
        fees=parts.fees / scale,
        lvr=parts.lvr / scale,
        hedged=(parts.total - parts.price) / scale,
        insurance=insurance,
        insured_fees=insured_fees,
        day_changes=changes(worth, DAY_S, DAY_S),
        week_changes=changes(worth, WEEK_S, HOUR_S),
        week_hedged=changes(hedged, WEEK_S, HOUR_S),
    )


def shortfall(changes: Sequence[float], share: float = 0.05) -> float:
    """Mean of the worst share of the changes, at least one."""
    return fmean(sorted(changes)[: max(round(len(changes) * share), 1)])


@dataclass(frozen=True, kw_only=True)
class Row:
    """One market with all its seeds."""

    name: str
    tracks: dict[str, list[Track]]

    def mean(self, kind: str, field: str) -> float:
        """Of a run, over the seeds."""
        return fmean([float(getattr(one, field)) for one in self.tracks[kind]])

    def worst_day(self, kind: str) -> float:
        """Of all seeds."""
        return min(change for one in self.tracks[kind] for change in one.day_changes)

    def week_shortfall(self, kind: str, field: str = "week_changes") -> float:
        """Over the weeks of all seeds."""
        return shortfall([change for one in self.tracks[kind] for change in getattr(one, field)])


def tables(rows: Sequence[Row]) -> str:
    """All four."""
    return "\n\n".join([_cost(rows, DEAR), _cost(rows, FAIR), _insurance(rows), _outer(rows)])


def _cost(rows: Sequence[Row], kind: str) -> str:
    head = (
        "market, days a run",
        "options",
        "premium",
        "paid out",
        "held at the end",
        "net",
        "whole effect",
        "worst day without",
        "with",
        "worst weeks without",
        "with",
    )
    body = []
    for row in rows:
        premium, paid, held = (row.mean(kind, name) for name in ("premiums", "payoffs", "held"))
        effect = row.mean(kind, "hedged") + held - row.mean(OFF, "hedged")
        money = [premium, paid, held, premium + paid + held, effect, row.worst_day(OFF), row.worst_day(kind)]
        money += [row.week_shortfall(OFF), row.week_shortfall(kind)]
        body.append([f"{row.name}, {row.mean(kind, 'days'):.0f}", f"{row.mean(kind, 'bought'):.0f}", *map(_money, money)])
    return f"**Options at {kind} times the reference volatility**, dollars a run.\n\n{_table(head, body)}"


def _insurance(rows: Sequence[Row]) -> str:
    head = ("market", "fees of the insured weeks", "insurance of their whole loss", "insurance over fees", "LVR of the run")
    body = []
    for row in rows:
        fees, price = row.mean(OFF, "insured_fees"), row.mean(OFF, "insurance")
        ratio = f"{price / fees:.2f}" if fees > 0 else "-"
        body.append([row.name, _money(fees), _money(-price), ratio, _money(row.mean(OFF, "lvr"))])
    return (
        f"**What full insurance would cost**, dollars a run, at the forecast of each week's beginning.\n\n{_table(head, body)}"
    )


def _outer(rows: Sequence[Row]) -> str:
    names = ("fees", "LVR", "without the price", "worst weeks without the price", "worst weeks of value")
    head = ("market", *(each for name in names for each in (f"{name}: without it", "with it")))
    body = [
        [
            row.name,
            *(_money(row.mean(kind, field)) for field in ("fees", "lvr", "hedged") for kind in (BARE, OFF)),
            *(_money(row.week_shortfall(kind, field)) for field in ("week_hedged", "week_changes") for kind in (BARE, OFF)),
        ]
        for row in rows
    ]
    return f"**The outer layer of liquidity**, without options, dollars.\n\n{_table(head, body)}"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _money(value: float) -> str:
    told = f"{value:+,.0f}"
    return "0" if told in {"+0", "-0"} else told


def measured(store: Path, workers: int) -> list[Row]:
    """Every market, every kind of run."""
    chosen = list(cases(store))
    asked = [(case, kind) for case in chosen for kind in KINDS]
    with ProcessPoolExecutor(max_workers=workers) as pool:
        found = []
        for (case, kind), track in zip(asked, pool.map(run, *zip(*asked, strict=True)), strict=True):
            sys.stderr.write(f"{case.name}, {kind}\n")
            found.append((case.name, kind, track))
    rows = []
    for name, group in groupby(found, key=itemgetter(0)):
        listed = list(group)
        rows.append(Row(name=name, tracks={kind: [track for _, told, track in listed if told == kind] for kind in KINDS}))
    return rows


def main() -> None:
    """Write the figures of docs/protection.md."""
    if not DATA.is_dir():
        sys.exit(f"{DATA} is not here: the figures are made of the development data")
    with tempfile.TemporaryDirectory() as folder:
        import_file(PRICES, Path(folder), target=None)
        told = tables(measured(Path(folder), workers=2))
    begin, end = MARKS
    page = PAGE.read_text(encoding="utf-8")
    inside = f"{begin}\n\n{told}\n\n{end}"
    PAGE.write_text(re.sub(f"{begin}.*{end}", lambda _: inside, page, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()

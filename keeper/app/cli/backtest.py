"""``keeper backtest``: the keeper on a tape, what it is compared with, and the report."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import starmap
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from keeper.app.backtesting import Made, Prepared, Stretch, prepare, stored_extent
from keeper.app.cli import words
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.moment import moment
from keeper.app.cli.output import table
from keeper.app.cli.progress import bars
from keeper.app.cli.session import Session
from keeper.app.report import backtest_files, backtest_model, backtest_page
from keeper.app.settings import Settings, to_policy
from keeper.core.model.codec import digest
from keeper.core.model.errors import ConfigError
from keeper.simulation import checkpoint
from keeper.simulation.benchmarks import Variation, ablations, benchmarks, constant_mix, hold
from keeper.simulation.checks import CheckRow
from keeper.simulation.checks import check as make_checks
from keeper.simulation.made import MadeTape
from keeper.simulation.result import RunResult, result_of
from keeper.simulation.suite import Comparison, Progress, Summary, compare, run_all, summary
from keeper.simulation.sweep_days import hedged_days_bps
from keeper.simulation.verdict import Verdict, judged
from keeper.simulation.weather import Scenario

SAVE_EVERY = 500
"""Cycles between two checkpoints."""
_MARK_BITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a person asked to be run."""

    from_: str | None
    to: str | None
    policy: Path | None
    market: str | None
    days: float
    source: str
    """Which stored data; see :class:`keeper.app.backtesting.Stretch`."""
    gas: Path | None
    flags: Mapping[str, object]
    """Settings that were given as options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What is written."""

    folder: Path | None
    csv: bool
    pdf: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A whole backtest."""

    prepared: Prepared
    keeper: RunResult
    others: Mapping[str, RunResult]
    comparisons: tuple[Comparison, ...]
    verdict: Verdict
    checks: tuple[CheckRow, ...] | None


def flags(**given: object) -> dict[str, object]:
    """Options as settings of ``[backtest]``; those that were left out are not among them."""
    return {f"backtest.{name}": value for name, value in given.items() if value is not None}


def run(session: Session, request: Request, outputs: Outputs, *, benchmarks: str, jobs: int, resume: bool) -> ExitCode:
    """Run, compare, write the report, and tell.

    Raises:
        ConfigError: something is missing or cannot be used.
    """
    settings, prepared = prepared_run(session, request)
    variations = _chosen(prepared, benchmarks)
    folder = _folder(outputs.folder, settings, prepared)
    with bars(session) as tell:
        keeper = _keeper(prepared, folder, tell, resume=resume)
        others = run_all(prepared.spec, variations, jobs=_jobs(jobs), progress=tell) if variations else {}
    comparisons = compare(keeper, others, seed=prepared.spec.setting.frictions.seed)
    found = Found(
        prepared=prepared,
        keeper=keeper,
        others=others,
        comparisons=comparisons,
        verdict=judged(hedged_days_bps(keeper), comparisons, evidence=_is_evidence(prepared), checked=_checked(folder)),
        checks=None,
    )
    written = _write(found, folder, outputs)
    session.out.show({**document(found), "files": [str(path) for path in written]}, *render(found, written))
    return ExitCode.OK


def check(session: Session, request: Request, *, jobs: int) -> ExitCode:
    """Try to show that a backtest is wrong; ends with 1 when something does.

    Raises:
        ConfigError: something is missing or cannot be used.
    """
    settings, prepared = prepared_run(session, request)
    folder = _folder(None, settings, prepared)
    with bars(session) as tell:
        rows = make_checks(prepared.spec, prepared.policy, jobs=_jobs(jobs), progress=tell)
    (folder / _CHECKS).write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    shown = [("passed" if row.passed else "FAILED", row.name, row.told) for row in rows]
    title = f"checks on {prepared.spec.tapes[0].described}"
    session.out.show({"checks": [asdict(row) for row in rows]}, table(title, ("", "check", "found"), shown))
    return ExitCode.OK if all(row.passed for row in rows) else ExitCode.DIFFERENT


_CHECKS, _CHECKPOINT = "checks.json", "run.checkpoint"


def prepared_run(session: Session, request: Request) -> tuple[Settings, Prepared]:
    """Settings, and everything that a run is made of.

    Raises:
        ConfigError: something is missing or cannot be used.
    """
    chosen = session if request.policy is None else session.joined({"pool": str(request.policy)})
    settings = chosen.load(flags=request.flags).settings
    policy = to_policy(settings)
    what = _what(settings, request)
    with bars(session) as tell:
        return settings, prepare(
            settings, policy, what, gas=request.gas, on_progress=lambda done, total: tell("checking history", done, total)
        )


def _what(settings: Settings, request: Request) -> Made | Stretch:
    if request.market is not None:
        if request.from_ is not None or request.to is not None:
            raise ConfigError(["--market, --from, --to: a made-up market has no dates; give --days"])
        return Made(scenario=Scenario(request.market), seed=settings.backtest.seed, days=request.days)
    dates = [
        None if text is None else moment(text, option) for text, option in ((request.from_, "--from"), (request.to, "--to"))
    ]
    extent = (None, None) if None not in dates else stored_extent(settings)
    from_s, to_s = (known or 0 if said is None else said for said, known in zip(dates, extent, strict=True))
    if to_s <= from_s:
        raise ConfigError([f"--to: {words.utc(to_s)} is not after {words.utc(from_s)}"])
    return Stretch(from_s=from_s, to_s=to_s, source=request.source)


def _chosen(prepared: Prepared, named: str) -> tuple[Variation, ...]:
    usual, parts = benchmarks(prepared.policy), ablations(prepared.policy)
    if named in {"all", "none", "full"}:
        return {"all": usual, "none": (), "full": (*usual, *parts)}[named]
    known = {one.name: one for one in (*usual, *parts)}
    wanted = named.split(",")
    if unknown := [name for name in wanted if name not in known]:
        raise ConfigError([f"--benchmarks: {name} is none of all, none, full, {', '.join(known)}" for name in unknown])
    return tuple(known[name] for name in dict.fromkeys(wanted))


def _folder(wanted: Path | None, settings: Settings, prepared: Prepared) -> Path:
    """Where a run of this tape, policy and setting lies."""
    spec = prepared.spec
    name = digest_of_run(prepared)[:12]
    day = words.utc(spec.tapes[0].start.timestamp_s + 1)[:10]
    folder = wanted or settings.run.state_dir / "backtests" / f"{day}-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"--out: {folder} cannot be made: {error.strerror}"]) from None
    return folder


def digest_of_run(prepared: Prepared) -> str:
    """Names tape, policy and setting."""
    return checkpoint.identity(prepared.spec.tapes, prepared.policy, prepared.spec.setting)


def _keeper(prepared: Prepared, folder: Path, tell: Progress, *, resume: bool) -> RunResult:
    """The keeper's own run, in this process, saved every so often."""
    spec, policy = prepared.spec, prepared.policy
    run = spec.simulation(policy)
    path = folder / _CHECKPOINT
    if resume and path.is_file():
        run = checkpoint.load(path, run)
    count = 0

    def step(done: int, total: int) -> None:
        nonlocal count
        count += 1
        tell("keeper", done, total)
        if count % max(SAVE_EVERY // _REPORT_EVERY, 1) == 0:
            checkpoint.save(run, path)

    run.run(step, every=_REPORT_EVERY)
    path.unlink(missing_ok=True)
    return result_of(run, "keeper")


_REPORT_EVERY = 100


def _jobs(asked: int) -> int:
    return asked or os.cpu_count() or 1


def _is_evidence(prepared: Prepared) -> bool:
    return all(tape.exact and not isinstance(tape, MadeTape) for tape in prepared.spec.tapes)


def _checked(folder: Path) -> bool | None:
    """Whether the checks of this very run passed; None when they were not made."""
    path = folder / _CHECKS
    if not path.is_file():
        return None
    return all(row["passed"] for row in json.loads(path.read_text(encoding="utf-8")))


def _tracks(found: Found) -> dict[str, list[float]]:
    policy = found.prepared.policy
    fee = policy.pool(policy.signal_pool).fee_pips / 1_000_000
    return {"hold": hold(found.keeper.rows), "constant_mix": constant_mix(found.keeper.rows, fee=fee)}


def _write(found: Found, folder: Path, outputs: Outputs) -> list[Path]:
    page = _page(found, folder)
    html = backtest_page.html(page)
    written = [folder / "report.html", folder / "result.json"]
    written[0].write_text(html, encoding="utf-8")
    written[1].write_text(json.dumps(backtest_files.json_of(page), indent=1), encoding="utf-8")
    if outputs.csv:
        written.append(folder / "cycles.csv")
        written[-1].write_text(backtest_files.csv_of(found.keeper), encoding="utf-8")
    if outputs.pdf:
        written.append(folder / "report.pdf")
        backtest_files.pdf_of(html, written[-1])
    return written


def _page(found: Found, folder: Path) -> backtest_model.BacktestPage:
    spec = found.prepared.spec
    checks = folder / _CHECKS
    rows = json.loads(checks.read_text(encoding="utf-8")) if checks.is_file() else None
    return backtest_model.BacktestPage(
        policy=found.prepared.policy,
        keeper=found.keeper,
        benchmarks=found.others,
        tracks=_tracks(found),
        comparisons=tuple(
            backtest_model.Comparison(name=one.name, mean_bps=one.mean_bps, lower_bps=one.lower_bps, upper_bps=one.upper_bps)
            for one in found.comparisons
        ),
        checks=None if rows is None else tuple(backtest_model.Check(**row) for row in rows),
        verdict=backtest_model.Verdict(word=found.verdict.word, reasons=found.verdict.reasons),
        settings={
            "run": digest_of_run(found.prepared),
            "policy": digest(found.prepared.policy),
            "tape": {"sha256": spec.tapes[0].digest, "described": spec.tapes[0].described, "exact": spec.tapes[0].exact},
            "base_fees": spec.base_fees.described,
            "setting": asdict(spec.setting),
        },
    )


def document(found: Found) -> dict[str, Any]:
    """What a program reads; money in quote tokens, exact parts as text in 2^-64 raw quote tokens."""
    keeper = found.keeper
    parts = asdict(keeper.parts)
    return {
        "verdict": found.verdict.word,
        "unproven_because": list(found.verdict.reasons),
        "tape": {"sha256": keeper.tape_digest, "described": keeper.tape_described, "exact": keeper.tape_exact},
        "from_s": keeper.start_s,
        "to_s": keeper.end_s,
        "cycles": keeper.cycles,
        "swaps": keeper.swaps,
        "refused": keeper.refused,
        "parts": {name: str(value) for name, value in parts.items()},
        "change": str(keeper.change),
        "tracks": [asdict(one) for one in _summaries(found)],
        "comparisons": [asdict(one) for one in found.comparisons],
        "setting": asdict(keeper.setting),
        "policy": keeper.policy_digest,
    }


def _summaries(found: Found) -> list[Summary]:
    return [summary("keeper", found.keeper), *starmap(summary, found.others.items())]


def render(found: Found, written: Sequence[Path]) -> list[RenderableType]:
    """What a person reads."""
    keeper, quote = found.keeper, found.prepared.policy.quote.symbol
    span = f"{words.utc(keeper.start_s)[:16]} to {words.utc(keeper.end_s)[:16]} UTC"
    setting = keeper.setting
    rules = setting.frictions
    assumed = (
        f"{setting.presence.replace('_', ' ')}, a cycle every {words.duration(setting.cadence_s)},"
        f" {rules.latency_blocks} blocks of latency, {rules.failure_rate:.1%} of transactions fail,"
        f" a sandwich takes {rules.sandwich_share:.0%} of the slippage bound,"
        f" base fee {found.prepared.spec.base_fees.described}, tip {rules.tip_wei / 10**9:g} gwei"
    )
    shown: list[RenderableType] = [
        Text(f"{found.verdict.word.upper()}: {span}, {keeper.cycles:,} cycles, {keeper.swaps:,} swaps", style="bold"),
        Text(keeper.tape_described),
        Text(f"assumed: {assumed}"),
        _tracks_table(found, quote),
        _parts_table(keeper, quote),
    ]
    if found.comparisons:
        shown.append(_comparison_table(found))
    shown += [Text(f"unproven: {reason}") for reason in found.verdict.reasons]
    if keeper.refused or keeper.trouble:
        shown.append(
            Text(
                f"{keeper.refused:,} recorded events refused by the pool with us in it, {len(keeper.trouble):,} cycles not made"
            )
        )
    return [*shown, *(Text(f"written: {path}") for path in written)]


def _tracks_table(found: Found, quote: str) -> RenderableType:
    rows = [
        (
            one.name.replace("_", " "),
            words.money(one.value_quote, quote),
            words.percent(one.gain, signed=True),
            _bps(one.hedged_bps),
            _bps(one.sharpe),
            words.percent(one.drawdown),
            f"{one.fees_quote:,.2f}",
            f"{one.lvr_quote:,.2f}",
            f"{one.costs_quote:,.2f}",
            f"{one.actions:,}",
        )
        for one in _summaries(found)
    ]
    for name, values in _tracks(found).items():
        if values:
            gain = words.percent(values[-1] / values[0] - 1, signed=True)
            rows.append((name.replace("_", " "), words.money(values[-1], quote), gain, "-", "-", "-", "-", "-", "-", "-"))
    columns = ("", "value", "gain", "hedged bps/day", "Sharpe", "drawdown", "fees", "LVR", "swaps and gas", "actions")
    return table("on the same tape", columns, rows, right=columns[1:])


def _parts_table(keeper: RunResult, quote: str) -> RenderableType:
    scale = float(keeper.quote_unit << _MARK_BITS)
    named = asdict(keeper.parts)
    rows = [(name, f"{value / scale:+,.6f}") for name, value in named.items() if value or name in {"price", "fees", "lvr"}]
    rows += [("sum", f"{sum(named.values()) / scale:+,.6f}"), ("change of value", f"{keeper.change / scale:+,.6f}")]
    return table(f"where the change of value comes from, {quote}", ("part", quote), rows, right=(quote,))


def _comparison_table(found: Found) -> RenderableType:
    rows = [
        (
            f"against {one.name.replace('_', ' ')}",
            _bps(one.mean_bps),
            "too few days"
            if one.lower_bps is None or one.upper_bps is None
            else f"{one.lower_bps:+.2f} to {one.upper_bps:+.2f}",
            "-" if one.p_value is None else f"{one.p_value:.3f}",
        )
        for one in found.comparisons
    ]
    columns = ("keeper", "bps/day", "95 % interval", "p, corrected")
    return table("hedged PnL, paired by day, stationary bootstrap, Holm", columns, rows, right=columns[1:])


def _bps(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.2f}"

"""``keeper backtest``: the keeper on a tape, what it is compared with, and the report."""

# ruff: file-ignore[import-outside-top-level] - the libraries of a search are loaded where a study is named

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from keeper.app.backtesting import Made, Prepared, Stretch, prepare, stored_extent
from keeper.app.cli import words
from keeper.app.cli.backtest_shown import Found, document, render, tracks_of
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
from keeper.simulation.benchmarks import Variation, ablations, benchmarks
from keeper.simulation.checks import check as make_checks
from keeper.simulation.made import MadeTape
from keeper.simulation.result import RunResult, result_of
from keeper.simulation.suite import Progress, compare, run_all
from keeper.simulation.sweep_days import hedged_days_bps
from keeper.simulation.verdict import Search, judged
from keeper.simulation.weather import Scenario

SAVE_EVERY = 500
"""Cycles between two checkpoints."""


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
class Against:
    """What a run is compared with, and what else speaks for or against it."""

    benchmarks: str
    """``all``, ``main``, ``none``, or names with commas between."""
    study: str | None
    """Where the search is kept that the policy came from."""
    name: str
    """Of that study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What is written."""

    folder: Path | None
    csv: bool
    pdf: bool


def flags(**given: object) -> dict[str, object]:
    """Options as settings of ``[backtest]``; those that were left out are not among them."""
    return {f"backtest.{name}": value for name, value in given.items() if value is not None}


def run(session: Session, request: Request, outputs: Outputs, against: Against, *, jobs: int, resume: bool) -> ExitCode:
    """Run, compare, write the report, and tell.

    Raises:
        ConfigError: something is missing or cannot be used.
    """
    settings, prepared = prepared_run(session, request)
    variations = _chosen(prepared, against.benchmarks)
    search = None if against.study is None else _search(against.study, against.name)
    own = _folder(settings, prepared)
    folder = own if outputs.folder is None else _made(outputs.folder)
    checks = _checks(own)
    with bars(session) as tell:
        keeper = _keeper(prepared, folder, tell, resume=resume)
        others = run_all(prepared.spec, variations, jobs=_jobs(jobs), progress=tell) if variations else {}
    comparisons = compare(keeper, others, seed=prepared.spec.setting.frictions.seed)
    found = Found(
        prepared=prepared,
        keeper=keeper,
        others=others,
        comparisons=comparisons,
        verdict=judged(
            hedged_days_bps(keeper),
            comparisons,
            evidence=_is_evidence(prepared),
            checked=None if checks is None else all(one.passed for one in checks),
            search=search,
        ),
        checks=checks,
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
    folder = _folder(settings, prepared)
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
    if named in {"all", "main", "none"}:
        return {"all": (*usual, *parts), "main": usual, "none": ()}[named]
    known = {one.name: one for one in (*usual, *parts)}
    wanted = named.split(",")
    if unknown := [name for name in wanted if name not in known]:
        raise ConfigError([f"--benchmarks: {name} is none of all, main, none, {', '.join(known)}" for name in unknown])
    return tuple(known[name] for name in dict.fromkeys(wanted))


def _search(study: str, name: str) -> Search:
    """What is known of the search that a policy came from; its libraries take half a second to load."""
    from keeper.simulation.sweep_result import search_of
    from keeper.simulation.sweep_store import place_of
    from keeper.simulation.sweep_study import resume_any

    return search_of(resume_any(name, place_of(study), version("lp-keeper")))


def _folder(settings: Settings, prepared: Prepared) -> Path:
    """Where a run of this tape, policy and setting lies."""
    spec = prepared.spec
    name = digest_of_run(prepared)[:12]
    day = words.utc(spec.tapes[0].start.timestamp_s + 1)[:10]
    return _made(settings.run.state_dir / "backtests" / f"{day}-{name}")


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"{folder} cannot be made: {error.strerror}; choose another with --out or --state-dir"]) from None
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


def _checks(folder: Path) -> tuple[backtest_model.Check, ...] | None:
    """What the checks of this very run found; None when they were not made."""
    path = folder / _CHECKS
    if not path.is_file():
        return None
    try:
        return tuple(backtest_model.Check(**row) for row in json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise ConfigError([f"{path} is damaged: remove it, and run keeper backtest check anew"]) from None


def _write(found: Found, folder: Path, outputs: Outputs) -> list[Path]:
    page = _page(found)
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


def _page(found: Found) -> backtest_model.BacktestPage:
    spec = found.prepared.spec
    return backtest_model.BacktestPage(
        policy=found.prepared.policy,
        keeper=found.keeper,
        benchmarks=found.others,
        tracks=tracks_of(found),
        comparisons=tuple(
            backtest_model.Comparison(name=one.name, mean_bps=one.mean_bps, lower_bps=one.lower_bps, upper_bps=one.upper_bps)
            for one in found.comparisons
        ),
        checks=found.checks,
        verdict=backtest_model.Verdict(word=found.verdict.word, reasons=found.verdict.reasons),
        settings={
            "run": digest_of_run(found.prepared),
            "policy": digest(found.prepared.policy),
            "tape": {"sha256": spec.tapes[0].digest, "described": spec.tapes[0].described, "exact": spec.tapes[0].exact},
            "base_fees": spec.base_fees.described,
            "setting": asdict(spec.setting),
        },
    )

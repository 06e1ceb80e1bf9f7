"""``keeper sweep``: a search over settings that counts its own trials."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from keeper.app.cli import words
from keeper.app.cli.backtest import Request, prepared_run
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.output import table
from keeper.app.cli.progress import bars
from keeper.app.cli.session import OWN_FILE, Session
from keeper.app.settings import Settings
from keeper.app.sweeping import SettingsPolicy, current, kind_of
from keeper.core.model.bar import DAY_S
from keeper.core.model.codec import digest
from keeper.core.model.errors import ConfigError
from keeper.core.model.policy import Policy
from keeper.simulation.runner import Simulation
from keeper.simulation.suite import RunSpec
from keeper.simulation.sweep import read_sweep, run_sweep
from keeper.simulation.sweep_days import HedgedDays
from keeper.simulation.sweep_plan import Sampling, Split, Sweep, Trying
from keeper.simulation.sweep_result import SweepResult
from keeper.simulation.sweep_space import parse_space
from keeper.simulation.sweep_store import place_of

MOST_TRIALS_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a person asked to be searched."""

    over: Sequence[str]
    trials: int
    study: str | None
    """A file or a ``postgresql://`` address."""
    name: str
    train: int
    test: int
    embargo: int
    random: bool
    jobs: int


@dataclass(frozen=True, slots=True)
class Fresh:
    """A fresh run of a policy over what every trial shares."""

    spec: RunSpec

    def __call__(self, policy: Policy) -> Simulation:
        """The run."""
        return self.spec.simulation(policy)


def run(session: Session, request: Request, search: Search) -> ExitCode:
    """Add trials and tell what the study shows; with no trials, only tell.

    Raises:
        ConfigError: something is missing, or the study is of another search.
    """
    settings, prepared = prepared_run(session, request)
    spec = prepared.spec
    space = parse_space(search.over, kind_of)
    days = (min(tape.end_s for tape in spec.tapes) - spec.tapes[0].start.timestamp_s) // DAY_S
    try:
        split = Split(days=days, train=search.train, test=search.test, embargo=search.embargo)
    except ValueError as error:
        raise ConfigError([f"--train, --test, --embargo: {error}"]) from None
    sweep = Sweep(
        name=search.name,
        space=space,
        current={key: current(settings, key) for key in space.keys},
        split=split,
        sampling=Sampling.RANDOM if search.random else Sampling.GUIDED,
        seed=spec.setting.frictions.seed,
        capital_quote=spec.setting.capital_quote,
        tape_digest=" ".join(tape.digest for tape in spec.tapes),
        setting_digest=digest_of(spec),
        policy_digest=digest(prepared.policy),
        code_version=version("lp-keeper"),
    )
    place = place_of(search.study or _study_file(settings, search.name))
    if not search.trials:
        found = read_sweep(sweep, place)
    else:
        trying = Trying(policy_of=_policy_of(session, request), simulate=HedgedDays(simulation_of=Fresh(spec)))
        with bars(session) as tell:
            found = run_sweep(
                sweep,
                trying,
                place,
                trials=search.trials,
                workers=search.jobs or os.cpu_count() or 1,
                on_progress=lambda ended, total: tell("trials", ended, total),
            )
    session.out.show(document(found), *render(found))
    return ExitCode.OK


def digest_of(spec: RunSpec) -> str:
    """Names what every trial assumes."""
    return f"{spec.setting} {spec.base_fees.described}"


def _policy_of(session: Session, request: Request) -> SettingsPolicy:
    own = OWN_FILE if session.config is None and OWN_FILE.is_file() else session.config
    pool = session.pool if request.policy is None else str(request.policy)
    return SettingsPolicy(config=own, chain=session.chain, pool=pool, flags=request.flags)


def _study_file(settings: Settings, name: str) -> str:
    folder = settings.run.state_dir / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / f"{name}.journal")


def document(found: SweepResult) -> dict[str, Any]:
    """What a program reads; bps of the capital a day."""
    return {
        "verdict": found.verdict.word,
        "unproven_because": list(found.verdict.reasons),
        "study": found.name,
        "identity": dict(found.identity),
        "tried": found.tried,
        "best": asdict(replace(found.best, days_bps=())),
        "folds": [{**asdict(row), "fold": str(row.fold)} for row in found.folds],
        "out_of_sample_bps": found.out_of_sample_bps,
        "unseen_bps": found.unseen_bps,
        "comparison": None if found.comparison is None else asdict(found.comparison),
        "deflated_sharpe": found.deflated_sharpe,
        "overfitting": None if found.overfitting is None else asdict(found.overfitting),
        "trials": [asdict(replace(row, days_bps=())) for row in found.trials],
    }


def render(found: SweepResult) -> list[RenderableType]:
    """What a person reads."""
    complete = sorted((row for row in found.trials if row.score_bps is not None), key=lambda row: -(row.score_bps or 0.0))
    rows = [
        (str(row.number) + (" (unchanged)" if row.unchanged else ""), f"{row.score_bps:+.2f}", _params(row.params))
        for row in complete[:MOST_TRIALS_SHOWN]
    ]
    folds = [
        (
            f"{row.fold.test.start} to {row.fold.test.stop - 1}",
            str(row.trial),
            f"{row.train_bps:+.2f}",
            f"{row.test_bps:+.2f}",
            "-" if row.unchanged_bps is None else f"{row.unchanged_bps:+.2f}",
        )
        for row in found.folds
    ]
    return [
        Text(f"{found.verdict.word.upper()}: study {found.name}, {found.tried:,} trials ever", style="bold"),
        table("best on train days", ("trial", "bps/day", "settings"), rows, right=("bps/day",)),
        table(
            "walk forward: chosen on train days, judged on test days",
            ("test days", "trial", "train", "test", "unchanged"),
            folds,
            right=("trial", "train", "test", "unchanged"),
        ),
        Text(_luck(found)),
        *(Text(f"unproven: {reason}") for reason in found.verdict.reasons),
    ]


def _luck(found: SweepResult) -> str:
    deflated = words.number(found.deflated_sharpe)
    overfitting = words.number(None if found.overfitting is None else found.overfitting.probability)
    gain = "no interval"
    if found.comparison is not None:
        interval = found.comparison.interval
        gain = f"{interval.mean:+.2f} ({interval.lower:+.2f} to {interval.upper:+.2f})"
    return (
        f"out of sample {found.out_of_sample_bps:+.2f} bps a day, {gain} against the unchanged policy;"
        f" Deflated Sharpe {deflated}, probability of overfitting {overfitting}"
    )


def _params(params: Any) -> str:
    return ", ".join(f"{key} {value}" for key, value in params.items())

"""Commands that rehearse: backtest, its check, sweep."""

# ruff: file-ignore[import-outside-top-level] - bodies import what they need when they run, so that help answers at once

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from keeper.app.cli.command import command, default
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session

backtest = typer.Typer(help="Run the keeper over recorded or made-up history.")

MarketName = Literal["calm", "trend", "crash", "whipsaw", "gas-spike", "seasons"]
PresenceName = Literal["price_kept", "amounts_kept"]

From = Annotated[str | None, typer.Option("--from", help="First day or time, UTC; the oldest that is stored when left out.")]
To = Annotated[str | None, typer.Option("--to", help="Day or time at which it ends, UTC; the newest when left out.")]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", help="Pool file with the policy, such as config/pools/usdc_weth_500.toml.")
]
MadeMarket = Annotated[
    MarketName | None, typer.Option("--market", help="Make a market up in place of recorded history: rehearsal, not evidence.")
]
Source = Annotated[
    str,
    typer.Option(
        "--source",
        help="Stored data to run on: exact; rebuilt, where no state of the pool is stored; minutes, of imported bars; or"
        " prices:NAME, an imported series of prices alone with fair fees.",
    ),
]
Days = Annotated[float, typer.Option("--days", help="Length of a made-up market.", min=0.1, max=3_660)]
Seed = Annotated[
    int | None, typer.Option("--seed", help="Of everything that chance decides; backtest.seed when left out.", min=0)
]
GasFile = Annotated[
    Path | None, typer.Option("--gas", help="Parquet or CSV file of recorded gas prices: timestamp or date, gwei.")
]
Every = Annotated[int | None, typer.Option("--every", help="Seconds between cycles; backtest.cadence_s when left out.", min=12)]
Capital = Annotated[int | None, typer.Option("--capital", help="Quote tokens to begin with.", min=100)]
PresenceOption = Annotated[
    PresenceName | None,
    typer.Option("--presence", help="How recorded swaps meet our liquidity: they keep their price path, or their amounts."),
]
Latency = Annotated[int | None, typer.Option("--latency-blocks", help="From view to inclusion.", min=1, max=100)]
Failures = Annotated[str | None, typer.Option("--failures", help="Part of transactions that revert, such as 0.01.")]
Sandwich = Annotated[str | None, typer.Option("--sandwich", help="Part of the slippage bound that a sandwich takes.")]
Jobs = Annotated[int, typer.Option("--jobs", help="Processes; 0: one for each core.", min=0, max=256)]


def mount(app: typer.Typer) -> None:
    """Put the commands under the main one."""
    app.add_typer(backtest, name="backtest")
    command(app, "sweep")(sweep)


@default(backtest)
def backtest_run(
    session: Session,
    *,
    from_: From = None,
    to: To = None,
    policy: PolicyFile = None,
    market: MadeMarket = None,
    days: Days = 30.0,
    source: Source = "exact",
    seed: Seed = None,
    gas: GasFile = None,
    every: Every = None,
    capital: Capital = None,
    presence: PresenceOption = None,
    latency_blocks: Latency = None,
    failures: Failures = None,
    sandwich: Sandwich = None,
    benchmarks: Annotated[
        str, typer.Option("--benchmarks", help="all; main, without ablations; none; or names with commas between.")
    ] = "all",
    study: Annotated[
        str | None,
        typer.Option("--study", help="Of the search that the policy came from: a file, or postgresql://...; its trials count."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Of the study.")] = "keeper",
    jobs: Jobs = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run of the keeper that was cut off.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the report; one below run.state_dir when left out.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write every cycle as a CSV file too.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="Print the report to PDF too, where Chromium is present.")] = False,
) -> ExitCode:
    """Run the keeper over recorded or made-up history, against benchmarks on the same tape.

    The very same cycle, strategy and planning as the daemon's, on an exact pool with our liquidity in it.
    """
    from keeper.app.cli import backtest as bodies

    request = bodies.Request(
        from_=from_, to=to, policy=policy, market=market, days=days, source=source, gas=gas,
        flags=bodies.flags(
            seed=seed, cadence_s=every, capital_quote=capital, presence=presence, latency_blocks=latency_blocks,
            failure_rate=failures, sandwich_share=sandwich,
        ),
    )  # fmt: skip
    outputs = bodies.Outputs(folder=out, csv=csv, pdf=pdf)
    against = bodies.Against(benchmarks=benchmarks, study=study, name=name)
    return bodies.run(session, request, outputs, against, jobs=jobs, resume=resume)


@command(backtest, "check")
def backtest_check(
    session: Session,
    *,
    from_: From = None,
    to: To = None,
    policy: PolicyFile = None,
    market: MadeMarket = None,
    days: Days = 30.0,
    source: Source = "exact",
    seed: Seed = None,
    gas: GasFile = None,
    every: Every = None,
    capital: Capital = None,
    presence: PresenceOption = None,
    latency_blocks: Latency = None,
    failures: Failures = None,
    sandwich: Sandwich = None,
    jobs: Jobs = 0,
) -> ExitCode:
    """Try to show that a backtest is wrong: look-ahead, delayed and random signals, doubled costs.

    Ends with 1 when a check fails.
    """
    from keeper.app.cli import backtest as bodies

    request = bodies.Request(
        from_=from_, to=to, policy=policy, market=market, days=days, source=source, gas=gas,
        flags=bodies.flags(
            seed=seed, cadence_s=every, capital_quote=capital, presence=presence, latency_blocks=latency_blocks,
            failure_rate=failures, sandwich_share=sandwich,
        ),
    )  # fmt: skip
    return bodies.check(session, request, jobs=jobs)


def sweep(
    session: Session,
    *,
    over: Annotated[
        list[str],
        typer.Option(
            "--over",
            help="A setting and its range: ladder.core.half_width_sigmas=0.5..3, gates.cooldown_s=600..86400:log,"
            " ladder.core.shape=band|wings. Again for each.",
        ),
    ],
    trials: Annotated[int, typer.Option("--trials", help="New ones; 0 only tells what the study shows.", min=0)] = 20,
    study: Annotated[
        str | None,
        typer.Option("--study", help="Where trials are kept for ever: a file, or postgresql://... to share it."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Of the study.")] = "keeper",
    train: Annotated[int, typer.Option("--train", help="Days on which each fold chooses.", min=1)] = 20,
    test: Annotated[int, typer.Option("--test", help="Days on which it is judged.", min=1)] = 5,
    embargo: Annotated[int, typer.Option("--embargo", help="Days left out between them.", min=0)] = 1,
    random: Annotated[bool, typer.Option("--random", help="Draw without looking at results.")] = False,
    jobs: Jobs = 0,
    from_: From = None,
    to: To = None,
    policy: PolicyFile = None,
    market: MadeMarket = None,
    days: Days = 30.0,
    source: Source = "exact",
    seed: Seed = None,
    gas: GasFile = None,
    every: Every = None,
    capital: Capital = None,
) -> ExitCode:
    """Search settings on a tape, walk forward, and tell how much of what is found may be luck."""
    from keeper.app.cli import backtest as backtests
    from keeper.app.cli import sweep as bodies

    request = backtests.Request(
        from_=from_, to=to, policy=policy, market=market, days=days, source=source, gas=gas,
        flags=backtests.flags(seed=seed, cadence_s=every, capital_quote=capital),
    )  # fmt: skip
    search = bodies.Search(
        over=over, trials=trials, study=study, name=name, train=train, test=test, embargo=embargo, random=random, jobs=jobs
    )
    return bodies.run(session, request, search)

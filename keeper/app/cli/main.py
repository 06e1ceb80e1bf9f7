"""The ``keeper`` command. Every body imports what it needs when it runs, so that help answers at once."""

# ruff: file-ignore[import-outside-top-level] - see above

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from keeper.app.cli import groups, rehearsal
from keeper.app.cli.command import command, root
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session

app = typer.Typer(
    name="keeper",
    help="Keeps a ladder of Uniswap v3 liquidity ranges. Dry unless told otherwise, twice.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
root(app)
groups.mount(app)
rehearsal.mount(app)

ScenarioName = Literal["calm", "trend", "crash", "whipsaw", "gas-spike"]
CycleId = Annotated[int | None, typer.Argument(help="Cycle; the newest when left out.", show_default=False, min=1)]


def run() -> None:
    """Entry point of the installed command."""
    app()


@command(app)
def demo(
    session: Session,
    *,
    tape: Annotated[Path | None, typer.Option("--tape", help="Recorded market data to replay in place of a scenario.")] = None,
    prices: Annotated[
        Path | None, typer.Option("--prices", help="Recorded prices that a made-up market follows in place of a scenario.")
    ] = None,
    begin: Annotated[str | None, typer.Option("--from", help="Day or moment (UTC) of the recorded prices to begin at.")] = None,
    scenario: Annotated[ScenarioName, typer.Option("--scenario", help="Kind of day.")] = "calm",
    protect: Annotated[bool, typer.Option("--protect", help="Puts are for sale, and the keeper buys protection.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the market.", min=0)] = 1,
    days: Annotated[
        float | None,
        typer.Option(
            "--days", help="Length of the market.  [default: 1; with --protect 1.5, on Arbitrum 7.25]", min=0.01, max=365
        ),
    ] = None,
    speed: Annotated[float, typer.Option("--speed", help="Market seconds a second; 0: as fast as it goes.", min=0)] = 0.0,
    port: Annotated[int, typer.Option("--port", help="Port of the chain; 0 takes a free one.", min=0, max=65_535)] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the chain up at the end, until Ctrl-C.")] = False,
) -> ExitCode:
    """Watch the keeper work through a market day on a local chain.

    It stands for mainnet, or with --chain arbitrum for Arbitrum.
    """
    from keeper.app.cli import demo as body

    options = body.Asked(
        tape=tape, prices=prices, begin=begin, scenario=scenario, protect=protect, seed=seed, days=days, speed=speed, port=port
    )
    return body.run(session, options, keep=keep)


@command(app)
def init(
    session: Session,
    *,
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("keeper.toml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> ExitCode:
    """Write a settings file with comments, ready to be edited."""
    from keeper.app.cli import setup

    return setup.init(session, path, force=force)


@command(app)
def check(
    session: Session,
    *,
    skip_clock: Annotated[bool, typer.Option("--skip-clock", help="For a chain that keeps its own time.")] = False,
) -> ExitCode:
    """Prove the settings against the world.

    Node, chain, contracts, pools, wallet and journal, each with its remedy; ends with 4 when one is not as it should be.
    """
    from keeper.app.cli import setup

    return setup.check(session, skip_clock=skip_clock)


@command(app, "run")
def run_keeper(
    session: Session,
    *,
    live: Annotated[bool, typer.Option("--live", help="Sign and send; run.live must agree.")] = False,
    paper: Annotated[bool, typer.Option("--paper", help="Trade a virtual book on the live chain; needs a node only.")] = False,
    once: Annotated[bool, typer.Option("--once", help="One cycle, then stop.")] = False,
) -> ExitCode:
    """Keep the ladder until stopped.

    A cycle now and whenever one is due. Without --live every plan is simulated and nothing is signed. --paper keeps its journal
    in the folder paper of the state directory: status, explain and replay read it with --state-dir.
    """
    from keeper.app.cli import act

    way = act.way(live=live, paper=paper)
    return act.run_once(session, way) if once else act.run(session, way)


@command(app)
def plan(session: Session) -> ExitCode:
    """Tell what a cycle would do now and why.

    Nothing is written or sent; ends with 10 when there is something to do.
    """
    from keeper.app.cli import act

    return act.plan(session)


@command(app, "exit")
def exit_all(
    session: Session,
    *,
    live: Annotated[bool, typer.Option("--live", help="Sign and send; run.live must agree.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> ExitCode:
    """Withdraw every position to tokens and pause."""
    from keeper.app.cli import act

    return act.exit_all(session, live=live, yes=yes)


@command(app)
def status(session: Session) -> ExitCode:
    """Tell where the keeper stands."""
    from keeper.app.cli import look

    return look.status(session)


@command(app)
def positions(session: Session) -> ExitCode:
    """Show the ladder as the last cycle saw it."""
    from keeper.app.cli import look

    return look.positions(session)


@command(app)
def journal(
    session: Session,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Longest list.", min=1, max=10_000)] = 20,
    before: Annotated[int | None, typer.Option("--before", help="Only cycles before this one.", min=1)] = None,
) -> ExitCode:
    """List cycles and decisions, newest first."""
    from keeper.app.cli import look

    return look.journal(session, limit=limit, before=before)


@command(app)
def explain(session: Session, cycle_id: CycleId = None) -> ExitCode:
    """Lay a cycle open.

    Inputs, rules and thresholds, reasons, vetoes, alternatives, transactions.
    """
    from keeper.app.cli import look

    return look.explain(session, cycle_id)


@command(app)
def replay(session: Session, cycle_id: CycleId = None) -> ExitCode:
    """Decide a journaled cycle again.

    Ends with 1 and a diff unless every byte is the same.
    """
    from keeper.app.cli import look

    return look.replay(session, cycle_id)


@command(app)
def health(
    session: Session,
    *,
    max_age_s: Annotated[int | None, typer.Option("--max-age-s", help="In place of run.healthy_within_s.", min=1)] = None,
) -> ExitCode:
    """Tell the age of the last completed cycle.

    Ends with 6 when it is too old, or left an option unexercised whose time had come.
    """
    from keeper.app.cli import look

    return look.health(session, max_age_s=max_age_s)


@command(app)
def pause(session: Session, *, why: Annotated[str, typer.Option("--why", help="For the journal.")] = "by hand") -> ExitCode:
    """Stop acting until resumed.

    Cycles go on watching, and positions stay.
    """
    from keeper.app.cli import orders

    return orders.pause(session, why)


@command(app)
def halt(session: Session, *, why: Annotated[str, typer.Option("--why", help="For the journal.")] = "by hand") -> ExitCode:
    """Stop acting until resume --clear-halt."""
    from keeper.app.cli import orders

    return orders.halt(session, why)


@command(app)
def resume(
    session: Session,
    *,
    why: Annotated[str, typer.Option("--why", help="For the journal.")] = "by hand",
    clear_halt: Annotated[bool, typer.Option("--clear-halt", help="Take a halt back too.")] = False,
) -> ExitCode:
    """Take a pause back.

    Ends with 6 while a halt stands.
    """
    from keeper.app.cli import orders

    return orders.resume(session, why, clear_halt=clear_halt)

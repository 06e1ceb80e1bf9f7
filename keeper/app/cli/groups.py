"""Commands that come in groups: keys, config, localchain, db, data, calendar, signals, hedge."""

# ruff: file-ignore[import-outside-top-level] - bodies import what they need when they run, so that help answers at once

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keeper.app.cli.command import command, default
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session

keys = typer.Typer(help="Make and import encrypted keys.", no_args_is_help=True)
config = typer.Typer(help="Look at, check and reload the settings.", no_args_is_help=True)
localchain = typer.Typer(help="A local chain with the contracts of mainnet or Arbitrum.", no_args_is_help=True)
db = typer.Typer(help="Look after the journal's file.", no_args_is_help=True)
data = typer.Typer(help="Market history on disk.", no_args_is_help=True)
calendar = typer.Typer(help="Scheduled events that raise variance.", no_args_is_help=True)
signals = typer.Typer(help="Show every reading, what it adds to the score and what it does now.")
hedge = typer.Typer(help="Protection: bought options around the ladder.", no_args_is_help=True)

KeystorePath = Annotated[Path, typer.Argument(help="Keystore to write; never written over.")]
SomePool = Annotated[
    str | None, typer.Option("--of", help="One configured pool by its name; import takes also 137:0x... of another chain.")
]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File with the passphrase, mode 0600; asked for when left out.")
]


def mount(app: typer.Typer) -> None:
    """Put the groups under the command."""
    groups = {
        "keys": keys,
        "config": config,
        "localchain": localchain,
        "db": db,
        "data": data,
        "calendar": calendar,
        "signals": signals,
        "hedge": hedge,
    }
    for name, group in groups.items():
        app.add_typer(group, name=name)


@command(keys, "new")
def keys_new(session: Session, path: KeystorePath, *, passphrase_file: PassphraseFile = None) -> ExitCode:
    """Make a new key in a new keystore; tells the address."""
    from keeper.app.cli import keys as bodies

    return bodies.new(session, path, passphrase_file)


@command(keys, "import")
def keys_import(session: Session, path: KeystorePath, *, passphrase_file: PassphraseFile = None) -> ExitCode:
    """Put a key of yours into a new keystore.

    The key is asked for, or read from stdin; never from the command line, which every process can read.
    """
    from keeper.app.cli import keys as bodies

    return bodies.import_key(session, path, passphrase_file)


@command(config, "show")
def config_show(session: Session) -> ExitCode:
    """Show every value, its unit and its source."""
    from keeper.app.cli import config as bodies

    return bodies.show(session)


@command(config, "validate")
def config_validate(session: Session) -> ExitCode:
    """Tell every problem of the settings at once.

    Those included that would keep a dry run from starting.
    """
    from keeper.app.cli import config as bodies

    return bodies.validate(session)


@command(config, "schema")
def config_schema(session: Session) -> ExitCode:
    """Write the JSON schema of settings files."""
    from keeper.app.cli import config as bodies

    return bodies.schema(session)


@command(config, "diff")
def config_diff(session: Session, other: Annotated[Path, typer.Argument(help="Settings file to compare with.")]) -> ExitCode:
    """Compare with another settings file."""
    from keeper.app.cli import config as bodies

    return bodies.diff(session, other)


@command(config, "reload")
def config_reload(session: Session) -> ExitCode:
    """Have the running keeper take over the settings.

    They are checked first, and the changes told; the keeper applies them between two cycles.
    """
    from keeper.app.cli import config as bodies

    return bodies.reload(session)


@command(localchain, "up")
def localchain_up(
    session: Session,
    *,
    port: Annotated[int, typer.Option("--port", help="Port on this machine; 0 takes a free one.", min=0, max=65_535)] = 8545,
    scenario: Annotated[
        str | None, typer.Option("--scenario", help="Run a market in it: calm, trend, crash and others.")
    ] = None,
    protect: Annotated[
        bool,
        typer.Option("--protect", help="Puts are for sale: at Opyn on mainnet. At Hegic, on Arbitrum, they always are."),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the market.", min=0)] = 1,
    days: Annotated[float, typer.Option("--days", help="Length of the market.", min=0.01, max=365)] = 1.0,
    block_every_s: Annotated[float, typer.Option("--block-every-s", help="Seconds between blocks.", min=0, max=3600)] = 1.0,
) -> ExitCode:
    """Start a local chain and stay until Ctrl-C.

    It stands for mainnet, or with --chain arbitrum for Arbitrum, so that the shipped configuration of that chain works on it.
    """
    from keeper.app.cli import localchain as bodies

    request = bodies.Request(port=port, scenario=scenario, protect=protect, seed=seed, days=days, block_every_s=block_every_s)
    return bodies.up(session, request)


@command(db, "migrate")
def db_migrate(session: Session) -> ExitCode:
    """Bring the journal to this version's schema."""
    from keeper.app.cli import db as bodies

    return bodies.migrate(session)


@command(db, "backup")
def db_backup(session: Session, target: Annotated[Path, typer.Argument(help="File to write; must not exist.")]) -> ExitCode:
    """Copy the journal while the keeper works."""
    from keeper.app.cli import db as bodies

    return bodies.backup(session, target)


@command(db, "verify")
def db_verify(
    session: Session,
    *,
    newest: Annotated[
        int | None, typer.Option("--newest", help="Read back only so many cycles; all when left out.", min=0)
    ] = None,
) -> ExitCode:
    """Check that the journal is whole."""
    from keeper.app.cli import db as bodies

    return bodies.verify(session, newest=newest)


@command(data, "download")
def data_download(
    session: Session,
    *,
    of: SomePool = None,
    days: Annotated[
        float | None,
        typer.Option("--days", help="So many before the newest block; 30 when nothing is said.", min=0.01, max=3660),
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help="From that day or time, UTC.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="To that day or time, UTC; to the newest block when left out.")
    ] = None,
    state: Annotated[
        bool,
        typer.Option("--state", help="The whole pool as it stood at the beginning too, so that backtests can start there."),
    ] = False,
) -> ExitCode:
    """Fetch events of pools from the node.

    Only what is missing; interrupted, the same command goes on from there.
    """
    from keeper.app.cli import data as bodies

    return bodies.download(session, pool=of, days=days, since=since, until=until, state=state)


@command(data, "import")
def data_import(
    session: Session,
    paths: Annotated[list[Path], typer.Argument(help="Parquet files of events, of bars or of daily states.")],
    *,
    of: SomePool = None,
    since: Annotated[str | None, typer.Option("--since", help="The files are complete from then on, UTC.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="The files are complete to then, UTC.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Sort events, and drop what is there twice.")] = False,
) -> ExitCode:
    """Take files in that others made."""
    from keeper.app.cli import data as bodies

    return bodies.import_files(session, paths, pool=of, since=since, until=until, repair=repair)


@command(data, "list")
def data_list(session: Session) -> ExitCode:
    """Tell what is stored, gaps included."""
    from keeper.app.cli import data as bodies

    return bodies.list_(session)


@command(data, "check")
def data_check(session: Session) -> ExitCode:
    """Read everything that is stored back.

    Ends with 1 when something is not whole.
    """
    from keeper.app.cli import data as bodies

    return bodies.check(session)


@command(calendar, "show")
def calendar_show(
    session: Session, *, days: Annotated[int, typer.Option("--days", help="How far ahead.", min=1, max=1_100)] = 60
) -> ExitCode:
    """Tell what is coming and what it does now."""
    from keeper.app.cli import calendar as bodies

    return bodies.show(session, days=days)


@command(calendar, "import")
def calendar_import(
    session: Session,
    path: Annotated[Path, typer.Argument(help="An .ics file.")],
    *,
    kind: Annotated[str | None, typer.Option("--kind", help="Of all its events; told by their titles when left out.")] = None,
    into: Annotated[Path, typer.Option("--into", help="Calendar file to add to; made from the one in use.")] = Path(
        "calendar.toml"
    ),
) -> ExitCode:
    """Add new dates to a calendar file.

    Ends with 1 when an event was refused.
    """
    from keeper.app.cli import calendar as bodies

    return bodies.import_ics(session, path, kind=kind, into=into)


@default(signals)
def signals_show(
    session: Session,
    *,
    html: Annotated[Path | None, typer.Option("--html", help="Draw them over time into this file instead.")] = None,
    days: Annotated[int, typer.Option("--days", help="How far the drawing goes back.", min=1, max=3_660)] = 30,
) -> ExitCode:
    """Show every reading, what it adds to the score and what it does now."""
    from keeper.app.cli import signals as bodies

    return bodies.run(session, html=html, days=days)


@command(signals, "evaluate")
def signals_evaluate(
    session: Session,
    *,
    tape: Annotated[Path | None, typer.Option("--tape", help="Parquet file of bars, or a folder with one.")] = None,
    series: Annotated[str | None, typer.Option("--series", help="An imported series, or which of the tape's.")] = None,
    horizon_days: Annotated[str, typer.Option("--horizon-days", help="Days ahead, with commas between.")] = "1,7",
) -> ExitCode:
    """Tell what forecasts and indicators were worth, out of sample.

    On the history of the signal pool unless told otherwise; more than 150 days in a row are wanted.
    """
    from keeper.app.cli import evaluate as bodies

    return bodies.run(session, tape=tape, series=series, horizon_days=horizon_days)


Live = Annotated[bool, typer.Option("--live", help="Sign and send; run.live must agree.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
OptionId = Annotated[str, typer.Argument(help="The venue's own id, as keeper hedge list shows it.")]


@command(hedge, "list")
def hedge_list(session: Session) -> ExitCode:
    """Show what is held, wanted and left to spend."""
    from keeper.app.cli import hedge as bodies

    return bodies.show(session)


@command(hedge, "quote")
def hedge_quote(
    session: Session,
    *,
    size: Annotated[
        str | None, typer.Option("--size", help="In tokens of the base; what a purchase would be of when left out.")
    ] = None,
) -> ExitCode:
    """Ask every venue for every tier, awake or not.

    Nothing is bought.
    """
    from keeper.app.cli import hedge as bodies

    return bodies.quote(session, size)


@command(hedge, "doctor")
def hedge_doctor(session: Session) -> ExitCode:
    """Tell whether each venue can be relied on.

    Whether it answers or is paused, what it sells, how old its price is, and what a fall of 30 % would be paid. Ends with 5
    when one does not answer, with 4 when one is paused, sells nothing or has an old price.
    """
    from keeper.app.cli import hedge_doctor as bodies

    return bodies.doctor(session)


@command(hedge, "buy")
def hedge_buy(
    session: Session,
    tier: Annotated[str, typer.Argument(help="Tier of the hedge ladder.")],
    *,
    live: Live = False,
    yes: Yes = False,
) -> ExitCode:
    """Buy the best sound offer for one tier.

    The ceiling of capital holds, the share of fees does not. Ends with 5 when nothing could be bought.
    """
    from keeper.app.cli import hedge as bodies

    return bodies.buy(session, tier, live=live, yes=yes)


@command(hedge, "exercise")
def hedge_exercise(session: Session, option: OptionId, *, live: Live = False, yes: Yes = False) -> ExitCode:
    """Exercise an option now.

    It ends it, for what it is worth now.
    """
    from keeper.app.cli import hedge as bodies
    from keeper.core.model.option import CloseHow

    return bodies.end(session, option, CloseHow.EXERCISE, live=live, yes=yes)


@command(hedge, "close")
def hedge_close(
    session: Session,
    option: OptionId,
    *,
    how: Annotated[
        str | None,
        typer.Option("--how", help="redeem, sell, exercise, cash, physical or release; what its state asks for when left out."),
    ] = None,
    live: Live = False,
    yes: Yes = False,
) -> ExitCode:
    """End an option.

    Redeem what has settled, sell it, or clear away what expired worthless.
    """
    from keeper.app.cli import hedge as bodies

    return bodies.end(session, option, bodies.way_out(how), live=live, yes=yes)

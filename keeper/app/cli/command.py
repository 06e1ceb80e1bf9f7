"""How a function becomes a command: shared options, one clear message for an error, an exit code that means something."""

# ruff: file-ignore[import-outside-top-level] - what is heavy is imported where it is used

from __future__ import annotations

import inspect
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session, environment_secrets
from keeper.core.model.errors import ConfigError, Fault, KeeperError, LeaseHeld, NotAsConfigured

Body = Callable[..., ExitCode | None]

_SHARED: dict[str, Any] = {
    "config": Annotated[Path | None, typer.Option("--config", "-c", help="Your settings; ./keeper.toml when it is there.")],
    "chain": Annotated[str | None, typer.Option("--chain", help="Chain by name, or its TOML file.")],
    "pool": Annotated[str | None, typer.Option("--pool", help="Pools by name, or their TOML file.")],
    "state_dir": Annotated[Path | None, typer.Option("--state-dir", help="Directory of the journal.")],
    "as_json": Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")],
    "verbose": Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")],
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="Log warnings and errors only.")],
    "no_color": Annotated[bool, typer.Option("--no-color", help="No colours; NO_COLOR does the same.")],
    "debug": Annotated[bool, typer.Option("--debug", help="Show where an error arose.")],
}


def _shared_parameters() -> list[inspect.Parameter]:
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None if "None" in str(kind) else False, annotation=kind)
        for name, kind in _SHARED.items()
    ]


def _session(ctx: typer.Context, given: dict[str, Any]) -> Session:
    """What was asked for before and behind the command; what is of the session leaves ``given``."""
    outer = ctx.find_root().obj
    base = outer if isinstance(outer, Session) else Session()
    return base.joined({name: given.pop(name) for name in _SHARED})


def command(app: typer.Typer, name: str | None = None) -> Callable[[Body], Body]:
    """Register a function whose first argument is the :class:`Session`; the others are its own options."""

    def register(body: Body) -> Body:
        own = list(inspect.signature(body, eval_str=True).parameters.values())[1:]

        def entry(ctx: typer.Context, **given: Any) -> None:
            session = _session(ctx, given)
            raise typer.Exit(guarded(session, lambda: body(session, **given)))

        _pretend(entry, body, [*own, *_shared_parameters()])
        app.command(name)(entry)
        return body

    return register


def default(app: typer.Typer) -> Callable[[Body], Body]:
    """Register what a group does when no command of it is named; its options then stand for themselves."""

    def register(body: Body) -> Body:
        own = list(inspect.signature(body, eval_str=True).parameters.values())[1:]

        def entry(ctx: typer.Context, **given: Any) -> None:
            session = _session(ctx, given)
            if ctx.invoked_subcommand is not None:
                ctx.find_root().obj = session
                return
            raise typer.Exit(guarded(session, lambda: body(session, **given)))

        _pretend(entry, body, [*own, *_shared_parameters()])
        app.callback(invoke_without_command=True)(entry)
        return body

    return register


def root(app: typer.Typer) -> None:
    """Let the shared options stand before the command too."""

    def entry(ctx: typer.Context, **given: Any) -> None:
        ctx.obj = Session().joined(given)

    entry.__doc__ = app.info.help if isinstance(app.info.help, str) else None
    _pretend(entry, entry, _shared_parameters())
    app.callback()(entry)


def _pretend(entry: Callable[..., None], body: Callable[..., Any], parameters: list[inspect.Parameter]) -> None:
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    shown: Any = entry
    shown.__name__ = body.__name__
    shown.__doc__ = body.__doc__
    shown.__signature__ = inspect.Signature([context, *keywords])
    shown.__annotations__ = {parameter.name: parameter.annotation for parameter in [context, *keywords]}


_CODES: tuple[tuple[type[KeeperError], ExitCode], ...] = (
    (LeaseHeld, ExitCode.LEASE),
    (NotAsConfigured, ExitCode.PREFLIGHT),
    (ConfigError, ExitCode.CONFIG),
    (Fault, ExitCode.HALTED),
    (KeeperError, ExitCode.CHAIN),
)
"""The first kind that fits."""


def guarded(session: Session, body: Callable[[], ExitCode | None]) -> ExitCode:
    """Run ``body``; an error becomes one message on stderr, and on stdout an object when a program listens."""
    try:
        return body() or ExitCode.OK
    except KeyboardInterrupt:
        return _told(session, "interrupted", ExitCode.INTERRUPTED)
    except KeeperError as error:
        return _told(session, str(error), next(code for kind, code in _CODES if isinstance(error, kind)))
    except BrokenPipeError:
        # The reader of stdout went away; what is left in the buffer must not raise again at exit.
        sys.stdout = None
        return ExitCode.OK
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # ruff: ignore[blind-except] - the last place where an error can be told without its inputs
        return _told(session, f"unforeseen {type(error).__name__}: {error}; --debug shows where", ExitCode.DIFFERENT)


def _told(session: Session, message: str, code: ExitCode) -> ExitCode:
    from keeper.adapters.telemetry.logs import Redactor

    redactor = Redactor(environment_secrets())
    if session.debug:
        sys.stderr.write(redactor.text(traceback.format_exc()))
    clean = redactor.text(message)
    sys.stderr.write("".join(f"error: {line}\n" for line in clean.splitlines()))
    if session.as_json:
        sys.stdout.write(json.dumps({"error": clean.splitlines(), "exit_code": int(code)}) + "\n")
    return code

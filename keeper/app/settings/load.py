"""From files, environment and flags to settings that are right, or to every reason why they are not."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from keeper.adapters.tx.secret_file import read_secret
from keeper.app.settings import sources
from keeper.app.settings.checks import compare
from keeper.app.settings.problems import Problem, from_validation, render
from keeper.app.settings.schema import Settings
from keeper.core.model.errors import ConfigError


class Need(StrEnum):
    """What a command cannot do without."""

    NODE = "node"
    ACCOUNT = "account"
    KEY = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings, and where each of their values came from."""

    settings: Settings
    origins: Mapping[str, str]
    """Dotted path -> file, environment variable or command line."""


def load(
    *,
    config: Path | None = None,
    chain: str | None = None,
    pool: str | None = None,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] = os.environ,
    needs: frozenset[Need] = frozenset(),
) -> Loaded:
    """Settings from, strongest first: flags, ``KEEPER__*``, the operator's file, the pool's, the chain's, default.toml.

    Args:
        config: the operator's own file.
        chain: name or path of the chain file, in place of ``use.chain``.
        pool: name or path of the pool file, in place of ``use.pool``.
        flags: dotted path -> value, as TOML would have it (decimals as text).
        environ: where ``KEEPER__*`` variables are read.
        needs: what must be set beyond what every configuration has.

    Raises:
        ConfigError: with every problem, one line each, no secret in any.
    """
    layers, problems = _layers(config, chain, pool, dict(flags or {}), environ)
    origins = sources.merge_origins(layers)
    merged = sources.merge(layers)
    settings, invalid = _validate(layers)
    problems += invalid
    sections = {name: getattr(settings, name) for name in Settings.model_fields} if settings else _valid_sections(merged)
    problems += compare(sections)
    problems += _missing(sections, needs)
    if problems or settings is None:
        raise ConfigError([render(problem, origins) for problem in problems])
    return Loaded(settings=settings, origins=origins)


def _layers(
    config: Path | None, chain: str | None, pool: str | None, flags: dict[str, object], environ: Mapping[str, str]
) -> tuple[list[sources.Layer], list[Problem]]:
    """All layers, weakest first, with the variables that name no setting."""
    flags |= {path: name for path, name in (("use.chain", chain), ("use.pool", pool)) if name is not None}
    default = sources.read_shipped("", "default")
    own = [sources.read_file(config)] if config else []
    given = sources.read_flags(flags)
    named, _ = sources.read_environment(environ, [default, *own])
    use = sources.merge([default, *own, named, given]).get("use", {})
    shipped = [default, _named("chains", "chain", use), _named("pools", "pool", use)]
    beneath = [*shipped, *own]
    variables, problems = sources.read_environment(environ, beneath)
    layers = [*beneath, variables, given]
    secret, secret_problems = _secret(sources.merge(layers))
    return [*layers, *secret], [*problems, *secret_problems]


def _named(kind: str, key: str, use: Any) -> sources.Layer:
    name = use.get(key) if isinstance(use, Mapping) else None
    if not isinstance(name, str):
        raise ConfigError([f"use.{key}: must be the name of a shipped file or a path that ends in .toml"])
    return sources.read_shipped(kind, name)


def _secret(merged: Mapping[str, Any]) -> tuple[list[sources.Layer], list[Problem]]:
    """The layer of the URL that stands in a file of its own."""
    rpc = merged.get("rpc")
    path = rpc.get("url_file") if isinstance(rpc, Mapping) else None
    if not isinstance(rpc, Mapping) or not isinstance(path, str):
        return [], []
    if rpc.get("url") is not None:
        return [], [Problem(path="rpc.url_file", message="give rpc.url or rpc.url_file, not both", value=path)]
    try:
        url = read_secret(Path(path).expanduser())
    except ConfigError as error:
        return [], [Problem(path="rpc.url_file", message=problem) for problem in error.problems]
    return [sources.from_values({"rpc.url": url}, f"file {path}")], []


def _validate(layers: list[sources.Layer]) -> tuple[Settings | None, list[Problem]]:
    build: Any = Settings
    given = tuple(sources.LayerSource(Settings, layer) for layer in reversed(layers))
    try:
        return build(_build_sources=(given, {})), []
    except ValidationError as error:
        return None, list(from_validation(error, Settings))


def _valid_sections(merged: Mapping[str, Any]) -> dict[str, Any]:
    """The sections that are right by themselves."""
    valid: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        try:
            kind: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
            valid[name] = kind.validate_python(merged.get(name))
        except ValidationError:
            continue
    return valid


def _missing(sections: Mapping[str, Any], needs: frozenset[Need]) -> Iterator[Problem]:
    chain, rpc, wallet = (sections.get(name) for name in ("chain", "rpc", "wallet"))
    if Need.NODE in needs and rpc and rpc.url is None:
        yield Problem(path="rpc.url", message="is needed: set KEEPER__RPC__URL or rpc.url_file")
    if chain is None or wallet is None or wallet.keystore is not None:
        return
    if Need.ACCOUNT in needs and wallet.address is None:
        yield Problem(path="wallet.address", message="is needed: the account whose funds are looked after (or a keystore)")
    if Need.KEY in needs and not chain.local:
        yield Problem(path="wallet.keystore", message="is needed, with passphrase_file: keeper keys new makes one")

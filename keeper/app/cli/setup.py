"""The first steps: a settings file, and proof that it fits the world."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from keeper.adapters.chain.preflight import CheckResult, Expectation, PermitDomain, preflight
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.store.reader import open_reader, open_snapshot
from keeper.app import bootstrap
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.output import table
from keeper.app.cli.session import Session
from keeper.app.sense_checks import sense_checks
from keeper.app.settings import Need, Settings, load, to_policy
from keeper.app.venues import open_venues
from keeper.core.model.errors import ConfigError, KeeperError
from keeper.core.model.policy import Policy

TEMPLATE = "keeper.example.toml"


def init(session: Session, path: Path, *, force: bool) -> ExitCode:
    """Write the template, for the chain and pool that are named; an existing file is kept unless ``force``."""
    load(environ={}, chain=session.chain, pool=session.pool)
    text = resources.files("keeper.config").joinpath(TEMPLATE).read_text(encoding="utf-8")
    for key, name in (("chain", session.chain), ("pool", session.pool)):
        if name is not None:
            text = _using(text, key, name)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError([f"{path} exists; --force writes over it"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from None
    path.chmod(0o600)
    told = [f"wrote {path}", "next: edit it, then keeper config validate, keeper check, keeper plan"]
    session.out.show({"path": str(path)}, *(Text(line) for line in told))
    return ExitCode.OK


def _using(text: str, key: str, name: str) -> str:
    return re.sub(f'^{key} = ".*?"', lambda _: f"{key} = {json.dumps(name)}", text, flags=re.MULTILINE)


def check(session: Session, *, skip_clock: bool) -> ExitCode:
    """Every fact that the settings state about the world."""
    settings = session.load(Need.NODE, Need.ACCOUNT).settings
    policy = to_policy(settings)
    account, signing = _account(settings)
    with contextlib.closing(bootstrap.open_rpc(settings)) as rpc:
        now_s = None if skip_clock or settings.chain.local else int(time.time())
        proven = preflight(rpc, expectation(settings, policy), wallet=account, now_s=now_s)
        sane = all(result.ok for result in proven)
        senses = sense_checks(settings, policy, rpc, account) if sane else ()
        journal = _journal(settings)
        held = _held(settings, policy, rpc, account) if journal.ok else ()
        results = [*signing, *proven, *senses, journal, *held]
    failed = [result for result in results if not result.ok]
    document = {
        "ok": not failed,
        "checks": [
            {"name": result.name, "ok": result.ok, "found": result.found, "remedy": result.remedy} for result in results
        ],
    }
    session.out.show(document, *_render(results))
    if any(result.name == "rpc" for result in failed):
        return ExitCode.CHAIN
    return ExitCode.PREFLIGHT if failed else ExitCode.OK


def expectation(settings: Settings, policy: Policy) -> Expectation:
    """What the settings say about the chain."""
    addresses = settings.chain.addresses
    used = {token.address for key in policy.pools for token in (key.token0, key.token1)}
    tokens = {token.address: token for key in policy.pools for token in (key.token0, key.token1)}
    return Expectation(
        chain_id=settings.chain.id,
        contracts=tuple((name, getattr(addresses, name)) for name in type(addresses).model_fields),
        factory=addresses.factory,
        position_manager=addresses.position_manager,
        pools=policy.pools,
        spenders=(("position manager", addresses.position_manager), ("swap router", addresses.swap_router)),
        permits=tuple(
            PermitDomain(token=tokens[token.address], name=token.permit_name, version=token.permit_version)
            for token in settings.chain.tokens.values()
            if token.address in used and token.permit_name is not None and token.permit_version is not None
        ),
        twap_window_s=policy.gates.twap_window_s,
        native_reserve_wei=policy.execution.native_reserve_wei,
        symbols={token.address: token.symbols for token in settings.chain.tokens.values() if token.symbols},
    )


def _account(settings: Settings) -> tuple[str | None, list[CheckResult]]:
    """The account, and whether its key opens and is the one that is named."""
    named = settings.wallet.address
    try:
        signer = bootstrap.open_signer(settings)
    except ConfigError as error:
        remedy = "correct the keystore, its passphrase file, or the account"
        return named, [CheckResult(name="key", ok=False, found="; ".join(error.problems), remedy=remedy)]
    if signer is None:
        return named, []
    ok = named in {None, signer.address}
    remedy = "" if ok else f"wallet.address is {named}: name the key's own account, or use its key"
    return signer.address, [CheckResult(name="key", ok=ok, found=signer.address, remedy=remedy)]


def _journal(settings: Settings) -> CheckResult:
    path = settings.journal_path
    if not path.exists():
        return CheckResult(name="journal", ok=True, found=f"{path} will be made", remedy="")
    try:
        with open_reader(path) as reader:
            problems = reader.verify(newest=1)
    except KeeperError as error:
        problems = (str(error),)
    remedy = "keeper db migrate for an older schema; else restore a backup, or name another run.state_dir"
    found = "; ".join(problems) or str(path)
    return CheckResult(name="journal", ok=not problems, found=found, remedy=remedy if problems else "")


def _held(settings: Settings, policy: Policy, rpc: Rpc, account: str | None) -> Iterator[CheckResult]:
    """Venues where options are held and that the settings do not know any more."""
    if account is None or not settings.journal_path.exists():
        return
    with open_snapshot(settings.journal_path) as known:
        lost = open_venues(settings, policy, rpc, account, known.memory()).lost
    for name, why in lost.items():
        yield CheckResult(name=f"venue {name}", ok=False, found="not in the settings", remedy=why)


def _render(results: list[CheckResult]) -> Iterator[RenderableType]:
    rows = [("✓" if result.ok else "✗", result.name, result.found, result.remedy) for result in results]
    yield table("Checks", ("", "check", "found", "remedy"), rows)
    failed = sum(not result.ok for result in results)
    yield Text(f"{len(results) - failed} of {len(results)} hold")

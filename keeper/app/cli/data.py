"""Market history on disk: fetched from a node, taken in from files, listed and checked."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.history import audit, imported, manifest, series, state_files, store
from keeper.adapters.history.base_fee_download import download_base_fees
from keeper.adapters.history.download import Download, Progress
from keeper.adapters.history.rows import ALL_KINDS
from keeper.adapters.history.state_download import fetch_state
from keeper.app import bootstrap
from keeper.app.cli import words
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.moment import moment
from keeper.app.cli.output import table
from keeper.app.cli.session import Session
from keeper.app.settings import Need, Settings
from keeper.core.model.errors import ConfigError, NotAsConfigured

USUAL_DAYS = 30.0
_ELSEWHERE = re.compile(r"(\d{1,12}):(0x[0-9a-fA-F]{40})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The time that a person named."""

    since_s: int
    until_s: int | None


def download(
    session: Session, *, pool: str | None, days: float | None, since: str | None, until: str | None, state: bool = False
) -> ExitCode:
    """Fetch what is missing of the events of a pool, or of every configured one; with ``state`` the pools before them too."""
    settings = session.load(Need.NODE).settings
    pools = _configured(settings, pool)
    with contextlib.closing(bootstrap.open_rpc(settings)) as rpc:
        _check_chain(rpc, settings)
        extent = _extent(rpc, days, since, until)
        done = list[dict[str, Any]]()
        with _bar(session) as bar:
            try:
                for name, address in pools.items():
                    entry = _download_one(rpc, settings, name, address, extent, bar)
                    done.append(entry | (_download_state(rpc, settings, address, extent) if state else {}))
                fees = download_base_fees(
                    rpc, settings.data.dir, settings.chain.id, since_s=extent.since_s, until_s=extent.until_s
                )
            except KeyboardInterrupt:
                sys.stderr.write("what was fetched is stored; the same command goes on from there\n")
                raise
    columns = ("pool", "blocks", "logs", "new", "requests", "took", "logs/s")
    rows = [
        [
            entry["name"],
            *(f"{entry[key]:,}" for key in ("blocks", "logs", "new_rows", "requests")),
            words.duration(entry["seconds"]),
            f"{entry['logs_per_s']:,.0f}",
        ]
        for entry in done
    ]
    notes = [Text(note) for entry in done for note in (*entry["notes"], *entry.get("state_notes", ()))]
    notes.append(Text(f"base fees of the time: {fees:,} new, one an hour"))
    document = {"pools": done, "base_fees": fees}
    session.out.show(document, table("fetched", columns, rows, right=columns[1:]), *notes)
    return ExitCode.OK


def _configured(settings: Settings, pool: str | None) -> dict[str, str]:
    every = {name: one.address for name, one in settings.pools.items()}
    if pool is None:
        return every
    if pool not in every:
        raise ConfigError([f"--of: {pool} is no configured pool; there are {', '.join(every)}"])
    return {pool: every[pool]}


def _check_chain(rpc: Rpc, settings: Settings) -> None:
    found = rpc.call("eth_chainId")
    if not isinstance(found, str) or found.lower() != hex(settings.chain.id):
        raise NotAsConfigured([f"{rpc.name} is on chain {found}, the settings say {settings.chain.id}"])


def _extent(rpc: Rpc, days: float | None, since: str | None, until: str | None) -> Extent:
    if since is not None and days is not None:
        raise ConfigError(["--since, --days: give one of them"])
    until_s = None if until is None else moment(until, "--until")
    if since is not None:
        since_s = moment(since, "--since")
    else:
        # Days count back from the chain's own time, which on a local chain is not ours.
        end_s = until_s if until_s is not None else int(rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        since_s = max(end_s - round((USUAL_DAYS if days is None else days) * words.DAY_S), 0)
    if until_s is not None and until_s <= since_s:
        raise ConfigError([f"--until: {until} is not after {words.utc(since_s)}"])
    return Extent(since_s=since_s, until_s=until_s)


def _bar(session: Session) -> ProgressBar:
    """On stderr, so that what a program reads stays clean."""
    return ProgressBar(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr, no_color=True if session.no_color else None),
        disable=session.quiet,
    )


def _download_one(rpc: Rpc, settings: Settings, name: str, address: str, extent: Extent, bar: ProgressBar) -> dict[str, Any]:
    task = bar.add_task(name, total=None, rate="")
    last: Progress | None = None
    with store.PoolWriter(settings.data.dir, chain_id=settings.chain.id, pool=address) as writer:
        run = Download(rpc, writer, pool=address, confirmations=settings.chain.confirmations)
        with contextlib.closing(run.run(since_s=extent.since_s, until_s=extent.until_s)) as steps:
            for last in steps:
                rate = f"{last.logs:,} logs, {last.logs_per_s:,.0f}/s"
                bar.update(task, completed=last.blocks_done, total=last.blocks_total, rate=rate)
    assert last is not None
    return {
        "name": name,
        "pool": address,
        "folder": str(writer.folder),
        "blocks": last.blocks_total,
        "logs": last.logs,
        "new_rows": last.new_rows,
        "requests": last.requests,
        "seconds": round(last.elapsed_s, 3),
        "logs_per_s": round(last.logs_per_s, 1),
        "notes": run.notes,
    }


def _download_state(rpc: Rpc, settings: Settings, address: str, extent: Extent) -> dict[str, Any]:
    """Store the whole pool as the events from the beginning on find it."""
    chain = settings.chain
    with store.PoolWriter(settings.data.dir, chain_id=chain.id, pool=address) as writer:
        fetched = fetch_state(
            rpc, chain.addresses.multicall, address, since_s=extent.since_s, confirmations=chain.confirmations
        )
        writer.add_states([fetched.state])
    return {"state_block": fetched.state.block, "state_s": fetched.state.timestamp_s, "state_notes": list(fetched.notes)}


def import_files(
    session: Session,
    paths: Sequence[Path],
    *,
    pool: str | None,
    since: str | None = None,
    until: str | None = None,
    repair: bool = False,
) -> ExitCode:
    """Take files in.

    ``since`` and ``until`` say that each is complete for that time, not only between its own events; ``repair`` puts events in
    order, and drops what is there twice.
    """
    settings = session.load().settings
    target = None if pool is None else _target(settings, pool)
    extent = tuple(None if text is None else moment(text, option) for text, option in ((since, "--since"), (until, "--until")))
    problems = [problem for path in paths for problem in _unreadable(path, target)]
    if problems:
        raise ConfigError(problems)
    done = [
        imported.import_file(
            path, settings.data.dir, target=target, since_s=extent[0], until_s=extent[1], repair=repair, given=paths
        )
        for path in state_files.leading(paths)
    ]
    columns = ("file", "holds", "rows", "new", "from", "to")
    rows = [
        [one.path.name, one.layout, f"{one.rows:,}", f"{one.added:,}", words.utc(one.first_s), words.utc(one.last_s)]
        for one in done
    ]
    document = [
        {
            "file": str(one.path),
            "layout": one.layout,
            "folder": str(one.folder),
            "rows": one.rows,
            "new_rows": one.added,
            "first_s": one.first_s,
            "last_s": one.last_s,
            "complete_for": [str(kind) for kind in one.kinds],
        }
        for one in done
    ]
    session.out.show({"files": document}, table("taken in", columns, rows, right=("rows", "new")))
    return ExitCode.OK


def _target(settings: Settings, pool: str) -> imported.Target:
    if elsewhere := _ELSEWHERE.fullmatch(pool):
        return imported.Target(chain_id=int(elsewhere[1]), pool=elsewhere[2])
    if pool not in settings.pools:
        known = ", ".join(settings.pools)
        raise ConfigError([f"--of: {pool} is no configured pool; there are {known}; of another chain write 137:0x..."])
    return imported.Target(chain_id=settings.chain.id, pool=settings.pools[pool].address)


def _unreadable(path: Path, target: imported.Target | None) -> Sequence[str]:
    """Why a file cannot be taken in; found for all of them before any is."""
    try:
        imported.check_target(imported.layout_of(path), target, path)
    except ConfigError as error:
        return error.problems
    return ()


def list_(session: Session) -> ExitCode:
    """What is stored."""
    settings = session.load().settings
    root = settings.data.dir
    pools = [_pool_entry(folder, settings) for folder in store.pools_in(root)]
    bars = [_bar_entry(folder, one) for folder in series.folders_with_bars(root) for one in series.read_series(folder)]
    shown = [_pool_table(pools), *(Text(line) for entry in pools for line in _gap_lines(entry)), _bar_table(bars)]
    nothing = [Text(f"{root} holds nothing yet: keeper data download fetches, keeper data import takes in")]
    session.out.show({"dir": str(root), "pools": pools, "bars": bars}, *(shown if pools or bars else nothing))
    return ExitCode.OK


def _pool_entry(folder: Path, settings: Settings) -> dict[str, Any]:
    held = manifest.read_manifest(folder)
    assert held is not None
    names = {one.address.lower(): name for name, one in settings.pools.items() if held.chain_id == settings.chain.id}
    stretches = held.stretches(ALL_KINDS[:1], with_tail=True)
    files = [*held.files, *([held.tail.file] if held.tail and held.tail.file else [])]
    tail = held.tail.coverage if held.tail else None
    return {
        "chain_id": held.chain_id,
        "pool": held.pool,
        "name": names.get(held.pool),
        "events": sum(file.rows for file in files),
        "files": len(files),
        "bytes": sum(path.stat().st_size for file in files if (path := folder / file.name).is_file()),
        "from_s": stretches[0].from_s if stretches else None,
        "to_s": stretches[-1].to_s if stretches else None,
        "stretches": [
            {"first_block": one.first_block, "last_block": one.last_block, "from_s": one.from_s, "to_s": one.to_s}
            | {"sources": list(one.sources)}
            for one in stretches
        ],
        "gaps": [
            {"first_block": gap.first_block, "last_block": gap.last_block, "from_s": gap.from_s, "to_s": gap.to_s}
            for gap in audit.gaps(held)
        ],
        "states": [{"block": one.block, "timestamp_s": one.timestamp_s} for one in held.states],
        "tail_blocks": tail.last_block - tail.first_block + 1 if tail else 0,
    }


def _pool_table(pools: Sequence[dict[str, Any]]) -> Table:
    columns = ("chain", "pool", "events", "files", "MiB", "from", "to", "gaps", "states", "not final")
    rows = [
        [
            str(entry["chain_id"]),
            entry["name"] or entry["pool"],
            f"{entry['events']:,}",
            str(entry["files"]),
            f"{entry['bytes'] / 2**20:,.1f}",
            *(words.utc(entry[key]) if entry[key] is not None else "-" for key in ("from_s", "to_s")),
            str(len(entry["gaps"])),
            str(len(entry["states"])),
            f"{entry['tail_blocks']:,} blocks",
        ]
        for entry in pools
    ]
    return table("events of pools", columns, rows, right=("events", "files", "MiB", "gaps", "states"))


def _bar_entry(folder: Path, one: series.Series) -> dict[str, Any]:
    return {
        "series": f"{folder.parent.name}/{folder.name}",
        "width_s": one.width_s,
        "bars": one.rows,
        "missing": one.missing,
        "first_s": one.first_s,
        "last_s": one.last_s,
    }


def _bar_table(bars: Sequence[dict[str, Any]]) -> Table:
    columns = ("series", "width", "bars", "missing", "from", "to")
    rows = [
        [
            one["series"],
            words.duration(one["width_s"]),
            f"{one['bars']:,}",
            f"{one['missing']:,}",
            words.utc(one["first_s"]),
            words.utc(one["last_s"]),
        ]
        for one in bars
    ]
    return table("bars of others", columns, rows, right=("bars", "missing"))


def _gap_lines(entry: dict[str, Any]) -> list[str]:
    return [
        f"gap in {entry['name'] or entry['pool']}: {words.utc(gap['from_s'])} to {words.utc(gap['to_s'])},"
        f" blocks {gap['first_block']} to {gap['last_block']}"
        for gap in entry["gaps"]
    ]


def check(session: Session) -> ExitCode:
    """Read everything that is stored back."""
    root = session.load().settings.data.dir
    begin_s = time.monotonic()
    reports = [
        *(audit.audit_pool(folder) for folder in store.pools_in(root)),
        *(audit.audit_series(folder) for folder in series.folders_with_bars(root)),
    ]
    whole = not any(report.problems for report in reports)
    shown = []
    for report in reports:
        name = str(report.folder.relative_to(root))
        totals = ", ".join(f"{key} {value:,}" for key, value in report.totals.items())
        shown.append(Text(f"{name}: {'is whole' if not report.problems else 'is not whole'}; {totals or 'not summed'}"))
        shown += [Text(f"  {line}") for line in (*report.problems, *report.notes)]
    document = {
        "dir": str(root),
        "whole": whole,
        "seconds": round(time.monotonic() - begin_s, 3),
        "folders": [
            {"folder": str(report.folder), "problems": list(report.problems), "notes": list(report.notes)}
            | {"totals": {key: str(value) for key, value in report.totals.items()}}
            for report in reports
        ],
    }
    session.out.show(document, *(shown or [Text(f"{root} holds nothing yet")]))
    return ExitCode.OK if whole else ExitCode.DIFFERENT

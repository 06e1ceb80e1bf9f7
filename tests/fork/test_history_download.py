"""Market history of a real node: every event once, whatever the node does on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from keeper.adapters.amm import swap_history
from keeper.adapters.evm.blocks import first_block_since
from keeper.adapters.evm.checked import ReadRefused
from keeper.adapters.evm.rpc import BadReply, Rpc, RpcUnreachable
from keeper.adapters.history import download as downloading
from keeper.adapters.history.audit import audit_pool
from keeper.adapters.history.bars import make_bars
from keeper.adapters.history.download import Download, Progress
from keeper.adapters.history.manifest import Manifest, read_manifest
from keeper.adapters.history.rows import ALL_KINDS
from keeper.adapters.history.store import PoolWriter, folder_of, scan
from keeper.app.cli import data
from keeper.app.cli.command import guarded
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session
from keeper.core.model.errors import ConfigError, Fault, Reorged
from keeper.core.model.pool import BlockRef
from keeper.core.signals.bars import close_minutes
from keeper.core.v3math.swap_kind import RecordedSwap
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.market import BlockReport, MarketDesk
from keeper.localchain.pools import USDC_WETH_500
from keeper.localchain.synthetic import MarketPlan, SyntheticMarket
from keeper.localchain.twin import Twin
from tests.fakes.rpc_server import Forward, Reply, RpcServer, dropped

pytestmark = pytest.mark.chain

MakeTwin = Callable[[AnvilOptions], Twin]
POOL = USDC_WETH_500.address
OPTIONS = AnvilOptions(automine=False)
FINAL_BLOCKS = 70
"""So many blocks on top, and the node calls what is beneath them final."""


class Played:
    """A chain with a spell of the market on it, all of it final."""

    def __init__(self, twin: Twin, *, seed: int = 1, days: float = 0.02) -> None:
        self.twin = twin
        self.reports = play(twin, seed=seed, days=days)
        twin.chain.rpc.call("anvil_mine", hex(FINAL_BLOCKS))

    @property
    def swaps(self) -> list[RecordedSwap]:
        return swaps_of(self.reports)


def play(twin: Twin, *, seed: int, days: float) -> list[BlockReport]:
    market = SyntheticMarket(MarketDesk(twin, POOL), MarketPlan(seed=seed, days=days, pools=(USDC_WETH_500,)))
    reports = []
    while report := market.step():
        reports.append(report)
    return reports


def swaps_of(reports: Sequence[BlockReport]) -> list[RecordedSwap]:
    return [swap for report in reports for swap in report.swaps]


@pytest.fixture
def played(make_twin: MakeTwin) -> Played:
    return Played(make_twin(OPTIONS))


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short requests and frequent storing, so that a short chain is like a long one."""
    monkeypatch.setattr(downloading, "FIRST_RANGE_BLOCKS", 5)
    monkeypatch.setattr(downloading, "LONGEST_RANGE_BLOCKS", 10)
    monkeypatch.setattr(downloading, "FLUSH_ROWS", 15)


def fetch(url: str, root: Path, **change: Any) -> tuple[list[Progress], Download]:
    with closing(Rpc(url, attempts=2, pause=lambda _: None)) as rpc, PoolWriter(root, chain_id=1, pool=POOL) as writer:
        run = Download(rpc, writer, pool=POOL, **{"confirmations": 5, **change})
        return list(run.run(since_s=0)), run


def held(root: Path) -> Manifest:
    manifest = read_manifest(folder_of(root, 1, POOL))
    assert manifest is not None
    return manifest


def stored(root: Path) -> list[RecordedSwap]:
    manifest, folder = held(root), folder_of(root, 1, POOL)
    files = (*manifest.files, *([manifest.tail.file] if manifest.tail and manifest.tail.file else []))
    rows = duckdb.execute(
        "select amount0, amount1, sqrt_price_x96, liquidity, tick"
        f" from {scan([folder / file.name for file in files])} where event = 'SWAP' order by block_number, log_index"
    ).fetchall()
    return [
        RecordedSwap(amount0=int(row[0]), amount1=int(row[1]), sqrt_price_x96=int(row[2]), liquidity=int(row[3]), tick=row[4])
        for row in rows
    ]


def is_whole(root: Path) -> bool:
    return not audit_pool(folder_of(root, 1, POOL)).problems


Change = Callable[[Mapping[str, Any], dict[str, Any]], dict[str, Any]]
"""From a request and the node's own answer to the one that is given."""


@contextmanager
def meddled(url: str, method: str, change: Change) -> Generator[RpcServer]:
    """A node's own answers, each entry of one method changed on its way."""
    with closing(Forward(url)) as forward:

        def respond(body: bytes) -> bytes:
            answered = json.loads(forward(body))
            by_id = {one["id"]: one for one in (answered if isinstance(answered, list) else [answered])}
            for request in entries(body):
                if request["method"] == method:
                    by_id[request["id"]] = change(request, by_id[request["id"]])
            return json.dumps(list(by_id.values()) if isinstance(answered, list) else next(iter(by_id.values()))).encode()

        with RpcServer(respond) as server:
            yield server


def entries(body: bytes) -> list[Any]:
    document = json.loads(body)
    return document if isinstance(document, list) else [document]


def ranges(server: RpcServer) -> list[tuple[int, int]]:
    """First and last block of every request for logs."""
    asked = [one["params"][0] for body in server.bodies for one in entries(body) if one["method"] == "eth_getLogs"]
    return [(int(one["fromBlock"], 16), int(one["toBlock"], 16)) for one in asked]


def refused(request: Mapping[str, Any], message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32005, "message": message}}


def range_of(request: Mapping[str, Any]) -> int:
    asked = request["params"][0]
    return int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) + 1


def test_what_is_stored_is_what_happened_and_a_second_run_fetches_nothing(played: Played, tmp_path: Path) -> None:
    steps, run = fetch(played.twin.rpc_url, tmp_path)
    assert stored(tmp_path) == played.swaps
    assert is_whole(tmp_path)
    assert steps[-1].blocks_done == steps[-1].blocks_total
    assert not run.notes
    sealed = held(tmp_path).files
    again, _ = fetch(played.twin.rpc_url, tmp_path)
    assert again[-1].new_rows == 0
    assert again[-1].blocks_total < played.reports[-1].number
    assert held(tmp_path).files == sealed


def test_bars_of_the_download_are_those_that_the_running_keeper_makes(played: Played, tmp_path: Path) -> None:
    fetch(played.twin.rpc_url, tmp_path)
    with make_bars(folder_of(tmp_path, 1, POOL), width_s=60, through_tail=True) as table:
        found = list(table)
    with closing(Rpc(played.twin.rpc_url)) as rpc:
        head = _head(rpc)
        (answer,) = rpc.batch([swap_history.logs_call(POOL, 0, head.number)])
    rows = swap_history.prices_of(swap_history.events_of(answer, POOL, 0, head.number).rows, {})
    assert found == list(close_minutes(rows, before=None, since_s=None, now_s=head.timestamp_s))
    assert sum(bar.swaps for bar in found) > 10


@pytest.mark.usefixtures("small_steps")
def test_ranges_that_the_node_refuses_are_halved_and_grow_again(played: Played, tmp_path: Path) -> None:
    widest = 0

    def limited(request: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        nonlocal widest
        if range_of(request) > 3:
            return refused(request, "query returned more than 10000 results")
        widest = max(widest, range_of(request))
        return answer

    with meddled(played.twin.rpc_url, "eth_getLogs", limited) as server:
        fetch(server.url, tmp_path)
        asked = len(ranges(server))
    assert stored(tmp_path) == played.swaps
    assert widest > 1
    blocks = int(played.twin.chain.rpc.call("eth_blockNumber"), 16)
    assert asked < blocks


@pytest.mark.usefixtures("small_steps")
def test_a_block_that_the_node_refuses_by_itself_ends_the_run_with_its_words(played: Played, tmp_path: Path) -> None:
    stop = played.reports[30].number

    def broken(request: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        first = int(request["params"][0]["fromBlock"], 16)
        return refused(request, "missing trie node") if first <= stop < first + range_of(request) else answer

    with (
        meddled(played.twin.rpc_url, "eth_getLogs", broken) as server,
        pytest.raises(ReadRefused, match="trie node"),
    ):
        fetch(server.url, tmp_path)
    # What came before it is there, up to the block itself.
    assert [part.last_block for part in held(tmp_path).coverage] == [stop - 1]
    assert stored(tmp_path) == swaps_of(played.reports[:30])
    fetch(played.twin.rpc_url, tmp_path)
    assert stored(tmp_path) == played.swaps
    assert is_whole(tmp_path)


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("answers", [7, 9, 12])
def test_a_run_that_is_cut_leaves_a_whole_store_and_the_next_goes_on_from_it(
    played: Played, tmp_path: Path, answers: int
) -> None:
    with closing(Forward(played.twin.rpc_url)) as forward, RpcServer(forward) as server:
        server.misbehave(*([as_it_is] * answers), *([dropped] * 100))
        with pytest.raises(RpcUnreachable):
            fetch(server.url, tmp_path)
        covered = held(tmp_path).coverage
        assert is_whole(tmp_path)
        assert stored(tmp_path) == played.swaps[: len(stored(tmp_path))]
        server.behave()
        server.bodies.clear()
        fetch(server.url, tmp_path)
        resumed = min(first for first, _ in ranges(server))
    assert resumed == covered[0].last_block + 1
    assert stored(tmp_path) == played.swaps
    assert is_whole(tmp_path)


def as_it_is(body: bytes, respond: Callable[[bytes], bytes]) -> Reply:
    return Reply(respond(body))


@pytest.mark.usefixtures("small_steps")
def test_a_person_may_interrupt_and_keeps_what_was_fetched(played: Played, tmp_path: Path) -> None:
    calls = iter(range(1_000))

    def impatient() -> float:
        if next(calls) == 12:
            raise KeyboardInterrupt
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        fetch(played.twin.rpc_url, tmp_path, clock=impatient)
    assert len(held(tmp_path).coverage) == 1
    assert is_whole(tmp_path)
    fetch(played.twin.rpc_url, tmp_path)
    assert stored(tmp_path) == played.swaps
    assert is_whole(tmp_path)


Logs = list[dict[str, Any]]


def backward(logs: Logs) -> Logs:
    return list(reversed(logs))


def twice(logs: Logs) -> Logs:
    return [log for log in logs for _ in range(2)]


@pytest.mark.parametrize("spoil", [backward, twice])
def test_order_and_repetition_of_logs_do_not_matter(played: Played, tmp_path: Path, spoil: Callable[[Logs], Logs]) -> None:
    def change(_: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"result": spoil(answer["result"])}

    with meddled(played.twin.rpc_url, "eth_getLogs", change) as server:
        fetch(server.url, tmp_path)
    assert stored(tmp_path) == played.swaps
    assert is_whole(tmp_path)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"removed": True}, Reorged),
        ({"address": "0x" + "11" * 20}, BadReply),
        ({"blockNumber": "0xffffff"}, BadReply),
        ({"blockHash": "0x" + "11" * 32}, Reorged),
        ({"data": "0x"}, BadReply),
    ],
    ids=["removed", "another pool's", "another block's", "of a replaced block", "without data"],
)
def test_a_log_that_cannot_be_is_asked_for_anew_and_never_stored(
    played: Played, tmp_path: Path, change: dict[str, Any], error: type[Exception]
) -> None:
    faults = 1

    def spoil(_: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        nonlocal faults
        if faults and len(answer["result"]) > 1:
            faults -= 1
            first, second, *rest = answer["result"]
            # Two logs of one block may differ in the hash of it: only then is it known from the logs alone.
            return answer | {"result": [first | change, second | {"blockNumber": first["blockNumber"]}, *rest]}
        return answer

    with meddled(played.twin.rpc_url, "eth_getLogs", spoil) as server:
        fetch(server.url, tmp_path / "once")
        faults = 1_000_000
        with pytest.raises(error):
            fetch(server.url, tmp_path / "always")
    assert stored(tmp_path / "once") == played.swaps
    assert is_whole(tmp_path / "once")
    assert not held_files(tmp_path / "always")


def held_files(root: Path) -> list[Path]:
    return list(root.rglob("*.parquet"))


def test_logs_without_time_are_dated_by_their_headers(played: Played, tmp_path: Path) -> None:
    def strip(_: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        logs = [{name: value for name, value in log.items() if name != "blockTimestamp"} for log in answer["result"]]
        return answer | {"result": logs}

    fetch(played.twin.rpc_url, tmp_path / "with")
    with meddled(played.twin.rpc_url, "eth_getLogs", strip) as server:
        fetch(server.url, tmp_path / "without")
    assert [file.sha256 for file in held(tmp_path / "with").files] == [file.sha256 for file in held(tmp_path / "without").files]


def test_where_no_block_is_called_final_the_confirmations_decide(played: Played, tmp_path: Path) -> None:
    def unknown(request: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        return refused(request, "unknown tag") if request["params"][0] == "finalized" else answer

    with meddled(played.twin.rpc_url, "eth_getBlockByNumber", unknown) as server:
        fetch(server.url, tmp_path, confirmations=9)
    head = int(played.twin.chain.rpc.call("eth_blockNumber"), 16)
    manifest = held(tmp_path)
    assert [part.last_block for part in manifest.coverage] == [head - 9]
    assert manifest.tail is not None
    assert (manifest.tail.coverage.first_block, manifest.tail.coverage.last_block) == (head - 8, head)


def test_the_tail_is_read_anew_and_a_reorganised_one_forgotten(make_twin: MakeTwin, tmp_path: Path) -> None:
    twin = make_twin(OPTIONS)
    first = Played(twin)
    snapshot = twin.chain.rpc.call("evm_snapshot")
    dropped_reports = play(twin, seed=7, days=0.002)
    assert swaps_of(dropped_reports)
    fetch(twin.rpc_url, tmp_path)
    assert stored(tmp_path) == first.swaps + swaps_of(dropped_reports)
    assert twin.chain.rpc.call("evm_revert", snapshot)
    kept = play(twin, seed=8, days=0.002)
    _, run = fetch(twin.rpc_url, tmp_path)
    assert any("reorganised" in note for note in run.notes)
    assert stored(tmp_path) == first.swaps + swaps_of(kept)
    twin.chain.rpc.call("anvil_mine", hex(FINAL_BLOCKS))
    _, run = fetch(twin.rpc_url, tmp_path)
    assert not run.notes
    assert stored(tmp_path) == first.swaps + swaps_of(kept)
    assert held(tmp_path).coverage[-1].last_block >= kept[-1].number
    assert is_whole(tmp_path)


def test_another_chain_is_noticed_before_anything_is_stored(make_twin: MakeTwin, tmp_path: Path) -> None:
    fetch(Played(make_twin(OPTIONS), seed=1).twin.rpc_url, tmp_path)
    before = held(tmp_path)
    with pytest.raises(Fault, match="is not on the chain"):
        fetch(Played(make_twin(OPTIONS), seed=2).twin.rpc_url, tmp_path)
    assert held(tmp_path) == before


@pytest.mark.usefixtures("small_steps")
def test_only_what_is_missing_between_two_stretches_is_fetched(played: Played, tmp_path: Path) -> None:
    def window(since: int, until: int) -> None:
        with closing(Rpc(played.twin.rpc_url)) as rpc, PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
            run = Download(rpc, writer, pool=POOL, confirmations=5)
            list(run.run(since_s=played.reports[since].timestamp_s, until_s=played.reports[until].timestamp_s))

    window(5, 12)
    window(20, 31)
    assert len(audit_pool(folder_of(tmp_path, 1, POOL)).problems) == 1
    window(5, 31)
    assert is_whole(tmp_path)
    stretches = held(tmp_path).stretches(ALL_KINDS, with_tail=False)
    assert [(part.first_block, part.last_block) for part in stretches] == [
        (played.reports[5].number, played.reports[31].number - 1)
    ]
    assert stored(tmp_path) == swaps_of(played.reports[5:31])


def test_a_time_in_which_no_block_was_made_is_an_error(played: Played, tmp_path: Path) -> None:
    with closing(Rpc(played.twin.rpc_url)) as rpc, PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        run = Download(rpc, writer, pool=POOL, confirmations=5)
        with pytest.raises(ConfigError, match="no block was made"):
            list(run.run(since_s=2**33))


def test_blocks_are_found_by_their_time(played: Played) -> None:
    with closing(Rpc(played.twin.rpc_url)) as rpc:
        head = _head(rpc)
        times = [
            int(rpc.call("eth_getBlockByNumber", hex(number), False)["timestamp"], 16) for number in range(head.number + 1)
        ]
        for since_s in probes(times):
            wanted = next((number for number, time_s in enumerate(times) if time_s >= since_s), None)
            found = first_block_since(rpc, since_s, head)
            assert (found and found.number) == wanted


def probes(times: list[int]) -> Iterator[int]:
    yield 0
    for time_s in times[::9]:
        yield from (time_s - 1, time_s, time_s + 1)
    yield from (times[-1], times[-1] + 1)


def _head(rpc: Rpc) -> BlockRef:
    header = rpc.call("eth_getBlockByNumber", "latest", False)
    return BlockRef(number=int(header["number"], 16), hash=header["hash"], timestamp_s=int(header["timestamp"], 16))


@pytest.fixture
def at_a_desk(played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """What the settings of a person say who works on this chain."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPER__RPC__URL", played.twin.rpc_url)
    monkeypatch.setenv("KEEPER__DATA__DIR", str(tmp_path))
    return Session(chain="mainnet", pool="usdc_weth_500", as_json=True)


def test_the_command_fetches_and_what_a_program_reads_is_clean(
    at_a_desk: Session, played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    code = guarded(at_a_desk, lambda: data.download(at_a_desk, pool=None, days=1.0, since=None, until=None))
    told = json.loads(capsys.readouterr().out)
    assert code == ExitCode.OK
    assert [(one["name"], one["logs"] >= len(played.swaps)) for one in told["pools"]] == [("usdc_weth_500", True)]
    folder = Path(told["pools"][0]["folder"])
    assert audit_pool(folder).totals["SWAP"] == len(played.swaps)


@pytest.mark.usefixtures("small_steps")
def test_ctrl_c_keeps_what_was_done_and_says_how_to_go_on(
    at_a_desk: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, left = downloading.rows_of, iter(range(1_000))

    def impatient(*arguments: Any) -> Any:
        if next(left) == 6:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(downloading, "rows_of", impatient)
    code = guarded(at_a_desk, lambda: data.download(at_a_desk, pool=None, days=1.0, since=None, until=None))
    assert code == ExitCode.INTERRUPTED
    assert "the same command goes on from there" in capsys.readouterr().err
    folder = next(Path.cwd().glob("*/*/manifest.json")).parent
    report = audit_pool(folder)
    assert not report.problems


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"pool": "usdc"}, "is no configured pool"),
        ({"since": "yesterday"}, "is no time"),
        ({"since": "2025-10-01", "days": 3.0}, "give one of them"),
        ({"since": "2025-10-01", "until": "2025-09-01"}, "is not after"),
        ({"since": "2050-01-01"}, "no block was made"),
    ],
)
def test_what_cannot_be_fetched_is_one_error(
    at_a_desk: Session, capsys: pytest.CaptureFixture[str], options: dict[str, Any], told: str
) -> None:
    usual = dict.fromkeys(("pool", "days", "since", "until"))
    code = guarded(at_a_desk, lambda: data.download(at_a_desk, **{**usual, **options}))
    errors = json.loads(capsys.readouterr().out)["error"]
    assert code == ExitCode.CONFIG
    assert len(errors) == 1
    assert told in errors[0]


def test_a_node_of_another_chain_is_refused(at_a_desk: Session, capsys: pytest.CaptureFixture[str]) -> None:
    session = replace(at_a_desk, chain="local")
    code = guarded(session, lambda: data.download(session, pool=None, days=1.0, since=None, until=None))
    assert code == ExitCode.PREFLIGHT
    assert "is on chain 0x1, the settings say 31337" in json.loads(capsys.readouterr().out)["error"][0]

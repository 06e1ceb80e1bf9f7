"""Market history: a year of swaps into bars, and logs a second from a node: ``python -m tests.bench.history``.

The year is made up, two million swaps of realistic widths. Peers, in the same run on the same files: pandas in doubles, which
is not exact, and pandas with Python's integers, which is. The download's peer is the bare ``eth_getLogs`` of the same node for
the same blocks, its answer read and thrown away.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TextIO

import httpx
import numpy as np
import pandas as pd

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.pool_events import logs_call
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.history.bars import WIDTHS_S, make_bars
from keeper.adapters.history.download import Download, Progress
from keeper.adapters.history.manifest import Coverage, read_manifest
from keeper.adapters.history.rows import ALL_KINDS
from keeper.adapters.history.store import PoolWriter, open_database, scan
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.chain import LocalTx
from keeper.localchain.pools import USDC_WETH_500
from keeper.localchain.twin import Twin, running_base, running_twin

SWAPS = 2_000_000
BEGIN_S = 1_704_067_200
BLOCK_S = 12
SWAPS_A_STEP, BLOCKS_A_STEP = 10, 13
POOL = USDC_WETH_500.address
ROUNDS = 3
LOG_BLOCKS, LOGS_A_BLOCK = 1_500, 100
RAW_BLOCKS = 100
FINAL_BLOCKS = 70
WHO = "7f" + "00" * 12 + "33" * 20
"""Push an address: who sent, and who received."""

_YEAR = f"""
    select block_number, make_timestamp(({BEGIN_S} + (block_number - 18000000) * {BLOCK_S})::bigint * 1000000) as timestamp,
        '0x' || md5(i::varchar) || md5((i + 1)::varchar) as tx_hash, i % 200 as tx_index, i as log_index, 'SWAP' as event,
        '0x3fc91a3afd70395cd496c647d5a6cc9d4b2b7fad' as sender, '0x3fc91a3afd70395cd496c647d5a6cc9d4b2b7fad' as recipient,
        null::varchar as owner, (hash(i) % 40000000000 - 20000000000::hugeint)::varchar as amount0,
        ((hash(i + 7) % 8000000000 - 4000000000::hugeint) * 1000000007)::varchar as amount1,
        (1459071770269315203845::hugeint * (1000000000 + (sin(i / 40000.0) * 2e8)::bigint + hash(i) % 1000000)
            )::varchar || lpad((hash(i + 3) % 1000)::varchar, 3, '0') as sqrt_price_x96,
        (11263751935226816506 + hash(i) % 1000000000000)::varchar as liquidity, 196429 as tick, null::integer as tick_lower,
        null::integer as tick_upper, null::varchar as liquidity_delta
    from (select i, 18000000 + i * {BLOCKS_A_STEP} // {SWAPS_A_STEP} as block_number
        from range(?::bigint, ?::bigint) as numbers(i))
"""


def make_year(root: Path, swaps: int = SWAPS) -> Path:
    """A store with a made-up year in it, written as a download would: piece by piece."""
    piece = swaps // 40
    with PoolWriter(root, chain_id=1, pool=POOL) as writer:
        for first in range(0, swaps, piece):
            blocks = [18_000_000 + i * BLOCKS_A_STEP // SWAPS_A_STEP for i in (first, min(first + piece, swaps) - 1)]
            following = 18_000_000 + min(first + piece, swaps) * BLOCKS_A_STEP // SWAPS_A_STEP
            times = [BEGIN_S + (block - 18_000_000) * BLOCK_S for block in blocks]
            query = _YEAR.replace("?::bigint", str(first), 1).replace("?::bigint", str(min(first + piece, swaps)), 1)
            writer.add_query(
                query,
                Coverage(
                    first_block=blocks[0],
                    last_block=following - 1,
                    from_s=times[0] - BLOCK_S if first else times[0] + 1,
                    to_s=BEGIN_S + (following - 18_000_000) * BLOCK_S,
                    kinds=ALL_KINDS,
                    sources=("made up",),
                ),
            )
        writer.compact()
        return writer.folder


def bars_of(folder: Path, width_s: int) -> int:
    """Our bars, made and handed over as arrays."""
    with make_bars(folder, width_s=width_s) as bars:
        return len(bars.columns()["start_s"])


def _frame(folder: Path, months: int) -> pd.DataFrame:
    manifest = read_manifest(folder)
    assert manifest is not None
    source = scan([folder / file.name for file in manifest.files[:months]])
    columns = "block_number, log_index, epoch(timestamp)::bigint as time, amount0, amount1, sqrt_price_x96 as price"
    found = open_database().execute(f"select {columns} from {source} order by block_number, log_index").fetchnumpy()
    return pd.DataFrame(found)


def pandas_bars(folder: Path, width_s: int, kind: Callable[[pd.Series], pd.Series], months: int) -> int:
    """The same bars of the first months by pandas; ``kind`` makes numbers of decimal text."""
    frame = _frame(folder, months)
    for name in ("amount0", "amount1", "price"):
        frame[name] = kind(frame[name])
    frame["start"] = frame["time"] // width_s * width_s
    frame["abs0"], frame["abs1"] = frame["amount0"].abs(), frame["amount1"].abs()
    blocks = frame.groupby(["start", "block_number"], sort=True).agg(
        price=("price", "last"),
        high=("price", "max"),
        low=("price", "min"),
        volume0=("abs0", "sum"),
        volume1=("abs1", "sum"),
        net0=("amount0", "sum"),
        net1=("amount1", "sum"),
        swaps=("time", "size"),
    )
    bars = blocks.groupby(level="start").agg(
        close=("price", "last"),
        high=("price", "max"),
        low=("price", "min"),
        wick_high=("high", "max"),
        wick_low=("low", "min"),
        **{name: (name, "sum") for name in ("volume0", "volume1", "net0", "net1", "swaps")},
    )
    whole = bars.reindex(np.arange(bars.index[0], bars.index[-1] + width_s, width_s))
    whole["close"] = whole["close"].ffill()
    whole["open"] = whole["close"].shift()
    return len(whole)


def doubles(column: pd.Series) -> pd.Series:
    """Rounded to 53 bits."""
    return column.astype("float64")


def integers(column: pd.Series) -> pd.Series:
    """Exact."""
    return pd.Series([int(text) for text in column], dtype=object)


PEERS = (("pandas, doubles", doubles, 12), ("pandas, Python integers, a month", integers, 1))
PEER_WIDTHS_S = (60, 3_600)


def peak_mib() -> float:
    """Most memory that this process held; getrusage would tell what its parent held at the fork too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _child(pipe: Connection, work: Callable[..., int], arguments: tuple[object, ...]) -> None:
    begin_s = time.perf_counter()
    count = work(*arguments)
    pipe.send((time.perf_counter() - begin_s, peak_mib(), count))


def apart(work: Callable[..., int], *arguments: object) -> tuple[float, float, int]:
    """Seconds, MiB at the highest and the result of work in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_child, args=(there, work, arguments))
    child.start()
    found = here.recv()
    child.join()
    return found


def bench_bars(out: TextIO) -> None:
    """The first table."""
    with tempfile.TemporaryDirectory(prefix="keeper-bench-") as name:
        begin_s = time.perf_counter()
        folder = make_year(Path(name))
        files = list(folder.glob("events/*/*.parquet"))
        size = sum(path.stat().st_size for path in files) / 2**20
        took_s = time.perf_counter() - begin_s
        out.write(f"{SWAPS:,} swaps stored in {took_s:.1f} s in 40 pieces: {len(files)} files, {size:,.0f} MiB\n")
        out.write("way                                width s     bars  seconds  MiB peak  us a swap  times ours\n")
        for width_s in WIDTHS_S:
            ours = [apart(bars_of, folder, width_s) for _ in range(ROUNDS)]
            ours_us = _line(out, "keeper, exact", width_s, ours, SWAPS, None)
            if width_s in PEER_WIDTHS_S:
                for label, kind, months in PEERS:
                    peer = apart(pandas_bars, folder, width_s, kind, months)
                    _line(out, label, width_s, [peer], SWAPS * months // 12, ours_us)


def _line(
    out: TextIO, label: str, width_s: int, rounds: Sequence[tuple[float, float, int]], swaps: int, ours_us: float | None
) -> float:
    seconds = statistics.median(one[0] for one in rounds)
    peak, bars, us = max(one[1] for one in rounds), rounds[0][2], seconds / swaps * 1e6
    ratio = us / (ours_us or us)
    out.write(f"{label:33}  {width_s:7,}  {bars:7,}  {seconds:7.2f}  {peak:8,.0f}  {us:9.2f}  {ratio:10.1f}\n")
    out.flush()
    return us


def log_maker() -> str:
    """Code of a contract that logs so many swaps as its input says: anvil's own logs, without a pool's gas."""
    swap = contract("UniswapV3Pool").event("Swap").topic0[2:]
    values = (5 * 10**9, 2**256 - 10**18, 1_459_071_770_269_315_203_845_085_395_394_772, 11_263_751_935_226_816_506, 196_429)
    code = "".join(f"7f{value:064x}60{32 * place:02x}52" for place, value in enumerate(values))
    loop = len(code) // 2 + 3
    return f"0x{code}6000355b{WHO * 2}7f{swap}60a06000a3600190038061{loop:04x}5700"


def many_swaps(twin: Twin) -> tuple[int, int]:
    """A chain with many logs on it, and enough after them that they are final; first and last block."""
    rpc = twin.chain.rpc
    rpc.call("anvil_setCode", POOL, log_maker())
    first = int(rpc.call("eth_blockNumber"), 16) + 1
    call = LocalTx(sender=twin.accounts[8].address, to=POOL, data=f"0x{LOGS_A_BLOCK:064x}")
    for _ in range(LOG_BLOCKS):
        twin.chain.mine([call])
    rpc.call("anvil_mine", hex(FINAL_BLOCKS))
    return first, first + LOG_BLOCKS - 1


def raw_logs(url: str, first: int, last: int) -> float:
    """Seconds in which the node gives the same logs, a hundred blocks a request, to one who only takes them."""
    with httpx.Client(timeout=60.0, trust_env=False) as client:
        begin_s = time.perf_counter()
        for start in range(first, last + 1, RAW_BLOCKS):
            method, params = logs_call(POOL, ALL_KINDS, start, min(start + RAW_BLOCKS - 1, last))
            answer = client.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
            assert len(answer.content) > 1_000
        return time.perf_counter() - begin_s


def bench_download(out: TextIO) -> None:
    """The second table."""
    with running_base() as base, running_twin(AnvilOptions(automine=False), base=base) as twin:
        first, last = many_swaps(twin)
        raw_s = statistics.median(raw_logs(twin.rpc_url, first, last) for _ in range(ROUNDS))
        rates: list[Progress] = []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory(prefix="keeper-bench-") as name:
                rpc = Rpc(twin.rpc_url)
                with PoolWriter(Path(name), chain_id=1, pool=POOL) as writer:
                    run = Download(rpc, writer, pool=POOL, confirmations=1)
                    rates.append(list(run.run(since_s=0))[-1])
                rpc.close()
        logs = rates[0].logs
        ours_s = statistics.median(one.elapsed_s for one in rates)
        out.write(f"\n{logs:,} logs of {last - first + 1:,} blocks of a local anvil\n")
        out.write("way                                 seconds     logs/s  times bare\n")
        out.writelines(
            f"{label:32}  {took_s:9.3f}  {logs / took_s:9,.0f}  {took_s / raw_s:10.2f}\n"
            for label, took_s in (("bare eth_getLogs, thrown away", raw_s), ("keeper data download, stored", ours_s))
        )


def main() -> None:
    """Print both tables."""
    bench_bars(sys.stdout)
    bench_download(sys.stdout)


if __name__ == "__main__":
    main()

"""A whole pool from a real node: what it was at one block, and where its events lead to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from keeper.adapters.evm.rpc import BadReply, Rpc
from keeper.adapters.history.download import Download
from keeper.adapters.history.manifest import read_manifest
from keeper.adapters.history.state_download import FetchedState, fetch_state
from keeper.adapters.history.store import PoolWriter, folder_of
from keeper.app.cli import data
from keeper.app.cli.command import guarded
from keeper.app.cli.exit_code import ExitCode
from keeper.app.cli.session import Session
from keeper.core.v3math.exact_pool import ExactPool
from keeper.localchain import mainnet
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.chain import LocalTx, is_success
from keeper.localchain.market import MarketDesk
from keeper.localchain.pools import USDC_WETH_500
from keeper.localchain.synthetic import MarketPlan, SyntheticMarket
from keeper.localchain.twin import Twin
from keeper.simulation.playing import play
from keeper.simulation.recorded import RecordedTape, open_tape
from tests.fork.test_history_download import FINAL_BLOCKS, POOL, meddled, refused
from tests.fork.test_history_download import play as market_day
from tests.pairs import USDC_WETH_500 as KEY

pytestmark = pytest.mark.chain

MakeTwin = Callable[[AnvilOptions], Twin]


class Traded:
    """A chain on which the market trades, and the protocol takes a share from its middle on."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        market = SyntheticMarket(MarketDesk(twin, POOL), MarketPlan(seed=1, days=0.012, pools=(USDC_WETH_500,)))
        owner = "0x" + twin.chain.rpc.call("eth_call", {"to": mainnet.FACTORY, "data": "0x8da5cb5b"}, "latest")[-40:]
        twin.chain.impersonate(owner)
        blocks = []
        while report := market.step():
            blocks.append(report.number)
            if len(blocks) == 25:
                share = keccak(text="setFeeProtocol(uint8,uint8)")[:4].hex() + f"{4:064x}{10:064x}"
                tx = LocalTx(sender=owner, to=POOL, data="0x" + share)
                mined = twin.chain.mine([tx], timestamp_s=report.timestamp_s + 1)
                assert is_success(mined.receipts[0])
        assert len(blocks) > 25
        self.middle, self.end = blocks[20], blocks[-1]
        twin.chain.rpc.call("anvil_mine", hex(FINAL_BLOCKS))

    def time_of(self, block: int) -> int:
        return int(self.twin.chain.rpc.call("eth_getBlockByNumber", hex(block), False)["timestamp"], 16)


@pytest.fixture
def traded(make_twin: MakeTwin) -> Traded:
    return Traded(make_twin(AnvilOptions(automine=False)))


def state_since(url: str, since_s: int) -> FetchedState:
    with closing(Rpc(url, attempts=2, pause=lambda _: None)) as rpc:
        return fetch_state(rpc, mainnet.MULTICALL3, POOL, since_s=since_s, confirmations=5)


def test_events_lead_from_one_state_to_the_other_fee_growth_of_every_tick_included(traded: Traded, tmp_path: Path) -> None:
    url, begin_s, end_s = traded.twin.rpc_url, traded.time_of(traded.middle), traded.time_of(traded.end) + 1
    begin, end = state_since(url, begin_s), state_since(url, end_s)
    assert not begin.notes
    assert (begin.state.block, end.state.block) == (traded.middle - 1, traded.end)
    with closing(Rpc(url)) as rpc, PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        list(Download(rpc, writer, pool=POOL, confirmations=5).run(since_s=begin_s, until_s=end_s + 12))
        writer.add_states([begin.state])
    tape = open_tape(tmp_path, KEY, 1, begin_s, end_s)
    assert tape.exact
    assert (tape.start.block, tape.start.pool) == (begin.state.block, begin.state.pool)
    found, wanted = played(tape), end.state.pool
    assert found.fee_protocol == 4 + (10 << 4)
    collected = {"protocol_fees0": found.protocol_fees0, "protocol_fees1": found.protocol_fees1}
    assert found == replace(wanted, **collected, observations=None)
    assert (found.protocol_fees0, found.protocol_fees1) == (wanted.protocol_fees0, wanted.protocol_fees1)
    with PoolWriter(tmp_path, chain_id=1, pool=POOL) as writer:
        writer.add_states([end.state])
    assert open_tape(tmp_path, KEY, 1, begin_s, end_s).exact


def played(tape: RecordedTape) -> Any:
    pool = ExactPool.restore(tape.start.pool)
    for block in tape.blocks():
        for event in block.events:
            play(pool, event)
    return pool.snapshot()


def test_a_node_that_keeps_no_old_states_gives_its_newest_final_one_and_says_so(traded: Traded) -> None:
    kept = state_since(traded.twin.rpc_url, 2**40).state

    def pruned(request: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        return answer if request["params"][1]["blockHash"] == kept.block_hash else refused(request, "missing trie node")

    with meddled(traded.twin.rpc_url, "eth_call", pruned) as server:
        found = state_since(server.url, traded.time_of(traded.middle))
    assert found.state.pool == kept.pool
    assert found.state.block == kept.block > traded.end
    assert "missing trie node" in found.notes[0]
    assert "can begin no earlier" in found.notes[0]


def test_where_no_block_is_called_final_the_confirmations_decide(traded: Traded) -> None:
    def unknown(request: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        return refused(request, "unknown tag") if request["params"][0] == "finalized" else answer

    with meddled(traded.twin.rpc_url, "eth_getBlockByNumber", unknown) as server:
        found = state_since(server.url, 2**40)
    assert found.state.block == int(traded.twin.chain.rpc.call("eth_blockNumber"), 16) - 5


def test_a_pool_whose_ticks_do_not_add_up_is_refused(make_twin: MakeTwin) -> None:
    twin = make_twin(AnvilOptions(automine=False))
    # A second market is put over the first, whose ticks stay.
    for seed in (1, 2):
        market_day(twin, seed=seed, days=0.001)
    twin.chain.rpc.call("anvil_mine", hex(FINAL_BLOCKS))
    with pytest.raises(BadReply, match="contradicts itself"):
        state_since(twin.rpc_url, 2**40)


def test_the_command_stores_the_state_with_the_events(
    traded: Traded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPER__RPC__URL", traded.twin.rpc_url)
    monkeypatch.setenv("KEEPER__DATA__DIR", str(tmp_path))
    desk = Session(chain="mainnet", pool="usdc_weth_500", as_json=True)
    code = guarded(desk, lambda: data.download(desk, pool=None, days=1.0, since=None, until=None, state=True))
    told = json.loads(capsys.readouterr().out)
    assert code == ExitCode.OK
    manifest = read_manifest(folder_of(tmp_path, 1, POOL))
    assert manifest is not None
    assert [told["pools"][0]["state_block"]] == [one.block for one in manifest.states]

"""The source before a chain that moves and a node that errs: an error that the next cycle outlives, never a wrong view."""

from __future__ import annotations

import json
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import pytest

from keeper.adapters.amm.uniswap_v3 import LOOKS, StaleHead, UniswapV3Source
from keeper.adapters.evm.checked import ReadRefused
from keeper.adapters.evm.rpc import AnotherBlock, BadReply, Rpc, RpcUnreachable
from keeper.core.model.errors import Fault, Reorged, Transient
from keeper.localchain.twin import Twin
from tests.bench.scene import Scene, opened, rungs
from tests.fakes.rpc_server import (
    Misbehaviour,
    Reply,
    Respond,
    RpcServer,
    cut,
    dropped,
    result_is,
    status,
    tampered,
)
from tests.pairs import USDC_WETH_3000

pytestmark = pytest.mark.chain


@pytest.fixture
def scene(twin: Twin) -> Scene:
    return opened(twin)


@pytest.fixture
def rpc(hasty: Rpc) -> Rpc:
    return hasty


@pytest.fixture
def steady(scene: Scene, rpc: Rpc) -> UniswapV3Source:
    """A source in its steady state; one more swap is waiting."""
    scene.mint(rungs(scene.key, 3))
    scene.swap((True, 10**9))
    source = scene.source(rpc)
    source.observe(token_ids=[], prices_after_block=None, sample_after_s=None)
    scene.swap((False, 10**17))
    return source


def newest(rpc: Rpc) -> int:
    return int(rpc.call("eth_blockNumber"), 16)


def passed(body: bytes, respond: Respond) -> Reply:
    return Reply(respond(body))


def without_result(entry: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": entry["id"]}


def refusing(code: int, message: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda entry: {"jsonrpc": "2.0", "id": entry["id"], "error": {"code": code, "message": message}}


def changed(method: str, change: Callable[[Any], Any]) -> Misbehaviour:
    return tampered(method, lambda entry: entry | {"result": change(entry["result"])})


def of_another_block(logs: list[Any]) -> list[Any]:
    return [log | {"blockHash": "0x" + "ee" * 32} for log in logs]


def cut_hex(value: str) -> str:
    return value[: len(value) * 2 // 3 // 2 * 2]


READS = ["eth_call", "eth_getBalance", "eth_getTransactionCount", "eth_feeHistory", "eth_getLogs", "eth_getBlockByNumber"]
PINNED = READS[:3]
FAULTS: list[tuple[str, Misbehaviour, type[Transient]]] = [
    ("cut", cut, BadReply),
    ("dropped", dropped, RpcUnreachable),
    ("429", status(429), RpcUnreachable),
    *((f"{method} null", tampered(method, result_is(None)), Reorged) for method in [*PINNED, "eth_getBlockByNumber"]),
    *((f"{method} null", tampered(method, result_is(None)), BadReply) for method in ("eth_feeHistory", "eth_getLogs")),
    *((f"{method} a number", tampered(method, result_is(7)), BadReply) for method in READS),
    *((f"{method} without result", tampered(method, without_result), BadReply) for method in READS),
    *((f"{method} block gone", tampered(method, refusing(-32001, "Resource not found")), Reorged) for method in PINNED),
    *((f"{method} refused", tampered(method, refusing(-32000, "out of gas")), ReadRefused) for method in PINNED),
    ("fees refused", tampered("eth_feeHistory", refusing(-32601, "no such method")), ReadRefused),
    ("call cut", changed("eth_call", cut_hex), BadReply),
    ("call cut by a word", changed("eth_call", itemgetter(slice(-64))), BadReply),
    ("call with a spare word", changed("eth_call", lambda value: value + "00" * 32), BadReply),
    ("logs of a removed block", changed("eth_getLogs", lambda logs: [log | {"removed": True} for log in logs]), Reorged),
    ("logs of another block", changed("eth_getLogs", of_another_block), Reorged),
    (
        "logs of another pool",
        changed("eth_getLogs", lambda logs: [log | {"address": "0x" + "11" * 20} for log in logs]),
        BadReply,
    ),
    ("head replaced", changed("eth_getBlockByNumber", lambda block: block | {"hash": "0x" + "ee" * 32}), Reorged),
    ("another header", changed("eth_getBlockByNumber", lambda block: block | {"number": "0x1"}), BadReply),
]


@pytest.mark.parametrize(("fault", "error"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_a_fault_of_the_second_request_is_its_error_and_the_next_cycle_is_right(
    twin: Twin, scene: Scene, proxy: RpcServer, steady: UniswapV3Source, fault: Misbehaviour, error: type[Transient]
) -> None:
    before = newest(twin.chain.rpc) - 1
    proxy.misbehave(passed, fault)
    with pytest.raises(Transient) as raised:
        steady.observe(token_ids=[], prices_after_block=before, sample_after_s=None)
    assert type(raised.value) is error
    found = steady.observe(token_ids=[], prices_after_block=before, sample_after_s=None)
    direct = Rpc(twin.rpc_url)
    assert found == scene.source(direct).observe(token_ids=[], prices_after_block=before, sample_after_s=None)
    direct.close()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (tampered("eth_chainId", result_is("0x5")), Fault),
        (tampered("eth_chainId", result_is(None)), BadReply),
        (tampered("eth_chainId", result_is(1)), BadReply),
        (tampered("eth_getBlockByNumber", result_is(None)), BadReply),
        (tampered("eth_getBlockByNumber", refusing(-32000, "syncing")), ReadRefused),
        (changed("eth_getBlockByNumber", lambda block: block | {"hash": None}), BadReply),
        (changed("eth_getBlockByNumber", lambda block: block | {"number": "0x1"}), StaleHead),
        # A hash that was never: the pinned reads find nothing there.
        (changed("eth_getBlockByNumber", lambda block: block | {"hash": "0x" + "ee" * 32}), Reorged),
    ],
)
def test_a_fault_of_the_first_request_is_its_error(
    twin: Twin, proxy: RpcServer, steady: UniswapV3Source, fault: Misbehaviour, error: type[Exception]
) -> None:
    proxy.misbehave(fault)
    with pytest.raises((Transient, Fault)) as raised:
        steady.observe(token_ids=[], prices_after_block=newest(twin.chain.rpc) - 1, sample_after_s=None)
    assert type(raised.value) is error


def elsewhere() -> Misbehaviour:
    """What a node does that does not understand hashes: it answers for another block than was asked for."""
    return changed("eth_getBlockByNumber", lambda block: block | {"timestamp": "0x1"})


def test_an_answer_from_another_block_is_asked_for_anew(twin: Twin, proxy: RpcServer, steady: UniswapV3Source) -> None:
    before = newest(twin.chain.rpc) - 1
    proxy.misbehave(elsewhere())
    found = steady.observe(token_ids=[], prices_after_block=before, sample_after_s=None)
    assert found == steady.observe(token_ids=[], prices_after_block=before, sample_after_s=None)


def test_a_node_that_answers_from_another_block_for_ever_is_not_believed(
    twin: Twin, proxy: RpcServer, steady: UniswapV3Source
) -> None:
    proxy.misbehave(*[fault for _ in range(LOOKS) for fault in (elsewhere(), passed)])
    with pytest.raises(AnotherBlock):
        steady.observe(token_ids=[], prices_after_block=newest(twin.chain.rpc) - 1, sample_after_s=None)


def test_a_price_of_the_block_that_is_being_made_is_not_taken_for_the_one_before(
    twin: Twin, scene: Scene, proxy: RpcServer, steady: UniswapV3Source
) -> None:
    """As anvil does: a read at the newest block's hash finds the state of the block that is being made."""
    head = twin.chain.rpc.call("eth_getBlockByNumber", "latest", False)

    def ahead(body: bytes, respond: Respond) -> Reply:
        scene.swap((True, 10**10), at_s=int(head["timestamp"], 16))
        made = twin.chain.rpc.call("eth_getBlockByNumber", "latest", False)
        return Reply(respond(body.replace(head["hash"].encode(), made["hash"].encode())))

    proxy.misbehave(passed, ahead)
    found = steady.observe(token_ids=[], prices_after_block=int(head["number"], 16) - 1, sample_after_s=None)
    assert found.block.number == int(head["number"], 16) + 1
    assert [row.block for row in found.prices] == [found.block.number - 1, found.block.number]
    assert found.prices[-1].sqrt_price_x96 == found.pools[0].state.sqrt_price_x96


def test_a_block_that_is_replaced_between_the_requests_is_a_reorg(
    twin: Twin, scene: Scene, proxy: RpcServer, steady: UniswapV3Source
) -> None:
    before = newest(twin.chain.rpc) - 1

    def reorganised(body: bytes, respond: Respond) -> Reply:
        twin.chain.rpc.call("anvil_reorg", 1, [])
        return Reply(respond(body))

    proxy.misbehave(passed, reorganised)
    with pytest.raises(Reorged):
        steady.observe(token_ids=[], prices_after_block=before, sample_after_s=None)
    # The swap is gone with its block: nothing is told of it, and the price is the old one.
    again = steady.observe(token_ids=[], prices_after_block=before, sample_after_s=None)
    assert again.prices == ()
    scene.swap((False, 10**17))
    assert len(steady.observe(token_ids=[], prices_after_block=before, sample_after_s=None).prices) == 1


def test_blocks_that_come_between_the_requests_do_not_show(
    twin: Twin, scene: Scene, proxy: RpcServer, steady: UniswapV3Source
) -> None:
    before = newest(twin.chain.rpc) - 1

    def overtaken(body: bytes, respond: Respond) -> Reply:
        scene.swap((True, 10**10))
        scene.mint(rungs(scene.key, 1))
        return Reply(respond(body))

    proxy.misbehave(passed, overtaken)
    found = steady.observe(token_ids=[], prices_after_block=before, sample_after_s=None)
    assert found.block.number == before + 1
    assert [row.block for row in found.prices] == [before + 1]
    assert len(found.positions) == 3
    later = steady.observe(token_ids=[], prices_after_block=found.block.number, sample_after_s=None)
    assert (len(later.prices), len(later.positions)) == (1, 4)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (tampered("eth_getLogs", result_is([])), "no swap log tells"),
        (changed("eth_getLogs", itemgetter(slice(-1))), "do not end at its price"),
    ],
    ids=["no log at all", "a log left out"],
)
def test_a_swap_that_the_logs_keep_silent_about_is_noticed(
    twin: Twin, scene: Scene, proxy: RpcServer, steady: UniswapV3Source, fault: Misbehaviour, told: str
) -> None:
    before = newest(twin.chain.rpc) - 1
    scene.swap((True, 10**10))
    proxy.misbehave(*[one for _ in range(LOOKS) for one in (passed, fault)])
    with pytest.raises(AnotherBlock, match=told):
        steady.observe(token_ids=[], prices_after_block=before, sample_after_s=None)
    assert len(steady.observe(token_ids=[], prices_after_block=before, sample_after_s=None).prices) == 2


def test_a_node_that_lags_behind_what_is_known_is_not_believed(twin: Twin, steady: UniswapV3Source) -> None:
    with pytest.raises(StaleHead, match="was seen before"):
        steady.observe(token_ids=[], prices_after_block=newest(twin.chain.rpc) + 1, sample_after_s=None)
    steady.observe(token_ids=[], prices_after_block=newest(twin.chain.rpc) - 1, sample_after_s=None)
    twin.chain.rpc.call("anvil_rollback", 1)
    with pytest.raises(StaleHead):
        steady.observe(token_ids=[], prices_after_block=None, sample_after_s=None)


def test_a_pool_without_a_price_is_named(twin: Twin, scene: Scene) -> None:
    direct = Rpc(twin.rpc_url)
    with pytest.raises(BadReply, match="not initialised"):
        scene.source(direct, pools=(scene.key, USDC_WETH_3000)).observe(
            token_ids=[], prices_after_block=None, sample_after_s=None
        )
    direct.close()


def test_repeated_reads_outlive_short_trouble(twin: Twin, scene: Scene, proxy: RpcServer) -> None:
    scene.swap((True, 10**9))
    pauses: list[float] = []
    client = Rpc(proxy.url, pause=pauses.append)
    proxy.misbehave(status(503), passed, cut, dropped)
    found = scene.source(client).observe(token_ids=[], prices_after_block=newest(twin.chain.rpc) - 1, sample_after_s=None)
    client.close()
    assert len(found.prices) == 1
    assert pauses == [0.2, 0.2, 0.4]


def test_the_first_request_of_a_cycle_asks_the_chain_id(proxy: RpcServer, steady: UniswapV3Source) -> None:
    proxy.bodies.clear()
    steady.observe(token_ids=[], prices_after_block=None, sample_after_s=None)
    assert proxy.calls[0] == ["eth_chainId", "eth_getBlockByNumber"]
    assert all("latest" not in json.dumps(json.loads(body)) for body in proxy.bodies[1:])

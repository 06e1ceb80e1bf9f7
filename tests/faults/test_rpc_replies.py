"""The client before a server that misbehaves: reads are repeated a few times, sends never, and no fault becomes a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

import pytest

from keeper.adapters.evm.rpc import BadReply, Rpc, RpcRefused, RpcUnreachable, endpoint_name
from tests.fakes.rpc_server import (
    Misbehaviour,
    Refusal,
    RpcServer,
    cut,
    cut_off,
    dropped,
    edited,
    instead,
    slow,
    status,
    table,
)


def refuse(*_: object) -> None:
    raise Refusal(3, "execution reverted", "0x12")


ANSWERS = {"eth_chainId": "0x1", "eth_blockNumber": "0x2", "eth_call": refuse, "null": None, "echo": lambda *given: list(given)}
Change = Callable[[Any], Any]


@pytest.fixture
def server() -> Iterator[RpcServer]:
    with RpcServer(table(ANSWERS)) as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def rpc(server: RpcServer, pauses: list[float]) -> Iterator[Rpc]:
    client = Rpc(server.url + "/v2/s3cret-key?token=s3cret", timeout_s=0.4, pause=pauses.append)
    yield client
    client.close()


def entry(change: Change) -> Misbehaviour:
    """Changes the only entry, or the first of a batch."""
    return edited(lambda reply: [change(reply[0]), *reply[1:]] if isinstance(reply, list) else change(reply))


def with_id(value: object) -> Misbehaviour:
    return entry(lambda reply: reply | {"id": value})


MALFORMED = {
    "cut": cut,
    "html": instead(b"<html>hello</html>"),
    "empty": instead(b""),
    "not UTF-8": instead(b'{"jsonrpc": "2.0", "id": 1, "result": "\xff"}'),
    "null": instead(b"null"),
    "a number": instead(b"5"),
    "deeply nested": instead(b"[" * 200_000),
    "wrong id": with_id(10**9),
    "id of another type": with_id("1"),
    "id true": with_id(True),
    "id 1.0": with_id(1.0),
    "id null": with_id(None),
    "id a list": with_id([1]),
    "no id": entry(lambda reply: {key: value for key, value in reply.items() if key != "id"}),
    "no result": entry(lambda reply: {"jsonrpc": "2.0", "id": reply["id"]}),
    "error of no shape": entry(lambda reply: {"id": reply["id"], "error": "broken"}),
    "error without message": entry(lambda reply: {"id": reply["id"], "error": {"code": -32000}}),
    "error with a code that is no number": entry(lambda reply: {"id": reply["id"], "error": {"code": "x", "message": "y"}}),
    "error with code null": entry(lambda reply: {"id": reply["id"], "error": {"code": None, "message": "y"}}),
    "entry of no shape": entry(lambda _: "hello"),
}
UNREACHABLE = {
    "429": status(429, **{"retry-after": "1"}),
    "500": status(500),
    "503": status(503),
    "redirect": status(302, location="http://127.0.0.1:1/"),
    "dropped": dropped,
    "cut off": cut_off,
    "too slow": slow(0.5),
    "rate limit as an error": entry(lambda reply: {"id": reply["id"], "error": {"code": 429, "message": "slow down"}}),
}
FAULTS = {name: (fault, BadReply) for name, fault in MALFORMED.items()} | {
    name: (fault, RpcUnreachable) for name, fault in UNREACHABLE.items()
}
faults = pytest.mark.parametrize(("fault", "error"), FAULTS.values(), ids=FAULTS)


@pytest.mark.parametrize("fault", [fault for fault, _ in FAULTS.values()], ids=list(FAULTS))
def test_a_read_is_repeated_after_a_fault(server: RpcServer, rpc: Rpc, pauses: list[float], fault: Misbehaviour) -> None:
    server.misbehave(fault)
    assert rpc.call("eth_chainId") == "0x1"
    assert pauses == [0.2]
    server.misbehave(fault, fault)
    assert rpc.batch([("eth_chainId", []), ("eth_blockNumber", [])]) == ["0x1", "0x2"]
    assert pauses == [0.2, 0.2, 0.4]


@faults
def test_a_fault_that_stays_ends_in_its_error_and_tells_no_secret(
    server: RpcServer, rpc: Rpc, pauses: list[float], fault: Misbehaviour, error: type[Exception]
) -> None:
    server.misbehave(*[fault] * 4)
    with pytest.raises(error) as raised:
        rpc.call("eth_chainId")
    assert rpc.requests == 4
    assert pauses == [0.2, 0.4, 0.8]
    text = f"{raised.value!r} {raised.value.__cause__!r}"
    assert "s3cret" not in text
    assert server.url.removeprefix("http://") in text


@faults
def test_a_send_is_made_once_whatever_happens(
    server: RpcServer, rpc: Rpc, pauses: list[float], fault: Misbehaviour, error: type[Exception]
) -> None:
    server.misbehave(fault)
    with pytest.raises(error):
        rpc.send("eth_chainId")
    assert (rpc.requests, len(server.bodies), pauses) == (1, 1, [])


@pytest.mark.parametrize(
    "change",
    [
        itemgetter(slice(1)),
        lambda reply: [*reply, reply[0]],
        lambda reply: [reply[0], reply[0]],
        lambda reply: [reply[0], reply[1] | {"id": 10**9}],
        itemgetter(0),
        lambda _: {"id": None, "error": {"code": -32600, "message": "no batches here"}},
        lambda _: [],
    ],
)
def test_a_batch_answered_with_too_little_or_too_much_is_refused(server: RpcServer, rpc: Rpc, change: Change) -> None:
    server.misbehave(*[edited(change)] * 4)
    with pytest.raises(BadReply):
        rpc.batch([("eth_chainId", []), ("eth_blockNumber", [])])


def test_answers_of_a_batch_may_come_in_any_order(server: RpcServer, rpc: Rpc) -> None:
    server.misbehave(edited(itemgetter(slice(None, None, -1))))
    assert rpc.batch([("eth_chainId", []), ("eth_blockNumber", []), ("echo", [1])]) == ["0x1", "0x2", [1]]


def test_a_refusal_is_not_repeated_and_keeps_the_node_s_words(rpc: Rpc) -> None:
    with pytest.raises(RpcRefused, match=r"execution reverted \(code 3\)") as raised:
        rpc.call("eth_call", {}, "latest")
    assert (raised.value.code, raised.value.data, rpc.requests) == (3, "0x12", 1)
    chain_id, refused, last = rpc.batch_outcomes([("eth_chainId", []), ("eth_call", []), ("eth_blockNumber", [])])
    assert (chain_id, last) == ("0x1", "0x2")
    assert isinstance(refused, RpcRefused)


def test_null_is_handed_on_as_null(rpc: Rpc) -> None:
    assert rpc.call("null") is None


def test_a_port_where_nothing_listens_is_unreachable(pauses: list[float]) -> None:
    with RpcServer(table({})) as gone:
        url = gone.url
    client = Rpc(url, timeout_s=0.4, pause=pauses.append)
    with pytest.raises(RpcUnreachable, match="ConnectError"):
        client.call("eth_chainId")
    client.close()
    assert pauses == [0.2, 0.4, 0.8]


def test_an_empty_batch_asks_nothing(rpc: Rpc) -> None:
    assert rpc.batch([]) == []
    assert rpc.requests == 0


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://mainnet.example.org/v3/s3cret", "https://mainnet.example.org"),
        ("https://user:s3cret@node.example.org:8545/?key=s3cret", "https://node.example.org:8545"),
    ],
)
def test_a_name_of_an_endpoint_has_no_secret(url: str, name: str) -> None:
    assert endpoint_name(url) == name

"""Whatever the node answers to a send: the stage happens at most once, and what is told of it is true."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keeper.core.model.errors import Fault, Transient
from keeper.core.model.plan import Done, NotDone, StageOutcome, Unknown
from keeper.localchain.twin import Twin
from tests.fakes.executor_behind import TIMEOUT_S, Behind, running_behind
from tests.faults.proxy import (
    Answer,
    Reply,
    Spoil,
    changed,
    drop,
    empty,
    error,
    html,
    late,
    status,
    truncated,
)

pytestmark = pytest.mark.chain

REPLIES: dict[str, Spoil] = {
    "dropped": drop,
    "too late": late(2 * TIMEOUT_S),
    "truncated": truncated,
    "html": html,
    "empty": empty,
    "null": changed(result=None),
    "no result": lambda reply: changed()({key: value for key, value in reply.items() if key != "result"}),
    "foreign id": changed(id=999_999),
    "another hash": changed(result="0x" + "ab" * 32),
    "not a hash": changed(result=17),
    "error without text": changed(error={"code": 1}),
    "429": status(429),
    "429 with retry-after": status(429, ("retry-after", "1")),
    "500": status(500),
    "502": status(502),
    "503": status(503),
}
TEXTS = [
    "already known",
    "transaction already imported",
    "Known transaction",
    "AlreadyKnown",
    "OwnNonceAlreadyUsed",
    "nonce too low",
    "OldNonce",
    "NonceGap",
    "replacement transaction underpriced",
    "transaction underpriced",
    "FeeTooLow, MaxFeePerGas too low",
    "max fee per gas less than block base fee",
    "insufficient funds for gas * price + value",
    "Upfront cost exceeds account balance",
    "txpool is full",
    "tx fee (1.50 ether) exceeds the configured cap (1.00 ether)",
    "intrinsic gas too low",
    "invalid chain id for signer",
    "something that nobody has heard of",
]


@pytest.fixture
def behind(twin: Twin) -> Iterator[Behind]:
    with running_behind(twin) as one:
        yield one


def done(outcome: StageOutcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


@pytest.mark.parametrize("forward", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("name", REPLIES)
def test_an_unusable_reply_is_resolved_by_the_hash(behind: Behind, name: str, forward: bool) -> None:
    behind.proxy.spoil(REPLIES[name], forward=forward)
    outcome = done(behind.run())
    behind.happened_once()
    assert len(behind.log.kept) == 1
    assert set(behind.proxy.raws) == {behind.log.kept[0].raw}
    assert outcome.tx_hashes == (behind.log.kept[0].tx_hash,)


@pytest.mark.parametrize("text", TEXTS)
def test_an_error_text_about_a_transaction_that_was_mined_changes_nothing(behind: Behind, text: str) -> None:
    behind.proxy.spoil(error(text), forward=True)
    done(behind.run())
    behind.happened_once()


@pytest.mark.parametrize("text", TEXTS)
def test_an_error_text_about_a_transaction_that_waits_changes_nothing(behind: Behind, text: str) -> None:
    behind.scene.twin.chain.set_automine(False)
    behind.proxy.spoil(error(text), forward=True)
    done(behind.run())
    behind.happened_once()
    assert len(behind.proxy.raws) == 1


@pytest.mark.parametrize("text", TEXTS)
def test_a_nonce_that_another_sender_used_is_a_fault_whatever_the_text(behind: Behind, text: str) -> None:
    behind.proxy.spoil(error(text), forward=False, times=99, instead=behind.foreign)
    with pytest.raises(Fault, match="not ours"):
        behind.run()
    assert len(behind.proxy.raws) == 1


def test_a_nonce_that_another_sender_waits_for_is_a_fault(behind: Behind) -> None:
    behind.scene.twin.chain.set_automine(False)
    behind.scene.clock.on_pause = lambda: None
    behind.proxy.spoil(error("replacement transaction underpriced"), forward=False, instead=behind.foreign)
    with pytest.raises(Fault, match="not ours"):
        behind.run()
    assert len(behind.proxy.raws) == 1


def test_a_lying_acceptance_is_answered_with_the_same_bytes(behind: Behind) -> None:
    def lie(reply: Reply) -> Answer:
        return changed(result=behind.log.kept[0].tx_hash)(reply)

    behind.proxy.spoil(lie, forward=False, times=3)
    done(behind.run())
    assert behind.proxy.raws == [behind.log.kept[0].raw] * 4
    behind.happened_once()


def test_a_node_that_refuses_for_ever_leaves_the_fate_open_until_the_nonce_is_spent(behind: Behind) -> None:
    behind.proxy.spoil(error("txpool is full"), forward=False, times=10_000)
    outcome = behind.run(confirm_timeout_s=10)
    assert isinstance(outcome, Unknown)
    assert outcome.tx_hash == behind.log.kept[-1].tx_hash
    behind.proxy.rules.clear()
    done(behind.settle())
    behind.happened_once()


def test_a_dead_node_after_the_send_leaves_the_fate_open(behind: Behind) -> None:
    behind.proxy.spoil(drop, forward=True)
    behind.proxy.spoil(status(503), method="eth_getTransactionReceipt", forward=False, times=10_000)
    outcome = behind.run(confirm_timeout_s=5)
    assert isinstance(outcome, Unknown)
    assert len(behind.proxy.raws) == 1
    behind.proxy.rules.clear()
    done(behind.settle())
    behind.happened_once()


@pytest.mark.parametrize("spoil", [html, status(500), changed(result=None), changed(result="0x"), error("no")])
@pytest.mark.parametrize("method", ["eth_feeHistory", "eth_getTransactionCount", "eth_getBalance", "eth_chainId"])
def test_trouble_before_the_send_hands_nothing_out(behind: Behind, method: str, spoil: Spoil) -> None:
    behind.proxy.spoil(spoil, method=method, forward=False, times=10_000)
    with pytest.raises(Transient):
        behind.run()
    assert behind.log.kept == []
    assert behind.proxy.raws == []


@pytest.mark.parametrize(
    "history",
    [
        {"oldestBlock": "0x1", "baseFeePerGas": [], "gasUsedRatio": [], "reward": []},
        {"oldestBlock": "0x1", "baseFeePerGas": ["0x1", "-0x5"], "gasUsedRatio": [0.5], "reward": [["0x1"]]},
        {"oldestBlock": "0x1", "baseFeePerGas": ["0x1", "0x1"], "gasUsedRatio": ["x"], "reward": [["0x1"]]},
        {"oldestBlock": "0x1", "baseFeePerGas": ["0x1", "0x1"], "gasUsedRatio": [0.5], "reward": [[]]},
    ],
    ids=["empty", "negative", "garbage ratio", "no reward"],
)
def test_nonsense_about_fees_hands_nothing_out(behind: Behind, history: dict[str, object]) -> None:
    behind.proxy.spoil(changed(result=history), method="eth_feeHistory", forward=False, times=10_000)
    with pytest.raises(Transient):
        behind.run()
    assert behind.proxy.raws == []


def test_a_node_that_cannot_simulate_is_asked_for_an_estimate(behind: Behind) -> None:
    behind.proxy.spoil(error("method not found", -32601), method="eth_simulateV1", forward=False, times=10_000)
    done(behind.run())
    behind.happened_once()
    hopeless = behind.scene.swap(sell_stable=True, amount_in=10**6, amount_out_min=10**18)
    outcome = behind.run(hopeless)
    assert isinstance(outcome, NotDone)
    assert "Too little received" in outcome.why

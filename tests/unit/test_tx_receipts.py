from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.evm.rpc import BadReply
from keeper.adapters.tx.bundle import Call, revocation
from keeper.adapters.tx.outcome import Mined, mined, stage_outcome
from keeper.adapters.tx.receipts import Receipt, minted_positions, parse_receipt, token_deltas
from keeper.adapters.tx.signer import Signer, Transaction
from keeper.adapters.tx.simulation import Ran, Reverted, parse_simulation
from keeper.core.model.errors import Fault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Done, NotDone
from keeper.localchain.mainnet import POSITION_MANAGER, SWAP_ROUTER_02, USDC_WETH_500
from tests.fakes.executor_scene import KEY, account
from tests.pairs import USDC, USDT, WALLET, WETH
from tests.plans import attempt, tx_hash

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
NOBODY = "0x" + "00" * 20
POOL = USDC_WETH_500
HOUSE = (WALLET, POSITION_MANAGER, SWAP_ROUTER_02)

places = st.sampled_from([*HOUSE, POOL, NOBODY])
transfers = st.lists(st.tuples(places, places, st.integers(0, 2**200)), max_size=12)


def word(address: str) -> str:
    return "0x" + "00" * 12 + address[2:].lower()


def transfer(token: str, sender: str, receiver: str, amount: int) -> dict[str, Any]:
    return {"address": token.lower(), "topics": [TRANSFER, word(sender), word(receiver)], "data": f"0x{amount:064x}"}


def minted(token_id: int, sender: str = NOBODY, receiver: str = WALLET) -> dict[str, Any]:
    topics = [TRANSFER, word(sender), word(receiver), f"0x{token_id:064x}"]
    return {"address": POSITION_MANAGER.lower(), "topics": topics, "data": "0x"}


@given(transfers)
def test_a_plain_token_counts_what_enters_and_leaves_the_wallet(moves: list[tuple[str, str, int]]) -> None:
    delta, _ = token_deltas([transfer(USDC.address, *move) for move in moves], account())
    entered = sum(amount for _, receiver, amount in moves if receiver == WALLET)
    assert delta.raw == entered - sum(amount for sender, _, amount in moves if sender == WALLET)


@given(transfers)
def test_the_wrapped_token_counts_what_enters_and_leaves_the_house(moves: list[tuple[str, str, int]]) -> None:
    _, delta = token_deltas([transfer(WETH.address, *move) for move in moves], account())
    received = sum(amount for sender, receiver, amount in moves if sender == POOL and receiver in HOUSE)
    assert delta.raw == received - sum(amount for sender, receiver, amount in moves if sender in HOUSE and receiver == POOL)


def test_other_contracts_and_other_events_count_for_nothing() -> None:
    approval = {**transfer(USDC.address, WALLET, POOL, 5), "topics": ["0x" + "8c" * 32, word(WALLET), word(POOL)]}
    logs = [transfer(USDT.address, POOL, WALLET, 5), approval, minted(5)]
    assert [delta.raw for delta in token_deltas(logs, account())] == [0, 0]


def test_positions_join_their_layers_in_order() -> None:
    logs = [minted(8, sender=WALLET), minted(9), transfer(USDC.address, WALLET, POOL, 1), minted(10, receiver=POOL), minted(11)]
    found = minted_positions(logs, account(), [LayerKind.CORE, LayerKind.INSURANCE])
    assert [(one.token_id, one.layer) for one in found] == [(9, LayerKind.CORE), (11, LayerKind.INSURANCE)]


@pytest.mark.parametrize("layers", [[], [LayerKind.CORE] * 2])
def test_positions_that_were_not_intended_are_a_fault(layers: list[LayerKind]) -> None:
    with pytest.raises(Fault, match="intended"):
        minted_positions([minted(9)], account(), layers)


WHOLE = {
    "transactionHash": tx_hash(),
    "blockNumber": "0x10",
    "blockHash": tx_hash(2),
    "status": "0x1",
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x3b9aca00",
    "logs": [],
}


def test_a_receipt_is_read_whole() -> None:
    assert parse_receipt(WHOLE) == Receipt(
        tx_hash=tx_hash(),
        block_number=16,
        block_hash=tx_hash(2),
        succeeded=True,
        gas_units=21_000,
        gas_wei=21_000 * 10**9,
        logs=(),
    )
    assert not parse_receipt({**WHOLE, "status": "0x0"}).succeeded


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [None, 1, True, "1", "0xzz", [1], {}])
def test_a_receipt_with_a_mistyped_field_is_none(name: str, value: object) -> None:
    with pytest.raises(BadReply):
        parse_receipt({**WHOLE, name: value})
    with pytest.raises(BadReply):
        parse_receipt({key: kept for key, kept in WHOLE.items() if key != name})


def a_mined(data: str = "0xac9650d8", *, to: str = POSITION_MANAGER, succeeded: bool = True, number: int = 1) -> Mined:
    transaction = Transaction(chain_id=1, nonce=number, to=to, value_wei=0, data=data, gas_limit=1, max_fee_wei=1, tip_wei=1)
    receipt = Receipt(
        tx_hash=tx_hash(number),
        block_number=100 + number,
        block_hash=tx_hash(50),
        succeeded=succeeded,
        gas_units=10,
        gas_wei=1_000,
        logs=(),
    )
    return Mined(transaction=transaction, receipt=receipt, sets_allowance=data == APPROVE)


APPROVE = "0x095ea7b3"


@pytest.mark.parametrize(
    ("so_far", "why"),
    [
        ([a_mined(APPROVE)], "only 0 of 1"),
        ([a_mined(APPROVE, succeeded=False)], "reverted in block 101"),
        ([a_mined(APPROVE), a_mined(succeeded=False, number=2)], "reverted in block 102"),
        ([a_mined(APPROVE), a_mined("0x", to=WALLET, number=2)], "deadline"),
        ([a_mined(APPROVE), a_mined(succeeded=False, number=2), a_mined(APPROVE, number=3)], "reverted in block 102"),
    ],
)
def test_a_stage_whose_own_transaction_failed_or_is_missing_is_not_done(so_far: list[Mined], why: str) -> None:
    outcome = stage_outcome(so_far, account(), [], calls=1)
    assert isinstance(outcome, NotDone)
    assert why in outcome.why
    assert outcome.gas_wei == 1_000 * len(so_far)
    assert len(outcome.tx_hashes) == len(so_far)


def test_a_stage_is_done_whatever_became_of_taking_its_approval_back() -> None:
    so_far = [a_mined(APPROVE), a_mined(number=2), a_mined(APPROVE, succeeded=False, number=3)]
    outcome = stage_outcome(so_far, account(), [], calls=1)
    assert isinstance(outcome, Done)
    assert (outcome.gas_units, outcome.gas_wei, outcome.block) == (30, 3_000, 103)


def test_a_stage_of_two_calls_is_done_by_two() -> None:
    once = [a_mined(APPROVE), a_mined(number=2), a_mined(APPROVE, number=3)]
    outcome = stage_outcome(once, account(), [], calls=2)
    assert isinstance(outcome, NotDone)
    assert "only 1 of 2" in outcome.why
    assert isinstance(stage_outcome([*once, a_mined(number=4)], account(), [], calls=2), Done)
    assert isinstance(stage_outcome([*once, a_mined(succeeded=False, number=4)], account(), [], calls=2), NotDone)


def test_a_nonce_that_was_to_take_an_approval_back_is_that_of_an_approval_whatever_it_was_spent_on() -> None:
    raws = []
    for call in (revocation(USDC.address, POOL), Call(to=WALLET, value_wei=0, data="0x", label="cancel")):
        offer = Transaction(chain_id=1, nonce=3, to=call.to, value_wei=0, data=call.data, gas_limit=1, max_fee_wei=1, tip_wei=1)
        raws.append(Signer(KEY).sign(offer))
    attempts = [attempt(1, nonce=3, tx_hash=one.tx_hash, raw=one.raw) for one in raws]
    cancelled = mined(replace(a_mined().receipt, tx_hash=raws[1].tx_hash), attempts)
    assert cancelled.failure(WALLET) is not None
    assert cancelled.sets_allowance
    assert isinstance(stage_outcome([a_mined(), cancelled], account(), [], calls=1), Done)


RAN = {"status": "0x1", "gasUsed": "0x5208", "logs": [], "returnData": "0x"}


def test_a_simulation_is_read_call_by_call() -> None:
    failed = {**RAN, "status": "0x0", "error": {"code": 3, "message": "execution reverted", "data": "0x"}}
    text = b"Too little received".ljust(32, b"\x00").hex()
    reason = f"0x08c379a0{32:064x}{19:064x}{text}"
    told = {**failed, "error": {"code": 3, "message": "execution reverted", "data": reason}}
    blocks = parse_simulation([{"calls": [RAN, failed]}, {"calls": [told]}])
    assert blocks == [
        [Ran(gas_units=21_000, logs=(), returned=b""), Reverted(why="no reason")],
        [Reverted(why="Too little received")],
    ]


@pytest.mark.parametrize("name", RAN)
def test_a_simulation_with_a_missing_field_is_none(name: str) -> None:
    with pytest.raises(BadReply):
        parse_simulation([{"calls": [{key: kept for key, kept in RAN.items() if key != name}]}])

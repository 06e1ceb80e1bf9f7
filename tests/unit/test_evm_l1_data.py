"""The price of a transaction's data, spread over its gas."""

from __future__ import annotations

import zlib
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.l1_data import BYTES_A_GAS, data_wei, prices_read
from keeper.adapters.tx.bundle import SignedSpending, spendings, stage_call
from keeper.adapters.tx.signer import Signature
from keeper.core.model.codec import decode, encode
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Collect, Increase, Stage, StageKind, Unwrap, Wrap
from keeper.core.model.view import Gas
from keeper.core.strategy.gas import gas_of
from keeper.localchain.arbitrum import GAS_INFO
from tests.fakes.executor_scene import account
from tests.pairs import NOW_S, USDC_WETH_500
from tests.plans import place_stage, swap_stage, withdraw_stage

READ = prices_read(GAS_INFO)
ENVELOPE = 110
"""Bytes of a signed transaction beside its call data."""
MORE = Increase(token_id=1001, pool=USDC_WETH_500.address, amount0=10**10, amount1=10**18, amount0_min=1, amount1_min=1)
STAGES = [
    swap_stage(),
    withdraw_stage(),
    withdraw_stage(1001, 1002, 1003),
    Stage(kind=StageKind.WITHDRAW, steps=(Collect(token_id=1001),)),
    place_stage(),
    place_stage(*LayerKind),
    Stage(kind=StageKind.PLACE, steps=(MORE,)),
    Stage(kind=StageKind.WRAP, steps=(Wrap(amount_wei=10**18),)),
    Stage(kind=StageKind.WRAP, steps=(Unwrap(amount_wei=10**18),)),
]


def priced(byte_wei: int) -> int:
    """With other prices that must not be taken for it."""
    return data_wei({READ: (7, byte_wei, 11, 13, 17, 19)}, READ)


def size(stage: Stage) -> int:
    """Bytes that compression leaves, with a permit for everything that is spent; signatures do not compress."""
    signature = Signature(v=27, r=sha256(b"r").digest(), s=sha256(b"s").digest())
    grants = [
        SignedSpending(spending=one, deadline_s=NOW_S, grant=signature, revoke=signature) for one in spendings(stage, account())
    ]
    data = bytes.fromhex(stage_call(stage, NOW_S, account(), grants).data[2:])
    return len(zlib.compress(data, 9)) + ENVELOPE


def test_the_function_is_the_one_known_from_the_chain() -> None:
    assert contract("ArbGasInfo").function("getPricesInWei").selector.hex() == "41b247a8"


@given(st.integers(min_value=0, max_value=2**256 - 1))
def test_a_unit_of_gas_bears_its_bytes_rounded_up(byte_wei: int) -> None:
    bytes_, units = BYTES_A_GAS
    assert 0 <= priced(byte_wei) * units - byte_wei * bytes_ < units


def test_the_worst_of_our_stages_is_what_is_reckoned_with() -> None:
    bytes_, units = BYTES_A_GAS
    ratios = [size(stage) * units / gas_of(stage.steps) for stage in STAGES]
    assert bytes_ - 1 < max(ratios) <= bytes_


@pytest.mark.parametrize("data", [0, 19_200_000])
def test_it_is_part_of_the_price_and_journaled(data: int) -> None:
    gas = Gas(base_fee_wei=10**7, tip_wei=3, data_wei=data)
    assert gas.price_wei == 10**7 + 3 + data
    assert decode(Gas, encode(gas)) == gas


def test_what_was_journaled_before_had_none() -> None:
    assert decode(Gas, '{"base_fee_wei":5,"tip_wei":2}') == Gas(base_fee_wei=5, tip_wei=2, data_wei=0)

"""The price of inclusion from a node's fee history."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeper.adapters.evm.checked import ReadRefused
from keeper.adapters.evm.fee_history import gas_of
from keeper.adapters.evm.rpc import BadReply, RpcRefused
from keeper.core.model.view import Gas

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Time is not what these tests are about, and the machine has other guests."""

tips = st.lists(st.integers(0, 10**12), min_size=1, max_size=20)


def history(tip_weis: list[int], ratios: list[float], **change: Any) -> dict[str, Any]:
    blocks = {"baseFeePerGas": ["0x1"] * len(tip_weis) + ["0x7"], "gasUsedRatio": ratios}
    return blocks | {"reward": [[hex(tip)] for tip in tip_weis]} | change


@unhurried
@given(tips)
def test_at_least_half_of_the_blocks_took_the_tip_or_less(tip_weis: list[int]) -> None:
    tip = gas_of(history(tip_weis, [0.5] * len(tip_weis))).tip_wei
    assert tip in tip_weis
    assert 2 * sum(one <= tip for one in tip_weis) >= len(tip_weis)
    assert 2 * sum(one >= tip for one in tip_weis) >= len(tip_weis)


def test_the_base_fee_is_the_next_block_s_and_empty_blocks_took_no_tip() -> None:
    assert gas_of(history([0, 9, 0], [0, 0.1, 0.0])) == Gas(base_fee_wei=7, tip_wei=9)
    assert gas_of(history([0, 0], [0, 0])) == Gas(base_fee_wei=7, tip_wei=0)


@pytest.mark.parametrize(
    "reply",
    [
        None,
        [],
        {},
        history([], []),
        history([1], [0.5], reward=None),
        history([1], [0.5], reward=[[]]),
        history([1], [0.5], reward=[["0x1", "0x2"]]),
        history([1], [0.5], reward=[[None]]),
        history([1], [0.5], baseFeePerGas=["0x1"]),
        history([1], [0.5], baseFeePerGas=["0x1", None]),
        history([1], [0.5], gasUsedRatio=[]),
        history([1], [0.5], gasUsedRatio=["0.5"]),
    ],
)
def test_half_a_history_is_refused(reply: object) -> None:
    with pytest.raises(BadReply):
        gas_of(reply)


def test_a_node_that_does_not_tell_is_a_refusal() -> None:
    with pytest.raises(ReadRefused):
        gas_of(RpcRefused(-32601, "the method does not exist"))

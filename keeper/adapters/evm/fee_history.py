"""The price of inclusion, from ``eth_feeHistory``. Ref: EIP-1559; execution-apis eth_feeHistory."""

from __future__ import annotations

from keeper.adapters.evm import checked
from keeper.adapters.evm.rpc import BadReply, Call
from keeper.core.model.view import Gas

BLOCKS = 10
"""Two minutes of mainnet: long enough that one odd block does not set the tip, short enough to follow a rush."""
_PERCENTILE = 50


def fee_history_call(newest: int) -> Call:
    """The request for the fees of the ``BLOCKS`` blocks that end with number ``newest``."""
    return "eth_feeHistory", [hex(BLOCKS), hex(newest), [_PERCENTILE]]


def gas_of(outcome: object) -> Gas:
    """Base fee of the block after the newest, and the median over the blocks of the median tip in each.

    Empty blocks took no tip and do not count; the tip is 0 when all are empty. Of an even number the lower middle one is taken.

    Raises:
        BadReply: fees are missing or malformed.
        ReadRefused: the node does not tell.
    """
    history = checked.mapping(checked.answered(outcome, "eth_feeHistory"), "eth_feeHistory")
    base_fees = checked.sequence(history.get("baseFeePerGas"), "baseFeePerGas")
    rewards = checked.sequence(history.get("reward"), "reward")
    used = checked.sequence(history.get("gasUsedRatio"), "gasUsedRatio")
    if not rewards or len(base_fees) != len(rewards) + 1 or len(used) != len(rewards):
        raise BadReply(f"eth_feeHistory: {len(base_fees)} base fees, {len(rewards)} rewards, {len(used)} ratios")
    tips: list[int] = []
    for reward, ratio in zip(rewards, used, strict=True):
        row = checked.sequence(reward, "reward of a block")
        if len(row) != 1 or not isinstance(ratio, int | float):
            raise BadReply("eth_feeHistory: a block has not one reward and a ratio")
        tip = checked.quantity(row[0], "reward")
        if ratio > 0:
            tips.append(tip)
    tip_wei = sorted(tips)[(len(tips) - 1) // 2] if tips else 0
    return Gas(base_fee_wei=checked.quantity(base_fees[-1], "baseFeePerGas"), tip_wei=tip_wei)

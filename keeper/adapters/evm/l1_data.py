"""What a transaction's data costs on the parent chain, spread over its gas. Ref: OffchainLabs nitro, precompiles/ArbGasInfo.go.

Arbitrum charges every transaction for its bytes beside the gas that it burns. Decisions are made before there are bytes, from a
table of gas; so the price of a byte is told as so much more a unit of gas, at the most bytes that a stage of ours has for one.
"""

from __future__ import annotations

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, read_of, values

BYTES_A_GAS = (12, 1_000)
"""Bytes for so many units of gas, rounded up from the worst.

Call data of the keeper's own stages and 110 bytes for the signed envelope, over the table of ``core/strategy/gas.py``, in bytes
for 1,000 units: a swap 6.0, with a permit 11.0; a withdrawal 3.2 to 4.2, a collection alone 9.0; a mint 1.6, with a permit 2.8;
an increase 2.5, with a permit 5.1; a wrap 2.5, an unwrap 4.1. So the cost is never told too low. That of a whole shift (3.0) is
told four times too high, and by more because the chain bills what its compression leaves: deflate leaves a third.
"""

_PRICES = contract("ArbGasInfo").function("getPricesInWei")


def prices_read(gas_info: str) -> ContractRead:
    """The read of the chain's prices at ``gas_info``, the address of ArbGasInfo."""
    return read_of(gas_info, _PRICES)


def data_wei(answers: Answers, read: ContractRead) -> int:
    """Wei a unit of gas for data, rounded up, from the answer to :func:`prices_read`."""
    _, byte_wei, *_ = values(answers, read)
    size, units = BYTES_A_GAS
    return -(-int(byte_wei) * size // units)

"""What a transaction's data costs on the parent chain, spread over its gas. Ref: OffchainLabs nitro, precompiles/ArbGasInfo.go.

Arbitrum charges every transaction for its bytes beside the gas that it burns. Decisions are made before there are bytes, from a
table of gas; so the price of a byte is told as so much more a unit of gas, at the most bytes that a stage of ours has for one.
"""

from __future__ import annotations

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, read_of, values

BYTES_A_GAS = (4, 1_000)
"""Bytes for so many units of gas, rounded up from the worst: what compression leaves, as the chain bills it.

Call data of the keeper's own stages by deflate, and 110 bytes for the signed envelope, over the table of
``core/strategy/gas.py``, in bytes for 1,000 units: an unwrap 3.7, a swap with a permit 3.2, a wrap and a collection alone 2.7,
an increase with a permit 1.3, a withdrawal 0.5 to 1.0, a mint 0.3 to 0.8. A whole shift is told several times too dear.
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

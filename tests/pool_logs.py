"""Logs of a pool as a node tells them, for tests of what reads them."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.event_rows import EventKind
from keeper.adapters.evm.pool_events import EVENT_NAMES
from tests.event_rows import POOL

TYPES = {
    EventKind.SWAP: ((), ("int256", "int256", "uint160", "uint128", "int24")),
    EventKind.MINT: (("int24", "int24"), ("address", "uint128", "uint256", "uint256")),
    EventKind.BURN: (("int24", "int24"), ("uint128", "uint256", "uint256")),
    EventKind.COLLECT: (("int24", "int24"), ("address", "uint128", "uint128")),
    EventKind.FLASH: ((), ("uint256", "uint256", "uint256", "uint256")),
    EventKind.FEE_PROTOCOL: ((), ("uint8", "uint8", "uint8", "uint8")),
}
ADDRESSES = {EventKind.SWAP: 2, EventKind.FLASH: 2, EventKind.FEE_PROTOCOL: 0}
"""How many addresses a log names in its topics, where it is not one."""
SOMEONE, ANOTHER = "0x" + "33" * 20, "0x" + "44" * 20
TOPIC0 = {kind: contract("UniswapV3Pool").event(EVENT_NAMES[kind]).topic0 for kind in EventKind}


def words(kinds: tuple[str, ...], values: tuple[Any, ...]) -> str:
    return "0x" + encode(kinds, values).hex()


def log(kind: EventKind, indexed: tuple[Any, ...], body: tuple[Any, ...], **change: Any) -> dict[str, Any]:
    addresses = (SOMEONE, ANOTHER)[: ADDRESSES.get(kind, 1)]
    topics = [words(("address",), (one,)) for one in addresses] + [words(("int24",), (tick,)) for tick in indexed]
    return {
        "address": POOL,
        "topics": [TOPIC0[kind], *topics],
        "data": words(TYPES[kind][1], body),
        "blockNumber": "0x7",
        "blockHash": f"0x{7:064x}",
        "blockTimestamp": "0x6b",
        "transactionHash": f"0x{9:064x}",
        "transactionIndex": "0x2",
        "logIndex": "0x3",
        "removed": False,
    } | change


def swap_log(*, price_x96: int = 2**96, **change: Any) -> dict[str, Any]:
    return log(EventKind.SWAP, (), (-5, 3, price_x96, 9, 10), **change)

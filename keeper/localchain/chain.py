"""The levers of a local node: transactions of any sender, one block at a time, with the time and base fee that we say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keeper.adapters.evm.abi import Function
from keeper.adapters.evm.rpc import Call, Rpc
from keeper.core.model.errors import Fault

BLOCK_TIME_S = 12
_FIRST_IN_BLOCK_WEI = 10**13
"""Fee cap of what must come first: anvil orders a block by fee cap, and a cap, unlike a tip, shows in no fee estimate."""
_TIP_WEI = 10**7


class LocalChainError(Fault):
    """A transaction of the local chain's own set-up failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTx:
    """An unsigned transaction of an account that the node impersonates."""

    sender: str
    to: str | None
    """None creates a contract."""
    data: str = "0x"
    gas: int = 5_000_000
    value_wei: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedBlock:
    """A block as the node tells it, with all its receipts in order."""

    number: int
    hash: str
    timestamp_s: int
    base_fee_wei: int
    receipts: tuple[Mapping[str, Any], ...]
    """As in JSON-RPC; ours first, in the order given."""
    reads: tuple[Any, ...]
    """Replies to what was to be read after it."""


def is_success(receipt: Mapping[str, Any]) -> bool:
    """Whether the transaction did what it was to do."""
    return int(receipt["status"], 16) == 1


class LocalChain:
    """One anvil, driven; not thread-safe, like its client.

    Args:
        url: address of the node.
        automine: whether the node mines by itself; the setting is kept around every block that is mined here.
    """

    def __init__(self, url: str, *, automine: bool) -> None:
        self.url = url
        self.automine = automine
        # What is asked here changes the chain: nothing is asked twice.
        self.rpc = Rpc(url, timeout_s=60.0, attempts=1)
        self.last_mined_s = 0
        """Time of the block that was mined last through here, Unix seconds; 0 before the first."""

    def close(self) -> None:
        """Close the session."""
        self.rpc.close()

    def impersonate(self, address: str, balance_wei: int = 10**27) -> None:
        """Let ``address`` send without a key, and give it native currency."""
        self.rpc.batch([("anvil_impersonateAccount", [address]), ("anvil_setBalance", [address, hex(balance_wei)])])

    def set_automine(self, automine: bool) -> None:
        """Mine at every transaction, or only when told to."""
        self.rpc.call("evm_setAutomine", automine)
        self.automine = automine

    def timestamp_s(self) -> int:
        """Time of the latest block, Unix seconds."""
        return int(self.rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def read(self, to: str, function: Function, *arguments: object) -> tuple[Any, ...]:
        """What a view of a contract answers at the latest block.

        Raises:
            RpcRefused: it reverts.
        """
        return function.decode(self.rpc.call("eth_call", {"to": to, "input": function.call_data(*arguments)}, "latest"))

    def nonce(self, sender: str) -> int:
        """Transactions that ``sender`` has mined."""
        return int(self.rpc.call("eth_getTransactionCount", sender, "latest"), 16)

    def mine(
        self,
        txs: Sequence[LocalTx] = (),
        *,
        timestamp_s: int | None = None,
        base_fee_wei: int | None = None,
        nonces: Mapping[str, int] | None = None,
        reads: Sequence[Call] = (),
    ) -> MinedBlock:
        """Mine exactly one block: ``txs`` first, in order, then whatever else is waiting.

        Args:
            txs: any number that fits into a block; one that reverts is in the receipts with status 0.
            timestamp_s: Unix seconds, not before the latest block; 12 s after it when not given.
            base_fee_wei: base fee of this block; as on mainnet when not given.
            nonces: the senders' next nonces, where the caller knows them; asked for when not given.
            reads: what else to read in the request that reads the new block.

        Raises:
            RpcRefused: the node does not take a transaction or the time.
            LocalChainError: a transaction of ours was left out of the block.
        """
        following = dict(nonces or {sender: self.nonce(sender) for sender in dict.fromkeys(tx.sender for tx in txs)})
        calls: list[Call] = []
        for tx in txs:
            calls.append(("eth_sendTransaction", [_fields(tx, following[tx.sender])]))
            following[tx.sender] += 1
        if timestamp_s is not None:
            calls.append(("evm_setNextBlockTimestamp", [hex(timestamp_s)]))
        if base_fee_wei is not None:
            calls.append(("anvil_setNextBlockBaseFeePerGas", [hex(base_fee_wei)]))
        automine = self.automine
        if automine:
            self.set_automine(False)
        try:
            # Three requests, since a node may take the entries of one batch in any order.
            hashes = self.rpc.batch(calls)[: len(txs)]
            self.rpc.call("evm_mine")
        finally:
            if automine:
                self.set_automine(True)
        return self._latest(hashes, reads)

    def _latest(self, hashes: Sequence[str], reads: Sequence[Call]) -> MinedBlock:
        header, receipts, *others = self.rpc.batch(
            [
                ("eth_getBlockByNumber", ["latest", False]),
                ("eth_getBlockReceipts", ["latest"]),
                *reads,
            ]
        )
        found = [receipt["transactionHash"] for receipt in receipts[: len(hashes)]]
        if found != list(hashes):
            raise LocalChainError(f"block {int(header['number'], 16)} does not begin with the {len(hashes)} transactions sent")
        self.last_mined_s = int(header["timestamp"], 16)
        return MinedBlock(
            number=int(header["number"], 16),
            hash=header["hash"],
            timestamp_s=self.last_mined_s,
            base_fee_wei=int(header["baseFeePerGas"], 16),
            receipts=tuple(receipts),
            reads=tuple(others),
        )

    def mine_more(self, count: int, *, base_fee_wei: int) -> None:
        """Mine ``count`` blocks at the latest block's time, the last of them at a base fee; none when ``count`` is 0.

        For a chain that makes many blocks a second. In empty blocks anvil lets the base fee fall, and offers made from it would
        not reach that of the next block: the last one has what it was.
        """
        if count < 1:
            return
        self.rpc.call("anvil_setBlockTimestampInterval", 0)
        if count > 1:
            self.rpc.call("anvil_mine", hex(count - 1))
        self.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(base_fee_wei))
        self.rpc.call("evm_mine")
        self.rpc.call("anvil_setBlockTimestampInterval", BLOCK_TIME_S)

    def mine_all_succeed(self, txs: Sequence[LocalTx], *, timestamp_s: int | None = None) -> MinedBlock:
        """Like :meth:`mine`, for set-up, where a revert is a fault.

        Raises:
            LocalChainError: one reverted.
        """
        block = self.mine(txs, timestamp_s=timestamp_s)
        for place, receipt in enumerate(block.receipts[: len(txs)]):
            if not is_success(receipt):
                raise LocalChainError(f"transaction {place} of block {block.number}, to {txs[place].to}, reverted")
        return block


def _fields(tx: LocalTx, nonce: int) -> dict[str, str]:
    fields = {
        "from": tx.sender,
        "nonce": hex(nonce),
        "gas": hex(tx.gas),
        "value": hex(tx.value_wei),
        "input": tx.data,
        "maxFeePerGas": hex(_FIRST_IN_BLOCK_WEI),
        "maxPriorityFeePerGas": hex(_TIP_WEI),
    }
    return fields if tx.to is None else {**fields, "to": tx.to}

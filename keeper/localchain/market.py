"""A market that moves one block at a time: what every market of the local chain is, and the desk through which it trades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from eth_utils.address import to_checksum_address

from keeper.adapters.evm.rpc import Call
from keeper.core.v3math.swap_kind import RecordedSwap, SwapRequest
from keeper.localchain.artifacts import creation_code, interface
from keeper.localchain.chain import LocalTx, is_success
from keeper.localchain.transplant import PoolReading, pool_reading, reading_calls
from keeper.localchain.twin import Twin

_TRADER = "0x00000000000000000000000000000000ba9CE701"
"""Owner of the market contract; impersonated, never signs."""
_DOLLARS_RAW, _WETH_RAW = 10**18, 10**27
"""What the market contract starts with of each token: far more than any day moves."""
_LIQUIDITY_GAS = 800_000
_SWAP_GAS = 3_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockReport:
    """One block of the market, after the fact."""

    number: int
    hash: str
    timestamp_s: int
    base_fee_wei: int
    swaps: tuple[RecordedSwap, ...]
    """Swaps of the market's main pool in order, whoever made them."""
    refused: int
    """Transactions of the market that reverted: with others in the pool, a recorded request may have become impossible."""
    gas_used: int
    """Gas of the market's own transactions."""
    pool: PoolReading
    """The main pool at the end of the block."""
    external_price: float | None
    """Dollars per ether elsewhere; None where the tape itself is the only price."""
    progress: float
    """How much of the market is over, 0 to 1."""


class Market(Protocol):
    """Something that makes blocks."""

    def step(self, *, waited_for: bool = False) -> BlockReport | None:
        """Mine the market's next block, with whatever else is waiting behind the market's own transactions; None at the end.

        Args:
            waited_for: somebody waits for a block: a market of our own then makes that of the next slot, trades or not, as a
                chain would; without, slots in which nobody wants anything are passed over.
        """
        ...


def recorded_swaps(receipts: Sequence[Mapping[str, Any]], pool: str) -> tuple[RecordedSwap, ...]:
    """The Swap events of ``pool`` in these receipts, in order."""
    swap = interface("UniswapV3Pool").event("Swap")
    events = (
        swap.decode(log)
        for receipt in receipts
        for log in receipt["logs"]
        if log["address"].lower() == pool.lower() and swap.is_in(log)
    )
    return tuple(
        RecordedSwap(
            amount0=event["amount0"],
            amount1=event["amount1"],
            sqrt_price_x96=event["sqrtPriceX96"],
            liquidity=event["liquidity"],
            tick=event["tick"],
        )
        for event in events
    )


class MarketDesk:
    """The market's own contract and purse on a twin, and the transactions that it can make.

    Automatic mining is switched off: from now on a block comes when the market, or somebody by hand, mines it.

    Args:
        twin: where; only one desk a twin.
        pool: address of the main pool, the one that is reported.
    """

    def __init__(self, twin: Twin, pool: str) -> None:
        self.twin = twin
        self.chain = twin.chain
        self.pool = pool
        self.chain.set_automine(False)
        self.chain.impersonate(_TRADER, balance_wei=10**30)
        deployed = self.chain.mine_all_succeed([LocalTx(sender=_TRADER, to=None, data=creation_code("Market"))])
        self.contract = to_checksum_address(deployed.receipts[0]["contractAddress"])
        for token in twin.recipe.minted:
            twin.fund(self.contract, token, _DOLLARS_RAW)
        twin.fund(self.contract, twin.recipe.weth, _WETH_RAW)
        self._nonce = self.chain.nonce(_TRADER)

    def swap(self, pool: str, request: SwapRequest) -> LocalTx:
        """A swap of the market contract's tokens."""
        return LocalTx(
            sender=_TRADER,
            to=self.contract,
            gas=_SWAP_GAS,
            data=interface("Market")
            .function("swap")
            .call_data(pool, request.zero_for_one, request.amount_specified, request.sqrt_price_limit_x96),
        )

    def liquidity(self, pool: str, tick_lower: int, tick_upper: int, liquidity_delta: int) -> LocalTx:
        """A mint (> 0) or a burn (< 0) of the market contract's position."""
        function = interface("Market").function("mint" if liquidity_delta > 0 else "burn")
        data = function.call_data(pool, tick_lower, tick_upper, abs(liquidity_delta))
        return LocalTx(sender=_TRADER, to=self.contract, gas=_LIQUIDITY_GAS, data=data)

    def read(self, *pools: str) -> list[PoolReading]:
        """Where pools stand at the latest block, in one request."""
        return _readings(self.chain.rpc.batch(_reading_calls(pools)))

    def mine(
        self,
        txs: Sequence[LocalTx],
        *,
        timestamp_s: int,
        base_fee_wei: int,
        progress: float,
        pools: Sequence[str] = (),
        external_price: float | None = None,
    ) -> tuple[BlockReport, list[PoolReading]]:
        """Mine a block that begins with ``txs`` of this desk.

        Args:
            txs: made by this desk.
            timestamp_s: of the block, Unix seconds; later if somebody has mined a block past it by hand.
            base_fee_wei: of the block.
            progress: for the report, 0 to 1.
            pools: further pools to read afterwards.
            external_price: for the report.

        Returns:
            The report, and where ``pools`` stand.
        """
        block = self.chain.mine(
            txs,
            timestamp_s=max(timestamp_s, self.chain.last_mined_s + 1),
            base_fee_wei=base_fee_wei,
            nonces={_TRADER: self._nonce},
            reads=_reading_calls((self.pool, *pools)),
        )
        self._nonce += len(txs)
        main, *others = _readings(block.reads)
        ours = block.receipts[: len(txs)]
        report = BlockReport(
            number=block.number,
            hash=block.hash,
            timestamp_s=block.timestamp_s,
            base_fee_wei=block.base_fee_wei,
            swaps=recorded_swaps(block.receipts, self.pool),
            refused=sum(not is_success(receipt) for receipt in ours),
            gas_used=sum(int(receipt["gasUsed"], 16) for receipt in ours),
            pool=main,
            external_price=external_price,
            progress=progress,
        )
        return report, others


def _reading_calls(pools: Sequence[str]) -> list[Call]:
    return [call for pool in pools for call in reading_calls(pool)]


def _readings(replies: Sequence[Any]) -> list[PoolReading]:
    return [pool_reading(replies[place], replies[place + 1]) for place in range(0, len(replies), 2)]

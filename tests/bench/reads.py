"""Requests and milliseconds of a cycle's reads, ours against one web3.py call a value: ``python -m tests.bench.reads``.

Both read the same of the same chain: newest block, chain id, the pool's state and mean tick, two balances, native balance and
nonce, fees, and for every position its row and both its ticks. Ours also reads the map of ticks around the price and the swaps
since the last cycle, which the other way leaves out. Delays are added to every request by a proxy between them and the node.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing

from keeper.adapters.evm.rpc import Rpc
from keeper.localchain import mainnet
from keeper.localchain.twin import running_base, running_twin
from tests.bench.scene import TWAP_WINDOW_S, Scene, opened, rungs
from tests.fakes.rpc_server import Forward, RpcServer
from tests.pairs import USDC_WETH_500

COUNTS = (3, 100)
DELAYS_S = (0.0, 0.05)
OUR_ROUNDS = 15
"""Enough for a median that a neighbour on the machine does not move."""


class OneByOne:
    """What most bots do: a contract object a contract, a call a value."""

    def __init__(self, url: str, scene: Scene, ids: list[int]) -> None:
        # Heavy, and needed by nothing but this comparison.
        from web3 import HTTPProvider, Web3

        from keeper.localchain.artifacts import artifact

        self._web3 = Web3(HTTPProvider(url))
        contract = self._web3.eth.contract
        self._pool = contract(address=scene.key.address, abi=artifact("UniswapV3Pool")["abi"])
        self._manager = contract(address=mainnet.POSITION_MANAGER, abi=artifact("NonfungiblePositionManager")["abi"])
        self._tokens = [
            contract(address=token.address, abi=artifact("Token")["abi"]) for token in (scene.key.token0, scene.key.token1)
        ]
        self._wallet = scene.wallet
        self._ids = ids

    def read(self) -> int:
        """One cycle; the number of positions that were found."""
        eth = self._web3.eth
        number = eth.get_block("latest")["number"]
        assert eth.chain_id == 1
        eth.get_balance(self._wallet, number)
        eth.get_transaction_count(self._wallet, number)
        eth.fee_history(10, number, [50])
        pool = self._pool.functions
        state = (pool.slot0(), pool.liquidity(), pool.feeGrowthGlobal0X128(), pool.feeGrowthGlobal1X128())
        for function in (*state, pool.observe([TWAP_WINDOW_S, 0])):
            function.call(block_identifier=number)
        for token in self._tokens:
            token.functions.balanceOf(self._wallet).call(block_identifier=number)
        for token_id in self._ids:
            row = self._manager.functions.positions(token_id).call(block_identifier=number)
            for tick in row[5:7]:
                pool.ticks(tick).call(block_identifier=number)
        return len(self._ids)


def timed(proxy: RpcServer, read: Callable[[], int], rounds: int, count: int) -> tuple[int, float]:
    """Requests and median milliseconds of a read that finds ``count`` positions."""
    times: list[float] = []
    before = len(proxy.bodies)
    for _ in range(rounds):
        start = time.perf_counter()
        assert read() == count
        times.append((time.perf_counter() - start) * 1_000)
    return (len(proxy.bodies) - before) // rounds, statistics.median(times)


def measured(scene: Scene, proxy: RpcServer, ids: list[int], delay_s: float) -> tuple[tuple[int, float], tuple[int, float]]:
    """Requests and milliseconds a cycle, ours and the other's, neither of them the first cycle."""
    proxy.delay_s = 0.0
    other = OneByOne(proxy.url, scene, ids)
    other.read()
    with closing(Rpc(proxy.url)) as rpc:
        source = scene.source(rpc)
        last = source.observe(token_ids=ids, prices_after_block=None, sample_after_s=None).prices[-1].block

        def ours() -> int:
            return len(source.observe(token_ids=ids, prices_after_block=last - 3, sample_after_s=None).positions)

        proxy.delay_s = delay_s
        our_figures = timed(proxy, ours, OUR_ROUNDS, len(ids))
    rounds = 1 if delay_s > 0 and len(ids) > 10 else 3
    return our_figures, timed(proxy, other.read, rounds, len(ids))


def main() -> None:
    """Print the table."""
    out = sys.stdout
    out.write("positions  delay ms   ours: requests     ms   one by one: requests       ms   ratio: requests    ms\n")
    with running_base() as base, running_twin(base=base) as twin:
        scene = opened(twin, USDC_WETH_500)
        scene.remember(10)
        forward = Forward(twin.rpc_url)
        ids: list[int] = []
        with RpcServer(forward) as proxy:
            for count in COUNTS:
                ids += scene.mint(rungs(scene.key, count)[len(ids) :])
                for delay_s in DELAYS_S:
                    (our_requests, our_ms), (requests, ms) = measured(scene, proxy, ids, delay_s)
                    out.write(
                        f"{count:9}  {delay_s * 1e3:8.0f}  {our_requests:14}  {our_ms:6.1f}"
                        f"  {requests:21}  {ms:7.1f}  {requests / our_requests:16.1f}  {ms / our_ms:4.1f}\n"
                    )
                    out.flush()
        forward.close()


if __name__ == "__main__":
    main()

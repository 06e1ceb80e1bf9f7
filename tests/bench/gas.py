"""Gas of moving a ladder, our account's bundles against one transaction a step: ``python -m tests.bench.gas``.

Both ways start from the same block of the same chain, with fees accrued, and make the same moves with the same amounts; that
both end with the same liquidity is asserted. The other way is spared what it can be spared: its approvals stand already and
without limit, its wallet already holds wrapped ether, and its transactions share as few blocks as ours. Ours pays for its
permits, and for turning wrapped ether into native and back. New ranges end on ticks that nobody else uses.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from keeper.adapters.evm.abi import contract
from keeper.adapters.tx.bundle import EVERYTHING
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import Done, Mint, Stage, Swap
from keeper.localchain import mainnet
from keeper.localchain.chain import LocalTx
from keeper.localchain.twin import Twin, running_twin
from tests.fakes.executor_scene import OTHER, Attempts, Scene
from tests.pairs import WALLET, WETH

FAR_DEADLINE_S = 2**40
NO_LIMIT = 2**256 - 1
SOLD = 20_000 * 10**6
"""Raw stable units that the rebalance sells for ether."""

_NPM = contract("NonfungiblePositionManager")
_ROUTER = contract("SwapRouter02")
_ERC20 = contract("ERC20")
_POOL = contract("UniswapV3Pool")


def three_positions(scene: Scene) -> Stage:
    """Three layers, a position each, around the scene's tick."""
    return scene.place(
        (LayerKind.CORE, -600, 600, 50_000 * 10**6, 12 * 10**18),
        (LayerKind.SECONDARY, -2_000, 2_000, 40_000 * 10**6, 12 * 10**18),
        (LayerKind.INSURANCE, -4_000, 4_000, 10_000 * 10**6, 2 * 10**18),
    )


def core(scene: Scene) -> Stage:
    """The core layer alone, as it is in the ladder."""
    return scene.place((LayerKind.CORE, -600, 600, 50_000 * 10**6, 12 * 10**18))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A ladder, and what is done with it."""

    name: str
    ladder: Callable[[Scene], Stage]
    moved: Callable[[Scene], Stage]
    """Its first positions, to be opened anew around another tick."""


CASES = (
    Case(name="all, 3 positions", ladder=three_positions, moved=three_positions),
    Case(name="all, 4 positions (wings)", ladder=Scene.ladder_stage, moved=Scene.ladder_stage),
    Case(name="core only", ladder=three_positions, moved=core),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What one way took."""

    transactions: int
    gas: tuple[int, int, int]
    """Used, after refunds: out, swap, in."""
    liquidity: tuple[int, ...]
    """Of the new positions."""

    @property
    def total(self) -> int:
        """Gas of everything."""
        return sum(self.gas)


def by_others(scene: Scene, *steps: tuple[bool, int]) -> None:
    """Somebody else's swaps, a block each: sells the stable token or not, raw amount in."""
    for sell_stable, raw_in in steps:
        sold, bought = (scene.stable, WETH) if sell_stable else (WETH, scene.stable)
        arguments = (sold.address, bought.address, scene.pool.fee_pips, OTHER, raw_in, 0, 0)
        data = _ROUTER.function("exactInputSingle").call_data(arguments)
        value_wei = 0 if sell_stable else raw_in
        tx = LocalTx(sender=OTHER, to=mainnet.SWAP_ROUTER_02, data=data, gas=700_000, value_wei=value_wei)
        scene.twin.chain.mine_all_succeed([tx])


def call(scene: Scene, to: str, data: str) -> str:
    """Ask a contract, as the wallet."""
    return str(scene.twin.chain.rpc.call("eth_call", {"from": WALLET, "to": to, "input": data}, "latest"))


def opened(scene: Scene, case: Case) -> tuple[int, ...]:
    """Open the ladder, let it earn in both tokens, and leave the price some way off its middle."""
    placed = scene.run(case.ladder(scene))
    assert isinstance(placed, Done), placed
    by_others(scene, (True, 2 * 10**11), (False, 5 * 10**19), (True, 6 * 10**11))
    token_ids = tuple(one.token_id for one in placed.minted)
    collect = _NPM.function("collect")
    owed = collect.decode(
        call(scene, mainnet.POSITION_MANAGER, collect.call_data((token_ids[0], WALLET, EVERYTHING, EVERYTHING)))
    )
    assert all(raw > 0 for raw in owed), owed
    tick = _POOL.function("slot0").decode(call(scene, scene.pool.address, _POOL.function("slot0").call_data()))[1]
    scene.tick = tick // scene.pool.tick_spacing * scene.pool.tick_spacing
    return token_ids


def gas_used(scene: Scene, tx_hashes: tuple[str, ...]) -> int:
    """As the receipts tell, all of them successful."""
    receipts = scene.twin.chain.rpc.batch([("eth_getTransactionReceipt", [tx_hash]) for tx_hash in tx_hashes])
    assert all(int(receipt["status"], 16) == 1 for receipt in receipts)
    return sum(int(receipt["gasUsed"], 16) for receipt in receipts)


def ours(scene: Scene, case: Case, token_ids: tuple[int, ...]) -> Bill:
    """The signing account: out, swap and in, a bundle each, with permits."""
    moved = case.moved(scene)
    before = scene.nonce()
    stages = (
        scene.withdraw(*token_ids[: len(moved.steps)]),
        scene.swap(sell_stable=True, amount_in=SOLD),
        moved,
    )
    executor, gas, minted = scene.live(), [], ()
    for stage in stages:
        bounds = scene.bounds()
        outcome = executor.execute(stage, bounds, scene.intent(stage, bounds), Attempts())
        assert isinstance(outcome, Done), outcome
        gas.append(gas_used(scene, outcome.tx_hashes))
        assert gas[-1] == outcome.gas_units
        minted = outcome.minted
    assert scene.allowances() == [0, 0, 0, 0]
    return Bill(
        transactions=scene.nonce() - before,
        gas=(gas[0], gas[1], gas[2]),
        liquidity=tuple(scene.liquidity(one.token_id) for one in minted),
    )


def separate(scene: Scene, case: Case, token_ids: tuple[int, ...]) -> Bill:
    """Decrease, collect and burn of every position, the swap, a mint of every position: a transaction each."""
    scene.twin.fund(WALLET, WETH.address, 50 * 10**18)
    approve = _ERC20.function("approve")
    mined(
        scene,
        *(
            (token.address, approve.call_data(spender, NO_LIMIT))
            for token in (scene.stable, WETH)
            for spender in (mainnet.POSITION_MANAGER, mainnet.SWAP_ROUTER_02)
        ),
    )
    moved = case.moved(scene)
    before = scene.nonce()
    outs = [data for token_id in token_ids[: len(moved.steps)] for data in out_calls(scene, token_id)]
    swap_step = scene.swap(sell_stable=True, amount_in=SOLD).steps[0]
    assert isinstance(swap_step, Swap)
    sold_and_bought = (scene.stable.address, WETH.address, scene.pool.fee_pips, WALLET)
    swap_data = _ROUTER.function("exactInputSingle").call_data((*sold_and_bought, swap_step.amount_in, 0, 0))
    gas_out = mined(scene, *((mainnet.POSITION_MANAGER, data) for data in outs))
    gas_swap = mined(scene, (mainnet.SWAP_ROUTER_02, swap_data))
    gas_in = mined(scene, *((mainnet.POSITION_MANAGER, mint_call(scene, step)) for step in moved.steps))
    return Bill(
        transactions=scene.nonce() - before,
        gas=(gas_out, gas_swap, gas_in),
        liquidity=tuple(scene.liquidity(token_id) for token_id in newest(scene, len(moved.steps))),
    )


def out_calls(scene: Scene, token_id: int) -> tuple[str, str, str]:
    """All that closes a position."""
    return (
        _NPM.function("decreaseLiquidity").call_data((token_id, scene.liquidity(token_id), 0, 0, FAR_DEADLINE_S)),
        _NPM.function("collect").call_data((token_id, WALLET, EVERYTHING, EVERYTHING)),
        _NPM.function("burn").call_data(token_id),
    )


def mint_call(scene: Scene, step: object) -> str:
    """One position, paid in tokens."""
    assert isinstance(step, Mint)
    key = scene.pool
    where = (key.token0.address, key.token1.address, key.fee_pips, step.range.lower, step.range.upper)
    return _NPM.function("mint").call_data((*where, step.amount0, step.amount1, 0, 0, WALLET, FAR_DEADLINE_S))


def mined(scene: Scene, *calls: tuple[str, str]) -> int:
    """Gas of these transactions of the wallet, in one block."""
    txs = [LocalTx(sender=WALLET, to=to, data=data, gas=700_000) for to, data in calls]
    receipts = scene.twin.chain.mine_all_succeed(txs).receipts
    return sum(int(receipt["gasUsed"], 16) for receipt in receipts[: len(txs)])


def newest(scene: Scene, count: int) -> list[int]:
    """The tokens that the latest block minted, in order."""
    event = _NPM.event("IncreaseLiquidity")
    receipts = scene.twin.chain.rpc.call("eth_getBlockReceipts", "latest")
    found = [event.decode(log)["tokenId"] for receipt in receipts for log in receipt["logs"] if event.is_in(log)]
    assert len(found) == count
    return found


def compared(twin: Twin, case: Case) -> tuple[Bill, Bill]:
    """Ours and the other, from the same block."""
    snapshot = twin.chain.rpc.call("evm_snapshot")
    scene = Scene(twin)
    token_ids = opened(scene, case)
    begin = twin.chain.rpc.call("evm_snapshot")
    our_bill = ours(scene, case, token_ids)
    assert twin.chain.rpc.call("evm_revert", begin)
    twin.chain.set_automine(True)
    bill = separate(scene, case, token_ids)
    assert twin.chain.rpc.call("evm_revert", snapshot)
    twin.chain.set_automine(True)
    assert our_bill.liquidity == bill.liquidity
    return our_bill, bill


def main() -> None:
    """Print the table."""
    out = sys.stdout
    out.write("moved                     way       transactions      out     swap        in      total  to ours\n")
    with running_twin() as twin:
        for case in CASES:
            our_bill, other = compared(twin, case)
            for way, bill in (("ours", our_bill), ("separate", other)):
                parts = "  ".join(f"{part:7,}" for part in bill.gas[:2]) + f"  {bill.gas[2]:9,}"
                out.write(
                    f"{case.name:24}  {way:8}  {bill.transactions:12}  {parts}  {bill.total:9,}"
                    f"  {bill.total / our_bill.total:7.2f}\n"
                )
            out.flush()
    out.write(
        "separate: approvals stand already, without limit, and are not counted; ours: a permit and its end in the bundle\n"
    )


if __name__ == "__main__":
    main()

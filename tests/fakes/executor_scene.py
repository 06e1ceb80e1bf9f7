"""A wallet with a key, a pool with others' liquidity and an account to act with, on the local chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import starmap
from typing import Any

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.tx.account import Account
from keeper.adapters.tx.bundle import approval, stage_call
from keeper.adapters.tx.dry import DryExecutor
from keeper.adapters.tx.live import EoaExecutor
from keeper.adapters.tx.signer import PermitDomain, Signer
from keeper.core.model.ladder import LayerKind, TickRange
from keeper.core.model.plan import Bounds, Burn, Collect, Decrease, Mint, Stage, StageKind, StageOutcome, Swap
from keeper.core.model.pool import PoolKey
from keeper.core.model.record import Attempt, Intent
from keeper.core.model.token import Token
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.localchain import mainnet
from keeper.localchain.chain import LocalTx
from keeper.localchain.twin import Twin
from keeper.ports.options import OptionVenue
from tests.pairs import TICK, USDC, USDC_WETH_500, WALLET, WETH, WETH_USDT_500
from tests.policies import execution_policy

KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
"""Of WALLET: the second of the well-known development accounts."""
OTHER = "0x00000000000000000000000000000000000007E5"
PERMITS = (PermitDomain(token=USDC.address, name="USD Coin", version="2"),)
POLL_S = 2.0

_NPM = contract("NonfungiblePositionManager")
_ERC20 = contract("ERC20")


class Telling:
    """Telemetry that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def event(self, name: str, **fields: object) -> None:
        self.events.append((name, fields))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]


class StepClock:
    """Time that passes only in pauses, and may do something then."""

    def __init__(self, on_pause: Callable[[], object]) -> None:
        self.on_pause = on_pause
        self.now_s = 0.0

    def pause(self, seconds: float) -> None:
        self.now_s += seconds
        self.on_pause()

    def monotonic_s(self) -> float:
        return self.now_s


@dataclass
class Attempts:
    """A log that keeps what it is told, in order."""

    kept: list[Attempt] = field(default_factory=list)

    def record_attempt(self, attempt: Attempt) -> None:
        self.kept.append(attempt)


def account(pool: PoolKey = USDC_WETH_500, address: str = WALLET) -> Account:
    """The wallet on Uniswap's contracts."""
    return Account(
        chain_id=1,
        address=address,
        position_manager=mainnet.POSITION_MANAGER,
        swap_router=mainnet.SWAP_ROUTER_02,
        wrapped_native=WETH,
        pools=(pool,),
    )


class Scene:
    """One pool of the twin at TICK (or its mirror), OTHER's wide liquidity in it, 500,000 stable units in the wallet.

    Args:
        twin: on which it is set, or ``found`` as another scene has left it.
        pool: in which it plays.
        found: whether it is there already.
    """

    def __init__(self, twin: Twin, pool: PoolKey = USDC_WETH_500, *, found: bool = False) -> None:
        self.twin = twin
        self.pool = pool
        self.stable = next(token for token in (pool.token0, pool.token1) if token.address != WETH.address)
        self.tick = (TICK if pool.token0 == self.stable else -TICK) // 10 * 10
        self.account = account(pool)
        self.clock = StepClock(self.mine)
        self.telling = Telling()
        self.intents = 0
        self.venues: dict[str, OptionVenue] = {}
        if found:
            return
        twin.initialize(pool.address, get_sqrt_ratio_at_tick(self.tick))
        twin.fund(WALLET, self.stable.address, 500_000 * 10**6)
        self._provide()
        twin.chain.mine(base_fee_wei=10**9)

    def _provide(self) -> None:
        chain, stable = self.twin.chain, self.stable
        chain.impersonate(OTHER)
        self.twin.fund(OTHER, stable.address, 10**15)
        place = self.place((LayerKind.SECONDARY, -6_000, 6_000, 10**13, 3_000 * 10**18))
        other = account(self.pool, OTHER)
        calls = (
            approval(stable, mainnet.POSITION_MANAGER, 10**15),
            approval(stable, mainnet.SWAP_ROUTER_02, 10**15),
            stage_call(place, 2**40, other, ()),
        )
        chain.mine_all_succeed([LocalTx(sender=OTHER, to=c.to, data=c.data, value_wei=c.value_wei) for c in calls])

    def mine(self) -> None:
        self.twin.chain.mine()

    def live(self, rpc: Rpc | None = None, *, may_send: Callable[[], str | None] = lambda: None, **rules: Any) -> EoaExecutor:
        permits = rules.pop("permits", PERMITS)
        return EoaExecutor(
            rpc=rpc or self.twin.chain.rpc,
            account=self.account,
            signer=Signer(KEY),
            permits=permits,
            rules=execution_policy(**{"confirmations": 1, **rules}),
            clock=self.clock,
            may_send=may_send,
            telemetry=self.telling,
            venues=self.venues,
            poll_s=POLL_S,
        )

    def dry(self) -> DryExecutor:
        return DryExecutor(
            rpc=self.twin.chain.rpc,
            account=self.account,
            permit_tokens=[domain.token for domain in PERMITS],
            confirmations=1,
            venues=self.venues,
        )

    def bounds(self, **fields: Any) -> Bounds:
        whole = Bounds(deadline_s=self.twin.chain.timestamp_s() + 3_000, max_gas_wei=10**18, slippage_bps=30)
        return replace(whole, **fields)

    def intent(self, stage: Stage, bounds: Bounds, *, cycle_id: int | None = None) -> Intent:
        self.intents += 1
        return Intent(
            id=self.intents,
            cycle_id=self.intents if cycle_id is None else cycle_id,
            stage=stage.kind,
            steps_digest="0" * 64,
            layers=tuple(step.layer for step in stage.steps if isinstance(step, Mint)),
            deadline_s=bounds.deadline_s,
            option=stage.option,
        )

    def run(
        self, stage: Stage, executor: EoaExecutor | DryExecutor | None = None, *, cycle_id: int | None = None
    ) -> StageOutcome:
        bounds = self.bounds()
        intent = self.intent(stage, bounds, cycle_id=cycle_id)
        return (executor or self.live()).execute(stage, bounds, intent, Attempts())

    def place(self, *bands: tuple[LayerKind, int, int, int, int]) -> Stage:
        """Mints: layer, lower and upper ticks from the price, most of the stable token, most of ether."""
        return Stage(kind=StageKind.PLACE, steps=tuple(starmap(self._mint, bands)))

    def _mint(self, layer: LayerKind, lower: int, upper: int, stable: int, ether: int) -> Mint:
        amounts = self.in_order(stable, ether)
        return Mint(
            pool=self.pool.address,
            layer=layer,
            range=TickRange(lower=self.tick + lower, upper=self.tick + upper),
            amount0=amounts[0],
            amount1=amounts[1],
            amount0_min=0,
            amount1_min=0,
        )

    def in_order(self, stable: int, ether: int) -> tuple[int, int]:
        return (stable, ether) if self.pool.token0 == self.stable else (ether, stable)

    def ladder_stage(self) -> Stage:
        """Core, secondary and two insurance wings."""
        wings = ((2_000, 4_000), (-4_000, -2_000))
        above, below = wings if self.pool.token0 == self.stable else wings[::-1]
        return self.place(
            (LayerKind.CORE, -600, 600, 50_000 * 10**6, 12 * 10**18),
            (LayerKind.SECONDARY, -2_000, 2_000, 40_000 * 10**6, 12 * 10**18),
            (LayerKind.INSURANCE, *above, 10_000 * 10**6, 0),
            (LayerKind.INSURANCE, *below, 0, 2 * 10**18),
        )

    def core_stage(self) -> Stage:
        return self.place((LayerKind.CORE, -600, 600, 20_000 * 10**6, 3 * 10**18))

    def swap(self, *, sell_stable: bool, amount_in: int, amount_out_min: int = 0, limit: int = 0) -> Stage:
        step = Swap(
            pool=self.pool.address,
            zero_for_one=sell_stable == (self.pool.token0 == self.stable),
            amount_in=amount_in,
            amount_out_min=amount_out_min,
            sqrt_price_limit_x96=limit,
        )
        return Stage(kind=StageKind.SWAP, steps=(step,))

    def withdraw(self, *token_ids: int) -> Stage:
        """Everything out of these positions."""
        steps = [
            step
            for token_id in token_ids
            for step in (
                Decrease(token_id=token_id, liquidity=self.liquidity(token_id), amount0_min=0, amount1_min=0),
                Collect(token_id=token_id),
                Burn(token_id=token_id),
            )
        ]
        return Stage(kind=StageKind.WITHDRAW, steps=tuple(steps))

    def liquidity(self, token_id: int) -> int:
        positions = _NPM.function("positions")
        call = {"to": mainnet.POSITION_MANAGER, "input": positions.call_data(token_id)}
        return int(positions.decode(self.twin.chain.rpc.call("eth_call", call, "latest"))[7])

    def holdings(self) -> tuple[int, int, int]:
        """Stable token, wrapped ether, native ether, raw."""
        native = int(self.twin.chain.rpc.call("eth_getBalance", WALLET, "latest"), 16)
        return self.twin.balance_raw(WALLET, self.stable.address), self.twin.balance_raw(WALLET, WETH.address), native

    def nonce(self) -> int:
        return self.twin.chain.nonce(WALLET)

    def allowances(self) -> list[int]:
        """Of both tokens to both contracts."""
        spenders = (mainnet.POSITION_MANAGER, mainnet.SWAP_ROUTER_02)
        return [self.allowance(token, spender) for token in (self.stable, WETH) for spender in spenders]

    def allowance(self, token: Token, spender: str) -> int:
        call = {"to": token.address, "input": _ERC20.function("allowance").call_data(WALLET, spender)}
        return int(self.twin.chain.rpc.call("eth_call", call, "latest"), 16)


def mirrored(twin: Twin) -> Scene:
    """The pair in the other order: ether first, the stable token (which takes no permit here) second."""
    return Scene(twin, WETH_USDT_500)

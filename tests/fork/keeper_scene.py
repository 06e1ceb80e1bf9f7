"""A whole keeper on the twin: a priced and crowded pool, a funded wallet, and a referee who asks the contracts alone.

The keeper is wired by the bootstrap from the shipped mainnet configuration; time passes only when a block is mined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keeper.adapters.evm.abi import Function, contract
from keeper.adapters.evm.rpc import Call
from keeper.adapters.store.reader import open_reader
from keeper.adapters.tx import keystore
from keeper.adapters.tx.signer import decode_transaction
from keeper.app.bootstrap import Keeper, build
from keeper.app.settings.load import load
from keeper.app.settings.schema import Settings
from keeper.core.model.decision import Decision
from keeper.core.model.plan import Bounds, Stage, StageKind, StageOutcome
from keeper.core.model.policy import Policy
from keeper.core.model.record import Attempt, CycleRecord, CycleState, Intent
from keeper.core.model.view import MarketView, SignalReading
from keeper.core.strategy.decide import exit_decision
from keeper.core.v3math.swap_kind import SwapRequest
from keeper.core.v3math.units import MAX_INT256
from keeper.engine.cycle import run_cycle
from keeper.localchain import mainnet
from keeper.localchain.accounts import DEVELOPER_ACCOUNTS
from keeper.localchain.chain import LocalTx
from keeper.localchain.market import MarketDesk
from keeper.localchain.pools import USDC_WETH_500, USDC_WETH_3000, WETH_USDT_500, EthPool, open_pools
from keeper.localchain.twin import Twin
from keeper.ports.executor import AttemptLog
from tests.fakes.executor_scene import Telling

OWNER = DEVELOPER_ACCOUNTS[1]
PRICE_USD = 4_000.0
EACH_USD = 125_000
"""Of each token at the start."""
GAS_ETH = 1
BASE_FEE_WEI = 10**9
BLOCK_S = 12
POSITIONS = 4
"""Of a ladder: core, secondary, two wings."""
QUARTER_S = 900
STEP = 0.0028
"""Log return of a quarter of an hour in which the market goes by about half of its yearly size: a calm to normal market."""
QUIET_STEP = 0.001
"""Likewise, of a market so calm that a drift of three times as much soon leaves the core behind."""
QUIET_DRIFT = 0.003
PATTERN = (1, 1, -1, 1, -1, -1, 1, -1, -1, 1)
HISTORY_QUARTERS = 30

_NPM = contract("NonfungiblePositionManager")
_ERC20 = contract("ERC20")
_SPENDERS = (mainnet.POSITION_MANAGER, mainnet.SWAP_ROUTER_02)
_EVERYTHING = 2**128 - 1


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A shipped pool file and what stands behind it on the twin."""

    name: str
    """Of the file in config/pools."""
    pools: tuple[EthPool, ...]
    """The one whose prices are measured first."""
    stable: str
    chain: str = "mainnet"
    """Of the file in config/chains."""
    weth: str = mainnet.WETH


USDC_PAIR = Pair(name="usdc_weth_500", pools=(USDC_WETH_500,), stable=mainnet.USDC)
USDT_PAIR = Pair(name="weth_usdt_500", pools=(WETH_USDT_500,), stable=mainnet.USDT)
TWO_POOLS = Pair(name="usdc_weth_500_3000", pools=(USDC_WETH_500, USDC_WETH_3000), stable=mainnet.USDC)


class BlockClock:
    """Waiting mines a block; what is done before it is up to the test."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.before: Callable[[], object] = lambda: None
        self.base_fee_wei = BASE_FEE_WEI
        self.pauses = 0

    def pause(self, seconds: float) -> None:  # ruff: ignore[unused-method-argument] - a block is what passes
        self.pauses += 1
        self.before()
        self.twin.chain.mine(base_fee_wei=self.base_fee_wei)

    def monotonic_s(self) -> float:
        return float(self.twin.chain.timestamp_s())


@dataclass(frozen=True, kw_only=True)
class Held:
    """A position as the position manager tells it, and what its owner could take out now."""

    token_id: int
    lower: int
    upper: int
    fee_pips: int
    liquidity: int
    principal: tuple[int, int]
    """Raw units."""
    fees: tuple[int, int]
    """What is owed beyond it, raw units."""

    @property
    def amounts(self) -> tuple[int, int]:
        """Principal and fees together."""
        return self.principal[0] + self.fees[0], self.principal[1] + self.fees[1]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A transaction as it left the keeper."""

    raw: str
    to: str
    journaled: bool
    """Whether the journal on the disk held it when it left."""


@dataclass
class Scene:
    """The market, the wallet and the referee; made by :func:`opened`."""

    twin: Twin
    pair: Pair
    folder: Path
    desk: MarketDesk | None = None
    usd: float = PRICE_USD
    step: float = STEP
    telling: Telling = field(default_factory=Telling)
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = BlockClock(self.twin)
        self.wallet = OWNER.address

    # --- the market

    def go_to(self, usd: float, *, after_s: int = BLOCK_S) -> None:
        """Swap every pool to a price, in a block so many seconds after the last one."""
        assert self.desk is not None
        txs = [self._swap_to(pool, usd) for pool in self.pair.pools]
        at_s = self.twin.chain.timestamp_s() + after_s
        self.twin.chain.mine(txs, timestamp_s=at_s, base_fee_wei=BASE_FEE_WEI)
        self.usd = usd

    def _swap_to(self, pool: EthPool, usd: float) -> LocalTx:
        assert self.desk is not None
        (now,) = self.desk.read(pool.address)
        limit = pool.sqrt_price_x96(usd)
        request = SwapRequest(zero_for_one=limit < now.sqrt_price_x96, amount_specified=MAX_INT256, sqrt_price_limit_x96=limit)
        return self.desk.swap(pool.address, request)

    def quarters(self, count: int, *, drift: float = 0.0) -> None:
        """Quarters of an hour with a swap each, up and down, and ``drift`` of log price in each."""
        for place in range(count):
            self.go_to(self.usd * math.exp(drift + self.step * PATTERN[place % len(PATTERN)]), after_s=QUARTER_S)

    def wait(self, seconds: int) -> None:
        """Nothing happens for so long."""
        self.twin.chain.mine(timestamp_s=self.twin.chain.timestamp_s() + seconds, base_fee_wei=BASE_FEE_WEI)

    # --- the keeper

    def settings(self, *, pair: str | None = None, **values: object) -> Settings:
        """The shipped configuration with a node, a key and a folder; ``values`` by dotted path with __ for the dots."""
        flags = _dotted({"use__chain": self.pair.chain} | values)
        return load(config=self._file(), pool=pair or self.pair.name, flags=flags, environ={}).settings

    def _file(self) -> Path:
        passphrase, key = self.folder / "passphrase", self.folder / "key.json"
        if not key.exists():
            passphrase.touch(mode=0o600)
            passphrase.write_text("of a test", encoding="utf-8")
            keystore.create(key, OWNER.key, "of a test", scrypt_rounds=2)
        config = self.folder / "keeper.toml"
        config.write_text(
            f'[rpc]\nurl = "{self.twin.rpc_url}"\n[wallet]\nkeystore = "{key}"\npassphrase_file = "{passphrase}"\n'
            f'[run]\nlive = true\nstate_dir = "{self.folder / "state"}"\n',
            encoding="utf-8",
        )
        return config

    @contextmanager
    def keeper(self, *, live: bool = True, settings: Settings | None = None, **values: object) -> Generator[Keeper]:
        """A keeper as the bootstrap wires it, let go of afterwards: a second one is a restart."""
        settings = settings or self.settings(**values)
        with build(settings, live=live, telemetry=self.telling, clock=self.clock) as keeper:
            self._watch(keeper)
            yield keeper

    def _watch(self, keeper: Keeper) -> None:
        """Note every transaction that leaves, and whether the journal held it before, on the disk and with an open intent."""
        send = keeper.rpc.send
        path = keeper.settings.journal_path

        def noted(method: str, *params: Any) -> Any:
            with open_reader(path) as reader:
                known = {attempt.raw for _, attempts in reader.open_intents() for attempt in attempts}
            (raw,) = params
            self.sent.append(Sent(raw=raw, to=decode_transaction(raw).to, journaled=raw in known))
            return send(method, *params)

        keeper.rpc.send = noted  # type: ignore[method-assign]

    # --- the referee

    def held(self) -> tuple[Held, ...]:
        """Every position token of the wallet."""
        manager = mainnet.POSITION_MANAGER
        ((count,),) = self._asked([(manager, "balanceOf", (self.wallet,))])
        ids = [row[0] for row in self._asked([(manager, "tokenOfOwnerByIndex", (self.wallet, n)) for n in range(count)])]
        rows = self._asked([(manager, "positions", (token_id,)) for token_id in ids])
        questions = []
        for token_id, row in zip(ids, rows, strict=True):
            if row[7]:
                questions.append((manager, "decreaseLiquidity", ((token_id, row[7], 0, 0, 2**40),)))
            questions.append((manager, "collect", ((token_id, self.wallet, _EVERYTHING, _EVERYTHING),)))
        answers = iter(self._asked(questions))
        return tuple(_position(token_id, row, answers) for token_id, row in zip(ids, rows, strict=True))

    def live_ids(self) -> set[int]:
        """Positions with liquidity."""
        return {one.token_id for one in self.held() if one.liquidity}

    def purse(self) -> tuple[int, int, int]:
        """Stable token, wrapped ether and native ether of the wallet, raw units."""
        native = int(self.twin.chain.rpc.call("eth_getBalance", self.wallet, "latest"), 16)
        tokens = (self.twin.balance_raw(self.wallet, token) for token in (self.pair.stable, self.pair.weth))
        return (*tokens, native)

    def wealth(self) -> float:
        """Everything that is ours, in dollars at the market's price."""
        stable, wrapped, native = self.purse()
        pool = self.pair.pools[0]
        total = stable / 10**6 + (wrapped + native) / 10**18 * self.usd
        return total + sum(pool.usd_of(*one.amounts, self.usd) for one in self.held())

    def leftovers(self) -> list[int]:
        """What position manager and router hold of anything, and what they may take from the wallet: all zero."""
        natives = [("eth_getBalance", [spender, "latest"]) for spender in _SPENDERS]
        pairs = [(token, spender) for token in (self.pair.stable, self.pair.weth) for spender in _SPENDERS]
        balances = [self._call(token, "balanceOf", spender) for token, spender in pairs]
        allowances = [self._call(token, "allowance", self.wallet, spender) for token, spender in pairs]
        return [int(reply, 16) for reply in self.twin.chain.rpc.batch([*natives, *balances, *allowances])]

    @property
    def nonce(self) -> int:
        """Transactions of the wallet so far."""
        return self.twin.chain.nonce(self.wallet)

    def _asked(self, questions: Sequence[tuple[str, str, tuple[object, ...]]]) -> list[Any]:
        replies = self.twin.chain.rpc.batch([self._call(to, name, *arguments) for to, name, arguments in questions])
        return [_function(to, name).decode(reply) for (to, name, _), reply in zip(questions, replies, strict=True)]

    def _call(self, to: str, name: str, *arguments: object) -> Call:
        data = _function(to, name).call_data(*arguments)
        return "eth_call", [{"from": self.wallet, "to": to, "input": data}, "latest"]


def _function(to: str, name: str) -> Function:
    return (_NPM if to == mainnet.POSITION_MANAGER else _ERC20).function(name)


def _position(token_id: int, row: Sequence[Any], answers: Iterator[tuple[int, int]]) -> Held:
    principal = next(answers) if row[7] else (0, 0)
    return Held(
        token_id=token_id,
        fee_pips=row[4],
        lower=row[5],
        upper=row[6],
        liquidity=row[7],
        principal=principal,
        fees=next(answers),
    )


def opened(
    twin: Twin,
    folder: Path,
    pair: Pair = USDC_PAIR,
    *,
    history: bool = True,
    funds: bool = True,
    step: float = STEP,
) -> Scene:
    """A market of half a day and a wallet of $250,000 and an ether of gas."""
    desk = MarketDesk(twin, pair.pools[0].address)
    open_pools(twin, pair.pools, PRICE_USD, owner=desk.contract)
    scene = Scene(twin=twin, pair=pair, folder=folder, desk=desk, step=step)
    twin.chain.rpc.call("anvil_setBalance", scene.wallet, hex(GAS_ETH * 10**18))
    if funds:
        twin.fund(scene.wallet, pair.stable, EACH_USD * 10**6)
        twin.fund(scene.wallet, pair.weth, int(EACH_USD / PRICE_USD * 10**18))
    if history:
        scene.quarters(HISTORY_QUARTERS)
    return scene


def cycle(keeper: Keeper) -> CycleRecord:
    """One cycle as the daemon runs it."""
    return run_cycle(keeper.ports, keeper.policy)


def leave(keeper: Keeper) -> CycleRecord:
    """One cycle that withdraws everything, as ``keeper exit`` runs it."""

    def decide(view: MarketView, _readings: tuple[SignalReading, ...], _policy: Policy) -> Decision:
        return exit_decision(view)

    return run_cycle(keeper.ports, keeper.policy, decide)


def opens_one_ladder(scene: Scene, keeper: Keeper) -> None:
    """From here on everything is well: within two cycles there is a ladder, and then it is left alone."""
    records = []
    for _ in range(3):
        records.append(cycle(keeper))
        scene.wait(12)
    assert records[-1].state is CycleState.HELD
    assert len(scene.held()) == len(scene.live_ids()) == POSITIONS
    assert set(keeper.journal.layer_tokens()) >= scene.live_ids()
    assert keeper.journal.open_intents() == ()
    assert keeper.journal.verify() == ()
    assert not any(scene.leftovers())
    assert all(one.journaled for one in scene.sent)


class Between:
    """A keeper's executor, before whose stage of one kind something happens; keeps the stages as they came."""

    def __init__(self, keeper: Keeper, kind: StageKind, happens: Callable[[], object]) -> None:
        self._inner = keeper.ports.executor
        self._kind = kind
        self._happens = happens
        self.stages: list[Stage] = []

    def execute(self, stage: Stage, bounds: Bounds, intent: Intent, log: AttemptLog) -> StageOutcome:
        if stage.kind is self._kind:
            self._happens()
        self.stages.append(stage)
        return self._inner.execute(stage, bounds, intent, log)

    def settle(self, intent: Intent, attempts: Sequence[Attempt], log: AttemptLog) -> StageOutcome:
        return self._inner.settle(intent, attempts, log)


def _dotted(values: Mapping[str, object]) -> dict[str, object]:
    return {name.replace("__", "."): value for name, value in values.items()}

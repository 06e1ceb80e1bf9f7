"""A paper keeper on the twin, beside a made-up market; the referee asks the contracts alone."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from keeper.adapters.evm import checked
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.history.state_download import whole_pool
from keeper.app.bootstrap import Keeper
from keeper.app.paper import build_paper
from keeper.app.settings.load import load
from keeper.app.settings.schema import Settings
from keeper.core.model.ladder import Position
from keeper.core.v3math.pool_snapshot import PoolSnapshot
from keeper.localchain import mainnet
from keeper.localchain.market import _TRADER, MarketDesk
from keeper.localchain.pools import USDC_WETH_500
from keeper.localchain.synthetic import MarketPlan, SyntheticMarket
from keeper.localchain.twin import Twin
from keeper.simulation.paper_book import PaperBook
from keeper.simulation.paper_desk import PaperDesk
from tests.fakes.executor_scene import Telling

POOL = USDC_WETH_500.address
NO_LUCK = {"backtest__failure_rate": "0"}
"""Settings with which every stage is carried out."""


class MarketClock:
    """Waiting lets the market trade on, a block at least."""

    def __init__(self, scene: PaperScene) -> None:
        self._scene = scene

    def pause(self, seconds: float) -> None:  # ruff: ignore[unused-method-argument] - a block is what passes
        self._scene.trade(1)

    def monotonic_s(self) -> float:
        return float(self._scene.twin.chain.timestamp_s())


@dataclass
class PaperScene:
    """A market that trades, and a folder for one keeper."""

    twin: Twin
    folder: Path
    market: SyntheticMarket
    telling: Telling = field(default_factory=Telling)
    blocks: int = 0

    def trade(self, blocks: int) -> None:
        """So many blocks in which somebody trades or provides."""
        for _ in range(blocks):
            assert self.market.step() is not None
            self.blocks += 1

    def provide(self, *positions: Position) -> None:
        """Somebody else mints just these, in a block of its own."""
        desk = self.market._desk
        txs = [desk.liquidity(POOL, one.range.lower, one.range.upper, one.liquidity) for one in positions]
        report, _ = desk.mine(txs, timestamp_s=0, base_fee_wei=10**9, progress=0.0)
        assert not report.refused

    def reorganise(self, depth: int) -> None:
        """Empty blocks in the place of the newest ``depth``; then somebody trades."""
        self.twin.chain.rpc.call("anvil_reorg", depth, [])
        self.market._desk._nonce = self.twin.chain.nonce(_TRADER)
        self.trade(1)

    def settings(self, **values: object) -> Settings:
        """The shipped configuration with a node and a folder, and nobody's account."""
        flags = {name.replace("__", "."): value for name, value in ({"signals__min_history_s": 600} | values).items()}
        config = self.folder / "keeper.toml"
        config.parent.mkdir(exist_ok=True)
        config.write_text(
            f'[rpc]\nurl = "{self.twin.rpc_url}"\n[run]\nstate_dir = "{self.folder / "state"}"\n', encoding="utf-8"
        )
        return load(config=config, pool="usdc_weth_500", flags=flags, environ={}).settings

    @contextmanager
    def keeper(self, **values: object) -> Generator[Keeper]:
        """A paper keeper, let go of afterwards: a second one is a restart."""
        with build_paper(self.settings(**values), telemetry=self.telling, clock=MarketClock(self)) as keeper:
            yield keeper


def market_opened(twin: Twin, folder: Path, *, days: float = 0.5, trades: int = 100) -> PaperScene:
    """A market that has traded for a while."""
    twin.chain.set_automine(False)
    market = SyntheticMarket(MarketDesk(twin, POOL), MarketPlan(seed=1, days=days, pools=(USDC_WETH_500,)))
    scene = PaperScene(twin=twin, folder=folder, market=market)
    scene.trade(trades)
    return scene


def desk_of(keeper: Keeper) -> PaperDesk:
    return keeper.ports.executor._desk  # type: ignore[attr-defined]


def book_of(keeper: Keeper) -> PaperBook:
    return desk_of(keeper).book


def shadow(keeper: Keeper) -> PoolSnapshot:
    """The pool as the book believes that the chain has it."""
    return book_of(keeper).market._shadows[POOL].pool.snapshot()


def truth(twin: Twin) -> PoolSnapshot:
    """The pool as the contract has it at the newest block, read tick by tick; observations are not the exact pool's."""
    with closing(Rpc(twin.rpc_url)) as rpc:
        newest = checked.block(rpc.call("eth_getBlockByNumber", "latest", False), "newest block")
        return replace(whole_pool(rpc, mainnet.MULTICALL3, POOL, newest).pool, observations=None)

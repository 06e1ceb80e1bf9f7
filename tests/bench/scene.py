"""The twin with a priced pool, a trader, and a wallet that holds any number of positions."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.adapters.amm.uniswap_v3 import UniswapV3Source, VenueAddresses
from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.block_reads import FeedReads, ReserveReads
from keeper.adapters.evm.rpc import Rpc
from keeper.core.model.ladder import TickRange
from keeper.core.model.pool import PoolKey
from keeper.core.model.token import Token
from keeper.core.v3math.tick_math import get_sqrt_ratio_at_tick
from keeper.localchain import mainnet
from keeper.localchain.chain import LocalTx
from keeper.localchain.twin import Twin
from keeper.ports.prices import QuoteSource
from tests.pairs import TICK, USDC_WETH_500

ADDRESSES = VenueAddresses(
    factory=mainnet.FACTORY,
    position_manager=mainnet.POSITION_MANAGER,
    multicall=mainnet.MULTICALL3,
    tick_lens=mainnet.TICK_LENS,
)
EVERYTHING = 2**256 - 1
FAR_DEADLINE_S = 2**40
MINTS_A_BLOCK = 50
TWAP_WINDOW_S = 60

MANAGER = contract("NonfungiblePositionManager")
ROUTER = contract("SwapRouter02")
ERC20 = contract("ERC20")


def much_of(token: Token) -> int:
    """About $100,000 to $400,000 of a dollar of 6 decimals or an ether, raw units."""
    return 10**11 if token.decimals == 6 else 10**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One pool of the twin with a crowd's liquidity in it; ``trader`` may swap, ``wallet`` may mint."""

    twin: Twin
    key: PoolKey
    wallet: str
    trader: str

    def mint(
        self,
        ranges: list[TickRange],
        *,
        owner: str | None = None,
        recipient: str | None = None,
        raw0: int = 10**9,
        raw1: int = 10**18,
    ) -> list[int]:
        """Open positions of at most these amounts, paid by ``owner``; returns their tokens."""
        owner = owner or self.wallet
        minted: list[int] = []
        for start in range(0, len(ranges), MINTS_A_BLOCK):
            txs = [
                self._mint_tx(bounds, owner, (raw0, raw1, 0, 0, recipient or owner))
                for bounds in ranges[start : start + MINTS_A_BLOCK]
            ]
            for receipt in self.twin.chain.mine_all_succeed(txs).receipts:
                minted += [
                    MANAGER.event("IncreaseLiquidity").decode(log)["tokenId"]
                    for log in receipt["logs"]
                    if MANAGER.event("IncreaseLiquidity").is_in(log)
                ]
        return minted

    def _mint_tx(self, bounds: TickRange, owner: str, amounts: tuple[object, ...]) -> LocalTx:
        tokens = (self.key.token0.address, self.key.token1.address, self.key.fee_pips)
        data = MANAGER.function("mint").call_data((*tokens, bounds.lower, bounds.upper, *amounts, FAR_DEADLINE_S))
        return LocalTx(sender=owner, to=mainnet.POSITION_MANAGER, data=data, gas=700_000)

    def manage(self, function: str, *arguments: object, owner: str | None = None) -> None:
        """Call the position manager."""
        data = MANAGER.function(function).call_data(*arguments)
        tx = LocalTx(sender=owner or self.wallet, to=mainnet.POSITION_MANAGER, data=data, gas=700_000)
        self.twin.chain.mine_all_succeed([tx])

    def swap(self, *raw_ins: tuple[bool, int], at_s: int | None = None) -> None:
        """Sell exact amounts (zero for one or not, raw), all in one block, of that time if one is given."""
        txs = [self._swap_tx(zero_for_one=way, raw_in=raw) for way, raw in raw_ins]
        self.twin.chain.mine_all_succeed(txs, timestamp_s=at_s)

    def _swap_tx(self, *, zero_for_one: bool, raw_in: int) -> LocalTx:
        tokens = (self.key.token0.address, self.key.token1.address)
        way = tokens if zero_for_one else tokens[::-1]
        data = ROUTER.function("exactInputSingle").call_data((*way, self.key.fee_pips, self.trader, raw_in, 0, 0))
        return LocalTx(sender=self.trader, to=mainnet.SWAP_ROUTER_02, data=data, gas=3_000_000)

    def remember(self, blocks: int) -> None:
        """Trade in so many blocks, after making room for more observations than that."""
        data = contract("UniswapV3Pool").function("increaseObservationCardinalityNext").call_data(3 * blocks)
        self.twin.chain.mine_all_succeed([LocalTx(sender=self.trader, to=self.key.address, data=data)])
        for _ in range(blocks):
            self.swap((True, 10**9), (False, 10**17))

    def source(
        self,
        rpc: Rpc,
        *,
        pools: tuple[PoolKey, ...] = (),
        lookback_s: int = 86_400,
        universe: tuple[PoolKey, ...] = (),
        reserves: ReserveReads | None = None,
        feeds: FeedReads | None = None,
        off_chain: QuoteSource | None = None,
    ) -> UniswapV3Source:
        """A source for the wallet."""
        return UniswapV3Source(
            rpc,
            ADDRESSES,
            wallet=self.wallet,
            pools=pools or (self.key,),
            chain_id=1,
            signal_pool=self.key.address,
            twap_window_s=TWAP_WINDOW_S,
            lookback_s=lookback_s,
            universe=universe,
            reserves=reserves,
            feeds=feeds,
            off_chain=off_chain,
        )


def opened(twin: Twin, key: PoolKey = USDC_WETH_500, *, tick: int = TICK) -> Scene:
    """The scene on a twin whose pool has no price yet."""
    wallet, trader, crowd = (twin.accounts[place].address for place in (1, 2, 3))
    twin.initialize(key.address, get_sqrt_ratio_at_tick(tick))
    approvals = []
    for account in (wallet, trader, crowd):
        for token in (key.token0, key.token1):
            twin.fund(account, token.address, 10 ** (token.decimals + 6))
            for spender in (mainnet.POSITION_MANAGER, mainnet.SWAP_ROUTER_02):
                data = ERC20.function("approve").call_data(spender, EVERYTHING)
                approvals.append(LocalTx(sender=account, to=token.address, data=data, gas=100_000))
    twin.chain.mine_all_succeed(approvals)
    scene = Scene(twin=twin, key=key, wallet=wallet, trader=trader)
    at = tick // key.tick_spacing * key.tick_spacing
    wide = [TickRange(lower=at - half * key.tick_spacing, upper=at + half * key.tick_spacing) for half in (20, 150, 2_000)]
    scene.mint(wide, owner=crowd, raw0=much_of(key.token0), raw1=much_of(key.token1))
    return scene


def rungs(key: PoolKey, count: int, *, tick: int = TICK) -> list[TickRange]:
    """``count`` different ranges around ``tick``, within a thousand ticks of it at spacing 10."""
    at = tick // key.tick_spacing * key.tick_spacing
    return [
        TickRange(lower=at - (1 + i % 10 + i // 10) * key.tick_spacing, upper=at + (1 + i % 10) * key.tick_spacing)
        for i in range(count)
    ]

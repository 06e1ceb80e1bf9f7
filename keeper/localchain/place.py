"""Chains that the sandbox and the demo can stand for: which twin, which addresses by which names, and who is given what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from keeper.core.model.errors import ConfigError
from keeper.localchain import aave, arbitrum, chainlink, gamma, herge, mainnet
from keeper.localchain.anvil import MAINNET_CHAIN_ID, AnvilOptions
from keeper.localchain.chainlink import LocalFeed
from keeper.localchain.herge_market import sell_herge
from keeper.localchain.lending import lend
from keeper.localchain.pools import ARBITRUM_WETH_USDC_E_500, USDC_WETH_500, USDC_WETH_3000, WETH_USDT_500, EthPool
from keeper.localchain.put_market import SHIPPED_ROW, sell_opyn
from keeper.localchain.recipe import Recipe
from keeper.localchain.selling import Sale
from keeper.localchain.twin import Twin

_UNISWAP = {
    "factory": mainnet.FACTORY,
    "position_manager": mainnet.POSITION_MANAGER,
    "swap_router_02": mainnet.SWAP_ROUTER_02,
    "quoter_v2": mainnet.QUOTER_V2,
    "tick_lens": mainnet.TICK_LENS,
    "multicall3": mainnet.MULTICALL3,
}
_UP_S = 86_400
"""How long the sequencer has worked when the twin begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A chain, as far as its twin has it."""

    name: str
    """Of its file in config/chains."""
    recipe: Recipe
    chain_id: int
    first_block: int
    """Number of the block that its twin begins with."""
    blocks_a_slot: int
    """Blocks that it makes in the time of a market's one."""
    base_fees: float
    """Base fees, times those of mainnet's weather."""
    dollars: str
    """Address of the token in which its main pool prices ether."""
    pools: Mapping[str, EthPool]
    """Name for people -> pool, the main one first."""
    tokens: Mapping[str, str]
    contracts: Mapping[str, str]
    """Whatever else stands there for everybody."""
    venue: Mapping[str, str]
    """What stands there besides where puts are for sale."""
    put_feeds: Callable[[Twin, float], LocalFeed]
    """Puts Chainlink's feeds there, that of ether with a first answer in dollars (some blocks); tells which that is."""
    surround: Callable[[Twin, LocalFeed], None]
    """Puts there what else a keeper of the sandbox looks at."""
    sale: Sale
    """Of puts that fit the shipped tiers."""
    always_sells: bool
    """Whether a sandbox of it has puts for sale unasked."""
    wallet: Mapping[str, int]
    """Token -> what the sandbox' first account is given of it, raw units."""

    @property
    def pool(self) -> EthPool:
        """The main one."""
        return next(iter(self.pools.values()))

    def node(self, *, port: int) -> AnvilOptions:
        """How its twin's node is started, on ``port`` of the loopback interface (0: any free one)."""
        return AnvilOptions(port=port, chain_id=self.chain_id, first_block=self.first_block)


def _mainnet_feeds(twin: Twin, usd: float) -> LocalFeed:
    return chainlink.put_feed(twin, chainlink.ETH_USD, usd)


def _arbitrum_feeds(twin: Twin, usd: float) -> LocalFeed:
    chainlink.put_sequencer(twin, arbitrum.SEQUENCER, twin.chain.timestamp_s() - _UP_S)
    return chainlink.put_feed(twin, arbitrum.ETH_USD, usd)


def _nothing_else(twin: Twin, feed: LocalFeed) -> None:
    """The shipped configuration looks at nothing else there."""


MAINNET = Place(
    name="mainnet",
    recipe=mainnet.MAINNET,
    chain_id=MAINNET_CHAIN_ID,
    first_block=0,
    blocks_a_slot=1,
    base_fees=1.0,
    dollars=mainnet.USDC,
    pools={"USDC/WETH 0.05 %": USDC_WETH_500, "USDC/WETH 0.3 %": USDC_WETH_3000, "WETH/USDT 0.05 %": WETH_USDT_500},
    tokens={"USDC": mainnet.USDC, "USDT": mainnet.USDT, "WETH": mainnet.WETH},
    contracts={**_UNISWAP, "aave_v3_pool": aave.POOL, "chainlink_eth_usd": chainlink.ETH_USD},
    venue={
        "opyn_address_book": gamma.ADDRESS_BOOK,
        "opyn_controller": gamma.CONTROLLER,
        "opyn_otoken_factory": gamma.OTOKEN_FACTORY,
        "opyn_oracle": gamma.ORACLE,
    },
    put_feeds=_mainnet_feeds,
    surround=lend,
    sale=partial(sell_opyn, SHIPPED_ROW),
    always_sells=False,
    wallet={mainnet.USDC: 500_000 * 10**6, mainnet.USDT: 500_000 * 10**6, mainnet.WETH: 120 * 10**18},
)
ARBITRUM = Place(
    name="arbitrum",
    recipe=arbitrum.ARBITRUM,
    chain_id=arbitrum.CHAIN_ID,
    first_block=arbitrum.FIRST_BLOCK,
    blocks_a_slot=arbitrum.BLOCKS_A_SLOT,
    base_fees=arbitrum.BASE_FEES,
    dollars=arbitrum.USDC_E,
    pools={"WETH/USDC.e 0.05 %": ARBITRUM_WETH_USDC_E_500},
    tokens={"WETH": arbitrum.WETH, "USDC.e": arbitrum.USDC_E},
    contracts={
        **_UNISWAP,
        "arb_gas_info": arbitrum.GAS_INFO,
        "chainlink_eth_usd": arbitrum.ETH_USD,
        "chainlink_sequencer": arbitrum.SEQUENCER,
    },
    venue={
        "hegic_treasury": herge.TREASURY,
        "hegic_positions": herge.POSITIONS,
        "hegic_cover_pool": herge.COVER_POOL,
    },
    put_feeds=_arbitrum_feeds,
    surround=_nothing_else,
    sale=sell_herge,
    always_sells=True,
    wallet={arbitrum.USDC_E: 500_000 * 10**6, arbitrum.WETH: 120 * 10**18},
)
_PLACES = {place.name: place for place in (MAINNET, ARBITRUM)}


def place_named(name: str | None) -> Place:
    """The place of that name, mainnet when none is given.

    Raises:
        ConfigError: there is no twin of it.
    """
    if name is None:
        return MAINNET
    if name not in _PLACES:
        raise ConfigError([f"--chain: {name!r}: the local chain stands for {' or '.join(_PLACES)}"])
    return _PLACES[name]

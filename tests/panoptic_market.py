"""Panoptic's pool over mainnet's 0.05 % pool as tests know it: ten ether of puts around 2,852.65 dollars."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from keeper.adapters.options.panoptic_chunks import Chunk
from keeper.adapters.options.panoptic_terms import PanopticMarket, PanopticRules
from keeper.core.model.option import HedgeWant, OptionKind, OptionMarket
from keeper.core.model.token import TokenAmount
from keeper.localchain.mainnet import MULTICALL3
from keeper.localchain.panoptic import FACTORY, POOL_ID, RISK_ENGINE
from tests.pairs import USDC, USDC_WETH_500, WETH

ETHER = 10**18
DOLLAR = 10**6
MARKET = PanopticMarket(
    chain_id=1,
    multicall=MULTICALL3,
    factory=FACTORY,
    risk_engine=RISK_ENGINE,
    uniswap=USDC_WETH_500,
    base=WETH,
    first_block=0,
)
RULES = PanopticRules(dust_base_raw=10**16, dust_quote_raw=25 * DOLLAR)
PUT = Chunk(token_type=0, lower=196_640, upper=196_880)
"""Of the facts: centre 196,760, which is 2,852.65 dollars, 24 spacings wide."""
CALL = Chunk(token_type=1, lower=193_640, upper=193_880)
"""From 3,806 to 3,899 dollars."""
LIQUIDITY = 44_510_488_894_988_719
"""Of ten ether in the put's range."""
PUT_ID = 0x018_030098_103_000A0888E6A0C2DD
"""By hand. Width 24 is 018; strike 196,760 is 030098; 1 for long, 0 for partner and token type, 03 for ratio 1 and asset 1;
then the pool's id."""
PUT_TWICE_ID = 0x018_030098_105_000A0888E6A0C2DD
"""The same at ratio 2."""
assert POOL_ID == 0x000A0888E6A0C2DD


def view(price: Decimal = Decimal(3_000), **fields: Any) -> OptionMarket:
    whole = {"base": WETH, "quote": USDC, "price": price, "now_s": 0, "block": 0, "reference_volatility": None}
    return OptionMarket(**(whole | fields))


def want(size_raw: int = 10 * ETHER, **fields: Any) -> HedgeWant:
    whole = {
        "kinds": (OptionKind.PUT, OptionKind.CALL),
        "strike_from": Decimal(1_000),
        "strike_to": Decimal(9_000),
        "expiry_from_s": 0,
        "expiry_to_s": 1,
        "size": TokenAmount(token=WETH, raw=size_raw),
    }
    return HedgeWant(**(whole | fields))

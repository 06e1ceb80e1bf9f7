"""A venue that only plans, and its contract on the local chain."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from keeper.adapters.evm.abi import Contract
from keeper.core.model.errors import Refused
from keeper.core.model.option import CloseHow, OptionPosition, OptionQuote, PositionState
from keeper.core.model.token import Token, TokenAmount
from keeper.localchain.chain import LocalTx
from keeper.ports.options import Allowance, NotYet, VenueCall, VenuePlan
from tests.fakes.executor_scene import OTHER, Scene
from tests.options import SHOP
from tests.pairs import WALLET, WETH

SHOP_AT = "0x0000000000000000000000000000000000050405"


def _function(name: str, *types: str) -> dict[str, object]:
    return {"type": "function", "name": name, "inputs": [{"name": kind, "type": kind} for kind in types], "outputs": []}


_SHOP = Contract(
    "Shop",
    [
        _function("charge", "address", "uint256"),
        _function("pay", "address", "uint256"),
        _function("set_surcharge", "address", "uint256"),
        _function("close"),
    ],
)


def charge(paid: TokenAmount, allowed_raw: int) -> VenueCall:
    """Take ``paid`` where ``allowed_raw`` may be taken."""
    return VenueCall(
        to=SHOP_AT,
        value_wei=0,
        data=_SHOP.function("charge").call_data(paid.token.address, paid.raw),
        label=f"charge {paid.token.symbol}",
        allowances=(Allowance(token=paid.token, spender=SHOP_AT, amount=allowed_raw),),
    )


class Shop:
    """Collateral is deposited token by token, the premium paid last; an exit pays what can be claimed."""

    name = SHOP

    def plan_open(self, quote: OptionQuote, max_cost: TokenAmount) -> VenuePlan:
        if quote.cost.raw > max_cost.raw:
            raise Refused("it costs more")
        deposits = [charge(one, one.raw) for one in quote.collateral]
        return VenuePlan(calls=(*deposits, charge(quote.cost, max_cost.raw)))

    def plan_close(self, position: OptionPosition, how: CloseHow, min_out: TokenAmount) -> VenuePlan | NotYet:
        if position.state is PositionState.AWAITING_PRICE:
            return NotYet(why="the price is not final", not_before_s=None)
        if how is not CloseHow.EXERCISE or position.claimable.raw < min_out.raw:
            raise Refused(f"cannot {how} that")
        claimed = position.claimable
        data = _SHOP.function("pay").call_data(claimed.token.address, claimed.raw)
        return VenuePlan(calls=(VenueCall(to=SHOP_AT, value_wei=0, data=data, label="exercise"),))


class OpenShop:
    """The shop on a scene's chain, with tokens to pay out, and ether of the wallet's wrapped.

    Args:
        scene: whose executors may buy there.
        found: whether the contract stands there already.
    """

    def __init__(self, scene: Scene, *, found: bool = False) -> None:
        self.scene = scene
        scene.venues = {SHOP: Shop()}
        if found:
            return
        scene.twin.chain.rpc.call("anvil_setCode", SHOP_AT, _runtime_code())
        for address in (SHOP_AT, WALLET):
            scene.twin.fund(address, WETH.address, 50 * 10**18)
        scene.twin.fund(SHOP_AT, scene.stable.address, 100_000 * 10**6)

    def raise_price(self, token: Token, surcharge_raw: int) -> None:
        self._order(_SHOP.function("set_surcharge").call_data(token.address, surcharge_raw))

    def close(self) -> None:
        self._order(_SHOP.function("close").call_data())

    def _order(self, data: str) -> None:
        self.scene.twin.chain.mine_all_succeed([LocalTx(sender=OTHER, to=SHOP_AT, data=data)])

    def held(self, token: Token) -> int:
        return self.scene.twin.balance_raw(SHOP_AT, token.address)

    def allowances(self) -> list[int]:
        """Of both tokens to the shop, and to the contracts of the house."""
        return [*(self.scene.allowance(token, SHOP_AT) for token in (self.scene.stable, WETH)), *self.scene.allowances()]


@cache
def _runtime_code() -> str:
    source = Path(__file__).with_name("option_shop.vy")
    command = [sys.executable, "-m", "vyper", "-f", "bytecode_runtime", str(source)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

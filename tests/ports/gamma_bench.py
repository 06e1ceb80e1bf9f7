"""Opyn's adapter on the double of Gamma, a real pool and real AirSwap, on the mainnet twin."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import revert_reason
from keeper.adapters.evm.rpc import Rpc, RpcRefused
from keeper.adapters.options.airswap import OrderBook
from keeper.adapters.options.opyn import Opyn
from keeper.adapters.options.opyn_rules import OpynRules
from keeper.core.model.option import CloseHow, HedgeWant, OptionKind, OptionMarket
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import Token, TokenAmount
from keeper.localchain import gamma, mainnet, otoken_market
from keeper.localchain.accounts import DEVELOPER_ACCOUNTS
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalTx, MinedBlock, is_success
from keeper.localchain.chainlink import ETH_USD, put_feed
from keeper.localchain.twin import Twin, running_twin
from keeper.ports.options import Allowance, VenueCall, VenuePlan
from tests.ports.venues import Ability, Impossible, Ran

PRICE = Decimal(4_000)
STRIKE = 3_600.0
PREMIUM_USD = 95.0
DEPTH_E8 = 50 * 10**8
DAYS = 14
OWNER_RAW = 200_000 * 10**6
WETH = Token(address=mainnet.WETH, symbol="WETH", decimals=18)
USDC = Token(address=mainnet.USDC, symbol="USDC", decimals=6)
OWNER = DEVELOPER_ACCOUNTS[1].address
RULES = OpynRules(
    chain_id=1,
    multicall=mainnet.MULTICALL3,
    address_book=gamma.ADDRESS_BOOK,
    factory=mainnet.FACTORY,
    quoter=mainnet.QUOTER_V2,
    router=mainnet.SWAP_ROUTER_02,
    swap_erc20=otoken_market.SWAP_ERC20,
    base=WETH,
    quote=USDC,
    wallet=OWNER,
)
_APPROVE = interface("Token").function("approve")
_ALLOWANCE = interface("Token").function("allowance")
_GAS = 3_000_000


@dataclass
class GammaBench:
    """A put at 3,600 dollars on ether at 4,000, fifty of them in a pool at 95 dollars."""

    local: gamma.LocalGamma
    rpc: Rpc
    otoken: str
    pool: str
    expiry_s: int
    abilities: frozenset[Ability] = frozenset({Ability.SETTLEMENT, Ability.REPRICING})
    early: CloseHow = CloseHow.REDEEM
    late: CloseHow = CloseHow.REDEEM
    price: Decimal = PRICE

    @property
    def owner(self) -> str:
        return OWNER

    @property
    def twin(self) -> Twin:
        return self.local.twin

    @contextmanager
    def restored(self) -> Generator[None]:
        snapshot = self.twin.chain.rpc.call("evm_snapshot")
        self.price = PRICE
        try:
            yield
        finally:
            assert self.twin.chain.rpc.call("evm_revert", snapshot)

    def venue(self, orders: OrderBook | None = None, **change: object) -> Opyn:
        return Opyn(replace(RULES, **change), self.rpc, orders)

    def misconfigured(self) -> Opyn:
        return self.venue(quote=replace(USDC, decimals=18))

    def market(self) -> OptionMarket:
        chain = self.twin.chain
        block = int(chain.rpc.call("eth_blockNumber"), 16)
        return OptionMarket(
            base=WETH, quote=USDC, price=self.price, now_s=chain.timestamp_s(), block=block, reference_volatility=None
        )

    def want(self) -> HedgeWant:
        return HedgeWant(
            kinds=(OptionKind.PUT,),
            strike_from=Decimal(3_000),
            strike_to=Decimal(4_000),
            expiry_from_s=self.expiry_s - 3 * gamma.DAY_S,
            expiry_to_s=self.expiry_s + 3 * gamma.DAY_S,
            size=TokenAmount(token=WETH, raw=2 * 10**18),
        )

    def move_spot(self, factor: Decimal) -> None:
        self.price *= factor
        self.local.feed.set_answer(float(self.price))

    def reprice(self, factor: Decimal) -> None:
        otoken_market.reprice_pool(self.twin, self.pool, self.otoken, float(factor))

    def drain(self) -> None:
        raise Impossible("its owners cannot take collateral; what then does not pay is tested of this venue alone")

    def pause(self) -> None:
        raise Impossible("a pause of the protocol does not stop those who sell; it is tested of this venue alone")

    def go_to(self, time_s: int) -> None:
        if time_s < self.expiry_s:
            self.local.go_to(time_s)
        else:
            self.local.settle(self.expiry_s, float(self.price))

    def run(self, plan: VenuePlan, *, at_s: int | None = None) -> Ran:
        gas, ran = 0, Ran(done=False, reason="no calls", gas=0, made_at_s=0)
        for call in plan.calls:
            gas += sum(self.approved(one, one.amount) for one in call.allowances)
            tx = LocalTx(sender=OWNER, to=call.to, data=call.data, value_wei=call.value_wei, gas=_GAS)
            block = self.twin.chain.mine([tx], timestamp_s=at_s if call is plan.calls[-1] else None)
            gas += int(block.receipts[0]["gasUsed"], 16)
            gas += sum(self.approved(one, 0) for one in call.allowances if self._left(one.token.address, one.spender))
            done = is_success(block.receipts[0])
            ran = Ran(done=done, reason="" if done else self._reason(call, block), gas=gas, made_at_s=block.timestamp_s)
            if not done:
                break
        return ran

    def block(self) -> BlockRef:
        return checked.block(self.rpc.call("eth_getBlockByNumber", "latest", False), "newest block")

    def allowance(self) -> int:
        spenders = mainnet.SWAP_ROUTER_02, otoken_market.SWAP_ERC20, gamma.CONTROLLER, gamma.MARGIN_POOL
        return sum(self._left(token, spender) for token in (mainnet.USDC, self.otoken) for spender in spenders)

    def dollars(self) -> int:
        return self.twin.balance_raw(OWNER, mainnet.USDC)

    def approved(self, allowance: Allowance, amount: int) -> int:
        data = _APPROVE.call_data(allowance.spender, amount)
        block = self.twin.chain.mine_all_succeed([LocalTx(sender=OWNER, to=allowance.token.address, data=data, gas=200_000)])
        return int(block.receipts[0]["gasUsed"], 16)

    def _left(self, token: str, spender: str) -> int:
        call = {"to": token, "input": _ALLOWANCE.call_data(OWNER, spender)}
        return int(self.twin.chain.rpc.call("eth_call", call, "latest"), 16)

    def _reason(self, call: VenueCall, block: MinedBlock) -> str:
        fields = {"from": OWNER, "to": call.to, "data": call.data}
        (outcome,) = self.rpc.batch_outcomes([("eth_call", [fields, hex(block.number)])])
        assert isinstance(outcome, RpcRefused)
        return revert_reason(outcome.data)


@contextmanager
def running_gamma_bench() -> Generator[GammaBench]:
    """A bench on a node of its own."""
    with running_twin() as twin:
        local = gamma.put_gamma(twin, put_feed(twin, ETH_USD, float(PRICE)))
        otoken_market.put_airswap(twin)
        expiry_s = gamma.expiry_after(twin.chain.timestamp_s(), DAYS)
        otoken = local.create_series(STRIKE, expiry_s)
        pool = otoken_market.open_otoken_pool(local, otoken, PREMIUM_USD, DEPTH_E8)
        twin.fund(OWNER, mainnet.USDC, OWNER_RAW)
        rpc = Rpc(twin.rpc_url)
        try:
            yield GammaBench(local=local, rpc=rpc, otoken=otoken, pool=pool, expiry_s=expiry_s)
        finally:
            rpc.close()

"""Hegic's adapter on the double of Herge, on a twin of Arbitrum."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from keeper.adapters.evm.abi import revert_reason
from keeper.adapters.evm.rpc import Rpc, RpcRefused
from keeper.adapters.options.hegic import Hegic
from keeper.adapters.options.hegic_terms import HergeGuards, HergeMarket, HergeStrategy
from keeper.core.model.option import CloseHow, HedgeWant, OptionKind, OptionMarket
from keeper.core.model.token import Token, TokenAmount
from keeper.localchain import arbitrum, herge
from keeper.localchain.anvil import AnvilOptions
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalTx, MinedBlock, is_success
from keeper.localchain.mainnet import MULTICALL3
from keeper.localchain.twin import running_twin
from keeper.ports.options import Allowance, VenueCall, VenuePlan
from tests.ports.venues import Ability, Ran

DAY_S = 86_400
PRICE = Decimal(2_500)
TREASURY_RAW = 50_000 * 10**6
WETH = Token(address=arbitrum.WETH, symbol="WETH", decimals=18)
USDC_E = Token(address=arbitrum.USDC_E, symbol="USDC.e", decimals=6)
MARKET = HergeMarket(
    chain_id=arbitrum.CHAIN_ID,
    multicall=MULTICALL3,
    treasury=herge.TREASURY,
    positions=herge.POSITIONS,
    cover_pool=herge.COVER_POOL,
    feed=arbitrum.ETH_USD,
    base=WETH,
    quote=USDC_E,
    strategies=tuple(
        HergeStrategy(
            address=put.address,
            kind=OptionKind.PUT,
            scale=put.scale,
            min_period_s=put.days[0] * DAY_S,
            max_period_s=put.days[1] * DAY_S,
        )
        for put in herge.PUTS
    ),
    first_block=0,
)
_APPROVE = interface("Token").function("approve")
_ALLOWANCE = interface("Token").function("allowance")


@dataclass
class HergeBench:
    """Puts on ether at 2,500 dollars from a treasury of 50,000."""

    local: herge.LocalHerge
    rpc: Rpc
    abilities: frozenset[Ability] = frozenset(Ability) - {Ability.SETTLEMENT}
    early: CloseHow = CloseHow.EXERCISE
    late: CloseHow = CloseHow.RELEASE
    price: Decimal = PRICE

    @property
    def owner(self) -> str:
        return self.local.twin.accounts[1].address

    @contextmanager
    def restored(self) -> Generator[None]:
        chain = self.local.twin.chain
        snapshot = chain.rpc.call("evm_snapshot")
        self.price = PRICE
        try:
            yield
        finally:
            assert chain.rpc.call("evm_revert", snapshot)

    def venue(self, guards: HergeGuards | None = None, **change: object) -> Hegic:
        return Hegic(replace(MARKET, **change), self.rpc, holder=self.owner, guards=guards)

    def misconfigured(self) -> Hegic:
        return self.venue(base=replace(WETH, decimals=8))

    def market(self) -> OptionMarket:
        chain = self.local.twin.chain
        block = int(chain.rpc.call("eth_blockNumber"), 16)
        return OptionMarket(
            base=WETH, quote=USDC_E, price=self.price, now_s=chain.timestamp_s(), block=block, reference_volatility=None
        )

    def want(self) -> HedgeWant:
        now_s = self.local.twin.chain.timestamp_s()
        return HedgeWant(
            kinds=(OptionKind.PUT,),
            strike_from=self.price * Decimal("0.7"),
            strike_to=self.price,
            expiry_from_s=now_s + 14 * DAY_S,
            expiry_to_s=now_s + 21 * DAY_S,
            size=TokenAmount(token=WETH, raw=2 * 10**18),
        )

    def move_spot(self, factor: Decimal) -> None:
        self.price *= factor
        self.local.feed.set_answer(float(self.price))

    def reprice(self, factor: Decimal) -> None:
        times, over = factor.as_integer_ratio()
        for put in herge.PUTS:
            self.local.set_premium(put, times=times, over=over)

    def drain(self) -> None:
        reads = [interface("HergeTreasury").function(name) for name in ("totalBalance", "totalLocked", "lockedPremium")]
        balance, locked, premiums = (self._asked(herge.TREASURY, read.call_data()) for read in reads)
        self.local.withdraw(balance - locked - premiums)

    def pause(self) -> None:
        for put in herge.PUTS:
            self.local.set_limit(put, 0)

    def go_to(self, time_s: int) -> None:
        self.local.twin.chain.mine(timestamp_s=time_s)

    def run(self, plan: VenuePlan, *, at_s: int | None = None) -> Ran:
        gas, ran = 0, Ran(done=False, reason="no calls", gas=0, made_at_s=0)
        for call in plan.calls:
            gas += sum(self._approved(one, one.amount) for one in call.allowances)
            tx = LocalTx(sender=self.owner, to=call.to, data=call.data, value_wei=call.value_wei, gas=3_000_000)
            block = self._mined(tx, at_s if call is plan.calls[-1] else None)
            gas += int(block.receipts[0]["gasUsed"], 16)
            gas += sum(self._approved(one, 0) for one in call.allowances if self._left(one))
            done = is_success(block.receipts[0])
            ran = Ran(done=done, reason="" if done else self._reason(call, block), gas=gas, made_at_s=block.timestamp_s)
            if not done:
                break
        return ran

    def allowance(self) -> int:
        return self._asked(arbitrum.USDC_E, _ALLOWANCE.call_data(self.owner, herge.TREASURY))

    def dollars(self) -> int:
        return self.local.twin.balance_raw(self.owner, arbitrum.USDC_E)

    def _approved(self, allowance: Allowance, amount: int) -> int:
        data = _APPROVE.call_data(allowance.spender, amount)
        block = self._mined(LocalTx(sender=self.owner, to=allowance.token.address, data=data), None)
        assert is_success(block.receipts[0])
        return int(block.receipts[0]["gasUsed"], 16)

    def _left(self, allowance: Allowance) -> int:
        return self._asked(allowance.token.address, _ALLOWANCE.call_data(self.owner, allowance.spender))

    def _mined(self, tx: LocalTx, at_s: int | None) -> MinedBlock:
        return self.local.twin.chain.mine([tx], timestamp_s=at_s)

    def _reason(self, call: VenueCall, block: MinedBlock) -> str:
        again = {"from": self.owner, "to": call.to, "input": call.data}
        (outcome,) = self.rpc.batch_outcomes([("eth_call", [again, hex(block.number)])])
        assert isinstance(outcome, RpcRefused)
        return revert_reason(outcome.data)

    def _asked(self, to: str, data: str) -> int:
        return int(self.rpc.call("eth_call", {"to": to, "input": data}, "latest"), 16)


@contextmanager
def running_herge_bench() -> Generator[HergeBench]:
    """A node with the double on it, and the owner with dollars."""
    with running_twin(AnvilOptions(chain_id=arbitrum.CHAIN_ID), recipe=arbitrum.ARBITRUM) as twin:
        local = herge.put_herge(twin, float(PRICE), treasury_raw=TREASURY_RAW)
        with closing(Rpc(twin.rpc_url)) as rpc:
            bench = HergeBench(local=local, rpc=rpc)
            twin.chain.impersonate(bench.owner)
            twin.fund(bench.owner, arbitrum.USDC_E, 100_000 * 10**6)
            yield bench

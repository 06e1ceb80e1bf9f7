"""What benches of venues on a local chain have in common: snapshots, and an owner who approves, calls and revokes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from decimal import Decimal
from itertools import starmap
from typing import ClassVar

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import revert_reason
from keeper.adapters.evm.rpc import Rpc, RpcRefused
from keeper.adapters.options.desk import ChainVenue, OptionDesk
from keeper.core.model.option import CloseHow, OptionMarket, OptionPosition, OptionQuote
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import Token, TokenAmount
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalTx, MinedBlock, is_success
from keeper.localchain.mainnet import MULTICALL3
from keeper.localchain.twin import Twin
from keeper.ports.options import Allowance, VenueCall, VenuePlan
from tests.ports.venues import Ran, VenueBench

_APPROVE = interface("Token").function("approve")
_ALLOWANCE = interface("Token").function("allowance")
_GAS = 3_000_000
_APPROVAL_GAS = 200_000


class ChainBench(VenueBench):
    """A bench on a twin, whose node impersonates the owner."""

    base: ClassVar[Token]
    quote: ClassVar[Token]
    opening: ClassVar[Decimal]
    """Price of the base to begin with, tokens of the quote."""
    rpc: Rpc
    price: Decimal

    @property
    @abstractmethod
    def twin(self) -> Twin:
        """Where it stands."""

    @abstractmethod
    def venue(self) -> ChainVenue:
        """The adapter."""

    @abstractmethod
    def allowed(self) -> Iterable[tuple[str, str]]:
        """Tokens, each with somebody of the venue who might be let take it."""

    @contextmanager
    def restored(self) -> Generator[None]:
        snapshot = self.twin.chain.rpc.call("evm_snapshot")
        self.price = self.opening
        try:
            yield
        finally:
            assert self.twin.chain.rpc.call("evm_revert", snapshot)

    def desk(self) -> OptionDesk:
        return OptionDesk(self.rpc, MULTICALL3, [self.venue()])

    def block(self) -> BlockRef:
        return checked.block(self.twin.chain.rpc.call("eth_getBlockByNumber", "latest", False), "newest block")

    def market(self) -> OptionMarket:
        block = self.block()
        return OptionMarket(
            base=self.base,
            quote=self.quote,
            price=self.price,
            now_s=block.timestamp_s,
            block=block.number,
            reference_volatility=None,
        )

    def buy(self, quote: OptionQuote, limit: TokenAmount) -> Ran:
        return self.run(self.venue().plan_open(quote, limit))

    def end(self, position: OptionPosition, how: CloseHow, least: TokenAmount, *, at_s: int | None = None) -> Ran:
        plan = self.venue().plan_close(position, how, least)
        assert isinstance(plan, VenuePlan), plan
        return self.run(plan, at_s=at_s)

    def run(self, plan: VenuePlan, *, at_s: int | None = None) -> Ran:
        """Approve exactly, call (the last one in a block at ``at_s``), take back what is left."""
        ran = Ran(done=False, reason="no calls", gas=0, made_at_s=0)
        for call in plan.calls:
            gas = ran.gas + sum(self._approved(one, one.amount) for one in call.allowances)
            tx = LocalTx(sender=self.owner, to=call.to, data=call.data, value_wei=call.value_wei, gas=_GAS)
            block = self.twin.chain.mine([tx], timestamp_s=at_s if call is plan.calls[-1] else None)
            (receipt, *_) = block.receipts
            gas += int(receipt["gasUsed"], 16)
            gas += sum(self._approved(one, 0) for one in call.allowances if self._left(one.token.address, one.spender))
            done = is_success(receipt)
            ran = Ran(
                done=done,
                reason="" if done else self._reason(call, block),
                gas=gas,
                made_at_s=block.timestamp_s,
                logs=(*ran.logs, *receipt["logs"]),
            )
            if not done:
                break
        return ran

    def allowance(self) -> int:
        return sum(starmap(self._left, self.allowed()))

    def dollars(self) -> int:
        return self.twin.balance_raw(self.owner, self.quote.address)

    def asked(self, to: str, data: str) -> int:
        """The first word of what a call returns."""
        return int(self.rpc.call("eth_call", {"to": to, "input": data}, "latest"), 16)

    def _approved(self, allowance: Allowance, amount: int) -> int:
        data = _APPROVE.call_data(allowance.spender, amount)
        tx = LocalTx(sender=self.owner, to=allowance.token.address, data=data, gas=_APPROVAL_GAS)
        return int(self.twin.chain.mine_all_succeed([tx]).receipts[0]["gasUsed"], 16)

    def _left(self, token: str, spender: str) -> int:
        return self.asked(token, _ALLOWANCE.call_data(self.owner, spender))

    def _reason(self, call: VenueCall, block: MinedBlock) -> str:
        again = {"from": self.owner, "to": call.to, "input": call.data}
        (outcome,) = self.rpc.batch_outcomes([("eth_call", [again, hex(block.number)])])
        assert isinstance(outcome, RpcRefused)
        return revert_reason(outcome.data)

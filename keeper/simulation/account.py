"""The virtual account: a wallet and positions, and stages carried out as the venue's contracts would."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from keeper.adapters.options.paper import PaperVenue
from keeper.core.model.errors import Refused
from keeper.core.model.ladder import LayerKind
from keeper.core.model.plan import (
    Burn,
    CloseOption,
    Collect,
    Decrease,
    Increase,
    Mint,
    Minted,
    OpenOption,
    Stage,
    StageKind,
    Step,
    Swap,
    Unwrap,
    Wrap,
)
from keeper.core.model.policy import Policy
from keeper.core.model.pool import BlockRef
from keeper.core.model.token import Token, TokenAmount
from keeper.core.model.view import Wallet
from keeper.core.v3math.reverts import RevertError
from keeper.core.v3math.swap_kind import SwapRequest
from keeper.simulation.positions import PositionManager
from keeper.simulation.sim_pool import SimPool

VIRTUAL = "0x000000000000000000000000000000000000bEEF"
"""Address of the account; nobody holds its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a stage did to the account, gas apart."""

    deltas: tuple[TokenAmount, TokenAmount]
    minted: tuple[Minted, ...]


class VirtualAccount:
    """Holds tokens and positions in simulated pools.

    Args:
        policy: names the pair and the native currency.
        pools: of the market.
        native_wei: to begin with.
        balances: raw units by token address, to begin with.
        options: where options are bought and held; None when there are none.
    """

    def __init__(
        self,
        policy: Policy,
        pools: dict[str, SimPool],
        *,
        native_wei: int,
        balances: dict[str, int],
        options: PaperVenue | None = None,
    ) -> None:
        key = policy.pool(policy.signal_pool)
        self._pair: tuple[Token, Token] = (key.token0, key.token1)
        self._wrapped = None if policy.wrapped_native is None else policy.wrapped_native.address
        self._pools = pools
        self.manager = PositionManager(pools)
        self.native_wei = native_wei
        self.balances = {token.address: balances.get(token.address, 0) for token in self._pair}
        self.options = options
        self.nonce = 0

    @property
    def wallet(self) -> Wallet:
        """As the source of a cycle shows it."""
        return Wallet(
            address=VIRTUAL,
            native_wei=self.native_wei,
            balances=tuple(TokenAmount(token=token, raw=self.balances[token.address]) for token in self._pair),
            nonce=self.nonce,
        )

    def held(self) -> tuple[int, int]:
        """Raw token0 and token1 in the wallet, native currency counted as its wrapped token."""
        token0, token1 = self._pair
        return self._held(token0), self._held(token1)

    def carry_out(self, stage: Stage, block: BlockRef) -> Effect:
        """All steps of a stage in the newest block, or none.

        Raises:
            Refused: the contracts would revert; nothing is changed.
        """
        saved_pools = {address: pool.saved() for address, pool in self._pools.items()}
        for pool in self._pools.values():
            pool.now_s = block.timestamp_s
        saved = self.native_wei, dict(self.balances), copy.copy(self.manager.held)
        before = self.held()
        try:
            minted = self._steps(stage, block)
        except (Refused, RevertError) as error:
            for address, one in saved_pools.items():
                self._pools[address].put_back(one)
            self.native_wei, self.balances, self.manager.held = saved
            raise Refused(str(error)) from None
        after = self.held()
        deltas = [TokenAmount(token=token, raw=now - then) for token, now, then in zip(self._pair, after, before, strict=True)]
        return Effect(deltas=(deltas[0], deltas[1]), minted=minted)

    def _steps(self, stage: Stage, block: BlockRef) -> tuple[Minted, ...]:
        """As the bundles do, what comes in its wrapped form is unwrapped, but in a withdrawal that ends with a wrap."""
        steps, as_tokens = stage.steps, False
        if stage.kind is StageKind.WITHDRAW and isinstance(steps[-1], Wrap):
            steps, as_tokens = steps[:-1], True
        minted: list[Minted] = []
        for step in steps:
            found = self._step(step, block, as_tokens=as_tokens)
            if found is not None:
                minted.append(found)
        return tuple(minted)

    def _step(self, step: Step, block: BlockRef, *, as_tokens: bool) -> Minted | None:
        match step:
            case Decrease():
                self.manager.decrease(step.token_id, step.liquidity, (step.amount0_min, step.amount1_min))
            case Collect():
                self._receive(self.manager.collect(step.token_id), as_tokens=as_tokens)
            case Burn():
                self.manager.burn(step.token_id)
            case Swap():
                self._swap(step, block)
            case Mint():
                return self._mint(step)
            case Increase():
                paid = self.manager.increase(step.token_id, (step.amount0, step.amount1), (step.amount0_min, step.amount1_min))
                self._pay(paid)
            case Wrap():
                self._convert(-step.amount_wei)
            case Unwrap():
                self._convert(step.amount_wei)
            case OpenOption() | CloseOption():
                self._option(step)
        return None

    def _option(self, step: OpenOption | CloseOption) -> None:
        """Bought or ended at the venue on paper; a stage holds one, so that nothing after it can fail."""
        if self.options is None:
            raise Refused("there is no venue for options")
        if isinstance(step, CloseOption):
            self._receive(self._amounts(self.options.end(step.position, step.how, step.min_out)), as_tokens=True)
            return
        self.options.plan_open(step.quote, step.max_cost)
        self._pay(self._amounts(step.quote.cost))
        self.options.buy(step.quote, step.max_cost)

    def _amounts(self, amount: TokenAmount) -> tuple[int, int]:
        first, second = (amount.raw if token.address == amount.token.address else 0 for token in self._pair)
        return first, second

    def _mint(self, step: Mint) -> Minted:
        desired, least = (step.amount0, step.amount1), (step.amount0_min, step.amount1_min)
        token_id, amount0, amount1 = self.manager.mint(step.pool, step.range, desired, least)
        self._pay((amount0, amount1))
        return Minted(token_id=token_id, layer=LayerKind(step.layer))

    def _swap(self, step: Swap, block: BlockRef) -> None:
        pool = self._pools[step.pool]
        asked = SwapRequest(
            zero_for_one=step.zero_for_one, amount_specified=step.amount_in, sqrt_price_limit_x96=step.sqrt_price_limit_x96
        )
        amount0, amount1 = pool.trade(block, asked)
        got = -amount1 if step.zero_for_one else -amount0
        if got < step.amount_out_min:
            raise Refused(f"Too little received: {got}, at least {step.amount_out_min} was wanted")
        paid, received = ((amount0, 0), (0, -amount1)) if step.zero_for_one else ((0, amount1), (-amount0, 0))
        self._pay(paid)
        self._receive(received, as_tokens=False)

    def _held(self, token: Token) -> int:
        return self.balances[token.address] + (self.native_wei if token.address == self._wrapped else 0)

    def _pay(self, amounts: tuple[int, int]) -> None:
        for token, amount in zip(self._pair, amounts, strict=True):
            if token.address == self._wrapped:
                self.native_wei -= amount
            else:
                self.balances[token.address] -= amount
            if min(self.native_wei, self.balances[token.address]) < 0:
                raise Refused(f"the account does not hold {amount} of {token.symbol}")

    def _receive(self, amounts: tuple[int, int], *, as_tokens: bool) -> None:
        for token, amount in zip(self._pair, amounts, strict=True):
            if token.address == self._wrapped and not as_tokens:
                self.native_wei += amount
            else:
                self.balances[token.address] += amount

    def _convert(self, wei: int) -> None:
        """Wrapped into native currency; below zero the other way."""
        if self._wrapped is None:
            raise Refused("the pair has no wrapped native token")
        if self.balances[self._wrapped] < wei or self.native_wei + wei < 0:
            raise Refused(f"the account does not hold {abs(wei)} wei to convert")
        self.balances[self._wrapped] -= wei
        self.native_wei += wei

"""Where one keeper's account stands: the contracts that it may call, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.model.errors import Refused
from keeper.core.model.pool import PoolKey
from keeper.core.model.token import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An externally owned account and the venue that it works in; addresses are EIP-55.

    Raises:
        ValueError: there is no pool, or the pools are not all of one pair.
    """

    chain_id: int
    address: str
    position_manager: str
    swap_router: str
    """SwapRouter02, or another with its interface."""
    wrapped_native: Token | None
    """The token of the pair that is paid and taken back as native currency."""
    pools: tuple[PoolKey, ...]

    def __post_init__(self) -> None:
        pairs = {(pool.token0.address, pool.token1.address) for pool in self.pools}
        if len(pairs) != 1:
            raise ValueError(f"pools of {len(pairs)} pairs were given, one pair is needed")

    @property
    def tokens(self) -> tuple[Token, Token]:
        """The pair, in the order of the pools."""
        return self.pools[0].token0, self.pools[0].token1

    @property
    def spent_tokens(self) -> tuple[Token, ...]:
        """Tokens that position manager and router take from the account by allowance."""
        return tuple(token for token in self.tokens if not self.is_wrapped(token))

    @property
    def house_allowances(self) -> tuple[tuple[str, str], ...]:
        """Token and spender of every allowance that a stage of the ladder may leave; a venue's are not among them."""
        spenders = (self.position_manager, self.swap_router)
        return tuple((token.address, spender) for token in self.spent_tokens for spender in spenders)

    def is_wrapped(self, token: Token) -> bool:
        """Whether the token is the wrapped native currency."""
        return self.wrapped_native is not None and token.address == self.wrapped_native.address

    def pool(self, address: str) -> PoolKey:
        """The pool with this address.

        Raises:
            Refused: it is not one of ours.
        """
        for pool in self.pools:
            if pool.address == address:
                return pool
        raise Refused(f"{address} is not a configured pool")

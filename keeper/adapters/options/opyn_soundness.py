"""Whether what is for sale would be paid: the venue runs, lists the series, and holds the collateral."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.adapters.evm.abi import contract
from keeper.adapters.evm.multicall import Answers, ContractRead, read_of
from keeper.adapters.options.opyn_interface import OTOKEN_DECIMALS, Modules, Series, answer
from keeper.adapters.options.opyn_rules import OpynRules
from keeper.adapters.options.opyn_settlement import BALANCE_OF, FULLY_PAUSED, IS_WHITELISTED, PARTIALLY_PAUSED
from keeper.adapters.options.opyn_supply import Wanted
from keeper.adapters.options.words import tokens
from keeper.core.model.option import NoQuoteReason
from keeper.core.model.token import Token

_DECIMALS = contract("ERC20").function("decimals")
_BALANCE_GAS = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Soundness:
    """Whether what is for sale would be paid."""

    rules: OpynRules
    wanted: Wanted
    covered: Token
    """What it pays in."""

    def reads(self, modules: Modules) -> list[ContractRead]:
        """What must be known."""
        return [
            read_of(modules.controller, FULLY_PAUSED, may_fail=True),
            read_of(modules.controller, PARTIALLY_PAUSED, may_fail=True),
            read_of(modules.whitelist, IS_WHITELISTED, self.wanted.otoken, may_fail=True),
            self._held_read(modules),
            *self._decimals(),
        ]

    def _held_read(self, modules: Modules) -> ContractRead:
        return read_of(self.covered.address, BALANCE_OF, modules.margin_pool, may_fail=True, gas=_BALANCE_GAS)

    def _decimals(self) -> list[ContractRead]:
        tokens = self.rules.base, self.rules.quote
        return [read_of(token.address, _DECIMALS, may_fail=True) for token in tokens]

    def held(self, modules: Modules, answers: Answers) -> int:
        """What the margin pool holds of the collateral, raw units."""
        return int(answer(answers, self._held_read(modules))[0])

    def fault(self, modules: Modules, series: Series, answers: Answers) -> tuple[NoQuoteReason, str] | None:
        """Why the series is not to be bought; None when nothing speaks against it.

        Raises:
            VenueSilent: the venue's contracts do not answer.
        """
        fully, partially, listed, *_ = self.reads(modules)
        if answer(answers, fully)[0] or answer(answers, partially)[0]:
            return NoQuoteReason.PAUSED, "the system is paused"
        if not answer(answers, listed)[0]:
            return NoQuoteReason.UNSOUND, "the series was struck off the whitelist: it could not be redeemed"
        for token, read in zip((self.rules.base, self.rules.quote), self._decimals(), strict=True):
            if (found := answer(answers, read)[0]) != token.decimals:
                return NoQuoteReason.UNSOUND, f"{token.symbol} has {found} decimals, configured are {token.decimals}"
        most = self.wanted.amount_e8 * 10**self.covered.decimals
        most = most * series.strike_e8 // 10 ** (2 * OTOKEN_DECIMALS) if series.is_put else most // 10**OTOKEN_DECIMALS
        if (held := self.held(modules, answers)) < most:
            holds, due = tokens(self.covered, held), tokens(self.covered, most)
            return NoQuoteReason.UNSOUND, f"the margin pool holds {holds}, {due} may become due"
        return None

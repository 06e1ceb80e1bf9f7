"""What a person agrees to before an order for an option is signed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from keeper.app.cli import confirm, protection, sentences, words
from keeper.app.settings import Settings
from keeper.core.model.decision import BuyProtection, Decision, EndProtection, ProtectionMove
from keeper.core.model.option import CostModel
from keeper.core.model.policy import Policy
from keeper.core.model.token import TokenAmount
from keeper.core.model.view import MarketView, SignalReading
from keeper.engine.cycle import Decide


def asked(settings: Settings, command: str, decide: Decide) -> Decide:
    """The decision, once a person has agreed to just this one: what is carried out has the amounts that were shown."""

    def agreed(view: MarketView, readings: Sequence[SignalReading], policy: Policy) -> Decision:
        made = decide(view, readings, policy)
        besides = [sentences.move(move) for move in made.moves if not isinstance(move, BuyProtection | EndProtection)]
        for move in made.moves:
            if isinstance(move, BuyProtection | EndProtection):
                told, amount = _order(move)
                until = f"Nothing is sent after {words.utc(view.now_s + policy.execution.deadline_s)}."
                confirm.ask(command, [*told, *besides, until], f"{settings.chain.name} {_cents(amount)}")
        return made

    return agreed


def _order(move: ProtectionMove) -> tuple[list[str], TokenAmount]:
    """What a person agrees to, a line each, and the amount that is typed."""
    if isinstance(move, BuyProtection):
        return [*_purchase(move)], move.max_cost
    position = move.position
    told = [f"{position.contract.venue}: {move.how.value} option {position.id}, a {protection.terms(position.contract)}"]
    if position.act_before_s is not None:
        told.append(f"It pays nothing after {words.utc(position.act_before_s)}.")
    told.append(
        f"It brings {_in_words(position.claimable)} now; where the venue takes a limit, {_in_words(move.min_out)} or more."
    )
    return told, position.claimable


def _purchase(move: BuyProtection) -> Iterator[str]:
    quoted, contract = move.quote, move.quote.contract
    ends = "" if contract.expiry_s is None else f" until {words.utc(contract.expiry_s)}"
    yield f"{contract.venue}: a {protection.terms(contract)} on {_in_words(quoted.size)}{ends}, for {move.tier}"
    yield f"It costs {_in_words(quoted.cost)} now, and at most {_in_words(move.max_cost)} is paid to buy it."
    if quoted.cost_model is CostModel.STREAMED:
        yield f"While it is held it costs some {_in_words(quoted.carry_per_day)} a day, without a bound."


def _in_words(amount: TokenAmount) -> str:
    return words.amount(amount.token, amount.raw)


def _cents(amount: TokenAmount) -> str:
    return f"{Decimal(amount.raw).scaleb(-amount.token.decimals):.2f}"

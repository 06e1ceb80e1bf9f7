"""How a decision is carried out: venue-neutral integers, no calldata."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from keeper.core.model.ladder import LayerKind, TargetBand, TickRange
from keeper.core.model.option import CloseHow, OptionPosition, OptionQuote
from keeper.core.model.token import TokenAmount


@dataclass(frozen=True, slots=True, kw_only=True)
class Decrease:
    """Take liquidity out of a position; the amounts wait in it for a collect."""

    token_id: int
    liquidity: int
    amount0_min: int
    """Least principal to accept, raw units, rounded up."""
    amount1_min: int
    kind: Literal["decrease"] = "decrease"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect:
    """Take everything that a position owes: withdrawn principal and fees."""

    token_id: int
    kind: Literal["collect"] = "collect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """Destroy an empty position's token."""

    token_id: int
    kind: Literal["burn"] = "burn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Sell an exact amount in one pool."""

    pool: str
    zero_for_one: bool
    amount_in: int
    amount_out_min: int
    """Raw units, rounded up, from the time-weighted price."""
    sqrt_price_limit_x96: int
    """The swap stops here; what was not sold stays."""
    kind: Literal["swap"] = "swap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mint:
    """Open a position with at most these amounts."""

    pool: str
    layer: LayerKind
    range: TickRange
    amount0: int
    """Most to pay, raw units, rounded down."""
    amount1: int
    amount0_min: int
    """Least that must be taken, raw units."""
    amount1_min: int
    kind: Literal["mint"] = "mint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Increase:
    """Add to a position with at most these amounts."""

    token_id: int
    pool: str
    amount0: int
    amount1: int
    amount0_min: int
    amount1_min: int
    kind: Literal["increase"] = "increase"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrap:
    """Turn native currency into its wrapped token.

    As the last step of a withdrawal: keep what comes back in its wrapped token, about this much, instead of unwrapping it.
    """

    amount_wei: int
    kind: Literal["wrap"] = "wrap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwrap:
    """Turn the wrapped token into native currency."""

    amount_wei: int
    kind: Literal["unwrap"] = "unwrap"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOption:
    """Buy what a venue quoted."""

    quote: OptionQuote
    max_cost: TokenAmount
    """Most to pay, premium and fee together, raw units, rounded up from the quote by the allowed slippage."""
    kind: Literal["open_option"] = "open_option"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseOption:
    """End a held option."""

    position: OptionPosition
    how: CloseHow
    min_out: TokenAmount
    """Least to receive, raw units, rounded up."""
    kind: Literal["close_option"] = "close_option"


OptionStep = OpenOption | CloseOption
Step = Decrease | Collect | Burn | Swap | Mint | Increase | Wrap | Unwrap | OptionStep


class StageKind(StrEnum):
    """The legal stopping points of a plan: after each stage every token is in the wallet or in a position of ours."""

    PROTECT = "protect"
    """One option, bought or ended; before everything else, so that the ladder never takes a risk that was to be covered."""
    WRAP = "wrap"
    WITHDRAW = "withdraw"
    SWAP = "swap"
    PLACE = "place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Steps that an account may bundle into one transaction."""

    kind: StageKind
    steps: tuple[Step, ...]

    @property
    def option(self) -> OptionStep | None:
        """The step of a stage that buys or ends one option; None for every other stage."""
        match self.steps:
            case (OpenOption() | CloseOption() as step,) if self.kind is StageKind.PROTECT:
                return step
            case _:
                return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A wanted position with the value it is to take, from which the steps of later stages are sized anew."""

    layer: LayerKind
    band: TargetBand
    value_quote: float
    """In tokens of the quote, at the protected price."""
    token_id: int | None
    """Add to this position instead of opening one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits that no step may breach."""

    deadline_s: int
    """Chain time after which every step reverts."""
    max_gas_wei: int
    """Most that all stages together may pay for gas."""
    slippage_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What carrying a plan out is expected to cost, in tokens of the quote."""

    gas_units: int
    gas_quote: float
    swap_fee_quote: float
    impact_quote: float

    @property
    def total_quote(self) -> float:
        """Everything together."""
        return self.gas_quote + self.swap_fee_quote + self.impact_quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A way that was priced, taken or not."""

    name: str
    """``no swap`` or ``swap in <pool>``."""
    cost: Cost
    unplaced_quote: float
    """Value that this way leaves idle against the decision's wish."""
    taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A decision made executable. Never resumed: after anything but Done the next cycle observes and plans afresh."""

    id: str
    """First 16 hex digits of the sha-256 over view, decision and stages."""
    view_digest: str
    stages: tuple[Stage, ...]
    placements: tuple[Placement, ...]
    bounds: Bounds
    cost: Cost
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A position that a stage opened, as its receipt tells."""

    token_id: int
    layer: LayerKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The stage is on the chain, with status 1 and the configured confirmations."""

    tx_hashes: tuple[str, ...]
    deltas: tuple[TokenAmount, ...]
    """Net change of the account by token; native currency counts as its wrapped token, gas not included."""
    minted: tuple[Minted, ...]
    gas_units: int
    gas_wei: int
    block: int
    """Of the last transaction."""
    kind: Literal["done"] = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """The stage was run on the node's state and nothing was signed."""

    deltas: tuple[TokenAmount, ...]
    minted: tuple[Minted, ...]
    gas_units: int
    kind: Literal["simulated"] = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDone:
    """The stage did not happen and nothing of it is pending: refused before the send, or mined and reverted.

    Of an option that takes several transactions some may have happened; the next view tells what is held.
    """

    why: str
    tx_hashes: tuple[str, ...]
    gas_wei: int
    kind: Literal["not_done"] = "not_done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A transaction was handed out, and its fate is open or what it allowed is not taken back.

    Recovery settles it before anything else.
    """

    tx_hash: str
    kind: Literal["unknown"] = "unknown"


StageOutcome = Done | Simulated | NotDone | Unknown

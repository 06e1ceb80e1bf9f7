"""Every setting with its range and unit. Read-only after loading; secrets print as stars.

The ranges are ceilings that no configuration can pass: a guard can be tightened, not switched off.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from keeper.app.settings.hedge import HedgeSettings
from keeper.app.settings.kinds import (
    Address,
    DecimalText,
    FilePath,
    Names,
    RpcUrl,
    Section,
    choice,
    decimal,
    named,
    switch,
    whole,
)
from keeper.app.settings.venues import VenueSettings
from keeper.core.model.policy import Adoption, Shape
from keeper.simulation.presence import Presence

DAY_S = 86_400
YEAR_S = 365 * DAY_S
LOCAL_CHAIN_IDS = frozenset({1337, 31337})
"""Ids that no public chain uses: the only ones on which a raw key (KEEPER_PRIVATE_KEY) may be given."""

DERIBIT_INDEX, DERIBIT_DVOL = "deribit_index", "deribit_dvol"
"""Names of Deribit's quotes."""

_NAME = r"^[A-Za-z0-9_]{1,40}$"


class UseSettings(Section):
    """Which chain file and which pool file are read beneath the operator's own."""

    chain: str = named("Name of a file in config/chains, or a path that ends in .toml")
    pool: str = named("Name of a file in config/pools, or a path that ends in .toml")


class AddressSettings(Section):
    """Contracts of the venue on this chain."""

    factory: Address = named("Uniswap v3 factory")
    position_manager: Address = named("NonfungiblePositionManager")
    swap_router: Address = named("SwapRouter02")
    quoter: Address = named("QuoterV2")
    tick_lens: Address = named("TickLens")
    multicall: Address = named("Multicall3")


class TokenSettings(Section):
    """An ERC-20 token; the chain is asked whether this is true before anything is signed."""

    address: Address = named("Where the token lives")
    decimals: int = whole(0, 36, "decimal places", "Decimals of one token")
    symbols: Names = named("What it may call itself, where not by its name here", must_be='a list like ["USDC"]', default=())
    permit_name: str | None = named("EIP-2612 domain name; left out when the token has no permit", default=None)
    permit_version: str | None = named("EIP-2612 domain version", default=None)


class FeeSettings(Section):
    """What inclusion may cost."""

    max_fee_gwei: DecimalText = decimal("0.001", "1000", "gwei", "Ceiling of maxFeePerGas")
    max_tip_gwei: DecimalText = decimal("0.001", "100", "gwei", "Ceiling of the priority fee")
    max_base_fee_gwei: DecimalText = decimal("0.001", "1000", "gwei", "No action above this base fee")
    max_gas_day: DecimalText = decimal("0.0001", "10", "native tokens a day", "Gas budget of any 24 hours")
    native_reserve: DecimalText = decimal("0.001", "100", "native tokens", "Kept for gas, never placed")


class FeedSettings(Section):
    """A Chainlink price feed; a round outside its limits is no price."""

    address: Address = named("Aggregator proxy")
    decimals: int = whole(0, 36, "decimal places", "Decimals of the answer; the feed is asked whether this is true")
    heartbeat_s: int = whole(60, 7 * DAY_S, "seconds", "Age of a round past which it is stale: its heartbeat and some")
    min_value: DecimalText = decimal("0.000000000001", "100000000000", "in the feed's unit", "Lowest sane answer")
    max_value: DecimalText = decimal("0.000000000001", "100000000000", "in the feed's unit", "Highest sane answer")
    sequencer: Address | None = named("Uptime feed of the sequencer, on a rollup", default=None)
    grace_s: int = whole(0, DAY_S, "seconds", "Time after the sequencer came back before the feed is believed")


class ChainSettings(Section):
    """The chain: what stands where and when a block counts."""

    id: int = whole(1, 2**53, "chain id", "EIP-155 chain id; must equal what the node says")
    name: str = named("Name for people", pattern=_NAME, must_be="a name of letters, digits and underscores")
    local: bool = switch("Whether this is a sandbox on this machine, where raw keys are allowed")
    confirmations: int = whole(1, 64, "blocks", "Blocks on top of a transaction before it counts, its own included")
    wrapped_native: str = named("Symbol of the token that wraps the native currency")
    addresses: AddressSettings
    tokens: dict[str, TokenSettings] = Field(min_length=2)
    fees: FeeSettings
    aave_pool: Address | None = named("Aave v3 pool; without it no lending market is followed", default=None)
    gas_info: Address | None = named("ArbGasInfo, on Arbitrum; without it data on a parent chain costs nothing", default=None)
    feeds: dict[str, FeedSettings] = Field(default={}, description="Chainlink feeds by the name of their quote")
    venues: VenueSettings = Field(default=VenueSettings(), description="Option venues")


class PairSettings(Section):
    """The two tokens, as a person names them."""

    base: str = named("Symbol of the token whose price is told")
    quote: str = named("Symbol of the token in which value is told")
    signal_pool: str = named("Name of the pool whose prices and fees are measured")


class PoolSettings(Section):
    """One pool of the pair."""

    address: Address = named("Where the pool lives; must equal factory.getPool")
    token0: str = named("Symbol of the token with the lower address")
    token1: str = named("Symbol of the token with the higher address")
    fee_pips: int = whole(1, 100_000, "pips, 1e-6 of the input", "Swap fee")
    tick_spacing: int = whole(1, 16_383, "ticks", "Tick spacing")


class LayerSettings(Section):
    """Where one layer lies."""

    pool: str = named("Name of the pool that carries it")
    shape: Annotated[Shape, choice(Shape)] = named("band: one range around the price; wings: one on each side")
    half_width_sigmas: DecimalText = decimal("0.1", "20", "forecast standard deviations", "Half width over the horizon")
    min_half_width_ticks: int = whole(1, 400_000, "ticks", "Never narrower; a multiple of the pool's tick spacing")
    max_half_width_ticks: int = whole(1, 400_000, "ticks", "Never wider; a multiple of the pool's tick spacing")


class WeightSettings(Section):
    """Parts of the ladder's value in one regime; they add up to 1."""

    core: DecimalText = decimal("0", "1", "fraction", "Part of the core layer")
    secondary: DecimalText = decimal("0", "1", "fraction", "Part of the secondary layer")
    insurance: DecimalText = decimal("0", "1", "fraction", "Part of the insurance layer")
    idle: DecimalText = decimal("0", "1", "fraction", "Part that stays in the wallet")


class RegimeWeightSettings(Section):
    """Weights of every regime."""

    calm: WeightSettings
    normal: WeightSettings
    stressed: WeightSettings
    crisis: WeightSettings


class LadderSettings(Section):
    """The wanted ladder as a function of volatility and regime."""

    horizon_s: int = whole(3_600, 30 * DAY_S, "seconds", "Over which the price should mostly stay inside")
    core: LayerSettings
    secondary: LayerSettings | None = None
    insurance: LayerSettings | None = None
    weights: RegimeWeightSettings


class SignalSettings(Section):
    """How the market is measured."""

    sample_interval_s: int = whole(60, 3_600, "seconds, whole minutes", "Length of the returns behind realised volatility")
    ewma_half_life_s: int = whole(600, 90 * DAY_S, "seconds", "Half life of the moving average of variance")
    lookback_s: int = whole(3_600, 30 * DAY_S, "seconds", "How much price history is read")
    min_history_s: int = whole(600, 30 * DAY_S, "seconds", "Less history than this makes a reading short")
    stale_after_s: int = whole(60, DAY_S, "seconds", "Age of the newest price past which a reading is stale")


class RegimeSettings(Section):
    """Edges between regimes, on forecast over usual volatility."""

    usual_volatility: DecimalText = decimal("0.01", "5", "a year, as a fraction", "Until 30 days of forecasts exist")
    normal_from: DecimalText = decimal("0.1", "10", "times usual volatility", "Edge from calm to normal")
    stressed_from: DecimalText = decimal("0.1", "10", "times usual volatility", "Edge from normal to stressed")
    crisis_from: DecimalText = decimal("0.1", "10", "times usual volatility", "Edge from stressed to crisis")
    band: DecimalText = decimal("0", "0.5", "fraction of the edge", "Hysteresis on both sides of an edge")
    dwell_s: int = whole(60, 7 * DAY_S, "seconds", "Time below an edge before a calmer regime is believed")


class StressSettings(Section):
    """The stress score: what counts, from where, and what it does. It never chooses a side."""

    weights: dict[str, DecimalText] = Field(
        description="Signal -> its part of the score; 0: computed, shown and journaled, without a say",
        json_schema_extra={"unit": "fraction", "must_be": 'a decimal in quotes, like "0.15", from 0 to 1'},
    )
    least_available: DecimalText = decimal("0.6", "1", "fraction of all weight", "With less there is no score")
    raise_from: DecimalText = decimal("0.1", "0.9", "stress score", "From here the regime counts as one notch rougher")
    width_gain: DecimalText = decimal("0", "1", "per unit of score", "Widths times 1 + this times a positive score")
    insurance_gain: DecimalText = decimal("0", "0.5", "fraction per unit of score", "Value moved from inside to insurance")
    protect_from: DecimalText = decimal("0.1", "0.9", "stress score", "From here protection should be quoted")


class CalendarSettings(Section):
    """Scheduled events, for which the ladder is made ready ahead of time."""

    file: str = named("calendar, which comes with the keeper, or a path that ends in .toml")
    lead_s: int = whole(0, 3 * DAY_S, "seconds", "Time before an event's window at which the ladder is made ready")
    width_change: DecimalText = decimal("0.05", "1", "fraction", "Wanted over placed width past 1 + this, near an event")


class UniverseSettings(PoolSettings):
    """A pool that is followed and not traded in."""

    base: str = named("Symbol of the token that is followed; the other one is the pair's base or quote")


class OutsideSettings(Section):
    """What is followed besides the pair's own pools."""

    sample_every_s: int = whole(60, DAY_S, "seconds", "Time between two samples of universe and lending market")
    universe: dict[str, UniverseSettings] = Field(default={}, description="Pools whose prices make breadth and baskets")
    basket_cap: DecimalText = decimal("0.05", "1", "fraction", "Largest weight of one token in an effective rate's basket")
    lending: Names = named("Symbols of the reserves of the lending market", must_be='a list like ["WETH", "USDC"]')
    marks: Names = named("Quotes that price base in quote, the most trusted first", must_be='a list like ["chainlink_eth_usd"]')
    mark_max_age_s: int = whole(1, 3_600, "seconds", "Age of a mark past which arbitrage is not told from other flow")
    implied: str = named("Quote that is an implied volatility; empty for none")


class DeribitSettings(Section):
    """Deribit's public data: an outside price and an implied volatility. Off unless switched on."""

    enabled: bool = switch("Whether Deribit is asked at all")
    url: str = named("Base URL of the API")
    currency: str = named("Currency of volatility index and price index", pattern="^(BTC|ETH)$", must_be="BTC or ETH in quotes")
    index_every_s: int = whole(5, DAY_S, "seconds", "Time between two requests of the price index")
    volatility_every_s: int = whole(60, DAY_S, "seconds", "Time between two requests of the volatility index")
    timeout_s: int = whole(1, 30, "seconds", "Limit of one request")


class DataSettings(Section):
    """Downloaded market history."""

    dir: FilePath = named("Directory of the Parquet files")


class BacktestSettings(Section):
    """What a backtest and paper trading assume."""

    capital_quote: int = whole(100, 1_000_000_000, "quote tokens", "To begin with, half of it in the base token")
    cadence_s: int = whole(12, DAY_S, "seconds", "Between two cycles of a backtest")
    presence: Annotated[Presence, choice(Presence)] = named("How recorded swaps meet our liquidity")
    latency_blocks: int = whole(1, 100, "blocks", "From the view to the inclusion of each stage")
    failure_rate: DecimalText = decimal("0", "0.5", "fraction", "Transactions that are included and revert")
    sandwich_share: DecimalText = decimal("0", "1", "fraction of the slippage bound", "What a sandwich takes of each swap")
    base_fee_gwei: DecimalText = decimal("0.001", "1000", "gwei", "Base fee where none was recorded")
    tip_gwei: DecimalText = decimal("0.001", "100", "gwei", "Priority fee")
    seed: int = whole(0, 2**31, "", "Of everything that chance decides")


class TriggerSettings(Section):
    """Reasons to act."""

    drift_share: DecimalText = decimal("0.1", "1", "fraction of the half width", "Dead band around a layer's centre")
    drift_dwell_s: int = whole(0, 7 * DAY_S, "seconds", "Time past the dead band before it counts")
    outside_dwell_s: int = whole(0, 7 * DAY_S, "seconds", "Time outside a layer before it counts")
    width_change: DecimalText = decimal("0.05", "10", "fraction", "Wanted over placed width, or its inverse, past 1 + this")
    compound_benefit_multiple: DecimalText = decimal("1", "1000", "times the gas", "Earnings that make compounding pay")


class GateSettings(Section):
    """Reasons not to act."""

    twap_window_s: int = whole(300, DAY_S, "seconds", "Window of the time-weighted price")
    twap_limit_ticks: int = whole(1, 500, "ticks, about basis points", "Largest distance of spot from the average")
    cooldown_s: int = whole(60, 7 * DAY_S, "seconds", "Between two placements of one layer")
    shifts_per_day: int = whole(1, 48, "shifts in 24 hours", "Placements of layers anew, all layers together")
    cost_multiple: DecimalText = decimal("1", "100", "times the cost", "Benefit that an action must promise")
    min_move_quote: DecimalText = decimal("1", "10000000", "quote tokens", "Smallest value worth moving")
    price_min_quote: DecimalText = decimal("0.000000000001", "100000000000", "quote tokens", "Lowest sane price of the base")
    price_max_quote: DecimalText = decimal("0.000000000001", "100000000000", "quote tokens", "Highest sane price of the base")


class ExecutionSettings(Section):
    """How a plan is bounded and sent."""

    slippage_bps: int = whole(1, 100, "basis points, at most 1 %", "Tolerance of minimum amounts")
    deadline_s: int = whole(30, 1_800, "seconds", "From the view's block to inclusion")
    swap_pools: Names = named("Names of the pools that a swap may go through", must_be='a list like ["usdc_weth_500"]')
    unplaced_tolerance: DecimalText = decimal("0", "0.5", "fraction", "Value that may stay idle without a swap for it")
    gas_limit_multiple: DecimalText = decimal("1", "2", "times simulated gas", "Gas limit")
    confirm_timeout_s: int = whole(12, 3_600, "seconds", "Wait for inclusion before the fee is raised")


class WalletSettings(Section):
    """Whose funds, and who signs."""

    address: Address | None = named("The account; enough for a dry run", default=None)
    keystore: FilePath | None = named("Encrypted key file (keeper keys new)", default=None)
    passphrase_file: FilePath | None = named("File that holds the keystore's passphrase, mode 0600", default=None)
    adoption: Annotated[Adoption, choice(Adoption)] = named("What to do with positions that the journal does not know")


class RunSettings(Section):
    """When the keeper works and where it remembers."""

    live: bool = switch("Whether transactions may be signed; keeper run --live must agree")
    interval_s: int = whole(1, DAY_S, "seconds", "Time between cycles; ignored when cron is set")
    follow_heads: bool = switch("Whether each new block makes a cycle due too")
    cron: str = named("Five crontab fields in UTC; empty: the interval counts")
    state_dir: FilePath = named("Directory of the journal")
    healthy_within_s: int = whole(1, 7 * DAY_S, "seconds", "Age of the last completed cycle at which health fails")


class RpcSettings(Section):
    """The node."""

    url: RpcUrl | None = named("URL of the node", default=None, must_be="a URL in quotes")
    url_file: FilePath | None = named("File that holds the URL, mode 0600", default=None)
    timeout_s: int = whole(1, 120, "seconds", "Limit of one request")


class Settings(BaseSettings):
    """Everything that an operator can set, checked one by one and against one another."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        title="keeper.toml",
    )

    use: UseSettings
    chain: ChainSettings
    pair: PairSettings
    pools: dict[str, PoolSettings] = Field(min_length=1)
    ladder: LadderSettings
    signals: SignalSettings
    regimes: RegimeSettings
    stress: StressSettings
    calendar: CalendarSettings
    outside: OutsideSettings
    deribit: DeribitSettings
    data: DataSettings
    backtest: BacktestSettings
    triggers: TriggerSettings
    gates: GateSettings
    execution: ExecutionSettings
    hedge: HedgeSettings
    wallet: WalletSettings
    run: RunSettings
    rpc: RpcSettings

    @property
    def journal_path(self) -> Path:
        """The journal's file; its lock stands beside it."""
        return self.run.state_dir / "journal.sqlite"

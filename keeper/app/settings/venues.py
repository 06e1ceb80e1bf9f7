"""Settings of the option venues of a chain: where they stand. What is bought there is the hedge section's."""

from __future__ import annotations

from pydantic import Field

from keeper.app.settings.kinds import Address, DecimalText, Section, decimal, named, whole


class HegicPutSettings(Section):
    """One strategy of Hegic."""

    address: Address = named("The strategy")
    scale: int = whole(1, 20_000, "1e-4 of the spot price", "Strike at a purchase; compared with what the strategy pays")
    min_days: int = whole(1, 365, "days", "Shortest period that it sells")
    max_days: int = whole(1, 365, "days", "Longest")


class HegicSettings(Section):
    """Hegic Herge."""

    treasury: Address = named("OperationalTreasury")
    positions: Address = named("PositionsManager, the ERC-721 of the options")
    cover_pool: Address = named("CoverPool")
    feed: str = named("Name of the chain's feed that the strategies ask")
    base: str = named("Symbol of the token that is covered")
    quote: str = named("Symbol of the token in which premiums and payoffs are paid")
    first_block: int = whole(0, 2**53, "block", "At or before the first option that the account was given")
    puts: dict[str, HegicPutSettings] = Field(min_length=1, description="Strategies that are bought from")


class OpynSettings(Section):
    """Opyn Gamma and where its options can be bought."""

    address_book: Address = named("AddressBook, from which every module is resolved")
    otoken_factory: Address | None = named(
        "OtokenFactory, where the AddressBook names this one: a start takes a request less", default=None
    )
    first_block: int | None = whole(
        0, 2**53, "block", "At or before the first series: a start takes two requests less if logs tell of all", default=None
    )
    swap_erc20: Address = named("AirSwap's SwapERC20")
    base: str = named("Symbol of the token that is covered")
    quote: str = named("Symbol of the token in which premiums and payoffs are paid")


class PanopticSettings(Section):
    """Panoptic v2 over one of the pair's own pools."""

    factory: Address = named("Factory of pools over Uniswap v3")
    risk_engine: Address = named("RiskEngine")
    pool: str = named("Name of the pool that options are made of")
    deployed: Address | None = named(
        "Panoptic's own pool over it, where the factory names this one: a start takes a request less", default=None
    )
    first_block: int = whole(0, 2**53, "block", "At or before the deployment of Panoptic's pool")
    dust_base: DecimalText = decimal("0.0001", "100", "base tokens", "Kept deposited beyond the collateral")
    dust_quote: DecimalText = decimal("0.01", "100000", "quote tokens", "Kept deposited beyond the collateral")
    lookback_blocks: int = whole(10, 100_000, "blocks", "Over which fee growth is compared; the node must have that state")


class VenueSettings(Section):
    """Option venues of the chain; each is left out where it does not stand."""

    hegic: HegicSettings | None = None
    opyn: OpynSettings | None = None
    panoptic: PanopticSettings | None = None

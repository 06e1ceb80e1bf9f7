"""From settings to the option venues of one keeper."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.options.airswap import OrderFolder
from keeper.adapters.options.desk import ChainVenue, OptionDesk
from keeper.adapters.options.hegic import Hegic
from keeper.adapters.options.hegic_terms import HergeGuards, HergeMarket, HergeStrategy
from keeper.adapters.options.opyn import Opyn
from keeper.adapters.options.opyn_rules import OpynRules
from keeper.adapters.options.panoptic import Panoptic
from keeper.adapters.options.panoptic_terms import PanopticMarket, PanopticRules
from keeper.adapters.options.paper import NAME as PAPER
from keeper.adapters.options.paper import PaperVenue
from keeper.app.settings.hedge import paper_rules
from keeper.app.settings.schema import Settings
from keeper.app.settings.venues import HegicSettings, OpynSettings, PanopticSettings
from keeper.core.model.option import OptionKind
from keeper.core.model.policy import Policy
from keeper.core.model.view import Memory

DAY_S = 86_400
BPS = 10_000
INCLUSION_S = 900
"""How long before its expiry an exercise must be on its way; how early it is begun is the policy's to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVenues:
    """The venues of one account."""

    venues: tuple[ChainVenue, ...]
    desk: OptionDesk | None
    """All of them together; None where there is none and nothing is held."""
    lost: dict[str, str]
    """Venue where options are held and that cannot be looked after -> what to do about it."""


NO_VENUES = OpenVenues(venues=(), desk=None, lost={})


def venues_known(memory: Memory) -> frozenset[str]:
    """Where the journal has options of the account on the chain."""
    known = memory.hedge
    return frozenset({*known.venues, *(one.venue for one in known.exercisable)} - {PAPER})


def open_venues(settings: Settings, policy: Policy, rpc: Rpc, address: str, memory: Memory) -> OpenVenues:
    """The venues that are named, stand on the chain and sell options on the pair, for the account at ``address``.

    One where options are held is opened though it is not named: they are looked after, and no quotes are asked for there.
    """
    named, held = settings.hedge.venues, venues_known(memory)
    places = settings.chain.venues
    found: list[ChainVenue] = []
    wanted = held.union(named)
    if places.hegic is not None and "hegic" in wanted and _is_pair(settings, places.hegic):
        found.append(_hegic(settings, places.hegic, policy, rpc, address))
    if places.opyn is not None and "opyn" in wanted and _is_pair(settings, places.opyn):
        found.append(_opyn(settings, places.opyn, policy, rpc, address))
    if places.panoptic is not None and "panoptic" in wanted and places.panoptic.pool in settings.pools:
        found.append(_panoptic(settings, places.panoptic, policy, rpc, address))
    lost = {name: _lost(settings, name) for name in sorted(held.difference(one.name for one in found))}
    desk = OptionDesk(rpc, settings.chain.addresses.multicall, found, bought_at=named, lost=lost) if found or lost else None
    return OpenVenues(venues=tuple(found), desk=desk, lost=lost)


def _lost(settings: Settings, name: str) -> str:
    pair = f"{settings.pair.base}/{settings.pair.quote}"
    return (
        f"by the journal options are held there, and no settings say where it stands for {pair}: put [chain.venues.{name}] "
        "back as it was and start again, or nobody exercises them; nothing is bought anywhere meanwhile"
    )


def open_paper(settings: Settings, policy: Policy) -> PaperVenue | None:
    """The venue on paper, where protection is on and the venue too."""
    rules = paper_rules(settings.hedge.paper)
    if not policy.hedge.tiers or rules is None:
        return None
    return PaperVenue(chain_id=policy.chain_id, base=policy.base, quote_token=policy.quote, rules=rules)


def _is_pair(settings: Settings, venue: HegicSettings | OpynSettings) -> bool:
    return (venue.base, venue.quote) == (settings.pair.base, settings.pair.quote)


def _hegic(settings: Settings, place: HegicSettings, policy: Policy, rpc: Rpc, address: str) -> Hegic:
    feed = settings.chain.feeds[place.feed]
    market = HergeMarket(
        chain_id=settings.chain.id,
        multicall=settings.chain.addresses.multicall,
        treasury=place.treasury,
        positions=place.positions,
        cover_pool=place.cover_pool,
        feed=feed.address,
        base=policy.base,
        quote=policy.quote,
        strategies=tuple(
            HergeStrategy(
                address=put.address,
                kind=OptionKind.PUT,
                scale=put.scale,
                min_period_s=put.min_days * DAY_S,
                max_period_s=put.max_days * DAY_S,
            )
            for put in place.puts.values()
        ),
        first_block=place.first_block,
    )
    guards = HergeGuards(
        most_of_cap_bps=int(settings.hedge.payable_part * BPS),
        max_feed_age_s=feed.heartbeat_s,
        act_margin_s=INCLUSION_S,
    )
    return Hegic(market, rpc, holder=address, guards=guards)


def _opyn(settings: Settings, place: OpynSettings, policy: Policy, rpc: Rpc, address: str) -> Opyn:
    addresses = settings.chain.addresses
    rules = OpynRules(
        chain_id=settings.chain.id,
        multicall=addresses.multicall,
        address_book=place.address_book,
        otoken_factory=place.otoken_factory,
        first_block=place.first_block,
        factory=addresses.factory,
        quoter=addresses.quoter,
        router=addresses.swap_router,
        swap_erc20=place.swap_erc20,
        base=policy.base,
        quote=policy.quote,
        wallet=address,
    )
    folder = settings.hedge.orders
    orders = None if folder is None else OrderFolder(path=folder, chain_id=settings.chain.id, swap_contract=place.swap_erc20)
    return Opyn(rules, rpc, orders)


def _panoptic(settings: Settings, place: PanopticSettings, policy: Policy, rpc: Rpc, address: str) -> Panoptic:
    market = PanopticMarket(
        chain_id=settings.chain.id,
        multicall=settings.chain.addresses.multicall,
        factory=place.factory,
        risk_engine=place.risk_engine,
        uniswap=policy.pool(settings.pools[place.pool].address),
        base=policy.base,
        first_block=place.first_block,
        deployed=place.deployed,
    )
    rules = PanopticRules(
        dust_base_raw=int(place.dust_base.scaleb(policy.base.decimals)),
        dust_quote_raw=int(place.dust_quote.scaleb(policy.quote.decimals)),
        lookback_blocks=place.lookback_blocks,
    )
    return Panoptic(market, rules, rpc, holder=address)

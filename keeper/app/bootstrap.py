"""The only place that chooses adapters: from settings to a keeper that can run cycles."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from keeper.adapters.amm.uniswap_v3 import UniswapV3Source, VenueAddresses
from keeper.adapters.evm.rpc import Rpc
from keeper.adapters.lending.aave_v3 import AaveReserves
from keeper.adapters.prices.chainlink import ChainlinkFeed, ChainlinkFeeds
from keeper.adapters.prices.deribit import Deribit, IndexPrice, VolatilityIndex
from keeper.adapters.store.journal import SqlJournal
from keeper.adapters.tx import keystore
from keeper.adapters.tx.account import Account
from keeper.adapters.tx.dry import DryExecutor
from keeper.adapters.tx.live import EoaExecutor
from keeper.adapters.tx.signer import PermitDomain, Signer
from keeper.app.seeding import seed_history
from keeper.app.settings.policy import to_policy
from keeper.app.settings.schema import DERIBIT_DVOL, DERIBIT_INDEX, Settings
from keeper.app.venues import NO_VENUES, open_paper, open_venues
from keeper.core.model.errors import ConfigError
from keeper.core.model.policy import Policy
from keeper.engine.ports import Ports
from keeper.ports.chain import MarketSource
from keeper.ports.clock import Clock
from keeper.ports.executor import Executor
from keeper.ports.journal import ReadableJournal
from keeper.ports.options import ProtectionDesk
from keeper.ports.prices import QuoteSource
from keeper.ports.telemetry import Telemetry
from keeper.simulation.paper_options import DryOptions, SharedDesk


class SystemClock:
    """The machine's own time."""

    def pause(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def monotonic_s(self) -> float:
        """Seconds since the machine started."""
        return time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Everything that one keeper runs on; a context manager that lets go of it."""

    settings: Settings
    policy: Policy
    address: str
    rpc: Rpc
    source: MarketSource
    journal: SqlJournal
    ports: Ports
    opened: ExitStack
    """Closes the node's session and the journal."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.close()


def open_rpc(settings: Settings) -> Rpc:
    """A session with the configured node.

    Raises:
        ConfigError: no node is configured.
    """
    if settings.rpc.url is None:
        raise ConfigError(["rpc.url: is needed: set KEEPER__RPC__URL or rpc.url_file"])
    return Rpc(settings.rpc.url.get_secret_value(), timeout_s=settings.rpc.timeout_s)


def open_signer(settings: Settings) -> Signer | None:
    """The configured key; None when there is none, which is enough for a dry run.

    Raises:
        ConfigError: the keystore does not open.
    """
    wallet = settings.wallet
    if keystore.ENVIRONMENT_KEY in os.environ:
        if wallet.keystore is not None:
            raise ConfigError([f"wallet.keystore: and {keystore.ENVIRONMENT_KEY} are both given; unset one"])
        return keystore.from_environment(os.environ, local=settings.chain.local)
    if wallet.keystore is None:
        return None
    if wallet.passphrase_file is None:
        raise ConfigError(["wallet.passphrase_file: is needed with wallet.keystore"])
    return keystore.load(Path(wallet.keystore).expanduser(), Path(wallet.passphrase_file).expanduser())


def open_deribit(settings: Settings) -> Deribit | None:
    """Deribit's public quotes, where they are switched on."""
    rules = settings.deribit
    if not rules.enabled:
        return None
    gates = settings.gates
    items = (
        IndexPrice(
            name=DERIBIT_INDEX,
            index=f"{rules.currency.lower()}_usd",
            least=float(gates.price_min_quote),
            most=float(gates.price_max_quote),
            every_s=rules.index_every_s,
        ),
        VolatilityIndex(
            name=DERIBIT_DVOL, currency="BTC" if rules.currency == "BTC" else "ETH", every_s=rules.volatility_every_s
        ),
    )
    return Deribit(items, url=rules.url, timeout_s=rules.timeout_s)


def open_source(
    settings: Settings, policy: Policy, rpc: Rpc, address: str, off_chain: QuoteSource | None = None
) -> UniswapV3Source:
    """The market and the wallet at ``address``, read through ``rpc``, and what ``off_chain`` says beside it."""
    addresses = settings.chain.addresses
    return UniswapV3Source(
        rpc,
        VenueAddresses(
            factory=addresses.factory,
            position_manager=addresses.position_manager,
            multicall=addresses.multicall,
            tick_lens=addresses.tick_lens,
        ),
        wallet=address,
        pools=policy.pools,
        chain_id=policy.chain_id,
        signal_pool=policy.signal_pool,
        twap_window_s=policy.gates.twap_window_s,
        lookback_s=policy.signals.lookback_s,
        universe=[pool.key for pool in policy.outside.universe],
        reserves=_reserves(settings, policy),
        feeds=ChainlinkFeeds(_feeds(settings)) if settings.chain.feeds else None,
        off_chain=off_chain,
        gas_info=settings.chain.gas_info,
    )


def _reserves(settings: Settings, policy: Policy) -> AaveReserves | None:
    pool = settings.chain.aave_pool
    if pool is None or not policy.outside.lending:
        return None
    return AaveReserves(pool, [token.address for token in policy.outside.lending])


def _feeds(settings: Settings) -> list[ChainlinkFeed]:
    return [
        ChainlinkFeed(
            name=name,
            address=feed.address,
            decimals=feed.decimals,
            heartbeat_s=feed.heartbeat_s,
            min_value=float(feed.min_value),
            max_value=float(feed.max_value),
            sequencer=feed.sequencer,
            grace_s=feed.grace_s,
        )
        for name, feed in settings.chain.feeds.items()
    ]


def open_journal(opened: ExitStack, settings: Settings, policy: Policy, address: str, telemetry: Telemetry) -> SqlJournal:
    """The journal of the account at ``address``, with bars of the past in it where the store has some; closed by ``opened``.

    Raises:
        ConfigError: another keeper holds it, or it is another chain's or another account's.
    """
    journal = opened.enter_context(SqlJournal.open(settings.journal_path, chain_id=policy.chain_id, account=address))
    if seeded := seed_history(journal, settings, policy):
        telemetry.event("history.seeded", bars=seeded)
    return journal


def open_senses(opened: ExitStack, settings: Settings, policy: Policy, rpc: Rpc, address: str) -> UniswapV3Source:
    """The source of a keeper that runs, with quotes from elsewhere where they are switched on; closed by ``opened``."""
    deribit = open_deribit(settings)
    if deribit is not None:
        opened.callback(deribit.close)
    return open_source(settings, policy, rpc, address, deribit)


def is_hedging(policy: Policy, journal: ReadableJournal) -> bool:
    """Whether options may be held: what was bought is looked after though protection is switched off now."""
    known = journal.memory().hedge
    return bool(policy.hedge.tiers or known.premiums or known.exercisable or known.venues)


def build(
    settings: Settings,
    *,
    live: bool,
    telemetry: Telemetry,
    clock: Clock | None = None,
    stopping: Callable[[], bool] = lambda: False,
    ordered: bool = False,
) -> Keeper:
    """Wire a keeper.

    Args:
        settings: checked settings with a node and an account.
        live: sign and send; needs ``run.live`` in the settings too, and a key.
        telemetry: told what happens.
        clock: how waiting is done; the machine's by default.
        stopping: asked before every broadcast; True keeps anything new from being sent.
        ordered: a person orders something about options: the chain's venues are asked in any case, and none on paper.

    Raises:
        ConfigError: live without consent of the configuration or without a key, a dry run without an account, or a journal that
            another keeper holds.
    """
    if live and not settings.run.live:
        raise ConfigError(["run.live: is false; --live needs the configuration's consent too"])
    policy = to_policy(settings)
    signer = open_signer(settings)
    address = signer.address if signer else settings.wallet.address
    if address is None:
        raise ConfigError(["wallet.address: is needed: the account whose funds are looked after (or a keystore)"])
    if settings.wallet.address is not None and address != settings.wallet.address:
        raise ConfigError([f"wallet.address: is {settings.wallet.address}, the key is that of {address}"])
    if live and signer is None:
        raise ConfigError(["wallet.keystore: is needed, with passphrase_file: keeper keys new makes one"])
    with ExitStack() as opened:
        rpc = opened.enter_context(closing(open_rpc(settings)))
        journal = open_journal(opened, settings, policy, address, telemetry)
        account = Account(
            chain_id=policy.chain_id,
            address=address,
            position_manager=settings.chain.addresses.position_manager,
            swap_router=settings.chain.addresses.swap_router,
            wrapped_native=policy.wrapped_native,
            pools=policy.pools,
        )
        opening = ordered or is_hedging(policy, journal)
        options = open_venues(settings, policy, rpc, address, journal.memory()) if opening else NO_VENUES
        for name, why in options.lost.items():
            telemetry.event("venue.lost", venue=name, why=why)
        by_name = {venue.name: venue for venue in options.venues}
        desk: ProtectionDesk | None = options.desk
        executor: Executor
        if live and signer is not None:
            executor = EoaExecutor(
                rpc=rpc,
                account=account,
                signer=signer,
                permits=_permits(settings),
                rules=policy.execution,
                clock=clock or SystemClock(),
                may_send=lambda: "the keeper is stopping" if stopping() else journal.control(),
                telemetry=telemetry,
                venues=by_name,
            )
        else:
            executor = DryExecutor(
                rpc=rpc,
                account=account,
                permit_tokens=[domain.token for domain in _permits(settings)],
                confirmations=policy.execution.confirmations,
                venues=by_name,
            )
            paper = None if ordered else open_paper(settings, policy)
            if paper is not None:
                desk, executor = SharedDesk((desk, paper) if desk is not None else (paper,)), DryOptions(executor)
        source = open_senses(opened, settings, policy, rpc, address)
        return Keeper(
            settings=settings,
            policy=policy,
            address=address,
            rpc=rpc,
            source=source,
            journal=journal,
            ports=Ports(source=source, journal=journal, executor=executor, telemetry=telemetry, desk=desk),
            opened=opened.pop_all(),
        )


def _permits(settings: Settings) -> tuple[PermitDomain, ...]:
    return tuple(
        PermitDomain(token=token.address, name=token.permit_name, version=token.permit_version)
        for token in settings.chain.tokens.values()
        if token.permit_name is not None and token.permit_version is not None
    )

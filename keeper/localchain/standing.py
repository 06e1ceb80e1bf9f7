"""The levers of option venues that stand on a fork already, whoever put them there; the doubles keep the calls that they use.

What their owners could do is done by impersonating them or by giving their role to an account of ours. Prices come from
Chainlink's own proxy, put anew where theirs stands, over an aggregator that answers what it is told: its rounds go on in a new
phase. What is for sale is made so: dollars, limits and a system that runs.
"""

from __future__ import annotations

from keeper.adapters.evm.abi import Contract
from keeper.adapters.evm.rpc import RpcRefused
from keeper.localchain import arbitrum, gamma, herge, mainnet
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalChain, LocalChainError
from keeper.localchain.chainlink import put_feed
from keeper.localchain.forks import Fork, account_of_ours, grant_admin
from keeper.localchain.gamma import LocalGamma
from keeper.localchain.herge import LocalHerge
from keeper.localchain.storage import word
from keeper.localchain.twin import BANKER

_BOT = Contract(
    "PricerOfABot",
    [
        {
            "type": "function",
            "name": "bot",
            "stateMutability": "view",
            "inputs": [],
            "outputs": [{"name": "", "type": "address"}],
        }
    ],
).function("bot")
_FIRST_SLOTS = 16


def standing_herge(fork: Fork, price: float, *, treasury_raw: int) -> LocalHerge:
    """Take the levers of the Herge that stands on a fork of Arbitrum (about 20 blocks).

    Args:
        fork: of Arbitrum.
        price: the feed's next answer, USD of one ether.
        treasury_raw: dollars that the treasury is to have, in raw units, beyond twice what it owes.

    Raises:
        LocalChainError: it refuses its admin, or does not tell who that is.
    """
    feed = put_feed(fork, arbitrum.ETH_USD, price)
    admin = account_of_ours("admin")
    fork.chain.impersonate(admin)
    for contract in (herge.TREASURY, *(put.address for put in herge.PUTS)):
        grant_admin(fork.chain, contract, admin)
    treasury = interface("HergeTreasury")
    owed = sum(fork.chain.read(herge.TREASURY, treasury.function(name))[0] for name in ("totalLocked", "lockedPremium"))
    # The limit of all strategies is what the treasury has less what it owes, and what it owes counts against it once more.
    fork.fund(herge.TREASURY, arbitrum.USDC_E, treasury_raw + 2 * owed)
    local = LocalHerge(twin=fork, feed=feed, admin=admin)
    for put in herge.PUTS:
        local.reopen(put)
    return local


def standing_gamma(fork: Fork, price: float) -> LocalGamma:
    """Take the levers of the Gamma that stands on a fork of Ethereum (a few blocks), without its old series.

    Args:
        fork: of Ethereum.
        price: the feed's next answer, USD of one ether.

    Raises:
        RpcRefused: ether's pricer is not a Chainlink one.
        LocalChainError: it refuses who may pause it, or keeps its list of series where it is not found.
    """
    chain, oracle = fork.chain, interface("GammaOracle")
    pricer = str(chain.read(gamma.ORACLE, oracle.function("getPricer"), mainnet.WETH)[0])
    aggregator = str(chain.read(pricer, interface("GammaPricer").function("aggregator"))[0])
    local = LocalGamma(
        twin=fork,
        feed=put_feed(fork, aggregator, price),
        pricer=pricer,
        locking_s=chain.read(gamma.ORACLE, oracle.function("getPricerLockingPeriod"), pricer)[0],
        dispute_s=chain.read(gamma.ORACLE, oracle.function("getPricerDisputePeriod"), pricer)[0],
        bot=_bot_of(chain, pricer),
    )
    controller = interface("GammaController")
    for fully, name in ((True, "systemFullyPaused"), (False, "systemPartiallyPaused")):
        if chain.read(gamma.CONTROLLER, controller.function(name))[0]:
            local.pause(fully=fully, paused=False)
    _forget_series(chain)
    return local


def _bot_of(chain: LocalChain, pricer: str) -> str:
    """Whom some deployed pricers alone obey; the banker where anybody may."""
    (outcome,) = chain.rpc.batch_outcomes([("eth_call", [{"to": pricer, "input": _BOT.call_data()}, "latest"])])
    if isinstance(outcome, RpcRefused):
        return BANKER
    bot = str(_BOT.decode(outcome)[0])
    chain.impersonate(bot)
    return bot


def _forget_series(chain: LocalChain) -> None:
    """Let the factory's list be empty.

    Thousands of old series would be read one by one through the fork by every new adapter, whole minutes each.
    """
    length = interface("GammaFactory").function("getOtokensLength")
    if not (held := int(chain.read(gamma.OTOKEN_FACTORY, length)[0])):
        return
    for slot in range(_FIRST_SLOTS):
        if int(chain.rpc.call("eth_getStorageAt", gamma.OTOKEN_FACTORY, hex(slot), "latest"), 16) != held:
            continue
        chain.rpc.call("anvil_setStorageAt", gamma.OTOKEN_FACTORY, word(slot), word(0))
        if not chain.read(gamma.OTOKEN_FACTORY, length)[0]:
            return
        chain.rpc.call("anvil_setStorageAt", gamma.OTOKEN_FACTORY, word(slot), word(held))
    raise LocalChainError("the factory keeps the length of its list where it is not found")

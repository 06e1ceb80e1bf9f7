"""Writing options from a vault, as far as the double of Gamma knows it: in the real one's calls, and refused in its words."""

from __future__ import annotations

import pytest

from keeper.adapters.evm.abi import revert_reason
from keeper.adapters.evm.rpc import RpcRefused
from keeper.localchain import gamma, mainnet
from keeper.localchain.artifacts import interface
from keeper.localchain.chain import LocalTx
from keeper.localchain.chainlink import ETH_USD, put_feed
from keeper.localchain.gamma import CONTROLLER, MARGIN_POOL, OTOKEN_ONE, LocalGamma
from keeper.localchain.twin import BANKER, Twin

NOBODY = "0x0000000000000000000000000000000000000000"
HOLDER = "0x00000000000000000000000000000000000C0DE2"
STRIKE_USD = 3_000
COVER_RAW = STRIKE_USD * 10**6
OPEN, MINT, DEPOSIT = 0, 1, 5

pytestmark = pytest.mark.chain


@pytest.fixture
def local(twin: Twin) -> LocalGamma:
    return gamma.put_gamma(twin, put_feed(twin, ETH_USD, 4_000.0))


@pytest.fixture
def otoken(local: LocalGamma) -> str:
    return local.create_series(float(STRIKE_USD), gamma.expiry_after(local.twin.chain.timestamp_s(), 14))


def opened(vault: int = 1, owner: str = BANKER) -> tuple[object, ...]:
    return OPEN, owner, owner, NOBODY, vault, 0, 0, b""


def covered(raw: int, vault: int = 1, *, sender: str = BANKER, token: str = mainnet.USDC) -> tuple[object, ...]:
    return DEPOSIT, BANKER, sender, token, vault, raw, 0, b""


def written(otoken: str, amount_e8: int = OTOKEN_ONE, vault: int = 1) -> tuple[object, ...]:
    return MINT, BANKER, HOLDER, otoken, vault, amount_e8, 0, b""


def refusal(local: LocalGamma, *actions: tuple[object, ...]) -> str:
    """What the controller says to the banker; empty when it agrees."""
    chain = local.twin.chain
    local.twin.fund(BANKER, mainnet.USDC, 10 * COVER_RAW)
    approve = interface("Token").function("approve").call_data(MARGIN_POOL, 10 * COVER_RAW)
    chain.mine_all_succeed([LocalTx(sender=BANKER, to=mainnet.USDC, data=approve)])
    call = {
        "from": BANKER,
        "to": CONTROLLER,
        "input": interface("GammaController").function("operate").call_data(list(actions)),
    }
    (outcome,) = chain.rpc.batch_outcomes([("eth_call", [call, "latest"])])
    return revert_reason(outcome.data) if isinstance(outcome, RpcRefused) else ""


def test_options_that_are_covered_are_written_and_their_collateral_is_held(local: LocalGamma, otoken: str) -> None:
    for times in (1, 2):
        local.write(otoken, HOLDER, 3 * OTOKEN_ONE)
        assert local.twin.balance_raw(HOLDER, otoken) == times * 3 * OTOKEN_ONE
        assert local.twin.balance_raw(MARGIN_POOL, mainnet.USDC) == times * 3 * COVER_RAW
        assert local.twin.balance_raw(BANKER, mainnet.USDC) == 0


def test_calls_are_covered_by_ether(local: LocalGamma) -> None:
    expiry_s = gamma.expiry_after(local.twin.chain.timestamp_s(), 14)
    local.write(local.create_series(5_000.0, expiry_s, is_put=False), HOLDER, OTOKEN_ONE // 4)
    assert local.twin.balance_raw(MARGIN_POOL, mainnet.WETH) == 10**18 // 4


def test_what_is_not_in_order_is_refused_in_the_real_ones_words(local: LocalGamma, otoken: str) -> None:
    assert not refusal(local, opened(), covered(COVER_RAW), written(otoken))
    assert refusal(local, opened(), covered(COVER_RAW - 1), written(otoken)) == "C14"
    assert refusal(local, opened(), written(otoken)) == "C14"
    assert refusal(local, opened(2)) == "C15"
    assert refusal(local, opened(owner=HOLDER)) == "C6"
    assert refusal(local, covered(COVER_RAW)) == "C35"
    assert refusal(local, opened(), covered(COVER_RAW, 2)) == "C13"
    assert refusal(local, opened(), covered(COVER_RAW, sender=HOLDER)) == "C20"
    assert refusal(local, opened(), covered(COVER_RAW), written(mainnet.USDC)) == "C23"
    assert refusal(local, (6, *covered(COVER_RAW)[1:]), opened()) == "C35"
    assert refusal(local, opened(), (6, *covered(COVER_RAW)[1:])) == "double: an action that is not known"


def test_nothing_is_written_while_paused_or_after_expiry(local: LocalGamma, otoken: str) -> None:
    actions = opened(), covered(COVER_RAW), written(otoken)
    for fully, words in ((False, "C4"), (True, "C5")):
        local.pause(fully=fully)
        assert refusal(local, *actions) == words
        local.pause(fully=fully, paused=False)
    local.go_to(gamma.expiry_after(local.twin.chain.timestamp_s(), 14))
    assert refusal(local, *actions) == "C24"

"""The sandbox on a fork: any node of mainnet serves, here one of ours."""

from __future__ import annotations

import pytest

from keeper.adapters.evm.rpc import Rpc
from keeper.localchain import mainnet
from keeper.localchain.sandbox import forked
from keeper.localchain.twin import Twin

pytestmark = pytest.mark.chain


def test_a_fork_has_the_contracts_and_a_wallet_that_was_dealt_tokens(twin: Twin) -> None:
    with forked(twin.rpc_url, port=0) as sandbox:
        rpc = Rpc(sandbox.describe()["rpc_url"])
        assert int(rpc.call("eth_chainId"), 16) == 1
        assert len(rpc.call("eth_getCode", mainnet.POSITION_MANAGER, "latest")) > 1_000
        rpc.close()
        assert sandbox.twin.balance_raw(sandbox.wallet.address, mainnet.USDC) == 500_000 * 10**6
        assert sandbox.twin.balance_raw(sandbox.wallet.address, mainnet.WETH) == 120 * 10**18
    assert twin.balance_raw(twin.accounts[0].address, mainnet.USDC) == 0

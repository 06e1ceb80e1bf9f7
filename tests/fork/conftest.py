"""Ways to the twin of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keeper.adapters.evm.rpc import Rpc
from keeper.localchain.twin import Twin
from tests.fakes.rpc_server import Forward, RpcServer


@pytest.fixture
def rpc(twin: Twin) -> Iterator[Rpc]:
    """A client of the twin."""
    client = Rpc(twin.rpc_url)
    yield client
    client.close()


@pytest.fixture
def proxy(twin: Twin) -> Iterator[RpcServer]:
    """A server before the twin, that misbehaves when told to."""
    forward = Forward(twin.rpc_url)
    with RpcServer(forward) as running:
        yield running
    forward.close()


@pytest.fixture
def hasty(proxy: RpcServer) -> Iterator[Rpc]:
    """A client of the proxy that tries once."""
    client = Rpc(proxy.url, attempts=1)
    yield client
    client.close()

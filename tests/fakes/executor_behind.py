"""A scene whose executor sees the node through the misbehaving proxy only."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from keeper.adapters.evm.rpc import Rpc
from keeper.core.model.plan import Stage, StageOutcome
from keeper.localchain.twin import Twin
from tests.fakes.executor_scene import Attempts, Scene
from tests.faults.proxy import Proxy, running_proxy

TIMEOUT_S = 0.25


class Behind:
    """The scene, seen through the proxy by one executor."""

    def __init__(self, scene: Scene, proxy: Proxy) -> None:
        self.scene = scene
        self.proxy = proxy
        self.log = Attempts()
        self.rpc = Rpc(proxy.url, timeout_s=TIMEOUT_S, pause=lambda _: None)
        self.before = scene.nonce()
        proxy.on_raw = self._must_be_journaled
        self.unjournaled: list[str] = []

    def _must_be_journaled(self, raw: str) -> None:
        if raw not in [attempt.raw for attempt in self.log.kept]:
            self.unjournaled.append(raw)

    def run(self, stage: Stage | None = None, **rules: object) -> StageOutcome:
        stage = stage or self.scene.core_stage()
        bounds = self.scene.bounds()
        self.intent = self.scene.intent(stage, bounds)
        return self.scene.live(self.rpc, **rules).execute(stage, bounds, self.intent, self.log)

    def settle(self, **rules: object) -> StageOutcome:
        return self.scene.live(self.rpc, **rules).settle(self.intent, tuple(self.log.kept), self.log)

    def happened_once(self) -> None:
        assert self.scene.nonce() == self.before + 1
        assert self.unjournaled == []
        assert self.scene.allowances() == [0, 0, 0, 0]

    def foreign(self) -> None:
        """Somebody else with our key spends the nonce that we are about to use."""
        chain = self.scene.twin.chain
        chain.impersonate(self.scene.account.address)
        transfer = {"from": self.scene.account.address, "to": self.scene.account.address, "gas": "0x5208", "value": "0x7"}
        chain.rpc.call("eth_sendTransaction", transfer)


@contextmanager
def running_behind(twin: Twin) -> Generator[Behind]:
    """A scene on ``twin`` behind a proxy of its own."""
    with running_proxy(twin.rpc_url) as proxy:
        one = Behind(Scene(twin), proxy)
        try:
            yield one
        finally:
            one.rpc.close()

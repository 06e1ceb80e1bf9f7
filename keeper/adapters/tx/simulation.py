"""Running calls on the node's state without signing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.adapters.evm import checked
from keeper.adapters.evm.abi import revert_reason
from keeper.adapters.evm.rpc import BadReply, Rpc, RpcRefused
from keeper.adapters.tx.bundle import Call
from keeper.adapters.tx.receipts import Log, parse_logs
from keeper.core.model.pool import BlockRef

BLOCK_TIME_S = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A call that succeeded."""

    gas_units: int
    """After refunds, as a receipt would tell."""
    logs: tuple[Log, ...]
    returned: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverted:
    """A call that did not."""

    why: str


CallResult = Ran | Reverted


def simulation_request(blocks: Sequence[Sequence[Call]], sender: str, base: BlockRef) -> list[object]:
    """Parameters of ``eth_simulateV1``: every entry of ``blocks`` in a block of its own after ``base``, one after another."""
    document = {
        "blockStateCalls": [
            {
                "blockOverrides": {"time": hex(base.timestamp_s + BLOCK_TIME_S * place)},
                "calls": [_call(call, sender) for call in calls],
            }
            for place, calls in enumerate(blocks, start=1)
        ],
        "validation": False,
    }
    return [document, hex(base.number)]


def parse_simulation(reply: object) -> list[list[CallResult]]:
    """The reply of ``eth_simulateV1``, block by block.

    Raises:
        BadReply: it is not such a reply.
    """
    blocks = checked.sequence(reply, "simulation")
    return [[_result(call) for call in _calls(block)] for block in blocks]


def simulate_one(rpc: Rpc, call: Call, sender: str, base: BlockRef) -> CallResult:
    """Run one call on the newest state, by simulation and by the node's own estimate of gas, in one request.

    The gas told is the larger of both: an estimate knows what refunds hide. A node that cannot simulate is asked for the
    estimate alone, whose refusal carries the same reason.

    Raises:
        RpcUnreachable, BadReply: it could not be asked.
    """
    simulated, estimate = rpc.batch_outcomes(
        [
            ("eth_simulateV1", simulation_request([[call]], sender, base)),
            ("eth_estimateGas", [_call(call, sender), "latest"]),
        ]
    )
    result: CallResult = Ran(gas_units=0, logs=(), returned=b"")
    if not isinstance(simulated, RpcRefused):
        blocks = parse_simulation(simulated)
        if len(blocks) != 1 or len(blocks[0]) != 1:
            raise BadReply("a simulation of one call has not one result")
        result = blocks[0][0]
    if isinstance(result, Reverted):
        return result
    if isinstance(estimate, RpcRefused):
        return Reverted(why=_refusal(estimate))
    gas = max(result.gas_units, checked.quantity(estimate, "estimate of gas"))
    return Ran(gas_units=gas, logs=result.logs, returned=result.returned)


def _call(call: Call, sender: str) -> dict[str, str]:
    return {"from": sender, "to": call.to, "value": hex(call.value_wei), "input": call.data}


def _calls(block: object) -> Sequence[object]:
    return checked.sequence(checked.mapping(block, "simulated block").get("calls"), "simulated calls")


def _result(document: object) -> CallResult:
    fields = checked.mapping(document, "simulated call")
    returned = checked.data(fields.get("returnData"), "simulated call, returnData")
    if checked.quantity(fields.get("status"), "simulated call, status") != 1:
        error = fields.get("error")
        data = error.get("data") if isinstance(error, dict) else None
        return Reverted(why=revert_reason(returned or data))
    return Ran(
        gas_units=checked.quantity(fields.get("gasUsed"), "simulated call, gasUsed"),
        logs=parse_logs(fields.get("logs")),
        returned=returned,
    )


def _refusal(refused: RpcRefused) -> str:
    reason = revert_reason(refused.data)
    return refused.message if reason == "no reason" else reason

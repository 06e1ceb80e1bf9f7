"""Compile the contracts of this folder: ``python -m keeper.localchain.compile`` (needs the Vyper of the development tools).

What it writes is committed, so that running the local chain needs no compiler.
"""

from __future__ import annotations

import hashlib
import json
import subprocess  # ruff: ignore[suspicious-subprocess-import] - the compiler is a program
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CONTRACTS = {"Token": "token.vy", "Market": "market.vy"}
_GAMMA = ("address_book", "controller", "factory", "margin_pool", "oracle", "otoken", "pricer", "whitelist")
CONTRACTS |= {"Gamma" + name.title().replace("_", ""): f"gamma_{name}.vy" for name in _GAMMA}
CONTRACTS |= {f"Herge{part.title()}": f"herge_{part}.vy" for part in ("cover", "positions", "pricer", "put", "treasury")}
CONTRACTS["PanopticRecorder"] = "panoptic_recorder.vy"
CONTRACTS["ArbGasInfo"] = "arb_gas_info.vy"


def compiled() -> dict[str, dict[str, Any]]:
    """Artifacts of our contracts by name: source file and its sha256, compiler, ABI, creation bytecode.

    Raises:
        subprocess.CalledProcessError: Vyper refuses a source.
    """
    sources = [HERE / "contracts" / file for file in CONTRACTS.values()]
    # one process for all: to start the compiler takes longer than most of them
    command = [sys.executable, "-m", "vyper", "-f", "abi,bytecode", *map(str, sources)]
    run = subprocess.run(  # ruff: ignore[subprocess-without-shell-equals-true] - no shell text from outside
        command, check=True, capture_output=True, text=True
    )
    lines = [line for line in run.stdout.splitlines() if line]
    outputs = zip(lines[::2], lines[1::2], strict=True)
    return {
        name: _artifact(name, source, abi, bytecode)
        for (name, source), (abi, bytecode) in zip(zip(CONTRACTS, sources, strict=True), outputs, strict=True)
    }


def _artifact(name: str, source: Path, abi: str, bytecode: str) -> dict[str, Any]:
    return {
        "contractName": name,
        "source": f"contracts/{source.name}",
        "sourceSha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "licence": "MIT",
        "compiler": "vyper 0.4.3",
        "abi": json.loads(abi),
        "bytecode": bytecode,
    }


def main() -> None:
    """Write every artifact of ours."""
    for name, document in compiled().items():
        text = json.dumps(document, separators=(",", ":"))
        (HERE / "artifacts" / f"{name}.json").write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main()

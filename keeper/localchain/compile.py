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


def compiled(name: str) -> dict[str, Any]:
    """Artifact of one contract of ours: source file and its sha256, compiler, ABI, creation bytecode.

    Raises:
        subprocess.CalledProcessError: Vyper refuses the source.
    """
    source = HERE / "contracts" / CONTRACTS[name]
    command = [sys.executable, "-m", "vyper", "-f", "abi,bytecode", str(source)]
    run = subprocess.run(  # ruff: ignore[subprocess-without-shell-equals-true] - no shell text from outside
        command, check=True, capture_output=True, text=True
    )
    output = run.stdout.splitlines()
    return {
        "contractName": name,
        "source": f"contracts/{source.name}",
        "sourceSha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "licence": "MIT",
        "compiler": "vyper 0.4.3",
        "abi": json.loads(output[0]),
        "bytecode": output[1],
    }


def main() -> None:
    """Write every artifact of ours."""
    for name in CONTRACTS:
        text = json.dumps(compiled(name), separators=(",", ":"))
        (HERE / "artifacts" / f"{name}.json").write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main()

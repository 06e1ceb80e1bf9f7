"""Base fees of a chain, one an hour or so, in a text file beside its pools: what gas cost then.

``<root>/<chain id>/base_fees.csv`` has the columns timestamp (Unix seconds) and wei, and is replaced whole.
"""

from __future__ import annotations

import csv
from pathlib import Path

from keeper.adapters.history.manifest import settle
from keeper.core.model.errors import ConfigError

NAME = "base_fees.csv"
STRIDE_S = 3_600
_HEAD = ["timestamp", "wei"]


def path_of(root: Path, chain_id: int) -> Path:
    """Where a chain's base fees lie."""
    return root / str(chain_id) / NAME


def read_base_fees(root: Path, chain_id: int) -> list[tuple[int, int]]:
    """Times and base fees, in order; none when none are stored.

    Raises:
        ConfigError: the file is damaged.
    """
    path = path_of(root, chain_id)
    if not path.is_file():
        return []
    with path.open(encoding="ascii", newline="") as file:
        rows = list(csv.reader(file))
    try:
        found = [(int(at_s), int(wei)) for at_s, wei in rows[1:]]
    except ValueError:
        found = []
    if rows[:1] != [_HEAD] or len(found) != len(rows) - 1 or found != sorted(dict(found).items()):
        raise ConfigError([f"{path} is damaged: remove it and download anew"])
    return found


def write_base_fees(path: Path, fees: dict[int, int]) -> None:
    """Replace the file by these times and base fees."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_HEAD)
        writer.writerows(sorted(fees.items()))
    settle(temporary, path)

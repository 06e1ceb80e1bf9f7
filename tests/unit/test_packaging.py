"""What is installed is what is in the tree, and asking for help costs nothing."""

from __future__ import annotations

import resource
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "web3",
    "httpx",
    "sqlalchemy",
    "eth_account",
    "pydantic_settings",
    "pydantic",
    "apscheduler",
    "rich",
    "duckdb",
    "structlog",
)
HELP = "import sys; from keeper.app.cli.main import run; sys.argv = ['keeper', '--help']; run()"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_package_of_the_tree_is_installed():
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "keeper").rglob("__init__.py")}
    mapped = PYPROJECT["tool"]["setuptools"]["package-dir"]
    expected = {".".join(folder.parts) for folder in folders} | (set(mapped) - {"keeper"})
    assert sorted(PYPROJECT["tool"]["setuptools"]["packages"]) == sorted(expected)
    assert all((ROOT / folder / "__init__.py").is_file() for folder in mapped.values())


def test_every_data_file_is_installed():
    data = PYPROJECT["tool"]["setuptools"]["package-data"]
    folders = {"keeper": ROOT / "keeper", "keeper.config": ROOT / "config", "keeper.contracts_abi": ROOT / "contracts_abi"}
    taken = {
        path
        for package, patterns in data.items()
        for pattern in patterns
        for path in folders.get(package, ROOT / package.replace(".", "/")).glob(pattern)
    }
    shipped = {
        path
        for folder in folders.values()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and "__pycache__" not in path.parts
    }
    assert shipped <= taken, sorted(shipped - taken)


def test_the_configuration_is_found_as_package_data():
    for name in ("default.toml", "chains/mainnet.toml", "pools/usdc_weth_500.toml", "keeper.example.toml", "calendar.toml"):
        assert resources.files("keeper.config").joinpath(name).is_file()


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom keeper.app.cli.main import run\nsys.argv = ['keeper', '--help']\n"
        f"try:\n    run()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"found = sorted({HEAVY!r} & sys.modules.keys())\nassert not found, found"
    ).replace(f"{HEAVY!r}", f"set({HEAVY!r})")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Keeps a ladder" in done.stdout


def test_help_costs_little_more_than_the_library_that_it_is_written_with():
    # Processor time of both in turn, the best of a few runs: what the code costs, not what else this machine is doing.
    def once(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    turns = [(once(HELP), once("import typer, rich.console")) for _ in range(4)]
    own, library = (min(times) for times in zip(*turns, strict=True))
    assert own < 2 * library


def test_the_entry_point_is_the_command():
    assert PYPROJECT["project"]["scripts"] == {"keeper": "keeper.app.cli.main:run"}

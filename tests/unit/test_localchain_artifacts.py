"""What is committed is what the sources compile to; what comes from npm says so when it is missing."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from keeper.localchain import artifacts, mainnet
from keeper.localchain.anvil import AnvilNotFound, find_anvil
from keeper.localchain.artifacts import ArtifactNotFound, artifact, creation_code
from keeper.localchain.compile import CONTRACTS, compiled


def test_the_committed_artifacts_are_what_the_sources_compile_to() -> None:
    anew = compiled()
    assert set(anew) == set(CONTRACTS)
    stale = [name for name, document in anew.items() if artifact(name) != document]
    assert stale == [], "run python -m keeper.localchain.compile"


def test_multicall3_is_the_code_that_its_sum_names() -> None:
    document = artifact("Multicall3")
    code = bytes.fromhex(document["bytecode"][2:])
    assert hashlib.sha256(code).hexdigest() == document["bytecodeSha256"]
    assert document["licence"] == "MIT"


def test_every_deployment_has_its_code() -> None:
    for deployment in mainnet.DEPLOYMENTS:
        code = creation_code(deployment.artifact, libraries=mainnet.LIBRARIES)
        assert len(bytes.fromhex(code[2:])) > 100


def test_a_library_is_linked_by_its_address_and_must_be_given() -> None:
    name = "NonfungibleTokenPositionDescriptor"
    assert mainnet.NFT_DESCRIPTOR[2:].lower() in creation_code(name, libraries=mainnet.LIBRARIES)
    with pytest.raises(KeyError):
        creation_code(name)


def test_a_missing_package_says_npm_ci(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(artifacts, "node_modules_folders", lambda _environ, _cwd: [tmp_path])
    artifact.cache_clear()
    with pytest.raises(ArtifactNotFound, match="npm ci"):
        artifact("UniswapV3Factory")
    assert artifact("Token")["licence"] == "MIT"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "anvil"
    path.parent.mkdir()
    path.write_bytes(b"\x7fELF")
    path.chmod(0o755)
    return path


def test_the_named_program_comes_first(program: Path, tmp_path: Path) -> None:
    other = tmp_path / "named"
    other.write_bytes(b"\x7fELF")
    other.chmod(0o755)
    assert find_anvil({"KEEPER_ANVIL": str(other), "PATH": str(program.parent)}, tmp_path) == other


def test_then_the_one_on_path(program: Path, tmp_path: Path) -> None:
    assert find_anvil({"PATH": str(program.parent)}, tmp_path) == program


def test_a_named_program_that_is_not_there_is_no_reason_to_take_another(program: Path, tmp_path: Path) -> None:
    with pytest.raises(AnvilNotFound, match="KEEPER_ANVIL") as refused:
        find_anvil({"KEEPER_ANVIL": str(tmp_path / "no"), "PATH": str(program.parent)}, tmp_path)
    assert len(refused.value.problems) == 1


def test_npms_wrapper_on_path_is_passed_over(program: Path, tmp_path: Path) -> None:
    program.write_bytes(b"#!/usr/bin/env node\n")
    found = find_anvil({"PATH": str(program.parent)}, tmp_path)
    assert found != program
    assert "node_modules" in found.parts


def test_the_cache_is_the_last_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from keeper.localchain import anvil

    monkeypatch.setattr(anvil, "__file__", str(tmp_path / "elsewhere" / "keeper" / "localchain" / "anvil.py"))
    environ = {"PATH": "", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with pytest.raises(AnvilNotFound, match="npm ci") as refused:
        find_anvil(environ, tmp_path)
    assert "\n" not in str(refused.value)
    cached = tmp_path / "cache" / "keeper" / "node_modules" / anvil._npm_binary()
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"\x7fELF")
    cached.chmod(0o755)
    assert find_anvil(environ, tmp_path) == cached


def test_artifacts_are_json_of_one_line() -> None:
    folder = Path(artifacts.__file__).parent / "artifacts"
    names = {path.stem for path in folder.glob("*.json")}
    assert names == artifacts.OURS
    for path in folder.glob("*.json"):
        assert len(path.read_text().splitlines()) == 1
        json.loads(path.read_text())
        assert os.sep + "work" not in path.read_text()

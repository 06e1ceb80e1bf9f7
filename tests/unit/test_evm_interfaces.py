"""The interface files are what their manifest says, and what the contracts themselves declare."""

from __future__ import annotations

import hashlib
import json
import tomllib
from importlib import resources

import pytest
from eth_utils.abi import abi_to_signature

from keeper.adapters.evm.abi import contract
from keeper.localchain.artifacts import FETCHED, artifact

FILES = resources.files("keeper.contracts_abi")
MANIFEST = tomllib.loads(FILES.joinpath("MANIFEST.toml").read_text(encoding="utf-8"))


def shapes(document: list[dict]) -> dict:
    """Everything that an entry commits to, names of arguments apart."""

    def types(parts: list[dict]) -> list:
        return [(part["type"], part.get("indexed", False), types(part.get("components", []))) for part in parts]

    return {
        (entry["type"], abi_to_signature(entry)): (types(entry["inputs"]), types(entry.get("outputs", [])))
        for entry in document
        if entry["type"] in {"function", "event"}
    }


def document(name: str) -> list[dict]:
    return json.loads(FILES.joinpath(MANIFEST[name]["file"]).read_text(encoding="utf-8"))


def test_the_manifest_names_every_file_and_no_other() -> None:
    found = {file.name for file in FILES.iterdir() if file.name.endswith(".json")}
    assert found == {entry["file"] for entry in MANIFEST.values()}


@pytest.mark.parametrize("name", sorted(MANIFEST))
def test_a_file_is_the_one_that_the_manifest_was_written_for(name: str) -> None:
    entry = MANIFEST[name]
    assert hashlib.sha256(FILES.joinpath(entry["file"]).read_bytes()).hexdigest() == entry["sha256"]
    assert entry["source"]
    assert contract(name).name == name


@pytest.mark.parametrize("name", sorted(set(MANIFEST) & set(FETCHED)))
def test_a_file_declares_what_the_published_contract_declares(name: str) -> None:
    published = shapes(artifact(name)["abi"])
    for key, shape in shapes(document(name)).items():
        assert published[key] == shape, key


@pytest.mark.parametrize(
    ("name", "function", "selector"),
    [
        ("ERC20", "transfer", "a9059cbb"),
        ("ERC20", "permit", "d505accf"),
        ("ERC20", "DOMAIN_SEPARATOR", "3644e515"),
        ("UniswapV3Pool", "slot0", "3850c7bd"),
        ("NonfungiblePositionManager", "mint", "88316456"),
        ("SwapRouter02", "multicall(uint256,bytes[])", "5ae401dc"),
        ("SwapRouter02", "exactInputSingle", "04e45aaf"),
        ("Multicall3", "aggregate3", "82ad56cb"),
    ],
)
def test_selectors_are_those_known_from_the_chain(name: str, function: str, selector: str) -> None:
    assert contract(name).function(function).selector.hex() == selector


def test_the_swap_topic_is_the_one_known_from_the_chain() -> None:
    topic = "0xc42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67"
    assert contract("UniswapV3Pool").event("Swap").topic0 == topic


def test_a_name_that_several_functions_share_is_refused() -> None:
    with pytest.raises(KeyError, match="3 functions multicall"):
        contract("SwapRouter02").function("multicall")
    with pytest.raises(KeyError, match="0 functions mint"):
        contract("SwapRouter02").function("mint")

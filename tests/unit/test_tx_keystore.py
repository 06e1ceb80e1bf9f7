from __future__ import annotations

import copy
import json
import os
import pickle
import traceback
from pathlib import Path

import pytest

from keeper.adapters.tx import keystore
from keeper.adapters.tx.secret_file import read_secret
from keeper.adapters.tx.signer import Signer, Transaction, decode_transaction, sender_of
from keeper.core.model.errors import ConfigError, JournalFault
from tests.fakes.executor_scene import KEY, PERMITS
from tests.pairs import WALLET

FEW = 2
"""Scrypt rounds: tests guard no value."""


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text("correct horse\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    assert keystore.create(path, KEY, "correct horse", scrypt_rounds=FEW) == WALLET
    return path


def test_a_stored_key_signs_for_its_address_again(stored: Path, passphrase: Path) -> None:
    assert keystore.load(stored, passphrase).address == WALLET
    assert stored.stat().st_mode & 0o777 == 0o600
    document = json.loads(stored.read_text(encoding="utf-8"))
    assert document["version"] == 3
    assert document["crypto"]["kdf"] == "scrypt"
    assert KEY[2:] not in stored.read_text(encoding="utf-8")


def test_a_new_key_is_new() -> None:
    keys = {keystore.new_key() for _ in range(20)}
    assert len({Signer(key).address for key in keys}) == 20


def test_a_keystore_is_never_overwritten(stored: Path, tmp_path: Path) -> None:
    before = stored.read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="never overwritten"):
        keystore.create(stored, KEY, "other", scrypt_rounds=FEW)
    assert stored.read_text(encoding="utf-8") == before
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ConfigError):
        keystore.create(link, KEY, "other", scrypt_rounds=FEW)
    with pytest.raises(ConfigError, match="cannot be made"):
        keystore.create(tmp_path / "no" / "folder", KEY, "other", scrypt_rounds=FEW)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o610, 0o666])
def test_a_passphrase_that_others_can_reach_is_refused(stored: Path, passphrase: Path, mode: int) -> None:
    passphrase.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        keystore.load(stored, passphrase)


def test_a_passphrase_of_another_user_is_refused(passphrase: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: passphrase.stat().st_uid + 1)
    with pytest.raises(ConfigError, match="belong"):
        read_secret(passphrase)


def test_links_folders_pipes_and_large_files_are_not_secrets(tmp_path: Path, passphrase: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(passphrase)
    folder = tmp_path / "folder"
    folder.mkdir()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    large = tmp_path / "large"
    large.write_bytes(b"x" * 70_000)
    large.chmod(0o600)
    noise = tmp_path / "noise"
    noise.write_bytes(b"\xff\xfe")
    noise.chmod(0o600)
    for path in (link, folder, pipe, large, noise, tmp_path / "missing"):
        with pytest.raises(ConfigError):
            read_secret(path)


@pytest.mark.parametrize(
    ("content", "secret"), [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a ")]
)
def test_a_secret_loses_its_line_end_and_nothing_else(passphrase: Path, content: str, secret: str) -> None:
    passphrase.write_text(content, encoding="utf-8", newline="")
    assert read_secret(passphrase) == secret


def test_an_empty_passphrase_is_none(passphrase: Path, tmp_path: Path) -> None:
    passphrase.write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="empty"):
        read_secret(passphrase)
    with pytest.raises(ConfigError, match="empty"):
        keystore.create(tmp_path / "new", KEY, "", scrypt_rounds=FEW)


def test_a_wrong_passphrase_and_a_spoiled_keystore_do_not_open(stored: Path, passphrase: Path) -> None:
    whole = json.loads(stored.read_text(encoding="utf-8"))
    passphrase.write_text("wrong", encoding="utf-8")
    with pytest.raises(ConfigError, match="does not open"):
        keystore.load(stored, passphrase)
    passphrase.write_text("correct horse", encoding="utf-8")
    for spoiled in ("", "[]", "{}", "null", json.dumps({**whole, "version": 9}), json.dumps({**whole, "crypto": None})):
        stored.write_text(spoiled, encoding="utf-8")
        with pytest.raises(ConfigError, match="does not open"):
            keystore.load(stored, passphrase)
    stored.write_text(json.dumps({**whole, "address": "00" * 20}), encoding="utf-8")
    with pytest.raises(ConfigError, match="another address"):
        keystore.load(stored, passphrase)


def test_a_key_in_the_environment_works_on_local_chains_only() -> None:
    environ = {keystore.ENVIRONMENT_KEY: KEY}
    assert keystore.from_environment(environ, local=True).address == WALLET
    with pytest.raises(ConfigError, match="local chains only"):
        keystore.from_environment(environ, local=False)
    with pytest.raises(ConfigError, match="not set"):
        keystore.from_environment({}, local=True)


@pytest.mark.parametrize("key", ["", "0x", KEY[:-1], KEY + "0", "0x" + "g" * 64, "0x" + "00" * 32, "0x" + "ff" * 32])
def test_what_is_no_key_is_refused_without_being_told(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Signer(key)
    text = "".join(traceback.format_exception(caught.value))
    assert len(key) < 10 or key.removeprefix("0x") not in text


def test_a_signer_shows_its_address_and_never_its_key() -> None:
    signer = Signer(KEY)
    for text in (
        repr(signer),
        str(signer),
        f"{signer}",
        repr([signer]),
        repr(vars(signer) if hasattr(signer, "__dict__") else ""),
    ):
        assert KEY[2:] not in text
    assert WALLET in repr(signer)
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            duplicate(signer)


def test_what_was_signed_is_read_back() -> None:
    transaction = Transaction(
        chain_id=1,
        nonce=7,
        to=PERMITS[0].token,
        value_wei=5,
        data="0x095ea7b3",
        gas_limit=50_000,
        max_fee_wei=10**9,
        tip_wei=10**7,
    )
    signed = Signer(KEY).sign(transaction)
    assert decode_transaction(signed.raw) == transaction
    assert sender_of(signed.raw) == WALLET
    assert Signer(KEY).sign(transaction) == signed


@pytest.mark.parametrize("raw", ["", "0x", "0x02", "0x02f8" + "ab" * 40, "0xf8", "zz", "0x01c0"])
def test_a_spoiled_attempt_is_a_fault_of_the_journal(raw: str) -> None:
    for read in (decode_transaction, sender_of):
        with pytest.raises(JournalFault):
            read(raw)

"""Where keys come from: an encrypted keystore, or on local chains the environment."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from eth_account import Account
from eth_utils.address import to_checksum_address

from keeper.adapters.tx.secret_file import read_secret, read_text
from keeper.adapters.tx.signer import Signer
from keeper.core.model.errors import ConfigError

ENVIRONMENT_KEY = "KEEPER_PRIVATE_KEY"
SCRYPT_ROUNDS = 2**18
"""Cost of one guess of a passphrase: about 0.7 s."""


def new_key() -> str:
    """A private key from the system's randomness, hex with 0x."""
    while True:
        key = "0x" + secrets.token_bytes(32).hex()
        try:
            Signer(key)
        except ConfigError:
            continue
        return key


def create(path: Path, key: str, passphrase: str, *, scrypt_rounds: int = SCRYPT_ROUNDS) -> str:
    """Write ``key`` to a new keystore (version 3, scrypt) that only its owner may read; returns the address.

    Args:
        path: file to make; its folder must exist.
        key: private key in hex.
        passphrase: what will open it, not empty.
        scrypt_rounds: cost of one guess, a power of two.

    Raises:
        ConfigError: the file exists or cannot be made, the key is none, the passphrase is empty.
    """
    if not passphrase:
        raise ConfigError(["the passphrase is empty"])
    signer = Signer(key)
    document = json.dumps(signer.keystore(passphrase, scrypt_rounds=scrypt_rounds))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise ConfigError([f"{path} exists; a keystore is never overwritten"]) from None
    except OSError as error:
        raise ConfigError([f"{path} cannot be made: {error.strerror}"]) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(document)
        file.flush()
        os.fsync(file.fileno())
    return signer.address


def load(path: Path, passphrase_file: Path) -> Signer:
    """Open a keystore.

    Args:
        path: version 3 keystore.
        passphrase_file: see :func:`read_secret`.

    Raises:
        ConfigError: a file is unusable, the passphrase is wrong, or the key is not the one that the keystore names.
    """
    passphrase = read_secret(passphrase_file)
    try:
        document = json.loads(read_text(path, private=False))
        key = bytes(Account.decrypt(document, passphrase))
    except ConfigError:
        raise
    except Exception as error:  # ruff: ignore[blind-except] - whatever the library says may quote its input
        raise ConfigError([f"{path} does not open with the passphrase of {passphrase_file} ({type(error).__name__})"]) from None
    signer = Signer(key.hex())
    named = document.get("address")
    if named is not None and to_checksum_address(str(named)) != signer.address:
        raise ConfigError([f"{path} names another address than its key has"])
    return signer


def from_environment(environ: Mapping[str, str], *, local: bool) -> Signer:
    """A key that stands in the environment, where every process of the user can read it: for local chains only.

    Args:
        environ: where ``KEEPER_PRIVATE_KEY`` is looked up.
        local: whether the chain holds no value: a development chain's id, or configuration declares it local and the node is
            on this machine.

    Raises:
        ConfigError: the chain is not local, or there is no usable key.
    """
    if not local:
        raise ConfigError([f"{ENVIRONMENT_KEY} works on local chains only; import the key into a keystore"])
    if not (key := environ.get(ENVIRONMENT_KEY)):
        raise ConfigError([f"{ENVIRONMENT_KEY} is not set"])
    return Signer(key)

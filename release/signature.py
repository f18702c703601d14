"""A detached Ed25519 signature of the manifest: who holds the key vouches for every file it names.

In comes a PEM private key that the configuration names; out goes `manifest.json.sig` beside the
manifest, JSON with the algorithm, the public key and the signature. Whoever checks it needs the
public key from elsewhere, since a forger signs with a key of his own. The private key is read,
never copied. Scheme: RFC 8032.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from provenance.failure import Failure
from release.manifest import MANIFEST
from runtime.config import Config
from runtime.errors import ConfigError, WorkspaceError
from runtime.storage import read_json, write_json

SIGNATURE = f"{MANIFEST}.sig"
ALGORITHM = "Ed25519"


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file without a password. Raises ConfigError for anything else."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _bad_key("release.signing_key", path, "private", str(error)) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _bad_key("release.signing_key", path, "private", "a key of another kind")
    return key


def configured_key(config: Config, config_folder: Path) -> Ed25519PrivateKey | None:
    """The key that the configuration names. Raises ConfigError for a faulty one."""
    named = config.release.signing_key
    return None if named is None else load_signing_key(config_folder / named)


def load_trusted_key(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file. Raises ConfigError for anything else."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _bad_key("trusted key", path, "public", str(error)) from None
    if not isinstance(key, Ed25519PublicKey):
        raise _bad_key("trusted key", path, "public", "a key of another kind")
    return key


def _bad_key(setting: str, path: Path, kind: str, found: str) -> ConfigError:
    return ConfigError(
        f"{setting} = {str(path)!r}: expected a PEM file with an Ed25519 {kind} key without a "
        f"password, got {found.splitlines()[0] if found else 'none'}; make one with `openssl "
        "genpkey -algorithm ed25519`"
    )


def sign_manifest(folder: Path, key: Ed25519PrivateKey) -> None:
    """Write the signature of the folder's manifest."""
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signature = key.sign((folder / MANIFEST).read_bytes())
    write_json(
        folder / SIGNATURE,
        {"algorithm": ALGORITHM, "public_key": _text(public), "signature": _text(signature)},
    )


def check_signature(folder: Path, trusted: Ed25519PublicKey | None) -> Iterator[Failure]:
    """What is wrong with a release's signature; with a `trusted` key one has to be there, by it.

    Without a trusted key, a signature only says that the manifest did not change since it was
    signed by whoever held the key that it names.
    """
    if not (folder / SIGNATURE).is_file():
        if trusted is not None:
            yield Failure(SIGNATURE, None, "expected a signature by the trusted key, found none")
        return
    try:
        said = read_json(folder / SIGNATURE)
        named, signature = _bytes(said["public_key"]), _bytes(said["signature"])
        if said["algorithm"] != ALGORITHM:
            raise ValueError(f"algorithm {said['algorithm']!r}")
        key = Ed25519PublicKey.from_public_bytes(named)
    except (OSError, WorkspaceError, KeyError, TypeError, ValueError) as error:
        yield Failure(SIGNATURE, None, f"expected an {ALGORITHM} signature, got {error!r}")
        return
    if trusted is not None:
        expected = trusted.public_bytes(Encoding.Raw, PublicFormat.Raw)
        if named != expected:
            problem = f"expected the trusted key {_text(expected)}, got {_text(named)}"
            yield Failure(SIGNATURE, None, problem)
            return
    try:
        key.verify(signature, (folder / MANIFEST).read_bytes())
    except (InvalidSignature, OSError):
        yield Failure(SIGNATURE, None, f"it is no signature of this {MANIFEST}")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64 ({error})") from None

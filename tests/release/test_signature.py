"""Signatures of the manifest: made by openssl's keys, checked by verify."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from provenance.verify import verify
from release.manifest import MANIFEST
from release.publish import publish
from release.signature import SIGNATURE, load_signing_key, load_trusted_key
from runtime.errors import ConfigError
from runtime.stages import Context
from runtime.workspace import Workspace
from tests.release.finished_run import RunWriter, config, products, shared_pool


def make_key(folder: Path, name: str = "key", kind: str = "ed25519") -> Path:
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", kind, "-out", private], check=True, capture_output=True
    )
    subprocess.run(
        ["openssl", "pkey", "-in", private, "-pubout", "-out", public],
        check=True, capture_output=True,
    )  # fmt: skip
    return private


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    make_key(tmp_path)
    return release_of(tmp_path, "key.pem")


def release_of(folder: Path, key: str) -> Path:
    workspace = Workspace(folder / "workspace")
    workspace.prepare()
    run = RunWriter(workspace).write(products("shop-a", 4))
    settings = config(["shop-a"], signing_key=key)
    made = publish(Context(settings, folder, workspace, run, shared_pool(), quiet=True)).folder
    assert made is not None
    return made


def problems(release: Path, key: Path | None) -> list[str]:
    trusted = None if key is None else load_trusted_key(key)
    return [str(failure) for failure in verify(release, quiet=True, trusted=trusted)]


def test_a_signed_release_verifies_with_and_without_the_key(signed: Path, tmp_path: Path) -> None:
    assert problems(signed, tmp_path / "key.pub.pem") == []
    assert problems(signed, None) == []
    assert "PRIVATE" not in (signed / SIGNATURE).read_text()


def test_a_changed_manifest_is_told_even_where_every_digest_was_made_to_fit(
    signed: Path, tmp_path: Path
) -> None:
    manifest = json.loads((signed / MANIFEST).read_text())
    manifest["sites"]["shop-a"]["licence"] = "anything goes"
    (signed / MANIFEST).write_text(json.dumps(manifest))
    (found,) = problems(signed, tmp_path / "key.pub.pem")
    assert found.startswith(f"{SIGNATURE}: it is no signature")


def test_somebody_elses_signature_is_told_where_a_key_is_trusted(
    signed: Path, tmp_path: Path
) -> None:
    make_key(tmp_path, "other")
    (found,) = problems(signed, tmp_path / "other.pub.pem")
    assert "expected the trusted key" in found


def test_a_missing_or_damaged_signature_is_told(signed: Path, tmp_path: Path) -> None:
    (signed / SIGNATURE).write_text('{"algorithm": "Ed25519"}')
    (found,) = problems(signed, None)
    assert "expected an Ed25519 signature" in found
    (signed / SIGNATURE).unlink()
    (found,) = problems(signed, tmp_path / "key.pub.pem")
    assert "found none" in found


@pytest.mark.parametrize("content", [None, b"", b"no key", b"\xff\xfe"])
def test_a_file_that_is_no_key_is_named_before_anything_is_built(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "key.pem").write_bytes(content)
    with pytest.raises(ConfigError, match=r"release.signing_key = .*key.pem.*openssl"):
        release_of(tmp_path, "key.pem")
    assert list((tmp_path / "workspace" / "releases").iterdir()) == []


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = make_key(tmp_path, "x", "x25519")
    with pytest.raises(ConfigError, match="another kind"):
        load_signing_key(path)
    with pytest.raises(ConfigError, match="another kind"):
        load_trusted_key(tmp_path / "x.pub.pem")

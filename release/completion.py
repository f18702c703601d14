"""The last files of a release: card, changelog, Croissant, then the manifest, then its signature.

In comes a folder with everything else in it and its manifest so far; each file is described by the
ones after it, so they are written in this order and nothing is added behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from release.card import card
from release.changelog import CHANGELOG, changelog, earlier_changelog
from release.contents import read_contents
from release.croissant import CROISSANT, croissant
from release.manifest import FileEntry, Manifest, file_entry, write_manifest
from release.signature import sign_manifest
from runtime.storage import write_bytes

CARD = "README.md"


def complete_release(
    folder: Path,
    manifest: Manifest,
    parent: Path | None,
    before: Manifest | None,
    languages: Sequence[str],
    key: Ed25519PrivateKey | None,
) -> None:
    """Write them; `before` is the manifest of the release in the folder `parent`."""
    contents = read_contents(folder / entry.path for entry, _ in manifest.shards)
    texts = {
        CARD: card(manifest, languages, contents),
        CHANGELOG: changelog(manifest, before, earlier_changelog(parent)),
    }
    files = [*manifest.files, *(_text_file(folder, name, text) for name, text in texts.items())]
    described = croissant(_with(manifest, files), languages)
    files.append(_text_file(folder, CROISSANT, described))
    write_manifest(folder, _with(manifest, files))
    if key is not None:
        sign_manifest(folder, key)


def _text_file(folder: Path, name: str, text: str) -> FileEntry:
    write_bytes(folder / name, text.encode())
    return file_entry(folder, folder / name)


def _with(manifest: Manifest, files: Iterable[FileEntry]) -> Manifest:
    return replace(manifest, files=tuple(sorted(files, key=lambda entry: entry.path)))

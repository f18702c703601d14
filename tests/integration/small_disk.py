"""A disk of a few megabytes that a test fills up: a tmpfs in a mount namespace of its own.

Nothing of it is seen by other processes, and it is gone with the process that holds it. It needs
no rights where the system lets users have namespaces.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.commands import PATIENCE_SECONDS, REPOSITORY, Said

_HOLD = 'mount -t tmpfs -o size="$1" tmpfs "$2" && echo ready && exec cat'


class NoNamespaceError(Exception):
    """The system refuses namespaces or mounts."""


@dataclass(frozen=True)
class SmallDisk:
    """The disk at `folder`; only what `run` starts finds it there, all others by `seen`."""

    folder: Path
    seen: Path
    holder: int

    @property
    def filler(self) -> Path:
        return self.seen / "filler"

    def leave(self, room: int) -> None:
        """Fill it up until so many bytes are free, in blocks of the file system."""
        self.filler.unlink(missing_ok=True)
        with self.filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, self.free() - room))

    def make_room(self) -> None:
        """Free what `leave` took."""
        self.filler.unlink(missing_ok=True)

    def free(self) -> int:
        """Bytes that are free."""
        state = os.statvfs(self.seen)
        return state.f_bavail * state.f_frsize

    def run(self, *arguments: str | Path) -> Said:
        """Run the command line where the disk is, to its end."""
        enter = ["nsenter", "-t", str(self.holder), "-U", "-m", "--preserve-credentials"]
        process = subprocess.Popen(
            [*enter, sys.executable, str(REPOSITORY / "pipeline.py"), *map(str, arguments)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return Said(process.returncode, out, err)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[SmallDisk]:
    """An empty disk at `folder`. Raises NoNamespaceError where the system does not allow it."""
    folder.mkdir(parents=True)
    command = ["unshare", "-U", "-r", "-m", "sh", "-c", _HOLD, "sh", size, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None and holder.stdout is not None and holder.stderr is not None
        if holder.stdout.readline() != "ready\n":
            raise NoNamespaceError(holder.stderr.read())
        seen = Path(f"/proc/{holder.pid}/root") / folder.relative_to("/")
        try:
            yield SmallDisk(folder, seen, holder.pid)
        finally:
            holder.stdin.close()  # `cat` ends, and the disk with it

"""One run at a time per workspace: an advisory `flock` that dies with its holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runtime.errors import LockedError
from runtime.storage import explain_os_error


@contextmanager
def workspace_lock(workspace: Path) -> Iterator[None]:
    """Hold the workspace; raises LockedError at once when another process does.

    The kernel drops the lock when its holder dies, so a killed run never blocks the next.
    """
    path = workspace / ".lock"
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise explain_os_error(error, path) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            raise LockedError(
                f"workspace {workspace} is in use: expected a free lock, got one held by process "
                f"{holder}; wait for it or stop it"
            ) from None
        os.ftruncate(descriptor, 0)
        with suppress(OSError):  # on a full disk the lock holds all the same, without a name
            os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


def lock_holder(workspace: Path) -> int | None:
    """The process that holds the workspace; None where none does, or the kernel does not tell.

    The lock itself is not tried: a look must not keep a run from starting.
    """
    path = workspace / ".lock"
    try:
        inode = path.stat().st_ino
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        told = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    # 1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF
    held = any(
        fields[1] == "FLOCK" and fields[-3].endswith(f":{inode}")
        for line in lines
        if len(fields := line.split()) >= 8 and "->" not in fields
    )
    return int(told) if held and told.isdecimal() else None

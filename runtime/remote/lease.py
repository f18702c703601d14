"""The lock of a workspace on an object store: a lease that a living holder renews.

It is one object, made and replaced by conditional writes alone, so of two that want it one gets it.
How old it is, is read from the store's own clock. A holder that died does not renew it, and once it
is old enough the next one takes it over; a holder that lost it so must not write any more.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runtime import logs
from runtime.errors import LockedError
from runtime.remote.store import Held, ObjectStore, PreconditionError, StoreError

LOCK = ".lock"
_RENEWALS = 4
"""How often a lease is renewed while it lasts: so many failures in a row are no loss of it."""


class Lease:
    """A held lock; `check` before every write."""

    def __init__(self, store: ObjectStore, etag: str, body: bytes) -> None:
        self._store, self._etag, self._body = store, etag, body
        self._ended = threading.Event()
        self.taken_by: str | None = None

    def check(self) -> None:
        """Raise LockedError when another process took it over."""
        if self.taken_by is not None:
            raise LockedError(
                f"{self._store.url}: expected to hold its lock, found it taken over by "
                f"{self.taken_by}; nothing more was written there"
            )

    def renew(self) -> None:
        """Say that the holder lives; when another one has it, ask this process to stop."""
        try:
            self._etag = self._store.put(LOCK, self._body, over=self._etag)
        except PreconditionError:
            found = self._store.look(LOCK)
            self.taken_by = _holder(found) if found is not None else "nobody, who let it go"
            os.kill(os.getpid(), signal.SIGTERM)

    def keep(self, seconds: float) -> None:
        """Renew it until `end`, in a thread of its own."""

        def renew_often() -> None:
            while not self._ended.wait(seconds / _RENEWALS):
                try:
                    self.renew()
                except StoreError as error:
                    logs.warning(f"the lock was not renewed ({error}); trying again")
                if self.taken_by is not None:
                    return

        threading.Thread(target=renew_often, name="lease", daemon=True).start()

    def end(self) -> None:
        """Let it go."""
        self._ended.set()
        if self.taken_by is None:
            self._store.drop(LOCK, self._etag)


@contextmanager
def leased(store: ObjectStore, seconds: float) -> Iterator[Lease]:
    """Hold the workspace; raises LockedError at once when another process does.

    `seconds` after its last sign of life a holder counts as dead.
    """
    body = json.dumps(
        {"host": socket.gethostname(), "process": os.getpid(), "id": uuid.uuid4().hex}
    ).encode()
    found = store.look(LOCK)
    if found is not None and found.age < seconds:
        raise _locked(store, found)
    try:
        etag = store.put(LOCK, body, over=None if found is None else found.etag)
    except PreconditionError:
        now = store.look(LOCK)
        raise _locked(store, now) from None
    if found is not None:
        logs.warning(
            f"took over the lock of {_holder(found)}, which last lived {found.age:.0f} s ago"
        )
    lease = Lease(store, etag, body)
    lease.keep(seconds)
    try:
        yield lease
    finally:
        lease.end()


def _locked(store: ObjectStore, found: Held | None) -> LockedError:
    whose = "another process" if found is None else _holder(found)
    return LockedError(
        f"workspace {store.url} is in use: expected a free lock, got one held by {whose}; wait for "
        "it or stop it"
    )


def _holder(found: Held) -> str:
    try:
        said: dict[str, Any] = json.loads(found.body)
        return f"process {said['process']} on {said['host']}"
    except (ValueError, KeyError, TypeError):
        return "an unknown process"

"""Opening the workspace that a configuration names: a folder, or a copy of what a store holds.

Readers get it as it is now; a writer holds its lock, and what it makes is saved at its commit
points and at the end.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime import logs
from runtime.config import Config
from runtime.errors import LockedError, MepError
from runtime.keys import digest
from runtime.locks import workspace_lock
from runtime.storage import full_disk_explained
from runtime.workspace import Workspace

_SCHEME = "s3://"


@dataclass(frozen=True)
class Opened:
    """A workspace that this process may write."""

    workspace: Workspace

    def save(self) -> None:
        """A commit point: what was made is there for everybody."""


def is_remote(config: Config) -> bool:
    """Whether the workspace lives on an object store."""
    return config.workspace.startswith(_SCHEME)


def workspace_folder(config: Config, config_folder: Path) -> Path:
    """Where the workspace, or the copy of it, lies on this machine."""
    if is_remote(config):
        return (config_folder / config.storage.cache / digest(config.workspace)).resolve()
    return (config_folder / config.workspace).resolve()


def reading(config: Config, config_folder: Path) -> Workspace:
    """The workspace as it is; a copy is brought up to date unless a command here writes it."""
    folder = workspace_folder(config, config_folder)
    if is_remote(config):
        from runtime.remote.mirror import Mirror
        from runtime.remote.store import ObjectStore

        try:
            with workspace_lock(folder):
                Mirror(ObjectStore(config.workspace, config.storage), folder).update()
        except LockedError:
            logs.warning(f"{config.workspace}: a command here is writing it; showing its copy")
    return Workspace(folder)


@contextmanager
def writing(config: Config, config_folder: Path) -> Iterator[Opened]:
    """The workspace, its lock held. Raises LockedError at once when another process has it."""
    folder = workspace_folder(config, config_folder)
    workspace = Workspace(folder)
    if not is_remote(config):
        workspace.prepare()
        with workspace_lock(folder), full_disk_explained(folder):
            yield Opened(workspace)
        return
    from runtime.remote.lease import leased
    from runtime.remote.mirror import Mirror
    from runtime.remote.store import ObjectStore

    store = ObjectStore(config.workspace, config.storage)
    with (
        workspace_lock(folder),
        full_disk_explained(folder),
        leased(store, config.storage.lock_seconds) as lease,
    ):
        mirror = Mirror(store, folder)
        mirror.update()
        mirror.claim()
        workspace.prepare()
        ended = threading.Event()

        def save_often() -> None:
            while not ended.wait(config.storage.save_seconds):
                try:
                    mirror.save(lease, points=False)
                except (MepError, OSError) as error:
                    logs.warning(f"{config.workspace}: not saved yet ({error}); trying again")

        class Saving(Opened):
            def save(self) -> None:
                mirror.save(lease)

        threading.Thread(target=save_often, name="save", daemon=True).start()
        try:
            yield Saving(workspace)
        finally:
            ended.set()
            mirror.save(lease)

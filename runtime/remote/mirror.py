"""The local copy of a workspace that lives on an object store: brought up to date, and saved.

Comes in: a store, the copy's folder, and the lease under which it may write. What is saved becomes
visible in an order that readers can rely on: data before the seals and manifests that speak of it,
`LATEST.json` last of all and only over the one that was seen at the start. A file that is another
one's hard link is copied within the store, so a release's unchanged shards are never sent twice.

Frontiers, caches and logs stay on this machine: a crawl that another machine goes on with starts
anew the sites that were not done.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from runtime.errors import WorkspaceError
from runtime.remote.lease import LOCK, Lease
from runtime.remote.store import ObjectStore, PreconditionError, Stored
from runtime.storage import read_json, write_json

INDEX = ".stored.json"
WRITER = ".writer"
LATEST = "releases/LATEST.json"
# Never stored: what belongs to this machine, what is being made, and what can be made again.
_LOCAL = re.compile(
    r"(^|/)(\.lock|\.stored\.json|\..+\.tmp|[^/]+\.open|(?!image-index\.sqlite$)[^/]*\.sqlite(-wal|-shm|-journal)?)$"
    r"|^logs/|^runs/[^/]+/(frontier|publish|dedupe)/|^releases/\.[^/]+\.partial/"
)
# What is of use to others once that stage of the run is done, and changes until then.
_FINISHED = (
    (re.compile(r"^runs/([^/]+)/captures/"), "crawl"),
    (re.compile(r"^runs/([^/]+)/image-index\.sqlite$"), "fetch"),
)
# What speaks of other files, in the order in which it becomes visible.
_SPEAKING = (
    re.compile(r"^runs/.+/[^/]+\.json$"),
    re.compile(r"^runs/[^/]+/run\.json$"),
    re.compile(r"^releases/[^/]+/manifest\.json(\.sig)?$"),
    re.compile(r"^last_run\.json$"),
)


@dataclass(frozen=True)
class Known:
    """A file as it was when it and its object were last the same."""

    etag: str
    size: int
    changed: int
    inode: int

    @classmethod
    def of(cls, path: Path, etag: str) -> Known:
        """A file as it is."""
        stat = path.stat()
        return cls(etag, stat.st_size, stat.st_mtime_ns, stat.st_ino)


class Mirror:
    """A workspace's copy in `folder`."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.store, self.folder = store, folder
        self._known: dict[str, Known] = {}
        self._writer: str | None = None
        self._latest: str | None = None
        self._turn = threading.Lock()
        self._load()

    def _load(self) -> None:
        try:
            said = read_json(self.folder / INDEX)
            if said["url"] == self.store.url:
                self._known = {key: Known(**known) for key, known in said["files"].items()}
                self._writer = said["writer"]
        except (FileNotFoundError, WorkspaceError, KeyError, TypeError):
            self._known, self._writer = {}, None

    def _remember(self) -> None:
        files = {key: asdict(known) for key, known in sorted(self._known.items())}
        write_json(
            self.folder / INDEX, {"url": self.store.url, "writer": self._writer, "files": files}
        )

    def update(self) -> None:
        """Make the copy what the store holds.

        What this copy has beyond that is kept where it was the last to write there: its own
        unfinished work. Otherwise somebody else went on, and it goes.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        objects = self.store.list()
        writer = self.store.look(WRITER)
        is_ours = writer is not None and writer.body.decode("ascii", "replace") == self._writer
        for key in (WRITER, LOCK):
            objects.pop(key, None)
        if not is_ours:
            self._forget_local_work(objects)
        by_etag: dict[tuple[str, int], Path] = {}
        for key, stored in sorted(objects.items()):
            path = self._path(key)
            if not self._is_current(key, path, stored):
                if is_ours and self._is_changed_here(key, path):
                    continue  # it was made anew here and not saved yet
                self._bring(key, path, stored, by_etag.get((stored.etag, stored.size)))
            by_etag[stored.etag, stored.size] = path
        for key in set(self._known) - set(objects):
            self._known.pop(key)
            self._path(key).unlink(missing_ok=True)
        latest = objects.get(LATEST)
        self._latest = latest.etag if latest is not None else None
        self._remember()

    def _path(self, key: str) -> Path:
        path = self.folder / key
        if not path.resolve().is_relative_to(self.folder.resolve()) or _LOCAL.search(key):
            raise WorkspaceError(
                f"{self.store.url}/{key}: expected the objects of a workspace, got one that none "
                "has; remove it, or name a prefix of its own"
            )
        return path

    def _is_current(self, key: str, path: Path, stored: Stored) -> bool:
        known = self._known.get(key)
        if known is None or known.etag != stored.etag or not path.is_file():
            return False
        return Known.of(path, stored.etag) == known

    def _is_changed_here(self, key: str, path: Path) -> bool:
        return path.is_file() and key in self._known

    def _bring(self, key: str, path: Path, stored: Stored, same: Path | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        if same is not None and stored.size > 0:
            os.link(same, temporary)
        else:
            self.store.fetch(key, temporary)
        temporary.replace(path)
        self._known[key] = Known.of(path, stored.etag)

    def _forget_local_work(self, objects: Mapping[str, Stored]) -> None:
        """Remove what the store does not have, frontiers and caches too: they are of the past."""
        for path in self._files():
            key = path.relative_to(self.folder).as_posix()
            if key in objects or key == ".lock" or key.startswith("logs/"):
                continue
            path.unlink(missing_ok=True)
        for folder in self.folder.glob("releases/.*.partial"):
            shutil.rmtree(folder)

    def _files(self) -> Iterator[Path]:
        return (path for path in sorted(self.folder.rglob("*")) if path.is_file())

    def claim(self) -> None:
        """Say that this copy is the one that writes from now on; the lease is held."""
        found = self.store.look(WRITER)
        self._writer = uuid.uuid4().hex
        self.store.put(WRITER, self._writer.encode(), over=found.etag if found else None)
        self._remember()

    def save(self, lease: Lease, *, points: bool = True) -> None:
        """Store what changed, and delete what is gone. Raises LockedError when the lease is lost.

        Without `points`, in the middle of a stage, nothing is deleted and `LATEST.json` waits.
        """
        with self._turn:
            changed = self._changed()
            by_inode = {
                (known.inode, known.size): key
                for key, known in self._known.items()
                if self._path(key).is_file()
            }
            for key in sorted(changed, key=_when_visible):
                if key == LATEST and not points:
                    continue
                lease.check()
                with suppress(FileNotFoundError):  # it was replaced meanwhile: the next save has it
                    self._send(key, by_inode)
            if points:
                gone = [key for key in self._known if not self._path(key).is_file()]
                lease.check()
                self.store.delete(gone)
                for key in gone:
                    del self._known[key]
            self._remember()

    def _changed(self) -> list[str]:
        found = []
        done = self._stages_done()
        for path in self._files():
            key = path.relative_to(self.folder).as_posix()
            if _LOCAL.search(key):
                continue
            if _is_unfinished(key, done):
                continue
            known = self._known.get(key)
            with suppress(FileNotFoundError):
                if known is None or Known.of(path, known.etag) != known:
                    found.append(key)
        return found

    def _stages_done(self) -> set[tuple[str, str]]:
        """Every run with each stage that it has behind it."""
        found = set()
        for path in self.folder.glob("runs/*/run.json"):
            with suppress(OSError, WorkspaceError):
                found |= {(path.parent.name, stage) for stage in read_json(path).get("stages", {})}
        return found

    def _send(self, key: str, by_inode: dict[tuple[int, int], str]) -> None:
        path = self._path(key)
        before = Known.of(path, "")
        same = by_inode.get((before.inode, before.size))
        if key == LATEST:
            self._latest = etag = self._point(path)
        elif same is not None and same != key and self._is_stored(same, before):
            etag = self.store.copy(same, key)
        else:
            etag = self.store.store(path, key)
        if Known.of(path, "") != before:
            raise FileNotFoundError(path)
        self._known[key] = Known(etag, before.size, before.changed, before.inode)
        by_inode[before.inode, before.size] = key

    def _is_stored(self, key: str, now: Known) -> bool:
        """Whether the object of another name of this file holds what the file does."""
        known = self._known[key]
        return (known.inode, known.size, known.changed) == (now.inode, now.size, now.changed)

    def _point(self, path: Path) -> str:
        try:
            return self.store.put(LATEST, path.read_bytes(), over=self._latest)
        except PreconditionError as error:
            raise WorkspaceError(
                f"{self.store.url}/{LATEST}: expected the release that was current at the start, "
                "found another one; it stays, run the same command again to go on from it"
            ) from error


def _is_unfinished(key: str, done: set[tuple[str, str]]) -> bool:
    """Whether a stage that is not behind its run still changes the file."""
    return any((of := form.match(key)) and (of[1], stage) not in done for form, stage in _FINISHED)


def _when_visible(key: str) -> tuple[int, str]:
    """Data first, then what speaks of it, the pointer last."""
    if key == LATEST:
        return len(_SPEAKING) + 1, key
    places = [place for place, form in enumerate(_SPEAKING, start=1) if form.match(key)]
    return max(places, default=0), key

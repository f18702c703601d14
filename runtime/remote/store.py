"""Objects below one prefix of an S3 bucket: listed, fetched, stored, copied there, deleted.

Every failure is one line: what was expected of the store, what came, what to look at. Conditional
writes are what locks and pointers are made of: `PreconditionError` says that somebody was first.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from runtime.config import StorageConfig
from runtime.errors import ConfigError, MepError, WorkspaceError

SCHEME = "s3://"
_DELETED_AT_ONCE = 1_000
_ATTEMPTS = 5


class StoreError(MepError):
    """The object store did not do what it was asked; what was stored before is intact."""


class PreconditionError(MepError):
    """An object is not, or no longer, what a conditional write expected."""


@dataclass(frozen=True)
class Stored:
    """An object as it is now: its ETag and bytes."""

    etag: str
    size: int


@dataclass(frozen=True)
class Held:
    """A small object, with what it holds, and its age by the store's own clock, in seconds."""

    etag: str
    body: bytes
    age: float


class ObjectStore:
    """The objects below `s3://bucket/prefix`; keys are relative to it."""

    def __init__(self, url: str, settings: StorageConfig) -> None:
        try:
            s3fs: Any = importlib.import_module("s3fs")
        except ImportError as error:
            raise ConfigError(
                f"workspace = {url!r}: expected the package `s3fs`, found none; install "
                "mep3m-pipeline[s3]"
            ) from error
        self.url = url.rstrip("/")
        self.bucket, _, prefix = self.url.removeprefix(SCHEME).partition("/")
        self.prefix = f"{prefix}/" if prefix else ""
        client = {"region_name": settings.region} if settings.region else {}
        self._files: Any = s3fs.S3FileSystem(
            endpoint_url=settings.endpoint_url or None,
            client_kwargs=client,
            config_kwargs={"retries": {"max_attempts": _ATTEMPTS, "mode": "standard"}},
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def _path(self, key: str) -> str:
        return f"{self.bucket}/{self.prefix}{key}"

    def list(self) -> dict[str, Stored]:
        """Every object, by its key."""
        top = f"{self.bucket}/{self.prefix}".rstrip("/")
        with self._told("list"):
            self._files.call_s3("head_bucket", Bucket=self.bucket)
            found: Mapping[str, Mapping[str, Any]] = self._files.find(top, detail=True)
        cut = len(self.bucket) + 1 + len(self.prefix)
        return {
            name[cut:]: Stored(about["ETag"], about["size"])
            for name, about in found.items()
            if len(name) > cut
        }

    def fetch(self, key: str, target: Path) -> None:
        """Write an object's bytes to a file."""
        with self._told(f"read {key}"):
            self._files.get_file(self._path(key), str(target))

    def store(self, source: Path, key: str) -> str:
        """Store a file; returns the object's ETag."""
        with self._told(f"store {key}"):
            self._files.put_file(str(source), self._path(key))
            return str(self._files.info(self._path(key))["ETag"])

    def copy(self, key: str, to: str) -> str:
        """Give an object another key without its bytes leaving the store; returns the ETag."""
        with self._told(f"copy {key} to {to}"):
            self._files.cp_file(self._path(key), self._path(to))
            return str(self._files.info(self._path(to))["ETag"])

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are gone already are no fault."""
        todo = [{"Key": f"{self.prefix}{key}"} for key in keys]
        for first in range(0, len(todo), _DELETED_AT_ONCE):
            with self._told("delete"):
                said = self._files.call_s3(
                    "delete_objects", Bucket=self.bucket,
                    Delete={"Objects": todo[first : first + _DELETED_AT_ONCE]},
                )  # fmt: skip
            for fault in said.get("Errors", ()):
                raise StoreError(
                    f"{self.url}: expected to delete {fault.get('Key')}, got "
                    f"{fault.get('Code')}; look at the bucket's permissions"
                )

    def look(self, key: str) -> Held | None:
        """A small object, or None."""
        try:
            with self._told(f"read {key}"):
                said = self._files.call_s3(
                    "get_object", Bucket=self.bucket, Key=f"{self.prefix}{key}"
                )
                body: bytes = self._files_read(said["Body"])
        except _MissingError:
            return None
        now = parsedate_to_datetime(said["ResponseMetadata"]["HTTPHeaders"]["date"])
        changed: datetime = said["LastModified"]
        return Held(said["ETag"], body, max(0.0, (now - changed).total_seconds()))

    def _files_read(self, body: Any) -> bytes:
        sync: Any = importlib.import_module("fsspec.asyn").sync
        read: bytes = sync(self._files.loop, body.read)
        return read

    def put(self, key: str, body: bytes, *, over: str | None) -> str:
        """Store a small object over the one with the ETag `over`, or where there is none (None).

        Returns its ETag. Raises PreconditionError where another one, or one at all, is there.
        """
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over}
        with self._told(f"store {key}"):
            said = self._files.call_s3(
                "put_object", Bucket=self.bucket, Key=f"{self.prefix}{key}", Body=body, **condition
            )
        return str(said["ETag"])

    def drop(self, key: str, etag: str) -> None:
        """Delete a small object if it is still the one with that ETag."""
        found = self.look(key)
        if found is not None and found.etag == etag:
            self.delete([key])

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """What goes wrong inside, in one line."""
        try:
            yield
        except MepError:
            raise
        except Exception as error:
            code = _code_of(error)
            said = " ".join(str(error).split())[:300]
            if code in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                raise PreconditionError(f"{self.url}: {what}: {said}") from error
            if code == "NoSuchKey":
                raise _MissingError(f"{self.url}: {what}: {said}") from error
            if code in ("NoSuchBucket", "404"):
                raise WorkspaceError(
                    f"{self.url}: expected the bucket {self.bucket!r}, found none; make it, or "
                    "mend the `workspace` setting"
                ) from error
            if code in ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
                raise WorkspaceError(
                    f"{self.url}: expected to be let in to {what}, got {code}; look at the "
                    "credentials in the environment and the bucket's permissions"
                ) from error
            if isinstance(error, _credential_errors()):
                raise WorkspaceError(
                    f"{self.url}: expected credentials, found none ({said}); set them as AWS's "
                    "tools expect them, in the environment or ~/.aws"
                ) from error
            raise StoreError(
                f"{self.url}: expected to {what}, got {said}; finished work is kept, run the same "
                "command again"
            ) from error


class _MissingError(StoreError):
    """There is no object of that key."""


def _credential_errors() -> tuple[type[Exception], ...]:
    found: Any = importlib.import_module("botocore.exceptions")
    return (found.NoCredentialsError, found.PartialCredentialsError)


def _code_of(error: BaseException | None) -> str:
    """S3's own name for an error, which s3fs hides behind an `OSError`."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        error = error.__cause__
    return ""

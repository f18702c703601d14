"""A real S3 server on loopback: a process, ended by its id."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import s3fs

from runtime.config import StorageConfig

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests",
    "AWS_DEFAULT_REGION": "us-east-1",
}  # fmt: skip
BUCKET = "shelf"
START_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """Where it listens, and what it was asked."""

    endpoint: str
    log: Path

    @property
    def settings(self) -> StorageConfig:
        return StorageConfig(endpoint_url=self.endpoint, lock_seconds=2.0)

    @property
    def files(self) -> Any:
        """The bucket, seen past the program that is tested."""
        return s3fs.S3FileSystem(
            endpoint_url=self.endpoint, use_listings_cache=False, skip_instance_cache=True
        )

    def requests(self) -> list[str]:
        """The method and path of each request so far."""
        lines = self.log.read_text().splitlines()
        return [line.split('"')[1] for line in lines if line.count('"') >= 2]


@contextmanager
def running_store(folder: Path) -> Iterator[Server]:
    """A server with an empty bucket; this process's credentials fit it."""
    before = {name: os.environ.get(name) for name in CREDENTIALS}
    os.environ.update(CREDENTIALS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "store.log"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=log.open("wb"), start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the store did not start"
                time.sleep(0.05)
        server = Server(f"http://127.0.0.1:{port}", log)
        server.files.call_s3("create_bucket", Bucket=BUCKET)
        yield server
    finally:
        process.kill()
        process.wait()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

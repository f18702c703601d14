"""Image parts while they are written: attempts go in one by one, sealed parts come out.

A thread of its own hashes and writes a few rows at a time as they come, so that memory holds some
megabytes of pictures whatever the size of a part, and the requests go on meanwhile.
"""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from crawler.image_answers import Attempt
from runtime.columns import record_batch
from runtime.image_parts import next_part
from runtime.parts import Seal
from runtime.tables import IMAGES
from runtime.workspace import Run

RECORDED = "recorded"
ROW_GROUP_ROWS = 64  # a reader that wants one picture reads about a megabyte
ROW_GROUP_BYTES = 4 * 1024 * 1024
PART_SECONDS = 60.0  # a kill costs at most so much of a host's work
WAITING_GROUPS = 2
POLL_SECONDS = 0.002

_Group = Sequence[Attempt]


class ImagePartWriter:
    """Writes one host's attempts; not to be used by two hosts or two processes at once."""

    def __init__(self, run: Run, host: str, max_bytes: int) -> None:
        self._run, self._host, self._max_bytes = run, host, max_bytes
        self._thread = ThreadPoolExecutor(1, "image-parts")
        self._turn = asyncio.Lock()  # groups and the end of a part go in one after the other
        self._group: list[Attempt] = []
        self._group_bytes = self._part_bytes = 0
        self._since: float | None = None  # when the part's first attempt came
        self._groups: queue.Queue[_Group | None] = queue.Queue(WAITING_GROUPS)
        self._writing: Future[Seal] | None = None

    async def add(self, attempts: Sequence[Attempt]) -> None:
        """Take attempts in; raises what keeps a part from being written (a full disk, say)."""
        if self._since is None:
            self._since = time.monotonic()
        for attempt in attempts:
            self._group.append(attempt)
            self._group_bytes += len(attempt.body or b"") + 200
        late = time.monotonic() - self._since > PART_SECONDS
        if late or self._part_bytes + self._group_bytes >= self._max_bytes:
            async with self._turn:
                await self._seal()
        elif len(self._group) >= ROW_GROUP_ROWS or self._group_bytes >= ROW_GROUP_BYTES:
            async with self._turn:
                await self._hand_over()

    async def close(self) -> None:
        """Seal what was taken in."""
        try:
            async with self._turn:
                await self._seal()
        finally:
            self._thread.shutdown()

    async def _hand_over(self) -> None:
        group, self._group = self._group, []
        self._part_bytes, self._group_bytes = self._part_bytes + self._group_bytes, 0
        if not group:
            return
        if self._writing is None:
            self._groups = queue.Queue(WAITING_GROUPS)
            name = next_part(self._host, self._run.run_id, self._run.images.names())
            self._writing = self._thread.submit(self._write, name, self._groups)
        await self._put(self._writing, group)

    async def _seal(self) -> None:
        await self._hand_over()
        writing, self._since, self._part_bytes = self._writing, None, 0
        if writing is not None:
            await self._put(writing, None)
            await asyncio.wrap_future(writing)
            self._writing = None

    async def _put(self, writing: Future[Seal], group: _Group | None) -> None:
        while not writing.done():
            try:
                self._groups.put_nowait(group)
                return
            except queue.Full:
                await asyncio.sleep(POLL_SECONDS)
        writing.result()  # only an error ends it before it is told to

    def _write(self, name: str, groups: queue.Queue[_Group | None]) -> Seal:
        batches = _batches(groups)
        return self._run.images.write(name, batches, RECORDED, row_group_rows=ROW_GROUP_ROWS)


def _batches(groups: queue.Queue[_Group | None]) -> Iterator[pa.RecordBatch]:
    while (group := groups.get()) is not None:
        yield record_batch([attempt.row() for attempt in group], IMAGES.schema)

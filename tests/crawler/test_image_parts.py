"""Image parts while they are written: all attempts, in bounded parts, and errors that come out."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler import image_parts
from crawler.image_answers import Attempt
from crawler.image_parts import ROW_GROUP_ROWS, ImagePartWriter
from runtime.image_parts import ImagePartName
from runtime.workspace import Run
from tests.crawler.image_runs import rows_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KIB = 1024


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "20260101T000000Z")


def ok(number: int, size: int = 100) -> Attempt:
    return Attempt(f"http://h/{number}", 1, "ok", NOW, body=bytes([number % 256]) * size)


def test_attempts_of_many_tasks_all_come_out_in_bounded_parts(run: Run) -> None:
    async def write() -> None:
        writer = ImagePartWriter(run, "h", 200 * KIB)

        async def add(numbers: range) -> None:
            for number in numbers:
                await writer.add([ok(number, KIB)])
                await asyncio.sleep(0)

        await asyncio.gather(*(add(range(task * 50, task * 50 + 50)) for task in range(16)))
        await writer.close()

    asyncio.run(write())
    rows = rows_of(run)
    assert sorted(row["image_url"] for row in rows) == sorted(f"http://h/{n}" for n in range(800))
    assert all(row["image"] == bytes([int(row["image_url"][9:]) % 256]) * KIB for row in rows)
    seals = run.images.seals()
    assert [ImagePartName.parse(name).number for name in seals] == list(range(len(seals)))
    assert len(seals) >= 4
    assert all(run.images.damage(name, seal) is None for name, seal in seals.items())


def test_row_groups_are_small_in_rows_and_bytes(run: Run) -> None:
    async def write() -> None:
        writer = ImagePartWriter(run, "h", 1 << 30)
        for number in range(ROW_GROUP_ROWS * 2):
            await writer.add([ok(number)])
        for number in range(6):
            await writer.add([ok(number, image_parts.ROW_GROUP_BYTES // 2)])
        await writer.close()

    asyncio.run(write())
    (name,) = run.images.names()
    with run.images._open(name) as file:
        groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert groups == [64, 64, 2, 2, 2]


def test_a_slow_hosts_part_is_sealed_after_a_while(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write() -> None:
        writer = ImagePartWriter(run, "h", 1 << 30)
        await writer.add([ok(1)])
        assert not run.images.names()
        monkeypatch.setattr(image_parts, "PART_SECONDS", 0.0)
        await writer.add([ok(2)])
        assert len(run.images.names()) == 1
        await writer.close()

    asyncio.run(write())
    assert len(rows_of(run)) == 2


def test_a_part_that_cannot_be_written_ends_the_fetch(run: Run) -> None:
    run.folder.mkdir()
    run.images.folder.write_text("in the way")

    async def write() -> None:
        writer = ImagePartWriter(run, "h", 100 * KIB)
        try:
            for number in range(10_000):
                await writer.add([ok(number, KIB)])
        finally:
            await writer.close()

    with pytest.raises(OSError, match="images"):
        asyncio.run(write())

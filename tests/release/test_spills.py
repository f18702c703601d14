"""Spill files: any batches of the same rows give the same order and the same shard bytes."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from release import spills as spilling
from release.manifest import FileEntry
from release.shards import ShardRange, ShardWork, write_shard
from release.spills import INDEX, SPILL_SCHEMA, SpilledRows, SpillWriter
from release.splits import SPLIT_CODE
from runtime.keys import order_hash

LAST = 2**64 - 1
TRAIN = SPLIT_CODE["train"]


def record(number: int, split: str = "train", order: int | None = None) -> dict[str, Any]:
    """A row, some of them with a picture, and where it belongs."""
    name = f"mep3m:1/{number}"
    image = None if number % 3 == 0 else {"bytes": bytes([number % 256]) * 50, "path": "x.jpg"}
    return {
        "record_id": name, "title": f"珍珠 {number}", "image": image, "site": "mep3m",
        "class_name": "饰品", "sha256": None if image is None else "00",
        "split": split, "order": order_hash(name) if order is None else order,
    }  # fmt: skip


def spill(folder: Path, batches: Sequence[Sequence[Sequence[dict[str, Any]]]]) -> list[Path]:
    """Spill files: of each file its batches of rows."""
    folder.mkdir(parents=True)
    paths = []
    for number, of_file in enumerate(batches):
        path = folder / f"spill-{number:05d}.arrow"
        with SpillWriter(path) as writer:
            for rows in of_file:
                index = np.zeros(len(rows), INDEX)
                for at, row in enumerate(rows):
                    index["order"][at], index["split"][at] = row["order"], SPLIT_CODE[row["split"]]
                for at in reversed(range(len(rows))):  # pictures lie in an order of their own
                    if (image := rows[at]["image"]) is not None:
                        index["offset"][at] = writer.picture(pa.py_buffer(image["bytes"]))
                        index["size"][at], index["pictured"][at] = len(image["bytes"]), True
                told = [
                    {
                        **{n: row.get(n) for n in SPILL_SCHEMA.names},
                        "path": (row["image"] or {}).get("path"),
                    }
                    for row in rows
                ]
                writer.rows(pa.Table.from_pylist(told, SPILL_SCHEMA), index)
        paths.append(path)
    return paths


def laid_out(rows: Sequence[dict[str, Any]], seed: int) -> list[list[list[dict[str, Any]]]]:
    """The rows in some order, in some batches of some files."""
    draw = random.Random(seed)
    rest = list(rows)
    draw.shuffle(rest)
    files: list[list[list[dict[str, Any]]]] = [[] for _ in range(draw.randint(1, 4))]
    while rest:
        size = draw.randint(1, 9)
        draw.choice(files).append(rest[:size])
        rest = rest[size:]
    return files


def ids(paths: Sequence[Path], low: int = 0, high: int = LAST, groups: int = 4) -> list[str]:
    with SpilledRows(paths, TRAIN, low, high) as rows:
        tables = list(rows.groups(groups))
        assert sum(table.num_rows for table in tables) == len(rows)
        return [name for table in tables for name in table["record_id"].to_pylist()]


def shard(paths: Sequence[Path], folder: Path) -> tuple[bytes, FileEntry]:
    (folder / "data").mkdir(parents=True)
    range_ = ShardRange("train", 0, LAST)
    work = ShardWork(
        "train", folder, "data/train.parquet", 8, None, newcomers=range_, spills=tuple(paths)
    )
    entry = write_shard(work)
    assert entry is not None
    return (folder / "data" / "train.parquet").read_bytes(), entry


def test_any_batches_of_the_same_rows_give_the_same_shard(tmp_path: Path) -> None:
    rows = [record(number) for number in range(60)]
    made = [
        shard(spill(tmp_path / f"spills {seed}", laid_out(rows, seed)), tmp_path / f"shard {seed}")
        for seed in range(6)
    ]
    assert all(one == made[0] for one in made)
    assert made[0][1].rows == 60
    assert made[0][1].shard is not None and made[0][1].shard.without_picture == 20


def test_rows_stand_in_the_order_of_their_hash(tmp_path: Path) -> None:
    rows = [record(number) for number in range(60)]
    paths = spill(tmp_path / "spills", laid_out(rows, 1))
    expected = [row["record_id"] for row in sorted(rows, key=lambda row: row["order"])]
    for size in (1, 7, 60, 100):
        assert ids(paths, groups=size) == expected


def test_ties_of_the_hash_are_settled_by_the_id_whichever_spill_they_lie_in(
    tmp_path: Path,
) -> None:
    orders = [5, 5, 7, 7, 7, 7, 8, 9, 9, 9, 2, 2]
    rows = [record(number, order=order) for number, order in enumerate(orders)]
    expected = [r["record_id"] for r in sorted(rows, key=lambda r: (r["order"], r["record_id"]))]
    for seed in range(20):
        paths = spill(tmp_path / f"spills {seed}", laid_out(rows, seed))
        assert ids(paths) == expected, seed
    alike = [record(number, order=3) for number in range(30)]
    paths = spill(tmp_path / "alike", laid_out(alike, 0))
    assert ids(paths, groups=11) == sorted(row["record_id"] for row in alike)


def test_a_range_holds_its_ends_and_nothing_of_another_split(tmp_path: Path) -> None:
    rows = [record(number, order=order) for number, order in enumerate([0, 1, 5, 6, LAST])]
    rows += [record(number, split="test", order=5) for number in (7, 8)]
    paths = spill(tmp_path / "spills", laid_out(rows, 3))
    assert ids(paths, 1, 5) == ["mep3m:1/1", "mep3m:1/2"]
    assert ids(paths, LAST, LAST) == ["mep3m:1/4"]
    assert ids(paths, 2, 4) == []
    with SpilledRows(paths, SPLIT_CODE["test"], 0, LAST) as found:
        assert (len(found), found.pictured) == (2, 2)


def mapped_spills() -> int:
    return Path("/proc/self/maps").read_text().count("spill-")


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="tells maps on Linux alone")
def test_no_map_and_no_file_stays_when_the_rows_are_read(tmp_path: Path) -> None:
    rows = [record(number) for number in range(40)]
    paths = spill(tmp_path / "spills", laid_out(rows, 2))
    files, maps = open_files(), mapped_spills()
    with SpilledRows(paths, TRAIN, 0, LAST) as found:
        table = next(found.groups(40))
    assert table.num_rows == 40
    del table
    assert (open_files(), mapped_spills()) == (files, maps)


def test_what_was_read_stays_true_when_its_pages_are_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = 0
    forget = spilling._MappedRows.forget

    def counted(mapped: spilling._MappedRows) -> None:
        nonlocal forgotten
        forgotten += 1
        forget(mapped)

    monkeypatch.setattr(spilling._MappedRows, "forget", counted)
    rows = [record(number) for number in range(40)]
    paths = spill(tmp_path / "spills", laid_out(rows, 4))
    with SpilledRows(paths, TRAIN, 0, LAST) as found:
        tables = list(found.groups(10))
    for path in paths:
        os.truncate(path, 0)  # whoever still read from the map would be killed by it
    titles = [title for table in tables for title in table["title"].to_pylist()]
    assert sorted(titles) == sorted(row["title"] for row in rows)
    assert forgotten >= 1

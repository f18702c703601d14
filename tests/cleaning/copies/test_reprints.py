"""Taking a release's fingerprints anew: what does not decode any more harms nobody else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cleaning.copies.reprints import BATCH_IMAGES, Shard, careful, quick
from cleaning.hashes import is_degenerate
from demo.scenes import render
from release.schema import PICTURE
from runtime.errors import WorkspaceError
from tests.cleaning.copies.judged_run import Item, prints_of, saved


@pytest.fixture
def pictures() -> list[bytes]:
    """More than one batch; one is cut off, one is none."""
    few = [saved(render(seed, 90, 90)) for seed in range(6)]
    few[1], few[4] = few[1][:400], b"<html>"
    return [few[number % 6] for number in range(BATCH_IMAGES + 9)]


@pytest.fixture
def shard(pictures: list[bytes], tmp_path: Path) -> Shard:
    path = tmp_path / "train-1.0.0-00000.parquet"
    images = pa.array([{"bytes": data, "path": "x"} for data in pictures], PICTURE)
    ids = pa.array([f"a:{number}" for number in range(len(pictures))])
    digests = pa.array([hashlib.sha256(data).hexdigest() for data in pictures])
    pq.write_table(
        pa.table({"record_id": ids, "image": images, "sha256": digests}),
        path,
        row_group_size=70,
        write_page_checksum=True,
    )
    return Shard(path, "reduced", 20.0)


def test_every_row_has_the_fingerprints_of_its_bytes(shard: Shard, pictures: list[bytes]) -> None:
    ids = [name for names in shard.ids() for name in names.to_pylist()]
    hashes = np.concatenate([found["phash"] for found in quick(shard)])
    assert len(ids) == len(hashes) == len(pictures)
    broken = np.arange(len(pictures)) % 3 == 1
    assert (is_degenerate(hashes) == broken).all()
    for row in (0, 2, 3, 5, len(pictures) - 1):
        expected = prints_of(Item("a:0", "x", pictures[row]), "reduced")
        assert hashes[row] == expected["phash"]


def test_with_care_they_are_the_same(shard: Shard) -> None:
    for left, right in zip(quick(shard), careful(shard), strict=True):
        for name, values in left.items():
            np.testing.assert_array_equal(values, right[name])


def test_a_damaged_shard_is_named(shard: Shard) -> None:
    data = bytearray(shard.path.read_bytes())
    data[len(data) // 2] ^= 255
    shard.path.write_bytes(data)
    with pytest.raises(WorkspaceError, match="expected a readable shard"):
        list(quick(shard))

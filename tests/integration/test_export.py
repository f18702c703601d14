"""A release in the layout of MEP-3M: import, export and import again is the identity."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from benchmarks.mep3m_copy import annotation_rows
from tests.integration.commands import SHARED, DemoRun
from tests.integration.test_import import configured, looked, released, taken_in, write_rows

REAL = SHARED / "mep3m_annotations_500.json"


def exported(config: Path, folder: Path) -> list[dict[str, Any]]:
    said = looked("export", "mep3m", folder, "--config", config, "--json")
    assert said.status == 0, said.err
    rows: list[dict[str, Any]] = json.loads((folder / "annotations.json").read_text())
    assert said.json["records"] == len(rows)
    return rows


def by_path(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["img_path"])


@pytest.mark.skipif(not REAL.is_file(), reason="needs ../shared/data")
def test_the_real_rows_come_out_as_they_went_in(tmp_path: Path) -> None:
    config = configured(tmp_path / "a")
    assert taken_in(REAL, config).status == 0
    rows = exported(config, tmp_path / "copy")
    stated = json.loads(REAL.read_text())
    assert by_path(rows) == by_path(stated)
    assert [list(row) for row in rows] == [list(row) for row in stated]
    text = (tmp_path / "copy" / "annotations.json").read_text()
    assert len(text) == len(REAL.read_text())
    assert all(json.dumps(row, ensure_ascii=False, indent=0) in text for row in stated)


def pictured_copy(folder: Path) -> Path:
    """Rows of three sub-classes with pictures of every format, and all that may differ in a row."""
    rows = list(annotation_rows(600))[::24]
    rng = np.random.default_rng(7)
    for number, row in enumerate(rows):
        ending, format_ = (("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("gif", "GIF"))[
            number % 4
        ]
        row["img_path"] = f"Images/{row['sub_class_id']}/{number * 3}.{ending}"
        pixels = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        large = Image.fromarray(pixels).resize((90, 72 + number), Image.Resampling.BICUBIC)
        large.save(buffer, format_)
        picture = folder / row["img_path"]
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(buffer.getvalue())
    copies = [folder / rows[number]["img_path"] for number in (0, 4)]
    copies[1].write_bytes(copies[0].read_bytes())
    rows[5]["title"], rows[6]["title"], rows[7]["OCR"] = "短", "", None
    rows[8]["img_resolution"], rows[9]["img_resolution"] = [1, 2, 3], None
    rows[1]["img_path"] = rows[1]["img_path"].replace(".png", ".jpg")  # its bytes say otherwise
    (folder / rows[1]["img_path"].replace(".jpg", ".png")).rename(folder / rows[1]["img_path"])
    return write_rows(folder, rows)


def test_import_export_import_is_the_identity(tmp_path: Path) -> None:
    copy = pictured_copy(tmp_path / "copy")
    first, second = configured(tmp_path / "first"), configured(tmp_path / "second")
    assert taken_in(copy, first).json["fates"] == {"published": 25}
    once, twice = tmp_path / "once", tmp_path / "twice"
    rows = exported(first, once)
    assert taken_in(once, second).json["fates"] == {"published": 25}
    assert exported(second, twice) == rows
    pandas.testing.assert_frame_equal(
        released(first).drop(columns=["run_id", "imported_path"]),
        released(second).drop(columns=["run_id", "imported_path"]),
    )
    files = sorted(path.relative_to(once) for path in once.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(twice) for path in twice.rglob("*") if path.is_file())
    assert all((once / file).read_bytes() == (twice / file).read_bytes() for file in files)
    # Against the copy itself: rows and bytes are the same, but for the extension that lied.
    stated = json.loads(copy.read_text())
    true = stated[1]["img_path"].replace(".jpg", ".png")
    assert (once / true).read_bytes() == (tmp_path / "copy" / stated[1]["img_path"]).read_bytes()
    stated[1]["img_path"] = true
    assert by_path(rows) == by_path(stated)


def test_crawled_records_get_numbers_and_lead_back(demo: DemoRun, tmp_path: Path) -> None:
    rows = exported(demo.config, tmp_path / "copy")
    records = list(csv.DictReader((tmp_path / "copy" / "records.csv").open(encoding="utf-8")))
    kept = pandas.read_parquet(demo.release / "data").set_index("record_id")
    assert len(rows) == len(records) == len(kept)
    assert [row["img_path"] for row in rows] == [record["img_path"] for record in records]
    numbers: dict[str, list[int]] = {}
    for row, record in zip(rows, records, strict=True):
        held = kept.loc[record["record_id"]]
        assert row["title"] == held.title_raw
        assert (tmp_path / "copy" / row["img_path"]).read_bytes() == held.image["bytes"]
        assert row["img_resolution"][:2] == [held.height, held.width]
        assert row["OCR"] == ""
        assert row["subsub_class_id"] == (
            "FALSE" if pandas.isna(held.subsub_class_id) else str(int(held.subsub_class_id))
        )
        assert (record["product_url"], record["sha256"]) == (held.product_url, held.sha256)
        folder, name = row["img_path"].split("/")[1:]
        numbers.setdefault(folder, []).append(int(name.partition(".")[0]))
    for found in numbers.values():
        assert sorted(found) == list(range(1, len(found) + 1))


def test_an_export_touches_nothing_that_is_there(demo: DemoRun, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "mine.txt").write_text("mine")
    said = looked("export", "mep3m", there, "--config", demo.config)
    assert said.status == 2
    assert "expected a new or an empty folder" in said.err
    assert [path.name for path in tmp_path.rglob("*")] == ["there", "mine.txt"]
    missing = looked(
        "export", "mep3m", tmp_path / "b", "--release", "9.9.9", "--config", demo.config
    )
    assert missing.status == 2 and "9.9.9" in missing.err
    killed = tmp_path / ".c.partial"
    killed.mkdir()
    (killed / "annotations.json").write_text("[\n{")
    exported(demo.config, tmp_path / "c")
    assert not killed.exists()

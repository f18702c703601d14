"""An existing copy of MEP-3M taken in by the command: counted, published, audited, gone on with."""

from __future__ import annotations

import json
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
from click.testing import CliRunner

import pipeline
from benchmarks.mep3m_copy import annotation_rows, write_copy
from tests.integration.commands import SHARED, Said, mep3m, signal_when, start

REAL = SHARED / "mep3m_annotations_500.json"
OF_PAGES = ["product_url", "image_url", "fetched_at", "first_seen", "capture_file"]


def configured(folder: Path, text: str = "") -> Path:
    """A configuration in the folder whose workspace lies beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mep3m.toml"
    path.write_text(f'workspace = "workspace"\n{text}')
    return path


def looked(*arguments: str | Path) -> Said:
    """A command that starts no worker, in this process, which has everything imported."""
    said = CliRunner().invoke(pipeline.main, list(map(str, arguments)))
    return Said(said.exit_code, said.stdout, said.stderr)


def taken_in(copy: Path, config: Path, *options: str) -> Said:
    return mep3m("import", "mep3m", copy, "--config", config, "--json", *options)


def released(config: Path, columns: list[str] | None = None) -> pandas.DataFrame:
    """The current release's rows in the order of their ids."""
    releases = config.parent / "workspace" / "releases"
    version = json.loads((releases / "LATEST.json").read_text())["version"]
    rows = pandas.read_parquet(releases / version / "data", columns=columns)
    return rows.sort_values("record_id").reset_index(drop=True)


def parts(config: Path, table: str) -> int:
    return len(list((config.parent / "workspace").glob(f"runs/*/{table}/*.json")))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a workspace that took the 500 real rows in."""
    if not REAL.is_file():
        pytest.skip("needs ../shared/data")
    config = configured(tmp_path_factory.mktemp("real"))
    said = taken_in(REAL, config)
    assert said.status == 0, said.err
    assert said.json["sightings"] == 500
    assert said.json["fates"] == {"published": 500}
    return config


def test_the_real_rows_become_a_release_of_titles(real: Path) -> None:
    rows = released(real)
    stated = {row["img_path"]: row for row in json.loads(REAL.read_text())}
    assert set(rows["imported_path"]) == set(stated)
    for row in rows.itertuples():
        before = stated[row.imported_path]
        assert (row.title_raw, row.ocr) == (before["title"], before["OCR"])
        assert list(row.imported_resolution) == before["img_resolution"]
        assert str(row.sub_class_id) == before["sub_class_id"]
        assert (row.provenance, row.label_rule) == ("imported", "imported_label_v1")
    assert rows[[*OF_PAGES, "image", "sha256", "phash"]].isna().all(axis=None)
    assert rows["subsub_class_id"].isna().all()
    verified = looked("verify", "--config", real)
    assert verified.status == 0, verified.err
    story = looked("audit", "mep3m:1/1", "--config", real).out
    assert "row 1 at byte 2" in story and "no URL, date or capture" in story


def test_datasets_loads_a_release_of_titles(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    found = datasets.load_dataset(
        str(real.parent / "workspace" / "releases" / "1.0.0"), cache_dir=str(tmp_path)
    )
    assert sum(split.num_rows for split in found.values()) == 500
    assert all(row["image"] is None and row["title"] for row in found["train"])


def test_the_same_copy_again_is_nothing_new(real: Path) -> None:
    assert taken_in(REAL, real).status == 10


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "annotations.json"
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=0))
    return path


def test_pictures_are_taken_in_and_what_is_broken_is_named(tmp_path: Path) -> None:
    copy, config = tmp_path / "copy", configured(tmp_path)
    write_copy(copy, 24, side=80)
    rows = json.loads((copy / "annotations.json").read_text())
    (copy / rows[3]["img_path"]).unlink()
    (copy / rows[4]["img_path"]).write_bytes(b"<html>no picture</html>")
    (copy / rows[5]["img_path"]).write_bytes((copy / rows[6]["img_path"]).read_bytes())
    rows[7]["title"] = "短"  # no title rule refuses what others have chosen
    del rows[8]["title"]
    text = json.dumps(rows, ensure_ascii=False, indent=0)
    broken = json.dumps(rows[9], ensure_ascii=False, indent=0)
    (copy / "annotations.json").write_text(text.replace(broken, broken.replace(":", "", 1)))
    said = taken_in(copy, config)
    assert said.status == 0, said.err
    assert said.json["sightings"] == 24
    assert said.json["fates"] == {"published": 20, "rejected": 4}
    kept = released(config)
    assert len(kept) == 20
    for row in kept.itertuples():
        assert row.image["bytes"] == (copy / row.imported_path).read_bytes()
        assert row.image["path"] == f"{row.sha256}.jpg"
    assert looked("verify", "--config", config).status == 0

    def story(record: str) -> str:
        return looked("audit", record, "--config", config).out

    def name(number: int) -> str:
        folder, file = rows[number]["img_path"].split("/")[1:]
        return f"mep3m:{folder}/{file.removesuffix('.jpg')}"

    assert "imported_image_missing_v1" in story(name(3))
    assert "image_not_an_image_v1" in story(name(4))
    assert "flagged by same_bytes_v1" in story(name(5)) + story(name(6))
    assert "flagged by title_too_short" in story(name(7))
    assert "imported_row_malformed_v1" in story("mep3m:#9")
    assert "imported_row_unreadable_v1" in story("mep3m:#10")


def test_a_label_of_another_tree_is_an_error_that_names_the_row(tmp_path: Path) -> None:
    rows = list(annotation_rows(5))
    rows[2]["sub_class_name"] = "别的名字"
    copy, config = write_rows(tmp_path, rows), configured(tmp_path / "there")
    said = taken_in(copy, config)
    assert said.status == 2
    assert "row 3 (byte " in said.err and "别的名字" in said.err
    assert not list((tmp_path / "there" / "workspace").glob("runs/*"))
    left_out = taken_in(copy, config, "--reject-unknown-labels")
    assert left_out.status == 0, left_out.err
    assert left_out.json["fates"] == {"published": 4, "rejected": 1}
    assert "imported_label_unknown_v1" in looked("audit", "mep3m:#3", "--config", config).out


@pytest.mark.parametrize("there", ["nothing", "a cut-off file", "no array"])
def test_what_is_no_copy_is_refused_in_one_line(tmp_path: Path, there: str) -> None:
    copy, config = tmp_path / "annotations.json", configured(tmp_path)
    whole = json.dumps(list(annotation_rows(3)))
    if there != "nothing":
        copy.write_text(whole[:-40] if there == "a cut-off file" else '{"rows": []}')
    said = taken_in(copy, config)
    assert said.status == 2
    assert len(said.err.strip().splitlines()) == 1
    assert "expected" in said.err and str(copy) in said.err


def test_a_copy_that_was_killed_at_every_stage_is_taken_in_whole(tmp_path: Path) -> None:
    """100,000 rows, killed while they are read, sorted, cleaned, and published."""
    rows = 100_000
    copy, config = tmp_path / "copy", configured(tmp_path, "part_rows = 10000\n")
    write_copy(copy, rows)
    chunks = "workspace/imports/*/chunks/*.json"
    points: list[Callable[[], bool]] = [
        lambda: len(list(tmp_path.glob(chunks))) >= 2,
        lambda: parts(config, "annotations") >= 4,
        lambda: parts(config, "cleaned") >= 3,
        lambda: any(tmp_path.glob("workspace/releases/.*.partial/data/*.parquet")),
    ]
    for reached in points:
        process = start("import", "mep3m", copy, "--config", config)
        signal_when(process, reached, signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
    said = taken_in(copy, config)
    assert said.status == 0, said.err
    assert said.json["fates"] == {"published": rows}
    assert len(list((tmp_path / "workspace" / "runs").iterdir())) == 1
    assert not list((tmp_path / "workspace").rglob(".*.tmp"))
    assert not (tmp_path / "workspace" / "imports").exists()
    found = released(config, ["record_id", "title_raw", "ocr", "imported_path", "sub_class_id"])
    wanted = pandas.DataFrame(annotation_rows(rows)).set_index("img_path")
    beside = wanted.loc[found["imported_path"]]
    assert len(found) == found["record_id"].nunique() == rows
    assert (found["title_raw"].to_numpy() == beside["title"].to_numpy()).all()
    assert (found["ocr"].to_numpy() == beside["OCR"].to_numpy()).all()
    assert (found["sub_class_id"].astype(str).to_numpy() == beside["sub_class_id"].to_numpy()).all()


def test_an_unfinished_import_is_finished_first(tmp_path: Path) -> None:
    copy, config = tmp_path / "copy", configured(tmp_path, "part_rows = 5\n")
    write_copy(copy, 200)
    process = start("import", "mep3m", copy, "--config", config)
    signal_when(process, lambda: parts(config, "listings") >= 1, signal.SIGKILL)
    process.communicate(timeout=60)
    other = tmp_path / "other"
    write_copy(other, 10)
    refused = taken_in(other, config)
    assert refused.status == 2 and "finish it first with `mep3m run`" in refused.err
    assert "import" in looked("status", "--config", config).out
    crawl = mep3m("crawl", "--config", config)
    assert crawl.status == 2 and "an imported copy" in crawl.err
    part = sorted((tmp_path / "workspace").glob("runs/*/annotations/*.parquet"))[3]
    part.write_bytes(part.read_bytes()[:-9] + b"otherwise")
    assert mep3m("run", "--config", config).status == 0, "damaged rows are read again"
    assert len(released(config, ["record_id"])) == 200


def test_a_grown_copy_adds_what_is_new(tmp_path: Path) -> None:
    copy, config = tmp_path / "copy", configured(tmp_path)
    write_copy(copy, 40, side=70)
    rows = json.loads((copy / "annotations.json").read_text())
    write_rows(copy, rows[:25])
    assert taken_in(copy, config).status == 0
    before = released(config)
    write_rows(copy, rows)
    said = taken_in(copy, config)
    assert said.status == 0, said.err
    after = released(config)
    assert len(after) == 40
    assert (
        json.loads((tmp_path / "workspace/releases/LATEST.json").read_text())["version"] == "1.1.0"
    )
    kept = after[after["record_id"].isin(before["record_id"])].reset_index(drop=True)
    pandas.testing.assert_frame_equal(kept, before)
    shutil.rmtree(copy)
    assert looked("verify", "--config", config).status == 0, "the workspace needs the copy no more"


@pytest.mark.soak
def test_kills_and_workers_change_no_row_of_an_import(tmp_path: Path, soak_seed: int) -> None:
    """Twenty kills of one import with pictures, at points drawn from a seed, in every table."""
    draw = random.Random(soak_seed)
    copy = tmp_path / "copy"
    write_copy(copy, 4_000, side=64)
    here = configured(tmp_path / "here", "part_rows = 100\n")
    there = configured(tmp_path / "there", "part_rows = 100\nworkers = 1\n")
    assert taken_in(copy, here).status == 0
    for table in ("annotations", "listings", "cleaned", "labels", "survivors"):
        for count in sorted(draw.sample(range(1, 39), 4)):
            process = start("import", "mep3m", copy, "--config", there)
            signal_when(
                process,
                lambda table=table, count=count: parts(there, table) >= count,  # type: ignore[misc]
                signal.SIGKILL,
            )
            process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL
    assert taken_in(copy, there).status == 0
    ours, theirs = (released(config).drop(columns="run_id") for config in (here, there))
    pandas.testing.assert_frame_equal(ours, theirs)
    assert looked("verify", "--config", there).status == 0

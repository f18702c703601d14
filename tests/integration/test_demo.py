"""The demo: what was sown is found, every sighting is accounted for, every reader reads it."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from itertools import pairwise
from pathlib import Path
from statistics import median

import duckdb
import pandas
import pyarrow.parquet as pq
import pytest
from PIL import Image

from demo.access_log import read_access_log
from provenance.audit import audit
from runtime.workspace import Workspace
from tests.integration.commands import DemoRun, mep3m, run_demo
from tests.provenance.told import assert_complete, everything_decided

pytestmark = pytest.mark.usefixtures("offline_hub")


@pytest.fixture
def offline_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))


def test_everything_sown_is_found(demo: DemoRun) -> None:
    rows = {row["kind"]: row for row in demo.values["score"]}
    copies = rows["all copies"]
    assert copies["recall"] >= 0.97
    assert copies["precision"] >= 0.99
    assert rows["colour variant"]["recall"] >= 0.95
    for kind in ("robots-disallowed", "noai header", "noai meta tag", "unmappable category"):
        assert rows[kind]["recall"] == 1.0, kind
    for kind, row in rows.items():
        assert row["sown"] > 0, kind
        assert row["recall"] >= 0.9, kind


def test_every_sighting_has_one_fate(demo: DemoRun) -> None:
    fates = demo.values["fates"]
    assert demo.values["sightings"] == sum(fates.values())
    assert set(fates) == {"published", "duplicate", "rejected", "held", "merged"}
    assert fates["published"] == sum(
        pq.read_metadata(shard).num_rows for shard in demo.release.glob("data/*.parquet")
    )


def test_nothing_that_was_forbidden_is_published_or_asked_for(demo: DemoRun) -> None:
    urls = pandas.read_parquet(demo.release / "data", columns=["product_url"])["product_url"]
    assert not urls.str.contains("/vip/").any()
    asked = [a.path for a in read_access_log(demo.folder / "shops" / "shop-a.access.jsonl")]
    assert asked
    assert not [path for path in asked if path.startswith("/vip/")]


def test_the_crawl_delay_and_the_retry_after_are_kept(demo: DemoRun) -> None:
    log = list(read_access_log(demo.folder / "shops" / "shop-a.access.jsonl"))
    outlet = json.loads((demo.folder / "demo.json").read_text())["ports"]["outlet"]
    moments = [access.moment for access in log if access.port == outlet]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert len(gaps) > 5
    # Asked for: 0.3 seconds between starts. A busy machine logs one arrival late and so makes one
    # gap short; the whole span and the usual gap cannot shrink that way.
    assert moments[-1] - moments[0] >= 0.3 * len(gaps) - 0.25
    assert median(gaps) >= 0.28
    throttled = {access.path: access.moment for access in log if access.status == 429}
    assert throttled
    for path, moment in throttled.items():
        again = [a.moment for a in log if a.path == path and a.moment > moment]
        assert again[0] - moment >= 0.75  # Retry-After: 1, less the lateness of the first entry


def test_the_endless_category_ends(demo: DemoRun) -> None:
    log = read_access_log(demo.folder / "shops" / "shop-a.access.jsonl")
    pages = {access.path for access in log if access.path.startswith("/category/clearance")}
    assert 1 < len(pages) < 10


def test_images_hash_to_their_column_and_decode(demo: DemoRun) -> None:
    rows = 0
    for shard in sorted(demo.release.glob("data/*.parquet")):
        for row in pq.read_table(shard, columns=["image", "sha256", "width", "height"]).to_pylist():
            data = row["image"]["bytes"]
            assert hashlib.sha256(data).hexdigest() == row["sha256"]
            with Image.open(io.BytesIO(data)) as image:
                assert image.size == (row["width"], row["height"])
            rows += 1
    assert rows == demo.values["fates"]["published"]


def test_datasets_duckdb_and_pandas_read_the_same(demo: DemoRun) -> None:
    import datasets

    files = {
        split: [str(path) for path in sorted(demo.release.glob(f"data/{split}-*.parquet"))]
        for split in ("train", "validation", "test")
    }
    loaded = datasets.load_dataset("parquet", data_files={k: v for k, v in files.items() if v})
    first = loaded["train"][0]
    assert first["image"].size == (first["width"], first["height"])
    assert first["title"]
    assert 1 <= first["class_id"] <= 14
    assert 1 <= first["sub_class_id"] <= 599
    total = sum(part.num_rows for part in loaded.values())
    [(counted,)] = duckdb.sql(f"SELECT count(*) FROM '{demo.release}/data/*.parquet'").fetchall()
    frame = pandas.read_parquet(demo.release / "data", columns=["record_id", "sub_class_name"])
    assert total == counted == len(frame) == demo.values["fates"]["published"]
    assert frame["record_id"].is_unique
    assert frame["sub_class_name"].notna().all()


def test_verify_passes_and_one_changed_byte_fails_it(demo: DemoRun, tmp_path: Path) -> None:
    assert mep3m("verify", "--config", demo.config).status == 0
    copy = tmp_path / "release"
    shutil.copytree(demo.release, copy)
    shard = sorted(copy.glob("data/*.parquet"))[0]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    said = mep3m("verify", copy, "--config", demo.config)
    assert said.status == 40
    assert shard.name in said.err


def test_every_fate_can_be_audited(demo: DemoRun) -> None:
    seen = set()
    for path in sorted(demo.release.glob("decisions/*.parquet")):
        for row in pq.read_table(path).to_pylist():
            verdict = row["verdict"]
            if verdict in seen or verdict in ("kept", "flagged"):
                continue
            seen.add(verdict)
            said = mep3m("audit", row["record_id"], "--config", demo.config)
            assert said.status == 0, said.err
            assert row["rule"] in said.out
            if verdict == "duplicate":
                assert row["peer_id"] in said.out
    assert seen == {"published", "duplicate", "rejected", "held", "merged"}


def test_one_record_of_every_rule_is_told_to_its_end(demo: DemoRun) -> None:
    workspace = Workspace(demo.folder)
    decided = everything_decided(workspace)
    by_rule: dict[tuple[str, str, str], str] = {}
    for record_id, said in decided.items():
        for _, stage, rule, verdict, *_ in said:
            by_rule.setdefault((stage, rule, verdict), record_id)
    assert {"published", "duplicate", "rejected", "held", "merged"} <= {told[2] for told in by_rule}
    for record_id in set(by_rule.values()):
        story = audit(workspace, record_id)
        assert_complete(story, decided[record_id])
        (run,) = story.runs
        assert run.sightings and all(s.capture.problem is None for s in run.sightings)
        assert bool(story.releases) == (story.fate == "published")


def test_an_unknown_record_is_a_clear_error(demo: DemoRun) -> None:
    said = mep3m("audit", "shop-a:nothing", "--config", demo.config)
    assert said.status == 2
    assert "shop-a:nothing" in said.err
    assert len(said.err.strip().splitlines()) == 1


def test_a_finished_demo_is_told_again(demo: DemoRun) -> None:
    again = run_demo(demo.folder)
    assert again.values["score"] == demo.values["score"]
    said = mep3m("demo", "--products", "100", "--seed", "7", "--workspace", demo.folder)
    assert said.status == 2
    assert "100" in said.err or "240" in said.err


def test_a_crawl_from_a_second_run_changes_nothing_published(demo: DemoRun, tmp_path: Path) -> None:
    """The shops are gone: the run ends degraded, and the release stays."""
    copy = tmp_path / "workspace"
    shutil.copytree(demo.folder, copy)
    text = (copy / "mep3m.toml").read_text().replace("[crawl]", "[crawl]\nmax_attempts = 1")
    (copy / "mep3m.toml").write_text(text)
    before = (copy / "releases" / "LATEST.json").read_bytes()
    said = mep3m("run", "--config", copy / "mep3m.toml")
    assert said.status == 30, said.err
    assert "shop-a" in said.err
    assert (copy / "releases" / "LATEST.json").read_bytes() == before


def test_a_replay_of_the_demo_gives_the_same_listings(demo: DemoRun) -> None:
    """The shops are gone; the captures are enough."""
    said = mep3m("replay", "--config", demo.config, "--json")
    assert said.status == 0, said.err
    assert said.json["same_bytes"]
    assert said.json["counts"]["same"] == demo.values["stages"]["merge"]["listings"]

"""A recorded shop as the source: every product and every picture from a WARC file, no request."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pandas
import pytest
from warcio.archiveiterator import ArchiveIterator

from tests.integration.commands import SHARED, Said, mep3m

WARC = SHARED / "oscar-sandbox.warc.gz"
pytestmark = pytest.mark.skipif(not WARC.is_file(), reason=f"needs {WARC.name} in ../shared/data")


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """Crawled in an empty folder without any configuration, which comes for the other stages."""
    folder = tmp_path_factory.mktemp("archive")
    said = mep3m("crawl", "--from-warc", WARC, "--site", "django-oscar", "--json", at=folder)
    (folder / "mep3m.toml").write_text('workspace = "."\nworkers = 1\n')
    for stage in ("merge", "fetch"):
        done = mep3m(stage, at=folder)
        assert done.status == 0, done.err
    return folder, said


def table(folder: Path, name: str) -> pandas.DataFrame:
    parts = sorted(folder.glob(f"runs/*/{name}/*.parquet"))
    return pandas.concat([pandas.read_parquet(part) for part in parts])


def test_every_product_has_title_picture_and_category(crawled: tuple[Path, Said]) -> None:
    folder, said = crawled
    assert said.status == 0, said.err
    pages = table(folder, "pages")
    products = pages[(pages["kind"] == "product") & (pages["outcome"] == "ok")]
    assert len(products) == 200
    listings = table(folder, "listings").set_index("product_url").loc[list(products["url"])]
    assert listings["title"].notna().all()
    assert listings["image_url"].notna().all()
    assert listings["category_paths"].map(len).gt(0).all()
    assert set(listings["page_url"]) == set(products["url"])


def test_every_picture_comes_from_the_archive(crawled: tuple[Path, Said]) -> None:
    folder, _ = crawled
    recorded = {}
    with WARC.open("rb") as stream:
        for record in ArchiveIterator(stream):
            if record.rec_type == "response":
                url = record.rec_headers.get_header("WARC-Target-URI")
                recorded[url] = hashlib.sha256(record.content_stream().read()).hexdigest()
    images = table(folder, "images")
    wanted = set(table(folder, "listings")["image_url"].dropna())
    assert len(wanted) > 100
    assert set(images["image_url"]) == wanted
    for row in images.itertuples():
        assert row.outcome == "ok", row
        assert hashlib.sha256(row.image).hexdigest() == row.sha256 == recorded[row.image_url]
        with io.BytesIO(row.image) as data:
            assert data.read(2) == b"\xff\xd8"
    # Taken when the archive was made, not when it was read.
    assert images["fetched_at"].max() < pandas.Timestamp("2026-11-22T12:00:00Z")


def test_a_replay_gives_the_same_listings(crawled: tuple[Path, Said]) -> None:
    folder, _ = crawled
    said = mep3m("replay", "--config", folder / "mep3m.toml", "--json")
    assert said.status == 0, said.err
    assert said.json["same_bytes"]
    assert said.json["counts"] == {"same": 203}

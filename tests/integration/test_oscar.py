"""A shop that no one here wrote: django-oscar's sandbox, served again from a recorded crawl."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas
import pyarrow.parquet as pq
import pytest
from PIL import Image
from warcio.archiveiterator import ArchiveIterator

from tests.integration.commands import SHARED, mep3m

WARC = SHARED / "oscar-sandbox.warc.gz"
pytestmark = pytest.mark.skipif(not WARC.is_file(), reason=f"needs {WARC.name} in ../shared/data")

# English categories of a bookshop; the MEP-3M tree knows books by four leaves only.
MAPPING = """path,level,id,by,when,note
Books > *,sub_class,27,tests,2026-11-22,culture and scholarship
Clothing > *,sub_class,172,tests,2026-11-22,T-shirts
"""
CONFIG = """
workspace = "workspace"
part_rows = 60

[crawl]
delay = 0.0
concurrency_per_host = 4

[fetch]
delay = 0.0

[clean]
languages = ["en"]

[[site]]
key = "oscar"
program = "django-oscar"
base_url = "http://{host}"
allow_private = ["{host}"]
mapping = "mapping.csv"
licence = "BSD-3-Clause"
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[str, bytes]]:
    """Content type and body of every recorded answer, by path and query."""
    found = {}
    with WARC.open("rb") as stream:
        for record in ArchiveIterator(stream):
            if record.rec_type == "response":
                target = record.rec_headers.get_header("WARC-Target-URI")
                kind = record.http_headers.get_header("Content-Type")
                path = "/" + target.split("/", 3)[3]
                found[path] = (kind, record.content_stream().read())
    return found


@pytest.fixture(scope="module")
def host(answers: dict[str, tuple[str, bytes]]) -> Iterator[str]:
    """The shop's host on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, body = answers.get(self.path, ("text/plain", b"not found"))
            self.send_response(200 if self.path in answers else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def folder(host: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a published release of the shop."""
    folder = tmp_path_factory.mktemp("oscar")
    (folder / "mapping.csv").write_text(MAPPING)
    (folder / "mep3m.toml").write_text(CONFIG.format(host=host))
    said = mep3m("run", "--config", folder / "mep3m.toml", "--json")
    assert said.status == 0, said.err
    fates = said.json["fates"]
    assert said.json["sightings"] == sum(fates.values())
    return folder


def release(folder: Path) -> pandas.DataFrame:
    return pandas.read_parquet(folder / "workspace" / "releases" / "1.0.0" / "data")


def listings(folder: Path) -> pandas.DataFrame:
    parts = sorted(folder.glob("workspace/runs/*/listings/*.parquet"))
    return pandas.concat([pandas.read_parquet(part) for part in parts]).set_index("product_id")


def test_all_products_are_listed_with_title_and_category(folder: Path) -> None:
    """The grids show 201 products; one of them links two variants with pages of their own.

    Three product pages were not recorded (404 here); their tiles are listings all the same.
    """
    found = listings(folder)
    assert len(found) == 203
    pages = pandas.read_parquet(next(folder.glob("workspace/runs/*/pages/oscar.parquet")))
    outcomes = pages[pages["kind"] == "product"]["outcome"].value_counts().to_dict()
    assert outcomes == {"ok": 200, "http_404": 3}
    assert found["title"].notna().all()
    assert found["category_paths"].map(len).gt(0).all()


def test_records_are_what_the_pages_say(folder: Path) -> None:
    """Read off the pages by hand."""
    found = listings(folder)
    for product_id, title, path, image in (
        (
            "18", "Daemon", ["Home", "Books", "Fiction", "Computers in Literature"],
            "/media/cache/ec/c4/ecc443590865cf0f3c7046a56f990454.jpg",
        ),
        (
            "12", "Snow Crash", ["Home", "Books", "Fiction", "Computers in Literature"], None,
        ),
        ("1", "Oscar T-shirt", ["Home", "Clothing"], None),
        ("19", "2001", ["Home", "Books", "Fiction", "Computers in Literature"], None),
    ):  # fmt: skip
        row = found.loc[product_id]
        assert row["title"] == title
        assert list(row["category_paths"][0]) == path
        if image is not None:
            assert row["image_url"].endswith(image)


def test_images_are_the_shops_own_bytes(
    folder: Path, answers: dict[str, tuple[str, bytes]]
) -> None:
    served = {hashlib.sha256(body).hexdigest() for kind, body in answers.values() if "jpeg" in kind}
    rows = release(folder)
    assert len(rows) >= 100
    for row in rows.itertuples():
        data = row.image["bytes"]
        assert hashlib.sha256(data).hexdigest() == row.sha256
        assert row.sha256 in served
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == "JPEG"
    assert set(rows["sub_class_id"]) <= {27, 172}


def test_the_release_verifies_and_its_records_are_auditable(folder: Path) -> None:
    config = folder / "mep3m.toml"
    said = mep3m("verify", "--config", config)
    assert said.status == 0, said.err
    rows = release(folder)
    told = mep3m("audit", rows["record_id"].iloc[0], "--config", config)
    assert told.status == 0, told.err
    assert rows["title"].iloc[0] in told.out
    assert rows["sha256"].iloc[0] in told.out


def test_nothing_is_published_twice(folder: Path) -> None:
    said = mep3m("run", "--config", folder / "mep3m.toml", "--json")
    assert said.status == 10, said.err
    versions = sorted(path.name for path in (folder / "workspace" / "releases").glob("1.*"))
    assert versions == ["1.0.0"]
    assert len(pq.read_table(folder / "workspace" / "releases" / "1.0.0" / "data")) > 0


def test_a_replay_gives_the_same_listings(folder: Path) -> None:
    said = mep3m("replay", "--config", folder / "mep3m.toml", "--json")
    assert said.status == 0, said.err
    assert said.json["same_bytes"]
    assert said.json["counts"] == {"same": 203}

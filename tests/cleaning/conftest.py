"""Real material for the cleaning tests: MEP-3M titles and the photos of the Oscar shop."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from warcio.archiveiterator import ArchiveIterator

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def shared_file(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} is not at ../shared/data, which holds the real material")
    return path


@pytest.fixture(scope="session")
def mep3m_titles() -> list[str]:
    rows = json.loads(shared_file("mep3m_annotations_500.json").read_text("utf-8"))
    return [row["title"] for row in rows]


@pytest.fixture(scope="session")
def oscar_jpegs() -> list[bytes]:
    with shared_file("oscar-sandbox.warc.gz").open("rb") as stream:
        return [
            record.content_stream().read()
            for record in ArchiveIterator(stream)
            if record.rec_type == "response"
            and record.http_headers.get_header("Content-Type") == "image/jpeg"
        ]


@pytest.fixture(scope="session")
def oscar_photos(oscar_jpegs: list[bytes]) -> list[Image.Image]:
    """The large photos alone, one of each product: the small ones are their thumbnails."""
    photos = [Image.open(io.BytesIO(data)).convert("RGB") for data in oscar_jpegs]
    return [photo for photo in photos if max(photo.size) >= 300]

"""What is named is recognised: an id, a URL in any spelling, a SHA-256, a picture's file."""

import io
import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import pipeline
from cleaning.copies.thresholds import NeighbourThresholds
from cleaning.images.decoding import DecodedImage, decode
from cleaning.images.fingerprints import fingerprint_batch
from provenance.audit_search import Search, search
from runtime.errors import ConfigError
from runtime.tables import IMAGES
from runtime.workspace import Run, Workspace
from tests.provenance.told import edit
from tests.release.finished_run import START, RunWriter, picture, products, publish_run

ITEMS = products("shop-a", 6)
CDN = "https://cdn.example/v2/big.jpg?v=3"
SHARED = "https://shop-a.example/list?page=2"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two runs, of which the first is gone but for its release; real fingerprints."""
    made = Workspace(tmp_path_factory.mktemp("search") / "workspace")
    made.prepare()
    old = RunWriter(made).write(products("shop-old", 2))
    publish_run(made, old)
    run = RunWriter(made, START + timedelta(hours=1)).write(ITEMS)
    for item in ITEMS:
        edit(run.cleaned, item.record_id, **prints(picture(item)))
    edit(run.listings, "shop-a:000003", page_url=SHARED, product_url=f"{SHARED}&id=7")
    edit(run.listings, "shop-a:000004", page_url=SHARED)
    redirected(run, ITEMS[2].image_url)
    publish_run(made, run)
    shutil.rmtree(old.folder)
    (made.folder / "mep3m.toml").write_text('workspace = "."\n', encoding="utf-8")
    return made


def prints(data: bytes) -> dict[str, Any]:
    image = decode(data, mode="exact")
    assert isinstance(image, DecodedImage)
    found = fingerprint_batch([image])
    return {
        "phash": int(found.phash[0]), "phash_trim": int(found.phash_trim[0]),
        "colour": found.colour[0].tobytes(), "colour_trim": found.colour_trim[0].tobytes(),
    }  # fmt: skip


def redirected(run: Run, image_url: str) -> None:
    """Attempts by which a picture's host led to another one."""
    blank: dict[str, Any] = dict.fromkeys(IMAGES.schema.names)
    common = {**blank, "attempt": 1, "fetched_at": START + timedelta(hours=2), "source": "network"}
    first = {
        **common, "image_url": image_url, "outcome": "redirect", "status": 302, "redirects": 2,
        "redirect_url": CDN,
    }  # fmt: skip
    second = {
        **common, "image_url": CDN, "outcome": "http_403", "status": 403, "etag": '"abc"',
        "content_type": "image/png", "sniffed_type": "image/jpeg",
        "last_modified": "Sat, 31 Jan 2026 08:00:00 GMT", "opt_out": "X-Robots-Tag: noai",
    }  # fmt: skip
    for name, row in (("img.shop-a.example-00001", first), ("cdn.example-00000", second)):
        run.images.write(name, pa.Table.from_pylist([row], IMAGES.schema), "fixture")


def found(workspace: Workspace, named: str) -> list[str]:
    told = search(workspace, named, NeighbourThresholds())
    assert told.exact
    return [match.record_id for match in told.matches]


def mep3m(workspace: Workspace, *arguments: str) -> Result:
    return CliRunner().invoke(
        pipeline.main, ["audit", *arguments, "--config", str(workspace.folder / "mep3m.toml")]
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://shop-a.example/item/000001",
        "https://img.shop-a.example/000001.jpg",
        "http://www.shop-a.example/item/000001",
        "HTTPS://SHOP-A.example:443/item/000001/",
        "https://shop-a.example//item/%30%30%30%30%30%31#reviews",
        "https://shop-a.example/item/000001;session=9?utm_source=mail",
    ],
)
def test_a_url_is_recognised_in_any_spelling(workspace: Workspace, url: str) -> None:
    assert found(workspace, url) == ["shop-a:000001"]


def test_a_page_that_showed_the_product_leads_to_it(workspace: Workspace) -> None:
    grid = "https://shop-a.example/item/000004?grid=1"  # of a sighting that was merged away
    assert found(workspace, grid) == ["shop-a:000004"]


def test_the_spelling_that_shares_most_parameters_is_meant(workspace: Workspace) -> None:
    assert found(workspace, f"{SHARED}&id=7&from=mail") == ["shop-a:000003"]
    assert found(workspace, f"{SHARED}&from=mail") == ["shop-a:000003", "shop-a:000004"]


def test_where_a_picture_was_redirected_to_leads_to_its_record(workspace: Workspace) -> None:
    assert found(workspace, CDN) == ["shop-a:000002"]
    assert found(workspace, CDN.replace("https", "http")) == ["shop-a:000002"]


def test_every_attempt_of_a_picture_is_told_with_its_headers(workspace: Workspace) -> None:
    text = mep3m(workspace, "shop-a:000002").stdout
    assert f"from network, redirects 2, redirected to {CDN}" in text
    assert (
        'from network, Content-Type image/png, by its bytes image/jpeg, ETag "abc", '
        "Last-Modified Sat, 31 Jan 2026 08:00:00 GMT, opts out X-Robots-Tag: noai"
    ) in text


def test_what_only_a_release_knows_is_found_there(workspace: Workspace) -> None:
    (item, _) = products("shop-old", 2)
    assert found(workspace, item.page_url) == ["shop-old:000000"]
    assert found(workspace, f"{item.image_url}?size=800") == ["shop-old:000000"]
    story = json.loads(mep3m(workspace, item.page_url, "--json").stdout)
    assert (story["record_id"], story["fate"], story["runs"]) == (item.record_id, "published", [])


def test_a_picture_is_recognised_by_its_digest_and_by_its_file(
    workspace: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "downloaded"
    file.write_bytes(picture(ITEMS[4]))
    assert found(workspace, str(file)) == ["shop-a:000004"]
    (digest,) = {
        row["sha256"]
        for run in workspace.runs()
        for name in run.cleaned.names()
        for row in run.cleaned.read(name).to_pylist()
        if row["record_id"] == "shop-a:000004"
    }
    assert found(workspace, digest.upper()) == ["shop-a:000004"]


def near_copy(folder: Path) -> Path:
    path = folder / "resaved.jpg"
    with Image.open(io.BytesIO(picture(ITEMS[1]))) as image:
        image.save(path, "JPEG", quality=60)
    return path


def test_a_file_that_is_no_records_picture_names_the_nearest(
    workspace: Workspace, tmp_path: Path
) -> None:
    told: Search = search(workspace, str(near_copy(tmp_path)), NeighbourThresholds())
    assert not told.exact
    first, *others = told.matches
    assert first.record_id == "shop-a:000001" and "a copy, its title aside" in first.by
    assert len(others) == 4 and all("no copy: " in match.by for match in others)


def test_several_records_are_listed_and_all_are_told_when_asked_for(workspace: Workspace) -> None:
    listed = mep3m(workspace, SHARED)
    assert listed.exit_code == 0
    assert f"{SHARED}: 2 records fit; --all tells every story" in listed.stdout
    assert "shop-a:000004  page URL in run " in listed.stdout
    told = mep3m(workspace, SHARED, "--all").stdout
    assert "shop-a:000003: published\n" in told and "shop-a:000004: published\n" in told
    value = json.loads(mep3m(workspace, SHARED, "--all", "--json").stdout)
    assert [story["record_id"] for story in value["stories"]] == ["shop-a:000003", "shop-a:000004"]


@pytest.mark.parametrize(
    ("named", "searched"),
    [
        ("shop-a:nothing", "none of 1 runs and 2 releases"),
        ("https://shop-a.example/item/9", "none of 1 runs"),
        ("https://shop-a.example:port/", "expected an absolute URL"),
        ("0" * 64, "none of 1 runs"),
        ("rubbish", "expected a record id such as"),
        ("mep3m.toml", "expected the file of a picture"),
    ],
)
def test_what_is_not_found_is_one_line_that_says_what_was_searched(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, named: str, searched: str
) -> None:
    monkeypatch.chdir(workspace.folder)
    said = mep3m(workspace, named)
    assert (said.exit_code, said.stdout) == (2, "")
    (line,) = said.stderr.strip().splitlines()
    assert line.startswith("mep3m: ") and named in line and searched in line


def test_fingerprints_of_an_unknown_version_are_not_compared(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cleaning.hashes.VERSIONS", {"exact": "another_version"})
    with pytest.raises(ConfigError, match="looked up by its bytes alone"):
        search(workspace, str(near_copy(tmp_path)), NeighbourThresholds())

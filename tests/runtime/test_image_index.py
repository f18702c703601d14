"""The image index: which pictures are wanted, in what order, and what is known of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from runtime.errors import WorkspaceError
from runtime.image_index import ImageIndex, ImagePlace, RedirectRules, WantedImage
from runtime.tables import IMAGES, LISTINGS
from runtime.workspace import Run

NOW = datetime(2026, 11, 22, tzinfo=UTC)
AGAIN = ("timeout", "http_500", "http_503")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run")


@pytest.fixture
def index(run: Run) -> Iterator[ImageIndex]:
    index = ImageIndex(run)
    yield index
    index.close()


def list_pictures(run: Run, name: str, urls: Sequence[str]) -> None:
    """A listings part whose records have these pictures."""
    rows = [
        {
            "record_id": f"a:{name}-{i}", "site": "a", "product_url": "u", "page_url": "u",
            "image_url": url, "category_paths": [], "fetched_at": NOW, "capture_file": "c",
            "capture_offset": 0, "sightings": 1, "provenance": "crawled",
            "first_seen": NOW, "last_seen": NOW,
        }
        for i, url in enumerate(urls)
    ]  # fmt: skip
    run.listings.write(name, pa.Table.from_pylist(rows, LISTINGS.schema), "key")


def record(run: Run, name: str, attempts: Sequence[tuple[str, str]]) -> None:
    """An image part with (url, outcome) attempts."""
    rows = [
        {
            "image_url": url, "attempt": 1, "outcome": outcome, "fetched_at": NOW,
            "sha256": f"{name}-{i}" if outcome == "ok" else None,
        }
        for i, (url, outcome) in enumerate(attempts)
    ]  # fmt: skip
    run.images.write(name, pa.Table.from_pylist(rows, IMAGES.schema), "recorded")


def refresh(index: ImageIndex, policy: str = "all") -> None:
    """Every picture of the listings; without "n" ones under the policy "few"."""
    index.refresh(
        (
            (
                name,
                [
                    (url, url.split("/")[2])
                    for url in index.run.listings.read(name)["image_url"].to_pylist()
                    if policy == "all" or "n" not in url
                ],
            )
            for name in index.run.listings.names()
        ),
        policy,
    )


def planned(index: ImageIndex, host: str = "h", attempts: int = 3) -> list[str]:
    return list(tried(index, host, attempts))


def tried(index: ImageIndex, host: str = "h", attempts: int = 3) -> dict[str, int]:
    """Attempts so far of what is planned, in order."""
    return {wanted.url: wanted.attempts for wanted in index.to_fetch(host, AGAIN, attempts)}


def test_pictures_are_planned_in_listing_order_once_each_by_host(
    run: Run, index: ImageIndex
) -> None:
    list_pictures(run, "a-00000", ["http://h/2", "http://g/9", "http://h/1", "http://h/2"])
    list_pictures(run, "a-00001", ["http://h/0", "http://h/1"])
    refresh(index)
    assert index.hosts() == ["g", "h"]
    assert planned(index) == ["http://h/2", "http://h/1", "http://h/0"]
    assert index.outcomes() == {"waiting": 4}


def test_any_number_of_pictures_is_looked_up_named_once_or_more(
    run: Run, index: ImageIndex
) -> None:
    urls = [f"http://h/{i}" for i in range(1_234)]
    list_pictures(run, "a", urls)
    record(run, "h-00000", [(url, "ok") for url in urls])
    refresh(index)
    found = index.places([*urls, "http://h/unknown", *urls])
    assert {url: place.row for url, place in found.items()} == {u: i for i, u in enumerate(urls)}
    assert index.places([]) == {}


def test_the_last_ok_counts_and_without_one_the_last_attempt(run: Run, index: ImageIndex) -> None:
    list_pictures(run, "a", [f"http://h/{i}" for i in range(4)])
    record(run, "h-00000", [("http://h/0", "http_500"), ("http://h/0", "ok")])
    record(
        run, "h-00001",
        [("http://h/1", "ok"), ("http://h/0", "timeout"), ("http://h/2", "timeout"),
         ("http://h/1", "ok"), ("http://h/2", "http_503")],
    )  # fmt: skip
    refresh(index)
    assert index.places([f"http://h/{i}" for i in range(5)]) == {
        "http://h/0": ImagePlace("ok", "h-00000", 1, "h-00000-1"),
        "http://h/1": ImagePlace("ok", "h-00001", 3, "h-00001-3"),
        "http://h/2": ImagePlace("http_503", "h-00001", 4, None),
    }
    assert index.outcomes() == {"http_503": 1, "ok": 2, "waiting": 1}
    assert planned(index) == ["http://h/2", "http://h/3"]
    assert tried(index) == {"http://h/2": 2, "http://h/3": 0}


def test_what_was_tried_often_enough_is_planned_no_more(run: Run, index: ImageIndex) -> None:
    list_pictures(run, "a", ["http://h/0", "http://h/1", "http://h/2"])
    record(run, "h-00000", [("http://h/0", "timeout"), ("http://h/0", "timeout")])
    record(run, "h-00001", [("http://h/1", "http_404")])
    refresh(index)
    assert planned(index, attempts=2) == ["http://h/2"]
    assert planned(index, attempts=3) == ["http://h/0", "http://h/2"]


def test_new_parts_are_folded_in_and_nothing_twice(run: Run, index: ImageIndex) -> None:
    list_pictures(run, "a", ["http://h/0"])
    record(run, "h-00000", [("http://h/0", "timeout")])
    refresh(index)
    refresh(index)
    assert tried(index) == {"http://h/0": 1}
    record(run, "h-00001", [("http://h/0", "ok")])
    list_pictures(run, "b", ["http://h/1"])
    refresh(index)
    assert planned(index) == ["http://h/1"]
    assert index.places(["http://h/0"])["http://h/0"].part == "h-00001"


def test_a_part_that_went_or_changed_takes_its_rows_with_it(run: Run, index: ImageIndex) -> None:
    list_pictures(run, "a", ["http://h/0", "http://h/1"])
    record(run, "h-00000", [("http://h/0", "ok"), ("http://h/1", "ok")])
    refresh(index)
    assert planned(index) == []
    run.images.discard("h-00000")
    refresh(index)
    assert planned(index) == ["http://h/0", "http://h/1"]
    record(run, "h-00000", [("http://h/1", "ok")])
    refresh(index)
    assert planned(index) == ["http://h/0"]
    record(run, "h-00000", [("http://h/0", "ok")])
    refresh(index)
    assert planned(index) == ["http://h/1"]


def test_listings_that_changed_change_the_plan(run: Run, index: ImageIndex) -> None:
    list_pictures(run, "a", ["http://h/0", "http://h/1"])
    refresh(index)
    list_pictures(run, "a", ["http://h/1", "http://h/2"])
    refresh(index)
    assert planned(index) == ["http://h/1", "http://h/2"]
    assert index.outcomes() == {"waiting": 2}


def test_another_policy_changes_the_plan(run: Run, index: ImageIndex) -> None:
    """Opt-outs honoured from now on: what was planned before must not be asked for."""
    list_pictures(run, "a", ["http://h/no", "http://h/yes"])
    refresh(index, "all")
    assert planned(index) == ["http://h/no", "http://h/yes"]
    refresh(index, "few")
    assert planned(index) == ["http://h/yes"]
    refresh(index, "all")
    assert planned(index) == ["http://h/no", "http://h/yes"]


def test_pictures_nobody_lists_any_more_are_known_but_not_planned(
    run: Run, index: ImageIndex
) -> None:
    list_pictures(run, "a", ["http://h/0"])
    record(run, "h-00000", [("http://h/gone", "timeout")])
    refresh(index)
    assert planned(index) == ["http://h/0"]
    assert index.places(["http://h/gone"])["http://h/gone"].outcome == "timeout"
    assert index.outcomes() == {"waiting": 1}


def test_the_index_is_a_cache(run: Run, index: ImageIndex) -> None:
    list_pictures(run, "a", ["http://h/0", "http://h/1"])
    record(run, "h-00000", [("http://h/1", "ok")])
    refresh(index)
    reader = ImageIndex(run, read_only=True)
    before = (planned(reader), reader.places(["http://h/1"]), reader.outcomes())
    reader.close()
    index.close()
    index.path.unlink()
    anew = ImageIndex(run)
    refresh(anew)
    assert (planned(anew), anew.places(["http://h/1"]), anew.outcomes()) == before
    anew.close()


def parts_with(run: Run, name: str, *rows: dict[str, object]) -> None:
    """An image part with these rows; `at` is in days after NOW."""
    full = [
        {
            "attempt": 1, "sha256": f"{name}-{i}" if row["outcome"] == "ok" else None,
            **{key: value for key, value in row.items() if key != "at"},
            "fetched_at": NOW + timedelta(days=float(str(row.get("at", 0)))),
        }
        for i, row in enumerate(rows)
    ]  # fmt: skip
    run.images.write(name, pa.Table.from_pylist(full, IMAGES.schema), "recorded")


def follow(index: ImageIndex, most: int = 5) -> None:
    listings = index.run.listings
    urls = {name: listings.read(name)["image_url"].to_pylist() for name in listings.names()}
    pairs = [(name, [(url, url.split("/")[2]) for url in named]) for name, named in urls.items()]
    index.refresh(pairs, "", RedirectRules(lambda url: url.split("/")[2], most))


OLD, NEW = "h-20260101T000000Z-000000", "h-20260201T000000Z-000000"


def test_attempts_are_counted_for_the_run_that_made_them(run: Run, index: ImageIndex) -> None:
    list_pictures(run, "a", ["http://h/0", "http://h/1"])
    parts_with(
        run, OLD, {"image_url": "http://h/0", "outcome": "timeout"},
        {"image_url": "http://h/1", "outcome": "http_404"},
    )  # fmt: skip
    refresh(index)
    assert tried(index) == {"http://h/0": 0, "http://h/1": 0}
    record(run, "h-00000", [("http://h/1", "http_404")])
    refresh(index)
    assert tried(index) == {"http://h/0": 0}


def test_a_picture_is_asked_for_again_when_its_last_confirmation_is_too_old(
    run: Run, index: ImageIndex
) -> None:
    list_pictures(run, "a", [f"http://h/{i}" for i in range(3)])
    parts_with(
        run, OLD,
        {"image_url": "http://h/0", "outcome": "ok", "etag": "e", "last_modified": "m"},
        {"image_url": "http://h/1", "outcome": "ok", "etag": "e"},
        {"image_url": "http://h/2", "outcome": "not_modified", "etag": "e"},
    )  # fmt: skip
    parts_with(run, NEW, {"image_url": "http://h/1", "outcome": "not_modified", "at": 30})
    refresh(index)
    oldest = (NOW + timedelta(days=20)).timestamp()
    # The bytes that were confirmed in the third one are not at hand.
    assert list(index.to_fetch("h", AGAIN, 3, oldest=oldest)) == [
        WantedImage("http://h/0", 0, "e", "m"), WantedImage("http://h/2", 0),
    ]  # fmt: skip
    assert list(index.carried("h")) == ["http://h/0", "http://h/1"]
    assert index.places(["http://h/1"])["http://h/1"].part == OLD
    assert index.parts_of("http://h/0") == {OLD}
    assert index.parts_of("http://h/1") == {OLD, NEW}
    assert index.parts_of("http://h/2") == set()


def test_a_later_refusal_takes_back_what_was_had_and_a_failure_does_not(
    run: Run, index: ImageIndex
) -> None:
    names = ("robots", "opted_out", "http_404", "timeout")
    list_pictures(run, "a", [f"http://h/{name}" for name in names])
    parts_with(run, OLD, *({"image_url": f"http://h/{n}", "outcome": "ok"} for n in names))
    parts_with(run, NEW, *({"image_url": f"http://h/{n}", "outcome": n} for n in names))
    refresh(index)
    assert index.outcomes() == {"ok": 2, "opted_out": 1, "robots": 1}
    assert index.parts_of("http://h/robots") == {NEW}  # so that no older part brings it back


def test_a_redirect_stands_for_what_it_leads_to(run: Run, index: ImageIndex) -> None:
    list_pictures(run, "a", ["http://h/a", "http://h/b", "http://h/loop", "http://h/old"])
    parts_with(run, OLD, {"image_url": "http://h/old", "outcome": "ok"})
    moved = {"outcome": "redirect", "redirects": 0}
    parts_with(
        run, NEW,
        {"image_url": "http://h/a", "redirect_url": "http://g/1", **moved},
        {"image_url": "http://h/b", "redirect_url": "http://g/2", **moved},
        {"image_url": "http://h/loop", "redirect_url": "http://h/loop", **moved},
        {"image_url": "http://h/old", "redirect_url": "http://g/2", **moved},
    )  # fmt: skip
    follow(index)
    assert index.hosts() == ["g", "h"]
    assert tried(index, "g") == {"http://g/1": 0, "http://g/2": 0}
    assert index.outcomes() == {"ok": 1, "redirect": 2, "redirect_loop": 1}
    parts_with(
        run, "g-20260201T000000Z-000000",
        {"image_url": "http://g/1", "outcome": "ok"},
        {"image_url": "http://g/2", "outcome": "http_404"},
    )  # fmt: skip
    follow(index)
    found = index.places([f"http://h/{name}" for name in ("a", "b", "loop", "old")])
    assert found["http://h/a"] == ImagePlace(
        "ok", "g-20260201T000000Z-000000", 0, "g-20260201T000000Z-000000-0"
    )
    assert found["http://h/b"].outcome == "http_404"
    assert found["http://h/loop"].outcome == "redirect_loop"
    assert found["http://h/old"] == ImagePlace("ok", OLD, 0, f"{OLD}-0")  # had before it moved
    assert index.outcomes() == {"http_404": 1, "ok": 2, "redirect_loop": 1}
    assert index.parts_of("http://h/a") == {NEW, "g-20260201T000000Z-000000"}
    follow(index, most=0)
    assert index.places(["http://h/a"])["http://h/a"].outcome == "redirect_loop"


def test_an_older_part_that_comes_later_does_not_have_the_last_word(
    run: Run, index: ImageIndex
) -> None:
    list_pictures(run, "a", ["http://h/0"])
    parts_with(run, NEW, {"image_url": "http://h/0", "outcome": "ok"})
    refresh(index)
    parts_with(run, OLD, {"image_url": "http://h/0", "outcome": "ok"})
    refresh(index)
    assert index.places(["http://h/0"])["http://h/0"].part == NEW


def test_a_finished_run_is_looked_up_with_or_without_its_index(run: Run, index: ImageIndex) -> None:
    list_pictures(run, "a", ["http://h/0"])
    record(run, "h-00000", [("http://h/0", "ok")])
    refresh(index)
    index.close()
    for spoil in (lambda: None, index.path.unlink, lambda: index.path.write_bytes(b"no index")):
        spoil()
        with closing(ImageIndex.of_finished(run)) as found:
            assert found.parts_of("http://h/0") == {"h-00000"}
    index.path.unlink()
    index._db = ImageIndex(run)._db


def test_an_index_of_another_version_is_made_anew(run: Run) -> None:
    path = run.folder / "image-index.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE urls(url TEXT)")
    with pytest.raises(WorkspaceError, match="mep3m fetch"):
        ImageIndex(run, read_only=True)
    list_pictures(run, "a", ["http://h/0"])
    with closing(ImageIndex(run)) as index:
        refresh(index)
        assert planned(index) == ["http://h/0"]

"""All sightings of a record become one listing, in whatever order they came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.categories import Hop, paths_from_links
from crawler.sightings import merge_sightings

MOMENT = datetime(2026, 1, 31, tzinfo=UTC)
NOINDEX = "X-Robots-Tag: noindex"


def sighting(page: str, kind: str = "listing", **changes: Any) -> dict[str, Any]:
    return {
        "record_id": "s:1", "site": "s", "product_id": "1", "product_url": "http://s/p/1",
        "page_url": page, "page_kind": kind, "position": 0, "title": "grid title",
        "image_url": None, "category_paths": [], "extracted_by": "{}", "opt_out": None,
        "fetched_at": MOMENT, "capture_file": "s-00000.warc.gz", "capture_offset": 0, **changes,
    }  # fmt: skip


SIGHTINGS = [
    sighting("http://s/c/1", category_paths=[["A"]], image_url="http://s/thumb"),
    sighting("http://s/c/2", category_paths=[["B"]]),
    sighting("http://s/p/1", "product", title="page title", category_paths=[["A", "B"]]),
    sighting("http://s/c/3", opt_out="X-Robots-Tag: noai"),
]


@given(st.permutations(SIGHTINGS))
def test_the_order_of_sightings_does_not_matter(order: list[dict[str, Any]]) -> None:
    listing, decisions = merge_sightings(order, {"http://s/c/3": ("N",)}, False, "run")
    assert listing["page_url"] == "http://s/p/1"
    assert listing["title"] == "page title"
    assert listing["image_url"] == "http://s/thumb"
    assert listing["category_paths"] == [["A", "B"], ["A"], ["B"], ["N"]]
    assert listing["opt_out"] == "X-Robots-Tag: noai"
    assert listing["sightings"] == 4
    assert [d["value"] for d in decisions] == ["http://s/c/1#0", "http://s/c/2#0", "http://s/c/3#0"]
    assert {d["verdict"] for d in decisions} == {"merged"}


def test_a_product_whose_page_robots_txt_disallows_is_opted_out() -> None:
    listing, _ = merge_sightings(SIGHTINGS[:1], {}, True, "run")
    assert listing["opt_out"] == "robots.txt: disallows the product's page"


def test_first_and_last_seen_are_instants_of_captures_of_any_run() -> None:
    day = timedelta(days=1)
    rows = [sighting("http://s/c/1"), sighting("http://s/c/2", fetched_at=MOMENT + day)]
    listing, _ = merge_sightings(rows, {}, False, "run")
    assert (listing["first_seen"], listing["last_seen"]) == (MOMENT, MOMENT + day)
    known = {"first_seen": MOMENT - 9 * day, "last_seen": MOMENT - 2 * day, "missed": 0}
    listing, _ = merge_sightings(rows, {}, False, "run", known)
    assert (listing["first_seen"], listing["last_seen"]) == (MOMENT - 9 * day, MOMENT + day)
    # A crawl of an archive is older than what is known.
    known = {"first_seen": MOMENT + 2 * day, "last_seen": MOMENT + 3 * day, "missed": 0}
    listing, _ = merge_sightings(rows, {}, False, "run", known)
    assert (listing["first_seen"], listing["last_seen"]) == (MOMENT, MOMENT + 3 * day)


@pytest.mark.parametrize("words", [NOINDEX, "meta robots: noindex", "X-Robots-Tag: none, noindex"])
def test_a_listing_page_that_forbids_itself_takes_its_own_tiles_out(words: str) -> None:
    hidden = sighting(
        "http://s/c/0", opt_out=words, category_paths=[["Secret"]], image_url="http://s/hidden"
    )
    shown = sighting("http://s/c/2", title="shown title")
    listing, decisions = merge_sightings([hidden, shown], {"http://s/c/0": ("N",)}, False, "run")
    assert (listing["title"], listing["opt_out"]) == ("shown title", None)
    assert (listing["image_url"], listing["category_paths"]) == (None, [])
    assert [d["value"] for d in decisions] == ["http://s/c/0#0"]
    assert "forbids its use" in decisions[0]["reason"] and words in decisions[0]["reason"]


def test_a_record_that_only_such_pages_show_is_opted_out() -> None:
    hidden = [sighting(f"http://s/c/{n}", opt_out=NOINDEX) for n in range(2)]
    listing, decisions = merge_sightings(hidden, {}, False, "run")
    assert listing["opt_out"] == NOINDEX and len(decisions) == 1


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("product", NOINDEX),
        ("listing", "X-Robots-Tag: noai, noindex"),
        ("listing", "meta robots: noimageai"),
        ("listing", "tdm-reservation: 1"),
        ("listing", "X-Robots-Tag: noindex; tdm-reservation: 1"),
    ],
)
def test_words_on_the_products_page_or_about_what_is_shown_count_for_the_record(
    kind: str, words: str
) -> None:
    rows = [sighting("http://s/c/2"), sighting("http://s/x", kind, opt_out=words)]
    assert merge_sightings(rows, {}, False, "run")[0]["opt_out"] == words


def test_words_that_are_not_honoured_take_nothing_out() -> None:
    rows = [sighting("http://s/c/0", image_url="http://s/i", opt_out=NOINDEX)]
    rows.append(sighting("http://s/c/2"))
    listing, _ = merge_sightings(rows, {}, False, "run", honour_noindex=False)
    assert (listing["image_url"], listing["opt_out"]) == ("http://s/i", NOINDEX)


def test_category_paths_come_from_the_shortest_way_in_page_order() -> None:
    hops = [
        Hop("/", 1, "/b", "category", ("B",)),
        Hop("/", 0, "/a", "category", ("Top", "A")),
        Hop("/a", 0, "/b", "category", ("longer",)),
        Hop("/b", 0, "/b?page=2", "next", ()),
        Hop("/b?page=2", 3, "/c", "redirect", ()),
        Hop("/nowhere", 0, "/x", "category", ("X",)),
    ]
    assert paths_from_links(["/"], hops) == {
        "/": (), "/a": ("Top", "A"), "/b": ("B",), "/b?page=2": ("B",), "/c": ("B",),
    }  # fmt: skip

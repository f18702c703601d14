"""All sightings of a record become one listing, in whatever order they came."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crawler.categories import Hop, paths_from_links
from crawler.merge import merge_sightings

MOMENT = datetime(2026, 1, 31, tzinfo=UTC)


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
    listing, decisions = merge_sightings(order, {"http://s/c/3": ("N",)}, frozenset(), "run")
    assert listing["page_url"] == "http://s/p/1"
    assert listing["title"] == "page title"
    assert listing["image_url"] == "http://s/thumb"
    assert listing["category_paths"] == [["A", "B"], ["A"], ["B"], ["N"]]
    assert listing["opt_out"] == "X-Robots-Tag: noai"
    assert listing["sightings"] == 4
    assert [d["value"] for d in decisions] == ["http://s/c/1#0", "http://s/c/2#0", "http://s/c/3#0"]
    assert {d["verdict"] for d in decisions} == {"merged"}


def test_a_product_whose_page_robots_txt_disallows_is_opted_out() -> None:
    listing, _ = merge_sightings(SIGHTINGS[:1], {}, frozenset({"http://s/p/1"}), "run")
    assert listing["opt_out"] == "robots.txt: disallows the product's page"


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

"""The card and Croissant of any manifest: shops' words are shown as they are, never as markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pyarrow as pa
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from release.card import card
from release.changelog import changelog
from release.contents import Contents
from release.croissant import croissant
from release.manifest import FORMAT, Manifest, ReleaseCounts, RuleCount, RunFacts, SiteTerms

RUN = "20260131T080000Z"
HOSTILE = "a | b \"c\" 'd'\n---\n# e: {f} [g](h) <i> &amp; \x07 \u2028 é 中文 `code` \\"
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
WORDS = st.text(max_size=30) | st.text("|\\`*_[]()<>#~!&;\n\r\t \u2028---:'\"{}ab1.", max_size=20)


def manifest(
    terms_url: str = "https://s.example/terms", licence: str = "free", class_name: str = "饰品"
) -> Manifest:
    run = RunFacts(
        9, {"published": 7, "rejected": 2}, (RuleCount("clean", "blank_v1", "rejected", 2),),
        {"honour": ["noai"], "robots_txt": True}, {"ok": 9}, {"ok": 7}, {"s": 7}, {"s": 1},
    )  # fmt: skip
    counts = ReleaseCounts(7, 7, 0, 700, {"train": 6, "test": 1}, {"s": 7}, {class_name: 7})
    return Manifest(
        FORMAT, "ours", "1.0.0", None, RUN, "inputs", "software 1", "config", {}, "schema", counts,
        {"s": SiteTerms(terms_url, licence)}, {RUN: run}, (),
    )  # fmt: skip


def tables(text: str) -> list[list[list[str]]]:
    """The text of each cell of each table, as a reader sees it."""
    found: list[list[list[str]]] = []
    inside = False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("td_open", "th_open"):
            inside = True
        elif token.type == "inline" and inside:
            children = token.children or []
            assert {child.type for child in children} <= {"text", "text_special", "code_inline"}
            found[-1][-1].append("".join(child.content for child in children))
            inside = False
    return found


def headings(text: str) -> list[str]:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]


def parted(text: str) -> tuple[dict[str, Any], str]:
    """The YAML head, and the Markdown after it."""
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def shown(text: str) -> str:
    return CONTROLS.sub(" ", text).strip()


@settings(deadline=None, max_examples=60)
@given(WORDS, WORDS, WORDS)
@example(HOSTILE, HOSTILE, HOSTILE)
@example("\\|", "|\\", "`|`")
@example("&lt;", "&#124;", "&amp;")
def test_what_shops_say_is_shown_as_it_is(terms: str, licence: str, class_name: str) -> None:
    contents = Contents({"s": ("2026-01-31", "2026-01-31")})
    head, body = parted(card(manifest(terms, licence, class_name), ["zh", "no"], contents))
    plain_head, plain_body = parted(card(manifest(), ["zh", "no"], contents))
    assert head == plain_head
    assert head["language"] == ["zh", "no"]
    assert headings(body) == headings(plain_body)
    found = tables(body)
    assert len(found) == len(tables(plain_body))
    (site,) = [row for table in found for row in table if row and row[0] == "s" and len(row) == 6]
    stated = [shown(text) if text else "not stated" for text in (licence, terms)]
    assert site == ["s", *stated, "2026-01-31", "2026-01-31", "7"]
    (classes,) = [table for table in found if table[0][0] == "class"]
    assert classes[1] == [shown(class_name), "0", "0", "7", "100.0%"]


@settings(deadline=None, max_examples=30)
@given(WORDS, WORDS)
@example(HOSTILE, HOSTILE)
def test_croissant_carries_every_word_whole(terms: str, licence: str) -> None:
    value = json.loads(croissant(manifest(terms, licence), ["zh"]))
    said = " ".join(filter(None, (licence, terms)))
    assert value["license"] == [f"s: {said or 'under the terms of the shop, not stated'}"]
    (source,) = value["prov:wasDerivedFrom"]
    assert source.get("usageInfo", "") == terms


def test_the_card_tells_how_evenly_each_level_is_filled_and_when_pages_were_taken() -> None:
    first, last = datetime(2026, 1, 30, 23, tzinfo=UTC), datetime(2026, 2, 1, 1, tzinfo=UTC)
    rows = pa.table(
        {
            "site": ["s", "s", "s", "mep3m"],
            "class_name": ["a", "a", "b", "b"],
            "sub_class_id": pa.array([1, 1, 2, 3], pa.int32()),
            "subsub_class_id": pa.array([600, None, None, None], pa.int32()),
            "fetched_at": pa.array([last, first, first, None], pa.timestamp("us", "UTC")),
        }
    )
    whole, by_row = Contents(), Contents()
    whole.add(rows)
    for row in range(rows.num_rows):
        by_row.add(rows.slice(row, 1))
    assert whole == by_row
    assert whole.captured == {"s": ("2026-01-30", "2026-02-01")}
    counts = replace(manifest().counts, classes={"a": 2, "b": 2}, records=4)
    text = card(replace(manifest(), counts=counts), ["zh"], whole)
    (classes,) = [table for table in tables(parted(text)[1]) if table[0][0] == "class"]
    assert classes[1:] == [["a", "1", "1", "2", "50.0%"], ["b", "2", "0", "2", "50.0%"]]
    assert "Records with a sub-class: 4, in 3 of them; a sub-class has 1 in the median, 2" in text


def test_the_changelog_tells_a_takedown_from_what_a_run_removed_after_one() -> None:
    before = manifest()
    run = replace(before.runs[RUN], rules=(RuleCount("publish", "opted_out_v1", "removed", 1),))
    counts = replace(before.counts, records=6, added=0, removed=1)
    taken = replace(before, version="1.0.1", counts=counts, tombstones="a digest")
    assert "Removed: 1 (taken down)." in changelog(taken, before, None)
    later = replace(taken, run_id="20260201T080000Z", runs={"20260201T080000Z": run})
    assert "Removed: 1 (`opted_out_v1` 1)." in changelog(later, before, None)


def test_an_entry_of_the_changelog_names_rules_terms_and_versions_that_changed() -> None:
    before = manifest()
    run = replace(
        before.runs[RUN],
        rules=(RuleCount("publish", "opted_out_v1", "removed", 1), *before.runs[RUN].rules),
    )
    after = replace(
        manifest(licence="paid | not"), version="2.0.0", runs={RUN: run}, fingerprint="phash-9",
        counts=replace(before.counts, records=6, added=0, removed=1, changed=2),
        schema_sha256="other",
    )  # fmt: skip
    text = changelog(after, before, changelog(before, None, None))
    entry = text[text.index("## 2.0.0") : text.index("## 1.0.0")]
    for said in (
        "6 records, 1.0.0 had 7", "Removed: 1 (`opted_out_v1` 1).", "Changed in place: 2",
        "other columns", "`phash-9`", "Terms of s are stated anew.",
    ):  # fmt: skip
        assert said in entry
    assert text.count("# Changes\n") == 1

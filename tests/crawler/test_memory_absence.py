"""Gone products: missed by so many complete crawls in a row, and back when they are seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provenance.audit import audit
from provenance.story_text import story_text
from tests.crawler.recorded_runs import Crawls, absent, page_of


@pytest.fixture
def crawls(tmp_path: Path) -> Crawls:
    made = Crawls(tmp_path / "workspace")
    made.workspace.prepare()
    return made


def test_a_product_is_gone_after_three_complete_crawls_without_it(crawls: Crawls) -> None:
    crawls.day(1, 2)
    assert [absent(crawls.day(1)) for _ in range(4)] == [
        {"0002": (1, False)}, {"0002": (2, False)}, {"0002": (3, True)}, {"0002": (4, True)},
    ]  # fmt: skip


def test_what_comes_back_is_not_gone_and_is_counted(crawls: Crawls) -> None:
    crawls.day(1, 2)
    for _ in range(3):
        crawls.day(1)
    run = crawls.crawl([1, 2])
    assert crawls.merge(run) == {"listings": 2, "merged": 2, "returned": 1}
    assert absent(run) == {}
    assert absent(crawls.day(1)) == {"0002": (1, False)}


@pytest.mark.parametrize(
    ("outcomes", "options"),
    [
        ({"http://s/c/9": "max_pages = 10"}, {}),
        ({page_of(9): "max_hours = 1"}, {}),
        ({page_of(9): "max_products = 5"}, {}),
        ({"http://s/c/9": "timeout"}, {}),
        ({"http://s/c/9": "http_503"}, {}),
        ({"http://s/c/9": "robots_unreachable"}, {}),
        ({page_of(2): "http_500"}, {}),
        ({page_of(2): "robots"}, {}),
        ({}, {"looked": False}),
    ],
)
def test_a_crawl_that_did_not_look_everywhere_counts_for_nothing(
    crawls: Crawls, outcomes: dict[str, str], options: dict[str, Any]
) -> None:
    crawls.day(1, 2)
    crawls.day(1)
    run = crawls.crawl([1], outcomes=outcomes)
    counts = crawls.merge(run, **options)
    assert absent(run) == {"0002": (1, False)}
    assert counts["crawls_cut_short"] == (0 if page_of(2) in outcomes else 1)
    run.update(status="published")
    assert absent(crawls.day(1)) == {"0002": (2, False)}


@pytest.mark.parametrize(
    "outcomes",
    [
        {page_of(2): "http_404"},
        {page_of(2): "http_410"},
        {"http://s/c/9": "http_404"},
        {"http://s/c/9": "robots"},
        {"http://s/c/9": "trap"},
        {"http://s/c/9": "max_redirects = 5"},
        {page_of(9): "http_500"},
    ],
)
def test_what_ends_a_page_does_not_end_the_crawl(crawls: Crawls, outcomes: dict[str, str]) -> None:
    crawls.day(1, 2)
    assert absent(crawls.day(1, outcomes=outcomes)) == {"0002": (1, False)}


def test_a_crawl_that_saw_nothing_says_nothing(crawls: Crawls) -> None:
    crawls.day(1, 2)
    run = crawls.crawl([])
    assert crawls.merge(run) == {"absent": 2, "crawls_cut_short": 1}
    assert absent(run) == {"0001": (0, False), "0002": (0, False)}


def test_a_run_in_which_the_site_failed_counts_for_nothing(crawls: Crawls) -> None:
    crawls.day(1, 2)
    crawls.day(1)
    crawls.days += 1
    failed = crawls.workspace.new_run(crawls.now, ["s"])  # its worker left no part
    failed.update(status="nothing_new")
    assert absent(crawls.day(1)) == {"0002": (2, False)}


def test_a_list_of_product_pages_says_something_of_those_alone(crawls: Crawls) -> None:
    crawls.day(1, 2, 3)
    run = crawls.day(1, grid=False, outcomes={page_of(2): "http_404"})
    assert absent(run) == {"0002": (1, False), "0003": (0, False)}


def test_how_many_crawls_make_it_gone_is_a_setting(crawls: Crawls) -> None:
    crawls.day(1, 2)
    run = crawls.crawl([1])
    assert crawls.merge(run, gone_after=1) == {
        "listings": 1, "merged": 1, "absent": 1, "gone": 1,
    }  # fmt: skip
    assert absent(run) == {"0002": (1, True)}


def test_audit_tells_since_when_it_is_missed_and_that_it_is_gone(crawls: Crawls) -> None:
    first = crawls.day(1, 2)
    runs = [crawls.day(1) for _ in range(3)]
    story = audit(crawls.workspace, "s:0002")
    assert story.gone and story.to_json()["gone"] is True
    assert [(a.run_id, a.missed) for a in story.absences] == [
        (run.run_id, missed) for run, missed in zip(runs[::-1], (3, 2, 1), strict=True)
    ]
    text = story_text(story)
    assert text.startswith("s:0002: ") and "gone from the shop" in text.splitlines()[0]
    assert f"last seen at 2026-01-01T00:00:11Z in run {first.run_id}" in text
    assert "complete crawls in a row without it: 3, gone" in text
    crawls.day(1, 2)
    assert not audit(crawls.workspace, "s:0002").gone
    assert not audit(crawls.workspace, "s:0001").absences

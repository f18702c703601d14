"""Pages carried forward: an earlier capture is good while it is young and its product looks so."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from crawler.memory import CarriedPage, ProductMemory, bring_up_to_date, tile_look
from tests.crawler.recorded_runs import START, Crawls, page_of

LOOK = tile_look("title 1", "http://s/i/1")


@pytest.fixture
def crawls(tmp_path: Path) -> Crawls:
    made = Crawls(tmp_path / "workspace")
    made.workspace.prepare()
    return made


def carried(
    crawls: Crawls, refresh_after: float, *looks: str, page: str = page_of(1)
) -> CarriedPage | None:
    """What a crawl would be told that starts a day after the newest run."""
    crawls.days += 1
    run = crawls.workspace.new_run(crawls.now, ["s"])
    bring_up_to_date(crawls.workspace, run)
    with ProductMemory(run, refresh_after) as memory:
        return memory.carried(page, looks)


def test_a_young_page_of_an_unchanged_product_is_carried(crawls: Crawls) -> None:
    run = crawls.day(1, 2)
    found = carried(crawls, 1.0, LOOK)
    assert found is not None
    file = f"s-{run.run_id}-00000.warc.gz"
    at = START + timedelta(seconds=10)
    assert found == CarriedPage(run.run_id, file, 1000, at, run.captures / file)
    assert found.path.is_file()


@pytest.mark.parametrize(
    ("refresh_after", "looks"),
    [
        (0.0, (LOOK,)),
        (0.9998, (LOOK,)),  # the page is 23 h 59 min 50 s old when the next run starts
        (7.0, ()),
        (7.0, (tile_look("title 1", "http://s/i/other"),)),
        (7.0, (tile_look("other", "http://s/i/1"),)),
        (7.0, (LOOK, tile_look(None, None))),
    ],
    ids=["never", "too old", "no tile any more", "picture", "title", "another tile"],
)
def test_an_old_page_or_a_changed_product_is_asked_for(
    crawls: Crawls, refresh_after: float, looks: tuple[str, ...]
) -> None:
    crawls.day(1)
    assert carried(crawls, refresh_after, *looks) is None


def test_a_product_that_never_had_a_tile_is_carried_by_age_alone(crawls: Crawls) -> None:
    crawls.day(1, grid=False)
    assert carried(crawls, 7.0) is not None


def test_unknown_pages_and_lost_captures_are_asked_for(crawls: Crawls) -> None:
    run = crawls.day(1)
    assert carried(crawls, 7.0, LOOK, page=page_of(9)) is None
    (run.captures / f"s-{run.run_id}-00000.warc.gz").unlink()
    assert carried(crawls, 7.0, LOOK) is None


def test_a_memory_that_is_missing_or_damaged_carries_nothing(crawls: Crawls) -> None:
    crawls.day(1)
    run = crawls.workspace.new_run(START + timedelta(days=1), ["s"])
    state = crawls.workspace.folder / "state.sqlite"
    for content in (None, b"", b"no database" * 1000):
        state.unlink(missing_ok=True)
        if content is not None:
            state.write_bytes(content)
        with ProductMemory(run, 7.0) as memory:
            assert memory.carried(page_of(1), {LOOK}) is None


def test_a_carried_page_keeps_its_age_and_the_tiles_of_its_capture(crawls: Crawls) -> None:
    first = crawls.day(1)
    file, at = f"s-{first.run_id}-00000.warc.gz", START + timedelta(seconds=10)
    # The second run carries the page, and after that a tile that looks otherwise comes by.
    run = crawls.crawl([1], titles={1: "new tile"}, carried={1: (file, 1000, at)})
    (run.captures / file).hardlink_to(first.captures / file)
    crawls.merge(run)
    run.update(status="published")
    found = carried(crawls, 7.0, LOOK)
    assert found is not None
    assert (found.run_id, found.fetched_at, found.capture_offset) == (run.run_id, at, 1000)
    assert carried(crawls, 7.0, tile_look("new tile", "http://s/i/1")) is None
    assert carried(crawls, 2.0, LOOK) is None

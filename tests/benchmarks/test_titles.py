"""The titles' benchmark measures what it says, on titles that no two are alike."""

from benchmarks.titles import SAMPLE, detect_all, judge_all, per_second, synthetic_titles
from cleaning.titles.normalise import normalise_title


def test_its_titles_differ_and_are_like_real_ones() -> None:
    titles = synthetic_titles(3_000)
    assert len(set(titles)) == len(titles)
    assert titles == synthetic_titles(3_000)
    assert 30 < sum(map(len, titles)) / len(titles) < 60
    changed = [title for title in titles if normalise_title(title).removed]
    assert 0.1 < len(changed) / len(titles) < 0.5
    assert judge_all(titles) == len(titles)


def test_the_peer_is_asked_about_each_title_and_speed_is_per_second() -> None:
    titles = synthetic_titles(20)
    assert 0 < detect_all(titles) <= len(titles) <= SAMPLE
    asked: list[str] = []
    assert per_second(asked.extend, titles) > 0
    assert set(asked) == set(titles)

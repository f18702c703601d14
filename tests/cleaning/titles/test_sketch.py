"""Sketches of titles estimate how many 3-grams the titles share."""

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cleaning.titles.sketch import agreement, title_sketch, title_sketches


def grams(title: str) -> set[str]:
    text = "".join(character for character in title.casefold() if character.isalnum())
    return {text[i : i + 3] for i in range(len(text) - 2)}


def test_agreement_estimates_the_jaccard_similarity(mep3m_titles: list[str]) -> None:
    titles = sorted(set(mep3m_titles))[:120]
    sketches = title_sketches(titles)
    errors = []
    for i in range(len(titles)):
        for j in range(i):
            a, b = grams(titles[i]), grams(titles[j])
            share = agreement(sketches[i], sketches[j]) / 32
            errors.append((share - 1 / 256) / (1 - 1 / 256) - len(a & b) / len(a | b))
    assert abs(np.mean(errors)) < 0.005
    assert np.std(errors) < 0.06


def test_case_spaces_and_punctuation_do_not_count() -> None:
    assert (
        agreement(title_sketch("飞鹤（FIRMUS） 奶粉 900G"), title_sketch("飞鹤firmus奶粉900g"))
        == 32
    )


def test_short_and_empty_titles_have_sketches() -> None:
    assert agreement(title_sketch("米"), title_sketch("面")) < 5
    assert not title_sketch("!!").any()


def test_sketches_are_the_same_in_every_process() -> None:
    code = (
        "from cleaning.titles.sketch import title_sketch; "
        "print(title_sketch('飞鹤奶粉900g').tolist())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert outputs == {str(title_sketch("飞鹤奶粉900g").tolist())}


@given(st.lists(st.text(max_size=40), max_size=12))
def test_a_batch_has_the_sketches_of_its_titles(titles: list[str]) -> None:
    sketches = title_sketches(titles)
    assert sketches.shape == (len(titles), 32)
    for title, sketch in zip(titles, sketches, strict=True):
        assert (sketch == title_sketch(title)).all()


def test_titles_beyond_one_batch_are_sketched_alike(mep3m_titles: list[str]) -> None:
    titles = [*mep3m_titles, "", "!!", "ab", "\ud800x", "ſß", "字" * 700]
    assert (title_sketches(titles) == np.array([title_sketch(title) for title in titles])).all()

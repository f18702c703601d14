"""The rehearsal's workspace has MEP-3M's statistics, and every stage takes it."""

from __future__ import annotations

import io
from collections import Counter
from itertools import pairwise

import pytest
from PIL import Image

from benchmarks import scale
from benchmarks.clean_run import picture


def test_classes_are_as_large_as_mep_3ms() -> None:
    reached = [0.0, *scale.shares().tolist()]
    sizes = [round((after - before) * scale.ALL) for before, after in pairwise(reached)]
    assert (len(sizes), max(sizes), min(sizes)) == (599, 90_000, 30)
    assert sizes == sorted(sizes, reverse=True)
    drawn = Counter(scale.titled(number)[1] for number in range(3_000))
    assert len(drawn) > 150 and drawn.most_common(1)[0][1] < 200


def test_pictures_are_as_heavy_as_theirs_and_all_different() -> None:
    bodies = [picture(n, scale.SIDE, scale.QUALITY) for n in range(20, 40)]
    assert Image.open(io.BytesIO(bodies[0])).size == (220, 220)
    assert 15_000 < sum(map(len, bodies)) / len(bodies) < 25_000
    assert len(set(bodies)) >= 19


def test_projections_are_of_the_line_through_two_sizes() -> None:
    assert scale.fit(100, 300, (12.0, 32.0)) == pytest.approx((2.0, 0.1))
    assert scale.fit(100, 300, (12.0, 42.0)) == pytest.approx((0.0, 0.15))


def test_a_small_rehearsal_goes_through_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert scale.main(["--records", "300"]) == 0
    said = capsys.readouterr().out
    for stage in scale.STAGES:
        assert f"300: {stage}: processor" in said

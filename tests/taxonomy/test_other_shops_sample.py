"""What the mapper decides by itself of hand-labelled category paths of shops other than JD.

229 paths as market places, English and Taiwanese shops write them, labelled before the mapper read
them. Rows of even number (from 0) were then looked at to find faults; those of odd number were not.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from taxonomy.mapper import Mapper
from taxonomy.tree import load_tree
from tests.taxonomy.test_jd_sample import is_right

SAMPLE = Path(__file__).with_name("data") / "other_shops.csv"


@pytest.mark.parametrize("first", [0, 1], ids=["looked-at", "unseen"])
def test_of_what_it_decides_for_other_shops_95_percent_are_right(first: int) -> None:
    tree = load_tree()
    mapper = Mapper(tree)
    right, wrong, held = 0, [], 0
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        for row in list(csv.DictReader(file))[first::2]:
            label = mapper.map([row["path"].split(" > ")]).label
            if label is None:
                held += 1
            elif is_right(tree, label, row["level"], row["id"]):
                right += 1
            else:
                wrong.append((row["path"], label.sub_class_name))
    decided = right + len(wrong)
    print(f"{decided} of {decided + held} decided, {right} of them rightly; wrong: {wrong}")
    assert right >= 0.95 * decided
    assert decided >= 0.5 * (decided + held)

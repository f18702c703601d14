"""A release's shards with titles made of category names and words of shops.

They show that training, calibration and bounds work as they say; not how hard real titles are.
"""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from taxonomy.tree import Level, Node, Tree

LEAVES = (
    *((Level.SUB_CLASS, id) for id in (37, 51, 156, 178, 281, 303, 327, 417, 456, 540)),
    *((Level.SUBSUB_CLASS, id) for id in (602, 640)),
)
_WORDS = (
    *("新款", "正品", "家用", "儿童", "加厚", "便携", "大号", "小号", "进口", "礼盒"),
    *("夏季", "网红", "升级版", "多功能", "简约", "旗舰", "官方"),
)


def title_of(leaf: Node, draw: random.Random, clear: float = 0.95) -> str:
    """A title that names its leaf, nearly always."""
    words = draw.sample(_WORDS, draw.randrange(2, 6))
    if draw.random() < clear:
        words.insert(draw.randrange(len(words)), leaf.name.replace("/", ""))
    return "".join(words)


def make_shards(folder: Path, tree: Tree, *, rule: str = "path_name_v2", seed: int = 5) -> Path:
    """`data/` of a release: 3,000 records to train on, 1,200 to calibrate, 600 to test."""
    draw = random.Random(seed)
    (folder / "data").mkdir(parents=True)
    leaves = [node for level, id in LEAVES if (node := tree.get(level, id)) is not None]
    for split, count in (("train", 3_000), ("validation", 1_200), ("test", 600)):
        rows = [_row(draw.choice(leaves), draw, tree, rule) for _ in range(count)]
        path = folder / "data" / f"{split}-1.0.0-00000.parquet"
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path)
    return folder


SCHEMA = pa.schema(
    [
        ("title", pa.string()),
        ("sub_class_id", pa.int32()),
        ("subsub_class_id", pa.int32()),
        ("label_rule", pa.string()),
    ]
)


def _row(leaf: Node, draw: random.Random, tree: Tree, rule: str) -> dict[str, object]:
    label = tree.label(leaf)
    return {
        "title": title_of(leaf, draw),
        "sub_class_id": label.sub_class_id,
        "subsub_class_id": label.subsub_class_id,
        "label_rule": rule,
    }

"""Writes a copy of MEP-3M of any size, in its own layout: every value made from the row's number.

In comes a folder and a number of rows; out go `annotations.json` and, where they are asked for, the
pictures it names. Titles are made of category names, so that a model can learn from them.
"""

import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from taxonomy.tree import Level, Tree, load_tree

_WORDS = (
    "新款",
    "家用",
    "进口",
    "礼盒装",
    "官方旗舰店",
    "大容量",
    "便携",
    "商用",
    "经典款",
    "加厚",
)


def write_copy(folder: Path, rows: int, *, side: int | None = None, seed: int = 20261123) -> Path:
    """Write the copy and return its annotations' path; `side` is that of its pictures, in pixels,
    None for titles alone."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "annotations.json"
    rng = np.random.default_rng(seed)
    with path.open("w", encoding="utf-8") as stream:
        stream.write("[\n")
        for number, row in enumerate(annotation_rows(rows, side=side or 220, seed=seed)):
            stream.write(",\n" if number else "")
            stream.write(json.dumps(row, ensure_ascii=False, indent=0))
            if side is not None:
                picture = folder / row["img_path"]
                picture.parent.mkdir(parents=True, exist_ok=True)
                picture.write_bytes(_picture(side, rng))
        stream.write("\n]\n")
    return path


def annotation_rows(
    rows: int, *, side: int = 220, seed: int = 20261123
) -> Iterator[dict[str, Any]]:
    """The rows one after the other, sub-class by sub-class as in MEP-3M."""
    tree = load_tree()
    draw = random.Random(seed)
    subs = [node for node in tree.nodes if node.level is Level.SUB_CLASS]
    below = {sub.id: _below(tree, sub.id) for sub in subs}
    for number in range(rows):
        sub = subs[number * len(subs) // rows]
        parent = tree.parent(sub)
        assert parent is not None
        thirds = below[sub.id]
        third = thirds[number % len(thirds)]
        words = " ".join([sub.name, *(draw.choice(_WORDS) for _ in range(4))])
        yield {
            "class_id": str(parent.id),
            "class_name": parent.name,
            "sub_class_id": str(sub.id),
            "sub_class_name": sub.name,
            "subsub_class_id": third[0],
            "subsub_class_name": third[1],
            "img_path": f"Images/{sub.id}/{number + 1}.jpg",
            "img_resolution": [side, side, 3],
            "title": f"【{draw.choice(_WORDS)}】{words} {draw.randrange(10**6)}克 {number}号",
            "OCR": "" if number % 3 else f"{draw.choice(_WORDS)}{draw.randrange(1000)}",
        }


def _below(tree: Tree, sub_class: int) -> list[tuple[str, str]]:
    """Its sub-sub-classes as MEP-3M writes them, which has a word for none."""
    nodes = [n for n in tree.nodes if n.level is Level.SUBSUB_CLASS and n.parent_id == sub_class]
    return [(str(node.id), node.name) for node in nodes] or [("FALSE", "FALSE")]


def _picture(side: int, rng: np.random.Generator) -> bytes:
    """A JPEG like no other: clouds of colour."""
    coarse = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()

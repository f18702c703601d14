"""Small copies of MEP-3M, and the chunks and parts that are made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from release.imports.merging import write_parts
from release.imports.scan import Scan, scan_copy
from release.imports.source import CopySource, find_copy
from runtime.parts import PartFolder
from runtime.tables import ANNOTATIONS
from taxonomy.tree import Tree

SITE = "mep3m"


def annotation(number: int, *, ending: str = "jpg", **changes: Any) -> dict[str, Any]:
    """A row of that picture."""
    return {
        "class_id": "7", "class_name": "母婴/玩具/童装", "sub_class_id": "1",
        "sub_class_name": "孕妈奶粉", "subsub_class_id": "FALSE", "subsub_class_name": "FALSE",
        "img_path": f"Images/1/{number}.{ending}", "img_resolution": [220, 220, 3],
        "title": f"孕妇奶粉 {number} 号", "OCR": "", **changes,
    }  # fmt: skip


def copy_of(folder: Path, rows: Sequence[Any], **options: Any) -> CopySource:
    """A copy whose annotations are these rows."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "annotations.json"
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=0))
    return find_copy(path, text_only=True, **options)


def scanned(source: CopySource, tree: Tree, workspace: Path, chunk_rows: int = 7) -> Scan:
    return scan_copy(source, tree, "tree", workspace, quiet=True, chunk_rows=chunk_rows)


def parts_of(scan: Scan, folder: Path, part_rows: int = 10) -> PartFolder:
    """The parts that the chunks are merged into."""
    target = PartFolder(folder, ANNOTATIONS)
    write_parts(scan.chunks, target, scan.key, part_rows, SITE)
    return target


def rows_of(parts: PartFolder) -> list[dict[str, Any]]:
    return [row for name in parts.names() for row in parts.read(name).to_pylist()]


def files_of(parts: PartFolder) -> dict[str, bytes]:
    """Every file of a folder of parts, by name."""
    return {path.name: path.read_bytes() for path in sorted(parts.folder.iterdir())}

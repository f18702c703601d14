"""The map stage: a label for every kept record, or why it is held.

Per part: listings and cleaned rows in, labels and decisions out. The tree and the site's curated
mapping are inputs like any other, so that a new answer relabels without crawling again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from runtime.columns import from_numbers, record_batch
from runtime.decisions import Decisions
from runtime.parts import run_key
from runtime.stages import Context, Counts, StageResult, Unit, run_units
from runtime.storage import sha256_file
from runtime.tables import DECISIONS, LABELS
from runtime.workspace import Run
from taxonomy.batches import BatchVerdicts, map_batch
from taxonomy.curated import load_mapping
from taxonomy.mapper import Mapper, MapVerdict
from taxonomy.site_mappings import mapping_of
from taxonomy.tree import SHIPPED_TREE, load_tree

VERSION = "3"


@dataclass(frozen=True)
class _Work:
    """One part to label; `mappings` are the site's curated files."""

    run: Run
    name: str
    key: str
    tree: Path
    mappings: tuple[Path, ...]


def map_records(context: Context) -> StageResult:
    """Label every part whose records, tree or mapping changed. Raises ConfigError for bad files."""
    run = context.run
    tree = SHIPPED_TREE
    if context.config.map.taxonomy is not None:
        tree = context.config_folder / context.config.map.taxonomy
    checked = load_tree(tree)
    mappings: dict[str, tuple[Path, ...]] = {}
    for site in {name.rpartition("-")[0] for name in run.listings.names()}:
        mappings[site] = mapping_of(site, context.config, context.config_folder).files
        load_mapping(mappings[site], checked)  # a faulty file is told before any work is done
    code = "; ".join((VERSION, *(f"{name} {version(name)}" for name in ("rapidfuzz", "opencc"))))
    units = []
    for name, listings in run.listings.seals().items():
        cleaned = run.cleaned.seal(name)
        if cleaned is None:
            continue
        files = mappings[name.rpartition("-")[0]]
        inputs = {
            "listings": listings.sha256,
            "cleaned": cleaned.sha256,
            "tree": sha256_file(tree),
            "mapping": " ".join(map(sha256_file, files)),
        }
        key = run_key("map", code, None, inputs)
        units.append(Unit(name, key, _Work(run, name, key, tree, files)))
    return run_units(context, "map: parts", [run.decisions("map"), run.labels], units, map_part)


def map_part(work: _Work) -> None:
    """Label the kept records of one part."""
    run = work.run
    tree = load_tree(work.tree)
    mapper = Mapper(tree, load_mapping(work.mappings, tree))
    kept = run.cleaned.read(work.name, ["kept", "title"])
    listings = run.listings.read(work.name, ["record_id", "category_paths"])
    listings = listings.filter(kept["kept"]).combine_chunks()
    titles = kept.filter(kept["kept"])["title"].combine_chunks()
    ids, paths = (listings[name].combine_chunks() for name in ("record_id", "category_paths"))
    found = map_batch(mapper, paths, titles)
    labels, decisions = _tables(found, ids, run.run_id)
    run.decisions("map").write(work.name, decisions, work.key)
    run.labels.write(work.name, [labels], work.key, _counts(found))


def _tables(found: BatchVerdicts, ids: pa.Array, run_id: str) -> tuple[pa.RecordBatch, pa.Table]:
    """The records' labels and decisions: those of the distinct verdicts, each as often as needed.

    Without the record ids, which are put in last.
    """
    labels = record_batch([_label_row(verdict) for verdict in found.verdicts], LABELS.schema)
    decided = Decisions("map", run_id)
    for verdict in found.verdicts:
        fate = "held" if verdict.label is None else "kept"
        decided.add("", verdict.rule, fate, verdict.reason, verdict.evidence)
    rows = from_numbers(found.of)
    labels, decisions = labels.take(rows), decided.table().take(rows)
    place = LABELS.schema.get_field_index("record_id")
    labels = labels.set_column(place, LABELS.schema.field(place), ids)
    place = DECISIONS.schema.get_field_index("record_id")
    return labels, decisions.set_column(place, DECISIONS.schema.field(place), ids)


def _counts(found: BatchVerdicts) -> Counts:
    counts: Counts = Counter()
    times = np.bincount(found.of, minlength=len(found.verdicts)).tolist()
    for verdict, count in zip(found.verdicts, times, strict=True):
        if count:
            counts[f"rule.{verdict.rule}"] += count
            counts["mapped" if verdict.label else "held"] += count
    return counts


def _label_row(verdict: MapVerdict) -> dict[str, Any]:
    label = verdict.label
    return {
        "record_id": "",
        "mapped": label is not None,
        "class_id": label and label.class_id,
        "class_name": label and label.class_name,
        "sub_class_id": label and label.sub_class_id,
        "sub_class_name": label and label.sub_class_name,
        "subsub_class_id": label and label.subsub_class_id,
        "subsub_class_name": label and label.subsub_class_name,
        "label_rule": verdict.rule,
        "evidence": verdict.evidence,
        "suggestions": [suggestion.to_row() for suggestion in verdict.suggestions],
        "title_leaf": None,
        "contradicted": False,
    }

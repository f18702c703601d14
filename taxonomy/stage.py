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

from runtime.columns import column, from_numbers, record_batch
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
from taxonomy.title_model.deciding import CONTRADICTS_RULE, Titled, add_titles
from taxonomy.title_model.model import RULE as MODEL_RULE
from taxonomy.title_model.model import TitleModel, load_model
from taxonomy.tree import SHIPPED_TREE, Tree, load_tree

VERSION = "3"


@dataclass(frozen=True)
class _Work:
    """One part to label; `mappings` are the site's curated files, `model` reads titles."""

    run: Run
    name: str
    key: str
    tree: Path
    mappings: tuple[Path, ...]
    model: Path | None = None


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
    model = _checked_model(context, checked)
    libraries = ("rapidfuzz", "opencc", *(("scikit-learn", "scipy") if model else ()))
    code = "; ".join((VERSION, *(f"{name} {version(name)}" for name in libraries)))
    model_sha256 = "" if model is None else sha256_file(model)
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
            "model": model_sha256,
        }
        key = run_key("map", code, None, inputs)
        units.append(Unit(name, key, _Work(run, name, key, tree, files, model)))
    return run_units(context, "map: parts", [run.decisions("map"), run.labels], units, map_part)


def _checked_model(context: Context, tree: Tree) -> Path | None:
    """The title model that the configuration names, read once so that a faulty one is told."""
    if context.config.map.model is None:
        return None
    path = context.config_folder / context.config.map.model
    load_model(path, tree)
    return path


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
    found, titled = map_batch(mapper, paths, titles), None
    if work.model is not None:
        model = load_model(work.model, tree)
        titled = add_titles(found, [title or "" for title in titles.to_pylist()], model, tree)
        found = titled.found
    labels, decisions = _tables(found, ids, run.run_id)
    counts = _counts(found)
    if titled is not None:
        labels = _with_titles(labels, titled, model)
        flags = _flags(titled, ids, model, run.run_id)
        decisions = pa.concat_tables([decisions, flags])
        counts["contradicted"] = flags.num_rows
    run.decisions("map").write(work.name, decisions, work.key)
    run.labels.write(work.name, [labels], work.key, counts)


def _with_titles(labels: pa.RecordBatch, titled: Titled, model: TitleModel) -> pa.RecordBatch:
    """The labels with what the titles say beside them."""
    leaves = model.leaves
    rows = [
        {"level": str(leaves[n].level), "id": leaves[n].id, "confidence": sure, "by": MODEL_RULE}
        for n, sure in zip(titled.leaf.tolist(), titled.confidence.tolist(), strict=True)
    ]
    for name, values in (("title_leaf", rows), ("contradicted", titled.contradicted.tolist())):
        place = LABELS.schema.get_field_index(name)
        field = LABELS.schema.field(place)
        labels = labels.set_column(place, field, column(values, field.type))
    return labels


def _flags(titled: Titled, ids: pa.Array, model: TitleModel, run_id: str) -> pa.Table:
    """A decision for each record whose title contradicts its label; it goes on all the same."""
    flags = Decisions("map", run_id)
    for row in np.flatnonzero(titled.contradicted).tolist():
        label = titled.found.verdicts[titled.found.of[row]].label
        assert label is not None
        said, sure = model.leaves[titled.leaf[row]], float(titled.confidence[row])
        reason = f"its path says {label.sub_class_name}, its title {said}"
        flags.add(ids[row].as_py(), CONTRADICTS_RULE, "flagged", reason, sure, model.decides_at)
    return flags.table()


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

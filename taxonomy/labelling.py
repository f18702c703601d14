"""Label the records of one part, in a worker: paths first, then titles where there is a model.

In come a listings part and its cleaned rows, out go its labels and decisions. What is read from
files (the tree, mappings, a model of 90 MB) is kept from part to part, and so is what the mapper
found out about the paths it has seen.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runtime.columns import column, from_numbers, record_batch
from runtime.decisions import Decisions
from runtime.stages import Counts
from runtime.tables import DECISIONS, LABELS
from runtime.workspace import Run
from taxonomy.batches import BatchVerdicts, map_batch
from taxonomy.curated import load_mapping
from taxonomy.mapper import Mapper, MapVerdict
from taxonomy.stated import COLUMNS as STATED_COLUMNS
from taxonomy.stated import stated_verdicts
from taxonomy.title_model.deciding import CONTRADICTS_RULE, Titled, add_titles
from taxonomy.title_model.model import RULE as MODEL_RULE
from taxonomy.title_model.model import TitleModel, load_model
from taxonomy.tree import Tree, load_tree


@dataclass(frozen=True)
class Tools:
    """The files that records are mapped with; `digest` says what is in them, so that files that
    changed are read again."""

    tree: Path
    mappings: tuple[Path, ...]
    model: Path | None
    digest: str


@dataclass(frozen=True)
class MapWork:
    """One part to label."""

    run: Run
    name: str
    key: str
    tools: Tools


@lru_cache(maxsize=16)
def _mapper(tools: Tools) -> Mapper:
    tree = load_tree(tools.tree)
    return Mapper(tree, load_mapping(tools.mappings, tree))


@lru_cache(maxsize=1)
def _model(path: Path, tree: Tree, digest: str) -> TitleModel:
    del digest  # another one is another model
    return load_model(path, tree)


def map_part(work: MapWork) -> None:
    """Label the kept records of one part."""
    run, tools = work.run, work.tools
    mapper = _mapper(tools)
    kept = run.cleaned.read(work.name, ["kept", "title"])
    listings = run.listings.read(work.name, ["record_id", "category_paths"])
    listings = listings.filter(kept["kept"]).combine_chunks()
    titles = kept.filter(kept["kept"])["title"].combine_chunks()
    ids, paths = (listings[name].combine_chunks() for name in ("record_id", "category_paths"))
    if run.annotations.seal(work.name) is None:
        found = map_batch(mapper, paths, titles)
    else:
        found = stated_verdicts(_annotations_of(run, work.name, ids), mapper.tree)
    if tools.model is None:
        labels, decisions = _tables(found, ids, run.run_id)
        counts = _counts(found)
    else:
        model = _model(tools.model, mapper.tree, tools.digest)
        texts = [title or "" for title in titles.to_pylist()]
        titled = add_titles(found, texts, model, mapper.tree)
        labels, decisions = _tables(titled.found, ids, run.run_id)
        labels = _with_titles(labels, titled, model)
        flags = _flags(titled, ids, model, run.run_id)
        decisions = pa.concat_tables([decisions, flags])
        counts = _counts(titled.found)
        counts["contradicted"] = flags.num_rows
    run.decisions("map").write(work.name, decisions, work.key)
    run.labels.write(work.name, [labels], work.key, counts)


def _annotations_of(run: Run, name: str, ids: pa.Array) -> pa.Table:
    """What an imported copy says of some records, in their order."""
    rows = run.annotations.read(name, ["record_id", *STATED_COLUMNS])
    return rows.take(pc.index_in(ids, value_set=rows["record_id"].combine_chunks()))


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

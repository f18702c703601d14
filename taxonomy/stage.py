"""The map stage: a label for every kept record, or why it is held.

Per part: listings and cleaned rows in, labels and decisions out. The tree and the site's curated
mapping are inputs like any other, so that a new answer relabels without crawling again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.columns import record_batch
from runtime.decisions import Decisions
from runtime.errors import ConfigError
from runtime.parts import run_key
from runtime.stages import Context, Counts, StageResult, Unit, run_units
from runtime.storage import sha256_file
from runtime.tables import LABELS
from runtime.workspace import Run
from taxonomy.curated import load_mapping, shipped_mapping_path
from taxonomy.mapper import Mapper, MapVerdict
from taxonomy.tree import SHIPPED_TREE, load_tree

VERSION = "2"


@dataclass(frozen=True)
class _Work:
    """One part to label; `mapping` is the site's curated file, if there is one."""

    run: Run
    name: str
    key: str
    tree: Path
    mapping: Path | None


def map_records(context: Context) -> StageResult:
    """Label every part whose records, tree or mapping changed. Raises ConfigError for bad files."""
    run = context.run
    tree = SHIPPED_TREE
    if context.config.map.taxonomy is not None:
        tree = context.config_folder / context.config.map.taxonomy
    mappings = _mappings(context)
    checked = load_tree(tree)
    for mapping in mappings.values():
        load_mapping(mapping, checked)  # a faulty file is told before any work is done
    units = []
    for name, listings in run.listings.seals().items():
        cleaned = run.cleaned.seal(name)
        if cleaned is None:
            continue
        mapping = mappings.get(name.rpartition("-")[0])
        inputs = {
            "listings": listings.sha256,
            "cleaned": cleaned.sha256,
            "tree": sha256_file(tree),
            "mapping": "" if mapping is None else sha256_file(mapping),
        }
        key = run_key("map", VERSION, None, inputs)
        units.append(Unit(name, key, _Work(run, name, key, tree, mapping)))
    return run_units(context, "map: parts", [run.decisions("map"), run.labels], units, map_part)


def _mappings(context: Context) -> Mapping[str, Path | None]:
    """The curated mapping file of each site: the configured one, or the shipped one."""
    found = {}
    for site in context.config.site:
        path = shipped_mapping_path(site.key)
        if site.mapping is not None:
            path = context.config_folder / site.mapping
            if not path.is_file():
                raise ConfigError(
                    f"site {site.key}: `mapping` = {site.mapping!r}: expected a file at {path}, "
                    "found none; make it or remove the setting"
                )
        found[site.key] = path
    return found


def map_part(work: _Work) -> None:
    """Label the kept records of one part."""
    run = work.run
    tree = load_tree(work.tree)
    mapper = Mapper(tree, load_mapping(work.mapping, tree))
    listings = run.listings.read(work.name, ["record_id", "category_paths"]).to_pylist()
    cleaned = run.cleaned.read(work.name, ["kept", "title"]).to_pylist()
    labels: list[dict[str, Any]] = []
    decisions = Decisions("map", run.run_id)
    counts: Counts = Counter()
    for listing, clean in zip(listings, cleaned, strict=True):
        if not clean["kept"]:
            continue
        verdict = mapper.map(listing["category_paths"] or [], clean["title"])
        counts.update(["mapped" if verdict.label else "held", f"rule.{verdict.rule}"])
        labels.append(_label_row(listing["record_id"], verdict))
        decisions.add(
            listing["record_id"],
            verdict.rule,
            "held" if verdict.label is None else "kept",
            verdict.reason,
            verdict.evidence,
        )
    run.decisions("map").write(work.name, decisions.table(), work.key)
    run.labels.write(work.name, [record_batch(labels, LABELS.schema)], work.key, counts)


def _label_row(record_id: str, verdict: MapVerdict) -> dict[str, Any]:
    label = verdict.label
    return {
        "record_id": record_id,
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

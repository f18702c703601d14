"""The map stage: a label for every kept record, or why it is held.

Per part: listings and cleaned rows in, labels and decisions out. The tree and the site's curated
mapping are inputs like any other, so that a new answer relabels without crawling again.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from runtime.keys import digest
from runtime.parts import run_key
from runtime.stages import Context, StageResult, Unit, run_units
from runtime.storage import sha256_file
from taxonomy.curated import load_mapping
from taxonomy.labelling import MapWork, Tools, map_part
from taxonomy.set_aside import set_aside_part
from taxonomy.site_mappings import answers_digest, mapping_of
from taxonomy.title_model.model import load_model
from taxonomy.tree import SHIPPED_TREE, Tree, load_tree

VERSION = "4"


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
    tools = {site: _tools(tree, files, model) for site, files in mappings.items()}
    units = []
    for name, listings in run.listings.seals().items():
        cleaned = run.cleaned.seal(name)
        if cleaned is None:
            continue
        used = tools[name.rpartition("-")[0]]
        inputs = {
            "listings": listings.sha256,
            "cleaned": cleaned.sha256,
            "tools": used.digest,
        }
        annotations = run.annotations.seal(name)
        if annotations is not None:
            inputs["annotations"] = annotations.sha256
        key = run_key("map", code, None, inputs)
        units.append(Unit(name, key, MapWork(run, name, key, used)))
    run.update(answers=answers_digest(run.record["sites"], context.config, context.config_folder))
    outputs = [run.decisions("map"), run.labels]
    return run_units(context, "map: parts", outputs, units, map_part, set_aside=set_aside_part)


def _checked_model(context: Context, tree: Tree) -> Path | None:
    """The title model that the configuration names, read once so that a faulty one is told."""
    if context.config.map.model is None:
        return None
    path = context.config_folder / context.config.map.model
    load_model(path, tree)
    return path


def _tools(tree: Path, mappings: tuple[Path, ...], model: Path | None) -> Tools:
    files = (tree, *mappings, *([] if model is None else [model]))
    told = (f"{len(mappings)} mappings", *map(sha256_file, files))
    return Tools(tree, mappings, model, digest(*told))

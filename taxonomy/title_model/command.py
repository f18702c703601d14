"""`mep3m taxonomy train` and `evaluate`: a title model from a release, and how well it reads.

In come the configuration and a release; out go the model's file, the figures beside it as JSON, and
an `Outcome` that tells them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from release.manifest import MANIFEST, read_manifest
from runtime.config import Config
from runtime.console import Outcome, table
from runtime.errors import ConfigError
from runtime.exits import Exit
from runtime.opening import reading, workspace_folder, writing
from runtime.progress import progress
from runtime.storage import sha256_file, write_json
from runtime.workspace import Workspace
from taxonomy.title_model.evaluation import evaluate
from taxonomy.title_model.labelled import labelled_titles
from taxonomy.title_model.model import load_model, save_model
from taxonomy.title_model.training import EPOCHS, train
from taxonomy.tree import Tree, load_tree

TIERS = ("head", "middle", "tail")


def train_model(
    config: Config, config_folder: Path, release: str | None, out: Path, *, quiet: bool
) -> Outcome:
    """Train on a release (a version, a folder, or the current one) and write the model to `out`."""
    folder = _release(config, config_folder, release)
    tree = _tree(config, config_folder)
    leaves = tree.leaves()
    records = labelled_titles(folder, leaves, tree)
    manifest = read_manifest(folder)
    meta = {
        "release": f"{manifest.name} {manifest.version}",
        "manifest_sha256": sha256_file(folder / MANIFEST),
    }
    with progress("train", quiet=quiet) as tick:
        model = train(records, leaves, meta, tick)
    save_model(model, out, tree)
    return _told(out, evaluate(load_model(out, tree), records, leaves, tree))


def evaluate_model(
    config: Config, config_folder: Path, model: Path, release: str | None, *, quiet: bool
) -> Outcome:
    """Measure a model on the test split of a release; of the workspace's, the figures are kept."""
    del quiet
    tree = _tree(config, config_folder)
    leaves, folder = tree.leaves(), _release(config, config_folder, release)
    figures = evaluate(load_model(model, tree), labelled_titles(folder, leaves, tree), leaves, tree)
    if folder.parent == Workspace(workspace_folder(config, config_folder)).releases:
        with writing(config, config_folder) as opened:
            kept = opened.workspace.attachments(folder.name) / f"{model.stem}.json"
            write_json(kept, figures)
    return _told(model, figures)


def _tree(config: Config, config_folder: Path) -> Tree:
    named = config.map.taxonomy
    return load_tree(config_folder / named if named is not None else None)


def _release(config: Config, config_folder: Path, release: str | None) -> Path:
    workspace = reading(config, config_folder)
    if release is None:
        found = workspace.latest_release()
    else:
        found = next((p for p in (workspace.releases / release, Path(release)) if p.is_dir()), None)
    if found is None:
        raise ConfigError(
            f"expected a release in {workspace.releases}, got {release or 'none'}; "
            "publish one with `mep3m run` or name its folder"
        )
    return found


def _told(model: Path, figures: Mapping[str, Any]) -> Outcome:
    write_json(model.with_suffix(".json"), figures)
    values = {"model": str(model), "epochs": EPOCHS, **figures}
    if not figures["records"]:
        return Outcome(Exit.DONE, f"{model}: no test records to measure it on", values)
    decided = figures["decided"]
    at = decided["confidence"]
    rows = [("all", *map(str, (figures["records"], figures["accuracy"]["leaf"])))]
    rows += [
        (tier, str(figures[tier]["records"]), str(figures[tier]["accuracy"])) for tier in TIERS
    ]
    text = "\n".join(
        [
            f"{model}: on {figures['records']} test records",
            *(f"accuracy, {level}: {share}" for level, share in figures["accuracy"].items()),
            f"macro F1: {figures['macro_f1']}",
            "it never decides: no confidence is surely right in 98 of 100"
            if at is None
            else f"it decides from {at:.4f} on: {decided['share']} of the records, "
            f"{decided['precision']} of them rightly",
            table(rows, ("leaves", "records", "accuracy")),
        ]
    )
    return Outcome(Exit.DONE, text, values)

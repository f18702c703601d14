"""A release's recipe: the configuration it was made with, and the files that it names.

Publish writes it beside the releases, before the release appears: `recipes/<version>.json`, and
each file once in `recipes/files/<sha256>`. Out comes a folder in which the same configuration
works again. Answers of `review` and later settings so change nothing that was published.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from release.adoption import is_adopting
from release.inputs import NO_INPUT
from runtime.config import Config, parse_config
from runtime.errors import WorkspaceError
from runtime.stages import Context
from runtime.storage import read_json, sha256_file, write_bytes, write_json
from runtime.tombstones import load_tombstones
from runtime.workspace import Workspace
from taxonomy.site_mappings import mapping_of

FORMAT = 1
FOLDER = "recipes"


@dataclass(frozen=True)
class Recipe:
    """What a release was made with.

    `runs` are the ids of the runs up to its own, `tombstones` the files of them there were;
    `config` names files by their places in `files`, which have the SHA-256 of each.
    """

    format: int
    version: str
    run_id: str
    adopted: bool
    runs: tuple[str, ...]
    tombstones: tuple[str, ...]
    config: Mapping[str, Any]
    files: Mapping[str, str]


def recipe_path(workspace: Workspace, version: str) -> Path:
    """Where the recipe of a release lies."""
    return workspace.folder / FOLDER / f"{version}.json"


def write_recipe(context: Context, version: str) -> None:
    """Record what the run's release of that version is made with."""
    folder = context.workspace.folder / FOLDER
    values = context.config.model_dump(mode="json", exclude=NO_INPUT)
    files: dict[str, str] = {}
    for place, path in _name_files(values, context):
        digest = files[place] = sha256_file(path)
        if not (kept := folder / "files" / digest).is_file():
            write_bytes(kept, path.read_bytes())
    run_id = context.run.run_id
    runs = tuple(run.run_id for run in context.workspace.runs() if run.run_id <= run_id)
    adopted = is_adopting(context.run)
    stones = tuple(file.name for file in load_tombstones(context.workspace.folder).files)
    recipe = Recipe(FORMAT, version, run_id, adopted, runs, stones, values, files)
    write_json(recipe_path(context.workspace, version), asdict(recipe))


def _name_files(values: dict[str, Any], context: Context) -> Iterator[tuple[str, Path]]:
    """Every file that the configuration leads to, with its place; `values` names the places.

    Names stay as they are: the evidence of labels shows them.
    """
    config, base = context.config, context.config_folder
    for key in ("taxonomy", "model"):
        if (named := values["map"][key]) is not None:
            values["map"][key] = f"{key}/{Path(named).name}"
            yield values["map"][key], base / named
    entries = {entry["key"]: entry for entry in values["site"]}
    for entry in entries.values():
        if entry["program"].endswith(".toml"):
            entry["program"], files = _program_files(entry["key"], base / entry["program"])
            yield from files
        if entry["products"] is not None:
            entry["products"] = products_file(entry["key"])  # written from what was crawled
    for site in sorted({*entries, *context.run.record["sites"]}):
        own = mapping_of(site, config, base).own
        place = f"mappings/{site}.csv"
        if (named := entries.get(site, {}).get("mapping")) is not None:
            place = entries[site]["mapping"] = f"mappings/{site}/{Path(named).name}"
        if own.is_file():
            yield place, own


def products_file(site: str) -> str:
    """Where a rebuild puts the product URLs that a site's crawl began with."""
    return f"products/{site}.txt"


def _program_files(site: str, program: Path) -> tuple[str, list[tuple[str, Path]]]:
    """The place of a site file, and the places of all files that it needs, in relation."""
    values = tomllib.loads(program.read_text(encoding="utf-8"))
    named = (values.get(key) for key in ("product_page", "listing_page"))
    code = [name.partition(":")[0] for name in named if isinstance(name, str)]
    paths = [Path(os.path.normpath(program.parent / name)) for name in (program.name, *code)]
    common = os.path.commonpath([path.parent for path in paths])
    places = [f"sites/{site}/{path.relative_to(common).as_posix()}" for path in paths]
    return places[0], list(zip(places, paths, strict=True))


def read_recipe(workspace: Workspace, version: str) -> Recipe:
    """The recipe of a release. Raises WorkspaceError where there is none that can be read."""
    path = recipe_path(workspace, version)
    try:
        value = read_json(path)
    except FileNotFoundError:
        raise WorkspaceError(
            f"release {version}: expected what it was made with in {path}, found nothing; only "
            "releases of this workspace that a run published can be made again"
        ) from None
    try:
        if value["format"] == FORMAT:
            lists = {name: tuple(value[name]) for name in ("runs", "tombstones")}
            return Recipe(**{**value, **lists})
    except (TypeError, KeyError):
        pass
    raise WorkspaceError(
        f"{path}: expected a recipe of format {FORMAT}, got {str(value)[:60]}; restore the file"
    )


def lay_out(recipe: Recipe, workspace: Workspace, folder: Path, workers: int) -> Config:
    """Put the recipe's files into a folder; returns the configuration that works there.

    Raises WorkspaceError for a file that is missing or not the one that was recorded.
    """
    for place, digest in recipe.files.items():
        kept = workspace.folder / FOLDER / "files" / digest
        if not kept.is_file() or sha256_file(kept) != digest:
            raise WorkspaceError(
                f"{kept}: expected `{place}` of release {recipe.version} with that SHA-256, found "
                f"{'another file' if kept.is_file() else 'none'}; restore it"
            )
        write_bytes(folder / place, kept.read_bytes())
    values = {**recipe.config, "workers": workers}
    return parse_config(values, f"the recipe of release {recipe.version}")

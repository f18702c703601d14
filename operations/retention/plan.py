"""The plan of a `gc`: what goes, what stays, and why; nothing is changed here.

Comes in: a workspace and the rules. Goes out: a `Plan`, made from what lies on disk alone, so that
one made after a kill holds what is left to do.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from operations.retention.needs import Needs, find_needs
from operations.retention.pictures import Drop, image_parts
from operations.retention.sizes import Inode, Sizes
from provenance.rebuild.recipe import FOLDER as RECIPES
from provenance.rebuild.recipe import recipe_path
from release.manifest import release_folders
from runtime.config import Config
from runtime.storage import read_json
from runtime.tables import ANNOTATIONS, IMAGES, LISTINGS
from runtime.workspace import Run, Workspace

Kind = Literal["release", "recipes", "tables", "captures", "images", "pictures"]


@dataclass(frozen=True)
class Going:
    """What goes together. `files` go whole; `drops` are image parts that lose bytes alone.

    `bytes` is what that frees: a file with names that stay frees nothing.
    """

    kind: Kind
    path: str
    why: str
    bytes: int = 0
    files: tuple[Path, ...] = ()
    drops: tuple[Drop, ...] = ()

    def to_json(self) -> dict[str, Any]:
        parts = len(self.files) + len(self.drops)
        return {
            "kind": self.kind, "path": self.path, "files": parts, "bytes": self.bytes,
            "why": self.why,
        }  # fmt: skip


@dataclass(frozen=True)
class Staying:
    """What stays, and why."""

    kind: Kind
    path: str
    why: str


@dataclass(frozen=True)
class Plan:
    """What goes, in the order in which it does, and what stays."""

    going: tuple[Going, ...]
    staying: tuple[Staying, ...]

    @property
    def bytes(self) -> int:
        """What all of it frees."""
        return sum(going.bytes for going in self.going)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "bytes": self.bytes,
            "going": [item.to_json() for item in self.going],
            "staying": [asdict(item) for item in self.staying],
        }


@dataclass
class _Found:
    going: list[Going] = field(default_factory=list)
    staying: list[Staying] = field(default_factory=list)


def make_plan(workspace: Workspace, config: Config, now: datetime, keep: Collection[str]) -> Plan:
    """Raises ConfigError for a release of `keep` that is not there, WorkspaceError where a release
    cannot be read: what it needs is not known then."""
    rules, runs = config.retention, workspace.runs()
    needs = find_needs(workspace, rules.keep_releases, keep)
    found = _Found()
    _releases(workspace, needs, found)
    whole = _whole_runs(runs, rules.keep_runs, needs)
    captures_days = max(rules.keep_captures_days, config.crawl.refresh_after)
    oldest = now - timedelta(days=captures_days)
    for run in runs:
        _tables(run, whole, needs, found)
        _captures(run, whole, needs, oldest, found)
    pictures = now - timedelta(days=rules.keep_pictures_days)
    _images(workspace, runs, whole, needs, pictures, found)
    return Plan(tuple(_sized(workspace, found.going)), tuple(found.staying))


def _sized(workspace: Workspace, going: Sequence[Going]) -> Iterator[Going]:
    """The same with what each frees."""
    names: Counter[Inode] = Counter()
    sizes = {item.path + item.kind: [Sizes.of(path) for path in item.files] for item in going}
    for facts in sizes.values():
        names.update(fact.inode for fact in facts)
    counted: set[Inode] = set()
    for item in going:
        freed = sum(drop.bytes for drop in item.drops)
        for fact in sizes[item.path + item.kind]:
            if names[fact.inode] >= fact.links and fact.inode not in counted:
                counted.add(fact.inode)
                freed += fact.bytes
        yield Going(item.kind, item.path, item.why, freed, item.files, item.drops)


# ---------------------------------------------------------------------------- releases


def _releases(workspace: Workspace, needs: Needs, found: _Found) -> None:
    going = []
    for folder in release_folders(workspace.releases):
        path = f"releases/{folder.name}"
        if (why := needs.releases.get(folder.name)) is not None:
            found.staying.append(Staying("release", path, why))
        else:
            going.append(folder.name)
            files = tuple(sorted(p for p in folder.rglob("*") if p.is_file()))
            why = "no rule keeps it; a stub of its manifest stays"
            found.going.append(Going("release", path, why, files=files))
    for stub in sorted(workspace.releases.glob("*/manifest.json")):
        # A kill may have left a stub with files beside it.
        files = tuple(sorted(p for p in stub.parent.rglob("*") if p.is_file() and p != stub))
        version = stub.parent.name
        if files and version not in needs.releases and version not in going:
            if version in {folder.name for folder in release_folders(workspace.releases)}:
                continue
            path = f"releases/{version}"
            found.going.append(Going("release", path, "it was withdrawn before", files=files))
    recipes = tuple(_recipes(workspace, needs))
    if recipes:
        why = "what releases that are gone were made with"
        found.going.append(Going("recipes", RECIPES, why, files=recipes))


def _recipes(workspace: Workspace, needs: Needs) -> Iterator[Path]:
    """Recipes of releases that are there no more, or go, and files that no other recipe names.

    One without a folder is of a release that is being made.
    """
    folder = workspace.folder / RECIPES
    named: set[str] = set()
    for path in sorted(folder.glob("*.json")):
        version = path.stem
        if (workspace.releases / version).is_dir() and version not in needs.releases:
            yield recipe_path(workspace, version)
        else:
            named.update(read_json(path)["files"].values())
    for path in sorted((folder / "files").glob("*")):
        if path.name not in named and not path.name.startswith("."):
            yield path


# -------------------------------------------------------------------------------- runs


def _whole_runs(runs: Sequence[Run], keep: int, needs: Needs) -> dict[str, str]:
    """The runs that keep all their tables, each with why."""
    found: dict[str, str] = {}
    of_site: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        for site in crawled_sites(run):
            of_site[site].append(run)
    for site, crawled in of_site.items():
        for run in crawled[-keep:]:
            found[run.run_id] = f"one of the newest {keep} of {site}"
    for run in runs[-keep:]:
        found[run.run_id] = f"one of the newest {keep}"
    for run in runs:
        if (version := needs.makers.get(run.run_id)) is not None:
            found[run.run_id] = f"it made release {version}"
    if runs and not runs[-1].is_finished:
        found[runs[-1].run_id] = "it is not finished"
    return found


def crawled_sites(run: Run) -> list[str]:
    """The sites that a run has sightings, or an import's rows, of."""
    if run.is_imported:
        return list(run.record["sites"]) if run.annotations.names() else []
    failed = run.record.get("failed_sites", {})
    return [site for site in run.sightings.names() if site not in failed]


def _tables(run: Run, whole: dict[str, str], needs: Needs, found: _Found) -> None:
    path = f"runs/{run.run_id}"
    if (why := whole.get(run.run_id)) is not None:
        found.staying.append(Staying("tables", path, why))
        return
    kept = {"captures"}
    if run.run_id in needs.captures:
        kept |= {LISTINGS.name, ANNOTATIONS.name}
        why = "rows of kept releases came from it"
        found.staying.append(Staying("tables", f"{path}/{LISTINGS.name}", why))
    if not run.is_imported:
        kept.add(IMAGES.name)  # parts go one by one
    files = [
        file
        for file in _files(run.folder)
        if file.relative_to(run.folder).parts[0] not in kept and file != run.folder / "run.json"
    ]
    if files:
        found.going.append(Going("tables", path, "no rule keeps them", files=_seals_first(files)))


def _captures(
    run: Run, whole: dict[str, str], needs: Needs, oldest: datetime, found: _Found
) -> None:
    path = f"runs/{run.run_id}/captures"
    files = _files(run.captures)
    if not files:
        return
    started = run.started
    if not run.is_finished or run.run_id in needs.makers:
        found.staying.append(Staying("captures", path, whole[run.run_id]))
    elif started is None or started >= oldest:
        found.staying.append(Staying("captures", path, "younger than the rules let go"))
    else:
        named = needs.captures.get(run.run_id, frozenset())
        kept = [file for file in files if file.name in named]
        going = tuple(file for file in files if file.name not in named)
        if kept:
            why = f"kept releases name pages in {len(kept)} of {len(files)} files"
            found.staying.append(Staying("captures", path, why))
        if going:
            why = "older than the rules keep, and no kept release names a page in them"
            found.going.append(Going("captures", path, why, files=going))


def _images(
    workspace: Workspace,
    runs: Sequence[Run],
    whole: dict[str, str],
    needs: Needs,
    oldest: datetime,
    found: _Found,
) -> None:
    parts = image_parts(workspace, runs, whole, needs, oldest)
    for run_id, files in sorted(parts.gone.items()):
        why = "newer runs hold these parts too"
        found.going.append(
            Going("images", f"runs/{run_id}/{IMAGES.name}", why, files=_seals_first(files))
        )
    for run_id, drops in sorted(parts.drops.items()):
        path = f"runs/{run_id}/{IMAGES.name}"
        why = "the bytes of pictures that releases hold too, about"
        if any(drop.everything for drop in drops):
            why = "the bytes of pictures; what is known of them stays, about"
        found.going.append(Going("pictures", path, why, drops=tuple(drops)))


def _files(folder: Path) -> list[Path]:
    found = [Path(base) / name for base, _, names in os.walk(folder) for name in names]
    return sorted(found)


def _seals_first(files: Collection[Path]) -> tuple[Path, ...]:
    return tuple(sorted(files, key=lambda path: (path.suffix != ".json", path)))

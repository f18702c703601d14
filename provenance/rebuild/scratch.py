"""The scratch workspace in which a release is made again, beside the real one and reading it.

Comes in: the real workspace, a recipe, the release before. Goes out: the context of a run of the
same name that has everything recorded (captures, what earlier runs knew, pictures, an import's
rows), of which all that is computed has been made anew up to `clean`. Nothing of the real workspace
is written: what is taken from there is linked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from cleaning.stage import clean_units
from crawler.images import refresh_index
from crawler.sources import sites_of
from provenance.rebuild.pictures import link_part, missing_pictures, provide_pictures
from provenance.rebuild.recipe import Recipe, lay_out, products_file
from provenance.release_copy import ReleaseCopy
from provenance.replay import ReplayWork, replay_site, require_recorded
from release.adoption import ADOPTING
from release.pointer import point_at
from runtime.errors import WorkspaceError
from runtime.executor import WorkerPool
from runtime.image_index import ImageIndex
from runtime.parts import PartFolder
from runtime.picture_places import PicturePlaces
from runtime.progress import progress
from runtime.stages import Context
from runtime.storage import link_or_copy, write_bytes, write_json
from runtime.tombstones import FOLDER as TOMBSTONES
from runtime.tombstones import load_tombstones
from runtime.workspace import Run, Workspace

COMPUTED = ("clean", "map", "dedupe", "publish")
"""The stages that are made again here; those before are read from what was recorded."""


def prepare_scratch(
    folder: Path,
    workspace: Workspace,
    recipe: Recipe,
    parent: Path | None,
    releases: Sequence[ReleaseCopy],
    pool: WorkerPool,
    *,
    quiet: bool,
) -> Context:
    """A context in which the stages of COMPUTED can run; `parent` is the release to grow from.

    `releases` are where pictures may be found that image parts no longer hold. Raises
    WorkspaceError naming what is needed and missing.
    """
    real, scratch = workspace.run(recipe.run_id), Workspace(folder / "workspace")
    scratch.prepare()
    require_recorded(real)
    config = lay_out(recipe, workspace, folder / "config", pool.workers)
    _place_releases(scratch, workspace, recipe.version, parent)
    for name in recipe.tombstones:
        link_or_copy(workspace.folder / TOMBSTONES / name, scratch.folder / TOMBSTONES / name)
    run = _place_runs(scratch, real, recipe)
    context = Context(config, folder / "config", scratch, run, pool, quiet)
    if real.is_imported:
        for table in ("annotations", "listings", "decisions/import"):
            _link(real, run, table)
    else:
        _read_again(context, real)
    provided = provide_pictures(real, run, releases)
    if not (real.is_imported or provided.has_index):
        with closing(ImageIndex(run)) as index:
            refresh_index(index, config.crawl)
    if provided.restored:
        _take_cleaned(context, real, provided.restored)
    return context


def _place_releases(
    scratch: Workspace, workspace: Workspace, version: str, parent: Path | None
) -> None:
    """The parent as the current release; the names of the others are taken."""
    for other in workspace.releases.iterdir():
        if other.is_dir() and not other.name.startswith(".") and other.name != version:
            place = scratch.releases / other.name
            if parent is not None and other.name == parent.name:
                place.symlink_to(parent.resolve())
            else:
                place.mkdir()
    if parent is not None:
        point_at(scratch.releases / parent.name)


def _place_runs(scratch: Workspace, real: Run, recipe: Recipe) -> Run:
    """The run as it stood before it was cleaned, and the names of those before it."""
    for run_id in recipe.runs:
        stub = {"run_id": run_id, "status": "published", "sites": [], "stages": {}}
        write_json(scratch.folder / "runs" / run_id / "run.json", stub)
    run, record = Run(scratch.folder / "runs" / real.run_id), real.record
    record = {name: value for name, value in record.items() if name not in ("release", "answers")}
    recorded = real.stages[: real.stages.index(COMPUTED[0])]
    stages = {name: record["stages"][name] for name in recorded if name in record["stages"]}
    own = {"status": "running", "stages": stages, ADOPTING: recipe.adopted}
    write_json(run.folder / "run.json", {**record, **own})
    return run


def _link(real: Run, run: Run, table: str) -> None:
    source, place = real.folder / table, run.folder / table
    if source.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source.resolve())


def _read_again(context: Context, real: Run) -> None:
    """Sightings, links and listings of every site, from its captures."""
    run, config = context.run, context.config
    for table in ("captures", "known"):
        _link(real, run, table)
    for entry in config.site:
        if entry.products is not None:
            urls = "".join(f"{url}\n" for url in _products(real.pages, entry.key))
            write_bytes(context.config_folder / products_file(entry.key), urls.encode())
    sites = sites_of(real, config, context.config_folder)
    known = load_tombstones(context.workspace.folder)
    works = [
        ReplayWork(real, site.config, config, context.config_folder, run, known)
        for site in sites
        if real.pages.seal(site.key) is not None
    ]
    with progress("rebuild: read captures", len(works), quiet=context.quiet) as tick:
        for done, _ in enumerate(context.pool.map(replay_site, works), start=1):
            tick(done)


def _products(pages: PartFolder, site: str) -> Iterator[str]:
    """The product pages that were asked for; what a list named beyond them has no capture."""
    if pages.seal(site) is not None:
        for batch in pages.stream(site, ["url", "kind"]):
            pairs = zip(batch["url"].to_pylist(), batch["kind"].to_pylist(), strict=True)
            yield from (url for url, kind in pairs if kind == "product")


def _take_cleaned(context: Context, real: Run, restored: Collection[str]) -> None:
    """Take the cleaned rows as they were recorded where bytes are gone that none published.

    Raises WorkspaceError where they were made in another way than now.
    """
    run = context.run
    with closing(PicturePlaces(run)) as places:
        lacking = [u for u in clean_units(context) if _lacks(run, places, u.name, restored)]
    tables = (
        (real.cleaned, run.cleaned),
        (real.decisions("clean"), run.decisions("clean")),
    )
    for unit in lacking:
        for source, target in tables:
            seal = source.seal(unit.name)
            if seal is None or seal.key != unit.key or source.damage(unit.name, seal) is not None:
                raise WorkspaceError(
                    f"{source.path(unit.name)}: expected the part as `clean` makes it now, since "
                    f"pictures of it are gone, found {'another' if seal else 'none'}; restore the "
                    f"image parts of run {real.run_id} from a copy"
                )
            link_part(source, target, unit.name)


def _lacks(run: Run, places: PicturePlaces, part: str, restored: Collection[str]) -> bool:
    """Whether a listings part has a picture that was received and is without bytes."""
    wanted: dict[str, set[int]] = {}
    for place in places.of_part(part).values():
        if place.outcome == "ok" and place.part in restored:
            wanted.setdefault(place.part, set()).add(place.row)
    return any(missing_pictures(run, name, sorted(rows)) for name, rows in wanted.items())

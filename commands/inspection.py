"""Commands that look: `status`, `audit`, `verify`, `replay`. They change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.options import command, config_option
from runtime.config import Config, load_config
from runtime.console import Outcome
from runtime.errors import ConfigError, VerificationError, WorkspaceError
from runtime.exits import Exit

if TYPE_CHECKING:  # imported where it is used: a command loads only what it needs
    from runtime.tombstones import Tombstone
    from runtime.workspace import Workspace


@click.command()
@config_option
@command
def status(config_path: Path, quiet: bool) -> Outcome:
    """Show runs and stages, what waits, what is due, and what it all takes on disk.

    It only reads, also while a run works.
    """
    from operations.status import find_status
    from runtime import clock
    from runtime.opening import reading

    del quiet
    config = load_config(config_path)
    workspace = reading(config, config_path.parent)
    found = find_status(workspace, config, clock.now())
    return Outcome(Exit.DONE, found.to_text(), found.to_json())


@click.command()
@click.argument("named", metavar="RECORD_ID|URL|SHA256|IMAGE_FILE")
@click.option("--all", "every", is_flag=True, help="Tell every story where several records fit.")
@config_option
@command
def audit(named: str, every: bool, config_path: Path, quiet: bool) -> Outcome:
    """Tell the whole story of one record.

    It is named by its id, by the URL of its page or picture, by its picture's SHA-256 or by a file
    with its picture. Where several records fit they are listed; a file that is no record's picture
    lists the nearest published ones.
    """
    from cleaning.copies.thresholds import NeighbourThresholds
    from provenance.audit import audit as tell
    from provenance.audit_search import search
    from provenance.story_text import story_text
    from provenance.takedown.absence import removal
    from runtime.opening import reading
    from taxonomy.tree import load_tree

    del quiet
    config = load_config(config_path)
    workspace = reading(config, config_path.parent)
    if (stone := removal(workspace, named)) is not None:
        return _removed(named, stone)
    bounds = NeighbourThresholds.of(config.dedupe)
    taxonomy = config.map.taxonomy
    tree = load_tree(config_path.parent / taxonomy) if taxonomy is not None else None
    try:
        found = search(workspace, named, bounds)
    except ConfigError:
        if (stone := removal(workspace, named, left=True)) is not None:
            return _removed(named, stone)
        raise
    ids = [match.record_id for match in found.matches]
    if len(ids) == 1 and found.exact:
        story = tell(workspace, ids[0], bounds, tree)
        return Outcome(Exit.DONE, story_text(story), story.to_json())
    listed = [{"record_id": match.record_id, "by": match.by} for match in found.matches]
    values: dict[str, Any] = {"named": named, "exact": found.exact, "records": listed}
    what = "records fit" if found.exact else "published pictures are nearest"
    lines = [f"{named}: {len(ids)} {what}; --all tells every story"]
    lines += [f"  {match.record_id}  {match.by}" for match in found.matches]
    if every:
        stories = [tell(workspace, record_id, bounds, tree) for record_id in ids]
        values["stories"] = [story.to_json() for story in stories]
        lines = ["\n\n".join(map(story_text, stories))]
    return Outcome(Exit.DONE, "\n".join(lines), values)


def _removed(named: str, stone: Tombstone) -> Outcome:
    """All that is said of what was taken down."""
    values = {"named": named, "removed": {"at": stone.at}}
    return Outcome(Exit.DONE, f"{named}: removed on {stone.at}", values)


@click.command()
@click.argument("release", required=False)
@click.option(
    "--key", type=click.Path(path_type=Path), metavar="FILE",
    help="The public key (PEM, Ed25519) that must have signed the manifest; "
    "`release.trusted_key` by default.",
)  # fmt: skip
@click.option(
    "--sample", default="all", metavar="N|all",
    help="Make the fingerprints of about N pictures again, drawn by a hash of their ids; "
    "all by default. Everything else is checked in any case.",
)  # fmt: skip
@config_option
@command
def verify(
    release: str | None, key: Path | None, sample: str, config_path: Path, quiet: bool
) -> Outcome:
    """Check a release: a version, a folder, or the current one.

    A copy is checked as well without its workspace, and under any name. Exit status 40 where it is
    not sound; warnings tell what another platform may have computed otherwise.
    """
    import os

    from provenance.verify import examine
    from release.signature import load_trusted_key
    from runtime.executor import WorkerPool
    from runtime.progress import progress
    from taxonomy.tree import load_tree

    # A copied release needs no configuration; with one, its category tree counts.
    named = release is not None and Path(release).is_dir()
    config = None if named and not config_path.is_file() else load_config(config_path)
    folder, workspace = release_folder(release, config, config_path.parent)
    tree = None
    if config is not None and config.map.taxonomy is not None:
        tree = load_tree(config_path.parent / config.map.taxonomy)
    if key is None and config is not None and config.release.trusted_key is not None:
        key = config_path.parent / config.release.trusted_key
    trusted = load_trusted_key(key) if key is not None else None
    if sample != "all" and not (sample.isdecimal() and int(sample)):
        raise ConfigError(f"--sample {sample}: expected a number of pictures from 1 on, or all")
    drawn = None if sample == "all" else int(sample)
    workers = config.workers if config is not None else os.cpu_count() or 1
    with WorkerPool(workers) as pool, progress("verify", quiet=quiet) as tick:
        found = examine(
            folder, workspace, tick, tree or load_tree(), trusted, pool=pool, sample=drawn
        )
    failures, warnings = ([str(one) for one in told] for told in (found.failures, found.warnings))
    values = {
        "release": str(folder), "version": found.version, "failures": failures,
        "warnings": warnings, "pictures": found.pictures, "sample": drawn,
    }  # fmt: skip
    for line in warnings[:20]:
        click.echo(f"mep3m: warning: {line}", err=True)
    if not failures:
        drawn_how = "" if drawn is None else f", a sample of about {drawn} by a hash of their ids"
        text = f"{folder}: version {found.version} verified, {found.pictures} pictures{drawn_how}"
        text += f"; {len(warnings)} warnings" if warnings else ""
        return Outcome(Exit.DONE, text, values)
    for line in failures[:20]:
        click.echo(f"mep3m: {line}", err=True)
    text = f"{folder}: {len(failures)} failures; restore the release from a good copy"
    return Outcome(Exit.VERIFICATION_FAILED, text, values)


def release_folder(
    release: str | None, config: Config | None, config_folder: Path
) -> tuple[Path, Workspace | None]:
    """The release's folder, and the workspace around it where there is one."""
    from runtime.opening import reading
    from runtime.workspace import Workspace

    if release is not None and (folder := Path(release).resolve()).is_dir():
        inside = folder.parent.name == "releases"
        return folder, Workspace(folder.parent.parent) if inside else None
    assert config is not None  # it is loaded unless a folder was named
    workspace = reading(config, config_folder)
    try:
        latest = workspace.latest_release()
    except WorkspaceError as error:
        raise VerificationError(str(error)) from error
    found = latest if release is None else workspace.releases / release
    if found is None or not found.is_dir():
        raise ConfigError(
            f"expected a release in {workspace.releases}, got {release or 'none'}; "
            "publish one with `mep3m run` or name its folder"
        )
    return found, workspace


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@config_option
@command
def replay(run_id: str | None, config_path: Path, quiet: bool) -> Outcome:
    """Read a run's captures again, without the network, and compare the listings.

    RUN is a run's id; the newest crawl by default. Exit status 40 when the listings differ although
    the site files are those of the run; with changed site files the differences are shown.
    """
    from crawler.sources import sites_of
    from provenance.replay import replay as read_again
    from runtime.executor import open_pool
    from runtime.opening import reading
    from runtime.stages import Context

    config = load_config(config_path)
    workspace = reading(config, config_path.parent)
    crawled = [run for run in workspace.runs() if not run.is_imported]
    if run_id is None and not crawled:
        raise WorkspaceError(
            f"no crawl in {workspace.folder}: expected one; start with `mep3m crawl`"
        )
    chosen = crawled[-1] if run_id is None else workspace.run(run_id)
    if chosen.is_imported:
        raise ConfigError(
            f"run {run_id}: expected a crawl, got an import, which has no captures; import the "
            "same copy into another workspace and compare the releases"
        )
    sites = sites_of(chosen, config, config_path.parent)
    with open_pool(config) as pool:
        context = Context(config, config_path.parent, workspace, chosen, pool, quiet)
        found = read_again(context, sites)
    failed = found.same_extraction and not found.same_bytes
    status = Exit.VERIFICATION_FAILED if failed else Exit.DONE
    return Outcome(status, found.to_text(), found.to_json())

"""Commands over several releases: `diff` compares two, `rollback` goes back to an earlier one."""

from __future__ import annotations

from pathlib import Path

import click

from commands.inspection import release_folder
from commands.options import command, config_option
from runtime.config import load_config
from runtime.console import Outcome
from runtime.exits import Exit


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--limit", type=click.IntRange(min=0), default=20, show_default=True, metavar="N",
    help="Records of each kind to show as text; --json has all.",
)  # fmt: skip
@config_option
@command
def diff(a: str, b: str, limit: int, config_path: Path, quiet: bool) -> Outcome:
    """Tell what release B added to A, removed and changed, with the decision behind each.

    A and B are versions or folders, also of copies outside a workspace. Exit status 0 whether they
    differ or not.
    """
    from provenance.diff.difference import compare
    from provenance.diff.telling import to_json, to_text

    folders = []
    for named in (a, b):
        config = None if Path(named).is_dir() else load_config(config_path)
        folders.append(release_folder(named, config, config_path.parent)[0])
    found = compare(*folders)
    text = "" if quiet else to_text(found, limit)
    return Outcome(Exit.DONE, text, to_json(found))


@click.command()
@click.argument("version")
@config_option
@command
def rollback(version: str, config_path: Path, quiet: bool) -> Outcome:
    """Make the release VERSION the current one again; the next run grows from it.

    Nothing is deleted. Refused are releases that are incomplete, damaged or withdrawn; files with
    pictures are compared by their size alone, `mep3m verify VERSION` reads them.
    """
    from release.rollback import rollback as go_back
    from runtime.opening import writing

    del quiet
    config = load_config(config_path)
    with writing(config, config_path.parent) as opened:
        done = go_back(opened.workspace, version)
    before = done.before or "none"
    text = f"current release: {done.version} (was {before}): {done.folder}"
    values = {"release": done.version, "before": done.before, "release_folder": str(done.folder)}
    return Outcome(Exit.DONE, text, values)


@click.command()
@click.argument("release")
@click.option(
    "--deep", is_flag=True,
    help="Begin with the first release, and grow each next one from the rebuilt one before.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Keep what is made as FOLDER/<version>; it is compared and removed by default.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N",
    help="Worker processes, instead of the configuration's.",
)  # fmt: skip
@config_option
@command
def rebuild(
    release: str, deep: bool, output: Path | None, workers: int | None, config_path: Path,
    quiet: bool,
) -> Outcome:  # fmt: skip
    """Make the release RELEASE again from what was recorded, and compare the two.

    Pages come from the captures, pictures from image parts or shards, settings and mapping files
    from what was recorded with the release. Exit status 40 when data, decisions, lineage or
    fingerprints differ; the workspace is not changed.
    """
    from provenance.rebuild.rebuild import rebuild as make_again
    from runtime.executor import WorkerPool
    from runtime.opening import reading

    config = load_config(config_path)
    workspace = reading(config, config_path.parent)
    with WorkerPool(workers or config.workers) as pool:
        found = make_again(workspace, release, pool, deep=deep, output=output, quiet=quiet)
    same = not any(rebuilt.differences for rebuilt in found)
    values = {"same": same, "releases": [rebuilt.to_json() for rebuilt in found]}
    text = "\n".join(rebuilt.to_text() for rebuilt in found)
    return Outcome(Exit.DONE if same else Exit.VERIFICATION_FAILED, text, values)

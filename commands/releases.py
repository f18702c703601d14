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
    from runtime.locks import workspace_lock
    from runtime.workspace import Workspace

    del quiet
    config = load_config(config_path)
    workspace = Workspace((config_path.parent / config.workspace).resolve())
    with workspace_lock(workspace.folder):
        done = go_back(workspace, version)
    before = done.before or "none"
    text = f"current release: {done.version} (was {before}): {done.folder}"
    values = {"release": done.version, "before": done.before, "release_folder": str(done.folder)}
    return Outcome(Exit.DONE, text, values)

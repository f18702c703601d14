"""Commands over several releases: `diff` compares two, `rollback` goes back to an earlier one."""

from __future__ import annotations

from pathlib import Path

import click

from commands.options import command, config_option
from runtime.config import load_config
from runtime.console import Outcome
from runtime.exits import Exit


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

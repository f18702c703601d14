"""`export`: a release in the layout of another dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.inspection import release_folder
from commands.options import command, config_option
from runtime.config import load_config
from runtime.console import Outcome

if TYPE_CHECKING:  # imported where it is used: a command loads only what it needs
    pass


@click.group(name="export")
def export_group() -> None:
    """Write a release in the layout of an existing dataset (also with --json)."""


@export_group.command(name="mep3m")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--release", metavar="RELEASE", help="A version or a folder; the current by default.")
@config_option
@command
def export_mep3m(path: Path, release: str | None, config_path: Path, quiet: bool) -> Outcome:
    """Write a release to a new folder PATH as MEP-3M: annotations.json and its pictures."""
    from release.exports.mep3m import export

    config = load_config(config_path)
    folder, _ = release_folder(release, config, config_path.parent)
    return export(folder, path, quiet=quiet)

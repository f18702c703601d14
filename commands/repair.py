"""`restore`: the product memory again, from the files it was made of."""

from __future__ import annotations

from pathlib import Path

import click

from commands.options import command, config_option
from runtime.config import load_config
from runtime.console import Outcome
from runtime.exits import Exit


@click.command()
@config_option
@command
def restore(config_path: Path, quiet: bool) -> Outcome:
    """Make the product memory (`state.sqlite`) again from the runs' files and the current release.

    It is a cache: nothing is lost where it is damaged or gone, and a run makes it again by itself
    when it sees that. Exit status 30 where a run's parts are damaged and could not be taken in.
    """
    from crawler.restore import restore_memory
    from runtime.opening import writing

    del quiet
    with writing(load_config(config_path), config_path.parent) as opened:
        done = restore_memory(opened.workspace)
    status = Exit.DEGRADED if done.missing else Exit.DONE
    return Outcome(status, done.to_text(), done.to_json())

"""What all commands share: their options, exit status and configuration."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from runtime.console import Outcome, guarded


def command(function: Callable[..., Outcome]) -> Callable[..., None]:
    """Give a command the options that all have, and its exit status."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
    @click.option("--debug", is_flag=True, help="Print the traceback of an error.")
    @functools.wraps(function)
    def run(*, as_json: bool, debug: bool, **arguments: Any) -> None:
        work = functools.partial(function, **arguments, quiet=as_json)
        sys.exit(guarded(work, as_json=as_json, debug=debug))

    return run


DEFAULT_CONFIG = Path("mep3m.toml")
config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration file.",
)

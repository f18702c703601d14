"""What all commands share: their options, exit status and configuration."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

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


class Duration(click.ParamType[float]):
    """A time with its unit: 90s, 30m, 6h, 1d; becomes seconds."""

    name = "duration"
    _SECONDS: ClassVar = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value))
        seconds = float(match[1]) * self._SECONDS[match[2]] if match else 0.0
        if not 0 < seconds <= 366 * 86_400:
            self.fail(f"expected a time such as 90s, 30m, 6h or 1d, got {value!r}", param, ctx)
        return seconds


class Instant(click.ParamType[datetime]):
    """An instant in ISO 8601, in UTC where it names no zone."""

    name = "instant"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"expected an instant such as 2026-11-22T08:00:00Z, got {value!r}", param, ctx
            )
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)

"""`init` and `site`: what a new shop needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.options import DEFAULT_CONFIG, command, config_option
from runtime.config import Config, load_config
from runtime.console import Outcome
from runtime.errors import ConfigError
from runtime.exits import Exit

if TYPE_CHECKING:  # imported where it is used: a command loads only what it needs
    pass


@click.command()
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), default=Path("mep3m.toml"),
    show_default=True, help="The file to write.",
)  # fmt: skip
@command
def init(config_path: Path, force: bool, quiet: bool) -> Outcome:
    """Write a commented mep3m.toml."""
    from importlib import resources

    from runtime.storage import write_bytes

    del quiet
    if config_path.exists() and not force:
        raise ConfigError(
            f"{config_path}: expected no file there, found one; edit it or replace it with --force"
        )
    write_bytes(config_path, (resources.files("runtime") / "mep3m.toml").read_bytes())
    return Outcome(Exit.DONE, f"wrote {config_path}", {"config": str(config_path)})


@click.group(name="site")
def site_group() -> None:
    """Help with site files: `check` shows what is found on a page (also with --json)."""


@site_group.command(name="check")
@click.argument("target", metavar="URL_OR_FILE")
@click.option(
    "--site", "key", metavar="KEY",
    help="A site of the configuration, or the name of a shipped site file; else all are tried.",
)  # fmt: skip
@click.option("--url", help="The address that a saved page came from.")
@click.option(
    "--allow-private", "private", is_flag=True,
    help="The URL's host may be private, such as a shop on this machine.",
)  # fmt: skip
@config_option
@command
def site_check(
    target: str, key: str | None, url: str | None, private: bool, config_path: Path, quiet: bool
) -> Outcome:
    """Show what every extractor finds on one page, a saved file or a live URL."""
    from crawler.sites.session import run_check

    del quiet
    # A saved page and a shipped site file need no configuration.
    absent = config_path == DEFAULT_CONFIG and not config_path.exists()
    config = Config() if absent else load_config(config_path)
    return run_check(target, key, url, config, config_path.parent, private=private)

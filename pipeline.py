"""The command line of mep3m: its commands, and the stages of a run in their order.

`mep3m` and `python pipeline.py` are the same program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands import (
    categories,
    exchange,
    inspection,
    releases,
    repair,
    retention,
    sites,
    takedown,
)
from commands.options import DEFAULT_CONFIG, Duration, Instant, command, config_option
from runtime import clock, logs
from runtime.config import Config, load_config
from runtime.console import Outcome
from runtime.errors import ConfigError
from runtime.version import VERSION

if TYPE_CHECKING:  # imported where it is used: a command loads only what it needs
    from operations.choosing import Begin
    from runtime.executor import WorkerPool
    from runtime.workspace import Run, Workspace


STAGE_HELP = {
    "crawl": "Crawl every site: pages to captures, sightings and links.",
    "merge": "Merge all sightings of a record into one listing.",
    "fetch": "Fetch the pictures that the listings name.",
    "clean": "Judge titles and pictures, and take fingerprints.",
    "map": "Give every record its leaf category, or hold it.",
    "dedupe": "Find copies: equal bytes, equal and near fingerprints.",
    "publish": "Publish the survivors as an immutable release.",
}


LARGE_IMPORT = 64 * 1024 * 1024
"""Bytes of annotations from which on little memory counts for more than a quick start."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="mep3m")
def main() -> None:
    """Crawl shops, clean, deduplicate, label and publish product records; answer for every row.

    Exit status: 0 done, 2 wrong usage or configuration, 10 nothing new, 11 stopped early and
    resumable, 20 a gate failed, 30 finished but degraded, 40 verification failed, 75 locked,
    130 interrupted and resumable, 1 anything unforeseen.
    """


def from_warc_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the commands that can crawl an archive."""
    site = click.option(
        "--site", metavar="KEY",
        help="With --from-warc: a site of the configuration, or the name of a shipped site file.",
    )  # fmt: skip
    return click.option(
        "--from-warc", "patterns", metavar="GLOB", multiple=True,
        help="Read pages and pictures from WARC files instead of the network.",
    )(site(function))  # fmt: skip


def refresh_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option of the commands that ask for what an earlier run has already."""
    return click.option(
        "--refresh-after", type=click.FloatRange(min=0), metavar="DAYS",
        help="Ask again for what an earlier run fetched more than DAYS ago (0: for everything).",
    )(function)  # fmt: skip


def schedule_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of the command that cron calls."""
    for option in (
        click.option(
            "--max-time", "max_seconds", type=Duration(), metavar="DURATION",
            help="Stop between units after so long (90s, 30m, 6h, 1d), to go on next time; a "
            "release that is being made is finished.",
        ),
        click.option(
            "--all", "due_or_not", is_flag=True, help="Crawl every site, whether it is due or not."
        ),
        click.option(
            "--now", "instant", type=Instant(), metavar="INSTANT",
            help="Live on another day (ISO 8601, UTC), to rehearse a schedule.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def run_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `run` alone."""
    return accept_option(adopt_option(schedule_options(function)))


def adopt_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option of the commands that publish."""
    return click.option(
        "--adopt", is_flag=True,
        help="Make a major release: published records take today's titles, pictures and labels, "
        "and those that today's rules refuse leave.",
    )(function)  # fmt: skip


def accept_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option of the commands that publish what failed a gate."""
    return click.option(
        "--accept", "accepted", metavar="GATE", multiple=True,
        help="Publish though this gate failed, as `listings`, `listings.SITE` or "
        "`fields.SITE.title`; recorded in the run and the release. A run that gates ended goes on.",
    )(function)  # fmt: skip


def _source(
    config_path: Path, patterns: tuple[str, ...], site: str | None
) -> tuple[Config, Begin | None]:
    """The configuration, and the run of the archive to read, which can do without the former."""
    from crawler.sources import ArchiveSource, archive_run

    if not patterns:
        if site is not None:
            raise ConfigError(f"--site {site}: expected --from-warc beside it; add the WARC files")
        return load_config(config_path), None
    # A shipped site file and WARC files say all that is needed.
    alone = site is not None and config_path == DEFAULT_CONFIG and not config_path.exists()
    config = Config() if alone else load_config(config_path)
    source = ArchiveSource(patterns, site)

    def begin(workspace: Workspace, pool: WorkerPool) -> Run:
        del pool
        return archive_run(source, workspace, config, config_path.parent, clock.now())

    return config, begin


def _refreshed(config: Config, days: float | None) -> Config:
    """The configuration with `refresh_after` of pages and pictures replaced."""
    if days is None:
        return config
    return config.model_copy(
        update={
            "crawl": config.crawl.model_copy(update={"refresh_after": days}),
            "fetch": config.fetch.model_copy(update={"refresh_after": days}),
        }
    )


def _stage_command(stage: str) -> None:
    @main.command(name=stage, help=STAGE_HELP[stage])
    @config_option
    @command
    def _(config_path: Path, quiet: bool) -> Outcome:
        return run_stages(load_config(config_path), config_path.parent, [stage], quiet=quiet)


def _crawling_command(
    name: str,
    stages: Sequence[str],
    text: str,
    further: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function,
) -> None:
    @main.command(name=name, help=text)
    @from_warc_options
    @refresh_option
    @further
    @config_option
    @command
    def _(
        config_path: Path,
        patterns: tuple[str, ...],
        site: str | None,
        refresh_after: float | None,
        quiet: bool,
        instant: datetime | None = None,
        **options: Any,
    ) -> Outcome:
        config, begin = _source(config_path, patterns, site)
        config = _refreshed(config, refresh_after)
        with clock.showing(instant):
            return run_stages(config, config_path.parent, stages, begin, quiet=quiet, **options)


_crawling_command(
    "run", list(STAGE_HELP), "Run all stages: go on with an unfinished run, or start a new one.",
    run_options,
)  # fmt: skip
_crawling_command("crawl", ["crawl"], STAGE_HELP["crawl"])


@main.command(help=STAGE_HELP["fetch"])
@refresh_option
@config_option
@command
def fetch(config_path: Path, refresh_after: float | None, quiet: bool) -> Outcome:
    config = _refreshed(load_config(config_path), refresh_after)
    return run_stages(config, config_path.parent, ["fetch"], quiet=quiet)


@main.command(help=STAGE_HELP["publish"])
@adopt_option
@accept_option
@config_option
@command
def publish(config_path: Path, quiet: bool, **options: Any) -> Outcome:
    config = load_config(config_path)
    return run_stages(config, config_path.parent, ["publish"], quiet=quiet, **options)


for _name in ("merge", "clean", "map", "dedupe"):
    _stage_command(_name)


def run_stages(*arguments: Any, **options: Any) -> Outcome:
    """See `operations.running.run_stages`, which is loaded with the first command that needs it."""
    from operations import running

    return running.run_stages(*arguments, **options)


@main.group(name="import")
def import_group() -> None:
    """Take an existing dataset in as records (also with --json)."""


@import_group.command(name="mep3m")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--images", type=click.Path(path_type=Path), metavar="FOLDER",
    help="The folder with a folder for each sub-class; `Images` beside the annotations by default.",
)  # fmt: skip
@click.option("--text-only", is_flag=True, help="Take titles alone, whether pictures are there.")
@click.option(
    "--reject-unknown-labels", is_flag=True,
    help="Leave out rows whose label the category tree does not know, instead of ending.",
)  # fmt: skip
@config_option
@command
def import_mep3m(path: Path, config_path: Path, quiet: bool, **options: Any) -> Outcome:
    """Take an existing copy of MEP-3M in as records with their labels, and publish them.

    PATH is its annotations.json, or the folder that holds it. The same command goes on after a
    kill.
    """
    from release.imports.source import find_copy
    from release.imports.stage import import_run
    from runtime.workspace import IMPORT_STAGES

    config, folder = load_config(config_path), config_path.parent
    source = find_copy(path, **options)

    def begin(workspace: Workspace, pool: WorkerPool) -> Run:
        now = clock.now()
        run = import_run(source, workspace, config, folder, pool, now, quiet=quiet)
        if source.images is None and not options["text_only"]:
            logs.warning(
                f"no folder `Images` beside {source.annotations}: titles alone are taken in"
            )
        return run

    preload = source.annotations.stat().st_size < LARGE_IMPORT
    return run_stages(config, folder, IMPORT_STAGES, begin, quiet=quiet, preload=preload)


@main.command()
@click.option("--products", default=2000, show_default=True, help="Products in both shops.")
@click.option("--seed", default=1, show_default=True, help="Seed of the shops' catalogue.")
@click.option(
    "--workspace", "folder", type=click.Path(path_type=Path), default=Path("demo-workspace"),
    show_default=True, help="Workspace to make, or to resume.",
)  # fmt: skip
@click.option(
    "--store", metavar="s3://BUCKET/PREFIX",
    help="Let the workspace live there; the folder keeps the configuration and a copy.",
)  # fmt: skip
@click.option("--endpoint-url", default="", metavar="URL", help="With --store: not Amazon's.")
@command
def demo(
    products: int, seed: int, folder: Path, store: str | None, endpoint_url: str, quiet: bool
) -> Outcome:
    """Crawl the embedded shops into a browsable release; needs no network and no configuration."""
    from demo.session import Store, run_demo

    if store is not None and not store.startswith("s3://"):
        raise ConfigError(f"--store {store!r}: expected s3://bucket/prefix; mend it")
    where = Store(store, endpoint_url) if store is not None else None
    return run_demo(products, seed, folder, functools.partial(run_stages, quiet=quiet), where)


for _command in (
    sites.init,
    sites.site_group,
    inspection.status,
    retention.gc,
    repair.restore,
    inspection.audit,
    inspection.verify,
    inspection.replay,
    categories.review,
    categories.taxonomy_group,
    exchange.export_group,
    releases.diff,
    releases.rollback,
    releases.rebuild,
    takedown.forget,
):
    main.add_command(_command)


if __name__ == "__main__":
    main()

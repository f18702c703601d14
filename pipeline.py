"""The command line of mep3m: its commands, and the stages of a run in their order.

`mep3m` and `python pipeline.py` are the same program.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands import categories, exchange, inspection, releases, sites, takedown
from commands.options import DEFAULT_CONFIG, command, config_option
from runtime.config import Config, load_config
from runtime.console import Outcome
from runtime.errors import ConfigError, MepError, WorkspaceError
from runtime.exits import Exit, combine
from runtime.version import VERSION

if TYPE_CHECKING:  # imported where it is used: a command loads only what it needs
    from crawler.sites.sitefile import Site
    from runtime.executor import WorkerPool
    from runtime.stages import Context
    from runtime.workspace import Run, Workspace

    # The run to work on, other than the newest unfinished one.
    Begin = Callable[[Workspace, WorkerPool], Run]

STAGE_HELP = {
    "crawl": "Crawl every site: pages to captures, sightings and links.",
    "merge": "Merge all sightings of a record into one listing.",
    "fetch": "Fetch the pictures that the listings name.",
    "clean": "Judge titles and pictures, and take fingerprints.",
    "map": "Give every record its leaf category, or hold it.",
    "dedupe": "Find copies: equal bytes, equal and near fingerprints.",
    "publish": "Publish the survivors as an immutable release.",
}


STAGE_WORK = {
    "import": "release.imports.stage:import_copy",
    "crawl": "crawler.crawl:crawl",
    "merge": "crawler.merge:merge",
    "fetch": "crawler.images:fetch",
    "clean": "cleaning.stage:clean",
    "map": "taxonomy.stage:map_records",
    "dedupe": "cleaning.copies.stage:dedupe",
    "publish": "release.publish:publish",
}


LARGE_IMPORT = 64 * 1024 * 1024
"""Bytes of annotations from which on little memory counts for more than a quick start."""

# What takes answers of `review` into a run that is finished.
ANSWERED_STAGES = ("map", "dedupe", "publish")
_ANSWERED = "answers were taken in, no shop was asked; the next `mep3m run` crawls"

# What the workers of a stage work with, imported once for all of them.
PRELOADED = {
    "clean": "cleaning.part",
    "map": "taxonomy.labelling",
    "dedupe": "cleaning.copies.judgement",
}


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


def adopt_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option of the commands that publish."""
    return click.option(
        "--adopt", is_flag=True,
        help="Make a major release: published records take today's titles, pictures and labels, "
        "and those that today's rules refuse leave.",
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
        return archive_run(source, workspace, config, config_path.parent, datetime.now(UTC))

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
        adopt: bool = False,
    ) -> Outcome:
        config, begin = _source(config_path, patterns, site)
        config = _refreshed(config, refresh_after)
        return run_stages(config, config_path.parent, stages, begin, quiet=quiet, adopt=adopt)


_crawling_command(
    "run", list(STAGE_HELP), "Run all stages: go on with an unfinished run, or start a new one.",
    adopt_option,
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
@config_option
@command
def publish(config_path: Path, adopt: bool, quiet: bool) -> Outcome:
    config = load_config(config_path)
    return run_stages(config, config_path.parent, ["publish"], quiet=quiet, adopt=adopt)


for _name in ("merge", "clean", "map", "dedupe"):
    _stage_command(_name)


def run_stages(
    config: Config,
    config_folder: Path,
    stages: Sequence[str],
    begin: Begin | None = None,
    *,
    quiet: bool,
    preload: bool = True,
    adopt: bool = False,
) -> Outcome:
    """Run stages of the newest unfinished run; `crawl` starts a new run where there is none.

    All stages in a row first see whether answers came for what the newest run holds: then it is
    mapped and published again, and a new run starts only where that published nothing. `begin`
    gives another run, the lock being held. All stages are those of the run's own kind. Workers
    start sooner with `preload`, and the process they are forked from holds their libraries.
    """
    from runtime.executor import WorkerPool
    from runtime.locks import workspace_lock
    from runtime.stages import Context
    from runtime.storage import remove_temporaries
    from runtime.workspace import Workspace

    # First of all, so that the workers' libraries are loaded while this process loads its own.
    libraries = [PRELOADED[stage] for stage in stages if stage in PRELOADED and preload]
    pool = WorkerPool(config.workers, preload=["pipeline", *libraries] if libraries else ())
    workspace = Workspace((config_folder / config.workspace).resolve())
    workspace.prepare()
    with workspace_lock(workspace.folder), pool:
        if "publish" in stages and config.release.signing_key is not None:
            from release.signature import configured_key

            configured_key(config, config_folder)  # not only after days of crawling
        _finish_takedown(workspace, pool, config, config_folder)
        current: Run | None
        if begin is not None:
            current = begin(workspace, pool)
        else:
            current = _unfinished_run(workspace, {site.key for site in config.site})
        whole = list(stages) == list(STAGE_HELP)
        if current is None and whole:
            answered = _answered_run(workspace, config, config_folder)
            if answered is not None:
                _ask_to_adopt(answered, adopt)
                context = Context(config, config_folder, workspace, answered, pool, quiet)
                outcome = _recorded(context, (), ANSWERED_STAGES)
                if outcome.values["release"]:
                    text = f"{outcome.text}\n{_ANSWERED}"
                    return Outcome(outcome.status, text, {**outcome.values, "answered": True})
        if current is None and stages[0] == "crawl":
            from crawler.sources import load_sites, require_startable

            # A faulty site must not start a run.
            require_startable(config, load_sites(config, config_folder), config_folder)
            current = workspace.new_run(datetime.now(UTC), (site.key for site in config.site))
        if current is None:
            finished = workspace.runs()
            if not finished:
                raise WorkspaceError(
                    f"no run in {workspace.folder}: expected one; start with `mep3m crawl`"
                )
            current = finished[-1]
        if whole:
            stages = current.stages
        for stage in stages:
            current.require_stage(stage)
        sites: Sequence[Site] = ()
        if any(STAGE_WORK[stage].startswith("crawler.") for stage in stages):
            from crawler.sources import sites_of

            sites = sites_of(current, config, config_folder)
        remove_temporaries(workspace.folder)
        if "publish" in stages:
            _ask_to_adopt(current, adopt)
        if _has_published(workspace, current):
            stages = []  # it was killed before it could say so; there is nothing left to do
        context = Context(config, config_folder, workspace, current, pool, quiet)
        return _recorded(context, sites, stages)


def _finish_takedown(
    workspace: Workspace, pool: WorkerPool, config: Config, config_folder: Path
) -> None:
    """Finish what a killed `forget` began, before anything reads what has to leave."""
    if (workspace.folder / "takedown.json").is_file():
        from provenance.takedown.forget import finish_unfinished
        from release.signature import configured_key
        from runtime.stages import warn

        done = finish_unfinished(workspace, pool, config, configured_key(config, config_folder))
        if done is not None:
            warn(f"finished a takedown: {done.to_text()}")


def _ask_to_adopt(run: Run, adopt: bool) -> None:
    """Record that the run adopts what differs; a killed one goes on as it was asked to."""
    if adopt or run.is_finished:
        run.update(adopted=adopt)


def _recorded(context: Context, sites: Sequence[Site], stages: Sequence[str]) -> Outcome:
    """Run stages, and tell `last_run.json` how they ended."""
    from runtime.stages import warn
    from runtime.storage import write_json

    status, error = Exit.UNFORESEEN, "ended by something unforeseen"
    try:
        outcome = _run_in_order(context, sites, stages)
        status, error = outcome.status, ""
        return outcome
    except KeyboardInterrupt:
        status, error = Exit.INTERRUPTED, "interrupted"
        raise
    except MepError as problem:
        status, error = problem.exit_status, str(problem)
        raise
    finally:
        run = context.run
        ended = {"run_id": run.run_id, "exit_status": int(status), "error": error}
        try:
            write_json(context.workspace.folder / "last_run.json", {**ended, **run.record})
        except (MepError, OSError) as problem:
            if not error:
                raise
            warn(f"last_run.json was not written ({problem})")  # the first error is told


def _answered_run(workspace: Workspace, config: Config, config_folder: Path) -> Run | None:
    """The newest crawled run, when it has held records and answers came since it was published."""
    from taxonomy.site_mappings import answers_digest

    crawled = [run for run in workspace.runs() if not run.is_imported]
    if not crawled:
        return None
    record = crawled[-1].record
    taken = record.get("answers_taken")
    if taken is None or not record["stages"].get("map", {}).get("held"):
        return None
    found = answers_digest(record["sites"], config, config_folder)
    return None if found == taken else crawled[-1]


def _has_published(workspace: Workspace, run: Run) -> bool:
    """Whether an unfinished run made the current release; then it is finished here."""
    from release.manifest import read_manifest

    release = workspace.latest_release()
    if run.is_finished or release is None or read_manifest(release).run_id != run.run_id:
        return False
    run.update(status="published", release=release.name)
    return True


def _unfinished_run(workspace: Workspace, sites: set[str]) -> Run | None:
    """The run to go on with; ConfigError when the configuration lost one of its sites."""
    run = workspace.unfinished_run()
    if run is not None and "from_warc" not in run.record and not run.is_imported:
        gone = sorted(set(run.record["sites"]) - sites)
        if gone:
            raise ConfigError(
                f"[[site]] {', '.join(gone)}: expected the sites of the unfinished run "
                f"{run.run_id}, found them removed; put them back until it has finished"
            )
        run.update(sites=sorted(sites))
    return run


def _run_in_order(context: Context, sites: Sequence[Site], stages: Sequence[str]) -> Outcome:
    """The stages, one after the other, and what they add up to."""
    from provenance.ledger import ledger

    run = context.run
    statuses, version = [], None if stages else run.record.get("release")
    for stage in stages:
        run.require_before(stage)
        result = _work_of(stage)(context, sites)
        context.pool.rest()  # a stage's memory is its own
        run.finish_stage(stage, result.counts)
        if stage == "crawl":
            run.update(failed_sites=result.failed_sites)
        if stage == "publish":
            version = result.version
            statuses.append(Exit.DONE if version else Exit.NOTHING_NEW)
            run.update(answers_taken=run.record.get("answers"))
            if version:
                run.update(status="published", release=version)
            elif not run.is_finished:
                run.update(status="nothing_new")
    if run.record.get("failed_sites"):
        statuses.append(Exit.DEGRADED)
    account = ledger(run)
    values = {
        "run_id": run.run_id,
        "release": version,
        "sightings": account.sightings,
        "fates": dict(account.fates),
        "stages": run.record["stages"],
        "failed_sites": run.record.get("failed_sites", {}),
    }
    return Outcome(combine(statuses), _summary(context, values), values)


def _work_of(stage: str) -> Callable[[Context, Sequence[Site]], Any]:
    """What a stage does, imported alone: the stages together load two seconds of libraries."""
    module, _, name = STAGE_WORK[stage].partition(":")
    work: Callable[..., Any] = getattr(importlib.import_module(module), name)
    if module.startswith("crawler."):
        return work
    return lambda context, sites: work(context)


def _summary(context: Context, values: dict[str, Any]) -> str:
    fates = values["fates"]
    told = ", ".join(f"{count} {fate}" for fate, count in fates.items()) or "no fates yet"
    lines = [f"run {values['run_id']}: {values['sightings']} sightings = {told}"]
    if values["release"]:
        lines.append(f"release {values['release']}: {context.workspace.latest_release()}")
    return "\n".join(lines)


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
    from runtime.stages import warn
    from runtime.workspace import IMPORT_STAGES

    config, folder = load_config(config_path), config_path.parent
    source = find_copy(path, **options)

    def begin(workspace: Workspace, pool: WorkerPool) -> Run:
        now = datetime.now(UTC)
        run = import_run(source, workspace, config, folder, pool, now, quiet=quiet)
        if source.images is None and not options["text_only"]:
            warn(f"no folder `Images` beside {source.annotations}: titles alone are taken in")
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
@command
def demo(products: int, seed: int, folder: Path, quiet: bool) -> Outcome:
    """Crawl the embedded shops into a browsable release; needs no network and no configuration."""
    from demo.session import run_demo

    return run_demo(products, seed, folder, functools.partial(run_stages, quiet=quiet))


for _command in (
    sites.init,
    sites.site_group,
    inspection.status,
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

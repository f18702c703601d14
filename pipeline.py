"""The command line of mep3m: its commands, and the stages of a run in their order.

`mep3m` and `python pipeline.py` are the same program.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runtime.config import Config, load_config
from runtime.console import Outcome, guarded, table
from runtime.errors import ConfigError, MepError, VerificationError, WorkspaceError
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


# What the workers of a stage work with, imported once for all of them.
PRELOADED = {
    "clean": "cleaning.part",
    "map": "taxonomy.labelling",
    "dedupe": "cleaning.copies.judgement",
}


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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="mep3m")
def main() -> None:
    """Crawl shops, clean, deduplicate, label and publish product records; answer for every row.

    Exit status: 0 done, 2 wrong usage or configuration, 10 nothing new, 11 stopped early and
    resumable, 20 a gate failed, 30 finished but degraded, 40 verification failed, 75 locked,
    130 interrupted and resumable, 1 anything unforeseen.
    """


@main.command()
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


def _crawling_command(name: str, stages: Sequence[str], text: str) -> None:
    @main.command(name=name, help=text)
    @from_warc_options
    @refresh_option
    @config_option
    @command
    def _(
        config_path: Path,
        patterns: tuple[str, ...],
        site: str | None,
        refresh_after: float | None,
        quiet: bool,
    ) -> Outcome:
        config, begin = _source(config_path, patterns, site)
        config = _refreshed(config, refresh_after)
        return run_stages(config, config_path.parent, stages, begin, quiet=quiet)


_crawling_command(
    "run", list(STAGE_HELP), "Run all stages: go on with an unfinished run, or start a new one."
)
_crawling_command("crawl", ["crawl"], STAGE_HELP["crawl"])


@main.command(help=STAGE_HELP["fetch"])
@refresh_option
@config_option
@command
def fetch(config_path: Path, refresh_after: float | None, quiet: bool) -> Outcome:
    config = _refreshed(load_config(config_path), refresh_after)
    return run_stages(config, config_path.parent, ["fetch"], quiet=quiet)


for _name in ("merge", "clean", "map", "dedupe", "publish"):
    _stage_command(_name)


def run_stages(
    config: Config,
    config_folder: Path,
    stages: Sequence[str],
    begin: Begin | None = None,
    *,
    quiet: bool,
) -> Outcome:
    """Run stages of the newest unfinished run; `crawl` starts a new run where there is none.

    `begin` gives another run, the lock being held. All stages are those of the run's own kind.
    """
    from runtime.executor import WorkerPool
    from runtime.locks import workspace_lock
    from runtime.stages import Context, warn
    from runtime.storage import remove_temporaries, write_json
    from runtime.workspace import Workspace

    # First of all, so that the workers' libraries are loaded while this process loads its own. (An
    # import is to be small rather than quick at its start: what the server holds it holds, too.)
    preload = [PRELOADED[s] for s in stages if s in PRELOADED and "import" not in stages]
    pool = WorkerPool(config.workers, preload=["pipeline", *preload] if preload else ())
    workspace = Workspace((config_folder / config.workspace).resolve())
    workspace.prepare()
    with workspace_lock(workspace.folder), pool:
        current: Run | None
        if begin is not None:
            current = begin(workspace, pool)
        else:
            current = _unfinished_run(workspace, {site.key for site in config.site})
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
        if list(stages) == list(STAGE_HELP):
            stages = current.stages
        for stage in stages:
            current.require_stage(stage)
        sites: Sequence[Site] = ()
        if any(STAGE_WORK[stage].startswith("crawler.") for stage in stages):
            from crawler.sources import sites_of

            sites = sites_of(current, config, config_folder)
        remove_temporaries(workspace.folder)
        if _has_published(workspace, current):
            stages = []  # it was killed before it could say so; there is nothing left to do
        status, error = Exit.UNFORESEEN, "ended by something unforeseen"
        try:
            context = Context(config, config_folder, workspace, current, pool, quiet)
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
            ended = {"run_id": current.run_id, "exit_status": int(status), "error": error}
            try:
                write_json(workspace.folder / "last_run.json", {**ended, **current.record})
            except (MepError, OSError) as problem:
                if not error:
                    raise
                warn(f"last_run.json was not written ({problem})")  # the first error is told


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


@main.command()
@config_option
@command
def status(config_path: Path, quiet: bool) -> Outcome:
    """Show the runs, their stages, and what is left to do."""
    from runtime.workspace import Workspace

    del quiet
    config = load_config(config_path)
    workspace = Workspace((config_path.parent / config.workspace).resolve())
    runs = workspace.runs()
    records = [run.record for run in runs]
    rows = []
    for run, record in zip(runs, records, strict=True):
        left = [stage for stage in run.stages if stage not in record["stages"]]
        todo = ", ".join(left) if record["status"] == "running" and left else "-"
        rows.append((record["run_id"], record["status"], record.get("release") or "-", todo))
    release = workspace.latest_release()
    text = table(rows, ("run", "status", "release", "stages left")) if rows else "no run yet"
    text += f"\ncurrent release: {release or 'none yet'}"
    return Outcome(Exit.DONE, text, {"runs": records, "release": release and str(release)})


@main.command()
@click.argument("record_id")
@config_option
@command
def audit(record_id: str, config_path: Path, quiet: bool) -> Outcome:
    """Tell the whole story of one record."""
    from provenance.audit import audit as tell
    from runtime.workspace import Workspace

    del quiet
    config = load_config(config_path)
    story = tell(Workspace((config_path.parent / config.workspace).resolve()), record_id)
    return Outcome(Exit.DONE, story.to_text(), story.to_json())


@main.command()
@click.argument("release", required=False)
@config_option
@command
def verify(release: str | None, config_path: Path, quiet: bool) -> Outcome:
    """Check a release: a version, a folder, or the current one."""
    from provenance.verify import verify as check
    from taxonomy.tree import load_tree

    # A copied release needs no configuration; with one, its category tree counts.
    named = release is not None and Path(release).is_dir()
    config = None if named and not config_path.is_file() else load_config(config_path)
    folder, workspace = _release_to_verify(release, config, config_path.parent)
    tree = None
    if config is not None and config.map.taxonomy is not None:
        tree = load_tree(config_path.parent / config.map.taxonomy)
    failures = [str(fault) for fault in check(folder, workspace, quiet=quiet, tree=tree)]
    values = {"release": str(folder), "failures": failures}
    if not failures:
        return Outcome(Exit.DONE, f"{folder}: verified", values)
    for line in failures[:20]:
        click.echo(f"mep3m: {line}", err=True)
    text = f"{folder}: {len(failures)} failures; restore the release from a good copy"
    return Outcome(Exit.VERIFICATION_FAILED, text, values)


def _release_to_verify(
    release: str | None, config: Config | None, config_folder: Path
) -> tuple[Path, Workspace | None]:
    """The release's folder, and the workspace around it where there is one."""
    from runtime.workspace import Workspace

    if release is not None and (folder := Path(release).resolve()).is_dir():
        inside = folder.parent.name == "releases"
        return folder, Workspace(folder.parent.parent) if inside else None
    assert config is not None  # it is loaded unless a folder was named
    workspace = Workspace((config_folder / config.workspace).resolve())
    try:
        latest = workspace.latest_release()
    except WorkspaceError as error:
        raise VerificationError(str(error)) from error
    found = latest if release is None else workspace.releases / release
    if found is None or not found.is_dir():
        raise ConfigError(
            f"expected a release in {workspace.releases}, got {release or 'none'}; "
            "publish one with `mep3m run` or name its folder"
        )
    return found, workspace


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
        now = datetime.now(UTC)
        return import_run(source, workspace, config, folder, pool, now, quiet=quiet)

    return run_stages(config, folder, IMPORT_STAGES, begin, quiet=quiet)


@main.group(name="export")
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
    folder, _ = _release_to_verify(release, config, config_path.parent)
    return export(folder, path, quiet=quiet)


@main.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@config_option
@command
def replay(run_id: str | None, config_path: Path, quiet: bool) -> Outcome:
    """Read a run's captures again, without the network, and compare the listings.

    RUN is a run's id; the newest one by default. Exit status 40 when the listings differ although
    the site files are those of the run; with changed site files the differences are shown.
    """
    from crawler.sources import sites_of
    from provenance.replay import replay as read_again
    from runtime.executor import WorkerPool
    from runtime.stages import Context
    from runtime.workspace import Workspace

    config = load_config(config_path)
    workspace = Workspace((config_path.parent / config.workspace).resolve())
    runs = workspace.runs()
    if run_id is None and not runs:
        raise WorkspaceError(
            f"no run in {workspace.folder}: expected one; start with `mep3m crawl`"
        )
    chosen = runs[-1] if run_id is None else workspace.run(run_id)
    sites = sites_of(chosen, config, config_path.parent)
    with WorkerPool(config.workers) as pool:
        context = Context(config, config_path.parent, workspace, chosen, pool, quiet)
        found = read_again(context, sites)
    failed = found.same_extraction and not found.same_bytes
    status = Exit.VERIFICATION_FAILED if failed else Exit.DONE
    return Outcome(status, found.to_text(), found.to_json())


@main.command()
@click.option("--site", metavar="KEY", help="Only what waits of this site.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True,
    help="Categories that the list shows.",
)  # fmt: skip
@click.option(
    "--export", type=click.Path(path_type=Path), metavar="FILE",
    help="Write the whole list as a CSV file to be answered in a spreadsheet program.",
)  # fmt: skip
@click.option(
    "--apply", type=click.Path(path_type=Path), metavar="FILE",
    help="Take the answers of such a file: all of them, or none when one is faulty.",
)  # fmt: skip
@click.option("--by", metavar="NAME", help="Who answers; `[map] reviewer` or the login name.")
@click.option("--coverage", "show_coverage", is_flag=True, help="Show what is mapped, and where.")
@config_option
@command
def review(config_path: Path, quiet: bool, **options: Any) -> Outcome:
    """Answer for categories that could not be mapped: most records first, best guess beside."""
    from taxonomy.review.command import Options
    from taxonomy.review.command import review as answer

    return answer(load_config(config_path), config_path.parent, Options(**options), quiet=quiet)


@main.group(name="taxonomy")
def taxonomy_group() -> None:
    """Train and measure the title model that `map.model` names (also with --json)."""


@taxonomy_group.command(name="train")
@click.argument("release", required=False)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("titles.npz"), show_default=True,
    help="The model's file; its figures go beside it, as JSON.",
)  # fmt: skip
@config_option
@command
def taxonomy_train(release: str | None, out: Path, config_path: Path, quiet: bool) -> Outcome:
    """Train the title model on a release: a version, a folder, or the current one."""
    from taxonomy.title_model.command import train_model

    return train_model(load_config(config_path), config_path.parent, release, out, quiet=quiet)


@taxonomy_group.command(name="evaluate")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("release", required=False)
@config_option
@command
def taxonomy_evaluate(model: Path, release: str | None, config_path: Path, quiet: bool) -> Outcome:
    """Measure a title model on a release's test split: the dataset's text baseline."""
    from taxonomy.title_model.command import evaluate_model

    config = load_config(config_path)
    return evaluate_model(config, config_path.parent, model, release, quiet=quiet)


@main.group(name="site")
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


if __name__ == "__main__":
    main()

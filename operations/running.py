"""One run of stages, from the lock to the last word: what `mep3m run` and every stage command do.

The lock comes first, then what a killed takedown left, then the choice of the run, then its stages
in order. Whatever ends it is recorded (`last_run.py`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime import logs, stopping
from runtime.config import Config
from runtime.console import Outcome
from runtime.exits import Exit, combine

if TYPE_CHECKING:  # loaded while the workers load their own
    from crawler.sites.sitefile import Site
    from operations.choosing import Begin, Chooser
    from operations.last_run import Report
    from runtime.executor import WorkerPool
    from runtime.opening import Opened
    from runtime.stages import Context
    from runtime.workspace import Run, Workspace

STAGE_WORK = {
    "import": "release.imports.stage:import_copy",
    "crawl": "crawler.crawl:crawl",
    "merge": "crawler.merge:merge",
    "fetch": "crawler.images:fetch",
    "clean": "cleaning.stage:clean",
    "map": "taxonomy.stage:map_records",
    "dedupe": "cleaning.copies.stage:dedupe",
    "publish": "operations.gates.publishing:publish_judged",
}

# What the workers of a stage work with, imported once for all of them.
PRELOADED = {
    "merge": "crawler.merge",
    "fetch": "crawler.image_host",
    "clean": "cleaning.part",
    "map": "taxonomy.labelling",
    "dedupe": "cleaning.copies.judgement",
    "publish": "release.decide",
}

WARM = "runtime.warm"
"""Preloaded last, behind everything else that workers work with."""

_ANSWERED = "answers were taken in, no shop was asked; the next `mep3m run` crawls"


def run_stages(
    config: Config,
    config_folder: Path,
    stages: Sequence[str],
    begin: Begin | None = None,
    *,
    quiet: bool,
    preload: bool = True,
    adopt: bool = False,
    accepted: Sequence[str] = (),
    due_or_not: bool = False,
    max_seconds: float | None = None,
) -> Outcome:
    """Run stages of the newest unfinished run; `crawl` starts a new run where there is none.

    All stages in a row first see whether answers came for what the newest run holds: then it is
    mapped and published again, and a new run starts only where that published nothing. It crawls
    the sites that are due, or all of them where that is asked for or `crawl` alone is. `begin`
    gives another run, the lock being held. All stages are those of the run's own kind. Workers
    start sooner with `preload`, and the process they are forked from holds their libraries. Gates
    that are `accepted` let the run publish though it failed them; a run that gates ended goes on.
    After `max_seconds` it stops between units, unless a release is being made: that is finished.
    """
    from runtime.executor import open_pool

    # First of all, so that the workers' libraries are loaded while this process loads its own.
    libraries = [PRELOADED[stage] for stage in stages if stage in PRELOADED and preload]
    pool = open_pool(config, ["pipeline", *libraries, WARM] if libraries else ())

    from operations.choosing import Chooser
    from operations.last_run import reported
    from runtime.opening import writing
    from runtime.storage import full_disk_explained

    with ExitStack() as stack:
        opened = stack.enter_context(writing(config, config_folder))
        workspace = opened.workspace
        stack.enter_context(
            logs.logging_to(
                workspace.folder, stderr=config.log.stderr, quiet=quiet,
                max_bytes=config.log.max_mib * 1024 * 1024, keep=config.log.keep,
            )
        )  # fmt: skip
        report = stack.enter_context(reported(workspace, stages, config.run.on_failure))
        stack.enter_context(full_disk_explained(workspace.folder))
        stack.enter_context(stopping.time_limit(max_seconds))
        stack.enter_context(pool)
        chooser = Chooser(workspace, config, config_folder)
        session = _Session(
            opened, chooser, pool, report, quiet=quiet, adopt=adopt, accepted=tuple(accepted)
        )
        outcome = session.run(stages, begin, due_or_not=due_or_not)
        report.of(outcome)
        return outcome


class _Session:
    """What one command does while it holds the lock."""

    def __init__(
        self, opened: Opened, chooser: Chooser, pool: WorkerPool, report: Report, *, quiet: bool,
        adopt: bool, accepted: tuple[str, ...],
    ) -> None:  # fmt: skip
        self.opened, self.chooser, self.pool, self.report = opened, chooser, pool, report
        self.quiet, self.adopt, self.accepted = quiet, adopt, accepted
        self.workspace, self.config = chooser.workspace, chooser.config
        self.config_folder = chooser.config_folder

    def run(self, stages: Sequence[str], begin: Begin | None, *, due_or_not: bool) -> Outcome:
        """Choose the run and take it through the stages."""
        from operations.choosing import is_whole
        from runtime.storage import remove_temporaries

        self._prepare(stages)
        whole = is_whole(stages)
        if self.accepted:
            self.chooser.reopen(self.accepted)
        run = begin(self.workspace, self.pool) if begin else self.chooser.unfinished_run()
        if run is None and whole:
            outcome = self._take_answers()
            if outcome is not None:
                return outcome
        if run is None and stages[0] == "crawl":
            run = self.chooser.new_run(due_or_not=due_or_not or not whole)
            if run is None:
                text = self.chooser.nothing_due()
                return Outcome(Exit.NOTHING_NEW, text, {"run_id": None, "release": None})
        if run is None:
            run = self.chooser.newest_run()
        if whole:
            stages = run.stages
        for stage in stages:
            run.require_stage(stage)
        sites = self._sites(run, stages)
        remove_temporaries(self.workspace.folder)
        if "publish" in stages:
            self._ask_to_adopt(run)
            self._accept(run)
        if self.chooser.has_published(run):
            stages = []  # it was killed before it could say so; there is nothing left to do
        return self._in_order(run, sites, stages)

    def _prepare(self, stages: Sequence[str]) -> None:
        """What must be in order before anything is worked on."""
        if "publish" in stages and self.config.release.signing_key is not None:
            from release.signature import configured_key

            configured_key(self.config, self.config_folder)  # not only after days of crawling
        if (self.workspace.folder / "gc.json").is_file():
            from operations.retention.applying import finish_unfinished as finish_gc

            finish_gc(self.workspace)  # parts that a killed `gc` left half replaced
        if (self.workspace.folder / "takedown.json").is_file():
            from provenance.takedown.forget import finish_unfinished
            from release.signature import configured_key

            # What a killed `forget` began, before anything reads what has to leave.
            key = configured_key(self.config, self.config_folder)
            done = finish_unfinished(self.workspace, self.pool, self.config, key)
            if done is not None:
                logs.warning(f"finished a takedown: {done.to_text()}")

    def _take_answers(self) -> Outcome | None:
        """Publish what answers changed of the newest run; None where they changed nothing."""
        from operations.choosing import ANSWERED_STAGES

        answered = self.chooser.answered_run()
        if answered is None:
            return None
        self._ask_to_adopt(answered)
        self._accept(answered)
        outcome = self._in_order(answered, (), ANSWERED_STAGES)
        if not outcome.values["release"]:
            return None
        text = f"{outcome.text}\n{_ANSWERED}"
        return Outcome(outcome.status, text, {**outcome.values, "answered": True})

    def _ask_to_adopt(self, run: Run) -> None:
        """Record that the run adopts what differs; a killed one goes on as it was asked to."""
        if self.adopt or run.is_finished:
            run.update(adopted=self.adopt)

    def _accept(self, run: Run) -> None:
        """Record the gates that a person accepted of the run; they stay accepted."""
        if self.accepted:
            run.accept(self.accepted)

    def _sites(self, run: Run, stages: Sequence[str]) -> Sequence[Site]:
        if not any(STAGE_WORK[stage].startswith("crawler.") for stage in stages):
            return ()
        from crawler.sources import sites_of

        return sites_of(run, self.config, self.config_folder)

    def _in_order(self, run: Run, sites: Sequence[Site], stages: Sequence[str]) -> Outcome:
        """The stages, one after the other, and what they add up to."""
        from provenance.ledger import ledger
        from runtime.stages import Context

        self.report.run = run
        context = Context(
            self.config, self.config_folder, self.workspace, run, self.pool, self.quiet
        )
        statuses, version = [], None if stages else run.record.get("release")
        with logs.about(run=run.run_id):
            for stage in stages:
                run.require_before(stage)
                stopping.check()
                if stage == "publish":
                    stopping.end_time_limit()  # a release that is begun is worth its end
                with logs.about(stage=stage):
                    result = _work_of(stage)(context, sites)
                    self.pool.rest()  # a stage's memory is its own
                    run.finish_stage(stage, result.counts)
                    _record_set_aside(run, stage, result.set_aside)
                    self.opened.save()
                    logs.info(f"{stage}: done", counts=dict(result.counts), made=result.made)
                if stage == "crawl":
                    run.update(failed_sites=result.failed_sites)
                if stage == "publish":
                    version = result.version
                    statuses.append(Exit.DONE if version else Exit.NOTHING_NEW)
                    run.update(answers_taken=run.record.get("answers"))
                    if version:
                        run.update(status="published", release=version)
                    elif run.record["status"] != "published":
                        run.update(status="nothing_new")
        if run.record.get("failed_sites") or run.record.get("set_aside"):
            statuses.append(Exit.DEGRADED)
        account = ledger(run)
        values = {
            "run_id": run.run_id,
            "release": version,
            "sightings": account.sightings,
            "fates": dict(account.fates),
            "stages": run.record["stages"],
            "failed_sites": run.record.get("failed_sites", {}),
            "set_aside": run.record.get("set_aside", {}),
        }
        return Outcome(combine(statuses), _summary(self.workspace, values), values)


def _record_set_aside(run: Run, stage: str, parts: Mapping[str, str]) -> None:
    """Which parts each stage has set aside; a stage that now made all of its has none."""
    known = {**run.record.get("set_aside", {}), stage: dict(parts)}
    run.update(set_aside={name: lost for name, lost in known.items() if lost})


def _work_of(stage: str) -> Callable[[Context, Sequence[Site]], Any]:
    """What a stage does, imported alone: the stages together load two seconds of libraries."""
    module, _, name = STAGE_WORK[stage].partition(":")
    work: Callable[..., Any] = getattr(importlib.import_module(module), name)
    if module.startswith("crawler."):
        return work
    return lambda context, sites: work(context)


def _summary(workspace: Workspace, values: dict[str, Any]) -> str:
    fates = values["fates"]
    told = ", ".join(f"{count} {fate}" for fate, count in fates.items()) or "no fates yet"
    lines = [f"run {values['run_id']}: {values['sightings']} sightings = {told}"]
    if values["release"]:
        lines.append(f"release {values['release']}: {workspace.latest_release()}")
    return "\n".join(lines)

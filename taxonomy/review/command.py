"""`mep3m review`: the list of what waits, the dialogue, the spreadsheet, the coverage.

In come the configuration and the options; out goes an `Outcome`. Answers go to the site's own
mapping file; `mep3m map`, `dedupe` and `publish`, or the next run, take the records in.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from getpass import getuser
from pathlib import Path

from runtime.config import Config
from runtime.console import Outcome
from runtime.errors import ConfigError, WorkspaceError
from runtime.exits import Exit
from runtime.locks import workspace_lock
from runtime.opening import reading
from runtime.storage import write_bytes
from runtime.workspace import Run, Workspace
from taxonomy.curated import CuratedMapping, load_mapping
from taxonomy.review.answers import Addition, Answer, add_answers, write_addition
from taxonomy.review.coverage import coverage
from taxonomy.review.dialogue import answer_all
from taxonomy.review.held import site_of_part
from taxonomy.review.known_paths import unheeded
from taxonomy.review.sheet import export_sheet, read_sheet
from taxonomy.review.telling import (
    NEXT,
    coverage_text,
    coverage_values,
    listed,
    waiting_values,
)
from taxonomy.review.waiting import WaitingList, waiting_list
from taxonomy.site_mappings import SiteMapping, mapping_of
from taxonomy.tree import Tree, load_tree


@dataclass(frozen=True)
class Options:
    """What the command line asks for; at most one of `export`, `apply` and `show_coverage`."""

    site: str | None = None
    limit: int = 20
    export: Path | None = None
    apply: Path | None = None
    by: str | None = None
    show_coverage: bool = False


@dataclass(frozen=True)
class _Desk:
    """What a review needs at hand."""

    workspace: Workspace
    run: Run
    tree: Tree
    files: dict[str, SiteMapping]
    mappings: dict[str, CuratedMapping]

    def waiting(self, site: str | None) -> WaitingList:
        return waiting_list(self.run, self.tree, self.mappings, site)

    def additions(self, answers: Sequence[Answer], by: str) -> list[Addition]:
        """What the sites' files become by these answers, all of them checked first."""
        return [
            add_answers(
                self.files[site].own,
                [answer for answer in answers if answer.site == site],
                by,
                date.today(),
                self.tree,
            )
            for site in sorted({answer.site for answer in answers})
        ]


def review(config: Config, config_folder: Path, options: Options, *, quiet: bool) -> Outcome:
    """Do what the options say. Raises ConfigError and TaxonomyError for what cannot be done."""
    asked = (options.export, options.apply, options.show_coverage or None)
    if sum(choice is not None for choice in asked) > 1:
        raise ConfigError("expected one of --export, --apply and --coverage, got several")
    workspace = reading(config, config_folder)
    desk = _desk(workspace, config, config_folder)
    if options.site is not None and options.site not in desk.files:
        known = ", ".join(sorted(desk.files)) or "none"
        raise ConfigError(f"--site {options.site}: expected a site of the run ({known})")
    if options.show_coverage:
        found = coverage(desk.run, workspace.latest_release(), desk.tree)
        told = desk.run.run_id, found, desk.tree
        return Outcome(Exit.DONE, coverage_text(*told), coverage_values(*told))
    if options.apply is not None:
        return _apply(desk, options.apply, _reviewer(options.by, config))
    waiting = desk.waiting(options.site)
    if options.export is not None:
        export_sheet(waiting.entries, options.export)
        text = f"{len(waiting.entries)} categories in {options.export}; fill in `answer`, then "
        return Outcome(
            Exit.DONE, f"{text}`mep3m review --apply {options.export}`", waiting_values(waiting)
        )
    if quiet or not waiting.entries or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Outcome(Exit.DONE, listed(waiting, options.limit), waiting_values(waiting))
    return _in_dialogue(desk, waiting, _reviewer(options.by, config))


def _desk(workspace: Workspace, config: Config, config_folder: Path) -> _Desk:
    mapped = [run for run in reversed(workspace.runs()) if run.labels.names()]
    # Imported records have their labels: what waits is of the newest crawl.
    run = next((run for run in mapped if not run.is_imported), mapped[0] if mapped else None)
    if run is None:
        raise WorkspaceError(
            f"no run in {workspace.folder} has been mapped: expected one; run `mep3m run` first"
        )
    taxonomy = config.map.taxonomy
    tree = load_tree(config_folder / taxonomy if taxonomy is not None else None)
    sites = {site_of_part(part) for part in run.labels.names()}
    files = {site: mapping_of(site, config, config_folder) for site in sorted(sites)}
    mappings = {site: load_mapping(found.files, tree) for site, found in files.items()}
    return _Desk(workspace, run, tree, files, mappings)


def _reviewer(named: str | None, config: Config) -> str:
    """Who answers: `--by`, else the `reviewer` setting, else the login name."""
    by = named if named is not None else config.map.reviewer
    if by is None:
        try:
            by = getuser()
        except (KeyError, OSError, ImportError):  # an account without a name, as in containers
            raise ConfigError(
                "expected a login name to answer under, found none; "
                "give one with --by or as `[map] reviewer`"
            ) from None
    by = " ".join(by.split())
    if not by:
        raise ConfigError("--by: expected the name of who answers, got nothing")
    return by


def _apply(desk: _Desk, sheet: Path, by: str) -> Outcome:
    """Take a sheet's answers: all of them are checked before the first is written."""
    answers = read_sheet(sheet, desk.tree, desk.files)
    with workspace_lock(desk.workspace.folder):
        additions = desk.additions(answers, by)
        fresh = [answer for addition in additions for answer in addition.answers]
        unknown = unheeded(desk.run, fresh)
        if unknown:
            raise ConfigError(
                f"{unknown[0].told_in}: expected the path of a record of site {unknown[0].site} "
                f"in run {desk.run.run_id}, or one above it and > *, got "
                f"{unknown[0].path!r}; correct the row or clear its answer"
            )
        for addition in additions:
            write_addition(addition, desk.tree)
    files = [str(addition.file) for addition in additions]
    text = f"{len(fresh)} new answers of {len(answers)} in {', '.join(files) or 'no file'}"
    values = {"answers": len(answers), "written": len(fresh), "files": files}
    return Outcome(Exit.DONE, f"{text}; {NEXT}" if fresh else text, values)


@dataclass
class _Keeper:
    """Writes each answer at once and can take the last ones back.

    The lock is held only while a file is written: a terminal that was left open stops no run.
    """

    desk: _Desk
    by: str
    _written: list[tuple[Addition, bytes | None]] = field(default_factory=list)

    def keep(self, answer: Answer) -> None:
        with workspace_lock(self.desk.workspace.folder):
            (addition,) = self.desk.additions([answer], self.by)
            before = addition.file.read_bytes() if addition.file.is_file() else None
            write_addition(addition, self.desk.tree)
        self._written.append((addition, before))

    def take_back(self) -> bool:
        """Whether the last answer could be taken back: not when the file changed since."""
        if not self._written:
            return False
        addition, before = self._written[-1]
        with workspace_lock(self.desk.workspace.folder):
            if not addition.file.is_file() or addition.file.read_bytes() != addition.content:
                return False
            if before is None:
                addition.file.unlink()
            else:
                write_bytes(addition.file, before)
        self._written.pop()
        return True


def _in_dialogue(desk: _Desk, waiting: WaitingList, by: str) -> Outcome:
    keeper = _Keeper(desk, by)
    given = answer_all(waiting.entries, desk.tree, keeper.keep, keeper.take_back)
    text = f"{given} answers kept" + (f"; {NEXT}" if given else "")
    return Outcome(Exit.DONE, text, {"answers": given})

"""`mep3m review`: the list of what waits, the dialogue, the spreadsheet, the coverage.

In come the configuration and the options; out goes an `Outcome`. Answers go to the site's own
mapping file; `mep3m map`, `dedupe` and `publish`, or the next run, take the records in.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date
from getpass import getuser
from pathlib import Path
from typing import Any

from runtime.config import Config
from runtime.console import Outcome, table
from runtime.errors import ConfigError, WorkspaceError
from runtime.exits import Exit
from runtime.locks import workspace_lock
from runtime.storage import write_bytes
from runtime.workspace import Run, Workspace
from taxonomy.curated import CuratedMapping, load_mapping
from taxonomy.review.answers import Answer, write_answers
from taxonomy.review.coverage import coverage
from taxonomy.review.dialogue import answer_all
from taxonomy.review.sheet import export_sheet, read_sheet
from taxonomy.review.waiting import Waiting, WaitingList, waiting_list
from taxonomy.site_mappings import SiteMapping, mapping_of
from taxonomy.tree import Level, Tree, load_tree

NEXT = "take the records in with `mep3m map`, `mep3m dedupe`, `mep3m publish`, or with the next run"


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

    run: Run
    tree: Tree
    files: dict[str, SiteMapping]
    mappings: dict[str, CuratedMapping]

    def waiting(self, site: str | None) -> WaitingList:
        return waiting_list(self.run, self.tree, self.mappings, site)


def review(config: Config, config_folder: Path, options: Options, *, quiet: bool) -> Outcome:
    """Do what the options say. Raises ConfigError and TaxonomyError for what cannot be done."""
    asked = (options.export, options.apply, options.show_coverage or None)
    if sum(choice is not None for choice in asked) > 1:
        raise ConfigError("expected one of --export, --apply and --coverage, got several")
    workspace = Workspace((config_folder / config.workspace).resolve())
    desk = _desk(workspace, config, config_folder)
    if options.site is not None and options.site not in desk.files:
        known = ", ".join(sorted(desk.files)) or "none"
        raise ConfigError(f"--site {options.site}: expected a site of the run ({known})")
    if options.show_coverage:
        return _coverage(desk, workspace)
    if options.apply is not None:
        with workspace_lock(workspace.folder):
            return _apply(desk, options.apply, options.by)
    found = desk.waiting(options.site)
    if options.export is not None:
        export_sheet(found.entries, options.export)
        text = f"{len(found.entries)} categories in {options.export}; fill in `answer`, then "
        return Outcome(Exit.DONE, f"{text}`mep3m review --apply {options.export}`", _values(found))
    if quiet or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Outcome(Exit.DONE, _listed(found, options.limit), _values(found))
    with workspace_lock(workspace.folder):
        return _in_dialogue(desk, found, options.by)


def _desk(workspace: Workspace, config: Config, config_folder: Path) -> _Desk:
    run = next((run for run in reversed(workspace.runs()) if run.labels.names()), None)
    if run is None:
        raise WorkspaceError(
            f"no run in {workspace.folder} has been mapped: expected one; run `mep3m run` first"
        )
    taxonomy = config.map.taxonomy
    tree = load_tree(config_folder / taxonomy if taxonomy is not None else None)
    sites = {part.rpartition("-")[0] for part in run.labels.names()}
    files = {site: mapping_of(site, config, config_folder) for site in sorted(sites)}
    mappings = {site: load_mapping(found.files, tree) for site, found in files.items()}
    return _Desk(run, tree, files, mappings)


def _apply(desk: _Desk, sheet: Path, by: str | None) -> Outcome:
    answers = read_sheet(sheet, desk.tree, desk.files)
    sites = sorted({answer.site for answer in answers})
    before = {site: _bytes(desk.files[site].own) for site in sites}
    written = 0
    try:
        for site in sites:
            own = [answer for answer in answers if answer.site == site]
            written += len(_write(desk, site, own, by))
    except BaseException:
        for site in sites:  # all of the sheet counts, or nothing of it
            _restore(desk.files[site].own, before[site])
        raise
    files = [str(desk.files[site].own) for site in sites]
    text = f"{written} new answers of {len(answers)} in {', '.join(files) or 'no file'}"
    values = {"answers": len(answers), "written": written, "files": files}
    return Outcome(Exit.DONE, f"{text}; {NEXT}" if written else text, values)


def _write(desk: _Desk, site: str, answers: list[Answer], by: str | None) -> list[Answer]:
    own = desk.files[site].own
    return write_answers(own, answers, by or getuser(), date.today(), desk.tree)


def _in_dialogue(desk: _Desk, found: WaitingList, by: str | None) -> Outcome:
    undo: list[tuple[Path, bytes | None]] = []

    def keep(answer: Answer) -> None:
        own = desk.files[answer.site].own
        undo.append((own, _bytes(own)))
        _write(desk, answer.site, [answer], by)

    def take_back() -> bool:
        if undo:
            _restore(*undo.pop())
            return True
        return False

    given = answer_all(found.entries, desk.tree, keep, take_back)
    text = f"{given} answers kept" + (f"; {NEXT}" if given else "")
    return Outcome(Exit.DONE, text, {"answers": given})


def _bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _restore(file: Path, before: bytes | None) -> None:
    if before is None:
        file.unlink(missing_ok=True)
    else:
        write_bytes(file, before)


# ------------------------------------------------------------------------------- telling


def _listed(found: WaitingList, limit: int) -> str:
    if not found.entries:
        return "no category waits for an answer"
    rows = [
        (str(entry.records), entry.site, entry.path, entry.rule, _best(entry))
        for entry in found.entries[:limit]
    ]
    text = table(rows, ("records", "site", "path", "held by", "best guess"))
    more = len(found.entries) - len(rows) + found.uncounted
    text += f"\nand {more} more" if more else ""
    waiting = len(found.entries) + found.uncounted
    return f"{text}\n{found.records} records wait in {waiting} categories"


def _best(entry: Waiting) -> str:
    if not entry.guesses:
        return "-"
    return f"{entry.guesses[0].node} ({entry.guesses[0].confidence:.2f})"


def _values(found: WaitingList) -> dict[str, Any]:
    return {
        "records": found.records,
        "uncounted": found.uncounted,
        "waiting": [
            {
                "site": entry.site,
                "path": entry.path,
                "records": entry.records,
                "held_by": entry.rule,
                "examples": list(entry.examples),
                "guesses": [guess.to_row() for guess in entry.guesses],
            }
            for entry in found.entries
        ],
    }


def _coverage(desk: _Desk, workspace: Workspace) -> Outcome:
    found = coverage(desk.run, workspace.latest_release(), desk.tree)
    rows = []
    for site, counts in found.sites.items():
        mapped, held = counts.get("mapped", 0), counts.get("held", 0)
        share = mapped / (mapped + held) if mapped + held else 0.0
        rows.append((site, str(mapped), str(held), f"{share:.3f}"))
    levels = [(str(level), *map(str, found.level(level, desk.tree))) for level in Level]
    few = found.few(desk.tree)
    small = [f"{leaf}: {count}" for leaf, count in few if count]
    text = "\n\n".join(
        [
            f"run {desk.run.run_id}\n" + table(rows, ("site", "mapped", "held", "share mapped")),
            f"{found.source}\n" + table(levels, ("level", "with records", "of")),
            f"{len(few) - len(small)} leaves without records, {len(small)} with fewer than 30:\n"
            + "\n".join(small),
        ]
    )
    values = {
        "run_id": desk.run.run_id,
        "source": found.source,
        "sites": found.sites,
        "levels": {str(level): list(found.level(level, desk.tree)) for level in Level},
        "few": [{"leaf": str(leaf), "records": count} for leaf, count in few],
    }
    return Outcome(Exit.DONE, text, values)

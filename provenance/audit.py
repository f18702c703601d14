"""The audit: one record's whole way, from the pages that showed it to the releases that hold it.

Comes in: a workspace and a record id. Goes out: an `AuditStory`; captures are checked and nearest
pictures compared while it is told. Runs are read newest first, by ranges, never by scanning
pictures; what no run tells any more is told from the releases.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlsplit

from cleaning.copies.thresholds import NeighbourThresholds
from provenance.audit_near import Subject, neighbours, subject_of_release
from provenance.audit_release import LEVELS, holdings, ledger_stories, published_title, told
from provenance.captures import capture_of
from provenance.decision_line import DecisionLine
from provenance.ledger import DECIDING_STAGES, Judgement, fate_of
from provenance.lookup import Row, part_of, rows_of, site_of
from provenance.release_copy import standing_releases, withdrawn_releases
from provenance.story import (
    Absence,
    AuditStory,
    Guess,
    ImageAttempt,
    ImportedRow,
    LabelLine,
    RunStory,
    Sighting,
    WithdrawnRelease,
)
from provenance.title_changes import title_changes
from runtime.errors import ConfigError
from runtime.stages import utc_text
from runtime.tables import IMAGES
from runtime.workspace import Run, Workspace, file_key
from taxonomy.tree import Level, Tree, load_tree

_HEADERS = (
    "source", "content_type", "sniffed_type", "etag", "last_modified", "opt_out", "redirects",
    "redirect_url",
)  # fmt: skip
_IMAGE_COLUMNS = [name for name in IMAGES.schema.names if name != "image"]


def audit(
    workspace: Workspace,
    record_id: str,
    bounds: NeighbourThresholds | None = None,
    tree: Tree | None = None,
) -> AuditStory:
    """The story of a record; raises ConfigError when no run and no release knows it.

    `bounds` are those of copies as configured, to say why a neighbour was none; `tree` names the
    categories of suggestions (MEP-3M's own unless told).
    """
    bounds = bounds or NeighbourThresholds()
    teller = _Teller(workspace, record_id, tree)
    newest_first = list(reversed(workspace.runs()))
    runs = [story for run in newest_first if (story := teller.run(run)) is not None]
    absences = [found for run in newest_first if (found := _absence(run, record_id)) is not None]
    releases = standing_releases(workspace.releases)
    withdrawn = withdrawn_releases(workspace.releases)
    by_version = {release.manifest.version: release for release in releases}
    latest = workspace.latest_release()
    current = by_version.get(latest.name) if latest is not None else None
    held = holdings(releases, record_id, workspace.folder / "runs", current)
    ledger = ledger_stories(releases, record_id, teller.told)
    if not (runs or held or absences or ledger):
        gone = ", ".join(version for version, _ in withdrawn)
        raise ConfigError(
            f"record {record_id!r}: expected an id such as <site>:<product id> that a run or a "
            f"release holds, found it in none of {len(newest_first)} runs and {len(releases)} "
            f"releases of {workspace.folder}" + (f" (withdrawn: {gone})" if gone else "")
        )
    subject = teller.subject
    if subject is None and held:
        subject = subject_of_release(by_version[held[-1].version], record_id)
    return AuditStory(
        record_id, tuple(runs), held, tuple(absences), ledger, title_changes(runs, held),
        neighbours(subject, current, bounds) if subject is not None else (),
        tuple(WithdrawnRelease(version, told.at, told.reason) for version, told in withdrawn),
    )  # fmt: skip


class _Teller:
    """Tells the runs of one workspace on one record; `told` are the decisions told so far.

    `subject` is the record as the newest run cleaned it.
    """

    def __init__(self, workspace: Workspace, record_id: str, tree: Tree | None) -> None:
        self._workspace = workspace
        self._record_id = record_id
        self._tree = tree
        self.told: set[tuple[Any, ...]] = set()
        self.subject: Subject | None = None

    def run(self, run: Run) -> RunStory | None:
        """The run's story; None where it did not see the record."""
        record_id = self._record_id
        sightings = _sightings(run, record_id)
        imported = None
        part = part_of(run.listings, record_id)
        if run.is_imported:
            part = part_of(run.annotations, record_id)  # those that were rejected, too
            imported = _imported(run, part, record_id) if part else None
        listing = _one(rows_of(run.listings, part, "record_id", record_id)) if part else None
        decisions = _decisions(run, part, record_id) if part else []
        if not sightings and listing is None and imported is None:
            return None
        cleaned = _one(rows_of(run.cleaned, part, "record_id", record_id)) if part else None
        if cleaned is not None and self.subject is None:
            self.subject = Subject(record_id, cleaned, run)
        self.told.update(map(told, decisions))
        judged = [Judgement(r["record_id"], r["stage"], r["rule"], r["verdict"]) for r in decisions]
        title_of = partial(_title_of, self._workspace, run)
        return RunStory(
            run_id=run.run_id,
            fate=fate_of(judged),
            sightings=tuple(sightings),
            kept_page=listing["page_url"] if listing else None,
            title=cleaned["title"] if cleaned else None,
            images=tuple(_images(run, listing["image_url"] if listing else None)),
            label=self._label(run, part) if part else None,
            decisions=tuple(
                DecisionLine.of(
                    row,
                    title_of(row["peer_id"]) if row["peer_id"] not in (None, record_id) else None,
                )
                for row in decisions
            ),
            first_seen=_instant(listing, "first_seen"),
            last_seen=_instant(listing, "last_seen"),
            imported=imported,
            title_raw=listing["title"] if listing else None,
            removed_segments=tuple(cleaned["removed_segments"]) if cleaned else (),
            language=cleaned["language"] if cleaned else None,
            picture=_picture(cleaned),
        )

    def _label(self, run: Run, part: str) -> LabelLine | None:
        row = _one(rows_of(run.labels, part, "record_id", self._record_id))
        if row is None:
            return None
        names = [row[level] for level in LEVELS if row[level] is not None]
        title_leaf = row.get("title_leaf")
        return LabelLine(
            row["mapped"], names, row["label_rule"], row["evidence"],
            tuple(map(self._guess, row.get("suggestions") or ())),
            self._guess(title_leaf) if title_leaf else None, bool(row.get("contradicted")),
        )  # fmt: skip

    def _guess(self, row: Row) -> Guess:
        if self._tree is None:
            self._tree = load_tree()
        node = self._tree.get(Level(row["level"]), row["id"])
        named = str(node) if node is not None else f"{row['level']} {row['id']}"
        return Guess(named, row["confidence"], row["by"])


def _picture(cleaned: Row | None) -> str | None:
    """What clean found of the picture, and in which part its bytes lie."""
    if cleaned is None or cleaned["sha256"] is None:
        return None
    size = f"{cleaned['width']}x{cleaned['height']} {cleaned['format']}, "
    hashed = "" if cleaned["phash"] is None else f", phash {cleaned['phash']:016x}"
    place = f" in images/{cleaned['image_part']} row {cleaned['image_row']}"
    return f"{size if cleaned['format'] else ''}SHA-256 {cleaned['sha256']}{hashed}{place}"


def _absence(run: Run, record_id: str) -> Absence | None:
    row = _one(rows_of(run.absent, site_of(record_id), "record_id", record_id))
    if row is None:
        return None
    return Absence(
        run.run_id, utc_text(row["first_seen"]), utc_text(row["last_seen"]), row["last_run"],
        row["missed"], row["gone"],
    )  # fmt: skip


def _instant(row: Row | None, name: str) -> str | None:
    """An instant of a listing; older runs recorded none."""
    value = None if row is None else row.get(name)
    return None if value is None else utc_text(value)


def _one(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None


def _sightings(run: Run, record_id: str) -> list[Sighting]:
    rows = rows_of(run.sightings, site_of(record_id), "record_id", record_id)
    return [
        Sighting(
            row["page_url"], row["page_kind"], row["position"], row["title"], row["image_url"],
            row["category_paths"], row["extracted_by"], row["opt_out"],
            capture_of(run, row["capture_file"], row["capture_offset"]),
        )
        for row in rows
    ]  # fmt: skip


def _imported(run: Run, part: str, record_id: str) -> ImportedRow | None:
    """The record's row of an imported copy."""
    row = _one(rows_of(run.annotations, part, "record_id", record_id))
    if row is None:
        return None
    pictures = []
    if row["fault"] is None:
        pictures = rows_of(run.images, part, "image_url", row["img_path"], ["sha256"])
    source = run.record["imported"]
    return ImportedRow(
        source["annotations"], source["sha256"], row["row"], row["byte"], row["img_path"],
        row["title"], [row[level] for level in LEVELS if row[level] is not None],
        pictures[0]["sha256"] if pictures else None,
    )  # fmt: skip


def _images(run: Run, image_url: str | None) -> list[ImageAttempt]:
    """Every attempt on the URL and on what it redirected to, from the parts of their hosts."""
    rows: list[Row] = []
    asked: set[str] = set()
    waiting = [image_url]
    while waiting and (url := waiting.pop(0)) is not None:
        asked.add(url)
        found = _attempts(run, url)
        rows += found
        targets = (row.get("redirect_url") for row in found)
        waiting += [target for target in targets if target and target not in asked]
    return [
        ImageAttempt(
            row["image_url"], row["attempt"], row["outcome"], row["status"],
            utc_text(row["fetched_at"]), row["sha256"], row["error"],
            **{name: row.get(name) for name in _HEADERS},
        )
        for row in sorted(rows, key=lambda row: (row["fetched_at"], row["attempt"]))
    ]  # fmt: skip


def _attempts(run: Run, image_url: str) -> list[Row]:
    prefix = f"{file_key(urlsplit(image_url).netloc.rpartition('@')[2].lower())}-"
    names = run.images.names()
    near = [name for name in names if name.startswith(prefix)]
    return [
        row
        for name in near or names
        for row in rows_of(run.images, name, "image_url", image_url, _IMAGE_COLUMNS)
    ]


def _decisions(run: Run, part: str, record_id: str) -> list[Row]:
    return [
        row
        for stage in DECIDING_STAGES
        for row in rows_of(run.decisions(stage), part, "record_id", record_id)
    ]


def _title_of(workspace: Workspace, run: Run, record_id: str) -> str | None:
    """The title of another record: as this run cleaned it, or as the newest release holds it."""
    part = part_of(run.cleaned, record_id)
    row: dict[str, Any] | None = None
    if part is not None:
        row = _one(rows_of(run.cleaned, part, "record_id", record_id, ["title"]))
    if row is not None:
        title: str | None = row["title"]
        return title
    return published_title(standing_releases(workspace.releases), record_id)

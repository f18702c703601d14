"""The audit: one record's whole way, from the pages that showed it to the releases that hold it.

Comes in: a workspace and a record id. Goes out: an `AuditStory`; captures and pictures are
re-checked while it is told. Runs are read newest first, by ranges, never by scanning pictures.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from provenance.captures import read_capture
from provenance.ledger import DECIDING_STAGES, Judgement, fate_of
from provenance.lookup import Row, lineage_row, part_of, rows_of, shard_row, site_of
from provenance.story import (
    Absence,
    AuditStory,
    DecisionLine,
    Holding,
    ImageAttempt,
    ImportedRow,
    LabelLine,
    RunStory,
    Sighting,
)
from release.manifest import read_manifest, release_folders
from runtime.errors import ConfigError
from runtime.stages import utc_text
from runtime.tables import IMAGES
from runtime.workspace import Run, Workspace, file_key

_IMAGE_COLUMNS = [name for name in IMAGES.schema.names if name != "image"]
_LEVELS = ("class_name", "sub_class_name", "subsub_class_name")


def audit(workspace: Workspace, record_id: str) -> AuditStory:
    """The story of a record; raises ConfigError when no run and no release knows it."""
    releases = release_folders(workspace.releases)
    holdings = [held for folder in releases if (held := _holding(folder, record_id)) is not None]
    runs = [
        story
        for run in reversed(workspace.runs())
        if (story := _run_story(workspace, run, record_id)) is not None
    ]
    absences = [
        absence
        for run in reversed(workspace.runs())
        if (absence := _absence(run, record_id)) is not None
    ]
    if not runs and not holdings and not absences:
        raise ConfigError(
            f"record {record_id!r}: expected an id that a run or a release of "
            f"{workspace.folder} holds, such as <site>:<product id>; found it in none"
        )
    return AuditStory(record_id, tuple(runs), tuple(holdings), tuple(absences))


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


def _holding(release: Path, record_id: str) -> Holding | None:
    row = lineage_row(release, record_id)
    if row is None:
        return None
    manifest = read_manifest(release)
    found = shard_row(release, manifest, record_id, row["split"], ["title", "sha256"])
    shard, place, facts = found or ("no shard", -1, {"title": "-", "sha256": "-"})
    return Holding(
        manifest.version, shard, place, row["split"], row["leak_group"], row["first_release"],
        facts["title"], facts["sha256"],
    )  # fmt: skip


def _run_story(workspace: Workspace, run: Run, record_id: str) -> RunStory | None:
    sightings = _sightings(run, record_id)
    imported = None
    part = part_of(run.listings, record_id)
    if run.is_imported:
        part = part_of(run.annotations, record_id)  # those that were rejected, too
        imported = _imported(run, part, record_id) if part else None
    listing = _one(rows_of(run.listings, part, "record_id", record_id)) if part else None
    if not sightings and listing is None and imported is None:
        return None
    cleaned = _one(rows_of(run.cleaned, part, "record_id", record_id)) if part else None
    decisions = _decisions(run, part, record_id) if part else []
    judgements = [Judgement(r["record_id"], r["stage"], r["rule"], r["verdict"]) for r in decisions]
    title_of = partial(_title_of, workspace, run)
    return RunStory(
        run_id=run.run_id,
        fate=fate_of(judgements),
        sightings=tuple(sightings),
        kept_page=listing["page_url"] if listing else None,
        title=cleaned["title"] if cleaned else None,
        images=tuple(_images(run, listing["image_url"] if listing else None)),
        label=_label(run, part, record_id) if part else None,
        decisions=tuple(
            DecisionLine(
                row["stage"], row["rule"], row["verdict"], row["reason"], row["value"],
                row["threshold"], row["peer_id"],
                title_of(row["peer_id"]) if row["peer_id"] not in (None, record_id) else None,
            )
            for row in decisions
        ),
        first_seen=_instant(listing, "first_seen"),
        last_seen=_instant(listing, "last_seen"),
        imported=imported,
    )  # fmt: skip


def _one(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None


def _sightings(run: Run, record_id: str) -> list[Sighting]:
    rows = rows_of(run.sightings, site_of(record_id), "record_id", record_id)
    return [
        Sighting(
            row["page_url"], row["page_kind"], row["position"], row["title"], row["image_url"],
            row["category_paths"], row["extracted_by"], row["opt_out"],
            read_capture(run.captures / row["capture_file"], row["capture_offset"]),
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
        row["title"], [row[level] for level in _LEVELS if row[level] is not None],
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


def _label(run: Run, part: str, record_id: str) -> LabelLine | None:
    row = _one(rows_of(run.labels, part, "record_id", record_id))
    if row is None:
        return None
    names = [row[level] for level in _LEVELS if row[level] is not None]
    return LabelLine(row["mapped"], names, row["label_rule"], row["evidence"])


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
    for release in reversed(release_folders(workspace.releases)):
        held = _holding(release, record_id)
        if held is not None:
            return held.title
    return None

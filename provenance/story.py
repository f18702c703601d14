"""The story of one record: what `audit` found, as data, as text and as JSON.

Plain frozen dataclasses of strings and numbers, so that JSON is the data itself; instants are
ISO 8601 text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from provenance.captures import Capture


@dataclass(frozen=True)
class Sighting:
    """The product as one page showed it, with its capture checked now."""

    page_url: str
    page_kind: str
    position: int
    title: str | None
    image_url: str | None
    category_paths: list[list[str]]
    extracted_by: str
    opt_out: str | None
    capture: Capture


@dataclass(frozen=True)
class ImportedRow:
    """The record as the copy states it that it was imported from.

    `file` and `file_sha256` are those of the annotations, `row` counts from 1, `byte` is where it
    starts; `label` runs from class to the deepest level stated.
    """

    file: str
    file_sha256: str
    row: int
    byte: int
    img_path: str | None
    title: str | None
    label: list[str]
    picture_sha256: str | None


@dataclass(frozen=True)
class ImageAttempt:
    """One attempt to fetch the picture."""

    image_url: str
    attempt: int
    outcome: str
    status: int | None
    fetched_at: str
    sha256: str | None
    error: str | None


@dataclass(frozen=True)
class DecisionLine:
    """One decision; `peer_title` is the title of the record it names."""

    stage: str
    rule: str
    verdict: str
    reason: str | None
    value: str | None
    threshold: float | None
    peer_id: str | None
    peer_title: str | None


@dataclass(frozen=True)
class LabelLine:
    """The label and what it was read from; `names` runs from class to the deepest level."""

    mapped: bool
    names: list[str]
    rule: str
    evidence: str


@dataclass(frozen=True)
class RunStory:
    """What one run saw of the record and decided."""

    run_id: str
    fate: str | None
    sightings: tuple[Sighting, ...]
    kept_page: str | None
    title: str | None
    images: tuple[ImageAttempt, ...]
    label: LabelLine | None
    decisions: tuple[DecisionLine, ...]
    first_seen: str | None = None
    last_seen: str | None = None
    imported: ImportedRow | None = None


@dataclass(frozen=True)
class Absence:
    """A run that crawled the record's site and did not see it.

    `missed` are the complete crawls in a row without it, this one included if it was complete.
    """

    run_id: str
    first_seen: str
    last_seen: str
    last_run: str
    missed: int
    gone: bool


@dataclass(frozen=True)
class Holding:
    """A release that holds the record, and where."""

    version: str
    shard: str
    row: int
    split: str
    leak_group: str
    first_release: str
    title: str
    sha256: str | None


@dataclass(frozen=True)
class AuditStory:
    """Everything known of one record: runs and absences newest first, releases oldest first."""

    record_id: str
    runs: tuple[RunStory, ...]
    releases: tuple[Holding, ...]
    absences: tuple[Absence, ...] = ()

    @property
    def gone(self) -> bool:
        """Whether the shop has it no more, by the newest run that looked."""
        seen = self.runs[0].run_id if self.runs else ""
        return bool(self.absences) and self.absences[0].gone and self.absences[0].run_id > seen

    @property
    def fate(self) -> str | None:
        """What became of it in the newest run that saw it."""
        if self.runs:
            return self.runs[0].fate
        return "published" if self.releases else None

    def to_json(self) -> dict[str, Any]:
        """The story as values that `json.dumps` takes."""
        return {
            "record_id": self.record_id, "fate": self.fate, "gone": self.gone, **asdict(self)
        }  # fmt: skip

    def to_text(self) -> str:
        """The story for people, a fact a line."""
        gone = ", gone from the shop" if self.gone else ""
        lines = [f"{self.record_id}: {self.fate or 'not decided yet'}{gone}"]
        told: list[RunStory | Absence] = [*self.runs, *self.absences]
        for run in sorted(told, key=lambda run: run.run_id, reverse=True):
            if isinstance(run, Absence):
                lines += ["", f"run {run.run_id}: {_absence_line(run)}"]
                continue
            lines += ["", f"run {run.run_id}: {run.fate or 'not decided yet'}"]
            lines += [f"  {line}" for line in _run_lines(run)]
        for held in self.releases:
            lines += ["", f"release {held.version}: {held.shard} row {held.row}"]
            lines.append(f"  title {held.title}")
            lines.append(f"  split {held.split}, leak group {held.leak_group}")
            picture = f"image SHA-256 {held.sha256}" if held.sha256 else "no image"
            lines.append(f"  {picture}, first in {held.first_release}")
        return "\n".join(lines)


def _absence_line(absence: Absence) -> str:
    state = "gone" if absence.gone else "not gone yet"
    return (
        f"not seen; last seen at {absence.last_seen} in run {absence.last_run}, "
        f"complete crawls in a row without it: {absence.missed}, {state}"
    )


def _run_lines(run: RunStory) -> Iterator[str]:
    if run.first_seen and run.last_seen:
        yield f"first seen at {run.first_seen}, last at {run.last_seen}"
    if run.imported is not None:
        yield from _imported_lines(run.imported)
    for sighting in run.sightings:
        kept = ", kept" if sighting.page_url == run.kept_page else ""
        yield f"seen on {sighting.page_kind} page {sighting.page_url} #{sighting.position}{kept}"
        yield f"  title {sighting.title or '-'}"
        for path in sighting.category_paths:
            yield f"  category {' > '.join(path)}"
        yield f"  extracted by {sighting.extracted_by}"
        if sighting.opt_out:
            yield f"  the page opts out: {sighting.opt_out}"
        capture = sighting.capture
        state = capture.problem or f"intact, {capture.payload_digest}, {capture.date}"
        yield f"  capture {capture.file} at {capture.offset}: {state}"
    yield f"cleaned title {run.title or '-'}"
    for image in run.images:
        status = f" (HTTP {image.status})" if image.status is not None else ""
        rest = image.sha256 or image.error or "-"
        yield (
            f"image {image.image_url} attempt {image.attempt} at {image.fetched_at}: "
            f"{image.outcome}{status} {rest}"
        )
    if run.label is not None:
        names = " > ".join(run.label.names) or "none, held for review"
        yield f"label {names} by {run.label.rule}: {run.label.evidence}"
    for line in run.decisions:
        yield _decision_line(line)


def _imported_lines(row: ImportedRow) -> Iterator[str]:
    yield f"imported from {row.file}, row {row.row} at byte {row.byte}: no URL, date or capture"
    yield f"  SHA-256 of that file {row.file_sha256}"
    yield f"  title {row.title or '-'}"
    yield f"  label {' > '.join(row.label) or '-'}"
    yield f"  picture {row.img_path or '-'}: {row.picture_sha256 or 'not taken in'}"


def _decision_line(line: DecisionLine) -> str:
    text = f"{line.stage}: {line.verdict} by {line.rule}"
    if line.reason:
        text += f" ({line.reason})"
    if line.value:
        text += f", value {line.value}"
    if line.threshold is not None:
        text += f", threshold {line.threshold:g}"
    if line.peer_id:
        text += f", of {line.peer_id}"
        text += f" {line.peer_title}" if line.peer_title else ""
    return text

"""The story of one record: what `audit` found, as data and as JSON; `story_text` tells it.

Plain frozen dataclasses of strings and numbers, so that JSON is the data itself; instants are
ISO 8601 text.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from provenance.captures import Capture
from provenance.decision_line import DecisionLine


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
    source: str | None = None
    content_type: str | None = None
    sniffed_type: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    opt_out: str | None = None
    redirects: int | None = None
    redirect_url: str | None = None


@dataclass(frozen=True)
class Guess:
    """A category that was suggested for a record, how sure `by` was of it (0 to 1)."""

    category: str
    confidence: float
    by: str


@dataclass(frozen=True)
class LabelLine:
    """The label and what it was read from; `names` runs from class to the deepest level."""

    mapped: bool
    names: list[str]
    rule: str
    evidence: str
    suggestions: tuple[Guess, ...] = ()
    title_leaf: Guess | None = None
    contradicted: bool = False


@dataclass(frozen=True)
class Neighbour:
    """One of the records with the nearest pictures, and why it was or was not a copy.

    `where` is the release or the run that it was found in; the measures are those of
    `cleaning.copies.pairs.Pair`.
    """

    record_id: str
    title: str | None
    where: str
    same_bytes: bool
    bits: int
    pictures: str
    lightness: int
    chroma: int
    title_agreement: int
    verdict: str


@dataclass(frozen=True)
class TitleChange:
    """A title that is not what it was; `seen_in` and `since` name a run or a release."""

    seen_in: str
    since: str
    what: str
    before: str
    after: str


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
    title_raw: str | None = None
    removed_segments: tuple[str, ...] = ()
    language: str | None = None
    picture: str | None = None


@dataclass(frozen=True)
class LedgerStory:
    """What a release's ledger holds of the record that no run in the workspace tells any more."""

    release: str
    run_id: str
    fate: str | None
    decisions: tuple[DecisionLine, ...]


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
    """A release that holds the record, and where.

    `capture` is the one that its row names, of the run `run_id`, checked now; an imported record
    has none.
    """

    version: str
    shard: str
    row: int
    split: str
    leak_group: str
    first_release: str
    title: str | None
    sha256: str | None
    title_raw: str | None = None
    label: tuple[str, ...] = ()
    label_rule: str | None = None
    product_url: str | None = None
    image_url: str | None = None
    run_id: str | None = None
    capture: Capture | None = None
    is_current: bool = False


@dataclass(frozen=True)
class WithdrawnRelease:
    """A release that was withdrawn; what it held is not known any more. `at` is an ISO date."""

    version: str
    at: str
    reason: str


@dataclass(frozen=True)
class AuditStory:
    """Everything known of one record: runs and absences newest first, releases oldest first.

    `ledger` is what releases alone still know, oldest first.
    """

    record_id: str
    runs: tuple[RunStory, ...]
    releases: tuple[Holding, ...]
    absences: tuple[Absence, ...] = ()
    ledger: tuple[LedgerStory, ...] = ()
    title_changes: tuple[TitleChange, ...] = ()
    nearest: tuple[Neighbour, ...] = ()
    withdrawn: tuple[WithdrawnRelease, ...] = ()

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
        if self.ledger:
            return self.ledger[-1].fate
        return "published" if self.releases else None

    def to_json(self) -> dict[str, Any]:
        """The story as values that `json.dumps` takes."""
        return {
            "record_id": self.record_id, "fate": self.fate, "gone": self.gone, **asdict(self)
        }  # fmt: skip

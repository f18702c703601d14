"""The story of one record for people: a fact a line, in the order in which things happened.

Comes in: an `AuditStory`. Goes out: text; runs newest first, then what releases alone know, the
releases that hold the record, and the records with the nearest pictures.
"""

from __future__ import annotations

from collections.abc import Iterator

from provenance.captures import Capture
from provenance.story import (
    Absence,
    AuditStory,
    Holding,
    ImageAttempt,
    ImportedRow,
    LabelLine,
    Neighbour,
    RunStory,
    Sighting,
)


def story_text(story: AuditStory) -> str:
    """The whole story."""
    state = ", gone from the shop" if story.gone else ""
    lines = [f"{story.record_id}: {story.fate or 'not decided yet'}{state}"]
    told: list[RunStory | Absence] = [*story.runs, *story.absences]
    for run in sorted(told, key=lambda run: run.run_id, reverse=True):
        if isinstance(run, Absence):
            lines += ["", f"run {run.run_id}: {_absence_line(run)}"]
            continue
        lines += ["", f"run {run.run_id}: {run.fate or 'not decided yet'}"]
        lines += [f"  {line}" for line in _run_lines(run)]
    for known in story.ledger:
        lines += ["", f"run {known.run_id}, told by release {known.release}: {known.fate or '-'}"]
        lines += [f"  {line.to_text()}" for line in known.decisions]
    if story.title_changes:
        lines += ["", "titles over runs and releases"]
    for change in story.title_changes:
        lines.append(f"  {change.seen_in}, {change.what} since {change.since}:")
        lines.append(f"    {change.before} -> {change.after}")
    for held in story.releases:
        current = ", the current one" if held.is_current else ""
        lines += ["", f"release {held.version}{current}: {held.shard} row {held.row}"]
        lines += [f"  {line}" for line in _holding_lines(held)]
    lines += _withdrawn_lines(story)
    if story.nearest:
        lines += ["", "nearest pictures"]
        for neighbour in story.nearest:
            lines += [f"  {line}" for line in _neighbour_lines(neighbour)]
    return "\n".join(lines)


def _withdrawn_lines(story: AuditStory) -> Iterator[str]:
    """One line for all releases that went for the same reason."""
    reasons = dict.fromkeys(gone.reason for gone in story.withdrawn)
    for reason in reasons:
        told = [gone for gone in story.withdrawn if gone.reason == reason]
        versions, days = [gone.version for gone in told], sorted({gone.at for gone in told})
        named = f"release {versions[0]}"
        if len(told) > 1:
            named = f"{len(told)} releases from {versions[0]} to {versions[-1]}"
        yield ""
        yield f"{named}: withdrawn on {' to '.join(dict.fromkeys((days[0], days[-1])))} ({reason})"
        yield f"  what {'it' if len(told) == 1 else 'they'} held is not known any more"


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
        yield from _sighting_lines(sighting, kept=sighting.page_url == run.kept_page)
    if run.title_raw is not None:
        yield f"raw title {run.title_raw}"
    for segment in run.removed_segments:
        yield f"  taken out of it: {segment}"
    language = f" ({run.language})" if run.language else ""
    yield f"cleaned title {run.title or '-'}{language}"
    for image in run.images:
        yield from _image_lines(image)
    if run.picture:
        yield f"picture {run.picture}"
    if run.label is not None:
        yield from _label_lines(run.label)
    for line in run.decisions:
        yield line.to_text()


def _sighting_lines(sighting: Sighting, *, kept: bool) -> Iterator[str]:
    state = ", kept" if kept else ""
    yield f"seen on {sighting.page_kind} page {sighting.page_url} #{sighting.position}{state}"
    yield f"  title {sighting.title or '-'}"
    if sighting.image_url:
        yield f"  image {sighting.image_url}"
    for path in sighting.category_paths:
        yield f"  category {' > '.join(path)}"
    yield f"  extracted by {sighting.extracted_by}"
    if sighting.opt_out:
        yield f"  the page opts out: {sighting.opt_out}"
    yield f"  {_capture_line(sighting.capture)}"


def _capture_line(capture: Capture) -> str:
    state = capture.problem or f"intact, {capture.payload_digest}, {capture.date}"
    return f"capture {capture.file} at {capture.offset}: {state}"


def _image_lines(image: ImageAttempt) -> Iterator[str]:
    status = f" (HTTP {image.status})" if image.status is not None else ""
    rest = image.sha256 or image.error or "-"
    yield (
        f"image {image.image_url} attempt {image.attempt} at {image.fetched_at}: "
        f"{image.outcome}{status} {rest}"
    )
    told = {
        "from": image.source,
        "Content-Type": image.content_type,
        "by its bytes": image.sniffed_type,
        "ETag": image.etag,
        "Last-Modified": image.last_modified,
        "redirects": image.redirects or None,
        "redirected to": image.redirect_url,
        "opts out": image.opt_out,
        "note": image.error if image.sha256 else None,
    }
    facts = [f"{name} {value}" for name, value in told.items() if value is not None]
    if facts:
        yield f"  {', '.join(facts)}"


def _label_lines(label: LabelLine) -> Iterator[str]:
    names = " > ".join(label.names) or "none, held for review"
    yield f"label {names} by {label.rule}: {label.evidence}"
    for guess in label.suggestions:
        yield f"  suggested: {guess.category}, {guess.confidence:.2f} by {guess.by}"
    if label.title_leaf is not None:
        leaf = label.title_leaf
        against = ", which contradicts the path" if label.contradicted else ""
        yield f"  its title says: {leaf.category}, {leaf.confidence:.2f} by {leaf.by}{against}"


def _imported_lines(row: ImportedRow) -> Iterator[str]:
    yield f"imported from {row.file}, row {row.row} at byte {row.byte}: no URL, date or capture"
    yield f"  SHA-256 of that file {row.file_sha256}"
    yield f"  title {row.title or '-'}"
    yield f"  label {' > '.join(row.label) or '-'}"
    yield f"  picture {row.img_path or '-'}: {row.picture_sha256 or 'not taken in'}"


def _holding_lines(held: Holding) -> Iterator[str]:
    yield f"title {held.title or '-'}"
    yield f"split {held.split}, leak group {held.leak_group}"
    picture = f"image SHA-256 {held.sha256}" if held.sha256 else "no image"
    yield f"{picture}, first in {held.first_release}"
    if held.label:
        yield f"label {' > '.join(held.label)} by {held.label_rule}"
    if held.product_url:
        yield f"page {held.product_url}, image {held.image_url}"
    if held.run_id:
        yield f"taken from run {held.run_id}"
    if held.capture is not None:
        yield _capture_line(held.capture)


def _neighbour_lines(neighbour: Neighbour) -> Iterator[str]:
    title = f" {neighbour.title}" if neighbour.title else ""
    yield f"{neighbour.record_id}{title} ({neighbour.where})"
    same = "the same file, " if neighbour.same_bytes else ""
    yield (
        f"  {same}{neighbour.bits} bits between {neighbour.pictures}, lightness differs by "
        f"{neighbour.lightness}, colours by {neighbour.chroma}, titles share "
        f"{neighbour.title_agreement} of 32"
    )
    yield f"  {neighbour.verdict}"

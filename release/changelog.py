"""A release's `CHANGELOG.md`: what each version added, removed and changed, newest first.

Every entry is written from the counts of its manifest, above the text of the release before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from release.manifest import Manifest
from release.markdown import code, plain

CHANGELOG = "CHANGELOG.md"
_HEAD = "# Changes\n"
_REMOVING = ("removed",)


def changelog(manifest: Manifest, before: Manifest | None, earlier: str | None) -> str:
    """The whole text; `earlier` is that of the release before, `before` its manifest."""
    lines = "".join(f"- {line}\n" for line in _lines(manifest, before))
    entry = f"## {manifest.version}\n\n{lines}"
    rest = "" if earlier is None else earlier.removeprefix(_HEAD)
    return f"{_HEAD}\n{entry}{rest}"


def earlier_changelog(parent: Path | None) -> str | None:
    """The text of the release before; None where it has none."""
    path = None if parent is None else parent / CHANGELOG
    return path.read_text(encoding="utf-8") if path is not None and path.is_file() else None


def _lines(manifest: Manifest, before: Manifest | None) -> Iterator[str]:
    counts = manifest.counts
    since = f", {before.version} had {before.counts.records:,}" if before is not None else ""
    yield f"{counts.records:,} records{since}; made by run {manifest.run_id}."
    if counts.added:
        yield f"Added: {counts.added:,} ({_by_site(manifest, before)})."
    if counts.removed:
        why = "taken down" if _is_takedown(manifest, before) else _by_rule(manifest)
        yield f"Removed: {counts.removed:,} ({why})."
    if counts.changed:
        yield f"Changed in place: {counts.changed:,}; titles, pictures and labels as of this run."
    if before is None:
        return
    if before.schema_sha256 != manifest.schema_sha256:
        yield "The schema has other columns; every shard was written again."
    if before.fingerprint != manifest.fingerprint:
        yield f"Fingerprints of another version: {code(manifest.fingerprint or 'none')}."
    for site, terms in manifest.sites.items():
        if site in before.sites and before.sites[site] != terms:
            yield f"Terms of {plain(site)} are stated anew."
    if before.name != manifest.name:
        yield f"Renamed from {plain(before.name)}."


def _is_takedown(manifest: Manifest, before: Manifest | None) -> bool:
    """Whether a takedown made it: it is no run's, and the list of what was taken down grew."""
    if before is None or before.run_id != manifest.run_id:
        return False
    return before.tombstones != manifest.tombstones


def _by_site(manifest: Manifest, before: Manifest | None) -> str:
    """Net growth of each site that grew."""
    grown = Counter(manifest.counts.sites)
    grown.subtract(before.counts.sites if before is not None else {})
    named = [f"{plain(site)} {count:+,}" for site, count in sorted(grown.items()) if count > 0]
    return ", ".join(named) or "as many left their sites"


def _by_rule(manifest: Manifest) -> str:
    rules = manifest.runs[manifest.run_id].rules if manifest.run_id in manifest.runs else ()
    named = [f"{code(r.rule)} {r.count:,}" for r in rules if r.verdict in _REMOVING]
    return ", ".join(named)

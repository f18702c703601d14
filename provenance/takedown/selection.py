"""What a takedown is about: from ids, URLs, prefixes, sites or pictures to the records they mean.

In comes a request and the workspace; out goes everything that was recorded of those records under
any name. Every table and every release is read by the columns that name records, never pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from provenance.takedown.part_files import sealed_parts
from release.ledger_files import ledger_files
from release.lineage import FINGERPRINTS_FILE, LINEAGE_FILE
from release.manifest import read_manifest, release_folders
from runtime.tombstones import (
    IMAGE,
    PREFIX,
    SITE,
    TombstoneFile,
    Tombstones,
    prefix_key,
    url_key,
)
from runtime.workspace import Run, Workspace

_ID = "record_id"
_NAMING = (
    _ID, "product_id", "product_url", "image_url", "page_url", "page_kind", "img_path", "sha256",
    "url", "target_url", "redirect_url", "kind", "peer_id", "leak_group", "site",
)  # fmt: skip
_URLS = ("product_url", "image_url", "page_url", "url", "target_url", "redirect_url")


@dataclass(frozen=True)
class Request:
    """What somebody asked to be taken down; `pictures` are SHA-256 of image takedowns."""

    records: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


@dataclass
class Found:
    """What the workspace has of it: names as they were recorded, and pictures by SHA-256.

    `recorded` are those of the ids of which it has anything at all.
    """

    ids: set[str] = field(default_factory=set)
    recorded: set[str] = field(default_factory=set)
    urls: set[str] = field(default_factory=set)
    product_urls: set[str] = field(default_factory=set)
    product_ids: set[str] = field(default_factory=set)
    pictures: set[str] = field(default_factory=set)


def find(workspace: Workspace, request: Request) -> Found:
    """Everything recorded of what is asked for; tables are read several times, pictures never."""
    found = Found(ids=set(request.records), pictures=set(request.pictures))
    keys = set(map(url_key, request.urls))
    starts = tuple(map(prefix_key, request.prefixes))

    def asked(url: str) -> bool:
        key = url_key(url)
        return key in keys or key.startswith(starts) if starts else key in keys

    _records_asked_for(workspace, request, found, asked if keys or starts else None)
    _names_of_records(workspace, found)
    _redirects(workspace, found)
    _without_shared(workspace, request, found)
    return found


def requested_by(workspace: Workspace, file: TombstoneFile) -> Request:
    """What a tombstone file means here: the ids and URLs whose hashes it has."""
    stones = Tombstones((file,))
    ids: set[str] = set()
    urls: set[str] = set()
    for kind, rows in tables(workspace):
        if _ID in rows.schema.names:
            named = pc.unique(rows[_ID]).to_pylist()
            ids.update(record_id for record_id in named if stones.on_left(record_id))
        for column in _URLS:
            if column in rows.schema.names and not kind.startswith("imported"):
                named = pc.unique(rows[column]).to_pylist()
                urls.update(url for url in named if url and stones.on_url(url))
    of_kind = {kind: tuple(e.value for e in stones.of_kind(kind)) for kind in (PREFIX, SITE, IMAGE)}
    return Request(
        tuple(sorted(ids)), tuple(sorted(urls)), of_kind[PREFIX], of_kind[SITE], of_kind[IMAGE]
    )


def tables(workspace: Workspace) -> Iterator[tuple[str, pa.Table]]:
    """(kind, rows) of every table of runs and releases, as far as their columns name records."""
    for run in workspace.runs():
        for path in sealed_parts(run.folder):
            kind = path.relative_to(run.folder).parts[0]
            yield _imported(kind, run), _naming(path)
    for folder in release_folders(workspace.releases):
        manifest = read_manifest(folder)
        paths = [LINEAGE_FILE, FINGERPRINTS_FILE]
        paths += [Path(entry.path) for entry, _ in manifest.shards]
        paths += [Path(entry.path) for entry in ledger_files(manifest)]
        for path in paths:
            yield path.parts[0], _naming(folder / path)


def _imported(kind: str, run: Run) -> str:
    return f"imported {kind}" if run.is_imported else kind


def _naming(path: Path) -> pa.Table:
    names = set(pq.read_schema(path).names)
    return pq.read_table(path, columns=[name for name in _NAMING if name in names])


def _is_in(rows: pa.Table, column: str, values: set[str]) -> pa.Array | None:
    if column not in rows.schema.names or not values:
        return None
    return pc.is_in(rows[column], value_set=pa.array(sorted(values), pa.string()))


def _add_ids(found: Found, rows: pa.Table) -> None:
    found.ids.update(rows[_ID].to_pylist())


def _records_asked_for(workspace: Workspace, request: Request, found: Found, asked: object) -> None:
    urls: set[str] = set()
    for kind, rows in tables(workspace):
        if _ID in rows.schema.names:
            for site in request.sites:
                _add_ids(found, rows.filter(pc.starts_with(rows[_ID], f"{site}:")))
        if callable(asked):
            for column in _URLS:
                if column in rows.schema.names and not kind.startswith("imported"):
                    values = pc.unique(rows[column]).to_pylist()
                    urls.update(url for url in values if url and asked(url))
        if request.pictures and "sha256" in rows.schema.names:
            of = rows.filter(_is_in(rows, "sha256", set(request.pictures)))
            if _ID in of.schema.names:
                _add_ids(found, of)
    found.urls |= urls
    if not urls:
        return
    for _, rows in tables(workspace):
        if _ID not in rows.schema.names:
            continue
        for column in ("product_url", "image_url"):
            if (chosen := _is_in(rows, column, urls)) is not None:
                _add_ids(found, rows.filter(chosen))


def _names_of_records(workspace: Workspace, found: Found) -> None:
    """URLs, product ids and pictures of the records."""
    for kind, rows in tables(workspace):
        chosen = _is_in(rows, _ID, found.ids)
        if chosen is None:
            continue
        for row in rows.filter(chosen).to_pylist():
            found.recorded.add(row[_ID])
            own = row.get("product_url")
            found.product_urls.update([own] if own else [])
            pages = [row.get("page_url")] if row.get("page_kind") == "product" else []
            for url in (own, row.get("image_url"), row.get("img_path"), *pages):
                found.urls.update([url] if url else [])
            if kind != "sightings" and row.get("sha256"):
                found.pictures.add(row["sha256"])
            if row.get("product_id"):
                found.product_ids.add(row["product_id"])


def _redirects(workspace: Workspace, found: Found) -> None:
    """Pages and pictures that only lead to those of the records, and what theirs lead to."""
    before = -1
    while before != len(found.urls):
        before = len(found.urls)
        for kind, rows in tables(workspace):
            if kind == "links":
                rows = rows.filter(pc.equal(rows["kind"], "redirect"))
                chosen = _is_in(rows, "target_url", found.urls)
                if chosen is not None:
                    found.urls.update(rows.filter(chosen)["page_url"].to_pylist())
            elif kind == "images" and (chosen := _is_in(rows, "image_url", found.urls)) is not None:
                of = rows.filter(chosen)
                found.urls.update(url for url in of["redirect_url"].to_pylist() if url)
                found.pictures.update(sha for sha in of["sha256"].to_pylist() if sha)


def _without_shared(workspace: Workspace, request: Request, found: Found) -> None:
    """What others show as well stays theirs: their pictures' URLs, and bytes that are published.

    Not where the picture itself is taken down.
    """
    shared: set[str] = set()
    theirs: set[str] = set()
    for kind, rows in tables(workspace):
        if kind == "images" and not request.pictures:
            shared.update(_redirected_by_others(rows, found))
        if _ID not in rows.schema.names:
            continue
        chosen = _is_in(rows, _ID, found.ids)
        others = rows if chosen is None else rows.filter(pc.invert(chosen))
        if (same := _is_in(others, "image_url", found.urls)) is not None:
            shared.update(others.filter(same)["image_url"].to_pylist())
        if kind == "data" and (same := _is_in(others, "sha256", found.pictures)) is not None:
            theirs.update(others.filter(same)["sha256"].to_pylist())
    asked = set(map(url_key, request.urls))
    found.urls -= {url for url in shared if url_key(url) not in asked}
    found.pictures -= theirs - set(request.pictures)


def _redirected_by_others(rows: pa.Table, found: Found) -> list[str]:
    """Pictures to which other URLs than those that leave redirect as well."""
    own = _is_in(rows, "image_url", found.urls)
    target = _is_in(rows, "redirect_url", found.urls)
    if own is None or target is None:
        return []
    urls: list[str] = rows.filter(pc.and_not(target, own))["redirect_url"].to_pylist()
    return urls


def new_group_names(lineage: Sequence[tuple[str, str]], leaving: set[str]) -> dict[str, str]:
    """A new name for each leak group that is called after a record that leaves.

    `lineage` are (record_id, leak_group) pairs; the smallest id that stays names the group.
    """
    names: dict[str, str] = {}
    for record_id, group in lineage:
        if group in leaving and record_id not in leaving:
            names[group] = min(names.get(group, record_id), record_id)
    return names

"""How attempts become words: the rows of an image part, folded into the index one by one.

In comes a part; for every URL, out goes what counts of all attempts: the last `ok` with its bytes,
when it was last confirmed, where it redirects to, or what was forbidden since.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from typing import Any

import pyarrow as pa

from runtime.image_bytes import DROPPED
from runtime.image_parts import ImagePartName
from runtime.workspace import Run

FORBIDDEN = frozenset({"robots", "opted_out"})
"""Outcomes that take back what was received earlier."""
_TAKING_BACK = FORBIDDEN | {DROPPED}

# `last` is the outcome of this run's last attempt; the rest is what counts of all attempts.
SCHEMA = """
CREATE TABLE parts(name TEXT PRIMARY KEY, sha256 TEXT NOT NULL);
CREATE TABLE urls(
  url TEXT PRIMARY KEY, host TEXT, place INTEGER, listed INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0, last TEXT,
  outcome TEXT, part TEXT, row INTEGER, sha256 TEXT, etag TEXT, modified TEXT,
  checked REAL, checked_part TEXT,
  redirect TEXT, redirects INTEGER, redirect_part TEXT) WITHOUT ROWID;
CREATE TABLE resolved(
  url TEXT PRIMARY KEY, outcome TEXT NOT NULL, part TEXT, row INTEGER, sha256 TEXT) WITHOUT ROWID;
CREATE INDEX plan ON urls(host, place);
CREATE INDEX moved ON urls(place) WHERE redirect IS NOT NULL AND listed;
"""
_WORD = """
INSERT INTO urls(url, attempts, last, outcome, part, row, sha256, etag, modified, checked,
  checked_part, redirect, redirects, redirect_part)
VALUES (:url, :own, :last, :outcome, :part, :row, :sha256, :etag, :modified, :at, :part,
  :redirect, :redirects, :part)
ON CONFLICT(url) DO UPDATE SET attempts = attempts + :own, last = COALESCE(:last, last)"""
_COUNTS = """, outcome = :outcome, part = :part, row = :row, sha256 = :sha256, etag = :etag,
  modified = :modified, checked = :at, checked_part = :part, redirect = NULL"""
_UPSERTS = {
    "ok": _WORD + _COUNTS,
    "forbidden": _WORD + _COUNTS,
    # What was received stays; where nothing was, the answer is of no use.
    "not_modified": _WORD
    + """, etag = COALESCE(:etag, etag), modified = COALESCE(:modified, modified),
  checked = :at, checked_part = :part, outcome = COALESCE(outcome, :outcome),
  part = COALESCE(part, :part), row = COALESCE(row, :row)""",
    "redirect": _WORD
    + """, checked = :at, redirect = :redirect, redirects = :redirects, redirect_part = :part,
  part = IIF(outcome = 'ok', part, :part), row = IIF(outcome = 'ok', row, :row),
  outcome = IIF(outcome = 'ok', outcome, :outcome)""",
    "failed": _WORD
    + """, part = IIF(outcome = 'ok', part, :part), row = IIF(outcome = 'ok', row, :row),
  outcome = IIF(outcome = 'ok', outcome, :outcome)""",
}
_FOLDED = (
    "image_url", "outcome", "sha256", "fetched_at", "etag", "last_modified", "redirect_url",
    "redirects",
)  # fmt: skip


def fold_part(db: sqlite3.Connection, run: Run, name: str, nowhere: Collection[int] = ()) -> None:
    """Fold one image part of `run` in; attempts are counted for the run that made them.

    The rows `nowhere` had a picture whose bytes no part and no release has any more: they are as
    good as never received.
    """
    own = ImagePartName.parse(name).run_id in (None, run.run_id)
    row_number = 0
    for batch in run.images.stream(name, _FOLDED):
        for row in _rows(batch):
            if row_number in nowhere:
                row |= {"outcome": DROPPED, "sha256": None, "etag": None, "last_modified": None}
            outcome = row["outcome"]
            kind = "forbidden" if outcome in _TAKING_BACK else outcome
            db.execute(
                _UPSERTS.get(kind, _UPSERTS["failed"]),
                {
                    "url": row["image_url"], "own": int(own), "outcome": outcome,
                    "last": outcome if own else None, "part": name, "row": row_number,
                    "sha256": row["sha256"], "at": row["fetched_at"] / 1e6,
                    "etag": row.get("etag"), "modified": row.get("last_modified"),
                    "redirect": row.get("redirect_url"), "redirects": row.get("redirects"),
                },
            )  # fmt: skip
            row_number += 1


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The batch's rows; instants as microseconds, since pyarrow imports pandas to make others."""
    columns = (
        column.view(pa.int64()) if pa.types.is_timestamp(column.type) else column
        for column in batch.columns
    )
    for values in zip(*(column.to_pylist() for column in columns), strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))

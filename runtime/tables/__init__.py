"""The tables of a run, one module each: what a row is, and every column with its meaning."""

from runtime.tables.absent import ABSENT
from runtime.tables.annotations import ANNOTATIONS
from runtime.tables.cleaned import CLEANED
from runtime.tables.column import Column, Table
from runtime.tables.decisions import DECISIONS, VERDICTS
from runtime.tables.fingerprints import FINGERPRINT, FINGERPRINTS, REPRINTS
from runtime.tables.images import IMAGES
from runtime.tables.known import KNOWN
from runtime.tables.labels import LABELS
from runtime.tables.lineage import LINEAGE
from runtime.tables.links import LINKS
from runtime.tables.listings import LISTINGS
from runtime.tables.pages import PAGES
from runtime.tables.sightings import SIGHTINGS
from runtime.tables.survivors import SURVIVORS

__all__ = [
    "ABSENT",
    "ANNOTATIONS",
    "CLEANED",
    "DECISIONS",
    "FINGERPRINT",
    "FINGERPRINTS",
    "IMAGES",
    "KNOWN",
    "LABELS",
    "LINEAGE",
    "LINKS",
    "LISTINGS",
    "PAGES",
    "REPRINTS",
    "SIGHTINGS",
    "SURVIVORS",
    "VERDICTS",
    "Column",
    "Table",
]

"""Where a record comes from: a crawl of its shop, or an existing copy of MEP-3M.

An imported record has no page, URL, date or capture; whoever shows or checks records asks here
which of the two one is.
"""

from __future__ import annotations

CRAWLED = "crawled"
IMPORTED = "imported"
PROVENANCES = (CRAWLED, IMPORTED)

IMPORTED_SITE = "mep3m"
"""Stands where crawled records have their shop; no configured site may have this key."""

MEP3M_TERMS = "https://github.com/ChenDelong1999/MEP-3M"
MEP3M_LICENCE = "academic research only, as its authors ask"

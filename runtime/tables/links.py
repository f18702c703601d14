"""Links: from page to page, with the words and the place of each."""

import pyarrow as pa

from runtime.tables.column import TEXT, Column, Table

LINKS = Table(
    "links",
    "a link that a page offered and the site file follows",
    (
        Column("site", TEXT, "short key of the shop", False),
        Column("page_url", TEXT, "canonical URL of the page with the link", False),
        Column("position", pa.int32(), "place among the page's links, from 0", False),
        Column("target_url", TEXT, "canonical URL it leads to", False),
        Column("kind", TEXT, "category, next, product, sitemap or redirect", False),
        Column("anchor_text", TEXT, "words of the link"),
        Column("trail", pa.list_(pa.string()), "headings the link stands under, outermost first"),
    ),
)

"""The dataset card: `README.md` of a release, every figure taken from the manifest.

The YAML head is what the Hugging Face hub and `datasets.load_dataset` read; the text below says
to people what is in the release, under which terms it was taken, and what was left out and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from release.manifest import Manifest, ReleaseCounts, RuleCount
from release.schema import COLUMNS
from runtime.origins import IMPORTED_SITE

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGER = ((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"))
_FATE_WORDS = {
    "published": "published",
    "duplicate": "duplicate of another record",
    "rejected": "rejected by a rule",
    "held": "held: no category yet",
    "merged": "another sighting of the same record",
    "removed": "removed after an opt-out",
}


def size_category(records: int) -> str:
    """The hub's name for a number of records."""
    return next((name for bound, name in (*_SIZES, *_LARGER) if records < bound), "n>100M")


def card(manifest: Manifest, languages: Sequence[str]) -> str:
    """The card's Markdown."""
    sections = (
        _head(manifest, languages),
        _introduction(manifest),
        "## Records\n\n" + _records(manifest),
        "## Sites and terms\n\n" + _sites(manifest),
        "## Classes\n\n" + _classes(manifest),
        "## What became of every sighting\n\n" + _fates(manifest),
        "## Rules that decided\n\n" + _rules(manifest),
        "## Columns\n\n" + _columns(manifest),
        "## Known limits\n\n" + _LIMITS,
    )
    return "\n".join(section.rstrip("\n") + "\n" for section in sections)


def _head(manifest: Manifest, languages: Sequence[str]) -> str:
    lines = ["---", f"pretty_name: {manifest.name} {manifest.version}", "language:"]
    lines += [f"- {language}" for language in languages]
    lines += ["license: other", "license_name: terms-of-each-shop", "size_categories:"]
    lines += [f"- {size_category(manifest.counts.records)}", "task_categories:"]
    pictured = manifest.counts.records > manifest.counts.without_picture
    lines += ["- image-classification"] if pictured else []
    lines += ["- text-classification", "tags:", "- e-commerce"]
    lines += ["- product-images"] if pictured else []
    lines += ["- product-titles", "- mep-3m", "configs:"]
    lines += ["- config_name: default", "  data_files:"]
    for split in manifest.counts.splits:
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    return "\n".join([*lines, "---"])


def _introduction(manifest: Manifest) -> str:
    parent = f", grown from {manifest.parent.version}" if manifest.parent else ""
    return (
        f"# {manifest.name} {manifest.version}\n\n"
        "Product pictures and titles from e-commerce pages, labelled with the categories of "
        "MEP-3M (14 classes, 599 sub-classes, 89 sub-sub-classes). "
        + " ".join(_origins(manifest.counts))
        + f"\n\nThis is release {manifest.version}{parent}, made by {manifest.software}. "
        "`manifest.json` lists every file with its SHA-256."
    )


def _origins(counts: ReleaseCounts) -> Iterator[str]:
    imported = counts.sites.get(IMPORTED_SITE, 0)
    if counts.records > imported:
        yield (
            f"{'Every record' if not imported else 'Every crawled record'} names the page it was "
            "taken from and when, and carries the bytes of its picture as the shop served them."
        )
    if imported:
        yield (
            f"{imported:,} records were imported from an existing copy of MEP-3M (`provenance` is "
            "`imported`): they have no URL, date or capture; `imported_path` leads to their row."
        )
    if counts.without_picture:
        yield f"{counts.without_picture:,} records are titles alone, without a picture."


def _records(manifest: Manifest) -> str:
    counts = manifest.counts
    rows = [(split, f"{count:,}") for split, count in counts.splits.items()]
    rows.append(("all", f"{counts.records:,}"))
    spans = [time for _, f in manifest.shards for time in (f.fetched_from, f.fetched_to) if time]
    taken = f"Pages were captured from {min(spans)} to {max(spans)}. " if spans else ""
    return (
        _table(("split", "records"), rows, numbers=1)
        + f"\n{taken}This release added {counts.added:,} records and removed {counts.removed:,}; "
        f"the pictures take {counts.image_bytes / 2**20:,.1f} MiB.\n"
    )


def _sites(manifest: Manifest) -> str:
    rows = []
    for site, count in manifest.counts.sites.items():
        terms = manifest.sites.get(site)
        url = terms.terms_url if terms and terms.terms_url else "not stated"
        licence = terms.licence if terms and terms.licence else "not stated"
        rows.append((_cell(site), _cell(licence), _cell(url), f"{count:,}"))
    return (
        "The records stay under the terms of the shop they come from.\n\n"
        + _table(("site", "licence", "terms", "records"), rows, numbers=1)
    )  # fmt: skip


def _classes(manifest: Manifest) -> str:
    total = manifest.counts.records
    ordered = sorted(manifest.counts.classes.items(), key=lambda pair: (-pair[1], pair[0]))
    rows = [(_cell(name), f"{count:,}", f"{count / total:.1%}") for name, count in ordered]
    return _table(("class", "records", "share"), rows, numbers=2)


def _fates(manifest: Manifest) -> str:
    rows = []
    for run_id, run in manifest.runs.items():
        rows.append((run_id, "sightings", f"{run.sightings:,}"))
        rows += [("", words, f"{run.fates.get(f, 0):,}") for f, words in _FATE_WORDS.items()]
    return (
        "Every sighting of a product met one of these fates; a record published before and seen "
        "again counts as published.\n\n" + _table(("run", "fate", "count"), rows, numbers=1)
    )


def _rules(manifest: Manifest) -> str:
    totals: Counter[tuple[str, str, str]] = Counter()
    for run in manifest.runs.values():
        totals.update(_by_rule(run.rules))
    rows = [
        (stage, _cell(f"`{rule}`"), verdict, f"{count:,}")
        for (stage, rule, verdict), count in sorted(totals.items())
    ]
    return (
        "Over all runs of this release, each decision with its reason and the measured value "
        "under `decisions/`.\n\n" + _table(("stage", "rule", "verdict", "count"), rows, numbers=1)
    )


def _by_rule(rules: Iterable[RuleCount]) -> Counter[tuple[str, str, str]]:
    return Counter({(rule.stage, rule.rule, rule.verdict): rule.count for rule in rules})


def _columns(manifest: Manifest) -> str:
    rows = [(f"`{c.name}`", _cell(c.description), c.unit, _cell(c.example)) for c in COLUMNS]
    table = _table(("column", "meaning", "unit", "example"), rows)
    if manifest.fingerprint is None:
        return table
    return table + (
        f"\nFingerprints are of version `{manifest.fingerprint}`: the algorithms, their resampling "
        "and whether JPEGs are decoded in full (`exact`) or at a reduced scale. Hashes of two "
        "versions cannot be compared.\n"
    )


_LIMITS = """\
- Labels follow from the shops' own categories by rules, not from people looking at pictures.
- Copies that carry a banner or are cropped may remain; colour variants are meant to remain.
- Shops change: a page may no longer show what its capture showed.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int = 0) -> str:
    """A Markdown table whose last `numbers` columns are set to the right."""
    rule = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *rows))

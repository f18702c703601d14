"""The dataset card: `README.md` of a release, the datasheet of it, every figure from its own data.

It says what is in the release, how it was collected and cleaned and by which rules, under which
terms, what it is of use for and what not, and how to check it, extend it, or leave it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from release.card_composition import classes, columns, composition, sites
from release.card_head import head
from release.contents import Contents
from release.manifest import Manifest, ReleaseCounts, RuleCount, RunFacts
from release.markdown import code, plain, table
from runtime.origins import IMPORTED_SITE

_FATE_WORDS = {
    "published": "published",
    "duplicate": "duplicate of another record",
    "rejected": "rejected by a rule",
    "held": "held: no category yet",
    "merged": "another sighting of the same record",
    "removed": "removed: a takedown, an opt-out, or a stricter rule",
}
_RESPECT = {
    "robots": "forbidden by robots.txt",
    "opted_out": "received, then left: the answer forbids use",
}
_RESTRICTED = ("opted_out", "noindex", "robots")


def card(manifest: Manifest, languages: Sequence[str], contents: Contents) -> str:
    """The card's Markdown; `contents` are the figures of the release's rows."""
    sections = (
        head(manifest, languages),
        _introduction(manifest),
        "## Motivation\n\n" + _MOTIVATION,
        "## Composition\n\n" + composition(manifest),
        "### Sites and terms\n\n" + sites(manifest, contents),
        "### Classes\n\n" + classes(manifest, contents),
        "### Columns\n\n" + columns(manifest),
        "## Collection\n\n" + _collection(manifest),
        "## Cleaning\n\n" + _cleaning(manifest),
        "### Labels\n\n" + _labels(manifest),
        "## Uses\n\n" + _USES,
        "## Distribution\n\n" + _distribution(manifest),
        "## Maintenance\n\n" + _maintenance(manifest),
    )
    return "\n".join(section.rstrip("\n") + "\n" for section in sections)


def _introduction(manifest: Manifest) -> str:
    parent = f", grown from {manifest.parent.version}" if manifest.parent else ""
    return (
        f"# {manifest.name} {manifest.version}\n\n"
        "Product pictures and titles from e-commerce pages, labelled with the categories of "
        "MEP-3M (14 classes, 599 sub-classes, 89 sub-sub-classes). "
        + " ".join(_origins(manifest.counts))
        + f"\n\nThis is release {manifest.version}{parent}, made by {manifest.software}. "
        "`manifest.json` lists every file with its SHA-256, `CHANGELOG.md` what each release "
        "changed.\n\n```python\nfrom datasets import load_dataset\n\n"
        'dataset = load_dataset("PATH/OF/THIS/FOLDER")\n```'
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


_MOTIVATION = """\
MEP-3M's pictures are hard to obtain and its rows name no source, date or hash. This dataset has the
same categories and a source for every row, so that it can be extended, checked and answered for.
"""


# -------------------------------------------------------------------------- collection


def _collection(manifest: Manifest) -> str:
    spans = [time for _, f in manifest.shards for time in (f.fetched_from, f.fetched_to) if time]
    taken = f"Pages were captured from {min(spans)} to {max(spans)}. " if spans else ""
    rows = [
        (run_id, what, plain(words), f"{count:,}")
        for run_id, run in manifest.runs.items()
        for what, words, count in _asked(run)
    ]
    asked = table(("run", "of", "outcome", "count"), rows, numbers=1) + "\n" if rows else ""
    told = (*_manners(manifest), *_overridden(manifest))
    manners = "".join(f"- {text}\n" for text in told)
    return (
        f"{taken}Each page is kept as a WARC capture with the crawl; `capture_file` and "
        f"`capture_offset` name it.\n\n{asked}{manners}"
    )


def _asked(run: RunFacts) -> Iterator[tuple[str, str, int]]:
    for what, outcomes in (("pages", run.pages), ("pictures", run.images)):
        for outcome, count in outcomes.items():
            yield what, _RESPECT.get(outcome, outcome), count


def _manners(manifest: Manifest) -> Iterator[str]:
    """Which rules of shops were kept, and how often they kept something out."""
    for run_id, run in manifest.runs.items():
        copy = run.settings.get("imported_sha256")
        if copy:
            yield f"Run {run_id} took an existing copy in (SHA-256 {copy})."
            continue
        honour = run.settings.get("honour")
        heeded = ", ".join(map(str, honour)) if isinstance(honour, list) and honour else "none"
        robots = "kept" if run.settings.get("robots_txt", True) else "NOT kept"
        kept_out = sum(r.count for r in run.rules if r.rule.startswith(_RESTRICTED))
        yield (
            f"Run {run_id}: robots.txt {robots}; opt-outs honoured: {plain(heeded)}; records left "
            f"out for them: {kept_out:,}."
        )


def _overridden(manifest: Manifest) -> Iterator[str]:
    """What failed a gate before it was published all the same, by somebody's word."""
    for run_id, run in manifest.runs.items():
        gates = run.settings.get("accepted_gates")
        for gate in gates if isinstance(gates, list) else ():
            yield f"Run {run_id} was published although it failed a gate: {plain(gate)}."


# ---------------------------------------------------------------------------- cleaning


def _cleaning(manifest: Manifest) -> str:
    rows = []
    for run_id, run in manifest.runs.items():
        rows.append((run_id, "sightings", f"{run.sightings:,}"))
        rows += [("", words, f"{run.fates.get(f, 0):,}") for f, words in _FATE_WORDS.items()]
    fates = table(("run", "fate", "count"), rows, numbers=1)
    totals: Counter[tuple[str, str, str]] = Counter()
    for run in manifest.runs.values():
        totals.update(_by_rule(run.rules))
    rules = [
        (stage, code(rule), verdict, f"{count:,}")
        for (stage, rule, verdict), count in sorted(totals.items())
    ]
    return (
        "Every sighting of a product met one of these fates; a record published before and seen "
        f"again counts as published.\n\n{fates}\nOver all runs of this release these rules "
        "decided, each decision with its reason and the measured value under `decisions/`.\n\n"
        + table(("stage", "rule", "verdict", "count"), rules, numbers=1)
    )


def _by_rule(rules: Iterable[RuleCount]) -> Counter[tuple[str, str, str]]:
    return Counter({(rule.stage, rule.rule, rule.verdict): rule.count for rule in rules})


def _labels(manifest: Manifest) -> str:
    mapped, held = _over_runs(manifest, "mapped"), _over_runs(manifest, "held")
    rows = [
        (plain(site), f"{mapped[site]:,}", f"{held[site]:,}",
         f"{mapped[site] / (mapped[site] + held[site]):.1%}")
        for site in sorted(mapped.keys() | held.keys())
        if mapped[site] + held[site]
    ]  # fmt: skip
    said = (
        "Labels follow from the shops' own categories by rules (`label_rule`), not from people "
        "looking at pictures; what no rule can tell is held and not published.\n"
    )
    if not rows:
        return said
    return said + "\n" + table(("site", "mapped", "held", "mapped share"), rows, numbers=3)


def _over_runs(manifest: Manifest, what: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for run in manifest.runs.values():
        counts: Mapping[str, int] = getattr(run, what)
        total.update(counts)
    return total


# ------------------------------------------------------ uses, distribution, maintenance

_USES = """\
- Product classification by picture, by title or by both, at three levels; matching of pictures and
  titles; studies of near-duplicates (`phash`, `decisions/`).
- Not for telling who sells what at which price: neither is in it. Not as a sample of all products:
  it holds what these shops showed when they were crawled, as unevenly as the table of classes says.
- Copies that carry a banner or are cropped may remain; colour variants are meant to remain.
- Shops change: a page may no longer show what its capture showed.
"""


def _distribution(manifest: Manifest) -> str:
    taken = (
        "Records were taken down by request; the list of them, as keyed hashes, has the SHA-256 "
        f"`{manifest.tombstones}`. "
        if manifest.tombstones
        else "No record was taken down by request so far. "
    )
    return (
        "Plain Parquet in `data/`, with `croissant.json` for tools that read Croissant. Pictures "
        "and titles belong to those who made them; the terms of each site are in the table above. "
        + taken
        + "A record whose page opts out, or whose owner asks, leaves with the next release.\n"
    )


def _maintenance(manifest: Manifest) -> str:
    told = ""
    if manifest.parent is not None:
        before = f"`mep3m diff {manifest.parent.version} {manifest.version}`"
        told = f"{before} tells every difference to the release before. "
    made = f", commit `{manifest.commit}`" if manifest.commit else ""
    rows = [(plain(name), plain(version)) for name, version in manifest.environment.items()]
    return (
        f"`mep3m verify` checks every byte of a copy. {told}Versions: patch for removals and "
        "metadata, minor for new records, major where published records changed.\n\n"
        f"Made by {manifest.software}{made}, configuration `{manifest.config_digest}`, with:\n\n"
        + table(("part", "version"), rows)
    )

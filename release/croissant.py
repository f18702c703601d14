"""`croissant.json`: the release as Croissant 1.1 describes a dataset, with RAI fields and PROV-O.

Every file has its SHA-256, every column its type and description, each split is a file set. Where
it came from is told in PROV-O: the runs that made it, and the release that it grew from. Dates are
those of the data, so that equal releases have equal files.

Format: http://mlcommons.org/croissant/1.1 and http://mlcommons.org/croissant/RAI/1.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from release.croissant_context import CONTEXT
from release.manifest import FileEntry, Manifest
from release.schema import COLUMNS, PICTURE, ReleaseColumn
from runtime.origins import IMPORTED_SITE

CROISSANT = "croissant.json"
_RECORDS = "records"
_PARQUET = "application/x-parquet"
_FORMATS = {".md": "text/markdown", ".json": "application/json", ".parquet": _PARQUET}
_CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
_SHARDS = {
    "@type": "cr:FileSet",
    "@id": "shards",
    "name": "shards",
    "description": "The shards of all splits.",
    "encodingFormat": _PARQUET,
    "includes": "data/*.parquet",
}
_PASSING = ("kept", "published")
_CRAWLED = (
    "{count:,} records: product pages of shops were crawled and kept as WARC captures; pictures "
    "were kept as the shops served them. robots.txt and opt-outs were honoured as `manifest.json` "
    "says for each run."
)
_IMPORTED = "{count:,} records were imported from an existing copy of MEP-3M."
_TYPES = {
    pa.string(): "sc:Text", pa.int32(): "cr:Int32", pa.int64(): "cr:Int64",
    pa.uint64(): "cr:UInt64",
}  # fmt: skip


def croissant(manifest: Manifest, languages: Sequence[str]) -> str:
    """The file's text. The files that it names are those of the manifest so far."""
    day = f"{manifest.run_id[:4]}-{manifest.run_id[4:6]}-{manifest.run_id[6:8]}"
    value = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(_CONFORMS_TO),
        "name": manifest.name,
        "version": manifest.version,
        "description": (
            f"{manifest.counts.records:,} product titles from e-commerce pages, "
            f"{manifest.counts.records - manifest.counts.without_picture:,} of them with pictures, "
            "labelled with the categories of MEP-3M; every row names where it came from."
        ),
        "license": _licences(manifest),
        "url": "README.md",  # the card beside this file is the page about the dataset
        "creator": {"@type": "sc:Organization", "name": f"maintainers of {manifest.name}"},
        "datePublished": day,
        "inLanguage": list(languages),
        "keywords": ["e-commerce", "product images", "product titles", "MEP-3M"],
        "citeAs": f"{manifest.name}, release {manifest.version}, run {manifest.run_id}",
        "isLiveDataset": False,
        **_rai(manifest),
        **_provenance(manifest),
        "distribution": [*_files(manifest), _SHARDS],
        "recordSet": [_splits(manifest), _records(manifest)],
    }
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _licences(manifest: Manifest) -> list[str]:
    """What is stated for each site that has records."""
    found = []
    for site in manifest.counts.sites:
        terms = manifest.sites.get(site)
        said = " ".join(filter(None, (terms.licence, terms.terms_url))) if terms else ""
        found.append(f"{site}: {said or 'under the terms of the shop, not stated'}")
    return found


# ------------------------------------------------------------------ RAI and provenance


def _rai(manifest: Manifest) -> dict[str, Any]:
    spans = [time for _, f in manifest.shards for time in (f.fetched_from, f.fetched_to) if time]
    rules = {
        r.rule for run in manifest.runs.values() for r in run.rules if r.verdict not in _PASSING
    }
    imported = manifest.counts.sites.get(IMPORTED_SITE, 0)
    crawled = manifest.counts.records - imported
    value: dict[str, Any] = {
        "rai:dataCollection": " ".join(
            [_CRAWLED.format(count=crawled)] * bool(crawled)
            + [_IMPORTED.format(count=imported)] * bool(imported)
        ),
        "rai:dataCollectionType": ["Web Scraping"] * bool(crawled)
        + ["Secondary Data Analysis"] * bool(imported),
        "rai:dataPreprocessingProtocol": [
            f"Records were refused, merged or held by these rules: {', '.join(sorted(rules))}."
        ],
        "rai:dataAnnotationProtocol": [
            "Labels follow from the categories of shops by rules, or, of imported records, from "
            "what the copy states; `label_rule` names the rule."
        ],
        "rai:dataBiases": [
            "Classes are as uneven as the shops' assortments; README.md has the counts."
        ],
        "rai:dataUseCases": [
            "Classification of products by picture and title; matching of pictures and titles."
        ],
        "rai:dataLimitations": [
            "Copies with banners or crops may remain; labels were not checked by eye one by one."
        ],
        "rai:personalSensitiveInformation": [
            "Titles with contact details are refused; pictures may show models."
        ],
        "rai:dataReleaseMaintenancePlan": (
            "Releases grow; takedowns and opt-outs leave with the next release; CHANGELOG.md tells "
            "each change."
        ),
    }
    if crawled:
        value["rai:dataCollectionRawData"] = "WARC captures of pages, origin bytes of pictures."
    if spans:
        value["rai:dataCollectionTimeFrame"] = [min(spans), max(spans)]
    return value


def _provenance(manifest: Manifest) -> dict[str, Any]:
    """PROV-O: the runs that made it, and the sites and the release that it derives from."""
    agent = f"software/{manifest.software.replace(chr(32), chr(45))}"
    runs = [
        {
            "@type": "prov:Activity",
            "@id": f"run/{run_id}",
            "prov:startedAtTime": _instant(run_id),
            "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "@id": agent},
        }
        for run_id in manifest.runs
    ]
    return {"prov:wasGeneratedBy": runs, "prov:wasDerivedFrom": list(_sources(manifest))}


def _sources(manifest: Manifest) -> Iterator[dict[str, Any]]:
    for site in manifest.counts.sites:
        terms = manifest.sites.get(site)
        said = {"usageInfo": terms.terms_url} if terms and terms.terms_url else {}
        yield {"@type": "prov:Entity", "@id": f"site/{site}", "name": site, **said}
    if manifest.parent is not None:
        yield {
            "@type": "prov:Entity",
            "@id": f"release/{manifest.parent.version}",
            "sha256": manifest.parent.manifest_sha256,
        }


def _instant(run_id: str) -> str:
    day, time = run_id[:8], run_id[9:15]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}Z"


# ------------------------------------------------------------------- files and columns


def _files(manifest: Manifest) -> Iterator[dict[str, Any]]:
    for entry in manifest.files:
        yield {
            "@type": "cr:FileObject",
            "@id": entry.path,
            "name": entry.path,
            "description": _file_description(entry),
            "contentSize": f"{entry.bytes} B",
            "contentUrl": entry.path,
            "encodingFormat": _FORMATS.get(Path(entry.path).suffix, "application/octet-stream"),
            "sha256": entry.sha256,
        }


def _file_description(entry: FileEntry) -> str:
    if entry.shard is not None:
        return f"{entry.rows:,} records of the {entry.shard.split} split"
    return f"{entry.rows:,} rows" if entry.rows is not None else "for people to read"


def _splits(manifest: Manifest) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "Names of the splits.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {
                "@type": "cr:Field", "@id": "splits/name", "name": "splits/name",
                "description": "name of the split", "dataType": "sc:Text",
            }
        ],
        "data": [{"splits/name": split} for split in manifest.counts.splits],
    }  # fmt: skip


def _records(manifest: Manifest) -> dict[str, Any]:
    splits = "|".join(manifest.counts.splits)
    split = {
        "@type": "cr:Field",
        "@id": f"{_RECORDS}/split",
        "name": f"{_RECORDS}/split",
        "description": "split of the record, as the shard's name says",
        "dataType": "sc:Text",
        "source": {
            "fileSet": {"@id": "shards"},
            "extract": {"fileProperty": "fullpath"},
            # A reader that joins the splits' names applies it to those as well.
            "transform": {"regex": f"(?:^|data/)({splits})(?:-[^/]*[.]parquet)?$"},
        },
        "references": {"field": {"@id": "splits/name"}},
    }
    return {
        "@type": "cr:RecordSet",
        "@id": _RECORDS,
        "name": _RECORDS,
        "description": "One product of one shop each.",
        "key": {"@id": f"{_RECORDS}/record_id"},
        "field": [split, *map(_field, COLUMNS)],
    }


def _field(column: ReleaseColumn) -> dict[str, Any]:
    source: dict[str, Any] = {
        "fileSet": {"@id": "shards"}, "extract": {"column": column.name},
    }  # fmt: skip
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{_RECORDS}/{column.name}",
        "name": f"{_RECORDS}/{column.name}",
        "description": column.description,
        "source": source,
    }
    type_, depth = column.type, 0
    while pa.types.is_list(type_):
        type_, depth = type_.value_type, depth + 1
    if depth:
        field |= {"isArray": True, "arrayShape": ",".join(["-1"] * depth)}
    if type_ == PICTURE:
        source["transform"] = {"jsonPath": "bytes"}
        return {**field, "dataType": "sc:ImageObject"}
    if pa.types.is_timestamp(type_):
        return {**field, "dataType": "sc:DateTime"}
    return {**field, "dataType": _TYPES[type_]}

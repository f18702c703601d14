"""Which records are meant: by id, by a URL in any spelling, by a SHA-256, or by a picture's file.

Comes in: what was named, as typed. Goes out: the ids found and how. Columns of text are read a row
group at a time, of listings, sightings and releases; pictures never are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from w3lib.url import canonicalize_url

from cleaning.copies.pairs import Print, compare
from cleaning.copies.thresholds import NeighbourThresholds
from provenance.lookup import leaf_of
from provenance.nearest import nearest_published
from provenance.release_copy import open_copy, standing_releases
from release.lineage import FINGERPRINTS_FILE
from runtime.errors import ConfigError, PartError
from runtime.workspace import Workspace

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_URL = re.compile(r"https?://", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9]+")
_URLS = ("product_url", "page_url", "image_url")
NEAREST = 5
"""How many published pictures are named for a file that is none of them."""
_SPAN_ROWS = 65_536
Matches = Callable[[pa.ChunkedArray], pa.Array]


@dataclass(frozen=True)
class Match:
    """A record that was found, and by what."""

    record_id: str
    by: str


@dataclass(frozen=True)
class Search:
    """What was found; `exact` is False where the records are only near what was named."""

    named: str
    matches: tuple[Match, ...]
    exact: bool = True


def search(workspace: Workspace, named: str, bounds: NeighbourThresholds) -> Search:
    """The records that were named. Raises ConfigError, saying what was searched, for none."""
    if _URL.match(named):
        return _found(workspace, named, "URL", _by_url(workspace, named))
    if _SHA256.fullmatch(named):
        return _found(workspace, named, "SHA-256", _by_sha256(workspace, named.lower()))
    if Path(named).is_file():
        return _by_file(workspace, Path(named), bounds)
    if ":" in named:
        return Search(named, (Match(named, "its id"),))
    raise ConfigError(
        f"{named!r}: expected a record id such as <site>:<product id>, a URL, a SHA-256 of 64 hex "
        "digits or the file of a picture, got none of them"
    )


def _found(workspace: Workspace, named: str, kind: str, found: Iterable[Match]) -> Search:
    matches = {match.record_id: match for match in reversed(list(found))}
    if matches:
        return Search(named, tuple(matches[record_id] for record_id in sorted(matches)))
    runs, releases = len(workspace.runs()), len(standing_releases(workspace.releases))
    raise ConfigError(
        f"{kind} {named}: expected one of a record, found it in none of {runs} runs (pages, "
        f"products and pictures) and {releases} releases of {workspace.folder}"
    )


# ------------------------------------------------------------------------------- URLs


def _by_url(workspace: Workspace, url: str) -> list[Match]:
    """Records whose product, page or picture has the URL; else one that differs in spelling."""
    try:
        spelled = {url, str(canonicalize_url(url))}
        wanted = _Spelling.of(url)
    except ValueError as error:
        raise ConfigError(f"URL {url}: expected an absolute URL, got {error}") from error
    found = [match for _, match in _with_urls(workspace, _among(spelled))]
    if found:
        return found
    near = list(_with_urls(workspace, wanted.among))
    # `/shop?id=7&from=mail` is a spelling of `/shop?id=7`, and less so of `/shop`.
    shared = [len(_Spelling.of(url).query) for url, _ in near]
    return [match for (_, match), count in zip(near, shared, strict=True) if count == max(shared)]


@dataclass(frozen=True)
class _Spelling:
    """A URL without what does not tell pages apart: scheme, `www.`, port 80, escapes, a last slash.

    Parameters that the recorded URL lacks (of a session, of an advertisement) do not count either.
    """

    host: str
    path: str
    query: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, url: str) -> _Spelling:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").removeprefix("www.")
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
        if parts.port not in (None, 80, 443):
            host += f":{parts.port}"
        path = re.sub(r"/+", "/", unquote(parts.path.partition(";")[0])).rstrip("/")
        return cls(host, path, frozenset(parse_qsl(parts.query, keep_blank_values=True)))

    def among(self, urls: pa.ChunkedArray) -> pa.Array:
        """Which of many URLs are spellings of this one."""
        # Only URLs of the host that have the longest plain piece of the path are taken apart.
        near = pc.match_substring(urls, self.host, ignore_case=True).fill_null(False)
        longest = max(_PLAIN.findall(self.path), key=len, default="")
        plain = pc.match_substring(urls, longest).fill_null(False)
        escaped = pc.match_substring(urls, "%").fill_null(False)
        near = pc.and_(near, pc.or_(plain, escaped))
        if not pc.any(near).as_py():
            return near
        texts = urls.filter(near).unique().to_pylist()
        return _among(text for text in texts if self._is(text))(urls)

    def _is(self, url: str) -> bool:
        try:
            other = _Spelling.of(url)
        except ValueError:
            return False  # a shop may name pictures by what is no URL
        return (other.host, other.path) == (self.host, self.path) and other.query <= self.query


def _with_urls(workspace: Workspace, matches: Matches) -> Iterator[tuple[str, Match]]:
    """The URL that matches, and its record.

    Newest runs first, then what releases hold of records that no run tells any more.
    """
    for run in reversed(workspace.runs()):
        wanted = [(column, matches, column.replace("_url", " URL")) for column in _URLS]
        images = run.images
        led_here = {
            url: target
            for name in images.names()
            for target, url in _values(images.path(name), "redirect_url", "image_url", matches)
        }
        if led_here:
            wanted.append(("image_url", _among(led_here), "redirected image URL"))
        for folder in (run.listings, run.sightings):
            for name, (column, fits, what) in product(folder.names(), wanted):
                said = f"{what} in run {run.run_id}"
                for url, record_id in _values(folder.path(name), column, "record_id", fits):
                    yield led_here.get(url, url), Match(record_id, said)
    for release in reversed(standing_releases(workspace.releases)):
        for (entry, _), column in product(release.manifest.shards, _URLS):
            said = f"{column.replace('_url', ' URL')} in release {release.manifest.version}"
            for url, record_id in _values(
                release.folder / entry.path, column, "record_id", matches
            ):
                yield url, Match(record_id, said)


def _among(values: Iterable[str]) -> Matches:
    wanted = pa.array(sorted(set(values)), pa.string())
    return lambda column: pc.is_in(column, value_set=wanted)


def _values(path: Path, column: str, wanted: str, matches: Matches) -> list[tuple[str, str]]:
    """What matches in `column`, with the row's cell of `wanted`, which is read only then."""
    found: list[tuple[str, str]] = []
    try:
        with pq.ParquetFile(path) as file:
            if column not in file.schema_arrow.names:
                return []
            for groups in _spans(file, column):
                values = file.read_row_groups(groups, columns=[column])[column]
                places = pc.indices_nonzero(matches(values))
                if len(places):
                    cells = file.read_row_groups(groups, columns=[wanted])[wanted]
                    both = (values.take(places).to_pylist(), cells.take(places).to_pylist())
                    found += zip(*both, strict=True)
    except (OSError, pa.ArrowException) as error:
        raise PartError(path, f"cannot be read ({error})") from error
    return found


def _spans(file: pq.ParquetFile, column: str) -> Iterator[list[int]]:
    """Row groups to read at once: those of pictures are small. Such with nulls alone are not."""
    place = leaf_of(file, column)
    groups: list[int] = []
    rows = 0
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        told = group.column(place).statistics
        if told is not None and told.has_null_count and told.null_count == group.num_rows:
            continue
        groups.append(number)
        rows += group.num_rows
        if rows >= _SPAN_ROWS:
            yield groups
            groups, rows = [], 0
    if groups:
        yield groups


# --------------------------------------------------------------------------- pictures


def _by_sha256(workspace: Workspace, sha256: str) -> Iterator[Match]:
    def matches(digests: pa.ChunkedArray) -> pa.Array:
        return pc.equal(digests, sha256).fill_null(False)

    for run in reversed(workspace.runs()):
        for name in run.cleaned.names():
            for _, record_id in _values(run.cleaned.path(name), "sha256", "record_id", matches):
                yield Match(record_id, f"its picture in run {run.run_id}")
    for release in reversed(standing_releases(workspace.releases)):
        path = release.folder / FINGERPRINTS_FILE
        for _, record_id in _values(path, "sha256", "record_id", matches):
            yield Match(record_id, f"its picture in release {release.manifest.version}")


def _by_file(workspace: Workspace, path: Path, bounds: NeighbourThresholds) -> Search:
    """The records with the file's bytes, else the nearest published pictures."""
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    same = list(_by_sha256(workspace, sha256))
    if same:
        return _found(workspace, str(path), "picture", same)
    latest = workspace.latest_release()
    near = () if latest is None else _nearest(latest, path, bounds)
    if not near:
        raise ConfigError(
            f"{path}: expected the picture of a record, found its bytes (SHA-256 {sha256}) in no "
            "run and no release, and no published picture to compare it with"
        )
    return Search(str(path), tuple(near), exact=False)


def _nearest(release: Path, path: Path, bounds: NeighbourThresholds) -> Sequence[Match]:
    one = _print_of(path, open_copy(release).manifest.fingerprint)
    found = []
    for near in nearest_published(release, one, NEAREST):
        pair = compare(one, near.print, bounds)
        if pair is not None:
            state = f"no copy: {pair.apart}" if pair.apart else "a copy, its title aside"
            found.append(
                Match(near.record_id, f"{pair.bits} bits between {pair.pictures}: {state}")
            )
    return found


def _print_of(path: Path, version: str | None) -> Print:
    """The file's fingerprints in a version; ConfigError for what is no picture."""
    from cleaning.hashes import VERSIONS
    from cleaning.images.decoding import DecodedImage, decode
    from cleaning.images.fingerprints import fingerprint_batch

    modes = {name: mode for mode, name in VERSIONS.items()}
    if version is not None and version not in modes:
        raise ConfigError(
            f"{path}: expected a release whose fingerprints can be taken ({', '.join(modes)}), "
            f"got {version}; its picture can be looked up by its bytes alone"
        )
    image = decode(path.read_bytes(), mode=modes[version] if version else "exact")
    if not isinstance(image, DecodedImage):
        raise ConfigError(
            f"{path}: expected the file of a picture, got one that is refused as {image.rule} "
            f"({image.reason}); its bytes are no record's"
        )
    prints = fingerprint_batch([image])
    return Print(
        int(prints.phash[0]), int(prints.phash_trim[0]), prints.colour[0].tobytes(),
        prints.colour_trim[0].tobytes(), bytes(32),
    )  # fmt: skip

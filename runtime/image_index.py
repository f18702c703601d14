"""The image index: which picture URLs a run wants, and where the bytes of each one lie.

A local SQLite cache over listings and image parts, made anew whenever one of them changed. It
keeps the plan of `fetch` and the look-ups of `clean` out of memory, and knows which word counts:
the last `ok`, found through redirects to other hosts, unless a shop forbade its use later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

from runtime.errors import WorkspaceError
from runtime.image_bytes import DROPPED, dropped_rows
from runtime.image_parts import ImagePartName
from runtime.image_words import FORBIDDEN, SCHEMA, fold_part
from runtime.parts import PartFolder, Seal
from runtime.sqlite_files import is_intact, remove_database
from runtime.workspace import Run

_VERSION = 2
_CACHE_KIB = 8 * 1024  # the plan is in listing order, the table in that of URLs
_LOOKUP = 500  # URLs a statement: SQLite compiles one of a size once
_POLICY = "policy"  # a row of `parts` that is none; parts have a "/" in their names


@dataclass(frozen=True)
class ImagePlace:
    """The last word on one image URL: its outcome and, when `ok`, where the bytes lie."""

    outcome: str
    part: str
    row: int
    sha256: str | None


@dataclass(frozen=True)
class WantedImage:
    """A URL to ask for: attempts of this run so far, and the validators of the bytes at hand."""

    url: str
    attempts: int
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class RedirectRules:
    """The host that a URL is asked at, and how many redirects lead from one URL to another."""

    host_of: Callable[[str], str]
    most: int


class ImageIndex:
    """The index of one run."""

    def __init__(
        self,
        run: Run,
        *,
        read_only: bool = False,
        is_published: Callable[[str], bool] | None = None,
    ) -> None:
        """`is_published` says of a digest whether a release has the bytes: a picture that neither
        has any more is to be fetched again. None takes pictures to be where they were."""
        self.run = run
        self._is_published = is_published
        self.path = index_path(run)
        if read_only:
            if not self.path.is_file():
                raise WorkspaceError(
                    f"run {run.run_id}: expected its images fetched, found no {self.path.name}; "
                    "run `mep3m fetch` first"
                )
            self._db = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
            self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            if not _is_current(self._db):
                self._db.close()
                raise WorkspaceError(
                    f"{self.path}: expected an image index of this version, got another one; "
                    "run `mep3m fetch` again, which asks for nothing twice"
                )
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._db = _open_or_replace(self.path)

    @classmethod
    def of_finished(cls, run: Run) -> Self:
        """What a run's image parts hold, for looking up: from its index, or read again."""
        self = cls.__new__(cls)
        self.run, self.path = run, index_path(run)
        self._is_published = None
        if self.path.is_file():
            self._db = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
            try:
                if is_intact(self._db) and _is_current(self._db) and self._is_whole():
                    return self
            except sqlite3.DatabaseError:
                pass  # it is a cache
            self._db.close()
        self._db = sqlite3.connect("", isolation_level=None)  # on disk, gone when closed
        self._db.executescript(SCHEMA)
        self._db.execute("BEGIN")
        self._fold_new(run.images.seals())
        self._db.execute("COMMIT")
        return self

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _known(self, folder: PartFolder) -> dict[str, str]:
        """The folder's parts that are folded in, with their digests."""
        start = f"{folder.table.name}/"
        rows = self._db.execute("SELECT name, sha256 FROM parts WHERE name LIKE ?", (f"{start}%",))
        return {name.removeprefix(start): sha256 for name, sha256 in rows}

    def _is_folded(self, folder: PartFolder) -> bool:
        sealed = {name: seal.sha256 for name, seal in folder.seals().items()}
        return all(sealed.get(name) == sha256 for name, sha256 in self._known(folder).items())

    def _is_whole(self) -> bool:
        sealed = {name: seal.sha256 for name, seal in self.run.images.seals().items()}
        return sealed == self._known(self.run.images)

    def _is_in_order(self) -> bool:
        """Whether every part that is not folded in yet is newer than those of its host that are."""
        newest: dict[str, str] = {}
        known = self._known(self.run.images)
        for name in sorted(known):
            newest[ImagePartName.parse(name).host_key] = name
        new = (name for name in self.run.images.names() if name not in known)
        return all(name > newest.get(ImagePartName.parse(name).host_key, "") for name in new)

    def _has_policy(self, policy: str) -> bool:
        row = self._db.execute("SELECT sha256 FROM parts WHERE name = ?", (_POLICY,)).fetchone()
        return row is not None and row[0] == policy

    def refresh(
        self,
        wanted: Iterable[tuple[str, Iterable[tuple[str, str]]]],
        policy: str = "",
        redirects: RedirectRules | None = None,
    ) -> None:
        """Bring the index up to date.

        `wanted` gives, per listings part in order, the (url, host) pairs it names; `policy` says
        which settings chose them. Parts only ever appear; when one changed or went, or the
        policy changed, everything is folded in again. With `redirects`, what a wanted URL
        redirects to is wanted as well.
        """
        folded = self._is_folded(self.run.images) and self._is_folded(self.run.listings)
        self._db.execute("BEGIN")
        if not (folded and self._is_in_order() and self._has_policy(policy)):
            self._db.execute("DELETE FROM parts")
            self._db.execute("DELETE FROM urls")
        self._remember(_POLICY, policy)
        (place,) = self._db.execute("SELECT COALESCE(MAX(place), 0) FROM urls").fetchone()
        listings, known = self.run.listings.seals(), self._known(self.run.listings)
        for name, pairs in wanted:
            if name in known:
                continue
            for url, host in pairs:
                place += 1
                self._want(url, host, place, listed=True)
            self._remember(f"listings/{name}", listings[name].sha256)
        self._fold_new(self.run.images.seals())
        self._resolve(redirects)
        self._db.execute("COMMIT")

    def _remember(self, name: str, sha256: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO parts VALUES (?, ?)", (name, sha256))

    def _want(self, url: str, host: str, place: int, *, listed: bool) -> None:
        self._db.execute(
            "INSERT INTO urls(url, host, place, listed) VALUES (?, ?, ?, ?) ON CONFLICT(url)"
            " DO UPDATE SET host = excluded.host, place = COALESCE(place, excluded.place),"
            " listed = MAX(listed, excluded.listed)",
            (url, host, place, int(listed)),
        )

    def _fold_new(self, seals: Mapping[str, Seal]) -> None:
        known = self._known(self.run.images)
        for name, seal in seals.items():
            if name not in known:
                fold_part(self._db, self.run, name, self._nowhere(name, seal))
                self._remember(f"images/{name}", seal.sha256)

    def _nowhere(self, name: str, seal: Seal) -> set[int]:
        """Rows of a part whose bytes went from it, and lie in no release either."""
        published = self._is_published
        if published is None or not seal.counts.get(DROPPED):
            return set()
        rows = dropped_rows(self.run.images.path(name))
        return {row for row, sha256 in rows if not published(sha256)}

    def _resolve(self, redirects: RedirectRules | None) -> None:
        """Follow every wanted redirect to its last word, and want what it leads to."""
        self._db.execute("DELETE FROM resolved")
        before = 0
        while moved := self._db.execute(
            "SELECT place, url FROM urls WHERE redirect IS NOT NULL AND listed AND place > ?"
            " ORDER BY place LIMIT 1000",
            (before,),
        ).fetchall():
            before = moved[-1][0]
            for _, url in moved:
                place = self._followed(url, redirects)
                self._db.execute(
                    "INSERT INTO resolved VALUES (?, ?, ?, ?, ?)",
                    (url, place.outcome, place.part, place.row, place.sha256),
                )

    def _followed(self, url: str, redirects: RedirectRules | None) -> ImagePlace:
        """The last word on a URL that redirects; its own where the way leads to nothing better."""
        own = self._state(url)
        assert own is not None
        last: _State = own
        seen, hops = {url}, 0
        while last.redirect is not None:
            hops += 1 + last.redirects
            target = last.redirect
            if target in seen or (redirects is not None and hops > redirects.most):
                return own.place_or("redirect_loop")
            seen.add(target)
            found = self._state(target)
            if (found is None or not found.wanted) and redirects is not None:
                (place,) = self._db.execute("SELECT MAX(place) + 1 FROM urls").fetchone()
                self._want(target, redirects.host_of(target), place, listed=False)
            if found is None or found.place is None:
                return own.place_or("redirect")
            last = found
        assert last.place is not None
        if last.place.outcome == "ok" or last.place.outcome in FORBIDDEN:
            return last.place
        return own.place_or(last.place.outcome)

    def _state(self, url: str) -> _State | None:
        row = self._db.execute(
            "SELECT place IS NOT NULL, redirect, COALESCE(redirects, 0), checked_part,"
            " redirect_part, outcome, part, row, sha256 FROM urls WHERE url = ?",
            (url,),
        ).fetchone()
        if row is None:
            return None
        wanted, redirect, hops, checked, moved, *place = row
        found = None if place[0] is None else ImagePlace(*place)
        return _State(bool(wanted), redirect, hops, checked, moved, found)

    def hosts(self) -> list[str]:
        """Hosts that wanted URLs lie on, sorted."""
        rows = self._db.execute("SELECT DISTINCT host FROM urls WHERE place IS NOT NULL ORDER BY 1")
        return [host for (host,) in rows]

    def to_fetch(
        self,
        host: str,
        again: Sequence[str],
        max_attempts: int,
        *,
        oldest: float = float("-inf"),
        untried: bool = False,
    ) -> Iterator[WantedImage]:
        """The host's URLs that are worth asking for, in listing order.

        Those without a picture that this run did not try yet, or tried fewer than `max_attempts`
        times with an outcome in `again`; and those whose picture was last confirmed before
        `oldest` (seconds since the epoch). With `untried`, only what this run did not try at all.
        """
        marks = ", ".join("?" * len(again))
        # Confirmed is asked for again only where the bytes are gone.
        tried = (
            f"last IN ({marks}) AND attempts < ? AND (last != 'not_modified' OR outcome != 'ok')"
        )
        tried = "0" if untried else tried
        cursor = self._db.execute(
            "SELECT url, attempts, IIF(outcome = 'ok', etag, NULL), IIF(outcome = 'ok', modified,"
            " NULL) FROM urls WHERE host = ? AND place IS NOT NULL"
            " AND (outcome IS NULL OR outcome NOT IN ('ok', 'redirect') OR checked < ?)"
            f" AND (last IS NULL OR {tried}) ORDER BY place",
            (host, oldest) if untried else (host, oldest, *again, max_attempts),
        )
        for row in cursor:
            yield WantedImage(*row)

    def carried(self, host: str) -> Iterator[str]:
        """The host's wanted URLs that an earlier run answered and this one did not ask for."""
        cursor = self._db.execute(
            "SELECT url FROM urls WHERE host = ? AND place IS NOT NULL AND last IS NULL"
            " AND outcome IN ('ok', 'redirect') ORDER BY place",
            (host,),
        )
        for (url,) in cursor:
            yield url

    def unknown(self) -> Iterator[str]:
        """Wanted URLs of which no part at hand says anything."""
        cursor = self._db.execute(
            "SELECT url FROM urls WHERE place IS NOT NULL AND outcome IS NULL"
        )
        for (url,) in cursor:
            yield url

    def parts_of(self, url: str) -> set[str]:
        """The parts that a later run needs to know what this one knew of a URL.

        None unless its picture was had, or was had and may not be used any more.
        """
        parts: set[str] = set()
        seen: set[str] = set()
        state = self._state(url)
        while state is not None and state.place is not None:
            parts.add(state.place.part)
            if state.place.outcome == "ok" and state.checked_part:
                parts.add(state.checked_part)
            if state.redirect is None or state.redirect in seen:
                break
            parts.add(state.redirect_part or state.place.part)
            seen.add(state.redirect)
            state = self._state(state.redirect)
        own = self._state(url)
        ends = [place.outcome for s in (own, state) if s is not None and (place := s.place)]
        return parts if any(end == "ok" or end in FORBIDDEN for end in ends) else set()

    def places(self, urls: Iterable[str]) -> Mapping[str, ImagePlace]:
        """What is known of each URL that was attempted; redirects are followed."""
        found = {}
        remaining = iter(dict.fromkeys(urls))
        while chunk := list(islice(remaining, _LOOKUP)):
            marks = ", ".join("?" * len(chunk))
            # The second statement overrides the first: what a redirect leads to counts.
            for where in ("urls WHERE outcome IS NOT NULL AND", "resolved WHERE"):
                rows = self._db.execute(
                    f"SELECT url, outcome, part, row, sha256 FROM {where} url IN ({marks})", chunk
                )
                for url, *place in rows:
                    found[url] = ImagePlace(*place)
        return found

    def outcomes(self) -> dict[str, int]:
        """Listed URLs per outcome, redirects followed; `waiting` for those never attempted."""
        rows = self._db.execute(
            "SELECT COALESCE(r.outcome, u.outcome, 'waiting'), COUNT(*) FROM urls u"
            " LEFT JOIN resolved r USING (url) WHERE u.listed GROUP BY 1 ORDER BY 1"
        )
        return dict(rows.fetchall())


@dataclass(frozen=True)
class _State:
    """One row of the index; `place` is None for what was never attempted."""

    wanted: bool
    redirect: str | None
    redirects: int
    checked_part: str | None
    redirect_part: str | None
    place: ImagePlace | None

    def place_or(self, outcome: str) -> ImagePlace:
        """The bytes at hand, or a failure of that name."""
        assert self.place is not None
        if self.place.outcome == "ok":
            return self.place
        return ImagePlace(outcome, self.place.part, self.place.row, None)


def _is_current(db: sqlite3.Connection) -> bool:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return bool(version == _VERSION)


def _open_or_replace(path: Path) -> sqlite3.Connection:
    """The index for writing; a damaged one, or one of another version, is made anew."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        usable = is_intact(db) and _is_current(db)
    except sqlite3.DatabaseError:
        usable = False
    if not usable:
        db.close()
        remove_database(path)
        db = sqlite3.connect(path, isolation_level=None)
        db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    return db


def index_path(run: Run) -> Path:
    """Where a run's image index lies."""
    return run.folder / "image-index.sqlite"

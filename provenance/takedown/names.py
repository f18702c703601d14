"""What a takedown looks for: ids, URLs in any spelling, and whether a text mentions one of them.

Pure and by look-up in sets, so that ten thousand names cost a text no more than one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote, urljoin

from runtime.tombstones import prefix_key, url_key

SHORTEST_PRODUCT_ID = 6
"""Shorter ones stand in too many texts for something else: a price, a size."""
REMOVED = "removed"
"""What stands where a name stood."""
_TOKEN = re.compile(r"[^\s\"'<>,;()\[\]{}\\^`|\x00-\x1f]+")
_QUOTES = re.compile(r"[\"'<>\r\n]")
_SLASHES = re.compile(r"\\+(?=[/\"'])")
_ESCAPED = re.compile(r"(?:\\+u[0-9a-fA-F]{4})+")
_DIGITS = re.compile(r"u([0-9a-fA-F]{4})")
MOST_ENCODINGS = 3
"""How often a text may be percent-encoded over and over."""
_TRAILING = ".:!?&"
_POSITION = re.compile(r"#\d+$")


@dataclass(frozen=True)
class Names:
    """The names of what leaves, as they were recorded.

    `urls` are exact spellings; `prefixes` and `sites` are as they were asked for.
    """

    ids: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()
    product_ids: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    sites: frozenset[str] = frozenset()

    @cached_property
    def exact(self) -> frozenset[str]:
        """Ids and URLs together."""
        return self.ids | self.urls

    @cached_property
    def keys(self) -> frozenset[str]:
        """The URLs as `url_key` makes them."""
        return frozenset(map(url_key, self.urls))

    @cached_property
    def _paths(self) -> frozenset[str]:
        return frozenset(key[at:] for key in self.keys if (at := key.find("/")) > 0)

    @cached_property
    def _tails(self) -> frozenset[str]:
        return frozenset(_tail(key) for key in self.keys)

    @cached_property
    def _words(self) -> frozenset[str]:
        long = (name for name in self.product_ids if len(name) >= SHORTEST_PRODUCT_ID)
        return self.ids.union(long)

    @cached_property
    def _starts(self) -> tuple[str, ...]:
        return tuple(map(prefix_key, self.prefixes))

    def is_url(self, key: str) -> bool:
        """Whether a URL, as `url_key` makes it, is one of them."""
        return key in self.keys or any(key.startswith(start) for start in self._starts)

    def is_record(self, record_id: str) -> bool:
        """Whether a record leaves."""
        return record_id in self.ids or record_id.partition(":")[0] in self.sites

    def mentioned_in(self, text: str, base: str | None = None) -> bool:
        """Whether a text names one of them; URLs may be relative to `base`.

        Markup, JSON and percent-encoding are seen through.
        """
        return any(self._in_tokens(reading, base) for reading in _readings(text))

    def _in_tokens(self, text: str, base: str | None) -> bool:
        if any(self._is_named(token, base) for token in _TOKEN.findall(text)):
            return True
        between = (text.strip() for text in _QUOTES.split(text)) if self._is_spaced else ()
        return any(" " in spaced and self._is_named(spaced, base) for spaced in between)

    @cached_property
    def _is_spaced(self) -> bool:
        """Whether a URL has a space in it, which pages may write as it is."""
        return any("%20" in key for key in self.keys) or any("%20" in s for s in self._starts)

    def _is_named(self, token: str, base: str | None) -> bool:
        token = token.rstrip(_TRAILING)
        if token in self._words or token in self.urls or _POSITION.sub("", token) in self.urls:
            return True
        head, equals, rest = token.partition("=")
        if equals and "?" not in head and self._is_named(rest, base):
            return True  # an attribute without quotes, or a parameter that is a URL
        if not self._starts and _tail(token) not in self._tails:
            return False
        return any(map(self.is_url, self._keys_of(token, base))) or (
            base is None and _path_key(token) in self._paths
        )

    def _keys_of(self, token: str, base: str | None) -> Iterable[str]:
        try:
            start = token.find("http")
            if start >= 0 and "://" in token[start : start + 8]:
                yield url_key(token[start:])
            elif base is not None:
                yield url_key(urljoin(base, token))
            elif "/" in token:
                yield url_key(f"http://{token.lstrip('/')}")
        except ValueError:
            return  # no URL, whatever it looks like

    def without(self, text: str) -> str:
        """A text of the ledger with `removed` where it names one of them."""
        return _TOKEN.sub(
            lambda match: REMOVED if self._is_named(match[0], None) else match[0], text
        )


def _readings(text: str) -> Iterator[str]:
    """A text as it is meant where it is markup or JSON, and with percent-encodings undone."""
    plain = _SLASHES.sub("", html.unescape(text))
    plain = _ESCAPED.sub(_unescaped, plain)
    yield plain
    for _ in range(MOST_ENCODINGS):
        decoded = unquote(plain) if "%" in plain else plain
        if decoded == plain:
            return
        plain = decoded
        yield plain


def _unescaped(match: re.Match[str]) -> str:
    """What JSON writes as \\uXXXX, surrogate pairs together."""
    digits = "".join(_DIGITS.findall(match[0]))
    return bytes.fromhex(digits).decode("utf-16-be", "replace")


def _tail(url: str) -> str:
    """The last step of a URL's path, by which most texts are known not to name it."""
    path = url.partition("#")[0].partition("?")[0].rstrip("/")
    return unquote(path.rpartition("/")[2])


def _path_key(token: str) -> str | None:
    if not token.startswith("/"):
        return None
    try:
        return url_key(f"http://-{token}")[1:]
    except ValueError:
        return None

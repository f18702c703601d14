"""JSON in a page's scripts: `__NEXT_DATA__`, or what is assigned to a variable.

What follows the JSON is passed over. An object literal of JavaScript that is no JSON (bare keys,
single quotes, comments, trailing commas) is rewritten to JSON in one pass; code is never run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from crawler.sites.document import Document, Fields, Tile
from crawler.sites.queries import node_text, select, values_at
from crawler.sites.rules import EmbeddedRules, EmbeddedTiles, SiteFile
from crawler.sites.texts import clean, whole

NEXT_DATA = "script#__NEXT_DATA__"
MAX_ASSIGNMENTS = 10  # of one variable on one page
_DECODER = json.JSONDecoder(strict=False)
_COLON = re.compile(r"\s*:")
_START = re.compile(r"[\[{]")
_PARSE_CALL = re.compile(r"JSON\.parse\(\s*")
_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)"""
    r"""|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)"""
    r"""|(?P<word>[A-Za-z_$][\w$]*)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"""
    r"""|(?P<flag>![01])|(?P<mark>[{}\[\],:])""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_WORDS = {"true": "true", "false": "false"}


def embedded(page: Document, site: SiteFile) -> Fields:
    """The fields that the site file's paths find in the page's JSON."""
    found = Fields()
    for rules in site.embedded:
        for value in _documents(page, rules):
            found = Fields(
                found.title or _text_at(value, rules.title),
                found.image or _text_at(value, rules.image),
                found.category_path or _texts_at(value, rules.category_path),
            )
    return found


def embedded_tiles(page: Document, site: SiteFile) -> list[Tile]:
    """The products of a listing page in the page's JSON."""
    found = []
    for rules in site.embedded:
        if rules.listing is not None:
            for value in _documents(page, rules):
                for item in values_at(value, rules.listing.items):
                    tile = _tile(item, rules.listing)
                    if tile is not None:
                        found.append(tile)
    return found


def _tile(item: Any, rules: EmbeddedTiles) -> Tile | None:
    holes = re.findall(r"\{([^{}]*)\}", rules.url)
    url: str | None = rules.url
    if holes:
        for hole in holes:
            part = _text_at(item, hole)
            url = None if part is None or url is None else url.replace(f"{{{hole}}}", part)
    else:
        url = _text_at(item, rules.url)
    if url is None:
        return None
    title, image = _text_at(item, rules.title), _text_at(item, rules.image)
    return Tile(url, _text_at(item, rules.product_id), title, image)


def _text_at(value: Any, path: str | None) -> str | None:
    return None if path is None else next(iter(_texts(value, path)), None)


def _texts_at(value: Any, path: str | None) -> tuple[str, ...] | None:
    return None if path is None else tuple(_texts(value, path)) or None


def _texts(value: Any, path: str) -> Iterator[str]:
    for item in values_at(value, path):
        if isinstance(item, (str, int, float)) and not isinstance(item, bool):
            text = clean(whole(str(item)[:10_000]))
            if text:
                yield text


def _documents(page: Document, rules: EmbeddedRules) -> Iterator[Any]:
    """Every JSON value of the place that the rules name, in page order."""
    if rules.variable is not None:
        assigned = re.compile(re.escape(rules.variable) + r"""["'\]]*\s*[=:](?!=)\s*""")
        for number, match in enumerate(assigned.finditer(page.text)):
            if number == MAX_ASSIGNMENTS:
                return
            yield from _value_at(page.text, match.end())
        return
    for script in select(page.root, rules.script or NEXT_DATA):
        text = script if isinstance(script, str) else script.text or node_text(script)
        start = _START.search(text)
        if start is not None:
            yield from _value_at(text, start.start())


def _value_at(text: str, at: int) -> Iterator[Any]:
    """The JSON value that starts at `at`, if there is one."""
    call = _PARSE_CALL.match(text, at)
    if call is not None:
        literal = _TOKEN.match(text, call.end())
        if literal is None or literal["string"] is None:
            return
        text, at = _unquoted(literal["string"]), 0
    try:
        yield _DECODER.raw_decode(text, at)[0]
    except (ValueError, RecursionError):
        try:
            yield json.loads(_as_json(text, at), strict=False)
        except (ValueError, RecursionError):
            return


def _unquoted(literal: str) -> str:
    """The text of a JavaScript string literal."""

    def plain(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "xu" and len(code) > 1:
            return chr(int(code[1:], 16))
        return "" if code == "\n" else _PLAIN.get(code, code)

    return _ESCAPE.sub(plain, literal[1:-1])


def _as_json(text: str, at: int) -> str:
    """The JavaScript literal that starts at `at`, rewritten; ValueError for anything else."""
    parts: list[str] = []
    depth = 0
    while True:
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"expected a literal, got {text[at : at + 20]!r}")
        at, kind, word = token.end(), token.lastgroup, token[0]
        if kind == "space":
            continue
        if kind == "string":
            parts.append(json.dumps(_unquoted(word)))
        elif kind == "word":
            is_key = _COLON.match(text, at) is not None
            parts.append(json.dumps(word) if is_key else _WORDS.get(word, "null"))
        elif kind == "number" and _is_key(text, at, parts):
            parts.append(json.dumps(word))
        elif kind == "flag":
            parts.append("true" if word == "!0" else "false")
        else:
            if word in "]}" and parts and parts[-1] == ",":
                parts.pop()
            parts.append(word)
            depth += (word in "[{") - (word in "]}")
        if depth <= 0:
            return "".join(parts)


def _is_key(text: str, at: int, parts: list[str]) -> bool:
    return bool(parts) and parts[-1] in "{," and text[at : at + 1] == ":"

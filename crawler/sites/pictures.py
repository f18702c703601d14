"""Picture addresses: the best one that an element offers, and the original behind a proxy's.

Pages load pictures lazily (a stand-in in `src`, the address in another attribute), in several sizes
(`srcset`, `<picture>`), and through proxies that carry the original's address in their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from crawler.sites.queries import Element, Node, select

_INLINE = ("data:", "about:", "javascript:", "blob:")
# Names of pictures that only keep the place until the real one is loaded.
_STAND_IN_WORDS = frozenset(
    re.split(
        r"\s+",
        "spacer blank transparent pixel placeholder loading loader spinner lazy lazyload empty "
        "clear grey gray trans dot shim",
    )
)
_FILLERS = frozenset({"ajax", "x", "img", "image", "product", "default", "px"})
# From the address of the largest picture to that of the smallest.
_LAZY = (
    "data-zoom-image", "data-large_image", "data-full", "data-origin", "data-original",
    "data-lazy-img", "data-lazy-src", "data-lazy", "data-lazyload", "data-src", "data-image",
    "data-img", "data-url",
)  # fmt: skip
_SETS = ("srcset", "data-srcset", "data-lazy-srcset", "data-original-set", "imagesrcset")
_PICTURE_END = re.compile(r"\.(?:jpe?g|png|webp|gif|avif|bmp|tiff?)(?:[!@_].*)?$", re.IGNORECASE)
_CARRIERS = ("url", "src", "image", "img", "u", "imgurl", "image_url", "imageurl", "source", "href")
_PROXY_PATH = re.compile(
    r"/_next/image|/_vercel/image|/_image\b|/_ipx|image-?proxy|imgproxy|img-?resize|timthumb|thumb"
    r"|/resize|weserv|wsrv\.nl",
    re.IGNORECASE,
)
_HOSTLESS = re.compile(r"(?:^|\.)(?:weserv\.nl|wsrv\.nl)$")  # they take addresses without scheme
_FOLDED = ("/cdn-cgi/image/", "/_ipx/", "/image/fetch/", "/unsafe/", "/plain/")
_SPACE = re.compile(r"[\s,]*")
_WORD = re.compile(r"\S+")
_MAX_URL_CHARS = 8192
_MAX_LAYERS = 3


def is_stand_in(address: str) -> bool:
    """Whether an address is no picture of anything: inline data, a spacer, a blank GIF."""
    lowered = address.strip()[:_MAX_URL_CHARS].lower()
    if lowered.startswith(_INLINE) or not ("/" in lowered or "." in lowered):
        return True  # a word alone is a flag of a script: JD's data-lazy-img="done"
    name = lowered.partition("?")[0].rpartition("/")[2]
    stem, _, ending = name.partition(".")
    if len(stem) > 40 or ending not in ("gif", "png", "svg", "webp", "jpg", "jpeg"):
        return False
    words = {word for word in re.split(r"[-_\d]+", stem) if word}
    return stem == "1x1" or (bool(words & _STAND_IN_WORDS) and words <= _STAND_IN_WORDS | _FILLERS)


def srcset_candidates(text: str) -> Iterator[tuple[str, float]]:
    """(address, size) pairs of a `srcset`; a size is a width in pixels or 1000 per density.

    An address ends at white space, so it may hold commas (HTML standard, 4.8.4.3.10).
    """
    at = 0
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches everywhere
        word = _WORD.match(text, at)
        if word is None:
            return
        address, at = word[0], word.end()
        if address.endswith(","):
            yield address.rstrip(","), 1000.0
            continue
        end = text.find(",", at)
        end = len(text) if end < 0 else end
        yield address, _size(text[at:end])
        at = end


def _size(descriptor: str) -> float:
    words = descriptor.split()
    if not words:
        return 1000.0
    try:
        number = float(words[0][:-1][:12])
    except ValueError:
        return 0.0
    return number * 1000 if words[0][-1] == "x" else number


def largest_of(srcset: str) -> str | None:
    """The address of the largest candidate that is a picture; among equals the first."""
    best: tuple[float, str] | None = None
    for address, size in srcset_candidates(srcset):
        if not is_stand_in(address) and (best is None or size > best[0]):
            best = (size, address)
    return best and best[1]


def address_in(element: Element) -> str | None:
    """The best picture address that an element (`img`, `picture`, `source`, `a` …) offers."""
    for name in _LAZY:
        value = element.get(name)
        if value and not is_stand_in(value) and " " not in value.strip():
            return str(value).strip()
    for name in _SETS:
        value = element.get(name)
        if value and (found := largest_of(value)):
            return found
    if element.tag == "picture":
        inner = next(element.iter("img"), None)
        return _of_sources(element) if inner is None else address_in(inner)
    if element.tag == "img":
        # The parser takes <source> for an element with content, so the img may lie in it.
        picture = next(element.iterancestors("picture"), None)
        if picture is not None and (found := _of_sources(picture)):
            return found
    for name in ("src", "href", "content"):
        value = element.get(name)
        if value and not is_stand_in(value):
            return str(value).strip()
    return None


def _of_sources(picture: Element) -> str | None:
    for source in picture.iter("source"):
        for name in _SETS:
            value = source.get(name)
            if value and (found := largest_of(value)):
                return found
    return None


def picture_of(node: Element, queries: Iterable[str]) -> str | None:
    """The first picture address among the queries' results.

    Stand-ins are passed over; where a query finds nothing else, the elements that hold them are
    asked for the address that is loaded later. A query that selects an element gives its best.
    """
    passed: list[Element] = []
    for query in queries:
        for found in select(node, query):
            if not isinstance(found, str):
                address = address_in(found)
                if address is None:
                    inner = next(found.iter("img"), None)
                    address = None if inner is None else address_in(inner)
                if address is not None:
                    return address
                continue
            address = _named_by(found)
            if address is not None:
                return address
            if (owner := _owner(found)) is not None:
                passed.append(owner)
    return next((found for owner in passed if (found := address_in(owner))), None)


def _named_by(value: Node) -> str | None:
    if (getattr(value, "attrname", None) or "").endswith("srcset"):
        return largest_of(value)
    return None if is_stand_in(value) else str(value).strip()


def _owner(value: Node) -> Element | None:
    """The element whose attribute the value is."""
    parent = getattr(value, "getparent", None)
    return parent() if parent is not None and value.is_attribute else None


def original_of(url: str) -> str:
    """The picture's own address where `url` is a proxy's that carries it, else `url` itself.

    `url` is absolute. Image proxies name their source in the query (`/_next/image?url=…`) or
    in their path (`/cdn-cgi/image/width=80/https://…`).
    """
    for _ in range(_MAX_LAYERS):
        if len(url) > _MAX_URL_CHARS:
            return url
        inner = _in_path(url) or _in_query(url)
        if inner is None:
            return url
        url = inner
    return url


def _in_path(url: str) -> str | None:
    for mark in _FOLDED:
        at = url.find(mark)
        if at < 0 or "?" in url[:at]:
            continue
        rest = url[at + len(mark) :]
        for scheme in ("https://", "http://", "https:/", "http:/", "https%3a", "http%3a"):
            place = rest.lower().find(scheme)
            if place >= 0 and (place == 0 or rest[place - 1] == "/"):
                inner = rest[place:]
                inner = unquote(inner) if "%3" in scheme else inner
                return re.sub(r"^(https?:)/+", r"\1//", inner, flags=re.IGNORECASE)
        if mark in ("/cdn-cgi/image/", "/_ipx/"):
            _, slash, path = rest.partition("/")  # the options come first
            return urljoin(url, f"/{path}") if slash and path else None
    return None


def _in_query(url: str) -> str | None:
    if "?" not in url:
        return None
    parts = urlsplit(url)
    is_proxy = _PROXY_PATH.search(f"{parts.netloc}{parts.path}") is not None
    if _PICTURE_END.search(parts.path) and not is_proxy:
        return None
    try:
        pairs = parse_qsl(parts.query, max_num_fields=50)
    except ValueError:
        return None
    for name, value in pairs:
        if name.lower() not in _CARRIERS:
            continue
        value = value.strip()
        absolute = value.lower().startswith(("http://", "https://", "//"))
        if not (absolute or value.startswith("/") or is_proxy):
            continue
        path = value.partition("?")[0]
        rooted = absolute or value.startswith("/")
        if not (_PICTURE_END.search(path) or (is_proxy and rooted)):
            continue
        if not absolute and _HOSTLESS.search(parts.netloc) and "." in value.partition("/")[0]:
            value = f"//{value}"
        try:
            return urljoin(url, value)
        except ValueError:
            return None
    return None

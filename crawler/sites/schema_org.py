"""schema.org objects as shops write them, read into fields and tiles, whatever carried them.

JSON-LD and microdata both come in as objects with `@type` and properties. Which product is the
page's own, and which are variants or neighbours, is told by where they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urldefrag, urljoin

from crawler.sites.document import Fields, Schema, Tile
from crawler.sites.texts import clean, whole

MAX_OBJECTS = 20_000  # of one page; a catalogue of thousands stays below
_PRODUCTS = frozenset({
    "product", "productgroup", "productmodel", "individualproduct", "someproducts", "vehicle",
    "car", "motorcycle",
})  # fmt: skip
_LISTS = frozenset({"itemlist", "offercatalog"})
# What a page's own product or list is found under; other properties lead to neighbours.
_MAIN = (
    "@graph", "@included", "mainEntity", "mainEntityOfPage", "breadcrumb", "about", "subjectOf",
    "itemReviewed", "itemOffered", "hasPart",
)  # fmt: skip


class SchemaObjects:
    """The schema.org objects of one page, in its order."""

    def __init__(self, documents: Iterable[Any], url: str) -> None:
        self._url = url
        self._named: dict[str, Schema] = {}
        roots = list(documents)
        for node in _everything(roots):
            name = node.get("@id")
            if isinstance(name, str) and len(node) > 1:
                self._named.setdefault(name, node)
        self._main = [self._resolved(node) for node in _main_objects(roots)]

    def _resolved(self, value: Any) -> Any:
        """The object that a bare reference `{"@id": …}` stands for."""
        if isinstance(value, Mapping) and len(value) == 1 and "@id" in value:
            return self._named.get(str(value["@id"]), value)
        return value

    def fields(self) -> Fields:
        """Title, picture and category path of the page's own product."""
        product = self._product()
        crumbs = next(
            (path for node in self._main if is_a(node, {"breadcrumblist"})
             and (path := _trail(node.get("itemListElement")))),
            None,
        )  # fmt: skip
        if product is None:
            return Fields(category_path=crumbs)
        relatives = [product, *self._variants(product)]
        return Fields(
            next((t for node in relatives if (t := text_in(node.get("name")))), None),
            next((i for node in relatives if (i := self._image(node))), None),
            crumbs or _category(product.get("category")),
        )

    def _product(self) -> Schema | None:
        """The product whose URL is the page's, else the first one that has a name."""
        products: list[Schema] = [node for node in self._main if is_a(node, _PRODUCTS)]
        if len(products) > 1:
            for node in products:
                if self._is_page(url_of(node)):
                    return node
        return next((p for p in products if text_in(p.get("name"))), next(iter(products), None))

    def _is_page(self, url: str | None) -> bool:
        try:
            return url is not None and urldefrag(urljoin(self._url, url))[0] == self._url
        except ValueError:
            return False

    def _variants(self, product: Schema) -> Iterator[Schema]:
        for value in _listed(product.get("hasVariant")) + _listed(product.get("isVariantOf")):
            node = self._resolved(value)
            if isinstance(node, Mapping):
                yield node

    def _image(self, node: Schema) -> str | None:
        for name in ("image", "images", "photo", "thumbnailUrl"):
            for value in _listed(node.get(name)):
                value = self._resolved(value)
                if isinstance(value, Mapping):
                    value = next(
                        (v for key in ("contentUrl", "url", "@id", "thumbnailUrl")
                         if (v := _first(value.get(key)))), None,
                    )  # fmt: skip
                if isinstance(value, str) and (address := whole(value).strip()):
                    return address
        return None

    def tiles(self) -> list[Tile]:
        """The products of the page's lists, and those that stand for themselves, in order."""
        found: list[Tile] = []
        for node in self._main:
            if is_a(node, _LISTS):
                for _, item in sorted(_placed(node.get("itemListElement")), key=lambda p: p[0]):
                    found.extend(self._tile(item))
            elif is_a(node, _PRODUCTS):
                found.extend(self._tile(node))
        return found

    def _tile(self, item: Any) -> Iterator[Tile]:
        """An entry is a ListItem around a product, a product, or only its URL."""
        item = self._resolved(item)
        if isinstance(item, str):
            yield Tile(whole(item))
        if not isinstance(item, Mapping):
            return
        inner = self._resolved(_first(item.get("item")))
        own = [node for node in (inner, item) if isinstance(node, Mapping)]
        urls = [url_of(node) for node in own] + [inner if isinstance(inner, str) else None]
        url = next((u for u in urls if u), None)
        if url is not None:
            yield Tile(
                whole(url),
                None,
                next((t for node in own if (t := text_in(node.get("name")))), None),
                next((i for node in own if (i := self._image(node))), None),
            )


def _everything(roots: Sequence[Any]) -> Iterator[Schema]:
    """Every object of the documents, to a bound, so that references can be followed."""
    return _walk(
        roots, lambda node: [v for v in list(node.values())[::-1] if isinstance(v, (list, Mapping))]
    )


def _main_objects(roots: Sequence[Any]) -> Iterator[Schema]:
    """The objects that a document is about, and those that it names as its main ones."""
    return _walk(roots, lambda node: [node[key] for key in reversed(_MAIN) if key in node])


def _walk(roots: Sequence[Any], below: Callable[[Schema], list[Any]]) -> Iterator[Schema]:
    """Objects in document order, to a bound; `below` gives an object's members, last one first."""
    stack = list(reversed(roots))
    left = MAX_OBJECTS
    while stack and left:
        top = stack.pop()
        if isinstance(top, list):
            stack.extend(reversed(top))
        elif isinstance(top, Mapping):
            left -= 1
            yield top
            stack.extend(below(top))


def is_a(node: Schema, kinds: Iterable[str]) -> bool:
    """Whether one of the object's types is among `kinds` (lower case, without schema.org)."""
    return any(
        isinstance(name, str) and name.rstrip("/#").rpartition("/")[2].rpartition(":")[2].lower()
        in kinds
        for name in _listed(node.get("@type"))
    )  # fmt: skip


def text_in(value: Any) -> str | None:
    """A text, the first of several, or the value of one with a language; None for others."""
    value = _first(value)
    if isinstance(value, Mapping):
        value = value.get("@value") or value.get("name")
    return clean(value) or None if isinstance(value, str) else None


def url_of(node: Schema) -> str | None:
    """The address of an object's own page."""
    offers = _first(node.get("offers"))
    for value in (
        node.get("url"), node.get("@id"),
        offers.get("url") if isinstance(offers, Mapping) else None,
    ):  # fmt: skip
        value = _first(value)
        if isinstance(value, Mapping):
            value = value.get("@id")
        if isinstance(value, str) and value.strip() and not value.startswith(("#", "_:")):
            return value.strip()
    return None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _first(value: Any) -> Any:
    if isinstance(value, list):
        return value[0] if value else None
    return value


def _placed(value: Any) -> list[tuple[float, Any]]:
    return [(_position(item, place), item) for place, item in enumerate(_listed(value))]


def _position(item: Any, fallback: int) -> float:
    try:
        return float(item["position"])
    except (TypeError, KeyError, ValueError, OverflowError):
        return float(fallback)


def _trail(value: Any) -> tuple[str, ...] | None:
    placed = sorted(_placed(value), key=lambda pair: pair[0])
    return tuple(name for _, item in placed if (name := _crumb(item))) or None


def _crumb(item: Any) -> str | None:
    if not isinstance(item, Mapping):
        return None
    inner = _first(item.get("item"))
    return text_in(item.get("name")) or (
        text_in(inner.get("name")) if isinstance(inner, Mapping) else None
    )


def _category(value: Any) -> tuple[str, ...] | None:
    """A path written as one text, "Clothing > Shoes"; a single word is no path."""
    text = text_in(value) or ""
    path = tuple(part for piece in text.split(">") if (part := piece.strip()))
    return path if len(path) > 1 else None

"""The last resort: an unknown product page read as a person would, at low confidence.

The title is the main heading, or what the window's title shares with the page; the picture is the
one that best fits the heading by its words, size and place; the category path is whatever looks
like breadcrumbs. Where nothing is convincing there is no field: a wrong one is worse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import urldefrag

from lxml import etree

from crawler.sites.document import Document, Fields
from crawler.sites.pictures import address_in
from crawler.sites.queries import Element, node_text
from crawler.sites.texts import clean

MAX_PICTURES = 300  # in page order: a product's own is among the first
MAX_CRUMBS = 50
MAX_LEAVES = 50
MAX_TEXT_CHARS = 300
_FRAME = re.compile(
    r"head(?:er)?|nav\w*|menu|foot(?:er)?|logo|brand|banner|aside|sidebar|cookie|modal|popup"
    r"|cart|basket|minicart|search|social|share|related|recommend\w*|upsell|crosssell|similar"
    r"|recent\w*|also|review\w*|comment\w*|carousel-related|payment\w*|newsletter|ads?|advert\w*"
)
_PRODUCT = re.compile(
    r"product\w*|gallery|main|primary|detail\w*|zoom\w*|large|big|full|photo|preview|goods|item"
    r"|spec|sku|image|img|pic\w*|featured|hero"
)
_DECORATION = re.compile(
    r"logo|icons?|banner|avatar|flag|sprite|rating|stars?|badge|payment|visa|button|btn|arrow|pixel"
    r"|spacer|captcha|qr\w*|facebook|twitter|cart|search|ads?|advert\w*|loading|thumbs?|tracking|bg"
)
_CRUMBS = re.compile(
    r"breadcrumbs?|bread|crumbs?|crumb\w*|breadcrumb\w*|pathway|trail|you-?are-?here|weizhi"
)
_WORD = re.compile(r"[a-z]+")
_SEPARATORS = re.compile(r"\s+[-–—|·•:»/]\s+|[_|»]+|\s{2,}")
_ARROWS = re.compile(r"\s*(?:[>›»→|·•]|->)+\s*|\s+[/\\]\s+")
_EDGES = " \t\n>›»→/|·•:-\\"  # what may stand around a name in breadcrumbs
_LEAD = re.compile(
    r"^(?:you are (?:here|in)|(?:您|你)?(?:当前|现在|所在)的?位置)\s*[::]*\s*", re.IGNORECASE
)
_PICTURE_HREF = re.compile(r"\.(?:jpe?g|png|webp|gif|avif)(?:\?|$)", re.IGNORECASE)
_H1 = etree.XPath("//h1")
_IMAGES = etree.XPath("//img[not(ancestor::noscript)]")
_NOSCRIPT_IMAGES = etree.XPath("//noscript//img")
_TITLE = etree.XPath("string(//title)", smart_strings=False)
_NAMED = etree.XPath("//*[@class or @id or @aria-label or @itemtype]")
_LINKED = etree.XPath("//*[count(a) > 0 and count(a) < 9 and not(self::p)]")
_SHOWN = etree.XPath(
    "//body//*[self::h2 or self::h3 or self::b or self::strong or self::font or self::td"
    " or self::div or self::p or self::span or self::big]"
)


def generic(page: Document) -> Fields:
    """What an unknown page most likely shows."""
    heading, title = _heading(page.root)
    return Fields(title, _picture(page, heading, title), _crumbs(page.root, title))


def _words(element: Element) -> set[str]:
    """Words of an element's class and id: `product-image__main` is product, image, main."""
    names = f"{element.get('class') or ''} {element.get('id') or ''}"
    names = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", names[:500])
    return set(_WORD.findall(names.lower()))


def _fits(words: set[str], pattern: re.Pattern[str]) -> bool:
    return any(pattern.fullmatch(word) for word in words)


def _in_frame(element: Element) -> bool:
    """Whether the element belongs to what surrounds every page, or to other products."""
    for parent in element.iterancestors():
        if parent.tag in ("header", "nav", "footer", "aside"):
            return True
        if parent.tag in ("body", "html", "main", "article"):
            return False
        words = _words(parent)
        if _fits(words, _FRAME) and not _fits(words, _PRODUCT):
            return True
    return False


def _heading(root: Element) -> tuple[Element | None, str | None]:
    """The main heading and its text; of several, the one that the window's title shares most."""
    window = clean(_TITLE(root))[:MAX_TEXT_CHARS]
    best: tuple[float, Element, str] | None = None
    for heading in _H1(root)[:50]:
        text = node_text(heading)[:MAX_TEXT_CHARS]
        if not text:
            continue
        score = _likeness(text, window) + (0.0 if _in_frame(heading) else 1.0)
        if best is None or score > best[0]:
            best = (score, heading, text)
    if best is not None:
        return best[1], best[2]
    return _headless(root, window)


def _headless(root: Element, window: str) -> tuple[Element | None, str | None]:
    """Without a heading: the longest piece of the window's title that the page shows as a text."""
    pieces = [p for piece in _SEPARATORS.split(window) if len(p := piece.strip()) > 2]
    wanted = {" ".join(p.split()) for p in (window, *pieces)}
    found: dict[str, Element] = {}
    for element in _SHOWN(root)[:5_000]:
        text = element.text
        if text and len(text) <= 2 * MAX_TEXT_CHARS and (text := clean(text)) in wanted:
            found.setdefault(text, element)
    if found:
        text = max(found, key=len)
        return found[text], text
    return None, pieces[0] if pieces else window or None


def _grams(text: str) -> set[str]:
    plain = re.sub(r"\W+", "", text.casefold())
    return {plain[i : i + 2] for i in range(len(plain) - 1)} or ({plain} if plain else set())


def _likeness(one: str, other: str) -> float:
    """The share of the shorter text's character pairs that the other has too, 0 to 1."""
    mine, theirs = _grams(one), _grams(other)
    fewer = min(len(mine), len(theirs))
    return len(mine & theirs) / fewer if fewer else 0.0


def _picture(page: Document, heading: Element | None, title: str | None) -> str | None:
    """The picture that belongs to the heading; None where none scores above zero."""
    images = _IMAGES(page.root)[:MAX_PICTURES] or _NOSCRIPT_IMAGES(page.root)[:MAX_PICTURES]
    if not images:
        return None
    places: dict[Element, int] = {}
    if heading is not None:
        wanted = {heading, *images}
        places = {e: n for n, e in enumerate(page.root.iter()) if e in wanted}
    best: tuple[float, str] | None = None
    for number, image in enumerate(images):
        scored = _scored(page, image, title)
        if scored is None:
            continue
        score, address = scored
        if heading in places and image in places:  # broken markup can stand beside the root
            score += 2.0 / (1.0 + abs(places[image] - places[heading]) / 50.0)
        score -= 0.02 * number
        # Of pictures that fit alike, a gallery's first is the product's.
        if score > 1.0 and (best is None or score > best[0] + 0.1):
            best = (score, address)
    return best and best[1]


def _scored(page: Document, image: Element, title: str | None) -> tuple[float, str] | None:
    address = address_in(image)
    if address is None:
        return None
    score = 0.0
    words = _words(image)
    parents = list(image.iterancestors())[:6]
    file_words = set(_WORD.findall(address[-80:].lower()))
    if _fits(words | file_words, _DECORATION):
        score -= 2.0
    if _fits(words, _PRODUCT) or any(_fits(_words(p), _PRODUCT) for p in parents[:4]):
        score += 1.0
    if _in_frame(image):
        score -= 3.0
    alt = clean(image.get("alt") or image.get("title") or "")
    if alt and title:
        score += 3.0 * _likeness(alt, title) - 0.5
    score += _size_score(image)
    link = next((p for p in parents if p.tag == "a" and p.get("href")), None)
    if link is not None:
        href = link.get("href").strip()
        if _PICTURE_HREF.search(href):
            score, address = score + 2.0, href
        elif not href.startswith(("#", "javascript:")) and not _same_page(page, href):
            score -= 2.5  # it leads to another product
    return score, address


def _same_page(page: Document, href: str) -> bool:
    try:
        return urldefrag(page.absolute(href))[0] == urldefrag(page.url)[0]
    except ValueError:
        return False


def _size_score(image: Element) -> float:
    sides = []
    for name in ("width", "height"):
        digits = re.match(r"\s*(\d{1,5})(?:px)?\s*$", image.get(name) or "")
        if digits:
            sides.append(int(digits[1]))
    if not sides:
        return 0.0
    small = min(sides)
    return -3.0 if small < 50 else -0.5 if small < 120 else 1.0 if small < 300 else 1.5


def _crumbs(root: Element, title: str | None) -> tuple[str, ...] | None:
    """The first run of links that is named, or separated, like breadcrumbs."""
    tried = 0
    for element in _NAMED(root):
        words = _words(element) | set(_WORD.findall((element.get("aria-label") or "").lower()))
        if _fits(words, _CRUMBS) or "BreadcrumbList" in (element.get("itemtype") or ""):
            tried += 1
            if tried > MAX_CRUMBS:
                break
            path = _path(_leaf_texts(element), title)
            if path is None:
                path = _path(_ARROWS.split(node_text(element)[:1_000]), title)
            if path is not None:
                return path
    for element in _LINKED(root)[:2_000]:
        links = element.findall("a")
        if all(_ARROWS.fullmatch(clean(link.tail or "") or "-") for link in links[:-1]) and (
            _ARROWS.match(clean(links[-1].tail or ""))
        ):
            # "Home > Books > Title": every link is followed by an arrow.
            path = _path(_ARROWS.split(node_text(element)[:1_000]), title)
            if path is not None:
                return path
    return None


def _leaf_texts(element: Element) -> Iterator[str]:
    items = [e for e in islice(element.iter("li"), MAX_LEAVES) if e is not element]
    for leaf in items or islice(element.iter("a", "span"), MAX_LEAVES):
        if leaf.tag == "span" and (
            next(leaf.iter("a"), None) is not None
            or next(leaf.iterancestors("a"), None) is not None
        ):
            continue
        yield node_text(leaf)


def _path(texts: Iterator[str] | list[str], title: str | None) -> tuple[str, ...] | None:
    names: list[str] = []
    for text in texts:
        name = _LEAD.sub("", text[:1_000].strip()).strip(_EDGES)
        if not name or (names and names[-1] == name):
            continue
        if len(name) > 120:
            return None
        names.append(name)
        if len(names) > 12:
            return None
    if names and title and names[-1] == title:
        names.pop()
    return tuple(names) or None

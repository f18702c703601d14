"""Shop A: server-rendered UTF-8 pages with JSON-LD, breadcrumbs, rel=next and a sitemap.

A host ("main" or "outlet") and a request target come in, a page goes out, the same every time.
The outlet is a small branch on a host of its own whose robots.txt asks for a Crawl-delay.
"""

from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from demo.catalogue import CLEARANCE, Catalogue, DemoProduct
from demo.leaves import Shelf
from demo.pages import (
    Page,
    ShopAddresses,
    attribute,
    html_page,
    not_found,
    page_number,
    page_of,
    redirect,
    script_json,
    text_page,
)
from demo.pictures import NOAI, file_name, picture
from demo.sowing import Sown

TILES_PER_PAGE = 20
CRAWL_DELAY_SECONDS = 0.3

_ROBOTS = """User-agent: *
Disallow: /vip/
Allow: /

Sitemap: {base}/sitemap.xml
"""
_OUTLET_ROBOTS = f"User-agent: *\nCrawl-delay: {CRAWL_DELAY_SECONDS}\n"


class ShopA:
    """The pages of shop A, derived from a catalogue; holds indexes, changes nothing."""

    def __init__(self, catalogue: Catalogue, addresses: ShopAddresses) -> None:
        self._catalogue = catalogue
        self._base = {"main": addresses.shop_a, "outlet": addresses.outlet}
        self._products = {item.product_id: item for item in catalogue.of_shop("shop-a")}
        self._shelves: dict[str, Shelf] = {}
        self._stock: dict[tuple[str, str], list[DemoProduct]] = {}
        for product in self._products.values():
            if product.sown is Sown.SITEMAP_ONLY:
                continue
            for shelf in product.shelves:
                self._shelves[shelf.key] = shelf
                self._stock.setdefault((host_of(product), shelf.key), []).append(product)

    def respond(self, host: str, target: str) -> Page:
        """The response of one host to a GET of `target`, a path with its query."""
        url = urlsplit(target)
        parts = url.path.strip("/").split("/")
        match parts:
            case [""]:
                return self._home(host)
            case ["robots.txt"]:
                main = _ROBOTS.format(base=self._base["main"])
                return text_page(main if host == "main" else _OUTLET_ROBOTS)
            case [name] if name.startswith("sitemap") and host == "main":
                return self._sitemap(name)
            case ["category", key]:
                number = page_number(parse_qs(url.query).get("page", ["1"])[0])
                return self._category(host, key, number)
            case [*branch, "p", name] if branch in ([], ["vip"]):
                return self._product_path(host, url.path, name)
            case [*branch, "img", name] if branch in ([], ["vip"]):
                product = self._products.get(name.partition(".")[0])
                if product is None or url.path != self._image_path(product):
                    return not_found()
                return picture(self._catalogue, product)
            case _:
                return not_found()

    def throttled(self) -> frozenset[tuple[str, str]]:
        """Hosts and paths that answer their first request with 429."""
        return frozenset(
            (host_of(product), product_path(product))
            for product in self._products.values()
            if product.sown is Sown.RETRY_AFTER
        )

    def _home(self, host: str) -> Page:
        stocked = [self._shelves[key] for at, key in self._stock if at == host]
        menu: dict[str, dict[str, list[Shelf]]] = {}
        # A path sorts before the paths below it, so a sub_class comes before its own branches.
        for shelf in sorted(stocked, key=lambda shelf: shelf.names):
            branches = menu.setdefault(shelf.names[0], {})
            branches.setdefault(shelf.names[1] if len(shelf.names) > 1 else "", []).append(shelf)
        classes = "".join(
            f'<li class="menu-class"><span>{attribute(name)}</span><ul class="menu-sub">'
            + "".join(_menu_entry(sub, shelves) for sub, shelves in branches.items())
            + "</ul></li>"
            for name, branches in menu.items()
        )
        outlet = f'<p class="branches"><a href="{self._base["outlet"]}/">品牌奥莱馆</a></p>'
        body = f'<nav class="category-menu"><ul>{classes}</ul></nav>'
        return _document("澜桥商城", body + (outlet if host == "main" else ""))

    def _category(self, host: str, key: str, number: int) -> Page:
        stock = self._stock.get((host, key))
        if stock is None:
            return not_found()
        last = -(-len(stock) // TILES_PER_PAGE)
        shown = number
        # The trap: every page of this category has a next one; past its products they repeat.
        endless = key == CLEARANCE.key
        if endless:
            shown = (number - 1) % last + 1
        elif number > last:
            return not_found()
        shelf = self._shelves[key]
        tiles = "".join(self._tile(item) for item in page_of(stock, shown, TILES_PER_PAGE))
        head, pager = "", ""
        if endless or number < last:
            following = f"/category/{key}?page={number + 1}"
            head = f'<link rel="next" href="{following}">'
            pager = f'<a class="pager-next" rel="next" href="{following}">下一页</a>'
        body = f'{_breadcrumbs(shelf)}<ul class="product-grid">{tiles}</ul>{pager}'
        return _document(shelf.names[-1], body, head)

    def _tile(self, product: DemoProduct) -> str:
        href = product_path(product)
        if product.sown is Sown.REDIRECT:
            href = f"/p/old-{product.product_id}.html"
        title = attribute(product.title)
        return (
            f'<li class="product-tile"><a class="product-link" href="{href}">'
            f'<img class="tile-image" src="{self._image_path(product)}" alt="{title}">'
            f'<span class="tile-title">{title}</span></a></li>'
        )

    def _product_path(self, host: str, path: str, name: str) -> Page:
        product_id = name.removesuffix(".html").removeprefix("old-")
        product = self._products.get(product_id)
        if product is None or host_of(product) != host:
            return not_found()
        if path == product_path(product):
            return self._product(product)
        if product.sown is Sown.REDIRECT and name == f"old-{product_id}.html":
            return redirect(301 if product.picture.scene_seed % 2 else 302, product_path(product))
        return not_found()

    def _product(self, product: DemoProduct) -> Page:
        title, shelf = attribute(product.title), product.shelves[0]
        base = self._base[host_of(product)]
        canonical = base + product_path(product)
        # Both forms occur in real shops: relative and absolute URLs, a string and a list.
        image = self._image_path(product)
        image = image if product.picture.scene_seed % 3 == 0 else base + image
        described: str | list[str] = image if product.picture.scene_seed % 2 else [image]
        price = f"{product.picture.scene_seed % 90000 / 100 + 9:.2f}"
        offer = {"@type": "Offer", "price": price, "priceCurrency": "CNY"}
        schema = {
            "@context": "https://schema.org", "@type": "Product", "name": product.title,
            "image": described, "sku": product.product_id, "url": canonical, "offers": offer,
        }  # fmt: skip
        crumbs = {
            "@context": "https://schema.org",
            "@type": "BreadcrumbList",
            "itemListElement": [
                {"@type": "ListItem", "position": place, "name": name}
                for place, name in enumerate(("首页", *shelf.names), 1)
            ],
        }
        head = (
            f'<link rel="canonical" href="{canonical}">'
            f'<script type="application/ld+json">{script_json(schema)}</script>'
            f'<script type="application/ld+json">{script_json(crumbs)}</script>'
        )
        if product.sown is Sown.NOAI_META:
            head = f'<meta name="robots" content="noai, noimageai">{head}'
        body = (
            f'{_breadcrumbs(shelf)}<h1 class="product-title">{title}</h1>'
            f'<div class="gallery"><img src="{image}" alt="{title}"></div>'
            f'<p class="price">¥{price}</p>'
        )
        headers = (NOAI,) if product.sown is Sown.NOAI_HEADER else ()
        return _document(product.title, body, head, *headers)

    def _sitemap(self, name: str) -> Page:
        base = self._base["main"]
        listed = [base + product_path(item) for item in self._products.values()
                  if host_of(item) == "main"]  # fmt: skip
        half = (len(listed) + 1) // 2
        match name:
            case "sitemap.xml":
                return _xml("sitemapindex", "sitemap", [f"{base}/sitemap-{n}.xml" for n in (1, 2)])
            case "sitemap-1.xml":
                return _xml("urlset", "url", listed[:half])
            case "sitemap-2.xml":
                return _xml("urlset", "url", listed[half:])
            case _:
                return not_found()

    def _image_path(self, product: DemoProduct) -> str:
        return f"{_branch(product)}/img/{file_name(self._catalogue, product)}"


def host_of(product: DemoProduct) -> str:
    """The host of shop A that serves a product."""
    return "outlet" if product.sown is Sown.CRAWL_DELAY else "main"


def product_path(product: DemoProduct) -> str:
    """The path of a product's page."""
    return f"{_branch(product)}/p/{product.product_id}.html"


def _branch(product: DemoProduct) -> str:
    return "/vip" if product.sown is Sown.DISALLOWED else ""


def _menu_entry(sub_class: str, shelves: Sequence[Shelf]) -> str:
    """A sub_class in the menu with its third level below it; a name without stock has no link."""
    links = [
        f'<a href="/category/{shelf.key}">{attribute(shelf.names[-1])}</a>' for shelf in shelves
    ]
    own = links.pop(0) if len(shelves[0].names) < 3 else f"<span>{attribute(sub_class)}</span>"
    third = "".join(f"<li>{link}</li>" for link in links)
    return f"<li>{own}" + (f'<ul class="menu-third">{third}</ul>' if third else "") + "</li>"


def _breadcrumbs(shelf: Shelf) -> str:
    names = "".join(f"<li><span>{attribute(name)}</span></li>" for name in shelf.names)
    return f'<nav class="breadcrumb"><ol><li><a href="/">首页</a></li>{names}</ol></nav>'


def _document(title: str, body: str, head: str = "", *headers: tuple[str, str]) -> Page:
    text = (
        '<!DOCTYPE html><html lang="zh-CN"><head><meta charset="utf-8">'
        f"<title>{attribute(title)}</title>{head}</head><body>{body}</body></html>"
    )
    return html_page(text, "utf-8", *headers)


def _xml(root: str, entry: str, urls: Sequence[str]) -> Page:
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    entries = "".join(f"<{entry}><loc>{attribute(url)}</loc></{entry}>" for url in urls)
    text = f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="{space}">{entries}</{root}>'
    return Page(200, "application/xml", text.encode())

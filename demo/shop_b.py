"""Shop B: grids in the manner of the big Chinese shops, in GBK, with pictures on another host.

A host ("main" or "images") and a request target come in, a page goes out, the same every time.
Categories are named in the navigation alone; grids name none and load their thumbnails lazily.
"""

from urllib.parse import parse_qs, urlsplit

from demo.catalogue import Catalogue, DemoProduct
from demo.leaves import Shelf
from demo.pages import (
    Page,
    ShopAddresses,
    attribute,
    html_page,
    not_found,
    page_number,
    page_of,
    text_page,
)
from demo.pictures import file_name, picture, thumbnail
from demo.sowing import Sown

TILES_PER_PAGE = 30
# A transparent pixel, which lazy loading replaces.
_PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


class ShopB:
    """The pages of shop B, derived from a catalogue; holds indexes, changes nothing."""

    def __init__(self, catalogue: Catalogue, addresses: ShopAddresses) -> None:
        self._catalogue = catalogue
        self._images = addresses.images.partition(":")[2]
        self._products = {item.product_id: item for item in catalogue.of_shop("shop-b")}
        self._shelves: dict[str, Shelf] = {}
        self._stock: dict[str, list[DemoProduct]] = {}
        for product in self._products.values():
            for shelf in product.shelves:
                self._shelves[shelf.key] = shelf
                self._stock.setdefault(shelf.key, []).append(product)
        self._channels = {_channel(shelf) for shelf in self._shelves.values()}

    def respond(self, host: str, target: str) -> Page:
        """The response of one host to a GET of `target`, a path with its query."""
        url = urlsplit(target)
        match (host, url.path.strip("/").split("/")):
            case ("main", [""]):
                return self._home()
            case (_, ["robots.txt"]):
                return text_page("User-agent: *\nDisallow: /cart/\n")
            case ("main", ["channel", name]) if name in self._channels:
                return _document("频道", '<p class="banner"><a href="/">返回首页</a></p>')
            case ("main", ["list.html"]):
                query = parse_qs(url.query)
                number = page_number(query.get("page", ["1"])[0])
                return self._list(query.get("cat", [""])[0], number)
            case ("main", ["item", name]):
                product = self._products.get(name.removesuffix(".html"))
                return not_found() if product is None else self._item(product)
            case ("images", [("n0" | "n7") as size, name]):
                product = self._products.get(name.partition(".")[0])
                if product is None or name != file_name(self._catalogue, product):
                    return not_found()
                draw = picture if size == "n0" else thumbnail
                return draw(self._catalogue, product)
            case _:
                return not_found()

    def throttled(self) -> frozenset[tuple[str, str]]:
        """Hosts and paths that answer their first request with 429: whole pictures."""
        return frozenset(
            ("images", f"/n0/{file_name(self._catalogue, product)}")
            for product in self._products.values()
            if product.sown is Sown.RETRY_AFTER
        )

    def _home(self) -> Page:
        classes: dict[str, list[Shelf]] = {}
        for shelf in sorted(self._shelves.values(), key=lambda shelf: shelf.key):
            classes.setdefault(shelf.names[0], []).append(shelf)
        menu = "".join(
            f'<dl><dt><a href="/channel/{_channel(shelves[0])}">'
            f"{_untidy(name, place)}</a></dt><dd>"
            + "".join(
                f'<a href="/list.html?cat={shelf.key}">{_untidy(shelf.names[-1], turn)}</a>'
                for turn, shelf in enumerate(shelves)
            )
            + "</dd></dl>"
            for place, (name, shelves) in enumerate(classes.items())
        )
        return _document("屿舍商城 首页", f'<div class="category-nav">{menu}</div>')

    def _list(self, key: str, number: int) -> Page:
        stock = self._stock.get(key)
        if stock is None or (number - 1) * TILES_PER_PAGE >= len(stock):
            return not_found()
        tiles = "".join(self._tile(item) for item in page_of(stock, number, TILES_PER_PAGE))
        pager = ""
        if number * TILES_PER_PAGE < len(stock):
            href = attribute(f"/list.html?cat={key}&page={number + 1}")
            pager = f'<a class="pn-next" href="{href}">下一页</a>'
        body = f'<ul class="gl-warp">{tiles}</ul><div class="page">{pager}</div>'
        return _document("商品列表", body)

    def _tile(self, product: DemoProduct) -> str:
        href = f"/item/{product.product_id}.html"
        image = f"{self._images}/n7/{file_name(self._catalogue, product)}"
        # Some tiles have no src at all, as where a script builds the image.
        source = f' src="{_PIXEL}"' if product.picture.scene_seed % 2 else ""
        return (
            f'<li class="gl-item" data-sku="{product.product_id}">'
            f'<div class="p-img"><a href="{href}"><img width="160"{source} '
            f'data-lazy-img="{image}"></a></div>'
            f'<div class="p-name"><a href="{href}"><em>{_highlighted(product)}</em></a></div></li>'
        )

    def _item(self, product: DemoProduct) -> Page:
        title = attribute(product.title)
        image = f"{self._images}/n0/{file_name(self._catalogue, product)}"
        body = (
            f'<div class="sku-name" data-sku="{product.product_id}">{title}</div>'
            f'<div class="spec-img"><img id="spec-img" data-origin="{image}" alt=""></div>'
        )
        return _document(product.title, body)


def _highlighted(product: DemoProduct) -> str:
    """The title with, in one tile of three, two of its letters highlighted as a search hit."""
    title = product.title
    if product.picture.scene_seed % 3:
        return attribute(title)
    start = len(title) // 2
    hit = f'<font class="skcolor_ljg">{attribute(title[start : start + 2])}</font>'
    return attribute(title[:start]) + hit + attribute(title[start + 2 :])


def _channel(shelf: Shelf) -> str:
    """The file name of a class's own page: a banner and no products."""
    return f"{shelf.key.partition(',')[0]}.html"


def _untidy(name: str, turn: int) -> str:
    """A name in the navigation, in turn as it is, among spaces, and as character references."""
    match turn % 3:
        case 1:
            return f"\n      {attribute(name)}&nbsp;\n    "
        case 2:
            return "".join(f"&#x{ord(sign):X};" for sign in name)
        case _:
            return attribute(name)


def _document(title: str, body: str) -> Page:
    text = (
        '<!DOCTYPE html><html><head><meta http-equiv="Content-Type" '
        f'content="text/html; charset=gbk"><title>{attribute(title)}</title></head>'
        f"<body>{body}</body></html>"
    )
    return html_page(text, "gbk")

"""The shops as real servers: what a crawler meets on their pages, and how they start and stop."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from parsel import Selector

from demo.access_log import read_access_log
from demo.catalogue import Catalogue, DemoProduct, build_catalogue
from demo.pages import ShopAddresses
from demo.pictures import picture
from demo.shops import ShopError, running_shops
from demo.sowing import Sown

_PRODUCTS, _SEED = 400, 11
_ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Answer:
    """One response, redirects not followed."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def select(self, encoding: str = "utf-8") -> Selector:
        return Selector(self.body.decode(encoding))


def get(url: str) -> Answer:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""))
    response = connection.getresponse()
    answer = Answer(response.status, response.headers, response.read())
    connection.close()
    return answer


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return build_catalogue(_PRODUCTS, _SEED)


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopAddresses]:
    with running_shops(_PRODUCTS, _SEED, tmp_path_factory.mktemp("shops")) as addresses:
        yield addresses


def _of(catalogue: Catalogue, sown: Sown, shop: str = "shop-a") -> list[DemoProduct]:
    return [item for item in catalogue.products if item.sown is sown and item.shop == shop]


def _linked_on_shop_a(base: str) -> tuple[set[str], set[str]]:
    """Product paths linked from all categories of a host of shop A, and the categories."""
    categories = get(f"{base}/").select().css("nav.category-menu a::attr(href)").getall()
    links: set[str] = set()
    for category in categories:
        following: str | None = category
        while following is not None:
            page = get(base + following).select()
            found = set(page.css("li.product-tile a.product-link::attr(href)").getall())
            following = page.css("a[rel=next]::attr(href)").get() if found - links else None
            links |= found
    return links, set(categories)


def test_shop_a_links_every_product_but_those_only_in_the_sitemap(
    shops: ShopAddresses, catalogue: Catalogue
) -> None:
    links, _ = _linked_on_shop_a(shops.shop_a)
    outlet, _ = _linked_on_shop_a(shops.outlet)
    ids = {Path(link).stem.removeprefix("old-") for link in links | outlet}
    hidden = {product.product_id for product in _of(catalogue, Sown.SITEMAP_ONLY)}
    assert hidden
    assert ids == {product.product_id for product in catalogue.of_shop("shop-a")} - hidden
    assert len(outlet) == len(_of(catalogue, Sown.CRAWL_DELAY))
    assert get(shops.shop_a + "/").select().css("p.branches a::attr(href)").get() == (
        shops.outlet + "/"
    )


def test_shop_a_describes_a_product_in_json_ld_and_breadcrumbs(
    shops: ShopAddresses, catalogue: Catalogue
) -> None:
    for product in _of(catalogue, Sown.PLAIN)[:12]:
        url = f"{shops.shop_a}/p/{product.product_id}.html"
        page = get(url).select()
        blocks = page.css('script[type="application/ld+json"]::text').getall()
        schema, crumbs = (json.loads(block) for block in blocks)
        names = [item["name"] for item in crumbs["itemListElement"]]
        image = schema["image"] if isinstance(schema["image"], str) else schema["image"][0]
        assert (schema["name"], schema["sku"]) == (product.title, product.product_id)
        assert page.css("h1.product-title::text").get() == product.title
        assert ("首页", *product.category_paths[0]) == tuple(names)
        assert page.css("nav.breadcrumb li ::text").getall() == names
        served = get(urljoin(url, image))
        assert served.body == picture(catalogue, product).body


def test_the_sitemap_lists_all_products_of_the_main_host(
    shops: ShopAddresses, catalogue: Catalogue
) -> None:
    def locations(url: str) -> list[str]:
        text = get(url).body.decode()
        return Selector(text, type="xml").xpath("//*[local-name()='loc']/text()").getall()

    assert f"Sitemap: {shops.shop_a}/sitemap.xml" in get(f"{shops.shop_a}/robots.txt").body.decode()
    files = locations(f"{shops.shop_a}/sitemap.xml")
    listed = [url for file in files for url in locations(file)]
    outlet = {product.product_id for product in _of(catalogue, Sown.CRAWL_DELAY)}
    assert len(files) == 2
    assert {Path(url).stem for url in listed} == {
        product.product_id for product in catalogue.of_shop("shop-a")
    } - outlet
    assert sum("/vip/" in url for url in listed) == len(_of(catalogue, Sown.DISALLOWED))


def test_robots_files_forbid_one_branch_and_ask_for_a_delay_in_the_other(
    shops: ShopAddresses,
) -> None:
    assert b"Disallow: /vip/" in get(f"{shops.shop_a}/robots.txt").body
    assert b"Crawl-delay: 0.3" in get(f"{shops.outlet}/robots.txt").body
    assert b"Disallow: /cart/" in get(f"{shops.images}/robots.txt").body


def test_opt_outs_are_served_as_header_and_as_meta_tag(
    shops: ShopAddresses, catalogue: Catalogue
) -> None:
    for product in _of(catalogue, Sown.NOAI_HEADER):
        answer = get(f"{shops.shop_a}/p/{product.product_id}.html")
        assert answer.headers["X-Robots-Tag"] == "noai, noimageai"
    for product in _of(catalogue, Sown.NOAI_META):
        page = get(f"{shops.shop_a}/p/{product.product_id}.html").select()
        assert page.css("meta[name=robots]::attr(content)").get() == "noai, noimageai"


def test_old_links_redirect_to_the_product(shops: ShopAddresses, catalogue: Catalogue) -> None:
    links, _ = _linked_on_shop_a(shops.shop_a)
    for product in _of(catalogue, Sown.REDIRECT):
        old = f"/p/old-{product.product_id}.html"
        answer = get(shops.shop_a + old)
        assert old in links
        assert answer.status in (301, 302)
        assert answer.headers["Location"] == f"/p/{product.product_id}.html"


def test_the_first_request_is_put_off_with_retry_after_and_the_second_answered(
    shops: ShopAddresses, catalogue: Catalogue
) -> None:
    page = f"{shops.shop_a}/p/{_of(catalogue, Sown.RETRY_AFTER)[0].product_id}.html"
    item = _of(catalogue, Sown.RETRY_AFTER, "shop-b")[0]
    html = get(f"{shops.shop_b}/item/{item.product_id}.html").select("gbk")
    image = "http:" + str(html.css("img#spec-img::attr(data-origin)").get())
    for url in (page, image):
        first, second = get(url), get(url)
        assert (first.status, first.headers["Retry-After"]) == (429, "1")
        assert second.status == 200


def test_the_endless_category_repeats_itself_for_ever(shops: ShopAddresses) -> None:
    def tiles(number: int) -> list[str]:
        page = get(f"{shops.shop_a}/category/clearance?page={number}").select()
        assert page.css("a[rel=next]::attr(href)").get() == (
            f"/category/clearance?page={number + 1}"
        )
        return page.css("a.product-link::attr(href)").getall()

    assert tiles(1) == tiles(500) != []


def test_shop_b_shows_every_product_on_gbk_grids_named_only_in_the_navigation(
    shops: ShopAddresses, catalogue: Catalogue
) -> None:
    home = get(f"{shops.shop_b}/")
    assert home.headers["Content-Type"] == "text/html; charset=gbk"
    paths: dict[str, list[tuple[str, ...]]] = {}
    titles: dict[str, str] = {}
    for block in home.select("gbk").css("div.category-nav dl"):
        top = str(block.css("dt a::text").get()).strip()
        for link in block.css("dd a"):
            following: str | None = link.attrib["href"]
            while following is not None:
                grid = get(shops.shop_b + following).select("gbk")
                assert grid.css("title::text").get() == "商品列表"
                for tile in grid.css("ul.gl-warp > li.gl-item"):
                    sku = tile.attrib["data-sku"]
                    name = str(link.css("::text").get()).strip()
                    paths.setdefault(sku, []).append((top, name))
                    titles[sku] = "".join(tile.css(".p-name em ::text").getall())
                following = grid.css("a.pn-next::attr(href)").get()
    products = catalogue.of_shop("shop-b")
    assert titles == {product.product_id: product.title for product in products}
    assert {sku: sorted(found) for sku, found in paths.items()} == {
        product.product_id: sorted(product.category_paths) for product in products
    }


def test_shop_b_has_a_lazy_thumbnail_and_an_item_page_with_the_whole_picture(
    shops: ShopAddresses, catalogue: Catalogue
) -> None:
    product = _of(catalogue, Sown.PLAIN, "shop-b")[0]
    grid = get(f"{shops.shop_b}/list.html?cat={product.shelves[0].key}").select("gbk")
    tile = grid.css(f'li.gl-item[data-sku="{product.product_id}"]')
    lazy = str(tile.css(".p-img img::attr(data-lazy-img)").get())
    assert lazy.startswith(f"//{urlsplit(shops.images).netloc}/n7/")
    assert not str(tile.css(".p-img img::attr(src)").get(default="")).startswith(("/", "http"))
    assert get(f"http:{lazy}").status == 200
    item = get(f"{shops.shop_b}{tile.css('.p-name a::attr(href)').get()}").select("gbk")
    assert item.css("div.sku-name::text").get() == product.title
    whole = get(f"http:{item.css('img#spec-img::attr(data-origin)').get()}")
    assert whole.body == picture(catalogue, product).body


def test_titles_that_gbk_cannot_hold_arrive_whole(
    shops: ShopAddresses, catalogue: Catalogue
) -> None:
    for product in _of(catalogue, Sown.FOREIGN_TITLE, "shop-b"):
        item = get(f"{shops.shop_b}/item/{product.product_id}.html").select("gbk")
        assert item.css("div.sku-name::text").get() == product.title


def test_unknown_paths_are_not_found(shops: ShopAddresses) -> None:
    for url in (
        f"{shops.shop_a}/p/A1.html", f"{shops.shop_a}/category/s0", f"{shops.outlet}/sitemap.xml",
        f"{shops.shop_b}/list.html?cat=1", f"{shops.images}/n0/1.jpg", f"{shops.shop_b}/x/y/z",
    ):  # fmt: skip
        assert get(url).status == 404


def test_the_log_has_a_line_for_every_request(shops: ShopAddresses) -> None:
    before = read_access_log(shops.shop_b_log)
    get(f"{shops.shop_b}/")
    after = read_access_log(shops.shop_b_log)
    assert len(after) == len(before) + 1
    assert (after[-1].path, after[-1].status) == ("/", 200)
    assert after[-1].port == urlsplit(shops.shop_b).port
    assert after[-1].moment >= max(access.moment for access in before)


def test_given_ports_are_used_again_and_freed_at_the_end(tmp_path: Path) -> None:
    with running_shops(60, 1, tmp_path) as first:
        ports = {
            "shop-a": urlsplit(first.shop_a).port or 0,
            "images": urlsplit(first.images).port or 0,
        }
    with running_shops(60, 1, tmp_path, ports) as second:
        assert (second.shop_a, second.images) == (first.shop_a, first.images)
        assert get(f"{second.shop_a}/robots.txt").status == 200
    with pytest.raises(ConnectionRefusedError):
        get(f"{second.shop_a}/robots.txt")


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(ShopError, match=f"port {port} .* in use"),
            running_shops(60, 1, tmp_path, {"shop-b": port}),
        ):
            raise AssertionError("the shops must not start")


def test_a_shop_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from demo.shops import running_shops\n"
        "with running_shops(60, 1, Path(sys.argv[1])) as shops:\n"
        "    print(shops.shop_a, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=_ROOT, env={**os.environ, "PYTHONPATH": str(_ROOT)}, stdout=subprocess.PIPE, text=True,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        base = parent.stdout.readline().strip()
        assert get(f"{base}/robots.txt").status == 200
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while True:
        try:
            get(f"{base}/robots.txt")
        except OSError:
            break
        assert time.monotonic() < deadline, "the shop outlived its parent"
        time.sleep(0.1)

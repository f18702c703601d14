"""The generic reading of unknown product pages: right on real ones, silent where nothing fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from crawler.sites.document import Document
from crawler.sites.generic import generic
from crawler.sites.pages import PageInput, read_page
from crawler.sites.sitefile import Site, load_site
from runtime.config import SiteConfig
from tests.crawler.shop_pages import GBK_PRODUCT, TABLES_2005, WOOCOMMERCE, sighting, site

WARC = Path(__file__).resolve().parents[3] / "shared" / "data" / "oscar-sandbox.warc.gz"


def test_a_table_layout_of_2005_is_read_and_marked_as_low_confidence() -> None:
    found = sighting(TABLES_2005)
    assert found.title == "Brass Telescope No. 12"
    assert found.image_url == "http://shop.example/photos/scope12_big.jpg"
    assert found.category_path == ("Home", "Optics", "Telescopes")
    assert set(found.extracted_by.values()) == {"generic-low"}


def test_a_chinese_shop_without_any_markup_of_its_own() -> None:
    found = sighting(GBK_PRODUCT.encode("gbk"), "/p/1", None, ("Content-Type", "text/html"))
    assert (found.title, found.category_path) == ("景德镇陶瓷茶杯", ("首页", "茶具"))
    assert found.image_url == "http://shop.example/img/chabei.jpg"


def test_generic_comes_last_and_only_for_what_is_missing() -> None:
    body = WOOCOMMERCE.replace('itemprop="image" ', "")
    found = sighting(body)
    assert found.title == "Enamel Mug"
    assert found.image_url == "http://shop.example/wp-content/uploads/mug.jpg"
    assert found.extracted_by == {
        "title": "microdata", "category_path": "microdata", "image": "generic-low"
    }  # fmt: skip
    without = sighting(body, at=site(extractors=["jsonld", "microdata"]))
    assert without.image_url is None


FRAME = """<html><head><title>Oak Chair | Forest</title></head><body>
<header><h1><a href="/"><img src="/logo.png" alt="Forest"></a></h1></header>
<nav class=breadcrumb><a href=/>Home</a> / <a href=/c>Chairs</a> / <span>Oak Chair</span></nav>
<main>{}</main><aside class=related><a href=/p/9><img src=/table.jpg width=400 height=400
alt="Oak Table"></a></aside><footer><img src=/visa.png></footer></body></html>"""


@pytest.mark.parametrize(
    ("main", "title", "image"),
    [
        ("<h1>Oak Chair</h1><img src=/chair.jpg>", "Oak Chair", "/chair.jpg"),
        ("<h1>Oak Chair</h1><p>Sold out</p>", "Oak Chair", None),
        ("<img src=/hero.jpg alt='Oak Chair'><h1>Oak Chair</h1><img src=/icon-cart.png width=16>",
         "Oak Chair", "/hero.jpg"),
        ("<div id=gallery><img src=/1.jpg><img src=/2.jpg></div><h1>Oak Chair</h1>",
         "Oak Chair", "/1.jpg"),
        ("<h2>Oak Chair</h2><img src=/chair.jpg width=300 height=300>", "Oak Chair", "/chair.jpg"),
        ("<h1>Oak Chair</h1><a href='/p/8'><img src=/other.jpg alt='Oak Stool'></a>",
         "Oak Chair", None),
        ("<h1>Oak Chair</h1><a href='#zoom'><img data-src=/late.jpg src=/blank.gif></a>",
         "Oak Chair", "/late.jpg"),
        ("<h1>Oak Chair</h1><noscript><img src=/plain.jpg></noscript>", "Oak Chair", None),
    ],
)  # fmt: skip
def test_the_picture_that_belongs_to_the_heading(
    main: str, title: str, image: str | None
) -> None:  # fmt: skip
    found = generic(Document("http://shop.example/p/7", FRAME.format(main)))
    assert found.title == title
    assert found.image == image
    assert found.category_path == ("Home", "Chairs")


@pytest.mark.parametrize(
    "crumbs",
    [
        "<ol class='Breadcrumb-list'><li><a href=/>Home</a></li><li>Mugs ></li><li>T</li></ol>",
        "<div id=crumbs>You are here: <a href=/>Home</a> » <a href=/c>Mugs</a> » T</div>",
        "<div><a href=/>Home</a> &raquo; <a href=/c>Mugs</a> &raquo; T</div>",
        "<div aria-label=breadcrumb><span>Home</span><span>/</span><span>Mugs</span></div>",
        "<ul itemtype='https://schema.org/BreadcrumbList'><li>Home<li>Mugs</ul>",
        "<td><a href=/>Home</a> › <a href=/c>Mugs</a> › <b>T</b></td>",
    ],
)
def test_whatever_looks_like_breadcrumbs(crumbs: str) -> None:
    body = f"<html><body><table><tr>{crumbs}</tr></table>{crumbs}<h1>T</h1></body></html>"
    assert generic(Document("http://shop.example/p/7", body)).category_path == ("Home", "Mugs")


@pytest.mark.parametrize(
    "body",
    [
        "", "<html></html>", "<p>text</p>", "<img src='data:,'>", "<a href=/>Home</a>",
        "<p>one <a href=/a>two</a> three <a href=/b>four</a></p>",
        "<nav class=breadcrumbs></nav>",
    ],
)  # fmt: skip
def test_where_nothing_fits_there_is_no_field(body: str) -> None:
    found = generic(Document("http://shop.example/p/7", body))
    assert (found.title, found.image, found.category_path) == (None, None, None)


@pytest.mark.skipif(not WARC.is_file(), reason=f"needs {WARC.name} in ../shared/data")
def test_real_product_pages_are_read_as_their_site_file_reads_them() -> None:
    """200 pages of a shop that it was not made for: titles, pictures and paths all but equal."""
    config = SiteConfig(key="oscar", program="django-oscar", base_url="http://127.0.0.1:8765")
    known = load_site(config, Path())
    unknown = Site(config, known.file.model_copy(update={"extractors": ["generic"]}))
    equal = {"title": 0, "image_url": 0, "category_path": 0}
    pages = 0
    with WARC.open("rb") as stream:
        for record in ArchiveIterator(stream):
            url = record.rec_headers.get_header("WARC-Target-URI") or ""
            if record.rec_type != "response" or not known.is_product(url):
                continue
            headers = tuple(record.http_headers.headers)
            page = PageInput(url, "product", 200, headers, record.content_stream().read())
            (expected,), (guessed,) = (
                read_page(page, known).sightings,
                read_page(page, unknown).sightings,
            )
            assert set(guessed.extracted_by.values()) == {"generic-low"}
            pages += 1
            for name in equal:
                equal[name] += getattr(expected, name) == getattr(guessed, name)
    assert pages == 200
    assert equal["title"] == 200
    assert equal["image_url"] == 200
    assert equal["category_path"] >= 199  # one book is named as its own category is

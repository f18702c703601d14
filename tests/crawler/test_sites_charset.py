"""A page's encoding is what its bytes are, whatever is declared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.sites.charset import decode_page
from tests.crawler.shop_pages import GBK_PRODUCT, sighting

CHINESE = "景德镇手工陶瓷茶杯，釉色温润如玉，适合日常品茗使用，送礼自用两相宜。" * 3
JAPANESE = "こちらの湯のみは職人が一つずつ手作りしました。ギフトにもおすすめです。" * 3
KOREAN = "이 찻잔은 장인이 하나하나 손으로 만들었습니다. 선물용으로도 좋습니다." * 3
RUSSIAN = "Чашка ручной работы из фарфора, подходит для ежедневного чаепития. " * 3
FRENCH = "Théière en porcelaine émaillée à la main, idéale pour Noël, ça va de soi. " * 3
POLISH = "Filiżanka ręcznie malowana, świetna na prezent, żółta łódź. " * 3


def page(text: str, declared: str = "") -> str:
    meta = f'<meta charset="{declared}">' if declared else ""
    return f"<html><head>{meta}<title>{text[:20]}</title></head><body>{text}</body></html>"


@pytest.mark.parametrize(
    ("text", "bytes_are", "meta", "header"),
    [
        (CHINESE, "utf-8", "", ""),
        (CHINESE, "utf-8", "gbk", ""),  # GBK declared over UTF-8
        (CHINESE, "utf-8", "gbk", "gb2312"),
        (CHINESE, "utf-8", "", "iso-8859-1"),
        (CHINESE, "gbk", "", ""),  # nothing declared
        (CHINESE, "gbk", "utf-8", ""),  # UTF-8 declared over GBK
        (CHINESE, "gbk", "utf-8", "utf-8"),
        (CHINESE, "gbk", "gb2312", "utf-8"),
        (CHINESE, "gbk", "gb2312", "iso-8859-1"),
        (CHINESE, "gbk", "", "windows-1252"),
        (CHINESE + "镕堃喆€𠮷", "gb18030", "gb2312", ""),  # gb2312 means all of gb18030
        ("陶瓷茶杯手工製作" * 9, "big5", "big5", ""),
        ("陶瓷茶杯手工製作，適合日常使用" * 9, "big5", "", "utf-8"),
        (JAPANESE, "shift_jis", "shift_jis", ""),
        (JAPANESE, "shift_jis", "", ""),
        (JAPANESE, "euc_jp", "", "utf-8"),
        (JAPANESE, "iso2022_jp", "iso-2022-jp", ""),
        (KOREAN, "euc_kr", "", ""),
        (KOREAN, "euc_kr", "euc-kr", "iso-8859-1"),
        (RUSSIAN, "cp1251", "windows-1251", ""),
        (RUSSIAN, "koi8-r", "", "koi8-r"),
        (RUSSIAN, "utf-8", "windows-1251", "windows-1251"),
        (FRENCH, "cp1252", "", ""),
        (FRENCH, "cp1252", "utf-8", ""),
        (FRENCH, "latin-1", "iso-8859-1", ""),
        (FRENCH, "utf-8", "", "iso-8859-1"),
        (POLISH, "iso8859-2", "iso-8859-2", ""),
        (CHINESE, "utf-8-sig", "gbk", "gbk"),
        (CHINESE, "utf-16", "", ""),
        (CHINESE, "utf-16-le", "", "utf-16le"),
        (CHINESE, "utf-8", "utf-16", ""),
        (CHINESE, "utf-8", "hex", "idna"),
    ],
)
def test_the_text_is_what_was_written(text: str, bytes_are: str, meta: str, header: str) -> None:
    body = page(text, meta).encode(bytes_are)
    content_type = f"text/html; charset={header}" if header else "text/html"
    assert decode_page(body, content_type)[1] == page(text, meta)


def test_utf_8_cut_in_the_middle_of_a_character_is_still_utf_8() -> None:
    body = page(CHINESE).encode()
    place = len(body) - len("</body></html>") - 1
    encoding, text = decode_page(body[:place])
    assert encoding == "utf-8"
    assert text.rstrip("\ufffd") in page(CHINESE)


def test_a_foreign_piece_in_a_page_does_not_change_its_encoding() -> None:
    mixed = page(CHINESE).encode() + "广告".encode("gbk")
    assert CHINESE in decode_page(mixed)[1]
    gbk = page(CHINESE, "gbk").encode("gbk")
    assert CHINESE in decode_page(gbk + b"\xff\xff")[1]


def test_a_few_bytes_that_are_both_follow_the_declaration() -> None:
    """The same four bytes are a Greek or a Chinese word; only the declaration can tell."""
    both = next(
        pair
        for first in range(0xC2, 0xDF)
        for second in range(0xA1, 0xBF)
        if (pair := bytes([first, second] * 2)).decode("gbk", "ignore")
    )
    assert decode_page(both, "text/html; charset=gbk")[1] == both.decode("gbk")
    assert decode_page(both, "text/html; charset=utf-8")[1] == both.decode()
    assert decode_page(both)[1] == both.decode()


def test_a_gbk_shop_is_read_however_it_is_declared() -> None:
    for body, header in (
        (GBK_PRODUCT.encode("gbk"), ""), (GBK_PRODUCT.encode("gbk"), "utf-8"),
        (GBK_PRODUCT.encode(), "gbk"), (GBK_PRODUCT.encode(), ""),
    ):  # fmt: skip
        kind = ("Content-Type", f"text/html; charset={header}" if header else "text/html")
        found = sighting(body, "/p/7", None, kind)
        assert found.title == "景德镇陶瓷茶杯"
        assert found.category_path == ("首页", "茶具")
        assert found.image_url == "http://shop.example/img/chabei.jpg"


@given(
    st.binary(max_size=400), st.sampled_from(["", "utf-8", "gbk", "utf-16", "big5", "hex", "\0"])
)
def test_any_bytes_are_some_text_and_always_the_same(body: bytes, header: str) -> None:
    content_type = f"text/html; charset={header}"
    encoding, text = decode_page(body, content_type)
    assert decode_page(body, content_type) == (encoding, text)
    assert isinstance(text.encode(), bytes)  # it can be stored


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_declared_utf_8_is_a_round_trip(text: str) -> None:
    plain = text.lstrip("\ufeff")
    assert decode_page(plain.encode(), "text/html; charset=utf-8")[1] == plain

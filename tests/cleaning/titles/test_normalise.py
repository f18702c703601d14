"""What normalisation changes in a title, and what it must leave alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleaning.titles.normalise import MAX_RAW_CHARS, normalise_title
from cleaning.titles.plain_text import is_plain, plain_text, rewrite
from cleaning.titles.promotions import is_promotional
from tests.cleaning.titles.strategies import TITLES


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        ("&lt;span class=H&gt;奶粉&lt;/span&gt; 900g", "奶粉 900g"),
        ("&amp;lt;span class=H&amp;gt;奶粉&amp;lt;/span&amp;gt;900g", "奶粉900g"),
        ("<span class=H>奶粉</span><br/>900g", "奶粉 900g"),
        ("奶粉&nbsp;900g&nbsp", "奶粉 900g"),
        ("<style>.a{color:red}</style>奶粉<!-- x -->", "奶粉"),
        ("Ｎｉｋｅ（男）１２３％", "Nike(男)123%"),
        ("ｱﾆﾒ", "アニメ"),
        ("⽜奶", "牛奶"),
        ("  奶\u200b粉\ufeff \t\u3000 900g\x00 ", "奶粉 900g"),
        ("奶粉\ud83d", "奶粉"),
        ("Cafe\u0301", "Café"),
        ("𝐍𝐢𝐤𝐞 𝟗𝟎 ﬁt", "Nike 90 fit"),
        ("奶粉&amp;amp;amp;nbsp;900g", "奶粉 900g"),
        ("&#x5976;&#31881; 900g", "奶粉 900g"),
        ("è‹¹æžœæ‰‹æœº", "苹果手机"),
        ("Ａ４　（５００張）／包", "A4 (500張)/包"),
        ("x\ufe0f\u200d🌈 a\u200db", "x🌈 ab"),
    ],
)
def test_markup_width_and_invisible_characters_go(raw: str, title: str) -> None:
    assert normalise_title(raw).title == title


@pytest.mark.parametrize(
    "title",
    [
        "除湿机 20m² 25℃ ①号 ½杯 ™",
        "奶粉，全脂：新西兰！",
        "AT&T R&notebook M&M's",
        "<Apple> 手机 3<x 尺码",
        "【450g/罐】飞鹤",
        "[Kabrita] 羊奶粉",
        "می‌خواهم",
        "👨\u200d👩\u200d👧 &notit; 玩具",
        "① ② ⅓ ㎡ ㎏ № ® © § ª º ³ µ Ω ½″ ℉ ㈱ ㏄ Ⅳ ❤ →",
        "“好看” ‘新’ —— … 《书》 「雪」 · 、。",
    ],
)
def test_what_means_something_stays(title: str) -> None:
    assert normalise_title(title).title == title


@pytest.mark.parametrize(
    "segment",
    [
        *(
            "包邮",
            "收藏减1元",
            "买1送1同品",
            "限时特价",
            "包邮包税",
            "官方旗舰店",
            "顺丰发货",
            "新客有礼",
        ),
        *(
            "澳洲直邮",
            "满299元包邮",
            "第二件半价",
            "买二送一",
            "2罐立减",
            "Free Shipping",
            "50% OFF",
        ),
        "澳洲直邮 正品保障 包税 满299元包邮",
    ],
)
def test_promotional_segments_are_removed_and_recorded(segment: str) -> None:
    normalised = normalise_title(f"【{segment}】飞鹤奶粉900g")
    assert (normalised.title, normalised.removed) == ("飞鹤奶粉900g", (f"【{segment}】",))
    assert is_promotional(segment)


@pytest.mark.parametrize(
    "segment",
    [
        *(
            "450g/罐",
            "Kabrita",
            "飞鹤奶粉",
            "荷兰原装进口",
            "香草味",
            "美可卓品牌授权",
            "19年8月产",
            "30粒",
        ),
        *("效期20年8月", "900g包邮", "包邮卡套", "惠氏 买一送一", "2021新款", "L码"),
    ],
)
def test_product_segments_stay(segment: str) -> None:
    title = f"【{segment}】飞鹤奶粉900g"
    assert normalise_title(title).title == title
    assert normalise_title(title).removed == ()


def test_several_segments_are_recorded_in_order_with_mixed_brackets() -> None:
    normalised = normalise_title("[限时特价] 飞鹤（包邮） 900g【正品保证】")
    assert normalised.title == "飞鹤 900g"
    assert normalised.removed == ("[限时特价]", "(包邮)", "【正品保证】")


def test_real_titles_keep_their_product_segments(mep3m_titles: list[str]) -> None:
    removed = [segment for raw in mep3m_titles for segment in normalise_title(raw).removed]
    assert "【收藏减1元】" in removed
    assert "【包邮包税】" in removed
    for word in ("奶粉", "0g", "Anmum", "Kabrita", "FIRMUS", "飞鹤", "惠氏", "原装进口", "香草"):
        assert not [segment for segment in removed if word in segment]


@given(
    st.text(
        alphabet=st.one_of(
            st.sampled_from("&lt;amp#60<>span/ 【】包邮（）＆＜１\u200b"), st.characters()
        ),
        max_size=60,
    )
)
def test_normalising_twice_changes_nothing_and_the_result_is_utf8(raw: str) -> None:
    title = normalise_title(raw).title
    assert normalise_title(title).title == title
    assert title.encode("utf-8").decode("utf-8") == title == title.strip()


@given(TITLES)
def test_any_title_is_normalised_once_and_for_all(raw: str) -> None:
    title = normalise_title(raw).title
    again = normalise_title(title)
    assert (again.title, again.removed) == (title, ())


@given(TITLES)
def test_skipping_plain_titles_changes_no_answer(raw: str) -> None:
    assert plain_text(raw) == rewrite(raw)
    assert not is_plain(raw) or rewrite(raw) == raw


def test_markup_nested_on_purpose_ends_without_markup() -> None:
    raw = "&"
    for _ in range(40):
        raw = raw.replace("&", "&#3&#56;;")
        raw = raw[:9_000]
    title = normalise_title(raw).title
    assert normalise_title(title).title == title


def test_the_raw_title_is_enough_to_say_what_was_removed() -> None:
    raw = "【包邮】 奶粉（罐装）&nbsp;[限时 特价]"
    assert normalise_title(raw).removed == ("【包邮】", "[限时 特价]")
    assert normalise_title(raw).title == "奶粉(罐装)"


def test_a_title_of_a_megabyte_is_cut_before_it_costs_time() -> None:
    assert len(normalise_title("&amp;" * 1_000_000).title) <= MAX_RAW_CHARS

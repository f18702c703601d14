"""Names that mean the same are written the same, and names that say nothing alone are known."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxonomy.names import NOTHING_ALONE, joined, normalise_name, parts


@pytest.mark.parametrize(
    ("written", "same_as"),
    [
        ("洗(烘)衣机", "洗（烘）衣机"),
        ("洗【烘】衣机", "洗（烘）衣机"),
        (" 洗 （ 烘 ） 衣机　", "洗（烘）衣机"),
        ("ｐｏｌｏ衫", "POLO衫"),
        ("Led设备", "LED设备"),
        ("饼干、蛋糕", "饼干/蛋糕"),
        ("饼干／蛋糕", "饼干/蛋糕"),
        ("饼干·蛋糕", "饼干/蛋糕"),
        ("饼干，蛋糕", "饼干/蛋糕"),
        ("饼干 | 蛋糕", "饼干/蛋糕"),
        ("饼干&amp;蛋糕", "饼干/蛋糕"),
        ("饼干＆蛋糕", "饼干/蛋糕"),
        ("饼干 &gt; 蛋糕", "饼干/蛋糕"),
        ("饼干//蛋糕/", "饼干/蛋糕"),
        ("其它", "其他"),
        ("其他…", "其他"),
        ("其他：", "其他"),
        ("手机\u200b通讯", "手机通讯"),
        ("&#x624b;机通讯", "手机通讯"),
        ("水壶&nbsp;水杯", "水壶水杯"),
    ],
)
def test_spellings_of_one_name_become_one(written: str, same_as: str) -> None:
    assert normalise_name(written) == normalise_name(same_as)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("保温杯", "保温壶"),
        ("冲饮谷物", "冲调饮品"),
        ("洗(烘)衣机", "洗烘衣机"),
        ("水壶", "水壶水杯"),
    ],
)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert normalise_name(one) != normalise_name(other)


def test_nothing_visible_becomes_the_empty_name() -> None:
    assert [normalise_name(text) for text in ("", "  ", "\u200b", "/", "…", " > ")] == [""] * 6


def test_a_single_final_dot_stays_and_a_row_of_them_goes() -> None:
    assert normalise_name("No.") == "no."
    assert normalise_name("更多...") == "更多"


def test_parts_are_the_pieces_between_separators() -> None:
    assert parts(normalise_name("桃、李 / 杏")) == ("桃", "李", "杏")
    assert parts("") == ()


@given(st.text(alphabet="水壶杯其它他（）【】[]/／、·&>|…. aAＡ１\u200b", max_size=30))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise_name(text)
    assert normalise_name(once) == once


def test_hostile_punctuation_takes_linear_time() -> None:
    started = time.perf_counter()
    normalise_name("." * 200_000 + "x.")
    assert time.perf_counter() - started < 1


def test_names_that_say_nothing_alone_are_in_normal_form() -> None:
    assert {normalise_name(name) for name in NOTHING_ALONE} == NOTHING_ALONE


def test_traditional_characters_read_as_simplified_ones() -> None:
    assert normalise_name("連衣裙") == "连衣裙"
    assert joined(normalise_name("燈具／燈飾")) == "灯具灯饰"

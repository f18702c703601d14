"""Wrongly read titles are mended, good ones never touched; ftfy is loaded for the former alone."""

import random
import subprocess
import sys

import ftfy.bad_codecs  # registers the browsers' lenient Windows-1252
import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from hypothesis import given
from hypothesis import strategies as st

from cleaning.titles.mojibake import maybe_misread, mend
from cleaning.titles.normalise import normalise_title

assert ftfy.bad_codecs
TITLES = ("苹果手机 新款 128GB", "德国双立人 刀具套装", "连衣裙（女）夏季", "【飞鹤】奶粉900g")


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("wrong", ["latin-1", "sloppy-windows-1252"])
def test_utf8_read_as_a_one_byte_encoding_is_mended(title: str, wrong: str) -> None:
    assert mend(title.encode().decode(wrong)) == title


@pytest.mark.parametrize("title", ["奶粉 900g", "连衣裙（女）", "苹果手机", "水杯500ml"])
def test_utf8_read_as_gbk_is_mended(title: str) -> None:
    assert mend(title.encode().decode("gbk")) == title


@pytest.mark.parametrize("title", TITLES[:3])
def test_gb2312_read_as_latin_is_mended(title: str) -> None:
    assert mend(title.encode("gbk").decode("latin-1")) == title


@pytest.mark.parametrize(
    ("misread", "title"),
    [
        ("è‹¹æžœæ‰‹æœº", "苹果手机"),
        ("PokÃ©mon 皮卡丘", "Pokémon 皮卡丘"),
        ("CafÃ© Ã  la crÃ¨me", "Café à la crème"),
        ("100Â°C 20mÂ²", "100°C 20m²"),
        ("&egrave;&lsaquo;&sup1;&aelig;&#158;&#156;手机", "苹果手机"),
        ("è\x8b¹æ\x9e\x9c <b>手机</b>", "苹果 手机"),
    ],
)
def test_titles_are_mended_before_anything_else_is_taken_out(misread: str, title: str) -> None:
    assert normalise_title(misread).title == title


@pytest.mark.parametrize(
    "title",
    [
        *(
            "L’Oréal “Elvive” 20℃ ½” ×²",
            "Crème brûlée à la française",
            "São Paulo — Ação",
            "Œuvre œil",
        ),
        *(
            "ÅÄÖ Ångström",
            "Straße Größe",
            "Кроссовки «Найк»",
            "Dvořák žlutý",
            "Áo thun nữ",
            "naïve ÑANDÚ",
        ),
        *(
            "鑫鑫 浜崎あゆみ 涓流充电器",
            "18.8g×8 ±0.1° ®™",
            "锟斤拷 键帽",
            "¿Qué? ¡Olé!",
            "£20 – €30",
            "ΑΒΓ ΔΩ",
        ),
    ],
)
def test_good_text_is_never_touched(title: str) -> None:
    assert mend(title) == title


def test_real_titles_are_not_mended(mep3m_titles: list[str]) -> None:
    assert [title for title in mep3m_titles if mend(title) != title] == []


def test_ftfy_is_asked_about_everything_it_would_call_bad() -> None:
    clues = sorted({c for group in MOJIBAKE_CATEGORIES.values() for c in group if ord(c) > 0x7F})
    letters = [*clues, *map(chr, range(0xA0, 0x250)), *"абвГÐйΑβaAzZ. ,1中"]
    pick = random.Random(20261122)
    texts = [a + b for a in letters[::3] for b in letters[::5]]
    texts += ["".join(pick.choices(letters, k=4)) for _ in range(30_000)]
    bad = [text for text in texts if not maybe_misread(text) and is_bad(text)]
    assert bad == []


@given(st.text(st.sampled_from("ÃÂ©è‹¹æžœ°²  中&amp;\u200b\x99\x85鑻规灉Ð»’”")))
def test_mending_twice_changes_nothing(raw: str) -> None:
    title = normalise_title(raw).title
    assert normalise_title(title).title == title


def test_clean_titles_do_not_load_ftfy() -> None:
    code = (
        "import sys; from cleaning.titles.rules import TitleThresholds, judge_title;"
        "judge_title('【飞鹤】奶粉（罐装）18.8g×8 20℃ “好”', TitleThresholds(), ('zh',));"
        "assert 'ftfy' not in sys.modules;"
        "judge_title('è‹¹æžœæ‰‹æœº', TitleThresholds(), ('zh',)); assert 'ftfy' in sys.modules"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)

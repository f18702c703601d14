"""Scripts decide languages, then letters and words; langdetect only what these cannot."""

import pytest
from hypothesis import given

from cleaning.titles.language import LanguageThresholds, detect
from cleaning.titles.scripts import count_every_script, count_scripts
from tests.cleaning.titles.catalogues import originals, sentences
from tests.cleaning.titles.strategies import TITLES

FOREIGN = {
    "ko": [
        "무선 블루투스 이어폰 고음질 노이즈 캔슬링",
        "여성용 가벼운 운동화 편안한 쿠션",
        "국내산 유기농 현미 10kg",
        "Samsung 갤럭시 버즈 케이스 투명 젤리",
        "대용량 스테인리스 텀블러 보온 보냉",
    ],
    "ja": [
        "ワイヤレスイヤホン 高音質 防水 長時間再生",
        "レディース スニーカー 軽量 疲れにくい",
        "国産 有機玄米 10kg まとめ買い",
        "資生堂 化粧水 しっとりタイプ 200ml 詰め替え用",
        "この商品は日本全国どこでも送料無料です",
    ],
    "th": [
        "เสื้อยืดผู้ชายแขนสั้น ผ้าฝ้าย",
        "หูฟังไร้สายบลูทูธ เสียงดี",
        "รองเท้าวิ่งผู้หญิง น้ำหนักเบา",
        "กระเป๋าสะพายข้าง หนังแท้ สีดำ",
        "iPhone เคสใส กันกระแทก ทุกรุ่น",
    ],
    "vi": [
        "Áo thun nam cổ tròn tay ngắn chất liệu cotton",
        "Giày thể thao nữ siêu nhẹ thoáng khí",
        "Tai nghe không dây chống ồn chủ động",
        "Nồi cơm điện tử dung tích lớn",
        "Sữa bột nguyên kem nhập khẩu",
    ],
    "ru": [
        "Кроссовки мужские летние дышащие",
        "Беспроводные наушники с шумоподавлением",
        "Сухое молоко цельное 900 г",
        "Чехол для iPhone прозрачный силиконовый",
        "Женская сумка через плечо из кожи",
    ],
    None: [
        "Men's lightweight breathable running shoes",
        "Wireless noise cancelling headphones with microphone",
        "Whole milk powder imported from New Zealand",
        "Gong Fu 茶 Chinese tea set with bamboo tray",
        "Daemon",
    ],
}


@pytest.mark.parametrize("language", FOREIGN)
def test_other_languages_are_refused_where_chinese_is_wanted(language: str | None) -> None:
    for title in FOREIGN[language]:
        verdict = detect(title, ("zh",))
        assert (verdict.language, verdict.method) == (language, "script"), title
        assert not verdict.accepted


@pytest.mark.parametrize(
    "title",
    [
        "安满（Anmum）智孕宝 孕妇配方奶粉800克",
        "無線藍牙耳機 降噪 長續航 運動款",
        "Nike Air Force 1 男鞋 CW2288",
        "SK-II Facial Treatment Essence 神仙水 230ml",
        "优の品 纯棉毛巾 家用洗脸巾",
        "日本 FANCL 無添加 卸妆油 マイルド 120ml 温和清洁毛孔",
        "韩国 Sulwhasoo 雪花秀 설화수 滋阴水乳套装",
    ],
)
def test_chinese_titles_with_foreign_brands_are_chinese(title: str) -> None:
    verdict = detect(title, ("zh",))
    assert (verdict.language, verdict.method, verdict.accepted) == ("zh", "script", True)


def test_regions_of_a_language_are_admitted_as_the_language() -> None:
    assert detect("無線藍牙耳機", ("zh-TW",)).accepted


@pytest.mark.parametrize("title", ["Daemon", "Go", "Ultra-light tent", "2001", "Hacking"])
def test_short_latin_titles_are_not_doubted(title: str) -> None:
    assert detect(title, ("en",)).accepted
    verdict = detect(title, ("de", "en"))
    assert verdict.accepted
    assert verdict.language is None


def test_long_latin_titles_are_told_apart_the_same_way_every_time() -> None:
    german = "Kaffeemaschine mit Mahlwerk und Milchaufschäumer, schwarz"
    english = "Coffee machine with integrated grinder and milk frother, black"
    for _ in range(3):
        assert detect(german, ("en", "de")).language == "de"
        assert detect(english, ("en", "de")).language == "en"
        refused = detect(german, ("en",))
        assert (refused.accepted, refused.language, refused.method) == (False, "de", "words")


def test_langdetect_is_asked_where_no_word_tells() -> None:
    verdict = detect("Edelstahl Thermobecher doppelwandig auslaufsicher spülmaschinenfest", ("en",))
    assert (verdict.language, verdict.method, verdict.accepted) == ("de", "langdetect", False)


def test_cyrillic_languages_are_told_apart_when_several_are_admitted() -> None:
    assert detect("Кросівки чоловічі літні дихаючі", ("ru", "uk")).language == "uk"
    assert detect("Кроссовки мужские летние дышащие", ("ru", "uk")).language == "ru"


def test_kana_settle_japanese_even_beside_chinese() -> None:
    assert detect("レディース 靴 軽量", ("zh", "ja")).language == "ja"
    assert detect("全棉四件套 纯棉床单被套", ("zh", "ja")).language == "zh"


def test_no_letters_no_language() -> None:
    verdict = detect("12345 !!", ("zh",))
    assert (verdict.language, verdict.method, verdict.accepted) == (None, "none", True)


def test_real_chinese_titles_are_chinese(mep3m_titles: list[str]) -> None:
    assert all(detect(title, ("zh",)).language == "zh" for title in mep3m_titles)


def test_real_titles_hold_no_other_script_and_no_guess(mep3m_titles: list[str]) -> None:
    assert {detect(title, ("zh",)).method for title in mep3m_titles} == {"script"}


# --------------------------------------------------------------------- real sentences

MANY = 100
"""Sentences that a catalogue has at least, or the test says little."""


@pytest.mark.parametrize("locale", ["ko", "ja", "th", "vi", "ru", "uk", "ar", "de", "fr", "es"])
def test_sentences_of_other_languages_are_refused_under_chinese(locale: str) -> None:
    said = sentences(locale, least=10)
    refused = [text for text in said if not detect(text, ("zh",)).accepted]
    assert len(said) >= MANY
    assert len(refused) >= 0.99 * len(said), set(said) - set(refused)


def test_english_sentences_are_refused_under_chinese() -> None:
    said = originals(least=10)
    assert len(said) >= MANY
    assert not [text for text in said if detect(text, ("zh",)).accepted]


@pytest.mark.parametrize("locale", ["de", "fr", "es", "it", "pt", "nl", "pl", "id", "vi"])
def test_sentences_of_other_latin_languages_are_refused_under_english(locale: str) -> None:
    said = sentences(locale, least=30)
    said = said[:: max(1, len(said) // 150)]  # the detector is slow
    accepted = [text for text in said if detect(text, ("en",)).accepted]
    assert len(said) >= MANY
    assert len(accepted) <= 0.02 * len(said), accepted


@pytest.mark.parametrize(
    ("locale", "language", "share"),
    [
        *(("zh_Hans", "zh", 1.0), ("zh_Hant", "zh", 0.99), ("ja", "ja", 0.99), ("ko", "ko", 0.99)),
        *(("th", "th", 0.99), ("vi", "vi", 0.99), ("ru", "ru", 0.99), ("uk", "uk", 0.99)),
        *(("de", "de", 0.98), ("fr", "fr", 0.99), ("es", "es", 0.98), ("ar", "ar", 0.99)),
        *(("fa", "fa", 0.99), ("bg", "bg", 0.99), ("pl", "pl", 0.98)),
    ],
)
def test_every_language_accepts_its_own_sentences(locale: str, language: str, share: float) -> None:
    said = sentences(locale, least=10)
    said = said[:: max(1, len(said) // 250)]  # the detector is slow
    accepted = [text for text in said if detect(text, (language,)).accepted]
    assert len(said) >= MANY
    assert len(accepted) >= share * len(said), set(said) - set(accepted)


def test_english_sentences_are_accepted_under_english() -> None:
    said = originals(least=10)
    refused = [text for text in said if not detect(text, ("en",)).accepted]
    assert len(refused) <= 0.005 * len(said), refused


# --------------------------------------------------------------------- hard cases


@pytest.mark.parametrize(
    "title",
    [
        "Compilers, principles, techniques, and tools",
        "Les Paul Standard electric guitar with hardshell case, sunburst",
        "L'Oréal Paris Elvive Extraordinary Oil shampoo for dry hair",
        "Introduction to algorithms",
    ],
)
def test_an_english_word_outvotes_a_detector_misled_by_terms(title: str) -> None:
    assert detect(title, ("en",)).accepted


def test_where_japanese_alone_is_admitted_han_is_japanese_but_for_characters_of_china() -> None:
    for title in ("化粧水 200ml", "本革財布", "日本酒 獺祭 純米大吟醸 720ml", "南部鉄器 急須"):
        assert detect(title, ("ja",)).accepted, title
    for title in ("女装连衣裙夏季新款", "高级茶叶 礼盒", "國產牛肉乾"):
        verdict = detect(title, ("ja",))
        assert (verdict.language, verdict.accepted) == ("zh", False), title


def test_japanese_in_han_alone_is_told_by_its_own_forms_or_taken_for_chinese() -> None:
    assert detect("東京駅限定発売 桜柄", ("zh",)).language == "ja"
    assert not detect("現在販売可能在庫数 価格", ("zh",)).accepted
    # Nothing in these characters is Japanese alone.
    assert detect("日本製 化粧水 保湿", ("zh",)).language == "zh"
    # A borrowed form or two among many characters leave a Chinese title Chinese.
    assert detect("元気森林 乳酸菌汽水 白桃味 0糖0脂 整箱 480ml*15瓶", ("zh",)).language == "zh"
    assert detect("日本进口 楽天 黒糖 雪糕 家庭装 多口味组合 儿童休闲零食 送礼", ("zh",)).accepted


def test_letters_of_one_language_tell_it_from_others_of_its_script() -> None:
    assert not detect("Кросівки чоловічі літні дихаючі", ("ru",)).accepted
    assert not detect("Кроссовки мужские летние, дышащие, чёрные", ("uk",)).accepted
    assert not detect("کفش ورزشی مردانه پیاده‌روی چرم گاوی", ("ar",)).accepted


def test_thresholds_are_obeyed() -> None:
    title = "SK-II Facial Treatment Essence 神仙水 230ml"
    assert detect(title, ("zh",)).accepted
    assert not detect(title, ("zh",), LanguageThresholds(min_script_share=0.4)).accepted
    short = "Der Herr und die Frau aus dem Haus"
    assert detect(short, ("en",)).accepted
    assert not detect(short, ("en",), LanguageThresholds(min_doubted_letters=10)).accepted


@given(TITLES)
def test_counting_bytes_and_counting_letters_agree(title: str) -> None:
    assert count_scripts(title) == count_every_script(title)


def test_the_quick_count_serves_nearly_every_real_title(mep3m_titles: list[str]) -> None:
    assert all(count_scripts(title) == count_every_script(title) for title in mep3m_titles)

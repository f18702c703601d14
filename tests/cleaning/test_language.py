"""Scripts decide languages; langdetect only what scripts cannot."""

import pytest

from cleaning.language import detect

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
        assert (refused.accepted, refused.language, refused.method) == (False, "de", "langdetect")


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

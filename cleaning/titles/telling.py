"""Letters and words by which languages of one script tell themselves apart.

In comes a title; out goes a language, or votes by language, or nothing. It is asked before
langdetect, whose statistics need running text: it calls "Compilers, principles, techniques, and
tools" French.
"""

import re
from collections import Counter
from functools import lru_cache

_LETTERS: dict[str, tuple[tuple[str, re.Pattern[str]], ...]] = {
    "latin": (("vi", re.compile("[\u01a0\u01a1\u01af\u01b0\u1ea0-\u1ef9]")),),
    "cyrillic": (
        ("uk", re.compile("[іїєґІЇЄҐ]")),
        ("mk", re.compile("[ѓќѕЃЌЅ]")),
        ("ru", re.compile("[ыэёЫЭЁ]")),
    ),
    "arabic": (("ur", re.compile("[ٹڈڑںے]")), ("fa", re.compile("[پچژگ]"))),
}
MIN_TELLING_LETTERS = 2
"""One telling letter may stand in a name (Kalinić's "Љ", a Persian brand); two are a language."""

# Forms of characters that only Japan writes: neither simplified nor traditional Chinese has them.
_JAPANESE_FORM = re.compile(
    "[図円駅県売価発気広単戦実帰楽薬験険検剣鉄黒経続読転軽伝働込対応焼繊縦総荘蔵覚覧観訳豊辺遅郷"
    "釈銭録隠霊頼顔顕鶏浄渋沢"
    "済満滝犠猟産畑畳瀬稲穂穏粋絵継緑縄脳臓茎蛍誉譲賛践逓酔醸鋭錬闘陥髄髪桜栄様権歓歩歯毎渓疎悪恵"
    "悩戯払抜拝挙拡択掲"
    "揺撃摂斎暁暦桟氷巣帯庁弐弾従徳徴囲圏圧塁塩壊壌壱変奨嬢専峠剤剰労勲勧匂厳収営噛嘱仏仮両亜の]"
)
MIN_JAPANESE_FORMS = 2
MIN_JAPANESE_SHARE = 0.15
"""Distinct Japanese forms, and their share of the Han characters, that make a title Japanese:
Chinese brands borrow single ones (元気森林), and Chinese shops quote Japanese brands (楽天)."""

# Articles, prepositions, conjunctions, pronouns: a word stands with every language that has it.
FUNCTION_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the and of with for from by your is are this that to in on an at or as not a be it"
        " you was will can has have how its into all no which if when about more than their",
        "de": "und der die das mit für von ist ein eine einen einer eines im in auf zu zum zur den"
        " dem des nicht aus bei auch oder sie es an als nach durch wird sind wie ihr ihre kann"
        " werden",
        "fr": "le la les des du de et pour avec dans sur une un est au aux en par sans ce cette ces"
        " qui que vous votre vos son sa ses pas plus ou il elle sont être à on ne se a",
        "es": "el la los las de del y con para por una un en es que su sus al sin o no se este esta"
        " como más lo son ser está ha no a si entre",
        "it": "il lo la i gli le di del della dei delle e con per una un in è che da al alla nel"
        " nella non su sono si come o più questo questa essere dal a ai",
        "pt": "o a os as de do da dos das e com para por uma um em no na que não se ou é ao à como"
        " mais este esta seu sua são ser nos nas pelo pela",
        "nl": "de het een en van met voor in op is te dat die niet zijn aan door bij uit of ook als"
        " naar om deze dit wordt kan uw je moet over",
        "sv": "och att det en ett som är för med på av den till inte har om eller kan de vara från"
        " så du i ska måste",
        "da": "og at det en et som er for med på af den til ikke har om eller kan de være fra så du"
        " i skal",
        "no": "og at det en et som er for med på av den til ikke har om eller kan de være fra så du"
        " i skal må",
        "fi": "ja on ei se että oli joka tai sekä myös kun mutta ovat voi olla tämä jos kuin",
        "pl": "i w na z do nie się że to jest dla oraz lub od po przez jak o za ze są być tym jest"
        " a",
        "cs": "a v na se je s z do že pro to ne jako nebo od po při k o za ze jsou být musí tento",
        "sk": "a v na sa je s z do že pre to nie ako alebo od po pri k o za zo sú byť musí tento",
        "hu": "a az és egy hogy nem is van vagy meg ez de mint csak el kell már lehet",
        "ro": "și de la cu pe în un o este pentru din nu care sau mai să al ale ca sunt fi acest",
        "tr": "ve bir bu için ile da de olarak çok daha ne olan en gibi veya değil her",
        "id": "dan yang di untuk dengan dari ini itu pada tidak ke adalah atau dalam akan juga"
        " oleh",
        "vi": "và của có là cho không được một các trong với này từ những để khi cho",
        "hr": "i u na je se za da s od ne su o koji ili kao do biti nije po iz",
        "sl": "in v na je se za da z od ne so o ki ali kot do biti ni po iz",
        "ca": "el la els les de del i amb per una un en és que al dels o no es aquest com més",
        "af": "die en van met vir in op is te dat nie aan deur by uit of ook as om hierdie",
        "tl": "ang ng sa na mga at ay para ito hindi may kung",
    }.items()
}
_WORDS = re.compile(r"[^\W\d_]+")
_HAN = re.compile("[\u4e00-\u9fff]")


def by_letters(title: str, script: str) -> str | None:
    """The language whose own letters ``title`` holds, when there are enough of them."""
    for language, letters in _LETTERS.get(script, ()):
        if len(letters.findall(title)) >= MIN_TELLING_LETTERS:
            return language
    return None


def is_japanese_by_forms(title: str, han: int) -> bool:
    """Whether the ``han`` Han characters of ``title`` are Japanese by their forms alone."""
    forms = _JAPANESE_FORM.findall(title)  # の decorates Chinese packages too, so it counts once
    if len(forms) < MIN_JAPANESE_FORMS:
        return False
    return len(set(forms)) >= MIN_JAPANESE_FORMS and len(forms) >= MIN_JAPANESE_SHARE * han


def is_chinese_by_forms(title: str) -> bool:
    """Whether ``title`` holds a character that Japanese writing does not have (连, 產).

    Japan's character sets, JIS X 0208 and its extensions, hold every character in use there.
    """
    return any(_is_foreign_to_japan(character) for character in _HAN.findall(title))


@lru_cache(maxsize=4096)
def _is_foreign_to_japan(character: str) -> bool:
    try:
        character.encode("cp932")
    except UnicodeEncodeError:
        return True
    return False


def function_words(title: str) -> Counter[str]:
    """How many different function words of each language ``title`` holds."""
    words = set(_WORDS.findall(title.lower()))
    votes = {language: len(words & known) for language, known in FUNCTION_WORDS.items()}
    return Counter({language: count for language, count in votes.items() if count})

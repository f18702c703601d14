"""Tell which language a title is written in, by counting Unicode scripts.

In come a title and the languages a dataset admits; out goes a verdict. Scripts settle nearly
every title in microseconds; langdetect, seeded and restricted to the languages in question, is
asked only where one script serves several of them. (On simplified-Chinese product titles
langdetect alone calls 37 % Korean: Mimino666/langdetect issues 13, 51, 120.)
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Literal

from langdetect.detector_factory import DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

Method = Literal["script", "langdetect", "none"]

SCRIPT_LANGUAGES: dict[str, tuple[str, ...]] = {
    "han": ("zh", "ja"),
    "kana": ("ja",),
    "hangul": ("ko",),
    "thai": ("th",),
    "cyrillic": ("ru", "uk", "bg", "mk"),
    "arabic": ("ar", "fa", "ur"),
    "hebrew": ("he",),
    "greek": ("el",),
    "devanagari": ("hi", "mr", "ne"),
    "latin": (
        *("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "fi", "pl", "cs", "sk"),
        *("hu", "ro", "tr", "id", "vi", "hr", "sl", "et", "lv", "lt", "ca", "af", "sq", "tl"),
    ),
}
"""Languages of each script, the most common first: it names a title no one asked about."""

KNOWN_LANGUAGES = frozenset(code for codes in SCRIPT_LANGUAGES.values() for code in codes)
"""Every code that may be admitted; a region ("zh-cn", "zh-tw") is accepted and ignored."""

LATIN_LETTERS_PER_CHARACTER = 3
"""A Han character weighs as much as this many Latin letters: "Nike Air Force 1 男鞋" is Chinese."""

MIN_NON_LATIN_SHARE = 0.2
"""Weighted share from which the other script names the language: 0.15 of the plain letters weigh
0.35, two characters beside four Latin words 0.3, one quoted in an English title less than 0.15."""

MIN_KANA_SHARE = 0.25
"""Kana among Han and kana from which a title is Japanese; Chinese shops decorate with の (not
counted) and quote the katakana name of an imported product."""

MIN_LATIN_LETTERS = 30
"""Below this many letters a Latin title is not doubted: of 196 English titles of the Oscar shop
langdetect refuses 7 when asked from 20 letters on, 3 from 25 and 1 from 30."""

MIN_PROBABILITY = 0.1
"""langdetect's share for the admitted languages below which a Latin title is refused. It is
low because names and technical terms mislead the detector far more often than they exonerate."""


@dataclass(frozen=True)
class LanguageVerdict:
    """What a title is written in.

    ``language`` is null when undetermined (a short Latin title, several Latin languages admitted);
    ``script`` is the deciding one; ``confidence`` is the script's share of the letters, or
    langdetect's probability; ``accepted`` says whether the title may be in an admitted language.
    """

    language: str | None
    script: str | None
    method: Method
    confidence: float
    accepted: bool


_SCRIPT_RUN = re.compile(
    "(?P<han>[\u2e80-\u2fdf\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]+)"
    "|(?P<latin>[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]+)"
    "|(?P<no>\u306e+)"  # の alone is decoration on Chinese packages
    "|(?P<kana>[\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fd-\u30ff\u31f0-\u31ff]+)"
    "|(?P<hangul>[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]+)"
    "|(?P<thai>[\u0e01-\u0e3a\u0e40-\u0e4e]+)"
    "|(?P<cyrillic>[\u0400-\u052f]+)"
    "|(?P<arabic>[\u0620-\u064a\u066e-\u06d3\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc]+)"
    "|(?P<hebrew>[\u05d0-\u05ea]+)"
    "|(?P<greek>[\u0370-\u03ff\u1f00-\u1fff]+)"
    "|(?P<devanagari>[\u0900-\u0963\u0971-\u097f]+)"
    r"|(?P<other>[^\W\d_])"
)
# Letters of Vietnamese and hardly any other language; one may be a name, two are not.
_VIETNAMESE = re.compile("[\u01a0\u01a1\u01af\u01b0\u1ea0-\u1ef9]")


def count_scripts(title: str) -> dict[str, int]:
    """Letters of each script in ``title``; scripts that do not occur are left out."""
    counts: dict[str, int] = {}
    for run in _SCRIPT_RUN.finditer(title):
        script = run.lastgroup or "other"
        counts[script] = counts.get(script, 0) + run.end() - run.start()
    return counts


def detect(title: str, allowed: tuple[str, ...]) -> LanguageVerdict:
    """Return the language of ``title`` and whether it is one of ``allowed`` (ISO 639-1 codes)."""
    admitted = tuple(dict.fromkeys(code.split("-")[0].lower() for code in allowed))
    counts = count_scripts(title)
    if not counts:
        # Nothing speaks against a title without letters; that is for another rule to judge.
        return LanguageVerdict(None, None, "none", 0.0, True)
    script, share = _deciding_script(counts)
    if script == "latin" and len(_VIETNAMESE.findall(title)) >= 2:
        return _by_script("vi", script, share, admitted)
    candidates = SCRIPT_LANGUAGES.get(script, ())
    wanted = tuple(code for code in admitted if code in candidates)
    if not wanted:
        # Naming one Latin language among dozens would be a guess.
        named = candidates[0] if candidates and script != "latin" else None
        return LanguageVerdict(named, script, "script", share, False)
    if script == "latin":
        return _among_latin(title, counts["latin"], wanted, share)
    # Han is Chinese unless Japanese is admitted too: a Japanese title may hold no kana.
    rivals = ("zh", "ja") if script == "han" and "ja" in wanted else wanted
    ranked = _probabilities(title, rivals) if len(rivals) > 1 else []
    if not ranked:
        return _by_script(wanted[0], script, share, admitted)
    language, probability = ranked[0]
    return LanguageVerdict(language, script, "langdetect", probability, language in wanted)


def _deciding_script(counts: dict[str, int]) -> tuple[str, float]:
    """The script that names the language, and its share of the letters.

    Han and kana are weighed together first: kana make them Japanese, too few do not.
    """
    letters = sum(counts.values())
    han = counts.get("han", 0)
    kana = counts.get("kana", 0)
    east_asian = han + kana + counts.get("no", 0)
    if kana >= 2 and kana >= MIN_KANA_SHARE * (han + kana):
        counts = {**counts, "kana": east_asian, "han": 0}
    else:
        counts = {**counts, "han": east_asian, "kana": 0}
    rest = [(count, script) for script, count in counts.items() if script not in ("latin", "no")]
    count, script = max(rest)
    latin = counts.get("latin", 0)
    weight = letters - latin + latin / LATIN_LETTERS_PER_CHARACTER
    if latin and count < MIN_NON_LATIN_SHARE * weight:
        return "latin", latin / letters
    return script, count / letters


def _by_script(
    language: str, script: str, share: float, admitted: tuple[str, ...]
) -> LanguageVerdict:
    return LanguageVerdict(language, script, "script", share, language in admitted)


def _among_latin(
    title: str, letters: int, wanted: tuple[str, ...], share: float
) -> LanguageVerdict:
    only = wanted[0] if len(wanted) == 1 else None
    if letters < MIN_LATIN_LETTERS:
        return LanguageVerdict(only, "latin", "script", share, True)
    ranked = _probabilities(title, SCRIPT_LANGUAGES["latin"])
    if not ranked:
        return LanguageVerdict(only, "latin", "script", share, True)
    for language, probability in ranked:
        if language in wanted and probability >= MIN_PROBABILITY:
            return LanguageVerdict(language, "latin", "langdetect", probability, True)
    return LanguageVerdict(ranked[0][0], "latin", "langdetect", ranked[0][1], False)


_PROFILES = {"zh": ("zh-cn", "zh-tw")}


@lru_cache(maxsize=8)
def _factory(languages: tuple[str, ...]) -> DetectorFactory:
    """A private langdetect factory of just these languages, loaded in a fixed order.

    The library's own ``load_profile`` follows the order of the directory listing, which decides
    ties, and draws from an unseeded generator.
    """
    profiles = resources.files("langdetect").joinpath("profiles")
    names = [name for code in sorted(languages) for name in _PROFILES.get(code, (code,))]
    factory = DetectorFactory()
    factory.seed = 0
    factory.load_json_profile([profiles.joinpath(name).read_text("utf-8") for name in names])
    return factory


def _probabilities(title: str, languages: tuple[str, ...]) -> list[tuple[str, float]]:
    """Languages by descending probability, regions folded; empty if langdetect has no opinion."""
    # Upper case misleads the detector: its profiles were made from running text.
    detector = _factory(languages).create()
    detector.append(title.lower())
    try:
        found = detector.get_probabilities()
    except LangDetectException:
        return []  # "no features in text": nothing it knows occurs in the title
    folded: dict[str, float] = {}
    for item in found:
        code = item.lang.split("-")[0]
        folded[code] = folded.get(code, 0.0) + item.prob
    return sorted(folded.items(), key=lambda pair: (-pair[1], pair[0]))

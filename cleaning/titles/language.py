"""Tell which language a title is written in, by counting Unicode scripts.

In come a title and the languages a dataset admits; out goes a verdict. Scripts settle nearly
every title in microseconds, then letters and function words that one language has; langdetect,
seeded and restricted to the languages in question, is asked only where one script serves several
of them and nothing else tells. (On simplified-Chinese product titles langdetect alone calls 37 %
Korean: Mimino666/langdetect issues 13, 51, 120.) Japanese in Han characters alone is told by the
forms only Japan writes; a title without them reads the same in both languages, and is Chinese
unless Japanese alone is admitted, which only characters that Japan does not have speak against.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Literal, NamedTuple

from langdetect.detector_factory import DetectorFactory
from langdetect.lang_detect_exception import LangDetectException

from cleaning.titles.scripts import count_scripts
from cleaning.titles.telling import (
    by_letters,
    function_words,
    is_chinese_by_forms,
    is_japanese_by_forms,
)
from runtime.languages import SCRIPT_LANGUAGES

Method = Literal["script", "words", "langdetect", "none"]

LATIN_LETTERS_PER_CHARACTER = 3
"""A Han character weighs as much as this many Latin letters: "Nike Air Force 1 男鞋" is Chinese."""

MIN_KANA = 2
MIN_KANA_SHARE = 0.25
"""Kana, and their share of Han and kana, from which a title is Japanese; Chinese shops decorate
with の (not counted) and quote the katakana name of an imported product."""

KATAKANA_PER_HIRAGANA = 3
"""Hiragana are the endings and particles of Japanese words: hardly any Chinese title quotes one."""

MIN_FOREIGN_LEAD = 2
"""Function words by which another language has to lead before a title is refused for them."""


@dataclass(frozen=True)
class LanguageThresholds:
    """When a title is another language's.

    ``min_script_share``: weighted share of the letters from which a script other than Latin names
    the language; 0.15 of the plain letters weigh 0.35, two characters beside four Latin words 0.3,
    one quoted in an English title less than 0.15. ``min_doubted_letters``: a Latin title below it
    is not doubted; of 196 English titles of the Oscar shop langdetect refuses 7 when asked from 20
    letters on, 3 from 25 and 1 from 30. ``min_probability``: langdetect's share for the admitted
    languages below which a Latin title is refused; it is low because names and technical terms
    mislead the detector far more often than they exonerate.
    """

    min_script_share: float = 0.2
    min_doubted_letters: int = 30
    min_probability: float = 0.1


_DEFAULTS = LanguageThresholds()
_FOLDED = frozenset({"latin", "han", "no", "hiragana", "katakana"})


class LanguageVerdict(NamedTuple):
    """What a title is written in.

    ``language`` is null when undetermined (a short Latin title, several Latin languages admitted);
    ``script`` is the deciding one; ``confidence`` is the script's share of the letters, the share
    of the votes, or langdetect's probability; ``accepted`` says whether the title may be in an
    admitted language.
    """

    language: str | None
    script: str | None
    method: Method
    confidence: float
    accepted: bool


def detect(
    title: str, allowed: tuple[str, ...], thresholds: LanguageThresholds = _DEFAULTS
) -> LanguageVerdict:
    """Return the language of ``title`` and whether it is one of ``allowed`` (ISO 639-1 codes)."""
    counts = count_scripts(title)
    if not counts:
        # Nothing speaks against a title without letters; that is for another rule to judge.
        return LanguageVerdict(None, None, "none", 0.0, True)
    admitted = admitted_languages(allowed)
    script, share = _deciding_script(counts, thresholds.min_script_share)
    if script == "han":
        told = "ja" if is_japanese_by_forms(title, counts.get("han", 0)) else None
    else:
        told = by_letters(title, script)
    if told is not None:
        return _by_script(told, script, share, admitted)
    candidates = SCRIPT_LANGUAGES.get(script, ())
    wanted = tuple(code for code in admitted if code in candidates)
    if not wanted:
        # Naming one Latin language among dozens would be a guess.
        named = candidates[0] if candidates and script != "latin" else None
        return LanguageVerdict(named, script, "script", share, False)
    if script == "latin":
        return _among_latin(title, counts["latin"], wanted, share, thresholds)
    if script == "han" and wanted == ("ja",):
        # langdetect calls 化粧水 200ml Chinese; only characters of China's own can tell that.
        told = "zh" if is_chinese_by_forms(title) else "ja"
        return _by_script(told, script, share, admitted)
    ranked = _probabilities(title, wanted) if len(wanted) > 1 else []
    if not ranked:
        return _by_script(wanted[0], script, share, admitted)
    language, probability = ranked[0]
    return LanguageVerdict(language, script, "langdetect", probability, language in wanted)


@lru_cache(maxsize=8)
def admitted_languages(allowed: tuple[str, ...]) -> tuple[str, ...]:
    """``allowed`` without regions and repetitions, in the same order."""
    return tuple(dict.fromkeys(code.split("-")[0].lower() for code in allowed))


def _deciding_script(counts: dict[str, int], min_share: float) -> tuple[str, float]:
    """The script that names the language, and its share of the letters.

    Han and kana are weighed together first: kana make them Japanese, too few do not.
    """
    latin = counts.get("latin", 0)
    if len(counts) == 2 and latin and "han" in counts:
        count, script, letters = counts["han"], "han", counts["han"] + latin
    else:
        count, script, letters = _leading_script(counts)
    weight = letters - latin + latin / LATIN_LETTERS_PER_CHARACTER
    if latin and count < min_share * weight:
        return "latin", latin / letters
    return script, count / letters


def _leading_script(counts: dict[str, int]) -> tuple[int, str, int]:
    """Letters of the foremost script other than Latin, its name, and all letters."""
    letters = sum(counts.values())
    hiragana, katakana = counts.get("hiragana", 0), counts.get("katakana", 0)
    weight = katakana + hiragana * KATAKANA_PER_HIRAGANA
    plain = counts.get("han", 0) + hiragana + katakana
    japanese = weight >= MIN_KANA and weight >= MIN_KANA_SHARE * plain
    merged = {"kana" if japanese else "han": plain + counts.get("no", 0)}
    merged |= {script: count for script, count in counts.items() if script not in _FOLDED}
    count, script = max((count, script) for script, count in merged.items())
    return count, script, letters


def _by_script(
    language: str, script: str, share: float, admitted: tuple[str, ...]
) -> LanguageVerdict:
    return LanguageVerdict(language, script, "script", share, language in admitted)


def _among_latin(
    title: str,
    letters: int,
    wanted: tuple[str, ...],
    share: float,
    thresholds: LanguageThresholds,
) -> LanguageVerdict:
    only = wanted[0] if len(wanted) == 1 else None
    if letters < thresholds.min_doubted_letters:
        return LanguageVerdict(only, "latin", "script", share, True)
    voted = _by_function_words(title, wanted)
    if voted is not None:
        return voted
    ranked = _probabilities(title, SCRIPT_LANGUAGES["latin"])
    if not ranked:
        return LanguageVerdict(only, "latin", "script", share, True)
    for language, probability in ranked:
        if language in wanted and probability >= thresholds.min_probability:
            return LanguageVerdict(language, "latin", "langdetect", probability, True)
    return LanguageVerdict(ranked[0][0], "latin", "langdetect", ranked[0][1], False)


def _by_function_words(title: str, wanted: tuple[str, ...]) -> LanguageVerdict | None:
    """A verdict if the function words of one language outnumber all others'.

    One word suffices for an admitted language, because a title without any other language's
    gives no reason to refuse it; a refusal takes a lead of `MIN_FOREIGN_LEAD`.
    """
    votes = function_words(title)
    if not votes:
        return None
    ours = max((votes[code], code) for code in wanted)
    theirs = max(
        ((count, code) for code, count in votes.items() if code not in wanted), default=(0, "")
    )
    total = sum(votes.values())
    if ours[0] > theirs[0] and sum(votes[code] == ours[0] for code in wanted) == 1:
        return LanguageVerdict(ours[1], "latin", "words", ours[0] / total, True)
    if theirs[0] >= ours[0] + MIN_FOREIGN_LEAD:
        rivals = sorted(code for code, count in votes.items() if count == theirs[0])
        if len(rivals) == 1:
            return LanguageVerdict(rivals[0], "latin", "words", theirs[0] / total, False)
    return None


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

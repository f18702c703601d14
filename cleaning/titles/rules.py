"""The rules that keep, flag or refuse a title: a rule is a row of ``TITLE_RULES``.

In comes a raw title; out go the normalised title, its language and every rule that fires, the
deciding one first. Adding a rule means adding a row here and its test.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from cleaning.titles import contacts, signs
from cleaning.titles.language import (
    LanguageThresholds,
    LanguageVerdict,
    admitted_languages,
    detect,
)
from cleaning.titles.normalise import normalise_title
from cleaning.titles.truncation import truncation
from runtime.han_forms import simplified
from runtime.languages import SCRIPT_LANGUAGES


@dataclass(frozen=True)
class TitleThresholds:
    """What a title is measured against; the defaults' origins stand in the rules' rows."""

    min_chars: int = 4
    min_chars_latin: int = 1
    max_chars: int = 300
    max_repetition: float = 0.6
    language: LanguageThresholds = field(default_factory=LanguageThresholds)


class TitleFacts(NamedTuple):
    """A title as the rules see it; ``unclosed`` is the place of its first open bracket, or -1.

    ``folded`` is the title in simplified characters, place for place. ``latin`` says whether titles
    in Latin script are admitted and this one is in no other script.
    """

    title: str
    folded: str
    removed: tuple[str, ...]
    unclosed: int
    language: LanguageVerdict
    languages: tuple[str, ...]
    latin: bool


@dataclass(frozen=True)
class RuleVerdict:
    """A rule that fired: its versioned name, why, what was measured and what was allowed."""

    rule: str
    reason: str
    value: str | float
    threshold: str | float


Finding = tuple[str | float, str | float]
"""(what was measured, the threshold it was held against)"""


@dataclass(frozen=True)
class TitleRule:
    """One versioned rule; ``predicate`` returns a finding when the title breaks it.

    ``flags`` says that such a title is marked and kept.
    """

    name: str
    predicate: Callable[[TitleFacts, TitleThresholds], Finding | None]
    reason: str
    source_of_threshold: str
    flags: bool = False


@dataclass(frozen=True)
class TitleJudgement:
    """A title after normalisation and rules; no verdicts means that it is kept.

    ``flags`` are the rules that only mark it.
    """

    title: str
    removed: tuple[str, ...]
    language: str | None
    verdicts: tuple[RuleVerdict, ...]
    flags: tuple[RuleVerdict, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether no rule refused it."""
        return not self.verdicts


# ---------------------------------------------------------------------------- predicates


def _empty(facts: TitleFacts, thresholds: TitleThresholds) -> Finding | None:
    return None if facts.title else (" ".join(facts.removed), "not empty")


def _too_short(facts: TitleFacts, thresholds: TitleThresholds) -> Finding | None:
    least = thresholds.min_chars_latin if facts.latin else thresholds.min_chars
    return (len(facts.title), least) if len(facts.title) < least else None


def _too_long(facts: TitleFacts, thresholds: TitleThresholds) -> Finding | None:
    length = len(facts.title)
    return (length, thresholds.max_chars) if length > thresholds.max_chars else None


def _no_letters(facts: TitleFacts, thresholds: TitleThresholds) -> Finding | None:
    if facts.language.method != "none":
        return None
    if facts.latin and any(character.isdigit() for character in facts.title):
        return None  # "2001" and "1984" are titles of books
    return 0, 1


def _language(facts: TitleFacts, thresholds: TitleThresholds) -> Finding | None:
    verdict = facts.language
    if verdict.accepted:
        return None
    return verdict.language or f"{verdict.script} script", ",".join(facts.languages)


def _repetition(facts: TitleFacts, thresholds: TitleThresholds) -> Finding | None:
    share = signs.repetition_above(facts.title, thresholds.max_repetition)
    return None if share is None else (round(share, 3), thresholds.max_repetition)


def _truncated(facts: TitleFacts, thresholds: TitleThresholds) -> Finding | None:
    found = truncation(facts.title, facts.unclosed)
    return None if found is None else (found, "a whole title")


def _sign(
    search: Callable[[str], str | None], threshold: str
) -> Callable[[TitleFacts, TitleThresholds], Finding | None]:
    def predicate(facts: TitleFacts, thresholds: TitleThresholds) -> Finding | None:
        found = search(facts.folded)
        if found is None:
            return None
        place = facts.folded.index(found)
        return facts.title[place : place + len(found)], threshold

    return predicate


TITLE_RULES: tuple[TitleRule, ...] = (
    TitleRule(
        "title_empty_v1",
        _empty,
        "nothing is left of the title after normalisation",
        "by definition",
    ),
    TitleRule(
        "title_template_residue_v2",
        _sign(signs.template_residue, "no template syntax"),
        "the page's template was not filled in",
        "syntax of the template languages shops use",
    ),
    TitleRule(
        "title_service_listing_v2",
        _sign(signs.service_listing, "a product"),
        "a listing for a payment or a test, not for a product",
        "terms Chinese shops use for such listings; none in 500 MEP-3M titles",
    ),
    TitleRule(
        "title_price_only_v1",
        _sign(signs.price_only, "more than a price"),
        "the title holds nothing but a price",
        "by definition",
    ),
    TitleRule(
        "title_contact_details_v2",
        _sign(contacts.contact_details, "no contact details"),
        "the title holds a phone number, an account or an address",
        "numbering plans; names of accounts have five characters, so that 400电话 and QQ糖 pass",
    ),
    TitleRule(
        "title_no_letters_v2",
        _no_letters,
        "the title holds no letter of any script",
        "by definition; numerals pass where Latin-script titles are admitted",
    ),
    TitleRule(
        "title_too_short_v1",
        _too_short,
        "the title is too short to name a product",
        "the shortest of 500 MEP-3M titles has 16 characters, Oscar sells a book called C",
    ),
    TitleRule(
        "title_too_long_v1",
        _too_long,
        "the title is a description, not a name",
        "the longest of 500 MEP-3M titles has 76 characters; shops allow at most about 200",
    ),
    TitleRule(
        "title_repetition_v2",
        _repetition,
        "most of the title repeats itself",
        "repeated 3-grams: at most 0.31 in 500 MEP-3M titles, 0.67 for a word said four times",
    ),
    TitleRule(
        "title_language_v2",
        _language,
        "the title is not in an admitted language",
        "shares of scripts measured on MEP-3M titles, see cleaning.titles.language",
    ),
    TitleRule(
        "title_truncated_v1",
        _truncated,
        "the title was cut off",
        "by definition",
        flags=True,
    ),
)
"""In deciding order: what says most about the listing comes first."""


def judge_title(
    raw: str, thresholds: TitleThresholds, languages: tuple[str, ...]
) -> TitleJudgement:
    """Normalise ``raw``, detect its language among ``languages`` and apply every rule."""
    title, removed, unclosed = normalise_title(raw)
    language = detect(title, languages, thresholds.language)
    latin = language.script in (None, "latin") and _admits_latin(languages)
    facts = TitleFacts(title, simplified(title), removed, unclosed, language, languages, latin)
    verdicts: list[RuleVerdict] = []
    flags: list[RuleVerdict] = []
    # Of an empty title every other rule is vacuous.
    for rule in TITLE_RULES if title else TITLE_RULES[:1]:
        finding = rule.predicate(facts, thresholds)
        if finding is not None:
            verdict = RuleVerdict(rule.name, rule.reason, *finding)
            (flags if rule.flags else verdicts).append(verdict)
    return TitleJudgement(title, removed, language.language, tuple(verdicts), tuple(flags))


@lru_cache(maxsize=8)
def _admits_latin(languages: tuple[str, ...]) -> bool:
    return not set(SCRIPT_LANGUAGES["latin"]).isdisjoint(admitted_languages(languages))

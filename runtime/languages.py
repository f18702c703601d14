"""The languages that titles can be told to be in, by script.

Beside `cleaning.titles.language`, which tells them, the configuration asks for them: a code that no
title can have would refuse every record of a crawl.
"""

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
"""Every ISO 639-1 code that may be admitted."""

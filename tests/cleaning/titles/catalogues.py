"""Real sentences in many languages: the translations that Django and django-oscar ship."""

import gettext
import re
from importlib import util
from pathlib import Path

import pytest

_NOT_WORDS = re.compile(r"%\([^)]*\)(?:\.\d+)?\w|%[sdi%]|\{\w*\}|<[^>]+>|\\n|\s+")


def sentences(locale: str, least: int) -> list[str]:
    """Translations of at least ``least`` letters in ``locale``, less their placeholders."""
    found = set()
    for path in _catalogues(locale):
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        for key, translation in catalogue.items():
            original = key[0] if isinstance(key, tuple) else key
            text = _NOT_WORDS.sub(" ", translation).strip()
            if original and translation != original and _letters(text) >= least:
                found.add(" ".join(text.split()))
    return sorted(found)


def originals(least: int) -> list[str]:
    """The English sentences that were translated, of at least ``least`` letters."""
    found = set()
    for path in _catalogues("fr"):
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        for key in catalogue:
            text = _NOT_WORDS.sub(" ", key[0] if isinstance(key, tuple) else key)
            if _letters(text) >= least:
                found.add(" ".join(text.split()))
    return sorted(found)


def _catalogues(locale: str) -> list[Path]:
    pytest.importorskip("django", reason="its catalogues come with the extra integration")
    roots = []
    for package in ("django", "oscar"):
        spec = util.find_spec(package)
        if spec is not None and spec.origin is not None:
            roots.append(Path(spec.origin).parent)
    pattern = f"**/locale/{locale}/LC_MESSAGES/*.mo"
    return [path for root in roots for path in sorted(root.glob(pattern))]


def _letters(text: str) -> int:
    return sum(character.isalpha() for character in text)

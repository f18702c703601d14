"""Page-object classes of one's own, for what a site file cannot say.

A site file names them as `product_page = "my_shop.py:MyProductPage"`, relative to itself. They
subclass `crawler.sites.pages.ProductPage` or `ListingPage` and override what they read better.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from runtime.errors import ConfigError
from runtime.keys import digest

_NAME = re.compile(r"(?P<file>[^:]+\.py):(?P<name>[A-Za-z_]\w*)")


@dataclass(frozen=True)
class PageClasses:
    """The classes of a site file, None where the shipped ones are meant.

    `digest` changes with their source, so that pages are read again when it changes.
    """

    product: type[Any] | None = None
    listing: type[Any] | None = None
    digest: str = ""


def load_page_classes(product: str | None, listing: str | None, site_file: Path) -> PageClasses:
    """The classes that a site file names. Raises ConfigError for the first that is wrong."""
    if product is None and listing is None:
        return PageClasses()
    from crawler.sites.pages import ListingPage, ProductPage  # it imports the site file's module

    found: list[type[Any] | None] = []
    sources: list[str] = []
    for key, value, base in (
        ("product_page", product, ProductPage),
        ("listing_page", listing, ListingPage),
    ):
        if value is None:
            found.append(None)
            continue
        loaded, source = _load(key, value, base, site_file)
        found.append(loaded)
        sources += [key, source]
    return PageClasses(found[0], found[1], digest(*sources))


def _load(key: str, value: str, base: type[Any], site_file: Path) -> tuple[type[Any], str]:
    where = f"{site_file}: `{key}` = {value!r}"
    parts = _NAME.fullmatch(value)
    if parts is None:
        raise ConfigError(
            f"{where}: expected a Python file and a class in it, such as 'my_shop.py:MyPage'"
        )
    path = site_file.parent / parts["file"]
    try:
        source = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{where}: expected a file at {path}, found none") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: expected a readable UTF-8 file, got {error}") from None
    name = f"mep3m_site_{digest(str(path.resolve()), source)}"
    module = sys.modules.get(name)
    if module is None:
        module = _run(name, path, source, where)
    loaded = getattr(module, parts["name"], None)
    if loaded is None:
        raise ConfigError(f"{where}: expected a class {parts['name']} in {path}, found none")
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise ConfigError(
            f"{where}: expected a subclass of crawler.sites.pages.{base.__name__}, "
            f"got {loaded!r}"
        )  # fmt: skip
    return loaded, source


def _run(name: str, path: Path, source: str, where: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # attrs and dataclasses look their module up
    try:
        # Not by an import loader: its cache could be of an older source of the same second.
        exec(compile(source, path, "exec"), module.__dict__)
    except Exception as error:  # it is another's code: whatever it raises is a fault of the file
        del sys.modules[name]
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(f"{where}: expected a module that can be imported, got {words}") from None
    return module

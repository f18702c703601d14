"""Where the curated mapping of a site lies: the file that comes with the package, and the user's.

The user's rows stand before the shipped ones of the same path, so that review never has to change a
file of the package. Both are inputs of the map stage.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runtime.config import Config
from runtime.errors import ConfigError
from runtime.keys import digest
from runtime.storage import sha256_file
from taxonomy.curated import shipped_mapping_path


@dataclass(frozen=True)
class SiteMapping:
    """One site's files: `shipped` where there is one, `own` whether it exists yet or not."""

    site: str
    shipped: Path | None
    own: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that exist, the one that stands first last."""
        return tuple(path for path in (self.shipped, self.own) if path and path.is_file())


def mapping_of(site: str, config: Config, config_folder: Path) -> SiteMapping:
    """The mapping files of a site, whether the configuration knows it or an archive brought it.

    The shipped one is that of its shop program, else of its own key. The user's is the one that the
    site's `mapping` names, else `mappings/<site>.csv` beside the configuration. Raises ConfigError
    when a named file does not exist.
    """
    entry = next((entry for entry in config.site if entry.key == site), None)
    named = entry.mapping if entry is not None else None
    own = config_folder / (named or f"mappings/{site}.csv")
    if named is not None and not own.is_file():
        raise ConfigError(
            f"site {site}: `mapping` = {named!r}: expected a file at {own}, "
            "found none; make it or remove the setting"
        )
    of_program = shipped_mapping_path(entry.program) if entry is not None else None
    return SiteMapping(site, of_program or shipped_mapping_path(site), own)


def answers_digest(sites: Iterable[str], config: Config, config_folder: Path) -> str:
    """The users' own mapping files of some sites, as one digest: another one after an answer."""
    files = [mapping_of(site, config, config_folder).own for site in sorted(set(sites))]
    return digest(*(sha256_file(file) if file.is_file() else "" for file in files))

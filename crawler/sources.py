"""Where a run's pages come from: the shops themselves, or WARC files; and which sites it reads.

What a run was started with stands in its `run.json` (`from_warc`: files, digests, sites), so that
every later command of the run knows it without being told again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from crawler.archive import INDEX_FILE, archive_files, build_index, file_digests
from crawler.from_warc import site_of_archive
from crawler.seeding import listed_products
from crawler.sites.sitefile import Site, load_site
from runtime.config import Config, SiteConfig
from runtime.errors import ConfigError
from runtime.workspace import Run, Workspace


def load_sites(config: Config, config_folder: Path) -> list[Site]:
    """The configured sites. Raises ConfigError for a faulty site file, or where there is none."""
    if not config.site:
        raise ConfigError(
            "no site to crawl: expected at least one [[site]] in the configuration; add one"
        )
    return [load_site(site, config_folder) for site in config.site]


def require_startable(config: Config, sites: Sequence[Site], config_folder: Path) -> None:
    """Raise ConfigError for what must not start a run: no contact, a faulty list of products."""
    require_contact(config, sites)
    for site in sites:
        if site.config.products is not None:
            for _ in listed_products(site, config_folder / site.config.products):
                pass


def require_contact(config: Config, sites: Sequence[Site]) -> None:
    """Raise ConfigError before a public host is asked by somebody who cannot be reached."""
    for site in sites:
        if not config.contact and not site.hosts <= set(site.config.allow_private):
            raise ConfigError(
                f'`contact` = "": expected an e-mail address or URL before {site.config.base_url} '
                "is crawled, so that its owner can reach you; set it"
            )


def sites_of(run: Run, config: Config, config_folder: Path) -> list[Site]:
    """The sites of a run; an archive's need not be configured."""
    source = run.record.get("from_warc")
    if source is None:
        due = set(run.record["sites"])
        return [site for site in load_sites(config, config_folder) if site.config.key in due]
    configured = {site.key: site for site in config.site}
    known = [SiteConfig.model_validate(values) for values in source["sites"]]
    return [load_site(configured.get(site.key, site), config_folder) for site in known]


@dataclass(frozen=True)
class ArchiveSource:
    """WARC files to read, by patterns, and the one site to read from them (None: all).

    `site` is the key of a configured site or the name of a shipped site file.
    """

    patterns: tuple[str, ...]
    site: str | None = None


def archive_run(
    source: ArchiveSource, workspace: Workspace, config: Config, config_folder: Path, now: datetime
) -> Run:
    """The run that reads the WARC files: a new one, or the unfinished one where it is the same.

    Raises ConfigError where files, sites and an unfinished run do not fit together.
    """
    files = archive_files(source.patterns)
    digests = file_digests(files)
    unfinished = workspace.unfinished_run()
    if unfinished is not None:
        began = unfinished.record.get("from_warc")
        keys = [site["key"] for site in began["sites"]] if began else []
        if began is None or began["files"] != digests or source.site not in (None, *keys):
            raise ConfigError(
                "--from-warc: expected no unfinished run, or one of the same files and sites, "
                f"found {unfinished.run_id}; finish it first with `mep3m run`"
            )
        return unfinished
    chosen = [site for site in config.site if source.site in (None, site.key)]
    index = workspace.folder / f".{INDEX_FILE}.tmp"
    build_index(files, index)
    try:
        if source.site is not None and not chosen:
            chosen = [site_of_archive(source.site, index)]
        if not chosen:
            raise ConfigError(
                "no site to read: expected a [[site]] in the configuration, or --site with the "
                "name of a shipped site file"
            )
        for site in chosen:
            load_site(site, config_folder)  # a faulty site must not start a run
        sites = [site.model_dump(mode="json", exclude_none=True) for site in chosen]
        run = workspace.new_run(
            now, (site.key for site in chosen), from_warc={"files": digests, "sites": sites}
        )
        index.replace(run.folder / INDEX_FILE)
    finally:
        index.unlink(missing_ok=True)
    return run

"""The configuration: every setting of `mep3m.toml`, its type, default and allowed values.

An unknown key, a wrong type or an impossible value is a `ConfigError` of one line that names the
key, the value and what is allowed. Nothing else in the program reads settings from anywhere.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from runtime.errors import ConfigError
from runtime.languages import KNOWN_LANGUAGES
from runtime.origins import IMPORTED_SITE

_TOO_SHORT = re.compile(r"List should have at least (\d+) items? after validation, not \d+")
SITE_KEY = r"^[a-z0-9][a-z0-9-]{0,39}$"
_RENAMED = {
    "taxonomy": "`taxonomy` in the section [map]",
    "crawl.honour_opt_outs": "`honour`, the list of opt-outs that are honoured; [] honours none",
}
HOST = r"(\[[0-9a-f:.]+\]|[^\sA-Z/@:\[\]]+)(:[0-9]{1,5})?"


class _Section(BaseModel):
    """Strict: no unknown keys, no silent conversions, no changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SiteConfig(_Section):
    """One shop: where it is, which site file reads it, and under which terms."""

    key: Annotated[str, Field(pattern=SITE_KEY)]
    program: Annotated[str, Field(min_length=1)]
    base_url: Annotated[str, Field(pattern=r"^https?://")]
    start: Annotated[list[str], Field(min_length=1)] | None = None
    hosts: list[str] = []
    allow_private: list[str] = []
    terms_url: str = ""
    licence: str = ""
    mapping: str | None = None
    every: Annotated[float, Field(ge=0, le=3_650)] = 0.0
    discovery: (
        Annotated[
            list[Literal["navigation", "categories", "sitemap", "products"]], Field(min_length=1)
        ]
        | None
    ) = None
    products: str | None = None
    max_products: Annotated[int, Field(ge=1)] | None = None
    max_products_per_category: Annotated[int, Field(ge=1)] | None = None
    max_pages: Annotated[int, Field(ge=1)] | None = None
    max_hours: Annotated[float, Field(gt=0)] | None = None
    max_depth: Annotated[int, Field(ge=1, le=1_000)] | None = None

    @field_validator("base_url")
    @classmethod
    def _names_a_host(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            named = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        except ValueError:
            named = False
        if not named:
            raise ValueError(
                "an http(s) URL with a host and no password, such as 'https://shop.example'"
            )
        return value

    @field_validator("hosts", "allow_private")
    @classmethod
    def _are_hosts(cls, value: list[str]) -> list[str]:
        for host in value:
            if not re.fullmatch(HOST, host):
                raise ValueError(
                    "a list of lower-case hosts such as ['shop.example', '127.0.0.1:8000'], "
                    f"got {host!r}"
                )
        return value


class CrawlConfig(_Section):
    """How pages are crawled. Delays are seconds between requests to one host."""

    delay: Annotated[float, Field(ge=0, le=3600)] = 0.25
    concurrency_per_host: Annotated[int, Field(ge=1, le=64)] = 2
    timeout: Annotated[float, Field(gt=0, le=600)] = 30.0
    max_body_mib: Annotated[int, Field(ge=1, le=256)] = 16
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 4
    max_redirects: Annotated[int, Field(ge=0, le=20)] = 5
    max_depth: Annotated[int, Field(ge=1, le=1_000)] = 50
    max_pages_per_category: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    max_products_per_category: Annotated[int, Field(ge=1)] | None = None
    max_products: Annotated[int, Field(ge=1)] | None = None
    max_pages: Annotated[int, Field(ge=1)] | None = None
    max_hours: Annotated[float, Field(gt=0)] | None = None
    stale_pages: Annotated[int, Field(ge=1, le=1_000)] = 3
    max_retry_after: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    max_crawl_delay: Annotated[float, Field(ge=1, le=3_600)] = 60.0
    robots_txt: bool = True
    honour: list[Literal["noai", "noimageai", "noindex", "tdm-reservation"]] = [
        "noai", "noimageai", "noindex", "tdm-reservation",
    ]  # fmt: skip
    proxy: Annotated[str, Field(pattern=r"^(http://[^\s/@]+)?$")] = ""
    allow_private_proxy: bool = False
    gone_after: Annotated[int, Field(ge=1, le=1_000)] = 3
    refresh_after: Annotated[float, Field(ge=0, le=3_650)] = 0.0
    sites_at_once: Annotated[int, Field(ge=1, le=256)] = 4
    warc_gzip_level: Annotated[int, Field(ge=1, le=9)] = 6
    warc_max_mib: Annotated[int, Field(ge=1, le=4096)] = 256


class FetchConfig(_Section):
    """How pictures are fetched. A host never sees more than its limits over crawl and fetch."""

    delay: Annotated[float, Field(ge=0, le=3600)] = 0.05
    concurrency_per_host: Annotated[int, Field(ge=1, le=256)] = 8
    timeout: Annotated[float, Field(gt=0, le=600)] = 30.0
    max_image_mib: Annotated[int, Field(ge=1, le=256)] = 20
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    hosts_at_once: Annotated[int, Field(ge=1, le=256)] = 4
    part_mib: Annotated[int, Field(ge=1, le=1024)] = 64
    refresh_after: Annotated[float, Field(ge=0, le=3_650)] = 90.0


class CleanConfig(_Section):
    """Bounds of the title and image rules; characters and pixels."""

    languages: Annotated[list[str], Field(min_length=1)] = ["zh"]
    min_title_chars: Annotated[int, Field(ge=1, le=100)] | None = None
    max_title_chars: Annotated[int, Field(ge=100, le=10_000)] = 300
    max_title_repetition: Annotated[float, Field(gt=0, le=1)] = 0.6
    min_script_share: Annotated[float, Field(ge=0, le=1)] = 0.2
    min_doubted_letters: Annotated[int, Field(ge=1, le=10_000)] = 30
    min_language_probability: Annotated[float, Field(ge=0, le=1)] = 0.1
    min_image_side: Annotated[int, Field(ge=1, le=10_000)] = 64
    max_image_aspect: Annotated[float, Field(ge=1, le=100)] = 5.0
    min_image_deviation: Annotated[float, Field(ge=0, le=127)] = 2.0
    max_image_megapixels: Annotated[int, Field(ge=1, le=89)] = 64
    max_image_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 20.0
    fingerprints: Literal["exact", "reduced"] = "exact"

    @field_validator("languages")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for code in value:
            if code not in KNOWN_LANGUAGES:
                known = " ".join(sorted(KNOWN_LANGUAGES))
                raise ValueError(f"ISO 639-1 codes of these languages: {known}; got {code!r}")
        return value


class MapConfig(_Section):
    """Which category tree labels come from, the title model, and who answers in review."""

    taxonomy: str | None = None
    model: str | None = None
    reviewer: Annotated[str, Field(pattern=r"\S")] | None = None


class DedupeConfig(_Section):
    """What counts as a copy. Radii are Hamming distances of 64-bit perceptual hashes."""

    policy: Literal["near", "exact"] = "near"
    radius: Annotated[int, Field(ge=0, le=7)] = 6
    title_free_radius: Annotated[int, Field(ge=0, le=7)] = 4
    min_title_agreement: Annotated[int, Field(ge=0, le=32)] = 3
    max_lightness_difference: Annotated[int, Field(ge=0, le=255)] = 20
    max_chroma_difference: Annotated[int, Field(ge=0, le=255)] = 6
    keep_variants: bool = True
    placeholder_records: Annotated[int, Field(ge=2)] = 5
    placeholder_similarity: Annotated[float, Field(ge=0, le=1)] = 0.3


class ReleaseConfig(_Section):
    """How a release is cut. Shares are of leak groups; the rest is the training split."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")] = "mep3m"
    shard_mib: Annotated[int, Field(ge=1, le=2048)] = 256
    row_group_rows: Annotated[int, Field(ge=1, le=100_000)] = 100
    validation_share: Annotated[float, Field(ge=0, le=0.4)] = 0.05
    test_share: Annotated[float, Field(ge=0, le=0.4)] = 0.05
    signing_key: Annotated[str, Field(min_length=1)] | None = None
    trusted_key: Annotated[str, Field(min_length=1)] | None = None


Gate = Literal[
    "pages", "listings", "errors", "blocks", "fields", "images", "rejections", "duplicates",
    "mapping", "growth", "drift", "removals",
]  # fmt: skip
"""What a run is judged by before it may publish."""
Share = Annotated[float, Field(ge=0, le=1)]


class GatesConfig(_Section):
    """Bounds that a run's figures are held against before it may publish. Rates are shares."""

    off: list[Gate] = []
    history: Annotated[int, Field(ge=1, le=1_000)] = 7
    min_history: Annotated[int, Field(ge=1, le=1_000)] = 3
    min_count: Annotated[int, Field(ge=0)] = 20
    pages: Share = 0.5
    listings: Share = 0.5
    errors: Share = 0.3
    blocks: Share = 0.1
    images: Share = 0.5
    rejections: Share = 0.6
    mapping: Share = 0.0
    tolerance: Share = 0.2
    growth: Share = 0.5
    drift: Annotated[float, Field(ge=0, le=100)] = 0.25
    removals: Share = 0.1

    @model_validator(mode="after")
    def _history_is_enough(self) -> GatesConfig:
        if self.min_history > self.history:
            raise ValueError(
                f"`min_history` of at most `history` ({self.history}), got {self.min_history}"
            )
        return self


class RunConfig(_Section):
    """Who is told of a run that failed, and when a part is set aside."""

    on_failure: list[Annotated[str, Field(min_length=1)]] = []
    max_deaths: Annotated[int, Field(ge=1, le=100)] = 3


class StorageConfig(_Section):
    """The object store of a workspace on `s3://`. Credentials come from the environment."""

    cache: Annotated[str, Field(min_length=1)] = ".mep3m-cache"
    endpoint_url: Annotated[str, Field(pattern=r"^(https?://[^\s/@]+/?)?$")] = ""
    region: str = ""
    lock_seconds: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    save_seconds: Annotated[float, Field(ge=1, le=86_400)] = 60.0


class DaskConfig(_Section):
    """The cluster of `engine = "dask"`."""

    address: Annotated[str, Field(pattern=r"^(local|[a-z+]+://\S+)$")] = "local"


class LogConfig(_Section):
    """How events are written to stderr, and how much of them the workspace keeps."""

    stderr: Literal["auto", "text", "json"] = "auto"
    max_mib: Annotated[int, Field(ge=1, le=10_000)] = 10
    keep: Annotated[int, Field(ge=1, le=1_000)] = 5


class RetentionConfig(_Section):
    """What `mep3m gc` keeps; what a kept release needs is kept beside it."""

    keep_runs: Annotated[int, Field(ge=1)] = 14
    keep_captures_days: Annotated[float, Field(ge=0, le=36_500)] = 90.0
    keep_pictures_days: Annotated[float, Field(ge=0, le=36_500)] = 90.0
    keep_releases: Annotated[int, Field(ge=1)] = 10


class Config(_Section):
    """Everything in `mep3m.toml`."""

    workspace: str = "."
    contact: str = ""
    workers: Annotated[int, Field(ge=1, le=1024)] = max(1, os.cpu_count() or 1)
    engine: Literal["process", "dask"] = "process"
    part_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    site: list[SiteConfig] = []
    crawl: CrawlConfig = CrawlConfig()
    fetch: FetchConfig = FetchConfig()
    clean: CleanConfig = CleanConfig()
    map: MapConfig = MapConfig()
    dedupe: DedupeConfig = DedupeConfig()
    release: ReleaseConfig = ReleaseConfig()
    gates: GatesConfig = GatesConfig()
    run: RunConfig = RunConfig()
    storage: StorageConfig = StorageConfig()
    dask: DaskConfig = DaskConfig()
    log: LogConfig = LogConfig()
    retention: RetentionConfig = RetentionConfig()

    @field_validator("site")
    @classmethod
    def _keys_differ(cls, value: list[SiteConfig]) -> list[SiteConfig]:
        keys = [site.key for site in value]
        if IMPORTED_SITE in keys:
            raise ValueError(f"another key than {IMPORTED_SITE!r}, which imported records have")
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"a key of its own for every site, got {key!r} twice")
        return value


def parse_config(values: dict[str, Any], source: str = "mep3m.toml") -> Config:
    """The configuration in a parsed TOML document. Raises ConfigError naming the first fault."""
    try:
        return Config.model_validate(_integers_as_floats(values))
    except ValidationError as error:
        raise ConfigError(f"{source}: {_first_fault(error)}") from None


def load_config(path: Path) -> Config:
    """The configuration in a TOML file; `workspace` and file settings are relative to its folder.

    Raises ConfigError when the file is missing, is not TOML, or holds a fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: expected a configuration file, found none; "
            "write one with `mep3m init` or name one with --config"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a readable UTF-8 TOML file, got {error}") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: expected TOML, got {error}; mend that line") from None
    return parse_config(values, str(path))


def _integers_as_floats(values: Any, model: Any = Config) -> Any:
    """Strict types would refuse `delay = 1`; TOML writers mean 1.0 there."""
    if not isinstance(values, dict):
        return values
    converted = dict(values)
    for name, field in model.model_fields.items():
        value = converted.get(name)
        if field.annotation is float and isinstance(value, int) and not isinstance(value, bool):
            converted[name] = float(value)
        elif isinstance(value, dict) and isinstance(field.annotation, type):
            converted[name] = _integers_as_floats(value, field.annotation)
    return converted


def _first_fault(error: ValidationError) -> str:
    """One line for the first thing that is wrong: key, what was expected, what came."""
    fault = error.errors()[0]
    key = ".".join(
        f"{part}" if not isinstance(part, int) else f"[{part}]" for part in fault["loc"]
    ).replace(".[", "[")
    more = len(error.errors()) - 1
    rest = f" (and {more} more)" if more else ""
    if fault["type"] == "extra_forbidden":
        if key in _RENAMED:
            return f"unknown key `{key}` = {fault['input']!r}: expected {_RENAMED[key]}{rest}"
        section = _section_at(fault["loc"][:-1])
        allowed = ", ".join(section.model_fields)
        return f"unknown key `{key}` = {fault['input']!r}; allowed here: {allowed}{rest}"
    if fault["type"] == "missing":
        return f"`{key}` is missing; add it{rest}"
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    message = message.replace("String should match pattern", "text matching")
    message = _TOO_SHORT.sub(r"at least \1 item", message)
    return f"`{key}` = {fault['input']!r}: expected {message}{rest}"


def _section_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    if not location:
        return Config
    if location[0] == "site":
        return SiteConfig
    annotation = Config.model_fields[str(location[0])].annotation
    assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation

"""`forget`: take records down for good, in this workspace and in every release it holds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.options import command, config_option
from runtime import clock
from runtime.config import load_config
from runtime.console import Outcome, table
from runtime.errors import ConfigError
from runtime.exits import Exit

if TYPE_CHECKING:
    from provenance.takedown.job import Job
    from provenance.takedown.near_pictures import Match

SHOWN = 20


def _many(
    name: str, metavar: str, text: str, **options: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(name, metavar=metavar, multiple=True, help=text, **options)


@click.command()
@_many("--record", "ID", "A record, by its id.")
@_many("--url", "URL", "Every record that shows this product, page or picture, however spelled.")
@_many("--url-prefix", "PREFIX", "Everything whose URL begins so.")
@_many("--site", "KEY", "A whole shop.")
@_many("--image-sha256", "HEX", "A picture, by the SHA-256 of its bytes, and its near copies.")
@_many(
    "--image", "FILE", "A picture and its near copies, which are listed for confirmation.",
    type=click.Path(path_type=Path),
)  # fmt: skip
@click.option(
    "--from", "published", type=click.Path(path_type=Path), metavar="FILE",
    help="Everything that a tombstone file of another workspace names.",
)  # fmt: skip
@click.option("--reason", default="", metavar="TEXT", help="Kept with the tombstones.")
@click.option("--yes", is_flag=True, help="Take near copies down without asking.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@config_option
@command
def forget(
    record: tuple[str, ...], url: tuple[str, ...], url_prefix: tuple[str, ...],
    site: tuple[str, ...], image_sha256: tuple[str, ...], image: tuple[Path, ...],
    published: Path | None, reason: str, yes: bool, dry_run: bool, config_path: Path, quiet: bool,
) -> Outcome:  # fmt: skip
    """Take records down, for good.

    Tombstones are written first: no later run brings back what they name. The next release is made
    at once without the records, releases that held them are withdrawn, and their bytes leave every
    file of the workspace. Run it again after a kill: it goes on.
    """
    from provenance.takedown.forget import begin, finish_unfinished, plan, plan_published
    from provenance.takedown.near_pictures import image_tombstones, near_matches
    from provenance.takedown.selection import Request
    from release.signature import configured_key
    from runtime.executor import open_pool
    from runtime.opening import writing

    config, at = load_config(config_path), clock.now().strftime("%Y-%m-%d")
    _require_sense(record, image_sha256)
    named = (*record, *url, *url_prefix, *site, *image_sha256, *image)
    with writing(config, config_path.parent) as opened, open_pool(config) as pool:
        workspace = opened.workspace
        key = configured_key(config, config_path.parent)
        before = None if dry_run else finish_unfinished(workspace, pool, config, key)
        if before is not None and not named and published is None:
            return _told(before.to_text(), before.to_json())
        if bool(named) == (published is not None):
            raise ConfigError(
                "forget: expected what to take down (--record, --url, --url-prefix, --site, "
                "--image-sha256, --image), or --from alone, got "
                f"{'both' if named else 'neither'}; see `mep3m forget --help`"
            )
        if published is not None:
            job = plan_published(workspace, published)
        else:
            entries = image_tombstones(workspace, config, image_sha256, image, at, reason)
            matches = near_matches(workspace, config, entries)
            if not (yes or dry_run):
                _confirm([m for m in matches if m.sha256 not in {e.value for e in entries}])
            hashes = tuple(sorted({match.sha256 for match in matches} | {e.value for e in entries}))
            entries = image_tombstones(workspace, config, hashes, image, at, reason)
            request = Request(record, url, url_prefix, site, hashes)
            job = plan(workspace, request, at, reason, entries)
        if dry_run:
            return _planned(job)
        done = begin(workspace, pool, config, job, key)
        return _told(done.to_text(), done.to_json())


def _require_sense(records: tuple[str, ...], hashes: tuple[str, ...]) -> None:
    for record_id in records:
        if ":" not in record_id:
            raise ConfigError(
                f"--record {record_id!r}: expected an id such as shop:4711; find it with "
                "`mep3m audit`"
            )
    for value in hashes:
        if len(value) != 64 or set(value) - set("0123456789abcdef"):
            raise ConfigError(
                f"--image-sha256 {value[:80]!r}: expected 64 hexadecimal digits in lower case; "
                "name the picture by --image FILE"
            )


def _confirm(near: list[Match]) -> None:
    """Ask a person whether near copies are meant. Raises ConfigError for anything but yes."""
    if not near:
        return
    rows = [(str(m.bits), m.record_id, m.title[:60]) for m in near]
    click.echo(table(rows, ("bits", "near copy", "title")), err=True)
    asked = sys.stdin.isatty() and click.confirm(f"take {len(near)} near copies down?", err=True)
    if not asked:
        raise ConfigError(
            f"forget: expected a yes to {len(near)} near copies, got none; nothing was changed: "
            "name single records by --record, or say --yes"
        )


def _planned(job: Job) -> Outcome:
    shown = [f"  {record_id}" for record_id in job.ids[:SHOWN]]
    more = [f"  and {len(job.ids) - SHOWN} more"] if len(job.ids) > SHOWN else []
    text = [
        f"would take down {len(job.ids)} records and {len(job.pictures)} pictures, withdraw "
        f"{', '.join(job.releases) or 'no release'}; nothing was changed",
        *shown, *more,
    ]  # fmt: skip
    values = {"records": list(job.ids), "withdrawn": list(job.releases), "dry_run": True}
    return Outcome(Exit.DONE, "\n".join(text), values)


def _told(text: str, values: dict[str, Any]) -> Outcome:
    return Outcome(Exit.DONE, text, values)

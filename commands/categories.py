"""`review` and `taxonomy`: answers for categories, and the title model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.options import command, config_option
from runtime.config import load_config
from runtime.console import Outcome

if TYPE_CHECKING:  # imported where it is used: a command loads only what it needs
    pass


@click.command()
@click.option("--site", metavar="KEY", help="Only what waits of this site.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True,
    help="Categories that the list shows.",
)  # fmt: skip
@click.option(
    "--export", type=click.Path(path_type=Path), metavar="FILE",
    help="Write the whole list as a CSV file to be answered in a spreadsheet program.",
)  # fmt: skip
@click.option(
    "--apply", type=click.Path(path_type=Path), metavar="FILE",
    help="Take the answers of such a file: all of them, or none when one is faulty.",
)  # fmt: skip
@click.option("--by", metavar="NAME", help="Who answers; `[map] reviewer` or the login name.")
@click.option("--coverage", "show_coverage", is_flag=True, help="Show what is mapped, and where.")
@config_option
@command
def review(config_path: Path, quiet: bool, **options: Any) -> Outcome:
    """Answer for categories that could not be mapped: most records first, best guess beside."""
    from taxonomy.review.command import Options
    from taxonomy.review.command import review as answer

    return answer(load_config(config_path), config_path.parent, Options(**options), quiet=quiet)


@click.group(name="taxonomy")
def taxonomy_group() -> None:
    """Train and measure the title model that `map.model` names (also with --json)."""


@taxonomy_group.command(name="train")
@click.argument("release", required=False)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("titles.npz"), show_default=True,
    help="The model's file; its figures go beside it, as JSON.",
)  # fmt: skip
@config_option
@command
def taxonomy_train(release: str | None, out: Path, config_path: Path, quiet: bool) -> Outcome:
    """Train the title model on a release: a version, a folder, or the current one."""
    from taxonomy.title_model.command import train_model

    return train_model(load_config(config_path), config_path.parent, release, out, quiet=quiet)


@taxonomy_group.command(name="evaluate")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("release", required=False)
@config_option
@command
def taxonomy_evaluate(model: Path, release: str | None, config_path: Path, quiet: bool) -> Outcome:
    """Measure a title model on a release's test split: the dataset's text baseline."""
    from taxonomy.title_model.command import evaluate_model

    config = load_config(config_path)
    return evaluate_model(config, config_path.parent, model, release, quiet=quiet)

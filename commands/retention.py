"""`gc`: what years of runs leave behind, and what of it may go."""

from __future__ import annotations

from pathlib import Path

import click

from commands.options import command, config_option
from runtime.config import load_config
from runtime.console import Outcome, table
from runtime.exits import Exit


@click.command()
@click.option("--apply", "do", is_flag=True, help="Let it go; without this nothing is changed.")
@click.option(
    "--keep", "versions", multiple=True, metavar="VERSION",
    help="A release that stays whatever the rules say; may be given several times.",
)  # fmt: skip
@config_option
@command
def gc(do: bool, versions: tuple[str, ...], config_path: Path, quiet: bool) -> Outcome:
    """Show what the rules of [retention] let go, and what stays and why; --apply removes it.

    What a release that stays needs is never among it. After a kill, the same command goes on.
    """
    from contextlib import ExitStack

    from operations.retention.applying import apply, finish_unfinished
    from operations.retention.plan import make_plan
    from operations.retention.sizes import bytes_text
    from runtime import clock
    from runtime.errors import WorkspaceError
    from runtime.opening import reading, writing

    del quiet
    config = load_config(config_path)
    now = clock.now()
    with ExitStack() as stack:
        if not do:
            workspace = reading(config, config_path.parent)
        else:
            workspace = stack.enter_context(writing(config, config_path.parent)).workspace
            if (workspace.folder / "takedown.json").is_file():
                raise WorkspaceError(
                    "expected no takedown under way, found one that was killed; finish it with "
                    "`mep3m run` first"
                )
            finish_unfinished(workspace)
        plan = make_plan(workspace, config, now, versions)
        if do:
            apply(workspace, config, plan, now, versions)
    rows = [(item.path, item.kind, bytes_text(item.bytes), item.why) for item in plan.going]
    kept = [(item.path, item.kind, item.why) for item in plan.staying]
    verb = "freed" if do else "would be freed; `mep3m gc --apply` removes it"
    lines = [table(rows, ("goes", "what", "frees", "why"))] if rows else ["nothing goes"]
    if kept:
        lines += ["", table(kept, ("stays", "what", "why"))]
    lines += ["", f"{bytes_text(plan.bytes)} {verb}"]
    return Outcome(Exit.DONE, "\n".join(lines), {"applied": do, **plan.to_json()})

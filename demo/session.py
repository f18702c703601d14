"""One demo: start the shops, crawl them into a release, and say what was found of what was sown.

The workspace keeps the shops' ports and seed, so that an interrupted demo goes on against the
same addresses, and its mep3m.toml, so that every other command works on what was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.catalogue import Catalogue, build_catalogue
from demo.pages import ShopAddresses
from demo.scorecard import Fate, ScoreRow, as_table, score
from demo.shops import running_shops
from demo.sowing import MINIMUM_PRODUCTS
from provenance.ledger import record_fates
from runtime.config import Config, load_config
from runtime.console import Outcome, table
from runtime.errors import ConfigError
from runtime.exits import Exit
from runtime.opening import reading, workspace_folder
from runtime.storage import read_json, write_bytes, write_json
from runtime.workspace import STAGES, Run, Workspace

_STORAGE = """
[storage]
cache = "copy"
endpoint_url = "{endpoint}"
"""


@dataclass(frozen=True)
class Store:
    """Where the workspace lives, when it is not the demo's folder: `s3://`, and its endpoint."""

    url: str
    endpoint: str


RunStages = Callable[[Config, Path, Sequence[str]], Outcome]

_CONFIG = """# The demo's configuration. The shops it names run only while the demo does.
workspace = "{workspace}"
contact = "demo@localhost"
{storage}
[crawl]
delay = 0.005
concurrency_per_host = 8

[fetch]
delay = 0.0

[release]
name = "mep3m-demo"
shard_mib = 16

[[site]]
key = "shop-a"
program = "demo-shop-a"
base_url = "{shop_a}"
hosts = ["{outlet_host}"]
allow_private = ["{shop_a_host}", "{outlet_host}"]
terms_url = "{shop_a}/terms"
licence = "generated for the demo, free of rights"

[[site]]
key = "shop-b"
program = "demo-shop-b"
base_url = "{shop_b}"
allow_private = ["{shop_b_host}", "{images_host}"]
terms_url = "{shop_b}/terms"
licence = "generated for the demo, free of rights"
"""


def run_demo(
    products: int, seed: int, folder: Path, run_stages: RunStages, store: Store | None = None
) -> Outcome:
    """Make the demo's workspace, or finish the one that lies there or in `store`.

    Raises ConfigError when the folder holds the demo of another number of products or seed, or
    something else.
    """
    if products < MINIMUM_PRODUCTS:
        raise ConfigError(
            f"--products {products}: expected at least {MINIMUM_PRODUCTS}, to sow every defect"
        )
    ports = _known_ports(folder, products, seed)
    outcome = Outcome(Exit.DONE)
    if not (ports and _is_finished(folder)):
        with running_shops(products, seed, folder / "shops", ports) as addresses:
            write_settings(folder, products, seed, addresses, store)
            outcome = run_stages(load_config(folder / "mep3m.toml"), folder, list(STAGES))
    workspace = Workspace(workspace_folder(load_config(folder / "mep3m.toml"), folder))
    run = workspace.runs()[-1]
    return _told(workspace, folder, run, build_catalogue(products, seed), outcome)


def _is_finished(folder: Path) -> bool:
    workspace = reading(load_config(folder / "mep3m.toml"), folder)
    return workspace.latest_release() is not None and workspace.unfinished_run() is None


def _known_ports(folder: Path, products: int, seed: int) -> Mapping[str, int] | None:
    path = folder / "demo.json"
    if not path.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(
                f"--workspace {folder}: expected an empty folder or an earlier demo, got "
                "something else; name another folder"
            )
        return None
    known = read_json(path)
    if (known["products"], known["seed"]) != (products, seed):
        raise ConfigError(
            f"--workspace {folder}: expected a demo of {products} products and seed {seed}, got one"
            f" of {known['products']} and {known['seed']}; use those or name another folder"
        )
    ports: dict[str, int] = known["ports"]
    return ports


def write_settings(
    folder: Path, products: int, seed: int, addresses: ShopAddresses, store: Store | None = None
) -> None:
    """The workspace's mep3m.toml, and what a demo that was interrupted has to know."""
    urls = {
        "shop-a": addresses.shop_a,
        "outlet": addresses.outlet,
        "shop-b": addresses.shop_b,
        "images": addresses.images,
    }
    hosts = {name: url.partition("//")[2] for name, url in urls.items()}
    text = _CONFIG.format(
        workspace=store.url if store is not None else ".",
        storage=_STORAGE.format(endpoint=store.endpoint) if store is not None else "",
        shop_a=addresses.shop_a,
        shop_b=addresses.shop_b,
        shop_a_host=hosts["shop-a"],
        outlet_host=hosts["outlet"],
        shop_b_host=hosts["shop-b"],
        images_host=hosts["images"],
    )
    write_bytes(folder / "mep3m.toml", text.encode())
    # Last: a demo that was killed before this line starts over with ports of its own.
    ports = {name: int(host.rpartition(":")[2]) for name, host in hosts.items()}
    write_json(folder / "demo.json", {"products": products, "seed": seed, "ports": ports})


def _told(
    workspace: Workspace, folder: Path, run: Run, catalogue: Catalogue, outcome: Outcome
) -> Outcome:
    fates = {
        fate.record_id: Fate(fate.record_id, fate.verdict, fate.rule, fate.peer_id)
        for fate in record_fates(run)
    }
    rows = score(catalogue, fates)
    stages = run.record["stages"]
    release = workspace.latest_release()
    examples = _examples(fates)
    text = "\n\n".join(
        part
        for part in (
            "What was sown, and what was found:\n" + as_table(rows),
            "What each stage counted:\n" + _stage_table(stages),
            outcome.text or f"run {run.run_id}: finished before",
            _where(folder, release, examples),
        )
        if part
    )
    values: dict[str, Any] = {
        **outcome.values,
        "score": [_score_values(row) for row in rows],
        "stages": stages,
        "release_folder": release and str(release),
        "workspace": str(folder.resolve()),
    }
    return Outcome(outcome.status, text, values)


def _examples(fates: Mapping[str, Fate]) -> dict[str, str]:
    """One record of each fate, the first by id."""
    found: dict[str, str] = {}
    for record_id, fate in sorted(fates.items()):
        found.setdefault(fate.verdict, record_id)
    return found


def _stage_table(stages: Mapping[str, Mapping[str, int]]) -> str:
    rows = [
        (stage, name, str(count))
        for stage, counts in stages.items()
        for name, count in sorted(counts.items())
    ]
    return table(rows, ("stage", "counted", "number"))


def _where(folder: Path, release: Path | None, examples: Mapping[str, str]) -> str:
    config = folder / "mep3m.toml"
    lines = [f"Made: {folder.resolve()}"]
    if release is not None:
        lines += [
            f"  release   {release}",
            f"  card      {release / 'README.md'}",
            f"  shards    {release / 'data'}",
            f"Check it:   mep3m verify --config {config}",
        ]
    lines += [
        f"Ask of one: mep3m audit {record_id} --config {config}  ({verdict})"
        for verdict, record_id in sorted(examples.items())
    ]
    return "\n".join(lines)


def _score_values(row: ScoreRow) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "sown": row.sown,
        "found": row.found,
        "false_alarms": row.false_alarms,
        "precision": row.precision,
        "recall": row.recall,
    }

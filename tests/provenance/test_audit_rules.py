"""The audit of a record of every fate, by every rule that the code has, is complete."""

import ast
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from provenance.audit import audit
from provenance.ledger import DECIDING_STAGES
from provenance.story_text import story_text
from runtime.tables import DECISIONS
from runtime.workspace import Run, Workspace
from tests.provenance.told import Said, assert_complete, everything_decided, of_ledger
from tests.release.finished_run import START, Product, RunWriter, products, publish_run

ROOT = Path(__file__).parents[2]
_RULE = re.compile(r"[a-z][a-z_]*_v[0-9]+")
# Which stage a package's rules are of, and the fate that they give where they refuse.
STAGES = {
    "release/imports": ("import", "rejected"),
    "cleaning/copies": ("dedupe", "rejected"),
    "cleaning": ("clean", "rejected"),
    "taxonomy": ("map", "held"),
}


def rules_in_the_code() -> Iterator[tuple[str, str, str]]:
    """(stage, rule, fate) of every rule that a module names."""
    for folder, (stage, fate) in STAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            if folder == "cleaning" and path.is_relative_to(ROOT / "cleaning" / "copies"):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                value = node.value if isinstance(node, ast.Constant) else None
                if isinstance(value, str) and _RULE.fullmatch(value):
                    yield stage, value, fate


RULES = sorted(set(rules_in_the_code()))
IDS = {rule: f"shop-r:{number:06d}" for number, rule in enumerate(RULES)}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A published run with a record for each rule; a second one in which two records change."""
    made = Workspace(tmp_path_factory.mktemp("rules") / "workspace")
    made.prepare()
    kept = products("shop-k", 4)
    refused = [Product(name, f"珍珠项链 {name}", fate="rejected") for name in IDS.values()]
    copy = Product("shop-k:000009", "珍珠", fate="duplicate", peer="shop-k:000001")
    run = RunWriter(made).write([*kept, *refused, copy])
    judge_anew(run)
    publish_run(made, run)
    later = RunWriter(made, START + timedelta(hours=1)).write(
        [
            Product("shop-k:000001", "珍珠手链", fate="duplicate", sightings=3),
            Product("shop-k:000002", "珍珠项链", fate="rejected", opt_out="noai"),
            Product("shop-k:000009", "珍珠", fate="kept"),
        ]
    )
    publish_run(made, later)
    return made


@pytest.fixture(scope="module")
def decided(workspace: Workspace) -> dict[str, set[Said]]:
    return everything_decided(workspace)


def judge_anew(run: Run) -> None:
    """Give each record that was refused the rule that it stands for, at its stage."""
    rows: dict[tuple[str, str], list[dict[str, object]]] = {}
    of_record = {record_id: rule for rule, record_id in IDS.items()}
    for stage in ("merge", "clean", "map", "dedupe"):
        for name in run.decisions(stage).names():
            for row in run.decisions(stage).read(name).to_pylist():
                to, rule, fate = of_record.get(row["record_id"], (stage, row["rule"], ""))
                told = {**row, "stage": to, "rule": rule, "verdict": fate or row["verdict"]}
                rows.setdefault((to, name), []).append(told)
    for name in run.listings.names():
        for stage in DECIDING_STAGES[:-1]:
            table = pa.Table.from_pylist(rows.get((stage, name), []), DECISIONS.schema)
            run.decisions(stage).write(name, table, "fixture")


def test_the_code_has_the_rules_that_are_told_of() -> None:
    stages = {stage for stage, _, _ in RULES}
    assert len(RULES) > 40 and stages == {"import", "clean", "map", "dedupe"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule[1])
def test_a_record_refused_by_a_rule_is_told_to_its_end(
    workspace: Workspace, decided: dict[str, set[Said]], rule: tuple[str, str, str]
) -> None:
    stage, name, fate = rule
    story = audit(workspace, IDS[rule])
    assert (story.fate, story.releases) == (fate, ())
    assert_complete(story, decided[IDS[rule]])
    assert f"{stage}: {fate} by {name} (" in story_text(story)


def test_every_other_fate_is_told_to_its_end(
    workspace: Workspace, decided: dict[str, set[Said]]
) -> None:
    fates = {}
    for record_id in sorted(set(decided) - set(IDS.values())):
        story = audit(workspace, record_id)
        assert_complete(story, decided[record_id])
        fates[record_id] = story.fate
    assert fates["shop-k:000003"] == "published" and fates["shop-k:000002"] == "removed"
    merged = [line for line in audit(workspace, "shop-k:000001").runs[0].decisions if
              line.verdict == "merged"]  # fmt: skip
    assert len(merged) == 2
    # What was a duplicate once and is published now has both told.
    assert [run.fate for run in audit(workspace, "shop-k:000009").runs] == [
        "published",
        "duplicate",
    ]


def test_what_no_run_tells_any_more_is_told_from_the_releases(
    workspace: Workspace, tmp_path: Path
) -> None:
    shutil.copytree(workspace.folder, tmp_path / "copy")
    copy = Workspace(tmp_path / "copy")
    shutil.rmtree(copy.folder / "runs" / copy.runs()[0].run_id)
    last = copy.runs()[0]
    shutil.rmtree(last.folder)
    ids = ["shop-k:000001", "shop-k:000002", "shop-k:000009", *list(IDS.values())[::9]]
    newest = copy.latest_release()
    assert newest is not None
    for record_id, expected in of_ledger(newest, ids).items():
        story = audit(copy, record_id)
        assert story.runs == () and story.ledger
        assert_complete(story, expected)
    published = audit(copy, "shop-k:000001")
    assert (published.fate, len(published.releases)) == ("published", 2)
    assert published.releases[0].capture and published.releases[0].label
    assert audit(copy, "shop-k:000002").fate == "removed"
